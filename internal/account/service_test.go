package account_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"muster"
	"muster/internal/account"
	"muster/internal/store"
)

// day is when tests begin.
var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// hands is a clock that the test turns.
type hands struct {
	mu  sync.Mutex
	now time.Time
}

func newHands() *hands { return &hands{now: day} }

func (h *hands) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hands) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// endings records what a Service tells the world.
type endings struct {
	mu  sync.Mutex
	ids []muster.SessionID
}

func (e *endings) SessionsEnded(_ context.Context, ids []muster.SessionID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ids = append(e.ids, ids...)
}

func (e *endings) has(id muster.SessionID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Contains(e.ids, id)
}

// fast are costs of a hash that let a test make thousands; how hashes are made
// at real costs is in hash_test.go.
var fast = account.Argon2{MemoryKiB: 8, Time: 1, Threads: 1}

// world is a Service over a real store.
type world struct {
	*account.Service
	t     testing.TB
	dir   string
	url   string // of PostgreSQL; "" is SQLite in dir
	clock muster.Clock
	ended *endings
	store *store.Store
	stop  func() // of the store; begin again with restart
	opt   account.Options
}

func newWorld(t testing.TB, clock muster.Clock, change func(*account.Options)) *world {
	t.Helper()
	return newWorldAt(t, "", clock, change)
}

func newWorldAt(t testing.TB, url string, clock muster.Clock, change func(*account.Options)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), url: url, clock: clock, ended: &endings{}}
	w.opt = account.Options{Clock: clock, Events: w.ended, Argon2: fast, HashQueue: 1000}
	if change != nil {
		change(&w.opt)
	}
	w.start()
	return w
}

func (w *world) start() {
	w.t.Helper()
	ids := muster.NewIDs(w.clock)
	s, err := store.Open(w.t.Context(), store.Options{Dir: w.dir, URL: w.url, Clock: w.clock, IDs: ids})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			w.t.Errorf("run the store: %v", err)
		}
		if err := s.Close(); err != nil {
			w.t.Errorf("close the store: %v", err)
		}
	})
	w.t.Cleanup(w.stop)
	w.store = s
	w.opt.Store, w.opt.IDs = s.Accounts(), ids
	w.Service = account.New(w.opt)
}

// restart is what a new process finds, perhaps at another time of day.
func (w *world) restart(clock muster.Clock) {
	w.t.Helper()
	w.stop()
	w.clock, w.opt.Clock = clock, clock
	w.start()
}

const goodPassword = "seven green bottles"

func from(address string) account.Client {
	return account.Client{Device: "test", Address: netip.MustParseAddr(address)}
}

// join registers a person, without an address and so without its limit.
func (w *world) join(name string) account.SignIn {
	w.t.Helper()
	in, err := w.Register(w.t.Context(), account.Registration{Name: name, Password: goodPassword, Client: account.Client{Device: "test"}})
	if err != nil {
		w.t.Fatalf("register %s: %v", name, err)
	}
	return in
}

// own registers the server's owner.
func (w *world) own(name string) account.SignIn {
	w.t.Helper()
	token, err := w.EnsureSetup(w.t.Context())
	if err != nil || token == "" {
		w.t.Fatalf("EnsureSetup: %q, %v", token, err)
	}
	in, err := w.Register(w.t.Context(), account.Registration{Name: name, Password: goodPassword, Token: token})
	if err != nil {
		w.t.Fatalf("register the owner: %v", err)
	}
	return in
}

// in tells whether a token opens a session.
func (w *world) in(token string) bool {
	w.t.Helper()
	_, _, err := w.Authenticate(w.t.Context(), token)
	if err != nil && muster.CodeOf(err) != muster.CodeUnauthenticated {
		w.t.Fatalf("authenticate: %v", err)
	}
	return err == nil
}

// reason checks an error's code and reason.
func reason(t testing.TB, err error, code muster.Code, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %v %s", code, want)
	}
	if muster.CodeOf(err) != code || muster.ReasonOf(err) != want {
		t.Fatalf("error %v %q (%v), want %v %q", muster.CodeOf(err), muster.ReasonOf(err), err, code, want)
	}
}
