package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"muster"
	"muster/internal/group"
)

// run writes batches until ctx ends and the queue is empty.
func (sh *pgShard) run(ctx context.Context) {
	var batch []*pending
	for {
		select {
		case <-sh.queue.wake:
			batch = sh.queue.take(batch)
			sh.write(batch)
			clear(batch)
		case <-ctx.Done():
			sh.queue.close(errLogStopped())
			for batch = sh.queue.take(batch); len(batch) > 0; batch = sh.queue.take(batch) {
				sh.write(batch)
			}
			return
		}
	}
}

// write makes a batch durable and answers everybody in it. The first attempt
// trusts that no key stands already, but for those that are remembered: asking
// costs a fifth of the transaction. When the database finds one that does, and
// after a deadlock, a serialisation failure or a lost connection, it is tried
// again, and asks. So what an attempt with an unknown outcome did is found, too.
//
// Groups about which the writer knows all, as a rule all of them, have a
// transaction of their own.
func (sh *pgShard) write(batch []*pending) {
	known, rest := sh.sortOut(batch)
	sh.writePart(known, true)
	sh.writePart(rest, false)
}

// writePart writes the messages of groups that are all known, or not.
func (sh *pgShard) writePart(batch []*pending, known bool) {
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), pgBatchTimeout)
	defer cancel()
	for try := 0; ; try++ {
		b := newPGBatch(batch, sh.log.store.now())
		b.known, b.asks = known, try > 0
		err := sh.attempt(ctx, b)
		if err == nil {
			sh.learn(b)
			sh.answer(b)
			return
		}
		known = false
		if errors.Is(err, errStale) {
			try-- // nothing was tried yet
			continue
		}
		if try == 0 && isKeyTaken(err) {
			continue
		}
		if !mayRetry(err) || try == pgRetries || ctx.Err() != nil {
			for _, p := range batch {
				p.finish(outcome{err: errLogBroken(err)})
			}
			return
		}
		pause := time.NewTimer(time.Duration(rand.Int64N(int64(5*time.Millisecond) << try)))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
	}
}

// mayRetry tells whether another attempt can succeed where this one failed:
// after a passing conflict, and whenever it was not the statements' fault.
func mayRetry(err error) bool {
	pe, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return true
	}
	switch pe.Code {
	case pgSerializationFailure, pgDeadlock:
		return true
	case pgUniqueViolation:
		return true // a key that another node took since it was looked for is found the next time
	}
	class := pe.Code[:min(2, len(pe.Code))]
	return class == "08" || class == "57" // connection trouble, the server is shutting down
}

// isKeyTaken tells whether a message with the key of one of the batch stands.
func isKeyTaken(err error) bool {
	pe, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pe.Code == pgUniqueViolation
}

func (sh *pgShard) answer(b *pgBatch) {
	now := stopwatch()
	committed := make([]group.Message, 0, len(b.accepted))
	for _, p := range slices.Concat(b.recovered, b.accepted) {
		sh.remember(p.entry)
		sh.log.waits.add(now.Sub(p.queued), now)
		committed = append(committed, p.entry.Message)
	}
	for i, p := range b.pending {
		p.finish(b.outcomes[i])
	}
	sh.log.tell(committed)
}

// remember keeps the key of a message that stands.
func (sh *pgShard) remember(e *entry) {
	k := keyOf(&e.Draft)
	if _, ok := sh.recent[k]; !ok {
		sh.order = append(sh.order, k)
	}
	sh.recent[k] = place{e.Seq, e.millis}
	for len(sh.order) > pgRecent {
		delete(sh.recent, sh.order[0])
		sh.order = sh.order[1:] // append moves it to a new array when it is used up
	}
}

// pgBatch is one attempt to write what a writer took from its queue.
type pgBatch struct {
	pending  []*pending
	outcomes []outcome // of each pending, when the attempt has succeeded
	millis   int64
	known    bool // all about the groups and members
	asks     bool // which keys stand already

	first    map[messageKey]int // the first of each key
	members  map[memberKey]*pgMember
	heads    map[muster.GroupID]*pgHead
	found    map[int]place         // of a first: the message that stands already
	taken    map[groupKey]struct{} // keys of others; only when asks
	silent   []memberKey           // members who have not spoken
	accepted []*pending
	keys     []int64 // of accepted
	// recovered are messages that an earlier attempt wrote, as it turned out.
	recovered []*pending
}

