package enrol_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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
	"muster/internal/fault"
	"muster/internal/group"
	"muster/internal/pgtest"
	"muster/internal/store"
)

// hands is a clock that moves only when a test moves it.
type hands struct{ ms atomic.Int64 }

func newHands() *hands {
	h := &hands{}
	h.ms.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMilli())
	return h
}

func (h *hands) Now() time.Time { return time.UnixMilli(h.ms.Load()).UTC() }

func (h *hands) pass(d time.Duration) { h.ms.Add(d.Milliseconds()) }

// idleWorld is a world in which no worker runs: jobs wait until the test does
// them, alone or with a node.
func idleWorld(t testing.TB, opt store.Options, clock muster.Clock, change func(*config.Config)) *world {
	t.Helper()
	w := reopen(t, opt, clock, change)
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

// reopen is idleWorld over a store that has been used before.
func reopen(t testing.TB, opt store.Options, clock muster.Clock, change func(*config.Config)) *world {
	t.Helper()
	cfg := config.Default()
	cfg.Accounts.Argon2Memory, cfg.Accounts.Argon2Time = 8<<20, 1
	if change != nil {
		change(&cfg)
	}
	opt.Clock, opt.IDs = clock, muster.NewIDs(clock)
	w := &world{t: t, clock: &testClock{}, told: &told{}, opt: opt, cfg: cfg}
	s, err := store.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	w.Domain = app.NewDomain(cfg, s, w.told, clock, opt.IDs, fmt.Sprintf("test-%d", opt.IDs.Next()), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the store's background work ended: %v", err)
		}
	})
	w.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	t.Cleanup(w.stop)
	if found, err := w.Accounts.ResolveNames(t.Context(), []string{"owner"}); err == nil {
		w.owner = found[0].ID
	}
	return w
}

// forEachDatabase runs a test on an empty SQLite directory and on an empty
// PostgreSQL database.
func forEachDatabase(t *testing.T, test func(t *testing.T, opt store.Options)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, store.Options{Dir: t.TempDir()})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, store.Options{Dir: t.TempDir(), URL: pgtest.URL(t)})
	})
}

// here is the channels' side of an enrolment in this process, as the program
// has it. Tests wrap it to hold it up, or to break it.
type here struct{ *channel.Service }

func (c here) Describe(ctx context.Context, id muster.ChannelID) (enrol.ChannelState, error) {
	view, err := c.GetChannel(ctx, 0, id)
	if err != nil {
		return enrol.ChannelState{}, err
	}
	newest, people, err := c.Mark(ctx, id)
	return enrol.ChannelState{Name: view.Name, NewestEntry: newest, People: people}, err
}

func (c here) RosterPage(ctx context.Context, id muster.ChannelID, after muster.AccountID, limit int, fromEntry, toEntry int64) ([]enrol.Person, error) {
	page, err := c.Service.RosterPage(ctx, id, after, limit, fromEntry, toEntry)
	people := make([]enrol.Person, len(page))
	for i, p := range page {
		people[i] = enrol.Person(p)
	}
	return people, err
}

func (c here) LeaveRoster(ctx context.Context, id muster.ChannelID, person muster.AccountID) error {
	err := c.Service.LeaveRoster(ctx, person, id)
	if err != nil && muster.CodeOf(err) == muster.CodeNotFound {
		return nil
	}
	return err
}

// hereGroups is the groups' side.
type hereGroups struct {
	*group.Service
	log group.Log
}

func (g hereGroups) Head(ctx context.Context, id muster.GroupID) (muster.Seq, error) {
	return g.log.Head(ctx, id)
}

func (g hereGroups) NoteJoined(ctx context.Context, id muster.GroupID, e muster.EnrolmentID, count int64) error {
	return g.Note(ctx, id, "enrolment-"+e.String(), group.KindJoined, count)
}

func (g hereGroups) SendWait() time.Duration { return g.log.SendWait() }

