package bustest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster/internal/bus"
)

func echo(_ context.Context, subject string, request []byte) []byte {
	return fmt.Appendf(nil, "%s: %s", subject, request)
}

// respond puts a responder on a node until the test ends, and waits until the
// first node's requests are answered.
func respond(t *testing.T, on Node, nodes []Node, subject string, r bus.Responder) bus.Subscription {
	t.Helper()
	sub, err := on.Bus.Respond(subject, func(ctx context.Context, s string, request []byte) []byte {
		if string(request) == probe {
			return request
		}
		return r(ctx, s, request)
	})
	if err != nil {
		t.Fatalf("Respond(%q): %v", subject, err)
	}
	t.Cleanup(sub.Unsubscribe)
	Eventually(t, "a responder is found", func() bool {
		got, _ := try(t, nodes[0], subject, probe)
		return string(got) == probe
	})
	return sub
}

// try asks once. A request that crosses a responder on its way in or out may
// be lost, so it does not wait for long.
func try(t *testing.T, from Node, subject, request string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	return from.Bus.Request(ctx, subject, []byte(request))
}

func testRequest(t *testing.T, nodes []Node) {
	subject := fresh("roster")
	for _, on := range nodes {
		sub := respond(t, on, nodes, subject, echo)
		var asking sync.WaitGroup
		for _, from := range nodes {
			Eventually(t, "a responder is found", func() bool {
				_, err := try(t, from, subject, probe)
				return err == nil
			})
			for i := range 100 {
				asking.Go(func() {
					got, err := from.Bus.Request(t.Context(), subject, fmt.Appendf(nil, "question %d", i))
					if want := fmt.Sprintf("%s: question %d", subject, i); err != nil || string(got) != want {
						t.Errorf("answer %q, %v; want %q", got, err, want)
					}
				})
			}
		}
		asking.Wait()
		// Publications do not go to responders.
		MustPublish(t, nodes[0].Bus, subject, "hello")
		sub.Unsubscribe()
	}
}

func testNobodyListens(t *testing.T, nodes []Node) {
	subject := fresh("roster")
	// A subscriber is not a responder.
	e, _ := Listen(t, nodes[len(nodes)-1].Bus, subject)
	linkAll(t, nodes, []*Ear{e})
	for _, node := range nodes {
		if _, err := node.Bus.Request(t.Context(), subject, nil); !errors.Is(err, bus.ErrNoResponder) {
			t.Errorf("nobody listens: %v", err)
		}
	}
	on := nodes[len(nodes)-1]
	sub := respond(t, on, nodes, subject, echo)
	sub.Unsubscribe()
	sub.Unsubscribe()
	if _, err := on.Bus.Request(t.Context(), subject, nil); !errors.Is(err, bus.ErrNoResponder) {
		t.Errorf("nobody listens any more on this node: %v", err)
	}
	Eventually(t, "the other node hears that nobody listens any more", func() bool {
		_, err := try(t, nodes[0], subject, "")
		return errors.Is(err, bus.ErrNoResponder)
	})
	if heard := e.Heard(t); len(heard) != 0 {
		t.Errorf("a subscriber heard requests: %q", heard)
	}
}

