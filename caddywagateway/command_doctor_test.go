package caddywagateway

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/genfity/wa-gateway/store/storetest"
)

// diagnosis is what `doctor --json` prints.
type diagnosis struct {
	Status string    `json:"status"`
	Checks []finding `json:"checks"`
}

// doctor runs it, and checks that the exit code and the table tell the same.
func (c *cli) doctor(args ...string) diagnosis {
	c.t.Helper()
	var d diagnosis
	r := c.run(append([]string{"doctor", "--json"}, args...)...)
	readDocument(c.t, r.stdout, &d)
	if (r.code == 1) != (d.Status == checkFail) || r.code > 1 || r.stderr != "" {
		c.t.Errorf("status %s, exit code %d, %q", d.Status, r.code, r.stderr)
	}
	return d
}

// want checks that there is a finding that matches.
func (d diagnosis) want(t *testing.T, status, check, pattern string) {
	t.Helper()
	for _, f := range d.Checks {
		if f.Status == status && f.Check == check && regexp.MustCompile(pattern).MatchString(f.Message) {
			if status == checkFail && f.Mend == "" {
				t.Errorf("no word of how to mend: %+v", f)
			}
			return
		}
	}
	t.Errorf("nothing is %s, %s, %q in %+v", status, check, pattern, d.Checks)
}

func (d diagnosis) wantNo(t *testing.T, status, check string) {
	t.Helper()
	for _, f := range d.Checks {
		if f.Status == status && f.Check == check {
			t.Errorf("there is %+v", f)
		}
	}
}

const healthyCaddyfile = `{
	wa_gateway {
		transactional_db {env.WA_TEST_COMMAND_DSN}
		primary_db sqlite://data/primary.db
		limiter redis {env.WA_TEST_REDIS_URL}
		wa_server main {env.WA_TEST_COMMAND_SERVER} {
			token {env.WA_TEST_COMMAND_TOKEN}
		}
		admin_token {env.WA_TEST_COMMAND_ADMIN}
		events_token {env.WA_TEST_COMMAND_EVENTS}
	}
}

http://:0 {
	bind 127.0.0.1
	log {
		output file access.log
	}
	wa_events
	wa_gateway
	reverse_proxy {
		dynamic wa_server
		transport wa_server
	}
}
`

// healthy is a folder in which doctor finds nothing to mend.
func healthy(t *testing.T, d *storetest.Database) *cli {
	t.Helper()
	if os.Getenv("WA_TEST_REDIS_URL") == "" {
		t.Fatal("WA_TEST_REDIS_URL is not set: run make test, which starts a Redis server for the tests")
	}
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	t.Setenv(dsnVariable, d.DSN)
	t.Setenv("WA_TEST_COMMAND_SERVER", server.URL)
	t.Setenv("WA_TEST_COMMAND_TOKEN", "hush-server-0123456789")
	t.Setenv("WA_TEST_COMMAND_ADMIN", "hush-admin-0123456789")
	t.Setenv("WA_TEST_COMMAND_EVENTS", "hush-events-0123456789")
	c := newCLI(t, healthyCaddyfile)
	c.ok("migrate")
	t.Cleanup(func() {
		for _, secret := range []string{"hush", d.DSN, os.Getenv("WA_TEST_REDIS_URL")} {
			if strings.Contains(c.said.String(), secret) {
				t.Errorf("a secret was printed:\n%s", c.said.String())
			}
		}
	})
	return c
}

