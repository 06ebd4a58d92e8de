package fault

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Fate is what a Proxy does to a connection.
type Fate uint8

// The fates.
const (
	// Pass lets everything through.
	Pass Fate = iota
	// LoseRequest resets the connection before the server has seen anything.
	LoseRequest
	// LoseAnswer lets the request through and resets the connection when the
	// server begins to answer, so that the client cannot know what became of it.
	LoseAnswer
)

// Proxy is a TCP proxy in front of a server that treats connections badly.
type Proxy struct {
	t        testing.TB
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu    sync.Mutex
	fate  func() Fate
	conns map[net.Conn]struct{}
	done  bool
}

// NewProxy starts a proxy in front of target ("host:port"), which need not be
// there all the time. fate is asked about every connection, one call at a time;
// nil: all pass. The test's end stops it.
func NewProxy(t testing.TB, target string, fate func() Fate) *Proxy {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{t: t, listener: l, target: target, fate: fate, conns: map[net.Conn]struct{}{}}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close() // which ends accept
		p.mu.Lock()
		p.done = true
		p.mu.Unlock()
		p.Cut(1)
		p.running.Wait()
	})
	return p
}

// URL is the proxy's address for an HTTP client.
func (p *Proxy) URL() string { return "http://" + p.listener.Addr().String() }

// Cut resets each of the present connections with a probability, and tells how
// many it was.
func (p *Proxy) Cut(probability float64) (cut int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if rand.Float64() < probability {
			reset(c)
			delete(p.conns, c)
			cut++
		}
	}
	return cut
}

// reset ends a connection with RST rather than FIN.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // what matters is the close
	}
	_ = c.Close()
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				p.t.Errorf("the proxy: %v", err)
			}
			return
		}
		p.mu.Lock()
		fate := Pass
		if p.fate != nil {
			fate = p.fate()
		}
		if !p.done {
			p.conns[c] = struct{}{}
		}
		done := p.done
		p.mu.Unlock()
		if done || fate == LoseRequest {
			reset(c)
			continue
		}
		p.running.Go(func() { p.serve(c, fate) })
	}
}

// serve passes on what one connection brings.
func (p *Proxy) serve(client net.Conn, fate Fate) {
	defer func() {
		p.mu.Lock()
		delete(p.conns, client)
		p.mu.Unlock()
		reset(client)
	}()
	server, err := new(net.Dialer).DialContext(p.t.Context(), "tcp", p.target)
	if err != nil {
		return // the server is down: so is the connection
	}
	var there sync.WaitGroup
	there.Go(func() {
		_, _ = io.Copy(server, client) // its end is the connection's
		reset(server)
	})
	if fate == LoseAnswer {
		_, _ = server.Read(make([]byte, 1)) // the answer has begun, or the server has gone
	} else {
		_, _ = io.Copy(client, server)
	}
	reset(client)
	reset(server)
	there.Wait()
}
