//go:build linux

package crowd

import (
	"bufio"
	"container/heap"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// begin starts an order.
func (c *Crowd) begin() error {
	o := &c.order
	switch o.Op {
	case OpConnect:
		return c.beginConnect()
	case OpReturn:
		goal := c.goal
		if o.SyncTo != 0 {
			goal.Group, goal.SyncFrom, goal.SyncTo, goal.Heads = o.Group, o.SyncFrom, o.SyncTo, o.Heads
		}
		goal.Rate, goal.AtOnce = o.Rate, o.AtOnce
		c.goal, c.nextDial = goal, 0
		c.fresh()
	case OpCut, OpDrop:
		for i := range c.clients {
			c.cut(&c.clients[i])
		}
		if o.Op == OpDrop {
			c.clients, c.tokens, c.waiting = nil, nil, nil
		}
	case OpBegin:
		c.beginRun()
	case OpFinish:
		c.fresh()
	case OpPause, OpResume:
		return c.pauseLast(o.Count, o.Op == OpPause)
	case OpReady:
		return c.beReady()
	case OpSend:
		return c.beginSend()
	case OpAdded: // see proceed
	default:
		return fmt.Errorf("an order %q that there is not", o.Op)
	}
	return nil
}

// fresh begins new histograms.
func (c *Crowd) fresh() {
	c.trips = 0
	c.latency, c.later = NewHistogram(), NewHistogram()
}

func (c *Crowd) beginConnect() error {
	o := &c.order
	c.targets, c.hosts = nil, o.Targets
	for _, t := range o.Targets {
		a, err := addressOf(t)
		if err != nil {
			return err
		}
		c.targets = append(c.targets, a)
	}
	if len(c.targets) == 0 {
		return errors.New("nowhere to connect to")
	}
	first := len(c.clients)
	flags := uint8(0)
	if o.Raw {
		flags = raw
	} else if err := c.readTokens(); err != nil {
		return err
	}
	for i := range o.Count {
		c.clients = append(c.clients, client{fd: -1, flags: flags, target: uint16(i % len(c.targets)), group: o.Group}) //nolint:gosec // few targets
	}
	c.goal, c.nextDial = *o, first
	c.fresh()
	return nil
}

// readTokens reads the tokens of the clients that an order makes: a line each.
func (c *Crowd) readTokens() error {
	f, err := os.Open(c.order.Tokens)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	for len(c.tokens) < len(c.clients)*tokenStride {
		c.tokens = append(c.tokens, make([]byte, tokenStride)...) // of raw clients
	}
	lines := bufio.NewScanner(f)
	for n := 0; n < c.order.From+c.order.Count; n++ {
		if !lines.Scan() {
			return errors.Join(fmt.Errorf("%s has only %d tokens", c.order.Tokens, n), lines.Err(), io.ErrUnexpectedEOF)
		}
		if n < c.order.From {
			continue
		}
		if len(lines.Bytes()) >= tokenStride {
			return fmt.Errorf("%s: line %d is no token", c.order.Tokens, n+1)
		}
		at := len(c.tokens)
		c.tokens = append(c.tokens, make([]byte, tokenStride)...)
		c.tokens[at] = byte(copy(c.tokens[at+1:], lines.Bytes())) //nolint:gosec // below tokenStride
	}
	return nil
}

func (c *Crowd) token(i int) string {
	t := c.tokens[i*tokenStride:]
	return string(t[1 : 1+int(t[0])])
}

// cut ends a connection with a reset: no port waits for the other end.
func (c *Crowd) cut(cl *client) {
	if cl.state == away {
		return
	}
	_ = unix.SetsockoptLinger(int(cl.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	c.shut(cl)
}

func (c *Crowd) beginRun() {
	readers := 0
	for i := range c.clients {
		cl := &c.clients[i]
		cl.next, cl.seq = 0, 0
		cl.flags &^= added
		if cl.flags&paused == 0 {
			cl.flags &^= slow
		}
		if c.order.Group != 0 {
			cl.group = c.order.Group
		}
		if cl.state == in && cl.flags&slow == 0 {
			readers++
		}
	}
	c.sending = false
	c.watched, c.watching, c.addedNow = c.order.Watch, Now(), 0
	c.fresh()
	c.ledger = newLedger(c.order.Run, uint32(readers), c.everywhere) //nolint:gosec // a count
}

// pauseLast lets the last clients stop reading or go on.
func (c *Crowd) pauseLast(count int, stop bool) error {
	for i := max(len(c.clients)-count, 0); i < len(c.clients); i++ {
		cl := &c.clients[i]
		switch {
		case cl.state != in || (cl.flags&paused != 0) == stop:
			continue
		case stop:
			cl.flags |= paused | slow
			if err := c.watch(i, unix.EPOLL_CTL_MOD, 0); err != nil {
				return err
			}
		default:
			cl.flags &^= paused
			if err := c.watch(i, unix.EPOLL_CTL_MOD, unix.EPOLLIN); err != nil {
				return err
			}
		}
	}
	return nil
}

// proceed goes on with the order: whether it is over, and if not, how long to
// wait at most, in milliseconds.
func (c *Crowd) proceed(now int64) (over bool, wait int, err error) {
	switch c.order.Op {
	case OpConnect, OpReturn:
		return c.goOn(now)
	case OpFinish:
		if c.complete() {
			c.settle()
			return true, 0, nil
		}
		return false, 20, nil
	case OpSend:
		return c.sendOn(now)
	case OpAdded:
		if c.addedNow >= c.inside {
			c.reply.Later, c.reply.Faults = Encoded(c.later), c.ledger.faults
			return true, 0, nil
		}
		return false, 20, nil
	default:
		return true, 0, nil
	}
}

// goOn lets clients connect at the rate that was ordered.
func (c *Crowd) goOn(now int64) (over bool, wait int, err error) {
	most := c.order.AtOnce
	if most <= 0 {
		most = 1 << 30
	}
	for len(c.waiting) > 0 && c.waiting[0].at <= now && c.dialling < most {
		next, _ := heap.Pop(&c.waiting).(comeback)
		if err := c.dial(next.i); err != nil {
			return false, 0, err
		}
	}
	allowed := len(c.clients)
	if c.order.Rate > 0 {
		first := len(c.clients) - c.order.Count
		if c.order.Op == OpReturn {
			first = 0
		}
		allowed = min(allowed, first+1+int(c.order.Rate*float64(now-c.began)/1e9))
	}
	for c.nextDial < allowed && c.dialling < most {
		if c.clients[c.nextDial].state == away {
			if err := c.dial(c.nextDial); err != nil {
				return false, 0, err
			}
		}
		c.nextDial++
	}
	if c.nextDial >= len(c.clients) && c.dialling == 0 && len(c.waiting) == 0 {
		c.reply.Latency, c.reply.Later, c.reply.Trips = Encoded(c.latency), Encoded(c.later), c.trips
		c.reply.Faults, c.reply.Got = c.ledger.faults, c.ledger.got
		return true, 0, nil
	}
	return false, 1, nil
}

// complete says whether every client has what the order names.
func (c *Crowd) complete() bool {
	for i := range c.clients {
		cl := &c.clients[i]
		if cl.state != in || cl.flags&paused != 0 {
			continue
		}
		if c.order.Heads != nil {
			if cl.seq != 0 && cl.seq < c.order.Heads[cl.group] {
				return false
			}
		} else if c.ledger.reached(uint32(i), cl.next) < c.order.Total { //nolint:gosec // an index
			return false
		}
	}
	return true
}

// settle counts what is missing and answers the order.
func (c *Crowd) settle() {
	for i := range c.clients {
		cl := &c.clients[i]
		switch {
		case c.order.Heads != nil:
			if head := c.order.Heads[cl.group]; cl.state == in && cl.seq < head && head > 0 {
				c.ledger.faults.Lost += head - cl.seq
				c.ledger.fault("the end of a group's messages")
			}
		case cl.state == in && cl.flags&paused == 0:
			c.ledger.finish(uint32(i), cl.next, c.order.Total) //nolint:gosec // an index
		}
	}
	c.reply.Faults, c.reply.Got, c.reply.Latency = c.ledger.faults, c.ledger.got, Encoded(c.ledger.hist)
}

// wasAdded notes that a client was told that it is in the group of the order.
func (c *Crowd) wasAdded(cl *client) {
	if cl.flags&added != 0 {
		c.ledger.faults.Doubled++
		c.ledger.fault("told twice of being added")
		return
	}
	cl.flags |= added
	c.addedNow++
	Record(c.later, sinceNs(c.at, c.watching))
}
