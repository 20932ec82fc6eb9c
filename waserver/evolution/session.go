package evolution

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/lenient"
)

// The paths of calls that are about instances.
var (
	createPath  = []string{"instance", "create"}
	connectPath = []string{"instance", "connect"}
	statePath   = []string{"instance", "connectionState"}
	deletePath  = []string{"instance", "delete"}
	listPath    = []string{"instance", "fetchInstances"}
)

// events are what an instance's webhook is called for: those that Updates reads.
var events = []string{
	"QRCODE_UPDATED", "CONNECTION_UPDATE", "STATUS_INSTANCE", "LOGOUT_INSTANCE", "REMOVE_INSTANCE",
	"MESSAGES_UPSERT", "MESSAGES_UPDATE", "MESSAGES_EDITED", "MESSAGES_DELETE", "SEND_MESSAGE", "SEND_MESSAGE_UPDATE",
	"CONTACTS_UPSERT", "CONTACTS_UPDATE", "CHATS_UPSERT", "CHATS_UPDATE",
}

// newInstance is the body that creates an instance. It names everything that decides
// about an instance, so that no default of the server does.
type newInstance struct {
	InstanceName string          `json:"instanceName"`
	Integration  string          `json:"integration"`
	QRCode       bool            `json:"qrcode"` // connect at once
	Token        string          `json:"token,omitempty"`
	Webhook      *webhookSetting `json:"webhook,omitempty"`
}

type webhookSetting struct {
	Enabled  bool              `json:"enabled"`
	URL      string            `json:"url"`
	Headers  map[string]string `json:"headers,omitempty"`
	ByEvents bool              `json:"byEvents"`
	Base64   bool              `json:"base64"` // media within the webhook
	Events   []string          `json:"events"`
}

// CreateSession implements waserver.Translator. The instance does not connect yet. Its
// token is the NewSession's Credential; its webhook proves itself by a header of its
// own, since the server signs nothing.
func (Translator) CreateSession(ctx context.Context, c *waserver.Client, s *waserver.NewSession) (*waserver.Link, error) {
	if !sessionID(s.ID) {
		return nil, &waserver.ServerError{Kind: waserver.KindInvalid, Status: http.StatusBadRequest, Message: "an instance cannot have this name"}
	}
	wanted := newInstance{InstanceName: s.ID, Integration: "WHATSAPP-BAILEYS", Token: s.Credential}
	if s.WebhookURL != "" {
		wanted.Webhook = &webhookSetting{Enabled: true, URL: s.WebhookURL, Events: events}
		if s.WebhookSecret != "" {
			wanted.Webhook.Headers = map[string]string{"Authorization": "Bearer " + s.WebhookSecret}
		}
	}
	body, err := waserver.JSONBody(wanted)
	if err != nil {
		return nil, err
	}
	answer, err := do(ctx, c, admin(c), &waserver.Request{Method: http.MethodPost, Path: createPath, Body: body})
	if err != nil {
		return nil, err
	}
	var made struct {
		Instance struct {
			InstanceName string `json:"instanceName"`
		} `json:"instance"`
		Hash text `json:"hash"`
	}
	if !lenient.Decode(answer.Body, &made) || made.Instance.InstanceName != s.ID {
		return nil, unread(answer)
	}
	link := *c.Link
	link.SessionID, link.RemoteID, link.Credential, link.WebhookSecret = s.ID, s.ID, s.Credential, s.WebhookSecret
	if made.Hash != "" {
		link.Credential = string(made.Hash)
	}
	return &link, nil
}

// connection asks for the state of the instance's connection: open, connecting, close.
func connection(ctx context.Context, c *waserver.Client) (string, error) {
	answer, err := call(ctx, c, http.MethodGet, statePath, nil)
	if err != nil {
		return "", err
	}
	state := connected(answer)
	if state == "" {
		return "", unread(answer)
	}
	return state, nil
}

// connected reads the state in an answer; empty where it has none.
func connected(answer *waserver.Response) string {
	var a struct {
		Instance struct {
			State  text `json:"state"`
			Status text `json:"status"`
		} `json:"instance"`
	}
	lenient.Decode(answer.Body, &a)
	if a.Instance.State != "" {
		return string(a.Instance.State)
	}
	return string(a.Instance.Status)
}

// Session implements waserver.Translator.
func (Translator) Session(ctx context.Context, c *waserver.Client) (*waserver.SessionState, error) {
	state, err := connection(ctx, c)
	if err != nil {
		return nil, err
	}
	if state == "connecting" {
		return &waserver.SessionState{State: waserver.StateConnecting}, nil
	}
	return details(ctx, c, state), nil
}

// row is what the server keeps of an instance. There are credentials in what is not
// read of it.
type row struct {
	Name        text  `json:"name"`
	OwnerJID    text  `json:"ownerJid"`
	ProfileName text  `json:"profileName"`
	Reason      count `json:"disconnectionReasonCode"`
}

