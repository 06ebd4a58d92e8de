package engine

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// conn is a connection of Threads.
type conn struct {
	engine  *Threads
	id      uint64
	enc     Encoding
	nc      net.Conn
	handler Handler
	seen    atomic.Uint32 // the engine's tick when something last came
	busy    atomic.Bool   // the handler has a frame; nothing is read meanwhile

	mu    sync.Mutex
	state connState
	why   error // of the end, once known
	queue [][]byte
	// queued is what waits or is being written, in bytes.
	queued  int
	writing bool // a goroutine runs write
	pong    []byte
	subs    []*sub
	behind  int // subscriptions that missed something
	// room is closed when little is queued again; nil: nobody waits for that.
	room chan struct{}
}

func newConn(e *Threads, nc net.Conn, enc Encoding) *conn {
	c := &conn{engine: e, id: e.nextID.Add(1), enc: enc, nc: nc}
	c.seen.Store(e.tick.Load())
	return c
}

// ID implements [Conn].
func (c *conn) ID() uint64 { return c.id }

// Encoding implements [Conn].
func (c *conn) Encoding() Encoding { return c.enc }

// Subscribe implements [Conn].
func (c *conn) Subscribe(t Topic, after uint64) { c.engine.subscribe(c, t, after) }

// Unsubscribe implements [Conn].
func (c *conn) Unsubscribe(t Topic) {
	c.mu.Lock()
	var found *sub
	for i, s := range c.subs {
		if s.key == t {
			found = s
			c.subs[i] = c.subs[len(c.subs)-1]
			c.subs[len(c.subs)-1] = nil
			c.subs = c.subs[:len(c.subs)-1]
			c.settleMissed(s)
			break
		}
	}
	c.mu.Unlock()
	if found != nil {
		c.engine.remove(found)
	}
}

// addSub notes a subscription; false: there is one, or the connection ends.
func (c *conn) addSub(s *sub) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != open {
		return false
	}
	for _, other := range c.subs {
		if other.key == s.key {
			return false
		}
	}
	c.subs = append(c.subs, s)
	return true
}

func (c *conn) hasSub(s *sub) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, other := range c.subs {
		if other == s {
			return true
		}
	}
	return false
}

func (c *conn) settleMissed(s *sub) {
	if s.missed > 0 {
		s.missed = 0
		if c.behind--; c.behind == 0 {
			c.engine.stalled.Add(-1)
		}
	}
}

// leaveAll takes the subscriptions off the connection. The lock is held.
func (c *conn) leaveAll() []*sub {
	subs := c.subs
	for _, s := range subs {
		c.settleMissed(s)
	}
	c.subs = nil
	return subs
}

// push queues a publication, or notes that the connection missed it. It is
// called with the lock of the topic.
func (c *conn) push(s *sub, number uint64, b []byte, urgent bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != open {
		return false
	}
	limit := c.engine.opt.Queue
	if c.engine.queued.Load() > c.engine.opt.Total {
		limit /= 8
	}
	// An empty queue takes a frame of any size, and who missed one frame of a
	// topic misses the next ones until it is told, so that order is kept.
	if s.missed > 0 || c.queued > 0 && c.queued+len(b) > limit {
		if urgent && s.key.Lane == Live && c.queued+len(b) <= c.engine.opt.Private {
			c.tellMissed(s)
			c.enqueue(b)
			return true
		}
		if s.missed == 0 {
			if c.behind++; c.behind == 1 {
				c.engine.stalled.Add(1)
			}
		}
		s.missed++
		s.last = max(s.last, number)
		c.engine.missed.Add(1)
		return false
	}
	c.enqueue(b)
	return true
}

// enqueue puts bytes in the queue and sees to it that somebody writes them. The
// lock is held.
func (c *conn) enqueue(b []byte) {
	c.queue = append(c.queue, b)
	c.queued += len(b)
	c.engine.queued.Add(int64(len(b)))
	c.startWriting()
}

func (c *conn) startWriting() {
	if !c.writing {
		c.writing = true
		c.engine.writers.Go(c.write)
	}
}

