package sandbox

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Headers that the sandbox reads beside Authorization.
const (
	userHeader      = "X-User-ID"
	sessionHeader   = "X-Session-ID"
	callbacksHeader = "X-WA-Sandbox-Callbacks"
)

// Defaults of Options.
const (
	defaultPairAfter = 5 * time.Second
	defaultDelivered = 300 * time.Millisecond
	defaultRead      = 700 * time.Millisecond
	defaultSlow      = 3 * time.Second
	defaultQueue     = 10_000
)

// Options are the settings of a sandbox. The zero value is a sandbox that anybody may call and
// that tells nobody.
type Options struct {
	// Dialect names the WhatsApp server to pretend: generic, wuzapi, gowa, waha or evolution.
	// Empty means "generic".
	Dialect string

	// Generation is which of a server's generations is pretended. Empty means the newest.
	// wuzapi: "old" (2025, without signatures). waha: "noweb" and "webjs", the engines whose
	// answers differ from those of the default, GOWS. The others have none.
	Generation string

	// Token is the credential of the server's administrator. generic wants it as Authorization:
	// Bearer, wuzapi as Authorization without a word before it, waha as X-Api-Key, evolution as
	// apikey, gowa as Basic with the token being user:password; the sandbox's own calls under
	// /_sandbox/ as Authorization: Bearer. Empty: no credential is asked for, and any is
	// accepted.
	Token string

	// WebhookJSON makes wuzapi post its webhooks as JSON instead of as a form.
	WebhookJSON bool

	// EventsURL is where the events of messages are posted, one JSON object each (contract §8),
	// for instance http://127.0.0.1:8070/events/message. Empty: no events. The servers with an API
	// of their own post webhooks instead, to the addresses that were registered with them; with
	// an EventsURL only to its host and port, without one only to loopback addresses.
	EventsURL string

	// EventsToken gives the token for EventsURL, sent as Authorization: Bearer. It is asked at
	// every event; nil or an empty answer sends none.
	EventsToken func() string

	// Client posts the events. Nil: one of the sandbox's own, with a timeout of 10 s, that
	// follows no redirect.
	Client *http.Client

	// PairAfter is how long a started session shows its QR code before it is connected, as if
	// somebody had scanned it. 0 means 5 s; negative: at once.
	PairAfter time.Duration

	// Delivered and Read are how long after a message was accepted it is delivered (or fails)
	// and read, both counted from the acceptance. 0 means 300 ms and 700 ms; negative: at once.
	// Read is never earlier than Delivered. A failure should be later than the answer reaches
	// the gateway, else the gateway's own record of the accepted call is the later word
	// (contract §8) and the message counts as sent.
	Delivered, Read time.Duration

	// Slow is how long the answer takes for numbers that end in 0005. 0 means 3 s; negative: at
	// once. generic knows no such numbers.
	Slow time.Duration

	// Queue is how many messages may have events still to come. 0 means 10,000. The events of
	// a message past that are dropped, and the log says so.
	Queue int

	// Logger takes what went wrong with events. Nil: none.
	Logger *zap.Logger

	// Now is the clock of sessions, QR codes and timestamps. Nil: time.Now. Events are posted
	// by real time, whatever this says.
	Now func() time.Time
}

// Sandbox is a pretend WhatsApp server. Make one with New; it is safe for concurrent use.
type Sandbox struct {
	options   Options
	dialect   *dialect
	token     [sha256.Size]byte
	callbacks *callbacks // nil without an events endpoint
	core      *core      // of a server with an API of its own; nil for generic

	mu    sync.Mutex // guards state
	state *state
}

// New returns a sandbox, and starts its workers when there is an events endpoint to call.
// It fails on an unknown dialect and on an EventsURL that is no absolute http or https URL.
func New(o Options) (*Sandbox, error) {
	d, isGeneric := dialects[o.Dialect]
	server, isNative := natives[o.Dialect]
	if !isGeneric && !isNative {
		return nil, fmt.Errorf("sandbox: unknown dialect %q: use generic, wuzapi, gowa, waha or evolution", o.Dialect)
	}
	if o.Generation != "" && !slices.Contains(server.generations, o.Generation) {
		return nil, fmt.Errorf("sandbox: the dialect has no generation %q", o.Generation)
	}
	o.PairAfter = delay(o.PairAfter, defaultPairAfter)
	o.Delivered = delay(o.Delivered, defaultDelivered)
	o.Read = max(delay(o.Read, defaultRead), o.Delivered)
	o.Slow = delay(o.Slow, defaultSlow)
	if o.Queue <= 0 {
		o.Queue = defaultQueue
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.EventsURL != "" {
		// The URL may hold a password, so no error repeats it.
		u, err := url.Parse(o.EventsURL)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return nil, errors.New("sandbox: the events URL must be absolute, http or https")
		}
	}
	if isNative {
		c := newCore(o, server.make)
		return &Sandbox{options: o, core: c, callbacks: c.callbacks}, nil
	}
	s := &Sandbox{options: o, dialect: d, token: sha256.Sum256([]byte(o.Token)), state: newState()}
	if o.EventsURL != "" {
		s.callbacks = startCallbacks(o, d.event)
	}
	return s, nil
}

func delay(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return max(d, 0)
}

// Close ends the sandbox's workers. Events being posted may finish until ctx is done and are
// then broken off; events still to come are dropped. Calls are answered even after it, without
// events. It may be called more than once. The error is that of ctx, when that ended first.
func (s *Sandbox) Close(ctx context.Context) error {
	if s.callbacks == nil {
		return nil
	}
	return s.callbacks.close(ctx)
}

// call is one request on its way through a handler.
type call struct {
	r    *http.Request
	user string    // X-User-ID, "" when there is none
	id   string    // {id} of the path
	chat string    // {chat} of the path
	now  time.Time // UTC; one clock reading for the whole call
}

// ServeHTTP answers one call to the pretended server.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.core != nil {
		s.core.ServeHTTP(w, r)
		return
	}
	answer, err := s.serve(w, r)
	if err == nil {
		s.dialect.answer(w, answer)
		return
	}
	refused, ok := errors.AsType[*refusal](err)
	if !ok {
		s.options.Logger.Error("the sandbox could not answer", zap.String("path", r.URL.Path), zap.Error(err))
		refused = &refusal{status: http.StatusInternalServerError, code: "internal", message: "Internal error"}
	}
	s.dialect.refuse(w, refused)
}

func (s *Sandbox) serve(w http.ResponseWriter, r *http.Request) (*reply, error) {
	found, params, err := s.dialect.match(r)
	if err != nil || !found.open { // strangers learn nothing about paths
		if denied := s.authorize(r); denied != nil {
			return nil, denied
		}
	}
	if err != nil {
		return nil, err
	}
	c := &call{
		r: r, user: r.Header.Get(userHeader), id: params["id"], chat: params["chat"],
		now: s.options.Now().UTC(),
	}
	if err := checkID(userHeader, c.user); c.user != "" && err != nil {
		return nil, err
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	return found.handle(s, c)
}

// authorize compares digests, so that neither the token's text nor its length shows in time.
func (s *Sandbox) authorize(r *http.Request) error {
	if s.options.Token == "" {
		return nil
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	digest := sha256.Sum256([]byte(strings.TrimSpace(token)))
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(digest[:], s.token[:]) != 1 {
		return &refusal{status: http.StatusUnauthorized, code: "unauthorized", message: "The token is missing or wrong"}
	}
	return nil
}
