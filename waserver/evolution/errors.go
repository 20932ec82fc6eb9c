package evolution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/lenient"
)

// failure is the server's error. Its words are a text, or texts and objects in arrays.
type failure struct {
	Error    text `json:"error"`
	Response struct {
		Message json.RawMessage `json:"message"`
	} `json:"response"`
	Message json.RawMessage `json:"message"` // of an error within a success
}

// unknownNumber is what the server answers about a number that is not on WhatsApp.
type unknownNumber struct {
	JID    text  `json:"jid"`
	Exists *bool `json:"exists"`
}

// maxWords bounds what is shown of the server's own words, in bytes.
const maxWords = 300

// words collects the texts in a message of any shape, and tells whether one of its
// objects says that a number does not exist. Such an object repeats the number that was
// asked for, and is not shown.
func words(raw json.RawMessage, depth int) (texts []string, unknown bool) {
	if len(raw) == 0 || depth > 3 {
		return nil, false
	}
	var s string
	var list []json.RawMessage
	switch raw[0] {
	case '"':
		if json.Unmarshal(raw, &s) == nil && s != "" {
			texts = append(texts, s)
		}
	case '[':
		if json.Unmarshal(raw, &list) != nil {
			break
		}
		for _, element := range list[:min(len(list), 10)] {
			more, not := words(element, depth+1)
			texts, unknown = append(texts, more...), unknown || not
		}
	case '{':
		var n unknownNumber
		unknown = lenient.Decode(raw, &n) && n.Exists != nil && !*n.Exists
	}
	return texts, unknown
}

// shown makes the server's words fit to be shown: short, one line, without the
// gateway's credentials.
func shown(c *waserver.Client, texts []string) string {
	s := strings.Join(strings.Fields(strings.Join(texts, "; ")), " ")
	for _, secret := range []string{c.Server.Token, c.Link.Credential, c.Link.WebhookSecret} {
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
	texts, unknown := words(f.Response.Message, 0)
	e := &waserver.ServerError{Status: answer.Status, Code: shown(c, []string{string(f.Error)}), Message: shown(c, texts)}
	all := strings.ToLower(strings.Join(texts, " "))
	switch {
	case answer.Status == http.StatusUnauthorized:
		e.Kind = waserver.KindCredential
	case answer.Status == http.StatusForbidden && slices.Equal(r.Path, createPath):
		e.Kind = waserver.KindExists
	case answer.Status == http.StatusForbidden:
		e.Kind = waserver.KindCredential
	case answer.Status == http.StatusNotFound && strings.Contains(all, "cannot "+strings.ToLower(r.Method)):
		// The server's text repeats the path.
		return &waserver.UnsupportedError{Reason: "this version of the server has no call " + strings.Join(r.Path[:min(2, len(r.Path))], "/")}
	case answer.Status == http.StatusNotFound:
		e.Kind = waserver.KindNotFound
	case answer.Status == http.StatusRequestEntityTooLarge:
		e.Kind = waserver.KindTooLarge
	case unknown:
		e.Kind, e.Message = waserver.KindUnknownNumber, "the number is not on WhatsApp"
	case noClient.MatchString(all):
		e.Kind, e.Message = waserver.KindNotConnected, "the instance was not started"
	case notConnected(all):
		e.Kind = waserver.KindNotConnected
	case limited(all):
		e.Kind = waserver.KindLimited
	case answer.Status == http.StatusBadRequest:
		e.Kind = waserver.KindInvalid
	}
	if e.Message == "" {
		e.Message = fmt.Sprintf("status %d without words", answer.Status)
	}
	return e
}

// noClient matches what the server's language says when an instance has no connection
// object, because it was never started: the name is of what was wanted of it.
var noClient = regexp.MustCompile(`cannot read properties of (undefined|null) \(reading '(onwhatsapp|sendmessage|wauploadtoserver|relaymessage|readmessages|groupmetadata|presencesubscribe|sendpresenceupdate|ws|user)'\)`)

// notConnected tells whether the server's words, in lower case, mean that the instance
// has no connection to WhatsApp. There is no status of its own for it.
func notConnected(all string) bool {
	for _, say := range []string{"connection closed", "connection lost", "connection terminated", "connection was lost", "not connected"} {
		if strings.Contains(all, say) {
			return true
		}
	}
	return false
}

// limited tells whether they mean that WhatsApp restricts the account: too much at
// once, or no new chats for a while (463).
func limited(all string) bool {
	for _, say := range []string{"rate-overlimit", "reachout", "error 463"} {
		if strings.Contains(all, say) {
			return true
		}
	}
	return false
}

// trouble reads an error that stands within a success, as the calls that connect an
// instance answer.
func trouble(c *waserver.Client, answer *waserver.Response) error {
	var marked struct {
		Error bool `json:"error"`
	}
	if !lenient.Decode(answer.Body, &marked) || !marked.Error {
		return nil
	}
	var f failure
	lenient.Decode(answer.Body, &f)
	texts, _ := words(f.Message, 0)
	e := &waserver.ServerError{Status: answer.Status, Message: shown(c, texts)}
	switch all := strings.ToLower(strings.Join(texts, " ")); {
	case strings.Contains(all, "does not exist"):
		e.Kind = waserver.KindNotFound
	case notConnected(all):
		e.Kind = waserver.KindNotConnected
	}
	return e
}

// unread is an answer that is a success and cannot be read.
func unread(answer *waserver.Response) error {
	return &waserver.ServerError{Status: answer.Status, Message: "the answer has another form than the server is known to have"}
}

// sendError makes out of what a send failed with what it means. The server finds its
// own errors only after it asked WhatsApp, and often has no words for them.
func sendError(ctx context.Context, c *waserver.Client, to message.Recipient, err error) error {
	e, ok := errors.AsType[*waserver.ServerError](err)
	if !ok {
		return err
	}
	if to.IsGroup() && strings.Contains(e.Message, "[object Object]") {
		// It could not find the group, and lost the words for that.
		e.Kind, e.Message = waserver.KindUnknownNumber, "the group is not known to the account"
		return e
	}
	vague := e.Kind == waserver.KindUnknown && e.Status >= 500 ||
		e.Kind == waserver.KindInvalid && strings.Contains(e.Message, "Error: ")
	if !vague {
		return e
	}
	e.Kind = waserver.KindUnknown // and not what the client sent
	if state, err := connection(ctx, c); err == nil && state != "open" {
		e.Kind = waserver.KindNotConnected
	}
	return e
}
