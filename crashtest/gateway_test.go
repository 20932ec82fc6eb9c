package crashtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/internal/child"
)

const (
	adminToken = "crash-admin"
	waToken    = "crash-wa-server"
)

// The cache is so short that an outage of a second is one for all callers.
const caddyfile = `{
	admin off
	persist_config off
	default_bind 127.0.0.1
	grace_period 3s
	log {
		level WARN
	}
	wa_gateway {
		transactional_db "{DSN}"
		primary_db "{PRIMARY}"
		rate_limit 1000000 60s
		journal "{JOURNAL}" {
			max_size {SIZE}
		}
		cache {
			ttl 1s
			grace 10m
		}
		wa_server main {WA} {
			token ` + waToken + `
		}
		admin_token ` + adminToken + `
	}
}
http://:{PORT} {
	wa_events
	wa_gateway
	reverse_proxy {
		dynamic wa_server
		transport wa_server
	}
}
`

// settings are what gateways of the tests differ in.
type settings struct {
	dsn, primary string
	wa           string // URL
	journal      string // folder
	size         string // of the journal; default 1GiB
	shell        string // runs before the gateway, in its process
}

// gateway is the real program. It may be killed and started again, with the same
// address and journal.
type gateway struct {
	t        testing.TB
	dir      string
	settings settings
	port     atomic.Int64
	process  *child.Process
}

// newGateway prepares a gateway; start starts it.
func newGateway(t testing.TB, s settings) *gateway {
	t.Helper()
	g := &gateway{t: t, dir: t.TempDir(), settings: s}
	if g.settings.journal == "" {
		g.settings.journal = filepath.Join(g.dir, "journal")
	}
	if g.settings.size == "" {
		g.settings.size = "1GiB"
	}
	g.choosePort()
	t.Cleanup(func() {
		g.kill()
		if t.Failed() {
			t.Logf("the end of the gateway's log:\n%s", g.log())
			if keep := os.Getenv("WA_CRASH_LOGS"); keep != "" {
				if text, err := os.ReadFile(filepath.Join(g.dir, "log")); err == nil {
					_ = os.WriteFile(filepath.Join(keep, strings.ReplaceAll(t.Name(), "/", "-")+".log"), text, 0o600)
				}
			}
		}
	})
	return g
}

// choosePort takes one below the range that the system gives to outgoing
// connections, so that those do not take it while the gateway is down.
func (g *gateway) choosePort() {
	for range 100 {
		port := 15000 + rand.IntN(17000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			l.Close()
			g.port.Store(int64(port))
			return
		}
	}
	g.t.Fatal("found no free port")
}

func (g *gateway) addr() string { return fmt.Sprintf("127.0.0.1:%d", g.port.Load()) }

func (g *gateway) config() string { return filepath.Join(g.dir, "Caddyfile") }

func (g *gateway) writeConfig() {
	s := g.settings
	text := strings.NewReplacer("{DSN}", s.dsn, "{PRIMARY}", s.primary, "{JOURNAL}", s.journal, "{SIZE}", s.size,
		"{WA}", s.wa, "{PORT}", fmt.Sprint(g.port.Load())).Replace(caddyfile)
	if err := os.WriteFile(g.config(), []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gateway) env() []string {
	return append(os.Environ(), "HOME="+g.dir, "XDG_CONFIG_HOME="+g.dir, "XDG_DATA_HOME="+g.dir)
}

// launch starts the program and returns at once.
func (g *gateway) launch() {
	g.t.Helper()
	g.writeConfig()
	log, err := os.OpenFile(filepath.Join(g.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		g.t.Fatal(err)
	}
	defer log.Close()
	args := []string{binary(g.t), "run", "--config", g.config(), "--adapter", "caddyfile"}
	if g.settings.shell != "" {
		args = append([]string{"sh", "-c", g.settings.shell + `; exec "$@"`, "sh"}, args...)
	}
	cmd := exec.CommandContext(context.Background(), args[0], args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = g.dir, g.env(), log, log
	if g.process, err = child.Start(cmd); err != nil {
		g.t.Fatal(err)
	}
}

// start starts the program and returns when it listens.
func (g *gateway) start() {
	g.t.Helper()
	for range 5 {
		g.launch()
		if err := g.listening(); err == nil {
			return
		}
		taken := strings.Contains(g.log(), "address already in use")
		g.kill()
		if !taken {
			break
		}
		g.choosePort()
	}
	g.t.Fatalf("the gateway did not start:\n%s", g.log())
}

func (g *gateway) listening() error {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		conn, err := net.Dial("tcp", g.addr())
		if err == nil {
			return conn.Close()
		}
		if g.process.Ended() || time.Now().After(deadline) {
			return err
		}
	}
}

// kill is kill -9; it returns when the process is gone.
func (g *gateway) kill() {
	if g.process != nil {
		g.process.Kill()
	}
}

// stop ends the gateway in order (SIGTERM): it has to be done soon, and to say that
// all is well.
func (g *gateway) stop() {
	g.t.Helper()
	if err := g.process.Signal(syscall.SIGTERM); err != nil {
		g.t.Errorf("the gateway is gone: %v\n%s", err, g.log())
		return
	}
	select {
	case <-g.process.Done():
		if err := g.process.Err(); err != nil {
			g.t.Errorf("the gateway ended with %v:\n%s", err, g.log())
		}
	case <-time.After(30 * time.Second):
		g.t.Errorf("the gateway did not stop:\n%s", g.log())
		g.kill()
	}
}

// lives fails when the gateway has ended by itself.
func (g *gateway) lives() {
	g.t.Helper()
	if g.process.Ended() {
		g.t.Fatalf("the gateway has ended (%v):\n%s", g.process.Err(), g.log())
	}
}

// log is the end of what the gateway has logged.
func (g *gateway) log() string {
	text, err := os.ReadFile(filepath.Join(g.dir, "log"))
	if err != nil {
		return err.Error()
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, "request refused") { // of which there are many, on purpose
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-30):], "")
}
