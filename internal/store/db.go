// Package store keeps everything that Muster has to remember, in SQLite (the
// default, in the data directory) or in PostgreSQL (for several nodes, or by
// choice), and implements the Store interfaces that the domain packages declare.
//
// One package speaks the SQL subset that both databases share. What differs is
// behind the seam of this file: conn, implemented by sqlite.go and postgres.go.
// Only the hot paths are written once per database: the message log (message*.go)
// and the bulk insert (insertMany).
//
// Rules of the package:
//
//   - An exported method owns its transaction; unexported ones take the conn.
//   - SQL is written with $1, $2, ... Conditions compare keys that begin with the
//     account, the channel or the group, so that the tables can be sharded later.
//   - No sequences, triggers, LISTEN/NOTIFY, advisory locks or foreign keys
//     across those scopes.
//   - Times are milliseconds since the Unix epoch, ids are made by the program.
//   - A conflict is recognised by the driver's code, never by the error's text.
package store

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

// row is one row of an answer. Columns count from 0. The values are valid until
// the callback returns; Text and Blob give copies.
type row interface {
	Int(col int) int64
	Text(col int) string
	Blob(col int) []byte
	Bool(col int) bool
	Null(col int) bool
}

// conn runs statements, inside the transaction that read or write opened.
type conn interface {
	// exec runs a statement and tells how many rows it changed.
	exec(sql string, args ...any) (int64, error)
	// query calls scan for every row. An error of scan ends it and is returned.
	query(sql string, args []any, scan func(r row) error) error
	// insertMany inserts n rows as few statements; see insert.
	insertMany(in insert, n int, value func(row, col int) any) (int64, error)
	// forUpdate is the suffix of a SELECT that locks the rows it reads until
	// the transaction ends; empty where writers are alone anyway.
	forUpdate() string
}

// backend is a database: SQLite or PostgreSQL.
type backend interface {
	// read runs fn with a connection for reading. On SQLite everything that fn
	// reads is one snapshot; on PostgreSQL each statement is.
	read(ctx context.Context, fn func(c conn) error) error
	// look is read without a snapshot: each statement sees what is committed when
	// it begins. It is for what takes one statement.
	look(ctx context.Context, fn func(c conn) error) error
	// write runs fn in one transaction and commits it when fn returns nil. On
	// PostgreSQL fn may run again after a serialisation failure or a deadlock,
	// so it must not have effects of its own.
	write(ctx context.Context, fn func(c conn) error) error
	// run does the background work (checkpoints) until ctx ends.
	run(ctx context.Context) error
	// healthy tells what the background work cannot do, nil if all is well.
	healthy() error
	// words fills the {{...}} of the schema files.
	words() map[string]string
	// name is "sqlite" or "postgres".
	name() string
	close() error
}

// insert describes a bulk insert. On SQLite it becomes a few INSERTs of up to
// 256 rows, which is about three times as fast as single ones; on PostgreSQL an
// INSERT from unnest or, of many rows, a COPY.
type insert struct {
	table   string
	columns []column
	// fixed says how many of the columns, the first ones, have the same value in
	// all rows of one call.
	fixed int
	// conflict is what follows ON CONFLICT, such as "DO NOTHING"; empty: a
	// conflict is an error.
	conflict string
}

// column is one column of a bulk insert.
type column struct {
	name string
	kind columnKind
}

type columnKind uint8

const (
	intColumn columnKind = iota
	textColumn
	blobColumn
	boolColumn
)

// ints makes columns of integers.
func ints(names ...string) []column {
	cs := make([]column, len(names))
	for i, n := range names {
		cs[i] = column{n, intColumn}
	}
	return cs
}

// errConflict is what exec and insertMany wrap when a unique key is taken.
var errConflict = errors.New("store: a row with this key exists")

// isConflict tells whether a unique key was taken.
func isConflict(err error) bool { return errors.Is(err, errConflict) }

// plain turns an argument into one of the types that both drivers take: int64,
// string, []byte, bool or nil. The typed ids and levels of the vocabulary become
// int64.
func plain(v any) any {
	switch x := v.(type) {
	case nil, int64, string, []byte, bool:
		return x
	case int:
		return int64(x)
	case []int64, []string, []bool, [][]byte:
		return x
	}
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return rv.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return int64(rv.Uint()) //nolint:gosec // stored values are below 1<<63
	case reflect.String:
		return rv.String()
	case reflect.Bool:
		return rv.Bool()
	default:
		panic(fmt.Sprintf("store: a %T cannot be an argument", v))
	}
}

// one runs a query that yields at most one row and tells whether there was one.
func one(c conn, sql string, args []any, scan func(r row)) (bool, error) {
	found := false
	err := c.query(sql, args, func(r row) error {
		found = true
		scan(r)
		return nil
	})
	return found, err
}

// oneInt runs a query that yields one integer; no row, or NULL, is 0.
func oneInt(c conn, sql string, args ...any) (int64, error) {
	var v int64
	_, err := one(c, sql, args, func(r row) { v = r.Int(0) })
	return v, err
}
