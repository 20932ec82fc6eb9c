// Package waha speaks to WAHA (the WhatsApp HTTP API) with any of its engines, WEBJS,
// NOWEB, GOWS and WPP, which answer a send in forms of their own.
//
// The server takes the session from the path, the body or the query, as the call has
// it, and takes the session named "default" where it finds none: so this package names
// the session in every call itself, and lets no session have that name.
package waha

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
)

// Translator is the dialect of WAHA.
type Translator struct {
	// AdminKeyOnly keeps the gateway from making a key for each session with the
	// server's Keys API: all calls then carry the server's own key.
	AdminKeyOnly bool `json:"admin_key_only,omitempty"`
	// NoTagEvents leaves config.webjs.tagsEventsOn out of new sessions. The WEBJS
	// engine works less with it, and tells nothing of what became of messages.
	NoTagEvents bool `json:"no_tag_events,omitempty"`
}

var _ waserver.Translator = Translator{}

// Traits implements waserver.Translator.
func (Translator) Traits() waserver.Traits {
	return waserver.Traits{
		SessionCredential: true,
		SessionID:         sessionID,
		HasContacts:       true,
		HasChats:          true,
		HasMessages:       true,
		Echoes:            true,
	}
}

// headerKey carries the server's key, or a session's own.
const headerKey = "X-Api-Key"

// Link.Credential is a key's id and the key, with a colon between them: the id is
// needed to delete the key with the session. An id has no colon in it.
func credential(id, key string) string { return id + ":" + key }

func keyOf(credential string) (id, key string) {
	if id, key, ok := strings.Cut(credential, ":"); ok {
		return id, key
	}
	return "", credential
}

// admin is the server's own key, scoped the session's, where there is one.
func admin(c *waserver.Client) string { return c.Server.Token }

func scoped(c *waserver.Client) string {
	if _, key := keyOf(c.Link.Credential); key != "" {
		return key
	}
	return c.Server.Token
}

var errNoName = errors.New("waha: the session has no name at the server")

// name is the session's name at the server.
func name(c *waserver.Client) (string, error) {
	name := c.Link.RemoteID
	if name == "" {
		name = c.Link.SessionID
	}
	if name == "" || name == "." || name == ".." {
		return "", errNoName
	}
	return name, nil
}

// call makes one call with the session's key, and returns the answer if it is a
// success.
func call(ctx context.Context, c *waserver.Client, method string, path []string, query url.Values, body *waserver.Body) (*waserver.Response, error) {
	return do(ctx, c, scoped(c), &waserver.Request{Method: method, Path: path, Query: query, Body: body})
}

func do(ctx context.Context, c *waserver.Client, key string, r *waserver.Request) (*waserver.Response, error) {
	if r.Header == nil {
		r.Header = http.Header{"Accept": {"application/json"}}
	}
	if key != "" {
		r.Header.Set(headerKey, key)
	}
	answer, err := c.Do(ctx, r)
	if err != nil {
		return nil, err
	}
	if answer.Status < 200 || answer.Status > 299 {
		return nil, refusal(c, r, answer)
	}
	return answer, nil
}

// chatID is a recipient as the server writes it.
func chatID(r message.Recipient) string {
	if r.IsPerson() {
		return r.User + "@c.us"
	}
	return r.JID()
}
