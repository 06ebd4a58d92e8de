//go:build linux

// Package crowd holds very many clients of the live socket in one thread: epoll,
// one buffer for all of them, and some sixty bytes for each. It verifies every
// message that they get, and tells when the last of them has one.
//
// A [Crowd] takes orders from one goroutine and works on one thread, which runs
// in [Crowd.Run].
package crowd

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"

	"muster/internal/load/socket"
)

// Crowd is a number of clients.
type Crowd struct {
	worker uint32
	report *os.File // where a Done goes
	epoll  int
	wake   int // an eventfd
	orders chan Order
	replys chan Reply
	over   chan struct{} // closed when Run has ended

	clients     []client
	tokens      []byte
	firstClient int
	targets     []unix.Sockaddr
	hosts       []string
	frags       map[int][]byte

	// What is one for all clients.
	buf, out []byte
	ev       event
	each     func(*event) error
	current  int
	at       int64
	dones    []byte
	seen     seen
	known    *Stamp // what the frame at hand was found to say, when another client got it
	read     *Stamp // what the frame at hand says, if one was read
	stamp    Stamp

	ledger           *ledger
	inside, dialling int
	bytes, trips     int64
	latency, later   *hdrhistogram.Histogram
	senders          []sender
	lastOf           map[orderKey]uint32
	sending          bool
	sendState

	// The order that is being done.
	order    Order
	busy     bool
	goal     Order // of the last connect
	reply    Reply
	began    int64
	nextDial int
	waiting  comebacks
	watched  int64
	watching int64 // since when
	addedNow int
}

// bufferSize is that of the one buffer, in bytes.
const bufferSize = 1 << 18

// tokenStride is a token's place in memory, in bytes.
const tokenStride = 64

// New makes a crowd. report is where it says that all of its clients have a
// message, as fixed records that [ReadDones] reads; nil: nowhere. seat is the
// place of its first client among all clients.
func New(worker uint32, seat int, report *os.File) (*Crowd, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("eventfd: %w", err), unix.Close(ep))
	}
	c := &Crowd{
		worker: worker, report: report, epoll: ep, wake: wake, firstClient: seat, orders: make(chan Order, 1), replys: make(chan Reply, 1), over: make(chan struct{}),
		buf: make([]byte, bufferSize), frags: map[int][]byte{}, latency: NewHistogram(), later: NewHistogram(),
	}
	c.each = c.event
	c.ledger = newLedger(0, 0, nil)
	return c, errors.Join(unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, wake, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: -1}))
}

// Do gives an order and waits for what came of it. Orders come from one goroutine.
func (c *Crowd) Do(ctx context.Context, o Order) (Reply, error) {
	c.orders <- o
	c.rouse()
	select {
	case r := <-c.replys:
		if r.Err != "" {
			return r, errors.New(r.Err)
		}
		return r, nil
	case <-c.over:
		return Reply{}, errors.New("the crowd has ended")
	case <-ctx.Done():
		return Reply{}, ctx.Err()
	}
}

func (c *Crowd) rouse() {
	_, _ = unix.Write(c.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // a full counter wakes as well
}

// Run works until ctx ends. It closes everything.
func (c *Crowd) Run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(c.over)
	defer func() {
		for i := range c.clients {
			c.shut(&c.clients[i])
		}
		_, _ = unix.Close(c.epoll), unix.Close(c.wake)
	}()
	stop := context.AfterFunc(ctx, c.rouse)
	defer stop()
	events := make([]unix.EpollEvent, 1024)
	for ctx.Err() == nil {
		n, err := unix.EpollWait(c.epoll, events, c.step())
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("epoll: %w", err)
		}
		for _, ev := range events[:max(n, 0)] {
			if ev.Fd < 0 {
				c.woken()
				continue
			}
			c.ready(int(ev.Fd))
		}
		if err := c.flush(); err != nil {
			return err
		}
	}
	return nil
}

// ready goes on with a client whose socket has something.
func (c *Crowd) ready(i int) {
	if i >= len(c.clients) {
		return // an order forgot them since epoll said so
	}
	cl := &c.clients[i]
	var err error
	switch cl.state {
	case away:
		return
	case connecting:
		err = c.connected(i)
	default:
		err = c.readable(i)
	}
	if err != nil {
		c.lost(i, err)
	}
}

