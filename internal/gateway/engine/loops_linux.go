package engine

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// New makes an engine. A kind that the system does not have is another one.
func New(kind Kind, opt Options) Engine {
	if kind == KindThreads {
		return NewThreads(opt)
	}
	return NewLoops(opt)
}

// Loops is the engine whose event loops own the plain sockets. A loop has all
// that concerns its connections to itself and takes no lock while it works; what
// others want of it they put into its inbox, where everything has its order.
//
// Lock order: hubShard.mu, hub.mu, loop.mu. Nothing is locked below loop.mu, and
// handlers are called with none of them.
type Loops struct {
	opt   Options
	loops []*loop
	// others serves the sockets that only Go can read.
	others  *Threads
	topics  [shards]hubShard
	workers workers

	stopMu  sync.RWMutex
	stopped bool

	waitMu  sync.Mutex
	waiters map[*lconn]chan struct{} // who waits in SendPaced

	count, stalled, queued, logs atomic.Int64
	delivered, missed            atomic.Uint64
}

type hubShard struct {
	mu sync.RWMutex
	m  map[Topic]*hub
}

// hub finds a topic's logs.
type hub struct {
	mu   sync.Mutex
	logs []*tlog
}

var _ Engine = (*Loops)(nil)

// maxLoops bounds the loops: more than these would only cut rooms into small
// pieces.
const maxLoops = 32

// NewLoops makes the engine.
func NewLoops(opt Options) *Loops {
	opt = opt.withDefaults()
	if opt.Loops <= 0 { // the rest of the program needs processors too
		opt.Loops = min(max(1, runtime.GOMAXPROCS(0)/2), maxLoops)
	}
	e := &Loops{opt: opt, others: NewThreads(opt), waiters: make(map[*lconn]chan struct{})}
	e.workers.init()
	for i := range e.topics {
		e.topics[i].m = make(map[Topic]*hub)
	}
	for range opt.Loops {
		e.loops = append(e.loops, newLoop(e))
	}
	return e
}

// Attach implements [Engine].
func (e *Loops) Attach(nc net.Conn, early []byte, enc Encoding, bind func(Conn) Handler) error {
	e.stopMu.RLock()
	defer e.stopMu.RUnlock()
	if e.stopped {
		_ = nc.Close()
		return ErrStopped
	}
	fd, ok := takeOver(nc)
	if !ok {
		return e.others.Attach(nc, early, enc, bind)
	}
	e.attach(fd, early, enc, bind)
	return nil
}

// AttachFD is Attach for the descriptor of a plain TCP socket that does not block
// and is in nobody's hands.
func (e *Loops) AttachFD(fd int, early []byte, enc Encoding, bind func(Conn) Handler) error {
	e.stopMu.RLock()
	defer e.stopMu.RUnlock()
	if e.stopped {
		_ = unix.Close(fd)
		return ErrStopped
	}
	e.attach(fd, early, enc, bind)
	return nil
}

// attach gives a socket to the loop that has the fewest. stopMu is held.
func (e *Loops) attach(fd int, early []byte, enc Encoding, bind func(Conn) Handler) {
	tuneFD(fd)
	l := e.loops[0]
	for _, other := range e.loops[1:] {
		if other.load.Load() < l.load.Load() {
			l = other
		}
	}
	l.load.Add(1)
	e.count.Add(1)
	c := &lconn{id: e.others.nextID.Add(1), loop: l, fd: int32(fd), enc: enc} //nolint:gosec // a file descriptor
	l.post(op{kind: opAdopt, c: c})
	c.handler = bind(c)
	l.post(op{kind: opStart, c: c, b: append([]byte(nil), early...)})
}

