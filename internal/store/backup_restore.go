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
)

// restoreDir is where a restore unpacks. While it exists the data directory is
// not complete, and Open refuses it.
const restoreDir = "restore.tmp"

// maxManifest bounds the manifest in bytes.
const maxManifest = 1 << 20

// Restore unpacks a backup that Store.Backup wrote into dir, which must be empty
// or missing, and checks it before it puts anything into its place. When it is
// interrupted Open refuses the directory, and another Restore begins again.
func Restore(ctx context.Context, r io.Reader, dir string) error {
	temp := filepath.Join(dir, restoreDir)
	if err := claimDir(dir, temp); err != nil {
		return err
	}
	m, err := unpack(ctx, r, temp)
	if err == nil {
		err = m.verify(temp)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(temp)) // nothing has been put into its place
	}
	for _, file := range m.Files {
		if err := os.Rename(filepath.Join(temp, file.Name), filepath.Join(dir, file.Name)); err != nil {
			return err
		}
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	if err := os.RemoveAll(temp); err != nil {
		return err
	}
	return syncDir(dir)
}

// claimDir makes the directories, clears away an interrupted restore, and refuses
// a directory with anything else in it.
func claimDir(dir, temp string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if _, err := os.Stat(temp); err == nil { // then whatever the backup's names have is an earlier restore's
		for _, name := range []string{coreFile, logFile} {
			if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if err := os.RemoveAll(temp); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty (there is %q): restore into a new directory", dir, entries[0].Name())
	}
	if err := os.Mkdir(temp, 0o700); err != nil {
		return err
	}
	return syncDir(dir)
}

// unpack writes the files that the manifest lists, in its order, durably.
func unpack(ctx context.Context, r io.Reader, dir string) (m manifest, err error) {
	in := tar.NewReader(untilDone{ctx, r})
	header, err := in.Next()
	if err != nil {
		return m, fmt.Errorf("this is not a backup of muster: %w", err)
	}
	if header.Name != backupManifest || header.Size > maxManifest {
		return m, fmt.Errorf("this is not a backup of muster: it begins with %q", header.Name)
	}
	if err := json.NewDecoder(in).Decode(&m); err != nil {
		return m, fmt.Errorf("%s: %w", backupManifest, err)
	}
	if err := m.check(); err != nil {
		return m, err
	}
	for _, file := range m.Files {
		header, err := in.Next()
		if err != nil {
			return m, fmt.Errorf("the backup is cut off before %s: %w", file.Name, err)
		}
		if header.Name != file.Name || header.Size != file.Bytes {
			return m, fmt.Errorf("the backup has %q with %d bytes where %s with %d should be", header.Name, header.Size, file.Name, file.Bytes)
		}
		if err := unpackFile(in, filepath.Join(dir, file.Name), file); err != nil {
			return m, err
		}
	}
	return m, nil
}

// check refuses a manifest that this program cannot follow.
func (m manifest) check() error {
	if m.Format != backupFormat || m.Backend != "sqlite" {
		return fmt.Errorf("the backup has format %d of %q, this program knows %d of \"sqlite\"", m.Format, m.Backend, backupFormat)
	}
	known, err := newestSchemas()
	if err != nil {
		return err
	}
	for schema, number := range m.Schemas {
		if number > known[schema] {
			return fmt.Errorf("the backup has version %d of %s, this program knows %d: use a newer muster", number, schema, known[schema])
		}
	}
	// The names are ours, so none leads out of the directory.
	if len(m.Files) != 2 || m.Files[0].Name != coreFile || m.Files[1].Name != logFile {
		return fmt.Errorf("the backup does not hold %s and %s", coreFile, logFile)
	}
	return nil
}

func unpackFile(r io.Reader, path string, want backupFile) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, sum), r); err != nil {
		return fmt.Errorf("unpack %s: %w", want.Name, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want.SHA256 {
		return fmt.Errorf("%s is damaged: its SHA-256 is %s, the manifest says %s", want.Name, got, want.SHA256)
	}
	return f.Sync()
}

// verify checks the databases themselves.
func (m manifest) verify(dir string) error {
	for _, file := range m.Files {
		if err := checkIntegrity(filepath.Join(dir, file.Name)); err != nil {
			return fmt.Errorf("%s: %w", file.Name, err)
		}
	}
	return nil
}

// checkIntegrity runs SQLite's own check over a whole database.
func checkIntegrity(path string) (err error) {
	c, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return newSQLiteConn(c).query("PRAGMA integrity_check", nil, func(r row) error {
		if text := r.Text(0); text != "ok" {
			return fmt.Errorf("the integrity check found: %s", text)
		}
		return nil
	})
}

// syncDir makes the creation, renaming and removal of files in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
