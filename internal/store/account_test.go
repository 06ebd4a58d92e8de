package store

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster"
	"muster/internal/account"
)

// person stores an account and gives it.
func person(t testing.TB, s *Store, name string, role account.ServerRole) account.Account {
	t.Helper()
	a := account.Account{
		ID: muster.AccountID(s.ids.Next()), Name: name, Nickname: "Nick " + name, Language: "zh-Hans", DirectAdd: muster.DirectAddAsk,
		Role: role, Created: muster.FromMillis(s.now()),
	}
	if err := s.Accounts().CreateAccount(t.Context(), account.Creation{Account: a, PasswordHash: "hash of " + name}); err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
	return a
}

// openFor stores a session that expires after an hour.
func openFor(t testing.TB, s *Store, a account.Account, network string) account.StoredSession {
	t.Helper()
	now := muster.FromMillis(s.now())
	n := account.StoredSession{
		Session: account.Session{
			ID: muster.SessionID(s.ids.Next()), Account: a.ID, Device: "phone", Address: "192.0.2.1", Created: now, Seen: now, Expires: now.Add(time.Hour),
		},
		Network: network,
	}
	copy(n.Hash[:], fmt.Sprint("hash ", n.ID))
	if err := s.Accounts().OpenSession(t.Context(), account.Opening{Session: n, Verified: "hash of " + a.Name}); err != nil {
		t.Fatalf("open a session for %s: %v", a.Name, err)
	}
	return n
}

func wantReason(t testing.TB, err error, want string) {
	t.Helper()
	if muster.ReasonOf(err) != want {
		t.Errorf("error %v, want reason %q", err, want)
	}
}

func TestAccountRows(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		ctx, acc := t.Context(), s.Accounts()
		ann := person(t, s, "ann", account.ServerAdmin)
		for what, get := range map[string]func() (account.Account, error){
			"by id":   func() (account.Account, error) { return acc.Account(ctx, ann.ID) },
			"by name": func() (account.Account, error) { a, _, err := acc.Credentials(ctx, "ann"); return a, err },
		} {
			if got, err := get(); got != ann || err != nil {
				t.Errorf("%s: %+v, want %+v, %v", what, got, ann, err)
			}
		}
		if h, err := acc.PasswordHash(ctx, ann.ID); h != "hash of ann" || err != nil {
			t.Errorf("%q, %v", h, err)
		}
		_, err := acc.Account(ctx, 1)
		wantReason(t, err, "account_not_found")
		_, _, err = acc.Credentials(ctx, "ANN")
		wantReason(t, err, "account_not_found")
		again := ann
		again.ID++
		wantReason(t, acc.CreateAccount(ctx, account.Creation{Account: again}), "name_taken")
		if n, err := acc.CountAccounts(ctx); n != 1 || err != nil {
			t.Errorf("%d accounts, %v", n, err)
		}
		if name, err := acc.OwnerName(ctx); name != "" || err != nil {
			t.Errorf("owner %q, %v", name, err)
		}
		person(t, s, "zed", account.ServerOwner)
		person(t, s, "bea", account.ServerOwner)
		if name, err := acc.OwnerName(ctx); name != "zed" || err != nil {
			t.Errorf("owner %q, want the oldest, %v", name, err)
		}
	})
}

// TestAccountNameOrder: both databases order names by bytes, so that a page
// begins where the one before ended.
func TestAccountNameOrder(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		names := []string{"a-b", "a.b", "a0", "a_b", "aa", "ab", "b"}
		for i := range names {
			person(t, s, names[len(names)-1-i], account.ServerUser)
		}
		var got []string
		after := ""
		for {
			list, err := s.Accounts().FindAccounts(t.Context(), account.NameQuery{After: after, Limit: 2})
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range list {
				got, after = append(got, a.Name), a.Name
			}
			if len(list) < 2 {
				break
			}
		}
		if !slices.Equal(got, names) {
			t.Errorf("%v, want %v", got, names)
		}
	})
}

