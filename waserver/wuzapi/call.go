package wuzapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/genfity/wa-gateway/waserver"
)

// answer is what the server answered, when that was a success.
type answer struct {
	status int
	// data is the envelope's; the whole body where there is no envelope.
	data json.RawMessage
}

// read reads the answer's data.
func (a *answer) read(into any) error {
	if err := json.Unmarshal(a.data, into); err != nil {
		return &waserver.ServerError{Status: a.status, Message: "the answer is in a form that is not known"}
	}
	return nil
}

// noRouteError is the error for a call that this version of the server does not have.
type noRouteError struct{ err *waserver.ServerError }

func (e *noRouteError) Error() string { return e.err.Error() }
func (e *noRouteError) Unwrap() error { return e.err }

func isNoRoute(err error) bool {
	_, is := errors.AsType[*noRouteError](err)
	return is
}

// kind is what the server's answer meant; KindUnknown when there was none.
func kind(err error) waserver.Kind {
	if e, is := errors.AsType[*waserver.ServerError](err); is {
		return e.Kind
	}
	return waserver.KindUnknown
}

// says tells whether the server's error has one of the words, whatever their case:
// the generations write them differently, and a state is told by them alone.
func says(err error, words ...string) bool {
	e, is := errors.AsType[*waserver.ServerError](err)
	return is && hasAny(strings.ToLower(e.Message), words)
}

func hasAny(text string, words []string) bool {
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// admin makes a call with the server's admin token, which opens /admin alone.
func admin(ctx context.Context, c *waserver.Client, method string, path []string, body any) (*answer, error) {
	header := http.Header{}
	if c.Server.Token != "" {
		header.Set("Authorization", c.Server.Token) // as it is, without Bearer
	}
	return call(ctx, c, &waserver.Request{Method: method, Path: path, Header: header}, body)
}

// session makes a call with a session's token. There always is one: a call without any
// reaches whichever session of the server has an empty token.
func session(ctx context.Context, c *waserver.Client, token, method string, path []string, query url.Values, body any) (*answer, error) {
	if token == "" {
		return nil, errors.New("wuzapi: the session has no token")
	}
	header := http.Header{}
	header.Set("Token", token)
	a, err := call(ctx, c, &waserver.Request{Method: method, Path: path, Query: query, Header: header}, body)
	if kind(err) == waserver.KindCredential {
		// The token is the session: the server does not have it any more.
		e, _ := errors.AsType[*waserver.ServerError](err)
		gone := *e
		gone.Kind = waserver.KindNotFound
		return nil, &gone
	}
	return a, err
}

// call makes one call. body is nil, a *waserver.Body, or what shall be JSON.
func call(ctx context.Context, c *waserver.Client, r *waserver.Request, body any) (*answer, error) {
	switch b := body.(type) {
	case nil:
	case *waserver.Body:
		r.Body = b
	default:
		encoded, err := waserver.JSONBody(b)
		if err != nil {
			return nil, fmt.Errorf("wuzapi: a body that is no JSON: %w", err)
		}
		r.Body = encoded
	}
	resp, err := c.Do(ctx, r)
	if err != nil {
		return nil, err
	}
	var envelope struct {
		Data    json.RawMessage `json:"data"`
		Error   string          `json:"error"`
		Success *bool           `json:"success"`
	}
	isJSON := json.Unmarshal(resp.Body, &envelope) == nil
	good := resp.Status >= 200 && resp.Status < 300 && isJSON && (envelope.Success == nil || *envelope.Success)
	if !good {
		failure := &waserver.ServerError{Status: resp.Status, Message: ownWords(c, r, envelope.Error)}
		failure.Kind = errorKind(resp.Status, strings.ToLower(envelope.Error))
		// What is no route falls through to the server's static files, which answer
		// in plain text.
		if !isJSON && (resp.Status == http.StatusNotFound || resp.Status == http.StatusMethodNotAllowed) {
			failure.Kind = waserver.KindUnknown
			return nil, &noRouteError{failure}
		}
		return nil, failure
	}
	a := &answer{status: resp.Status, data: envelope.Data}
	if envelope.Success == nil && envelope.Data == nil {
		a.data = resp.Body
	}
	return a, nil
}

// errorKind tells what an error means. A 500 mostly tells of the session's state.
func errorKind(status int, text string) waserver.Kind {
	switch status {
	case http.StatusBadRequest:
		if hasAny(text, []string{"already paired"}) {
			return waserver.KindAlreadyPaired
		}
		if hasAny(text, []string{"exceeds allowed size", "too large"}) {
			return waserver.KindTooLarge
		}
		return waserver.KindInvalid
	case http.StatusUnauthorized, http.StatusForbidden:
		return waserver.KindCredential
	case http.StatusNotFound:
		return waserver.KindNotFound
	case http.StatusConflict:
		return waserver.KindExists
	case http.StatusRequestEntityTooLarge:
		return waserver.KindTooLarge
	case http.StatusTooManyRequests:
		return waserver.KindLimited
	}
	switch {
	case hasAny(text, []string{"already logged", "already paired"}):
		return waserver.KindAlreadyPaired
	case hasAny(text, []string{"no session", "not connected", "not logged in", "doesn't contain a device jid"}):
		return waserver.KindNotConnected
	case hasAny(text, []string{"no lid found"}):
		return waserver.KindUnknownNumber
	// WhatsApp's own codes: too many new chats, too much at once.
	case hasAny(text, []string{"server returned error 463", "server returned error 429", "rate-overlimit"}):
		return waserver.KindLimited
	case hasAny(text, []string{"exceeds allowed size", "too large"}):
		return waserver.KindTooLarge
	case hasAny(text, []string{"could not decode image", "could not decode base64"}):
		return waserver.KindInvalid
	}
	return waserver.KindUnknown
}

// shortest is how long a secret has to be for its text to be taken out: shorter ones are
// in any word.
const shortest = 4

// ownWords is the server's text without the secrets that were sent to it.
func ownWords(c *waserver.Client, r *waserver.Request, text string) string {
	const longest = 300
	secrets := []string{c.Server.Token, r.Header.Get("Token")}
	if c.Link != nil {
		secrets = append(secrets, c.Link.Credential, c.Link.WebhookSecret)
	}
	for _, secret := range secrets {
		if len(secret) >= shortest {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	if len(text) > longest {
		text = text[:longest] + "…"
	}
	return strings.ToValidUTF8(text, "")
}

// isStatus tells whether the server answered with an HTTP status.
func isStatus(err error, code int) bool {
	e, is := errors.AsType[*waserver.ServerError](err)
	return is && e.Status == code
}
