package local

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"muster/internal/bus"
)

// shard is a part of the subjects. Its lock guards all its fields and those of
// its topics, and is never held while a handler runs.
type shard struct {
	mu     sync.Mutex
	topics map[string]*topic
	stats  bus.Stats
	closed bool
	_      [64]byte // the next shard's lock is on another cache line
}

// topic is a subject with a subscriber, or with deliveries under way.
type topic struct {
	subject string
	// subs is replaced, never changed: a queued item refers to it.
	subs []*subscription

	queue []item
	spare []item // the other half of a pair of buffers
	bytes int    // of the payloads in queue
	// delivering is whether a goroutine runs deliver for this topic. While it
	// does, the topic stays in the shard's table.
	delivering bool
	accepted   uint64 // items ever queued
	done       uint64 // items ever given out
	waiters    []waiter
}

// item is a publication on its way to those who were subscribed when it was
// published.
type item struct {
	payload []byte
	to      []*subscription
}

// waiter is told when topic.done has come to target.
type waiter struct {
	target uint64
	done   chan struct{}
}

// subscription implements [bus.Subscription].
type subscription struct {
	shard   *shard
	subject string
	handler bus.Handler
	closed  atomic.Bool
}

// put queues a publication, and sees to it that somebody delivers it.
func (b *Bus) put(subject string, payload []byte, published uint64) error {
	if len(payload) > bus.MaxPayload {
		return bus.ErrTooLarge
	}
	s := b.shard(subject)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return bus.ErrClosed
	}
	t := s.topics[subject]
	if t == nil || len(t.subs) == 0 {
		// Only here can the subject be a wrong one: Subscribe checks too.
		err := bus.CheckSubject(subject)
		if err == nil {
			s.stats.Published += published
		}
		s.mu.Unlock()
		return err
	}
	s.stats.Published += published
	if len(t.queue) >= queueLength || t.bytes+len(payload) > queueBytes {
		s.stats.Dropped++
		s.mu.Unlock()
		return nil
	}
	t.queue = append(t.queue, item{payload, t.subs})
	t.bytes += len(payload)
	t.accepted++
	if !t.delivering {
		t.delivering = true
		b.deliveries.Go(func() { s.deliver(t) })
	}
	crowded := len(t.queue)%1024 == 0
	s.mu.Unlock()
	if crowded {
		// A publisher in a tight loop lets the deliveries have the processor;
		// this does not wait for them.
		runtime.Gosched()
	}
	return nil
}

// deliver gives out what is queued on a topic until nothing is left.
func (s *shard) deliver(t *topic) {
	var batch []item
	var calls uint64
	for {
		s.mu.Lock()
		s.stats.Delivered += calls
		t.done += uint64(len(batch))
		t.wake()
		if len(t.queue) == 0 {
			t.delivering = false
			t.spare = small(batch)
			t.queue = small(t.queue)
			s.forget(t)
			s.mu.Unlock()
			return
		}
		batch, t.queue, t.bytes = t.queue, batch[:0], 0
		if cap(t.queue) == 0 {
			t.queue, t.spare = t.spare, nil
		}
		s.mu.Unlock()

		calls = 0
		for _, it := range batch {
			for _, sub := range it.to {
				if !sub.closed.Load() {
					sub.handler(t.subject, it.payload)
					calls++
				}
			}
		}
		clear(batch) // lets go of the payloads
	}
}

// small gives up the buffer of a burst, and keeps one for a trickle.
func small(buffer []item) []item {
	if cap(buffer) > 8 {
		return nil
	}
	return buffer[:0]
}

// wake tells those who wait for what has been given out by now.
func (t *topic) wake() {
	t.waiters = slices.DeleteFunc(t.waiters, func(w waiter) bool {
		if w.target > t.done {
			return false
		}
		close(w.done)
		return true
	})
}

// idle appends, for each topic at work, a channel that is closed when
// everything queued on it so far has been given out.
func (s *shard) idle(waits []<-chan struct{}) []<-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.topics {
		if t.delivering {
			w := waiter{target: t.accepted, done: make(chan struct{})}
			t.waiters = append(t.waiters, w)
			waits = append(waits, w.done)
		}
	}
	return waits
}

// add puts a subscription in the table.
func (s *shard) add(sub *subscription) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return bus.ErrClosed
	}
	t := s.topics[sub.subject]
	if t == nil {
		t = &topic{subject: sub.subject}
		s.topics[sub.subject] = t
	}
	t.subs = append(slices.Clip(t.subs), sub)
	return nil
}

// forget takes a topic that nobody needs out of the table.
func (s *shard) forget(t *topic) {
	if len(t.subs) == 0 && !t.delivering {
		delete(s.topics, t.subject)
	}
}

// Unsubscribe implements [bus.Subscription].
func (sub *subscription) Unsubscribe() {
	if sub.closed.Swap(true) {
		return
	}
	s := sub.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.topics[sub.subject]
	rest := make([]*subscription, 0, len(t.subs)-1)
	for _, other := range t.subs {
		if other != sub {
			rest = append(rest, other)
		}
	}
	t.subs = rest
	s.forget(t)
}
