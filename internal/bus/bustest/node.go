// Package bustest is the contract of package bus as a test suite and as
// benchmarks, to be run on every implementation and on several nodes.
package bustest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster/internal/bus"
)

// patience is after how long a test gives up on something that must happen. No
// test passes or fails by how fast it happens.
const patience = 20 * time.Second

// Node is a running bus.
type Node struct {
	Bus bus.Bus
	// Stop ends its Run and waits for it. It may be called twice.
	Stop func()
}

// Start runs a bus until the test ends, and waits until it is ready.
func Start(tb testing.TB, b bus.Bus) Node {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Errorf("Run: %v", err)
		}
	})
	tb.Cleanup(stop)
	select {
	case <-b.Ready():
	case err := <-done:
		done <- err
		tb.Fatalf("Run ended before the bus was ready: %v", err)
	case <-time.After(patience):
		tb.Fatal("the bus does not get ready")
	}
	return Node{Bus: b, Stop: stop}
}

var subjects atomic.Uint64

// fresh is a subject that no test used before.
func fresh(kind string) string {
	return fmt.Sprintf("%s.%d", kind, subjects.Add(1))
}

// probe starts the payloads with which Link finds out that a subscription has
// come into force on another node. An Ear keeps them apart.
const probe = "probe:"

// Ear is a handler that remembers what it hears, and checks that its calls do
// not overlap.
type Ear struct {
	subject string
	running atomic.Bool

	mu     sync.Mutex
	heard  []string
	probes map[string]bool
	news   chan struct{} // closed and replaced with each publication
	fault  string
}

// NewEar makes an ear for one subject.
func NewEar(subject string) *Ear {
	return &Ear{subject: subject, probes: make(map[string]bool), news: make(chan struct{})}
}

// Listen subscribes a new ear, until the test ends.
func Listen(tb testing.TB, b bus.Bus, subject string) (*Ear, bus.Subscription) {
	tb.Helper()
	e := NewEar(subject)
	sub, err := b.Subscribe(subject, e.Handle)
	if err != nil {
		tb.Fatalf("Subscribe(%q): %v", subject, err)
	}
	tb.Cleanup(sub.Unsubscribe)
	return e, sub
}

// Handle is a [bus.Handler].
func (e *Ear) Handle(subject string, payload []byte) {
	overlap := e.running.Swap(true)
	e.mu.Lock()
	if overlap {
		e.fault = "two calls of one handler overlap"
	}
	if subject != e.subject {
		e.fault = fmt.Sprintf("a handler of %q is called with %q", e.subject, subject)
	}
	if s := string(payload); strings.HasPrefix(s, probe) {
		e.probes[s] = true
	} else {
		e.heard = append(e.heard, s)
	}
	close(e.news)
	e.news = make(chan struct{})
	e.mu.Unlock()
	e.running.Store(false)
}

// Heard is everything heard so far, but for probes.
func (e *Ear) Heard(tb testing.TB) []string {
	tb.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fault != "" {
		tb.Fatal(e.fault)
	}
	return slices.Clone(e.heard)
}

// Wait waits until n publications have been heard, and gives all of them.
func (e *Ear) Wait(tb testing.TB, n int) []string {
	tb.Helper()
	e.until(tb, func() bool { return len(e.heard) >= n }, fmt.Sprintf("%d publications", n))
	return e.Heard(tb)
}

func (e *Ear) until(tb testing.TB, is func() bool, what string) {
	tb.Helper()
	deadline := time.After(patience)
	for {
		e.mu.Lock()
		ok, news, n := is(), e.news, len(e.heard)
		e.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-news:
		case <-deadline:
			tb.Fatalf("%s on %s: still waiting for %s, heard %d", tb.Name(), e.subject, what, n)
		}
	}
}

// Link publishes on from until the ear hears it: from then on, it hears
// everything of that node.
func Link(tb testing.TB, from bus.Bus, e *Ear) {
	tb.Helper()
	mark := probe + fresh("link")
	Eventually(tb, "that "+e.subject+" is heard from another node", func() bool {
		MustPublish(tb, from, e.subject, mark)
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.probes[mark]
	})
}

// Eventually asks is again and again until it is true.
func Eventually(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	deadline := time.After(patience)
	for !is() {
		select {
		case <-again.C:
		case <-deadline:
			tb.Fatalf("%s: still waiting for: %s", tb.Name(), what)
		}
	}
}

// MustPublish publishes a text.
func MustPublish(tb testing.TB, b bus.Bus, subject, text string) {
	tb.Helper()
	if err := b.Publish(subject, []byte(text)); err != nil {
		tb.Fatalf("Publish(%q): %v", subject, err)
	}
}

func mustFlush(tb testing.TB, b bus.Bus) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.Flush(ctx); err != nil {
		tb.Fatalf("Flush: %v", err)
	}
}
