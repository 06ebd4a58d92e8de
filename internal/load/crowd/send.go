//go:build linux

package crowd

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/HdrHistogram/hdrhistogram-go"

	musterv1 "muster/gen/muster/v1"
)

// maxUnderWay is how many messages a sender has under way at most: as many as a
// connection may have.
const maxUnderWay = 64

// sender is what a client that sends needs beside.
type sender struct {
	free  uint64 // bit n: place n of at is free
	count uint32
	at    [maxUnderWay]int64
}

// sendState is the order to send that is being done.
type sendState struct {
	acks    *hdrhistogram.Histogram
	text    []byte
	until   int64
	due     int64 // how many have been sent, with a rate
	turn    int
	pending int
	groups  int
	heads   map[int64]int64
}

// orderKey is one sender as one group's readers see it.
type orderKey struct {
	group  int64
	sender uint32
}

func (c *Crowd) beReady() error {
	o := &c.order
	if len(o.Groups) == 0 || o.Text < MinText || o.UnderWay > maxUnderWay {
		return errors.New("send: groups, a text that holds a stamp, and at most 64 under way are needed")
	}
	c.senders = make([]sender, len(c.clients))
	c.sendState = sendState{acks: NewHistogram(), text: make([]byte, o.Text), groups: len(o.Groups), heads: map[int64]int64{}}
	c.lastOf = map[orderKey]uint32{}
	c.ledger = newLedger(o.Run, 0, nil)
	c.sending = true
	for i := range c.clients {
		c.senders[i].free = 1<<max(o.UnderWay, 1) - 1
		if o.Rate > 0 {
			c.senders[i].free = ^uint64(0)
		}
		// A group's place is taken from the first message that comes.
		c.clients[i].group, c.clients[i].seq = o.Groups[(c.firstClient+i)%len(o.Groups)], 0
	}
	return nil
}

func (c *Crowd) beginSend() error {
	o := &c.order
	if !c.sending || c.ledger.run != o.Run {
		return errors.New("send: the crowd was not made ready for this run")
	}
	c.until = c.began + o.DurationMS*1e6
	if o.Rate > 0 {
		return nil
	}
	for i := range c.clients {
		for range o.UnderWay {
			if err := c.send(i, Now()); err != nil {
				return err
			}
		}
	}
	return nil
}

// send sends a client's next message, which was due at a time.
func (c *Crowd) send(i int, due int64) error {
	cl, s := &c.clients[i], &c.senders[i]
	place := bits.TrailingZeros64(s.free)
	s.free &^= 1 << place
	s.at[place] = due
	from := c.order.Base + uint32(i) //nolint:gosec // an index
	Stamp{Run: c.order.Run, Sender: from, Seq: s.count, At: due}.Put(c.text)
	id := MessageID(c.order.Run, from, s.count)
	s.count++
	c.pending++
	return c.ask(cl, &musterv1.ClientFrame{
		Id:   idSend + uint64(s.count)*maxUnderWay + uint64(place), //nolint:gosec // a place
		Body: &musterv1.ClientFrame_Send{Send: &musterv1.SendRequest{GroupId: cl.group, ClientMessageId: id, Text: string(c.text)}},
	})
}

// acknowledged takes the answer to a send.
func (c *Crowd) acknowledged(i int, e *event) error {
	if !c.sending || e.ID < idSend {
		return fmt.Errorf("an answer %d to nothing", e.ID)
	}
	cl, s := &c.clients[i], &c.senders[i]
	place := e.ID % maxUnderWay
	if s.free&(1<<place) != 0 {
		return fmt.Errorf("a second answer to %d", e.ID)
	}
	s.free |= 1 << place
	c.pending--
	Record(c.acks, sinceNs(c.at, s.at[place]))
	c.heads[cl.group] = max(c.heads[cl.group], e.Seq)
	if c.order.Rate == 0 && c.at < c.until {
		return c.send(i, Now())
	}
	return nil
}

// inOrder holds what one reader of each group sees to the senders' order.
func (c *Crowd) inOrder(cl *client, e *event) {
	if !IsStamp(e.Text) {
		return
	}
	s, err := ReadStamp(e.Text)
	if err != nil {
		c.ledger.faults.Broken++
		c.ledger.fault(err.Error())
		return
	}
	if s.Run != c.ledger.run || c.current >= c.groups {
		return // messages of before, or not the group's first reader here
	}
	key := orderKey{cl.group, s.Sender}
	if last, seen := c.lastOf[key]; seen && s.Seq <= last || !seen && cl.seq == 1 && s.Seq > 0 {
		c.ledger.faults.Reordered++
		c.ledger.fault("a sender's messages in another order than sent")
	}
	c.lastOf[key] = s.Seq
}

// sendOn goes on with sending.
func (c *Crowd) sendOn(now int64) (over bool, wait int, err error) {
	if now >= c.until {
		if c.pending > 0 {
			return false, 5, nil
		}
		c.reply.Acks, c.reply.Latency, c.reply.Heads = c.acks.TotalCount(), Encoded(c.acks), c.heads
		c.reply.Faults, c.reply.Got = c.ledger.faults, c.ledger.got
		return true, 0, nil
	}
	if c.order.Rate <= 0 {
		return false, 5, nil
	}
	for due := int64(c.order.Rate * float64(now-c.began) / 1e9); c.due < due; c.due++ {
		i := c.turn % len(c.clients)
		tried := 0
		for ; tried < len(c.clients) && c.senders[i].free == 0; tried++ {
			i = (i + 1) % len(c.clients)
		}
		if tried == len(c.clients) {
			break // the waiting counts from when it was due
		}
		c.turn = i + 1
		if err := c.send(i, c.began+int64(float64(c.due)/c.order.Rate*1e9)); err != nil {
			return false, 0, err
		}
	}
	return false, 1, nil
}
