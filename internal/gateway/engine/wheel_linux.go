package engine

import (
	"os"
	"slices"
	"time"
)

// wheel is a loop's timing wheel: connections by the tick at which somebody has
// to look at them. Each has one entry that counts; a look sets the next.
type wheel struct {
	step    time.Duration
	now     uint32 // ticks
	buckets [wheelSize][]*lconn
	idle    uint32 // Options.Idle in ticks
}

const wheelSize = 512

// longestStep bounds how imprecise the wheel is.
const longestStep = 250 * time.Millisecond

func (w *wheel) init(idle time.Duration) {
	w.step = min(max(idle/64, time.Millisecond), longestStep)
	w.idle = w.ticks(idle)
}

// ticks is a time in ticks, at least that long.
func (w *wheel) ticks(d time.Duration) uint32 { return uint32(d/w.step) + 1 } //nolint:gosec // days at most

// after is the tick that is so far away.
func (w *wheel) after(d time.Duration) uint32 { return w.now + w.ticks(d) }

// wait is how long it is to the next tick.
func (w *wheel) wait(now time.Duration) time.Duration {
	return max(0, time.Duration(w.now+1)*w.step-now)
}

// watch enters a connection for the tick at which something is due, unless it is
// looked at before that.
func (l *loop) watch(c *lconn) {
	w := &l.wheel
	due := c.seen + w.idle
	if c.pinged {
		due += w.idle
	}
	if c.parting || c.blocked {
		due = min(due, c.stop)
	}
	if c.parting {
		due = c.stop
	}
	due = min(max(due, w.now+1), w.now+wheelSize-1)
	if c.due > w.now && c.due <= due {
		return
	}
	c.due = due
	b := &w.buckets[due%wheelSize]
	*b = append(*b, c)
}

// turnWheel looks at those whose tick has come.
func (l *loop) turnWheel() {
	w := &l.wheel
	for time.Duration(w.now+1)*w.step <= l.clock.now {
		w.now++
		bucket := w.buckets[w.now%wheelSize]
		w.buckets[w.now%wheelSize] = nil
		for _, c := range bucket {
			if c.due == w.now && !c.ended {
				l.look(c)
			}
		}
		clear(bucket)
		if b := &w.buckets[w.now%wheelSize]; *b == nil && cap(bucket) <= 4096 {
			*b = slices.Grow(bucket[:0], 0)
		}
	}
}

// look pings a silent connection, and ends one that is given up.
func (l *loop) look(c *lconn) {
	now, idle := l.wheel.now, l.wheel.idle
	if c.paused { // what it says is not read
		c.seen = now
	}
	silent := now - c.seen
	switch {
	case c.dying:
		return
	case c.parting && now >= c.stop:
		l.end(c, ErrClosed)
		return
	case c.parting:
	case c.blocked && now >= c.stop:
		l.end(c, os.ErrDeadlineExceeded)
		return
	case silent >= 2*idle:
		l.end(c, ErrSilent)
		return
	case silent >= idle && !c.pinged:
		l.ping(c)
	}
	l.watch(c)
}
