package bodyedit

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func FuzzForm(f *testing.F) {
	seed(f, formKept)
	seed(f, formRefused)
	f.Fuzz(func(t *testing.T, body []byte) {
		// The standard library refuses semicolons, which are ordinary characters of a value.
		before, beforeErr := url.ParseQuery(strings.ReplaceAll(string(body), ";", "%3B"))
		out, _, err := edit(t, typeForm, body, identity())
		if err != nil {
			var syntax *SyntaxError
			if errors.As(err, &syntax) && syntax.Reason == badPercent && beforeErr == nil {
				t.Fatalf("%q was refused: %v", body, err)
			}
			return
		}
		after, err := url.ParseQuery(string(out))
		if err != nil || beforeErr != nil {
			t.Fatalf("%q became %q: %v, %v", body, out, beforeErr, err)
		}
		for name := range before {
			if identity().Drop(NormalizeName(name)) || name == "_charset_" || strings.HasPrefix(name, "_charset_[") {
				delete(before, name)
			}
		}
		before["session_id"] = []string{"s1"}
		if fmt.Sprint(before) != fmt.Sprint(after) {
			t.Fatalf("%q became %q: %q, not %q", body, out, after, before)
		}
		verifiedFields := 0
		for field := range strings.SplitSeq(string(out), "&") {
			for parser, top := range map[string]func(string) string{"Go": goTop, "qs": qsTop, "PHP": phpTop} {
				name := top(field)
				if name == "session_id" && field == "session_id=s1" {
					verifiedFields++
				} else if isIdentity(name) {
					t.Fatalf("%q became %q: %s sees %q in %q", body, out, parser, name, field)
				}
			}
		}
		if verifiedFields != 3 {
			t.Fatalf("%q became %q", body, out)
		}
		again(t, typeForm, out)
	})
}

func FuzzFormNested(f *testing.F) {
	seed(f, formKept)
	f.Add([]byte("a[session_id]=1&b.user=2&c[d][USER.e]=3&f[]=4&g.h=5"))
	rules := identity()
	rules.Nested = rules.Drop
	f.Fuzz(func(t *testing.T, body []byte) {
		out, _, err := edit(t, typeForm, body, rules)
		if err != nil {
			return
		}
		before, err := url.ParseQuery(strings.ReplaceAll(string(body), ";", "%3B"))
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		for name := range before {
			if selects(name) || name == "_charset_" || strings.HasPrefix(name, "_charset_[") {
				delete(before, name)
			}
		}
		before["session_id"] = []string{"s1"}
		after, err := url.ParseQuery(string(out))
		if err != nil || fmt.Sprint(before) != fmt.Sprint(after) {
			t.Fatalf("%q became %q: %q, not %q, %v", body, out, after, before, err)
		}
	})
}

// goTop returns the name that a Go server sees in a form field.
func goTop(field string) string {
	name, _, _ := strings.Cut(field, "=")
	name, _ = url.QueryUnescape(name)
	return name
}

// qsTop returns the top-level name that Node's qs sees: it looks for "]=" first, and takes [name]
// for name.
func qsTop(field string) string {
	field = strings.NewReplacer("%5B", "[", "%5b", "[", "%5D", "]", "%5d", "]").Replace(field)
	end := strings.Index(field, "]=") + 1
	if end == 0 {
		if end = strings.Index(field, "="); end < 0 {
			end = len(field)
		}
	}
	name, err := url.QueryUnescape(field[:end])
	if err != nil {
		name = field[:end]
	}
	if i := strings.Index(name, "["); i > 0 {
		return name[:i]
	}
	return strings.Trim(name, "[]")
}

// phpTop returns the name that PHP sees: it drops spaces before a name and replaces what its
// variables cannot have in theirs.
func phpTop(field string) string {
	name := strings.TrimLeft(goTop(field), " ")
	name, _, _ = strings.Cut(name, "\x00")
	if i := strings.Index(name, "["); i > 0 && strings.Contains(name[i:], "]") {
		name = name[:i]
	}
	return strings.NewReplacer(" ", "_", ".", "_", "[", "_").Replace(name)
}
