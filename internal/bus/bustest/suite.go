package bustest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster/internal/bus"
)

// Run checks the contract of [bus.Bus] on the nodes of one bus. start is called
// once per test and gives one or more running, connected nodes.
func Run(t *testing.T, start func(t testing.TB) []Node) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, nodes []Node)
	}{
		{"every subscriber of the subject hears it once", testDelivers},
		{"publications keep each publisher's order", testOrder},
		{"all handlers of a node hear one order", testOneOrder},
		{"an ended subscription is not called", testUnsubscribe},
		{"what was published before Subscribe is not heard", testLateSubscriber},
		{"a handler may use the bus", testReentrancy},
		{"a publisher may hold a lock that its handler takes", testLocks},
		{"a slow handler loses its own subject only", testSlow},
		{"a payload may be large, but not too large", testPayload},
		{"a subject is words and dots", testSubjects},
		{"statistics count", testStats},
		{"any history is heard exactly", testHistory},
		{"Flush waits for handlers", testFlush},
		{"a request is answered", testRequest},
		{"nobody listens", testNobodyListens},
		{"each request goes to one responder", testOneResponder},
		{"a request ends with its context", testDeadline},
		{"a busy responder refuses", testBusy},
		{"requests and answers have a limit", testRequestSize},
		{"a stopped bus says so", testStopped},
		{"a stopping bus gives out what it holds", testStop},
	} {
		t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
			test.run(t, start(t))
		})
	}
}

func testDelivers(t *testing.T, nodes []Node) {
	subject, other := fresh("channel"), fresh("channel")
	var ears, others []*Ear
	for _, node := range nodes {
		for range 2 { // two subscribers on each node
			e, _ := Listen(t, node.Bus, subject)
			ears = append(ears, e)
		}
		e, _ := Listen(t, node.Bus, other)
		others = append(others, e)
	}
	linkAll(t, nodes, slices.Concat(ears, others))
	var want []string
	for i, node := range nodes {
		for k := range 50 {
			text := fmt.Sprintf("node %d message %d", i, k)
			want = append(want, text)
			MustPublish(t, node.Bus, subject, text)
		}
		// A longer subject and a shorter one are other subjects.
		MustPublish(t, node.Bus, subject+".x", "longer")
		MustPublish(t, node.Bus, strings.Split(subject, ".")[0], "shorter")
		MustPublish(t, node.Bus, other, "end")
	}
	slices.Sort(want)
	for _, e := range others {
		if got := e.Wait(t, len(nodes)); len(got) != len(nodes) {
			t.Errorf("the other subject hears %q", got)
		}
	}
	for _, e := range ears {
		got := e.Wait(t, len(want))
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("heard %d, want %d: %q", len(got), len(want), got)
		}
	}
}

