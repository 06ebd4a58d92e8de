package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The SQLSTATEs that mean something to us (PostgreSQL manual, appendix A).
const (
	pgUniqueViolation      = "23505"
	pgDuplicateTable       = "42P07"
	pgSerializationFailure = "40001"
	pgDeadlock             = "40P01"
)

// pgRetries is how often a transaction is run again after a serialisation
// failure or a deadlock.
const pgRetries = 8

// pgDatabase is a PostgreSQL database, shared with other nodes.
type pgDatabase struct{ pool *pgxpool.Pool }

// openPostgres connects. maxConns is the size of the pool; 0 is 16.
func openPostgres(ctx context.Context, url string, maxConns int) (*pgDatabase, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database.url: %w", err)
	}
	if maxConns <= 0 {
		maxConns = 16
	}
	cfg.MaxConns = int32(min(maxConns, 10_000)) //nolint:gosec // bounded
	cfg.ConnConfig.RuntimeParams["application_name"] = "muster"
	// An acknowledgement means durable, whatever the server's default is.
	cfg.ConnConfig.RuntimeParams["synchronous_commit"] = "on"
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	return &pgDatabase{pool: pool}, nil
}

func (d *pgDatabase) name() string { return "postgres" }

func (d *pgDatabase) words() map[string]string {
	// COLLATE "C" so that both databases sort by bytes.
	return map[string]string{"int": "bigint", "text": `text COLLATE "C"`, "blob": "bytea", "bool": "boolean", "clustered": "", "table": ""}
}

func (d *pgDatabase) read(ctx context.Context, fn func(c conn) error) error {
	c, err := d.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	return fn(&pgConn{ctx, c.Conn()})
}

func (d *pgDatabase) look(ctx context.Context, fn func(c conn) error) error { return d.read(ctx, fn) }

func (d *pgDatabase) write(ctx context.Context, fn func(c conn) error) error {
	for try := 0; ; try++ {
		err := d.writeOnce(ctx, fn)
		pe, ok := errors.AsType[*pgconn.PgError](err)
		again := ok && (pe.Code == pgSerializationFailure || pe.Code == pgDeadlock)
		if !again || try == pgRetries {
			return err
		}
		pause := time.NewTimer(time.Duration(rand.Int64N(int64(5*time.Millisecond) << try)))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return err
		}
	}
}

func (d *pgDatabase) writeOnce(ctx context.Context, fn func(c conn) error) error {
	return pgx.BeginTxFunc(ctx, d.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		return fn(&pgConn{ctx, tx})
	})
}

func (d *pgDatabase) healthy() error { return nil } // the log asks

func (d *pgDatabase) run(ctx context.Context) error { <-ctx.Done(); return nil }

func (d *pgDatabase) close() error { d.pool.Close(); return nil }

// pgQuerier is what a connection and a transaction have in common.
type pgQuerier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// pgConn is a conn. It lives no longer than the call that made it, so it may
// hold that call's context.
type pgConn struct {
	ctx context.Context //nolint:containedctx // see above
	q   pgQuerier
}

func (p *pgConn) forUpdate() string { return " FOR UPDATE" }

func plainAll(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		out[i] = plain(a)
	}
	return out
}

func (p *pgConn) exec(sql string, args ...any) (int64, error) {
	tag, err := p.q.Exec(p.ctx, sql, plainAll(args)...)
	if err != nil {
		return 0, pgError(sql, err)
	}
	return tag.RowsAffected(), nil
}

func (p *pgConn) query(sql string, args []any, scan func(r row) error) error {
	rows, err := p.q.Query(p.ctx, sql, plainAll(args)...)
	if err != nil {
		return pgError(sql, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(pgRow(rows.RawValues())); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return pgError(sql, err)
	}
	return nil
}

func (p *pgConn) insertMany(in insert, n int, value func(row, col int) any) (int64, error) {
	if n == 0 {
		return 0, nil
	}
	if tx, ok := p.q.(pgx.Tx); ok && n >= copyRows && (in.conflict == "" || in.conflict == passOver) {
		added, err := p.copyRows(tx, in, n, value)
		if in.conflict == "" || !isConflict(err) {
			return added, err
		}
	}
	args := make([]any, len(in.columns))
	for col, c := range in.columns {
		args[col] = pgArray(c.kind, n, func(row int) any { return plain(value(row, col)) })
	}
	return p.exec(in.pgText(), args...)
}

// pgArray gathers one column of a bulk insert.
func pgArray(kind columnKind, n int, value func(row int) any) any {
	switch kind {
	case textColumn:
		return gather[string](n, value)
	case blobColumn:
		return gather[[]byte](n, value)
	case boolColumn:
		return gather[bool](n, value)
	default:
		return gather[int64](n, value)
	}
}

func gather[T any](n int, value func(row int) any) []T {
	out := make([]T, n)
	for i := range n {
		out[i], _ = value(i).(T)
	}
	return out
}

// pgText is the INSERT from unnest.
func (in insert) pgText() string {
	var names, arrays strings.Builder
	for i, col := range in.columns {
		if i > 0 {
			names.WriteString(", ")
			arrays.WriteString(", ")
		}
		names.WriteString(col.name)
		fmt.Fprintf(&arrays, "$%d::%s[]", i+1, [...]string{"bigint", "text", "bytea", "boolean"}[col.kind])
	}
	text := "INSERT INTO " + in.table + " (" + names.String() + ") SELECT * FROM unnest(" + arrays.String() + ")"
	if in.conflict != "" {
		text += " ON CONFLICT " + in.conflict
	}
	return text
}

func pgError(sql string, err error) error {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		if pe.Code == pgUniqueViolation || pe.Code == pgDuplicateTable {
			return fmt.Errorf("%w: %w", errConflict, err)
		}
		return fmt.Errorf("%q: %w", sql, err)
	}
	return err
}

// pgRow is a row in PostgreSQL's binary format, which pgx asks for with every
// type that we use. It is decoded here without reflection.
type pgRow [][]byte

func (r pgRow) Int(col int) int64 {
	switch b := r[col]; len(b) {
	case 8:
		return int64(binary.BigEndian.Uint64(b)) //nolint:gosec // two's complement
	case 4:
		return int64(int32(binary.BigEndian.Uint32(b))) //nolint:gosec // two's complement
	case 2:
		return int64(int16(binary.BigEndian.Uint16(b))) //nolint:gosec // two's complement
	case 1:
		return int64(b[0])
	default:
		return 0
	}
}

func (r pgRow) Text(col int) string { return string(r[col]) }
func (r pgRow) Blob(col int) []byte { return append([]byte{}, r[col]...) }
func (r pgRow) Bool(col int) bool   { return len(r[col]) == 1 && r[col][0] != 0 }
func (r pgRow) Null(col int) bool   { return r[col] == nil }
