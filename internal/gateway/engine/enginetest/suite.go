// Package enginetest holds implementations of engine.Engine to their contract,
// over real TCP connections.
package enginetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"muster/internal/gateway/engine"
)

// Options are what the suite makes an engine with.
type Options = engine.Options

// frameOf makes a frame whose message is its words.
func frameOf(words ...any) *engine.Frame { return engine.NewFrame([]byte(fmt.Sprint(words...))) }

// rig is a running engine.
type rig struct {
	t        *testing.T
	e        engine.Engine
	listener net.Listener
	stop     func()
}

// quotes is the "JSON" of the suite's messages.
func quotes(message []byte) ([]byte, error) { return []byte("<" + string(message) + ">"), nil }

func start(t *testing.T, make func(Options) engine.Engine, opt Options) *rig {
	t.Helper()
	opt.JSON = quotes
	e := make(opt)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := inBackground(func() error { return e.Run(ctx) })
	r := &rig{t: t, e: e, listener: l}
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := ended(); err != nil {
			t.Errorf("Run: %v", err)
		}
		_ = l.Close()
	}
	t.Cleanup(r.stop)
	return r
}

// inBackground runs fn in a goroutine and gives a function that waits for its end.
func inBackground(fn func() error) func() error {
	c := make(chan error, 1)
	go func() { c <- fn() }()
	return func() error { return <-c }
}

// pair makes a connected pair of sockets.
func (r *rig) pair() (server net.Conn, client *peer) {
	r.t.Helper()
	nc, err := (&net.Dialer{}).DialContext(r.t.Context(), "tcp", r.listener.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	server, err = r.listener.Accept()
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = nc.Close() })
	return server, &peer{r.t, nc, bufio.NewReader(nc)}
}

// connect attaches a new connection.
func (r *rig) connect(enc engine.Encoding) (*peer, *handler) {
	r.t.Helper()
	server, client := r.pair()
	h := newHandler()
	if err := r.e.Attach(server, nil, enc, func(c engine.Conn) engine.Handler { h.conn = c; return h }); err != nil {
		r.t.Fatal(err)
	}
	return client, h
}

// Run runs the whole suite.
func Run(t *testing.T, make func(Options) engine.Engine) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, make func(Options) engine.Engine)
	}{
		{"frames in", testFramesIn},
		{"bad frames", testBadFrames},
		{"early bytes", testEarly},
		{"every split", testEverySplit},
		{"topics", testTopics},
		{"numbers", testNumbers},
		{"encodings", testEncodings},
		{"slow reader", testSlowReader},
		{"urgent frames", testUrgent},
		{"private frames", testPrivate},
		{"paced answers", testPaced},
		{"goodbye", testGoodbye},
		{"client leaves", testClientLeaves},
		{"silence", testSilence},
		{"stop", testStop},
		{"churn", testChurn},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, make) })
	}
}

func testFramesIn(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{MaxMessage: 1000})
	c, h := r.connect(engine.Proto)
	if h.conn.ID() == 0 {
		t.Error("a connection has the id 0")
	}
	c.send(ws.OpBinary, true, "one")
	c.send(ws.OpPing, true, "p")
	c.want(ws.OpPong, "p")
	c.send(ws.OpBinary, false, "t")
	c.send(ws.OpPing, true, "between fragments")
	c.send(ws.OpContinuation, false, "w")
	c.send(ws.OpContinuation, true, "o")
	c.send(ws.OpPong, true, "unasked")
	c.send(ws.OpBinary, true, "")
	long := strings.Repeat("x", 1000)
	c.send(ws.OpBinary, true, long)
	got := h.awaitFrames(t, 4)
	if want := []string{"one", "two", "", long}; strings.Join(got, "|") != strings.Join(want, "|") {
		t.Fatalf("got %q", got)
	}
	c.want(ws.OpPong, "between fragments")
	c.send(ws.OpClose, true, "\x03\xe8bye")
	c.wantClose(1000)
	h.awaitClosed(t, engine.ErrClosed)
}

