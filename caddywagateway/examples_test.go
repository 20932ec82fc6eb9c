package caddywagateway

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

var update = flag.Bool("update", false, "write the golden files anew")

// adaptFile adapts a Caddyfile that must neither fail nor warn.
func adaptFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if formatted := caddyfile.Format(text); !bytes.Equal(formatted, text) {
		t.Errorf("%s is not formatted: make fmt", path)
	}
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, map[string]any{"filename": path})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		t.Errorf("%s: %v", path, w)
	}
	return config
}

func TestExamples(t *testing.T) {
	paths, err := filepath.Glob("../caddyfile-examples/*.Caddyfile")
	if err != nil || len(paths) < 11 {
		t.Fatalf("%d examples: %v", len(paths), err)
	}
	for _, path := range paths {
		for name, values := range map[string]map[string]string{
			"unset": {},
			"set": {
				"TRANSACTIONAL_DB_URL": "postgres://u:p@127.0.0.1:1/t", "DB_URL": "postgres://u:p@127.0.0.1:1/c", "REDIS_URL": "redis://127.0.0.1:1/0",
				"WA_SERVER_URL": "http://127.0.0.1:1", "WA_ADMIN_TOKEN": "a", "ADMIN_TOKEN": "b", "EVENTS_TOKEN": "c",
			},
		} {
			t.Run(filepath.Base(path)+"/"+name, func(t *testing.T) {
				clearEnvironment(t)
				// Without it nothing starts that has to encrypt.
				t.Setenv("WA_ENCRYPTION_KEY", "0123456789abcdef")
				for variable, value := range values {
					t.Setenv(variable, value)
				}
				config := adaptFile(t, path)
				t.Chdir(t.TempDir())
				if err := validate(config); err != nil {
					t.Error(err)
				}
				wantNoFiles(t)
			})
		}
	}
}

// variables are those of contract §9, and those of dialects other than generic.
var variables = []string{
	"PORT", "GATEWAY_DOMAIN", "WA_SERVER_URL", "WA_ADMIN_TOKEN", "ADMIN_TOKEN", "EVENTS_TOKEN",
	"TRANSACTIONAL_DB_URL", "TRANSACTIONAL_DB_HOST", "TRANSACTIONAL_DB_PORT", "TRANSACTIONAL_DB_USER", "TRANSACTIONAL_DB_PASSWORD", "TRANSACTIONAL_DB_NAME", "TRANSACTIONAL_DB_SSLMODE",
	"DB_URL", "DB_HOST", "DB_PORT", "DB_USER", "DB_PASSWORD", "DB_NAME", "DB_SSLMODE",
	"REDIS_URL", "DEFAULT_RATE_LIMIT", "RATE_LIMIT_WINDOW", "WA_SERVER_DIALECT", "TRUSTED_CLIENTS",
	"WA_ENCRYPTION_KEY", "WA_WEBHOOK_URL", "WA_WEBHOOK_SECRET", "WA_REGION",
}

// clearEnvironment unsets them all for a test.
func clearEnvironment(t *testing.T) {
	t.Helper()
	for _, name := range variables {
		t.Setenv(name, "") // so that the end of the test restores it
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
}

// wantNoFiles checks that the present folder stayed empty.
func wantNoFiles(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		t.Errorf("%s was made", entry.Name())
	}
}

// adapted is what the tests look at of a configuration.
type adapted struct {
	listen  []string
	hosts   []string
	gateway []map[string]any // the handlers wa_gateway
	events  []map[string]any
	app     map[string]any
}

