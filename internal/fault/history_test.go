package fault_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"muster"
)

// op is one thing that a client did with a group's log: a message that it sent
// until it was acknowledged, one that it sent again, or a page that it read.
type op struct {
	group muster.GroupID
	id    string // of the message; empty: a reading
	after int64  // of a reading
	limit int
}

// result is what the client got.
type result struct {
	seq  int64    // of the message
	ids  []string // read
	head int64
}

// history records what clients did, as they saw it.
type history struct {
	begin time.Time
	mu    sync.Mutex
	ops   []porcupine.Operation
}

func newHistory() *history { return &history{begin: time.Now()} }

// now is the time of an operation's beginning or end.
func (h *history) now() int64 { return int64(time.Since(h.begin)) }

func (h *history) add(client int, called int64, o op, r result) {
	returned := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: o, Call: called, Output: r, Return: returned})
}

// appendLog is what a group's log is: messages in a row, each once. Sending
// gives the place, the same one however often; reading gives what stands there
// at that moment.
var appendLog = porcupine.Model{
	Partition: func(ops []porcupine.Operation) [][]porcupine.Operation {
		by := map[muster.GroupID][]porcupine.Operation{}
		for _, o := range ops {
			by[o.Input.(op).group] = append(by[o.Input.(op).group], o)
		}
		var parts [][]porcupine.Operation
		for _, part := range by {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return []string(nil) },
	Step: func(state, input, output any) (bool, any) {
		log, o, r := state.([]string), input.(op), output.(result)
		if o.id == "" {
			from, to := min(int(o.after), len(log)), min(int(o.after)+o.limit, len(log))
			return r.head == int64(len(log)) && slices.Equal(r.ids, log[from:to]), log
		}
		if at := slices.Index(log, o.id); at >= 0 {
			return r.seq == int64(at)+1, log
		}
		return r.seq == int64(len(log))+1, append(slices.Clip(log), o.id)
	},
	Equal: func(a, b any) bool { return slices.Equal(a.([]string), b.([]string)) },
	DescribeOperation: func(input, output any) string {
		return fmt.Sprintf("%+v -> %+v", input, output)
	},
}

// check looks for an order of the operations that explains what everybody saw.
func (h *history) check(t *testing.T) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if got := porcupine.CheckOperationsTimeout(appendLog, h.ops, 2*time.Minute); got != porcupine.Ok {
		t.Errorf("no order of the %d operations explains what was seen: %s", len(h.ops), got)
	}
}

// corruptions are what a broken log could look like to its clients.
var corruptions = map[string]func(r *rand.Rand, ops []porcupine.Operation) bool{
	"a message moves": func(r *rand.Rand, ops []porcupine.Operation) bool {
		return change(r, ops, func(o op, got *result) bool { got.seq++; return o.id != "" })
	},
	"two messages change places": func(_ *rand.Rand, ops []porcupine.Operation) bool {
		for i := range ops {
			for j := range ops {
				a, b := ops[i].Input.(op), ops[j].Input.(op)
				if a.id != "" && b.id != "" && a.id != b.id && a.group == b.group && ops[i].Return < ops[j].Call {
					ops[i].Output, ops[j].Output = ops[j].Output, ops[i].Output
					return true
				}
			}
		}
		return false
	},
	"a reading misses a message": func(r *rand.Rand, ops []porcupine.Operation) bool {
		return change(r, ops, func(_ op, got *result) bool {
			if len(got.ids) < 2 {
				return false
			}
			at := r.IntN(len(got.ids) - 1)
			got.ids = slices.Delete(slices.Clone(got.ids), at, at+1)
			return true
		})
	},
	"a reading has a message twice": func(r *rand.Rand, ops []porcupine.Operation) bool {
		return change(r, ops, func(_ op, got *result) bool {
			if len(got.ids) == 0 {
				return false
			}
			got.ids = append([]string{got.ids[0]}, got.ids...)
			return true
		})
	},
	"a reading is out of order": func(r *rand.Rand, ops []porcupine.Operation) bool {
		return change(r, ops, func(_ op, got *result) bool {
			if len(got.ids) < 2 {
				return false
			}
			got.ids = slices.Clone(got.ids)
			got.ids[0], got.ids[1] = got.ids[1], got.ids[0]
			return true
		})
	},
	"an acknowledged message is lost": func(_ *rand.Rand, ops []porcupine.Operation) bool {
		// A reading that began after an acknowledgement, as if that had not been.
		for i := range ops {
			for j := range ops {
				a, b := ops[i].Input.(op), ops[j].Input.(op)
				got := ops[j].Output.(result)
				if a.id != "" && b.id == "" && a.group == b.group && ops[i].Return < ops[j].Call && got.head > 0 && got.head == ops[i].Output.(result).seq {
					got.head--
					if k := slices.Index(got.ids, a.id); k >= 0 {
						got.ids = slices.Delete(slices.Clone(got.ids), k, k+1)
					}
					ops[j].Output = got
					return true
				}
			}
		}
		return false
	},
	"a message stands twice": func(_ *rand.Rand, ops []porcupine.Operation) bool {
		seen := map[string]bool{}
		for i := range ops {
			o := ops[i].Input.(op)
			if o.id != "" && seen[o.id] {
				got := ops[i].Output.(result)
				got.seq++
				ops[i].Output = got
				return true
			}
			seen[o.id] = o.id != ""
		}
		return false
	},
}

// change corrupts one operation that it is possible with.
func change(r *rand.Rand, ops []porcupine.Operation, corrupt func(o op, got *result) bool) bool {
	for _, i := range r.Perm(len(ops)) {
		got := ops[i].Output.(result)
		if corrupt(ops[i].Input.(op), &got) {
			ops[i].Output = got
			return true
		}
	}
	return false
}

// checkControl sees to it that the check would have found something: every
// corruption of the history fails it.
func (h *history) checkControl(t *testing.T, r *rand.Rand) {
	t.Helper()
	for name, corrupt := range corruptions {
		ops := slices.Clone(h.ops)
		if !corrupt(r, ops) {
			t.Errorf("the history is too small for %q", name)
		} else if got := porcupine.CheckOperationsTimeout(appendLog, ops, 2*time.Minute); got != porcupine.Illegal {
			t.Errorf("%s: the check says %s", name, got)
		}
	}
}
