// Package wuzapi speaks to wuzapi (github.com/asternic/wuzapi) and the forks of it.
//
// Three generations of it are in use. The first keeps its sessions under numbers,
// signs no webhook and knows no polls and no history; the forks and versions since
// 2025 keep them under 32 hexadecimal digits and sign. Which one a server is shows in
// what it answers when a session is created, and afterwards in the session's id. When
// such a server is upgraded, it gives its sessions new ids. The gateway finds them by
// their tokens, and goes on speaking to them as to the first generation.
package wuzapi

import (
	"context"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
)

// Translator speaks to wuzapi. Its admin token opens nothing but /admin, so every
// session has a token of its own, which the gateway chooses. For a session that the
// gateway did not create, the token is looked up at the server, by the session's id or
// else its name, for each call anew.
type Translator struct {
	// History is how many messages of each chat the server shall keep of the sessions
	// that are created; 0: none, and Messages is not supported for them.
	History int `json:"history,omitempty"`
}

var _ waserver.Translator = Translator{}

// Traits implements waserver.Translator.
func (t Translator) Traits() waserver.Traits {
	return waserver.Traits{
		SessionCredential: true,
		// The first generation tells nothing of sessions that connect.
		Polls:       true,
		HasContacts: true,
		HasMessages: t.History > 0,
	}
}

// Chats implements waserver.Translator. The only list that the server has is one of
// the chats of all sessions, whoever asks (chat_jid=index), so it is never fetched.
func (Translator) Chats(context.Context, *waserver.Client, waserver.Page) ([]waserver.Chat, error) {
	return nil, &waserver.UnsupportedError{Reason: "wuzapi has no list of a session's chats"}
}

// first tells whether the session is one of a server of the first generation.
func first(link *waserver.Link) bool { return link != nil && isNumber(link.RemoteID) }

func isNumber(s string) bool {
	const longest = 19 // an int64; the ids of later generations have 32 digits
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && len(s) <= longest
}

// phone is a recipient as the server takes it: digits for people, else a JID.
func phone(r message.Recipient) string {
	if r.IsPerson() {
		return r.User
	}
	return r.JID()
}
