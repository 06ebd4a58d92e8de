package bustest

import (
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"muster/internal/bus"
)

// window is how many publications a benchmark has under way at most. It is
// well below what a subject's queue takes, so that nothing may be dropped.
const window = 4096

// BenchmarkPublish measures publications of 128 bytes on the first node, with 1
// and 16 subscribers spread over all nodes, and prints deliveries per second.
// It fails when one is lost.
func BenchmarkPublish(b *testing.B, nodes []Node) {
	for _, subscribers := range []int{1, 16} {
		b.Run(fmt.Sprintf("subscribers=%d", subscribers), func(b *testing.B) {
			publish(b, nodes, subscribers)
		})
	}
}

func publish(b *testing.B, nodes []Node, subscribers int) {
	// The last node has the last subscriber: with two nodes and one
	// subscriber, everything goes over the network.
	subject := fresh("bench")
	tally := newTally(subscribers)
	for i := range subscribers {
		node := nodes[len(nodes)-1-i%len(nodes)]
		sub, err := node.Bus.Subscribe(subject, tally.handler(i))
		if err != nil {
			b.Fatal(err)
		}
		defer sub.Unsubscribe()
	}
	from := nodes[0].Bus
	payload := make([]byte, 128)
	warmUp(b, from, subject, tally)

	var sent int64
	for b.Loop() {
		if err := from.Publish(subject, payload); err != nil {
			b.Fatal(err)
		}
		if sent++; sent%(window/2) == 0 {
			tally.wait(b, sent-window/2)
		}
	}
	tally.wait(b, sent)
	b.ReportMetric(float64(b.N*subscribers)/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "publications/s")
}

// BenchmarkLatency measures one publication at a time from the first node until
// the last one's handler has it.
func BenchmarkLatency(b *testing.B, nodes []Node) {
	subject := fresh("bench")
	tally := newTally(1)
	sub, err := nodes[len(nodes)-1].Bus.Subscribe(subject, tally.handler(0))
	if err != nil {
		b.Fatal(err)
	}
	defer sub.Unsubscribe()
	payload := make([]byte, 128)
	warmUp(b, nodes[0].Bus, subject, tally)
	var sent int64
	for b.Loop() {
		if err := nodes[0].Bus.Publish(subject, payload); err != nil {
			b.Fatal(err)
		}
		sent++
		tally.wait(b, sent)
	}
}

// tally counts what each of several subscribers hears.
type tally []count

type count struct {
	heard  atomic.Int64
	target atomic.Int64
	warm   atomic.Bool
	news   chan struct{}
	_      [64]byte
}

func newTally(subscribers int) tally {
	t := make(tally, subscribers)
	for i := range t {
		t[i].news = make(chan struct{}, 1)
	}
	return t
}

// handler counts for subscriber i. An empty payload only says that the
// subscription is in force.
func (t tally) handler(i int) bus.Handler {
	c := &t[i]
	return func(_ string, payload []byte) {
		if len(payload) == 0 {
			c.warm.Store(true)
			return
		}
		if c.heard.Add(1) >= c.target.Load() {
			select {
			case c.news <- struct{}{}:
			default:
			}
		}
	}
}

// wait waits until every subscriber has heard n.
func (t tally) wait(b *testing.B, n int64) {
	for i := range t {
		c := &t[i]
		c.target.Store(n)
		for c.heard.Load() < n {
			select {
			case <-c.news:
			case <-time.After(patience):
				b.Fatalf("subscriber %d heard %d of %d", i, c.heard.Load(), n)
			}
		}
		c.target.Store(math.MaxInt64)
	}
}

// warmUp publishes until every subscriber hears it.
func warmUp(b *testing.B, from bus.Bus, subject string, t tally) {
	Eventually(b, "the subscriptions are in force", func() bool {
		if err := from.Publish(subject, nil); err != nil {
			b.Fatal(err)
		}
		for i := range t {
			if !t[i].warm.Load() {
				return false
			}
		}
		return true
	})
}
