// Package waserver knows how WA servers are spoken to: the canonical calls of
// the gateway's API, and the dialects that turn such a call into a server's own
// request and its answer back.
package waserver

// Endpoint names one row of the endpoint table (contract §3) that is forwarded
// to the WA server.
type Endpoint string

// The endpoints that send messages.
const (
	SendMessage  Endpoint = "send-message"
	SendMedia    Endpoint = "send-media"
	SendImage    Endpoint = "send-image"
	SendVideo    Endpoint = "send-video"
	SendAudio    Endpoint = "send-audio"
	SendDocument Endpoint = "send-document"
	SendSticker  Endpoint = "send-sticker"
	SendLocation Endpoint = "send-location"
	SendContact  Endpoint = "send-contact"
	SendPoll     Endpoint = "send-poll"
	SendList     Endpoint = "send-list"
	SendButton   Endpoint = "send-button"
	Broadcast    Endpoint = "broadcast"
)

// The endpoints that manage sessions, read chats and configure the webhook.
const (
	ListSessions  Endpoint = "list-sessions"
	CreateSession Endpoint = "create-session"
	GetSession    Endpoint = "get-session"
	DeleteSession Endpoint = "delete-session"
	StartSession  Endpoint = "start-session"
	StopSession   Endpoint = "stop-session"
	SessionQR     Endpoint = "session-qr"
	ListContacts  Endpoint = "list-contacts"
	ListChats     Endpoint = "list-chats"
	ListMessages  Endpoint = "list-messages"
	MarkRead      Endpoint = "mark-read"
	GetWebhook    Endpoint = "get-webhook"
	CreateWebhook Endpoint = "create-webhook"
	UpdateWebhook Endpoint = "update-webhook"
)

// Other is a call outside the endpoint table that the operator allowed by name.
const Other Endpoint = "other"

// MessageType is the kind of message an endpoint sends ("message", "image", …),
// empty for the endpoints that send none.
func (e Endpoint) MessageType() string {
	const prefix = "send-"
	switch {
	case e == Broadcast:
		return string(Broadcast)
	case len(e) > len(prefix) && e[:len(prefix)] == prefix:
		return string(e[len(prefix):])
	default:
		return ""
	}
}