func TestCommandDoctor(t *testing.T) {
	onEach(t, func(t *testing.T, d *storetest.Database) {
		c := healthy(t, d)
		got := c.doctor()
		if want := map[bool]string{true: checkOK, false: checkWarn}[d.Complete()]; got.Status != want {
			t.Errorf("the status is %s, not %s: %+v", got.Status, want, got.Checks)
		}
		for check, pattern := range map[string]string{
			"config":                  `^Caddyfile adapts and validates$`,
			"admin_token":             `^set$`,
			"events_token":            `^set$`,
			"transactional_db":        ` answers$`,
			"transactional_db tables": `^up to date, naming (snake|prisma)$`,
			"primary_db":              `^sqlite answers$`,
			"primary_db tables":       `^up to date$`,
			"files":                   `^the folder data can be written`,
			"limiter":                 `^redis answers`,
			"wa_server main":          `^answers$`,
			"wa_server main clock":    `^agrees with ours$`,
			"trust":                   `^nobody can pass`,
		} {
			got.want(t, checkOK, check, pattern)
		}
		if d.Postgres() {
			got.want(t, checkOK, "transactional_db clock", `^agrees with ours$`)
		}
		if !d.Complete() {
			got.want(t, checkWarn, "transactional_db tables", `^missing columns, done without: .*User\.isActive`)
		}
		table := c.run("doctor")
		contains(t, table.stdout, `^OK +config +Caddyfile adapts and validates$`, `^OK +transactional_db +\w+ answers \(\d+\.\d ms\)$`)
		if lines := strings.Count(table.stdout, "\n"); lines != len(got.Checks) {
			t.Errorf("%d lines for %d checks", lines, len(got.Checks))
		}
		if _, err := os.Stat("access.log"); err == nil {
			t.Error("the site's log file was made")
		}
	})
}

func TestCommandDoctorSchema(t *testing.T) {
	const tables = "transactional_db tables"
	t.Run("empty", func(t *testing.T) {
		c := cliOn(t, storetest.New(t, storetest.PostgresSnake))
		c.doctor().want(t, checkWarn, tables, `empty: 6 tables`)
	})
	t.Run("not migrated", func(t *testing.T) {
		d := storetest.New(t, storetest.PostgresPrisma)
		c := cliOn(t, d)
		c.doctor().want(t, checkWarn, tables, `^pending migrations .*: 1 \w+, 2 `)
		c.write("Caddyfile", strings.Replace(cliCaddyfile, "primary_db", "migrate off\n\t\tprimary_db", 1))
		c.doctor().want(t, checkFail, tables, `^pending migrations`)
		c.doctor().want(t, checkWarn, "primary_db", `does not exist yet`)
		if d.Count(t, "pg_catalog.pg_namespace", "nspname = 'wa_gateway'") != 0 {
			t.Error("it wrote something")
		}
		// Whatever is pending, a table without which nothing works goes first.
		d.Exec(t, `DROP TABLE {services_whatsapp_customers}`)
		got := c.doctor()
		got.want(t, checkFail, tables, `lacks table ServicesWhatsappCustomers`)
	})
	t.Run("missing", func(t *testing.T) {
		d := storetest.New(t, storetest.PostgresPrisma)
		c := healthy(t, d)
		d.Exec(t, `DROP TABLE {user_sessions}`)
		d.Exec(t, `ALTER TABLE {users} DROP COLUMN {users.api_key}`)
		d.Exec(t, `ALTER TABLE {users} ADD COLUMN "mine" text NOT NULL`)
		got := c.doctor()
		got.want(t, checkWarn, tables, `^missing tables, done without: UserSession$`)
		got.want(t, checkWarn, tables, `^missing columns, done without: User\.apiKey$`)
		got.want(t, checkWarn, tables, `^cannot insert into .*mine`)
		got.wantNo(t, checkFail, tables)
		d.Exec(t, `ALTER TABLE {users} DROP COLUMN {users.id} CASCADE`)
		c.doctor().want(t, checkFail, tables, `lacks column User\.id`)
	})
	t.Run("packages", func(t *testing.T) {
		c := healthy(t, storetest.New(t, storetest.SQLite))
		c.ok("package", "add", "Basic", "--max-session", "1")
		c.write("Caddyfile", strings.Replace(healthyCaddyfile, "admin_token", "package Basic 10\n\t\tpackage Gold 20\n\t\tadmin_token", 1))
		c.doctor().want(t, checkWarn, "packages", `package Gold, which does not exist`)
	})
}

func TestCommandDoctorAway(t *testing.T) {
	c := healthy(t, storetest.New(t, storetest.SQLite))
	t.Setenv(dsnVariable, "postgres://u:hush@127.0.0.1:1/none?sslmode=disable")
	t.Setenv("WA_TEST_REDIS_URL", "redis://u:hush@127.0.0.1:1/0")
	t.Setenv("WA_TEST_COMMAND_SERVER", "http://127.0.0.1:1")
	got := c.doctor()
	got.want(t, checkFail, "transactional_db", `^postgres does not answer: .*refused`)
	got.want(t, checkFail, "limiter", `^redis does not answer: .*refused`)
	got.want(t, checkFail, "wa_server main", `^it does not answer: .*refused`)
	got.want(t, checkOK, "primary_db", `answers`)
	contains(t, c.run("doctor").stdout, `^FAIL +limiter +redis does not answer: .*\. To mend: see that it runs`)
}

