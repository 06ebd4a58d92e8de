package journal

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

const testSalt = 0x0123456789abcdef

func TestFrame(t *testing.T) {
	t.Parallel()
	valid := func(records ...string) {
		t.Helper()
		var batch [][]byte
		sum := 0
		for _, r := range records {
			batch, sum = append(batch, []byte(r)), sum+len(r)
		}
		b := appendFrame(nil, testSalt, 7, batch)
		if len(b) != frameSize(len(records), sum) {
			t.Errorf("%q: %d bytes, predicted %d", records, len(b), frameSize(len(records), sum))
		}
		f, size, ok := parseFrame(append(b, "what follows"...), testSalt)
		if !ok || size != len(b) || f.first != 7 || f.last() != 6+Position(len(records)) {
			t.Errorf("%q: %v %d %v", records, ok, size, f)
		}
		var got []string
		for pos, r := range f.records() {
			if pos != 7+Position(len(got)) {
				t.Errorf("%q: record %d has position %d", records, len(got), pos)
			}
			got = append(got, string(r))
		}
		if !slices.Equal(got, records) {
			t.Errorf("%q came back as %q", records, got)
		}
	}
	valid("")
	valid("a")
	valid("", "", "")
	valid("12345678", "", "1234")
	valid(string(make([]byte, MaxRecordBytes)))

	good := appendFrame(nil, testSalt, 7, [][]byte{[]byte("hello"), []byte("you")})
	// bad changes a good frame, makes its checksum right again and expects that it is refused all the same.
	bad := func(name string, change func(b []byte) []byte) {
		t.Helper()
		b := change(slices.Clone(good))
		if len(b) >= frameHeaderBytes {
			binary.LittleEndian.PutUint32(b[24:], frameChecksum(b))
		}
		if _, _, ok := parseFrame(b, testSalt); ok {
			t.Errorf("%s was accepted", name)
		}
	}
	u32 := func(at int, v uint32) func(b []byte) []byte {
		return func(b []byte) []byte { binary.LittleEndian.PutUint32(b[at:], v); return b }
	}
	bad("nothing", func([]byte) []byte { return nil })
	bad("half a header", func(b []byte) []byte { return b[:20] })
	bad("half a body", func(b []byte) []byte { return b[:len(b)-8] })
	bad("another salt", func(b []byte) []byte { b[0]++; return b })
	bad("position 0", func(b []byte) []byte { clear(b[8:16]); return b })
	bad("positions that wrap", func(b []byte) []byte { binary.LittleEndian.PutUint64(b[8:], ^uint64(0)); return b })
	bad("no records", u32(20, 0))
	bad("fewer records", u32(20, 1))
	bad("more records", u32(20, 3))
	bad("too many records", u32(20, MaxBatchRecords+1))
	bad("an endless body", u32(16, ^uint32(0)))
	bad("a longer body", u32(16, uint32(len(good)-frameHeaderBytes+8)))
	bad("an endless record", u32(frameHeaderBytes, ^uint32(0)))
	bad("a record beyond the body", u32(frameHeaderBytes, 100))
	bad("a short record", u32(frameHeaderBytes, 2))
	for k := range good {
		b := slices.Clone(good)
		b[k] ^= 1
		if _, _, ok := parseFrame(b, testSalt); ok {
			t.Errorf("a change of byte %d was accepted", k)
		}
	}
}

// FuzzParseFrame feeds frames whose checksum is made right, so that the checks behind it are reached. What is accepted
// must be the one encoding of its records.
func FuzzParseFrame(f *testing.F) {
	f.Add([]byte{}, true)
	f.Add(appendFrame(nil, testSalt, 1, [][]byte{{}}), false)
	f.Add(appendFrame(nil, testSalt, 7, [][]byte{[]byte("hello"), nil, []byte("you")}), true)
	f.Fuzz(func(t *testing.T, b []byte, repair bool) {
		if repair && len(b) >= frameHeaderBytes {
			binary.LittleEndian.PutUint64(b, testSalt)
			if size, ok := claimedFrameSize(b, testSalt); ok && size <= len(b) {
				binary.LittleEndian.PutUint32(b[24:], frameChecksum(b[:size]))
			}
		}
		fr, size, ok := parseFrame(b, testSalt)
		if !ok {
			return
		}
		if size > len(b) || size > maxFrameBytes || size%frameAlign != 0 {
			t.Fatalf("size %d of %d bytes", size, len(b))
		}
		var records [][]byte
		for pos, r := range fr.records() {
			if pos != fr.first+Position(len(records)) || len(r) > MaxRecordBytes {
				t.Fatalf("record %d: position %d, %d bytes", len(records), pos, len(r))
			}
			records = append(records, r)
		}
		if len(records) != fr.count {
			t.Fatalf("%d records, the header says %d", len(records), fr.count)
		}
		if again := appendFrame(nil, testSalt, fr.first, records); !bytes.Equal(again[:24], b[:24]) || !bytes.Equal(again[28+4:32+len(fr.body)], b[28+4:32+len(fr.body)]) {
			t.Fatal("encoded again it is another frame")
		}
	})
}

// FuzzOpen lets Open read a segment with a good header and arbitrary bytes after it: it must end in a journal that
// works, or in an error.
func FuzzOpen(f *testing.F) {
	h := segmentHeader{sequence: 3, salt: testSalt, first: 10, previous: 9, capacity: minSegmentBytes}
	one := appendFrame(nil, testSalt, 10, [][]byte{[]byte("hello")})
	two := appendFrame(nil, testSalt, 11, [][]byte{[]byte("a"), []byte("b")})
	f.Add([]byte{})
	f.Add(one)
	f.Add(slices.Concat(one, two))
	f.Add(slices.Concat(one, two[:20]))
	f.Add(slices.Concat(one[:len(one)-1], two))
	f.Add(slices.Concat(one, make([]byte, 40), two))
	f.Add(slices.Concat(two, one))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if len(b) > minSegmentBytes {
			return
		}
		content := append(h.encode()[:segmentHeaderBytes], b...)
		content = append(content, make([]byte, max(0, minSegmentBytes-len(content)))...)
		if err := os.WriteFile(filepath.Join(dir, segmentName(3)), content, 0o600); err != nil {
			t.Fatal(err)
		}
		opt := Options{Dir: dir, SegmentBytes: minSegmentBytes}
		var got, again []entry
		j, err := Open(opt, func(pos Position, b []byte) error {
			got = append(got, entry{pos, string(b)})
			return nil
		})
		if err != nil {
			if len(got) > 0 {
				t.Fatalf("replayed %d records before %v", len(got), err)
			}
			return
		}
		pos := mustAppend(t, j, "next")
		mustClose(t, j)
		j, again = reopen(t, opt)
		mustClose(t, j)
		if want := append(got, entry{pos, "next"}); !slices.Equal(again, want) {
			t.Fatalf("replayed %v, want %v", again, want)
		}
	})
}
