package waha

import "github.com/genfity/wa-gateway/waserver/lenient"

// What the server's JSON is read into: it writes many things in more than one form.
type (
	text  = lenient.Text
	count = lenient.Count
	unix  = lenient.Unix
)
