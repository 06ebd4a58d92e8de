package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"muster"
	"muster/internal/group"
)

// TestLogStopsAtAConflict: when log.db has another message under the key of one
// that was acknowledged, applying can never succeed. Whoever waits for it is
// told, nothing more is acknowledged, not even once the conflict is gone, and
// after a restart without it everything goes on.
func TestLogStopsAtAConflict(t *testing.T) {
	t.Parallel()
	opt := Options{Dir: t.TempDir()}
	s, stop := startStoreUntil(t, opt)
	l := sqliteLogOf(t, s)
	const senders = 8
	addGroup(t, s, 1, senders, 1)
	send := func(sender muster.AccountID, id string) (acked, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // so that one who is left waiting fails the test
		defer cancel()
		d := textDraft(1, sender, id, "text of "+id)
		r, err := s.Log().Append(ctx, d)
		return acked{d, r}, err
	}
	var acks []acked
	acknowledged := func(id string) {
		t.Helper()
		a, err := send(1, id)
		if err != nil {
			t.Fatal(err)
		}
		acks = append(acks, a)
	}
	write := func(sql string) {
		t.Helper()
		if err := l.db.write(t.Context(), func(c conn) error {
			if n, err := c.exec(sql, []byte("key 2")); err != nil || n != 1 {
				return errors.Join(err, fmt.Errorf("%d rows", n))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	acknowledged("key 1")
	flushLog(t, s)
	write("INSERT INTO message_key (number, client_id, sender, seq) SELECT number, $1, 1, 99 FROM log_group WHERE group_id = 1")
	acknowledged("key 2") // above all keys that are only in the index, so nobody looks there
	if err := l.flush(t.Context()); sqlite.ErrCode(err).ToPrimary() != sqlite.ResultConstraint {
		t.Fatalf("waiting for log.db came to: %v", err)
	}
	refused := func(when string, err error) {
		t.Helper()
		if muster.ReasonOf(orNone(err)) != "log_not_writable" || sqlite.ErrCode(err).ToPrimary() != sqlite.ResultConstraint {
			t.Errorf("%s: %v", when, err)
		}
	}
	allRefused := func(when string) {
		t.Helper()
		var wg sync.WaitGroup
		for i := range senders {
			wg.Go(func() {
				_, err := send(muster.AccountID(i+1), "key 3")
				refused(when, err)
			})
		}
		wg.Wait()
		answer := make(chan error, 1)
		log := s.Log().(group.AsyncLog)
		log.AppendAsync(t.Context(), textDraft(1, 1, "key 4", "x"), func(_ group.Receipt, err error) { answer <- err })
		refused(when+", without waiting", <-answer)
		refused(when+", the store's health", s.Healthy())
	}
	allRefused("with the conflict")
	checkStanding(t, s, acks) // reading goes on
	write("DELETE FROM message_key WHERE client_id = $1 AND seq = 99")
	flushLog(t, s)
	allRefused("after the conflict")
	stop()

	s, stop = startStoreUntil(t, opt)
	defer stop()
	if err := s.Healthy(); err != nil {
		t.Errorf("after the restart: %v", err)
	}
	checkStanding(t, s, acks)
	if a, err := send(1, "key 2"); err != nil || !a.Duplicate || a.Seq != 2 {
		t.Errorf("repeated: %+v, %v", a, err)
	}
	if a, err := send(1, "key 3"); err != nil || a.Duplicate || a.Seq != 3 {
		t.Errorf("what was refused: %+v, %v", a, err)
	}
}

// TestLogDoesNotTryForEver: a sender whose findings are out of date each time
// that the writer has come to them is told to come again, and does not wait on.
func TestLogDoesNotTryForEver(t *testing.T) {
	t.Parallel()
	var l atomic.Pointer[sqliteLog]
	var rounds atomic.Int64
	s := startStore(t, Options{Dir: t.TempDir(), Clock: muster.ClockFunc(func() time.Time {
		if l := l.Load(); l != nil { // the writer asks what time it is before it looks at a batch
			l.tail.mu.Lock()
			l.tail.sweeps++
			l.tail.mu.Unlock()
			rounds.Add(1)
		}
		return time.Now()
	})})
	addGroup(t, s, 1, 1, 1)
	if _, err := s.Log().Append(t.Context(), textDraft(1, 1, "b", "x")); err != nil {
		t.Fatal(err)
	}
	flushLog(t, s)
	forgetKeys(s)
	early := textDraft(1, 1, "a", "x") // below "b", so it is looked for in the index
	l.Store(sqliteLogOf(t, s))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // so that one who is left waiting fails the test
	defer cancel()
	_, err := s.Log().Append(ctx, early)
	l.Store(nil)
	if e, ok := errors.AsType[*muster.Error](err); !ok || e.Reason != "log_busy" || e.RetryAfter <= 0 {
		t.Errorf("after %d rounds: %v", rounds.Load(), err)
	}
	if n := rounds.Load(); n < maxRenewals {
		t.Errorf("given up after %d rounds", n)
	}
	if r, err := s.Log().Append(t.Context(), early); err != nil || r.Duplicate || r.Seq != 2 {
		t.Errorf("sent again: %+v, %v", r, err)
	}
}
