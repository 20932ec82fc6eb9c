// Package routes is the endpoint table of contract §3 as data, and the one
// place where a request's path is brought to its normal form and matched. What
// is not in the table, and not allowed by the operator by name, does not exist.
package routes

import (
	"net/http"

	"github.com/genfity/wa-gateway/waserver"
)

// Class groups endpoints that are limited and configured alike.
type Class string

// The classes of contract §3. ClassOwn are the endpoints that the gateway
// answers by itself; ClassOther are calls that the operator allowed by name.
const (
	ClassMessage Class = "message"
	ClassSession Class = "session"
	ClassChat    Class = "chat"
	ClassConfig  Class = "config"
	ClassOwn     Class = "own"
	ClassOther   Class = "other"
)

// Scope is what an API key can be limited to; a key without scopes is good for
// everything that its user may do.
type Scope string

// The scopes: sending messages and marking chats as read, managing sessions and
// the webhook, reading.
const (
	ScopeSend     Scope = "send"
	ScopeSessions Scope = "sessions"
	ScopeRead     Scope = "read"
)

// The endpoints that the gateway answers by itself.
const (
	Subscription waserver.Endpoint = "subscription"
	Stats        waserver.Endpoint = "stats"
	Health       waserver.Endpoint = "health"
)

// The parameters that a pattern can hold.
const (
	ParamSession = "{id}"
	ParamChat    = "{chat_id}"
	ParamUser    = "{user_id}"
	ParamLetter  = "{letter_id}"
	ParamServer  = "{server}"
	ParamToken   = "{token}"
)

// Route is one row of the table.
type Route struct {
	Method   string
	Pattern  []string // segments below the prefix; parameters in braces
	Endpoint waserver.Endpoint
	Class    Class

	// Anonymous endpoints need no authentication.
	Anonymous bool
	// Subscription: the caller needs an active one ("sub").
	Subscription bool
	// Limited: the call counts against the message limit ("lim").
	Limited bool
	// Session: the call needs a session that the caller owns ("sid").
	Session bool

	// Scopes are those of which an API key with scopes must have one. Without any
	// the call is closed to such keys.
	Scopes []Scope
	// AllSessions: the call concerns all sessions of the user, or a new one, so it
	// is closed to keys that are limited to some.
	AllSessions bool
}

// Prefix is what all paths of the gateway handler begin with.
const Prefix = "/api/wa/"

// API is the table of everything under Prefix.
var API = apiTable()

func apiTable() *Table {
	sends := []waserver.Endpoint{
		waserver.SendMessage, waserver.SendMedia, waserver.SendImage, waserver.SendVideo,
		waserver.SendAudio, waserver.SendDocument, waserver.SendSticker, waserver.SendLocation,
		waserver.SendContact, waserver.SendPoll, waserver.SendList, waserver.SendButton,
		waserver.Broadcast,
	}
	var rows []Route
	for _, endpoint := range sends {
		rows = append(rows, Route{
			Method: http.MethodPost, Pattern: []string{string(endpoint)}, Endpoint: endpoint,
			Class: ClassMessage, Subscription: true, Limited: true, Session: true,
			Scopes: []Scope{ScopeSend},
		})
	}
	row := func(method string, endpoint waserver.Endpoint, class Class, scopes []Scope, pattern ...string) {
		rows = append(rows, Route{
			Method: method, Pattern: pattern, Endpoint: endpoint, Class: class,
			Subscription: true, Session: len(pattern) > 1 || class == ClassConfig, Scopes: scopes,
			AllSessions: endpoint == waserver.CreateSession,
		})
	}
	send, manage, read := []Scope{ScopeSend}, []Scope{ScopeSessions}, []Scope{ScopeRead}
	see := []Scope{ScopeRead, ScopeSessions}
	row(http.MethodGet, waserver.ListSessions, ClassSession, see, "sessions")
	row(http.MethodPost, waserver.CreateSession, ClassSession, manage, "sessions")
	row(http.MethodGet, waserver.GetSession, ClassSession, see, "sessions", ParamSession)
	row(http.MethodDelete, waserver.DeleteSession, ClassSession, manage, "sessions", ParamSession)
	row(http.MethodPost, waserver.StartSession, ClassSession, manage, "sessions", ParamSession, "start")
	row(http.MethodPost, waserver.StopSession, ClassSession, manage, "sessions", ParamSession, "stop")
	row(http.MethodGet, waserver.SessionQR, ClassSession, manage, "sessions", ParamSession, "qr")
	row(http.MethodGet, waserver.ListContacts, ClassChat, read, "sessions", ParamSession, "contacts")
	row(http.MethodGet, waserver.ListChats, ClassChat, read, "sessions", ParamSession, "chats")
	row(http.MethodGet, waserver.ListMessages, ClassChat, read, "sessions", ParamSession, "messages", ParamChat)
	row(http.MethodPost, waserver.MarkRead, ClassChat, send, "sessions", ParamSession, "mark-read")
	row(http.MethodGet, waserver.GetWebhook, ClassConfig, manage, "webhook")
	row(http.MethodPost, waserver.CreateWebhook, ClassConfig, manage, "webhook")
	row(http.MethodPut, waserver.UpdateWebhook, ClassConfig, manage, "webhook")
	rows = append(rows,
		Route{Method: http.MethodGet, Pattern: []string{"subscription", ParamUser}, Endpoint: Subscription, Class: ClassOwn, Scopes: read},
		Route{Method: http.MethodGet, Pattern: []string{"stats", ParamUser}, Endpoint: Stats, Class: ClassOwn, Scopes: read, AllSessions: true},
		Route{Method: http.MethodGet, Pattern: []string{"health"}, Endpoint: Health, Class: ClassOwn, Anonymous: true},
	)
	return NewTable(rows)
}
