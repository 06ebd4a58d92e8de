package muster

import "time"

// Clock tells the time of day. Everything that stores or compares times of day
// takes one, so that tests can turn it and so that a jump of the machine's
// wall clock is met in one place (package internal/clock).
type Clock interface {
	// Now is the current time in UTC.
	Now() time.Time
}

// ClockFunc makes a function a Clock.
type ClockFunc func() time.Time

// Now calls f.
func (f ClockFunc) Now() time.Time { return f() }

// Millis is the form in which times of day are stored and sent: milliseconds
// since the Unix epoch; the zero time is 0.
func Millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// FromMillis turns the stored form back into a time; 0 is the zero time.
func FromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
