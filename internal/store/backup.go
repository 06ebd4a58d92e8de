package store

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"

	"muster"
)

// A backup is a tar: manifest.json, then the files that it lists, in that order.
const (
	backupFormat   = 1
	backupManifest = "manifest.json"
	// backupTemp is the pattern of the copies' names; what a crash leaves of
	// them is removed when the store is opened.
	backupTemp = "backup-*.tmp"
	coreFile   = "core.db"
)

// backupStepPages is how many pages are copied before ctx is looked at.
const backupStepPages = 2048

// manifest says what a backup holds.
type manifest struct {
	Format  int    `json:"format"`
	Backend string `json:"backend"`
	// CreatedMillis is when the backup began, in milliseconds since 1970.
	CreatedMillis int64 `json:"created_ms"`
	// Schemas are the numbers of the schemas, by their names.
	Schemas map[string]int `json:"schemas"`
	Files   []backupFile   `json:"files"`
}

type backupFile struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Backup writes a copy of an SQLite store to w, while the store is in use. It
// holds everything that was acknowledged before the call, and perhaps more.
//
// core.db is copied before log.db, so the log is the newer of the two: read
// positions and the seqs at which people joined are never ahead of it. What the
// log has more is harmless: messages of people whose joining is not in the copy,
// which nobody but the group's members can see, and notes of the server, which
// are recognised by their ids when the work that they tell of is done again.
//
// A store on PostgreSQL is backed up by PostgreSQL's own means:
// failed_precondition "backup_by_postgres".
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	core, ok := s.db.(*sqliteFile)
	if !ok {
		return muster.Conflict("backup_by_postgres", "this server keeps its data in PostgreSQL; back that up with: "+
			`pg_dump --format=custom --file=muster.dump "$MUSTER_DATABASE_URL" (and restore it with pg_restore)`)
	}
	log := s.log.(*sqliteLog) //nolint:errcheck,forcetypeassert // openLog gives an SQLite store no other
	m := manifest{Format: backupFormat, Backend: s.Backend(), CreatedMillis: s.now()}
	var err error
	if m.Schemas, err = newestSchemas(); err != nil {
		return err
	}
	var copies []string
	defer func() {
		for _, path := range copies {
			_ = os.Remove(path) // the next open does it otherwise
		}
	}()
	take := func(f *sqliteFile, name string) error {
		path, err := f.copyTo(ctx, f.dir())
		if path != "" {
			copies = append(copies, path)
		}
		if err != nil {
			return fmt.Errorf("copy %s: %w", name, err)
		}
		file, err := describe(path, name)
		m.Files = append(m.Files, file)
		return err
	}
	if err := take(core, coreFile); err != nil {
		return err
	}
	// What was acknowledged before the call moves from the journal to log.db.
	if err := log.flush(ctx); err != nil {
		return err
	}
	if err := take(log.db, logFile); err != nil {
		return err
	}
	return writeBackup(ctx, w, m, copies)
}

// newestSchemas are the schemas of an SQLite store that this program knows.
func newestSchemas() (map[string]int, error) {
	numbers := make(map[string]int)
	for _, schema := range []string{coreSchema, sqliteLogSchema} {
		ms, err := migrations(schema)
		if err != nil {
			return nil, err
		}
		numbers[schema] = len(ms)
	}
	return numbers, nil
}

// copyTo copies the database, as it is at one moment, into a new temporary file
// of dir. Writers go on meanwhile. The path is returned also with an error, when
// there is a file to remove.
func (f *sqliteFile) copyTo(ctx context.Context, dir string) (path string, err error) {
	temp, err := os.CreateTemp(dir, backupTemp)
	if err != nil {
		return "", err
	}
	path = temp.Name()
	if err := temp.Close(); err != nil {
		return path, err
	}
	src, err := sqlite.OpenConn(f.path, sqlite.OpenReadWrite|sqlite.OpenWAL)
	if err != nil {
		return path, err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	if err := pragmas(src, "query_only=on", "busy_timeout=10000", "cache_size=-2048"); err != nil {
		return path, err
	}
	dst, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return path, err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	// The copy is worthless until all of it is there, so it needs no journal.
	if err := pragmas(dst, "journal_mode=off", "synchronous=off"); err != nil {
		return path, err
	}
	sc := newSQLiteConn(src)
	if _, err := sc.exec("BEGIN"); err != nil {
		return path, err
	}
	// The first read takes the snapshot, which all steps then see.
	if _, err := oneInt(sc, "SELECT count(*) FROM sqlite_schema"); err != nil {
		return path, err
	}
	b, err := sqlite.NewBackup(dst, "", src, "")
	if err != nil {
		return path, err
	}
	for more := true; more && err == nil; {
		if err = ctx.Err(); err == nil {
			more, err = b.Step(backupStepPages)
		}
	}
	err = errors.Join(err, b.Close())
	_, e := sc.exec("ROLLBACK")
	return path, errors.Join(err, e)
}

// describe makes the manifest's entry of a file.
func describe(path, name string) (file backupFile, err error) {
	f, err := os.Open(path)
	if err != nil {
		return backupFile{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	return backupFile{Name: name, Bytes: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, err
}

// writeBackup writes the tar; paths are those of m.Files.
func writeBackup(ctx context.Context, w io.Writer, m manifest, paths []string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	out := tar.NewWriter(w)
	at := muster.FromMillis(m.CreatedMillis)
	if err := out.WriteHeader(&tar.Header{Name: backupManifest, Mode: 0o600, Size: int64(len(text)), ModTime: at}); err != nil {
		return err
	}
	if _, err := out.Write(text); err != nil {
		return err
	}
	for i, file := range m.Files {
		if err := out.WriteHeader(&tar.Header{Name: file.Name, Mode: 0o600, Size: file.Bytes, ModTime: at}); err != nil {
			return err
		}
		if err := copyFile(ctx, out, paths[i]); err != nil {
			return err
		}
	}
	return out.Close()
}

func copyFile(ctx context.Context, w io.Writer, path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.Copy(w, untilDone{ctx, f})
	return err
}

// untilDone is a reader that ends with its context.
type untilDone struct {
	ctx context.Context //nolint:containedctx // lives as long as one copy
	r   io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// prepareDir makes the data directory, removes what a crash left of a backup,
// and refuses a directory in which a restore was interrupted.
func prepareDir(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, restoreDir)); err == nil {
		return fmt.Errorf("a restore into %s did not finish: run it again, or remove everything there", dir)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	left, err := filepath.Glob(filepath.Join(dir, backupTemp))
	if err != nil {
		return err
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}
