package waha

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/lenient"
)

// events are what a session's webhook is called for, and eventsBefore those of servers
// that know fewer: they refuse a name that they do not know. message.any brings what
// came in as well as the account's own, so that message would bring it twice.
var (
	eventsBefore = []string{"session.status", "message.any", "message.ack", "message.revoked", "message.reaction"}
	events       = append(eventsBefore[:len(eventsBefore):len(eventsBefore)], "message.ack.group", "message.edited")
)

// Names of what the gateway notes down at a session, which comes back with each webhook.
const (
	metaSession = "gateway.session_id"
	metaUser    = "gateway.user_id"
)

type newSession struct {
	Name   string `json:"name"`
	Start  bool   `json:"start"` // versions differ in what they take when it is missing
	Config config `json:"config"`
}

type config struct {
	Webhooks []webhook         `json:"webhooks,omitempty"`
	NOWEB    noweb             `json:"noweb"`
	WEBJS    *webjs            `json:"webjs,omitempty"`
	Metadata map[string]string `json:"metadata"`
}

type webhook struct {
	URL    string   `json:"url"`
	Events []string `json:"events"`
	HMAC   *hmacKey `json:"hmac,omitempty"`
}

type hmacKey struct {
	Key string `json:"key"`
}

// noweb has the engine keep contacts, chats and messages, which cannot be changed once
// the session is paired.
type noweb struct {
	Store struct {
		Enabled  bool `json:"enabled"`
		FullSync bool `json:"fullSync"`
	} `json:"store"`
}

// webjs has the engine tell what became of messages.
type webjs struct {
	TagsEventsOn bool `json:"tagsEventsOn"`
}

// CreateSession implements waserver.Translator. The session is not started. Where the
// server can, it gets a key of its own, which can do nothing in any other session.
func (t Translator) CreateSession(ctx context.Context, c *waserver.Client, s *waserver.NewSession) (*waserver.Link, error) {
	if !sessionID(s.ID) {
		return nil, &waserver.ServerError{Kind: waserver.KindInvalid, Status: http.StatusBadRequest, Message: "a session cannot have this name"}
	}
	answer, err := t.create(ctx, c, s, events)
	if e, ok := errors.AsType[*waserver.ServerError](err); ok && e.Kind == waserver.KindInvalid && strings.Contains(e.Message, "events") {
		answer, err = t.create(ctx, c, s, eventsBefore)
	}
	if err != nil {
		return nil, err
	}
	var made sessionInfo
	if !lenient.Decode(answer.Body, &made) || !sessionID(string(made.Name)) {
		return nil, unread(answer) // "default" among others, from a server that knows one session alone
	}
	link := *c.Link
	link.SessionID, link.RemoteID, link.WebhookSecret, link.Credential = s.ID, string(made.Name), s.WebhookSecret, ""
	if t.AdminKeyOnly {
		return &link, nil
	}
	if link.Credential, err = makeKey(ctx, c, link.RemoteID); err != nil {
		return nil, abandon(ctx, c, link.RemoteID, err)
	}
	return &link, nil
}

// abandonTimeout bounds the removal of a session that could not be made whole.
const abandonTimeout = 10 * time.Second

// abandon removes a session that nothing would speak to, whoever still waits for it.
func abandon(ctx context.Context, c *waserver.Client, session string, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	_, deleteErr := do(ctx, c, admin(c), &waserver.Request{Method: http.MethodDelete, Path: []string{"api", "sessions", session}})
	if deleteErr != nil {
		return errors.Join(err, fmt.Errorf("the session stays at the server: %w", deleteErr))
	}
	return err
}

func (t Translator) create(ctx context.Context, c *waserver.Client, s *waserver.NewSession, events []string) (*waserver.Response, error) {
	wanted := newSession{Name: s.ID}
	wanted.Config.NOWEB.Store.Enabled = true
	if !t.NoTagEvents {
		wanted.Config.WEBJS = &webjs{TagsEventsOn: true}
	}
	if s.WebhookURL != "" {
		hook := webhook{URL: s.WebhookURL, Events: events}
		if s.WebhookSecret != "" {
			hook.HMAC = &hmacKey{s.WebhookSecret}
		}
		wanted.Config.Webhooks = []webhook{hook}
	}
	wanted.Config.Metadata = map[string]string{metaSession: s.ID, metaUser: c.Link.UserID}
	body, err := waserver.JSONBody(wanted)
	if err != nil {
		return nil, err
	}
	return do(ctx, c, admin(c), &waserver.Request{Method: http.MethodPost, Path: []string{"api", "sessions"}, Body: body})
}

// sessionInfo is what the server tells of a session. There are credentials in what is
// not read of it.
type sessionInfo struct {
	Name   text    `json:"name"`
	Status text    `json:"status"`
	Me     account `json:"me"`
}

type account struct {
	ID       text `json:"id"`
	PushName text `json:"pushName"`
}

// state is where a session stands. One that is stopped has an account when it was
// paired, at servers that keep it; at the others it looks as if it had never started.
func (s sessionInfo) state() *waserver.SessionState {
	state := &waserver.SessionState{JID: message.CanonicalJID(string(s.Me.ID)), Name: string(s.Me.PushName)}
	switch state.State = states[string(s.Status)]; {
	case s.Status == "STOPPED" && state.JID == "":
		state.State = waserver.StateCreated
	case state.State == "":
		state.State = waserver.StateConnecting // a step of pairing that is not known here
	}
	return state
}

