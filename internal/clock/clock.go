// Package clock is the program's time of day. It is immune to jumps of the
// machine's wall clock: a [Clock] starts at the wall time, advances with the
// monotonic clock, and follows the wall clock only by running a little faster or
// slower ("slewing", as adjtime(3) does). So a wall clock that is set an hour or
// a day forward or back opens no rate window early, extends no session and
// repeats no timestamp.
//
// The rate of slewing is [MaxSlew], 1 %. That bounds the error of every duration
// that is measured on this clock: a login window of 15 minutes is off by 9
// seconds at most, an enrolment window of a day by 15 minutes, whatever is done
// to the wall clock. In return an offset lasts 100 times its size: the usual
// step of a few hundred milliseconds by a time daemon is gone within a minute, an
// hour takes four days. A restart takes the wall time as it is, at once, so an
// administrator who corrected a grossly wrong clock restarts the server;
// [Clock.Offset] tells the size of what is left, for the log and the metrics.
//
// Time that the machine spends suspended is real time: where the system counts
// it (Linux), the clock adds it at once. It does not keep time across restarts;
// what is stored has to bear a clock that begins earlier than it ended.
package clock

import (
	"math"
	"sync"
	"time"
)

// MaxSlew is by how much the clock runs faster or slower than the monotonic
// clock at most, as a fraction.
const MaxSlew = 0.01

// period is how often the wall clock is looked at, and the time in which a small
// offset is taken back.
const period = time.Second

// minAsleep is the least growth of Sources.Asleep that counts: less is the noise
// of reading two clocks one after the other.
const minAsleep = 50 * time.Millisecond

// Sources are the clocks underneath. Each is called by one goroutine at a time.
type Sources struct {
	// Wall gives the machine's time of day, which can jump.
	Wall func() time.Time
	// Mono gives the time since some fixed moment; it never goes backwards
	// and may stand still while the machine is suspended.
	Mono func() time.Duration
	// Asleep gives how long the machine was suspended, in all, which Mono
	// does not count. Nil is never. It is asked about once a second.
	Asleep func() time.Duration
}

// Clock is a time of day that never goes backwards and never jumps; a
// [muster.Clock]. Safe for concurrent use.
type Clock struct {
	src Sources

	mu     sync.Mutex
	mono   time.Duration // Mono when the current stretch began
	at     int64         // our time then, in nanoseconds since 1970
	slew   float64       // by how much we run fast (or slow, below 0) in this stretch
	asleep time.Duration // Asleep when it was last counted
	offset time.Duration // wall time minus ours when the stretch began
}

// System returns a clock over the clocks of the machine.
func System() *Clock {
	start := time.Now()
	return New(Sources{
		Wall:   time.Now,
		Mono:   func() time.Duration { return time.Since(start) },
		Asleep: asleep,
	})
}

// New returns a clock over the given sources that begins at the wall time.
func New(src Sources) *Clock {
	c := &Clock{src: src, mono: src.Mono(), at: src.Wall().UnixNano()}
	if src.Asleep != nil {
		c.asleep = src.Asleep()
	}
	return c
}

// Now gives the time of day in UTC. Of two calls of which one returned before
// the other began, the later gives no earlier time. The result carries no
// monotonic reading: use time.Since on a time.Now for short durations.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	ns := c.now()
	c.mu.Unlock()
	return time.Unix(0, ns).UTC()
}

// Offset gives how far the wall clock was ahead of this clock (behind, below 0)
// when it was last compared, about a second ago or less under load.
func (c *Clock) Offset() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now()
	return c.offset
}

// now gives our time, and begins a new stretch when the current one is over.
// The lock is held around reading Mono as well: that is what orders the results.
func (c *Clock) now() int64 {
	elapsed := max(c.src.Mono()-c.mono, 0)
	// A stretch that nobody asked the time in may be long: it takes back its
	// offset and no more.
	taken := min(float64(elapsed)*math.Abs(c.slew), math.Abs(float64(c.offset)))
	ns := c.at + int64(elapsed) + int64(math.Copysign(taken, c.slew))
	if elapsed < period {
		return ns
	}
	if c.src.Asleep != nil {
		if asleep := c.src.Asleep(); asleep-c.asleep >= minAsleep {
			ns += int64(asleep - c.asleep)
			c.asleep = asleep
		}
	}
	c.mono += elapsed
	c.at = ns
	c.offset = time.Duration(c.src.Wall().UnixNano() - ns)
	c.slew = min(max(float64(c.offset)/float64(period), -MaxSlew), MaxSlew)
	return ns
}