func testOrder(t *testing.T, nodes []Node) {
	const publishers, messages = 4, 1000 // per node
	subjects := []string{fresh("group"), fresh("group")}
	var ears []*Ear
	for _, node := range nodes {
		for _, subject := range subjects {
			e, _ := Listen(t, node.Bus, subject)
			ears = append(ears, e)
		}
	}
	linkAll(t, nodes, ears)
	var running sync.WaitGroup
	for i, node := range nodes {
		for p := range publishers {
			running.Go(func() {
				for k := range messages {
					for _, subject := range subjects {
						if err := node.Bus.Publish(subject, fmt.Appendf(nil, "%d/%d %d", i, p, k)); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
	}
	running.Wait()
	for _, e := range ears {
		next := make(map[string]int)
		for _, text := range e.Wait(t, len(nodes)*publishers*messages) {
			publisher, number, _ := strings.Cut(text, " ")
			if k, _ := strconv.Atoi(number); k != next[publisher] {
				t.Fatalf("publisher %s: message %d came when %d was next", publisher, k, next[publisher])
			}
			next[publisher]++
		}
	}
}

func testOneOrder(t *testing.T, nodes []Node) {
	subject := fresh("channel")
	node := nodes[len(nodes)-1]
	first, _ := Listen(t, node.Bus, subject)
	second, _ := Listen(t, node.Bus, subject)
	linkAll(t, nodes, []*Ear{first, second})
	var running sync.WaitGroup
	for i, from := range nodes {
		for p := range 3 {
			running.Go(func() {
				for k := range 500 {
					MustPublish(t, from.Bus, subject, fmt.Sprintf("%d/%d %d", i, p, k))
				}
			})
		}
	}
	running.Wait()
	n := len(nodes) * 3 * 500
	if a, b := first.Wait(t, n), second.Wait(t, n); !slices.Equal(a, b) {
		t.Error("two handlers on one node heard different orders")
	}
}

func testUnsubscribe(t *testing.T, nodes []Node) {
	subject := fresh("channel")
	node := nodes[len(nodes)-1] // with several nodes, not the one that publishes
	entered, leave := make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	gate := NewEar(subject)
	gone, err := node.Bus.Subscribe(subject, func(s string, payload []byte) {
		gate.Handle(s, payload)
		if string(payload) == "stop here" {
			calls.Add(1)
			close(entered)
			<-leave
		} else if calls.Load() > 0 {
			calls.Add(1)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	stays, _ := Listen(t, node.Bus, subject)
	linkAll(t, nodes, []*Ear{stays, gate})

	MustPublish(t, nodes[0].Bus, subject, "stop here")
	<-entered
	for range 100 { // they wait behind the one that is under way
		MustPublish(t, nodes[0].Bus, subject, "queued")
	}
	gone.Unsubscribe()
	gone.Unsubscribe()
	close(leave)
	for range 100 {
		MustPublish(t, nodes[0].Bus, subject, "later")
	}
	stays.Wait(t, 201)
	mustFlush(t, node.Bus)
	if n := calls.Load(); n != 1 {
		t.Errorf("the ended subscription was called %d times, want 1", n)
	}

	// The last one out, and in again.
	inside, _ := Listen(t, node.Bus, subject)
	linkAll(t, nodes, []*Ear{inside})
	MustPublish(t, nodes[0].Bus, subject, "again")
	if got := inside.Wait(t, 1); !slices.Equal(got, []string{"again"}) {
		t.Errorf("heard %q", got)
	}
}

func testLateSubscriber(t *testing.T, nodes []Node) {
	subject := fresh("channel")
	node := nodes[0].Bus
	entered, leave := make(chan struct{}), make(chan struct{})
	sub, err := node.Subscribe(subject, func(_ string, payload []byte) {
		if string(payload) == "stop here" {
			close(entered)
			<-leave
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	MustPublish(t, node, subject, "stop here")
	<-entered
	MustPublish(t, node, subject, "before") // still queued when the late one comes
	late, _ := Listen(t, node, subject)
	MustPublish(t, node, subject, "after")
	close(leave)
	if got := late.Wait(t, 1); !slices.Equal(got, []string{"after"}) {
		t.Errorf("heard %q, want what was published after Subscribe", got)
	}
	mustFlush(t, node)
	if got := late.Heard(t); len(got) != 1 {
		t.Errorf("heard %q", got)
	}
}

func testReentrancy(t *testing.T, nodes []Node) {
	node := nodes[0].Bus
	start, same, result := fresh("channel"), fresh("channel"), fresh("channel")
	results, _ := Listen(t, node, result)
	watch, _ := Listen(t, node, same)
	var sub bus.Subscription
	var ready sync.WaitGroup
	ready.Add(1)
	n := 0
	sub, err := node.Subscribe(same, func(string, []byte) {
		ready.Wait()
		if n++; n < 100 {
			_ = node.Publish(same, []byte(strconv.Itoa(n))) // on its own subject
			return
		}
		sub.Unsubscribe() // itself
		_ = node.Stats()
		inner, err := node.Subscribe(start, func(string, []byte) { _ = node.Publish(result, []byte("inner")) })
		if err != nil {
			t.Error(err)
			return
		}
		_ = node.Publish(start, nil)
		inner.Unsubscribe()
		_ = node.Publish(result, []byte("done"))
	})
	if err != nil {
		t.Fatal(err)
	}
	ready.Done()
	MustPublish(t, node, same, "0")
	got := watch.Wait(t, 100)
	for i, text := range got {
		if text != strconv.Itoa(i) {
			t.Fatalf("publication %d is %q: a handler's publications overtake each other", i, text)
		}
	}
	Eventually(t, "the handler comes to its end", func() bool { return slices.Contains(results.Heard(t), "done") })
}

func testLocks(t *testing.T, nodes []Node) {
	subject := fresh("channel")
	var mu sync.Mutex
	e := NewEar(subject)
	for _, node := range nodes {
		sub, err := node.Bus.Subscribe(subject, func(s string, payload []byte) {
			mu.Lock()
			defer mu.Unlock()
			e.Handle(s, payload)
		})
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Unsubscribe()
	}
	mu.Lock()
	for i := range 100 {
		MustPublish(t, nodes[0].Bus, subject, strconv.Itoa(i))
	}
	mu.Unlock()
	e.Wait(t, 100)
}

// testSlow blocks a handler and publishes more than any queue holds.
func testSlow(t *testing.T, nodes []Node) {
	const many, pause = 80_000, 8_000
	slow, quick := fresh("channel"), fresh("channel")
	node := nodes[len(nodes)-1]
	leave := make(chan struct{})
	blocked := NewEar(slow)
	sub, err := node.Bus.Subscribe(slow, func(s string, payload []byte) {
		blocked.Handle(s, payload)
		if !strings.HasPrefix(string(payload), probe) {
			<-leave
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	other, _ := Listen(t, node.Bus, quick)
	linkAll(t, nodes, []*Ear{blocked, other})
	before := dropped(nodes)
	for i := range many {
		MustPublish(t, nodes[0].Bus, slow, strconv.Itoa(i))
		if i%pause == 0 {
			MustPublish(t, nodes[0].Bus, quick, "quick")
			other.Wait(t, i/pause+1)
		}
	}
	close(leave)
	Link(t, nodes[0].Bus, blocked) // all before has come or is lost
	lost := many - len(blocked.Heard(t))
	if lost == 0 {
		t.Error("no publication was dropped: the queue has no bound")
	}
	// One that was dropped on two ways counts twice. Between nodes some may be
	// lost unseen, but on one node none.
	if n := dropped(nodes) - before; n == 0 || len(nodes) == 1 && n < uint64(lost) {
		t.Errorf("%d publications are lost, %d are counted as dropped", lost, n)
	}
	last := -1
	for _, text := range blocked.Heard(t) {
		i, _ := strconv.Atoi(text)
		if i <= last {
			t.Fatalf("%d came after %d", i, last)
		}
		last = i
	}
}

func dropped(nodes []Node) uint64 {
	var n uint64
	for _, node := range nodes {
		n += node.Bus.Stats().Dropped
	}
	return n
}

func testPayload(t *testing.T, nodes []Node) {
	subject := fresh("group")
	var ears []*Ear
	for _, node := range nodes {
		e, _ := Listen(t, node.Bus, subject)
		ears = append(ears, e)
	}
	linkAll(t, nodes, ears)
	large := bytes.Repeat([]byte("0123456789abcdef"), bus.MaxPayload/16)
	if err := nodes[0].Bus.Publish(subject, append(large, '!')); !errors.Is(err, bus.ErrTooLarge) {
		t.Errorf("one byte too many: %v", err)
	}
	if err := nodes[0].Bus.Publish(fresh("empty"), append(large, '!')); !errors.Is(err, bus.ErrTooLarge) {
		t.Errorf("one byte too many where nobody listens: %v", err)
	}
	MustPublish(t, nodes[0].Bus, subject, string(large))
	MustPublish(t, nodes[0].Bus, subject, "")
	MustPublish(t, nodes[0].Bus, subject, "\x00\r\n\xff")
	for _, e := range ears {
		if got := e.Wait(t, 3); !slices.Equal(got, []string{string(large), "", "\x00\r\n\xff"}) {
			t.Errorf("heard %d publications, not the three that were published", len(got))
		}
	}
}

func testSubjects(t *testing.T, nodes []Node) {
	b := nodes[0].Bus
	for _, subject := range []string{"", ".", "a.", ".a", "a..b", "a b", "a.*", "a.>", ">", "*", "$SYS.x", "ä", "a\n", "a\x00", strings.Repeat("a", bus.MaxSubject+1)} {
		if err := b.Publish(subject, nil); !errors.Is(err, bus.ErrSubject) {
			t.Errorf("Publish(%q): %v", subject, err)
		}
		if _, err := b.Subscribe(subject, func(string, []byte) {}); !errors.Is(err, bus.ErrSubject) {
			t.Errorf("Subscribe(%q): %v", subject, err)
		}
		if _, err := b.Request(t.Context(), subject, nil); !errors.Is(err, bus.ErrSubject) {
			t.Errorf("Request(%q): %v", subject, err)
		}
		if _, err := b.Respond(subject, echo); !errors.Is(err, bus.ErrSubject) {
			t.Errorf("Respond(%q): %v", subject, err)
		}
	}
	for _, subject := range []string{"a", "a.b.c", "channel.0198-AZ_z", strings.Repeat("x", bus.MaxSubject)} {
		e, _ := Listen(t, b, subject)
		MustPublish(t, b, subject, "hello")
		e.Wait(t, 1)
	}
}

func testFlush(t *testing.T, nodes []Node) {
	node := nodes[0].Bus
	subject := fresh("channel")
	leave := make(chan struct{})
	var through atomic.Int32
	sub, err := node.Subscribe(subject, func(string, []byte) {
		<-leave
		through.Add(1)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	for range 10 {
		MustPublish(t, node, subject, "x")
	}
	// It cannot return nil while the handler is held, however long it waits.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := node.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Flush while a handler runs: %v", err)
	}
	close(leave)
	mustFlush(t, node)
	if n := through.Load(); n != 10 {
		t.Errorf("after Flush %d calls are through, want 10", n)
	}
}

func testStats(t *testing.T, nodes []Node) {
	b := nodes[0].Bus
	subject := fresh("channel")
	before := b.Stats()
	Listen(t, b, subject)
	Listen(t, b, subject)
	for range 10 {
		MustPublish(t, b, subject, "x")
	}
	MustPublish(t, b, fresh("channel"), "nobody hears this")
	mustFlush(t, b)
	after := b.Stats()
	got := bus.Stats{Published: after.Published - before.Published, Delivered: after.Delivered - before.Delivered, Dropped: after.Dropped - before.Dropped}
	if want := (bus.Stats{Published: 11, Delivered: 20}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

// linkAll waits until each ear hears each node.
func linkAll(t *testing.T, nodes []Node, ears []*Ear) {
	t.Helper()
	for _, node := range nodes {
		for _, e := range ears {
			Link(t, node.Bus, e)
		}
	}
}
