package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"muster"
	"muster/internal/group"
	"muster/internal/journal"
)

// TestSweepThatIsCutOff: a crash between two transactions of a sweep leaves some
// groups further in log.db than the noted position. The next start takes from
// the journal what log.db lacks, and nothing twice.
func TestSweepThatIsCutOff(t *testing.T) {
	t.Parallel()
	for _, whole := range []bool{false, true} { // whole: only the position was not noted
		t.Run(fmt.Sprintf("whole=%v", whole), func(t *testing.T) {
			t.Parallel()
			opt := Options{Dir: t.TempDir(), Clock: muster.ClockFunc(time.Now)}
			s, err := Open(t.Context(), opt)
			if err != nil {
				t.Fatal(err)
			}
			l := sqliteLogOf(t, s)
			ctx, stopWriter := context.WithCancel(t.Context())
			var writer sync.WaitGroup
			writer.Go(func() { l.writeLoop(ctx) }) // nobody applies
			for g := range 3 {
				addGroup(t, s, muster.GroupID(g+1), 1, 1)
			}
			var acks []acked
			for n := range 30 {
				d := textDraft(muster.GroupID(n%3+1), 1, uuid7(), fmt.Sprint("text ", n))
				r, err := l.Append(t.Context(), d)
				if err != nil {
					t.Fatal(err)
				}
				acks = append(acks, acked{d, r})
			}
			states, _ := l.tail.begin()
			if err := l.number(t.Context(), states); err != nil {
				t.Fatal(err)
			}
			cut := &slice{log: l, ctx: t.Context(), between: func(int64, time.Duration) {}}
			for i, st := range states {
				for k, e := range l.tail.waiting(st) {
					if whole || i == 1 || i == 0 && k < 5 {
						if err := cut.add(e); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			if err := cut.apply(0); err != nil {
				t.Fatal(err)
			}
			stopWriter()
			writer.Wait()
			if err := l.closeFiles(); err != nil { // without a last sweep
				t.Fatal(err)
			}
			if err := s.db.close(); err != nil {
				t.Fatal(err)
			}

			s, stop := startStoreUntil(t, opt)
			l = sqliteLogOf(t, s)
			l.tail.mu.RLock()
			left := l.tail.unapplied
			l.tail.mu.RUnlock()
			if want := map[bool]int{false: 15, true: 0}[whole]; left > want {
				t.Errorf("%d messages are to be applied, not %d", left, want)
			}
			checkStanding(t, s, acks)
			more := textDraft(1, 1, uuid7(), "more")
			r, err := l.Append(t.Context(), more)
			if err != nil || r.Seq != 11 {
				t.Errorf("the next message: %+v, %v", r, err)
			}
			flushLog(t, s)
			forgetTails(s)
			forgetKeys(s)
			checkStanding(t, s, append(acks, acked{more, r}))
			stop()
			if err := checkIntegrity(filepath.Join(opt.Dir, logFile)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestReplayAcrossWhatIsStored: a batch that the journal lost, of which a sweep
// that was cut off had brought log.db some, keeps no server from starting; a hole
// that log.db does not fill does.
func TestReplayAcrossWhatIsStored(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		stored, last, seq muster.Seq
		ok                bool
	}{
		{3, 1, 2, true}, {3, 1, 4, true}, {3, 1, 5, false}, {3, 2, 2, false}, {3, 4, 5, true}, {3, 4, 6, false}, {0, 1, 2, true}, {0, 1, 3, false},
	} {
		d := textDraft(1, 1, "id", "text")
		rec := newRecord(&d)
		stampRecord(rec, c.seq, 1)
		r := replay{log: &sqliteLog{tail: newLogTail()}, groups: map[muster.GroupID]*replayed{1: {stored: c.stored, last: c.last}}}
		if err := r.record(1, rec); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
		if waits := r.log.tail.unapplied == 1; waits != (c.ok && c.seq > c.stored) {
			t.Errorf("%+v: waits to be applied: %t", c, waits)
		}
	}
}

// failingRelease is a journal that cannot let go of its records so many times.
type failingRelease struct {
	logJournal
	left     int
	released journal.Position
}

func (f *failingRelease) Release(upTo journal.Position) error {
	if f.left > 0 {
		f.left--
		return errNoRelease
	}
	f.released = upTo
	return f.logJournal.Release(upTo)
}

var errNoRelease = errors.New("no release")

// TestSweepIsTriedAgain: what fails after the last message is in log.db is tried
// again without another message: a node that is not ready gets none.
func TestSweepIsTriedAgain(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Options{Dir: t.TempDir(), Clock: muster.ClockFunc(time.Now)})
	if err != nil {
		t.Fatal(err)
	}
	l := sqliteLogOf(t, s)
	f := &failingRelease{logJournal: l.journal, left: 2}
	l.journal = f
	stop := runStore(t, s)
	addGroup(t, s, 1, 1, 1)
	if _, err := l.Append(t.Context(), textDraft(1, 1, uuid7(), "text")); err != nil {
		t.Fatal(err)
	}
	flushLog(t, s)
	if err := s.Healthy(); !errors.Is(err, errNoRelease) {
		t.Errorf("after the failure: %v", err)
	}
	if err := settled(t, s.Healthy); err != nil {
		t.Error(err)
	}
	stop()
	if f.released == 0 {
		t.Error("the journal keeps what log.db has")
	}
}

// TestCostOfWhatIsKept: the cost of the applied messages in memory is counted
// exactly, also when they came from the journal and their ids are in no order.
func TestCostOfWhatIsKept(t *testing.T) {
	t.Parallel()
	opt := Options{Dir: t.TempDir(), Clock: muster.ClockFunc(time.Now)}
	s, err := Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	l := sqliteLogOf(t, s)
	ctx, stopWriter := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() { l.writeLoop(ctx) }) // nobody applies
	addGroup(t, s, 1, 1, 1)
	for n := range 4 * cachePerGroup {
		if _, err := l.Append(t.Context(), textDraft(1, 1, fmt.Sprint("id ", 9999-n), "text")); err != nil {
			t.Fatal(err)
		}
	}
	stopWriter()
	writer.Wait()
	if err := errors.Join(l.closeFiles(), s.db.close()); err != nil { // without a last sweep
		t.Fatal(err)
	}
	s = startStore(t, opt)
	flushLog(t, s)
	tail := sqliteLogOf(t, s).tail
	tail.mu.RLock()
	defer tail.mu.RUnlock()
	var kept int64
	for _, st := range tail.groups {
		for _, e := range st.tail {
			kept += e.cost()
		}
	}
	if tail.cached != kept || tail.bytes != 0 {
		t.Errorf("counted as %d, and %d to be applied; not %d and 0", tail.cached, tail.bytes, kept)
	}
}

// BenchmarkRecovery: how long a start takes after a crash that left as much in
// the journal as senders may be ahead of log.db, 256-byte texts in 1,000 groups.
func BenchmarkRecovery(b *testing.B) {
	const groups = 1000
	opt := Options{Dir: b.TempDir(), Clock: muster.ClockFunc(time.Now)}
	s, err := Open(b.Context(), opt)
	if err != nil {
		b.Fatal(err)
	}
	l := sqliteLogOf(b, s)
	ctx, stopWriter := context.WithCancel(b.Context())
	var writer, waiting sync.WaitGroup
	writer.Go(func() { l.writeLoop(ctx) }) // nobody applies
	for g := range groups {
		addGroup(b, s, muster.GroupID(g+1), 1, 1)
	}
	text := strings.Repeat("0123456789abcdef", 16)
	sent := 0
	for ; l.tail.backlog() < tailBytes*9/10; sent++ {
		waiting.Add(1)
		l.AppendAsync(b.Context(), textDraft(muster.GroupID(sent%groups+1), 1, uuid7(), text), func(_ group.Receipt, err error) {
			if err != nil {
				b.Error(err)
			}
			waiting.Done()
		})
		if sent%1000 == 999 {
			waiting.Wait()
		}
	}
	waiting.Wait()
	stopWriter()
	writer.Wait()
	if err := errors.Join(l.closeFiles(), s.db.close()); err != nil { // without a last sweep
		b.Fatal(err)
	}
	for b.Loop() {
		if s, err = Open(b.Context(), opt); err != nil {
			b.Fatal(err)
		}
		if err := errors.Join(sqliteLogOf(b, s).closeFiles(), s.db.close()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(sent), "messages")
}
