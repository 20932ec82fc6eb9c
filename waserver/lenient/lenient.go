// Package lenient reads the JSON of servers that write one thing in more than one form,
// and may write anything.
package lenient

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Decode reads JSON into v. Members of another type than v's are left out.
func Decode(raw []byte, v any) bool {
	err := json.Unmarshal(raw, v)
	_, other := errors.AsType[*json.UnmarshalTypeError](err)
	return err == nil || other
}

// Text is a string, or a number as it is written; anything else is empty.
type Text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *Text) UnmarshalJSON(raw []byte) error {
	*t = ""
	var s string
	var n json.Number
	switch {
	case json.Unmarshal(raw, &s) == nil:
		*t = Text(s)
	case json.Unmarshal(raw, &n) == nil:
		*t = Text(n)
	}
	return nil
}

// Count is a whole number that is not negative; anything else is 0.
type Count int

// UnmarshalJSON implements json.Unmarshaler.
func (n *Count) UnmarshalJSON(raw []byte) error {
	*n = 0
	if v, ok := number(raw); ok && v < math.MaxInt32 {
		*n = Count(v)
	}
	return nil
}

// Unix is a time in seconds since 1970, or in milliseconds where it would be far in
// the future else; zero when it is none.
type Unix struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (u *Unix) UnmarshalJSON(raw []byte) error {
	u.Time = time.Time{}
	switch v, ok := number(raw); {
	case !ok || v == 0 || v > 1e15:
	case v > 1e11:
		u.Time = time.UnixMilli(v).UTC()
	default:
		u.Time = time.Unix(v, 0).UTC()
	}
	return nil
}

// number reads a number that is not negative: plain, in a string, or in two halves of
// 32 bits, as the server's library keeps the long ones.
func number(raw []byte) (int64, bool) {
	if len(raw) > 0 && raw[0] == '{' {
		var halves struct{ Low, High int64 }
		if json.Unmarshal(raw, &halves) != nil || halves.High < 0 || halves.High > math.MaxInt32 {
			return 0, false
		}
		return halves.High<<32 | halves.Low&math.MaxUint32, true
	}
	f, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	if err != nil || !(f >= 0 && f < 1<<53) {
		return 0, false
	}
	return int64(f), true
}

// IsObject tells whether raw is a JSON object.
func IsObject(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '{' }

// Encode writes members that were read from JSON as they were.
func Encode(members map[string]json.RawMessage) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(members) != nil {
		return []byte("null") // what was read can be written, so this does not happen
	}
	return bytes.TrimSpace(b.Bytes())
}
