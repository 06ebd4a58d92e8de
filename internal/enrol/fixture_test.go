package enrol_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster"
	"muster/internal/account"
	"muster/internal/app"
	"muster/internal/channel"
	"muster/internal/config"
	"muster/internal/enrol"
	"muster/internal/group"
	"muster/internal/pgtest"
	"muster/internal/store"
)

// world is a whole domain over a real store, with people in it.
type world struct {
	*app.Domain
	t     testing.TB
	clock *testClock
	told  *told
	opt   store.Options
	cfg   config.Config
	stop  func()
	owner muster.AccountID // of the server, of every channel and group that the test makes
}

// testClock is the machine's clock plus what a test adds to it.
type testClock struct{ ahead atomic.Int64 }

func (c *testClock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())).UTC() }

func (c *testClock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// told remembers what the outside was told.
type told struct {
	mu      sync.Mutex
	added   map[muster.AccountID]int
	invited map[muster.AccountID]int
	removed map[muster.AccountID]int
}

func (o *told) note(m *map[muster.AccountID]int, accounts []muster.AccountID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if *m == nil {
		*m = map[muster.AccountID]int{}
	}
	for _, a := range accounts {
		(*m)[a]++
	}
}

func (o *told) MembersAdded(_ muster.GroupID, _ muster.EnrolmentID, a []muster.AccountID) {
	o.note(&o.added, a)
}

func (o *told) MembersRemoved(_ muster.GroupID, a []muster.AccountID, _ string) {
	o.note(&o.removed, a)
}
func (o *told) Invited(_ muster.InvitationID, a []muster.AccountID)    { o.note(&o.invited, a) }
func (o *told) SessionsEnded(context.Context, []muster.SessionID)      {}
func (o *told) ChannelChanged(context.Context, channel.Change)         {}
func (o *told) Seat(muster.ChannelID, channel.ClientID, uint64)        {}
func (o *told) Unseat(muster.ChannelID, channel.ClientID)              {}
func (o *told) Broadcast(channel.Message)                              {}
func (o *told) Notify(channel.Notice)                                  {}
func (o *told) GroupChanged(muster.GroupID)                            {}
func (o *told) GroupDissolved(muster.GroupID)                          {}
func (o *told) ReadMoved(group.ReadMark)                               {}
func (o *told) InvitationClosed(muster.AccountID, muster.InvitationID) {}
func (o *told) EnrolmentProgress(enrol.Enrolment)                      {}

// forEachStore runs a test on SQLite and on PostgreSQL.
func forEachStore(t *testing.T, change func(*config.Config), test func(t *testing.T, w *world)) {
	t.Helper()
	for name, url := range map[string]func(testing.TB) string{"sqlite": func(testing.TB) string { return "" }, "postgres": pgtest.URL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newWorld(t, store.Options{Dir: t.TempDir(), URL: url(t)}, change))
		})
	}
}

func newWorld(t testing.TB, opt store.Options, change func(*config.Config)) *world {
	t.Helper()
	cfg := config.Default()
	cfg.Accounts.Argon2Memory = 8 << 20
	cfg.Accounts.Argon2Time = 1
	cfg.Enrolment.Lease = 2 * time.Second
	if change != nil {
		change(&cfg)
	}
	w := &world{t: t, clock: &testClock{}, told: &told{}, opt: opt, cfg: cfg}
	w.opt.Clock = w.clock
	w.opt.IDs = muster.NewIDs(w.clock)
	w.start()
	token, err := w.Accounts.EnsureSetup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in, err := w.Accounts.Register(t.Context(), account.Registration{Name: "owner", Password: "a long pass phrase", Token: token})
	if err != nil {
		t.Fatal(err)
	}
	w.owner = in.Account.ID
	return w
}

// start opens the store and runs the services; the test's end, or restart,
// stops them.
func (w *world) start() {
	w.t.Helper()
	s, err := store.Open(context.Background(), w.opt)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Domain = app.NewDomain(w.cfg, s, w.told, w.clock, w.opt.IDs, fmt.Sprintf("test-%d", w.opt.IDs.Next()), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{s.Run, w.Run} {
		running.Go(func() {
			if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				w.t.Errorf("background work ended: %v", err)
			}
		})
	}
	w.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		if err := s.Close(); err != nil {
			w.t.Errorf("close the store: %v", err)
		}
	})
	w.t.Cleanup(w.stop)
}

