package engine_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"muster/internal/gateway/engine"
)

// boundPatience only bounds a hang.
const boundPatience = 20 * time.Second

// sink is a handler that keeps what it is told. gate, if it is there, holds up
// each frame.
type sink struct {
	conn   engine.Conn
	gate   chan struct{}
	frames chan string
	closed chan error
}

func (s *sink) Frame(b []byte) {
	s.frames <- string(b)
	if s.gate != nil {
		<-s.gate
	}
}
func (s *sink) Missed(engine.Topic, uint64, uint64) *engine.Frame { return nil }
func (s *sink) Closed(why error)                                  { s.closed <- why }

func (s *sink) awaitClosed(t *testing.T) error {
	t.Helper()
	select {
	case why := <-s.closed:
		return why
	case <-time.After(boundPatience):
		t.Fatal("the connection does not end")
		return nil
	}
}

// running is an engine at work, and a listener beside it.
type running struct {
	t *testing.T
	engine.Engine
	listener net.Listener
}

// bothKinds runs a test with each kind of engine.
func bothKinds(t *testing.T, opt engine.Options, test func(t *testing.T, r *running)) {
	for _, kind := range []engine.Kind{engine.KindAuto, engine.KindThreads} {
		t.Run(string(kind), func(t *testing.T) { test(t, runEngine(t, kind, opt)) })
	}
}

func runEngine(t *testing.T, kind engine.Kind, opt engine.Options) *running {
	t.Helper()
	opt.JSON = func(b []byte) ([]byte, error) { return b, nil }
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t, engine.New(kind, opt), l}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		_ = l.Close()
	})
	return r
}

// connect attaches a connection whose client has a small buffer.
func (r *running) connect(gate chan struct{}) (net.Conn, *sink) {
	r.t.Helper()
	nc, err := (&net.Dialer{}).DialContext(r.t.Context(), "tcp", r.listener.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = nc.Close() })
	if tcp, ok := nc.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(16 << 10)
	}
	server, err := r.listener.Accept()
	if err != nil {
		r.t.Fatal(err)
	}
	s := &sink{gate: gate, frames: make(chan string, 100), closed: make(chan error, 1)}
	if err := r.Attach(server, nil, engine.Proto, func(c engine.Conn) engine.Handler { s.conn = c; return s }); err != nil {
		r.t.Fatal(err)
	}
	return nc, s
}

// await waits until cond holds.
func (r *running) await(what string, cond func() bool) {
	r.t.Helper()
	for begin := time.Now(); !cond(); time.Sleep(time.Millisecond) {
		if time.Since(begin) > boundPatience {
			r.t.Fatalf("waiting in vain: %s (%+v)", what, r.Stats())
		}
	}
}

// TestBurstsToMany publishes bursts to more readers than a loop visits at once,
// while others leave and come back: what comes while a round is
// under way reaches also those whom the round has passed, although nothing follows.
func TestBurstsToMany(t *testing.T) {
	const stay, churn, bursts, each = 300, 100, 60, 3
	bothKinds(t, engine.Options{Loops: 1, Queue: 16 << 20, Idle: time.Hour}, func(t *testing.T, r *running) {
		topic := engine.Topic{Lane: engine.Log, ID: 1}
		var have atomic.Int64 // frames that those who stay have
		var readers sync.WaitGroup
		var leavers []*sink
		var clients []net.Conn
		for i := range stay + churn {
			nc, s := r.connect(nil)
			s.conn.Subscribe(topic, 0)
			clients = append(clients, nc)
			leaves := i%4 == 0
			if leaves {
				leavers = append(leavers, s)
			}
			readers.Go(func() {
				in := bufio.NewReader(nc)
				for next := uint64(1); ; next++ {
					h, err := ws.ReadHeader(in)
					if err != nil {
						return
					}
					b := make([]byte, h.Length)
					if _, err := io.ReadFull(in, b); err != nil || leaves {
						continue
					}
					if got := binary.BigEndian.Uint64(b); got != next {
						t.Errorf("got %d instead of %d", got, next)
						return
					}
					have.Add(1)
				}
			})
		}
		number := uint64(0)
		for range bursts {
			for n := range each {
				number++
				r.Publish(topic, number, engine.NewFrame(binary.BigEndian.AppendUint64(nil, number)))
				if n == each-1 {
					for _, s := range leavers {
						s.conn.Unsubscribe(topic)
					}
				}
				time.Sleep(500 * time.Microsecond) // so that it comes in the midst of a round, now and then
			}
			r.await(fmt.Sprint("burst up to ", number), func() bool { return have.Load() == int64(number)*stay || t.Failed() })
			for _, s := range leavers {
				s.conn.Subscribe(topic, number)
			}
		}
		for _, nc := range clients {
			_ = nc.Close()
		}
		readers.Wait()
	})
}

