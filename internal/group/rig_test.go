package group_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"muster"
	"muster/internal/account"
	"muster/internal/enrol"
	"muster/internal/fault"
	"muster/internal/group"
	"muster/internal/pgtest"
	"muster/internal/store"
)

// maxMembers is the server's limit of members of a group.
const maxMembers = 50_000

// rig is groups over a real store, with accounts to be in them.
type rig struct {
	*group.Service
	t        testing.TB
	opt      store.Options
	store    *store.Store
	accounts *account.Service
	told     *told
	owner    muster.AccountID // of the server
	stop     func()
}

// told counts what the outside is told.
type told struct {
	mu             sync.Mutex
	added, removed map[muster.AccountID]int
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
func (o *told) GroupChanged(muster.GroupID)                       {}
func (o *told) GroupDissolved(muster.GroupID)                     {}
func (o *told) ReadMoved(group.ReadMark)                          {}
func (o *told) Invited(muster.InvitationID, []muster.AccountID)   {}
func (o *told) SessionsEnded(context.Context, []muster.SessionID) {}

// forEachStore runs a test on SQLite and on PostgreSQL.
func forEachStore(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, newRig(t, store.Options{Dir: t.TempDir()}))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, newRig(t, store.Options{Dir: t.TempDir(), URL: pgtest.URL(t)}))
	})
}

func newRig(t testing.TB, opt store.Options) *rig {
	t.Helper()
	clock := muster.ClockFunc(time.Now)
	opt.Clock, opt.IDs = clock, muster.NewIDs(clock)
	r := &rig{t: t, opt: opt}
	r.start(true)
	token, err := r.accounts.EnsureSetup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in, err := r.accounts.Register(t.Context(), account.Registration{Name: "owner", Password: "a long pass phrase", Token: token})
	if err != nil {
		t.Fatal(err)
	}
	r.owner = in.Account.ID
	return r
}

// start opens the store; without work nothing runs in the background.
func (r *rig) start(work bool) {
	r.t.Helper()
	s, err := store.Open(context.Background(), r.opt)
	if err != nil {
		r.t.Fatal(err)
	}
	r.store, r.told = s, &told{}
	r.accounts = account.New(account.Options{
		Store: s.Accounts(), Clock: r.opt.Clock, IDs: r.opt.IDs, Events: r.told, Log: slog.New(slog.DiscardHandler),
		Argon2: account.Argon2{MemoryKiB: 8, Time: 1, Threads: 1},
	})
	r.Service = group.New(group.Options{
		Store: s.Groups(), Log: s.Log(), Events: r.told, Nicknames: r.accounts, Clock: r.opt.Clock, IDs: r.opt.IDs,
		MaxText: 1000, MaxMembers: maxMembers, HistoryPage: 50, SyncBytes: 1 << 20, InvitationExpiry: time.Hour,
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	if work {
		for _, run := range []func(context.Context) error{s.Run, r.Run} {
			running.Go(func() {
				if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
					r.t.Errorf("background work ended: %v", err)
				}
			})
		}
	}
	r.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		if err := s.Close(); err != nil {
			r.t.Errorf("close the store: %v", err)
		}
	})
	r.t.Cleanup(r.stop)
}

func (r *rig) restart() {
	r.t.Helper()
	r.stop()
	r.start(true)
}

func (r *rig) census() *fault.Census {
	r.t.Helper()
	return fault.NewCensus(r.t, r.opt.Dir, r.opt.URL)
}

// people makes n accounts, in ascending order of their ids.
func (r *rig) people(prefix string, n int) []muster.AccountID {
	r.t.Helper()
	list := make([]account.NewAccount, n)
	for i := range list {
		list[i].Name = fmt.Sprintf("%s%d", prefix, i)
	}
	made, _, err := r.accounts.EnsureAccounts(r.t.Context(), r.owner, list)
	if err != nil {
		r.t.Fatal(err)
	}
	ids := make([]muster.AccountID, n)
	for i, m := range made {
		ids[i] = m.ID
	}
	slices.Sort(ids)
	return ids
}

// admit makes somebody a member who was invited and has accepted.
func (r *rig) admit(t fataler, g muster.GroupID, inviter, person muster.AccountID, role muster.Role) {
	t.Helper()
	in, err := r.Invite(r.t.Context(), inviter, g, []muster.AccountID{person}, "")
	if err == nil {
		_, err = r.store.Ledger().Answer(r.t.Context(), person, in.Invitation, enrol.Accept, 0)
	}
	if err == nil && role > muster.RoleMember {
		err = r.SetRole(r.t.Context(), inviter, g, person, role)
	}
	if err != nil {
		t.Fatalf("admit: %v", err)
	}
}

// fataler is what a test and one run of a property have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}
