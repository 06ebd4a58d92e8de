package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// ledger is what the client of a journal knows: what was acknowledged, and the one batch whose outcome is open.
type ledger struct {
	acked   []entry
	pending [][]byte // appended without an answer
	applied Position // the store has everything up to here
	serial  int
}

type entry struct {
	pos  Position
	data string
}

// batch makes records that no other batch has, of 1 to 20 records and up to a few KiB.
func (l *ledger) batch(r *rand.Rand) [][]byte {
	l.serial++
	out := make([][]byte, 1+r.IntN(20))
	for i := range out {
		head := fmt.Sprintf("batch %d record %d of %d;", l.serial, i, len(out))
		out[i] = slices.Concat([]byte(head), make([]byte, r.IntN(1500)))
		for k := len(head); k < len(out[i]); k++ {
			out[i][k] = byte(r.Uint32())
		}
	}
	return out
}

func (l *ledger) last() Position {
	if len(l.acked) == 0 {
		return 0
	}
	return l.acked[len(l.acked)-1].pos
}

func (l *ledger) acknowledge(last Position, batch [][]byte) error {
	first := last - Position(len(batch)) + 1
	if first <= l.last() || first > last {
		return fmt.Errorf("batch of %d got positions %d to %d after position %d", len(batch), first, last, l.last())
	}
	for i, r := range batch {
		l.acked = append(l.acked, entry{first + Position(i), string(r)})
	}
	l.pending = nil
	return nil
}

// settle compares what Open replayed after the position applied with what was acknowledged; the pending batch may be
// there as a whole.
func (l *ledger) settle(got []entry) error {
	want := l.acked
	for len(want) > 0 && want[0].pos <= l.applied {
		want = want[1:]
	}
	if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		return fmt.Errorf("replayed %d records, acknowledged %d: %s", len(got), len(want), firstDifference(got, want))
	}
	rest := got[len(want):]
	pending := l.pending
	l.pending = nil
	if len(rest) == 0 {
		return nil
	}
	if len(rest) != len(pending) {
		return fmt.Errorf("%d records of a batch of %d came back", len(rest), len(pending))
	}
	for i, e := range rest {
		if e.data != string(pending[i]) {
			return fmt.Errorf("record %d of the open batch came back changed", i)
		}
	}
	return l.acknowledge(rest[len(rest)-1].pos, pending)
}

func firstDifference(got, want []entry) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("record %d is %d %.40q, want %d %.40q", i, got[i].pos, got[i].data, want[i].pos, want[i].data)
		}
	}
	return "one ends before the other"
}

// run opens the journal on d and works with it until the power fails or n steps are done.
func (l *ledger) run(d *powerDisk, r *rand.Rand, n int) (err error) {
	opt, err := Options{SegmentBytes: minSegmentBytes, Applied: l.applied}.withDefaults()
	if err != nil {
		return err
	}
	var got []entry
	j, err := open(d, opt, func(pos Position, b []byte) error {
		got = append(got, entry{pos, string(b)})
		return nil
	})
	if errors.Is(err, errPower) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	if err := l.settle(got); err != nil {
		return err
	}
	for range n {
		if r.IntN(4) == 0 && len(l.acked) > 0 {
			l.applied = max(l.applied, l.acked[r.IntN(len(l.acked))].pos)
			if err := j.Release(l.applied); err != nil && !errors.Is(err, errPower) {
				return err
			}
			continue
		}
		batch := l.batch(r)
		l.pending = batch
		last, err := j.Append(batch)
		if errors.Is(err, errPower) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := l.acknowledge(last, batch); err != nil {
			return err
		}
	}
	return nil
}

// TestPowerCut cuts the power (or kills the process) at every single operation of a workload, and again during the
// recovery and the work after it, and looks each time for what was acknowledged.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	seeds := 4
	if testing.Short() {
		seeds = 1
	}
	cuts := 0
	for seed := range seeds {
		for cut := 1; ; cut++ {
			n, err := powerCuts(rand.New(rand.NewPCG(uint64(seed), uint64(cut))), cut)
			if err != nil {
				t.Fatalf("seed %d, first cut at operation %d, after %d cuts: %v", seed, cut, n, err)
			}
			if n == 0 {
				break
			}
			cuts += n
		}
	}
	t.Logf("%d cuts", cuts)
}

// powerCuts works on a new disk, cuts the power at the operation first and then four times at random ones, or kills the
// process instead. It returns how often that happened: 0 if the work was done before the first cut.
func powerCuts(r *rand.Rand, first int) (cuts int, err error) {
	d := newPowerDisk()
	d.cutAt, d.cleans = first, r.IntN(2) == 0
	var l ledger
	for round := range 6 {
		if err := l.run(d, r, 40); err != nil {
			return cuts, err
		}
		if d.off {
			cuts++
		} else if round == 0 {
			return 0, nil
		}
		if r.IntN(2) == 0 {
			d = d.crash(r)
		} else {
			d.restart()
		}
		d.cleans = r.IntN(2) == 0
		if round < 4 {
			d.cutAt = 1 + r.IntN(60)
		}
	}
	return cuts, nil
}
