package bodyedit

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// scanner rewrites one body, piece by piece.
type scanner interface {
	// scan appends to dst what of src goes on, and tells how many bytes of src it is done with.
	// The next call's src starts with the others. It is always done with all but the start of one
	// token or part header, which are limited to well under pieceSize. last tells that src is the
	// rest of the body: then it is done with all of it, or the error is not nil. The error is a
	// *SyntaxError, or about the rules; dst is of no use then.
	scan(dst, src []byte, last bool) (out []byte, done int, err error)

	// release gives the scanner back for reuse. Nobody may use it afterwards.
	release()
}

// pieceSize is how much of a body is looked at in one go. Output of one piece is at most three
// times as long (a form's characters may have to be escaped), so that a body needs no more than
// 64 KiB.
const pieceSize = 16 << 10

// emptyReads is how often a source may return nothing and no error, one after another.
const emptyReads = 100

var errStuck = errors.New("bodyedit: a token is longer than the buffer")

type buffers struct {
	in  [pieceSize]byte
	out []byte
}

var bufferPool = sync.Pool{New: func() any { return &buffers{out: make([]byte, 0, pieceSize+1024)} }}

// reader is the stream of a rewritten body.
type reader struct {
	src     io.Reader
	scanner scanner
	max     int64 // bytes of src, 0 = no limit
	got     int64 // bytes of src so far
	skipped int64 // bytes of src that peek has left out
	srcErr  error // what src has returned last
	buf     *buffers
	held    int    // bytes at the start of buf.in that the scanner is not done with
	out     []byte // what the next Read hands out
	err     error  // what Read returns after that
}

func newReader(src io.Reader, s scanner, limit int64) *reader {
	return &reader{src: src, scanner: s, max: limit, buf: bufferPool.Get().(*buffers)}
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.out) == 0 {
		if r.err != nil {
			r.release()
			return 0, r.err
		}
		r.fill()
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

// fill reads a piece and has it rewritten. Of a piece with a mistake in it nothing goes on.
func (r *reader) fill() {
	var err error
	if r.held < len(r.buf.in) { // peek may have filled it
		err = r.more()
	}
	if errors.Is(err, ErrTooLarge) {
		r.err = err
		return
	}
	out, done, bad := r.scanner.scan(r.buf.out[:0], r.buf.in[:r.held], err == io.EOF)
	if bad != nil {
		r.err = bad
		return
	}
	if done == 0 && r.held == len(r.buf.in) {
		r.err = errStuck
		return
	}
	r.buf.out, r.out, r.err = out, out, err
	r.held = copy(r.buf.in[:], r.buf.in[done:r.held])
}

// more reads once from the source, behind what is held. There must be room.
func (r *reader) more() error {
	for range emptyReads {
		if r.srcErr != nil {
			return r.srcErr
		}
		var n int
		n, r.srcErr = r.src.Read(r.buf.in[r.held:])
		r.held += n
		r.got += int64(n)
		if r.max > 0 && r.got > r.max {
			r.srcErr = ErrTooLarge
		}
		if n > 0 {
			return r.srcErr
		}
	}
	return io.ErrNoProgress
}

// peek returns the first byte of the body that is not JSON's white space, io.EOF when there is
// none. The byte stays to be read; white space before it does not.
func (r *reader) peek() (byte, error) {
	for {
		err := r.more()
		if errors.Is(err, ErrTooLarge) {
			return 0, err
		}
		rest := bytes.TrimLeft(r.buf.in[:r.held], jsonSpace)
		if len(rest) > 0 {
			return rest[0], nil
		}
		r.skipped += int64(r.held)
		r.held = 0
		if err != nil {
			return 0, err
		}
	}
}

// release gives the buffers back as soon as the stream has ended. One that is abandoned before
// leaves them to the garbage collector.
func (r *reader) release() {
	if r.scanner != nil {
		r.scanner.release()
		r.scanner = nil
	}
	if r.buf == nil {
		return
	}
	r.out = nil
	bufferPool.Put(r.buf)
	r.buf = nil
}
