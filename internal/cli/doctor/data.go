package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"muster/internal/journal"
)

// The free room on the disk below which it is time to act, and below which a
// server cannot work.
const (
	lowDisk = 2 << 30
	noDisk  = 128 << 20
)

// directory looks at the data directory.
func (x *examination) directory(context.Context) []Result {
	const check = "data directory"
	dir := x.Config.Server.Data
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		parent := existing(dir)
		if err := unix.Access(parent, unix.W_OK|unix.X_OK); err != nil {
			return []Result{fail(check, "make it yourself and give it to the user that runs the server", "%s is not there and cannot be made in %s: %v", dir, parent, err)}
		}
		return []Result{ok(check, "%s will be made at the first start", dir)}
	case err != nil:
		return []Result{fail(check, "make it readable for the user that runs the server", "%v", err)}
	case !info.IsDir():
		return []Result{fail(check, "name another with --data", "%s is no directory", dir)}
	}
	if err := unix.Access(dir, unix.R_OK|unix.W_OK|unix.X_OK); err != nil {
		return []Result{fail(check, "chown it to the user that runs the server", "%s cannot be written: %v", dir, err)}
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return []Result{warn(check, "chmod 700 "+dir, "%s can be read by other users (%s): it holds messages and sessions", dir, mode)}
	}
	return []Result{ok(check, "%s", dir)}
}

// existing is the path or the first of its parents that is there.
func existing(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	for {
		if _, err := os.Stat(abs); err == nil || abs == filepath.Dir(abs) {
			return abs
		}
		abs = filepath.Dir(abs)
	}
}

// remoteFS are file systems on which locks and fsync do not promise what a
// database needs, and volatileFS those that forget, by their magic numbers in
// statfs(2).
var (
	remoteFS   = map[int64]string{0x6969: "NFS", 0xff534d42: "CIFS", 0xfe534d42: "SMB2", 0x01021997: "9P", 0x65735546: "FUSE"}
	volatileFS = map[int64]string{0x01021994: "tmpfs", 0x858458f6: "ramfs"}
)

// disk looks at the disk below the data directory.
func (x *examination) disk(context.Context) []Result {
	const check = "disk"
	dir := existing(x.Config.Server.Data)
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return []Result{warn(check, "", "cannot be asked: %v", err)}
	}
	free := int64(s.Bavail) * s.Bsize //nolint:gosec // a disk is smaller
	detail := fmt.Sprintf("%.1f GiB free", float64(free)/(1<<30))
	kind := int64(s.Type) & 0xffffffff //nolint:unconvert // as above
	switch {
	case free < noDisk:
		return []Result{fail(check, "make room: without it nothing is acknowledged any more", "%s", detail)}
	case remoteFS[kind] != "" && x.Config.Database.SQLite():
		return []Result{warn(check, "put the data directory on a local disk: SQLite and the journal need working locks and fsync", "%s, on %s", detail, remoteFS[kind])}
	case volatileFS[kind] != "":
		return []Result{warn(check, "put the data directory on a real disk unless this is a trial", "%s, on %s: a restart of the machine loses everything", detail, volatileFS[kind])}
	case free < lowDisk:
		return []Result{warn(check, "make room before it is full: then nothing is acknowledged any more", "%s", detail)}
	}
	return []Result{ok(check, "%s", detail)}
}

// minSQLite is the first version without a bug that could corrupt a database
// when its write-ahead log was reset.
const minSQLite = "3.51.3"

// sqlite looks at the embedded database.
func (x *examination) sqlite(ctx context.Context) []Result {
	const check = "SQLite"
	if !x.Config.Database.SQLite() {
		return nil
	}
	var results []Result
	version, err := sqliteVersion()
	switch {
	case err != nil:
		return []Result{fail(check, "", "%v", err)}
	case olderThan(version, minSQLite):
		results = append(results, fail(check, "use a newer muster", "version %s can corrupt a database; %s is needed", version, minSQLite))
	default:
		results = append(results, ok(check, "version %s", version))
	}
	for _, name := range []string{"core.db", "log.db"} {
		path := filepath.Join(x.Config.Server.Data, name)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		results = append(results, x.quickCheck(ctx, name, path))
	}
	return results
}

// sqliteVersion asks the library.
func sqliteVersion() (version string, err error) {
	c, err := sqlite.OpenConn(":memory:", sqlite.OpenReadWrite)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	err = sqlitex.ExecuteTransient(c, "SELECT sqlite_version()", &sqlitex.ExecOptions{
		ResultFunc: func(s *sqlite.Stmt) error { version = s.ColumnText(0); return nil },
	})
	return version, err
}

// olderThan compares versions of three numbers.
func olderThan(version, than string) bool {
	number := func(s string) int {
		var major, minor, patch int
		_, _ = fmt.Sscanf(s, "%d.%d.%d", &major, &minor, &patch) // what cannot be read is old
		return major*1_000_000 + minor*1_000 + patch
	}
	return number(version) < number(than)
}

// quickCheck looks through a database file without changing it.
func (x *examination) quickCheck(ctx context.Context, name, path string) Result {
	const advice = "stop the server, copy the whole data directory, then restore the last backup"
	ctx, cancel := context.WithTimeout(ctx, x.Patience)
	defer cancel()
	flags := sqlite.OpenReadOnly
	c, err := sqlite.OpenConn(path, flags)
	if err != nil {
		return fail(name, advice, "cannot be opened: %v", err)
	}
	defer func() { _ = c.Close() }() // it was only read
	c.SetInterrupt(ctx.Done())
	var problems []string
	err = sqlitex.ExecuteTransient(c, "PRAGMA quick_check(5)", &sqlitex.ExecOptions{
		ResultFunc: func(s *sqlite.Stmt) error { problems = append(problems, s.ColumnText(0)); return nil },
	})
	switch {
	case ctx.Err() != nil:
		return warn(name, "give it longer with --patience", "is too large to be checked in %s", x.Patience)
	case err != nil:
		return fail(name, advice, "cannot be read: %v", err)
	case len(problems) != 1 || problems[0] != "ok":
		return fail(name, advice, "is damaged: %s", strings.Join(problems, "; "))
	}
	return ok(name, "whole (quick_check)")
}

// journal looks at the journal before the message log.
func (x *examination) journal(context.Context) []Result {
	const check = "journal"
	if !x.Config.Database.SQLite() {
		return nil
	}
	if x.Running != nil {
		return []Result{skip(check, "in use by the running server")}
	}
	s, err := journal.Verify(filepath.Join(x.Config.Server.Data, "journal"))
	damaged, isDamage := errors.AsType[*journal.CorruptionError](err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []Result{skip(check, "there is none yet")}
	case errors.Is(err, journal.ErrLocked):
		return []Result{warn(check, "is a server starting or stopping? Try again", "%v", err)}
	case isDamage:
		return []Result{fail(check, "copy the whole data directory before anything else, then restore the last backup", "%v", damaged)}
	case err != nil:
		return []Result{fail(check, "", "%v", err)}
	case s.TornBytes > 0:
		return []Result{ok(check, "whole; a message that was being written at the end is not there, and was not acknowledged")}
	}
	return []Result{ok(check, "whole: %d segments, %.0f MiB", s.Segments, float64(s.Bytes)/(1<<20))}
}
