package account_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"muster"
	"muster/internal/account"
	"muster/internal/clock"
)

// guess is a login with a wrong password; it tells whether the password was
// looked at, or how long to wait.
func (w *world) guess(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, name string, client account.Client,
) (tested bool, wait time.Duration) {
	t.Helper()
	_, err := w.Login(w.t.Context(), name, "a wrong password", client)
	switch muster.ReasonOf(err) {
	case "wrong_credentials":
		return true, 0
	case "too_many_attempts":
		e, _ := errors.AsType[*muster.Error](err)
		if e.RetryAfter <= 0 || e.RetryAfter > w.opt.LoginWindow {
			t.Fatalf("retry after %v, the window is %v", e.RetryAfter, w.opt.LoginWindow)
		}
		return false, e.RetryAfter
	default:
		t.Fatalf("guess %s: %v", name, err)
		return false, 0
	}
}

func limits(o *account.Options) {
	o.LoginWindow, o.AttemptsPerAccount, o.AttemptsPerAddress = 10*time.Minute, 3, 5
}

// TestParallelGuesses is T14: of 50 guesses at the same time exactly as many
// reach the hash as the limit allows.
func TestParallelGuesses(t *testing.T) {
	for _, c := range []struct {
		name          string
		account, addr int
		known         bool
		spread        bool // from many addresses
	}{
		{"one account, many addresses", 7, 1000, true, true},
		{"unknown name, many addresses", 7, 1000, false, true},
		{"one address", 1000, 11, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, newHands(), func(o *account.Options) { o.AttemptsPerAccount, o.AttemptsPerAddress = c.account, c.addr })
			w.opt.LoginWindow = 15 * time.Minute
			if c.known {
				w.join("anna")
			}
			before := account.HashesMade(w.Service)
			var wg sync.WaitGroup
			var tested atomic.Int64
			for i := range 50 {
				wg.Go(func() {
					client := from("192.0.2.1")
					if c.spread {
						client = from(fmt.Sprintf("192.0.2.%d", i+1))
					}
					if ok, _ := w.guess(t, "anna", client); ok {
						tested.Add(1)
					}
				})
			}
			wg.Wait()
			want := int64(min(c.account, c.addr))
			if n := account.HashesMade(w.Service) - before; n != want || tested.Load() != want {
				t.Errorf("%d guesses reached the hash and %d were answered, want %d", n, tested.Load(), want)
			}
		})
	}
}

func TestLimitCountsByNetwork(t *testing.T) {
	w := newWorld(t, newHands(), limits)
	for i, address := range []string{"2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3", "2001:db8::4", "2001:db8::5"} {
		if ok, _ := w.guess(t, fmt.Sprint("name", i), from(address)); !ok {
			t.Fatalf("guess %d is refused", i)
		}
	}
	if ok, _ := w.guess(t, "other", from("2001:db8::abcd")); ok {
		t.Error("another address of the same /64 starts anew")
	}
	if ok, _ := w.guess(t, "other", from("2001:db8:0:1::1")); !ok {
		t.Error("another /64 is refused")
	}
	if ok, _ := w.guess(t, "other", from("192.0.2.1")); !ok {
		t.Error("another address is refused")
	}
}

func TestLimitSurvivesARestart(t *testing.T) {
	clock := newHands()
	w := newWorld(t, clock, limits)
	w.join("anna")
	for i := range 3 {
		if ok, _ := w.guess(t, "anna", from(fmt.Sprintf("192.0.2.%d", i+1))); !ok {
			t.Fatal("refused")
		}
		clock.pass(time.Minute)
	}
	w.restart(clock)
	ok, wait := w.guess(t, "anna", from("192.0.2.9"))
	if ok || wait != 7*time.Minute {
		t.Errorf("after a restart: tested %v, wait %v, want 7m", ok, wait)
	}
	_, err := w.Login(t.Context(), "anna", goodPassword, from("192.0.2.9"))
	reason(t, err, muster.CodeResourceExhausted, "too_many_attempts")
	clock.pass(7*time.Minute - time.Millisecond)
	if ok, _ := w.guess(t, "anna", from("192.0.2.9")); ok {
		t.Error("room too early")
	}
	clock.pass(time.Millisecond)
	if _, err := w.Login(t.Context(), "anna", goodPassword, from("192.0.2.9")); err != nil {
		t.Errorf("after the time that was told: %v", err)
	}
}