func testBadFrames(t *testing.T, make func(Options) engine.Engine) {
	mask := "\x00\x00\x00\x00"
	for _, test := range []struct {
		name  string
		enc   engine.Encoding
		bytes string
		code  uint16
		why   error
	}{
		{"not masked", engine.Proto, "\x82\x01a", 1002, engine.ErrProtocol},
		{"compressed", engine.Proto, "\xc2\x80" + mask, 1002, engine.ErrProtocol},
		{"opcode 3", engine.Proto, "\x83\x80" + mask, 1002, engine.ErrProtocol},
		{"opcode B", engine.Proto, "\x8b\x80" + mask, 1002, engine.ErrProtocol},
		{"continuation of nothing", engine.Proto, "\x80\x80" + mask, 1002, engine.ErrProtocol},
		{"message inside another", engine.Proto, "\x02\x80" + mask + "\x82\x80" + mask, 1002, engine.ErrProtocol},
		{"fragmented ping", engine.Proto, "\x09\x80" + mask, 1002, engine.ErrProtocol},
		{"long ping", engine.Proto, "\x89\xfe\x00\x7e" + mask, 1002, engine.ErrProtocol},
		{"close with one byte", engine.Proto, "\x88\x81" + mask + "a", 1002, engine.ErrProtocol},
		{"close with a bad code", engine.Proto, "\x88\x82" + mask + "\x03\xee", 1002, engine.ErrClosed},
		{"close with bad UTF-8", engine.Proto, "\x88\x83" + mask + "\x03\xe8\xff", 1002, engine.ErrClosed},
		{"text instead of binary", engine.Proto, "\x81\x80" + mask, 1003, engine.ErrProtocol},
		{"binary instead of text", engine.JSON, "\x82\x80" + mask, 1003, engine.ErrProtocol},
		{"bad UTF-8", engine.JSON, "\x81\x82" + mask + "a\xff", 1007, engine.ErrProtocol},
		{"bad UTF-8 over fragments", engine.JSON, "\x01\x81" + mask + "\xc3" + "\x80\x81" + mask + "(", 1007, engine.ErrProtocol},
		{"too large", engine.Proto, "\x82\xfe\x03\xe9" + mask, 1009, engine.ErrTooLarge},
		{"absurdly large", engine.Proto, "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff" + mask, 1009, engine.ErrTooLarge},
		{"too large over fragments", engine.Proto, "\x02\xfe\x03\xe8" + mask + strings.Repeat("x", 1000) + "\x80\x81" + mask + "y", 1009, engine.ErrTooLarge},
		{"too many fragments", engine.Proto, "\x02\x80" + mask + strings.Repeat("\x00\x80"+mask, 200), 1008, engine.ErrProtocol},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := start(t, make, Options{MaxMessage: 1000})
			c, h := r.connect(test.enc)
			c.sendRaw([]byte(test.bytes))
			if test.name == "close with one byte" {
				test.why = engine.ErrClosed
			}
			c.wantClose(test.code)
			h.awaitClosed(t, test.why)
			if len(h.frames) != 0 {
				t.Errorf("the handler got %q", h.frames)
			}
		})
	}
	t.Run("UTF-8 split over fragments is fine", func(t *testing.T) {
		r := start(t, make, Options{})
		c, h := r.connect(engine.JSON)
		c.send(ws.OpText, false, "\xc3")
		c.send(ws.OpContinuation, true, "\xa4")
		if got := h.awaitFrames(t, 1); got[0] != "ä" {
			t.Fatalf("got %q", got)
		}
	})
}

// testEarly attaches a socket of which a part was read with the handshake.
func testEarly(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{})
	whole, err := ws.CompileFrame(ws.MaskFrame(ws.NewBinaryFrame([]byte("hello"))))
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) + 1 {
		server, c := r.pair()
		h := newHandler()
		err := r.e.Attach(server, whole[:cut], engine.Proto, func(c engine.Conn) engine.Handler { h.conn = c; return h })
		if err != nil {
			t.Fatal(err)
		}
		c.sendRaw(whole[cut:])
		if got := h.awaitFrames(t, 1); got[0] != "hello" {
			t.Fatalf("cut at %d: got %q", cut, got)
		}
	}
}

