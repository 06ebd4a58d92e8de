package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// minSQLite is the first version without a bug that could corrupt a database
// when its write-ahead log was reset.
const minSQLite = 3_051_003

// The write-ahead log is copied into the database in the background: a passive
// checkpoint after checkpointEvery of writing, and one that empties the file
// when it is over checkpointTruncate bytes.
const (
	checkpointEvery    = 250 * time.Millisecond
	checkpointTruncate = 256 << 20
)

// sqliteFile is one SQLite database file: one writer, several readers, and a
// connection that only checkpoints, so that no commit has to.
type sqliteFile struct {
	path    string
	writer  chan *sqliteConn // holds the one connection while nobody writes
	readers chan *sqliteConn // those that nobody uses
	dirty   chan struct{}    // told after a commit
	commits atomic.Int64
	failed  atomic.Pointer[error] // of the last checkpoint in the background
}

// openSQLite opens or makes a database file. readers is how many connections
// read at once; 0 is one more than there are processors.
func openSQLite(ctx context.Context, path string, readers int) (*sqliteFile, error) {
	if readers <= 0 {
		readers = runtime.GOMAXPROCS(0) + 1
	}
	w, err := openSQLiteConn(path, 64<<10)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if err := checkSQLiteVersion(w); err != nil {
		return nil, err
	}
	f := &sqliteFile{path: path, writer: make(chan *sqliteConn, 1), readers: make(chan *sqliteConn, readers), dirty: make(chan struct{}, 1)}
	f.writer <- newSQLiteConn(w)
	for range readers {
		c, err := openSQLiteReader(path)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open %s for reading: %w", path, err), f.closeAll(len(f.readers)))
		}
		f.readers <- newSQLiteConn(c)
	}
	return f, ctx.Err()
}

// openSQLiteReader opens a connection that only reads. What is read is pages and
// single rows, so nobody interrupts it: that would cost a goroutine for each use.
func openSQLiteReader(path string) (*sqlite.Conn, error) {
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenWAL)
	if err != nil {
		return nil, err
	}
	return c, pragmas(c, "cache_size=-8192", "query_only=on", "mmap_size=0", "busy_timeout=10000")
}

// openSQLiteConn opens one connection that may write. Options go on each
// connection as it is opened, not on a pool as a whole.
func openSQLiteConn(path string, cacheKiB int) (*sqlite.Conn, error) {
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenWAL)
	if err != nil {
		return nil, err
	}
	if err := pragmas(c, "busy_timeout=10000", "page_size=4096", "journal_mode=wal", "synchronous=full", "wal_autocheckpoint=0",
		"mmap_size=0", "foreign_keys=off", "temp_store=memory", "cache_size=-"+strconv.Itoa(cacheKiB)); err != nil {
		return nil, err
	}
	return c, nil
}

func pragmas(c *sqlite.Conn, settings ...string) error {
	for _, s := range settings {
		if err := sqlitex.ExecuteTransient(c, "PRAGMA "+s, nil); err != nil {
			return fmt.Errorf("PRAGMA %s: %w", s, err)
		}
	}
	return nil
}

func checkSQLiteVersion(c *sqlite.Conn) error {
	var version string
	err := sqlitex.ExecuteTransient(c, "SELECT sqlite_version()", &sqlitex.ExecOptions{
		ResultFunc: func(s *sqlite.Stmt) error { version = s.ColumnText(0); return nil },
	})
	if err != nil {
		return err
	}
	var major, minor, patch int
	if _, err := fmt.Sscanf(version, "%d.%d.%d", &major, &minor, &patch); err != nil {
		return fmt.Errorf("SQLite version %q: %w", version, err)
	}
	if major*1_000_000+minor*1_000+patch < minSQLite {
		return fmt.Errorf("SQLite %s is too old: 3.51.3 or newer is needed", version)
	}
	return nil
}

func (f *sqliteFile) name() string { return "sqlite" }

func (f *sqliteFile) words() map[string]string {
	return map[string]string{"int": "INTEGER", "text": "TEXT", "blob": "BLOB", "bool": "INTEGER", "clustered": "WITHOUT ROWID, STRICT", "table": "STRICT"}
}

func (f *sqliteFile) read(ctx context.Context, fn func(c conn) error) error {
	return f.look(ctx, func(c conn) (err error) {
		if _, err := c.exec("BEGIN"); err != nil {
			return err
		}
		defer func() {
			if _, e := c.exec("ROLLBACK"); e != nil && err == nil {
				err = e
			}
		}()
		return fn(c)
	})
}

