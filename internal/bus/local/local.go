// Package local is the bus inside one process, in plain Go.
//
// Publish appends to the queue of the subject and returns; a goroutine that
// exists only while the queue is not empty calls the handlers. So an idle
// subject costs no goroutine, a publisher may hold any lock, a handler may use
// the bus, the calls of a handler never overlap, and one blocked handler holds
// up its own subject only.
//
// The bounds of a queue are generous, because a handler that keeps to its
// contract is never that far behind; beyond them publications are dropped and
// counted. Nothing is stored.
package local

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"muster/internal/bus"
)

const (
	// queueLength and queueBytes bound what waits on one subject for its
	// handlers.
	queueLength = 1 << 16
	queueBytes  = 64 << 20
	// stopGrace and stopCut are the two steps of the stop.
	stopGrace = 4 * time.Second
	stopCut   = time.Second
)

// Bus is the bus of one process. See [bus.Bus] for the contract.
type Bus struct {
	seed   maphash.Seed
	shards [128]shard
	ready  chan struct{}

	// deliveries and requests count the goroutines of the bus.
	deliveries sync.WaitGroup
	requests   sync.WaitGroup

	responders responders
}

var _ bus.Bus = (*Bus)(nil)

// New makes a bus. It delivers at once; Run is needed to stop it.
func New() *Bus {
	b := &Bus{seed: maphash.MakeSeed(), ready: make(chan struct{})}
	close(b.ready)
	for i := range b.shards {
		b.shards[i].topics = make(map[string]*topic)
	}
	b.responders.init()
	return b
}

// Publish implements [bus.Bus].
func (b *Bus) Publish(subject string, payload []byte) error {
	return b.put(subject, payload, 1)
}

// Deliver is Publish for a publication of another node: it is not counted as
// published here.
func (b *Bus) Deliver(subject string, payload []byte) error {
	return b.put(subject, payload, 0)
}

// Subscribe implements [bus.Bus].
func (b *Bus) Subscribe(subject string, h bus.Handler) (bus.Subscription, error) {
	if err := bus.CheckSubject(subject); err != nil {
		return nil, err
	}
	sub := &subscription{shard: b.shard(subject), subject: subject, handler: h}
	if err := sub.shard.add(sub); err != nil {
		return nil, err
	}
	return sub, nil
}

// Flush implements [bus.Bus].
func (b *Bus) Flush(ctx context.Context) error {
	var waits []<-chan struct{}
	for i := range b.shards {
		waits = b.shards[i].idle(waits)
	}
	for _, wait := range waits {
		select {
		case <-wait:
		case <-ctx.Done():
			return fmt.Errorf("bus: flush: %w", context.Cause(ctx))
		}
	}
	return nil
}

// Stats implements [bus.Bus].
func (b *Bus) Stats() bus.Stats {
	var sum bus.Stats
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.Lock()
		sum.Published += s.stats.Published
		sum.Delivered += s.stats.Delivered
		sum.Dropped += s.stats.Dropped
		s.mu.Unlock()
	}
	return sum
}

// Ready implements [bus.Bus]; the channel is closed from the start.
func (b *Bus) Ready() <-chan struct{} { return b.ready }

// Run implements [bus.Bus]. What is at work when ctx ends gets four seconds to
// come to its end; then the contexts of responders end, and one second later
// Run gives up on whoever still runs, with an error.
func (b *Bus) Run(ctx context.Context) error {
	<-ctx.Done()
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
	}
	b.responders.close()
	defer b.responders.stop()

	done := make(chan struct{})
	go func() { // ends with the goroutines of the bus
		b.deliveries.Wait()
		b.requests.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-time.After(stopGrace):
	}
	b.responders.stop()
	select {
	case <-done:
		return nil
	case <-time.After(stopCut):
		return fmt.Errorf("bus: a handler or responder still runs %s after the stop", stopGrace+stopCut)
	}
}

func (b *Bus) shard(subject string) *shard {
	return &b.shards[maphash.String(b.seed, subject)%uint64(len(b.shards))]
}
