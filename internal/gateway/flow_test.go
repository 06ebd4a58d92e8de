package gateway_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/channel"
	"muster/internal/client"
	"muster/internal/gateway"
	"muster/internal/gateway/engine"
	"muster/internal/wire"
)

// welcomed is a raw connection that has said hello.
func (p person) welcomed(inJSON bool) *raw {
	p.Helper()
	c := p.raw(inJSON, nil)
	c.hello(p.token)
	c.until("a welcome", func(f *musterv1.ServerFrame) bool { return f.GetWelcome() != nil })
	return c
}

// until reads frames until one that want takes; events may come before an answer.
func (c *raw) until(what string, want func(f *musterv1.ServerFrame) bool) {
	c.t.Helper()
	for {
		frames, code := c.next()
		for _, f := range frames {
			if want(f) {
				return
			}
		}
		if code != 0 {
			c.t.Fatalf("no %s: closed with %d", what, code)
		}
	}
}

// TestSlowListener does not read while much is said: it hears the beginning, is
// told how much it missed, and hears what comes then.
func TestSlowListener(t *testing.T) {
	encodings(t, func(t *testing.T, inJSON bool) {
		r := start(t, func(o *gateway.Options) { o.WriteQueue = 32 << 10 })
		ps := r.people("anna", "bert", "carl")
		room := r.channel(ps[2], channel.Settings{}) // what the owner said would not be left out
		speaker, slow := ps[0].dial(), ps[1].welcomed(inJSON)
		slow.frame(&musterv1.ClientFrame{Id: 2, Body: &musterv1.ClientFrame_Enter{Enter: &musterv1.Enter{ChannelId: int64(room)}}})
		slow.until("entered", func(f *musterv1.ServerFrame) bool { return f.GetEntered() != nil })
		speaker.enter(room)
		text := strings.Repeat("x", 3000)
		said := 0
		for ; r.gw.Stats().Engine.Missed < 50; said++ {
			if said > 100_000 {
				t.Fatal("nothing is missed")
			}
			speaker.say(room, fmt.Sprint(said, " ", text))
			speaker.waiting()
		}
		// It may be told several times: the kernel takes a little more now and then.
		next, times := 0, 0
		for next < said {
			frames, code := slow.next()
			if code != 0 {
				t.Fatalf("closed with %d", code)
			}
			for _, f := range frames {
				switch {
				case f.GetChannelMessage() != nil:
					if got := f.GetChannelMessage().GetText(); !strings.HasPrefix(got, fmt.Sprint(next, " ")) {
						t.Fatalf("heard %.10q instead of %d", got, next)
					}
					next++
				case f.GetChannelSkipped() != nil:
					times++
					next += int(f.GetChannelSkipped().GetCount())
					if f.GetChannelSkipped().GetChannelId() != int64(room) {
						t.Errorf("skipped: %v", f)
					}
				}
			}
		}
		if next != said || times == 0 {
			t.Errorf("%d heard or skipped, %d said, told %d times", next, said, times)
		}
		speaker.say(room, "after")
		frames, _ := slow.next()
		if got := texts(frames); len(got) != 1 || got[0] != "after" {
			t.Errorf("after that it hears %.20q", got)
		}
	})
}

// TestSlowMember does not read while much is sent to its group: it is told once
// up to where it has to fetch, and pushes go on behind that.
func TestSlowMember(t *testing.T) {
	r := start(t, func(o *gateway.Options) { o.WriteQueue = 32 << 10 })
	ps := r.people("anna", "bert")
	id := r.group(ps...)
	sender, slow := ps[0].dial(), ps[1].welcomed(false)
	text := strings.Repeat("x", 8000)
	var sent int64
	for r.gw.Stats().Engine.Missed < 20 {
		sent = sender.send(id, text).GetSeq()
		sender.waiting()
		if sent > 50_000 {
			t.Fatal("nothing is missed")
		}
	}
	// It may be told several times: the kernel takes a little more now and then.
	last := sender.send(id, "after").GetSeq()
	var next int64
	times := 0
	for next < last {
		frames, code := slow.next()
		if code != 0 {
			t.Fatalf("closed with %d", code)
		}
		for _, f := range frames {
			if m := f.GetGroupMessage(); m != nil {
				if next++; m.GetSeq() != next {
					t.Fatalf("seq %d instead of %d", m.GetSeq(), next)
				}
			}
			if b := f.GetGroupBehind(); b != nil {
				times++
				if b.GetHead() <= next || b.GetHead() > last {
					t.Errorf("told to fetch up to %d, has %d of %d", b.GetHead(), next, last)
				}
				next = b.GetHead()
			}
		}
	}
	if times == 0 {
		t.Error("was never told to fetch")
	}
}