// details adds to a state what the server's list of instances tells: whose the account
// is, and why it is closed. Without the list, which some servers give to the admin
// alone, the state has to do.
func details(ctx context.Context, c *waserver.Client, state string) *waserver.SessionState {
	s := &waserver.SessionState{State: states[state]}
	if s.State == "" {
		s.State = waserver.StateConnecting
	}
	name, err := instance(c)
	if err != nil {
		return s
	}
	answer, err := do(ctx, c, session(c), &waserver.Request{Method: http.MethodGet, Path: listPath, Query: named(name)})
	if err != nil {
		return s
	}
	var rows []row
	lenient.Decode(answer.Body, &rows)
	for _, r := range rows {
		if string(r.Name) != name {
			continue // of somebody else
		}
		s.JID, s.Name = message.CanonicalJID(string(r.OwnerJID)), string(r.ProfileName)
		if state == "close" {
			s.State = closed(int(r.Reason))
			if s.JID == "" && r.Reason == 0 {
				s.State = waserver.StateCreated
			}
		}
	}
	return s
}

// states are the server's words for where a connection stands.
var states = map[string]waserver.State{
	"open":       waserver.StateConnected,
	"connecting": waserver.StateConnecting,
	"close":      waserver.StateDisconnected,
	"refused":    waserver.StateFailed, // too many QR codes that nobody scanned
}

// closed is what a connection is after WhatsApp closed it with a code. The server
// connects again by itself but after these.
func closed(code int) waserver.State {
	switch code {
	case http.StatusUnauthorized:
		return waserver.StateLoggedOut
	case http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotAcceptable: // the account is banned
		return waserver.StateFailed
	}
	return waserver.StateDisconnected
}

// StartSession implements waserver.Translator.
func (Translator) StartSession(ctx context.Context, c *waserver.Client) (*waserver.SessionState, error) {
	answer, err := connect(ctx, c)
	if err != nil {
		return nil, err
	}
	switch {
	case connected(answer) == "open":
		return &waserver.SessionState{State: waserver.StateConnected}, nil
	case code(answer) != nil:
		return &waserver.SessionState{State: waserver.StateQR}, nil
	}
	return &waserver.SessionState{State: waserver.StateConnecting}, nil
}

// connect has the instance connect, or asks for its QR code: the server has one call
// for both.
func connect(ctx context.Context, c *waserver.Client) (*waserver.Response, error) {
	answer, err := call(ctx, c, http.MethodGet, connectPath, nil)
	if err != nil {
		return nil, err
	}
	if err := trouble(c, answer); err != nil {
		return nil, err
	}
	return answer, nil
}

// StopSession implements waserver.Translator.
func (Translator) StopSession(context.Context, *waserver.Client) (*waserver.SessionState, error) {
	return nil, &waserver.UnsupportedError{Reason: "an instance cannot be stopped and stay paired: delete the session, or leave it connected"}
}

// DeleteSession implements waserver.Translator. When the instance's own token is not
// good any more, the server's own key does.
func (Translator) DeleteSession(ctx context.Context, c *waserver.Client) error {
	_, err := call(ctx, c, http.MethodDelete, deletePath, nil)
	e, ok := errors.AsType[*waserver.ServerError](err)
	if ok && e.Kind == waserver.KindCredential && c.Link.Credential != "" {
		name, nameErr := instance(c)
		if nameErr != nil {
			return nameErr
		}
		_, err = do(ctx, c, admin(c), &waserver.Request{Method: http.MethodDelete, Path: append(slices.Clone(deletePath), name)})
		e, ok = errors.AsType[*waserver.ServerError](err)
	}
	if ok && e.Kind == waserver.KindNotFound {
		return nil
	}
	return err
}

// QR implements waserver.Translator. It connects an instance that is closed; the code
// may come only after the server answered.
func (Translator) QR(ctx context.Context, c *waserver.Client) (*waserver.QR, error) {
	answer, err := connect(ctx, c)
	if err != nil {
		return nil, err
	}
	if connected(answer) == "open" {
		return nil, &waserver.ServerError{Kind: waserver.KindAlreadyPaired, Status: answer.Status, Message: "the instance is open"}
	}
	qr := code(answer)
	if qr == nil {
		return nil, &waserver.ServerError{Kind: waserver.KindNotReady, Status: answer.Status, Message: "there is no QR code yet"}
	}
	return qr, nil
}

// scanCode is a QR code as the server writes it, in answers and webhooks.
type scanCode struct {
	Base64 string `json:"base64"` // a data URL of a PNG
	Code   string `json:"code"`
}

func (s scanCode) qr() *waserver.QR {
	qr := &waserver.QR{Text: s.Code}
	if _, encoded, ok := strings.Cut(s.Base64, "base64,"); ok {
		if png, err := base64.StdEncoding.DecodeString(encoded); err == nil && bytes.HasPrefix(png, []byte("\x89PNG")) {
			qr.PNG = png
		}
	}
	if qr.Text == "" && qr.PNG == nil {
		return nil
	}
	return qr
}

// code reads the QR code of an answer; nil where it has none.
func code(answer *waserver.Response) *waserver.QR {
	var a struct {
		scanCode
		QRCode scanCode `json:"qrcode"`
	}
	lenient.Decode(answer.Body, &a)
	if qr := a.qr(); qr != nil {
		return qr
	}
	return a.QRCode.qr()
}
