package stats

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// The form of an event on local disk: a version, flags with the status, the times
// in units of Resolution, and the texts, each behind its length. A later version
// of the gateway has to read what this one left behind, so a change needs another
// version beside this one.
const (
	binaryVersion = 1

	binaryStatus  = 0x07 // which of binaryStatuses; 0: another one, told as a text
	binaryFirstAt = 0x08 // FirstAt is there
	binaryFlags   = binaryStatus | binaryFirstAt
)

var binaryStatuses = [...]Status{1: Sent, 2: Failed, 3: Delivered, 4: Read}

// ErrBinary means that bytes are not an event as AppendEvent writes it.
var ErrBinary = errors.New("not an event in binary form")

// AppendEvent appends e in a compact form which ReadEvent reads. Times are kept
// in UTC and truncated to Resolution, everything else as it is.
func AppendEvent(buf []byte, e Event) []byte {
	var flags byte
	for i, s := range binaryStatuses {
		if i > 0 && s == e.Status {
			flags = byte(i)
		}
	}
	if !e.FirstAt.IsZero() {
		flags |= binaryFirstAt
	}
	buf = append(buf, binaryVersion, flags)
	buf = binary.AppendVarint(buf, e.At.UnixMicro())
	if flags&binaryFirstAt != 0 {
		buf = binary.AppendVarint(buf, e.FirstAt.UnixMicro())
	}
	if flags&binaryStatus == 0 {
		buf = appendText(buf, string(e.Status))
	}
	for _, s := range [...]string{e.UserID, e.SessionID, e.MessageID, e.To, e.Type, e.Error} {
		buf = appendText(buf, s)
	}
	return buf
}

func appendText(buf []byte, s string) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(s))), s...)
}

// ReadEvent reads what AppendEvent wrote: all of data, of which nothing is kept.
// The error is ErrBinary. Whether the event can be counted, Check says.
func ReadEvent(data []byte) (Event, error) {
	if len(data) < 2 {
		return Event{}, fmt.Errorf("%w: %d bytes", ErrBinary, len(data))
	}
	if data[0] != binaryVersion {
		return Event{}, fmt.Errorf("%w: version %d", ErrBinary, data[0])
	}
	flags := data[1]
	status := int(flags & binaryStatus)
	if flags&^binaryFlags != 0 || status >= len(binaryStatuses) {
		return Event{}, fmt.Errorf("%w: flags %#x", ErrBinary, flags)
	}
	r := binaryReader{data: data[2:]}
	e := Event{Status: binaryStatuses[status], At: r.time()}
	if flags&binaryFirstAt != 0 {
		e.FirstAt = r.time()
	}
	r.text = string(r.data) // one allocation for all texts
	if status == 0 {
		e.Status = Status(r.next())
	}
	for _, s := range [...]*string{&e.UserID, &e.SessionID, &e.MessageID, &e.To, &e.Type, &e.Error} {
		*s = r.next()
	}
	if r.bad || len(r.data) > 0 {
		return Event{}, fmt.Errorf("%w: cut off, or with more behind it", ErrBinary)
	}
	return e, nil
}

// binaryReader reads data from its start; text is the same bytes, once times
// were read.
type binaryReader struct {
	data []byte
	text string
	bad  bool
}

func (r *binaryReader) time() time.Time {
	micros, n := binary.Varint(r.data)
	if n <= 0 {
		r.bad, n = true, 0
	}
	r.data = r.data[n:]
	return time.UnixMicro(micros).UTC()
}

func (r *binaryReader) next() string {
	length, n := binary.Uvarint(r.data)
	if r.bad || n <= 0 || length > uint64(len(r.data)-n) {
		r.bad = true
		return ""
	}
	end := n + int(length) // #nosec G115 -- not more than len(r.data)
	s := r.text[n:end]
	r.data, r.text = r.data[end:], r.text[end:]
	return s
}
