package gateway_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/channel"
	"muster/internal/config"
	"muster/internal/gateway"
	"muster/internal/group"
)

// countedLog counts what the gateway reads from the message log.
type countedLog struct {
	gateway.Log
	reads atomic.Int64
}

func (l *countedLog) Read(ctx context.Context, r group.Range) ([]group.Message, error) {
	l.reads.Add(1)
	return l.Log.Read(ctx, r)
}

// TestNoReadsPerMessage counts the store's reads while people talk: once
// everybody has said something, no message costs one, in a channel as in a group,
// nor do hints, pages of who is there, and people who come back.
func TestNoReadsPerMessage(t *testing.T) {
	const people, messages = 20, 500
	var log *countedLog
	cfg := config.Default()
	cfg.Enrolment.Lease = time.Hour // its workers look for work twice in that time, and nobody else reads by the clock
	r := startServing(t, cfg, func(s *gateway.Services) {
		log = &countedLog{Log: s.Log}
		s.Log = log
	})
	ps := r.crowd("p", people)
	room, id := r.channel(ps[0], channel.Settings{}), r.group(ps...)
	conns := make([]*conn, people)
	for i, p := range ps {
		conns[i] = p.dial()
		conns[i].enter(room)
	}
	hears := func(what string) {
		t.Helper()
		for _, c := range conns {
			c.until(what, func(f *musterv1.ServerFrame) bool {
				return f.GetChannelMessage().GetText() == what || f.GetGroupMessage().GetText() == what
			})
		}
	}
	for i, c := range conns { // the first words of each are looked up
		what := fmt.Sprint("first in the channel ", i)
		c.say(room, what)
		hears(what)
		what = fmt.Sprint("first in the group ", i)
		c.send(id, what)
		hears(what)
	}
	for _, test := range []struct {
		name string
		do   func(c *conn, n int)
	}{
		{"channel", func(c *conn, n int) {
			what := fmt.Sprint("channel ", n)
			if c.say(room, what) != people {
				t.Errorf("message %d is not for everybody", n)
			}
			hears(what)
		}},
		{"group", func(c *conn, n int) {
			what := fmt.Sprint("group ", n)
			c.send(id, what)
			hears(what)
		}},
		{"typing", func(c *conn, _ int) {
			for _, what := range []*musterv1.Typing{{ChannelId: int64(room)}, {GroupId: int64(id)}} {
				if _, err := c.Call(deadline(), &musterv1.ClientFrame{Body: &musterv1.ClientFrame_Typing{Typing: what}}); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{"who is there", func(c *conn, _ int) {
			if page, err := c.People(deadline(), &musterv1.People{ChannelId: int64(room)}); err != nil || len(page.GetPeople()) != people {
				t.Fatalf("%v, %v", page, err)
			}
		}},
	} {
		before, logged := r.store.Reads(), log.reads.Load()
		for n := range messages {
			test.do(conns[n%people], n)
		}
		if reads, logged := r.store.Reads()-before, log.reads.Load()-logged; reads != 0 || logged != 0 {
			t.Errorf("%s: %d reads of the database and %d of the log in %d messages", test.name, reads, logged, messages)
		}
	}

	for _, c := range conns {
		c.Cut()
	}
	r.await("everybody to be gone", func() bool { return r.gw.Stats().Connections == 0 })
	before := r.store.Reads()
	for _, p := range ps {
		p.dial()
	}
	if reads := r.store.Reads() - before; reads != 0 {
		t.Errorf("%d reads for %d people who came back", reads, people)
	}
}

// TestReturnAfterChange lets people come back after their memberships changed
// while they were away: what they had when they went is not believed.
func TestReturnAfterChange(t *testing.T) {
	r := start(t, nil)
	ps := r.people("anna", "bert", "carl")
	one, two := r.group(ps[0], ps[1]), r.group(ps[0])
	anna := ps[0].dial()
	away := func(p person) {
		c := p.dial()
		c.Cut()
		r.await("the end", func() bool { return r.gw.Stats().Connections == 1 })
	}
	hears := func(p person, want ...string) {
		t.Helper()
		c := p.dial()
		anna.send(one, "in one")
		anna.send(two, "in two")
		c.barrier()
		if got := texts(c.waiting()); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s hears %q, want %q", p.name, got, want)
		}
		c.Cut()
		r.await("the end", func() bool { return r.gw.Stats().Connections == 1 })
	}
	away(ps[1])
	hears(ps[1], "in one")
	r.join(two, ps[0], ps[1])
	hears(ps[1], "in one", "in two")
	hears(ps[1], "in one", "in two")
	if err := r.domain.Groups.RemoveMember(t.Context(), ps[0].id, one, ps[1].id); err != nil {
		t.Fatal(err)
	}
	hears(ps[1], "in two")
	hears(ps[1], "in two")
	third := r.group(ps[0], ps[1])
	away(ps[1])
	if err := r.domain.Groups.DissolveGroup(t.Context(), ps[0].id, third); err != nil {
		t.Fatal(err)
	}
	hears(ps[1], "in two")
	if _, err := r.domain.Groups.Invite(t.Context(), ps[0].id, one, []muster.AccountID{ps[1].id}, ""); err != nil {
		t.Fatal(err)
	}
	for range 2 { // one with an invitation is asked about each time
		c := ps[1].dial()
		if n := c.Welcome().GetInvitations(); n != 1 {
			t.Errorf("welcomed with %d invitations", n)
		}
		c.Cut()
		r.await("the end", func() bool { return r.gw.Stats().Connections == 1 })
	}
}