// lost is called when a client's connection has ended. One that was not in yet
// comes back.
func (c *Crowd) lost(i int, err error) {
	cl := &c.clients[i]
	was := cl.state
	c.shut(cl)
	delete(c.frags, i)
	if was == in && cl.flags&slow != 0 {
		c.ledger.faults.Cut++
		return
	}
	if was == in {
		c.ledger.faults.Ended++
		c.ledger.fault(err.Error())
		return
	}
	pause := time.Second
	refused, isRefused := errors.AsType[*socket.Refused](err)
	goodbye, isGoodbye := errors.AsType[*ended](err)
	switch {
	case isRefused && (refused.Status == 503 || refused.Status == 429):
		c.reply.Refused++
		pause = time.Duration(max(refused.After, 0)) * time.Second
	case isGoodbye && goodbye.code/100 == 41:
		c.reply.Refused++
		pause = time.Duration(goodbye.after) * time.Millisecond
	default:
		c.reply.Failed++
		c.reply.note(err)
	}
	// As our clients do: when it was asked to, with some jitter.
	pause += rand.N(max(min(pause, 2*time.Second), 100*time.Millisecond))
	heap.Push(&c.waiting, comeback{Now() + int64(pause), i})
}

// woken takes an order.
func (c *Crowd) woken() {
	var b [8]byte
	_, _ = unix.Read(c.wake, b[:]) // it is empty already
	select {
	case c.order = <-c.orders:
		c.busy, c.began, c.reply = true, Now(), Reply{}
		if err := c.begin(); err != nil {
			c.finishOrder(err)
		}
	default:
	}
}

// finishOrder answers the order.
func (c *Crowd) finishOrder(err error) {
	c.busy = false
	r := &c.reply
	r.In, r.Began, r.Ended = c.inside, c.began, Now()
	if err != nil {
		r.Err = err.Error()
	}
	c.replys <- *r
}

// step does what the order asks for now, and gives how long to wait for sockets
// at most, in milliseconds.
func (c *Crowd) step() int {
	if !c.busy {
		return -1
	}
	now := Now()
	over, wait, err := c.proceed(now)
	late := c.order.TimeoutMS > 0 && now-c.began > c.order.TimeoutMS*1e6
	switch {
	case err != nil:
		c.finishOrder(err)
	case over:
		c.finishOrder(nil)
	case late && c.order.Op == OpFinish: // what is missing is counted
		c.settle()
		c.finishOrder(nil)
	case late:
		c.finishOrder(fmt.Errorf("%s: not done after %d ms: %d clients are in, %d on the way, %d wait; %s",
			c.order.Op, c.order.TimeoutMS, c.inside, c.dialling, len(c.waiting), c.reply.First))
	default:
		return wait
	}
	return -1
}

// flush writes what has been everywhere since the last time.
func (c *Crowd) flush() error {
	// Whole records that a pipe takes at once (pipe(7), PIPE_BUF), because several
	// processes write to it.
	const most = 4096 / doneSize * doneSize
	for b := c.dones; len(b) > 0; {
		n := min(len(b), most)
		if _, err := c.report.Write(b[:n]); err != nil {
			return fmt.Errorf("report: %w", err)
		}
		b = b[n:]
	}
	c.dones = c.dones[:0]
	return nil
}

func (c *Crowd) everywhere(seq uint32, at int64) {
	if c.report != nil {
		c.dones = Done{Run: uint32(c.ledger.run), Seq: seq, At: at, Worker: c.worker}.append(c.dones)
	}
}

// ReadDones reads what crowds report until the file ends.
func ReadDones(f *os.File, each func(Done)) error {
	buf := make([]byte, 0, 1<<16)
	for {
		n, err := f.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		for len(buf) >= doneSize {
			each(readDone(buf))
			buf = buf[doneSize:]
		}
		buf = append(make([]byte, 0, 1<<16), buf...)
		if err != nil {
			return err
		}
	}
}

// comeback is a client that connects again at a time.
type comeback struct {
	at int64
	i  int
}

type comebacks []comeback

// Len implements heap.Interface.
func (w comebacks) Len() int { return len(w) }

// Less implements heap.Interface.
func (w comebacks) Less(i, j int) bool { return w[i].at < w[j].at }

// Swap implements heap.Interface.
func (w comebacks) Swap(i, j int) { w[i], w[j] = w[j], w[i] }

// Push implements heap.Interface.
func (w *comebacks) Push(x any) { *w = append(*w, x.(comeback)) } //nolint:errcheck // the heap holds nothing else

// Pop implements heap.Interface.
func (w *comebacks) Pop() any {
	last := (*w)[len(*w)-1]
	*w = (*w)[:len(*w)-1]
	return last
}

func sinceNs(now, then int64) time.Duration { return time.Duration(now - then) }

// addressOf reads an address of the form host:port; the host is an IPv4 address.
func addressOf(target string) (unix.Sockaddr, error) {
	a, err := netip.ParseAddrPort(target)
	if err != nil || !a.Addr().Is4() {
		return nil, fmt.Errorf("%q is no IPv4 address with a port", target)
	}
	return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}, nil
}
