package store_test

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
)

func TestWebhookRecord(t *testing.T) {
	at := time.Date(2026, 1, 31, 8, 30, 0, 123_000_000, time.UTC)
	for _, e := range []store.WebhookEvent{
		{Source: "main", SessionID: "shop", EventType: "message", Payload: []byte(`{"a": 1}`), ReceivedAt: at},
		{Source: "main", Payload: []byte(`0`), ReceivedAt: at, ProcessedAt: &at},
		{Source: "main", SessionID: "shop", EventType: "Connected", Payload: []byte(`{}`), ReceivedAt: at, Timeless: true},
		{Source: "main", SessionID: "shop", Payload: []byte(`{}`), ReceivedAt: at, OfSession: true},
		{Source: "main", SessionID: "shop", Payload: []byte(`{}`), ReceivedAt: at, Timeless: true, OfSession: true},
	} {
		got, err := store.ReadWebhookEvent(store.AppendWebhookEvent(nil, &e))
		if err != nil || !reflect.DeepEqual(*got, e) {
			t.Errorf("got %+v, %v, want %+v", got, err, e)
		}
	}
}

// FuzzReadWebhookEvent: whatever a record holds, reading it ends, and what was read
// is written as it was.
func FuzzReadWebhookEvent(f *testing.F) {
	f.Add(store.AppendWebhookEvent(nil, &store.WebhookEvent{Source: "main", Payload: []byte("{}"), ReceivedAt: time.Unix(1, 0)}))
	f.Add([]byte{1, 0, 0, 200, 1})
	f.Add([]byte{2, 0, 0, 1, 65, 0, 0, 123, 125})
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := store.ReadWebhookEvent(data)
		if err != nil {
			return
		}
		again, err := store.ReadWebhookEvent(store.AppendWebhookEvent(nil, e))
		if err != nil || again.Source != e.Source || !bytes.Equal(again.Payload, e.Payload) || !again.ReceivedAt.Equal(e.ReceivedAt) || again.Timeless != e.Timeless || again.OfSession != e.OfSession {
			t.Fatalf("%+v became %+v, %v", e, again, err)
		}
	})
}
