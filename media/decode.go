package media

import (
	"encoding/base64"
	"io"
)

// TextError is the error for text that is no URL, data URL or base64. It never quotes
// any of it.
type TextError struct {
	Reason string // for the client
}

// Error implements error.
func (e *TextError) Error() string { return "media: it " + e.Reason }

// DecodeBase64 returns what r's base64 says: of the standard alphabet or the one for
// URLs, white space anywhere, padded or not. Its Read fails with a *TextError, or as r
// does.
func DecodeBase64(r io.Reader) io.Reader { return &base64Decoder{r: r} }

var errNotBase64 = &TextError{Reason: "must be an http or https URL, a data URL or base64"}

// base64Decoder decodes what it reads.
type base64Decoder struct {
	r     io.Reader
	text  []byte // cleaned characters; those of a group of four that is not whole stay
	held  int    // how many characters of text there are
	block []byte // the content of text
	rest  []byte // of block, to be handed out
	pads  int    // padding characters so far
	err   error
}

func (d *base64Decoder) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(d.rest) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		d.fill()
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// fill reads once and decodes what groups of four there are; at the end what is left.
func (d *base64Decoder) fill() {
	if d.text == nil {
		d.text = make([]byte, 16<<10)
		d.block = make([]byte, 12<<10)
	}
	n, err := d.r.Read(d.text[d.held:])
	if !d.clean(n) {
		d.err = errNotBase64
		return
	}
	if err != nil && err != io.EOF {
		d.err = err
		return
	}
	whole := d.held &^ 3
	if err == io.EOF {
		d.err = err
		whole = d.held
		// A group has two characters at least, and padding makes it four.
		if d.held%4 == 1 || d.pads > 0 && (d.held+d.pads)%4 != 0 {
			d.err = errNotBase64
			return
		}
	}
	size, bad := base64.RawStdEncoding.Decode(d.block, d.text[:whole])
	if bad != nil {
		d.err = errNotBase64
		return
	}
	d.rest = d.block[:size]
	d.held = copy(d.text, d.text[whole:d.held])
}

// base64Clean maps characters to those of the standard alphabet: 0 for what there is
// none for, ' ' for what is left out.
var base64Clean = func() (table [256]byte) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=" {
		table[c] = byte(c)
	}
	table['-'], table['_'] = '+', '/'
	for _, c := range " \t\r\n" {
		table[c] = ' '
	}
	return table
}()

// clean goes over n characters behind those that are held. It is not ok where one of
// them has no place in base64.
func (d *base64Decoder) clean(n int) (ok bool) {
	out := d.held
	for _, c := range d.text[d.held : d.held+n] {
		switch c = base64Clean[c]; {
		case c == 0:
			return false
		case c == ' ':
		case c == '=':
			if d.pads++; d.pads > 2 {
				return false
			}
		case d.pads > 0: // nothing follows padding
			return false
		default:
			d.text[out] = c
			out++
		}
	}
	d.held = out
	return true
}
