package journal

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// faultDisk is a real directory in which operations fail by name.
type faultDisk struct {
	disk
	mu    sync.Mutex
	fail  func(op, name string) error // nil: nothing fails
	names map[*faultFile]string       // of open files
}

func (d *faultDisk) inject(fail func(op, name string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = fail
}

func (d *faultDisk) check(op, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail == nil {
		return nil
	}
	return d.fail(op, name)
}

func (d *faultDisk) wrap(f file, err error, name string) (file, error) {
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	out := &faultFile{file: f, disk: d}
	d.names[out] = name
	return out, nil
}

func (d *faultDisk) create(name string) (file, error) {
	if err := d.check("create", name); err != nil {
		return nil, err
	}
	f, err := d.disk.create(name)
	return d.wrap(f, err, name)
}

func (d *faultDisk) open(name string) (file, error) {
	if err := d.check("open", name); err != nil {
		return nil, err
	}
	f, err := d.disk.open(name)
	return d.wrap(f, err, name)
}

func (d *faultDisk) rename(from, to string) error {
	if err := d.check("rename", from); err != nil {
		return err
	}
	if err := d.disk.rename(from, to); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for f, name := range d.names {
		if name == from {
			d.names[f] = to
		}
	}
	return nil
}

func (d *faultDisk) sync() error {
	if err := d.check("syncdir", ""); err != nil {
		return err
	}
	return d.disk.sync()
}

type faultFile struct {
	file
	disk *faultDisk
}

func (f *faultFile) check(op string) error {
	f.disk.mu.Lock()
	name := f.disk.names[f]
	f.disk.mu.Unlock()
	return f.disk.check(op, name)
}

func (f *faultFile) Close() error {
	f.disk.mu.Lock()
	delete(f.disk.names, f)
	f.disk.mu.Unlock()
	return f.file.Close()
}

func (f *faultFile) ReadAt(b []byte, off int64) (int, error) {
	if err := f.check("read"); err != nil {
		return 0, err
	}
	return f.file.ReadAt(b, off)
}

// WriteAt that fails has written the first half.
func (f *faultFile) WriteAt(b []byte, off int64) (int, error) {
	if err := f.check("write"); err != nil {
		n, _ := f.file.WriteAt(b[:len(b)/2], off)
		return n, err
	}
	return f.file.WriteAt(b, off)
}

func (f *faultFile) Allocate(size int64) error {
	if err := f.check("allocate"); err != nil {
		return err
	}
	return f.file.Allocate(size)
}

func (f *faultFile) Sync() error {
	if err := f.check("sync"); err != nil {
		return err
	}
	return f.file.Sync()
}

// openFaulty opens the journal in dir so that operations can be made to fail.
func openFaulty(t *testing.T, dir string) (*Journal, *faultDisk) {
	t.Helper()
	under, err := openDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	opt, err := Options{Dir: dir, SegmentBytes: minSegmentBytes}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	d := &faultDisk{disk: under, names: map[*faultFile]string{}}
	j, err := open(d, opt, func(Position, []byte) error { return nil })
	if err != nil {
		t.Fatal(errors.Join(err, d.close()))
	}
	t.Cleanup(func() { mustClose(t, j) })
	return j, d
}

// failing returns a fault of one operation; the disk tells a spare from a segment by the end of the name.
func failing(op, suffix string, err error) func(string, string) error {
	return func(o, name string) error {
		if o == op && strings.HasSuffix(name, suffix) {
			return err
		}
		return nil
	}
}

// The faults in these tests strike the append of `record` that has to begin a new segment, or the one before it.
var record = strings.Repeat("r", 20000)

func TestPoisoned(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		op, suffix string
		appends    int // that succeed before; three fit into a segment
	}{
		{"write", segmentSuffix, 1},
		{"sync", segmentSuffix, 1},
		{"write", spareSuffix, 3},
		{"sync", spareSuffix, 3},
		{"rename", spareSuffix, 3},
		{"syncdir", "", 3},
	} {
		t.Run(tt.op+tt.suffix, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			j, d := openFaulty(t, dir)
			var want []entry
			for range tt.appends {
				want = append(want, entry{mustAppend(t, j, record), record})
			}
			d.inject(failing(tt.op, tt.suffix, unix.EIO))
			_, err := j.Append([][]byte{[]byte(record)})
			if !errors.Is(err, ErrPoisoned) || !errors.Is(err, unix.EIO) {
				t.Fatalf("append: %v", err)
			}
			d.inject(nil) // the disk seems to be well again
			if _, err := j.Append([][]byte{{1}}); !errors.Is(err, ErrPoisoned) || !errors.Is(err, unix.EIO) {
				t.Errorf("the append after it: %v", err)
			}
			if err := j.Release(1); !errors.Is(err, ErrPoisoned) {
				t.Errorf("release: %v", err)
			}
			if err := j.Err(); !errors.Is(err, ErrPoisoned) {
				t.Errorf("Err: %v", err)
			}
			if s := j.Stats(); s.Last != want[len(want)-1].pos {
				t.Errorf("stats %+v", s)
			}
			mustClose(t, j)
			_, got := reopen(t, Options{Dir: dir})
			if tt.op == "sync" && tt.suffix == segmentSuffix {
				want = append(want, entry{want[len(want)-1].pos + 1, record}) // the outcome is open: here it was written
			}
			if !slices.Equal(got, want) {
				t.Errorf("replayed %d records, want %d", len(got), len(want))
			}
		})
	}
}

