package pgserver

import (
	"os"
	"slices"
	"time"
)

// orderly bounds how long a server may take to stop.
const orderly = 3 * time.Second

// Kill ends the server and all its processes at once, as a crash of the machine
// would, and returns when they are gone.
func (s *Server) Kill() {
	p := s.running()
	if p == nil {
		return
	}
	family := children(p.Pid())
	p.Kill()
	for _, pid := range family {
		if child, err := os.FindProcess(pid); err == nil {
			_ = child.Kill() // most have noticed by themselves
		}
	}
	for _, pid := range family {
		for deadline := time.Now().Add(patience); alive(pid) && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
	}
}

// KillBackend kills one process of the server, one that serves a client if there is
// any: the server cuts all clients off, recovers and goes on by itself.
func (s *Server) KillBackend() {
	p := s.running()
	if p == nil {
		return
	}
	family := children(p.Pid())
	if len(family) == 0 {
		return
	}
	// The latest is most likely a client's.
	if child, err := os.FindProcess(slices.Max(family)); err == nil {
		_ = child.Kill() // it may have ended by itself
	}
}

// Stop ends the server in order, cutting its clients off, and returns when it is
// gone. One that is restarting itself after a crash may not listen (PostgreSQL 15
// waits for ever), and is killed.
func (s *Server) Stop() {
	if p := s.running(); p != nil {
		_ = p.Signal(os.Interrupt) // it may have ended
		select {
		case <-p.Done():
		case <-time.After(orderly):
			s.Kill()
		}
	}
}

// Close kills the server and removes its data.
func (s *Server) Close() error {
	s.Kill()
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}
