package webhook_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/genfity/wa-gateway/webhook"
)

const multipartType = "multipart/form-data; boundary=b"

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, contentType, body string
		want                    []string
	}{
		{"an object, byte for byte", "application/json", " {\"a\" : 1,\"a\":2}\n", []string{`{"a" : 1,"a":2}`}},
		{"an array", "application/json; charset=utf-8", `[1, {"b":[]}]`, []string{`[1, {"b":[]}]`}},
		{"a text", "", `"hi"`, []string{`"hi"`}},
		{"a number of any length", "", "12345678901234567890123", []string{"12345678901234567890123"}},
		{"a byte order mark", "application/json", "\xef\xbb\xbf{}", []string{"{}"}},
		{"pretty printed", "application/json", "{\n \"a\": 1\n}", []string{"{\n \"a\": 1\n}"}},
		{"lines", "application/x-ndjson", "{}\r\n\n [1]\n\"x\"", []string{"{}", "[1]", `"x"`}},
		{"lines without saying so", "application/json", "{\"a\":1}\n{\"a\":2}\n", []string{`{"a":1}`, `{"a":2}`}},
		{"lines, called otherwise", "application/jsonl", "1\n2", []string{"1", "2"}},
		{"a text sequence", "application/json-seq", "\x1e{\"a\":\n1}\n\x1e[]\n", []string{"{\"a\":\n1}", "[]"}},
		{"a form", "application/x-www-form-urlencoded", "event=qr&tag=a&tag=b&jsonData=%7B%22a%22%3A1%7D&e=", []string{`{"e":"","event":"qr","jsonData":"{\"a\":1}","tag":["a","b"]}`}},
		{"JSON that is called a form", "application/x-www-form-urlencoded", `{"a":"b=c&d"}`, []string{`{"a":"b=c&d"}`}},
		{
			"a form with a file", multipartType,
			"--b\r\nContent-Disposition: form-data; name=\"jsonData\"\r\n\r\n{}\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\r\n--b--\r\n",
			[]string{`{"file":{"filename":"a.jpg","content_type":"image/jpeg","size":2,"sha256":"71563ad80061407ede9c6f316836284bd3710a520c5a792b5eda1cb703690815","data":"/9g="},"jsonData":"{}"}`},
		},
	} {
		payloads, err := webhook.Parse(c.contentType, []byte(c.body), 0)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []string
		for _, p := range payloads {
			got = append(got, string(p))
		}
		if strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat("[", webhook.MaxDepth+1) + strings.Repeat("]", webhook.MaxDepth+1)
	for _, c := range []struct {
		name, contentType, body string
		line                    int
		kind                    error
	}{
		{"nothing", "application/json", " \n", 0, webhook.ErrEmpty},
		{"no lines", "application/x-ndjson", "\n\n", 0, webhook.ErrEmpty},
		{"text", "text/plain", "hello", 0, webhook.ErrUnsupported},
		{"cut off", "application/json", `{"a":`, 0, nil},
		{"trailing text", "application/json", `{} x`, 0, nil},
		{"a wrong line", "application/x-ndjson", "{}\n\n{\n", 3, nil},
		{"too many lines", "application/x-ndjson", strings.Repeat("1\n", 11), 11, webhook.ErrTooMany},
		{"broken UTF-8", "application/json", "\"\xff\"", 0, nil},
		{"deep", "application/json", deep, 0, nil},
		{"a form that cannot be read", "application/x-www-form-urlencoded", "a=%zz", 0, nil},
		{"a form without a boundary", "multipart/form-data", "--b--", 0, webhook.ErrUnsupported},
		{"a form that ends early", multipartType, "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx", 0, nil},
		{"a part without a name", multipartType, "--b\r\n\r\nx\r\n--b--", 0, nil},
		{"a sequence that is cut off", "application/json-seq", "\x1e12", 1, nil},
	} {
		payloads, err := webhook.Parse(c.contentType, []byte(c.body), 10)
		var wrong *webhook.Error
		if !errors.As(err, &wrong) || payloads != nil {
			t.Errorf("%s: %q, %v", c.name, payloads, err)
			continue
		}
		if wrong.Line != c.line || wrong.Reason == "" || (c.kind != nil && !errors.Is(err, c.kind)) {
			t.Errorf("%s: line %d, %v", c.name, wrong.Line, err)
		}
	}
}

// TestDescribe has what the servers really send; see their documentation.
func TestDescribe(t *testing.T) {
	for _, c := range []struct{ name, payload, session, kind string }{
		{"the contract's event", `{"user_id":"u","session_id":"s","message_id":"m","status":"read","type":"text"}`, "s", "read"},
		{"WAHA", `{"event":"message.ack","session":"default","payload":{"id":"x","session":"other"}}`, "default", "message.ack"},
		{"Evolution", `{"event":"messages.upsert","instance":"shop","data":{"key":{"id":"x"},"status":"PENDING"}}`, "shop", "messages.upsert"},
		{"wuzapi's form", `{"jsonData":"{\"type\":\"Message\",\"event\":{}}","userID":"7","instanceName":"shop"}`, "7", "Message"},
		{"GOWA", `{"event":"message.ack","session_id":"628@s.whatsapp.net","payload":{"ids":["x"]}}`, "628@s.whatsapp.net", "message.ack"},
		{"inside", `{"data":{"session":"inner","event":"qr"}}`, "inner", "qr"},
		{"a session that is an object", `{"event":"state","session":{"id":"s9"}}`, "s9", "state"},
		{"a list", `[{"session":"first","event":"a"}]`, "first", "a"},
		{"neither", `{"a":1}`, "", ""},
		{"no object", `12`, "", ""},
		{"what is no id", "{\"session\":\"a\\u0000b\",\"event\":\"" + strings.Repeat("x", 300) + "\"}", "", ""},
	} {
		if session, kind := webhook.Describe([]byte(c.payload)); session != c.session || kind != c.kind {
			t.Errorf("%s: session %q, type %q", c.name, session, kind)
		}
	}
}

// FuzzParse: whatever is posted, a payload is valid JSON and valid UTF-8, there are no
// more than allowed, and describing it ends.
func FuzzParse(f *testing.F) {
	for _, contentType := range []string{"application/json", "application/x-ndjson", "application/json-seq", "application/x-www-form-urlencoded", multipartType, ""} {
		for _, body := range []string{`{"session":"a","event":"b"}`, "1\n2\n", "\x1e{}\n", "a=b&a=c", "--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"f\"\r\n\r\nx\r\n--b--", "\xff"} {
			f.Add(contentType, []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		payloads, err := webhook.Parse(contentType, body, 100)
		if err != nil {
			var wrong *webhook.Error
			if !errors.As(err, &wrong) || wrong.Error() == "" || !utf8.ValidString(wrong.Error()) {
				t.Fatalf("the error is %#v", err)
			}
			return
		}
		if len(payloads) == 0 || len(payloads) > 100 {
			t.Fatalf("%d payloads", len(payloads))
		}
		for _, p := range payloads {
			if !json.Valid(p) || !utf8.Valid(p) {
				t.Fatalf("%q is no payload", p)
			}
			webhook.Describe(p)
		}
	})
}