// TestDeafClient asks and asks and never reads the answers: it is let go.
func TestDeafClient(t *testing.T) {
	r := start(t, func(o *gateway.Options) {
		o.Engine = engine.NewThreads(engine.Options{JSON: wire.FramesJSON, Queue: 16 << 10, Private: 64 << 10})
	})
	p := r.people("anna")[0]
	c := p.welcomed(true)
	begin := time.Now()
	for r.gw.Stats().Connections > 0 {
		if time.Since(begin) > patience {
			t.Fatal("it is still here")
		}
		_ = c.nc.SetWriteDeadline(time.Now().Add(time.Second))
		c.frame(&musterv1.ClientFrame{Id: 7, Body: &musterv1.ClientFrame_Enter{Enter: &musterv1.Enter{ChannelId: 404}}})
	}
	if _, code := c.all(); code != 4101 && code != 1006 { // the goodbye has a second to get through
		t.Errorf("closed with %d", code)
	}
}

// lossyBus drops and turns around what is published for groups.
type lossyBus struct {
	gateway.Bus
	mu      sync.Mutex
	rng     *rand.Rand
	held    []func()
	dropped int
	turned  int
}

func (b *lossyBus) Publish(subject string, payload []byte) error {
	if !strings.HasPrefix(subject, "group.") {
		return b.Bus.Publish(subject, payload)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch n := b.rng.IntN(100); {
	case n < 10:
		b.dropped++
		return nil
	case n < 20:
		b.turned++
		b.held = append(b.held, func() { _ = b.Bus.Publish(subject, payload) })
		return nil
	}
	err := b.Bus.Publish(subject, payload)
	for _, late := range b.held {
		late()
	}
	b.held = nil
	return err
}

// cutter dials and cuts what it dialled at random.
type cutter struct {
	mu    sync.Mutex
	conns []net.Conn
}

func (c *cutter) client() *http.Client {
	var d net.Dialer
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := d.DialContext(ctx, network, addr)
		if err == nil {
			c.mu.Lock()
			c.conns = append(c.conns, nc)
			c.mu.Unlock()
		}
		return nc, err
	}}}
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, nc := range c.conns {
		_ = nc.Close()
	}
	c.conns = nil
}

// TestReadersOverLossyBus lets 20 readers be cut at random while four writers,
// cut as well, write to two groups over a bus that drops a tenth of the wake-ups
// and turns another tenth around: every reader gets 1..head of both groups, each
// once, in order, and every message stands once.
func TestReadersOverLossyBus(t *testing.T) {
	var bus *lossyBus
	r := start(t, func(o *gateway.Options) {
		bus = &lossyBus{Bus: o.Bus, rng: rand.New(rand.NewPCG(1, 2))}
		o.Bus = bus
		o.SweepEvery = 20 * time.Millisecond
	})
	const readers, writers, each = 20, 4, 150
	ps := r.crowd("p", readers+writers)
	groups := []muster.GroupID{r.group(ps...), r.group(ps...)}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()

	var cutters []*cutter
	var mu sync.Mutex
	got := make([]map[int64][]string, len(ps)) // reader -> group -> texts in order of seq
	follow := func(i int) *client.Follower {
		c := &cutter{}
		cutters = append(cutters, c)
		got[i] = map[int64][]string{}
		from := map[muster.GroupID]muster.Seq{groups[0]: 0, groups[1]: 0}
		f := client.NewFollower(client.Options{URL: r.URL, Token: ps[i].token, JSON: i%2 == 0, HTTP: c.client()}, from, client.Handler{
			Message: func(m *musterv1.GroupMessage) {
				mu.Lock()
				defer mu.Unlock()
				list := got[i][m.GetGroupId()]
				if m.GetSeq() != int64(len(list)+1) {
					t.Errorf("reader %d got seq %d after %d", i, m.GetSeq(), len(list))
				}
				got[i][m.GetGroupId()] = append(list, m.GetText())
			},
		})
		running.Go(func() {
			if err := f.Run(ctx); err != nil {
				t.Errorf("follower %d: %v", i, err)
			}
		})
		return f
	}
	var writing sync.WaitGroup
	for i := range ps {
		f := follow(i)
		if i < readers {
			continue
		}
		writing.Go(func() {
			for n := range each {
				for _, g := range groups {
					if _, err := f.Send(ctx, &musterv1.SendRequest{GroupId: int64(g), Text: fmt.Sprint(i, "/", n)}); err != nil {
						t.Errorf("writer %d: %v", i, err)
						return
					}
				}
			}
		})
	}
	wrote := make(chan struct{})
	go func() { writing.Wait(); close(wrote) }()
	rng := rand.New(rand.NewPCG(3, 4))
	for over := false; !over; {
		select {
		case <-wrote:
			over = true
		case <-time.After(5 * time.Millisecond):
			cutters[rng.IntN(len(cutters))].cut()
		}
	}
	r.await("everybody to have everything", func() bool {
		mu.Lock()
		defer mu.Unlock()
		for i := range ps {
			for _, g := range groups {
				if len(got[i][int64(g)]) < writers*each {
					return t.Failed()
				}
			}
		}
		return true
	})
	mu.Lock()
	defer mu.Unlock()
	for _, g := range groups {
		seen := map[string]bool{}
		for _, text := range got[0][int64(g)] {
			if seen[text] {
				t.Errorf("%q stands twice", text)
			}
			seen[text] = true
		}
		for i := range ps {
			if fmt.Sprint(got[i][int64(g)]) != fmt.Sprint(got[0][int64(g)]) {
				t.Errorf("reader %d has another log than reader 0", i)
			}
		}
	}
	bus.mu.Lock()
	defer bus.mu.Unlock()
	if bus.dropped < 10 || bus.turned < 10 {
		t.Errorf("the bus dropped only %d and turned around %d", bus.dropped, bus.turned)
	}
	t.Logf("%d dropped, %d turned around", bus.dropped, bus.turned)
}

