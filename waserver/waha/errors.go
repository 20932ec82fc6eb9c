package waha

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/lenient"
)

// failure is the server's error, in any of its forms: one of a route, one of a session
// that is not in the state that the call needs, and one that nobody expected, which
// repeats the request and has a stack. Of that one only the first line of the
// exception's message is read.
type failure struct {
	Message   json.RawMessage `json:"message"` // a text, or texts
	Error     text            `json:"error"`
	Status    text            `json:"status"` // where the session stands
	Exception struct {
		Message text `json:"message"`
		Name    text `json:"name"`
	} `json:"exception"`
}

// words are the server's own.
func (f failure) words() string {
	var list []text
	var s text
	switch {
	case f.Exception.Message != "":
		line, _, _ := strings.Cut(strings.TrimSpace(string(f.Exception.Message)), "\n")
		return line
	case len(f.Message) > 0 && f.Message[0] == '[':
		lenient.Decode(f.Message, &list)
		texts := make([]string, 0, len(list))
		for _, t := range list[:min(len(list), 10)] {
			texts = append(texts, string(t))
		}
		return strings.Join(texts, "; ")
	case len(f.Message) > 0:
		lenient.Decode(f.Message, &s)
	}
	if s == "" {
		s = f.Error
	}
	return string(s)
}

// maxWords bounds what is shown of the server's own words, in bytes.
const maxWords = 300

// shown makes the server's words fit to be shown: short, one line, without the
// gateway's credentials.
func shown(c *waserver.Client, s string) string {
	s = strings.Join(strings.Fields(s), " ")
	_, key := keyOf(c.Link.Credential)
	for _, secret := range []string{c.Server.Token, key, c.Link.WebhookSecret} {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "***")
		}
	}
	if len(s) > maxWords {
		s = strings.ToValidUTF8(s[:maxWords], "") + "…"
	}
	return s
}

// refusal reads an answer that is no success.
func refusal(c *waserver.Client, r *waserver.Request, answer *waserver.Response) error {
	var f failure
	lenient.Decode(answer.Body, &f)
	e := &waserver.ServerError{Status: answer.Status, Message: shown(c, f.words()), Code: shown(c, string(f.Status))}
	if e.Code == "" {
		e.Code = shown(c, string(f.Error)+string(f.Exception.Name))
	}
	switch all := strings.ToLower(f.words()); {
	case answer.Status == http.StatusUnauthorized, answer.Status == http.StatusForbidden:
		e.Kind = waserver.KindCredential
	case answer.Status == http.StatusNotFound && strings.Contains(all, "cannot "+strings.ToLower(r.Method)),
		answer.Status == http.StatusMethodNotAllowed:
		// The server's text repeats the path.
		return &waserver.UnsupportedError{Reason: "this version of the server has no call " + r.Path[len(r.Path)-1]}
	case answer.Status == http.StatusNotFound:
		e.Kind = waserver.KindNotFound
	case answer.Status == http.StatusRequestEntityTooLarge, strings.Contains(all, "entity too large"):
		e.Kind = waserver.KindTooLarge
	case answer.Status == http.StatusUnprocessableEntity:
		return unprocessable(e, f, all)
	case answer.Status == http.StatusBadRequest:
		e.Kind = waserver.KindInvalid
	case unknownNumber(all):
		e.Kind = waserver.KindUnknownNumber
	case strings.Contains(all, "463"), strings.Contains(all, "reachout"), strings.Contains(all, "rate-overlimit"):
		e.Kind = waserver.KindLimited
	}
	if e.Message == "" {
		e.Message = fmt.Sprintf("status %d without words", answer.Status)
	}
	return e
}

// unprocessable tells apart what the server answers 422 to.
func unprocessable(e *waserver.ServerError, f failure, all string) error {
	switch {
	case f.Status != "":
		e.Kind = waserver.KindNotConnected
	case strings.Contains(all, "already exist"):
		e.Kind = waserver.KindExists
	case strings.Contains(all, "not implemented"), strings.Contains(all, "only in plus"), strings.Contains(all, "support only"):
		return &waserver.UnsupportedError{Reason: e.Message}
	case unknownNumber(all):
		e.Kind = waserver.KindUnknownNumber
	default:
		e.Kind = waserver.KindInvalid
	}
	return e
}

// unknownNumber tells whether the server's words, in lower case, mean that a number is
// not on WhatsApp. No engine has a word of its own for it.
func unknownNumber(all string) bool {
	for _, say := range []string{"no lid", "not registered", "not on whatsapp", "does not exist on whatsapp", "number not found"} {
		if strings.Contains(all, say) {
			return true
		}
	}
	return false
}

// unread is an answer that is a success and cannot be read.
func unread(answer *waserver.Response) error {
	return &waserver.ServerError{Status: answer.Status, Message: "the answer has another form than the server is known to have"}
}

// stopped tells a session that is stopped from one that is not there: the server
// answers 404 to both where it needs a session that runs.
func stopped(ctx context.Context, c *waserver.Client, err error) error {
	e, ok := errors.AsType[*waserver.ServerError](err)
	if !ok || e.Kind != waserver.KindNotFound {
		return err
	}
	if s, stateErr := status(ctx, c); stateErr == nil && s.Status != "WORKING" {
		e.Kind, e.Code, e.Message = waserver.KindNotConnected, string(s.Status), "the session is not started"
	}
	return e
}
