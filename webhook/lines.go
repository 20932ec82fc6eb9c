package webhook

import (
	"bytes"
	"strings"
)

// recordSeparator begins each value of a JSON text sequence (RFC 7464).
const recordSeparator = 0x1e

// parseLines reads one payload from each line. Blank lines are none.
func parseLines(body []byte, max int) ([]Payload, *Error) {
	var payloads []Payload
	number := 0
	for line := range bytes.SplitSeq(body, []byte("\n")) {
		number++
		if line = trim(line); len(line) == 0 {
			continue
		}
		var err *Error
		if payloads, err = appendChecked(payloads, line, max); err != nil {
			err.Line = number
			return nil, err
		}
	}
	return some(payloads)
}

// parseSequence reads one payload from each record of a JSON text sequence. A record
// may have several lines; an empty one is none.
func parseSequence(body []byte, max int) ([]Payload, *Error) {
	var payloads []Payload
	number := 1
	first := true
	for record := range bytes.SplitSeq(body, []byte{recordSeparator}) {
		text := trim(record)
		var err *Error
		switch {
		case len(text) == 0:
		case first:
			err = wrong("there must be nothing before the first record separator")
		default:
			if payloads, err = appendChecked(payloads, text, max); err == nil && maybeCut(record) {
				err = wrong("the record is cut off: end each with a line feed")
			}
		}
		if err != nil {
			space := len(record) - len(bytes.TrimLeft(record, " \t\r\n"))
			err.Line = number + bytes.Count(record[:space], []byte("\n"))
			return nil, err
		}
		first = false
		number += bytes.Count(record, []byte("\n"))
	}
	return some(payloads)
}

// maybeCut tells whether a record may be the beginning of a longer one, as 12 is of
// 123 (RFC 7464 §2.4).
func maybeCut(record []byte) bool {
	return strings.IndexByte(" \t\r\n}]\"", record[len(record)-1]) < 0
}

func appendChecked(payloads []Payload, text []byte, max int) ([]Payload, *Error) {
	if len(payloads) >= max {
		err := wrong("there are more than %d events in one body; split it", max)
		err.kind = ErrTooMany
		return nil, err
	}
	payload, err := checked(text)
	if err != nil {
		return nil, err
	}
	return append(payloads, payload), nil
}

// some refuses no payloads.
func some(payloads []Payload) ([]Payload, *Error) {
	if len(payloads) == 0 {
		return nil, &Error{Reason: "The body holds no event", kind: ErrEmpty}
	}
	return payloads, nil
}
