package engine_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"muster/internal/gateway/engine"
)

// readerEnv makes the test binary the clients of a benchmark, in a process of
// their own, so that what the server takes can be told apart. Its value is the
// address, how many connections, the size of a frame, and how many of the
// connections do not read.
const readerEnv = "MUSTER_ENGINE_READER"

// child is another task of the test binary; false: it has none.
func child() (func(), bool) {
	task := os.Getenv(readerEnv)
	return func() {
		if err := runReader(task); err != nil {
			fmt.Fprintln(os.Stderr, "readers:", err)
			os.Exit(1)
		}
	}, task != ""
}

// runReader connects and reads. It writes a line with the number of messages
// that everybody has whenever that grows.
func runReader(task string) error {
	var addr string
	var conns, frame, stopped int
	if _, err := fmt.Sscan(task, &addr, &conns, &frame, &stopped); err != nil {
		return err
	}
	ap, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return err
	}
	ep, err := unix.EpollCreate1(0)
	if err != nil {
		return err
	}
	got := make(map[int32]int, conns)
	for i := range conns {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: ap.Port, Addr: [4]byte(ap.IP.To4())}); err != nil {
			return err
		}
		if i < stopped {
			continue
		}
		got[int32(fd)] = 0
		if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	var have []int // have[n] is how many connections have n messages or more
	done := 0
	buf := make([]byte, 256<<10)
	events := make([]unix.EpollEvent, 512)
	for {
		n, err := unix.EpollWait(ep, events, -1)
		if err != nil && err != unix.EINTR {
			return err
		}
		for _, ev := range events[:max(n, 0)] {
			k, err := unix.Read(int(ev.Fd), buf)
			if k <= 0 {
				return err
			}
			before := got[ev.Fd]
			got[ev.Fd] += k
			for m := before/frame + 1; m <= got[ev.Fd]/frame; m++ {
				for len(have) <= m {
					have = append(have, 0)
				}
				have[m]++
			}
		}
		before := done
		for done+1 < len(have) && have[done+1] == len(got) {
			done++
		}
		if done > before {
			fmt.Println(done)
		}
	}
}

// crowd is the clients' process and the server's ends of their sockets.
type crowd struct {
	socks []net.Conn
	// done is how many messages everybody has.
	done atomic.Int64
	tick chan struct{}
	stop func()
}

func gather(b *testing.B, conns, frame, stopped int) *crowd {
	b.Helper()
	l, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	cmd := exec.CommandContext(context.Background(), os.Args[0]) //nolint:gosec // this program
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d %d", readerEnv, l.Addr(), conns, frame, stopped), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	c := &crowd{tick: make(chan struct{}, 1)}
	for range conns {
		nc, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		c.socks = append(c.socks, nc)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		b.Fatalf("the readers said %q", lines.Text())
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines.Scan() {
			n, _ := strconv.ParseInt(lines.Text(), 10, 64)
			c.done.Store(n)
			select {
			case c.tick <- struct{}{}:
			default:
			}
		}
	})
	c.stop = func() {
		_ = cmd.Process.Kill()
		reading.Wait()
		_ = cmd.Wait()
	}
	return c
}

// until waits until everybody has so many messages.
func (c *crowd) until(n int64) {
	for c.done.Load() < n {
		<-c.tick
	}
}

