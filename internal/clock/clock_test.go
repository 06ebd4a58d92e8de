package clock

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"muster"
)

var _ muster.Clock = (*Clock)(nil)

// machine is a machine's clocks, turned by the test.
type machine struct {
	wall   time.Time
	mono   time.Duration
	asleep time.Duration
}

func newMachine() *machine {
	return &machine{wall: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

func (m *machine) sources() Sources {
	return Sources{
		Wall:   func() time.Time { return m.wall },
		Mono:   func() time.Duration { return m.mono },
		Asleep: func() time.Duration { return m.asleep },
	}
}

// pass lets time go by on every clock.
func (m *machine) pass(d time.Duration) {
	m.wall = m.wall.Add(d)
	m.mono += d
}

func (m *machine) suspend(d time.Duration) {
	m.wall = m.wall.Add(d)
	m.asleep += d
}

// run lets d go by in steps, asking the time after each.
func (m *machine) run(c *Clock, d, step time.Duration) {
	for ; d > 0; d -= step {
		m.pass(min(d, step))
		c.Now()
	}
}

func TestClockFollowsTheWallClock(t *testing.T) {
	m := newMachine()
	c := New(m.sources())
	if !c.Now().Equal(m.wall) {
		t.Fatalf("begins at %v, want the wall time %v", c.Now(), m.wall)
	}
	m.run(c, 24*time.Hour, 7*time.Second)
	if !c.Now().Equal(m.wall) {
		t.Errorf("after a day: %v, want %v", c.Now(), m.wall)
	}
	if loc := c.Now().Location(); loc != time.UTC {
		t.Errorf("location %v, want UTC", loc)
	}
}

// TestJump is T8 of the threat model for the clock itself: whatever the wall
// clock is set to, a duration measured on the clock is off by MaxSlew at most.
func TestJump(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour, 24 * time.Hour, -24 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			m := newMachine()
			c := New(m.sources())
			before := c.Now()
			m.wall = m.wall.Add(jump)
			if got := c.Now().Sub(before); got != 0 {
				t.Fatalf("moved by %v at the jump, want 0", got)
			}
			const window = 15 * time.Minute
			m.run(c, window, 250*time.Millisecond)
			if off := c.Now().Sub(before) - window; off.Abs() > window/100 {
				t.Errorf("15 minutes measured as %v", c.Now().Sub(before))
			} else if off.Abs() < window/101 || off > 0 != (jump > 0) {
				t.Errorf("took back %v of %v in %v, want 1 %%", off, jump, window)
			}
			// 100 times the jump (and a bit for the last, proportional, part)
			// later it is gone.
			m.run(c, 100*jump.Abs()+5*time.Minute, 30*time.Second)
			if off := m.wall.Sub(c.Now()); off.Abs() > time.Millisecond {
				t.Errorf("still off by %v", off)
			}
		})
	}
}

func TestSmallStepIsTakenBackWithinSeconds(t *testing.T) {
	m := newMachine()
	c := New(m.sources())
	m.wall = m.wall.Add(-200 * time.Millisecond)
	m.run(c, 25*time.Second, 100*time.Millisecond)
	if off := m.wall.Sub(c.Now()); off.Abs() > time.Millisecond {
		t.Errorf("off by %v after 25 s", off)
	}
	if off := c.Offset(); off.Abs() > time.Millisecond {
		t.Errorf("Offset says %v", off)
	}
}

func TestSilenceDoesNotOvershoot(t *testing.T) {
	m := newMachine()
	c := New(m.sources())
	m.wall = m.wall.Add(5 * time.Millisecond)
	m.run(c, 2*time.Second, time.Second) // sees the offset, and slews
	m.pass(time.Hour)                    // without being asked
	if off := m.wall.Sub(c.Now()); off.Abs() > time.Millisecond {
		t.Errorf("off by %v after an hour of silence", off)
	}
}

func TestSuspendedTimeCounts(t *testing.T) {
	m := newMachine()
	c := New(m.sources())
	m.run(c, 5*time.Second, time.Second)
	m.suspend(8 * time.Hour)
	m.run(c, time.Second, time.Second)
	if off := m.wall.Sub(c.Now()); off != 0 {
		t.Errorf("off by %v after a suspension of 8 h, want 0", off)
	}
}

func TestOffset(t *testing.T) {
	m := newMachine()
	c := New(m.sources())
	m.wall = m.wall.Add(time.Hour)
	m.run(c, time.Second, time.Second)
	if got := c.Offset(); got != time.Hour {
		t.Errorf("Offset %v, want 1h", got)
	}
}

// TestNeverBackwards turns the clocks at random: time never goes back, and what
// is measured stays within MaxSlew of what really went by.
func TestNeverBackwards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine()
		c := New(m.sources())
		start, last := c.Now(), c.Now()
		var passed time.Duration // on Mono and Asleep
		t.Repeat(map[string]func(*rapid.T){
			"pass": func(t *rapid.T) {
				d := time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "d"))
				m.pass(d)
				passed += d
			},
			"silence": func(t *rapid.T) {
				d := time.Duration(rapid.Int64Range(0, int64(48*time.Hour)).Draw(t, "d"))
				m.pass(d)
				passed += d
			},
			"suspend": func(t *rapid.T) {
				d := time.Duration(rapid.Int64Range(int64(minAsleep), int64(48*time.Hour)).Draw(t, "d"))
				m.suspend(d)
				passed += d
				// Counted at the next comparison.
				m.pass(period)
				passed += period
			},
			"step": func(t *rapid.T) {
				m.wall = m.wall.Add(time.Duration(rapid.Int64Range(-int64(48*time.Hour), int64(48*time.Hour)).Draw(t, "d")))
			},
			"": func(t *rapid.T) {
				now := c.Now()
				if now.Before(last) {
					t.Fatalf("went back from %v to %v", last, now)
				}
				last = now
				off := now.Sub(start) - passed
				// A microsecond for rounding.
				if math.Abs(float64(off)) > MaxSlew*float64(passed)+1e3 {
					t.Fatalf("%v went by, measured %v: off by %v", passed, now.Sub(start), off)
				}
			},
		})
	})
}

func TestSystemIsOrderedAcrossGoroutines(t *testing.T) {
	c := System()
	if d := time.Since(c.Now()).Abs(); d > time.Minute {
		t.Errorf("%v away from the wall clock at the start", d)
	}
	var (
		wg     sync.WaitGroup
		latest atomic.Int64 // the latest time that somebody has already seen
	)
	for range 4 {
		wg.Go(func() {
			for range 20_000 {
				before := latest.Load()
				now := c.Now().UnixNano()
				if now < before {
					t.Errorf("went back by %d ns", before-now)
					return
				}
				for before < now && !latest.CompareAndSwap(before, now) {
					before = latest.Load()
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkNow(b *testing.B) {
	c := System()
	b.ReportAllocs()
	for b.Loop() {
		c.Now()
	}
}
