package gowa

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/genfity/wa-gateway/waserver"
)

// deviceHeader chooses the device.
const deviceHeader = "X-Device-Id"

// call makes one call for the Client's device and reads the results of the answer into
// results, unless that is nil. body is nil, a *waserver.Body, or what shall be JSON.
func call(ctx context.Context, c *waserver.Client, method string, path []string, query url.Values, body, results any) error {
	r := &waserver.Request{Method: method, Path: path, Query: query}
	switch b := body.(type) {
	case nil:
	case *waserver.Body:
		r.Body = b
	default:
		encoded, err := waserver.JSONBody(b)
		if err != nil {
			return fmt.Errorf("gowa: a body that is no JSON: %w", err)
		}
		r.Body = encoded
	}
	resp, err := do(ctx, c, r)
	if err != nil {
		return err
	}
	var envelope struct {
		Code    string          `json:"code"`
		Message string          `json:"message"`
		Results json.RawMessage `json:"results"`
	}
	isJSON := json.Unmarshal(resp.Body, &envelope) == nil
	if resp.Status < 200 || resp.Status > 299 || !isJSON {
		return &waserver.ServerError{
			Kind: errorKind(resp.Status, envelope.Code, strings.ToLower(envelope.Message)), Status: resp.Status,
			Code: ownWords(c, envelope.Code), Message: ownWords(c, envelope.Message),
		}
	}
	if results == nil || len(envelope.Results) == 0 {
		return nil
	}
	if err := json.Unmarshal(envelope.Results, results); err != nil {
		return &waserver.ServerError{Status: resp.Status, Code: ownWords(c, envelope.Code), Message: "the answer is in a form that is not known"}
	}
	return nil
}

// do sends a request with the server's credential and the Client's device.
func do(ctx context.Context, c *waserver.Client, r *waserver.Request) (*waserver.Response, error) {
	if !validID(c.Link.RemoteID) {
		return nil, &waserver.ServerError{Kind: waserver.KindNotFound, Status: http.StatusNotFound, Message: "the server can have no device of this id"}
	}
	r.Header = http.Header{}
	r.Header.Set(deviceHeader, c.Link.RemoteID)
	if c.Server.Token != "" {
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(c.Server.Token)))
	}
	return c.Do(ctx, r)
}

// errorKind tells what an error means. The server's word counts for more than the
// status: 401 is also what it answers for a device that is not connected.
func errorKind(status int, code, text string) waserver.Kind {
	switch code {
	case "AUTHENTICATION_ERROR", "INVALID_WA_CLI":
		return waserver.KindNotConnected
	case "DEVICE_NOT_FOUND", "NOT_FOUND":
		return waserver.KindNotFound
	case "ALREADY_LOGGED_IN", "SESSION_SAVED_ERROR": // the latter: paired, and connecting
		return waserver.KindAlreadyPaired
	case "QR_CHANNEL_ERROR":
		return waserver.KindNotReady
	case "WA_REACHOUT_TIMELOCK":
		return waserver.KindLimited
	case "INVALID_JID":
		if hasAny(text, "not on whatsapp", "not registered") {
			return waserver.KindUnknownNumber
		}
		return waserver.KindInvalid
	case "VALIDATION_ERROR", "BAD_REQUEST", "INVALID_REQUEST":
		if hasAny(text, "max file upload", "max video upload", "max image upload") {
			return waserver.KindTooLarge
		}
		return waserver.KindInvalid
	}
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return waserver.KindCredential // answered in plain text
	case status == http.StatusRequestEntityTooLarge:
		return waserver.KindTooLarge
	case status == http.StatusTooManyRequests:
		return waserver.KindLimited
	case status == http.StatusInternalServerError:
		return internalKind(text)
	}
	return waserver.KindUnknown
}

// internalKind tells errors apart that all are "anything else" to the server.
func internalKind(text string) waserver.Kind {
	switch {
	case strings.HasPrefix(text, "device ") && strings.HasSuffix(text, " not found"):
		return waserver.KindNotFound
	case strings.HasPrefix(text, "device ") && strings.HasSuffix(text, " already exists"):
		return waserver.KindExists
	case hasAny(text, "not connected", "not logged in", "client not initialized", "doesn't contain a device jid"):
		return waserver.KindNotConnected
	case hasAny(text, "for thumbnail generation"): // what should be a picture is none
		return waserver.KindInvalid
	// WhatsApp's own codes: too many new chats, too much at once.
	case hasAny(text, "server returned error 463", "server returned error 429", "rate-overlimit"):
		return waserver.KindLimited
	}
	return waserver.KindUnknown
}

func hasAny(text string, words ...string) bool {
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// kind is what the server's answer meant; KindUnknown when there was none.
func kind(err error) waserver.Kind {
	if e, is := errors.AsType[*waserver.ServerError](err); is {
		return e.Kind
	}
	return waserver.KindUnknown
}

// shortest is how long a secret has to be for its text to be taken out: shorter ones are
// in any word.
const shortest = 4

// ownWords is the server's text without the secrets that were sent to it.
func ownWords(c *waserver.Client, text string) string {
	const longest = 300
	// The token as it stands in the header of each call, too.
	secrets := []string{c.Server.Token, base64.StdEncoding.EncodeToString([]byte(c.Server.Token)), c.Link.WebhookSecret}
	if _, password, ok := strings.Cut(c.Server.Token, ":"); ok {
		secrets = append(secrets, password)
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
