package caddywagateway

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/store"
)

// answer is the shape of everything that the gateway says itself (contract §7).
type answer struct {
	Status  int    `json:"status"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

// The messages that the contract gives word for word.
const (
	messageUnauthenticated = "Authentication required"
	messageNoSubscription  = "Subscription expired or inactive"
	messageLimited         = "Rate limit exceeded"
	messageNotForwarded    = "Failed to forward request to WhatsApp server"
)

// refusal is an answer other than success. It travels as a caddyhttp error, so
// that handle_errors can restyle it.
type refusal struct {
	answer
	header http.Header
	cause  error // for the log, never for the client
}

func (e *refusal) Error() string {
	if e.cause != nil {
		return e.Message + ": " + e.cause.Error()
	}
	return e.Message
}

func (e *refusal) Unwrap() error { return e.cause }

func refuse(status int, message string) *refusal {
	return &refusal{answer: answer{Status: status, Message: message}}
}

func (e *refusal) with(data any) *refusal {
	e.Data = data
	return e
}

func (e *refusal) because(err error) *refusal {
	e.cause = err
	return e
}

func (e *refusal) set(name, value string) *refusal {
	if e.header == nil {
		e.header = make(http.Header)
	}
	e.header.Set(name, value)
	return e
}

// retryAfter is what clients are told to wait while a dependency is away.
const retryAfter = 5 * time.Second

// unavailable is the answer while something that the gateway needs is away.
func unavailable(message string, cause error) *refusal {
	return refuse(http.StatusServiceUnavailable, message).
		set("Retry-After", strconv.Itoa(int(retryAfter/time.Second))).because(cause)
}

// databaseFailure is the answer to a call that the database failed.
func databaseFailure(err error) *refusal {
	if errors.Is(err, store.ErrUnavailable) {
		return unavailable("The database cannot be reached; try again later", err)
	}
	return refuse(http.StatusInternalServerError, "Internal error").because(err)
}

// writeAnswer is the one place where the gateway writes JSON. What cannot be written
// so is refused in the shape of all answers: nothing was sent yet.
func writeAnswer(w http.ResponseWriter, status int, message string, data any) error {
	body, err := json.Marshal(answer{Status: status, Message: message, Data: data})
	if err != nil {
		return refuse(http.StatusInternalServerError, "Internal error").because(err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, err = w.Write(append(body, '\n'))
	return err
}

// finish ends a request that a handler refused. The error takes Caddy's road:
// the error routes of the server are run with the placeholders of
// {http.error.*} set, as Caddy itself does for an error that a handler returns;
// where none of them answers, the gateway's own JSON is written. Returning the
// error instead would leave the body empty on servers without error routes, and
// on those whose routes do not match.
func finish(w http.ResponseWriter, r *http.Request, err error, logger *zap.Logger) error {
	if err == nil {
		return nil
	}
	var e *refusal
	if !errors.As(err, &e) {
		return err
	}
	logRefusal(logger, e)
	for name, values := range e.header {
		w.Header()[name] = values
	}
	own := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		err := writeAnswer(w, e.Status, e.Message, e.Data)
		var unwritten *refusal
		if errors.As(err, &unwritten) { // its data cannot be
			logRefusal(logger, unwritten)
			return writeAnswer(w, e.Status, e.Message, nil)
		}
		return err
	})
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server.Errors == nil || len(server.Errors.Routes) == 0 {
		return own(w, r)
	}
	handlerError := caddyhttp.Error(e.Status, e)
	// What {http.error.message} shows is for clients; the cause stays behind.
	handlerError.Err = errors.New(e.Message)
	r = server.Errors.WithError(r, handlerError)
	restoreOriginal(r)
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Set("http.wa_gateway.error.status", e.Status)
		repl.Set("http.wa_gateway.error.message", e.Message)
	}
	return server.Errors.Routes.Compile(own).ServeHTTP(w, r)
}

// restoreOriginal gives the error routes the request as the client made it, as
// Caddy does (its issue #3717).
func restoreOriginal(r *http.Request) {
	original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	if !ok {
		return
	}
	r.Method = original.Method
	r.RemoteAddr = original.RemoteAddr
	r.RequestURI = original.RequestURI
	if original.URL != nil {
		u := *original.URL
		r.URL = &u
	}
}

// logRefusal logs what an operator has to look at; what clients do wrong is in
// the access log.
func logRefusal(logger *zap.Logger, e *refusal) {
	level := zap.DebugLevel
	if e.Status >= http.StatusInternalServerError && e.Status != http.StatusNotImplemented {
		level = zap.ErrorLevel
	}
	if c := logger.Check(level, "request refused"); c != nil {
		c.Write(zap.Int("status", e.Status), zap.String("reason", e.Message), zap.NamedError("cause", e.cause))
	}
}
