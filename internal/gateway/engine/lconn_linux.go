package engine

import (
	"context"
	"sync"
	"sync/atomic"
)

// lconn is a connection of Loops. There may be a million of them, so what only a
// busy one needs is kept outside and let go when it is idle. A write looks at the
// first fields only.
type lconn struct {
	// What follows up to tick belongs to the loop.

	fd      int32
	blocked bool // the socket is full; EPOLLOUT will tell
	listed  bool // it is in loop.flushes
	adopted bool // it is in loop.slots
	started bool // its handler is known
	paused  bool // nothing is read until the handler has caught up
	unread  bool // the socket may have more than was read
	hup     bool // the client has ended its half
	deaf    bool // what comes in is thrown away
	parting bool // bye has been called
	half    bool // our half is closed
	pinged  bool
	dying   bool // it is in loop.dying
	ended   bool
	enc     Encoding
	noise   noise

	out  *outgoing // nil: nothing waits
	subs []place
	in   *incoming // nil: no part of a message is there
	slot uint32
	gen  int32  // of the slot
	seen uint32 // the tick when something last came
	stop uint32 // the tick when a blocked or parting connection is given up
	due  uint32 // the tick of its entry in the wheel
	why  error

	id      uint64
	loop    *loop
	handler Handler
	state   atomic.Uint32
	// mute: Close was called; the handler gets no more frames.
	mute   atomic.Bool
	waited atomic.Bool  // somebody waits in SendPaced
	queued atomic.Int64 // what waits for this connection alone, in bytes

	workMu sync.Mutex
	work   *backlog // nil: the handler has nothing to do
}

// place is one subscription: where in the log's table it stands.
type place struct {
	log *tlog
	at  uint32
}

// outgoing is what waits for one connection alone.
type outgoing struct {
	bufs [][]byte
	off  int    // what of bufs[0] is written
	pong []byte // the answer to the last ping
}

// ID implements [Conn].
func (c *lconn) ID() uint64 { return c.id }

// Encoding implements [Conn].
func (c *lconn) Encoding() Encoding { return c.enc }

func (c *lconn) isOpen() bool { return c.state.Load() == uint32(open) }

// Subscribe implements [Conn].
func (c *lconn) Subscribe(t Topic, after uint64) {
	if c.isOpen() {
		c.loop.engine.subscribe(c, t, after)
	}
}

// Unsubscribe implements [Conn].
func (c *lconn) Unsubscribe(t Topic) {
	if c.isOpen() {
		c.loop.post(op{kind: opUnsubscribe, c: c, topic: t})
	}
}

// Send implements [Conn].
func (c *lconn) Send(f *Frame) bool {
	if !c.isOpen() {
		return true
	}
	e := c.loop.engine
	b := f.bytes(c.enc, e.opt.JSON)
	waits := c.queued.Load()
	tight := waits > int64(e.opt.Queue) && e.queued.Load() > e.opt.Total
	if tight || !c.hasRoom(len(b), e.opt.Private) {
		return false
	}
	c.post(b)
	return true
}

// SendPaced implements [Conn].
func (c *lconn) SendPaced(ctx context.Context, f *Frame) error {
	e := c.loop.engine
	b := f.bytes(c.enc, e.opt.JSON)
	for c.isOpen() {
		if c.queued.Load() <= int64(e.opt.Queue) {
			c.post(b)
			return nil
		}
		room := e.awaitRoom(c)
		if c.queued.Load() <= int64(e.opt.Queue) || !c.isOpen() {
			e.wakeRoom(c) // whoever else waits looks again too
			continue
		}
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return ErrClosed
}

// post hands a frame to the loop. It is on the account from here on.
func (c *lconn) post(b []byte) {
	c.account(len(b))
	c.loop.post(op{kind: opSend, c: c, b: b})
}

// account adds to what waits; a negative n takes away.
func (c *lconn) account(n int) {
	now := c.queued.Add(int64(n))
	e := c.loop.engine
	e.queued.Add(int64(n))
	if n < 0 && now <= int64(e.opt.Queue) && c.waited.Load() {
		e.wakeRoom(c)
	}
}

// hasRoom says whether n bytes more may wait where limit is the bound. Nothing
// else may wait with a frame that is above it.
func (c *lconn) hasRoom(n, limit int) bool {
	waits := c.queued.Load()
	return waits == 0 || waits+int64(n) <= int64(limit)
}

// Close implements [Conn].
func (c *lconn) Close(last *Frame, code uint16, reason string) {
	if !c.state.CompareAndSwap(uint32(open), uint32(closing)) {
		return
	}
	c.mute.Store(true)
	bye := closeFrame(code, reason)
	if last != nil {
		words := last.bytes(c.enc, c.loop.engine.opt.JSON)
		bye = append(words[:len(words):len(words)], bye...)
	}
	c.account(len(bye))
	c.loop.post(op{kind: opBye, c: c, b: bye})
	if c.waited.Load() {
		c.loop.engine.wakeRoom(c)
	}
}
