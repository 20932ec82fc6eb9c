package stats_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/stats"
)

const good = `{"user_id":"user123","session_id":"session123","message_id":"wa_msg_id","to":"628123456789",` +
	`"status":"sent","timestamp":"2025-03-01T12:00:01.5Z","error":null}`

// now is when the tests run.
var now = at(3600)

func TestParseEvent(t *testing.T) {
	got, err := stats.ParseEvent([]byte(good), now)
	want := stats.Event{
		UserID: "user123", SessionID: "session123", MessageID: "wa_msg_id", To: "628123456789",
		Status: stats.Sent, At: at(1).Add(500 * time.Millisecond),
	}
	if err != nil || got != want {
		t.Fatalf("got %+v, %v", got, err)
	}
}

// with returns the good event with one member replaced by a value, or left out
// when that is empty.
func with(member, value string) string {
	var members []string
	for _, m := range [][2]string{
		{"user_id", `"user123"`}, {"session_id", `"session123"`}, {"message_id", `"wa_msg_id"`}, {"to", `"628123456789"`},
		{"status", `"sent"`}, {"timestamp", `"2025-03-01T12:00:01Z"`}, {"error", "null"}, {"extra", ""},
	} {
		if m[0] == member {
			m[1] = value
		}
		if m[1] != "" {
			members = append(members, `"`+m[0]+`":`+m[1])
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

func TestParseEventNamesTheWrongField(t *testing.T) {
	long := `"` + strings.Repeat("é", 128) + `"`
	tests := []struct{ name, body, field, reason string }{
		{"no user", with("user_id", ""), "user_id", "is missing"},
		{"null user", with("user_id", "null"), "user_id", "must be a string"},
		{"number for a session", with("session_id", "7"), "session_id", "must be a string"},
		{"array for a message id", with("message_id", `["a"]`), "message_id", "must be a string"},
		{"empty message id", with("message_id", `""`), "message_id", "must not be empty"},
		{"long message id", with("message_id", long), "message_id", "is longer than 255 bytes"},
		{"NUL", with("message_id", `"a\u0000b"`), "message_id", "contains a control character"},
		{"line break", with("user_id", `"a\nb"`), "user_id", "contains a control character"},
		{"broken UTF-8", with("user_id", "\"a\xffb\""), "user_id", "is not valid Unicode"},
		{"half a surrogate pair", with("user_id", `"\ud800"`), "user_id", "is not valid Unicode"},
		{"half a pair and a letter", with("user_id", `"\ud800\u0041"`), "user_id", "is not valid Unicode"},
		{"number for to", with("to", "628123456789"), "to", "must be a string"},
		{"control character in to", with("to", `"\u0007"`), "to", "contains a control character"},
		{"no status", with("status", ""), "status", "is missing"},
		{"unknown status", with("status", `"queued"`), "status", "must be one of sent, failed, delivered, read"},
		{"capital status", with("status", `"Sent"`), "status", "must be one of sent, failed, delivered, read"},
		{"boolean status", with("status", "true"), "status", "must be a string"},
		{"no timestamp", with("timestamp", ""), "timestamp", "is missing"},
		{"unix timestamp", with("timestamp", "1740830401"), "timestamp", "must be a string"},
		{"free timestamp", with("timestamp", `"yesterday"`), "timestamp", "must be an RFC 3339 date and time such as 2025-01-31T08:30:00Z"},
		{"an age ago", with("timestamp", `"1970-01-01T00:00:00Z"`), "timestamp", "is before the year 2000"},
		{"far ahead", with("timestamp", `"2025-03-02T13:00:01Z"`), "timestamp", "is more than 24 hours in the future"},
		{"object for error", with("error", `{"code":1}`), "error", "must be null or a string"},
		{"twice", `{"status":"read",` + good[1:], "status", "is given more than once"},
		{"twice, spelled otherwise", `{"user\u005fid":"other",` + good[1:], "user_id", "is given more than once"},
		{"an array", "[]", "", "an event must be a JSON object"},
		{"null", " null ", "", "an event must be a JSON object"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := stats.ParseEvent([]byte(tt.body), now)
			var field *stats.FieldError
			if !errors.As(err, &field) || field.Field != tt.field || field.Reason != tt.reason {
				t.Errorf("%s: %v", tt.body, err)
			}
		})
	}
}

func TestParseEventTakes(t *testing.T) {
	tests := []struct {
		name, body string
		check      func(stats.Event) bool
	}{
		{"no to", with("to", ""), func(e stats.Event) bool { return e.To == "" }},
		{"null to", with("to", "null"), func(e stats.Event) bool { return e.To == "" }},
		{"no error", with("error", ""), func(e stats.Event) bool { return e.Error == "" }},
		{"an error", with("error", `"no such number"`), func(e stats.Event) bool { return e.Error == "no such number" }},
		{"NUL in the error", with("error", `"a\u0000b"`), func(e stats.Event) bool { return e.Error == "a\uFFFDb" }},
		{"half a pair in the error", with("error", `"a\udc00b"`), func(e stats.Event) bool { return e.Error == "a\uFFFDb" }},
		{"a pair in the error", with("error", `"\ud83d\ude00\/\t\u00e9"`), func(e stats.Event) bool { return e.Error == "😀/\té" }},
		{"a long error", with("error", `"x`+strings.Repeat("é", 600)+`"`), func(e stats.Event) bool {
			return e.Error == "x"+strings.Repeat("é", 499)
		}},
		{"the longest id", with("message_id", `"`+strings.Repeat("m", 255)+`"`), func(e stats.Event) bool { return len(e.MessageID) == 255 }},
		{"ids with blanks and slashes", with("message_id", `"true_628@c.us/ 3EB0"`), func(e stats.Event) bool { return e.MessageID == "true_628@c.us/ 3EB0" }},
		{"unknown members", with("extra", `{"status":"failed","n":[1,-2.5e+3,{}]}`), func(e stats.Event) bool { return e.Status == stats.Sent }},
		{"other spellings are unknown", `{"USER_ID":"other","Status":"read",` + good[1:], func(e stats.Event) bool { return e.UserID == "user123" && e.Status == stats.Sent }},
		{"a type", `{"type":"image",` + good[1:], func(e stats.Event) bool { return e.Type == "image" }},
		{"a type of another kind", `{"type":{"a":1},` + good[1:], func(e stats.Event) bool { return e.Type == "" }},
		{"a long type", `{"type":"` + strings.Repeat("t", 65) + `",` + good[1:], func(e stats.Event) bool { return e.Type == "" }},
		{"a fast clock", with("timestamp", `"2025-03-02T13:00:00Z"`), func(e stats.Event) bool { return e.At.Equal(now.Add(24 * time.Hour)) }},
		{"another zone", with("timestamp", `"2025-03-01T19:00:01.1234567+07:00"`), func(e stats.Event) bool {
			return e.At == at(1).Add(123456*time.Microsecond)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := stats.ParseEvent([]byte(tt.body), now)
			if err != nil || !tt.check(e) {
				t.Errorf("%s\n%+v, %v", tt.body, e, err)
			}
		})
	}
}

func TestTimestamps(t *testing.T) {
	parse := func(s string) (time.Time, error) {
		e, err := stats.ParseEvent([]byte(with("timestamp", `"`+s+`"`)), now)
		return e.At, err
	}
	good := map[string]time.Time{
		"2025-03-01T12:00:00Z":                                 at(0),
		"2025-03-01t12:00:00z":                                 at(0),
		"2025-03-01T05:30:00-06:30":                            at(0),
		"2025-03-01T12:00:00-00:00":                            at(0),
		"2024-02-29T23:59:59.999999Z":                          time.Date(2024, 2, 29, 23, 59, 59, 999999000, time.UTC),
		"2016-12-31T23:59:60Z":                                 time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC),
		"2017-01-01T06:59:60.7+07:00":                          time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC),
		"2000-01-01T00:00:00Z":                                 time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		"2025-03-01T12:00:00." + strings.Repeat("0", 40) + "Z": at(0),
	}
	for s, want := range good {
		if got, err := parse(s); err != nil || got != want {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{
		"2025-03-01 12:00:00Z", "2025-03-01T12:00:00", "2025-03-01T12:00Z", "2025-03-01", "2025-3-01T12:00:00Z",
		"2025-02-29T12:00:00Z", "2025-04-31T12:00:00Z", "2025-00-01T12:00:00Z", "2025-13-01T12:00:00Z", "2025-03-00T12:00:00Z",
		"2025-03-01T24:00:00Z", "2025-03-01T12:60:00Z", "2025-03-01T12:00:60Z", "2025-03-01T12:00:61Z", "2025-03-01T12:00:00.Z",
		"2025-03-01T12:00:00,5Z", "2025-03-01T12:00:00+7", "2025-03-01T12:00:00+0700", "2025-03-01T12:00:00+24:00",
		"2025-03-01T12:00:00ZZ", "+025-03-01T12:00:00Z", "2025-03-01T12:00:0-Z", "20250301T120000Z...",
	} {
		if got, err := parse(s); err == nil {
			t.Errorf("%s is taken for %v", s, got)
		}
	}
}

func TestParseEventWantsJSON(t *testing.T) {
	for _, body := range []string{
		"", "{", good[:len(good)-1], good + "x", good + good, `{"user_id":}`, `{"user_id" "a"}`, `{user_id:"a"}`, `{'user_id':'a'}`,
		`{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":+1}`, `{"a":1e}`, `{"a":-}`, `{"a":nul}`, `{"a":NaN}`, `{"a":"\x"}`, `{"a":"\u12g4"}`,
		"{\"a\":\"\n\"}", `{"a":1,}`, `{,}`, `[1,]`, `[1 2]`, `{"a":[}`, "\ufeff" + good, `{"a":"\`, `{"a":"\u00`, "// no\n{}",
		strings.Repeat("[", 1000),
	} {
		_, err := stats.ParseEvent([]byte(body), now)
		var syntax *stats.SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%q: %v", body, err)
		} else if syntax.Offset < 0 || syntax.Offset > int64(len(body)) {
			t.Errorf("%q: offset %d", body, syntax.Offset)
		}
	}
}

// FuzzParseEvent: what is taken is JSON to encoding/json too, holds what that
// reads in it, keeps the bounds, and survives being written and read again.
func FuzzParseEvent(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(with("error", `"a\u0000\ud800\ud83d\ude00\n"`)))
	f.Add([]byte(with("timestamp", `"2016-12-31T23:59:60.123456789+00:00"`)))
	f.Add([]byte(with("extra", `[{"a":[-0.1E-2,true,false,null,"\\\"\/\b\f\n\r\t"]}]`)))
	f.Add([]byte(`{"user\u005fid":"a","user_id":"b"}`))
	f.Add([]byte(" [1, 2 ] "))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := stats.ParseEvent(data, now)
		var syntax *stats.SyntaxError
		if errors.As(err, &syntax) {
			return
		}
		if !json.Valid(data) {
			t.Fatalf("not JSON, but %+v, %v", e, err)
		}
		if err != nil {
			return
		}
		var plain map[string]any
		if err := json.Unmarshal(data, &plain); err != nil {
			t.Fatal(err)
		}
		if plain["user_id"] != e.UserID || plain["session_id"] != e.SessionID || plain["message_id"] != e.MessageID || plain["status"] != string(e.Status) {
			t.Fatalf("%v read as %+v", plain, e)
		}
		if len(e.UserID) > stats.MaxIDLength || len(e.Error) > stats.MaxErrorLength || !e.Status.Known() || e.At != e.Normal().At {
			t.Fatalf("out of bounds: %+v", e)
		}
		again, err := json.Marshal(map[string]any{
			"user_id": e.UserID, "session_id": e.SessionID, "message_id": e.MessageID, "to": e.To, "type": e.Type,
			"status": e.Status, "timestamp": e.At.Format(time.RFC3339Nano), "error": e.Error,
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := stats.ParseEvent(again, now); err != nil || got != e {
			t.Fatalf("%+v written and read again: %+v, %v", e, got, err)
		}
	})
}

// TestParseEventIsJSON: everything that encoding/json takes is JSON here too.
func TestParseEventIsJSON(t *testing.T) {
	for _, body := range []string{
		"0", "-0", "-0.0e-0", "1E5", "12.25", `""`, `"\u0041"`, "true", "false", "null", "[]", "[ ]", "{}", "{ }", "[[],{}]", " \t\r\n1 ",
		`{"a":1,"a":2}`, `"` + "\u2028" + `"`, "\"\xff\"", `"\ud800"`,
	} {
		_, err := stats.ParseEvent([]byte(body), now)
		var syntax *stats.SyntaxError
		if errors.As(err, &syntax) {
			t.Errorf("%q: %v", body, err)
		}
	}
}