func TestCommandDoctorConfig(t *testing.T) {
	c := healthy(t, storetest.New(t, storetest.SQLite))
	for name, test := range map[string]struct{ change, to, status, check, message string }{
		"syntax":        {"wa_events", "wa_events nope", checkFail, "config", "Caddyfile:19"},
		"setting":       {"admin_token", "naming camel\n\t\tadmin_token", checkFail, "config", `naming "camel"`},
		"no such name":  {"wa_events", "wa_events {\n\t\twa_server nope\n\t}", checkFail, "config", "no wa_server nope"},
		"server URL":    {"{env.WA_TEST_COMMAND_SERVER}", "ftp://wa", checkFail, "config", "http://"},
		"no URL":        {"{env.WA_TEST_COMMAND_SERVER}", "{env.NOT_SET}", checkWarn, "wa_server main", "sandbox"},
		"elsewhere":     {" {env.WA_TEST_COMMAND_SERVER}", "", checkOK, "wa_server main", "not asked"},
		"no token":      {"token {env.WA_TEST_COMMAND_TOKEN}", "", checkWarn, "wa_server main", "no admin token"},
		"no admin":      {"admin_token {env.WA_TEST_COMMAND_ADMIN}", "", checkWarn, "admin_token", "not set"},
		"no events":     {"events_token {env.WA_TEST_COMMAND_EVENTS}", "", checkWarn, "events_token", "from a trusted address"},
		"one token":     {"_ADMIN", "_EVENTS", checkWarn, "events_token", "the same"},
		"memory":        {"limiter redis {env.WA_TEST_REDIS_URL}", "", checkOK, "limiter", "counts in memory, .*more than one need redis"},
		"memory named":  {"limiter redis {env.WA_TEST_REDIS_URL}", "limiter memory", checkOK, "limiter", "counts in memory"},
		"no Redis":      {"{env.WA_TEST_REDIS_URL}", "{env.NOT_SET}", checkOK, "limiter", "REDIS_URL is empty"},
		"bad Redis URL": {"{env.WA_TEST_REDIS_URL}", "nope://hush", checkFail, "limiter", ""},
		"no gateway":    {"\twa_gateway\n", "", checkWarn, "handlers", "uses wa_gateway"},
		"no wa_events":  {"\twa_events\n", "", checkWarn, "handlers", "uses wa_events"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(healthyCaddyfile, test.change) {
				t.Fatalf("no %q to change", test.change)
			}
			c.t = t
			c.write("Caddyfile", strings.Replace(healthyCaddyfile, test.change, test.to, 1))
			c.doctor().want(t, test.status, test.check, test.message)
		})
	}
	c.t = t
	c.write("Caddyfile", "{\n\twa_gateway {\n\t\tdemo\n\t}\n}\n:0 {\n\twa_gateway\n}\n")
	c.doctor().wantNo(t, checkWarn, "demo") // its WA server has an address somewhere
	c.write("Caddyfile", "{\n\twa_gateway {\n\t\tdemo\n\t\twa_server main {env.NOT_SET}\n\t\tadmin_token short\n\t}\n}\n:0 {\n\twa_events {\n\t\ttrusted_clients none\n\t}\n}\n")
	got := c.doctor()
	got.want(t, checkWarn, "demo", "runs on demo data")
	got.want(t, checkWarn, "admin_token", "shorter than 16")
	got.want(t, checkWarn, "events_token", "nobody can post events")
	if err := os.Remove("Caddyfile"); err != nil {
		t.Fatal(err)
	}
	c.doctor().want(t, checkWarn, "config", "there is no configuration")
}

func TestCommandDoctorFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("Windows has no permissions to look at")
		return
	}
	folder := t.TempDir()
	// Test folders' parents keep others out, and then nothing can be read by them.
	for dir := folder; dir != filepath.Dir(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Log(err) // not ours, so open already
		}
	}
	c := healthy(t, storetest.New(t, storetest.SQLite))
	path := filepath.Join(folder, "data.db")
	t.Setenv(dsnVariable, "sqlite://"+path)
	c.ok("migrate")
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	env := filepath.Join(folder, "env")
	c.write(env, "WA_TEST_COMMAND_UNUSED=a#b\n")
	t.Setenv("WA_TEST_COMMAND_UNUSED", "")
	if err := os.Chmod(env, 0o644); err != nil {
		t.Fatal(err)
	}
	got := c.doctor("--envfile", env)
	got.want(t, checkWarn, "files", regexp.QuoteMeta(path)+" can be read by every user")
	got.want(t, checkWarn, "files", regexp.QuoteMeta(env)+" can be read by every user")
	got.want(t, checkWarn, "environment", `ends values at a #.*: WA_TEST_COMMAND_UNUSED \(line 1\)$`)

	for _, name := range []string{path, env} {
		if err := os.Chmod(name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.doctor("--envfile", env).wantNo(t, checkWarn, "files")
	c.write(".env", "")
	c.doctor().want(t, checkWarn, "environment", `^\.env was not read$`)

	t.Setenv(dsnVariable, "sqlite:///proc/nowhere/data.db")
	got = c.doctor()
	got.want(t, checkFail, "files", `the folder /proc cannot be written`)
}

func TestSkew(t *testing.T) {
	before := time.Date(2026, 1, 1, 0, 0, 10, 200_000_000, time.UTC)
	after := before.Add(300 * time.Millisecond)
	for _, test := range []struct {
		theirs     time.Duration // since before
		resolution time.Duration
		want       time.Duration
	}{
		{0, time.Microsecond, 0},
		{300 * time.Millisecond, time.Microsecond, 0},
		{-200 * time.Millisecond, time.Second, 0}, // the second that was running
		{-1200 * time.Millisecond, time.Second, -200 * time.Millisecond},
		{800 * time.Millisecond, time.Second, 500 * time.Millisecond},
		{-5 * time.Second, time.Microsecond, -5*time.Second + time.Microsecond},
		{time.Hour, time.Second, time.Hour - 300*time.Millisecond},
	} {
		if got := skewOf(before.Add(test.theirs), test.resolution, before, after); got != test.want {
			t.Errorf("%v: %v, want %v", test.theirs, got, test.want)
		}
	}
	for _, test := range []struct {
		ahead   time.Duration
		status  string
		message string
	}{
		{50 * time.Millisecond, checkOK, "agrees with ours"},
		{time.Second, checkOK, "1s ahead of ours"},
		{3 * time.Second, checkWarn, "3s ahead of ours"},
		{-3 * time.Second, checkWarn, "3s behind ours"},
		{61 * time.Second, checkFail, "1m1s ahead of ours"},
		{-time.Hour, checkFail, "1h0m0s behind ours"},
	} {
		d := &doctor{}
		d.checkClock("clock", before.Add(test.ahead), 0, before, before)
		diagnosis{Checks: d.findings}.want(t, test.status, "clock", "^"+test.message+"$")
	}
}

// Our own clock is wrong, and everybody else's agree.
func TestCommandDoctorClock(t *testing.T) {
	c := healthy(t, storetest.New(t, storetest.PostgresSnake))
	c.now = func() time.Time { return time.Now().Add(-90 * time.Second) }
	got := c.doctor()
	got.want(t, checkFail, "transactional_db clock", `^1m\S+s ahead of ours$`)
	got.want(t, checkFail, "wa_server main clock", `^1m\S+s ahead of ours$`)
}

func TestIsPublic(t *testing.T) {
	for address, want := range map[string]bool{
		"8.8.8.8:80": true, "[2001:4860::1]:80": true, "10.0.0.1:80": false, "127.0.0.1:80": false,
		"[::ffff:192.168.0.1]:80": false, "[fd00::1]:80": false, "[fe80::1%eth0]:80": false, "": false,
	} {
		if got := isPublic(address); got != want {
			t.Errorf("isPublic(%q) = %v", address, got)
		}
	}
}

// doctorOf is a doctor before it looks.
func doctorOf(t *testing.T, c *cli, root string) *doctor {
	t.Helper()
	o := newOperator(&cobra.Command{})
	config, err := o.read()
	if err != nil {
		t.Fatal(err)
	}
	c.t = t
	return &doctor{operator: o, config: config, root: root}
}