func testOneResponder(t *testing.T, nodes []Node) {
	const requests = 200
	subject := fresh("roster")
	on := nodes[len(nodes)-1]
	var first, second atomic.Int32
	count := func(n *atomic.Int32) bus.Responder {
		return func(context.Context, string, []byte) []byte {
			n.Add(1)
			return nil
		}
	}
	respond(t, on, nodes, subject, count(&first))
	respond(t, on, nodes, subject, count(&second))
	for range requests {
		if _, err := nodes[0].Bus.Request(t.Context(), subject, nil); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := first.Load(), second.Load(); a+b != requests || a == 0 || b == 0 {
		t.Errorf("%d requests: one responder had %d, the other %d", requests, a, b)
	}
}

func testDeadline(t *testing.T, nodes []Node) {
	const timeout = 50 * time.Millisecond
	subject := fresh("roster")
	left := make(chan time.Duration, 2)
	respond(t, nodes[len(nodes)-1], nodes, subject, func(ctx context.Context, _ string, _ []byte) []byte {
		deadline, _ := ctx.Deadline()
		left <- time.Until(deadline)
		<-ctx.Done() // it would never answer
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	if _, err := nodes[0].Bus.Request(ctx, subject, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	if d := <-left; d > timeout {
		t.Errorf("the responder has %v, the requester waits for %v", d, timeout)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := nodes[0].Bus.Request(ctx, subject, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: %v", err)
	}
}

func testBusy(t *testing.T, nodes []Node) {
	subject := fresh("roster")
	leave := make(chan struct{})
	respond(t, nodes[len(nodes)-1], nodes, subject, func(context.Context, string, []byte) []byte {
		<-leave
		return nil
	})
	// One more than there are hands, all at once: the first answer can only be
	// a refusal.
	answers := make(chan error, bus.MaxRequests+1)
	for range bus.MaxRequests + 1 {
		go func() {
			_, err := nodes[0].Bus.Request(t.Context(), subject, nil)
			answers <- err
		}()
	}
	if err := <-answers; !errors.Is(err, bus.ErrBusy) {
		t.Errorf("a busy responder: %v", err)
	}
	close(leave)
	for range bus.MaxRequests {
		if err := <-answers; err != nil {
			t.Errorf("a request that was taken: %v", err)
		}
	}
}

func testRequestSize(t *testing.T, nodes []Node) {
	subject := fresh("roster")
	large := bytes.Repeat([]byte{'x'}, bus.MaxPayload)
	respond(t, nodes[len(nodes)-1], nodes, subject, func(_ context.Context, _ string, request []byte) []byte {
		if string(request) == "too much" {
			return append(large, 'x')
		}
		return request
	})
	b := nodes[0].Bus
	if got, err := b.Request(t.Context(), subject, large); err != nil || !bytes.Equal(got, large) {
		t.Errorf("the largest request: %d bytes, %v", len(got), err)
	}
	if _, err := b.Request(t.Context(), subject, append(large, 'x')); !errors.Is(err, bus.ErrTooLarge) {
		t.Errorf("one byte too many: %v", err)
	}
	if _, err := b.Request(t.Context(), subject, []byte("too much")); !errors.Is(err, bus.ErrTooLarge) {
		t.Errorf("an answer with one byte too many: %v", err)
	}
}

func testStopped(t *testing.T, nodes []Node) {
	node := nodes[0]
	sub, err := node.Bus.Subscribe(fresh("channel"), func(string, []byte) {})
	if err != nil {
		t.Fatal(err)
	}
	node.Stop()
	sub.Unsubscribe()
	if err := node.Bus.Publish(fresh("channel"), nil); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("Publish: %v", err)
	}
	if _, err := node.Bus.Subscribe(fresh("channel"), func(string, []byte) {}); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("Subscribe: %v", err)
	}
	if _, err := node.Bus.Request(t.Context(), fresh("roster"), nil); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("Request: %v", err)
	}
	if _, err := node.Bus.Respond(fresh("roster"), echo); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("Respond: %v", err)
	}
}

// testStop holds a handler and a responder until the stop of their node has
// begun: both come to their end before it is through.
func testStop(t *testing.T, nodes []Node) {
	const many = 5000
	subject, question := fresh("channel"), fresh("roster")
	entered, leave := make(chan struct{}), make(chan struct{})
	var heard, answered atomic.Int32
	sub, err := nodes[0].Bus.Subscribe(subject, func(_ string, payload []byte) {
		if !strings.HasPrefix(string(payload), probe) {
			<-leave
			heard.Add(1)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	var others []*Ear
	for _, node := range nodes[1:] {
		e, _ := Listen(t, node.Bus, subject)
		others = append(others, e)
	}
	linkAll(t, nodes, others)
	// The one who asks is on another node, if there is one.
	from := nodes[len(nodes)-1]
	respond(t, nodes[0], []Node{from}, question, func(context.Context, string, []byte) []byte {
		close(entered)
		<-leave
		answered.Add(1)
		return []byte("in time")
	})
	answer := make(chan string, 1)
	go func() {
		got, err := from.Bus.Request(context.Background(), question, nil)
		answer <- fmt.Sprint(string(got), err)
	}()
	<-entered
	for i := range many {
		MustPublish(t, nodes[0].Bus, subject, fmt.Sprint(i))
	}
	go func() {
		for nodes[0].Bus.Publish(fresh("channel"), nil) == nil {
			runtime.Gosched()
		}
		close(leave)
	}()
	nodes[0].Stop()
	if n := heard.Load(); n != many {
		t.Errorf("after the stop the handler has had %d of %d calls", n, many)
	}
	if n := answered.Load(); n != 1 {
		t.Error("after the stop the responder still runs")
	}
	for _, e := range others {
		e.Wait(t, many)
	}
	if got := <-answer; got != "in time<nil>" {
		t.Errorf("the request under way got %q", got)
	}
}
