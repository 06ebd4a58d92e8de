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
		{"late and slow reader", testLateAndSlow},
		{"private frames", testPrivate},
		{"paced answers", testPaced},
		{"goodbye", testGoodbye},
		{"client leaves", testClientLeaves},
		{"silence", testSilence},
		{"stop", testStop},
		{"churn", testChurn},
		{"slow handler", testSlowHandler},
		{"last frames", testLastFrames},
		{"noise", testNoise},
		{"many pings", testManyPings},
		{"order", testOrder},
		{"dead readers", testDeadReaders},
		{"reconnecting readers", testReconnecting},
		{"stop under work", testStopUnderWork},
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
