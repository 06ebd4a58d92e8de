package engine

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// tlog is the log of one topic, encoding and loop: the frames that not all of
// its connections have. A connection's place in it is all that is kept of its
// sending state, so what waits for a thousand slow clients is there once.
type tlog struct {
	key  Topic
	enc  Encoding
	loop *loop
	refs int // hub.mu: connections that are in, or about to be

	// What follows belongs to the loop.

	phase  phase
	again  bool // something was published to those that the round has passed
	shared bool // buf is a frame's own bytes, which are not to be written to
	cursor int  // of the round under way
	left   int  // whom the round left behind
	behind int  // whom the last round left behind and who is so still
	subs   []lsub

	// lates and missing are how many subs are in these states.
	lates, missing int
	// skipped is how many publications went past those who are late and too
	// slow, until they are told.
	skipped map[*lconn]uint64

	buf   []byte // frames; the first begins at position base
	base  uint64
	count uint64 // of publications
	last  uint64 // the greatest number
	// lastPlain is the number of the last publication that has one and is not
	// urgent, and lastAt its place in the count.
	lastPlain, lastAt uint64

	urgents     []urgentFrame
	urgentBytes int
}

// lsub is a connection's place in a log: a position below late, or late with the
// number behind which it begins, or missing with the count at which it fell out.
type lsub struct {
	c   *lconn
	pos uint64
}

const (
	late    = 1 << 62
	missing = 1 << 63
)

// urgentFrame is kept for those who miss others.
type urgentFrame struct {
	at uint64 // its place in the count
	b  []byte
}

// urgentMost bounds what is urgent in one log, in bytes.
const urgentMost = 256 << 10

type phase uint8

const (
	resting phase = iota // nobody lacks anything, but those who are slow
	waiting              // the next round visits it
	running              // the round under way does
)

func (g *tlog) head() uint64 { return g.base + uint64(len(g.buf)) }

// publish appends a frame.
func (l *loop) publish(g *tlog, number uint64, b []byte, urgent bool) {
	if number != 0 {
		if number <= g.last {
			return
		}
		g.last = number
	}
	if len(g.subs) == 0 {
		return
	}
	if g.lates > 0 {
		l.wakeLates(g, number, b, urgent)
	}
	if len(g.subs) > g.lates+g.missing {
		l.store(g, b)
	}
	e := l.engine
	there := uint64(len(g.subs) - g.lates - g.missing) //nolint:gosec // a count
	missing := uint64(g.missing)                       //nolint:gosec // a count
	switch {
	case urgent && g.key.Lane == Live:
		g.keep(b)
		e.delivered.Add(there + missing)
	default:
		if number != 0 {
			g.lastPlain, g.lastAt = number, g.count
		}
		e.delivered.Add(there)
		if missing > 0 {
			e.missed.Add(missing)
		}
	}
	g.count++
	l.passes.mark(g, l.clock.now)
}

// wakeLates begins with those whose time has come. They get what has no number
// as frames of their own.
func (l *loop) wakeLates(g *tlog, number uint64, b []byte, urgent bool) {
	head := g.head()
	for i := range g.subs {
		s := &g.subs[i]
		if s.pos < late || s.pos >= missing {
			continue
		}
		switch {
		case number == 0:
			l.sendLate(g, s.c, b, urgent && g.key.Lane == Live)
		case number > s.pos&^late:
			l.tellSkipped(g, s.c)
			s.pos = head
			g.lates--
		}
	}
}

// sendLate gives a frame to one who is late, or skips it if too much waits. Who
// missed one misses the next, so that order is kept, until it has taken what
// waits; but what is urgent comes behind the count of what was missed.
func (l *loop) sendLate(g *tlog, c *lconn, b []byte, urgent bool) {
	e := l.engine
	if !c.started || g.skipped[c] == 0 && l.hasRoom(c, len(b)) || urgent && c.hasRoom(len(b), e.opt.Private) {
		l.tellSkipped(g, c)
		c.account(len(b))
		e.delivered.Add(1)
		l.send(c, b)
		return
	}
	if g.skipped == nil {
		g.skipped = make(map[*lconn]uint64)
	}
	g.skipped[c]++
	e.missed.Add(1)
}

// hasRoom says whether a publication may wait for a connection alone, after it
// was given what does.
func (l *loop) hasRoom(c *lconn, n int) bool {
	e := l.engine
	limit := e.opt.Queue
	if e.queued.Load() > e.opt.Total {
		limit /= 8
	}
	return c.hasRoom(n, limit) || !c.blocked && l.flush(c) && c.hasRoom(n, limit)
}

