package enrol

import (
	"context"
	"sync"
	"time"

	"muster"
)

// watchPoll is how often a watcher looks into the database: the worker may be
// on another node, whose progress is not heard here.
const watchPoll = 2 * time.Second

// feed tells the watchers of this node that a job has changed. They read it
// again, and with it whether they still may.
type feed struct {
	mu       sync.Mutex
	watchers map[muster.EnrolmentID]map[chan struct{}]struct{}
}

func (f *feed) subscribe(id muster.EnrolmentID) chan struct{} {
	ch := make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.watchers[id] == nil {
		f.watchers[id] = map[chan struct{}]struct{}{}
	}
	f.watchers[id][ch] = struct{}{}
	return ch
}

func (f *feed) unsubscribe(id muster.EnrolmentID, ch chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.watchers[id], ch)
	if len(f.watchers[id]) == 0 {
		delete(f.watchers, id)
	}
}

func (f *feed) publish(id muster.EnrolmentID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for ch := range f.watchers[id] {
		signal(ch)
	}
}

// Watch yields the job now and whenever it changed, until it ends, ctx ends, or
// the acting account may not see it any more.
func (s *Service) Watch(ctx context.Context, acting muster.AccountID, id muster.EnrolmentID, yield func(Enrolment) error) error {
	ch := s.feed.subscribe(id)
	defer s.feed.unsubscribe(id, ch)
	last, err := s.Get(ctx, acting, id)
	if err != nil {
		return err
	}
	poll := time.NewTicker(watchPoll)
	defer poll.Stop()
	for {
		if err := yield(last); err != nil {
			return err
		}
		if !last.State.Working() {
			return nil
		}
		for before := last; last == before; {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-ch:
			case <-poll.C:
			}
			if last, err = s.Get(ctx, acting, id); err != nil {
				return err
			}
		}
	}
}
