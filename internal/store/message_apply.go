package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"zombiezen.com/go/sqlite"

	"muster"
	"muster/internal/journal"
)

// When a sweep of the tail into log.db begins: the more a group has gathered, the
// fewer pages are written for a message, and the more has to be held in memory
// and replayed after a crash.
const (
	applyMessages = 32 << 10
	applyBytes    = 24 << 20
	applyAfter    = 10 * time.Second
	// applyIdle without a message is a good moment for it.
	applyIdle = 500 * time.Millisecond
	// applyRetry is the pause after log.db could not be written.
	applyRetry = time.Second
)

// A sweep goes through the groups in the order of log.db's tables, in slices with
// a transaction each: small ones cost no more pages, as no two write the same,
// and the senders' syncs never wait for more than one.
const (
	sliceMessages = 512
	sliceBytes    = 512 << 10
	// checkpointAfter is how much of messages, in bytes as entry.cost counts
	// them, is applied before log.db's write-ahead log is copied: it stays
	// small, and is written again from its beginning.
	checkpointAfter = 2 << 20
	// applyAlone is the backlog from which on a sweep does not rest; below it
	// rests in proportion, but works for at least an eighth of the time.
	applyAlone = tailCalm * 3 / 4
	applyLeast = 1.0 / 8
	// longestRest bounds each rest.
	longestRest = 50 * time.Millisecond
)

// applier moves the tail into log.db, and log.db's write-ahead log into the
// database, in one goroutine: two that never yield would leave the writer no
// processor.
type applier struct {
	log     *sqliteLog
	conn    *sqlite.Conn // checkpoints
	behind  int64        // what was applied since the last checkpoint
	written <-chan struct{}
}

// applyLoop applies until the writer has ended; close does the rest.
func (l *sqliteLog) applyLoop(written <-chan struct{}) (err error) {
	c, err := openSQLiteConn(l.db.path, 2<<10)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	a := &applier{log: l, conn: c, behind: 1, written: written}
	for {
		select {
		case <-l.due:
		case <-written:
			return nil
		}
		if !a.linger() {
			return nil
		}
		err := errors.Join(l.sweep(context.Background(), a.rest), a.checkpoint(1))
		if err != nil || l.tail.backlog() > 0 {
			l.wakeApplier()
		}
		if err != nil && !a.sleep(applyRetry) {
			return nil
		}
	}
}

// linger waits until a sweep is worth while; false: the writer has ended.
func (a *applier) linger() bool {
	tick := time.NewTicker(applyIdle)
	defer tick.Stop()
	start, newest := stopwatch(), a.log.position.Load()
	for !a.log.urgent() {
		select {
		case <-a.log.due:
		case <-tick.C:
			now := a.log.position.Load()
			if now == newest || stopwatch().Sub(start) >= applyAfter {
				return true
			}
			newest = now
		case <-a.written:
			return false
		}
	}
	return true
}

// rest comes after each transaction of a sweep, which took so long.
func (a *applier) rest(applied int64, took time.Duration) {
	a.behind += applied
	begun := stopwatch()
	_ = a.checkpoint(checkpointAfter) // tried again after the sweep at the latest
	took += stopwatch().Sub(begun)
	if a.log.awaited() {
		return
	}
	share := max(float64(a.log.tail.backlog())/applyAlone, applyLeast)
	if share < 1 {
		a.sleep(min(time.Duration(float64(took)*(1/share-1)), longestRest))
	}
}

// checkpoint copies the write-ahead log if so much stands in it.
func (a *applier) checkpoint(from int64) error {
	if a.behind < from {
		return nil
	}
	if err := a.log.db.checkpoint(a.conn); err != nil {
		err = fmt.Errorf("checkpoint of %s: %w", logFile, err)
		a.log.noteApplied(a.log.applied, err)
		return err
	}
	a.behind = 0
	return nil
}

// sleep is false when the writer has ended.
func (a *applier) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-a.written:
		return false
	}
}

// noteRate averages over some transactions.
func (l *sqliteLog) noteRate(messages int, took time.Duration) {
	rate := float64(messages) / took.Seconds()
	if old := math.Float64frombits(l.applyRate.Load()); old > 0 {
		rate = old*31/32 + rate/32
	}
	l.applyRate.Store(math.Float64bits(rate))
}

// urgent tells whether there is enough to apply, or somebody waits for it.
func (l *sqliteLog) urgent() bool { return l.tail.enough() || l.awaited() }

// awaited tells whether somebody waits for log.db.
func (l *sqliteLog) awaited() bool {
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	return len(l.flushes) > 0
}