func cpu() time.Duration {
	var r unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// fanout is one way to bring a frame to everybody.
type fanout struct {
	name  string
	start func(b *testing.B, c *crowd) (publish func(n int), stop func())
}

var text = strings.Repeat("x", 126) // a frame of 128 bytes with its header

func fanouts() []fanout {
	engineOf := func(kind engine.Kind) func(b *testing.B, c *crowd) (func(int), func()) {
		return func(b *testing.B, c *crowd) (func(int), func()) {
			e := engine.New(kind, engine.Options{})
			ctx, cancel := context.WithCancel(context.Background())
			var running sync.WaitGroup
			running.Go(func() {
				if err := e.Run(ctx); err != nil {
					b.Error(err)
				}
			})
			topic := engine.Topic{Lane: engine.Live, ID: 1}
			for _, nc := range c.socks {
				err := e.Attach(nc, nil, engine.Proto, func(c engine.Conn) engine.Handler { c.Subscribe(topic, 0); return deafHandler{} })
				if err != nil {
					b.Fatal(err)
				}
			}
			frame := engine.AppendBinary(nil, []byte(text[:124]))
			return func(n int) { e.Publish(topic, uint64(n), engine.FrameOf(frame)) }, func() { //nolint:gosec // a count
				cancel()
				running.Wait()
			}
		}
	}
	return []fanout{
		{"floor", floor},
		{"loops", engineOf(engine.KindLoops)},
		{"threads", engineOf(engine.KindThreads)},
	}
}

type deafHandler struct{}

func (deafHandler) Frame([]byte)                                      {}
func (deafHandler) Missed(engine.Topic, uint64, uint64) *engine.Frame { return nil }
func (deafHandler) Closed(error)                                      {}

// floor does nothing but write(2), one after another.
func floor(b *testing.B, c *crowd) (func(int), func()) {
	var fds []int
	for _, nc := range c.socks {
		raw, err := nc.(*net.TCPConn).SyscallConn()
		if err != nil {
			b.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) { fds = append(fds, int(fd)) }) //nolint:gosec // a descriptor
	}
	frame := engine.AppendBinary(nil, []byte(text[:124]))
	return func(int) {
			for _, fd := range fds {
				if n, err := unix.Write(fd, frame); n != len(frame) || err != nil {
					b.Errorf("write: %d, %v", n, err)
				}
			}
		}, func() {
			for _, nc := range c.socks {
				_ = nc.Close()
			}
		}
}

// BenchmarkFanout brings messages of 128 bytes to everybody in one topic, so
// many under way at a time; the floor is nothing but write(2) on the same number
// of sockets.
func BenchmarkFanout(b *testing.B) {
	for _, conns := range []int{1000, 10000} {
		for _, window := range []int{1, 4, 32} {
			for _, way := range fanouts() {
				if way.name == "floor" && window > 1 {
					continue
				}
				b.Run(fmt.Sprintf("conns=%d/window=%d/%s", conns, window, way.name), func(b *testing.B) {
					b.StopTimer()
					c := gather(b, conns, 126, 0)
					defer c.stop()
					publish, stop := way.start(b, c)
					defer stop()
					publish(1)
					c.until(1)
					runtime.GC()
					b.StartTimer()
					before := cpu()
					for n := range b.N {
						c.until(int64(n + 2 - window))
						publish(n + 2)
					}
					c.until(int64(b.N + 1))
					took := cpu() - before
					b.ReportMetric(float64(b.N*conns)/took.Seconds(), "deliveries/cpu-s")
				})
			}
		}
	}
}

// BenchmarkRate publishes a thousand messages a second to a thousand clients, of
// whom some read nothing, and tells how long the last one waits for a message.
func BenchmarkRate(b *testing.B) {
	const conns, rate = 1000, 1000
	for _, stopped := range []int{0, conns / 100} {
		for _, way := range fanouts()[1:] {
			b.Run(fmt.Sprintf("stopped=%d/%s", stopped, way.name), func(b *testing.B) {
				b.StopTimer()
				c := gather(b, conns, 126, stopped)
				defer c.stop()
				publish, stop := way.start(b, c)
				defer stop()
				publish(1)
				c.until(1)
				runtime.GC()
				sent := make([]atomic.Int64, b.N)
				var waits []time.Duration
				start := time.Now()
				var watching sync.WaitGroup
				watching.Go(func() {
					for n := range b.N {
						c.until(int64(n + 2))
						waits = append(waits, time.Since(start)-time.Duration(sent[n].Load()))
					}
				})
				b.StartTimer()
				before := cpu()
				for n := range b.N {
					time.Sleep(time.Until(start.Add(time.Duration(n) * time.Second / rate)))
					sent[n].Store(int64(time.Since(start)))
					publish(n + 2)
				}
				watching.Wait()
				took := cpu() - before
				slices.Sort(waits)
				b.ReportMetric(float64(b.N*(conns-stopped))/took.Seconds(), "deliveries/cpu-s")
				b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds())/1000, "p99-ms")
				b.ReportMetric(float64(waits[len(waits)/2].Microseconds())/1000, "p50-ms")
			})
		}
	}
}