// pgHead is a group's row in group_head.
type pgHead struct {
	seq        muster.Seq
	generation int64
	locked     bool // the row is there, and this transaction has it
}

// pgMember is a sender of the batch.
type pgMember struct{ there, spoke bool }

func newPGBatch(ps []*pending, millis int64) *pgBatch {
	b := &pgBatch{
		pending: ps, outcomes: make([]outcome, len(ps)), millis: millis,
		first: make(map[messageKey]int, len(ps)), members: make(map[memberKey]*pgMember),
		heads: make(map[muster.GroupID]*pgHead), found: make(map[int]place), taken: make(map[groupKey]struct{}),
	}
	for i, p := range ps {
		d := &p.entry.Draft
		if _, ok := b.first[keyOf(d)]; !ok {
			b.first[keyOf(d)] = i
		}
		b.members[memberKey{d.Group, d.Sender}] = &pgMember{}
		b.heads[d.Group] = &pgHead{}
	}
	return b
}

// attempt runs the transaction: one round trip to lock and look, one to write.
// Members who speak for the first time cost one more. Of known groups it is one
// round trip altogether.
func (sh *pgShard) attempt(ctx context.Context, b *pgBatch) error {
	c, err := sh.log.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release() // which closes a connection that is still in a transaction
	if b.known {
		return sh.attemptKnown(ctx, c, b)
	}
	if err := sh.look(ctx, c, b); err != nil {
		return rollback(ctx, c, err)
	}
	if err := sh.noteHeads(b); err != nil {
		return rollback(ctx, c, err)
	}
	if err := b.noteSpoken(ctx, c); err != nil {
		return rollback(ctx, c, err)
	}
	b.decide()
	if len(b.accepted) == 0 {
		_, err := c.Exec(ctx, "commit") // the notes of who spoke
		return err
	}
	if err := b.insert(ctx, c); err != nil {
		return rollback(ctx, c, err)
	}
	return nil
}

// errSetBack says that the database does not have what was committed: it was
// restored behind our back, or commits were lost with a primary. Or the
// transaction that made a head failed.
var errSetBack = errors.New("store: a group's head is gone or was set back")

// noteHeads remembers which groups have a row in group_head, and their heads.
func (sh *pgShard) noteHeads(b *pgBatch) error {
	for id, h := range b.heads {
		k, known := sh.headed[id]
		switch {
		case known && h.seq < k.seq:
			sh.forgetAll()
			return errSetBack
		case h.locked && !known:
			if len(sh.headed) >= maxGroupStates {
				clear(sh.headed)
				sh.spoken = 0
			}
			// If the transaction fails the row may not stay: errSetBack says so.
			sh.headed[id] = &pgKnown{seq: h.seq, generation: h.generation, spoken: make(map[muster.AccountID]struct{})}
		case h.locked:
			k.asks = max(k.asks-1, 0)
			if h.seq != k.seq {
				k.seq, k.asks = h.seq, foreignPatience
			}
			if h.generation != k.generation {
				sh.spoken -= len(k.spoken)
				clear(k.spoken)
				k.generation = h.generation
			}
		case known:
			sh.spoken -= len(k.spoken)
			delete(sh.headed, id)
			return errSetBack
		}
	}
	return nil
}

// forgetAll forgets what the writer remembers of groups, members and messages.
func (sh *pgShard) forgetAll() {
	clear(sh.headed)
	clear(sh.recent)
	sh.spoken, sh.order = 0, nil
}

// rollback ends a failed transaction, so that the connection can be used again.
func rollback(ctx context.Context, c *pgxpool.Conn, cause error) error {
	if _, err := c.Exec(ctx, "rollback"); err != nil {
		return errors.Join(cause, c.Conn().Close(ctx))
	}
	return cause
}

