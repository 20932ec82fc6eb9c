package bodyedit

import (
	"bytes"
	"strings"
	"testing"
)

const multipartB = "multipart/form-data; boundary=B0"

// part is a text field as curl sends it.
func part(name, value string) string {
	return "--B0\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
}

const (
	verified = "--B0\r\nContent-Disposition: form-data; name=\"session_id\"\r\n\r\ns1\r\n"
	final    = "--B0--\r\n"
)

func TestMultipartDropsEverySpelling(t *testing.T) {
	rules := identity()
	a, b := part("a", "1"), part("b", "2")
	for _, name := range []string{
		"session_id", "sessionId", "SESSION-ID", "session.id", " session id", "session_id[]", "session_id[a][b]",
		"ſession_id", "user", "User_ID[0]", "session\u00a0id", "_charset_",
	} {
		x := part(name, "x\r\ny")
		upload := "--B0\r\nContent-Disposition: form-data; name=\"" + name + "\"; filename=\"f\"\r\nContent-Type: a/b\r\n\r\n\x00\xff\r\n"
		for _, body := range []string{x + a + b, a + x + b, a + b + x, upload + a + upload + x + b} {
			accepted(t, multipartB, body+final, verified+a+b+final, rules)
		}
		accepted(t, multipartB, x+final, verified+final, rules)
	}
}

// file is a part with this much of a Content-Disposition and these other headers.
func file(disposition, headers string) string {
	return "--B0\r\nContent-Disposition: form-data; " + disposition + "\r\n" + headers + "\r\nx\r\n"
}

var multipartKept = map[string]string{
	final:                                               final,
	"--B0--":                                            final,
	"\r\n" + part("a", "1") + final:                     part("a", "1") + final,
	part("a", "") + final:                               part("a", "") + final,
	part("a", "\r\n") + final:                           part("a", "\r\n") + final,
	part("a", "--B1\r\n--B") + final:                    part("a", "--B1\r\n--B") + final,
	part("a", "\r\n--B\r\r\n-\r") + final:               part("a", "\r\n--B\r\r\n-\r") + final,
	part("a", "\xff\x00") + final:                       part("a", "\xff\x00") + final,
	part("a[b]", "1") + final:                           part("a[b]", "1") + final,
	part("a b", "1") + final:                            part("a b", "1") + final,
	part("a", strings.Repeat("\r\n--B", 20000)) + final: part("a", strings.Repeat("\r\n--B", 20000)) + final,
	part("to", "628") + part("kind", "a,b") + final:     part("to", "628") + part("kind", "a,b") + final,
	file("name=a", "") + final:                          file(`name="a"`, "") + final,
	file(`NAME="a" ; filename="b.png"`, "X-Other: y\r\nContent-Type: image/png\r\nContent-Length: 1\r\n") + final: file(`name="a"; filename="b.png"`, "Content-Type: image/png\r\n") + final,
	file(`filename=b.png; name=a;`, "content-transfer-encoding: Binary\r\n") + final:                              file(`name="a"; filename="b.png"`, "") + final,
	file(`name="a"; filename=""`, "Content-Type: application/octet-stream\r\n") + final:                           file(`name="a"; filename=""`, "Content-Type: application/octet-stream\r\n") + final,
	file(`name="a"; size=3; filename="b"`, "") + final:                                                            file(`name="a"; filename="b"`, "") + final,
	file(`name="a"; filename="b"`, "Content-Type: audio/ogg; codecs=\"opus\"\r\n") + final:                        file(`name="a"; filename="b"`, "Content-Type: audio/ogg; codecs=\"opus\"\r\n") + final,
	file(`name="a"`, "Content-Type: text/plain; charset=UTF-8\r\n") + final:                                       file(`name="a"`, "Content-Type: text/plain; charset=UTF-8\r\n") + final,
	file(`name="a"; filename="b"; filename*=UTF-8''%e2%82%ac+%22.png`, "") + final:                                file(`name="a"; filename="€+%22.png"`, "") + final,
	file(`name="a"; filename*=utf-8'en'b.png`, "") + final:                                                        file(`name="a"; filename="b.png"`, "") + final,
	file(`name="a"; filename="b"; filename*=iso-8859-1''%e9`, "") + final:                                         file(`name="a"; filename="b"`, "") + final,
	file(`name="a"; filename="b\"c;d.png"`, "") + final:                                                           file(`name="a"; filename="b%22c;d.png"`, "") + final,
	file(`name="a"; filename="C:\dir\b.png"`, "") + final:                                                         file(`name="a"; filename="b.png"`, "") + final,
	file(`name="a"; filename="../../b\\"`, "") + final:                                                            file(`name="a"; filename=""`, "") + final,
	file(`name="a"; filename="фото 😀.png"`, "") + final:                                                           file(`name="a"; filename="фото 😀.png"`, "") + final,
	file(`name="é"`, "") + final:                                                                                  file(`name="é"`, "") + final,
}