var states = map[string]waserver.State{
	"STOPPED":      waserver.StateDisconnected,
	"STARTING":     waserver.StateConnecting,
	"SCAN_QR_CODE": waserver.StateQR,
	"WORKING":      waserver.StateConnected,
	"FAILED":       waserver.StateFailed,
	// Pairing goes on at the phone.
	"PASSKEY_REQUIRED":              waserver.StateConnecting,
	"PASSKEY_CONFIRMATION_REQUIRED": waserver.StateConnecting,
}

// sessionPath is the path of a call that is about the session itself.
func sessionPath(c *waserver.Client, more ...string) ([]string, error) {
	name, err := name(c)
	if err != nil {
		return nil, err
	}
	return append([]string{"api", "sessions", name}, more...), nil
}

// lifecycle makes a call that answers with the session.
func lifecycle(ctx context.Context, c *waserver.Client, method string, more ...string) (*sessionInfo, error) {
	path, err := sessionPath(c, more...)
	if err != nil {
		return nil, err
	}
	answer, err := call(ctx, c, method, path, nil, nil)
	if err != nil {
		return nil, err
	}
	var s sessionInfo
	if !lenient.Decode(answer.Body, &s) || s.Status == "" {
		return nil, unread(answer)
	}
	return &s, nil
}

func status(ctx context.Context, c *waserver.Client) (*sessionInfo, error) {
	return lifecycle(ctx, c, http.MethodGet)
}

// Session implements waserver.Translator.
func (Translator) Session(ctx context.Context, c *waserver.Client) (*waserver.SessionState, error) {
	s, err := status(ctx, c)
	if err != nil {
		return nil, err
	}
	return s.state(), nil
}

// StartSession implements waserver.Translator. A session that failed does not start
// again but by a restart; one that runs is left alone.
func (Translator) StartSession(ctx context.Context, c *waserver.Client) (*waserver.SessionState, error) {
	s, err := lifecycle(ctx, c, http.MethodPost, "start")
	if e, ok := errors.AsType[*waserver.ServerError](err); ok && e.Status == http.StatusUnprocessableEntity {
		s, err = status(ctx, c) // the server refuses to start what runs
	}
	if err != nil {
		return nil, err
	}
	if s.Status == "FAILED" {
		if s, err = lifecycle(ctx, c, http.MethodPost, "restart"); err != nil {
			return nil, err
		}
	}
	return s.state(), nil
}

// StopSession implements waserver.Translator.
func (Translator) StopSession(ctx context.Context, c *waserver.Client) (*waserver.SessionState, error) {
	s, err := lifecycle(ctx, c, http.MethodPost, "stop")
	if err != nil {
		return nil, err
	}
	return s.state(), nil
}

// DeleteSession implements waserver.Translator. It deletes the session's key as well.
// When the key is gone already, or was taken from it, the server's own does.
func (Translator) DeleteSession(ctx context.Context, c *waserver.Client) error {
	path, err := sessionPath(c)
	if err != nil {
		return err
	}
	_, err = call(ctx, c, http.MethodDelete, path, nil, nil)
	if e, ok := errors.AsType[*waserver.ServerError](err); ok && e.Kind == waserver.KindCredential && c.Link.Credential != "" {
		_, err = do(ctx, c, admin(c), &waserver.Request{Method: http.MethodDelete, Path: path})
	}
	if e, ok := errors.AsType[*waserver.ServerError](err); err != nil && (!ok || e.Kind != waserver.KindNotFound) {
		return err
	}
	return deleteKey(ctx, c)
}

// QR implements waserver.Translator.
func (Translator) QR(ctx context.Context, c *waserver.Client) (*waserver.QR, error) {
	name, err := name(c)
	if err != nil {
		return nil, err
	}
	r := &waserver.Request{Method: http.MethodGet, Path: []string{"api", name, "auth", "qr"}, Header: http.Header{"Accept": {"image/png"}}}
	answer, err := do(ctx, c, scoped(c), r)
	if err != nil {
		return nil, qrError(stopped(ctx, c, err))
	}
	qr := &waserver.QR{PNG: picture(answer.Body)}
	if qr.PNG == nil {
		return nil, &waserver.ServerError{Kind: waserver.KindNotReady, Status: answer.Status, Message: "there is no QR code yet"}
	}
	// What the code says is good to have, and the picture does without.
	answer, err = call(ctx, c, http.MethodGet, r.Path, url.Values{"format": {"raw"}}, nil)
	if err == nil {
		var raw struct {
			Value string `json:"value"`
		}
		lenient.Decode(answer.Body, &raw)
		qr.Text = raw.Value
	}
	return qr, nil
}

// qrError reads where a session stands that has no code.
func qrError(err error) error {
	e, ok := errors.AsType[*waserver.ServerError](err)
	if !ok || e.Kind != waserver.KindNotConnected {
		return err
	}
	switch e.Code {
	case "WORKING":
		e.Kind = waserver.KindAlreadyPaired
	case "STARTING", "SCAN_QR_CODE":
		e.Kind = waserver.KindNotReady
	}
	return e
}

const pngSignature = "\x89PNG\r\n\x1a\n"

// picture is a PNG, as it is or in the JSON that some servers write all the same.
func picture(body []byte) []byte {
	if bytes.HasPrefix(body, []byte(pngSignature)) {
		return body
	}
	var file struct {
		Data string `json:"data"`
	}
	if !lenient.Decode(body, &file) {
		return nil
	}
	png, err := base64.StdEncoding.DecodeString(file.Data)
	if err != nil || !bytes.HasPrefix(png, []byte(pngSignature)) {
		return nil
	}
	return png
}
