package engine

import (
	"bytes"
	"sync"
	"testing"

	"github.com/gobwas/ws"
)

// counting is a handler that counts bytes.
type counting struct {
	mu    sync.Mutex
	bytes int
}

func (h *counting) Frame(b []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bytes += len(b)
}
func (h *counting) Missed(Topic, uint64, uint64) *Frame { return nil }
func (h *counting) Closed(error)                        {}

// TestIdleHoldsNoBuffer feeds a connection messages in pieces: what it keeps of
// one grows with what came, not with what was announced, and is gone with it.
func TestIdleHoldsNoBuffer(t *testing.T) {
	const size = 40_000
	e := NewLoops(Options{Loops: 1, JSON: func(b []byte) ([]byte, error) { return b, nil }})
	l, h := e.loops[0], &counting{}
	c := &lconn{loop: l, handler: h, fd: -1}
	frame := func(op ws.OpCode, fin bool) []byte {
		b, err := ws.CompileFrame(ws.MaskFrame(ws.NewFrame(op, fin, make([]byte, size/2))))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	feed := func(b []byte) {
		l.feed(c, bytes.Clone(b)) // it unmasks in place
		c.paused = false          // as if the handler had caught up
	}
	single := frame(ws.OpBinary, true)
	message := append(frame(ws.OpBinary, false), frame(ws.OpContinuation, true)...)
	for cut := 1; cut < len(message); cut += 999 {
		feed(message[:cut])
		if c.in == nil {
			t.Fatalf("nothing is kept of the first %d bytes of a message", cut)
		}
		if held := cap(c.in.buf) + cap(c.in.parser.gathered); held > 2*cut+256 {
			t.Fatalf("%d bytes are held after %d have come", held, cut)
		}
		feed(message[cut:])
		if c.in != nil {
			t.Fatalf("cut at %d: %d bytes are held after the message", cut, cap(c.in.buf))
		}
		feed(single)
		if c.in != nil {
			t.Fatal("something is held after a whole frame")
		}
	}
	e.workers.finish()
	h.mu.Lock()
	defer h.mu.Unlock()
	if rounds := (len(message)-2)/999 + 1; h.bytes != rounds*(size+size/2) {
		t.Errorf("the handler got %d bytes in %d rounds", h.bytes, rounds)
	}
}

// TestUrgentIsBounded holds what is kept for those who miss everything else to
// its bound: the newest stay, in order.
func TestUrgentIsBounded(t *testing.T) {
	const size, n = 1000, 5000
	g := &tlog{}
	for range n {
		g.keep(make([]byte, size))
		g.count++
	}
	kept := g.urgentsSince(0)
	if g.urgentBytes > urgentMost || len(kept) != urgentMost/size {
		t.Errorf("%d frames of %d bytes are kept, %d bytes; at most %d", len(kept), size, g.urgentBytes, urgentMost)
	}
	for i, u := range kept {
		if want := uint64(n - len(kept) + i); u.at != want { //nolint:gosec // small
			t.Fatalf("the %d-th kept is %d, want %d", i, u.at, want)
		}
	}
	if tail := g.urgentsSince(n - 3); len(tail) != 3 {
		t.Errorf("%d since the last three", len(tail))
	}
}
