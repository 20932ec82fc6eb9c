package waha

import (
	"regexp"
	"strings"
)

// plainName is what a session may be called: 54 is as many as the server takes.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,54}$`)

// reserved are names that stand where a session's name does in the server's paths
// (/api/{session}/… beside /api/contacts/…, /api/sessions/{session} beside
// /api/sessions/start), in lower case, since the server's paths know no case. A session
// of such a name would be reached by calls that are not about it.
//
// "default" is the session that the server takes for every call that names none.
var reserved = map[string]bool{
	"default": true,
	// below /api
	"sessions": true, "contacts": true, "keys": true, "server": true, "apps": true, "files": true, "screenshot": true,
	"version": true, "messages": true, "admin": true, "tenants": true, "health": true, "ping": true,
	"send": true, "sendtext": true, "sendimage": true, "sendfile": true, "sendvoice": true, "sendvideo": true,
	"sendbuttons": true, "sendlist": true, "sendpoll": true, "sendpollvote": true, "sendlocation": true,
	"sendlinkpreview": true, "sendcontactvcard": true, "sendsticker": true, "sendseen": true,
	"forwardmessage": true, "starttyping": true, "stoptyping": true, "reaction": true, "star": true, "reply": true,
	"checknumberstatus": true,
	// below /api/sessions
	"start": true, "stop": true, "logout": true, "restart": true, "me": true, "all": true,
}

func sessionID(id string) bool { return plainName.MatchString(id) && !reserved[strings.ToLower(id)] }
