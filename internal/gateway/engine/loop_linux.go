package engine

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// loop is one event loop. Everything below its inbox belongs to its goroutine.
type loop struct {
	engine *Loops
	load   atomic.Int64 // connections, for choosing a loop
	busy   atomic.Int64 // per mille of its time, lately
	round  atomic.Int64 // nanoseconds
	late   atomic.Int64 // nanoseconds

	mu    sync.Mutex
	inbox []op
	dead  bool
	// awake: the loop will look at its inbox before it sleeps. It is set until
	// the loop runs.
	awake atomic.Bool

	ep, wake int
	events   []unix.EpollEvent
	batch    []op
	slots    []*lconn
	gens     []int32
	free     []uint32
	live     int
	stopping bool

	flushes []*lconn // with something in out
	reads   []*lconn // of which more can be read at once
	dying   []*lconn
	rbuf    []byte // what was just read, of whom ever
	wbuf    []byte // small buffers put together for one write
	parser  parser
	buffers bufferPool
	passes  passes
	wheel   wheel
	clock   loopClock
}

// op is what others want of a loop.
type op struct {
	kind   opKind
	urgent bool
	c      *lconn
	log    *tlog
	topic  Topic
	n      uint64
	b      []byte
	why    error
}

type opKind uint8

const (
	opAdopt       opKind = iota // c is new; ops about it may follow
	opStart                     // its handler is known; b is what was read already
	opPublish                   // b with number n in log
	opSubscribe                 // c to log, behind n; a reference of log is held
	opUnsubscribe               // c from topic
	opSend                      // b to c, on whose account it is
	opBye                       // b are the last words, on the account; why of the end, nil: Close
	opResume                    // the handler of c has caught up
	opStop
)

// The sockets that are looked at between two looks at other things, and while a
// round is under way.
const (
	eventsAtOnce  = 512
	eventsInRound = 64
)

func newLoop(e *Loops) *loop {
	l := &loop{engine: e, ep: -1, wake: -1, clock: loopClock{start: time.Now()}} //nolint:forbidigo // the loop's own monotonic clock
	l.awake.Store(true)
	l.wheel.init(e.opt.Idle)
	l.passes.tick = e.opt.Tick
	return l
}

// post puts something into the inbox. The order of calls is the order in which
// the loop does what they want.
func (l *loop) post(o op) {
	l.mu.Lock()
	if l.dead {
		l.mu.Unlock()
		return
	}
	l.inbox = append(l.inbox, o)
	if !l.awake.Load() && !l.awake.Swap(true) {
		wakeUp(l.wake) // under the lock, so that it is not closed meanwhile
	}
	l.mu.Unlock()
}

// open makes the loop's descriptors.
func (l *loop) open() (err error) {
	if l.ep, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("engine: make an epoll: %w", err)
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err == nil {
		err = unix.EpollCtl(l.ep, unix.EPOLL_CTL_ADD, l.wake, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: -1})
	}
	if err != nil {
		l.shut()
		return fmt.Errorf("engine: make an eventfd: %w", err)
	}
	l.events = make([]unix.EpollEvent, eventsAtOnce)
	l.rbuf = make([]byte, 64<<10)
	l.wbuf = make([]byte, 0, 64<<10)
	return nil
}

func (l *loop) shut() {
	for _, fd := range []int{l.ep, l.wake} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
	l.ep, l.wake = -1, -1
}

// run works until opStop has come and every connection has ended.
func (l *loop) run() error {
	defer l.shut()
	for {
		if err := l.sleep(); err != nil {
			l.giveUp()
			return fmt.Errorf("engine: wait for sockets: %w", err)
		}
		l.drain()
		l.readOn()
		l.flushAll()
		l.pass()
		l.bury()
		l.turnWheel()
		l.account()
		if l.stopping && l.live == 0 && l.finish() {
			return nil
		}
	}
}

// giveUp ends a loop that cannot wait for its sockets: the engine takes no more
// connections, and those of the loop end without a goodbye.
func (l *loop) giveUp() {
	l.engine.close() // whoever was about to attach has done so
	for {
		l.drain()
		for _, c := range l.slots {
			if c != nil {
				l.end(c, ErrStopped)
			}
		}
		if l.finish() {
			break
		}
	}
	l.shut()
}

// finish ends the loop unless something is in its inbox.
func (l *loop) finish() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.inbox) > 0 {
		return false
	}
	l.dead = true
	return true
}

// sleep waits for sockets and handles what they have.
func (l *loop) sleep() error {
	timeout := 0
	if len(l.reads) == 0 && len(l.flushes) == 0 && len(l.dying) == 0 {
		timeout = l.untilNext()
	}
	if timeout != 0 {
		l.awake.Store(false)
		l.mu.Lock()
		if len(l.inbox) > 0 {
			timeout = 0
		}
		l.mu.Unlock()
	}
	l.clock.rest()
	events := l.events
	if l.passes.wait(l.clock.now) == 0 { // a crowd that comes or goes does not hold up a round
		events = events[:eventsInRound]
	}
	n, err := epollWait(l.ep, events, timeout)
	l.awake.Store(true)
	l.clock.rise()
	if err != nil {
		return err
	}
	for _, ev := range events[:n] {
		if ev.Fd < 0 {
			drainWake(l.wake)
			continue
		}
		c := l.slots[ev.Fd]
		if c == nil || c.gen != ev.Pad {
			continue
		}
		if ev.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			c.hup = true
		}
		if ev.Events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 && c.blocked {
			l.unblock(c)
		}
		if ev.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			l.read(c)
		}
	}
	return nil
}