// TestQuietLoss drops the last message of a group: the sweep brings it.
func TestQuietLoss(t *testing.T) {
	r := start(t, func(o *gateway.Options) {
		o.Bus = dropAll{o.Bus}
		o.SweepEvery = 10 * time.Millisecond
	})
	ps := r.people("anna", "bert")
	id := r.group(ps...)
	a, b := ps[0].dial(), ps[1].dial()
	for n := range 20 {
		a.send(id, fmt.Sprint(n))
		m := b.until("a push", func(f *musterv1.ServerFrame) bool { return f.GetGroupMessage() != nil }).GetGroupMessage()
		if m.GetSeq() != int64(n+1) {
			t.Fatalf("push %d is %v", n, m)
		}
	}
}

// dropAll loses everything that is published for groups.
type dropAll struct{ gateway.Bus }

func (b dropAll) Publish(subject string, payload []byte) error {
	if strings.HasPrefix(subject, "group.") {
		return nil
	}
	return b.Bus.Publish(subject, payload)
}

// TestLargeReturn lets a member come back who missed 10,000 messages: two round
// trips bring all.
func TestLargeReturn(t *testing.T) {
	r := start(t, nil)
	ps := r.people("anna", "bert")
	id := r.group(ps...)
	r.fill(ps[0], id, 10_000)
	encodings(t, func(t *testing.T, inJSON bool) {
		c := ps[1].dialAs(inJSON)
		var seq int64
		trips := 0
		for more := true; more; trips++ {
			begin := time.Now()
			got, err := c.Sync(deadline(), &musterv1.SyncRequest{Positions: []*musterv1.SyncPosition{{GroupId: int64(id), Seq: seq}}})
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range got.GetGroups()[0].GetMessages() {
				if seq++; m.GetSeq() != seq {
					t.Fatalf("seq %d instead of %d", m.GetSeq(), seq)
				}
			}
			more = got.GetMore()
			t.Logf("up to %d after %v", seq, time.Since(begin))
		}
		if seq != 10_000 || trips > 2 {
			t.Errorf("%d messages in %d round trips", seq, trips)
		}
	})
}

// fill sends messages of 256 bytes.
func (r *rig) fill(p person, id muster.GroupID, messages int) {
	r.Helper()
	c := p.dial()
	var wg sync.WaitGroup
	text := strings.Repeat("x", 256)
	for range messages {
		wg.Add(1)
		err := c.Go(deadline(), &musterv1.ClientFrame{Body: &musterv1.ClientFrame_Send{Send: &musterv1.SendRequest{
			GroupId: int64(id), ClientMessageId: client.NewMessageID(), Text: text,
		}}}, func(_ *musterv1.ServerFrame, err error) {
			if err != nil {
				r.Error(err)
			}
			wg.Done()
		})
		if err != nil {
			r.Fatal(err)
		}
	}
	wg.Wait()
	_ = c.Close()
}