// TestLackOfRoom: a disk that is full, or a process without file descriptors, refuses appends only for as long as that
// lasts.
func TestLackOfRoom(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		op, suffix string
		cause      error
	}{
		{"allocate", temporarySuffix, unix.ENOSPC},
		{"write", temporarySuffix, unix.EDQUOT},
		{"sync", temporarySuffix, unix.ENOSPC},
		{"create", temporarySuffix, unix.EMFILE},
		{"open", spareSuffix, unix.ENFILE},
		{"write", spareSuffix, unix.ENOSPC},
	} {
		t.Run(tt.op+tt.suffix, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			j, d := openFaulty(t, dir)
			d.inject(failing(tt.op, tt.suffix, tt.cause))
			var want []entry
			for range 3 {
				want = append(want, entry{mustAppend(t, j, record), record})
			}
			for range 3 {
				if _, err := j.Append([][]byte{[]byte(record)}); !errors.Is(err, tt.cause) || errors.Is(err, ErrPoisoned) {
					t.Fatalf("append: %v", err)
				}
			}
			want = append(want, entry{mustAppend(t, j, "small"), "small"}) // there is room for it
			d.inject(nil)
			want = append(want, entry{mustAppend(t, j, record), record})
			if s := j.Stats(); s.Segments != 2 || s.Last != 5 {
				t.Errorf("stats %+v", s)
			}
			mustClose(t, j)
			if _, got := reopen(t, Options{Dir: dir}); !slices.Equal(got, want) {
				t.Errorf("replayed %d records, want %d", len(got), len(want))
			}
			if files := take(t, dir); len(files) > 2+defaultSpares {
				t.Errorf("%d files were left", len(files))
			}
		})
	}
}

func TestReleaseFaults(t *testing.T) {
	t.Parallel()
	j, d := openFaulty(t, t.TempDir())
	for range 3 {
		fill(t, j, record)
	}
	last := j.Stats().Last
	d.inject(failing("rename", segmentSuffix, unix.EACCES))
	if err := j.Release(last); !errors.Is(err, unix.EACCES) || errors.Is(err, ErrPoisoned) {
		t.Errorf("release: %v", err)
	}
	d.inject(nil)
	mustAppend(t, j, "goes on")
	if err := j.Release(last); err != nil || j.Stats().Segments != 1 {
		t.Errorf("the release after it: %v, %+v", err, j.Stats())
	}
	last = fill(t, j, record)
	d.inject(failing("syncdir", "", unix.EIO))
	if err := j.Release(last); !errors.Is(err, ErrPoisoned) {
		t.Errorf("release whose directory cannot be synced: %v", err)
	}
}

// TestUnreadable: a read error is neither a torn tail nor corruption.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, d := openFaulty(t, dir)
	mustAppend(t, j, "a")
	mustClose(t, j)
	before := take(t, dir)
	d.inject(failing("read", segmentSuffix, unix.EIO))
	_, err := open(d, j.opt, nil)
	if _, corrupt := errors.AsType[*CorruptionError](err); !errors.Is(err, unix.EIO) || corrupt {
		t.Errorf("open: %v", err)
	}
	if after := take(t, dir); string(after[segmentName(1)]) != string(before[segmentName(1)]) || len(after) != len(before) {
		t.Error("the files were changed")
	}
}