// Send implements [Conn].
func (c *conn) Send(f *Frame) bool {
	b := f.bytes(c.enc, c.engine.opt.JSON)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != open {
		return true
	}
	tight := c.engine.queued.Load() > c.engine.opt.Total && c.queued > c.engine.opt.Queue
	if tight || c.queued > 0 && c.queued+len(b) > c.engine.opt.Private {
		return false
	}
	c.enqueue(b)
	return true
}

// SendPaced implements [Conn].
func (c *conn) SendPaced(ctx context.Context, f *Frame) error {
	b := f.bytes(c.enc, c.engine.opt.JSON)
	for {
		c.mu.Lock()
		if c.state != open {
			c.mu.Unlock()
			return ErrClosed
		}
		if c.queued <= c.engine.opt.Queue {
			c.enqueue(b)
			c.mu.Unlock()
			return nil
		}
		if c.room == nil {
			c.room = make(chan struct{})
		}
		room := c.room
		c.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// control queues a ping, whatever the queue holds.
func (c *conn) control(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == open {
		c.enqueue(b)
	}
}

// answerPing queues a pong. Of several pings that came before the answer to the
// first was written only the last is answered, as RFC 6455, section 5.5.3, allows.
func (c *conn) answerPing(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != open {
		return
	}
	c.pong = appendFrame(c.pong[:0], opPong, payload)
	c.startWriting()
}

// Close implements [Conn].
func (c *conn) Close(last *Frame, code uint16, reason string) {
	if last != nil {
		c.bye(last.bytes(c.enc, c.engine.opt.JSON), code, reason, ErrClosed)
		return
	}
	c.bye(nil, code, reason, ErrClosed)
}

// bye queues the goodbye and ends every subscription.
func (c *conn) bye(last []byte, code uint16, reason string, why error) {
	c.mu.Lock()
	if c.state != open {
		c.mu.Unlock()
		return
	}
	c.state, c.why = closing, why
	c.pong = nil // nothing comes behind the goodbye
	subs := c.leaveAll()
	if last != nil {
		c.enqueue(last)
	}
	c.enqueue(closeFrame(code, reason))
	c.wakeRoom()
	// Whoever reads or writes now is done by then.
	_ = c.nc.SetDeadline(deadline(c.engine.opt.Linger))
	c.mu.Unlock()
	for _, s := range subs {
		c.engine.remove(s)
	}
}

func (c *conn) closing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state != open
}

// cut ends the connection without a goodbye.
func (c *conn) cut(why error) {
	c.mu.Lock()
	if c.state == ended {
		c.mu.Unlock()
		return
	}
	if c.state == open || c.why == nil {
		c.why = why
	}
	c.state = ended
	subs := c.leaveAll()
	c.drop()
	c.wakeRoom()
	c.mu.Unlock()
	_ = c.nc.Close()
	for _, s := range subs {
		c.engine.remove(s)
	}
}

// drop forgets what is queued but not being written.
func (c *conn) drop() {
	for _, b := range c.queue {
		c.release(len(b))
	}
	c.queue = nil
}

func (c *conn) release(n int) {
	c.queued -= n
	c.engine.queued.Add(-int64(n))
}

func (c *conn) wakeRoom() {
	if c.room != nil && (c.state != open || c.queued <= c.engine.opt.Queue) {
		close(c.room)
		c.room = nil
	}
}

// deadline is a point in time on the monotonic clock.
func deadline(d time.Duration) time.Time {
	return time.Now().Add(d) //nolint:forbidigo // a deadline of a socket is on the runtime's own clock
}

// write writes what is queued until nothing is.
func (c *conn) write() {
	var batch [][]byte
	for {
		c.mu.Lock()
		if c.behind > 0 && c.queued <= c.engine.opt.Queue/2 {
			c.tellAllMissed()
		}
		if len(c.pong) > 0 {
			pong := c.pong
			c.pong = nil
			c.queue = append(c.queue, pong)
			c.queued += len(pong)
			c.engine.queued.Add(int64(len(pong)))
		}
		if len(c.queue) == 0 || c.state == ended {
			c.writing = false
			finished := c.state == closing
			c.mu.Unlock()
			if finished {
				c.wroteGoodbye()
			}
			return
		}
		batch, c.queue = c.queue, nil
		timeout := c.engine.opt.WriteTimeout
		if c.state == open { // else bye has set the last one
			_ = c.nc.SetWriteDeadline(deadline(timeout))
		}
		c.mu.Unlock()
		err := c.writeAll(batch)
		if err != nil {
			c.cut(err)
			return
		}
	}
}

// tellAllMissed queues what the connection has to be told of what it missed. The
// lock is held.
func (c *conn) tellAllMissed() {
	for _, s := range c.subs {
		c.tellMissed(s)
	}
}

// tellMissed does so for one topic.
func (c *conn) tellMissed(s *sub) {
	if s.missed == 0 {
		return
	}
	if f := c.handler.Missed(s.key, s.missed, s.last); f != nil {
		c.enqueue(f.bytes(c.enc, c.engine.opt.JSON))
	}
	c.settleMissed(s)
}

// writeBuffer is how much is put together for one write(2).
const writeBuffer = 32 << 10

var writeBuffers = sync.Pool{New: func() any { b := make([]byte, 0, writeBuffer); return &b }}

// writeAll writes frames, small ones together.
func (c *conn) writeAll(batch [][]byte) error {
	if len(batch) == 1 {
		return c.writeOne(batch[0], len(batch[0]))
	}
	buf := writeBuffers.Get().(*[]byte) //nolint:errcheck // the pool holds nothing else
	defer func() { *buf = (*buf)[:0]; writeBuffers.Put(buf) }()
	for i, b := range batch {
		if len(*buf)+len(b) > writeBuffer && len(*buf) > 0 {
			if err := c.writeOne(*buf, len(*buf)); err != nil {
				c.releaseAll(batch[i:])
				return err
			}
			*buf = (*buf)[:0]
		}
		if len(b) > writeBuffer {
			if err := c.writeOne(b, len(b)); err != nil {
				c.releaseAll(batch[i+1:])
				return err
			}
			continue
		}
		*buf = append(*buf, b...)
	}
	if len(*buf) == 0 {
		return nil
	}
	return c.writeOne(*buf, len(*buf))
}

func (c *conn) releaseAll(batch [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range batch {
		c.release(len(b))
	}
}

// writeOne writes bytes and takes them off the account.
func (c *conn) writeOne(b []byte, n int) error {
	_, err := c.nc.Write(b)
	c.mu.Lock()
	c.release(n)
	c.wakeRoom()
	c.mu.Unlock()
	return err
}

// wroteGoodbye closes the sending half: the client reads the goodbye to its end
// even if it has sent something that nobody reads any more.
func (c *conn) wroteGoodbye() {
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	_ = c.nc.Close()
}

// read reads until the connection ends, and then tells the handler.
func (c *conn) read(early []byte) {
	p := parser{max: c.engine.opt.MaxMessage, want: opBinary}
	if c.enc == JSON {
		p.want = opText
	}
	src := newSource(c.nc, early)
	err := c.readFrames(src, &p)
	if v, ok := errors.AsType[*violation](err); ok {
		c.bye(nil, v.code, v.why, v.err)
	}
	if c.closing() {
		src.discard()
	}
	c.cut(err)
	c.engine.forget(c)
	c.mu.Lock()
	why := c.why
	c.mu.Unlock()
	c.handler.Closed(why)
}

// readFrames hands messages to the handler until something ends that.
func (c *conn) readFrames(src *source, p *parser) error {
	begin, heard := time.Now(), noise{} //nolint:forbidigo // the connection's own monotonic clock
	for {
		ev, n, need, v := p.next(src.pending())
		if v == nil && isNoise(ev, n) {
			v = heard.hear(time.Since(begin))
		}
		if v != nil {
			return v
		}
		if n == 0 {
			if err := src.fill(need); err != nil {
				return err
			}
			c.seen.Store(c.engine.tick.Load())
			continue
		}
		if c.closing() {
			return ErrClosed
		}
		switch ev.op {
		case opText, opBinary:
			c.busy.Store(true)
			c.handler.Frame(ev.payload)
			c.seen.Store(c.engine.tick.Load())
			c.busy.Store(false)
		case opPing:
			c.answerPing(ev.payload)
		case opClose:
			code := goodbye(ev.payload)
			c.bye(nil, code, "", ErrClosed)
			return ErrClosed
		}
		src.advance(n)
	}
}
