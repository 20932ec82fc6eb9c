package waserver

import (
	"bytes"
	"fmt"
	"io"
)

// minSecret is how long a secret must be to be looked for, in bytes: a shorter
// one occurs by chance.
const minSecret = 8

// Secret is a text that no answer may show: the WA server's admin token, which
// servers are known to repeat in what they say about a request. A nil Secret
// hides nothing.
type Secret struct {
	text  []byte
	stars []byte // as many
	// fallback[n] is the length of the longest proper prefix of the text that
	// text[:n] ends with (Knuth, Morris, Pratt).
	fallback []int
}

// NewSecret prepares a secret for being looked for. It is nil for one of less than
// 8 bytes.
func NewSecret(text string) *Secret {
	if len(text) < minSecret {
		return nil
	}
	s := &Secret{text: []byte(text), stars: bytes.Repeat([]byte("*"), len(text)), fallback: make([]int, len(text))}
	for n, k := 1, 0; n < len(text)-1; n++ {
		k = s.step(k, text[n])
		s.fallback[n+1] = k
	}
	return s
}

// step returns how much of the text's start is there after one more byte, where
// matched of it was there before.
func (s *Secret) step(matched int, c byte) int {
	for matched > 0 && s.text[matched] != c {
		matched = s.fallback[matched]
	}
	if s.text[matched] == c {
		matched++
	}
	return matched
}

// Hide replaces each occurrence of the secret in a short text, such as a header's
// value, by as many asterisks.
func (s *Secret) Hide(text string) string {
	if s == nil {
		return text
	}
	return string(bytes.ReplaceAll([]byte(text), s.text, s.stars))
}

// Scrubber returns a scrubber for one stream.
func (s *Secret) Scrubber() Scrubber { return Scrubber{secret: s} }

// Scrubber replaces each occurrence of a secret in one stream of bytes by as many
// asterisks, also where it is cut in pieces. The stream's length stays, so that a
// Content-Length remains true. What it holds back is never more than the start of
// the secret, and only where the stream so far ends with it. The zero value
// replaces nothing.
type Scrubber struct {
	secret *Secret
	held   int // so many bytes of the secret's start are held back
}

// Write passes p on to dst, without the secret. It keeps nothing of p, and does
// not change it.
func (b *Scrubber) Write(dst io.Writer, p []byte) error {
	s := b.secret
	if s == nil {
		return write(dst, p)
	}
	p, err := b.resume(dst, p)
	if err != nil || len(p) == 0 {
		return err
	}
	for {
		i := bytes.Index(p, s.text)
		if i < 0 {
			break
		}
		if err := write(dst, p[:i], s.stars); err != nil {
			return err
		}
		p = p[i+len(s.text):]
	}
	for _, c := range p[max(0, len(p)-len(s.text)+1):] {
		b.held = s.step(b.held, c)
	}
	return write(dst, p[:len(p)-b.held])
}

// resume decides about what was held back, as far as p does, and returns the rest
// of p, with nothing held back, or nothing.
func (b *Scrubber) resume(dst io.Writer, p []byte) (rest []byte, err error) {
	s, before := b.secret, b.held
	if before == 0 {
		return p, nil
	}
	for i, c := range p {
		b.held = s.step(b.held, c)
		if b.held == len(s.text) {
			b.held = 0
			return p[i+1:], write(dst, s.text[:before+i+1-len(s.text)], s.stars)
		}
		// What may still begin the secret lies in p alone.
		if b.held <= i+1 {
			rest = p[i+1-b.held:]
			b.held = 0
			return rest, write(dst, s.text[:before], p[:len(p)-len(rest)])
		}
	}
	return nil, write(dst, s.text[:before+len(p)-b.held])
}

// Flush passes on what is held back. It is called once, at the stream's end.
func (b *Scrubber) Flush(dst io.Writer) error {
	if b.held == 0 {
		return nil
	}
	held := b.secret.text[:b.held]
	b.held = 0
	return write(dst, held)
}

func write(dst io.Writer, pieces ...[]byte) error {
	for _, p := range pieces {
		if len(p) == 0 {
			continue
		}
		if _, err := dst.Write(p); err != nil {
			return fmt.Errorf("writing an answer: %w", err)
		}
	}
	return nil
}
