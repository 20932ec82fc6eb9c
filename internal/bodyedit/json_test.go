package bodyedit

import (
	"fmt"
	"strings"
	"testing"
)

func TestJSONDropsEverySpelling(t *testing.T) {
	rules := identity()
	for _, name := range []string{
		`session_id`, `sessionId`, `SessionID`, `SESSION_ID`, `session-id`, `session.id`, `session id`,
		`session_id[]`, `session_id[0]`, `[session_id]`, `session`, `user_id`, `USERID`, `user`,
		`\u0073ession_id`, `session\u005fid`, `session\u005Fid`, `\u017fession_id`, `ſession_id`,
		`se\u017f\u017fion_id`, `session_\u0131d`, `session\u200b_id`, `session\u00adid`,
	} {
		for _, value := range []string{`"x"`, `1`, `null`, `{"a":[1,{"b":"}"}]}`, `["x"]`, `"\"}"`, `-1.5e+3`, `true`} {
			for _, format := range []string{
				`{"%s":%s,"a":1,"b":2}`, `{"a":1,"%s":%s,"b":2}`, `{"a":1,"b":2,"%s":%s}`,
				` { "a" : 1 , "%[1]s" : %[2]s , "b" : 2 , "%[1]s" : %[2]s } `,
			} {
				accepted(t, "application/json", fmt.Sprintf(format, name, value), `{"session_id":"s1","a":1,"b":2}`, rules)
			}
		}
		accepted(t, "application/json", fmt.Sprintf(`{"%s":"x"}`, name), `{"session_id":"s1"}`, rules)
	}
}

