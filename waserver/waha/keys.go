package waha

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/lenient"
)

// newKey is a key for one session.
type newKey struct {
	IsAdmin  bool    `json:"isAdmin"`
	Session  string  `json:"session"`
	IsActive bool    `json:"isActive"`
	Actions  actions `json:"actions"`
}

// actions are what a key opens: what the gateway does with a session, and not its
// settings, which hold the webhook's secret, nor the server's apps.
type actions struct {
	Read    bool `json:"read"`
	Send    bool `json:"send"`
	Control bool `json:"control"`
	Setting bool `json:"setting"`
	App     bool `json:"app"`
	Delete  bool `json:"delete"`
}

// makeKey makes a key for a session. Servers without the Keys API have none, and no
// error.
func makeKey(ctx context.Context, c *waserver.Client, session string) (string, error) {
	body, err := waserver.JSONBody(newKey{
		Session: session, IsActive: true,
		Actions: actions{Read: true, Send: true, Control: true, Delete: true},
	})
	if err != nil {
		return "", err
	}
	answer, err := do(ctx, c, admin(c), &waserver.Request{Method: http.MethodPost, Path: []string{"api", "keys"}, Body: body})
	if err != nil {
		_, lacks := errors.AsType[*waserver.UnsupportedError](err)
		if e, ok := errors.AsType[*waserver.ServerError](err); lacks || ok && e.Status == http.StatusNotFound {
			return "", nil
		}
		return "", err
	}
	var made struct {
		ID      text `json:"id"`
		Key     text `json:"key"`
		IsAdmin bool `json:"isAdmin"`
		Session text `json:"session"`
	}
	if !lenient.Decode(answer.Body, &made) || made.ID == "" || made.Key == "" || strings.Contains(string(made.ID), ":") ||
		made.IsAdmin || string(made.Session) != session {
		return "", &waserver.ServerError{Status: answer.Status, Message: "the server made another key than it was asked for"}
	}
	return credential(string(made.ID), string(made.Key)), nil
}

// deleteKey deletes the session's own key, if it has one.
func deleteKey(ctx context.Context, c *waserver.Client) error {
	id, _ := keyOf(c.Link.Credential)
	if id == "" || id == "." || id == ".." {
		return nil
	}
	_, err := do(ctx, c, admin(c), &waserver.Request{Method: http.MethodDelete, Path: []string{"api", "keys", id}})
	if e, ok := errors.AsType[*waserver.ServerError](err); ok && e.Kind == waserver.KindNotFound {
		return nil
	}
	return err
}