// look begins the transaction, locks the heads in the order of their ids, and
// reads, under those locks, which keys stand already and who is a member.
func (sh *pgShard) look(ctx context.Context, c *pgxpool.Conn, b *pgBatch) error {
	var q pgx.Batch
	q.Queue("begin")
	var groups, headless, noted []int64
	for id := range b.heads {
		groups = append(groups, int64(id))
		if _, ok := sh.headed[id]; !ok {
			headless = append(headless, int64(id))
		}
	}
	if len(headless) > 0 {
		q.Queue(`INSERT INTO group_head (group_id, last_seq) SELECT id, 0 FROM grp WHERE id = ANY($1) ORDER BY id
			ON CONFLICT DO NOTHING`, headless)
	}
	q.Queue("SELECT group_id, last_seq, generation FROM group_head WHERE group_id = ANY($1) ORDER BY group_id FOR UPDATE", groups).
		Query(func(rows pgx.Rows) error {
			return eachRow(rows, func(r row) { *b.heads[muster.GroupID(r.Int(0))] = pgHead{muster.Seq(r.Int(1)), r.Int(2), true} })
		})
	for k, i := range b.first {
		if at, ok := sh.recent[k]; ok {
			b.found[i] = at
		}
	}
	if b.asks {
		b.queueKeys(&q)
	}
	memberGroups, memberAccounts := make([]int64, 0, len(b.members)), make([]int64, 0, len(b.members))
	for k := range b.members {
		if k.account == group.ServerSender {
			noted = append(noted, int64(k.group))
			continue
		}
		memberGroups, memberAccounts = append(memberGroups, int64(k.group)), append(memberAccounts, int64(k.account))
	}
	q.Queue(`SELECT m.group_id, m.account_id, m.spoke FROM unnest($1::bigint[], $2::bigint[]) AS k (g, a)
		JOIN group_member m ON m.group_id = k.g AND m.account_id = k.a JOIN grp ON grp.id = m.group_id`, memberGroups, memberAccounts).
		Query(func(rows pgx.Rows) error {
			return eachRow(rows, func(r row) {
				k := memberKey{muster.GroupID(r.Int(0)), muster.AccountID(r.Int(1))}
				*b.members[k] = pgMember{there: true, spoke: r.Bool(2)}
				if !r.Bool(2) {
					b.silent = append(b.silent, k)
				}
			})
		})
	if len(noted) > 0 {
		q.Queue("SELECT id FROM grp WHERE id = ANY($1)", noted).Query(func(rows pgx.Rows) error {
			return eachRow(rows, func(r row) {
				b.members[memberKey{muster.GroupID(r.Int(0)), group.ServerSender}].there = true
			})
		})
	}
	return c.SendBatch(ctx, &q).Close()
}

// queueKeys asks for the messages of the batch that stand already, and for others
// that have their keys.
func (b *pgBatch) queueKeys(q *pgx.Batch) {
	n := len(b.first)
	groups, keys, clients, senders, at := make([]int64, 0, n), make([]int64, 0, n), make([][]byte, 0, n), make([]int64, 0, n), make([]int, 0, n)
	for k, i := range b.first {
		groups, keys = append(groups, int64(k.group)), append(keys, b.pending[i].key)
		clients, senders, at = append(clients, []byte(k.client)), append(senders, int64(k.sender)), append(at, i)
	}
	q.Queue(`SELECT k.i, m.seq, m.time_ms, m.group_id, m.key, m.client_id = k.c AND m.sender = k.s
		FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bigint[]) WITH ORDINALITY AS k (g, k, c, s, i)
		JOIN message m ON m.group_id = k.g AND m.key >= k.k AND m.key < k.k + $5`, groups, keys, clients, senders, keyPlaces).
		Query(func(rows pgx.Rows) error {
			return eachRow(rows, func(r row) {
				b.taken[groupKey{muster.GroupID(r.Int(3)), r.Int(4)}] = struct{}{}
				if r.Bool(5) {
					b.found[at[r.Int(0)-1]] = place{muster.Seq(r.Int(1)), r.Int(2)}
				}
			})
		})
}

