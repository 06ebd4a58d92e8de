package journal

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestModel runs random appends, releases and restarts on a real directory against a slice of records.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		opt := Options{
			Dir:          t.TempDir(),
			SegmentBytes: segmentHeaderBytes * rapid.Int64Range(16, 20).Draw(rt, "pages"),
			Spares:       rapid.IntRange(1, 3).Draw(rt, "spares"),
		}
		var model []entry // everything that was ever appended
		var asked Position
		j, _ := reopen(t, opt)
		defer func() { mustClose(t, j) }()
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				sizes := rapid.SliceOfN(rapid.IntRange(0, 3000), 0, 15).Draw(rt, "sizes")
				var records []string
				for i, n := range sizes {
					b := make([]byte, n)
					for k := range b {
						b[k] = byte(len(model) + i + k)
					}
					records = append(records, string(b))
				}
				last := mustAppend(t, j, records...)
				for _, r := range records {
					model = append(model, entry{Position(len(model) + 1), r})
				}
				if last != Position(len(model)) {
					rt.Fatalf("the batch ended at %d, want %d", last, len(model))
				}
			},
			"release": func(rt *rapid.T) {
				upTo := Position(rapid.IntRange(0, len(model)).Draw(rt, "up to"))
				if err := j.Release(upTo); err != nil {
					rt.Fatal(err)
				}
				asked = max(asked, upTo)
			},
			"reopen": func(rt *rapid.T) {
				mustClose(t, j)
				opt.Applied = Position(rapid.IntRange(int(asked), len(model)).Draw(rt, "applied"))
				var got []entry
				j, got = reopen(t, opt)
				from := max(j.Stats().Released, opt.Applied)
				if !slices.Equal(got, model[from:]) {
					rt.Fatalf("replayed %d records, want %d", len(got), len(model[from:]))
				}
			},
			"": func(rt *rapid.T) {
				s := j.Stats()
				if s.Last != Position(len(model)) || s.Released > asked || s.Spares > opt.Spares+1 || s.TornBytes != 0 {
					rt.Fatalf("after %d records, released up to %d: %+v", len(model), asked, s)
				}
				if s.Bytes != int64(s.Segments+s.Spares)*opt.SegmentBytes {
					rt.Fatalf("%d bytes: %+v", s.Bytes, s)
				}
			},
		})
	})
}