func parseAdapted(t *testing.T, config []byte) adapted {
	t.Helper()
	var c struct {
		Apps struct {
			HTTP struct {
				Servers map[string]struct {
					Listen []string `json:"listen"`
					Routes any      `json:"routes"`
				} `json:"servers"`
			} `json:"http"`
			Gateway map[string]any `json:"wa_gateway"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		t.Fatal(err)
	}
	a := adapted{app: c.Apps.Gateway}
	for _, server := range c.Apps.HTTP.Servers {
		a.listen = append(a.listen, server.Listen...)
		a.walk(server.Routes)
	}
	slices.Sort(a.listen)
	slices.Sort(a.hosts)
	return a
}

func (a *adapted) walk(v any) {
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			a.walk(one)
		}
	case map[string]any:
		switch v["handler"] {
		case "wa_gateway":
			a.gateway = append(a.gateway, v)
		case "wa_events":
			a.events = append(a.events, v)
		}
		for name, one := range v {
			if hosts, ok := one.([]any); ok && name == "host" {
				for _, host := range hosts {
					a.hosts = append(a.hosts, host.(string))
				}
			}
			a.walk(one)
		}
	}
}

// TestOwnCaddyfile: contract §9, with every variable unset, empty and set.
func TestOwnCaddyfile(t *testing.T) {
	empty := make(map[string]string)
	for _, name := range variables {
		empty[name] = ""
	}
	for name, c := range map[string]struct {
		env     map[string]string
		listen  []string
		hosts   []string
		trusted []any
		limit   map[string]any
		dialect any
	}{
		"unset": {nil, []string{":8070"}, nil, nil, map[string]any{}, nil},
		"empty": {empty, []string{":8070"}, nil, nil, map[string]any{}, nil},
		"port":  {map[string]string{"PORT": "9000"}, []string{":9000"}, nil, nil, map[string]any{}, nil},
		"one domain": {
			map[string]string{"GATEWAY_DOMAIN": "wa.example.com"}, []string{":443", ":8070"}, []string{"wa.example.com"}, nil, map[string]any{}, nil,
		},
		"domains with commas": {
			map[string]string{"GATEWAY_DOMAIN": "a.example.com, b.example.com", "PORT": "9000"},
			[]string{":443", ":9000"}, []string{"a.example.com", "b.example.com"}, nil, map[string]any{}, nil,
		},
		"domains with blanks": {
			map[string]string{"GATEWAY_DOMAIN": "a.example.com b.example.com", "PORT": ""},
			[]string{":443", ":8070"}, []string{"a.example.com", "b.example.com"}, nil, map[string]any{}, nil,
		},
		"limit": {
			map[string]string{"DEFAULT_RATE_LIMIT": "250", "RATE_LIMIT_WINDOW": "30"},
			[]string{":8070"}, nil, nil, map[string]any{"messages": 250.0, "window": 30e9}, nil,
		},
		"window alone": {
			map[string]string{"RATE_LIMIT_WINDOW": "2m"}, []string{":8070"}, nil, nil, map[string]any{"window": 120e9}, nil,
		},
		"trusted": {
			map[string]string{"TRUSTED_CLIENTS": "10.0.0.0/8 192.168.1.7 fd00::/8"},
			[]string{":8070"}, nil, []any{"10.0.0.0/8", "192.168.1.7", "fd00::/8"}, map[string]any{}, nil,
		},
		"nobody trusted": {
			map[string]string{"TRUSTED_CLIENTS": "none"}, []string{":8070"}, nil, []any{"none"}, map[string]any{}, nil,
		},
		"dialect": {
			map[string]string{"WA_SERVER_DIALECT": "generic"}, []string{":8070"}, nil, nil, map[string]any{}, "generic",
		},
		"a server of its own API": {
			map[string]string{
				"WA_SERVER_URL": "http://127.0.0.1:1", "WA_SERVER_DIALECT": "evolution", "WA_ADMIN_TOKEN": "confidential a", "WA_REGION": "sg",
				"WA_ENCRYPTION_KEY": "confidential encryption", "WA_WEBHOOK_URL": "http://127.0.0.1:2", "WA_WEBHOOK_SECRET": "confidential hook",
			}, []string{":8070"}, nil, nil, map[string]any{}, "evolution",
		},
		"production": {
			map[string]string{
				"WA_SERVER_URL": "http://127.0.0.1:1", "WA_ADMIN_TOKEN": "confidential a", "ADMIN_TOKEN": "confidential b", "EVENTS_TOKEN": "confidential c",
				"TRANSACTIONAL_DB_URL": "postgres://u:confidential@127.0.0.1:1/t", "DB_HOST": "127.0.0.1", "DB_PORT": "1", "DB_USER": "u",
				"DB_PASSWORD": "confidential {}\" p", "DB_NAME": "c", "DB_SSLMODE": "disable", "REDIS_URL": "redis://:confidential@127.0.0.1:1/0",
			}, []string{":8070"}, nil, nil, map[string]any{}, nil,
		},
		"the other parts": {
			map[string]string{
				"TRANSACTIONAL_DB_HOST": "127.0.0.1", "TRANSACTIONAL_DB_USER": "u", "TRANSACTIONAL_DB_PASSWORD": "confidential", "TRANSACTIONAL_DB_NAME": "t",
				"DB_URL": "sqlite://primary.db",
			}, []string{":8070"}, nil, nil, map[string]any{}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			for variable, value := range c.env {
				t.Setenv(variable, value)
			}
			config := adaptFile(t, "../Caddyfile")
			if bytes.Contains(config, []byte("confidential")) {
				t.Error("a secret is in the configuration")
			}
			a := parseAdapted(t, config)
			if !slices.Equal(a.listen, c.listen) || !slices.Equal(slices.Compact(a.hosts), c.hosts) {
				t.Errorf("listens on %v for %v", a.listen, a.hosts)
			}
			handlers := slices.Concat(a.gateway, a.events)
			if len(handlers) != 2*len(a.listen) {
				t.Errorf("%d handlers on %v", len(handlers), a.listen)
			}
			for _, handler := range handlers {
				if trusted, _ := handler["trusted_clients"].([]any); !slices.Equal(trusted, c.trusted) {
					t.Errorf("%v trusts %v", handler["handler"], trusted)
				}
			}
			limit, _ := a.app["rate_limit"].(map[string]any)
			for _, name := range []string{"messages", "window"} {
				if limit[name] != c.limit[name] {
					t.Errorf("rate_limit %v", limit)
				}
			}
			server := a.app["wa_servers"].([]any)[0].(map[string]any)
			dialect, _ := server["dialect"].(map[string]any)
			if dialect["dialect"] != c.dialect {
				t.Errorf("dialect %v", dialect)
			}
			t.Chdir(t.TempDir())
			if err := validate(config); err != nil {
				t.Error(err)
			}
			wantNoFiles(t)
		})
	}
	t.Run("without a key", func(t *testing.T) {
		clearEnvironment(t)
		t.Setenv("WA_SERVER_URL", "http://127.0.0.1:1")
		t.Setenv("WA_SERVER_DIALECT", "evolution")
		config := adaptFile(t, "../Caddyfile")
		t.Chdir(t.TempDir())
		if err := validate(config); err == nil || !strings.Contains(err.Error(), "set encryption_key") {
			t.Errorf("got %v", err)
		}
	})
	for name, env := range map[string][2]string{
		"limit":   {"DEFAULT_RATE_LIMIT", "many"},
		"window":  {"RATE_LIMIT_WINDOW", "-1"},
		"dialect": {"WA_SERVER_DIALECT", "klingon"},
		"words":   {"DEFAULT_RATE_LIMIT", "1 2"},
	} {
		t.Run("wrong "+name, func(t *testing.T) {
			clearEnvironment(t)
			t.Setenv(env[0], env[1])
			text, err := os.ReadFile("../Caddyfile")
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, nil); err == nil {
				t.Errorf("%s=%s was taken", env[0], env[1])
			}
		})
	}
}

// TestAdapt compares with the golden files: a Caddyfile, a line, the JSON.
func TestAdapt(t *testing.T) {
	paths, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(paths) == 0 {
		t.Fatal("no golden files:", err)
	}
	const line = "----------\n"
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".caddyfiletest"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			input, want, ok := strings.Cut(string(text), line)
			if !ok {
				t.Fatalf("%s has no line %q", path, line)
			}
			config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(input), map[string]any{"filename": "Caddyfile"})
			if err != nil || len(warnings) > 0 {
				t.Fatal(err, warnings)
			}
			var indented bytes.Buffer
			if err := json.Indent(&indented, config, "", "\t"); err != nil {
				t.Fatal(err)
			}
			got := indented.String() + "\n"
			if *update {
				if err := os.WriteFile(path, []byte(input+line+got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("%s: got\n%s", path, got)
			}
		})
	}
}

// TestMisuse: what is wrong in a Caddyfile is refused where it stands.
func TestMisuse(t *testing.T) {
	global := func(lines string) string { return "{\n\twa_gateway {\n" + lines + "\n\t}\n}\n" }
	site := func(lines string) string { return ":8070 {\n" + lines + "\n}\n" }
	for _, c := range []struct{ name, text, want string }{
		{"unknown option", global("nonsense"), `unrecognized option "nonsense" of wa_gateway, at Caddyfile:3`},
		{"option twice", global("demo\ndemo"), "demo is set twice, at Caddyfile:4"},
		{"global option twice", "{\n\twa_gateway {\n\t}\n\twa_gateway {\n\t}\n}\n", "the global option wa_gateway stands twice: merge the two blocks, at Caddyfile:4"},
		{"argument of the global option", "{\n\twa_gateway x\n}\n", "wrong argument count or unexpected line ending after 'x', at Caddyfile:2"},
		{"excess argument", global("demo now"), "unexpected line ending after 'now', at Caddyfile:3"},
		{"argument missing", global("admin_token"), "unexpected line ending after 'admin_token', at Caddyfile:3"},
		{"two tokens", global("events_token a b c"), "at Caddyfile:3"},
		{"neither on nor off", global("migrate perhaps"), `"perhaps" is neither on nor off, at Caddyfile:3`},
		{"database: option", global("primary_db {\nsocket x\n}"), `unrecognized option "socket" of a database, at Caddyfile:4`},
		{"database: twice", global("primary_db {\nhost a\nhost b\n}"), "host is set twice, at Caddyfile:5"},
		{"database: two DSNs", global("primary_db sqlite://a sqlite://b"), "at Caddyfile:3"},
		{"database: number", global("primary_db {\nmax_conns few\n}"), `"few" is not a whole number above zero, at Caddyfile:4`},
		{"limit: number", global("rate_limit many"), `"many" is not a whole number above zero, at Caddyfile:3`},
		{"limit: none", global("rate_limit 0"), `"0" is not a whole number above zero, at Caddyfile:3`},
		{"limit: duration", global("rate_limit 5 soon"), `"soon" is not a duration above zero, at Caddyfile:3`},
		{"limit: negative", global("rate_limit 5 -1"), `"-1" is not a duration above zero, at Caddyfile:3`},
		{"limit: three", global("rate_limit 5 60s x"), "at Caddyfile:3"},
		{"limit: option", global("rate_limit {\nburst 5\n}"), `unrecognized option "burst" of rate_limit, at Caddyfile:4`},
		{"limit: twice", global("rate_limit {\nmessages 5\nmessages 6\n}"), "messages is set twice, at Caddyfile:5"},
		{"limit: both ways", global("rate_limit 5 {\nmessages 6\n}"), "messages is set twice, at Caddyfile:4"},
		{"package: no limit", global("package Pro"), "at Caddyfile:3"},
		{"package: number", global("package Pro lots"), `"lots" is not a whole number above zero, at Caddyfile:3`},
		{"package: twice", global("package Pro 5\npackage Pro 6"), "package Pro is set twice, at Caddyfile:4"},
		{"cache: option", global("cache {\nitems 5\n}"), `unrecognized option "items" of cache, at Caddyfile:4`},
		{"cache: twice", global("cache {\nttl 5s\nttl 6s\n}"), "ttl is set twice, at Caddyfile:5"},
		{"cache: duration", global("cache {\nttl long\n}"), `"long" is not a duration above zero, at Caddyfile:4`},
		{"limiter", global("limiter abacus"), "wa_gateway.limiters.abacus"},
		{"limiter: option", global("limiter redis {\nhost x\n}"), `unrecognized option "host" of limiter redis, at Caddyfile:4`},
		{"limiter: twice", global("limiter redis {\nprefix a\nprefix b\n}"), "prefix is set twice, at Caddyfile:5"},
		{"limiter: two URLs", global("limiter redis redis://a {\nurl redis://b\n}"), "url is set twice, at Caddyfile:4"},
		{"limiter: memory", global("limiter memory 5"), "at Caddyfile:3"},
		{"server: option", global("wa_server main {\nport 5\n}"), `unrecognized option "port" of wa_server, at Caddyfile:4`},
		{"server: two URLs", global("wa_server main http://a {\nurl http://b\n}"), "url is set twice, at Caddyfile:4"},
		{"server: two tokens", global("wa_server main {\ntoken a\ntoken b\n}"), "token is set twice, at Caddyfile:5"},
		{"server: two dialects", global("wa_server main {\ndialect generic\ndialect generic\n}"), "dialect is set twice, at Caddyfile:5"},
		{"server: dialect", global("wa_server main {\ndialect klingon\n}"), `there is no dialect "klingon", at Caddyfile:4`},
		{"server: regions", global("wa_server main {\nregion ID SG\n}"), "at Caddyfile:4"},
		{"server: reads", global("wa_server main {\nreads\n}"), "at Caddyfile:4"},
		{"server: pace", global("wa_server main {\nbroadcast_pace slow\n}"), `"slow" is not a duration above zero, at Caddyfile:4`},
		{"server: three secrets", global("wa_server main {\nwebhook_secret a b c\n}"), "at Caddyfile:4"},
		{"server: media from nowhere", global("wa_server main {\nmedia_from\n}"), "at Caddyfile:4"},
		{"deliver to nowhere", global("deliver_to"), "at Caddyfile:3"},
		{"three keys", global("encryption_key a b c"), "at Caddyfile:3"},
		{"server: dialect's option", global("wa_server main {\ndialect generic {\nx y\n}\n}"), `unrecognized option "x" of dialect generic, at Caddyfile:5`},
		{"gateway: option", site("wa_gateway {\nlimit 5\n}"), `unrecognized option "limit" of wa_gateway, at Caddyfile:3`},
		{"gateway: argument", site("wa_gateway x"), "at Caddyfile:2"},
		{"gateway: twice", site("wa_gateway {\nwa_server a\nwa_server b\n}"), "wa_server is set twice, at Caddyfile:4"},
		{"gateway: trusted twice", site("wa_gateway {\ntrusted_clients none\ntrusted_clients none\n}"), "trusted_clients is set twice, at Caddyfile:4"},
		{"gateway: allow", site("wa_gateway {\nallow /groups/*\n}"), "at Caddyfile:3"},
		{"gateway: size", site("wa_gateway {\nmax_body chat big\n}"), `"big" is not a size such as 1MiB, at Caddyfile:3`},
		{"events: option", site("wa_events {\ntoken x\n}"), `unrecognized option "token" of wa_events, at Caddyfile:3`},
		{"sandbox: option", site("wa_sandbox {\nfail always\n}"), `unrecognized option "fail" of wa_sandbox, at Caddyfile:3`},
		{"sandbox: duration", site("wa_sandbox {\nread later\n}"), `"later" is not a duration above zero, at Caddyfile:3`},
		{"upstreams", site("reverse_proxy {\ndynamic wa_server x\n}"), "at Caddyfile:3"},
	} {
		_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(c.text), map[string]any{"filename": "Caddyfile"})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}

	// What only provisioning can know holds for JSON as well.
	for _, c := range []struct{ name, text, want string }{
		{"naming", global("naming camel"), `naming "camel" is not known`},
		{"window", global("rate_limit 5 10ms"), "window must be between 1s and 24h"},
		{"package", global("package Pro 5 48h"), "package Pro: window must be between 1s and 24h"},
		{"messages", global("rate_limit 1000001"), "messages must be between 1 and 1000000"},
		{"cache", global("cache {\nttl 2h\n}"), "cache: ttl must be between 100ms and 1h"},
		{"servers", global("wa_server a\nwa_server a"), "wa_server a is defined twice"},
		{"server's URL", global("wa_server a ftp://user:secret@x"), "wa_server a: the URL must begin with http:// or https://"},
		{"server's webhooks", global("wa_server a {\nwebhook_url ftp://user:secret@x\n}"), "webhook_url: the URL must begin with http:// or https://"},
		{"server's region", global("wa_server a {\nregion XX\n}"), `region: there is no country "XX"`},
		{"server's reads", global("wa_server a {\nreads both\n}"), `reads: "both" is neither server nor local`},
		{"server's media", global("wa_server a {\nmedia_from localhost\n}"), `media_from: "localhost" is no address and no CIDR`},
		{"deliveries", global("deliver_to localhost"), `"localhost" is no address and no CIDR`},
		{"short key", global("encryption_key secret"), "at least 16 characters"},
		{"server's credentials", global("wa_server a http://user:secret@x"), "put the admin token in token"},
		{"DSN", global("primary_db mysql://user:secret@x/y"), "primary"},
		{"half a DSN", global("primary_db {\nuser x\n}"), "primary_db: user, password, name or port is set, but host is not"},
		{"DSN without a name", global("primary_db {\nhost x\n}"), "primary_db: the name of the database is not set"},
		{"CIDR", site("wa_gateway {\ntrusted_clients 10.0.0.0/99\n}"), `trusted_clients: "10.0.0.0/99" is not a CIDR`},
		{"address", site("wa_events {\ntrusted_clients localhost\n}"), `trusted_clients: "localhost" is not an address`},
		{"none and others", site("wa_events {\ntrusted_clients none 10.0.0.0/8\n}"), "none cannot stand beside others"},
		{"unknown server", site("wa_gateway {\nwa_server other\n}"), "there is no wa_server other"},
		{"allow everything", site("wa_gateway {\nallow POST /*\n}"), "everything cannot be allowed"},
		{"allow admin", site("wa_gateway {\nallow POST /Admin/*\n}"), "admin paths"},
		{"allow a word", site("wa_gateway {\nallow SEND /x\n}"), "is not a method"},
		{"events URL", site("wa_sandbox {\nevents_url nowhere\n}"), "the events URL must be absolute"},
	} {
		config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(c.text), map[string]any{"filename": "Caddyfile"})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		// The app is provisioned with a site only through its handlers.
		if err := validate(config); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
		if n := pooled(); n != 0 {
			t.Errorf("%s: the pools hold %d things", c.name, n)
		}
	}
}
