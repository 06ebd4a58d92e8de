package engine

import (
	"io"
	"sync"
)

// incoming is the part of a message that has come, of a connection that is in
// the middle of one.
type incoming struct {
	parser parser
	buf    []byte
	need   int // bytes that buf has to have before it is worth a look
}

// backlog is what a connection's handler has not done yet. It exists while there
// is something.
type backlog struct {
	frames [][]byte
	bytes  int
	resume bool // the loop waits until nothing is left
	then   op   // to be posted at that time; c nil: nothing
	over   bool // the connection has ended
}

// The bounds of a backlog; then nothing more is read from the client.
const (
	backlogFrames = 16
	backlogBytes  = 32 << 10
)

// readsAtOnce is how many times a connection is read before others get their
// turn.
const readsAtOnce = 4

// read takes what a socket has.
func (l *loop) read(c *lconn) {
	for range readsAtOnce {
		if c.ended || c.dying {
			return
		}
		if c.paused {
			c.unread = true
			return
		}
		n, err := readFD(c.fd, l.rbuf)
		switch {
		case err == errEmpty: //nolint:errorlint // never wrapped
			return
		case err != nil:
			l.end(c, err)
			return
		case n == 0:
			l.end(c, io.EOF)
			return
		}
		c.seen, c.pinged = l.wheel.now, false
		if !c.deaf {
			l.feed(c, l.rbuf[:n])
		}
		if n < len(l.rbuf) && !c.hup {
			return // epoll tells of more
		}
	}
	if !c.unread {
		c.unread = true
		l.reads = append(l.reads, c)
	}
}

// readOn goes on with connections that had more than their share.
func (l *loop) readOn() {
	reads := l.reads
	l.reads = nil
	for _, c := range reads {
		if c.unread && !c.paused {
			c.unread = false
			l.read(c)
		}
	}
	clear(reads) // who is gone is not held
	if l.reads == nil {
		l.reads = reads[:0]
	}
}

// resume goes on reading when the handler has caught up.
func (l *loop) resume(c *lconn) {
	if !c.paused || c.ended {
		return
	}
	c.paused = false
	if c.in != nil && !c.deaf {
		l.feed(c, nil)
	}
	if c.unread && !c.paused {
		c.unread = false
		l.read(c)
	}
}

// feed takes apart what has come. What is not a whole frame is kept in a buffer
// of its own, which grows with what came and not with what was announced.
func (l *loop) feed(c *lconn, b []byte) {
	p := &l.parser
	in := c.in
	if in != nil {
		p = &in.parser
		if len(in.buf) > 0 {
			in.buf = append(in.buf, b...)
			if b = in.buf; len(b) < in.need {
				return
			}
		}
	} else {
		*p = parser{max: l.engine.opt.MaxMessage, want: opBinary}
		if c.enc == JSON {
			p.want = opText
		}
	}
	need := 0
	for !c.deaf && !c.paused {
		ev, n, more, v := p.next(b)
		if v == nil && isNoise(ev, n) {
			v = c.noise.hear(l.clock.now)
		}
		if v != nil {
			l.hangUp(c, v.code, v.why, v.err)
			break
		}
		if n == 0 {
			need = more
			break
		}
		l.handle(c, ev)
		b = b[n:]
	}
	switch {
	case c.deaf || len(b) == 0 && p.fragments == 0:
		c.in = nil
	case in == nil:
		c.in = &incoming{parser: *p, buf: append([]byte(nil), b...), need: need}
	default:
		in.buf, in.need = append(in.buf[:0], b...), need
	}
	l.parser.gathered = nil
}

// handle does what a frame means.
func (l *loop) handle(c *lconn, ev event) {
	switch ev.op {
	case opText, opBinary:
		l.give(c, ev.payload)
	case opPing:
		l.answerPing(c, ev.payload)
	case opClose:
		l.hangUp(c, goodbye(ev.payload), "", ErrClosed)
	}
}

// payloads are buffers for messages on their way to handlers.
var payloads = sync.Pool{New: func() any { b := make([]byte, 0, pooledPayload); return &b }}

const pooledPayload = 1 << 10

// give hands a message to the handler's goroutine.
func (l *loop) give(c *lconn, payload []byte) {
	var kept []byte
	if len(payload) <= pooledPayload {
		kept = (*payloads.Get().(*[]byte))[:0] //nolint:errcheck // the pool holds nothing else
	}
	kept = append(kept, payload...)
	c.workMu.Lock()
	q := c.work
	if q == nil {
		q = &backlog{}
		c.work = q
		l.engine.workers.add(task{c, q})
	}
	q.frames = append(q.frames, kept)
	q.bytes += len(kept)
	if len(q.frames) >= backlogFrames || q.bytes >= backlogBytes {
		q.resume, c.paused = true, true
	}
	c.workMu.Unlock()
}

// workOff calls the handler with what there is. What came meanwhile is another
// task, behind those of others.
func (c *lconn) workOff(q *backlog) {
	c.workMu.Lock()
	batch := q.frames
	q.frames, q.bytes = nil, 0
	c.workMu.Unlock()
	for _, b := range batch {
		if !c.mute.Load() {
			c.handler.Frame(b)
		}
		if cap(b) == pooledPayload {
			payloads.Put(&b)
		}
	}
	c.workMu.Lock()
	if len(q.frames) > 0 {
		c.workMu.Unlock()
		c.loop.engine.workers.add(task{c, q})
		return
	}
	c.work = nil
	c.workMu.Unlock()
	if q.resume {
		c.loop.post(op{kind: opResume, c: c})
	}
	if q.then.c != nil {
		c.loop.post(q.then)
	}
	if q.over {
		c.tellEnd()
	}
}

// tellEnd tells the handler of the end and lets go of it: others may hold the
// connection a while longer, such as the wheel.
func (c *lconn) tellEnd() {
	c.handler.Closed(c.why)
	c.handler = nil
}

// hangUp says goodbye because of what the client did, after the handler has done
// what came before.
func (l *loop) hangUp(c *lconn, code uint16, reason string, why error) {
	c.deaf = true
	o := op{kind: opBye, c: c, b: closeFrame(code, reason), why: why}
	c.workMu.Lock()
	if q := c.work; q != nil {
		q.then = o
		c.workMu.Unlock()
		return
	}
	c.workMu.Unlock()
	l.bye(c, o.b, o.why)
}

// farewell has the handler told that the connection has ended, after its last
// frame.
func (l *loop) farewell(c *lconn) {
	c.workMu.Lock()
	defer c.workMu.Unlock()
	if c.work != nil {
		c.work.over = true
		return
	}
	l.engine.workers.add(task{c: c})
}
