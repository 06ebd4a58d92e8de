package store

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"muster"
	"muster/internal/group"
)

// Most batches are of groups to which only this node writes, from members who
// wrote before. What the writer remembers of them is enough to number their
// messages without asking; the database checks that it still holds, in the same
// transaction, and one round trip does it all. A check that fails divides by
// zero, which undoes the transaction before its commit is reached.
const (
	// knownHeads locks the heads, in the order given, and moves them, if each is
	// what the writer remembers. The generation stands for the members: whoever
	// removes one changes it in the same transaction.
	knownHeads = `WITH moved AS (
			UPDATE group_head h SET last_seq = k.now FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS k (g, was, now, generation)
			WHERE h.group_id = k.g AND h.last_seq = k.was AND h.generation = k.generation RETURNING 1)
		SELECT 1 / (count(*) = cardinality($1))::int FROM moved`
	knownInsert = `INSERT INTO message (group_id, seq, sender, client_id, time_ms, body, key)
		SELECT k.g, k.q, k.s, k.c, $6::bigint, k.b, k.k
		FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[], $7::bigint[]) AS k (g, q, s, c, b, k)`
)

// knownStatements are prepared on every connection of the writers.
var knownStatements = []struct{ name, sql string }{
	{"known_heads", knownHeads}, {"known_insert", knownInsert},
}

func prepareKnown(ctx context.Context, c *pgx.Conn) error {
	for _, s := range knownStatements {
		if _, err := c.Prepare(ctx, s.name, s.sql); err != nil {
			return err
		}
	}
	return nil
}

// pgDivisionByZero is how a check of the known path fails.
const pgDivisionByZero = "22012"

// foreignPatience is for how many batches a group whose head somebody else moved
// is asked about before it is trusted again.
const foreignPatience = 16

// pgKnown is what a writer remembers of a group and its row in group_head.
type pgKnown struct {
	seq        muster.Seq
	generation int64
	// spoken are members who have spoken, while the generation is that.
	spoken map[muster.AccountID]struct{}
	// asks counts down the batches until the head is trusted again.
	asks int
}

// membersLeave has every node's writers look at the group's members anew. It is
// part of the transaction that removes a member or the group, after the lock on
// the group and before the removal. Where there is one writer only (SQLite) there
// is nothing to do. The row is made if need be: that waits for a writer that is
// making it.
func membersLeave(c conn, id muster.GroupID) error {
	if _, ok := c.(*pgConn); !ok {
		return nil
	}
	_, err := c.exec(`INSERT INTO group_head (group_id, last_seq, generation) VALUES ($1, 0, 1)
		ON CONFLICT (group_id) DO UPDATE SET generation = group_head.generation + 1`, id)
	return err
}

// sortOut parts a batch into the messages of groups about which all is known and
// the rest. It keeps the order inside each group.
func (sh *pgShard) sortOut(batch []*pending) (known, rest []*pending) {
	doubtful := sh.doubtful
	clear(doubtful)
	for _, p := range batch {
		d := &p.entry.Draft
		k := sh.headed[d.Group]
		trusted := k != nil && k.asks == 0
		if trusted {
			_, trusted = k.spoken[d.Sender]
		}
		if !trusted {
			doubtful[d.Group] = struct{}{}
		}
	}
	if len(doubtful) == 0 {
		return batch, nil
	}
	for _, p := range batch {
		if _, ok := doubtful[p.entry.Group]; ok {
			rest = append(rest, p)
		} else {
			known = append(known, p)
		}
	}
	return known, rest
}

// errStale says that what the writer remembered does not hold any more.
var errStale = errors.New("store: what was remembered of a group does not hold")

