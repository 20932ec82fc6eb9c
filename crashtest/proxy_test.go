package crashtest

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"
)

// proxy is a bad network between the gateway and its database.
type proxy struct {
	listener net.Listener
	target   string

	mu      sync.Mutex
	latency time.Duration
	refuses bool
	silent  chan struct{} // closed when bytes pass again; nil: they pass
	links   map[*link]struct{}
	pumps   sync.WaitGroup
}

// link is one connection through it.
type link struct {
	near, far net.Conn
	dead      chan struct{} // closed: nothing passes any more, and nobody is told
	once      sync.Once
}

func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, target: target, links: map[*link]struct{}{}}
	p.pumps.Go(p.accept)
	t.Cleanup(func() {
		listener.Close()
		p.cut()
		p.heal()
		p.pumps.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.pumps.Go(func() { p.join(near) })
	}
}

func (p *proxy) join(near net.Conn) {
	p.mu.Lock()
	refuses := p.refuses
	p.mu.Unlock()
	if refuses {
		reset(near)
		return
	}
	far, err := net.Dial("tcp", p.target)
	if err != nil {
		reset(near)
		return
	}
	l := &link{near: near, far: far, dead: make(chan struct{})}
	p.mu.Lock()
	p.links[l] = struct{}{}
	p.mu.Unlock()
	p.pumps.Go(func() { p.pump(l, near, far) })
	p.pump(l, far, near)
}

// reset closes a connection as a machine does that knows nothing of it.
func reset(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

func (l *link) close() {
	reset(l.near)
	reset(l.far)
}

// pump passes on what comes.
func (p *proxy) pump(l *link, from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		passes := p.wait(l)
		if n > 0 && passes {
			_, werr := to.Write(buffer[:n])
			err = errors.Join(err, werr)
		}
		if err == nil {
			continue
		}
		if !passes { // nobody hears of the end, either
			from.Close()
			return
		}
		l.close()
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
		return
	}
}

// wait waits for as long as bytes are held up; it is false when they never pass.
func (p *proxy) wait(l *link) bool {
	p.mu.Lock()
	latency, silent := p.latency, p.silent
	p.mu.Unlock()
	time.Sleep(latency)
	if silent != nil {
		<-silent
	}
	select {
	case <-l.dead:
		return false
	default:
		return true
	}
}

// slow delays all bytes from now on.
func (p *proxy) slow(latency time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latency = latency
}

// cut breaks all connections, and refuses new ones.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuses = true
	for l := range p.links {
		l.close()
	}
}

// hush holds up all bytes, of new connections, too: nobody is told that anything is
// wrong.
func (p *proxy) hush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent == nil {
		p.silent = make(chan struct{})
	}
}

// forget has the connections that there are pass nothing for ever, and neither end
// hear of the other's; new ones work. So does a firewall that has lost its memory.
func (p *proxy) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.once.Do(func() { close(l.dead) })
	}
}

// heal ends all faults.
func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latency, p.refuses = 0, false
	if p.silent != nil {
		close(p.silent)
		p.silent = nil
	}
}
