package waserver

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/genfity/wa-gateway/internal/bodyedit"
)

func notMine(id string) bool { return id != "mine" && id != "7" }

func TestMask(t *testing.T) {
	for name, c := range map[string]struct{ in, out string }{
		"nothing secret":      {`{"id":1,"qr":"2@x","qrcode":"y","code":"ABCD-EFGH","base64":"z","key":{"id":"m"}}`, `{"id":1,"qr":"2@x","qrcode":"y","code":"ABCD-EFGH","base64":"z","key":{"id":"m"}}`},
		"top":                 {`{"token":"t","status":"ok"}`, `{"token":"***","status":"ok"}`},
		"every type":          {`{"token":1.50e3,"apikey":["a"],"secret":{"a":"b"},"password":"p","hmac_key":-0}`, `{"token":"***","apikey":"***","secret":"***","password":"***","hmac_key":"***"}`},
		"what tells nothing":  {`{"token":null,"apikey":"","secret":{ },"password":[ ],"hash":true,"auth":false}`, `{"token":null,"apikey":"","secret":{},"password":[],"hash":true,"auth":false}`},
		"deep":                {`[[{"a":{"b":[{"webhook":{"Secret":"x"}}]}}]]`, `[[{"a":{"b":[{"webhook":{"Secret":"***"}}]}}]]`},
		"spellings":           {`{"API_KEY":"a","apiKey":"b","api-key":"c","\u0074oken":"d","Access_Token":"e","x-api-key":"f"}`, `{"API_KEY":"***","apiKey":"***","api-key":"***","\u0074oken":"***","Access_Token":"***","x-api-key":"***"}`},
		"twice":               {`{"token":"a","token":"b","Token":"c"}`, `{"token":"***","token":"***","Token":"***"}`},
		"Evolution":           {`{"hash":{"apikey":"k"},"instance":{"instanceName":"mine"}}`, `{"hash":"***","instance":{"instanceName":"mine"}}`},
		"Evolution, newer":    {`{"hash":"k"}`, `{"hash":"***"}`},
		"proxy":               {`{"proxy_url":"http://10.0.0.1","proxy":"http://u:p@h","a":{"proxy":"none","b":{"proxy":{"host":"h","password":"p"}}}}`, `{"proxy_url":"***","proxy":"***","a":{"proxy":"none","b":{"proxy":{"host":"h","password":"***"}}}}`},
		"a session's keys":    {`{"creds":{"noiseKey":{"private":"x"}},"keyPair":{"private":"a","public":"b"},"signedPreKey":{"keyId":1}}`, `{"creds":"***","keyPair":"***","signedPreKey":"***"}`},
		"headers":             {`{"headers":{"Authorization":"Bearer x","Cookie":"y","Set-Cookie":["z"],"Accept":"*/*"}}`, `{"headers":{"Authorization":"***","Cookie":"***","Set-Cookie":"***","Accept":"*/*"}}`},
		"page tokens":         {`{"nextPageToken":"abc","push_token":"def"}`, `{"nextPageToken":"abc","push_token":"***"}`},
		"numbers and order":   {`{"b":1e2,"a":123456789012345678901234567890,"b":-0.0}`, `{"b":1e2,"a":123456789012345678901234567890,"b":-0.0}`},
		"space":               {" { \"token\" : \"a\" ,\n\"b\" : [ 1 , 2 , { } ] } \n", `{"token":"***","b":[1,2,{}]}`},
		"escapes":             {`{"a\"":"b\\","token":"\\\"","c":"\\"}`, `{"a\"":"b\\","token":"***","c":"\\"}`},
		"scalars":             {` "token" `, `"token"`},
		"foreign":             {`[{"session_id":"mine"},{"session_id":"theirs","x":1},{"sessionId":"mine"},{"instanceName":"theirs"}]`, `[{"session_id":"mine"},{"sessionId":"mine"}]`},
		"foreign first":       {`[{"session_id":"theirs"} , {"session_id":"mine"}, {"session_id":"mine","a":2}]`, `[{"session_id":"mine"},{"session_id":"mine","a":2}]`},
		"foreign alone":       {`{"data":[{"session_id":"theirs"}],"n":1}`, `{"data":[],"n":1}`},
		"foreign last":        {`[1,[],{"session_id":"theirs"}]`, `[1,[]]`},
		"foreign by number":   {`[{"session_id":7},{"session_id":8}]`, `[{"session_id":7}]`},
		"foreign or mine":     {`[{"session_id":"mine","session_id":"theirs"},{"session_id":"theirs","SESSION-ID":"mine"}]`, `[]`},
		"foreign, escaped":    {`[{"session\u005fid":"th\u0065irs"},{"session_id":"m\u0069ne"}]`, `[{"session_id":"m\u0069ne"}]`},
		"foreign in foreign":  {`[{"session_id":"mine","a":[{"session_id":"theirs"},{"b":2}]}]`, `[{"session_id":"mine","a":[{"b":2}]}]`},
		"not in an array":     {`{"data":{"session_id":"theirs","token":"x"}}`, `{"data":{"session_id":"theirs","token":"***"}}`},
		"element's own child": {`[{"a":{"session_id":"theirs"}}]`, `[{"a":{"session_id":"theirs"}}]`},
		"other ids":           {`[{"id":"theirs","name":"theirs","session":"theirs","session_id":null},{"session_id":""},{"session_id":{"a":1}}]`, `[{"id":"theirs","name":"theirs","session":"theirs","session_id":null},{"session_id":""},{"session_id":{"a":1}}]`},
		"secret of a list":    {`{"tokens":[{"session_id":"theirs"}],"b":[{"token":{"session_id":"theirs"}}]}`, `{"tokens":"***","b":[{"token":"***"}]}`},
	} {
		got, ok := Mask([]byte(c.in), notMine)
		if !ok || string(got) != c.out {
			t.Errorf("%s: got %s, %v, want %s", name, got, ok, c.out)
		}
	}
	if got, ok := Mask([]byte(`[{"session_id":"theirs","token":"x"}]`), nil); !ok || string(got) != `[{"session_id":"theirs","token":"***"}]` {
		t.Errorf("without a filter: %s, %v", got, ok)
	}
	for _, body := range []string{
		"", " ", "<html>", "{", `{"a":1}{"b":2}`, `{"a":1} x`, "\ufeff{}", `{"a":01}`, `{'a':1}`, "{\"a\":\"\x00\"}", `{"token":"x"`, "token=x",
		strings.Repeat("[", 65) + strings.Repeat("]", 65), strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65),
	} {
		if got, ok := Mask([]byte(body), nil); ok {
			t.Errorf("%.40q became %.40q", body, got)
		}
	}
	deep := strings.Repeat("[", 63) + `{"a":"[[[","token":1}` + strings.Repeat("]", 63)
	if got, ok := Mask([]byte(deep), nil); !ok || !bytes.Contains(got, []byte(`"token":"***"`)) {
		t.Errorf("64 levels: %s, %v", got, ok)
	}
}

