package engine

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
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

// TestEvict drops the older part of logs with frames of all sizes, some urgent,
// whose readers stand anywhere: who stood there misses what followed, counted one
// by one, and nobody else misses anything.
func TestEvict(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := NewLoops(Options{Loops: 1, JSON: func(b []byte) ([]byte, error) { return b, nil }})
		g := &tlog{key: Topic{Lane: Live, ID: 1}, loop: e.loops[0], base: rapid.Uint64Range(0, 9).Draw(t, "base")}
		g.count = rapid.Uint64Range(0, 9).Draw(t, "earlier")
		first := g.count
		starts := []uint64{} // of the frames, and the head
		urgent := []bool{}
		for range rapid.IntRange(1, 30).Draw(t, "frames") {
			b := appendFrame(nil, opBinary, make([]byte, rapid.SampledFrom([]int{0, 1, 125, 126, 300, 65_536}).Draw(t, "size")))
			starts, urgent = append(starts, g.head()), append(urgent, rapid.Bool().Draw(t, "urgent"))
			g.buf = append(g.buf, b...)
			if urgent[len(urgent)-1] {
				g.keep(b)
			}
			g.count++
		}
		starts = append(starts, g.head())
		var stood []int
		for range rapid.IntRange(1, 20).Draw(t, "readers") {
			at := rapid.IntRange(0, len(starts)-1).Draw(t, "at")
			stood = append(stood, at)
			g.subs = append(g.subs, lsub{pos: starts[at]})
		}
		g.subs = append(g.subs, lsub{pos: late | 5}, lsub{pos: missing | 1})
		g.missing = 1
		cut := rapid.IntRange(1, len(starts)-1).Draw(t, "cut")
		kept := map[uint64]bool{} // places in the count
		for _, u := range g.urgents {
			kept[u.at] = true
		}
		e.delivered.Store(1 << 40)
		lost, out := uint64(0), 1
		g.evict(int(starts[cut] - g.base)) //nolint:gosec // within the buffer
		for i, at := range stood {
			want := starts[at]
			if at < cut {
				want = missing | (first + uint64(at)) //nolint:gosec // small
				out++
				for k := at; k < len(urgent); k++ {
					if !kept[first+uint64(k)] { //nolint:gosec // small
						lost++
					}
				}
			}
			if g.subs[i].pos != want {
				t.Fatalf("who stood at frame %d is at %x, want %x", at, g.subs[i].pos, want)
			}
		}
		if e.missed.Load() != lost || e.delivered.Load() != 1<<40-lost || g.missing != out || g.base != starts[cut] || g.head() != starts[len(starts)-1] {
			t.Fatalf("missed %d, want %d; %d miss, want %d; the log is %d to %d", e.missed.Load(), lost, g.missing, out, g.base, g.head())
		}
		if n := len(stood); g.subs[n].pos != late|5 || g.subs[n+1].pos != missing|1 {
			t.Fatalf("those in other states are at %x and %x", g.subs[n].pos, g.subs[n+1].pos)
		}
	})
}

// BenchmarkEvict drops half of a full log with readers at so many places in it.
func BenchmarkEvict(b *testing.B) {
	frame := appendFrame(nil, opBinary, make([]byte, 128))
	for _, readers := range []int{100, 5000, 100_000} {
		b.Run(fmt.Sprint("places=", readers), func(b *testing.B) {
			e := NewLoops(Options{Loops: 1, JSON: func(b []byte) ([]byte, error) { return b, nil }})
			full := bytes.Repeat(frame, e.opt.Log/len(frame))
			g := &tlog{key: Topic{Lane: Live, ID: 1}, loop: e.loops[0], subs: make([]lsub, readers)}
			for b.Loop() {
				b.StopTimer()
				g.base, g.missing, g.shared = 0, 0, false
				g.buf = append(e.loops[0].buffers.get(len(full)), full...)
				g.count = uint64(len(full) / len(frame)) //nolint:gosec // a count
				for i := range g.subs {
					g.subs[i].pos = uint64(i * 7919 % (len(full) / 2 / len(frame)) * len(frame)) //nolint:gosec // within the buffer
				}
				b.StartTimer()
				g.evict(len(full) / 2 / len(frame) * len(frame))
				b.StopTimer()
				e.loops[0].buffers.put(g.buf)
				b.StartTimer()
			}
		})
	}
}