// testEverySplit sends frames in two writes, and cuts the socket, at every byte.
func testEverySplit(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{})
	a, _ := ws.CompileFrame(ws.MaskFrame(ws.NewFrame(ws.OpText, false, []byte(strings.Repeat("a", 200)))))
	b, _ := ws.CompileFrame(ws.MaskFrame(ws.NewFrame(ws.OpContinuation, true, []byte("b"))))
	whole := append(append([]byte(nil), a...), b...)
	for cut := range whole {
		c, h := r.connect(engine.JSON)
		c.sendRaw(whole[:cut])
		c.sendRaw(whole[cut:])
		if got := h.awaitFrames(t, 1); got[0] != strings.Repeat("a", 200)+"b" {
			t.Fatalf("split at %d: got %q", cut, got)
		}
		_ = c.nc.Close()

		c, h = r.connect(engine.JSON)
		c.sendRaw(whole[:cut])
		_ = c.nc.Close()
		h.awaitClosed(t, nil)
		if len(h.frames) != 0 {
			t.Fatalf("cut at %d: the handler got %q", cut, h.frames)
		}
	}
}

func testTopics(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{})
	a, ha := r.connect(engine.Proto)
	b, hb := r.connect(engine.Proto)
	one, two := engine.Topic{Lane: engine.Live, ID: 1}, engine.Topic{Lane: engine.Log, ID: 1}
	r.e.Publish(one, 1, frameOf("nobody"))
	ha.conn.Subscribe(one, 1)
	ha.conn.Subscribe(one, 1)
	ha.conn.Subscribe(two, 0)
	hb.conn.Subscribe(two, 0)
	r.e.Publish(one, 2, frameOf("first"))
	r.e.Publish(two, 1, frameOf("both"))
	a.want(ws.OpBinary, "first")
	a.want(ws.OpBinary, "both")
	b.want(ws.OpBinary, "both")
	ha.conn.Unsubscribe(two)
	ha.conn.Unsubscribe(two)
	r.e.Publish(two, 2, frameOf("b only"))
	r.e.Publish(one, 3, frameOf("a only"))
	a.want(ws.OpBinary, "a only")
	b.want(ws.OpBinary, "b only")
	if s := r.e.Stats(); s.Connections != 2 || s.Delivered != 5 {
		t.Errorf("stats %+v", s)
	}
}

// testNumbers holds a subscription to the numbers above its mark.
func testNumbers(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{})
	c, h := r.connect(engine.Proto)
	topic := engine.Topic{Lane: engine.Live, ID: 9}
	h.conn.Subscribe(topic, 5)
	for n := uint64(4); n <= 7; n++ {
		r.e.Publish(topic, n, frameOf(n))
	}
	r.e.Publish(topic, 7, frameOf("again"))
	r.e.Publish(topic, 0, frameOf("for all"))
	r.e.Publish(topic, 8, frameOf(8))
	for _, want := range []string{"6", "7", "for all", "8"} {
		c.want(ws.OpBinary, want)
	}
}

func testEncodings(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{})
	p, hp := r.connect(engine.Proto)
	j, hj := r.connect(engine.JSON)
	topic := engine.Topic{Lane: engine.Live, ID: 1}
	hp.conn.Subscribe(topic, 0)
	hj.conn.Subscribe(topic, 0)
	for n, size := range []int{1, 125, 126, 65535, 65536, 100000} {
		text := strings.Repeat("x", size)
		r.e.Publish(topic, uint64(n+1), frameOf(text))
		p.want(ws.OpBinary, text)
		j.want(ws.OpText, "<"+text+">")
	}
	hj.conn.Send(engine.FrameOf(engine.AppendBinary(nil, []byte("private"))))
	j.want(ws.OpText, "<private>")
}

