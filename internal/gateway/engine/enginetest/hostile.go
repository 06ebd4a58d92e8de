package enginetest

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"muster/internal/gateway/engine"
)

// testSlowHandler sends to a handler that does not return: the engine stops
// reading, so that the client is made to wait, serves others meanwhile, and gives
// the handler everything in order afterwards.
func testSlowHandler(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{})
	c, h := r.connect(engine.Proto)
	gate := chanOf()
	release := sync.OnceFunc(func() { close(gate) })
	defer release()
	h.react(func(string) { <-gate })
	text := strings.Repeat("x", 4000)
	sent := 0
	whole := func(n int) []byte {
		b, err := ws.CompileFrame(ws.MaskFrame(ws.NewBinaryFrame([]byte(fmt.Sprint(n, " ", text)))))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var rest []byte
	for {
		b := whole(sent)
		_ = c.nc.SetWriteDeadline(time.Now().Add(500 * time.Millisecond)) //nolint:forbidigo // a deadline of a socket
		n, err := c.nc.Write(b)
		sent++
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
			rest = b[n:]
			break
		}
		if sent > 100_000 {
			t.Fatal("400 MB were taken from a client whose first frame is still being handled")
		}
	}
	other, ho := r.connect(engine.Proto)
	other.send(ws.OpBinary, true, "me too")
	ho.awaitFrames(t, 1)

	_ = c.nc.SetWriteDeadline(time.Time{})
	release()
	c.sendRaw(rest)
	for n, got := range h.awaitFrames(t, sent) {
		if !strings.HasPrefix(got, fmt.Sprint(n, " ")) {
			t.Fatalf("got %.10q instead of %d", got, n)
		}
	}
}

func chanOf() chan struct{} { return make(chan struct{}) }

// testLastFrames sends frames and a goodbye, something wrong, or the end of the
// socket right behind: the handler gets what came before it, and then Closed.
func testLastFrames(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{})
	for _, test := range []struct {
		name, end string
		code      uint16
		why       error
	}{
		{"goodbye", "\x88\x82\x00\x00\x00\x00\x03\xe8", 1000, engine.ErrClosed},
		{"nonsense", "\x83\x80\x00\x00\x00\x00", 1002, engine.ErrProtocol},
		{"nothing", "", 0, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, h := r.connect(engine.Proto)
			h.react(func(string) { time.Sleep(time.Millisecond) })
			var all []byte
			for n := range 50 {
				b, err := ws.CompileFrame(ws.MaskFrame(ws.NewBinaryFrame([]byte(fmt.Sprint(n)))))
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, b...)
			}
			c.sendRaw(append(all, test.end...))
			if test.code != 0 {
				c.wantClose(test.code)
			} else {
				_ = c.nc.Close()
			}
			h.awaitClosed(t, test.why)
			h.mu.Lock()
			defer h.mu.Unlock()
			if len(h.frames) != 50 || h.frames[49] != "49" {
				t.Errorf("the handler got %q", h.frames)
			}
		})
	}
}

// testNoise floods with frames that no handler sees and no handler can hold to a
// rate: the connection is closed, and others go on.
func testNoise(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{})
	other, ho := r.connect(engine.Proto)
	mask := "\x00\x00\x00\x00"
	for _, test := range []struct{ name, frames string }{
		{"pings", "\x89\x80" + mask},
		{"pongs", "\x8a\x80" + mask},
		{"pings with a payload", "\x89\x81" + mask + "x"},
		{"empty fragments", "\x02\x81" + mask + "x" + strings.Repeat("\x00\x80"+mask, 100) + "\x80\x80" + mask},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, h := r.connect(engine.Proto)
			c.sendRaw([]byte(strings.Repeat(test.frames, 60_000/len(test.frames))))
			c.wantClose(1008)
			h.awaitClosed(t, engine.ErrProtocol)
			other.send(ws.OpPing, true, test.name)
			other.want(ws.OpPong, test.name)
		})
	}
	other.send(ws.OpBinary, true, "still here")
	ho.awaitFrames(t, 1)
}

// testManyPings sends what a client that measures its way may send.
func testManyPings(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{})
	c, h := r.connect(engine.Proto)
	for n := range 100 {
		c.send(ws.OpPing, true, fmt.Sprint(n))
		c.send(ws.OpPong, true, "unasked")
		c.want(ws.OpPong, fmt.Sprint(n))
	}
	c.send(ws.OpBinary, true, "a message")
	h.awaitFrames(t, 1)
}

