package gateway

import (
	"context"
	"sync"

	"muster"
	"muster/internal/gateway/engine"
	"muster/internal/group"
	"muster/internal/wire"
)

// The bounds of what waits between the log and the bus. What does not fit is
// read from the log again by who needs it.
const (
	outboxMessages = 64 << 10
	outboxBytes    = 64 << 20
	// outboxFrame is about how much text goes into one frame.
	outboxFrame = 64 << 10
)

// outbox takes committed messages from the log's writer without making it wait,
// and publishes them: encoded once, the messages of a group that were committed
// together in one frame.
type outbox struct {
	gw   *Gateway
	wake chan struct{}

	mu    sync.Mutex
	queue []group.Message
	bytes int
	// heads are groups of which something did not fit.
	heads map[muster.GroupID]muster.Seq
}

func (o *outbox) init(g *Gateway) {
	o.gw, o.wake = g, make(chan struct{}, 1)
	o.heads = make(map[muster.GroupID]muster.Seq)
}

// Committed takes messages that have just become durable; it is for group.Log's
// Follow. It does not block and does not keep the slice.
func (e *Events) Committed(messages []group.Message) { e.gw.outbox.put(messages) }

func (o *outbox) put(messages []group.Message) {
	o.mu.Lock()
	for i := range messages {
		m := &messages[i]
		if len(o.queue) >= outboxMessages || o.bytes >= outboxBytes {
			o.heads[m.Group] = m.Seq
			continue
		}
		o.queue = append(o.queue, *m)
		o.bytes += len(m.Text) + len(m.Nickname) + len(m.ClientID)
	}
	o.mu.Unlock()
	signal(o.wake)
}

// signal wakes who waits on a channel of one place.
func signal(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// run publishes until ctx ends.
func (o *outbox) run(ctx context.Context) error {
	var batch []group.Message
	var p packer
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.wake:
		}
		o.mu.Lock()
		batch, o.queue, o.bytes = o.queue, batch[:0], 0
		heads := o.heads
		if len(heads) > 0 {
			o.heads = make(map[muster.GroupID]muster.Seq)
		}
		o.mu.Unlock()
		p.pack(o.gw, batch)
		for id, head := range heads {
			o.gw.publish(groupSubject(id), appendBusHeader(nil, busHead, uint64(head), uint64(head))) //nolint:gosec // a seq
		}
		clear(batch) // lets go of the texts
		if cap(batch) > outboxMessages/8 {
			batch = nil // a burst is over
		}
	}
}

// packer puts the messages of a batch together by group.
type packer struct {
	at      map[muster.GroupID]int
	parcels []parcel
}

// parcel is what goes out for one group.
type parcel struct {
	group       muster.GroupID
	first, last muster.Seq
	encoded     []byte
}

// pack publishes a batch.
func (p *packer) pack(g *Gateway, batch []group.Message) {
	if p.at == nil {
		p.at = make(map[muster.GroupID]int)
	}
	clear(p.at)
	used := 0
	for i := range batch {
		m := &batch[i]
		if !g.opt.Shared && !g.groups.has(m.Group) {
			continue // nobody is online in it; who comes now finds it in the log
		}
		n, known := p.at[m.Group]
		if !known {
			n = used
			used++
			if n == len(p.parcels) {
				p.parcels = append(p.parcels, parcel{})
			}
			p.at[m.Group] = n
			p.parcels[n] = parcel{group: m.Group, first: m.Seq, encoded: p.parcels[n].encoded[:0]}
		}
		one := &p.parcels[n]
		if len(one.encoded) > 0 && (m.Seq != one.last+1 || len(one.encoded)+len(m.Text) > outboxFrame) {
			one.publish(g)
			one.first, one.encoded = m.Seq, one.encoded[:0]
		}
		one.last = m.Seq
		one.encoded = wire.AppendGroupMessage(one.encoded, m)
	}
	for i := range p.parcels[:used] {
		p.parcels[i].publish(g)
	}
	if len(p.parcels) > 1024 {
		p.parcels = nil
	}
}

func (p *parcel) publish(g *Gateway) {
	b := make([]byte, 0, busHeader+10+len(p.encoded))
	b = appendBusHeader(b, busMessages, uint64(p.first), uint64(p.last)) //nolint:gosec // seqs
	g.publish(groupSubject(p.group), engine.AppendBinary(b, p.encoded))
}