func (f *sqliteFile) look(ctx context.Context, fn func(c conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case c := <-f.readers:
		defer func() { f.readers <- c }()
		return fn(c)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *sqliteFile) write(ctx context.Context, fn func(c conn) error) error {
	var c *sqliteConn
	select {
	case c = <-f.writer:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { f.writer <- c }()
	if _, err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	committed := false
	defer func() {
		if !committed && !c.c.AutocommitEnabled() {
			_, _ = c.exec("ROLLBACK") // after an error or a panic of fn; the connection stays usable
		}
	}()
	if err := fn(c); err != nil {
		return err
	}
	if _, err := c.exec("COMMIT"); err != nil {
		return err
	}
	committed = true
	f.commits.Add(1)
	f.markDirty()
	return nil
}

func (f *sqliteFile) markDirty() {
	select {
	case f.dirty <- struct{}{}:
	default:
	}
}

// run checkpoints after commits, on a connection of its own.
func (f *sqliteFile) run(ctx context.Context) error {
	c, err := openSQLiteConn(f.path, 2<<10)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // it only checkpoints
	f.keepShort(ctx, func() error { return f.checkpoint(c) })
	return nil
}

// keepShort checkpoints some time after commits until ctx ends. What fails is
// tried again: the server goes on while the disk is full, and when it is not.
func (f *sqliteFile) keepShort(ctx context.Context, checkpoint func() error) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.dirty:
		}
		timer.Reset(checkpointEvery)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := checkpoint()
		f.failed.Store(&err)
		if err != nil {
			f.markDirty()
		}
	}
}

func (f *sqliteFile) healthy() error {
	if failed := f.failed.Load(); failed != nil && *failed != nil {
		return fmt.Errorf("checkpoint of %s: %w", filepath.Base(f.path), *failed)
	}
	return nil
}

func (f *sqliteFile) checkpoint(c *sqlite.Conn) error {
	mode := "PASSIVE"
	if st, err := os.Stat(f.path + "-wal"); err == nil && st.Size() > checkpointTruncate {
		mode = "TRUNCATE"
	}
	err := sqlitex.ExecuteTransient(c, "PRAGMA wal_checkpoint("+mode+")", nil)
	if code := sqlite.ErrCode(err).ToPrimary(); code == sqlite.ResultBusy || code == sqlite.ResultLocked {
		return nil // readers hold the old end; the next round gets it
	}
	return err
}

func (f *sqliteFile) close() error {
	w := <-f.writer
	err := sqlitex.ExecuteTransient(w.c, "PRAGMA wal_checkpoint(TRUNCATE)", nil)
	f.writer <- w
	return errors.Join(f.closeAll(cap(f.readers)), err)
}

// closeAll closes the writer and so many readers, and waits for those in use.
func (f *sqliteFile) closeAll(readers int) (err error) {
	for range readers {
		err = errors.Join(err, (<-f.readers).c.Close())
	}
	return errors.Join(err, (<-f.writer).c.Close())
}

// dir is where the file lies.
func (f *sqliteFile) dir() string { return filepath.Dir(f.path) }

// sqliteConn is a conn over one connection, used by one goroutine at a time.
type sqliteConn struct {
	c        *sqlite.Conn
	prepared map[string]statement
	inserts  map[insertKey]*sqlite.Stmt
}

func newSQLiteConn(c *sqlite.Conn) *sqliteConn {
	return &sqliteConn{c, make(map[string]statement), make(map[insertKey]*sqlite.Stmt)}
}

// insertKey tells the statements of insertMany apart: no two inserts of this
// package into a table have as many columns and are not the same.
type insertKey struct {
	table    string
	columns  int
	conflict string
	rows     int
}

// statement is a prepared statement and, for each of its parameters, the number
// of the argument that it takes, counted from 0.
type statement struct {
	*sqlite.Stmt
	args []int
}

func (s *sqliteConn) forUpdate() string { return "" }

// prepare gives the statement from the connection's own cache. sqlite.Conn has
// one as well, but resets the statement and clears its bindings at each use.
// Here every use ends with a reset, and all parameters are bound each time.
func (s *sqliteConn) prepare(sql string) (statement, error) {
	if st, ok := s.prepared[sql]; ok {
		return st, nil
	}
	stmt, err := s.c.Prepare(steady(sql))
	if err != nil {
		return statement{}, fmt.Errorf("prepare %q: %w", sql, err)
	}
	st := statement{stmt, make([]int, stmt.BindParamCount())}
	for i := range st.args {
		n, err := strconv.Atoi(strings.TrimPrefix(stmt.BindParamName(i+1), "$"))
		if err != nil || n < 1 {
			return statement{}, fmt.Errorf("store: parameter %q of %q is not a number", stmt.BindParamName(i+1), sql)
		}
		st.args[i] = n - 1
	}
	s.prepared[sql] = st
	return st, nil
}

// bind prepares and binds $1, $2, ... by number, wherever and however often they
// stand in the text.
func (s *sqliteConn) bind(sql string, args []any) (*sqlite.Stmt, error) {
	st, err := s.prepare(sql)
	if err != nil {
		return nil, err
	}
	for i, n := range st.args {
		if n >= len(args) {
			return nil, fmt.Errorf("store: parameter $%d of %q has no argument", n+1, sql)
		}
		bindSQLite(st.Stmt, i+1, args[n])
	}
	return st.Stmt, nil
}

// steady puts a unary plus, which changes no value, in front of every parameter.
// The planner looks at the values of bare parameters (of LIMIT, and of
// comparisons that an index does not serve), and then makes a new plan whenever
// another value is bound: 50 to 150 us instead of 2. The switch against it,
// SQLITE_DBCONFIG_ENABLE_QPSG, is not within reach of the driver's interface.
func steady(sql string) string { return strings.ReplaceAll(sql, "$", "+$") }

