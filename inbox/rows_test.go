package inbox_test

import (
	"context"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/inbox"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
	"github.com/genfity/wa-gateway/waserver"
)

// letters makes a message of each payload.
type letters struct{ waserver.Translator }

func (letters) Updates(payload []byte, received time.Time) ([]waserver.Update, error) {
	return []waserver.Update{{At: received, Message: &waserver.ChatMessage{
		ID: string(payload), ChatJID: "628111@s.whatsapp.net", Body: "hello", At: received,
	}}}, nil
}

// With a real database: a webhook that was kept is a row after a poke.
func TestRowsFollowAPoke(t *testing.T) {
	db, err := store.Open(store.Config{DSN: storetest.New(t, storetest.SQLite).DSN})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	primary := store.NewPrimary(db)
	if _, err := primary.Migrate(t.Context(), store.MigrateOptions{}); err != nil {
		t.Fatal(err)
	}
	observed := make(chan string, 1)
	b := inbox.New(inbox.Options{
		Source: primary, Sources: []string{"main"}, Interval: time.Hour,
		Translators: func(string) waserver.Translator { return letters{} },
		Observe: func(_ context.Context, e *store.WebhookEvent, _ []waserver.Update) error {
			observed <- e.SessionID
			return nil
		},
	})
	b.Start()
	_, err = primary.AddWebhookEvents(t.Context(), []*store.WebhookEvent{{Source: "main", SessionID: "shop", Payload: []byte(`"1"`)}})
	if err != nil {
		t.Fatal(err)
	}
	b.Poke()
	if session := <-observed; session != "shop" {
		t.Errorf("observed %q", session)
	}
	// What has begun is finished.
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	messages, _, err := primary.ChatMessages(t.Context(), "shop", "628111@s.whatsapp.net", "", 0)
	if err != nil || len(messages) != 1 || messages[0].Body != "hello" {
		t.Errorf("got %+v, %v", messages, err)
	}
}