// untilNext is how long the loop may sleep, in milliseconds; -1: until something
// comes.
func (l *loop) untilNext() int {
	wait := l.passes.wait(l.clock.now)
	if l.live > 0 || l.stopping {
		if tick := l.wheel.wait(l.clock.now); wait < 0 || tick < wait {
			wait = tick
		}
	}
	if wait <= 0 {
		return int(wait)
	}
	return int((wait + time.Millisecond - 1) / time.Millisecond)
}

// drain does what the inbox holds.
func (l *loop) drain() {
	l.mu.Lock()
	l.batch, l.inbox = l.inbox, l.batch[:0]
	l.mu.Unlock()
	for i := range l.batch {
		l.do(&l.batch[i])
	}
	clear(l.batch)
	if cap(l.batch) > 16<<10 {
		l.batch = nil // a burst is over
	}
}

func (l *loop) do(o *op) {
	switch o.kind {
	case opPublish:
		l.publish(o.log, o.n, o.b, o.urgent)
	case opSend:
		l.send(o.c, o.b)
	case opSubscribe:
		l.subscribe(o.c, o.log, o.n)
	case opUnsubscribe:
		l.unsubscribe(o.c, o.topic)
	case opResume:
		l.resume(o.c)
	case opAdopt:
		l.adopt(o.c)
	case opStart:
		l.start(o.c, o.b)
	case opBye:
		l.bye(o.c, o.b, o.why)
	case opStop:
		l.stopping = true
		for _, c := range l.slots {
			if c == nil {
				continue
			}
			c.mute.Store(true)
			if !c.parting {
				l.end(c, ErrStopped)
			}
		}
	}
}

// adopt gives a new connection a slot.
func (l *loop) adopt(c *lconn) {
	if n := len(l.free); n > 0 {
		c.slot = l.free[n-1]
		l.free = l.free[:n-1]
		l.gens[c.slot]++
	} else {
		c.slot = uint32(len(l.slots)) //nolint:gosec // fewer than there are descriptors
		l.slots = append(l.slots, nil)
		l.gens = append(l.gens, 0)
	}
	c.gen, c.adopted = l.gens[c.slot], true
	l.slots[c.slot] = c
	if l.live == 0 { // without connections nobody has turned the wheel
		l.turnWheel()
	}
	l.live++
	c.seen = l.wheel.now
	l.watch(c)
}

// start has epoll watch a connection.
func (l *loop) start(c *lconn, early []byte) {
	c.started = true
	if c.ended {
		l.farewell(c)
		return
	}
	err := unix.EpollCtl(l.ep, unix.EPOLL_CTL_ADD, int(c.fd), &unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xFFFFFFFF,
		Fd:     int32(c.slot), Pad: c.gen, //nolint:gosec // fewer than there are descriptors
	})
	if err != nil {
		l.end(c, err)
		return
	}
	if len(early) > 0 && !c.deaf {
		l.feed(c, early)
	}
	if !c.blocked {
		l.catchUp(c)
	}
}

// end closes a connection's socket and takes it out of everything. What it left
// to its handler comes before Closed.
func (l *loop) end(c *lconn, why error) {
	if c.ended {
		return
	}
	c.ended = true
	if connState(c.state.Swap(uint32(ended))) == closing && c.why == nil {
		c.why = ErrClosed
	}
	if c.why == nil {
		c.why = why
	}
	e := l.engine
	if c.waited.Load() {
		e.wakeRoom(c)
	}
	if c.blocked {
		e.stalled.Add(-1)
	}
	c.blocked = true
	for len(c.subs) > 0 {
		l.leave(c, len(c.subs)-1)
	}
	c.subs, c.in = nil, nil
	l.dropOut(c)
	_ = unix.Close(int(c.fd))
	l.slots[c.slot] = nil
	l.free = append(l.free, c.slot)
	l.live--
	l.load.Add(-1)
	e.count.Add(-1)
	if c.started {
		l.farewell(c)
	}
}

// dieLater ends a connection after what is going on, which may be a walk over
// its topics.
func (l *loop) dieLater(c *lconn, why error) {
	if c.dying || c.ended {
		return
	}
	c.dying = true
	if c.why == nil && !c.parting {
		c.why = why
	}
	if !c.blocked {
		c.blocked = true
		l.engine.stalled.Add(1)
	}
	l.dying = append(l.dying, c)
}

func (l *loop) bury() {
	for len(l.dying) > 0 {
		c := l.dying[len(l.dying)-1]
		l.dying[len(l.dying)-1] = nil
		l.dying = l.dying[:len(l.dying)-1]
		l.end(c, c.why)
	}
}

// loopClock counts the loop's working time. now is a reading for everything that
// happens between two sleeps.
type loopClock struct {
	start        time.Time
	now          time.Duration
	risen        time.Duration
	worked       time.Duration
	since        time.Duration
	longestRound time.Duration
	longestLate  time.Duration
}

func (k *loopClock) read() time.Duration {
	k.now = time.Since(k.start)
	return k.now
}

func (k *loopClock) rest() { k.worked += k.read() - k.risen }
func (k *loopClock) rise() { k.risen = k.read() }

// accountEvery is how often a loop publishes its figures.
const accountEvery = 250 * time.Millisecond

// account publishes the loop's figures, those of a round that goes on among them.
func (l *loop) account() {
	k := &l.clock
	k.read()
	span := k.now - k.since
	if span < accountEvery {
		return
	}
	if len(l.passes.now) > 0 {
		l.passes.note(k)
	}
	l.busy.Store(int64((k.worked + k.now - k.risen) * 1000 / span))
	l.round.Store(int64(k.longestRound))
	l.late.Store(int64(k.longestLate))
	k.worked, k.longestRound, k.longestLate = k.risen-k.now, 0, 0
	k.since = k.now
}
