package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The tokens of the bench's own configuration; nothing of it outlives the bench.
const (
	adminToken    = "bench-admin"
	waServerToken = "bench-wa-server"
	eventsToken   = "bench-events"
)

// caddyfile is the repository's own, reduced to what a call passes, and the bare
// proxy beside it. Neither site logs accesses.
const caddyfile = `{
	admin {ADMIN}
	persist_config off
	default_bind 127.0.0.1
	grace_period 5s
	log {
		level WARN
	}
	wa_gateway {
		transactional_db "{DSN}"
		primary_db "{DSN}"
		rate_limit 1000000 60s
		wa_server main http://{WA} {
			token ` + waServerToken + `
		}
		admin_token ` + adminToken + `
		events_token ` + eventsToken + `
	}
}

http://{BARE} {
	reverse_proxy {WA}
}

http://{GATEWAY} {
	wa_events
	wa_gateway
	@sandbox vars {http.wa_gateway.upstream} sandbox
	wa_sandbox @sandbox
	reverse_proxy {
		dynamic wa_server
		transport wa_server
	}
}
`

// caddyServer is the Caddy that is measured.
type caddyServer struct {
	bare, gateway, admin string // addresses

	process *exec.Cmd
	log     string
	ended   chan struct{}
	exit    error // once ended is closed
}

// startCaddy starts Caddy in a folder of its own and waits until the gateway
// serves. A port that was taken meanwhile is worth another try.
func startCaddy(ctx context.Context, binary, dir, dsn, wa string) (*caddyServer, error) {
	var failure error
	for range 3 {
		c := &caddyServer{log: filepath.Join(dir, "caddy.log"), ended: make(chan struct{})}
		if failure = c.start(ctx, binary, dir, dsn, wa); failure == nil {
			if failure = c.ready(ctx); failure == nil {
				return c, nil
			}
			_ = c.stop()
		}
		text := c.logTail()
		failure = fmt.Errorf("starting Caddy: %w\n%s", failure, text)
		if !strings.Contains(text, "address already in use") {
			break
		}
	}
	return nil, failure
}

func (c *caddyServer) start(ctx context.Context, binary, dir, dsn, wa string) error {
	if err := freeAddrs(ctx, &c.bare, &c.gateway, &c.admin); err != nil {
		return err
	}
	text := strings.NewReplacer("{ADMIN}", c.admin, "{DSN}", dsn, "{WA}", wa, "{BARE}", c.bare, "{GATEWAY}", c.gateway).Replace(caddyfile)
	config := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	log, err := os.Create(c.log)
	if err != nil {
		return err
	}
	defer log.Close()
	// Not bound to ctx: it ends by stop, in order, whatever ends the bench.
	c.process = exec.CommandContext(context.WithoutCancel(ctx), binary, "run", "--config", config, "--adapter", "caddyfile") //nolint:gosec // the binary to measure
	c.process.Dir = dir
	c.process.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
	c.process.Stdout, c.process.Stderr = log, log
	if err := c.process.Start(); err != nil {
		return err
	}
	go func() {
		c.exit = c.process.Wait()
		close(c.ended)
	}()
	return nil
}

// freeAddrs finds addresses at which nobody listens.
func freeAddrs(ctx context.Context, addrs ...*string) error {
	var config net.ListenConfig
	for _, addr := range addrs {
		listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer listener.Close() // held until all are found, so that they differ
		*addr = listener.Addr().String()
	}
	return nil
}

func (c *caddyServer) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for {
		_, err := get(ctx, "http://"+c.gateway+"/events/admin/stats", adminToken)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-c.ended:
			return fmt.Errorf("it ended: %w", c.exit)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// logTail is the end of what Caddy has logged.
func (c *caddyServer) logTail() string {
	text, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(len(text)-4000, 0):])
}

func (c *caddyServer) stop() error {
	_ = c.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.ended:
		return c.exit
	case <-time.After(20 * time.Second):
		_ = c.process.Process.Kill()
		<-c.ended
		return errors.New("caddy did not stop by itself")
	}
}
