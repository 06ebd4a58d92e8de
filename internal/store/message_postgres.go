package store

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"muster"
	"muster/internal/group"
)

const (
	// pgMinWriters and pgMaxWriters bound how many batches are under way at once;
	// a group's messages always go through the same writer. One for each processor
	// is enough: while one waits for its commit the other makes its batch. More
	// make smaller batches, which cost the database more for each message.
	pgMinWriters, pgMaxWriters = 2, 4
	// pgBatchTimeout is how long a batch may take. A database that hangs longer
	// counts as unreachable.
	pgBatchTimeout = 20 * time.Second
	// pgRecent is how many messages each writer remembers.
	pgRecent = 16 << 10
	// pgPing is how long a readiness probe waits for the database.
	pgPing = time.Second
)

// pgLog is the message log of a PostgreSQL store: a table, filled by a few
// writers that take whatever queued during their last commit. Several nodes may
// write to the same group: the row of its head, locked, is what orders them. What
// a writer remembers of a group decides nothing before the database has found, in
// the same transaction and under that lock, that it still holds.
type pgLog struct {
	store  *Store
	pool   *pgxpool.Pool // of the writers
	shards []pgShard
	waits  waitMeter

	sink   atomic.Pointer[func(committed []group.Message)]
	sinkMu sync.Mutex // one batch at a time
}

// pgShard is one writer and what waits for it.
type pgShard struct {
	log   *pgLog
	queue sendQueue

	// The writer's own. headed is what is known of groups with a row in
	// group_head, which is never deleted; spoken is how many members are
	// remembered with them. recent are messages that this node wrote lately, so
	// that most of what is sent again costs no transaction; order has their keys,
	// oldest first.
	headed map[muster.GroupID]*pgKnown
	spoken int
	recent map[messageKey]place
	order  []messageKey

	doubtful map[muster.GroupID]struct{} // of sortOut
	buf      []byte                      // of attemptKnown
}

// openPostgresLog makes the log's tables and connects its writers.
func openPostgresLog(ctx context.Context, s *Store, opt Options) (*pgLog, error) {
	if err := migrate(ctx, s.db, postgresLogSchema); err != nil {
		return nil, err
	}
	cfg, err := pgxpool.ParseConfig(opt.URL)
	if err != nil {
		return nil, err
	}
	writers := min(max(runtime.GOMAXPROCS(0), pgMinWriters), pgMaxWriters)
	cfg.MaxConns = int32(writers) //nolint:gosec // a few
	params := cfg.ConnConfig.RuntimeParams
	params["application_name"] = "muster log"
	params["synchronous_commit"] = "on"
	// Every statement of a writer finds a batch of rows by their keys. Without
	// these a plan that was made while a table was small reads all of it later.
	for _, way := range []string{"seqscan", "bitmapscan", "hashjoin", "mergejoin"} {
		params["enable_"+way] = "off"
	}
	params["plan_cache_mode"] = "force_generic_plan"
	cfg.AfterConnect = prepareKnown
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	l := &pgLog{store: s, pool: pool, shards: make([]pgShard, writers)}
	for i := range l.shards {
		l.shards[i] = pgShard{
			log: l, queue: newSendQueue(), headed: make(map[muster.GroupID]*pgKnown),
			recent: make(map[messageKey]place), doubtful: make(map[muster.GroupID]struct{}),
		}
	}
	return l, nil
}

func (l *pgLog) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for i := range l.shards {
		g.Go(func() error { l.shards[i].run(ctx); return nil })
	}
	return g.Wait()
}

func (l *pgLog) close() error {
	for i := range l.shards {
		l.shards[i].queue.close(errLogStopped())
	}
	l.pool.Close()
	return nil
}

func (l *pgLog) healthy() error {
	ctx, cancel := context.WithTimeout(context.Background(), pgPing)
	defer cancel()
	if err := l.store.read(ctx, func(c conn) error { _, err := oneInt(c, "SELECT 1"); return err }); err != nil {
		return errLogBroken(err)
	}
	return nil
}

// SendWait implements group.Log.
func (l *pgLog) SendWait() time.Duration { return l.waits.p99() }

// Follow implements group.Log. The sink is called by one writer at a time.
func (l *pgLog) Follow(sink func(committed []group.Message)) { l.sink.Store(&sink) }

func (l *pgLog) tell(ms []group.Message) {
	if sink := l.sink.Load(); sink != nil && len(ms) > 0 {
		l.sinkMu.Lock()
		defer l.sinkMu.Unlock()
		(*sink)(ms)
	}
}

