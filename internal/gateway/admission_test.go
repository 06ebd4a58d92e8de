package gateway

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestAdmission lets a crowd come back at once that does as it is told, beside
// some who come again and again: the rate is kept in every second, nobody of the
// crowd has to come many times, and all are in after little more than the rate
// needs. Time is made up, so what is counted is exact.
func TestAdmission(t *testing.T) {
	const rate, crowd, stubborn = 1000, 20_000, 20
	a := newAdmission(rate, rate, func() time.Duration { return 0 })
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rng := rand.New(rand.NewPCG(1, 2))
	type client struct {
		tries int
		bad   bool
	}
	due := make(map[time.Duration][]client) // by the millisecond in which they come
	come := func(at time.Duration, c client) {
		at = at.Truncate(time.Millisecond)
		due[at] = append(due[at], c)
	}
	for range crowd {
		come(time.Duration(rng.Int64N(int64(200*time.Millisecond))), client{})
	}
	for range stubborn {
		come(0, client{bad: true})
	}
	in := map[int]int{} // admitted in each second
	var done []time.Duration
	most, farthest := 0, time.Duration(0)
	for step := time.Duration(0); len(done) < crowd && step < 2*time.Minute; step += time.Millisecond {
		now := due[step]
		delete(due, step)
		rng.Shuffle(len(now), func(i, j int) { now[i], now[j] = now[j], now[i] })
		for _, c := range now {
			after, ok := a.enter(begin.Add(step))
			c.tries++
			switch {
			case c.bad:
				come(step+50*time.Millisecond, c)
			case ok:
				done = append(done, step)
				most = max(most, c.tries)
			default:
				if after < minReturn || after > minReturn+maxReturn {
					t.Fatalf("told to come after %v", after)
				}
				farthest = max(farthest, after)
				come(step+after+time.Duration(rng.Int64N(int64(after/4+time.Second/2))), c)
			}
			if ok {
				in[int(step/time.Second)]++
			}
		}
	}
	for second, n := range in {
		if n > rate+rate {
			t.Errorf("%d were let in in second %d", n, second)
		}
	}
	slices.Sort(done)
	if len(done) < crowd {
		t.Fatalf("only %d of %d are in", len(done), crowd)
	}
	t.Logf("95 %% in after %v, all after %v, at most %d tries, told %v at most", done[crowd*95/100], done[crowd-1], most, farthest)
	if done[crowd*95/100] > 45*time.Second {
		t.Errorf("95 %% are in after %v", done[crowd*95/100])
	}
	if got := a.admitted.Load(); got != uint64(sum(in)) || a.refused.Load() == 0 {
		t.Errorf("counted %d let in, it were %d; %d refused", got, sum(in), a.refused.Load())
	}
}

func sum(m map[int]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

// TestAdmissionUnderLoad holds that fewer are let in while messages come late,
// never none, and as many as before when they do not.
func TestAdmissionUnderLoad(t *testing.T) {
	late := time.Duration(0)
	a := newAdmission(1000, 1, func() time.Duration { return late })
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	second := func() (n int) {
		for range 1000 {
			now = now.Add(time.Millisecond)
			if _, ok := a.enter(now); ok {
				n++
			}
		}
		return n
	}
	second()
	if n := second(); n < 990 {
		t.Errorf("%d are let in without load", n)
	}
	late = time.Second
	second()
	if n := second(); n < 90 || n > 130 {
		t.Errorf("%d are let in under load, a tenth of the rate is left", n)
	}
	late = 0
	for range 5 {
		second()
	}
	if n := second(); n < 990 {
		t.Errorf("%d are let in after the load", n)
	}
	free := newAdmission(0, 0, nil)
	for range 10_000 {
		if _, ok := free.enter(now); !ok {
			t.Fatal("refused without a bound")
		}
	}
}

// TestPace holds a connection's bucket to its rate and burst.
func TestPace(t *testing.T) {
	p := pace{tokens: 5, at: 1}
	for i := range 5 {
		if _, ok := p.take(1, 10, 5); !ok {
			t.Fatalf("frame %d of the burst is refused", i)
		}
	}
	if wait, ok := p.take(1, 10, 5); ok || wait < 90*time.Millisecond || wait > 110*time.Millisecond {
		t.Errorf("behind the burst: %v, %v", wait, ok)
	}
	n := 0
	for now := int64(2); now <= 10_001; now++ {
		if _, ok := p.take(now, 10, 5); ok {
			n++
		}
	}
	if n < 99 || n > 101 {
		t.Errorf("%d frames in ten seconds at ten per second", n)
	}
	if _, ok := p.take(1, 10, 5); ok { // a clock that went back gives nothing
		t.Error("a clock that went back gives frames")
	}
}
