package waserver

import (
	"errors"
	"fmt"
)

// The reasons why VerifyWebhook refuses.
var (
	ErrNoSignature  = errors.New("the webhook carries no signature")
	ErrBadSignature = errors.New("the webhook's signature is not good")
)

// Kind is what an error of a WA server means, whatever its status says.
type Kind int

// The kinds of errors. The gateway's answer follows from them.
const (
	// KindUnknown is anything else: 502.
	KindUnknown Kind = iota
	// KindInvalid: the server does not take what the client sent: 400.
	KindInvalid
	// KindNotConnected: the session cannot send as long as it is not started and
	// paired: 409.
	KindNotConnected
	// KindAlreadyPaired: there is no code to be scanned any more: 409.
	KindAlreadyPaired
	// KindNotReady: not yet; the client may ask again: 503 with Retry-After.
	KindNotReady
	// KindNotFound: the server does not have the session (404), or what else was named.
	KindNotFound
	// KindExists: the server has a session of that name: 409.
	KindExists
	// KindUnknownNumber: the recipient is not on WhatsApp: 422.
	KindUnknownNumber
	// KindLimited: WhatsApp restricts the account: 429.
	KindLimited
	// KindCredential: the server refuses the gateway's own credential: 502.
	KindCredential
	// KindTooLarge: the media is larger than the server takes: 413.
	KindTooLarge
)

// ServerError is an answer of a WA server that is no success.
type ServerError struct {
	Kind   Kind
	Status int    // as the server answered
	Code   string // the server's own word; empty where it has none
	// Message is in the server's own words, without anything that echoes a request:
	// it is shown to the client in data.
	Message string
}

func (e *ServerError) Error() string {
	return fmt.Sprintf("the WA server answered %d %s: %s", e.Status, e.Code, e.Message)
}
