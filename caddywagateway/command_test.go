package caddywagateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/genfity/wa-gateway/store/storetest"
)

// cli runs commands in a folder of its own, which is the test's working folder.
type cli struct {
	t   *testing.T
	now func() time.Time
	// Everything that was ever printed, to look for secrets in.
	said strings.Builder
}

// newCLI makes the folder, with a Caddyfile unless that is empty.
func newCLI(t *testing.T, caddyfile string) *cli {
	t.Helper()
	t.Chdir(t.TempDir())
	c := &cli{t: t, now: time.Now}
	if caddyfile != "" {
		c.write("Caddyfile", caddyfile)
	}
	return c
}

// cliCaddyfile uses the database that dsnVariable names.
const (
	dsnVariable  = "WA_TEST_COMMAND_DSN"
	cliCaddyfile = `{
	wa_gateway {
		transactional_db {env.WA_TEST_COMMAND_DSN}
		primary_db sqlite://primary.db
	}
}
`
)

// cliOn is a cli on a database.
func cliOn(t *testing.T, d *storetest.Database) *cli {
	t.Helper()
	t.Setenv(dsnVariable, d.DSN)
	return newCLI(t, cliCaddyfile)
}

func (c *cli) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// command is the command as Caddy makes it, below a root like Caddy's.
func (c *cli) command() *cobra.Command {
	registered := caddycmd.Commands()["wa-gateway"]
	cmd := &cobra.Command{Use: registered.Name, Short: registered.Short, Long: registered.Long}
	operator := newOperator(cmd)
	operator.now = c.now
	operator.build()
	root := &cobra.Command{Use: "caddy", SilenceUsage: true}
	root.AddCommand(cmd)
	return root
}

type cliResult struct {
	stdout, stderr string
	code           int
}

func (c *cli) run(args ...string) cliResult {
	c.t.Helper()
	root := c.command()
	var stdout, stderr bytes.Buffer
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	root.SetArgs(append([]string{"wa-gateway"}, args...))
	err := root.Execute()
	c.said.WriteString(stdout.String())
	c.said.WriteString(stderr.String())
	code := 0
	switch {
	case err == nil:
	case err.Error() == "exiting with status 2": // Caddy's error with a code
		code = 2
	default:
		code = 1
	}
	return cliResult{stdout.String(), stderr.String(), code}
}

