//go:build linux

package crowd

import (
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// feed gives a client the messages with these numbers, of total that were sent.
func feed(run uint16, total uint32, told int64, seqs ...uint32) (Faults, []uint32) {
	var everywhere []uint32
	l := newLedger(run, 1, func(seq uint32, _ int64) { everywhere = append(everywhere, seq) })
	var next uint32
	for _, seq := range seqs {
		l.take(0, &next, Stamp{Run: 7, Seq: seq, At: 1}, 2, true)
	}
	if told > 0 {
		l.skipped(0, told)
	}
	l.finish(0, next, total)
	l.faults.First = ""
	return l.faults, everywhere
}

func TestLedger(t *testing.T) {
	for name, test := range map[string]struct {
		run   uint16
		told  int64
		seqs  []uint32
		total uint32
		want  Faults
	}{
		"all":                     {7, 0, []uint32{0, 1, 2, 3}, 4, Faults{}},
		"none of none":            {7, 0, nil, 0, Faults{}},
		"one lost":                {7, 0, []uint32{0, 2, 3}, 4, Faults{Lost: 1}},
		"the first lost":          {7, 0, []uint32{1, 2, 3}, 4, Faults{Lost: 1}},
		"the end lost":            {7, 0, []uint32{0, 1}, 4, Faults{Lost: 2}},
		"all lost":                {7, 0, nil, 4, Faults{Lost: 4}},
		"one doubled":             {7, 0, []uint32{0, 1, 1, 2, 3}, 4, Faults{Doubled: 1}},
		"an old one doubled":      {7, 0, []uint32{0, 1, 2, 3, 0}, 4, Faults{Doubled: 1}},
		"turned around":           {7, 0, []uint32{0, 2, 1, 3}, 4, Faults{Reordered: 1}},
		"turned around and twice": {7, 0, []uint32{0, 2, 1, 1, 3}, 4, Faults{Reordered: 1, Doubled: 1}},
		"late in a long gap":      {7, 0, []uint32{0, 5, 3, 2}, 6, Faults{Reordered: 2, Lost: 2}},
		"told":                    {7, 2, []uint32{0, 3}, 4, Faults{Excused: 2}},
		"told of the end":         {7, 3, []uint32{0}, 4, Faults{Excused: 3}},
		"told of too few":         {7, 1, []uint32{0, 3}, 4, Faults{Excused: 1, Lost: 1}},
		"told of more":            {7, 9, []uint32{0, 3}, 4, Faults{Excused: 2}},
		"another run":             {8, 0, []uint32{0}, 0, Faults{Stray: 1}},
		"a wild number":           {7, 0, []uint32{0, 1 << 30}, 1, Faults{Broken: 1}},
	} {
		if got, _ := feed(test.run, test.total, test.told, test.seqs...); got != test.want {
			t.Errorf("%s: %+v instead of %+v", name, got, test.want)
		}
	}
}

// TestLedgerFindsAnyFault changes one thing of a stream that is right.
func TestLedgerFindsAnyFault(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint32Range(2, 50).Draw(t, "messages")
		seqs := make([]uint32, n)
		for i := range seqs {
			seqs[i] = uint32(i)
		}
		if f, everywhere := feed(7, n, 0, seqs...); f.Any() || !slices.Equal(everywhere, seqs) {
			t.Fatalf("a right stream has %+v, and %v are everywhere", f, everywhere)
		}
		at := rapid.IntRange(0, int(n)-1).Draw(t, "at")
		switch rapid.IntRange(0, 2).Draw(t, "fault") {
		case 0:
			if f, _ := feed(7, n, 0, slices.Delete(slices.Clone(seqs), at, at+1)...); f != (Faults{Lost: 1}) {
				t.Fatalf("without one: %+v", f)
			}
		case 1:
			later := rapid.IntRange(at, int(n)-1).Draw(t, "again at")
			if f, _ := feed(7, n, 0, slices.Insert(slices.Clone(seqs), later+1, uint32(at))...); f != (Faults{Doubled: 1}) {
				t.Fatalf("with one twice: %+v", f)
			}
		case 2:
			if at == int(n)-1 {
				at--
			}
			seqs[at], seqs[at+1] = seqs[at+1], seqs[at]
			if f, _ := feed(7, n, 0, seqs...); f != (Faults{Reordered: 1}) {
				t.Fatalf("with two turned around: %+v", f)
			}
		}
	})
}

// Only when the last client has a message, it is everywhere.
func TestLedgerCounts(t *testing.T) {
	var done []uint32
	l := newLedger(1, 2, func(seq uint32, at int64) {
		if at != 20 {
			t.Errorf("everywhere at %d", at)
		}
		done = append(done, seq)
	})
	next := make([]uint32, 3)
	l.take(2, &next[2], Stamp{Run: 1}, 5, false) // one that nobody waits for
	l.take(0, &next[0], Stamp{Run: 1}, 10, true)
	if len(done) != 0 {
		t.Fatal("everywhere too early")
	}
	l.take(1, &next[1], Stamp{Run: 1}, 20, true)
	if !slices.Equal(done, []uint32{0}) {
		t.Fatalf("%v are everywhere", done)
	}
}

func TestStamp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Stamp{rapid.Uint16().Draw(t, "run"), rapid.Uint32().Draw(t, "sender"), rapid.Uint32().Draw(t, "seq"), rapid.Int64().Draw(t, "at")}
		text := make([]byte, rapid.IntRange(MinText, 300).Draw(t, "length"))
		s.Put(text)
		if got, err := ReadStamp(text); err != nil || got != s {
			t.Fatalf("%+v came back as %+v: %v", s, got, err)
		}
		at := rapid.IntRange(0, len(text)-1).Draw(t, "broken at")
		text[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "by"))
		if _, err := ReadStamp(text); err == nil {
			t.Fatalf("a text that is broken at %d is taken", at)
		}
	})
	for _, short := range [][]byte{nil, make([]byte, MinText-1), make([]byte, MinText)} {
		if IsStamp(short) {
			t.Errorf("%q is a stamp", short)
		}
	}
}

func TestDones(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	want := []Done{{1, 2, 3, 4}, {5, 6, -7, 8}, {1 << 31, 1 << 30, 1 << 62, 0}}
	var b []byte
	for _, d := range want {
		b = d.append(b)
	}
	go func() {
		for i := range b { // in the smallest pieces
			if _, err := w.Write(b[i : i+1]); err != nil {
				t.Error(err)
			}
		}
		_ = w.Close()
	}()
	var got []Done
	_ = ReadDones(r, func(d Done) { got = append(got, d) }) // ends with the file
	if !slices.Equal(got, want) {
		t.Fatalf("%v instead of %v", got, want)
	}
}
