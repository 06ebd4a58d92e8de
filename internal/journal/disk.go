package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// disk is the directory of a journal, as narrow as the journal needs it, so that tests can fail or cut off each
// operation by name.
type disk interface {
	path(name string) string
	list() ([]dirEntry, error)
	create(name string) (file, error)
	open(name string) (file, error)
	rename(from, to string) error
	remove(name string) error
	// sync makes every earlier create, rename and remove durable.
	sync() error
	// close gives the lock up.
	close() error
}

type dirEntry struct {
	name string
	size int64
}

type file interface {
	io.ReaderAt
	io.WriterAt
	Size() (int64, error)
	// Allocate reserves blocks up to size where the file system can, so that a full disk shows before the first write.
	Allocate(size int64) error
	// Sync makes the content and the size durable, and no other metadata where that can be left out.
	Sync() error
	Close() error
}

const lockName = "lock"

// osDisk is a directory of the operating system, locked for as long as it is open.
type osDisk struct {
	dir  string
	lock *os.File
}

// openDisk makes the directory if need be, durably, and takes its lock.
func openDisk(dir string) (*osDisk, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = makeDirectory(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := flock(lock); err != nil {
		holder := make([]byte, 32)
		n, _ := lock.ReadAt(holder, 0)
		_ = lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s is open in the process %q: stop that one first", ErrLocked, dir, strings.TrimSpace(string(holder[:n])))
		}
		return nil, fmt.Errorf("journal: lock %s: %w", dir, err)
	}
	// The number is for the reader of the error above only; the lock itself ends with the process.
	if err := lock.Truncate(0); err == nil {
		_, _ = fmt.Fprintf(lock, "%d\n", os.Getpid())
	}
	return &osDisk{dir: dir, lock: lock}, nil
}

func flock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// makeDirectory is MkdirAll whose every new entry is synced in its parent.
func makeDirectory(dir string) error {
	switch info, err := os.Stat(dir); {
	case err == nil && !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(dir)
	if err := makeDirectory(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDirectory(parent)
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (d *osDisk) path(name string) string { return filepath.Join(d.dir, name) }

func (d *osDisk) list() ([]dirEntry, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, err
	}
	var out []dirEntry
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		if info.Mode().IsRegular() {
			out = append(out, dirEntry{name: e.Name(), size: info.Size()})
		}
	}
	return out, nil
}

func (d *osDisk) create(name string) (file, error) {
	return openFile(d.path(name), os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

func (d *osDisk) open(name string) (file, error) { return openFile(d.path(name), os.O_RDWR) }

func (d *osDisk) rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }

func (d *osDisk) remove(name string) error { return os.Remove(d.path(name)) }

func (d *osDisk) sync() error { return syncDirectory(d.dir) }

// close unlocks by name: a child process that is being started may hold a copy of the descriptor for a moment.
func (d *osDisk) close() error {
	return errors.Join(unix.Flock(int(d.lock.Fd()), unix.LOCK_UN), d.lock.Close())
}

// osFile is a file of the operating system. Measured: pwrite and fdatasync cost the same as pwrite with O_DSYNC, within
// the noise.
type osFile struct{ *os.File }

func openFile(path string, flags int) (file, error) {
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