// testSlowReader publishes to one who does not read. When it reads again it gets
// what was queued, is told how much it missed, and then gets what follows.
func testSlowReader(t *testing.T, make func(Options) engine.Engine) {
	for _, lane := range []engine.Lane{engine.Live, engine.Log} {
		r := start(t, make, Options{Queue: 64 << 10, WriteTimeout: time.Hour})
		slow, hs := r.connect(engine.Proto)
		quick, hq := r.connect(engine.Proto)
		topic := engine.Topic{Lane: lane, ID: 7}
		hs.conn.Subscribe(topic, 0)
		hq.conn.Subscribe(topic, 0)
		text := strings.Repeat("x", 1000)
		number := uint64(0)
		for r.e.Stats().Missed < 10 {
			number++
			r.e.Publish(topic, number, frameOf(number, " ", text))
			if g, err := quick.receive(); err != nil || !strings.HasPrefix(g.text, fmt.Sprint(number, " ")) {
				t.Fatalf("the quick one got %q, %v instead of %d", g.text, err, number)
			}
			if number > 1e6 {
				t.Fatal("a million messages, and the slow reader missed none")
			}
		}
		if q := r.e.Stats().Queued; q > 200<<10 {
			t.Errorf("%d bytes are queued for a queue of 64 KiB", q)
		}
		// Now it reads, and more is published.
		next, told := uint64(1), false
		for !told || next <= number+3 {
			if told && next == number+1 {
				for range 3 {
					number++
					r.e.Publish(topic, number, frameOf(number, " ", text))
				}
			}
			g, err := slow.receive()
			if err != nil {
				t.Fatal(err)
			}
			if rest, ok := strings.CutPrefix(g.text, "missed"); ok {
				var id, count, last uint64
				if n, err := fmt.Sscan(rest, &id, &count, &last); n != 3 || told || id != 7 || last != number || next+count-1 != last {
					t.Fatalf("at %d of %d: %q, %v", next, number, g.text, err)
				}
				told, next = true, last+1
				if r.e.Stats().Missed != count {
					t.Errorf("told %d, counted %d", count, r.e.Stats().Missed)
				}
				for range 3 {
					number++
					r.e.Publish(topic, number, frameOf(number, " ", text))
				}
				continue
			}
			if !strings.HasPrefix(g.text, fmt.Sprint(next, " ")) {
				t.Fatalf("got %.10q instead of %d", g.text, next)
			}
			next++
			if told && next == number+1 {
				break
			}
		}
		r.stop()
	}
}

// testUrgent publishes chatter and now and then something urgent to one who does
// not read: it misses chatter, but nothing urgent, and what it is told adds up.
func testUrgent(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{Queue: 64 << 10, WriteTimeout: time.Hour})
	slow, h := r.connect(engine.Proto)
	topic := engine.Topic{Lane: engine.Live, ID: 7}
	h.conn.Subscribe(topic, 0)
	text := strings.Repeat("x", 1000)
	number, urgent := uint64(0), 0
	for ; r.e.Stats().Missed < 1000; number++ {
		if number > 1e6 {
			t.Fatal("a million messages, and the slow reader missed none")
		}
		if number%100 == 50 {
			r.e.Publish(topic, number+1, frameOf("urgent ", number+1).Urgent())
			urgent++
			continue
		}
		r.e.Publish(topic, number+1, frameOf(number+1, " ", text))
	}
	number++
	r.e.Publish(topic, number, frameOf("urgent ", number).Urgent())
	urgent++
	got, missed, last, lastMissed := uint64(0), uint64(0), uint64(0), uint64(0)
	for got+missed < number {
		g, err := slow.receive()
		if err != nil {
			t.Fatal(err)
		}
		n := uint64(0)
		if rest, ok := strings.CutPrefix(g.text, "missed"); ok {
			id, count := uint64(0), uint64(0)
			if k, err := fmt.Sscan(rest, &id, &count, &lastMissed); k != 3 {
				t.Fatalf("%q: %v", g.text, err)
			}
			missed += count
			continue
		}
		if rest, ok := strings.CutPrefix(g.text, "urgent "); ok {
			urgent--
			g.text = rest
		}
		if _, err := fmt.Sscan(g.text, &n); err != nil || n <= last {
			t.Fatalf("%.20q after %d: %v", g.text, last, err)
		}
		last = n
		got++
	}
	if urgent != 0 || got+missed != number || missed < 1000 || lastMissed >= number {
		t.Errorf("%d urgent ones are missing; got %d and missed %d of %d, the last missed is %d", urgent, got, missed, number, lastMissed)
	}
}

