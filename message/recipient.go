package message

import "strings"

// The servers of JIDs.
const (
	UserServer       = "s.whatsapp.net"
	GroupServer      = "g.us"
	HiddenServer     = "lid"
	NewsletterServer = "newsletter"
)

// Recipient is somebody to write to. User holds the digits of a phone number with its
// country code (or of a hidden number), or the id of a group or newsletter.
type Recipient struct{ User, Server string }

// JID is the recipient in the form that WhatsApp itself uses, without a device.
func (r Recipient) JID() string { return r.User + "@" + r.Server }

// IsGroup tells a group from a person.
func (r Recipient) IsGroup() bool { return r.Server == GroupServer }

// IsPerson tells a phone number from everything else.
func (r Recipient) IsPerson() bool { return r.Server == UserServer }

// ParseJID reads a JID in any spelling that WA servers use: with a device or agent
// part ("123:4@…", "123.0:4@…"), with c.us for s.whatsapp.net. What is no JID is not ok.
func ParseJID(s string) (r Recipient, ok bool) {
	user, server, found := strings.Cut(s, "@")
	if !found || user == "" {
		return r, false
	}
	user, _, _ = strings.Cut(user, ":")
	switch server {
	case "c.us", "hosted":
		server = UserServer
	case "hosted.lid":
		server = HiddenServer
	}
	if server == UserServer || server == HiddenServer {
		user, _, _ = strings.Cut(user, ".")
	}
	for _, c := range user {
		if (c < '0' || c > '9') && (c != '-' || server != GroupServer) {
			return Recipient{}, false
		}
	}
	switch server {
	case UserServer, GroupServer, HiddenServer, NewsletterServer:
		return Recipient{user, server}, user != ""
	}
	return r, false
}

// CanonicalJID is ParseJID for texts that are kept as they are when they are no JID.
func CanonicalJID(s string) string {
	if r, ok := ParseJID(s); ok && r.User != "" {
		return r.JID()
	}
	return s
}
