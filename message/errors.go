package message

import (
	"fmt"

	"github.com/genfity/wa-gateway/internal/bodyedit"
)

// Errors about a body as a whole.
var (
	// ErrTooLarge is the error for a body longer than Options.MaxBytes.
	ErrTooLarge = bodyedit.ErrTooLarge
	// ErrUnsupported is wrapped by errors about a body that is neither JSON nor a form.
	ErrUnsupported = bodyedit.ErrUnsupported
)

// SyntaxError is the error for a body that is malformed.
type SyntaxError = bodyedit.SyntaxError

// FieldError is the error for a field of a message that is missing or wrong. Neither
// its text nor its parts quote any of the body.
type FieldError struct {
	Field  string // as docs/api.md names it: to, contact.phone, poll.options[2]
	Reason string // goes on after the field's name: "must be …"
	err    error
}

// Error implements error.
func (e *FieldError) Error() string { return e.Field + " " + e.Reason }

// Unwrap returns what is behind it, such as media.ErrTooLarge; nil mostly.
func (e *FieldError) Unwrap() error { return e.err }

func wrong(field, format string, args ...any) error {
	return &FieldError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

func missing(field, what string) error {
	return &FieldError{Field: field, Reason: "is missing: " + what}
}