// testPrivate queues frames for one who does not read, until that is refused.
func testPrivate(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{Queue: 16 << 10, Private: 1 << 20, WriteTimeout: time.Hour})
	c, h := r.connect(engine.Proto)
	sent := 0
	for h.conn.Send(frameOf(sent, strings.Repeat("x", 10000))) {
		if sent++; sent > 1e5 {
			t.Fatal("a gigabyte was queued")
		}
	}
	if sent < 100 {
		t.Fatalf("%d frames of 10 kB were too many for 1 MiB", sent)
	}
	for n := range sent {
		if g, err := c.receive(); err != nil || !strings.HasPrefix(g.text, fmt.Sprint(n, "x")) {
			t.Fatalf("got %.10q, %v instead of %d", g.text, err, n)
		}
	}
	if !h.conn.Send(frameOf("more")) {
		t.Fatal("nothing is taken after everything was read")
	}
	c.want(ws.OpBinary, "more")
}

func testPaced(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{Queue: 16 << 10, Private: 1 << 20, WriteTimeout: time.Hour})
	c, h := r.connect(engine.Proto)
	const frames = 2000
	sent := inBackground(func() error {
		for n := range frames {
			if err := h.conn.SendPaced(context.Background(), frameOf(n, strings.Repeat("x", 10000))); err != nil {
				return err
			}
		}
		return nil
	})
	for n := range frames {
		if g, err := c.receive(); err != nil || !strings.HasPrefix(g.text, fmt.Sprint(n, "x")) {
			t.Fatalf("got %.10q, %v instead of %d", g.text, err, n)
		}
	}
	if err := sent(); err != nil {
		t.Fatal(err)
	}

	// Nobody reads: the wait ends with the context, or with the connection.
	ctx, cancel := context.WithCancel(context.Background())
	fill := inBackground(func() error {
		for {
			if err := h.conn.SendPaced(ctx, frameOf(strings.Repeat("x", 10000))); err != nil {
				return err
			}
		}
	})
	cancel()
	if err := fill(); !errors.Is(err, context.Canceled) {
		t.Fatalf("after the end of the context: %v", err)
	}
	fill = inBackground(func() error {
		for {
			if err := h.conn.SendPaced(context.Background(), frameOf(strings.Repeat("x", 10000))); err != nil {
				return err
			}
		}
	})
	h.conn.Close(nil, 1000, "")
	if err := fill(); !errors.Is(err, engine.ErrClosed) {
		t.Fatalf("after Close: %v", err)
	}
}

func testGoodbye(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{})
	topic := engine.Topic{Lane: engine.Live, ID: 1}
	for _, last := range []*engine.Frame{nil, frameOf("last words")} {
		c, h := r.connect(engine.Proto)
		h.conn.Subscribe(topic, 0)
		h.conn.Send(frameOf("before"))
		h.conn.Close(last, 4200, "because")
		h.conn.Close(nil, 1000, "again")
		r.e.Publish(topic, 0, frameOf("after"))
		h.conn.Send(frameOf("after"))
		h.conn.Subscribe(engine.Topic{Lane: engine.Log, ID: 5}, 0)
		c.send(ws.OpBinary, true, "nobody listens")
		c.want(ws.OpBinary, "before")
		if last != nil {
			c.want(ws.OpBinary, "last words")
		}
		c.want(ws.OpClose, "\x10\x68because")
		if _, err := c.receive(); !errors.Is(err, io.EOF) {
			t.Fatalf("after the close frame: %v", err)
		}
		_ = c.nc.Close()
		h.awaitClosed(t, engine.ErrClosed)
		if len(h.frames) > 0 {
			t.Errorf("a frame after Close reached the handler: %q", h.frames)
		}
	}

	// One who neither reads nor closes is let go all the same.
	_, h := r.connect(engine.Proto)
	for range 1000 {
		h.conn.Send(frameOf(strings.Repeat("x", 10000)))
	}
	h.conn.Close(nil, 4100, "")
	h.awaitClosed(t, engine.ErrClosed)
	if s := r.e.Stats(); s.Connections != 0 || s.Queued != 0 {
		t.Errorf("after everybody has gone: %+v", s)
	}
}

