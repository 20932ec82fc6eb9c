// Package message is the canonical form of what a client sends: one message, read
// from JSON, a form or multipart, checked, with its media on disk. Dialects turn it
// into what a WA server takes.
package message

import (
	"github.com/genfity/wa-gateway/media"
)

// Kind is what a message is.
type Kind string

// The kinds, by the endpoint that sends them. KindMedia becomes one of image, video,
// audio and document by its MIME type, when the message is read.
const (
	KindText     Kind = "message"
	KindMedia    Kind = "media"
	KindImage    Kind = "image"
	KindVideo    Kind = "video"
	KindAudio    Kind = "audio"
	KindDocument Kind = "document"
	KindSticker  Kind = "sticker"
	KindLocation Kind = "location"
	KindContact  Kind = "contact"
	KindPoll     Kind = "poll"
	KindList     Kind = "list"
	KindButtons  Kind = "button"
)

// Message is one message to one recipient. Of the parts only those of its kind are
// set; all text is valid UTF-8 and within the bounds of this package.
type Message struct {
	Kind Kind
	To   Recipient

	Text    string // of KindText
	Caption string // of image, video and document
	Media   *Media

	Location *Location
	Contact  *Contact
	Poll     *Poll
	List     *List
	Buttons  *Buttons

	// ReplyTo is the id of the message that is answered; ReplyToSender is its
	// sender's JID, where the client tells (groups need it with some servers).
	ReplyTo       string
	ReplyToSender string
	// Mentions are the people who are named in the text or caption.
	Mentions []Recipient
	// Voice says that audio is to be shown as a voice note.
	Voice bool
}

// Close lets go of the media. It may be called more than once.
func (m *Message) Close() error {
	if m == nil || m.Media == nil || m.Media.File == nil {
		return nil
	}
	return m.Media.File.Close()
}

// Media is what a message carries.
type Media struct {
	// File is the content. It is nil for content that a URL names, until Load.
	File *media.File
	// URL is where the content is, when the client gave a URL.
	URL string
	// Filename is a base name; empty only where there is no File.
	Filename string
	// MIMEType has no parameters unless they were given ("audio/ogg; codecs=opus").
	MIMEType string
}

// Location is a place. Latitude is -90 to 90, longitude -180 to 180.
type Location struct {
	Latitude, Longitude float64
	Name, Address       string
}

// Contact is somebody whose card is sent. VCard is always complete: it is made of the
// other fields where the client sent none. Where it sent one, Name and Phone are what it
// says, and may be empty.
type Contact struct {
	Name, Phone, Organization, Email, VCard string // Phone: digits, with the country code
}

// Poll is a question with 2 to 12 answers, of which 1 to MaxAnswers may be chosen.
type Poll struct {
	Name       string
	Options    []string
	MaxAnswers int
}

// List is a menu.
type List struct {
	Title, Description, Footer, Button string
	Sections                           []Section
}

// Section is a part of a List.
type Section struct {
	Title string
	Rows  []Row
}

// Row is one choice of a List.
type Row struct{ ID, Title, Description string }

// Buttons is a text with 1 to 4 buttons.
type Buttons struct {
	Title, Body, Footer string
	Buttons             []Button
}

// ButtonType is what a button does.
type ButtonType string

// The types of buttons.
const (
	ButtonReply ButtonType = "reply"
	ButtonURL   ButtonType = "url"
	ButtonCall  ButtonType = "call"
	ButtonCopy  ButtonType = "copy"
)

// Button is one of Buttons. Of URL, Phone and Code only that of its type is set.
type Button struct {
	Type             ButtonType
	ID, Text         string
	URL, Phone, Code string
}
