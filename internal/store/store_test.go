package store

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"muster"
	"muster/internal/pgtest"
)

// forEachStore runs a test on a fresh store of each database, SQLite and
// PostgreSQL, with its background work under way.
func forEachStore(t *testing.T, test func(t *testing.T, s *Store)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, startStore(t, Options{Dir: t.TempDir()}))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, startStore(t, Options{Dir: t.TempDir(), URL: pgtest.URL(t)}))
	})
}

// startStore opens a store and runs it until the test ends. Without a clock in
// opt it uses the machine's.
func startStore(t testing.TB, opt Options) *Store {
	t.Helper()
	s, _ := startStoreUntil(t, opt)
	return s
}

// startStoreUntil is startStore with a stop that the test may call earlier: it
// ends the background work, closes the store and fails the test on an error.
func startStoreUntil(t testing.TB, opt Options) (s *Store, stop func()) {
	t.Helper()
	if opt.Clock == nil {
		opt.Clock = muster.ClockFunc(time.Now)
	}
	if opt.IDs == nil {
		opt.IDs = muster.NewIDs(opt.Clock)
	}
	s, err := Open(t.Context(), opt)
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	return s, runStore(t, s)
}

// runStore starts a store's background work. stop ends it and closes the store.
func runStore(t testing.TB, s *Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the store's background work ended: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func TestForEachStore(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		err := s.write(t.Context(), func(c conn) error {
			_, err := c.exec("INSERT INTO grp (id, name, about, owner_id, capacity, member_count, created_ms) VALUES ($1, $2, '', 1, 10, 0, $3)", 7, "night shift 夜班", s.now())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		var name string
		err = s.read(t.Context(), func(c conn) error {
			_, err := one(c, "SELECT name FROM grp WHERE id = $1", []any{7}, func(r row) { name = r.Text(0) })
			return err
		})
		if err != nil || name != "night shift 夜班" {
			t.Fatalf("read back %q, %v", name, err)
		}
	})
}

// TestCheckpointIsTriedAgain: a checkpoint that fails, as on a full disk, does
// not end the store. It is not healthy until one succeeds, and needs no further
// commit for that.
func TestCheckpointIsTriedAgain(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Options{Dir: t.TempDir(), Clock: muster.ClockFunc(time.Now)}) // and nobody runs it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	f := s.db.(*sqliteFile) //nolint:forcetypeassert // without a URL it is SQLite
	errFull := errors.New("full")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failures, seen := 3, 0
	f.markDirty()
	f.keepShort(ctx, func() error {
		if err := s.Healthy(); seen > 0 && (muster.CodeOf(orNone(err)) != muster.CodeUnavailable || !errors.Is(err, errFull)) {
			t.Errorf("after failure %d: %v", seen, err)
		}
		if seen++; seen <= failures {
			return errFull
		}
		cancel()
		return nil
	})
	if err := s.Healthy(); err != nil || seen != failures+1 {
		t.Errorf("after %d checkpoints: %v", seen, err)
	}
}