// tellSkipped tells one who is late what went past it.
func (l *loop) tellSkipped(g *tlog, c *lconn) {
	n := g.skipped[c]
	if n == 0 {
		return
	}
	delete(g.skipped, c)
	if f := c.handler.Missed(g.key, n, 0); f != nil {
		b := f.bytes(c.enc, l.engine.opt.JSON)
		c.account(len(b))
		l.queue(c, b)
	}
}

// keep notes an urgent frame.
func (g *tlog) keep(b []byte) {
	g.urgents = append(g.urgents, urgentFrame{g.count, b})
	g.urgentBytes += len(b)
	for g.urgentBytes > urgentMost && len(g.urgents) > 1 {
		g.urgentBytes -= len(g.urgents[0].b)
		g.urgents[0].b = nil
		g.urgents = g.urgents[1:]
	}
}

// urgentsSince gives the urgent frames from a place in the count on.
func (g *tlog) urgentsSince(at uint64) []urgentFrame {
	i, _ := slices.BinarySearchFunc(g.urgents, at, func(u urgentFrame, at uint64) int { return cmp.Compare(u.at, at) })
	return g.urgents[i:]
}

// subscribe puts a connection in, or lets go of the reference.
func (l *loop) subscribe(c *lconn, g *tlog, after uint64) {
	is := func(p place) bool { return p.log == g }
	if c.ended || c.parting || slices.ContainsFunc(c.subs, is) {
		l.engine.release(g)
		return
	}
	pos := g.head()
	if after > g.last {
		pos = late | after&(late-1)
		g.lates++
	}
	c.subs = append(c.subs, place{g, uint32(len(g.subs))}) //nolint:gosec // fewer than there are descriptors
	g.subs = append(g.subs, lsub{c, pos})
}

// unsubscribe takes a connection out of a topic. What was published before is
// still delivered, unless the connection is slow and that is more than
// freezeMost.
func (l *loop) unsubscribe(c *lconn, t Topic) {
	for i, p := range c.subs {
		if p.log.key == t {
			l.freezeOne(c, p)
			l.leave(c, i)
			return
		}
	}
}

// leave takes out a connection's i-th subscription.
func (l *loop) leave(c *lconn, i int) {
	p := c.subs[i]
	c.subs[i] = c.subs[len(c.subs)-1]
	c.subs[len(c.subs)-1] = place{}
	c.subs = c.subs[:len(c.subs)-1]
	g := p.log
	s := &g.subs[p.at]
	switch {
	case s.pos >= missing:
		g.missing--
	case s.pos >= late:
		g.lates--
		delete(g.skipped, c)
	default:
		g.reached(s, g.head())
	}
	last := len(g.subs) - 1
	if int(p.at) != last {
		g.subs[p.at] = g.subs[last]
		moved := g.subs[p.at].c
		for k := range moved.subs {
			if moved.subs[k].log == g {
				moved.subs[k].at = p.at
			}
		}
		g.again = g.again || g.phase == running && int(p.at) < g.cursor
	}
	g.subs[last] = lsub{}
	g.subs = g.subs[:last]
	if cap(g.subs) > 64 && cap(g.subs) > 4*len(g.subs) {
		g.subs = append(make([]lsub, 0, 2*len(g.subs)), g.subs...)
	}
	if len(g.subs) == 0 {
		g.empty()
	}
	l.engine.release(g)
}

// reached moves a position. The buffer is let go when the last of those who were
// behind has everything.
func (g *tlog) reached(s *lsub, pos uint64) {
	was := s.pos
	s.pos = pos
	if g.phase == resting && was < late && was < pos && pos == g.head() {
		if g.behind--; g.behind == 0 {
			g.empty()
		}
	}
}

// empty forgets what everybody has.
func (g *tlog) empty() {
	g.base = g.head()
	g.replace(nil, false)
	g.behind = 0
	if g.missing == 0 {
		g.urgents, g.urgentBytes = nil, 0
	}
}

// replace puts another buffer in place of the log's own.
func (g *tlog) replace(buf []byte, shared bool) {
	if !g.shared && g.buf != nil {
		g.loop.engine.logs.Add(-int64(cap(g.buf)))
		g.loop.buffers.put(g.buf)
	}
	g.buf, g.shared = buf, shared
	if !shared && buf != nil {
		g.loop.engine.logs.Add(int64(cap(buf)))
	}
}

// subscriberShare is what a connection adds to the size that a topic's log may
// grow to.
const subscriberShare = 4 << 10

// limit is how large the log may become.
func (g *tlog) limit() int {
	opt := &g.loop.engine.opt
	limit := min(max(opt.Queue, subscriberShare*len(g.subs)), max(opt.Log, opt.Queue))
	if g.loop.engine.logs.Load() > opt.Total {
		limit = min(limit, opt.Queue/8)
	}
	return limit
}

