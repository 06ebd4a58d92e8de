package store

import (
	"math/bits"
	"sync"
	"time"
)

// stopwatch reads the monotonic clock, for durations only.
func stopwatch() time.Time {
	return time.Now() //nolint:forbidigo // only differences of it are used, never the time of day
}

// The meter's ring: a second in slots, and in each the waits by their size.
const (
	waitSlots   = 8
	waitSlot    = time.Second / waitSlots
	waitBuckets = 4 * 40 // four to each power of two of microseconds
)

// waitMeter keeps how long messages waited in about the last second. The zero
// value is ready.
type waitMeter struct {
	mu     sync.Mutex
	counts [waitSlots][waitBuckets]uint32
	ends   [waitSlots]time.Time // when each slot's time is over
}

// add notes a wait that ended now.
func (w *waitMeter) add(wait time.Duration, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	slot := int(now.UnixNano()/int64(waitSlot)) % waitSlots
	if now.After(w.ends[slot]) {
		w.counts[slot] = [waitBuckets]uint32{}
		w.ends[slot] = now.Add(waitSlot)
	}
	w.counts[slot][waitBucket(wait)]++
}

// p99 is the wait that 99 of 100 stayed below, within a fifth; 0 without any.
func (w *waitMeter) p99() time.Duration {
	now := stopwatch()
	w.mu.Lock()
	defer w.mu.Unlock()
	var sum [waitBuckets]uint64
	var total uint64
	for slot := range w.counts {
		if now.Sub(w.ends[slot]) > time.Second {
			continue
		}
		for i, n := range w.counts[slot] {
			sum[i] += uint64(n)
			total += uint64(n)
		}
	}
	above := total / 100
	for i := waitBuckets - 1; i >= 0; i-- {
		if sum[i] > above {
			return waitBucketTop(i)
		}
		above -= sum[i]
	}
	return 0
}

// waitBucket numbers a wait by its highest bit and the two below it.
func waitBucket(wait time.Duration) int {
	us := uint64(max(wait.Microseconds(), 1)) //nolint:gosec // not negative
	high := bits.Len64(us) - 1
	quarter := us << 2 >> high & 3
	return min(high*4+int(quarter), waitBuckets-1) //nolint:gosec // at most 3
}

// waitBucketTop is the least wait above a bucket.
func waitBucketTop(i int) time.Duration {
	high, quarter := i/4, i%4
	return time.Duration((4+quarter+1)<<high>>2) * time.Microsecond
}
