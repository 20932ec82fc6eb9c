package lenient

import (
	"encoding/json"
	"testing"
	"time"
)

func TestLenient(t *testing.T) {
	var v struct {
		Text  Text
		Count Count
		Unix  Unix
		Other bool
	}
	for _, c := range []struct {
		raw   string
		text  Text
		count Count
		unix  int64 // in milliseconds
	}{
		{`{"Text":"a","Count":3,"Unix":1780000000}`, "a", 3, 1780000000000},
		{`{"Text":12.50,"Count":"3","Unix":"1780000000"}`, "12.50", 3, 1780000000000},
		{`{"Text":null,"Count":-1,"Unix":1780000000123}`, "", 0, 1780000000123},
		{`{"Text":{},"Count":[],"Unix":{"low":1780000000,"high":0}}`, "", 0, 1780000000000},
		{`{"Text":true,"Count":1e99,"Unix":9e17,"Other":"not a bool"}`, "", 0, 0},
		{`{"Count":2147483647,"Unix":{"low":1,"high":-1}}`, "", 0, 0},
	} {
		v.Text, v.Count, v.Unix = "x", 9, Unix{time.Unix(1, 0)}
		if !Decode([]byte(c.raw), &v) {
			t.Errorf("%s is not read", c.raw)
		}
		ms := int64(0)
		if !v.Unix.IsZero() {
			ms = v.Unix.UnixMilli()
		}
		if text := v.Text; (text != c.text && text != "x") || v.Count != c.count || ms != c.unix {
			t.Errorf("%s: %q, %d, %d", c.raw, v.Text, v.Count, ms)
		}
	}
	if Decode([]byte(`{"Text":`), &v) {
		t.Error("half an object is read")
	}
	if !IsObject(json.RawMessage(`{}`)) || IsObject(json.RawMessage(`[]`)) || IsObject(nil) {
		t.Error("IsObject")
	}
	if got := string(Encode(map[string]json.RawMessage{"b": json.RawMessage(`"<&>"`), "a": json.RawMessage(`1.0`)})); got != `{"a":1.0,"b":"<&>"}` {
		t.Error(got)
	}
}
