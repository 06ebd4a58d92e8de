package fault_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/client"
	"muster/internal/fault"
)

// writer sends messages over connections that break, each until it is
// acknowledged, and some of them again afterwards.
type writer struct {
	person
	r       *rand.Rand
	h       *history
	number  int
	mu      *sync.Mutex
	places  map[string]int64 // of every message that was acknowledged
	resent  int              // attempts beyond the first
	unheard int              // attempts without an answer
}

// send sends one message and tells the history.
func (w *writer) send(ctx context.Context, t *testing.T, g muster.GroupID, id string) {
	for again := range 1 + w.r.IntN(5) {
		called := w.h.now()
		var seq int64
		for attempt := 0; seq == 0 && ctx.Err() == nil; attempt++ {
			r, err := w.Send(ctx, connect.NewRequest(&musterv1.SendRequest{GroupId: int64(g), ClientMessageId: id, Text: id}))
			if err == nil {
				seq = r.Msg.GetSeq()
			} else if e := client.ErrorOf(err); e.Code != muster.CodeUnavailable && e.Code != muster.CodeResourceExhausted && e.Code != muster.CodeCanceled {
				t.Errorf("send: %v", err)
				return
			} else {
				w.unheard++
				time.Sleep(time.Duration(w.r.IntN(5)) * time.Millisecond) // as a client that tries again
			}
			if attempt+again > 0 {
				w.resent++
			}
		}
		if ctx.Err() != nil {
			return
		}
		w.h.add(w.number, called, op{group: g, id: id}, result{seq: seq})
		w.mu.Lock()
		if was, known := w.places[id]; known && was != seq {
			t.Errorf("message %s was acknowledged at %d and at %d", id, was, seq)
		}
		w.places[id] = seq
		w.mu.Unlock()
	}
}

// read reads a page somewhere in the log, if the connection lets it.
func (w *writer) read(ctx context.Context, g muster.GroupID, after int64, limit int) (r result, ok bool) {
	called := w.h.now()
	got, err := w.ListMessages(ctx, connect.NewRequest(&musterv1.ListMessagesRequest{GroupId: int64(g), After: &after, Limit: int32(limit)})) //nolint:gosec // small
	if err != nil {
		return r, false
	}
	r.head = got.Msg.GetHead()
	for _, m := range got.Msg.GetMessages() {
		r.ids = append(r.ids, m.GetClientMessageId())
	}
	w.h.add(w.number, called, op{group: g, after: after, limit: limit}, r)
	return r, true
}

// Messages over connections that are reset before or after the server has seen
// the request, to a server that is killed now and then: each stands once, all
// its acknowledgements name the same place, and what everybody saw can be put
// into one order.
func TestResend(t *testing.T) {
	t.Parallel()
	forEachSite(t, func(t *testing.T, s site) {
		const writers, groups = 5, 3
		messages, kills := fault.Long(60, 600), fault.Long(6, 80)
		r := fault.Seed(t)
		server, setup := s.start(t)
		people := []person{register(t, "http://"+s.listen, "owner", setup)}
		for _, name := range names("p", writers-1) {
			people = append(people, register(t, "http://"+s.listen, name, ""))
		}
		var gs []muster.GroupID
		for range groups {
			gs = append(gs, newGroup(t, people...))
		}
		proxy := fault.NewProxy(t, s.listen, func() fault.Fate {
			return []fault.Fate{fault.Pass, fault.Pass, fault.Pass, fault.LoseRequest, fault.LoseAnswer}[rand.IntN(5)]
		})

		h, places := newHistory(), map[string]int64{}
		var mu sync.Mutex
		var running sync.WaitGroup
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute*time.Duration(fault.Long(1, 20)))
		defer cancel()
		ws := make([]*writer, writers)
		for i, p := range people {
			ws[i] = &writer{person: p.through(proxy), r: rand.New(rand.NewPCG(r.Uint64(), 0)), h: h, number: i, mu: &mu, places: places}
			running.Go(func() {
				w := ws[i]
				for m := range messages {
					g := gs[w.r.IntN(groups)]
					w.send(ctx, t, g, fmt.Sprintf("%d-%d-%d", g, i, m))
					w.read(ctx, gs[w.r.IntN(groups)], int64(w.r.IntN(m+1)), 1+w.r.IntN(50))
				}
			})
		}
		done := make(chan struct{})
		go func() { running.Wait(); close(done) }()
		killed := 0
		for alive := true; alive && killed < kills; {
			select {
			case <-done:
				alive = false
			case <-time.After(time.Duration(100+r.IntN(400)) * time.Millisecond): // a random moment
				server.Kill()
				killed++
				server, _ = s.start(t)
			}
		}
		<-done
		if t.Failed() || ctx.Err() != nil {
			t.Fatalf("%v", ctx.Err())
		}

		// Everything once more after the last start, over connections that hold.
		server.Kill()
		server, _ = s.start(t)
		for _, p := range people {
			w := &writer{person: p, r: r, h: h, number: writers, mu: &mu, places: places}
			for id := range places {
				if strings.Contains(id, "-0-") && p.id == people[0].id {
					var g muster.GroupID
					if _, err := fmt.Sscanf(id, "%d-", &g); err != nil {
						t.Fatal(err)
					}
					w.send(ctx, t, g, id)
				}
			}
		}
		stood := 0
		for _, g := range gs {
			w := &writer{person: people[0], h: h, number: writers}
			for at := int64(0); ; {
				page, ok := w.read(ctx, g, at, 100)
				if !ok {
					t.Fatal("cannot read the log")
				}
				for i, id := range page.ids {
					if places[id] != at+int64(i)+1 {
						t.Errorf("group %d: %s stands at %d and was acknowledged at %d", g, id, at+int64(i)+1, places[id])
					}
				}
				at += int64(len(page.ids))
				stood += len(page.ids)
				if len(page.ids) == 0 {
					break
				}
			}
		}
		resent, unheard := 0, 0
		for _, w := range ws {
			resent, unheard = resent+w.resent, unheard+w.unheard
		}
		if stood != len(places) || stood != writers*messages {
			t.Errorf("%d messages stand, %d were acknowledged, %d were sent", stood, len(places), writers*messages)
		}
		if unheard == 0 || killed == 0 {
			t.Errorf("%d attempts were not answered, %d kills: this was no test", unheard, killed)
		}
		h.check(t)
		h.checkControl(t, r)
		t.Logf("%d messages, sent again %d times, %d attempts without an answer, %d kills, %d operations", stood, resent, unheard, killed, len(h.ops))
		server.Tell("stop")
		server.Wait()
	})
}
