package stats

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"
)

// MaxBatch is the greatest number of events in one batch (contract §8).
const MaxBatch = 10_000

// maxElement bounds the bytes of one event of a batch, and so what reading a
// batch holds in memory beside the events.
const maxElement = 64 << 10

// ErrTooManyEvents means that a batch has more than MaxBatch events.
var ErrTooManyEvents = fmt.Errorf("a batch holds at most %d events", MaxBatch)

// Batch is what POST /events/message/batch was sent.
type Batch struct {
	// Events are the good ones, in their order.
	Events []Event
	// Index holds the position in the batch of each of Events.
	Index []int
	// Rejected are the bad ones, in their order.
	Rejected []Rejected
}

// Rejected says which event of a batch was not taken and why.
type Rejected struct {
	// Index is its position in the batch, counted from 0.
	Index int `json:"index"`
	// Reason says what is wrong, and with which member.
	Reason string `json:"reason"`
}

// ParseBatch reads a batch of events: an array, or an object with the array as
// its member events (contract §8). It reads r as a stream, to its end. The
// error is a *SyntaxError when r is not JSON, a *FieldError when it is not a
// batch, ErrTooManyEvents, or r's own; nothing of the batch may be used then.
// Events that are wrong in themselves are no error but Rejected.
func ParseBatch(r io.Reader, now time.Time) (*Batch, error) {
	p := batchParser{r: bufio.NewReaderSize(r, 16<<10), now: now}
	if err := p.body(); err != nil {
		return nil, p.explain(err)
	}
	return &p.batch, nil
}

// batchParser cuts a stream into the events of the batch. It finds where each
// one ends; whether it is sound JSON is seen when it is parsed.
type batchParser struct {
	r     *bufio.Reader
	now   time.Time
	pos   int64
	batch Batch

	// buf is the value that element has read; cut says that it was larger than
	// maxElement and that its rest is missing.
	buf []byte
	cut bool
}

func (p *batchParser) fail(format string, args ...any) error {
	return &SyntaxError{Offset: p.pos, Reason: fmt.Sprintf(format, args...)}
}

// explain turns the reader's errors into those of ParseBatch.
func (p *batchParser) explain(err error) error {
	var syntax *SyntaxError
	var field *FieldError
	switch {
	case err == io.EOF:
		return p.fail("unexpected end")
	case errors.As(err, &syntax), errors.As(err, &field), errors.Is(err, ErrTooManyEvents):
		return err
	}
	return fmt.Errorf("reading the batch: %w", err)
}

// peek skips white space and returns the next byte, or io.EOF.
func (p *batchParser) peek() (byte, error) {
	for {
		c, err := p.r.ReadByte()
		if err != nil {
			return 0, err
		}
		if !isSpace(c) {
			return c, p.r.UnreadByte()
		}
		p.pos++
	}
}

// accept consumes c after white space.
func (p *batchParser) accept(c byte) error {
	got, err := p.peek()
	if err != nil {
		return err
	}
	if got != c {
		return p.fail("expected %q", c)
	}
	return p.drop()
}

// drop consumes the byte that peek returned.
func (p *batchParser) drop() error {
	p.pos++
	_, err := p.r.Discard(1)
	return err
}

func (p *batchParser) body() error {
	c, err := p.peek()
	if err != nil {
		return err
	}
	switch c {
	case '[':
		err = p.events()
	case '{':
		err = p.object()
	default:
		err = p.fail("expected an array of events, or an object with the member events")
	}
	if err != nil {
		return err
	}
	switch _, err := p.peek(); err {
	case io.EOF:
		return nil
	case nil:
		return p.fail("expected the end")
	default:
		return err
	}
}

// object reads {"events": […]}.
func (p *batchParser) object() error {
	found := false
	err := p.list('{', '}', func() error {
		key, err := p.key()
		if err != nil {
			return err
		}
		if key != "events" {
			_, err := p.checked((*scanner).skip)
			return err
		}
		if found {
			return &FieldError{"events", "is given more than once"}
		}
		found = true
		if c, err := p.peek(); err != nil {
			return err
		} else if c != '[' {
			return &FieldError{"events", "must be an array"}
		}
		return p.events()
	})
	if err == nil && !found {
		err = &FieldError{"events", "is missing"}
	}
	return err
}

func (p *batchParser) key() (string, error) {
	if c, err := p.peek(); err != nil {
		return "", err
	} else if c != '"' {
		return "", p.fail("expected the name of a member")
	}
	raw, err := p.checked(func(s *scanner) error { _, err := s.str(); return err })
	if err != nil {
		return "", err
	}
	name, _ := unquote(raw[1 : len(raw)-1])
	return name, p.accept(':')
}

// events reads the array of events.
func (p *batchParser) events() error {
	index := -1
	return p.list('[', ']', func() error {
		if index++; index >= MaxBatch {
			return ErrTooManyEvents
		}
		start, err := p.element()
		if err != nil {
			return err
		}
		if p.cut {
			p.reject(index, &FieldError{Reason: fmt.Sprintf("is larger than %d bytes", maxElement)})
			return nil
		}
		event, err := ParseEvent(p.buf, p.now)
		var field *FieldError
		switch {
		case err == nil:
			p.batch.Events = append(p.batch.Events, event)
			p.batch.Index = append(p.batch.Index, index)
			return nil
		case errors.As(err, &field):
			p.reject(index, field)
			return nil
		}
		return shift(err, start)
	})
}

func (p *batchParser) reject(index int, why *FieldError) {
	p.batch.Rejected = append(p.batch.Rejected, Rejected{index, why.Error()})
}

// list reads what stands between open and closing, item for item.
func (p *batchParser) list(open, closing byte, item func() error) error {
	if err := p.accept(open); err != nil {
		return err
	}
	c, err := p.peek()
	if err != nil {
		return err
	}
	for c != closing {
		if err := item(); err != nil {
			return err
		}
		if c, err = p.peek(); err != nil {
			return err
		}
		if c == closing {
			break
		}
		if err := p.accept(','); err != nil {
			return err
		}
	}
	return p.drop()
}

// checked reads one value and checks it with check, which has to consume it.
func (p *batchParser) checked(check func(*scanner) error) ([]byte, error) {
	start, err := p.element()
	if err != nil {
		return nil, err
	}
	if p.cut {
		return nil, p.fail("a value of more than %d bytes", maxElement)
	}
	s := scanner{data: p.buf}
	if err = check(&s); err == nil {
		err = s.end()
	}
	return p.buf, shift(err, start)
}

// element reads one value into buf, up to where its brackets and quotes are
// closed, and returns its offset in the body.
func (p *batchParser) element() (start int64, err error) {
	p.buf, p.cut = p.buf[:0], false
	c, err := p.peek()
	if err != nil {
		return 0, err
	}
	start = p.pos
	scalar := c != '{' && c != '[' && c != '"'
	depth, quoted, escaped := 0, false, false
	for {
		if c, err = p.r.ReadByte(); err != nil {
			return start, err
		}
		if scalar && (c == ',' || c == ']' || c == '}' || isSpace(c)) {
			return start, p.r.UnreadByte()
		}
		p.pos++
		if len(p.buf) < maxElement {
			p.buf = append(p.buf, c)
		} else {
			p.cut = true
		}
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			depth++
		case c == '}', c == ']':
			depth--
		}
		if !scalar && !quoted && depth <= 0 {
			return start, nil
		}
	}
}

// shift makes the offset of a syntax error count from the body's start.
func shift(err error, start int64) error {
	var syntax *SyntaxError
	if errors.As(err, &syntax) {
		syntax.Offset += start
	}
	return err
}