func testClientLeaves(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{})
	c, h := r.connect(engine.Proto)
	h.conn.Subscribe(engine.Topic{Lane: engine.Live, ID: 1}, 0)
	_ = c.nc.Close()
	h.awaitClosed(t, nil)
	r.e.Publish(engine.Topic{Lane: engine.Live, ID: 1}, 1, frameOf("x"))
	h.conn.Send(frameOf("x"))
	h.conn.Subscribe(engine.Topic{Lane: engine.Live, ID: 2}, 0)
	h.conn.Unsubscribe(engine.Topic{Lane: engine.Live, ID: 1})
	h.conn.Close(nil, 1000, "")
	if err := h.conn.SendPaced(context.Background(), frameOf("x")); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("SendPaced after the end: %v", err)
	}
}

func testSilence(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{Idle: 400 * time.Millisecond})
	talks, ht := r.connect(engine.Proto)
	_, hs := r.connect(engine.Proto)
	// One that answers pings stays; one that does not is cut off.
	pings := 0
	for range 3 {
		g, err := talks.receive()
		if err != nil {
			t.Fatal(err)
		}
		if g.op == ws.OpPing {
			pings++
			talks.send(ws.OpPong, true, g.text)
		}
	}
	hs.awaitClosed(t, engine.ErrSilent)
	ht.mu.Lock()
	defer ht.mu.Unlock()
	if len(ht.closed) > 0 || pings < 3 {
		t.Errorf("%d pings, closed %v", pings, ht.closed)
	}
}

func testStop(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{})
	polite, hp := r.connect(engine.Proto)
	_, hc := r.connect(engine.Proto)
	hp.conn.Close(frameOf("last words"), 4100, "")
	r.stop()
	polite.want(ws.OpBinary, "last words")
	polite.wantClose(4100)
	hp.awaitClosed(t, engine.ErrClosed)
	hc.awaitClosed(t, engine.ErrStopped)
	server, _ := r.pairAfterStop()
	err := r.e.Attach(server, nil, engine.Proto, func(engine.Conn) engine.Handler {
		t.Error("a connection was taken after the stop")
		return newHandler()
	})
	if !errors.Is(err, engine.ErrStopped) {
		t.Errorf("attach after the stop: %v", err)
	}
	r.e.Publish(engine.Topic{Lane: engine.Live, ID: 1}, 1, frameOf("x"))
}

func (r *rig) pairAfterStop() (server, client net.Conn) {
	server, client = net.Pipe()
	r.t.Cleanup(func() { _ = client.Close() })
	return server, client
}

// testChurn subscribes, publishes and leaves from many goroutines: who stays
// gets every number in order.
func testChurn(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{Queue: 16 << 20})
	topic := engine.Topic{Lane: engine.Log, ID: 3}
	stay, hs := r.connect(engine.Proto)
	hs.conn.Subscribe(topic, 0)
	const numbers = 2000
	publisher := inBackground(func() error {
		for n := uint64(1); n <= numbers; n++ {
			r.e.Publish(topic, n, frameOf(n))
		}
		return nil
	})
	var leavers []func() error
	for range 20 {
		c, h := r.connect(engine.Proto)
		leavers = append(leavers, inBackground(func() error {
			for range 50 {
				h.conn.Subscribe(topic, 0)
				h.conn.Unsubscribe(topic)
			}
			h.conn.Subscribe(topic, 0)
			return c.nc.Close()
		}))
	}
	for n := 1; n <= numbers; n++ {
		stay.want(ws.OpBinary, fmt.Sprint(n))
	}
	for _, wait := range append(leavers, publisher) {
		if err := wait(); err != nil {
			t.Error(err)
		}
	}
}