// ok runs a command that must succeed, and returns what it printed.
func (c *cli) ok(args ...string) string {
	c.t.Helper()
	r := c.run(args...)
	if r.code != 0 {
		c.t.Fatalf("%v: exit code %d: %s%s", args, r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// fails runs a command that must fail with a code and a text, and print nothing.
func (c *cli) fails(code int, text string, args ...string) {
	c.t.Helper()
	r := c.run(args...)
	if r.code != code || !strings.Contains(r.stderr, text) {
		c.t.Errorf("%v: exit code %d, %q; want %d and %q", args, r.code, r.stderr, code, text)
	}
	if r.stdout != "" {
		c.t.Errorf("%v: printed %q although it failed", args, r.stdout)
	}
}

// document runs a command with --json and reads the one document it prints.
func (c *cli) document(v any, args ...string) {
	c.t.Helper()
	readDocument(c.t, c.ok(append(args, "--json")...), v)
}

func readDocument(t *testing.T, text string, v any) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if decoder.More() {
		t.Fatalf("more than one document: %s", text)
	}
}

// contains checks that a text has lines that match, in any order.
func contains(t *testing.T, text string, patterns ...string) {
	t.Helper()
	for _, pattern := range patterns {
		if !regexp.MustCompile(`(?m)` + pattern).MatchString(text) {
			t.Errorf("nothing matches %q in\n%s", pattern, text)
		}
	}
}

func TestCommandHelp(t *testing.T) {
	c := newCLI(t, "")
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		path := strings.Fields(cmd.CommandPath())[2:]
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%v: the short text is %q", path, cmd.Short)
		}
		if !cmd.HasSubCommands() && !strings.Contains(cmd.Example, "caddy wa-gateway "+strings.Join(path, " ")) {
			t.Errorf("%v: no example", path)
		}
		help := c.ok(append(path, "--help")...)
		contains(t, help, "^Usage:", `--envfile`, `--json`, `-c, --config`)
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	for _, sub := range c.command().Commands()[0].Commands() {
		walk(sub)
	}
	contains(t, c.ok(), "^  migrate ", "^  user ", "^  key ", "^  session ", "^  package ", "^  subscription ", "^  stats ", "^  doctor ")
	contains(t, c.ok("user"), "^  add ", "^  list ", "^  disable ", "^  enable ")
}

func TestCommandUsage(t *testing.T) {
	// Nothing answers there: what is wrong must be found before anything is asked.
	t.Setenv(dsnVariable, "postgres://u:hush@127.0.0.1:1/none")
	c := newCLI(t, cliCaddyfile)
	const id36 = "wak_live_0123456789012345678901234567890123456789012"
	for _, test := range []struct {
		text string
		args []string
	}{
		{`no command "bla"`, []string{"bla"}},
		{`did you mean user?`, []string{"usr"}},
		{`no command "bla"`, []string{"user", "bla"}},
		{`unknown flag: --nope`, []string{"user", "list", "--nope"}},
		{`one argument too many: "b"`, []string{"user", "add", "a", "b"}},
		{`<id> is missing`, []string{"user", "disable"}},
		{`id is empty`, []string{"user", "disable", " "}},
		{`cannot be an id`, []string{"user", "add", "a b"}},
		{`--email is blank`, []string{"user", "add", "--email", " "}},
		{`control characters`, []string{"user", "add", "--name", "a\nb"}},
		{`must not be negative`, []string{"user", "list", "--limit", "-1"}},
		{`<user> is missing`, []string{"key", "create"}},
		{`neither a duration`, []string{"key", "create", "u", "--expires", "soon"}},
		{`in the past`, []string{"key", "create", "u", "--expires", "2001-01-01"}},
		{`too many: an API key`, []string{"key", "list", "u", id36}},
		{`<session> is missing`, []string{"session", "add", "u"}},
		{`session "a/b" cannot be an id`, []string{"session", "add", "u", "a/b"}},
		{`--max-session must be`, []string{"package", "add", "Basic"}},
		{`whole numbers from 0`, []string{"package", "add", "Basic", "--max-session", "1", "--price-year", "-1"}},
		{`<package> is missing`, []string{"subscription", "set", "u"}},
		{`none of activating, active`, []string{"subscription", "set", "u", "p", "--status", "on"}},
		{`too many`, []string{"stats", "u", "s", "x"}},
		{`<user> is missing`, []string{"stats", "reset"}},
		{`too many`, []string{"doctor", "x"}},
		{`too many`, []string{"migrate", "x"}},
	} {
		c.fails(2, test.text, test.args...)
		if r := c.run(test.args...); !strings.Contains(r.stderr, "--help' for usage") {
			t.Errorf("%v: no word of help: %s", test.args, r.stderr)
		}
	}
	c.fails(1, "connection refused", "user", "list")
	c.fails(1, "no such file", "user", "list", "--config", "nope")
	c.fails(1, "unrecognized config adapter", "user", "list", "--config", "Caddyfile", "--adapter", "nope")
	c.fails(1, "no such file", "user", "list", "--envfile", "nope")
	if said := c.said.String(); strings.Contains(said, "hush") || strings.Contains(said, id36) {
		t.Errorf("a secret was printed:\n%s", said)
	}
}

func TestCommandConfig(t *testing.T) {
	secretDSN := "postgres://u:hush@127.0.0.1:1/none"
	for name, test := range map[string]struct{ file, config, text string }{
		"unknown option": {"Caddyfile", "{\n\twa_gateway {\n\t\tnope\n\t}\n}\n", `unrecognized option "nope"`},
		"DSN in error":   {"Caddyfile", "{\n\twa_gateway {\n\t\ttransactional_db sqlite://a " + secretDSN + "\n\t}\n}\n", `REDACTED`},
		"unknown field":  {"caddy.json", `{"apps":{"wa_gateway":{"nope":1}}}`, "nope"},
		"bad naming":     {"caddy.json", `{"apps":{"wa_gateway":{"naming":"camel"}}}`, "naming"},
		"bad DSN":        {"caddy.json", `{"apps":{"wa_gateway":{"transactional_db":{"dsn":"mysql://u:hush@h/n"}}}}`, "must begin with"},
		"no host":        {"caddy.json", `{"apps":{"wa_gateway":{"primary_db":{"user":"u","password":"hush"}}}}`, "host is not"},
		"not JSON":       {"caddy.json", `{`, "not valid JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCLI(t, "")
			c.write(test.file, test.config)
			c.fails(1, test.text, "user", "list", "--config", test.file)
			c.run("doctor", "--config", test.file)
			if strings.Contains(c.said.String(), "hush") {
				t.Errorf("a secret was printed:\n%s", c.said.String())
			}
		})
	}
}

// Without a file there is nothing to list, and none is made: most likely this is
// the wrong folder.
func TestCommandMissingFile(t *testing.T) {
	for name, caddyfile := range map[string]string{
		"data/transactional.db":      "",
		"data/demo/transactional.db": "{\n\twa_gateway {\n\t\tdemo\n\t\twa_server main {env.NOT_SET}\n\t}\n}\n",
	} {
		c := newCLI(t, caddyfile)
		c.fails(1, name+", does not exist", "user", "list")
		c.ok("migrate", "--dry-run")
		c.run("doctor")
		if entries, err := filepath.Glob("*"); err != nil || len(entries) > 1 {
			t.Errorf("files were made: %v (%v)", entries, err)
		}
		c.ok("migrate")
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
		c.ok("user", "list")
	}
}

func TestCommandNotMigrated(t *testing.T) {
	c := cliOn(t, storetest.New(t, storetest.PostgresPrisma))
	c.fails(1, "run caddy wa-gateway migrate", "user", "list")
}

