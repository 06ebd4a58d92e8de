package enrol_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"muster"
	"muster/internal/clock"
	"muster/internal/config"
	"muster/internal/enrol"
	"muster/internal/store"
)

// stuck holds a worker up in the middle of a page: the roster has been read and
// does not come until the test lets it.
type stuck struct {
	enrol.Channels
	enrol.Ledger
	mu      sync.Mutex
	after   int // how many pages go through first
	reading chan struct{}
	release chan struct{}
	late    chan error // what the page that was held up came to
	held    bool
}

func (s *stuck) RosterPage(ctx context.Context, id muster.ChannelID, after muster.AccountID, limit int, fromEntry, toEntry int64) ([]enrol.Person, error) {
	people, err := s.Channels.RosterPage(ctx, id, after, limit, fromEntry, toEntry)
	s.mu.Lock()
	s.after--
	hold := s.after == -1
	s.held = s.held || hold
	s.mu.Unlock()
	if hold {
		close(s.reading)
		<-s.release // as a call that nobody answers, whatever becomes of ctx
	}
	return people, err
}

func (s *stuck) CommitPage(ctx context.Context, p enrol.Page) (enrol.PageResult, error) {
	s.mu.Lock()
	held := s.held
	s.held = false
	s.mu.Unlock()
	res, err := s.Ledger.CommitPage(ctx, p)
	if held {
		s.late <- err
	}
	return res, err
}

func smallPages(lease time.Duration) func(*config.Config) {
	return func(c *config.Config) {
		c.Enrolment.Page, c.Enrolment.MaxPage, c.Enrolment.Lease = 10, 10, lease
		c.Enrolment.PerGroup, c.Enrolment.PerRequester = 1000, 1000
	}
}

// A worker that hangs loses its job to another one when its lease has lapsed,
// not before; the page that it commits late is refused and changes nothing.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	forEachDatabase(t, func(t *testing.T, opt store.Options) {
		now := newHands()
		w := idleWorld(t, opt, now, smallPages(time.Minute))
		ch, _ := w.channel("p", 95, byThirds)
		g := w.group("Taken over", 0)
		s := &stuck{after: 3, reading: make(chan struct{}), release: make(chan struct{}), late: make(chan error, 1)}
		first := w.node(func(o *enrol.Options) {
			s.Channels, s.Ledger = o.Channels, o.Ledger
			o.Channels, o.Ledger = s, s
		})
		stop := run(t, first)
		e, err := first.Start(t.Context(), w.owner, enrol.Request{Group: g, Channel: ch, Policies: policies("addddd")}, "")
		if err != nil {
			t.Fatal(err)
		}
		<-s.reading
		ledger := w.Store.Ledger()
		claim := func() (enrol.Enrolment, bool) {
			e, ok, err := ledger.Claim(t.Context(), "second", now.Now(), now.Now().Add(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			return e, ok
		}
		now.pass(time.Minute)
		if _, ok := claim(); ok {
			t.Fatal("the job was taken over while its lease held")
		}
		now.pass(time.Millisecond)
		mine, ok := claim()
		if !ok || mine.ID != e.ID || mine.Counts.Handled() != 30 || mine.Progress.Epoch != 2 {
			t.Fatalf("taken over: %v, %+v", ok, mine)
		}
		c := w.census()
		before := outcome(c, mine)
		close(s.release)
		reason(t, <-s.late, "lease_lost")
		if now, err := ledger.Get(t.Context(), e.ID); err != nil || outcome(c, now) != before || now.Progress.Epoch != 2 {
			t.Fatalf("the late page changed something: %+v, %v", now, err)
		}
		// Nor may the first one end it, or give the lease away, in any other way.
		if err := ledger.Release(t.Context(), e.ID, 1); err != nil {
			t.Fatal(err)
		}
		if _, ok := claim(); ok {
			t.Fatal("a lost lease was given back")
		}
		_, err = ledger.Fail(t.Context(), e.ID, 1, "late")
		reason(t, err, "lease_lost")
		_, err = ledger.UndoPage(t.Context(), e.ID, 2, 10, now.Now())
		reason(t, err, "enrolment_ended")
		stop()

		// The new one goes on where the first was; the same page twice is once.
		people, err := here{w.Channels}.RosterPage(t.Context(), ch, mine.Progress.Cursor, 10, 0, mine.Progress.Mark)
		if err != nil {
			t.Fatal(err)
		}
		page := enrol.Page{Enrolment: e.ID, Epoch: 2, From: mine.Progress.Cursor, People: people, Lease: now.Now().Add(time.Minute)}
		if res, err := ledger.CommitPage(t.Context(), page); err != nil || res.Enrolment.Counts.Handled() != 40 {
			t.Fatalf("%+v, %v", res, err)
		}
		_, err = ledger.CommitPage(t.Context(), page)
		reason(t, err, "lease_lost")
		now.pass(2 * time.Minute)
		run(t, w.node(nil))
		if e := w.ended(t, e.ID); e.State != enrol.Done || e.Counts.Handled() != 96 || e.Counts.Added != 63 || e.Counts.Asked != 32 {
			t.Fatalf("%+v", e)
		}
		c.CheckGroup(g)
	})
}

