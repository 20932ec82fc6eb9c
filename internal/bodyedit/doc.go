// Package bodyedit rewrites request bodies while they stream: it takes the fields out that name
// somebody's session or identity, in every spelling, and puts the verified ones in (contract §5).
// It knows JSON objects, URL-encoded forms and multipart/form-data.
//
// A body is read once, in pieces of at most 16 KiB, and no value is ever held whole: a 64 MB
// base64 string passes through the same buffers as a 100-byte message.
//
// The package is strict on purpose. A body that two parsers could read in two ways is refused,
// and what is passed on is written so that there is only one way left to read it. These are the
// answers:
//
//	Everywhere
//	  field whose normalized name is dropped, or is one of Rules.Set   dropped, each time it occurs
//	  name below the top, or part of a[b] or a.b, in Rules.Nested      dropped, each time it occurs
//	  name of more than 1 KiB as written                               refused
//	  name "__proto__" (replaces a JavaScript object's prototype)      refused
//	  more fields than Rules.MaxFields at the top                      refused
//	  scalar name repeated, or holding a list                          refused
//	  more than Rules.MaxBytes                                         ErrTooLarge
//
//	JSON (RFC 8259)
//	  anything but one object; bytes after it; a body cut short        refused
//	  byte order mark, UTF-16, invalid or overlong UTF-8               refused
//	  nesting deeper than Rules.MaxDepth                               refused
//	  number of more than 128 bytes                                    refused
//	  name with a control character (\u0000), where names matter       refused
//	  name with half a surrogate pair (\ud800), where names matter     refused
//	  half a surrogate pair in a value                                 kept as it is
//	  repeated name that no rule mentions                              kept
//	  white space between tokens                                       left out
//	  every other byte                                                 kept as it is
//
//	Forms (WHATWG URL, application/x-www-form-urlencoded)
//	  bad or cut percent escape; escapes that are not UTF-8            refused
//	  name that is empty, or has a control character or one of "%&;=\  refused
//	  name whose brackets are not "name[a][b]"; "[name]"               refused
//	  ; in a name; a name that starts with { (JSON sent as a form)     refused
//	  ; = and control characters in a value                            kept, written as %XX
//	  + in a name or value                                             a space, as ever
//	  nothing between two &                                            dropped
//	  field "_charset_" (would change how others are decoded)          dropped
//
//	Multipart (RFC 7578)
//	  preamble or epilogue other than one CRLF; no final boundary      refused
//	  bare LF or CR at a line's end; white space after a boundary      refused
//	  "--boundary" anywhere but at the start of a line                 refused
//	  part without a name; names as in forms; \ in a name              refused
//	  name given twice; name*=; name*0=                                refused
//	  folded, repeated or malformed part headers; more than 8 KiB      refused
//	  Content-Transfer-Encoding other than 7bit, 8bit, binary          refused
//	  a part that is itself multipart/* or message/*                   refused
//	  filename*= in UTF-8                                              becomes filename=
//	  folders in a file name                                           left out
//	  part headers but Content-Disposition and Content-Type            left out
//	  a part's content                                                 kept as it is
//
// The field _charset_ and the refused names apply to parts as to form fields.
//
// Names matter at the top of JSON, and below it where Rules.Nested is set. A byte order mark at the
// start of a form counts as part of the first name, which is recognised all the same; before JSON or
// a boundary it is refused. What a text holds is not looked into: JSON that is a part's content, a
// form's value or a JSON string is content.
package bodyedit
