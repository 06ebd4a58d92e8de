package channel

import (
	"cmp"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestSorted compares the sorted set with a map that is sorted for every
// question.
func TestSorted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := sorted[int]{compare: cmp.Compare[int]}
		model := map[int]bool{}
		bound := rapid.SampledFrom([]int{10, 1000, 100_000}).Draw(t, "bound")
		for range rapid.IntRange(0, 3000).Draw(t, "steps") {
			k := rapid.IntRange(0, bound).Draw(t, "key")
			if rapid.IntRange(0, 9).Draw(t, "act") < 7 {
				if added := s.add(k); added == model[k] {
					t.Fatalf("add(%d) = %v", k, added)
				}
				model[k] = true
			} else {
				if removed := s.remove(k); removed != model[k] {
					t.Fatalf("remove(%d) = %v", k, removed)
				}
				delete(model, k)
			}
		}
		from, limit := rapid.IntRange(-1, bound).Draw(t, "from"), rapid.IntRange(1, 600).Draw(t, "limit")
		var got []int
		s.after(from, func(k int) bool { got = append(got, k); return len(got) < limit })
		want := slices.DeleteFunc(slices.Sorted(maps.Keys(model)), func(k int) bool { return k <= from })
		want = want[:min(limit, len(want))]
		if !slices.Equal(got, want) || s.n != len(model) {
			t.Fatalf("after(%d): %v, want %v; n = %d, want %d", from, got, want, s.n, len(model))
		}
	})
}

// TestPageTokens holds that tokens come back as they went, and that strange ones
// are refused.
func TestPageTokens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, text := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b"), rapid.StringMatching(`[^\x00]*`).Draw(t, "text")
		var x, y int64
		got, ok, err := parseToken("r", token("r", text, a, b), &x, &y)
		if err != nil || !ok || got != text || x != a || y != b {
			t.Fatalf("%d %d %q came back as %d %d %q, %v, %v", a, b, text, x, y, got, ok, err)
		}
		if _, _, err := parseToken("c", token("r", text, a, b), &x, &y); err == nil {
			t.Fatal("a token of another list was taken")
		}
	})
	var n int64
	for _, bad := range []string{"!", "cg", token("r", ""), token("r", "a\x00b", 1), token("r", "\xff", 1), "cjohOg"} {
		if _, _, err := parseToken("r", bad, &n); err == nil {
			t.Errorf("the token %q was taken", bad)
		}
	}
}
