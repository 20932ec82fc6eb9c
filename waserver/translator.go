package waserver

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/genfity/wa-gateway/message"
)

// Translator is the dialect of a WA server whose API is not the canonical one: it
// makes the server's own calls, as many as one canonical call needs, and reads their
// answers. A translator is stateless and safe for concurrent use; all that it knows of
// a session is in the Client's Link, and it never uses what a client of the gateway
// wrote for a path, a query or a header.
//
// Errors are a *ServerError when the server answered, and no success; an
// *UnsupportedError when it cannot do what is asked, before anything was sent; any
// other error when it did not answer.
type Translator interface {
	// Send sends one message. The message's media is on disk (never only a URL).
	Send(ctx context.Context, c *Client, m *message.Message) (*Sent, error)

	// CreateSession creates a session, with the gateway's webhook registered and
	// signed where the server can. The Link that it returns is kept by the gateway,
	// its secrets encrypted, and comes with every later Client of the session.
	CreateSession(ctx context.Context, c *Client, s *NewSession) (*Link, error)
	// Session tells the state of the Client's session.
	Session(ctx context.Context, c *Client) (*SessionState, error)
	// StartSession has the session connect; one that never paired shows a QR code.
	// A session that runs already is no error.
	StartSession(ctx context.Context, c *Client) (*SessionState, error)
	// StopSession has it disconnect and stay paired. One that is stopped is no error.
	StopSession(ctx context.Context, c *Client) (*SessionState, error)
	// DeleteSession logs it out and removes it with everything that the server keeps
	// of it. One that the server does not know is no error.
	DeleteSession(ctx context.Context, c *Client) error
	// QR is the code with which the session is paired; it starts the pairing where
	// the server does so by the same call. A session that is logged in is a
	// *ServerError of KindAlreadyPaired, one that has no code yet of KindNotReady.
	QR(ctx context.Context, c *Client) (*QR, error)

	// Contacts, Chats and Messages read what the server itself keeps; those that keep
	// nothing return an *UnsupportedError.
	Contacts(ctx context.Context, c *Client, page Page) ([]Contact, error)
	Chats(ctx context.Context, c *Client, page Page) ([]Chat, error)
	Messages(ctx context.Context, c *Client, chat message.Recipient, page Page) ([]ChatMessage, error)
	// MarkRead marks messages of a chat as read.
	MarkRead(ctx context.Context, c *Client, mark *ReadMark) error

	// WebhookSession finds what a webhook says of whose it is, before it is known
	// whether that is true: names under which the gateway looks for the session
	// (Link.RemoteID, or the session's own id), the surest first.
	WebhookSession(h *Webhook) []string
	// VerifyWebhook tells whether a webhook carries the proof that this server makes
	// with the secret: ErrNoSignature where there is none, ErrBadSignature where it
	// is not good.
	VerifyWebhook(h *Webhook, secret string) error
	// CleanWebhook takes credentials out of a payload, before it is kept.
	CleanWebhook(payload []byte) []byte
	// Updates reads a payload as it was kept. received stands in for times that it
	// does not tell. What is not known is nil, and no error.
	Updates(payload []byte, received time.Time) ([]Update, error)

	// Traits tell what the gateway has to do by itself.
	Traits() Traits
}

// Traits are what differs between servers beyond their calls.
type Traits struct {
	// SessionCredential: the server gives sessions credentials of their own, or a
	// secret of their webhooks, which the gateway has to keep.
	SessionCredential bool
	// Polls: the server tells nothing of sessions that connect, so the gateway asks.
	Polls bool
	// SessionID tells which session ids the server can bear, besides the gateway's
	// own rule; nil: any.
	SessionID func(id string) bool
	// Echoes: the server tells by webhook of the messages that were sent by its API.
	// Where it does not, the gateway itself enters them among the chat's messages.
	Echoes bool
	// HasContacts, HasChats, HasMessages: the server keeps them itself.
	HasContacts, HasChats, HasMessages bool
}

// Client is how a translator speaks to a server for one session.
type Client struct {
	Server *Server
	Link   *Link // of the session; for CreateSession what is known before
	// Do makes one call. The answer is whole and bounded. An error means that there
	// was no answer.
	Do func(ctx context.Context, r *Request) (*Response, error)
}

