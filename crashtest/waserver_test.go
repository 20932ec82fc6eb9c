package crashtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/genfity/wa-gateway/crashtest/told"
)

// What the WA server does with a message stands in its text.
const (
	answerOK     = "ok"      // 200 with an id
	answerFail   = "fail"    // 500
	answerHangUp = "hang-up" // closes the connection
)

// waServer is the WA server behind the gateway. It writes into the book what it is
// about to answer, before the gateway can know.
type waServer struct {
	*httptest.Server
	book *told.Book

	mu        sync.Mutex
	answered  map[string]string // id by text
	callbacks []told.Key        // messages that were sent and may be delivered
	problems  limited
}

func newWAServer(t testing.TB, book *told.Book) *waServer {
	w := &waServer{book: book, answered: map[string]string{}}
	w.Server = httptest.NewServer(w)
	t.Cleanup(func() {
		w.Close()
		w.problems.report(t)
	})
	return w
}

// message is a call as the WA server reads it.
type message struct {
	SessionID  string   `json:"session_id"`
	Message    string   `json:"message"`
	Recipients []string `json:"recipients"`
}

// ServeHTTP implements http.Handler.
func (w *waServer) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet { // health
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the gateway was killed
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil || r.Header.Get("Authorization") != "Bearer "+waToken {
		w.problems.add("the WA server got %s %s: %s", r.Method, r.URL, body)
		return
	}
	owner := told.Owner{User: r.Header.Get("X-User-ID"), Session: m.SessionID}
	id := "wa-" + m.Message
	w.mu.Lock()
	if w.answered[m.Message] != "" {
		w.problems.add("%q was sent twice", m.Message)
	}
	w.answered[m.Message] = id
	w.mu.Unlock()
	switch answer, _, _ := strings.Cut(m.Message, "/"); answer {
	case answerOK:
		keys := keysOf(owner, id, len(m.Recipients))
		w.book.Told(sent(keys)...)
		w.mu.Lock()
		w.callbacks = append(w.callbacks, keys...)
		w.mu.Unlock()
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(rw, `{"success":true,"data":{"message_id":%q}}`, id)
	case answerHangUp:
		w.fails(owner, len(m.Recipients))
		panic(http.ErrAbortHandler)
	default:
		w.fails(owner, len(m.Recipients))
		http.Error(rw, `{"success":false}`, http.StatusInternalServerError)
	}
}

func (w *waServer) fails(owner told.Owner, recipients int) {
	for range max(recipients, 1) {
		w.book.FailureTold(owner)
	}
}

// saw tells whether a message has arrived.
func (w *waServer) saw(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.answered[text] != ""
}

// callback takes a message that was sent, to tell what became of it.
func (w *waServer) callback() (told.Key, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.callbacks) == 0 {
		return told.Key{}, false
	}
	key := w.callbacks[0]
	w.callbacks = w.callbacks[1:]
	return key, true
}

// keysOf names the messages of one call: of several recipients each is one.
func keysOf(owner told.Owner, id string, recipients int) []told.Key {
	if recipients < 2 {
		return []told.Key{{User: owner.User, Session: owner.Session, Message: id}}
	}
	keys := make([]told.Key, recipients)
	for i := range keys {
		keys[i] = told.Key{User: owner.User, Session: owner.Session, Message: fmt.Sprintf("%s:%d", id, i+1)}
	}
	return keys
}

func sent(keys []told.Key) []told.Event {
	events := make([]told.Event, len(keys))
	for i, key := range keys {
		events[i] = told.Event{Key: key, Status: told.Sent}
	}
	return events
}
