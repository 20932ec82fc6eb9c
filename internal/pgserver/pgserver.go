// Package pgserver runs a PostgreSQL server of a test's own, which the test may
// kill and start again. It writes to disk as in production (fsync), so that what
// it says about crashes holds.
package pgserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/genfity/wa-gateway/internal/child"
)

// Server is a PostgreSQL server on 127.0.0.1 with an empty database postgres. Its
// address and its data stay the same over all its lives.
type Server struct {
	programs *programs
	dir      string
	password string
	port     int

	mu      sync.Mutex
	process *child.Process
}

const settings = `
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
shared_buffers = 32MB
fsync = on
synchronous_commit = on
restart_after_crash = on
# The time zone is none of ours, so that code which forgets about it is caught.
timezone = 'Asia/Jakarta'
log_timezone = 'Asia/Jakarta'
`

// patience bounds how long a server may take to start, recovery included.
const patience = time.Minute

// New makes a server and starts it. Close removes it.
func New(ctx context.Context) (*Server, error) {
	p, err := findPrograms()
	if err != nil {
		return nil, err
	}
	s := &Server{programs: p, password: rand.Text()}
	if err := s.init(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	for range 20 {
		n, err := rand.Int(rand.Reader, big.NewInt(17000))
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		// Below the range that the system gives to outgoing connections, so that
		// those do not take it while the server is down.
		s.port = 15000 + int(n.Int64())
		if err = s.Start(ctx); err == nil {
			return s, nil
		}
		if !strings.Contains(s.log(), "could not bind") {
			return nil, errors.Join(err, s.Close())
		}
	}
	return nil, errors.Join(errors.New("no free port found for PostgreSQL"), s.Close())
}

// init makes the cluster, in a folder that the server's user can reach.
func (s *Server) init(ctx context.Context) error {
	var last error
	for _, parent := range []string{os.TempDir(), "/tmp"} {
		dir, err := os.MkdirTemp(parent, "wa-pgserver-")
		if err != nil {
			last = err
			continue
		}
		s.dir = dir
		if last = s.initIn(ctx); last == nil {
			return nil
		}
		_ = os.RemoveAll(dir)
		s.dir = ""
	}
	return last
}

func (s *Server) initIn(ctx context.Context) error {
	own, password := filepath.Join(s.dir, "own"), filepath.Join(s.dir, "own", "password")
	err := os.Chmod(s.dir, 0o711) //nolint:gosec // the server's user has to get through
	if err == nil {
		err = os.Mkdir(own, 0o700)
	}
	if err == nil {
		err = os.WriteFile(password, []byte(s.password), 0o600)
	}
	if err == nil && s.programs.foreign {
		err = errors.Join(
			os.Chown(own, int(s.programs.uid), int(s.programs.gid)),
			os.Chown(password, int(s.programs.uid), int(s.programs.gid)))
	}
	if err != nil {
		return err
	}
	cmd := s.command(ctx, "initdb", "-D", s.data(), "-U", "postgres", "-A", "scram-sha-256",
		"--pwfile="+password, "-E", "UTF8", "--locale=C", "--no-sync")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	config, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = config.WriteString(settings)
	return errors.Join(err, config.Close())
}

func (s *Server) data() string    { return filepath.Join(s.dir, "own", "data") }
func (s *Server) logPath() string { return filepath.Join(s.dir, "log") }

func (s *Server) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.programs.dir, name), args...) //nolint:gosec // the program that was found
	cmd.Dir = "/"
	if s.programs.foreign {
		child.As(cmd, s.programs.uid, s.programs.gid)
	}
	return cmd
}

// Addr is the server's host and port.
func (s *Server) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// URL is a superuser's DSN of a database; addr is the server's or that of
// something before it.
func (s *Server) URL(addr, database string) string {
	return (&url.URL{
		Scheme: "postgres", User: url.UserPassword("postgres", s.password), Host: addr,
		Path: "/" + database, RawQuery: "sslmode=disable",
	}).String()
}

// Start starts the server, if it does not run, and waits until it can be used.
func (s *Server) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var err error
	// It may end once more: what the last life left is gone after a moment, and one
	// that was hit while it recovered may find that out only now.
	for range 20 {
		if err := s.Launch(ctx); err != nil {
			return err
		}
		if err = s.Ready(ctx); err == nil {
			return nil
		}
		if strings.Contains(s.log(), "could not bind") || !pause(ctx) {
			break
		}
	}
	return fmt.Errorf("starting PostgreSQL: %w\n%s", err, s.log())
}

// Launch starts the server, if it does not run, and returns at once.
func (s *Server) Launch(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil && !s.process.Ended() {
		return nil // a killed one has ended
	}
	log, err := os.Create(s.logPath())
	if err != nil {
		return err
	}
	defer log.Close()
	// It ends by Kill, Stop and Close alone.
	cmd := s.command(context.WithoutCancel(ctx), "postgres", "-D", s.data(), "-p", fmt.Sprint(s.port))
	cmd.Stdout, cmd.Stderr = log, log
	s.process, err = child.Start(cmd)
	return err
}

// Ready waits until the server can be used, and fails when it has ended.
func (s *Server) Ready(ctx context.Context) error {
	for {
		conn, err := pgx.Connect(ctx, s.URL(s.Addr(), "postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		if p := s.running(); p == nil || p.Ended() {
			return errors.New("it has ended")
		}
		if !pause(ctx) {
			return errors.Join(ctx.Err(), err)
		}
	}
}

func (s *Server) running() *child.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process
}

// pause is false when ctx has ended.
func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(20 * time.Millisecond):
		return true
	}
}

// Log is what the server has logged in its present life.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.logPath())
	if err != nil {
		return ""
	}
	return string(text)
}

// log is the end of Log.
func (s *Server) log() string {
	text := s.Log()
	return text[max(0, len(text)-4000):]
}
