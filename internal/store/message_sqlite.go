package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"zombiezen.com/go/sqlite"

	"muster"
	"muster/internal/group"
	"muster/internal/journal"
)

// The files of the log in the data directory.
const (
	logFile    = "log.db"
	journalDir = "journal"
)

// sqliteLog is the message log of an SQLite store.
//
// A message goes through four hands. The sender's goroutine checks the
// membership and looks for the same key (append). One writer takes whatever
// queued while the last batch was written, gives each message its seq, appends
// the batch to the journal with one fdatasync and acknowledges it (write). One
// applier moves what the journal holds into log.db, group by group in small
// transactions, and then lets the journal forget it (sweep). Readers see log.db
// and the tail that it lacks as one log (message_read.go).
//
// Lock order: groupState.loading, logTail.mu, memberCache.mu.
type sqliteLog struct {
	store   *Store
	db      *sqliteFile
	journal logJournal
	tail    *logTail
	queue   sendQueue
	waits   waitMeter
	words   firstWords
	readers chan *sqlite.Conn

	// applyRate is how many messages the applier lately did in a second: the
	// bits of a float64, which the writer reads.
	applyRate atomic.Uint64
	// position is the last durable record's in the journal.
	position atomic.Uint64
	// room is told when the applier has made room in the tail.
	room chan struct{}
	// due wakes the applier: there is something, or it is wanted at once.
	due chan struct{}

	flushMu    sync.Mutex
	applied    journal.Position
	flushes    []flush
	applyErr   error
	conflict   error // two messages of one key or place were acknowledged: stays until a restart
	writeErr   error // of the last batch, nil when it succeeded
	writeErrAt time.Time

	// retries are messages of AppendAsync that were renewed too often.
	retries sync.WaitGroup

	// The writer's own.
	sink        atomic.Pointer[func(committed []group.Message)]
	batchNumber uint64
	lastBatch   int // messages
	lastWrite   time.Time
	committed   []group.Message
}

// logJournal is what the log needs of a journal.Journal.
type logJournal interface {
	Append(records [][]byte) (journal.Position, error)
	Release(upTo journal.Position) error
	Err() error
	Close() error
}

// flush is somebody who waits until log.db has everything up to a position.
type flush struct {
	upTo journal.Position
	done chan error // takes one without blocking
}

// openSQLiteLog opens log.db and the journal and takes what log.db lacks into
// memory: the log can be read and written at once, the applier catches up.
func openSQLiteLog(ctx context.Context, s *Store, opt Options) (*sqliteLog, error) {
	db, err := openSQLite(ctx, filepath.Join(opt.Dir, logFile), 1)
	if err != nil {
		return nil, err
	}
	l := &sqliteLog{
		store: s, db: db, tail: newLogTail(), queue: newSendQueue(), words: newFirstWords(s),
		room: make(chan struct{}, 1), due: make(chan struct{}, 1),
	}
	if err := l.open(ctx, opt); err != nil {
		return nil, errors.Join(err, l.closeFiles())
	}
	return l, nil
}

func (l *sqliteLog) open(ctx context.Context, opt Options) error {
	if err := migrate(ctx, l.db, sqliteLogSchema); err != nil {
		return err
	}
	if err := l.openReaders(opt.Readers); err != nil {
		return err
	}
	err := l.db.read(ctx, func(c conn) error {
		n, err := oneInt(c, "SELECT applied FROM log_state WHERE id = 1")
		if err != nil {
			return err
		}
		l.applied = journal.Position(n) //nolint:gosec // stored from a Position
		r := replay{log: l, conn: c, groups: make(map[muster.GroupID]*replayed)}
		l.journal, err = openJournal(opt.Dir, l.applied, r.record)
		return err
	})
	if err != nil {
		return err
	}
	l.tail.last = max(l.applied, l.tail.last)
	l.position.Store(uint64(l.tail.last))
	l.wakeApplier()
	return nil
}

// openJournal is journal.Open whose failure is a nil interface.
func openJournal(dir string, applied journal.Position, record func(journal.Position, []byte) error) (logJournal, error) {
	j, err := journal.Open(journal.Options{Dir: filepath.Join(dir, journalDir), Applied: applied}, record)
	if err != nil {
		return nil, err
	}
	return j, nil
}