// attachedBeforeRun makes an engine with so many loops and a client in each, which
// is in the inbox until Run. told gets nil for each frame, and the ends.
func attachedBeforeRun(t *testing.T, loops int) (e *Loops, clients []net.Conn, told chan error) {
	t.Helper()
	e = NewLoops(Options{Loops: loops, JSON: func(b []byte) ([]byte, error) { return b, nil }})
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	told = make(chan error, 2*loops)
	for range loops {
		nc, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		server, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Attach(server, nil, Proto, func(Conn) Handler { return teller{told} }); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, nc)
	}
	return e, clients, told
}

// teller is a handler that tells of what it is told.
type teller struct{ told chan error }

func (h teller) Frame([]byte)                      { h.told <- nil }
func (teller) Missed(Topic, uint64, uint64) *Frame { return nil }
func (h teller) Closed(why error)                  { h.told <- why }

// leaveDescriptors takes all the descriptors that this process may have but n,
// until the test ends.
func leaveDescriptors(t *testing.T, n int) {
	t.Helper()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	low := was
	low.Cur = min(low.Cur, 256)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	var taken []int
	t.Cleanup(func() {
		for _, fd := range taken {
			_ = unix.Close(fd)
		}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
			t.Error(err)
		}
	})
	for {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		if err != nil {
			break
		}
		taken = append(taken, fd)
	}
	if len(taken) < n {
		t.Fatalf("only %d descriptors are free", len(taken))
	}
	for range n {
		_ = unix.Close(taken[len(taken)-1])
		taken = taken[:len(taken)-1]
	}
}

// TestLoopFails has one of two loops fail to wait for its sockets: everybody's
// handler is told, and Run gives the reason.
func TestLoopFails(t *testing.T) {
	e, clients, told := attachedBeforeRun(t, 2)
	done := make(chan error, 1)
	go func() { done <- e.Run(t.Context()) }()
	for _, nc := range clients { // each loop runs
		if _, err := nc.Write([]byte("\x82\x80\x00\x00\x00\x00")); err != nil {
			t.Fatal(err)
		}
		if why := <-told; why != nil {
			t.Fatal(why)
		}
	}
	other, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Dup3(other, e.loops[0].ep, unix.O_CLOEXEC); err != nil { // it is no epoll any more
		t.Fatal(err)
	}
	_ = unix.Close(other)
	e.loops[0].post(op{kind: opUnsubscribe, c: &lconn{}}) // wakes it
	if err := <-done; !errors.Is(err, unix.EINVAL) {
		t.Errorf("Run: %v", err)
	}
	for range clients {
		if why := <-told; !errors.Is(why, ErrStopped) {
			t.Errorf("ended with %v", why)
		}
	}
}

// TestLoopDoesNotOpen has the second of two loops find no descriptor: the first
// has given back its own, and everybody's handler is told.
func TestLoopDoesNotOpen(t *testing.T) {
	e, clients, told := attachedBeforeRun(t, 2)
	leaveDescriptors(t, 2) // what one loop needs
	if err := e.Run(t.Context()); !errors.Is(err, unix.EMFILE) {
		t.Errorf("Run: %v", err)
	}
	for range clients {
		if why := <-told; why == nil {
			t.Error("ended without a reason")
		}
	}
	if l := e.loops[0]; l.ep >= 0 || l.wake >= 0 || e.count.Load() != 0 {
		t.Errorf("descriptors %d and %d are left, and %d connections", l.ep, l.wake, e.count.Load())
	}
}