func TestMultipartKept(t *testing.T) {
	rules := identity()
	for body, want := range multipartKept {
		accepted(t, multipartB, body, verified+want, rules)
	}
	accepted(t, multipartB, part("a", "1")+final, part("a", "1")+final, Rules{})
	accepted(t, multipartB, part("a", "1")+"--B0--", part("a", "1")+final, Rules{})
}

// head is a body of one part with this header.
func head(header string) string { return "--B0\r\n" + header + "\r\n\r\nx\r\n" + final }

// form is a body of one part with these parameters and headers.
func form(params string) string { return head("Content-Disposition: form-data" + params) }

var onePart = part("a", "1")

var multipartRefused = map[string]string{
	part("to", ",xx--B0"):            "comma",
	"":                               "first boundary",
	"--B":                            "first boundary",
	"\r\n":                           "first boundary",
	"\r":                             "first boundary",
	"--B1\r\n":                       "first boundary",
	"\n" + onePart + final:           "first boundary",
	"\r\n\r\n" + onePart + final:     "first boundary",
	"preamble\r\n" + onePart + final: "first boundary",
	" " + onePart + final:            "first boundary",
	"\ufeff" + onePart + final:       "first boundary",
	"--B0":                           "final boundary is missing",
	"--B0\r":                         "final boundary is missing",
	"--B0-":                          "final boundary is missing",
	"--B0\r\n":                       "final boundary is missing",
	onePart:                          "final boundary is missing",
	onePart + "--B0":                 "final boundary is missing",
	onePart + "--B":                  "final boundary is missing",
	part("user", "x"):                "final boundary is missing",
	onePart + "--B0\r\nContent-Disp": "final boundary is missing",
	onePart + "--B0x\r\n":            "must follow a boundary",
	onePart + "--B0 \r\n":            "must follow a boundary",
	onePart + "--B0\n\n":             "must follow a boundary",
	onePart + "--B0-x":               "must follow a boundary",
	onePart + "--B0\r\r\n":           "must follow a boundary",
	onePart + final + "x":            "nothing may follow",
	onePart + final + "\r\n":         "nothing may follow",
	onePart + "--B0--x":              "nothing may follow",
	onePart + "--B0--\n":             "nothing may follow",
	onePart + "--B0--\r":             "nothing may follow",
	onePart + "--B0-- \r\n":          "nothing may follow",
	onePart + final + part("user", "x") + final:                        "nothing may follow",
	part("a", "x\n--B0\r\n") + final:                                   "in the content",
	part("a", "x--B0") + final:                                         "in the content",
	part("a", "x\r--B0\r") + final:                                     "in the content",
	part("a", "\r\n---B0") + final:                                     "in the content",
	part("a", "\r\n--B0x") + final:                                     "must follow a boundary",
	part("user", "x--B0x") + final:                                     "in the content",
	"--B0\r\nContent-Disposition: form-data; name=a\r\n\r\n--B0--\r\n": "in the content", // no CRLF of its own
	"--B0\r\n\r\nx\r\n" + final:                                        "final boundary is missing",
	"--B0\r\n\r\n\r\nx\r\n" + final:                                    "malformed header",
	head("Content-Type: text/plain"):                                   "Content-Disposition",
	head("Content-Disposition: attachment; name=a"):                    "Content-Disposition",
	form(""):                                                            "no name",
	form("; filename=a"):                                                "no name",
	form(`; name=""`):                                                   "no name",
	form(`; name`):                                                      "Content-Disposition",
	form(`; name=`):                                                     "Content-Disposition",
	form(`; name="a`):                                                   "Content-Disposition",
	form(`; name="a" x`):                                                "Content-Disposition",
	form(`; name="a"; ; x=y`):                                           "Content-Disposition",
	form(`; name= "a"`):                                                 "Content-Disposition",
	form(`; name ="a"`):                                                 "Content-Disposition",
	form(`, name="a"`):                                                  "Content-Disposition",
	form(`; name=é`):                                                    "Content-Disposition",
	form(`; name="a"; name="session_id"`):                               "Content-Disposition",
	form(`; name="a"; NAME=session_id`):                                 "Content-Disposition",
	form(`; name="a"; name*=UTF-8''user`):                               "name*=",
	form(`; name*=UTF-8''session_id`):                                   "name*=",
	form(`; name*0="session"; name*1="_id"`):                            "Content-Disposition",
	form(`; name="a"; filename="b"; filename="c"`):                      "Content-Disposition",
	form(`; name="a"; filename*0="b"`):                                  "Content-Disposition",
	form(`; name="a"; filename*=latin1''b`):                             "filename*=",
	form(`; name="a"; filename*=UTF-8''%f`):                             "filename*=",
	form(`; name="a"; filename*=UTF-8''%ff`):                            "filename*=",
	form(`; name="a"; filename*=UTF-8''b%0d%0ac`):                       "control character",
	form(`; name="a"; a=1; b=1; c=1; d=1; e=1; f=1; g=1; h=1`):          "Content-Disposition",
	form(`; name="session\_id"`):                                        "in it",
	form(`; name="a\"; x="session_id"`):                                 "Content-Disposition",
	form(`; name="a\"b"`):                                               "in it",
	form(`; name="a%22b"`):                                              "in it",
	form(`; name="=?utf-8?Q?session_id?="`):                             "in it",
	form(`; name="[session_id]"`):                                       "brackets",
	form(`; name="session[id"`):                                         "brackets",
	form(`; name="__proto__"`):                                          "__proto__",
	form(`; name="{}"`):                                                 "application/json",
	form("; name=\"session_id\x00\""):                                   "malformed header",
	form("; name=\"a\tb\""):                                             "malformed header",
	form("; name=\"a\rb\""):                                             "malformed header",
	form("; name=\"a\nContent-Type: b/c\""):                             "malformed header",
	form("; name=\"\xff\""):                                             "UTF-8",
	form("; name=a\n"):                                                  "malformed header",
	form("; name=a\r\n folded"):                                         "malformed header",
	form(";\r\n name=a"):                                                "malformed header",
	form("; name=a\r\nno colon"):                                        "malformed header",
	form("; name=a\r\nX : y"):                                           "malformed header",
	form("; name=a\r\n: y"):                                             "malformed header",
	form("; name=a\r\nContent-Type:"):                                   "malformed header",
	form("; name=a\r\nContent-Type: a"):                                 "malformed Content-Type",
	form("; name=a\r\nContent-Type: a/b; c"):                            "malformed Content-Type",
	form("; name=a\r\nContent-Type: a/b/c"):                             "malformed Content-Type",
	form("; name=a\r\nContent-Type: é/b"):                               "malformed Content-Type",
	form("; name=a\r\nContent-Type: a/b; c=\"é\""):                      "malformed Content-Type",
	form("; name=a\r\nContent-Type: a/b; c=\"\\d\""):                    "malformed Content-Type",
	form("; name=a\r\nContent-Type: text/plain; charset=utf-7"):         "not in UTF-8",
	form("; name=a\r\nContent-Type: multipart/mixed; boundary=C"):       "consist of parts",
	form("; name=a\r\nContent-Type: Message/RFC822"):                    "consist of parts",
	form("; name=a\r\nContent-Type: a/b\r\ncontent-type: a/b"):          "given twice",
	form("; name=a\r\nContent-Disposition: form-data; name=session_id"): "given twice",
	form("; name=a\r\nContent-Transfer-Encoding: base64"):               "transfer encoding",
	form("; name=a\r\nContent-Transfer-Encoding: quoted-printable"):     "transfer encoding",
	form("; name=a\r\nX: --B0"):                                         "in the header",
	form(`; name="a"; filename="--B0"`):                                 "in the header",
	form(`; name="a"; filename*=UTF-8''%2d-B0`):                         "in the header",
	form("; name=a\r\nX: " + strings.Repeat("y", maxPartHeader)):        "too long",
	"--B0\r\nX: " + strings.Repeat("y", 50000):                          "too long",
	form(`; name="` + strings.Repeat("n", maxName+1) + `"`):             "too long",
	strings.Repeat(onePart, DefaultMaxFields+1):                         "more than 1000 fields",
	part("to", "1") + part("To", "2"):                                   `"to" is given more than once`,
	part("to[]", "1"):                                                   "one value must be",
	form(`; name="to"; filename="a"`):                                   "one value must be",
	part("to", "1,2") + final:                                           "comma",
	part("to", "1\r\n2") + final:                                        "comma",
	part("to", "1;") + final:                                            "comma",
}