// testOrder publishes to several topics and sends privately from several
// goroutines at once: a client that reads gets what each of them did in that
// order, also across topics and private frames.
func testOrder(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{Queue: 16 << 20})
	c, h := r.connect(engine.Proto)
	const senders, rounds = 8, 500
	var wait []func() error
	for s := range senders {
		own := engine.Topic{Lane: engine.Live, ID: int64(s + 1)}
		h.conn.Subscribe(own, 0)
		wait = append(wait, inBackground(func() error {
			for n := range rounds {
				if n%3 == 0 {
					if !h.conn.Send(frameOf(s, " ", n)) {
						return errors.New("a frame was refused")
					}
					continue
				}
				r.e.Publish(own, uint64(n+1), frameOf(s, " ", n)) //nolint:gosec // small
				if n%50 == 1 {                                    // leaving and coming back loses nothing of one's own
					h.conn.Unsubscribe(own)
					h.conn.Subscribe(own, uint64(n+1)) //nolint:gosec // small
				}
			}
			return nil
		}))
	}
	next := [senders]int{}
	for range senders * rounds {
		g, err := c.receive()
		if err != nil {
			t.Fatal(err)
		}
		var s, n int
		if _, err := fmt.Sscan(g.text, &s, &n); err != nil || n != next[s] {
			t.Fatalf("got %q, %v; wanted %d of %d", g.text, err, next[s], s)
		}
		next[s]++
	}
	for _, w := range wait {
		if err := w(); err != nil {
			t.Error(err)
		}
	}
}

// testReconnecting has twenty readers come, read a while and go, while somebody
// publishes: what each of them gets begins behind its mark and has no gap.
func testReconnecting(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{Queue: 16 << 20})
	topic := engine.Topic{Lane: engine.Log, ID: 3}
	var at atomic.Uint64
	var mu sync.Mutex // as a group's: subscribing and publishing have an order
	stop := chanOf()
	publisher := inBackground(func() error {
		for n := uint64(1); ; n++ {
			select {
			case <-stop:
				return nil
			case <-time.After(50 * time.Microsecond):
			}
			mu.Lock()
			r.e.Publish(topic, n, frameOf(n))
			at.Store(n)
			mu.Unlock()
		}
	})
	var accepting sync.Mutex
	var readers []func() error
	for i := range 20 {
		readers = append(readers, inBackground(func() error {
			for range 25 {
				accepting.Lock()
				c, h := r.connect(engine.Encoding(i % 2)) //nolint:gosec // 0 or 1
				accepting.Unlock()
				mu.Lock()
				mark := at.Load() + uint64(i%3) //nolint:gosec // small
				h.conn.Subscribe(topic, mark)
				mu.Unlock()
				for range 30 {
					mark++
					g, err := c.receive()
					if err != nil {
						return err
					}
					if got := strings.Trim(g.text, "<>"); got != fmt.Sprint(mark) {
						return fmt.Errorf("got %q instead of %d", got, mark)
					}
				}
				if err := c.nc.Close(); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	for _, wait := range readers {
		if err := wait(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	_ = publisher()
	r.stop()
	if s := r.e.Stats(); s.Connections != 0 || s.Queued != 0 || s.Logs != 0 {
		t.Errorf("after everybody has gone: %+v", s)
	}
}

// testStopUnderWork ends the engine while people come, send, are sent to and
// leave: Run returns when every handler has been told, and no descriptor is left.
func testStopUnderWork(t *testing.T, make func(Options) engine.Engine) {
	before := descriptors()
	r := start(t, make, Options{Linger: 50 * time.Millisecond})
	topic := engine.Topic{Lane: engine.Live, ID: 3}
	var handlers []*handler
	var clients []*peer
	for range 50 {
		c, h := r.connect(engine.Proto)
		h.conn.Subscribe(topic, 0)
		h.react(func(string) { h.conn.Send(frameOf("answer")) })
		clients, handlers = append(clients, c), append(handlers, h)
	}
	halt := chanOf()
	busy := []func() error{inBackground(func() error {
		for n := uint64(1); ; n++ {
			select {
			case <-halt:
				return nil
			default:
				r.e.Publish(topic, n, frameOf(n, strings.Repeat("x", 1000)))
			}
		}
	})}
	for i, c := range clients {
		busy = append(busy, inBackground(func() error {
			ask, err := ws.CompileFrame(ws.MaskFrame(ws.NewBinaryFrame([]byte("question"))))
			for err == nil {
				_, err = c.nc.Write(ask)
				if i%5 == 0 {
					handlers[i].conn.Close(frameOf("bye"), 4100, "")
				}
				if i%2 == 0 { // the others do not read
					_, err = c.receive()
				}
			}
			return nil // the end is what is wanted
		}))
	}
	handlers[1].awaitFrames(t, 10)
	r.stop()
	for i, h := range handlers {
		h.mu.Lock()
		if len(h.closed) != 1 {
			t.Errorf("handler %d was told %v before Run returned", i, h.closed)
		}
		h.mu.Unlock()
	}
	close(halt)
	for i, wait := range busy {
		if i > 0 {
			_ = clients[i-1].nc.Close()
		}
		_ = wait()
	}
	if s := r.e.Stats(); s.Connections != 0 || s.Queued != 0 {
		t.Errorf("after the stop: %+v", s)
	}
	if after := descriptors(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// descriptors counts the open files of this process; 0 where it cannot.
func descriptors() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(list)
}
