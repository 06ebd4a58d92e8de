package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestVerify(t *testing.T) {
	dir := t.TempDir()
	if _, err := Verify(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no directory: %v", err)
	}
	j, err := Open(Options{Dir: dir, SegmentBytes: minSegmentBytes}, func(Position, []byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	last, err := j.Append([][]byte{[]byte("one"), []byte("two")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(dir); !errors.Is(err, ErrLocked) {
		t.Fatalf("while it is open: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it changes nothing
		s, err := Verify(dir)
		if err != nil || s.Last != last || s.Segments != 1 || s.TornBytes != 0 {
			t.Fatalf("whole: %+v, %v; the last record is %d", s, err, last)
		}
	}
	segments, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if err != nil || len(segments) != 1 {
		t.Fatal(segments, err)
	}
	f, err := os.OpenFile(segments[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0xff}, 20); err != nil { // in the header
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(dir); err == nil {
		t.Fatal("a broken header was not noticed")
	} else if _, ok := errors.AsType[*CorruptionError](err); !ok {
		t.Fatalf("a broken header: %v", err)
	}
}
