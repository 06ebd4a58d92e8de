package gateway

import (
	"context"
	"encoding/binary"
	"sync"
	"time"

	"muster"
)

// countsSubject carries how many people are in the rooms of a node: the node (8
// bytes, big-endian), then for each channel its id and the number of people, as
// varints.
const countsSubject = "counts"

const (
	// countAllEvery is how many times Options.CountEvery pass between two
	// publications of all counts; the others have those that changed.
	countAllEvery = 5
	// countLife is after how many times Options.CountEvery a count is forgotten
	// that was not told again: its node has ended.
	countLife = 3*countAllEvery + 1
	// countsAtOnce bounds the channels of one publication.
	countsAtOnce = 10_000
)

// counts is how many people are in rooms on other nodes. Where the bus is shared,
// each node tells the others about its own rooms, what changed at once a second
// and all of it now and then, so that what is lost, and a node that is no more, is
// made good.
type counts struct {
	gw *Gateway

	// told is the loop's: what the others were told last.
	told map[muster.ChannelID]int

	mu    sync.Mutex
	tick  int // grows with every Options.CountEvery
	heard map[muster.ChannelID]map[uint64]heardCount
}

// heardCount is what one node told about one channel.
type heardCount struct{ people, tick int }

func (c *counts) init(g *Gateway) {
	c.gw = g
	c.told = make(map[muster.ChannelID]int)
	c.heard = make(map[muster.ChannelID]map[uint64]heardCount)
}

// run tells, and forgets what is too old, until ctx ends. Then it tells that
// nobody is here any more.
func (c *counts) run(ctx context.Context) error {
	ticker := time.NewTicker(c.gw.opt.CountEvery)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			for id := range c.told {
				c.told[id] = -1
			}
			c.tell(nil, false)
			return nil
		case <-ticker.C:
			c.tell(c.gw.rooms.here(), n%countAllEvery == 0)
			c.age()
		}
	}
}

// tell publishes the counts of the channels with somebody here, all or those that
// changed, and of those that became empty.
func (c *counts) tell(here []muster.ChannelID, all bool) {
	now := make(map[muster.ChannelID]int, len(here))
	var b []byte
	n := 0
	add := func(id muster.ChannelID, people int) {
		if n == 0 {
			b = binary.BigEndian.AppendUint64(nil, c.gw.node)
		}
		b = binary.AppendUvarint(binary.AppendVarint(b, int64(id)), uint64(people)) //nolint:gosec // not negative
		if n++; n == countsAtOnce {
			c.gw.publish(countsSubject, b)
			n = 0
		}
	}
	for _, id := range here {
		people, _ := c.gw.svc.Rooms.Here(id)
		if people == 0 {
			continue
		}
		now[id] = people
		if all || c.told[id] != people {
			add(id, people)
		}
	}
	for id := range c.told {
		if now[id] == 0 {
			add(id, 0)
		}
	}
	if n > 0 {
		c.gw.publish(countsSubject, b)
	}
	c.told = now
}

// hear takes what another node tells.
func (c *counts) hear(_ string, payload []byte) {
	if len(payload) < 8 {
		return
	}
	node := binary.BigEndian.Uint64(payload)
	if node == c.gw.node {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for b := payload[8:]; len(b) > 0; {
		id, n := binary.Varint(b)
		if n <= 0 {
			return
		}
		people, m := binary.Uvarint(b[n:])
		if m <= 0 || people > 1<<40 {
			return
		}
		b = b[n+m:]
		c.note(muster.ChannelID(id), node, int(people)) //nolint:gosec // bounded
	}
}

// note notes one count. The lock is held.
func (c *counts) note(id muster.ChannelID, node uint64, people int) {
	nodes := c.heard[id]
	before := nodes[node].people
	switch {
	case people > 0 && nodes == nil:
		c.heard[id] = map[uint64]heardCount{node: {people, c.tick}}
	case people > 0:
		nodes[node] = heardCount{people, c.tick}
	default:
		delete(nodes, node)
		if len(nodes) == 0 {
			delete(c.heard, id)
		}
	}
	if before == people {
		return
	}
	sum := 0
	for _, one := range c.heard[id] {
		sum += one.people
	}
	c.gw.svc.Rooms.Elsewhere(id, sum)
}

// age forgets what was not told again for too long.
func (c *counts) age() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tick++
	for id, nodes := range c.heard {
		for node, one := range nodes {
			if c.tick-one.tick > countLife {
				c.note(id, node, 0)
			}
		}
	}
}