func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		`after 'postgres://u:p@h:5432/db?sslmode=disable' at 1`: `after 'postgres://REDACTED' at 1`,
		`postgresql:///db?host=/tmp&password=p x`:               `postgresql://REDACTED x`,
		`REDISS://:p@h, and`:                                    `REDISS://REDACTED and`,
		`Get "http://u:p@wa:8080/x": refused`:                   `Get "http://REDACTEDwa:8080/x": refused`,
		`Get "http://wa:8080/a@b": refused`:                     `Get "http://wa:8080/a@b": refused`,
		`sqlite://data/x.db`:                                    `sqlite://data/x.db`,
	} {
		if got := redact(text); got != want {
			t.Errorf("redact(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"":                "-",
		"Ünï 日本":          "Ünï 日本",
		"a\nb\tc\x1b[2Jd": "a\uFFFDb\uFFFDc\uFFFD[2Jd",
		"a\u202eb\u2028c": "a\uFFFDb\uFFFDc",
	} {
		if got := printable(text); got != want {
			t.Errorf("printable(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestParseExpiry(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 900_000_000, time.FixedZone("", 7*3600))
	for text, want := range map[string]string{
		"90d":                       "2026-08-01T20:02:01Z",
		"12h":                       "2026-05-04T08:02:01Z",
		"1d12h":                     "2026-05-05T08:02:01Z",
		"2027-01-31":                "2027-01-31T23:59:59Z",
		"2027-01-31T12:00:00Z":      "2027-01-31T12:00:00Z",
		"2027-01-31T12:00:00+07:00": "2027-01-31T05:00:00Z",
	} {
		got, err := parseFutureExpiry(text, now)
		if err != nil || got.Format(time.RFC3339Nano) != want {
			t.Errorf("parseFutureExpiry(%q) = %v, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "90", "d", "-1d", "0s", "2026-05-02", "2027-02-30", "31/01/2027", "200000000000d", "101000d", "tomorrow"} {
		var wrongUse *usageError
		if got, err := parseFutureExpiry(text, now); !errors.As(err, &wrongUse) {
			t.Errorf("parseFutureExpiry(%q) = %v, %v, want a usage error", text, got, err)
		}
	}
}

// asCaddy, in the environment of the test's own program, makes it Caddy.
const asCaddy = "WA_TEST_RUN_AS_CADDY"

func TestCommandHelperProcess(t *testing.T) {
	if os.Getenv(asCaddy) == "" {
		return // it is no test
	}
	os.Args = append([]string{"caddy"}, os.Args[len(os.Args)-len(strings.Fields(os.Getenv(asCaddy))):]...)
	caddycmd.Main()
	os.Exit(0)
}

// caddy runs Caddy itself, with nothing in its environment but what is given.
func (c *cli) caddy(env []string, args ...string) cliResult {
	c.t.Helper()
	program, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.CommandContext(c.t.Context(), program, append([]string{"-test.run=^TestCommandHelperProcess$", "--"}, args...)...)
	cmd.Env = append([]string{"HOME=" + c.t.TempDir(), asCaddy + "=" + strings.Repeat("x ", len(args))}, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		c.t.Fatal(err)
	}
	return cliResult{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// The codes come out of Caddy as they should, and its log does not come between.
func TestCommandOfCaddy(t *testing.T) {
	c := newCLI(t, "{\n\twa_gateway {\n\t\tadmin_token {env.HUSH}\n\t}\n}\n")
	for _, test := range []struct {
		code int
		args string
		// What the outputs are, as patterns.
		stdout, stderr string
	}{
		{1, "wa-gateway user list", `^$`, `^Error: the transactional database, .* does not exist.*\n$`},
		{0, "wa-gateway migrate --json", `^{\n(?s:.*)}\n$`, `^$`},
		{0, "wa-gateway user add one", `^Added user one\.\n$`, `^$`},
		{0, "wa-gateway user list --json", `^\[\n(?s:.*)\]\n$`, `^$`},
		{1, "wa-gateway user add one", `^$`, `^Error: there is a user one already\n$`},
		{2, "wa-gateway user add", ``, ``},
		{2, "wa-gateway user nope", `^$`, `^Error: there is no command "nope"\nRun 'caddy wa-gateway user --help' for usage\.\n$`},
		{0, "wa-gateway doctor --json", `^{\n(?s:.*)}\n$`, `^$`},
		{0, "__complete wa-gateway user disable o", `^one\n:4\n$`, ``},
		{0, "help wa-gateway", `Operates the WA gateway`, `^$`},
	} {
		if test.args == "wa-gateway user add" {
			test.args += " a b"
		}
		r := c.caddy([]string{"HUSH=0123456789abcdef0"}, strings.Fields(test.args)...)
		if r.code != test.code || !regexp.MustCompile(test.stdout).MatchString(r.stdout) || !regexp.MustCompile(test.stderr).MatchString(r.stderr) {
			t.Errorf("%s: %s", test.args, fmt.Sprintf("%d\n%s\n%s", r.code, r.stdout, r.stderr))
		}
		if strings.Contains(r.stdout+r.stderr, "0123456789abcdef0") {
			t.Errorf("%s: a secret was printed", test.args)
		}
	}
}