func TestSuccessDoesNotCount(t *testing.T) {
	w := newWorld(t, newHands(), limits)
	w.join("anna")
	for range 20 {
		if _, err := w.Login(t.Context(), "anna", goodPassword, from("192.0.2.1")); err != nil {
			t.Fatal(err)
		}
	}
	// Nor does a login that is refused because the account is suspended.
	bob := w.join("bob")
	yes := true
	if _, _, err := w.SetAccount(t.Context(), account.Operator, bob.Account.ID, account.Settings{Suspended: &yes}); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		_, err := w.Login(t.Context(), "bob", goodPassword, from("192.0.2.1"))
		reason(t, err, muster.CodePermissionDenied, "suspended")
	}
	if ok, _ := w.guess(t, "carl", from("192.0.2.1")); !ok {
		t.Error("successes have used the address up")
	}
}

// TestOwnerIsNotLockedOut: strangers who guess an account's password close
// neither its sessions nor the way in from where its person is.
func TestOwnerIsNotLockedOut(t *testing.T) {
	w := newWorld(t, newHands(), limits)
	w.join("anna")
	home, err := w.Login(t.Context(), "anna", goodPassword, from("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		w.guess(t, "anna", from(fmt.Sprintf("198.51.100.%d", i+1)))
	}
	_, err = w.Login(t.Context(), "anna", goodPassword, from("203.0.113.1"))
	reason(t, err, muster.CodeResourceExhausted, "too_many_attempts")
	if !w.in(home.Token) {
		t.Error("the session has ended")
	}
	if _, err := w.Login(t.Context(), "anna", goodPassword, from("192.0.2.1")); err != nil {
		t.Errorf("from home: %v", err)
	}
	// There as well, guessing has an end.
	n := 0
	for range 10 {
		if ok, _ := w.guess(t, "anna", from("192.0.2.1")); ok {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d guesses from home, want 3", n)
	}
}

func TestRegistrationLimit(t *testing.T) {
	clock := newHands()
	w := newWorld(t, clock, func(o *account.Options) { limits(o); o.RegistrationsPerAddress = 4 })
	register := func(name, address string) error {
		_, err := w.Register(t.Context(), account.Registration{Name: name, Password: goodPassword, Client: from(address)})
		return err
	}
	for i, name := range []string{"ann", "bob", "ann", "cyd"} { // a taken name counts too
		if err := register(name, "192.0.2.1"); err != nil && i != 2 {
			t.Fatal(err)
		}
	}
	reason(t, register("dee", "192.0.2.1"), muster.CodeResourceExhausted, "too_many_attempts")
	if err := register("dee", "192.0.2.2"); err != nil {
		t.Errorf("from elsewhere: %v", err)
	}
	clock.pass(10 * time.Minute)
	if err := register("eve", "192.0.2.1"); err != nil {
		t.Errorf("after the window: %v", err)
	}
}

// TestSlidingWindow compares the limits with a model, over random times.
func TestSlidingWindow(t *testing.T) {
	clock := newHands()
	w := newWorld(t, clock, func(o *account.Options) {
		o.LoginWindow, o.AttemptsPerAccount, o.AttemptsPerAddress = time.Minute, 3, 4
	})
	w.join("anna")
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		names := []string{fmt.Sprint("one", run), fmt.Sprint("two", run)}
		nets := []string{fmt.Sprintf("10.%d.%d.1", run>>8, run&255), fmt.Sprintf("10.%d.%d.2", run>>8, run&255)}
		tried := map[string][]time.Time{} // what was tested, by name and by address
		room := func(key string, limit int) (bool, time.Time) {
			var in []time.Time
			for _, at := range tried[key] {
				if at.After(clock.Now().Add(-time.Minute)) {
					in = append(in, at)
				}
			}
			if len(in) < limit {
				return true, time.Time{}
			}
			return false, in[len(in)-limit].Add(time.Minute)
		}
		for range rapid.IntRange(5, 25).Draw(t, "steps") {
			clock.pass(time.Duration(rapid.IntRange(0, 30_000).Draw(t, "pass")) * time.Millisecond)
			name, net := rapid.SampledFrom(names).Draw(t, "name"), rapid.SampledFrom(nets).Draw(t, "net")
			byName, nameOpens := room(name, 3)
			byNet, netOpens := room(net, 4)
			ok, wait := w.guess(t, name, from(net))
			if ok != (byName && byNet) {
				t.Fatalf("tested %v; room by name %v, by address %v", ok, byName, byNet)
			}
			if ok {
				tried[name], tried[net] = append(tried[name], clock.Now()), append(tried[net], clock.Now())
				continue
			}
			opens := nameOpens
			if netOpens.After(opens) {
				opens = netOpens
			}
			if want := opens.Sub(clock.Now()); wait != want {
				t.Fatalf("told to wait %v, there is room after %v", wait, want)
			}
		}
	})
}

