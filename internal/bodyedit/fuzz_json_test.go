package bodyedit

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// members reads a JSON object's members in order, with the standard library.
func members(t *testing.T, object []byte) (all []member) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(object))
	if first, err := decoder.Token(); err != nil || first != json.Delim('{') {
		t.Fatalf("%q is no object: %v, %v", object, first, err)
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			t.Fatalf("%q: %v", object, err)
		}
		var raw json.RawMessage
		if err := decoder.Decode(&raw); err != nil {
			t.Fatalf("%q: %v", object, err)
		}
		var value bytes.Buffer
		if err := json.Compact(&value, raw); err != nil {
			t.Fatalf("%q: %v", object, err)
		}
		all = append(all, member{name.(string), value.String()})
	}
	return all
}

// strictness are reasons to refuse what is well-formed.
var strictness = []string{
	"name is too long", "number is too long", "nested too deeply", "half a surrogate pair", "control character in it",
	protoName, "more than", notScalar, notSingle, "is given more than once",
}

func isStrictness(err error) bool {
	var syntax *SyntaxError
	return errors.As(err, &syntax) && slices.ContainsFunc(strictness, func(reason string) bool {
		return strings.Contains(syntax.Reason, reason)
	})
}

func FuzzJSON(f *testing.F) {
	seed(f, jsonKept)
	seed(f, jsonRefused)
	f.Fuzz(func(t *testing.T, body []byte) {
		out, _, err := edit(t, "application/json", body, identity())
		if err != nil {
			if json.Valid(body) && utf8.Valid(body) && bytes.TrimLeft(body, jsonSpace)[0] == '{' && !isStrictness(err) {
				t.Fatalf("%q was refused: %v", body, err)
			}
			return
		}
		if !json.Valid(body) || !json.Valid(out) {
			t.Fatalf("%q became %q", body, out)
		}
		want := []member{{"session_id", `"s1"`}}
		for _, m := range members(t, body) {
			if name := NormalizeName(m.name); name != "sessionid" && !identity().Drop(name) {
				want = append(want, m)
			}
		}
		got := members(t, out)
		if !slices.Equal(got, want) {
			t.Fatalf("%q became %q: %q, not %q", body, out, got, want)
		}
		for _, m := range got[1:] {
			if isIdentity(m.name) {
				t.Fatalf("%q became %q: %q got through", body, out, m.name)
			}
		}
		// A Go server's view, which folds case.
		var server struct {
			SessionID any `json:"session_id"`
			Compact   any `json:"sessionid"`
			UserID    any `json:"user_id"`
		}
		if err := json.Unmarshal(out, &server); err != nil && !errors.As(err, new(*json.UnmarshalTypeError)) {
			t.Fatalf("%q: %v", out, err)
		}
		if server.SessionID != "s1" || server.Compact != nil || server.UserID != nil {
			t.Fatalf("%q became %q: a server sees %v", body, out, server)
		}
		again(t, "application/json", out)
	})
}

func FuzzJSONNested(f *testing.F) {
	seed(f, jsonKept)
	f.Add([]byte(`{"a":{"session\u005fid":[{"user":1}],"b":[{"USER":{}},1]}}`))
	f.Add([]byte(`{"a.user":1,"a[session_id]":2,"b":{"c.d.user_id":3,".":4,"[]":5,"user.c":6}}`))
	rules := identity()
	rules.Nested = rules.Drop
	f.Fuzz(func(t *testing.T, body []byte) {
		out, _, err := edit(t, "application/json", body, rules)
		if err != nil {
			return
		}
		var before, after map[string]any
		decode := func(text []byte, v any) {
			decoder := json.NewDecoder(bytes.NewReader(text))
			decoder.UseNumber()
			if err := decoder.Decode(v); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
		}
		decode(body, &before)
		decode(out, &after)
		prune(before)
		before["session_id"] = "s1"
		if !sameJSON(before, after) {
			t.Fatalf("%q became %q", body, out)
		}
	})
}

// prune removes identity from a decoded JSON value at every depth.
func prune(value any) {
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			prune(element)
		}
	case map[string]any:
		for name, member := range v {
			if selects(name) {
				delete(v, name)
			} else {
				prune(member)
			}
		}
	}
}

// selects tells whether a name, or a part of one that is put together, names an identity.
func selects(name string) bool {
	if identity().Drop(NormalizeName(name)) {
		return true
	}
	parts := strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune(".[]", r) })
	return strings.ContainsAny(name, ".[") && slices.ContainsFunc(parts, func(part string) bool {
		return identity().Drop(NormalizeName(part))
	})
}

func sameJSON(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}
