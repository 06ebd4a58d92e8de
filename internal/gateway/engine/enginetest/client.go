package enginetest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"muster/internal/gateway/engine"
)

// patience is how long a test waits for what must come. It only bounds a hang.
const patience = 20 * time.Second

// peer is a client's end of a socket, byte by byte.
type peer struct {
	t  *testing.T
	nc net.Conn
	r  *bufio.Reader
}

// got is a frame that a peer received.
type got struct {
	op   ws.OpCode
	text string
}

func (p *peer) send(op ws.OpCode, fin bool, payload string) {
	p.t.Helper()
	f := ws.MaskFrame(ws.NewFrame(op, fin, []byte(payload)))
	if err := ws.WriteFrame(p.nc, f); err != nil {
		p.t.Fatalf("write a frame: %v", err)
	}
}

func (p *peer) sendRaw(b []byte) {
	p.t.Helper()
	if _, err := p.nc.Write(b); err != nil {
		p.t.Fatalf("write %x: %v", b, err)
	}
}

// receive reads one frame; io.EOF at the end.
func (p *peer) receive() (got, error) {
	_ = p.nc.SetReadDeadline(time.Now().Add(patience)) //nolint:forbidigo // a deadline of a socket
	h, err := ws.ReadHeader(p.r)
	if err != nil {
		return got{}, err
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(p.r, payload)
	return got{h.OpCode, string(payload)}, err
}

func (p *peer) want(op ws.OpCode, text string) {
	p.t.Helper()
	g, err := p.receive()
	if err != nil {
		p.t.Fatalf("waiting for %q: %v", text, err)
	}
	if g != (got{op, text}) {
		p.t.Fatalf("got %v %q, want %v %q", g.op, g.text, op, text)
	}
}

// wantClose reads until the close frame, and then the end.
func (p *peer) wantClose(code uint16) {
	p.t.Helper()
	for {
		g, err := p.receive()
		if err != nil {
			p.t.Fatalf("waiting for close %d: %v", code, err)
		}
		if g.op != ws.OpClose {
			continue
		}
		if len(g.text) < 2 || binary.BigEndian.Uint16([]byte(g.text)) != code {
			p.t.Fatalf("closed with %q, want %d", g.text, code)
		}
		break
	}
	if _, err := p.receive(); !errors.Is(err, io.EOF) {
		p.t.Fatalf("after the close frame: %v", err)
	}
	_ = p.nc.Close()
}

// handler notes what the engine calls.
type handler struct {
	conn engine.Conn

	mu     sync.Mutex
	frames []string
	cond   *sync.Cond
	closed []error
	onText func(string)
}

func newHandler() *handler {
	h := &handler{}
	h.cond = sync.NewCond(&h.mu)
	return h
}

func (h *handler) Frame(payload []byte) {
	h.mu.Lock()
	h.frames = append(h.frames, string(payload))
	h.cond.Broadcast()
	onText := h.onText
	h.mu.Unlock()
	if onText != nil {
		onText(string(payload))
	}
}

// react has fn called with each frame from now on.
func (h *handler) react(fn func(text string)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.onText = fn
}

func (h *handler) Missed(t engine.Topic, count, last uint64) *engine.Frame {
	return frameOf("missed", int(t.ID), int(count), int(last)) //nolint:gosec // small
}

func (h *handler) Closed(why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = append(h.closed, why)
	h.cond.Broadcast()
}

// await waits until cond holds.
func (h *handler) await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	late := false
	timer := time.AfterFunc(patience, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		late = true
		h.cond.Broadcast()
	})
	defer timer.Stop()
	h.mu.Lock()
	defer h.mu.Unlock()
	for !cond() {
		if late {
			t.Fatalf("waiting in vain: %s (frames %q, closed %v)", what, h.frames, h.closed)
		}
		h.cond.Wait()
	}
}

func (h *handler) awaitFrames(t *testing.T, n int) []string {
	t.Helper()
	h.await(t, "frames", func() bool { return len(h.frames) >= n })
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.frames...)
}

// awaitClosed waits for the one call of Closed.
func (h *handler) awaitClosed(t *testing.T, want error) {
	t.Helper()
	h.await(t, "Closed", func() bool { return len(h.closed) > 0 })
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.closed) != 1 || want != nil && !errors.Is(h.closed[0], want) {
		t.Fatalf("closed with %v, want %v once", h.closed, want)
	}
}
