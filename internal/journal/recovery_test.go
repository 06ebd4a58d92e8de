package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// snapshot is the content of a journal's directory, without the lock.
type snapshot map[string][]byte

func take(t *testing.T, dir string) snapshot {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.*"))
	if err != nil {
		t.Fatal(err)
	}
	s := snapshot{}
	for _, f := range files {
		if s[filepath.Base(f)], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// put writes the files into a new directory.
func (s snapshot) put(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, b := range s {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// with returns a copy in which one file is changed; a nil result of change removes it.
func (s snapshot) with(name string, change func([]byte) []byte) snapshot {
	out := maps.Clone(s)
	if out[name] = change(slices.Clone(s[name])); out[name] == nil {
		delete(out, name)
	}
	return out
}

// framesOf returns where the frames of a segment begin, and where the last one ends.
func framesOf(t *testing.T, b []byte) (starts []int, end int) {
	t.Helper()
	h, reason, err := parseSegmentHeader(b)
	if err != nil || reason != "" {
		t.Fatal(reason, err)
	}
	for end = segmentHeaderBytes; ; {
		_, size, ok := parseFrame(b[end:], h.salt)
		if !ok {
			return starts, end
		}
		starts = append(starts, end)
		end += size
	}
}

// TestTornTail damages every byte of the last batch in every way that a crash can, and reopens: the earlier batches
// must be there, the last one whole or not at all, and what is appended then must not take its positions.
func TestTornTail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, _ := reopen(t, Options{Dir: dir})
	mustAppend(t, j, "first", "batch")
	torn := mustAppend(t, j, "x", "yy", "zzz")
	mustClose(t, j)
	whole := take(t, dir)
	name := segmentName(1)
	starts, end := framesOf(t, whole[name])
	earlier := []entry{{1, "first"}, {2, "batch"}}
	last := []entry{{3, "x"}, {4, "yy"}, {5, "zzz"}}
	for k := starts[1]; k < end; k++ {
		for how, damage := range map[string]func(b []byte) []byte{
			"truncated":      func(b []byte) []byte { return b[:k] },
			"flipped":        func(b []byte) []byte { b[k] ^= 0xff; return b },
			"one bit":        func(b []byte) []byte { b[k] ^= 1; return b },
			"zeros from":     func(b []byte) []byte { clear(b[k:end]); return b },
			"zeros up to":    func(b []byte) []byte { clear(b[starts[1] : k+1]); return b },
			"old bytes from": func(b []byte) []byte { copy(b[k:], bytes.Repeat([]byte("stale"), 30)); return b },
		} {
			damaged := whole.with(name, damage)
			if err := checkTorn(t, damaged, earlier, last); err != nil {
				t.Errorf("%s byte %d of the batch at %d to %d (position %d): %v", how, k, starts[1], end, torn, err)
			}
		}
	}
}

func checkTorn(t *testing.T, damaged snapshot, earlier, last []entry) error {
	t.Helper()
	opt := Options{Dir: damaged.put(t)}
	j, got := reopen(t, opt)
	defer mustClose(t, j)
	there := slices.Equal(got, slices.Concat(earlier, last))
	if !there && !slices.Equal(got, earlier) {
		return fmt.Errorf("replayed %v", got)
	}
	_, end := framesOf(t, damaged[segmentName(1)])
	begun := end+endMarkBytes > len(damaged[segmentName(1)]) || binary.LittleEndian.Uint64(damaged[segmentName(1)][end:]) != 0
	if s := j.Stats(); !there && begun != (s.Segments == 2) || s.TornBytes > 0 && !begun {
		return fmt.Errorf("stats %+v", s)
	}
	pos := mustAppend(t, j, "next")
	if begun && pos <= last[len(last)-1].pos {
		return fmt.Errorf("position %d may have been used by the torn batch", pos)
	}
	mustClose(t, j)
	j, again := reopen(t, opt)
	defer mustClose(t, j)
	if want := append(got, entry{pos, "next"}); !slices.Equal(again, want) {
		return fmt.Errorf("after another batch and a restart: replayed %v, want %v", again, want)
	}
	return nil
}

// TestTornPositionsStayUnused restarts several times after a torn tail without an append between. The segment that is
// begun after it is a recycled one: what stands in it must not look torn again at each restart.
func TestTornPositionsStayUnused(t *testing.T) {
	t.Parallel()
	opt := Options{Dir: t.TempDir()}
	j, _ := reopen(t, opt)
	released := fill(t, j, strings.Repeat("r", 1000))
	if err := j.Release(released); err != nil {
		t.Fatal(err)
	}
	torn := mustAppend(t, j, make([]string, MaxBatchRecords/8)...)
	mustClose(t, j)
	s := take(t, opt.Dir)
	_, end := framesOf(t, s[segmentName(2)])
	opt.Dir = s.with(segmentName(2), func(b []byte) []byte { b[end-1] = 1; return b }).put(t)
	for i := range 3 {
		j, got := reopen(t, opt)
		if len(got) != 1 || got[0].pos != released {
			t.Fatalf("replayed %d records", len(got))
		}
		if s := j.Stats(); s.Segments != 2 || (s.TornBytes > 0) != (i == 0) {
			t.Errorf("start %d after the crash: %+v", i+1, s)
		}
		mustClose(t, j)
	}
	j, _ = reopen(t, opt)
	if pos := mustAppend(t, j, "b"); pos <= torn {
		t.Errorf("position %d, but the torn batch went up to %d", pos, torn)
	}
}

// TestStaleFrames lets a recycled segment hold whole frames of its earlier life exactly where the new ones end.
func TestStaleFrames(t *testing.T) {
	t.Parallel()
	opt := Options{Dir: t.TempDir()}
	j, _ := reopen(t, opt)
	record := strings.Repeat("r", 1000)
	fill(t, j, record)
	fill(t, j, record)
	old := take(t, opt.Dir)[segmentName(2)] // the spare that was released last is used first
	if err := j.Release(j.Stats().Last); err != nil {
		t.Fatal(err)
	}
	fill(t, j, record)
	mustAppend(t, j, record)
	mustClose(t, j)

	s := take(t, opt.Dir)
	name := segmentName(4)
	starts, end := framesOf(t, s[name])
	oldStarts, _ := framesOf(t, old)
	if !slices.Contains(oldStarts, end) || !bytes.Equal(s[name][end+endMarkBytes:], old[end+endMarkBytes:]) {
		t.Fatal("this segment does not hold the frames of the second one")
	}
	// The end mark lies in the sector that holds the end of the last frame, but a larger frame's may not: put the stale
	// header back.
	opt.Dir = s.with(name, func(b []byte) []byte { copy(b[end:], old[end:end+endMarkBytes]); return b }).put(t)
	var want []entry
	released := j.Stats().Released
	for pos := released + 1; pos <= j.Stats().Last; pos++ {
		want = append(want, entry{pos, record})
	}
	if len(starts) != 2 {
		t.Fatalf("%d frames in the last segment", len(starts))
	}
	if _, got := reopen(t, opt); !slices.Equal(got, want) {
		t.Errorf("replayed %d records, want %d", len(got), len(want))
	}
}

// TestCorruption damages what was acknowledged and cannot be a torn tail. Open must say where, replay nothing and
// change nothing.
func TestCorruption(t *testing.T) {
	t.Parallel()
	opt := Options{Dir: t.TempDir()}
	j, _ := reopen(t, opt)
	record := strings.Repeat("r", 9000)
	for range 2 {
		fill(t, j, record)
	}
	mustAppend(t, j, "second of the last segment")
	mustAppend(t, j, "third of the last segment")
	mustClose(t, j)
	whole := take(t, opt.Dir)
	one, two, three := segmentName(1), segmentName(2), segmentName(3)
	starts, end := framesOf(t, whole[one])
	lastStarts, lastEnd := framesOf(t, whole[three])
	lastOfOne := starts[len(starts)-1]

	check := func(name string, s snapshot, file string, offset int) {
		t.Helper()
		dir := s.put(t)
		_, err := Open(Options{Dir: dir, SegmentBytes: minSegmentBytes}, func(Position, []byte) error {
			t.Errorf("%s: something was replayed", name)
			return nil
		})
		corruption, ok := errors.AsType[*CorruptionError](err)
		if !ok {
			t.Errorf("%s: %v", name, err)
			return
		}
		if corruption.File != filepath.Join(dir, file) || corruption.Offset != int64(offset) {
			t.Errorf("%s: reported at byte %d of %s, want %d of %s: %s", name, corruption.Offset, filepath.Base(corruption.File), offset, file, corruption.Reason)
		}
		if !maps.EqualFunc(s, take(t, dir), bytes.Equal) {
			t.Errorf("%s: the files were changed", name)
		}
	}
	flip := func(k int) func(b []byte) []byte { return func(b []byte) []byte { b[k] ^= 0x20; return b } }
	zero := func(from, to int) func(b []byte) []byte {
		return func(b []byte) []byte { clear(b[from:to]); return b }
	}
	for k := range 60 {
		check(fmt.Sprint("header byte ", k), whole.with(one, flip(k)), one, 0)
		check(fmt.Sprint("last header byte ", k), whole.with(three, flip(k)), three, 0)
	}
	for k := lastStarts[1]; k < lastStarts[2]; k++ {
		check(fmt.Sprint("middle of the last segment, byte ", k), whole.with(three, flip(k)), three, lastStarts[1])
	}
	for k := lastOfOne; k < end; k += 97 {
		check(fmt.Sprint("end of the first segment, byte ", k), whole.with(one, flip(k)), one, lastOfOne)
	}
	check("a zeroed sealed frame", whole.with(one, zero(lastOfOne, end)), one, lastOfOne)
	check("a truncated sealed segment", whole.with(one, func(b []byte) []byte { return b[:end-1] }), one, lastOfOne)
	check("an empty sealed segment", whole.with(two, func([]byte) []byte { return []byte{} }), two, 0)
	check("an empty last segment", whole.with(three, func([]byte) []byte { return []byte{} }), three, 0)
	check("a zeroed last header", whole.with(three, zero(0, segmentHeaderBytes)), three, 0)
	check("a zeroed sector before the last frame", whole.with(three, zero(lastStarts[1], lastStarts[2])), three, lastStarts[1])
	check("two bad batches at the end", whole.with(three, func(b []byte) []byte { b[lastStarts[1]+40]++; b[lastEnd-1]++; return b }), three, lastStarts[1])
	check("a missing segment", whole.with(two, func([]byte) []byte { return nil }), two, 0)
	check("a segment in the place of another", whole.with(two, func([]byte) []byte { return whole[one] }), two, 0)
	check("a frame in the place of another", whole.with(three, func(b []byte) []byte {
		copy(b[lastStarts[1]:], b[lastStarts[2]:lastEnd])
		return b
	}), three, lastStarts[1])
}

// TestOtherVersion must not be taken for damage.
func TestOtherVersion(t *testing.T) {
	t.Parallel()
	opt := Options{Dir: t.TempDir()}
	j, _ := reopen(t, opt)
	mustClose(t, j)
	h := j.header.encode()
	h[8] = segmentVersion + 1
	binary.LittleEndian.PutUint32(h[56:], checksumOfHeader(h))
	opt.Dir = take(t, opt.Dir).with(segmentName(1), func(b []byte) []byte { copy(b, h); return b }).put(t)
	_, err := Open(Options{Dir: opt.Dir}, nil)
	if _, corrupt := errors.AsType[*CorruptionError](err); err == nil || corrupt || !strings.Contains(err.Error(), "format version 2") {
		t.Errorf("open: %v", err)
	}
}

// TestStrangersAndLeftovers: unfinished files go, files of others stay.
func TestStrangersAndLeftovers(t *testing.T) {
	t.Parallel()
	opt := Options{Dir: snapshot{
		"0000000000000007.tmp":   []byte("half made"),
		"0000000000000008.spare": []byte("of another size"),
		"notes.txt":              []byte("mine"),
		"00.segment":             []byte("not a name of ours"),
	}.put(t)}
	j, _ := reopen(t, opt)
	mustClose(t, j)
	if got, want := slices.Sorted(maps.Keys(take(t, opt.Dir))), []string{"00.segment", segmentName(1), "notes.txt"}; !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
}