func TestSessionRows(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		ctx, acc := t.Context(), s.Accounts()
		ann, bob := person(t, s, "ann", account.ServerUser), person(t, s, "bob", account.ServerUser)
		a, b, other := openFor(t, s, ann, "192.0.2.1"), openFor(t, s, ann, "192.0.2.2"), openFor(t, s, bob, "192.0.2.3")
		session, who, err := acc.SessionByToken(ctx, a.Hash)
		if session != a.Session || who != ann || err != nil {
			t.Errorf("%+v %+v, %v", session, who, err)
		}
		_, _, err = acc.SessionByToken(ctx, account.TokenHash{})
		wantReason(t, err, "session_ended")
		for network, want := range map[string]bool{"192.0.2.1": true, "192.0.2.3": false, "": false} {
			if ok, err := acc.HasSessionFrom(ctx, ann.ID, network, a.Created); ok != want || err != nil {
				t.Errorf("a session from %q: %v, %v", network, ok, err)
			}
		}
		if ok, _ := acc.HasSessionFrom(ctx, ann.ID, "192.0.2.1", a.Expires); ok {
			t.Error("an expired session counts")
		}
		// Touching passes over sessions that ended, and no time goes back.
		late := a.Seen.Add(time.Minute)
		if err := acc.TouchSessions(ctx, map[muster.SessionID]time.Time{a.ID: late, b.ID: b.Seen.Add(-time.Hour), 4242: late}); err != nil {
			t.Fatal(err)
		}
		list, err := acc.Sessions(ctx, ann.ID, a.Created, 10)
		if err != nil || len(list) != 2 || list[0] != b.Session || list[1].ID != a.ID || !list[1].Seen.Equal(late) {
			t.Errorf("%+v, %v", list, err)
		}
		wantReason(t, acc.EndSession(ctx, bob.ID, a.ID), "session_not_found")
		ended, err := acc.EndOtherSessions(ctx, ann.ID, b.ID)
		if !slices.Equal(ended, []muster.SessionID{a.ID}) || err != nil {
			t.Errorf("ended %v, %v", ended, err)
		}
		over, err := acc.EndedSessions(ctx, []muster.SessionID{other.ID, a.ID, b.ID, 4242})
		if !slices.Equal(over, []muster.SessionID{a.ID, 4242}) || err != nil {
			t.Errorf("over are %v, %v", over, err)
		}
		if err := acc.EndSession(ctx, ann.ID, b.ID); err != nil {
			t.Error(err)
		}
		for range 4 {
			openFor(t, s, ann, "")
		}
		if ended, err := acc.EndExpired(ctx, other.Created, 100); len(ended) != 0 || err != nil {
			t.Errorf("ended %v, %v", ended, err)
		}
		later := other.Expires.Add(time.Minute)
		for _, want := range []int{3, 2, 0} {
			if ended, err := acc.EndExpired(ctx, later, 3); len(ended) != want || err != nil {
				t.Errorf("ended %v, want %d, %v", ended, want, err)
			}
		}
	})
}