// turned is a machine whose wall clock can be set, with the product's own clock
// on top.
type turned struct {
	mu   sync.Mutex
	wall time.Time
	mono time.Duration
}

func (m *turned) clock() *clock.Clock {
	return clock.New(clock.Sources{
		Wall: func() time.Time { m.mu.Lock(); defer m.mu.Unlock(); return m.wall },
		Mono: func() time.Duration { m.mu.Lock(); defer m.mu.Unlock(); return m.mono },
	})
}

func (m *turned) pass(c *clock.Clock, d time.Duration) {
	for step := max(d/1000, time.Second); d > 0; d -= step {
		m.mu.Lock()
		m.wall, m.mono = m.wall.Add(min(d, step)), m.mono+min(d, step)
		m.mu.Unlock()
		c.Now()
	}
}

func (m *turned) set(by time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wall = m.wall.Add(by)
}

// TestWallClockJumps is T8: setting the wall clock opens no login window and
// neither prolongs nor ends a session, beyond the 1 % of package clock.
func TestWallClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour, 24 * time.Hour, -24 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			m := &turned{wall: day}
			c := m.clock()
			w := newWorld(t, c, func(o *account.Options) { limits(o); o.SessionLifetime = 30 * time.Minute })
			anna := w.join("anna")
			m.pass(c, 5*time.Minute)
			for i := range 3 {
				w.guess(t, "anna", from(fmt.Sprintf("192.0.2.%d", i+1)))
			}
			m.set(jump)
			m.pass(c, 9*time.Minute+50*time.Second)
			if ok, _ := w.guess(t, "anna", from("192.0.2.9")); ok {
				t.Error("the window has opened early")
			}
			m.pass(c, 20*time.Second)
			if ok, _ := w.guess(t, "anna", from("192.0.2.9")); !ok {
				t.Error("the window opens late")
			}
			m.pass(c, 14*time.Minute+20*time.Second) // 29:30 since the sign-in
			if !w.in(anna.Token) {
				t.Error("the session has ended early")
			}
			m.pass(c, time.Minute)
			if w.in(anna.Token) {
				t.Error("the session has been prolonged")
			}
		})
	}
}

// TestClockSetBackBeforeARestart: attempts that lie in the future still count,
// but for one window only.
func TestClockSetBackBeforeARestart(t *testing.T) {
	w := newWorld(t, newHands(), limits)
	w.join("anna")
	for i := range 3 {
		w.guess(t, "anna", from(fmt.Sprintf("192.0.2.%d", i+1)))
	}
	earlier := newHands()
	earlier.pass(-24 * time.Hour)
	w.restart(earlier)
	if ok, _ := w.guess(t, "anna", from("192.0.2.9")); ok {
		t.Error("setting the clock back has opened the window")
	}
	account.Tidy(t.Context(), w.Service) // as Run does when it begins
	if ok, _ := w.guess(t, "anna", from("192.0.2.9")); ok {
		t.Error("the window has opened at the restart")
	}
	earlier.pass(w.opt.LoginWindow)
	if ok, _ := w.guess(t, "anna", from("192.0.2.9")); !ok {
		t.Error("still refused after a window")
	}
}
