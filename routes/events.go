package routes

import (
	"net/http"

	"github.com/genfity/wa-gateway/waserver"
)

// EventsPrefix is what all paths of the events handler begin with.
const EventsPrefix = "/events/"

// The endpoints below EventsPrefix.
const (
	EventMessage      waserver.Endpoint = "event-message"
	EventBatch        waserver.Endpoint = "event-batch"
	EventWebhook      waserver.Endpoint = "event-webhook"
	ServerWebhook     waserver.Endpoint = "server-webhook"
	UserStats         waserver.Endpoint = "user-stats"
	SessionStats      waserver.Endpoint = "session-stats"
	AdminStats        waserver.Endpoint = "admin-stats"
	AdminUserStats    waserver.Endpoint = "admin-user-stats"
	AdminSessionStats waserver.Endpoint = "admin-session-stats"
	AdminExport       waserver.Endpoint = "admin-export"
	AdminDeadLetters  waserver.Endpoint = "admin-dead-letters"
	AdminDeadLetter   waserver.Endpoint = "admin-dead-letter"
	AdminRetry        waserver.Endpoint = "admin-retry"
)

// The classes below EventsPrefix tell who may call (contract §3): the WA server,
// the user that the path names, the admin.
const (
	ClassIngest Class = "ingest"
	// ClassHook: the WA server that the path names, by its own proof.
	ClassHook  Class = "hook"
	ClassStats Class = "stats"
	ClassAdmin Class = "admin"
)

// Events is the table of everything under EventsPrefix.
var Events = NewTable([]Route{
	{Method: http.MethodPost, Pattern: []string{"message"}, Endpoint: EventMessage, Class: ClassIngest},
	{Method: http.MethodPost, Pattern: []string{"message", "batch"}, Endpoint: EventBatch, Class: ClassIngest},
	{Method: http.MethodPost, Pattern: []string{"webhook"}, Endpoint: EventWebhook, Class: ClassIngest},
	{Method: http.MethodPost, Pattern: []string{"webhook", ParamServer}, Endpoint: ServerWebhook, Class: ClassHook},
	{Method: http.MethodPost, Pattern: []string{"webhook", ParamServer, ParamToken}, Endpoint: ServerWebhook, Class: ClassHook},
	{Method: http.MethodGet, Pattern: []string{"stats", "user", ParamUser}, Endpoint: UserStats, Class: ClassStats, Scopes: []Scope{ScopeRead}, AllSessions: true},
	{Method: http.MethodGet, Pattern: []string{"stats", "session", ParamSession}, Endpoint: SessionStats, Class: ClassStats, Scopes: []Scope{ScopeRead}},
	{Method: http.MethodGet, Pattern: []string{"stats", "session", ParamUser, ParamSession}, Endpoint: SessionStats, Class: ClassStats, Scopes: []Scope{ScopeRead}},
	{Method: http.MethodGet, Pattern: []string{"admin", "stats"}, Endpoint: AdminStats, Class: ClassAdmin},
	{Method: http.MethodGet, Pattern: []string{"admin", "stats", "export"}, Endpoint: AdminExport, Class: ClassAdmin},
	{Method: http.MethodGet, Pattern: []string{"admin", "dead-letters"}, Endpoint: AdminDeadLetters, Class: ClassAdmin},
	{Method: http.MethodGet, Pattern: []string{"admin", "dead-letters", ParamLetter}, Endpoint: AdminDeadLetter, Class: ClassAdmin},
	{Method: http.MethodDelete, Pattern: []string{"admin", "dead-letters", ParamLetter}, Endpoint: AdminDeadLetter, Class: ClassAdmin},
	{Method: http.MethodPost, Pattern: []string{"admin", "dead-letters", ParamLetter, "retry"}, Endpoint: AdminRetry, Class: ClassAdmin},
	{Method: http.MethodGet, Pattern: []string{"admin", "stats", "user", ParamUser}, Endpoint: AdminUserStats, Class: ClassAdmin},
	{Method: http.MethodDelete, Pattern: []string{"admin", "stats", "user", ParamUser}, Endpoint: AdminUserStats, Class: ClassAdmin},
	{Method: http.MethodGet, Pattern: []string{"admin", "stats", "session", ParamUser, ParamSession}, Endpoint: AdminSessionStats, Class: ClassAdmin},
	{Method: http.MethodDelete, Pattern: []string{"admin", "stats", "session", ParamUser, ParamSession}, Endpoint: AdminSessionStats, Class: ClassAdmin},
})