// sweep moves what the tail holds into log.db. between is called after each
// transaction with what it applied and how long it took. On an error the rest
// stays in the tail, for the next sweep. A sweep that is cut off, by an error or
// a crash, has applied some groups further than the noted position: replay finds
// these messages in log.db.
func (l *sqliteLog) sweep(ctx context.Context, between func(applied int64, took time.Duration)) error {
	states, upTo := l.tail.begin()
	// Only this goroutine writes applied and applyErr.
	if len(states) == 0 && upTo <= l.applied && l.applyErr == nil {
		l.noteApplied(l.applied, nil)
		return nil
	}
	s := &slice{log: l, ctx: ctx, between: between}
	err := l.number(ctx, states)
	if err == nil {
		// Only this goroutine changes the number of a state with a backlog.
		slices.SortFunc(states, func(a, b *groupState) int { return cmp.Compare(a.number, b.number) })
	}
	for i := 0; i < len(states) && err == nil; i++ {
		for _, e := range l.tail.waiting(states[i]) {
			if err = s.add(e); err != nil {
				break
			}
		}
	}
	if err == nil {
		err = s.apply(upTo)
	}
	if err != nil {
		l.tail.again(states)
		err = fmt.Errorf("%s: %w", logFile, err)
		l.noteApplied(l.applied, err)
		return err
	}
	// The commit was synced, so the journal need not keep this.
	err = l.journal.Release(upTo)
	l.noteApplied(upTo, err)
	return err
}

// noteApplied keeps how far log.db is, and tells those who wait for it. That
// log.db has another message under a key or at a place passes by no retry:
// the log then takes nothing more, rather than acknowledge what it cannot keep.
func (l *sqliteLog) noteApplied(upTo journal.Position, err error) {
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	l.applied, l.applyErr = upTo, err
	if l.conflict == nil && sqlite.ErrCode(err).ToPrimary() == sqlite.ResultConstraint {
		l.conflict = fmt.Errorf("the journal contradicts %w", err) // which begins with the file's name
	}
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

// slice gathers what one transaction of a sweep writes.
type slice struct {
	log     *sqliteLog
	ctx     context.Context //nolint:containedctx // lives as long as the sweep
	between func(applied int64, took time.Duration)
	entries []*entry
	bytes   int64
	rows    rowWriter
}

func (s *slice) add(e *entry) error {
	s.entries = append(s.entries, e)
	if s.bytes += e.cost(); len(s.entries) < sliceMessages && s.bytes < sliceBytes {
		return nil
	}
	return s.apply(0)
}

// apply writes the slice, and upTo as the position if it is not 0.
func (s *slice) apply(upTo journal.Position) error {
	begun := stopwatch()
	l, n, bytes := s.log, len(s.entries), s.bytes
	err := l.db.write(s.ctx, func(c conn) error {
		if err := s.rows.write(c.(*sqliteConn).c, s.entries); err != nil || upTo == 0 { //nolint:errcheck,forcetypeassert // log.db is SQLite
			return err
		}
		_, err := c.exec("UPDATE log_state SET applied = $1 WHERE id = 1", int64(upTo)) //nolint:gosec // below 1<<63
		return err
	})
	if err != nil {
		return err
	}
	l.tail.applied(s.entries)
	clear(s.entries)
	s.entries, s.bytes = s.entries[:0], 0
	l.letIn()
	took := stopwatch().Sub(begun)
	if upTo == 0 { // a full one
		l.noteRate(n, took)
	}
	s.between(bytes, took)
	return nil
}

// maxGroupNumber keeps number << 32 below 1 << 63.
const maxGroupNumber = 1<<31 - 1

// number gives the groups that have none yet their numbers in log.db.
func (l *sqliteLog) number(ctx context.Context, states []*groupState) error {
	var lack []*groupState
	l.tail.mu.RLock()
	for _, st := range states {
		if st.number == 0 {
			lack = append(lack, st)
		}
	}
	l.tail.mu.RUnlock()
	if len(lack) == 0 {
		return nil
	}
	numbers := make([]int64, len(lack))
	err := l.db.write(ctx, func(c conn) (err error) {
		var next int64
		for i, st := range lack {
			if numbers[i], err = oneInt(c, "SELECT number FROM log_group WHERE group_id = $1", st.id); err != nil {
				return err
			}
			if numbers[i] != 0 {
				continue
			}
			if next == 0 {
				if next, err = oneInt(c, "SELECT coalesce(max(number), 0) FROM log_group"); err != nil {
					return err
				}
			}
			if next++; next > maxGroupNumber {
				return errors.New("no number is left for another group")
			}
			numbers[i] = next
			if _, err := c.exec("INSERT INTO log_group (group_id, number) VALUES ($1, $2)", st.id, next); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.tail.mu.Lock()
	defer l.tail.mu.Unlock()
	for i, st := range lack {
		st.number = numbers[i]
	}
	return nil
}

// storedHead is the newest seq of a group in log.db; 0: none.
func storedHead(c conn, id muster.GroupID) (muster.Seq, error) {
	number, err := oneInt(c, "SELECT number FROM log_group WHERE group_id = $1", id)
	if err != nil || number == 0 {
		return 0, err
	}
	newest, err := oneInt(c, "SELECT id FROM message WHERE id BETWEEN $1 AND $2 ORDER BY id DESC LIMIT 1", number<<32, number<<32|seqMask)
	return muster.Seq(newest & seqMask), err
}