func TestMultipartRefused(t *testing.T) {
	rules := identity()
	for body, reason := range multipartRefused {
		refused(t, multipartB, body, reason, rules)
	}
}

func TestMultipartNested(t *testing.T) {
	rules := identity()
	rules.Nested = rules.Drop
	for _, name := range []string{"a[session_id]", "a[b][USER]", "a.user_id", "user.name", "a[b.sessionId]", "\ufeffa[\ufeffsession_id]"} {
		accepted(t, multipartB, part(name, "x")+part("a.b[c]", "y")+final, verified+part("a.b[c]", "y")+final, rules)
		file := "--B0\r\nContent-Disposition: form-data; name=\"" + name + "\"; filename=\"x\"\r\nContent-Type: text/plain\r\n\r\nx\r\n"
		accepted(t, multipartB, file+part("a[b]", "y")+final, verified+part("a[b]", "y")+final, rules)
	}
}

func TestMultipartSet(t *testing.T) {
	set := func(name, value string) error {
		_, _, err := edit(t, multipartB, []byte(part("a", "1")+final), Rules{Set: []Field{{name, value}}})
		return err
	}
	if err := set("session_id", "a\r\nb\"é"); err != nil {
		t.Error(err)
	}
	for _, wrong := range [][2]string{{"session_id", "a\r\n--B0"}, {"a\"b", "x"}, {"a\r\nb", "x"}, {"", "x"}} {
		if err := set(wrong[0], wrong[1]); err == nil {
			t.Errorf("%q was set", wrong)
		}
	}
}

