package engine

import (
	"golang.org/x/sys/unix"
)

// freezeMost bounds what is moved from the logs to a connection's own queue to
// keep the order of frames.
const freezeMost = 64 << 10

// queue appends to what waits for a connection alone. The bytes are on its
// account.
func (l *loop) queue(c *lconn, b []byte) {
	if c.out == nil {
		c.out = &outgoing{}
	}
	c.out.bufs = append(c.out.bufs, b)
	l.flushSoon(c)
}

func (l *loop) flushSoon(c *lconn) {
	if !c.listed && !c.blocked {
		c.listed = true
		l.flushes = append(l.flushes, c)
	}
}

// flushAll writes the queues that were filled.
func (l *loop) flushAll() {
	flushes := l.flushes
	l.flushes = nil
	for i, c := range flushes {
		c.listed = false
		l.flush(c)
		flushes[i] = nil
	}
	if l.flushes == nil {
		l.flushes = flushes[:0]
	}
}

// send queues a frame behind what was published before it. For a connection that
// is slow, it goes before that.
func (l *loop) send(c *lconn, b []byte) {
	if c.ended || c.parting {
		c.account(-len(b))
		return
	}
	l.freeze(c)
	l.queue(c, b)
}

// freeze moves what the logs hold for a connection to its queue, so that what is
// queued next comes behind it.
func (l *loop) freeze(c *lconn) {
	for i := range c.subs {
		if c.blocked {
			return
		}
		l.freezeOne(c, c.subs[i])
	}
}

// freezeOne does so for one log.
func (l *loop) freezeOne(c *lconn, p place) {
	g := p.log
	s := &g.subs[p.at]
	head := g.head()
	if s.pos >= head { // or it is no position
		return
	}
	b := g.buf[s.pos-g.base:]
	if len(b) > freezeMost {
		if c.blocked {
			return
		}
		l.flush(c)
		if !c.blocked {
			l.write(g, s)
		}
		if c.blocked || s.pos == head {
			return
		}
	}
	b = append([]byte(nil), b...)
	c.account(len(b))
	l.queue(c, b)
	g.reached(s, head)
}

// flush writes what waits for a connection alone; false: it is blocked.
func (l *loop) flush(c *lconn) bool {
	for !c.blocked && c.out != nil {
		o := c.out
		if len(o.pong) > 0 {
			o.bufs, o.pong = append(o.bufs, o.pong), nil
		}
		b := o.bufs[0][o.off:]
		if len(o.bufs) > 1 && len(b) < cap(l.wbuf)/2 {
			w := append(l.wbuf[:0], b...)
			for _, more := range o.bufs[1:] {
				if len(w)+len(more) > cap(w) {
					break
				}
				w = append(w, more...)
			}
			b = w
		}
		n, err := writeFD(c.fd, b)
		if err != nil {
			l.dieLater(c, err)
			return false
		}
		o.took(n)
		c.account(-n)
		if len(o.bufs) == 0 {
			c.out = nil
		}
		if n < len(b) {
			l.block(c)
		}
	}
	if c.blocked {
		return false
	}
	if c.parting && !c.half {
		c.half = true
		// The client reads the goodbye to its end even if it has sent something
		// that nobody reads any more.
		_ = unix.Shutdown(int(c.fd), unix.SHUT_WR)
	}
	return true
}

// took forgets what is written.
func (o *outgoing) took(n int) {
	n += o.off
	k := 0
	for k < len(o.bufs) && n >= len(o.bufs[k]) {
		n -= len(o.bufs[k])
		o.bufs[k] = nil
		k++
	}
	o.bufs, o.off = o.bufs[k:], n
}

// dropOut forgets what waits for a connection.
func (l *loop) dropOut(c *lconn) {
	if c.out != nil {
		c.account(-c.out.size())
		c.out = nil
	}
}

func (o *outgoing) size() int {
	n := len(o.pong) - o.off
	for _, b := range o.bufs {
		n += len(b)
	}
	return n
}

// block notes that a socket is full.
func (l *loop) block(c *lconn) {
	if c.blocked {
		return
	}
	c.blocked = true
	l.engine.stalled.Add(1)
	if !c.parting { // else it has its end already
		c.stop = l.wheel.after(l.engine.opt.WriteTimeout)
		l.watch(c)
	}
}