func (w *world) restart() {
	w.stop()
	w.start()
}

// people makes n accounts called prefix0, prefix1, ...
func (w *world) people(prefix string, n int) []muster.AccountID {
	w.t.Helper()
	ids := make([]muster.AccountID, 0, n)
	for from := 0; from < n; from += 5000 {
		list := make([]account.NewAccount, min(5000, n-from))
		for i := range list {
			list[i].Name = fmt.Sprintf("%s%d", prefix, from+i)
		}
		made, _, err := w.Accounts.EnsureAccounts(w.t.Context(), w.owner, list)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, m := range made {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// channel makes a channel of the owner's with a roster: names[i] at level(i).
func (w *world) channel(prefix string, n int, level func(i int) muster.Level) (muster.ChannelID, []muster.AccountID) {
	w.t.Helper()
	ids := w.people(prefix, n)
	c, err := w.Channels.CreateChannel(w.t.Context(), w.owner, 0, channel.Settings{Name: "channel of " + prefix})
	if err != nil {
		w.t.Fatal(err)
	}
	w.enlist(c.ID, prefix, 0, n, level)
	return c.ID, ids
}

// enlist puts prefix<from>..prefix<to-1> on the roster.
func (w *world) enlist(id muster.ChannelID, prefix string, from, to int, level func(i int) muster.Level) {
	w.t.Helper()
	im, err := w.Channels.Import(w.t.Context(), w.owner, id, channel.ImportOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	lines := make([]channel.ImportLine, 0, to-from)
	for i := from; i < to; i++ {
		lines = append(lines, channel.ImportLine{Line: int64(i), Account: fmt.Sprintf("%s%d", prefix, i), Level: level(i)})
	}
	if err := im.Add(w.t.Context(), lines); err != nil {
		w.t.Fatal(err)
	}
	if r := im.Close(); r.Bad > 0 {
		w.t.Fatalf("import: %d bad lines, the first: %+v", r.Bad, r.BadLines[0])
	}
}

func (w *world) group(name string, capacity int64) muster.GroupID {
	w.t.Helper()
	g, err := w.Groups.CreateGroup(w.t.Context(), w.owner, name, "", capacity)
	if err != nil {
		w.t.Fatal(err)
	}
	return g.ID
}

// await watches a job until it ends.
func (w *world) await(id muster.EnrolmentID) enrol.Enrolment {
	w.t.Helper()
	var last enrol.Enrolment
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Minute)
	defer cancel()
	if err := w.Enrolments.Watch(ctx, w.owner, id, func(e enrol.Enrolment) error { last = e; return nil }); err != nil {
		w.t.Fatalf("watch: %v, last seen: %+v", err, last)
	}
	return last
}

// enrolAll starts an enrolment and waits for it.
func (w *world) enrolAll(r enrol.Request) enrol.Enrolment {
	w.t.Helper()
	e, err := w.Enrolments.Start(w.t.Context(), w.owner, r, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return w.await(e.ID)
}

// members reads all of a group's members.
func (w *world) members(id muster.GroupID) map[muster.AccountID]group.Member {
	w.t.Helper()
	all := map[muster.AccountID]group.Member{}
	for q := (group.MemberQuery{Group: id}); ; {
		p, err := w.Groups.ListMembers(w.t.Context(), w.owner, q)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, m := range p.Members {
			all[m.Account] = m
		}
		if !p.More {
			return all
		}
		q.After = p.After
	}
}

// policies makes Policies from letters for guest, vip, member, moderator,
// admin, owner: d, a or s.
func policies(letters string) (p enrol.Policies) {
	for i, c := range letters {
		p[i+1] = map[rune]enrol.Policy{'d': enrol.Direct, 'a': enrol.Ask, 's': enrol.Skip}[c]
	}
	return p
}

// reason fails the test unless the error has this reason.
func reason(t testing.TB, err error, want string) {
	t.Helper()
	if muster.ReasonOf(err) != want {
		t.Fatalf("got error %v (reason %q), want reason %q", err, muster.ReasonOf(err), want)
	}
}
