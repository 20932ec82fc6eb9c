package bodyedit

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFormDropsEverySpelling(t *testing.T) {
	rules := identity()
	for _, name := range []string{
		"session_id", "sessionId", "SESSION-ID", "session.id", "session+id", "session%20id", "+session_id",
		"session_id[]", "session_id%5B%5D", "session_id[a][b]", "session_id[%24ne]", "%73ession_id",
		"\ufeffsession_id", "%EF%BB%BFsession_id", "session%5fid", "%C5%BFession_id", "ſession_id", "user", "User_ID[0]", "_[user]", "session%C2%A0id", "_charset_",
	} {
		for _, body := range []string{
			name + "=x&a=1&b=2", "a=1&" + name + "=x&b=2", "a=1&b=2&" + name + "=x", "a=1&" + name + "&b=2",
			"&&a=1&" + name + "=x%25&&b=2&" + name + "=&", name + "&" + name + "&a=1&b=2",
		} {
			accepted(t, typeForm, body, "session_id=s1&a=1&b=2", rules)
		}
		accepted(t, typeForm, name+"=x", "session_id=s1", rules)
	}
}

var formKept = map[string]string{
	"":                        "",
	"&&&":                     "",
	"a":                       "a",
	"a&b":                     "a&b",
	"a=":                      "a=",
	"a=1&a=2":                 "a=1&a=2",
	"a=hello+world%21 x":      "a=hello+world%21 x",
	"a=b=c==":                 "a=b%3Dc%3D%3D",
	"a=x]=y":                  "a=x]%3Dy",
	"a=hello; world":          "a=hello%3B world",
	"a=1;session_id=x":        "a=1%3Bsession_id%3Dx",
	"a=1\r\n\x00":             "a=1%0D%0A%00",
	"a=%00%0a%C3%A9":          "a=%00%0a%C3%A9",
	"a=é\xe2%80\x94":          "a=é\xe2%80\x94",
	"a[]=1&a[]=2":             "a[]=1&a[]=2",
	"a%5Bb%5D=1":              "a[b]=1",
	"caf%C3%A9=1&é=2":         "caf%C3%A9=1&%C3%A9=2",
	"a b=1&c+d=2&e/f:g=3":     "a+b=1&c+d=2&e%2Ff%3Ag=3",
	"to=628%2B&kind=a,b":      "to=628%2B&kind=a,b",
	"options[session_id]=x":   "options[session_id]=x",
	"sessions=1&my_session=2": "sessions=1&my_session=2",
	"a=" + strings.Repeat("x%20", 20000) + "&user=" + strings.Repeat("%41", 20000): "a=" + strings.Repeat("x%20", 20000),
	"a=" + strings.Repeat("=", 30000):                                              "a=" + strings.Repeat("%3D", 30000),
	strings.Repeat("n", maxName) + "=1":                                            strings.Repeat("n", maxName) + "=1",
	"a=" + strings.Repeat("é", 20000):                                              "a=" + strings.Repeat("é", 20000),
}

func TestFormKept(t *testing.T) {
	rules := identity()
	for body, want := range formKept {
		if want != "" {
			want = "&" + want
		}
		accepted(t, typeForm, body, "session_id=s1"+want, rules)
	}
	accepted(t, typeForm, "a=1&b=2", "a=1&b=2", Rules{})
	accepted(t, typeForm, "", "", Rules{})
}