func eachRow(rows pgx.Rows, fn func(r row)) error {
	for rows.Next() {
		fn(pgRow(rows.RawValues()))
	}
	return rows.Err()
}

// noteSpoken notes who speaks for the first time, in the same transaction. The
// row's lock makes it certain that they still are members.
func (b *pgBatch) noteSpoken(ctx context.Context, c *pgxpool.Conn) error {
	if len(b.silent) == 0 {
		return nil
	}
	groups, accounts := make([]int64, len(b.silent)), make([]int64, len(b.silent))
	for i, k := range b.silent {
		groups[i], accounts[i] = int64(k.group), int64(k.account)
		b.members[k].there = false
	}
	rows, err := c.Query(ctx, `UPDATE group_member m SET spoke = true FROM unnest($1::bigint[], $2::bigint[]) AS k (g, a)
		WHERE m.group_id = k.g AND m.account_id = k.a RETURNING m.group_id, m.account_id`, groups, accounts)
	if err != nil {
		return err
	}
	defer rows.Close()
	return eachRow(rows, func(r row) {
		b.members[memberKey{muster.GroupID(r.Int(0)), muster.AccountID(r.Int(1))}].there = true
	})
}

// decide gives the new messages their seqs and everybody else an answer.
func (b *pgBatch) decide() {
	at := muster.FromMillis(b.millis)
	for i, p := range b.pending {
		e := p.entry
		first := b.first[keyOf(&e.Draft)]
		found, stands := b.found[first]
		switch {
		case !b.heads[e.Group].locked || !b.members[memberKey{e.Group, e.Sender}].there:
			b.outcomes[i].err = errNotMember()
		case stands && first == i && found.seq == e.Seq: // by an attempt whose outcome was unknown
			e.Time, e.millis = muster.FromMillis(found.millis), found.millis
			b.outcomes[i].receipt = found.receipt(false)
			b.recovered = append(b.recovered, p)
		case stands:
			b.outcomes[i].receipt = found.receipt(true)
		case first != i && b.outcomes[first].err != nil:
			b.outcomes[i].err = b.outcomes[first].err
		case first != i:
			b.outcomes[i].receipt = b.pending[first].entry.receipt(true)
		default:
			key := p.key
			if b.asks {
				var free bool
				if key, free = b.freeKey(p); !free {
					b.outcomes[i].err = errKeysTaken()
					continue
				}
			}
			h := b.heads[e.Group]
			h.seq++
			e.Seq, e.Time, e.millis = h.seq, at, b.millis
			b.outcomes[i].receipt = e.receipt(false)
			b.accepted, b.keys = append(b.accepted, p), append(b.keys, key)
		}
	}
}

// insert writes the messages and the heads, and commits.
func (b *pgBatch) insert(ctx context.Context, c *pgxpool.Conn) error {
	n := len(b.accepted)
	groups, seqs, senders, times := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	clients, bodies := make([][]byte, n), make([][]byte, n)
	for i, p := range b.accepted {
		e := p.entry
		groups[i], seqs[i], senders[i], times[i] = int64(e.Group), int64(e.Seq), int64(e.Sender), e.millis
		clients[i], bodies[i] = []byte(e.ClientID), e.rec
	}
	var headGroups, headSeqs []int64
	for id, h := range b.heads {
		headGroups, headSeqs = append(headGroups, int64(id)), append(headSeqs, int64(h.seq))
	}
	var q pgx.Batch
	q.Queue(`INSERT INTO message (group_id, seq, sender, client_id, time_ms, body, key)
		SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bigint[], $6::bytea[], $7::bigint[])`,
		groups, seqs, senders, clients, times, bodies, b.keys)
	q.Queue(`UPDATE group_head h SET last_seq = k.s FROM unnest($1::bigint[], $2::bigint[]) AS k (g, s)
		WHERE h.group_id = k.g AND h.last_seq < k.s`, headGroups, headSeqs)
	q.Queue("commit")
	return c.SendBatch(ctx, &q).Close()
}
