//go:build linux

package load

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"

	"muster/internal/load/crowd"
	"muster/internal/load/proc"
)

// loop sends messages and notes when each of them has reached the last client.
type loop struct {
	*rig
	sp    *speaker
	run   uint16
	until time.Time
	over  <-chan struct{} // nil: until
	last  *hdrhistogram.Histogram
	sent  []int64 // when each was sent, or was due
	left  int     // under way
}

// send sends with so many under way, or in an open loop at a rate, and waits for
// the last.
func (l *loop) send(ctx context.Context, underWay int, rate float64) error {
	if rate > 0 {
		done := make(chan error, 1)
		go func() { done <- l.open(ctx, rate) }()
		return <-done
	}
	for range underWay {
		if err := l.speak(crowd.Now()); err != nil {
			return err
		}
	}
	for l.left > 0 {
		if err := l.await(ctx, l.set.Patience); err != nil {
			return err
		}
		if l.goesOn() {
			if err := l.speak(crowd.Now()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *loop) goesOn() bool {
	if l.over == nil {
		return time.Now().Before(l.until)
	}
	select {
	case <-l.over:
		return false
	default:
		return true
	}
}

func (l *loop) speak(due int64) error {
	seq := uint32(len(l.sent)) //nolint:gosec // a count
	l.sent = append(l.sent, due)
	l.left++
	return l.sp.speak(l.run, seq, due)
}

var (
	errNothing = errors.New("nothing came") // in time
	errEnded   = errors.New("a worker has ended")
)

// look notes which messages are everywhere by now.
func (l *loop) look(ctx context.Context) error {
	for {
		select {
		case d, ok := <-l.crew.dones:
			if !ok {
				return errEnded
			}
			l.note(d)
		case <-l.sp.over:
			return fmt.Errorf("the speaker: %w", l.sp.err())
		case <-ctx.Done():
			return ctx.Err()
		default:
			return nil
		}
	}
}

// note takes what a worker reports; true: a message is everywhere.
func (l *loop) note(d crowd.Done) bool {
	at, everywhere := l.crew.done(d)
	if everywhere {
		crowd.Record(l.last, time.Duration(at-l.sent[d.Seq]))
		l.left--
	}
	return everywhere
}

// await waits for one message to be everywhere.
func (l *loop) await(ctx context.Context, patience time.Duration) error {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case d, ok := <-l.crew.dones:
			if !ok {
				return errEnded
			}
			if l.note(d) {
				return nil
			}
		case <-late.C:
			return fmt.Errorf("%w: %d messages are not everywhere after %v", errNothing, l.left, patience)
		case <-l.sp.over:
			return fmt.Errorf("the speaker: %w", l.sp.err())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// open sends at a rate whatever becomes of the messages. Its thread sleeps in the
// kernel and looks at what has come when it sends: to be woken for each of a
// thousand messages a second would cost the clients a quarter of their processor.
func (l *loop) open(ctx context.Context, rate float64) error {
	runtime.LockOSThread() // and never unlocked: the thread ends with its haste
	proc.Hurry()
	begun := crowd.Now()
	for l.goesOn() {
		due := begun + int64(float64(len(l.sent))/rate*1e9)
		if wait := due - crowd.Now(); wait > 0 {
			ts := unix.NsecToTimespec(min(wait, int64(10*time.Millisecond)))
			_ = unix.Nanosleep(&ts, nil) // woken early, it sleeps again
			continue
		}
		if err := l.speak(due); err != nil {
			return err
		}
		if err := l.look(ctx); err != nil {
			return err
		}
	}
	for l.left > 0 {
		if err := l.await(ctx, l.set.Patience); err != nil {
			if errors.Is(err, errNothing) {
				return nil // what is missing is counted as lost
			}
			return err
		}
	}
	return nil
}