var formRefused = map[string]string{
	"a=" + strings.Repeat("%C3é%A9", 999):    "UTF-8",
	"=x":                                     "no name",
	"a=1&=x":                                 "no name",
	"a=%":                                    "%25",
	"a=%4":                                   "%25",
	"a=%zz":                                  "%25",
	"a=%u0041":                               "%25",
	"a=100% sure":                            "%25",
	"a%=1":                                   "%25",
	"a%4":                                    "%25",
	"session_id=%":                           "%25",
	"a=%ff":                                  "UTF-8",
	"a=%c0%af":                               "UTF-8",
	"a=%c3":                                  "UTF-8",
	"a=%c3&b=1":                              "UTF-8",
	"a=%c3x":                                 "UTF-8",
	"a=\xed%a0%80":                           "UTF-8",
	"user=\xff":                              "UTF-8",
	"%ff=1":                                  "UTF-8",
	"session\xc0\xaf_id=1":                   "UTF-8",
	"a;session_id=x":                         "in it",
	"a%3Bsession_id=x":                       "in it",
	"a%26session_id=x":                       "in it",
	"%2573ession_id=x":                       "in it",
	"a%3Db=x":                                "in it",
	`a"=x`:                                   "in it",
	`a\=x`:                                   "in it",
	"session_id%00=x":                        "control character",
	"session_id%00x=1":                       "control character",
	"\nsession_id=x":                         "control character",
	"a%7f=x":                                 "control character",
	"[session_id]=x":                         "brackets",
	"%5Bsession_id%5D=x":                     "brackets",
	"session_id]=x":                          "brackets",
	"session[id=x":                           "brackets",
	"session_id[a=x":                         "brackets",
	"session_id[a]b=x":                       "brackets",
	"session_id[[a]]=x":                      "brackets",
	"a[b]]=x":                                "brackets",
	"a]b[c]=x":                               "brackets",
	"__proto__=1":                            "__proto__",
	"__proto__[user_id]=1":                   "__proto__",
	"a[__proto__][user_id]=1":                "__proto__",
	"a[%5f_proto__]=1":                       "__proto__",
	`{"to":"x","session":"y"}`:               "application/json",
	`{"to":"x"}=`:                            "application/json",
	"to=1&to=2":                              `"to" is given more than once`,
	"to=1&T%4f=2":                            `"to" is given more than once`,
	"to[]=1":                                 "one value must be",
	"kind[a]=1":                              "one value must be",
	"to=1,2":                                 "comma",
	"to=1%2c2":                               "comma",
	"to=1;2":                                 "comma",
	"to=1%3B2":                               "comma",
	"to=1\n":                                 "comma",
	"to=1%0d":                                "comma",
	strings.Repeat("n", maxName+1) + "=1":    "too long",
	"a=1&" + strings.Repeat("n", 40000):      "too long",
	strings.Repeat("a&", DefaultMaxFields+1): "more than 1000 fields",
}

func TestFormRefused(t *testing.T) {
	rules := identity()
	for body, reason := range formRefused {
		refused(t, typeForm, body, reason, rules)
	}
}

func TestFormNested(t *testing.T) {
	rules := identity()
	rules.Nested = rules.Drop
	accepted(t, typeForm, "a[session_id]=1&b[c][userId][]=2&d[e]=3&user=4&f[sessions]=5", "session_id=s1&d[e]=3&f[sessions]=5", rules)
	accepted(t, typeForm, "a.session_id=1&b[c.userId]=2&d.e=3&session_id.f=4&sessions.i=6&.user=7&j[user]", "session_id=s1&d.e=3&sessions.i=6", Rules{
		Drop: rules.Drop, Set: rules.Set, Nested: rules.Nested,
	})
}

func TestFormSet(t *testing.T) {
	value := "a b&c=d;%+é\x00\xff"
	out, _, err := EditBytes(typeForm, []byte("x=1&my+field=2"), Rules{Set: []Field{{"my field", value}, {"b[]", "2"}}})
	if err != nil {
		t.Fatal(err)
	}
	fields, err := url.ParseQuery(string(out))
	if err != nil || fields.Get("my field") != value || len(fields["my field"]) != 1 || fields.Get("b[]") != "2" || fields.Get("x") != "1" {
		t.Errorf("%q: %v, %v", out, fields, err)
	}
}

func TestUTF8Check(t *testing.T) {
	check := func(text []byte) {
		var u utf8Check
		valid := true
		for _, c := range text {
			if valid = u.next(c); !valid {
				break
			}
		}
		if valid = valid && u.complete(); valid != utf8.Valid(text) {
			t.Errorf("%x: %v", text, valid)
		}
	}
	for first := range 256 {
		for second := range 256 {
			check([]byte{byte(first), byte(second)})
			for _, third := range []byte{'a', 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0} {
				check([]byte{byte(first), byte(second), third})
				check([]byte{byte(first), byte(second), third, 0x80})
				check([]byte{byte(first), byte(second), third, 0x80, 'a'})
			}
		}
	}
}