// takeOver gives a descriptor of a plain socket that is out of the hands of Go's
// own poller; false: it stays where it is.
func takeOver(nc net.Conn) (fd int, ok bool) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return 0, false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, false
	}
	var dupErr error
	err = raw.Control(func(old uintptr) {
		fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err != nil || dupErr != nil {
		return 0, false
	}
	_ = nc.Close()
	return fd, true
}

func (e *Loops) hubShard(t Topic) *hubShard { return &e.topics[shardOf(t)] }

// Publish implements [Engine].
func (e *Loops) Publish(t Topic, number uint64, f *Frame) {
	if e.others.count.Load() > 0 {
		e.others.Publish(t, number, f)
	}
	shard := e.hubShard(t)
	shard.mu.RLock()
	h := shard.m[t]
	shard.mu.RUnlock()
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, g := range h.logs {
		g.loop.post(op{kind: opPublish, log: g, n: number, b: f.bytes(g.enc, e.opt.JSON), urgent: f.urgent})
	}
}

// subscribe finds the log of a connection's topic, makes it if need be, and has
// the loop put the connection in.
func (e *Loops) subscribe(c *lconn, t Topic, after uint64) {
	shard := e.hubShard(t)
	shard.mu.Lock()
	h := shard.m[t]
	if h == nil {
		h = &hub{}
		shard.m[t] = h
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	shard.mu.Unlock()
	var g *tlog
	for _, other := range h.logs {
		if other.loop == c.loop && other.enc == c.enc {
			g = other
		}
	}
	if g == nil {
		g = &tlog{key: t, enc: c.enc, loop: c.loop}
		h.logs = append(h.logs, g)
	}
	g.refs++
	c.loop.post(op{kind: opSubscribe, c: c, log: g, n: after})
}

// release gives back a reference that subscribe took.
func (e *Loops) release(g *tlog) {
	shard := e.hubShard(g.key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	h := shard.m[g.key]
	h.mu.Lock()
	defer h.mu.Unlock()
	if g.refs--; g.refs > 0 {
		return
	}
	for i, other := range h.logs {
		if other == g {
			last := len(h.logs) - 1
			h.logs[i], h.logs[last] = h.logs[last], nil
			h.logs = h.logs[:last]
			break
		}
	}
	if len(h.logs) == 0 {
		delete(shard.m, g.key)
	}
}

// Stats implements [Engine].
func (e *Loops) Stats() Stats {
	s := e.others.Stats()
	s.Connections += e.count.Load()
	s.Stalled += e.stalled.Load()
	s.Queued += e.queued.Load()
	s.Logs += e.logs.Load()
	s.Delivered += e.delivered.Load()
	s.Missed += e.missed.Load()
	s.Loops = len(e.loops)
	for _, l := range e.loops {
		s.Busy = max(s.Busy, float64(l.busy.Load())/1000)
		s.Round = max(s.Round, time.Duration(l.round.Load()))
		s.Late = max(s.Late, time.Duration(l.late.Load()))
	}
	return s
}

// Run implements [Engine].
func (e *Loops) Run(ctx context.Context) error {
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	work, failed := errgroup.WithContext(life)
	work.Go(func() error { return e.others.Run(life) })
	err := e.open()
	if err == nil {
		for _, l := range e.loops {
			work.Go(l.run)
		}
		select {
		case <-ctx.Done():
		case <-failed.Done():
		}
	}
	e.close()
	stop()
	err = errors.Join(err, work.Wait())
	done := make(chan struct{})
	go func() { // ends with the goroutines that call handlers
		e.workers.finish()
		close(done)
	}()
	select {
	case <-done:
		return err
	case <-time.After(5 * time.Second):
		return errors.Join(err, errors.New("engine: a connection's handler still runs after the stop"))
	}
}

// open makes the descriptors of every loop. If one fails, none of them has any,
// and what was attached has ended.
func (e *Loops) open() (err error) {
	for _, l := range e.loops {
		if err = l.open(); err != nil {
			break
		}
	}
	if err != nil {
		for _, l := range e.loops {
			l.giveUp()
		}
	}
	return err
}

// close takes no more connections, and has the loops end.
func (e *Loops) close() {
	e.stopMu.Lock()
	e.stopped = true
	e.stopMu.Unlock()
	for _, l := range e.loops {
		l.post(op{kind: opStop})
	}
}

// awaitRoom gives a channel that is closed when little waits for the connection,
// or when it is closed.
func (e *Loops) awaitRoom(c *lconn) chan struct{} {
	e.waitMu.Lock()
	defer e.waitMu.Unlock()
	room := e.waiters[c]
	if room == nil {
		room = make(chan struct{})
		e.waiters[c] = room
	}
	c.waited.Store(true)
	return room
}

func (e *Loops) wakeRoom(c *lconn) {
	e.waitMu.Lock()
	defer e.waitMu.Unlock()
	if room := e.waiters[c]; room != nil {
		close(room)
		delete(e.waiters, c)
	}
	c.waited.Store(false)
}