func TestMultipartBoundaries(t *testing.T) {
	for _, boundary := range []string{
		"-", "--", "----WebKitFormBoundaryAbC", "------------------------0123456789abcdef", "a'()+_,-./:=?b",
		strings.Repeat("x", 70), "=", "0",
	} {
		body := strings.ReplaceAll(part("a", "1")+part("user", "2")+part("b", "\r\n\r")+final, "B0", boundary)
		want := strings.ReplaceAll(part("a", "1")+part("b", "\r\n\r")+final, "B0", boundary)
		rules := identity()
		rules.Set = nil
		out, contentType, err := edit(t, `multipart/form-data; boundary="`+boundary+`"`, []byte(body), rules)
		if err != nil || string(out) != want {
			t.Errorf("%q: %q, %v", boundary, out, err)
		}
		if _, got, err := kindOf(contentType); err != nil || got != boundary {
			t.Errorf("%q: Content-Type %q, %v", boundary, contentType, err)
		}
	}
	for _, boundary := range []string{"", " ", "a b", "a ", "a\r\nb", `a"b`, `a\b`, "é", "a;b", "a@b", "\x00", strings.Repeat("x", 71)} {
		if _, err := Multipart(strings.NewReader(""), boundary, Rules{}).Read(make([]byte, 1)); err == nil {
			t.Errorf("the boundary %q was accepted", boundary)
		}
	}
}

// The place where a boundary is cut in two must not matter.
func TestMultipartCutEverywhere(t *testing.T) {
	body := []byte(part("a", "\r\n--B\r\n--") + part("user", "x") + part("b", "") + "--B0--")
	want, _, err := EditBytes(multipartB, body, Rules{})
	if err != nil {
		t.Fatal(err)
	}
	for cut := range body {
		s := newMultipartScanner("B0", Rules{})
		out, done, err := s.scan(nil, body[:cut], false)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		out, _, err = s.scan(out, body[done:], true)
		if err != nil || !bytes.Equal(out, want) {
			t.Fatalf("cut at %d: %q, %v", cut, out, err)
		}
	}
}
