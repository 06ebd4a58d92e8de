package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"muster"
	"muster/internal/journal"
)

// When the applier begins a transaction: the larger, the fewer pages are written
// for a message, and the more has to be held in memory and replayed after a crash.
const (
	applyMessages = 32 << 10
	applyBytes    = 24 << 20
	applyAfter    = time.Second
	// logCheckpointEvery is how often log.db's write-ahead log is copied: rarely,
	// as each transaction writes every group's last page again.
	logCheckpointEvery = 2 * time.Second
	// applyAtMost bounds a transaction. Under load, what has come during one
	// makes the next larger, and so cheaper for each message.
	applyAtMost = 64 << 10
	// applyRetry is the pause after log.db could not be written.
	applyRetry = time.Second
)

// applyLoop moves the tail into log.db until the writer has ended; close does
// the rest. It also copies log.db's write-ahead log into the database, in the
// same goroutine: two that never yield would leave the writer no processor.
func (l *sqliteLog) applyLoop(written <-chan struct{}) (err error) {
	c, err := openSQLiteConn(l.db.path, 2<<10)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	wal := &logCheckpoints{log: l, conn: c, behind: true}
	for {
		idle := time.NewTimer(logCheckpointEvery)
		select {
		case <-l.due:
			if !l.linger(written) || !l.applyWhileUrgent(wal, written) {
				return nil
			}
		case <-idle.C:
			wal.copyIfDue()
		case <-written:
			return nil
		}
		idle.Stop()
	}
}

// applyWhileUrgent applies at least once; false: the writer has ended.
func (l *sqliteLog) applyWhileUrgent(wal *logCheckpoints, written <-chan struct{}) bool {
	for again := true; again; again = l.urgent() {
		start, before := stopwatch(), l.applied
		if l.applySome(context.Background()) == nil {
			wal.behind = true
			wal.copyIfDue()
			l.noteRate(float64(l.applied-before) / stopwatch().Sub(start).Seconds())
			continue
		}
		select {
		case <-time.After(applyRetry):
		case <-written:
			return false
		}
	}
	if l.tail.backlog() > 0 {
		l.wakeApplier()
	}
	return true
}

// noteRate averages over a few transactions and their checkpoints.
func (l *sqliteLog) noteRate(rate float64) {
	if old := math.Float64frombits(l.applyRate.Load()); old > 0 {
		rate = old*3/4 + rate/4
	}
	l.applyRate.Store(math.Float64bits(rate))
}

// logCheckpoints copies log.db's write-ahead log into the database.
type logCheckpoints struct {
	log    *sqliteLog
	conn   *sqlite.Conn
	behind bool
	copied time.Time
}

// copyIfDue copies what is there, unless the last time was just now.
func (w *logCheckpoints) copyIfDue() {
	now := stopwatch()
	if !w.behind || now.Sub(w.copied) < logCheckpointEvery {
		return
	}
	w.copied = now
	if err := w.log.db.checkpoint(w.conn); err != nil {
		w.log.noteApplied(w.log.applied, fmt.Errorf("checkpoint of %s: %w", logFile, err))
		return
	}
	w.behind = false
}

// linger waits until a transaction is worth while; false: the writer has ended.
func (l *sqliteLog) linger(written <-chan struct{}) bool {
	timer := time.NewTimer(applyAfter)
	defer timer.Stop()
	for !l.urgent() {
		select {
		case <-l.due:
		case <-timer.C:
			return true
		case <-written:
			return false
		}
	}
	return true
}

// urgent tells whether there is enough to apply, or somebody waits for it.
func (l *sqliteLog) urgent() bool {
	l.tail.mu.RLock()
	enough := l.tail.unapplied >= applyMessages || l.tail.bytes >= applyBytes
	l.tail.mu.RUnlock()
	if enough {
		return true
	}
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	return len(l.flushes) > 0
}

// applySome moves the oldest part of the tail into log.db. On an error nothing
// has changed, and the next call tries the same again.
func (l *sqliteLog) applySome(ctx context.Context) error {
	runs := l.tail.take(applyAtMost)
	if len(runs) == 0 {
		l.noteApplied(l.applied, nil)
		return nil
	}
	last := runs[len(runs)-1].last
	if err := l.apply(ctx, runs, last); err != nil {
		err = fmt.Errorf("%s: %w", logFile, err)
		l.noteApplied(l.applied, err)
		return err
	}
	l.tail.applied(runs)
	// The commit above was synced, so the journal need not keep this.
	err := l.journal.Release(last)
	l.noteApplied(last, err)
	l.letIn()
	return err
}

// noteApplied keeps how far log.db is, and tells those who wait for it.
func (l *sqliteLog) noteApplied(upTo journal.Position, err error) {
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	l.applied, l.applyErr = upTo, err
	l.flushes = slices.DeleteFunc(l.flushes, func(f flush) bool {
		switch {
		case f.upTo <= upTo:
			f.done <- nil
		case err != nil:
			f.done <- err
		default:
			return false
		}
		return true
	})
}

// letIn wakes the writer if it waits for room.
func (l *sqliteLog) letIn() {
	select {
	case l.room <- struct{}{}:
	default:
	}
}