// Append implements group.Log.
func (l *pgLog) Append(ctx context.Context, d group.Draft) (group.Receipt, error) {
	p := &pending{done: make(chan outcome, 1)}
	if err := l.enqueue(p, &d); err != nil {
		return group.Receipt{}, err
	}
	select {
	case o := <-p.done:
		return o.receipt, o.err
	case <-ctx.Done():
		return group.Receipt{}, ctx.Err()
	}
}

// AppendAsync implements group.AsyncLog.
func (l *pgLog) AppendAsync(_ context.Context, d group.Draft, done func(group.Receipt, error)) {
	p := &pending{then: func(o outcome) { done(o.receipt, o.err) }}
	if err := l.enqueue(p, &d); err != nil {
		done(group.Receipt{}, err)
	}
}

// enqueue hands a message to its group's writer.
func (l *pgLog) enqueue(p *pending, d *group.Draft) error {
	if err := checkDraft(d); err != nil {
		return err
	}
	p.entry = &entry{Message: group.Message{Draft: *d}, rec: appendBody(make([]byte, 0, len(d.Text)+len(d.Nickname)+bodyRoom), d)}
	p.size, p.queued = p.entry.cost(), stopwatch()
	p.key = pgKey(d)
	const spread = 0x9E3779B97F4A7C15                            // 2^64 / golden ratio
	at := uint64(d.Group) * spread >> 32 % uint64(len(l.shards)) //nolint:gosec // a hash
	return l.shards[at].queue.put(p)
}

// Head implements group.Log.
func (l *pgLog) Head(ctx context.Context, id muster.GroupID) (head muster.Seq, err error) {
	err = l.store.read(ctx, func(c conn) error {
		n, err := oneInt(c, "SELECT last_seq FROM group_head WHERE group_id = $1", id)
		head = muster.Seq(n)
		return err
	})
	return head, err
}

// Heads implements group.Log.
func (l *pgLog) Heads(ctx context.Context, groups []muster.GroupID) ([]muster.Seq, error) {
	ids := make([]int64, len(groups))
	at := make(map[int64][]int, len(groups))
	for i, id := range groups {
		ids[i] = int64(id)
		at[ids[i]] = append(at[ids[i]], i)
	}
	heads := make([]muster.Seq, len(groups))
	err := l.store.read(ctx, func(c conn) error {
		return c.query("SELECT group_id, last_seq FROM group_head WHERE group_id = ANY($1)", []any{ids}, func(r row) error {
			for _, i := range at[r.Int(0)] {
				heads[i] = muster.Seq(r.Int(1))
			}
			return nil
		})
	})
	return heads, err
}

// errPageFull ends a query whose page is full.
var errPageFull = errors.New("store: the page is full")

// Read implements group.Log. A row that is missing between others, or that cannot
// be decoded, becomes a tombstone.
func (l *pgLog) Read(ctx context.Context, r group.Range) ([]group.Message, error) {
	w := windowOf(r, math.MaxInt64)
	text, step, next := "ORDER BY seq", muster.Seq(1), w.from
	if r.Last {
		w.from = max(r.After, 0) + 1 // the limit counts from the newest there is
		text, step, next = "ORDER BY seq DESC", -1, 0
	}
	limit := int64(math.MaxInt64)
	if r.Limit > 0 {
		limit = int64(r.Limit)
	}
	p := page{asked: r}
	err := l.store.read(ctx, func(c conn) error {
		return c.query(`SELECT seq, sender, client_id, time_ms, body FROM message WHERE group_id = $1 AND seq BETWEEN $2 AND $3 `+text+" LIMIT $4",
			[]any{r.Group, w.from, w.to, limit}, func(row row) error {
				m := group.Message{Seq: muster.Seq(row.Int(0))}
				if next != 0 {
					p.addGap(next, m.Seq, step)
				}
				next = m.Seq + step
				m.Group, m.Sender, m.ClientID = r.Group, muster.AccountID(row.Int(1)), row.Text(2)
				m.Time = muster.FromMillis(row.Int(3))
				if err := decodeBody(row.Text(4), &m.Draft); err != nil {
					m = tombstone(r.Group, m.Seq)
				}
				if p.add(&m); p.full || (r.Limit > 0 && len(p.out) >= r.Limit) {
					return errPageFull
				}
				return nil
			})
	})
	if err != nil && !errors.Is(err, errPageFull) {
		return nil, err
	}
	if r.Limit > 0 && len(p.out) > r.Limit { // filled gaps count, too
		p.out = p.out[:r.Limit]
	}
	if r.Last {
		slices.Reverse(p.out)
	}
	return p.out, nil
}