// node makes one more enrolment service over the world's database, as another
// server would have it.
func (w *world) node(change func(*enrol.Options)) *enrol.Service {
	c := w.cfg.Enrolment
	opt := enrol.Options{
		Ledger: w.Store.Ledger(), Channels: here{w.Channels}, Groups: hereGroups{w.Groups, w.Store.Log()},
		Events: w.told, Clock: w.opt.Clock, IDs: w.opt.IDs, Log: slog.New(slog.DiscardHandler),
		Limits: enrol.Limits{Window: c.Window, PerGroup: c.PerGroup, PerRequester: c.PerRequester},
		Expiry: c.InvitationExpiry, MaxExpiry: c.InvitationExpiryMax,
		Page: c.Page, MaxPage: c.MaxPage, Lease: c.Lease, TargetWait: c.TargetWait, Owner: fmt.Sprintf("node-%d", w.opt.IDs.Next()), Workers: 1,
	}
	if change != nil {
		change(&opt)
	}
	return enrol.New(opt)
}

// run lets a node work until it is stopped, at the end of the test at the latest.
func run(t testing.TB, s *enrol.Service) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the worker ended: %v", err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return stop
}

// ended waits until a job has ended, by whichever node.
func (w *world) ended(t fataler, id muster.EnrolmentID) enrol.Enrolment {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for {
		e, err := w.Store.Ledger().Get(ctx, id)
		if err != nil {
			t.Fatalf("look at the job: %v, last %+v", err, e)
		}
		if !e.State.Working() {
			return e
		}
		time.Sleep(time.Millisecond) // until the deadline above
	}
}

// fataler is what a test and one run of a property have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// admit makes somebody a member of a group who has accepted, in a role.
func (w *world) admit(g muster.GroupID, person muster.AccountID, role muster.Role) {
	w.t.Helper()
	in, err := w.Groups.Invite(w.t.Context(), w.owner, g, []muster.AccountID{person}, "")
	if err == nil {
		_, err = w.Enrolments.AnswerInvitation(w.t.Context(), person, in.Invitation, enrol.Accept)
	}
	if err == nil && role != muster.RoleMember {
		err = w.Groups.SetRole(w.t.Context(), w.owner, g, person, role)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// emptyChannel makes a channel with the owner alone on its roster.
func (w *world) emptyChannel(name string) muster.ChannelID {
	w.t.Helper()
	c, err := w.Channels.CreateChannel(w.t.Context(), w.owner, 0, channel.Settings{Name: name})
	if err != nil {
		w.t.Fatal(err)
	}
	return c.ID
}

// census looks into the world's database.
func (w *world) census() *fault.Census {
	w.t.Helper()
	return fault.NewCensus(w.t, w.opt.Dir, w.opt.URL)
}

// outcome is what an enrolment left behind, in a form that two databases can be
// compared by: everything but ids that are made and times.
func outcome(c *fault.Census, e enrol.Enrolment) string {
	id, g := int64(e.ID), int64(e.Group)
	return fmt.Sprintf("%v %+v\naccepted %d declined %d removed %d\n", e.State, e.Counts, e.Accepted, e.Declined, e.Removed) +
		"members\n" + strings.Join(c.Lines(`SELECT m.account_id, m.role, coalesce(s.name, '-'), m.joined_seq,
			CASE WHEN m.enrolment_id = $2 THEN 1 ELSE 0 END, a.read_seq
			FROM group_member m LEFT JOIN subgroup s ON s.group_id = m.group_id AND s.id = m.subgroup_id
			JOIN account_group a ON a.account_id = m.account_id AND a.group_id = m.group_id
			WHERE m.group_id = $1 ORDER BY m.account_id`, g, id), "\n") +
		"\ninvitations\n" + strings.Join(c.Lines(`SELECT account_id, level, answer, channel_id, inviter_id, expires_ms - created_ms
			FROM invitation WHERE invitation_id = $1 ORDER BY account_id`, id), "\n")
}
