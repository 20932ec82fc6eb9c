// Package gowa speaks to GOWA (github.com/aldinokemal/go-whatsapp-web-multidevice).
//
// A session is a device there. One credential reaches all of them, and the device is
// chosen by a header; where the header is missing and there is one device only, the
// server silently takes that. So no call goes out without it.
package gowa

import (
	"time"

	"github.com/genfity/wa-gateway/waserver"
)

// Translator speaks to GOWA. The server's token is its Basic authentication, written
// user:password; it is empty for a server that has none.
type Translator struct {
	// Now is the clock by which a QR code expires; nil: time.Now.
	Now func() time.Time `json:"-"`
}

var _ waserver.Translator = Translator{}

func (t Translator) now() time.Time {
	if t.Now != nil {
		return t.Now()
	}
	return time.Now()
}

// Traits implements waserver.Translator.
func (Translator) Traits() waserver.Traits {
	return waserver.Traits{
		SessionCredential: true, // the secret of its webhooks
		Polls:             true,
		SessionID:         validID,
		HasContacts:       true,
		HasChats:          true,
		HasMessages:       true,
	}
}

// validID tells whether the server can bear an id of a device in its paths and in its
// header, which it decodes as if it were a query: letters, digits, _ and -. A JID, which
// would be taken for whichever device is paired with it, is none.
func validID(id string) bool {
	const longest = 128
	for i := range len(id) {
		if !isWord(id[i]) {
			return false
		}
	}
	return id != "" && len(id) <= longest
}

func isWord(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '_' || b == '-'
}