// Link is what the gateway keeps of a session for speaking to its server.
type Link struct {
	SessionID string // the gateway's id of it
	UserID    string
	Server    string // the WA server's name
	// RemoteID is the server's own id or name of it; the same as SessionID where the
	// server takes the gateway's.
	RemoteID string
	// Credential opens this session alone; empty where the server has none, and for
	// sessions that the gateway did not create.
	Credential string
	// WebhookSecret is the key with which the server proves that its webhooks of this
	// session are its own.
	WebhookSecret string
	// Webhook is the customer's own URL, to which the gateway passes events; empty
	// for none.
	Webhook string
	// CustomerKey signs what is posted there. The server knows nothing of it.
	CustomerKey string
}

// NewSession is a session to be made.
type NewSession struct {
	// ID is the gateway's id, which the server takes where it can.
	ID string
	// Name is for people.
	Name string
	// WebhookURL is where the gateway takes the server's webhooks; empty: nowhere.
	WebhookURL string
	// WebhookSecret is a new secret for them, and Credential a new credential for
	// servers that let it be chosen: 43 letters, digits, - and _.
	WebhookSecret, Credential string
}

// Request is one call to a server.
type Request struct {
	Method string
	// Path holds the segments below the server's base, not escaped.
	Path   []string
	Query  url.Values
	Header http.Header
	Body   *Body // nil: none
}

// Body is a request's body. Open is called once for each attempt.
type Body struct {
	ContentType string
	Length      int64 // -1: not known
	Open        func() io.Reader
}

// Response is a server's whole answer.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Sent is a message that a server took.
type Sent struct {
	ID string // bare, without a chat in it; empty where the server told none
	At time.Time
}

// State is where a session stands, the same words for every server.
type State string

// The states of a session.
const (
	StateCreated      State = "created"      // never started
	StateConnecting   State = "connecting"   // on its way
	StateQR           State = "qr"           // waits for its QR code to be scanned
	StateConnected    State = "connected"    // can send
	StateDisconnected State = "disconnected" // paired, but not connected
	StateLoggedOut    State = "logged_out"   // was paired
	StateFailed       State = "failed"       // the server gave it up
)

// SessionState is what a server tells of a session.
type SessionState struct {
	State State
	// JID is the account's own; empty before it is paired, and where it is not told.
	JID string
	// Name is the account's own name.
	Name string
	// QR is the code that StartSession made, where the server shows it by that same
	// call, and would make another one when it is asked for it.
	QR *QR `json:",omitempty"`
}

// QR is a code to be scanned. At least one of Text and PNG is set.
type QR struct {
	Text string // what the code says
	PNG  []byte
	// Expires is when another code takes its place; zero where the server does not
	// tell.
	Expires time.Time
}

// Page bounds a list.
type Page struct {
	Limit  int
	Offset int
}

// ReadMark names messages of a chat, the newest first.
type ReadMark struct {
	Chat     message.Recipient
	Sender   message.Recipient // in groups, where the client tells it
	Messages []string
}

// Contact is somebody whom a session's account knows.
type Contact struct {
	JID      string
	Name     string // as the account has it
	PushName string // as they call themselves
}

// Chat is a conversation.
type Chat struct {
	JID           string
	Name          string
	IsGroup       bool
	Unread        int
	LastMessageAt time.Time
}

// ChatMessage is a message of a chat, sent or received.
type ChatMessage struct {
	ID        string // bare
	ChatJID   string
	SenderJID string
	FromMe    bool
	Type      string // text, image, video, audio, document, sticker, location, contact, poll, …
	Body      string // text or caption
	MediaURL  string // a reference, not to be opened by clients; empty: none
	MediaType string
	Filename  string
	ReplyTo   string
	At        time.Time
	PushName  string // of the sender
}

// Update is one thing that a webhook tells; exactly one part is set.
type Update struct {
	At time.Time

	Receipt *Receipt
	State   *SessionState
	QR      *QR
	Message *ChatMessage
	Contact *Contact
	Chat    *Chat
	Revoked *MessageRef // deleted for everybody
	Edited  *ChatMessage
}

// MessageRef names a message.
type MessageRef struct{ ID, ChatJID string }

// Receipt tells what became of messages that the session sent.
type Receipt struct {
	IDs     []string // bare
	ChatJID string
	// Status is sent, delivered, read or failed (contract §8).
	Status string
	Error  string
}

// Webhook is what a server posted.
type Webhook struct {
	Header http.Header
	// Query and PathToken come from the URL to which it was posted.
	Query     url.Values
	PathToken string
	// Raw is the body, Payload what webhook.Parse made of it (one of them, of NDJSON).
	Raw     []byte
	Payload []byte
}
