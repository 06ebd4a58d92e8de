package enrol_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"muster"
	"muster/internal/config"
	"muster/internal/enrol"
	"muster/internal/fault"
	"muster/internal/pgtest"
	"muster/internal/store"
)

// wire is the way to a channels' server that has its own database: calls are
// lost before they arrive, or their answers on the way back.
type wire struct {
	enrol.Channels
	mu    sync.Mutex
	lose  func(call int) (before, after bool) // nil: nothing is lost
	calls int
}

func (l *wire) LeaveRoster(ctx context.Context, id muster.ChannelID, person muster.AccountID) error {
	l.mu.Lock()
	call, before, after := l.calls, false, false
	l.calls++
	if l.lose != nil {
		before, after = l.lose(call)
	}
	l.mu.Unlock()
	if before {
		return muster.Unavailable("cut", "the channels' server cannot be reached")
	}
	err := l.Channels.LeaveRoster(ctx, id, person)
	if after && err == nil {
		return muster.Unavailable("cut", "the channels' server was cut off")
	}
	return err
}

func (l *wire) set(lose func(call int) (before, after bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls, l.lose = 0, lose
}

func (l *wire) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls
}

// apart is channels on one server and groups on another, with the same accounts.
type apart struct {
	channels, groups *world
	wire             *wire
	ch               muster.ChannelID
	ids              []muster.AccountID
	optGroups        store.Options
}

func newApart(t *testing.T, opt store.Options, url string) *apart {
	t.Helper()
	w := idleWorld(t, opt, muster.ClockFunc(time.Now), nil)
	a := &apart{optGroups: store.Options{Dir: t.TempDir() + "/groups", URL: url}}
	a.ch, a.ids = w.channel("p", 8, func(i int) muster.Level { return muster.Guest })
	w.stop()
	fault.Copy(t, opt.Dir, opt.URL, a.optGroups.Dir, a.optGroups.URL)
	a.channels = reopen(t, opt, muster.ClockFunc(time.Now), nil)
	a.wire = &wire{Channels: here{a.channels.Channels}}
	a.open(t)
	return a
}

func quickLeases(c *config.Config) { c.Enrolment.Lease = 20 * time.Millisecond }

func (a *apart) open(t *testing.T) {
	t.Helper()
	a.groups = reopen(t, a.optGroups, muster.ClockFunc(time.Now), quickLeases)
}

// node is the groups' server, without its worker.
func (a *apart) node() *enrol.Service {
	return a.groups.node(func(o *enrol.Options) { o.Ledger, o.Channels = a.groups.Store.LedgerApart(), a.wire })
}

// left counts how often somebody left the channel, and the roster's people, on the
// channels' server.
func (a *apart) left(c *fault.Census) (times, people int64) {
	return c.Int("SELECT count(*) FROM audit WHERE action = 'channel.leave'"), c.Int("SELECT count(*) FROM channel_roster WHERE channel_id = $1", int64(a.ch))
}

// await polls until something is true; the test's own deadline ends it.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for late := time.Now().Add(2 * time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("does not come about: %s", what)
		}
	}
}

