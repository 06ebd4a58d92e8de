package gateway

import (
	"testing"
	"time"
)

// TestReturnsAreSpread turns away a crowd at one moment, many more than have a
// place within the longest wait: no second is named to more than a few of them.
func TestReturnsAreSpread(t *testing.T) {
	const rate, crowd = 20, 5000
	a := newAdmission(rate, 1, func() time.Duration { return 0 })
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	seconds, distinct := map[int]int{}, map[time.Duration]bool{}
	refused := 0
	for range crowd {
		after, ok := a.enter(now)
		if ok {
			continue
		}
		refused++
		seconds[int(after/time.Second)]++
		distinct[after] = true
	}
	if refused != crowd-1 || len(distinct) < refused*9/10 {
		t.Errorf("%d were turned away, to %d different moments", refused, len(distinct))
	}
	for second, n := range seconds {
		if n > crowd/15 { // they are spread over half a minute
			t.Errorf("%d of %d were told to come in second %d", n, crowd, second)
		}
	}
}

// TestNoFrameAcrossMark holds that one frame does not reach across a seq behind
// which somebody's pushes begin, and that marks are forgotten once passed.
func TestNoFrameAcrossMark(t *testing.T) {
	topic := &groupTopic{delivered: 5, marks: []uint64{9, 7, 20}}
	for _, step := range []struct{ delivered, to, want uint64 }{
		{5, 6, 6}, {5, 100, 7}, {7, 100, 9}, {8, 9, 9}, {9, 100, 20}, {20, 100, 100},
	} {
		topic.delivered = step.delivered
		if got := topic.upTo(step.to); got != step.want {
			t.Errorf("behind %d up to %d: %d, want %d", step.delivered, step.to, got, step.want)
		}
	}
	if len(topic.marks) != 0 {
		t.Errorf("marks that were passed are kept: %d", topic.marks)
	}
}
