package caddywagateway

import (
	"os"
	"strings"
	"testing"
)

// The command must read environment files as the gateway is started with them.
func TestEnvFileAsCaddyReadsIt(t *testing.T) {
	if os.Getenv(asCaddy) != "" {
		return
	}
	for name, text := range map[string]string{
		"plain":               "WA_A=1\nWA_B=two words\n",
		"spaces around":       "  WA_A=1  \n\t\nWA_B=2\t",
		"comments":            "# no\nWA_A=1 # yes\nWA_B=2#3\nWA_C=#4\n",
		"quotes":              "WA_A=\"1 2\"\nWA_B='3 4'\nWA_C=\"5'\nWA_D=x\"\n",
		"escapes":             "WA_A=\"a\\\"b\"\nWA_B='a\\nb'\nWA_C=$WA_A\\x\n",
		"several lines":       "WA_A=\"one\ntwo\\\"\nthree\"\nWA_B=4\n",
		"a # in quotes":       "WA_A=\"a#b\"\nWA_B=2\n",
		"a comment after one": "WA_A=\"a\" # b\nWA_B=2\nWA_C=\"3\"\nWA_D=4\n",
		"export":              "export WA_A=1\nexport  WA_B=2\n",
		"twice":               "WA_A=1\nWA_A=2\n",
		"empty":               "WA_A=\nWA_B=\"\"\nWA_C='\n",
		"equal signs":         "WA_A=postgres://u:p%23@h/n?a=b&c=d\n=1",
		"no equal sign":       "WA_A=1\nWA_B\n",
		"a space":             "WA_A =1\n",
		"another":             "WA_A= 1\n",
		"Windows":             "WA_A=1\r\nWA_B=\"2\"\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := newCLI(t, "")
			c.write("env", text)
			r := c.caddy([]string{"WA_SET=already"}, "environ", "--envfile", "env")
			entries, err := readEnv(strings.NewReader(text))
			if (err != nil) != (r.code != 0) {
				t.Fatalf("read with error %v, but Caddy: %s", err, r.stderr)
			}
			if err != nil {
				return
			}
			values := make(map[string]string)
			for _, e := range entries {
				values[e.name] = e.value
			}
			for name, value := range values {
				if !strings.Contains(r.stdout, "\n"+name+"="+value+"\n") {
					t.Errorf("%s is %q, but Caddy's:\n%s", name, value, r.stdout)
				}
			}
			// Nothing else is set: HOME, WA_SET and asCaddy are the test's.
			lines := 3
			for _, value := range values {
				lines += 1 + strings.Count(value, "\n")
			}
			_, environment, _ := strings.Cut(r.stdout, "\n\n")
			if got := strings.Count(environment, "\n"); got != lines {
				t.Errorf("Caddy sets %d lines, not %d:\n%s", got, lines, environment)
			}
		})
	}
}

func TestCommandEnvFile(t *testing.T) {
	const own = "WA_TEST_ENVFILE_DSN"
	caddyfile := "{\n\twa_gateway {\n\t\ttransactional_db {env." + own + "}\n\t\tnaming {$WA_TEST_ENVFILE_NAMING}\n\t}\n}\n"
	unset := func(t *testing.T) {
		for _, name := range []string{own, "WA_TEST_ENVFILE_NAMING"} {
			t.Setenv(name, "") // so that it is as it was after the test
			os.Unsetenv(name)
		}
	}
	c := newCLI(t, caddyfile)
	c.write(".env", own+"=sqlite://from-file.db\nWA_TEST_ENVFILE_NAMING=prisma\n")

	unset(t)
	r := c.run("user", "list")
	if r.code != 1 || !strings.Contains(r.stderr, "Note: .env was not read") || !strings.Contains(r.stderr, "data/transactional.db") {
		t.Errorf("without --envfile: %+v", r)
	}
	var done migrateDocument
	c.document(&done, "migrate", "--envfile", ".env")
	if _, err := os.Stat("from-file.db"); err != nil || done.Databases[0].Naming != "prisma" {
		t.Errorf("with --envfile: %+v, %v", done, err)
	}

	// What is set already stays, empty values included.
	unset(t)
	t.Setenv(own, "sqlite://from-environment.db")
	t.Setenv("WA_TEST_ENVFILE_NAMING", "")
	c.document(&done, "migrate", "--envfile", ".env")
	if _, err := os.Stat("from-environment.db"); err != nil || done.Databases[0].Naming != "snake" {
		t.Errorf("with the environment: %+v, %v", done, err)
	}

	unset(t)
	c.write("bad", "SECRET hush\n")
	c.fails(1, "bad: line 1 is not NAME=value", "user", "list", "--envfile", "bad")
	if strings.Contains(c.said.String(), "hush") {
		t.Errorf("a value was printed: %s", c.said.String())
	}
}

func TestEnvFileCuts(t *testing.T) {
	entries, err := readEnv(strings.NewReader("A=a#b\nB=a # b\nC=\"a#b\"\nD=plain\nE=#x\n"))
	if err != nil {
		t.Fatal(err)
	}
	cut := ""
	for _, e := range entries {
		if e.cut {
			cut += e.name
		}
	}
	if cut != "ACE" {
		t.Errorf("cut are %s", cut)
	}
}