// apply writes runs and the position of the last one in one transaction, in the
// order of the tables, so that each page is touched once.
func (l *sqliteLog) apply(ctx context.Context, runs []run, last journal.Position) error {
	states := gatherByGroup(runs)
	defer func() {
		for _, st := range states {
			clear(st.applying)
			st.applying = st.applying[:0]
		}
	}()
	var inserted int64
	numbers := make(map[muster.GroupID]int64)
	err := l.db.write(ctx, func(c conn) error {
		if err := l.number(c, states, numbers); err != nil {
			return err
		}
		slices.SortFunc(states, func(a, b *groupState) int { return cmp.Compare(numbers[a.id], numbers[b.id]) })
		w := &rowWriter{conn: c.(*sqliteConn).c, numbers: numbers} //nolint:errcheck,forcetypeassert // log.db is SQLite
		for _, st := range states {
			for _, e := range st.applying {
				if err := w.add(e); err != nil {
					return err
				}
				if cost := e.cost(); len(w.rows) == 0 {
					inserted += cost + w.held
					l.tail.inserted.Add(cost + w.held)
					w.held = 0
					l.letIn()
					runtime.Gosched() // or the writer, back from its sync, waits for a whole time slice
				} else {
					w.held += cost
				}
			}
		}
		if err := w.flush(); err != nil {
			return err
		}
		inserted += w.held
		l.tail.inserted.Add(w.held)
		_, err := c.exec("UPDATE log_state SET applied = $1 WHERE id = 1", int64(last)) //nolint:gosec // below 1<<63
		return err
	})
	if err != nil {
		l.tail.inserted.Add(-inserted)
		return err
	}
	l.tail.mu.Lock()
	defer l.tail.mu.Unlock()
	for _, st := range states {
		st.number = numbers[st.id]
	}
	return nil
}

// gatherByGroup sorts entries into their groups' applying, which keeps the order
// of the seqs.
func gatherByGroup(runs []run) (states []*groupState) {
	for _, r := range runs {
		for _, e := range r.entries {
			if len(e.state.applying) == 0 {
				states = append(states, e.state)
			}
			e.state.applying = append(e.state.applying, e)
		}
	}
	return states
}

// maxGroupNumber keeps number << 32 below 1 << 63.
const maxGroupNumber = 1<<31 - 1

// number finds the groups' numbers in log.db and gives one to those without.
func (l *sqliteLog) number(c conn, states []*groupState, numbers map[muster.GroupID]int64) error {
	l.tail.mu.RLock()
	for _, st := range states {
		numbers[st.id] = st.number
	}
	l.tail.mu.RUnlock()
	var next int64
	for _, st := range states {
		if numbers[st.id] != 0 {
			continue
		}
		n, err := oneInt(c, "SELECT number FROM log_group WHERE group_id = $1", st.id)
		if err != nil {
			return err
		}
		if n == 0 {
			if next == 0 {
				if next, err = oneInt(c, "SELECT coalesce(max(number), 0) FROM log_group"); err != nil {
					return err
				}
			}
			if next++; next > maxGroupNumber {
				return errors.New("no number is left for another group")
			}
			n = next
			if _, err := c.exec("INSERT INTO log_group (group_id, number) VALUES ($1, $2)", st.id, n); err != nil {
				return err
			}
		}
		numbers[st.id] = n
	}
	return nil
}

// rowWriter inserts messages and their keys, many rows to a statement.
type rowWriter struct {
	conn    *sqlite.Conn
	numbers map[muster.GroupID]int64
	rows    []*entry
	held    int64 // cost of rows, which the applier counts
}

// rowsPerInsert is how many rows one statement takes.
const rowsPerInsert = 64

func (w *rowWriter) add(e *entry) error {
	if w.rows = append(w.rows, e); len(w.rows) < rowsPerInsert {
		return nil
	}
	return w.flush()
}

// flush writes rows, with as few statements as there are sizes.
func (w *rowWriter) flush() error {
	if err := w.each("INSERT INTO message (id, sender, client_id, time_ms, body) VALUES ", 5, func(s *sqlite.Stmt, at int, e *entry) {
		s.BindInt64(at, w.numbers[e.Group]<<32|int64(e.Seq))
		s.BindInt64(at+1, int64(e.Sender))
		s.BindBytes(at+2, recordClientID(e.rec))
		s.BindInt64(at+3, e.millis)
		s.BindBytes(at+4, recordBody(e.rec))
	}); err != nil {
		return err
	}
	slices.SortFunc(w.rows, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(w.numbers[a.Group], w.numbers[b.Group]), cmp.Compare(a.ClientID, b.ClientID), cmp.Compare(a.Sender, b.Sender))
	})
	err := w.each("INSERT INTO message_key (number, client_id, sender, seq) VALUES ", 4, func(s *sqlite.Stmt, at int, e *entry) {
		s.BindInt64(at, w.numbers[e.Group])
		s.BindBytes(at+1, recordClientID(e.rec))
		s.BindInt64(at+2, int64(e.Sender))
		s.BindInt64(at+3, int64(e.Seq))
	})
	w.rows = w.rows[:0]
	return err
}

func (w *rowWriter) each(insert string, columns int, bind func(s *sqlite.Stmt, at int, e *entry)) error {
	for rows, size := w.rows, rowsPerInsert; len(rows) > 0; rows = rows[size:] {
		for size > len(rows) {
			size /= 4
		}
		s, err := w.conn.Prepare(insertText(insert, columns, size))
		if err != nil {
			return err
		}
		for i, e := range rows[:size] {
			bind(s, i*columns+1, e)
		}
		if _, err := s.Step(); err != nil {
			return err
		}
		if err := s.Reset(); err != nil {
			return err
		}
	}
	return nil
}

// insertText is an INSERT of several rows.
func insertText(insert string, columns, rows int) string {
	one := "(" + strings.Repeat("?, ", columns-1) + "?)"
	return insert + strings.Repeat(one+", ", rows-1) + one
}