func bindSQLite(stmt *sqlite.Stmt, i int, v any) {
	switch x := plain(v).(type) {
	case nil:
		stmt.BindNull(i)
	case int64:
		stmt.BindInt64(i, x)
	case string:
		stmt.BindText(i, x)
	case []byte:
		if x == nil {
			x = []byte{}
		}
		stmt.BindBytes(i, x)
	case bool:
		stmt.BindBool(i, x)
	}
}

func (s *sqliteConn) exec(sql string, args ...any) (int64, error) {
	stmt, err := s.bind(sql, args)
	if err != nil {
		return 0, err
	}
	for {
		more, err := stmt.Step()
		if err != nil {
			_ = stmt.Reset()
			return 0, sqliteError(err)
		}
		if !more {
			break
		}
	}
	if err := stmt.Reset(); err != nil {
		return 0, sqliteError(err)
	}
	return int64(s.c.Changes()), nil
}

func (s *sqliteConn) query(sql string, args []any, scan func(r row) error) error {
	stmt, err := s.bind(sql, args)
	if err != nil {
		return err
	}
	defer func() { _ = stmt.Reset() }() // a Step that failed has told its error
	r := sqliteRow{stmt}
	for {
		more, err := stmt.Step()
		if err != nil {
			return sqliteError(err)
		}
		if !more {
			return nil
		}
		if err := scan(r); err != nil {
			return err
		}
	}
}

// insertMany runs INSERTs of 256, 64, 16, 4 and 1 rows, so that a connection
// keeps at most five prepared statements for each insert.
func (s *sqliteConn) insertMany(in insert, n int, value func(row, col int) any) (int64, error) {
	var changed int64
	for at, size := 0, 256; at < n; {
		for size > n-at {
			size /= 4
		}
		stmt, err := s.prepareInsert(in, size)
		if err != nil {
			return changed, err
		}
		for col := range in.fixed {
			bindSQLite(stmt, col+1, value(at, col))
		}
		next := in.fixed
		for r := range size {
			for col := in.fixed; col < len(in.columns); col++ {
				next++
				bindSQLite(stmt, next, value(at+r, col))
			}
		}
		if _, err := stmt.Step(); err != nil {
			return changed, sqliteError(err)
		}
		if err := stmt.Reset(); err != nil {
			return changed, sqliteError(err)
		}
		changed += int64(s.c.Changes())
		if at += size; size == 256 {
			// A large page would keep its processor for a whole time slice, and
			// senders need several turns until they have their answer.
			runtime.Gosched()
		}
	}
	return changed, nil
}

// prepareInsert gives the INSERT of so many rows from the connection's cache.
func (s *sqliteConn) prepareInsert(in insert, rows int) (*sqlite.Stmt, error) {
	key := insertKey{in.table, len(in.columns), in.conflict, rows}
	if stmt, ok := s.inserts[key]; ok {
		return stmt, nil
	}
	stmt, err := s.c.Prepare(in.sqliteText(rows))
	if err != nil {
		return nil, fmt.Errorf("prepare insert into %s: %w", in.table, err)
	}
	s.inserts[key] = stmt
	return stmt, nil
}

// sqliteText is the INSERT of so many rows.
func (in insert) sqliteText(rows int) string {
	var b strings.Builder
	b.WriteString("INSERT INTO ")
	b.WriteString(in.table)
	b.WriteString(" (")
	for i, col := range in.columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(col.name)
	}
	b.WriteString(") VALUES ")
	next := in.fixed
	for r := range rows {
		for col := range in.columns {
			at := col
			if col >= in.fixed {
				at, next = next, next+1
			}
			switch {
			case col > 0:
				b.WriteString(",?")
			case r > 0:
				b.WriteString("),(?")
			default:
				b.WriteString("(?")
			}
			b.WriteString(strconv.Itoa(at + 1))
		}
	}
	b.WriteByte(')')
	if in.conflict != "" {
		b.WriteString(" ON CONFLICT ")
		b.WriteString(in.conflict)
	}
	return b.String()
}

func sqliteError(err error) error {
	code := sqlite.ErrCode(err)
	if code == sqlite.ResultConstraintPrimaryKey || code == sqlite.ResultConstraintUnique || code == sqlite.ResultConstraintRowID {
		return fmt.Errorf("%w: %w", errConflict, err)
	}
	return err
}

// sqliteRow is the row that a statement stands on.
type sqliteRow struct{ s *sqlite.Stmt }

func (r sqliteRow) Int(col int) int64   { return r.s.ColumnInt64(col) }
func (r sqliteRow) Text(col int) string { return r.s.ColumnText(col) }
func (r sqliteRow) Bool(col int) bool   { return r.s.ColumnInt64(col) != 0 }
func (r sqliteRow) Null(col int) bool   { return r.s.ColumnType(col) == sqlite.TypeNull }
func (r sqliteRow) Blob(col int) []byte {
	b := make([]byte, r.s.ColumnLen(col))
	r.s.ColumnBytes(col, b)
	return b
}