// attemptKnown is attempt for groups about which all is known.
func (sh *pgShard) attemptKnown(ctx context.Context, c *pgxpool.Conn, b *pgBatch) error {
	for k, i := range b.first {
		if at, ok := sh.recent[k]; ok {
			b.found[i] = at
		}
	}
	groups := make([]muster.GroupID, 0, len(b.heads))
	for id, h := range b.heads {
		k := sh.headed[id]
		*h = pgHead{k.seq, k.generation, true}
		groups = append(groups, id)
	}
	for _, m := range b.members {
		m.there = true
	}
	b.decide()
	if len(b.accepted) == 0 {
		return errStale // rare, and asked about
	}
	slices.Sort(groups)
	p := c.Conn().PgConn().StartPipeline(ctx)
	w := pgWire{buf: sh.buf[:0]}
	w.ints(len(groups), func(i int) int64 { return int64(groups[i]) })
	w.ints(len(groups), func(i int) int64 { return int64(sh.headed[groups[i]].seq) })
	w.ints(len(groups), func(i int) int64 { return int64(b.heads[groups[i]].seq) })
	w.ints(len(groups), func(i int) int64 { return b.heads[groups[i]].generation })
	w.send(p, "known_heads")
	w.messages(b.accepted)
	w.int(b.millis)
	w.ints(len(b.keys), func(i int) int64 { return b.keys[i] })
	w.send(p, "known_insert")
	sh.buf = w.buf
	err := p.Sync()
	if closed := p.Close(); err == nil {
		err = closed
	}
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok && pe.Code == pgDivisionByZero {
		return errStale
	}
	return err
}

// learn remembers what a transaction has seen and done.
func (sh *pgShard) learn(b *pgBatch) {
	for id, h := range b.heads {
		if k := sh.headed[id]; k != nil {
			k.seq = h.seq
		}
	}
	if b.known {
		return
	}
	for m, seen := range b.members {
		k := sh.headed[m.group]
		if k == nil || !seen.there || m.account == group.ServerSender {
			continue
		}
		if _, ok := k.spoken[m.account]; !ok {
			if sh.spoken++; sh.spoken > memberCacheSize/len(sh.log.shards) {
				clear(sh.headed)
				sh.spoken = 0
				return
			}
			k.spoken[m.account] = struct{}{}
		}
	}
}

// pgWire makes the parameters of a statement in PostgreSQL's binary format.
type pgWire struct {
	buf    []byte
	begins []int
}

var binaryFormat = []int16{1}

// send hands a statement with the parameters so far to the pipeline, which
// copies them.
func (w *pgWire) send(p *pgconn.Pipeline, name string) {
	params := make([][]byte, len(w.begins))
	for i, at := range w.begins {
		end := len(w.buf)
		if i+1 < len(w.begins) {
			end = w.begins[i+1]
		}
		params[i] = w.buf[at:end]
	}
	p.SendQueryPrepared(name, params, binaryFormat, binaryFormat)
	w.buf, w.begins = w.buf[:0], w.begins[:0]
}

func (w *pgWire) begin() { w.begins = append(w.begins, len(w.buf)) }

func (w *pgWire) int(v int64) {
	w.begin()
	w.buf = binary.BigEndian.AppendUint64(w.buf, uint64(v)) //nolint:gosec // two's complement
}

// array begins an array of n elements.
func (w *pgWire) array(oid uint32, n int) {
	w.begin()
	w.buf = binary.BigEndian.AppendUint32(w.buf, 1) // dimensions
	w.buf = binary.BigEndian.AppendUint32(w.buf, 0) // no null in it
	w.buf = binary.BigEndian.AppendUint32(w.buf, oid)
	w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(n)) //nolint:gosec // far below
	w.buf = binary.BigEndian.AppendUint32(w.buf, 1)         // the first index
}

func (w *pgWire) ints(n int, at func(i int) int64) {
	w.array(pgtype.Int8OID, n)
	for i := range n {
		w.buf = binary.BigEndian.AppendUint32(w.buf, 8)
		w.buf = binary.BigEndian.AppendUint64(w.buf, uint64(at(i))) //nolint:gosec // two's complement
	}
}

// messages makes the five arrays of knownInsert.
func (w *pgWire) messages(ps []*pending) {
	n := len(ps)
	w.ints(n, func(i int) int64 { return int64(ps[i].entry.Group) })
	w.ints(n, func(i int) int64 { return int64(ps[i].entry.Seq) })
	w.ints(n, func(i int) int64 { return int64(ps[i].entry.Sender) })
	w.array(pgtype.ByteaOID, n)
	for _, p := range ps {
		w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(len(p.entry.ClientID))) //nolint:gosec // at most maxClientID
		w.buf = append(w.buf, p.entry.ClientID...)
	}
	w.array(pgtype.ByteaOID, n)
	for _, p := range ps {
		w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(len(p.entry.rec))) //nolint:gosec // far below
		w.buf = append(w.buf, p.entry.rec...)
	}
}