// TestStoppedReaderIsCut holds that who takes nothing for the time that a write
// may take is cut off, although it is not silent for as long as that would need.
func TestStoppedReaderIsCut(t *testing.T) {
	bothKinds(t, engine.Options{WriteTimeout: 300 * time.Millisecond, Idle: time.Hour}, func(t *testing.T, r *running) {
		_, s := r.connect(nil)
		big := engine.NewFrame([]byte(strings.Repeat("x", 1<<20)))
		for range 8 {
			s.conn.Send(big)
		}
		if why := s.awaitClosed(t); !errors.Is(why, os.ErrDeadlineExceeded) {
			t.Errorf("ended with %v", why)
		}
		r.await("nothing to be left", func() bool { st := r.Stats(); return st.Connections == 0 && st.Queued == 0 && st.Stalled == 0 })
	})
}

// TestKernelTakesLittle holds that the kernel does not take megabytes for one who
// does not read: what waits, waits where it is counted.
func TestKernelTakesLittle(t *testing.T) {
	const frames, size, kernel = 800, 10_000, 1 << 20
	bothKinds(t, engine.Options{WriteTimeout: time.Hour}, func(t *testing.T, r *running) {
		_, s := r.connect(nil)
		for range frames {
			if !s.conn.Send(engine.NewFrame(make([]byte, size))) {
				t.Fatal("a frame was refused")
			}
		}
		before := int64(-1)
		r.await("the socket to be full", func() bool {
			now := r.Stats().Queued
			full := now == before
			before = now
			time.Sleep(20 * time.Millisecond)
			return full
		})
		if took := int64(frames*size) - before; took > kernel {
			t.Errorf("the kernel holds %d bytes for one stopped reader", took)
		}
	})
}

// TestNothingBehindGoodbye sends a message behind a close frame, and behind
// nonsense, while the handler is busy with the one before: it is not looked at.
func TestNothingBehindGoodbye(t *testing.T) {
	masked := func(op ws.OpCode, payload string) string {
		b, err := ws.CompileFrame(ws.MaskFrame(ws.NewFrame(op, true, []byte(payload))))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, end := range []string{masked(ws.OpClose, "\x03\xe8"), "\x83\x80\x00\x00\x00\x00"} {
		bothKinds(t, engine.Options{}, func(t *testing.T, r *running) {
			gate := make(chan struct{})
			nc, s := r.connect(gate)
			if _, err := io.WriteString(nc, masked(ws.OpBinary, "first")+end+masked(ws.OpBinary, "second")); err != nil {
				t.Fatal(err)
			}
			if got := <-s.frames; got != "first" {
				t.Fatalf("got %q", got)
			}
			if _, err := io.WriteString(nc, masked(ws.OpBinary, "third")); err != nil {
				t.Fatal(err)
			}
			close(gate)
			_, _ = io.Copy(io.Discard, nc) // to the end of what the engine sends
			_ = nc.Close()
			_ = s.awaitClosed(t)
			select {
			case got := <-s.frames:
				t.Errorf("behind the end the handler got %q", got)
			default:
			}
		})
	}
}

// TestEndedAreLetGo holds that nothing of the engine keeps the handlers of
// connections that have ended.
func TestEndedAreLetGo(t *testing.T) {
	const n = 300
	bothKinds(t, engine.Options{Idle: time.Hour}, func(t *testing.T, r *running) {
		var freed atomic.Int64
		for range n {
			nc, s := r.connect(nil)
			runtime.AddCleanup(s, func(freed *atomic.Int64) { freed.Add(1) }, &freed)
			_ = nc.Close()
			_ = s.awaitClosed(t)
		}
		r.await("handlers to be let go", func() bool {
			runtime.GC()
			return freed.Load() >= n*9/10 // a stack may hold one
		})
	})
}

// TestBusyIsNotSilent has a handler take longer than a client may be silent,
// while more waits than is read: the client is not blamed for what nobody read.
func TestBusyIsNotSilent(t *testing.T) {
	const idle = 100 * time.Millisecond
	bothKinds(t, engine.Options{Idle: idle}, func(t *testing.T, r *running) {
		gate := make(chan struct{})
		nc, s := r.connect(gate)
		b, err := ws.CompileFrame(ws.MaskFrame(ws.NewBinaryFrame(make([]byte, 1000))))
		if err != nil {
			t.Fatal(err)
		}
		const frames = 40 // more than a backlog
		for range frames {
			if _, err := nc.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		<-s.frames
		select {
		case why := <-s.closed:
			t.Errorf("ended with %v while its frames waited", why)
		case <-time.After(6 * idle):
		}
		close(gate)
		for range frames - 1 {
			select {
			case <-s.frames:
			case <-time.After(boundPatience):
				t.Fatal("the frames that waited do not come")
			}
		}
		if why := s.awaitClosed(t); !errors.Is(why, engine.ErrSilent) {
			t.Errorf("silent, it ended with %v", why)
		}
	})
}
