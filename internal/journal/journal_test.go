package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if runChild() {
		return
	}
	goleak.VerifyTestMain(m)
}

// reopen opens the journal in dir with small segments and returns what it replayed. It is closed at the end of the test
// if not before.
func reopen(t *testing.T, opt Options) (*Journal, []entry) {
	t.Helper()
	var got []entry
	if opt.SegmentBytes == 0 {
		opt.SegmentBytes = minSegmentBytes
	}
	j, err := Open(opt, func(pos Position, b []byte) error {
		got = append(got, entry{pos, string(b)})
		return nil
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return j, got
}

func mustClose(t *testing.T, j *Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

func mustAppend(t *testing.T, j *Journal, records ...string) Position {
	t.Helper()
	var batch [][]byte
	for _, r := range records {
		batch = append(batch, []byte(r))
	}
	last, err := j.Append(batch)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return last
}

// fill appends batches of one record until the active segment is another one, and returns the position of the last.
func fill(t *testing.T, j *Journal, record string) Position {
	t.Helper()
	for before := j.header.sequence; ; {
		last := mustAppend(t, j, record)
		if j.header.sequence != before {
			return last
		}
	}
}

func TestPositionsStartAtOneAndGoOn(t *testing.T) {
	t.Parallel()
	opt := Options{Dir: filepath.Join(t.TempDir(), "not", "there", "yet")}
	j, got := reopen(t, opt)
	if len(got) != 0 {
		t.Fatalf("a new journal replayed %v", got)
	}
	if last := mustAppend(t, j, "a", "", "c"); last != 3 {
		t.Errorf("the first batch of 3 ended at %d", last)
	}
	if last := mustAppend(t, j); last != 3 {
		t.Errorf("an empty batch ended at %d", last)
	}
	mustClose(t, j)
	j, got = reopen(t, opt)
	if want := []entry{{1, "a"}, {2, ""}, {3, "c"}}; !slices.Equal(got, want) {
		t.Errorf("replayed %v, want %v", got, want)
	}
	if last := mustAppend(t, j, "d"); last != 4 {
		t.Errorf("the batch after a restart ended at %d", last)
	}
	if s := j.Stats(); s.Last != 4 || s.Segments != 1 || s.Replayed != 3 || s.TornBytes != 0 || s.Bytes != minSegmentBytes {
		t.Errorf("stats %+v", s)
	}
}

func TestReplayErrorEndsOpen(t *testing.T) {
	t.Parallel()
	opt := Options{Dir: t.TempDir()}
	j, _ := reopen(t, opt)
	mustAppend(t, j, "a", "b")
	mustClose(t, j)
	cause := errors.New("the store is not ready")
	_, err := Open(opt, func(pos Position, _ []byte) error {
		if pos == 2 {
			return cause
		}
		return nil
	})
	if !errors.Is(err, cause) || !strings.Contains(err.Error(), "position 2") {
		t.Errorf("open with a failing replay: %v", err)
	}
	if _, got := reopen(t, opt); len(got) != 2 { // the lock was given up
		t.Errorf("replayed %v", got)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	opt := Options{Dir: t.TempDir(), SegmentBytes: defaultSegmentBytes}
	j, _ := reopen(t, opt)
	record := make([]byte, MaxRecordBytes)
	full := slices.Repeat([][]byte{record}, MaxBatchBytes/MaxRecordBytes)
	for _, tt := range []struct {
		name  string
		batch [][]byte
		want  error
	}{
		{"longest record", [][]byte{record}, nil},
		{"record too long", [][]byte{make([]byte, MaxRecordBytes+1)}, ErrTooLarge},
		{"largest batch", full, nil},
		{"batch too large", append(slices.Clone(full), []byte{1}), ErrTooLarge},
		{"most records", make([][]byte, MaxBatchRecords), nil},
		{"too many records", make([][]byte, MaxBatchRecords+1), ErrTooLarge},
		{"largest in every way", append(slices.Clone(full), make([][]byte, MaxBatchRecords-len(full))...), nil},
	} {
		if _, err := j.Append(tt.batch); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	last := j.Stats().Last
	mustClose(t, j)
	if j, got := reopen(t, opt); len(got) != int(last) || j.Stats().Last != last {
		t.Errorf("replayed %d records, want %d", len(got), last)
	}

	small, _ := reopen(t, Options{Dir: t.TempDir()})
	if _, err := small.Append([][]byte{make([]byte, minSegmentBytes)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a batch larger than a segment: %v", err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, opt := range []Options{{SegmentBytes: 4096}, {SegmentBytes: minSegmentBytes + 1}, {SegmentBytes: 2 << 30}, {Spares: -1}} {
		opt.Dir = filepath.Join(t.TempDir(), "never")
		if j, err := Open(opt, nil); err == nil {
			t.Errorf("%+v was accepted", opt)
			mustClose(t, j)
		}
		if _, err := os.Stat(opt.Dir); err == nil {
			t.Errorf("%+v: the directory was made", opt)
		}
	}
}

func TestReleaseRecyclesAndBoundsTheDisk(t *testing.T) {
	t.Parallel()
	opt := Options{Dir: t.TempDir(), Spares: 2}
	j, _ := reopen(t, opt)
	record := strings.Repeat("x", 1000)
	for range 6 {
		fill(t, j, record)
	}
	last := j.Stats().Last
	if err := j.Release(last + 1); err == nil {
		t.Error("released a position that was never appended")
	}
	if err := j.Release(1); err != nil || j.Stats().Released != 0 {
		t.Errorf("release inside the first segment: %v, %+v", err, j.Stats())
	}
	if err := j.Release(last); err != nil {
		t.Fatal(err)
	}
	for range 20 { // many times around the same files
		last = fill(t, j, record)
		if err := j.Release(last); err != nil {
			t.Fatal(err)
		}
	}
	s := j.Stats()
	if s.Segments != 1 || s.Spares != 2 || s.Released != last-1 || s.Bytes != 3*minSegmentBytes {
		t.Errorf("after everything was released: %+v", s)
	}
	files, err := filepath.Glob(filepath.Join(opt.Dir, "*"))
	if err != nil || len(files) != 4 { // with the lock
		t.Errorf("files %v, %v", files, err)
	}
	mustClose(t, j)
	j, got := reopen(t, opt)
	if want := []entry{{last, record}}; !slices.Equal(got, want) {
		t.Errorf("replayed %d records, want the last one", len(got))
	}
	if s := j.Stats(); s.TornBytes != 0 || s.Segments != 1 || s.Spares != 2 {
		t.Errorf("a clean close in a recycled segment: %+v", s)
	}
}

// TestAppendBesideRelease lets a store follow the appends in a goroutine of its own, as it does in the server.
func TestAppendBesideRelease(t *testing.T) {
	t.Parallel()
	opt := Options{Dir: t.TempDir()}
	j, _ := reopen(t, opt)
	appended := make(chan Position, 100)
	var store sync.WaitGroup
	store.Go(func() {
		for upTo := range appended {
			if err := j.Release(upTo); err != nil {
				t.Errorf("release up to %d: %v", upTo, err)
			}
			if s := j.Stats(); s.Released > upTo || s.Last < upTo {
				t.Errorf("released up to %d: %+v", upTo, s)
			}
		}
	})
	for range 300 {
		appended <- mustAppend(t, j, strings.Repeat("a", 3000), "b")
	}
	close(appended)
	store.Wait()
	s := j.Stats()
	mustClose(t, j)
	_, got := reopen(t, opt)
	if s.Segments != 1 || s.Last != 600 || len(got) != int(s.Last-s.Released) || got[len(got)-1] != (entry{600, "b"}) {
		t.Errorf("replayed %d records, stats before %+v", len(got), s)
	}
}

func TestSegmentSizeMayChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var want []entry
	for i, size := range []int64{minSegmentBytes, 4 * minSegmentBytes, 2 * minSegmentBytes} {
		j, got := reopen(t, Options{Dir: dir, SegmentBytes: size})
		if !slices.Equal(got, want) {
			t.Fatalf("size %d: replayed %d records, want %d", size, len(got), len(want))
		}
		record := strings.Repeat(fmt.Sprint(i), 5000)
		fill(t, j, record)
		for from, last := Position(len(want)+1), fill(t, j, record); from <= last; from++ {
			want = append(want, entry{from, record})
		}
		mustClose(t, j)
	}
	j, got := reopen(t, Options{Dir: dir, SegmentBytes: 8 * minSegmentBytes})
	if !slices.Equal(got, want) {
		t.Errorf("replayed %d records, want %d", len(got), len(want))
	}
	if err := j.Release(fill(t, j, "last")); err != nil {
		t.Fatal(err)
	}
	if s := j.Stats(); s.Segments != 1 || s.Bytes != int64(1+s.Spares)*8*minSegmentBytes {
		t.Errorf("segments of other sizes were kept: %+v", s)
	}
}

func TestApplied(t *testing.T) {
	t.Parallel()
	opt := Options{Dir: t.TempDir()}
	j, _ := reopen(t, opt)
	fill(t, j, strings.Repeat("a", 900))
	last := mustAppend(t, j, "b", "c", "d")
	if err := j.Release(last); err != nil {
		t.Fatal(err)
	}
	released := j.Stats().Released
	if released == 0 {
		t.Fatal("nothing was released")
	}
	mustClose(t, j)
	for _, applied := range []Position{released - 1, last + 1} {
		opt.Applied = applied
		if _, err := Open(opt, nil); !errors.Is(err, ErrBehind) {
			t.Errorf("applied %d with a journal of %d to %d: %v", applied, released+1, last, err)
		}
	}
	opt.Applied = last - 1
	j, got := reopen(t, opt)
	if want := []entry{{last, "d"}}; !slices.Equal(got, want) {
		t.Errorf("replayed %v, want %v", got, want)
	}
	mustClose(t, j)

	fresh := Options{Dir: t.TempDir(), Applied: 1000} // the operator moved the old journal away
	j, _ = reopen(t, fresh)
	if pos := mustAppend(t, j, "e"); pos != 1001 {
		t.Errorf("a new journal behind a store at 1000 began at %d", pos)
	}
	mustClose(t, j)
	if _, got = reopen(t, fresh); !slices.Equal(got, []entry{{1001, "e"}}) {
		t.Errorf("replayed %v", got)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	j, _ := reopen(t, Options{Dir: t.TempDir()})
	mustClose(t, j)
	mustClose(t, j)
	if _, err := j.Append([][]byte{{1}}); !errors.Is(err, ErrClosed) {
		t.Errorf("append: %v", err)
	}
	if err := j.Release(0); !errors.Is(err, ErrClosed) {
		t.Errorf("release: %v", err)
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	opt := Options{Dir: t.TempDir(), SegmentBytes: minSegmentBytes}
	j, _ := reopen(t, opt)
	_, err := Open(opt, nil)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("the second open: %v", err)
	}
	mustClose(t, j)
	c := startChild(t, opt.Dir)
	c.waitForAcks(1)
	if _, err := Open(opt, nil); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(c.cmd.Process.Pid)) {
		t.Errorf("open beside another process: %v", err)
	}
	c.kill()
	j, _ = reopen(t, opt)
	mustClose(t, j)
}

// TestNoAllocation holds an Append to the room that it made before.
func TestNoAllocation(t *testing.T) {
	j, _ := reopen(t, Options{Dir: t.TempDir(), SegmentBytes: defaultSegmentBytes})
	batch := slices.Repeat([][]byte{bytes.Repeat([]byte("x"), 300)}, 16)
	if n := testing.AllocsPerRun(50, func() {
		if _, err := j.Append(batch); err != nil {
			t.Error(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations per append", n)
	}
}