// node is a JSON value with its members in order, duplicates included.
type node struct {
	scalar  any
	kind    json.Delim // { or [, or 0 for a scalar
	names   []string
	members []node
}

func parseNode(t *testing.T, decoder *json.Decoder) (n node) {
	t.Helper()
	token, err := decoder.Token()
	if err != nil {
		t.Fatal(err)
	}
	delim, ok := token.(json.Delim)
	if !ok {
		n.scalar = token
		return n
	}
	n.kind = delim
	for decoder.More() {
		if delim == '{' {
			name, err := decoder.Token()
			if err != nil {
				t.Fatal(err)
			}
			n.names = append(n.names, name.(string))
		}
		n.members = append(n.members, parseNode(t, decoder))
	}
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	return n
}

func parseTree(t *testing.T, body []byte) node {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	return parseNode(t, decoder)
}

// tellsNothing are the values that may stand in a secret member.
func (n node) tellsNothing() bool {
	_, isBool := n.scalar.(bool)
	return len(n.members) == 0 && (n.kind != 0 || n.scalar == nil || n.scalar == "" || isBool)
}

// foreign tells whether an object names a session for which notMine is true.
func (n node) foreign() bool {
	for i, name := range n.names {
		id := ""
		switch v := n.members[i].scalar.(type) {
		case string:
			id = v
		case json.Number:
			id = v.String()
		}
		if namesSession(bodyedit.NormalizeName(name)) && id != "" && notMine(id) {
			return true
		}
	}
	return false
}

// mask is Mask on a tree.
func (n node) mask() node {
	out := node{scalar: n.scalar, kind: n.kind, names: n.names}
	for i, m := range n.members {
		if n.kind == '[' {
			if !m.foreign() {
				out.members = append(out.members, m.mask())
			}
			continue
		}
		name := bodyedit.NormalizeName(n.names[i])
		proxy, _ := m.scalar.(string)
		switch {
		case secretMember(name) && m.tellsNothing():
			out.members = append(out.members, m)
		case secretMember(name), name == "proxy" && strings.Contains(proxy, "@"):
			out.members = append(out.members, node{scalar: "***"})
		default:
			out.members = append(out.members, m.mask())
		}
	}
	return out
}

func FuzzMask(f *testing.F) {
	for _, s := range []string{
		`{"token":"t","a":[{"session_id":"theirs"},{"session_id":"mine","api_key":1}],"hash":{"apikey":"x"}}`,
		`[ {"a\"":"\\","\u0074oken":"\\\""} , {"proxy":"a@b"}, [[{"session_id":8}]] ]`,
		`{"a":1,"a":2,"token":null,"token":[1]}`, `"x"`, `-0.0e+5`, `[[[[]]]]`, `{"secret":"\ud800"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		shown, ok := Mask(body, notMine)
		if !ok {
			if json.Valid(body) && !tooDeep(body, maxMaskDepth) {
				t.Fatalf("%q was refused", body)
			}
			return
		}
		if !json.Valid(shown) {
			t.Fatalf("%q became %q", body, shown)
		}
		// Characters outside UTF-8 are replaced alike on both sides.
		want, got := parseTree(t, body).mask(), parseTree(t, shown)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q became %q", body, shown)
		}
		again, ok := Mask(shown, notMine)
		if !ok || !bytes.Equal(again, shown) {
			t.Fatalf("%q became %q and then %q", body, shown, again)
		}
	})
}

func BenchmarkMask(b *testing.B) {
	body := []byte(`{"success":true,"data":[` + strings.Repeat(
		`{"session_id":"mine","id":"3EB0A9F1","token":"abcdef","from":"628123456789","body":"What a day, was it not?","at":1700000000},`, 1000) + `null]}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := Mask(body, notMine); !ok {
			b.Fatal("refused")
		}
	}
}
