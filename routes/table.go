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
		})
	}
	row := func(method string, endpoint waserver.Endpoint, class Class, session bool, pattern ...string) {
		rows = append(rows, Route{
			Method: method, Pattern: pattern, Endpoint: endpoint, Class: class,
			Subscription: true, Session: session,
		})
	}
	row(http.MethodGet, waserver.ListSessions, ClassSession, false, "sessions")
	row(http.MethodPost, waserver.CreateSession, ClassSession, false, "sessions")
	row(http.MethodGet, waserver.GetSession, ClassSession, true, "sessions", ParamSession)
	row(http.MethodDelete, waserver.DeleteSession, ClassSession, true, "sessions", ParamSession)
	row(http.MethodPost, waserver.StartSession, ClassSession, true, "sessions", ParamSession, "start")
	row(http.MethodPost, waserver.StopSession, ClassSession, true, "sessions", ParamSession, "stop")
	row(http.MethodGet, waserver.SessionQR, ClassSession, true, "sessions", ParamSession, "qr")
	row(http.MethodGet, waserver.ListContacts, ClassChat, true, "sessions", ParamSession, "contacts")
	row(http.MethodGet, waserver.ListChats, ClassChat, true, "sessions", ParamSession, "chats")
	row(http.MethodGet, waserver.ListMessages, ClassChat, true, "sessions", ParamSession, "messages", ParamChat)
	row(http.MethodPost, waserver.MarkRead, ClassChat, true, "sessions", ParamSession, "mark-read")
	row(http.MethodGet, waserver.GetWebhook, ClassConfig, true, "webhook")
	row(http.MethodPost, waserver.CreateWebhook, ClassConfig, true, "webhook")
	row(http.MethodPut, waserver.UpdateWebhook, ClassConfig, true, "webhook")
	rows = append(rows,
		Route{Method: http.MethodGet, Pattern: []string{"subscription", ParamUser}, Endpoint: Subscription, Class: ClassOwn},
		Route{Method: http.MethodGet, Pattern: []string{"stats", ParamUser}, Endpoint: Stats, Class: ClassOwn},
		Route{Method: http.MethodGet, Pattern: []string{"health"}, Endpoint: Health, Class: ClassOwn, Anonymous: true},
	)
	return NewTable(rows)
}
