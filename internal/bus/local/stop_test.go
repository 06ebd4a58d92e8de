package local_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/bus"
	"muster/internal/bus/local"
)

// stop asks one responder, ends Run while it is at work, and gives what Run
// returned and after how long.
func stop(t *testing.T, r bus.Responder) (took time.Duration, err error) {
	b := local.New()
	if _, err := b.Respond("roster.1", r); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = b.Request(context.Background(), "roster.1", nil) }()
	synctest.Wait() // it is at work
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	err = b.Run(ctx)
	return time.Since(began), err
}

func TestStopWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finished := false
		took, err := stop(t, func(context.Context, string, []byte) []byte {
			time.Sleep(3 * time.Second)
			finished = true
			return nil
		})
		if err != nil || !finished || took != 3*time.Second {
			t.Errorf("Run returned %v after %v, responder finished: %v", err, took, finished)
		}
	})
}

func TestStopEndsContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		took, err := stop(t, func(ctx context.Context, _ string, _ []byte) []byte {
			<-ctx.Done()
			return nil
		})
		if err != nil || took != 4*time.Second {
			t.Errorf("Run returned %v after %v", err, took)
		}
	})
}

func TestStopGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leave := make(chan struct{})
		took, err := stop(t, func(context.Context, string, []byte) []byte {
			<-leave
			return nil
		})
		if err == nil || took != 5*time.Second {
			t.Errorf("Run returned %v after %v", err, took)
		}
		close(leave)
	})
}