// unblock goes on with a socket that takes something again.
func (l *loop) unblock(c *lconn) {
	if c.dying || c.ended {
		return
	}
	c.blocked = false
	l.engine.stalled.Add(-1)
	l.catchUp(c)
}

// catchUp brings a connection up to the heads of its logs.
func (l *loop) catchUp(c *lconn) {
	if !l.flush(c) {
		return
	}
	for i := 0; i < len(c.subs) && !c.blocked; i++ {
		g := c.subs[i].log
		if s := &g.subs[c.subs[i].at]; s.pos != g.head() {
			l.bring(g, s)
		}
	}
}

// bring writes to one connection what it lacks of one log.
func (l *loop) bring(g *tlog, s *lsub) {
	switch {
	case s.pos < late:
		l.write(g, s)
	case s.pos >= missing:
		l.report(g, s)
	default:
		l.tellSkipped(g, s.c)
	}
}

// write writes what a log holds beyond a position. A frame that was begun is
// finished from a copy, so that the log can forget it.
func (l *loop) write(g *tlog, s *lsub) {
	c := s.c
	b := g.buf[s.pos-g.base:]
	n, err := writeFD(c.fd, b)
	if n == len(b) {
		g.reached(s, g.head())
		return
	}
	if err != nil {
		l.dieLater(c, err)
		return
	}
	if n > 0 {
		whole := boundary(b, n)
		if whole > n {
			rest := append([]byte(nil), b[n:whole]...)
			c.account(len(rest))
			c.out = &outgoing{bufs: [][]byte{rest}} // there was none, or this would have waited
		}
		g.reached(s, s.pos+uint64(whole)) //nolint:gosec // an offset
	}
	l.block(c)
}

// report tells a connection what it missed of a topic, and what was urgent
// among it. From there on it gets everything again.
func (l *loop) report(g *tlog, s *lsub) {
	c := s.c
	if !c.started {
		return
	}
	since := s.pos &^ missing
	kept := g.urgentsSince(since)
	last := uint64(0)
	if g.lastAt >= since {
		last = g.lastPlain
	}
	g.missing--
	g.reached(s, g.head())
	if n := g.count - since - uint64(len(kept)); n > 0 {
		if f := c.handler.Missed(g.key, n, last); f != nil {
			b := f.bytes(c.enc, l.engine.opt.JSON)
			c.account(len(b))
			l.queue(c, b)
		}
	}
	for _, u := range kept {
		c.account(len(u.b))
		l.queue(c, u.b)
	}
	l.flush(c)
}

// answerPing queues a pong. Of several pings that came before the answer to the
// first was written only the last is answered, as RFC 6455, section 5.5.3, allows.
func (l *loop) answerPing(c *lconn, payload []byte) {
	if c.parting {
		return
	}
	if c.out == nil {
		c.out = &outgoing{}
	}
	before := len(c.out.pong)
	c.out.pong = appendFrame(c.out.pong[:0], opPong, payload)
	c.account(len(c.out.pong) - before)
	l.flushSoon(c)
}

// ping asks a silent client for a sign of life.
func (l *loop) ping(c *lconn) {
	c.pinged = true
	b := appendFrame(nil, opPing)
	c.account(len(b))
	l.queue(c, b)
}

// bye says goodbye with these last words. A reason is one of the engine's own,
// and then the bytes are not yet on the account.
func (l *loop) bye(c *lconn, words []byte, why error) {
	if why != nil && !c.ended {
		c.mute.Store(true)
		if !c.state.CompareAndSwap(uint32(open), uint32(closing)) {
			return // Close was called, and what it wants is on its way
		}
		c.why = why
		c.account(len(words))
		if c.waited.Load() {
			l.engine.wakeRoom(c)
		}
	}
	if c.ended || c.parting {
		if why == nil {
			c.account(-len(words))
		}
		return
	}
	l.freeze(c)
	c.parting, c.deaf, c.paused, c.in = true, true, false, nil
	for len(c.subs) > 0 {
		l.leave(c, len(c.subs)-1)
	}
	if o := c.out; o != nil && len(o.pong) > 0 { // nothing comes behind the goodbye
		o.bufs, o.pong = append(o.bufs, o.pong), nil
	}
	l.queue(c, words)
	c.stop = l.wheel.after(l.engine.opt.Linger)
	l.watch(c)
	if c.unread {
		l.reads = append(l.reads, c)
	}
}
