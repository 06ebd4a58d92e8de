package group

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"muster"
)

// readFlush is how long a read position may wait in memory. A crash loses at
// most that much of what was read, never a message.
const readFlush = time.Second

// readBuffer gathers read positions between two writes to the store.
type readBuffer struct {
	mu    sync.Mutex
	marks map[muster.AccountID]map[muster.GroupID]muster.Seq
	wake  chan struct{}
}

// put notes a position and tells whether it is news.
func (b *readBuffer) put(m ReadMark) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.marks == nil {
		b.marks = make(map[muster.AccountID]map[muster.GroupID]muster.Seq)
	}
	mine := b.marks[m.Account]
	if mine == nil {
		mine = make(map[muster.GroupID]muster.Seq)
		b.marks[m.Account] = mine
	}
	if mine[m.Group] >= m.Seq {
		return false
	}
	mine[m.Group] = m.Seq
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return true
}

// of copies what is buffered of an account. Who reads the stored positions takes
// it before: a position is always in one of the two.
func (b *readBuffer) of(account muster.AccountID) map[muster.GroupID]muster.Seq {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.marks[account])
}

// all copies what is buffered.
func (b *readBuffer) all() []ReadMark {
	b.mu.Lock()
	defer b.mu.Unlock()
	marks := make([]ReadMark, 0, len(b.marks))
	for account, mine := range b.marks {
		for group, seq := range mine {
			marks = append(marks, ReadMark{account, group, seq})
		}
	}
	return marks
}

// saved forgets what was written, unless it has moved on since.
func (b *readBuffer) saved(marks []ReadMark) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range marks {
		mine := b.marks[m.Account]
		if mine[m.Group] == m.Seq {
			delete(mine, m.Group)
		}
		if len(mine) == 0 {
			delete(b.marks, m.Account)
		}
	}
}

// MarkRead moves the acting account's read position forward. It is shared by
// the account's devices and saved within about a second.
func (s *Service) MarkRead(ctx context.Context, acting muster.AccountID, id muster.GroupID, seq muster.Seq) error {
	if _, err := s.member(ctx, acting, id, mustBeMember); err != nil {
		return err
	}
	head, err := s.opt.Log.Head(ctx, id)
	if err != nil {
		return err
	}
	if seq < 0 || seq > head {
		return muster.Invalid("seq", "is not the seq of a message: the newest is %d", head)
	}
	if m := (ReadMark{acting, id, seq}); s.reads.put(m) {
		s.opt.Events.ReadMoved(m)
	}
	return nil
}

// Run saves read positions until ctx ends, and what is left then.
func (s *Service) Run(ctx context.Context) error {
	timer := time.NewTimer(readFlush)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return s.FlushReads(context.WithoutCancel(ctx))
		case <-s.reads.wake:
		}
		timer.Reset(readFlush)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		if err := s.FlushReads(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
}

// FlushReads saves every buffered read position now.
func (s *Service) FlushReads(ctx context.Context) error {
	marks := s.reads.all()
	if len(marks) == 0 {
		return nil
	}
	if err := s.opt.Store.SaveReads(ctx, marks); err != nil {
		return err
	}
	s.reads.saved(marks)
	return nil
}
