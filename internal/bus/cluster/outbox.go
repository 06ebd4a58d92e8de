package cluster

import (
	"sync"

	"github.com/nats-io/nats.go"

	"muster/internal/bus"
)

const (
	// outboxLength and outboxBytes bound what waits to be sent to other nodes.
	outboxLength = 1 << 16
	outboxBytes  = 64 << 20
)

// outbox is what this node has to tell the network: publications in order, and
// which subjects it wants to hear. Nobody but the courier touches the
// connection with them, because writing to it can block.
type outbox struct {
	mu    sync.Mutex
	open  bool // false before the connection is made, and after the stop
	items []outgoing
	bytes int
	// interests are the NATS subjects with subscribers or responders here;
	// changed has those that the courier has to bring in force or to end.
	interests map[string]*interest
	changed   []*interest
	dropped   uint64
	wake      chan struct{} // has an element when there is something to do
}

// outgoing is a publication, or a mark that is closed when all before it has
// been written.
type outgoing struct {
	subject string
	payload []byte
	mark    chan<- struct{}
}

// interest is a NATS subject that this node listens to.
type interest struct {
	subject string
	respond bool // it is for requests
	// refs counts the subscriptions here; guarded by the outbox.
	refs   int
	queued bool // it is in outbox.changed
	// sub is in force. Only the courier changes it, under the outbox's lock.
	sub *nats.Subscription
}

func newOutbox() *outbox {
	return &outbox{interests: make(map[string]*interest), wake: make(chan struct{}, 1)}
}

// publish queues a publication for the other nodes. The connection must not
// bring it later than now: while there is none, it is dropped.
func (o *outbox) publish(subject string, payload []byte) {
	o.mu.Lock()
	if !o.open || len(o.items) >= outboxLength || o.bytes+len(payload) > outboxBytes {
		o.dropped++
		o.mu.Unlock()
		return
	}
	o.items = append(o.items, outgoing{subject: subject, payload: payload})
	o.bytes += len(payload)
	o.mu.Unlock()
	o.ring()
}

// mark gives a channel that is closed when everything queued so far has been
// written, or nil when nothing is ever going to be.
func (o *outbox) mark() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.open {
		return nil
	}
	done := make(chan struct{})
	o.items = append(o.items, outgoing{mark: done})
	o.ring()
	return done
}

// change counts a subscription on a NATS subject up or down.
func (o *outbox) change(subject string, respond bool, by int) {
	o.mu.Lock()
	i := o.interests[subject]
	if i == nil {
		i = &interest{subject: subject, respond: respond}
		o.interests[subject] = i
	}
	i.refs += by
	if wanted := i.refs > 0; wanted != (i.sub != nil) && !i.queued {
		i.queued = true
		o.changed = append(o.changed, i)
	}
	o.mu.Unlock()
	o.ring()
}

// endResponders leaves requests to the other nodes from now on.
func (o *outbox) endResponders() {
	o.mu.Lock()
	for _, i := range o.interests {
		if i.respond {
			i.refs = 0
			if i.sub != nil && !i.queued {
				i.queued = true
				o.changed = append(o.changed, i)
			}
		}
	}
	o.mu.Unlock()
	o.ring()
}

func (o *outbox) ring() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take gives the courier all there is to do, for a buffer to queue more in.
func (o *outbox) take(buffer []outgoing) ([]outgoing, []*interest) {
	o.mu.Lock()
	defer o.mu.Unlock()
	items, changed := o.items, o.changed
	o.items, o.changed, o.bytes = buffer[:0], nil, 0
	return items, changed
}

// setOpen says whether publications are taken.
func (o *outbox) setOpen(open bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open = open
}

// settle brings an interest in force, or ends it, as it is wanted by now.
func (o *outbox) settle(i *interest, listen func(*interest) (*nats.Subscription, error)) error {
	o.mu.Lock()
	wanted, sub := i.refs > 0, i.sub
	i.queued = false
	if !wanted {
		i.sub = nil
		delete(o.interests, i.subject)
	}
	o.mu.Unlock()

	switch {
	case wanted && sub == nil:
		sub, err := listen(i)
		if err != nil {
			return err
		}
		o.mu.Lock()
		i.sub = sub
		o.mu.Unlock()
		// Somebody may have left meanwhile.
		o.change(i.subject, i.respond, 0)
	case !wanted && sub != nil:
		n, _ := sub.Dropped()
		o.mu.Lock()
		o.dropped += uint64(max(0, n))
		o.mu.Unlock()
		return sub.Unsubscribe()
	}
	return nil
}

// lost counts publications that could not be sent.
func (o *outbox) lost(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dropped += uint64(n)
}

// drops counts what was lost on the way out and on the way in.
func (o *outbox) drops() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	sum := o.dropped
	for _, i := range o.interests {
		if i.sub != nil {
			n, _ := i.sub.Dropped()
			sum += uint64(max(0, n))
		}
	}
	return sum
}

var _ bus.Subscription = (*subscription)(nil)

// subscription is one on this node and its part in the interest of this node.
type subscription struct {
	here  bus.Subscription
	leave func()
}

// Unsubscribe implements [bus.Subscription].
func (s *subscription) Unsubscribe() {
	s.here.Unsubscribe()
	s.leave()
}
