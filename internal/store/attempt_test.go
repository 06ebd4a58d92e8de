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

// TestAttemptsInParallel: however many try at the same time, exactly as many as
// the limit allows are let through, also through several connections.
func TestAttemptsInParallel(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		ctx, acc := t.Context(), s.Accounts()
		at := muster.FromMillis(s.now())
		var wg sync.WaitGroup
		var through, refused atomic.Int64
		one, two := account.Limit{Key: [16]byte{1}, Max: 7}, account.Limit{Key: [16]byte{2}, Max: 100}
		for i := range 50 {
			wg.Go(func() {
				limits := []account.Limit{one, two}
				if i%2 == 0 { // in the other order: they must not lock each other out
					slices.Reverse(limits)
				}
				wait, err := acc.TakeAttempt(ctx, account.Attempt{ID: int64(i), At: at, Window: time.Minute, Limits: limits})
				switch {
				case err != nil:
					t.Error(err)
				case wait == 0:
					through.Add(1)
				case wait == time.Minute:
					refused.Add(1)
				default:
					t.Errorf("wait %v", wait)
				}
			})
		}
		wg.Wait()
		if through.Load() != 7 || refused.Load() != 43 {
			t.Errorf("%d through and %d refused, want 7 and 43", through.Load(), refused.Load())
		}
	})
}

func TestAttemptRows(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		ctx, acc := t.Context(), s.Accounts()
		at := muster.FromMillis(s.now())
		id := int64(0)
		try := func(after time.Duration, keys ...byte) (account.Attempt, time.Duration) {
			t.Helper()
			id++
			a := account.Attempt{ID: id, At: at.Add(after), Window: time.Minute}
			for _, k := range keys {
				a.Limits = append(a.Limits, account.Limit{Key: [16]byte{k}, Max: 2})
			}
			wait, err := acc.TakeAttempt(ctx, a)
			if err != nil {
				t.Fatal(err)
			}
			return a, wait
		}
		first, _ := try(0, 1, 2)
		try(10*time.Second, 1)
		if _, wait := try(20*time.Second, 1, 3); wait != 40*time.Second {
			t.Errorf("wait %v, want 40s", wait)
		}
		// What was refused has counted nowhere, what is returned counts no more.
		try(20*time.Second, 3)
		if _, wait := try(20*time.Second, 3); wait != 0 {
			t.Errorf("a refused attempt has counted: wait %v", wait)
		}
		if err := acc.ReturnAttempt(ctx, first); err != nil {
			t.Fatal(err)
		}
		if _, wait := try(20*time.Second, 1, 2); wait != 0 {
			t.Errorf("after a return: wait %v", wait)
		}
		if _, wait := try(70*time.Second-time.Millisecond, 1); wait != time.Millisecond {
			t.Errorf("wait %v, want 1ms", wait)
		}
		if _, wait := try(70*time.Second, 1); wait != 0 {
			t.Errorf("wait %v, want 0: the window has moved on", wait)
		}
		count := func(table string) (n int64) {
			t.Helper()
			if err := s.read(ctx, func(c conn) (err error) { n, err = oneInt(c, "SELECT count(*) FROM "+table); return err }); err != nil {
				t.Fatal(err)
			}
			return n
		}
		// The clock was set back: what lies ahead moves to now, and is gone a
		// window later.
		back := at.Add(-time.Hour)
		if err := acc.TidyAttempts(ctx, back, time.Minute); err != nil {
			t.Fatal(err)
		}
		if n := count("attempt WHERE at_ms > " + fmt.Sprint(muster.Millis(back))); n != 0 {
			t.Errorf("%d attempts lie in the future", n)
		}
		if count("attempt") == 0 {
			t.Error("setting the clock back has removed the attempts")
		}
		if err := acc.TidyAttempts(ctx, at.Add(time.Hour), time.Minute); err != nil {
			t.Fatal(err)
		}
		if n, k := count("attempt"), count("attempt_key"); n != 0 || k != 0 {
			t.Errorf("%d attempts and %d keys are left", n, k)
		}
	})
}

func TestOneTimeTokenRows(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		ctx, acc := t.Context(), s.Accounts()
		now := muster.FromMillis(s.now())
		hash := func(b byte) (h account.TokenHash) { h[0] = b; return h }
		for b := byte(1); b <= 2; b++ {
			if needed, err := acc.ReplaceSetup(ctx, hash(b), now); !needed || err != nil {
				t.Fatal(needed, err)
			}
		}
		for b, want := range map[byte]bool{1: false, 2: true, 3: false} {
			use, found, err := acc.OneTimeToken(ctx, hash(b), now)
			if found != want || use.Account != 0 || err != nil {
				t.Errorf("setup token %d: %+v, %v, %v", b, use, found, err)
			}
		}
		// Used up by five at the same time, it makes one owner.
		var wg sync.WaitGroup
		var made atomic.Int64
		setup := hash(2)
		for i := range 5 {
			wg.Go(func() {
				a := account.Account{ID: muster.AccountID(100 + i), Name: fmt.Sprint("owner", i), DirectAdd: 1, Role: account.ServerOwner, Created: now}
				err := acc.CreateAccount(ctx, account.Creation{Account: a, Setup: &setup})
				if err == nil {
					made.Add(1)
				} else if muster.ReasonOf(err) != "wrong_token" {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n, _ := acc.CountAccounts(ctx); made.Load() != 1 || n != 1 {
			t.Errorf("%d owners, %d accounts", made.Load(), n)
		}
		if needed, err := acc.ReplaceSetup(ctx, hash(3), now); needed || err != nil {
			t.Errorf("a setup token beside an owner: %v, %v", needed, err)
		}

		ann := account.Account{ID: 7, Name: "ann", Nickname: "Ann", DirectAdd: 1, Role: 1, Created: now}
		claim := account.StoredClaim{Hash: hash(9), Expires: now.Add(time.Hour)}
		if err := acc.CreateAccount(ctx, account.Creation{Actor: account.Operator, Account: ann, Claim: &claim}); err != nil {
			t.Fatal(err)
		}
		if use, found, err := acc.OneTimeToken(ctx, hash(9), now); !found || use.Account != ann.ID || err != nil {
			t.Errorf("%+v, %v, %v", use, found, err)
		}
		if _, found, _ := acc.OneTimeToken(ctx, hash(9), claim.Expires); found {
			t.Error("an expired claim is found")
		}
		c := account.Claiming{Hash: hash(9), Now: claim.Expires, PasswordHash: "new", Nickname: "Anna", Session: account.StoredSession{
			Session: account.Session{ID: 1, Account: ann.ID, Created: now, Expires: now.Add(time.Hour)}, Hash: hash(8),
		}}
		_, err := acc.Claim(ctx, c)
		wantReason(t, err, "wrong_token")
		c.Now = now
		if got, err := acc.Claim(ctx, c); err != nil || got.Nickname != "Anna" {
			t.Errorf("%+v, %v", got, err)
		}
		if h, _ := acc.PasswordHash(ctx, ann.ID); h != "new" {
			t.Errorf("hash %q", h)
		}
		_, err = acc.Claim(ctx, c)
		wantReason(t, err, "wrong_token")
	})
}