// Workers whose clocks are off by a day, in both directions, take jobs from each
// other; no page is done twice, and the job ends as it should.
func TestWorkersWithWrongClocks(t *testing.T) {
	t.Parallel()
	forEachDatabase(t, func(t *testing.T, opt store.Options) {
		w := idleWorld(t, opt, muster.ClockFunc(time.Now), smallPages(50*time.Millisecond))
		ch, _ := w.channel("p", 600, byThirds)
		want := enrol.Counts{AlreadyIn: 1, Added: 400, Asked: 200}
		for range 3 {
			g := w.group("Off by a day", 0)
			var stops []func()
			for _, off := range []time.Duration{0, 24 * time.Hour, -24 * time.Hour} {
				stops = append(stops, run(t, w.node(func(o *enrol.Options) {
					o.Clock = muster.ClockFunc(func() time.Time { return time.Now().Add(off) })
				})))
			}
			e, err := w.Enrolments.Start(t.Context(), w.owner, enrol.Request{Group: g, Channel: ch, Policies: policies("addddd")}, "")
			if err != nil {
				t.Fatal(err)
			}
			e = w.ended(t, e.ID)
			for _, stop := range stops {
				stop()
			}
			if e.State != enrol.Done || e.Counts != want {
				t.Fatalf("%+v", e)
			}
			c := w.census()
			c.CheckGroup(g)
			if n := c.Int("SELECT count(*) FROM invitation WHERE invitation_id = $1", int64(e.ID)); n != 200 {
				t.Fatalf("%d were asked", n)
			}
		}
		for id, n := range w.told.added {
			if id != w.owner && n != 3 {
				t.Fatalf("%v was told %d times of being added to three groups", id, n)
			}
		}
	})
}

// A lease that was taken while the clock was a day ahead does not hold its job
// for a day when that worker has died and the clock is right again.
func TestLeaseFromTheFuture(t *testing.T) {
	t.Parallel()
	forEachDatabase(t, func(t *testing.T, opt store.Options) {
		now := newHands()
		w := idleWorld(t, opt, now, smallPages(time.Minute))
		ch, _ := w.channel("p", 9, byThirds)
		for _, off := range []time.Duration{time.Hour, 24 * time.Hour} {
			g := w.group("Late", 0)
			e, err := w.Enrolments.Start(t.Context(), w.owner, enrol.Request{Group: g, Channel: ch, Policies: policies("dddddd")}, "")
			if err != nil {
				t.Fatal(err)
			}
			wrong := now.Now().Add(off)
			if _, ok, err := w.Store.Ledger().Claim(t.Context(), "ahead", wrong, wrong.Add(time.Minute)); !ok || err != nil {
				t.Fatalf("claim: %v, %v", ok, err)
			}
			stop := run(t, w.node(nil))
			if e := w.ended(t, e.ID); e.State != enrol.Done || e.Counts.Added != 9 {
				t.Fatalf("%+v", e)
			}
			stop()
		}
	})
}

// A question stays open for its time and no longer, whatever the wall clock does.
func TestExpiryUnderClockJumps(t *testing.T) {
	t.Parallel()
	forEachDatabase(t, func(t *testing.T, opt store.Options) {
		begin := newHands().Now()
		var truth, wall time.Duration
		steady := clock.New(clock.Sources{Wall: func() time.Time { return begin.Add(truth + wall) }, Mono: func() time.Duration { return truth }})
		pass := func(d time.Duration) {
			for ; d > 0; d -= time.Second {
				truth += time.Second
				steady.Now()
			}
		}
		w := idleWorld(t, opt, steady, smallPages(time.Minute))
		ch, ids := w.channel("p", 4, func(int) muster.Level { return muster.Guest })
		for i, jump := range []time.Duration{-24 * time.Hour, -time.Hour, time.Hour, 24 * time.Hour} {
			e, err := w.Enrolments.Start(t.Context(), w.owner, enrol.Request{Group: w.group("Asked", 0), Channel: ch, Policies: policies("asssss"), Expiry: time.Hour}, "")
			if err != nil {
				t.Fatal(err)
			}
			stop := run(t, w.node(nil))
			if e = w.ended(t, e.ID); e.Counts.Asked != 4 {
				t.Fatalf("%+v", e)
			}
			stop()
			wall += jump
			open := func(want int64) {
				t.Helper()
				if n, err := w.Enrolments.CountMyInvitations(t.Context(), ids[i]); err != nil || n != want {
					t.Fatalf("the wall clock jumped by %v, %v later: %d open questions, %v; want %d", jump, truth, n, err, want)
				}
			}
			open(1)
			pass(58 * time.Minute)
			open(1)
			pass(4 * time.Minute)
			open(0)
			_, err = w.Enrolments.AnswerInvitation(t.Context(), ids[i], muster.InvitationID(e.ID), enrol.Accept)
			reason(t, err, "invitation_expired")
		}
	})
}
