package gateway

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// The bounds of what those are told who have to come again.
const (
	minReturn = time.Second
	maxReturn = time.Minute
	// returnSlack is by how much the returns are spread wider than the rate
	// would take, so that there is room for those who were not turned away.
	returnSlack = 1.25
	// loadEvery is how often the engine's load is looked at, and tooLate the
	// delay of messages above which fewer are let in.
	loadEvery = 250 * time.Millisecond
	tooLate   = 100 * time.Millisecond
	// minPace is the least part of the rate that is left under load, bookPace the
	// least at which returns are booked: load passes sooner than a minute.
	minPace, bookPace = 0.1, 0.5
	// paceUp is by how much it grows again from look to look.
	paceUp = 0.1
)

// admission lets new connections in at a rate (a token bucket), so that
// everybody's return at once takes neither the memory nor the time of those who
// are in. Who is turned away gets a place in a queue that exists only as a
// moment, booked, up to which places were given: each is told to come back at
// its own time, and the rate is enough for them then. While the engine brings
// messages late, the rate is lower.
type admission struct {
	rate, burst float64              // per second, and at once; rate 0: no bound
	late        func() time.Duration // by how much messages come late now

	mu     sync.Mutex
	tokens float64
	at     time.Time // when tokens were counted
	booked time.Time
	pace   float64 // the part of the rate that is given now
	looked time.Time

	admitted, refused atomic.Uint64
}

func newAdmission(perSecond, burst int, late func() time.Duration) *admission {
	return &admission{rate: float64(perSecond), burst: max(float64(burst), 1), tokens: max(float64(burst), 1), pace: 1, late: late}
}

// enter asks for one connection to be let in; if it is not, after says when it
// should come back.
func (a *admission) enter(now time.Time) (after time.Duration, ok bool) {
	if a.rate <= 0 {
		a.admitted.Add(1)
		return 0, true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.look(now)
	rate := a.rate * a.pace
	if !a.at.IsZero() {
		a.tokens = min(a.burst, a.tokens+max(now.Sub(a.at).Seconds(), 0)*rate)
	}
	a.at = now
	if a.tokens >= 1 {
		a.tokens--
		a.admitted.Add(1)
		return 0, true
	}
	a.refused.Add(1)
	if a.booked.Before(now) {
		a.booked = now
	}
	a.booked = a.booked.Add(time.Duration(returnSlack / (a.rate * max(a.pace, bookPace)) * float64(time.Second)))
	wait := a.booked.Sub(now)
	spread := wait / 4
	if wait > maxReturn {
		// All who come after the last place are spread over the later half.
		wait, spread = maxReturn, maxReturn/2
		a.booked = now.Add(maxReturn)
	}
	return minReturn + wait - time.Duration(rand.Int64N(int64(spread)+1)), false
}

// look has fewer let in while messages come late. The lock is held.
func (a *admission) look(now time.Time) {
	if since := now.Sub(a.looked); since >= 0 && since < loadEvery {
		return
	}
	a.looked = now
	if a.late() > tooLate {
		a.pace = max(a.pace/2, minPace)
	} else {
		a.pace = min(a.pace+paceUp, 1)
	}
}
