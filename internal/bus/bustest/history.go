package bustest

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"muster/internal/bus"
)

// testHistory draws histories of subscribing, publishing and unsubscribing on
// one node: each subscriber must hear exactly what was published between its
// Subscribe and its Unsubscribe, in order.
func testHistory(t *testing.T, nodes []Node) {
	node := nodes[0].Bus
	rapid.Check(t, func(r *rapid.T) {
		h := &history{t: t, node: node, subjects: []string{fresh("history"), fresh("history"), fresh("history")}}
		defer h.endAll()
		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			subject := rapid.SampledFrom(h.subjects).Draw(r, "subject")
			switch rapid.IntRange(0, 4).Draw(r, "step") {
			case 0:
				h.subscribe(subject)
			case 1:
				if len(h.live) > 0 {
					h.unsubscribe(rapid.IntRange(0, len(h.live)-1).Draw(r, "which"))
				}
			default:
				h.publish(subject)
			}
		}
		mustFlush(t, node)
		for _, l := range slices.Concat(h.live, h.ended) {
			if got := l.ear.Heard(t); !slices.Equal(got, l.want) {
				r.Fatalf("%s: heard %q, want %q", l.ear.subject, got, l.want)
			}
		}
	})
}

type history struct {
	t           *testing.T
	node        bus.Bus
	subjects    []string
	live, ended []*listener
	n           int
}

type listener struct {
	ear  *Ear
	sub  bus.Subscription
	want []string
}

func (h *history) subscribe(subject string) {
	e := NewEar(subject)
	sub, err := h.node.Subscribe(subject, e.Handle)
	if err != nil {
		h.t.Fatal(err)
	}
	h.live = append(h.live, &listener{ear: e, sub: sub})
}

func (h *history) publish(subject string) {
	h.n++
	text := fmt.Sprint(h.n)
	MustPublish(h.t, h.node, subject, text)
	for _, l := range h.live {
		if l.ear.subject == subject {
			l.want = append(l.want, text)
		}
	}
}

// unsubscribe flushes first: what is queued when a subscription ends is not
// delivered.
func (h *history) unsubscribe(i int) {
	mustFlush(h.t, h.node)
	h.live[i].sub.Unsubscribe()
	h.ended = append(h.ended, h.live[i])
	h.live = slices.Delete(h.live, i, i+1)
}

func (h *history) endAll() {
	for _, l := range h.live {
		l.sub.Unsubscribe()
	}
}
