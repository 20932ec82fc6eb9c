package bodyedit

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// seed adds the bodies of a test's table.
func seed(f *testing.F, table map[string]string) {
	for body := range table {
		if len(body) < 4<<10 {
			f.Add([]byte(body))
		}
	}
}

// isIdentity tells, without NormalizeName, whether a server could take a name for one that identity
// drops: a reader would.
func isIdentity(name string) bool {
	name, _, _ = strings.Cut(strings.TrimLeft(name, "["), "[")
	letters := strings.Map(func(r rune) rune {
		switch {
		case r == 'ı' || r == 'İ':
			return 'i'
		case unicode.IsSpace(r), unicode.IsControl(r), unicode.Is(unicode.Cf, r), strings.ContainsRune("_-.]", r):
			return -1
		}
		return r
	}, name)
	for _, dropped := range []string{"session", "sessionid", "user", "userid"} {
		if strings.EqualFold(letters, dropped) {
			return true
		}
	}
	return false
}

type member struct {
	name, value string
}

// again rewrites what was rewritten: it must not change, and must still be accepted.
func again(t *testing.T, contentType string, out []byte) {
	t.Helper()
	rules := identity()
	rules.MaxFields = DefaultMaxFields + len(rules.Set)
	twice, _, err := EditBytes(contentType, out, rules)
	if err != nil && strings.Contains(err.Error(), "too long") { // escapes make a form's names longer
		return
	}
	if err != nil || !bytes.Equal(twice, out) {
		t.Fatalf("%q became %q when rewritten again: %v", out, twice, err)
	}
}

func FuzzEdit(f *testing.F) {
	for _, contentType := range []string{
		"", "application/json", "application/json; charset=utf-8", typeForm, "text/plain", "application/a+json", multipartB,
		`multipart/form-data; boundary="B:0"; charset=us-ascii`, "multipart/form-data; boundary*0=B; boundary*1=0",
		"multipart/form-data; boundary=B0; boundary=B1", "a/b;c=d", ";", "a/b;;c=\"\\\"\"",
	} {
		for _, body := range []string{`{"a":1}`, "a=1", part("a", "1") + final, "", " {", "--B:0--"} {
			f.Add(contentType, []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		out, newContentType, err := edit(t, contentType, body, identity())
		if err != nil {
			return
		}
		if len(out) == 0 {
			if newContentType != contentType || len(bytes.Trim(body, jsonSpace)) != 0 {
				t.Fatalf("%q: %q became nothing", contentType, body)
			}
			return
		}
		mediaType, params, err := mime.ParseMediaType(newContentType)
		if err != nil {
			t.Fatalf("%q became %q: %v", contentType, newContentType, err)
		}
		switch mediaType {
		case typeJSON, typeForm:
			if newContentType != mediaType {
				t.Fatalf("%q became %q", contentType, newContentType)
			}
		case typeMultipart:
			_, given, err := mime.ParseMediaType(contentType)
			if err != nil || given["boundary"] != params["boundary"] || len(params) != 1 {
				t.Fatalf("%q became %q: %v", contentType, newContentType, err)
			}
		default:
			t.Fatalf("%q became %q", contentType, newContentType)
		}
		again(t, newContentType, out)
	})
}

func FuzzHeaderValue(f *testing.F) {
	for _, s := range []string{
		"a/b", "form-data; name=a", `form-data; name="a\"b"; filename=""`, "a;b=c;B=d", "a; b*=UTF-8''%20", "a;b*0=c", `a;b="c`, "a ;b=c ; ", "0;0=\"\\\"\\\n\"",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		header, ok := parseHeaderValue(s)
		if !ok {
			return
		}
		value, params, err := mime.ParseMediaType(s)
		if err != nil || value != strings.ToLower(header.value) {
			// The standard library wants exactly one slash at most, and reads name* on its own.
			if strings.Count(header.value, "/") > 1 || strings.Contains(s, "*") {
				return
			}
			t.Fatalf("%q: %q, %v", s, value, err)
		}
		for _, p := range header.params[:header.count] {
			if strings.ContainsAny(p.name+p.text, `*\`) {
				continue
			}
			if got := params[strings.ToLower(p.name)]; got != p.text {
				t.Fatalf("%q: %s is %q, not %q", s, p.name, p.text, got)
			}
		}
	})
}

func FuzzRecipients(f *testing.F) {
	for _, s := range []string{
		`{"recipients":["1","2"]}`, `{"to":"1,2"}`, `{"to":[{"a":[1]}]}`, `{"numbers":[1],"to":"2"}`, `{"TO":["\u002c"]}`, "to=1&to[]=2", "phones=1,2",
		part("to", "1,2") + part("to[]", "3") + final, part("contacts", "") + final, `{"to":[{"a":"["}, 2]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if n, err := Recipients("application/json", body); err == nil {
			lists := 0
			for _, m := range members(t, body) {
				if !recipientLists[NormalizeName(m.name)] {
					continue
				}
				lists++
				var elements []any
				var text string
				if json.Unmarshal([]byte(m.value), &elements) == nil && len(elements) != n {
					t.Fatalf("%q: %d recipients, not %d", body, n, len(elements))
				}
				if json.Unmarshal([]byte(m.value), &text) == nil && n > 1+len(text) {
					t.Fatalf("%q: %d recipients", body, n)
				}
			}
			if lists != 1 || n < 1 {
				t.Fatalf("%q: %d recipients in %d lists", body, n, lists)
			}
		}
		if n, err := Recipients(typeForm, body); err == nil {
			fields, err := url.ParseQuery(strings.ReplaceAll(string(body), ";", "%3B"))
			given := 0
			for name, values := range fields {
				if recipientLists[NormalizeName(name)] {
					for _, value := range values {
						if strings.Trim(value, " ,;\r\n") != "" {
							given++
						}
					}
				}
			}
			if err != nil || n < 1 || n < given && !strings.ContainsFunc(string(body), unicode.IsSpace) && !bytes.Contains(body, []byte("%")) {
				t.Fatalf("%q: %d recipients, %v", body, n, fields)
			}
		}
		if n, err := Recipients(multipartB, body); err == nil && n < 1 {
			t.Fatalf("%q: %d recipients", body, n)
		}
	})
}

func FuzzNormalizeName(f *testing.F) {
	for _, s := range []string{"session_id", "SESSION-ID", "ſeſſion_ıd[]", "K", "[a]", "\xff", "a\u200bb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		normal := NormalizeName(name)
		if again := NormalizeName(normal); again != normal {
			t.Fatalf("%q, %q, %q", name, normal, again)
		}
		for _, other := range []string{strings.ToUpper(name), strings.ToLower(name), "_" + name, name + "-", "[" + name, name + "]", name + "[x"} {
			if strings.HasSuffix(other, "[x") && normal == "" {
				continue
			}
			if got := NormalizeName(other); got != normal {
				t.Fatalf("%q is %q, but %q is %q", name, normal, other, got)
			}
		}
		if isIdentity(name) && !identity().Drop(normal) {
			t.Fatalf("%q is %q", name, normal)
		}
		if !utf8.ValidString(normal) || strings.ContainsAny(normal, "_-. []") {
			t.Fatalf("%q is %q", name, normal)
		}
	})
}