// replay takes what log.db lacks of the journal back into the tail.
type replay struct {
	log    *sqliteLog
	conn   conn // to log.db
	groups map[muster.GroupID]*replayed
}

// replayed is how far a group is.
type replayed struct {
	stored muster.Seq // in log.db
	last   muster.Seq // in the journal, so far
}

func (r *replay) record(pos journal.Position, record []byte) error {
	d, seq, millis, err := parseRecord(record)
	if err != nil {
		return err
	}
	t := r.log.tail
	t.last = pos
	g := r.groups[d.Group]
	if g == nil {
		g = &replayed{}
		if g.stored, err = storedHead(r.conn, d.Group); err != nil {
			return err
		}
		r.groups[d.Group] = g
	} else if seq <= g.last || seq > max(g.last, g.stored)+1 {
		return fmt.Errorf("store: the journal has message %d of group %d after %d", seq, d.Group, g.last)
	}
	if g.last = seq; seq <= g.stored {
		return nil // applied by a sweep that did not end
	}
	st, _ := t.pin(d.Group)
	defer st.unpin()
	e := &entry{
		Message: group.Message{Draft: d, Seq: seq, Time: muster.FromMillis(millis)},
		state:   st, millis: millis, rec: append([]byte(nil), record...),
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add([]*entry{e}, pos)
	return nil
}

// run writes and applies until ctx ends; then everything that is queued is
// written, applied, and whoever comes later is refused.
func (l *sqliteLog) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	written := make(chan struct{})
	g.Go(func() error { return l.words.run(ctx) })
	g.Go(func() error { defer close(written); l.writeLoop(ctx); return nil })
	g.Go(func() error { return l.applyLoop(written) })
	return g.Wait()
}

// flush waits until log.db has everything that was acknowledged before the call,
// or cannot be written.
func (l *sqliteLog) flush(ctx context.Context) error {
	f := flush{upTo: journal.Position(l.position.Load()), done: make(chan error, 1)}
	l.flushMu.Lock()
	if l.applied >= f.upTo {
		l.flushMu.Unlock()
		return nil
	}
	l.flushes = append(l.flushes, f)
	l.flushMu.Unlock()
	l.wakeApplier()
	select {
	case err := <-f.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *sqliteLog) wakeApplier() {
	select {
	case l.due <- struct{}{}:
	default:
	}
}

// SendWait is the 99th percentile of the last second's time from a message's
// arrival to its being durable.
func (l *sqliteLog) SendWait() time.Duration { return l.waits.p99() }

// unhealthyFor is how long a failed write counts when nobody has tried since: a
// node that gets no messages because it is not ready would never be ready again.
const unhealthyFor = 5 * time.Second

func (l *sqliteLog) healthy() error {
	if err := l.broken(); err != nil {
		return err
	}
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	if l.writeErr != nil && stopwatch().Sub(l.writeErrAt) < unhealthyFor {
		return errLogBroken(l.writeErr)
	}
	return nil
}

// broken tells of what does not pass by itself soon.
func (l *sqliteLog) broken() error {
	if err := l.journal.Err(); err != nil {
		return errLogBroken(err)
	}
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	if err := cmp.Or(l.conflict, l.applyErr); err != nil {
		return errLogBroken(err)
	}
	return nil
}

// contradicted tells of a conflict that the applier met.
func (l *sqliteLog) contradicted() error {
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	if l.conflict != nil {
		return errLogBroken(l.conflict)
	}
	return nil
}

// close applies what is left, as far as that works: the journal keeps the rest.
func (l *sqliteLog) close() error {
	l.queue.close(errLogStopped())
	l.retries.Wait()
	_ = l.sweep(context.Background(), func(int64, time.Duration) {}) // the journal keeps what cannot be applied
	return l.closeFiles()
}

func (l *sqliteLog) closeFiles() error {
	var err error
	if l.journal != nil {
		err = l.journal.Close()
	}
	for range cap(l.readers) {
		err = errors.Join(err, (<-l.readers).Close())
	}
	return errors.Join(err, l.db.close())
}
