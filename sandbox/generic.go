package sandbox

import "net/http"

// generic is the contract's own WhatsApp server (contract §5): the gateway's endpoints without
// their prefix, one JSON shape for all answers, and the events of contract §8.
var generic = &dialect{
	name:   "generic",
	routes: genericRoutes(),
	answer: writeAnswer,
	refuse: writeRefusal,
	event:  func(e event) any { return e },
}

func genericRoutes() []route {
	routes := []route{
		{method: http.MethodGet, pattern: "/health", open: true, handle: (*Sandbox).health},
		{method: http.MethodPost, pattern: "/broadcast", handle: (*Sandbox).broadcast},

		{method: http.MethodGet, pattern: "/sessions", handle: (*Sandbox).listSessions},
		{method: http.MethodPost, pattern: "/sessions", handle: (*Sandbox).createSession},
		{method: http.MethodGet, pattern: "/sessions/{id}", handle: (*Sandbox).getSession},
		{method: http.MethodDelete, pattern: "/sessions/{id}", handle: (*Sandbox).deleteSession},
		{method: http.MethodPost, pattern: "/sessions/{id}/start", handle: (*Sandbox).startSession},
		{method: http.MethodPost, pattern: "/sessions/{id}/stop", handle: (*Sandbox).stopSession},
		{method: http.MethodGet, pattern: "/sessions/{id}/qr", handle: (*Sandbox).sessionQR},

		{method: http.MethodGet, pattern: "/sessions/{id}/contacts", handle: (*Sandbox).listContacts},
		{method: http.MethodGet, pattern: "/sessions/{id}/chats", handle: (*Sandbox).listChats},
		{method: http.MethodGet, pattern: "/sessions/{id}/messages/{chat}", handle: (*Sandbox).listMessages},
		{method: http.MethodPost, pattern: "/sessions/{id}/mark-read", handle: (*Sandbox).markRead},

		{method: http.MethodGet, pattern: "/webhook", handle: (*Sandbox).getWebhook},
		{method: http.MethodPost, pattern: "/webhook", handle: (*Sandbox).setWebhook},
		{method: http.MethodPut, pattern: "/webhook", handle: (*Sandbox).setWebhook},
	}
	for _, send := range []struct {
		path  string
		check check
	}{
		{"/send-message", checkText},
		{"/send-media", checkMedia("media")},
		{"/send-image", checkMedia("image")},
		{"/send-video", checkMedia("video")},
		{"/send-audio", checkMedia("audio")},
		{"/send-document", checkMedia("document")},
		{"/send-sticker", checkMedia("sticker")},
		{"/send-location", checkLocation},
		{"/send-contact", checkContact},
		{"/send-poll", checkPoll},
		{"/send-list", checkList},
		{"/send-button", checkButtons},
	} {
		handle := func(s *Sandbox, c *call) (*reply, error) { return s.send(c, send.check) }
		routes = append(routes, route{method: http.MethodPost, pattern: send.path, handle: handle})
	}
	return routes
}