var jsonKept = map[string]string{
	`{}`:                     ``,
	" \t\r\n{ } \n":          ``,
	`{"to":"628"}`:           `"to":"628"`,
	`{"":1}`:                 `"":1`,
	`{"a":"\ud800"}`:         `"a":"\ud800"`,
	`{"a":"\u0000\/\u2028"}`: `"a":"\u0000\/\u2028"`,
	`{"\u0061":1}`:           `"\u0061":1`,
	`{"😀":"😀\ud83d\ude00"}`:  `"😀":"😀\ud83d\ude00"`,
	`{"\ud83d\ude00":1}`:     `"\ud83d\ude00":1`,
	`{"a":1,"a":2}`:          `"a":1,"a":2`,
	`{"a":[ ]}`:              `"a":[]`,
	`{"a":[1, "b c" ,[{}, {"d" : null}]], "e": { }}`:                `"a":[1,"b c",[{},{"d":null}]],"e":{}`,
	`{"a":{"session_id":"nested","to":["x"]}}`:                      `"a":{"session_id":"nested","to":["x"]}`,
	`{"a":[0,-0,1.5,0.10,1E5,1e-5,123456789012345678901234567890]}`: `"a":[0,-0,1.5,0.10,1E5,1e-5,123456789012345678901234567890]`,
	`{"a":1e999999}`: `"a":1e999999`,
	`{"a":` + strings.Repeat("9", maxNumber) + `}`:                        `"a":` + strings.Repeat("9", maxNumber),
	`{"` + strings.Repeat("n", maxName) + `":1}`:                          `"` + strings.Repeat("n", maxName) + `":1`,
	`{"a":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `}`:     `"a":` + strings.Repeat("[", 63) + strings.Repeat("]", 63),
	`{"a":"` + strings.Repeat("é", 20000) + `","user":1}`:                 `"a":"` + strings.Repeat("é", 20000) + `"`,
	`{"user":"` + strings.Repeat("\\u0041", 9000) + `","a":[true,false]}`: `"a":[true,false]`,
	`{"a":{"proto__":1,"constructor":2,"\ud800":3}}`:                      `"a":{"proto__":1,"constructor":2,"\ud800":3}`,
	`{"sessions":1,"the_session":2}`:                                      `"sessions":1,"the_session":2`,
	`{"kind":null}`:                                                       `"kind":null`,
	`{"kind":"a,b"}`:                                                      `"kind":"a,b"`,
	`{"to":628}`:                                                          `"to":628`,
	`{"to":"a\"\\\/\t\u002e"}`:                                            `"to":"a\"\\\/\t\u002e"`,
	`{"a":"b,c","to":"x"}`:                                                `"a":"b,c","to":"x"`,
	`{"to":"x","a":{"to":"b,c"},"b":"d;e"}`:                               `"to":"x","a":{"to":"b,c"},"b":"d;e"`,
}

func TestJSONKept(t *testing.T) {
	rules := identity()
	for body, rest := range jsonKept {
		want := `{"session_id":"s1"`
		if rest != "" {
			want += "," + rest
		}
		accepted(t, "application/json", body, want+"}", rules)
	}
}

var jsonRefused = map[string]string{
	"{\"to\":\",\xde0":                     "comma",
	``:                                     "empty",
	" \n":                                  "empty",
	`[]`:                                   "object was expected",
	`"a"`:                                  "object was expected",
	`null`:                                 "object was expected",
	`1`:                                    "object was expected",
	"\ufeff{}":                             "object was expected",
	"{\x00\"\x00a":                         "name in double quotes",
	"\xff\xfe{\x00":                        "object was expected",
	"\x1f\x8b\x08":                         "object was expected",
	`{`:                                    "cut short",
	`{"a`:                                  "cut short",
	`{"a"`:                                 "cut short",
	`{"a":`:                                "cut short",
	`{"a":"b`:                              "cut short",
	`{"a":"b\`:                             "cut short",
	`{"a":"b\u00`:                          "cut short",
	"{\"a\":\"b\xc3":                       "cut short",
	`{"a":tru`:                             "cut short",
	`{"a":1`:                               "cut short",
	`{"a":1,`:                              "cut short",
	`{"a":[1,{}]`:                          "cut short",
	`{"session_id":"x`:                     "cut short",
	`{}{}`:                                 "nothing may follow",
	`{} x`:                                 "nothing may follow",
	"{}\x00":                               "nothing may follow",
	"{}\ufeff":                             "nothing may follow",
	"\x00{}":                               "object was expected",
	"\xff\xfe\x00\x00{\x00\x00\x00":        "object was expected",
	"\x00\x00\x00{":                        "object was expected",
	`{"a":1}]`:                             "nothing may follow",
	`{,}`:                                  "name in double quotes",
	`{"a":1,}`:                             "name in double quotes",
	`{"a":1,,"b":2}`:                       "name in double quotes",
	`{a:1}`:                                "name in double quotes",
	`{'a':1}`:                              "name in double quotes",
	`{/**/"a":1}`:                          "name in double quotes",
	`{1:1}`:                                "name in double quotes",
	`{"a" 1}`:                              "colon",
	`{"a"="b"}`:                            "colon",
	`{"a":1 "b":2}`:                        "comma or }",
	`{"a":1]`:                              "comma or }",
	`{"a":[1}`:                             "comma or ]",
	`{"a":[1 2]}`:                          "comma or ]",
	`{"a":[1,]}`:                           "value was expected",
	`{"a":[,1]}`:                           "value was expected",
	`{"a":}`:                               "value was expected",
	`{"a":'b'}`:                            "value was expected",
	`{"a":True}`:                           "value was expected",
	`{"a":trux}`:                           "value was expected",
	`{"a":truee}`:                          "comma or }",
	`{"a":nul}`:                            "value was expected",
	`{"a":NaN}`:                            "value was expected",
	`{"a":+1}`:                             "value was expected",
	`{"a":.5}`:                             "value was expected",
	"{\"a\":\u00a01}":                      "value was expected",
	`{"a":01}`:                             "malformed number",
	`{"a":-}`:                              "malformed number",
	`{"a":-01}`:                            "malformed number",
	`{"a":1.}`:                             "malformed number",
	`{"a":1.e5}`:                           "malformed number",
	`{"a":1e}`:                             "malformed number",
	`{"a":1e+}`:                            "malformed number",
	`{"a":1-2}`:                            "malformed number",
	`{"a":--1}`:                            "malformed number",
	`{"a":0x10}`:                           "comma or }",
	`{"a":1_000}`:                          "comma or }",
	`{"a":-Infinity}`:                      "malformed number",
	"{\"a\":\"b\n\"}":                      "control character in a string",
	"{\"a\":\"b\x00\"}":                    "control character in a string",
	"{\"a\nb\":1}":                         "control character in a string",
	`{"a":"\x41"}`:                         "malformed escape",
	`{"a":"\u00g0"}`:                       "malformed escape",
	`{"a":"\u{41}"}`:                       "malformed escape",
	`{"a":"\'"}`:                           "malformed escape",
	`{"\q":1}`:                             "malformed escape",
	"{\"a\":\"\xff\"}":                     "invalid UTF-8",
	"{\"a\":\"\xc0\xaf\"}":                 "invalid UTF-8",
	"{\"a\":\"\xed\xa0\x80\"}":             "invalid UTF-8",
	"{\"a\":\"\xf4\x90\x80\x80\"}":         "invalid UTF-8",
	"{\"a\":\"\xc3\"}":                     "invalid UTF-8",
	"{\"sess\xc0\xafion\":1}":              "invalid UTF-8",
	"{\"session_id\":\"\xff\"}":            "invalid UTF-8",
	`{"session_id":01}`:                    "malformed number",
	`{"session_id":{"a":1,}}`:              "name in double quotes",
	`{"session_id\u0000":1}`:               "name has a control character",
	`{"session\t_id":1}`:                   "name has a control character",
	`{"a\u007f":1}`:                        "name has a control character",
	`{"session\ud800_id":1}`:               "half a surrogate pair",
	`{"\udc00\ud800":1}`:                   "half a surrogate pair",
	`{"\ud800\u0041":1}`:                   "half a surrogate pair",
	`{"__proto__":{"user_id":"x"}}`:        "__proto__",
	`{"\u005f_proto__":1}`:                 "__proto__",
	`{"a":[{"b":{"__proto__":1}}]}`:        "__proto__",
	`{"a":{"_\u005Fproto\u005f\u005f":1}}`: "__proto__",
	`{"` + strings.Repeat("n", maxName+1) + `":1}`:                    "name is too long",
	`{"` + strings.Repeat("n", 50000):                                 "name is too long",
	`{"a":{"` + strings.Repeat(`\u0041`, 200) + `":1}}`:               "name is too long",
	`{"a":` + strings.Repeat("9", maxNumber+1) + `}`:                  "number is too long",
	`{"a":1e` + strings.Repeat("9", 50000) + `}`:                      "number is too long",
	`{"a":` + strings.Repeat("9", 10000) + `}`:                        "number is too long",
	`{"user":[-0.` + strings.Repeat("0", 10000) + `]}`:                "number is too long",
	`{"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`: "nested too deeply",
	strings.Repeat(`{"a":`, 65):                                       "nested too deeply",
	`{"session_id":` + strings.Repeat("[", 64):                        "nested too deeply",
	`{"to":["a"]}`:             "one value must be",
	`{"TO":{"a":1}}`:           "one value must be",
	`{"kind":[]}`:              "one value must be",
	`{"to":"a","to":"b"}`:      `"to" is given more than once`,
	`{"to":"a","T_o":"b"}`:     `"to" is given more than once`,
	`{"kind":1,"\u212aind":2}`: `"kind" is given more than once`,
	`{"to":"a,b"}`:             "comma",
	`{"to":"a;b"}`:             "comma",
	`{"to":"a\nb"}`:            "comma",
	`{"to":"a\rb"}`:            "comma",
	`{"to":"a\u002cb"}`:        "comma",
	`{"to":"a\u003Bb"}`:        "comma",
	`{"to":"\\\u000a"}`:        "comma",
}

func TestJSONRefused(t *testing.T) {
	rules := identity()
	for body, reason := range jsonRefused {
		refused(t, "application/json", body, reason, rules)
	}
}

func TestJSONLimits(t *testing.T) {
	accepted(t, "application/json", `{"a":{"b":{}}}`, `{"a":{"b":{}}}`, Rules{MaxDepth: 3})
	accepted(t, "application/json", `{"a":1}`, `{"a":1}`, Rules{MaxDepth: 1})
	refused(t, "application/json", `{"a":[]}`, "too deeply", Rules{MaxDepth: 1})
	// What is dropped is counted as well: it has to be read.
	refused(t, "application/json", `{"user":{"b":[]}}`, "too deeply", Rules{MaxDepth: 2, Drop: identity().Drop})
	refused(t, "application/json", `{"a":{"b":{"c":{}}}}`, "too deeply", Rules{MaxDepth: 3})
	accepted(t, "application/json", `{"a":{"c":1,"d":2},"b":1}`, `{"a":{"c":1,"d":2},"b":1}`, Rules{MaxFields: 2})
	refused(t, "application/json", `{"a":1,"b":1,"c":1}`, "more than 2 fields", Rules{MaxFields: 2})
	rules := identity()
	rules.MaxFields = 2
	refused(t, "application/json", `{"user":1,"user":1,"user":1}`, "more than 2 fields", rules)
	accepted(t, "application/json", `{"a":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)+`}`,
		`{"a":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)+`}`, Rules{MaxDepth: 201})
}

func TestJSONSet(t *testing.T) {
	rules := Rules{Set: []Field{{"session_id", "a\"\\\n\x00é\xff</script>"}, {"user_id", ""}}}
	accepted(t, "application/json", `{"SessionId":"x","User_ID":{},"a":1}`,
		`{"session_id":"a\"\\\u000A\u0000é�</script>","user_id":"","a":1}`, rules)
	accepted(t, "application/json", `{"a": 1}`, `{"a":1}`, Rules{})
}

func TestJSONNested(t *testing.T) {
	rules := identity()
	rules.Nested = rules.Drop
	for body, want := range map[string]string{
		`{"options":{"sessionId":"x"}}`:                                `{"session_id":"s1","options":{}}`,
		`{"options":{"a":1,"session\u005fid":{"b":[1]},"c":2}}`:        `{"session_id":"s1","options":{"a":1,"c":2}}`,
		`{"a":[{"user":{"user":1}},{"b":{"USER_ID":[{}],"c":[1,2]}}]}`: `{"session_id":"s1","a":[{},{"b":{"c":[1,2]}}]}`,
		`{"user":{"a":{"user":"x"}},"b":{"user":1,"c":1}}`:             `{"session_id":"s1","b":{"c":1}}`,
		`{"a.session_id":1,"b":{"c.userId":2,"d.e":3},"f.g":4}`:        `{"session_id":"s1","b":{"d.e":3},"f.g":4}`,
		`{"a[session_id]":1,"b":{"c[user]":[2],"d[e]":3},"user.f":4}`:  `{"session_id":"s1","b":{"d[e]":3}}`,
		`{"a":{"\ufeffuser":1,"USER":2,"user":3,"b":{"u\u0073er":4}}}`: `{"session_id":"s1","a":{"b":{}}}`,
		`{"a":{"b":"\ud800","c":1e999999,"d":-0}}`:                     `{"session_id":"s1","a":{"b":"\ud800","c":1e999999,"d":-0}}`,
		`{"a":[{"":1,".":2,"[]":3,"..[":4}]}`:                          `{"session_id":"s1","a":[{"":1,".":2,"[]":3,"..[":4}]}`,
	} {
		accepted(t, "application/json", body, want, rules)
	}
	for body, reason := range map[string]string{
		`{"a":{"session\udc00":1}}`:                                "half a surrogate",
		`{"a":[{"session_id\u0000":1}]}`:                           "name has a control character",
		`{"a":[{"session_id\u0000x":1}]}`:                          "name has a control character",
		`{"a":{"b":{"session\nid":1}}}`:                            "name has a control character",
		`{"a":{"session_id":{"b":1}`:                               "cut short",
		`{"a":{"session_id":` + strings.Repeat("[", 63):            "nested too deeply",
		`{"a":{"session_id":` + strings.Repeat("9", 1e4):           "number is too long",
		`{"a":{"session_id":01}}`:                                  "malformed number",
		`{"a":{"` + strings.Repeat("n", 1e4) + `":1}}`:             "name is too long",
		"{\"a\":{\"session_id\":\"\xff\"}}":                        "invalid UTF-8",
		`{"a":{"session_id":1}}` + "\x00":                          "nothing may follow",
		`{"a":{"user":{"__proto__":{"a":1}},"b":{"__proto__":1}}}`: "__proto__",
	} {
		refused(t, "application/json", body, reason, rules)
	}
}
