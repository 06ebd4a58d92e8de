package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// asleep is how long the machine was suspended since it booted: CLOCK_BOOTTIME
// counts that time and CLOCK_MONOTONIC, Go's monotonic clock, does not
// (clock_gettime(2)).
func asleep() time.Duration {
	var mono, boot unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono) != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil {
		return 0
	}
	return time.Duration(boot.Nano() - mono.Nano())
}