// With the channels on another server, "decline and leave" reaches it exactly
// once, whatever is lost in between and however often this server restarts; and
// an answer that the other server refuses for good does not come again.
func TestDeclineAndLeaveAcrossServers(t *testing.T) {
	t.Parallel()
	forEachDatabase(t, func(t *testing.T, opt store.Options) {
		url := ""
		if opt.URL != "" {
			url = pgtest.URL(t)
		}
		a := newApart(t, opt, url)
		there, here := a.channels.census(), fault.NewCensus(t, a.optGroups.Dir, a.optGroups.URL)
		outbox := func() int64 { return here.Int("SELECT count(*) FROM leave_outbox") }
		g := a.groups.group("Elsewhere", 0)
		node := a.node()
		stop := run(t, node)
		e, err := node.Start(t.Context(), a.groups.owner, enrol.Request{Group: g, Channel: a.ch, Policies: policies("asssss")}, "")
		if err != nil {
			t.Fatal(err)
		}
		if e = a.groups.ended(t, e.ID); e.Counts.Asked != 8 {
			t.Fatalf("%+v", e)
		}
		leave := func(from, to int) {
			t.Helper()
			for i := from; i < to; i++ {
				for range 2 { // an answer that is repeated, too
					if _, err := node.AnswerInvitation(t.Context(), a.ids[i], muster.InvitationID(e.ID), enrol.DeclineAndLeave); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		check := func(want int64) {
			t.Helper()
			if times, people := a.left(there); times != want || people != 9-want {
				t.Fatalf("%d left, %d are on the roster; want %d to have left", times, people, want)
			}
		}

		// Half of the calls are lost on the way, half of the others' answers on the way back.
		a.wire.set(func(call int) (bool, bool) { return call%4 < 2, call%4 == 2 })
		leave(0, 3)
		await(t, "the outbox is empty", func() bool { return outbox() == 0 })
		check(3)

		// Nothing arrives until the server has been restarted, twice.
		a.wire.set(func(int) (bool, bool) { return true, false })
		leave(3, 5)
		for range 2 {
			tried := a.wire.count()
			await(t, "it is tried", func() bool { return a.wire.count() > tried })
			stop()
			if n := outbox(); n != 2 {
				t.Fatalf("%d in the outbox, want 2", n)
			}
			check(3)
			a.groups.stop()
			a.open(t)
			node = a.node()
			stop = run(t, node)
		}
		a.wire.set(nil)
		await(t, "the outbox is empty", func() bool { return outbox() == 0 })
		check(5)

		// The answer arrived, and the server was killed before it could note that.
		a.wire.set(func(int) (bool, bool) { return false, true })
		leave(5, 6)
		await(t, "it is done over there", func() bool { times, _ := a.left(there); return times == 6 })
		stop()
		if n := outbox(); n != 1 {
			t.Fatalf("%d in the outbox, want 1", n)
		}
		a.wire.set(nil)
		node = a.node()
		run(t, node)
		await(t, "the outbox is empty", func() bool { return outbox() == 0 })
		check(6)

		// Over there the last owner may not go: that is final, and holds nothing up.
		for _, level := range []muster.Level{muster.Owner} {
			if _, err := a.channels.Channels.SetLevel(t.Context(), a.channels.owner, a.ch, a.ids[6], level); err != nil {
				t.Fatal(err)
			}
			if err := a.channels.Channels.LeaveRoster(t.Context(), a.channels.owner, a.ch); err != nil {
				t.Fatal(err)
			}
		}
		leave(6, 8)
		await(t, "the outbox is empty", func() bool { return outbox() == 0 })
		if _, people := a.left(there); people != 1 {
			t.Fatalf("%d on the roster, want the last owner alone", people)
		}
		if n := here.Int("SELECT count(*) FROM group_member WHERE group_id = $1", int64(g)); n != 1 {
			t.Fatalf("%d in the group", n)
		}
		here.CheckGroup(g)
	})
}

// Who declined and left is not added by another enrolment while the news of it is
// still on its way to the channels' server.
func TestDeclineAndLeaveOnItsWay(t *testing.T) {
	t.Parallel()
	a := newApart(t, store.Options{Dir: t.TempDir()}, "")
	a.wire.set(func(int) (bool, bool) { return true, false })
	g := a.groups.group("Elsewhere", 0)
	node := a.node()
	run(t, node)
	start := func(p string) enrol.Enrolment {
		t.Helper()
		e, err := node.Start(t.Context(), a.groups.owner, enrol.Request{Group: g, Channel: a.ch, Policies: policies(p)}, "")
		if err != nil {
			t.Fatal(err)
		}
		return a.groups.ended(t, e.ID)
	}
	first := start("asssss")
	if _, err := node.AnswerInvitation(t.Context(), a.ids[0], muster.InvitationID(first.ID), enrol.DeclineAndLeave); err != nil {
		t.Fatal(err)
	}
	if e := start("dsssss"); e.Counts.Added != 7 || e.Counts.Asked != 1 {
		t.Fatalf("%+v", e)
	}
	// And who was added meanwhile goes again by declining and leaving, but not who has spoken up for the group.
	if a, err := node.AnswerInvitation(t.Context(), a.ids[1], muster.InvitationID(first.ID), enrol.DeclineAndLeave); err != nil || !a.Removed || !a.Left {
		t.Fatalf("%+v, %v", a, err)
	}
	members := a.groups.members(g)
	if _, in := members[a.ids[1]]; in || len(members) != 7 {
		t.Fatalf("%d members", len(members))
	}
	fault.NewCensus(t, a.optGroups.Dir, "").CheckGroup(g)
	t.Logf("%d calls were lost", a.wire.count())
}