// store puts bytes behind the others. One frame alone is not copied.
func (l *loop) store(g *tlog, b []byte) {
	if len(g.buf) == 0 {
		g.replace(b[:len(b):len(b)], true)
		return
	}
	if need := len(g.buf) + len(b); g.shared || need > cap(g.buf) {
		l.makeRoom(g, need)
		if len(g.buf) == 0 {
			g.replace(b[:len(b):len(b)], true)
			return
		}
	}
	g.buf = append(g.buf, b...)
}

// makeRoom sees to it that the buffer has room: what all have goes first, then
// the buffer grows, and at its limit those who are furthest behind lose their
// place.
func (l *loop) makeRoom(g *tlog, need int) {
	if !g.shared {
		low := g.head()
		for i := range g.subs {
			low = min(low, g.subs[i].pos) // the other states are above all positions
		}
		if gone := int(low - g.base); gone >= cap(g.buf)/2 || need-gone <= cap(g.buf) && cap(g.buf) >= g.limit() { //nolint:gosec // within the buffer
			g.forget(gone)
			if need -= gone; need <= cap(g.buf) {
				return
			}
		}
	}
	limit := g.limit()
	if need > limit {
		added := need - len(g.buf)
		cut := boundary(g.buf, len(g.buf)-max(limit/2-added, 0))
		g.evict(cut)
		if need -= cut; len(g.buf) == 0 || !g.shared && need <= cap(g.buf) {
			return
		}
	}
	grown := l.buffers.get(need)
	g.replace(append(grown, g.buf...), false)
}

// forget drops the first n bytes of the buffer.
func (g *tlog) forget(n int) {
	g.base += uint64(n) //nolint:gosec // a length
	switch {
	case n == len(g.buf):
		g.replace(nil, false)
	case g.shared:
		g.buf = g.buf[n:]
	default:
		g.buf = g.buf[:copy(g.buf, g.buf[n:])]
	}
}

// evict drops the first n bytes, and with them the places of those who lack some
// of them: they miss everything until they are told.
func (g *tlog) evict(n int) {
	cut, head := g.base+uint64(n), g.head() //nolint:gosec // a length
	places := g.fallen(cut)
	lost := uint64(0)
	at := fallen{pos: missing} // nobody's position
	for i := range g.subs {
		s := &g.subs[i]
		if s.pos >= cut || s.pos == head {
			continue
		}
		if at.pos != s.pos {
			k, _ := slices.BinarySearchFunc(places, s.pos, func(f fallen, pos uint64) int { return cmp.Compare(f.pos, pos) })
			at = places[k]
		}
		s.pos = missing | at.since
		g.missing++
		lost += at.lost
	}
	e := g.loop.engine
	e.delivered.Add(-lost)
	e.missed.Add(lost)
	g.forget(n)
}

// fallen is a position that falls out of a log.
type fallen struct {
	pos   uint64
	since uint64 // its place in the count
	lost  uint64 // the publications from there on that are not urgent
}

// fallen gives the positions before cut that somebody stands at, in order. The
// buffer is walked once, however many there are.
func (g *tlog) fallen(cut uint64) (places []fallen) {
	head, last := g.head(), uint64(missing)
	for i := range g.subs {
		if pos := g.subs[i].pos; pos < cut && pos != head && pos != last {
			places, last = append(places, fallen{pos: pos}), pos
		}
	}
	slices.SortFunc(places, func(a, b fallen) int { return cmp.Compare(a.pos, b.pos) })
	places = slices.CompactFunc(places, func(a, b fallen) bool { return a.pos == b.pos })
	behind := uint64(0) // frames from the position on
	for i := len(places) - 1; i >= 0; i-- {
		p := &places[i]
		end := head
		if i+1 < len(places) {
			end = places[i+1].pos
		}
		behind += frames(g.buf[p.pos-g.base : end-g.base])
		p.since = g.count - behind
		p.lost = behind - uint64(len(g.urgentsSince(p.since)))
	}
	return places
}

// boundary is the end of the frame that the n-th byte of b belongs to; b begins
// with a frame's beginning.
func boundary(b []byte, n int) int {
	at := 0
	for at < n {
		at += frameSize(b[at:])
	}
	return at
}

// frames counts the frames in b.
func frames(b []byte) (n uint64) {
	for len(b) > 0 {
		b = b[frameSize(b):]
		n++
	}
	return n
}

// frameSize is the length of the frame that b begins with, as this package makes
// them: whole and unmasked.
func frameSize(b []byte) int {
	switch n := int(b[1]); n {
	case 126:
		return 4 + int(binary.BigEndian.Uint16(b[2:]))
	case 127:
		return 10 + int(binary.BigEndian.Uint64(b[2:])) //nolint:gosec // a length of ours
	default:
		return 2 + n
	}
}