// TestStaleSignIn: a sign-in does not pass a change of the password or a
// suspension that came between the check and the session.
func TestStaleSignIn(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		ctx, acc := t.Context(), s.Accounts()
		ann := person(t, s, "ann", account.ServerUser)
		first := openFor(t, s, ann, "")
		if _, err := acc.ChangePassword(ctx, ann.ID, "hash of bob", "new", 0); muster.ReasonOf(err) != "wrong_password" {
			t.Errorf("a wrong old hash: %v", err)
		}
		ended, err := acc.ChangePassword(ctx, ann.ID, "hash of ann", "new", 0)
		if !slices.Equal(ended, []muster.SessionID{first.ID}) || err != nil {
			t.Fatalf("ended %v, %v", ended, err)
		}
		next := first
		next.ID, next.Hash[0] = muster.SessionID(s.ids.Next()), 'x'
		wantReason(t, acc.OpenSession(ctx, account.Opening{Session: next, Verified: "hash of ann"}), "wrong_credentials")
		yes := true
		if _, _, err := acc.SetAccount(ctx, account.Change{Actor: account.Operator, ID: ann.ID, Suspended: &yes}, allow); err != nil {
			t.Fatal(err)
		}
		wantReason(t, acc.OpenSession(ctx, account.Opening{Session: next, Verified: "new"}), "suspended")
		wantReason(t, acc.OpenSession(ctx, account.Opening{Session: next, Unchecked: true}), "suspended")
		if list, err := acc.Sessions(ctx, ann.ID, first.Created, 10); len(list) != 0 || err != nil {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// TestSignInAgainstSuspension is the same at the same time: whichever comes first,
// a suspended account has no session.
func TestSignInAgainstSuspension(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		ctx, acc := t.Context(), s.Accounts()
		ann := person(t, s, "ann", account.ServerUser)
		now := muster.FromMillis(s.now())
		suspend := func(on bool) error {
			_, _, err := acc.SetAccount(ctx, account.Change{Actor: account.Operator, ID: ann.ID, Suspended: &on}, allow)
			return err
		}
		for range 30 {
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					n := account.StoredSession{Session: account.Session{
						ID: muster.SessionID(s.ids.Next()), Account: ann.ID, Created: now, Seen: now, Expires: now.Add(time.Hour),
					}}
					copy(n.Hash[:], fmt.Sprint("hash ", n.ID))
					err := acc.OpenSession(ctx, account.Opening{Session: n, Verified: "hash of ann"})
					if err != nil && muster.ReasonOf(err) != "suspended" {
						t.Error(err)
					}
				})
			}
			wg.Go(func() {
				if err := suspend(true); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			if list, err := acc.Sessions(ctx, ann.ID, now, 10); len(list) != 0 || err != nil {
				t.Fatalf("a suspended account has %d sessions, %v", len(list), err)
			}
			if err := suspend(false); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func allow(account.Account, account.Account, int) error { return nil }

// TestOwnersDemoteEachOther: at the same time, and one of them stays.
func TestOwnersDemoteEachOther(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		ctx, acc := t.Context(), s.Accounts()
		ann, bob := person(t, s, "ann", account.ServerUser), person(t, s, "bob", account.ServerUser)
		owner, user := account.ServerOwner, account.ServerUser
		keepOne := func(_, target account.Account, others int) error {
			if target.Role == owner && others == 0 {
				return muster.Conflict("last_owner", "the last one")
			}
			return nil
		}
		for range 20 {
			for _, a := range []account.Account{ann, bob} {
				if _, _, err := acc.SetAccount(ctx, account.Change{Actor: account.Operator, ID: a.ID, Role: &owner}, allow); err != nil {
					t.Fatal(err)
				}
			}
			var wg sync.WaitGroup
			var done atomic.Int64
			for _, pair := range [][2]account.Account{{ann, bob}, {bob, ann}} {
				wg.Go(func() {
					_, _, err := acc.SetAccount(ctx, account.Change{Actor: pair[0].ID, ID: pair[1].ID, Role: &user}, keepOne)
					if err == nil {
						done.Add(1)
					} else if muster.ReasonOf(err) != "last_owner" {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if done.Load() != 1 {
				t.Fatalf("%d were demoted, want 1", done.Load())
			}
		}
	})
}

// TestEnsureAccountsInParallel: imports with common names make each account once
// and all tell the same ids.
func TestEnsureAccountsInParallel(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		const people = 700 // several statements
		var wg sync.WaitGroup
		var created atomic.Int64
		got := make([][people]muster.AccountID, 4)
		for run := range got {
			wg.Go(func() {
				rows := make([]account.Account, people)
				person := func(i int) int { return (i + 171*run) * 3 % people } // each in an order of its own
				for i := range rows {
					rows[i] = account.Account{ID: muster.AccountID(s.ids.Next()), Name: fmt.Sprint("p", person(i)), Nickname: "x", DirectAdd: 1, Role: 1}
				}
				named, n, err := s.Accounts().EnsureAccounts(t.Context(), rows)
				if err != nil || len(named) != people {
					t.Errorf("%d accounts, %v", len(named), err)
					return
				}
				created.Add(int64(n))
				for i, one := range named {
					got[run][person(i)] = one.ID
				}
			})
		}
		wg.Wait()
		if created.Load() != people {
			t.Errorf("%d accounts were made, want %d", created.Load(), people)
		}
		for run := range got {
			if got[run] != got[0] || slices.Contains(got[run][:], 0) {
				t.Errorf("import %d got other accounts", run)
			}
		}
	})
}

func TestBlockRows(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		ctx, acc := t.Context(), s.Accounts()
		ann, bob, cyd := person(t, s, "ann", 1), person(t, s, "bob", 1), person(t, s, "cyd", 1)
		now := muster.FromMillis(s.now())
		for _, id := range []muster.AccountID{cyd.ID, bob.ID, bob.ID} {
			if err := acc.Block(ctx, ann.ID, id, now); err != nil {
				t.Fatal(err)
			}
		}
		wantReason(t, acc.Block(ctx, ann.ID, 4242, now), "account_not_found")
		list, err := acc.Blocked(ctx, ann.ID, 0, 10)
		if !slices.Equal(list, []account.Account{bob, cyd}) || err != nil {
			t.Errorf("%+v, %v", list, err)
		}
		if list, _ := acc.Blocked(ctx, ann.ID, bob.ID, 10); !slices.Equal(list, []account.Account{cyd}) {
			t.Errorf("%+v", list)
		}
		for range 2 {
			if err := acc.Unblock(ctx, ann.ID, bob.ID); err != nil {
				t.Fatal(err)
			}
		}
		if list, _ := acc.Blocked(ctx, ann.ID, 0, 10); !slices.Equal(list, []account.Account{cyd}) {
			t.Errorf("%+v", list)
		}
	})
}

func TestAudit(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		ctx, acc := t.Context(), s.Accounts()
		ann := person(t, s, "ann", 1)
		for i, actor := range []muster.AccountID{ann.ID, account.Operator, 4242} {
			if err := acc.AppendAudit(ctx, actor, "group.rename", fmt.Sprint("group:", i%2), fmt.Sprint("名 ", i)); err != nil {
				t.Fatal(err)
			}
		}
		// An act that fails leaves no entry.
		err := s.write(ctx, func(c conn) error {
			if err := s.audit(c, ann.ID, "group.dissolve", "group:0", ""); err != nil {
				return err
			}
			return muster.Conflict("no", "no")
		})
		wantReason(t, err, "no")
		list, err := acc.ListAudit(ctx, "", 0, 10)
		if err != nil || len(list) != 3 {
			t.Fatalf("%+v, %v", list, err)
		}
		for i, want := range []string{"", "operator", "ann"} {
			if e := list[i]; e.ActorName != want || e.Action != "group.rename" || e.Detail != fmt.Sprint("名 ", 2-i) || e.Time.IsZero() {
				t.Errorf("%+v, want by %q", e, want)
			}
		}
		about, err := acc.ListAudit(ctx, "group:0", list[0].ID, 10)
		if err != nil || len(about) != 1 || about[0] != list[2] {
			t.Errorf("%+v, %v", about, err)
		}
	})
}
