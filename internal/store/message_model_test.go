package store

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"muster"
	"muster/internal/group"
)

// modelRead is what Read has to give of a group's whole log.
func modelRead(log []group.Message, r group.Range) (out []group.Message) {
	for _, m := range log {
		if m.Seq > r.After && (r.UpTo == 0 || m.Seq <= r.UpTo) {
			out = append(out, m)
		}
	}
	if r.Limit > 0 && len(out) > r.Limit {
		if r.Last {
			out = out[len(out)-r.Limit:]
		} else {
			out = out[:r.Limit]
		}
	}
	if r.MaxBytes == 0 || len(out) == 0 {
		return out
	}
	n, bytes := 0, 0
	for n < len(out) {
		m := out[n]
		if r.Last {
			m = out[len(out)-1-n]
		}
		if bytes += len(m.Text); n > 0 && bytes > r.MaxBytes {
			break
		}
		n++
	}
	if r.Last {
		return out[len(out)-n:]
	}
	return out[:n]
}

// forgetTails makes an SQLite log read what it has applied from log.db.
func forgetTails(s *Store) {
	if l, ok := s.log.(*sqliteLog); ok {
		l.tail.mu.Lock()
		defer l.tail.mu.Unlock()
		for _, st := range l.tail.groups {
			l.tail.forget(st, len(st.tail)-st.unapplied)
		}
	}
}

// TestLogReadsAsTheModel compares ranges in both directions with a slice, with
// the log in every state: all in the tail, all applied, and cut anywhere between.
func TestLogReadsAsTheModel(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		var nextGroup atomic.Int64
		rapid.Check(t, func(rt *rapid.T) {
			id := muster.GroupID(nextGroup.Add(1))
			addGroup(t, s, id, 1, 1)
			var log []group.Message
			rt.Repeat(map[string]func(*rapid.T){
				"append": func(rt *rapid.T) {
					drafts := make([]group.Draft, rapid.IntRange(1, 90).Draw(rt, "messages"))
					sent := make([]group.Message, len(drafts))
					var wg sync.WaitGroup
					for i := range drafts {
						d := textDraft(id, 1, fmt.Sprintf("%08d", len(log)+i), strings.Repeat("x", rapid.IntRange(0, 300).Draw(rt, "size")))
						wg.Go(func() {
							r, err := s.Log().Append(t.Context(), d)
							if err != nil {
								t.Error(err)
							}
							sent[i] = group.Message{Draft: d, Seq: r.Seq, Time: r.Time}
						})
					}
					wg.Wait()
					slices.SortFunc(sent, func(a, b group.Message) int { return cmp.Compare(a.Seq, b.Seq) })
					log = append(log, sent...)
				},
				"flush":  func(*rapid.T) { flushLog(t, s) },
				"forget": func(*rapid.T) { forgetTails(s) },
				"": func(rt *rapid.T) {
					seq := rapid.Custom(func(rt *rapid.T) muster.Seq { return muster.Seq(rapid.IntRange(0, len(log)+3).Draw(rt, "seq")) })
					r := group.Range{
						Group: id, After: seq.Draw(rt, "after"), UpTo: seq.Draw(rt, "up to"), Limit: rapid.IntRange(0, 130).Draw(rt, "limit"),
						MaxBytes: rapid.SampledFrom([]int{0, 0, 1, 500, 5000}).Draw(rt, "bytes"), Last: rapid.Bool().Draw(rt, "last"),
					}
					got, err := s.Log().Read(t.Context(), r)
					if err != nil {
						rt.Fatal(err)
					}
					want := modelRead(log, r)
					if len(got) != len(want) {
						rt.Fatalf("%+v gives %d messages of %d, not %d", r, len(got), len(log), len(want))
					}
					for i := range got {
						if got[i].Draft != want[i].Draft || got[i].Seq != want[i].Seq || !got[i].Time.Equal(want[i].Time) {
							rt.Fatalf("%+v gives %+v at %d, not %+v", r, got[i], i, want[i])
						}
					}
					if head, err := s.Log().Head(t.Context(), id); err != nil || head != muster.Seq(len(log)) {
						rt.Fatalf("the head is %d, %v, of %d messages", head, err, len(log))
					}
				},
			})
		})
	})
}
