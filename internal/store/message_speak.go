package store

import (
	"context"
	"sync"

	"muster"
	"muster/internal/group"
)

// maySend checks that the sender is a member and has it noted that they spoke;
// the server's own notes need the group only. generation is the group's from
// before the check.
func (l *sqliteLog) maySend(ctx context.Context, d *group.Draft) (generation uint64, err error) {
	s := l.store
	if d.Sender == group.ServerSender {
		generation = s.members.generation(d.Group)
		var n int64
		err = s.read(ctx, func(c conn) error {
			n, err = oneInt(c, "SELECT count(*) FROM grp WHERE id = $1", d.Group)
			return err
		})
		if err == nil && n == 0 {
			err = errNotMember()
		}
		return generation, err
	}
	ms, generation, err := s.membership(ctx, d.Group, d.Sender)
	if err != nil || ms.spoke {
		return generation, err
	}
	if err := l.words.note(ctx, d.Group, d.Sender); err != nil {
		return generation, err
	}
	ms.spoke = true
	s.members.put(d.Group, d.Sender, ms, generation)
	return generation, nil
}

// firstWords notes durably that members have spoken, before their first message
// is appended: an undone enrolment leaves them in the group. Notes that come
// together share a transaction.
type firstWords struct {
	store *Store
	wake  chan struct{}
	mu    sync.Mutex
	queue []*firstWord
	ended bool
}

type firstWord struct {
	key  memberKey
	done chan error // takes one without blocking
}

func newFirstWords(s *Store) firstWords { return firstWords{store: s, wake: make(chan struct{}, 1)} }

// note returns when it is durable that the member has spoken; not_a_member when
// there is no such member any more.
func (f *firstWords) note(ctx context.Context, id muster.GroupID, account muster.AccountID) error {
	w := &firstWord{memberKey{id, account}, make(chan error, 1)}
	f.mu.Lock()
	if f.ended {
		f.mu.Unlock()
		return errLogStopped()
	}
	f.queue = append(f.queue, w)
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run writes the notes until ctx ends.
func (f *firstWords) run(ctx context.Context) error {
	for {
		select {
		case <-f.wake:
			f.write(ctx, f.take(false))
		case <-ctx.Done():
			for _, w := range f.take(true) {
				w.done <- errLogStopped()
			}
			return nil
		}
	}
}

func (f *firstWords) take(end bool) []*firstWord {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := f.queue
	f.queue, f.ended = nil, end
	return q
}

func (f *firstWords) write(ctx context.Context, words []*firstWord) {
	there := make([]bool, len(words))
	err := f.store.write(ctx, func(c conn) error {
		for i, w := range words {
			n, err := c.exec("UPDATE group_member SET spoke = $3 WHERE group_id = $1 AND account_id = $2", w.key.group, w.key.account, true)
			if err != nil {
				return err
			}
			there[i] = n == 1
		}
		return nil
	})
	for i, w := range words {
		if err == nil && !there[i] {
			w.done <- errNotMember()
		} else {
			w.done <- err
		}
	}
}
