package client

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"muster"
	musterv1 "muster/gen/muster/v1"
)

// The pauses between two attempts to connect: they double from the first to the
// last, and half of each is random, so that many clients do not come at once.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 15 * time.Second
)

// Handler is told what a Follower receives, one call after another from one
// goroutine. Either function may be nil.
type Handler struct {
	// Message gets every message of every group of the account exactly once,
	// each group's in the order of seq without gaps, across reconnects.
	Message func(m *musterv1.GroupMessage)
	// Event gets every other event, and a nil frame whenever the connection is
	// ready again after Sync.
	Event func(f *musterv1.ServerFrame)
}

// Follower stays connected: it comes back after a cut as the server advises,
// fetches what it missed, and resends what was not acknowledged under the same
// client message id, so that it stands once. Safe for concurrent use.
type Follower struct {
	opt     Options
	handler Handler

	mu        sync.Mutex
	live      *Live
	ready     chan struct{} // closed when live is set
	positions map[int64]int64
	ended     error
}

// NewFollower makes a follower that has the groups up to the given positions
// (nil: none; such a group starts at the account's read position). Run connects
// it.
func NewFollower(opt Options, positions map[muster.GroupID]muster.Seq, handler Handler) *Follower {
	f := &Follower{opt: opt, handler: handler, ready: make(chan struct{}), positions: map[int64]int64{}}
	for g, seq := range positions {
		f.positions[int64(g)] = int64(seq)
	}
	return f
}

// Position is up to where the messages of a group were handed over.
func (f *Follower) Position(group muster.GroupID) muster.Seq {
	f.mu.Lock()
	defer f.mu.Unlock()
	return muster.Seq(f.positions[int64(group)])
}

// Positions copies the positions of all groups, to go on from another time.
func (f *Follower) Positions() map[muster.GroupID]muster.Seq {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make(map[muster.GroupID]muster.Seq, len(f.positions))
	for g, seq := range f.positions {
		out[muster.GroupID(g)] = muster.Seq(seq)
	}
	return out
}

// Run connects, and connects again, until ctx ends (nil) or the server says that
// it is no use (the *ClosedError or *muster.Error).
func (f *Follower) Run(ctx context.Context) error {
	pause := firstPause
	for {
		ready, err := f.once(ctx)
		if ctx.Err() != nil {
			f.end(ctx.Err())
			return nil //nolint:nilerr // the end that was asked for
		}
		after, again := retry(err)
		if !again {
			f.end(err)
			return err
		}
		if ready {
			pause = firstPause
		}
		wait := max(spread(after), pause/2+rand.N(pause/2+1)) //nolint:gosec // jitter
		pause = min(2*pause, lastPause)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			f.end(ctx.Err())
			return nil
		}
	}
}

// spread adds some chance to what the server advises: it may have advised the
// same to many, and headers count in whole seconds.
func spread(after time.Duration) time.Duration {
	if after <= 0 {
		return 0
	}
	return after + rand.N(after/4+time.Second/2) //nolint:gosec // jitter
}

// retry reads the server's advice.
func retry(err error) (after time.Duration, again bool) {
	if c, ok := errors.AsType[*ClosedError](err); ok {
		return c.After, c.Retry != musterv1.Retry_RETRY_NEVER
	}
	if e, ok := errors.AsType[*muster.Error](err); ok {
		switch e.Code {
		case muster.CodeUnavailable, muster.CodeResourceExhausted, muster.CodeInternal:
			return e.RetryAfter, true
		default:
			return 0, false
		}
	}
	return 0, true
}

// end lets those who wait for a connection go.
func (f *Follower) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = err
	if f.live == nil {
		close(f.ready)
	}
	f.live = nil
}

// once is one connection's life. ready says that it had caught up before it
// ended.
func (f *Follower) once(ctx context.Context) (ready bool, err error) {
	l, err := Dial(ctx, f.opt)
	if err != nil {
		return false, err
	}
	defer func() {
		f.lost()
		_ = l.Close() // it has ended, or ctx has
	}()
	s := &stream{Live: l}
	if err := f.catchUp(ctx, s); err != nil {
		return false, err
	}
	f.mu.Lock()
	f.live = l
	close(f.ready)
	f.mu.Unlock()
	f.event(nil)
	for {
		e, err := s.next(ctx)
		if err != nil {
			return true, err
		}
		if err := f.take(ctx, s, e); err != nil {
			return true, err
		}
	}
}

// stream is a connection's events with those that came during a Sync put by: a
// reader that waits for room among the events could not bring the answer.
type stream struct {
	*Live
	putBy []*musterv1.ServerFrame
}

// next gives the next event.
func (s *stream) next(ctx context.Context) (*musterv1.ServerFrame, error) {
	if len(s.putBy) > 0 {
		e := s.putBy[0]
		s.putBy = s.putBy[1:]
		return e, nil
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case e, ok := <-s.Events():
		if !ok {
			return nil, s.Err()
		}
		return e, nil
	}
}

// sync is Live.Sync that keeps taking events.
func (s *stream) sync(ctx context.Context, r *musterv1.SyncRequest) (*musterv1.SyncResponse, error) {
	type result struct {
		f   *musterv1.ServerFrame
		err error
	}
	got := make(chan result, 1)
	frame := &musterv1.ClientFrame{Body: &musterv1.ClientFrame_Sync{Sync: r}}
	if err := s.Go(ctx, frame, func(f *musterv1.ServerFrame, err error) { got <- result{f, err} }); err != nil {
		return nil, err
	}
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case a := <-got:
			return a.f.GetSynced(), a.err
		case e, ok := <-s.Events():
			if !ok {
				a := <-got // the end of the connection answers everything
				return a.f.GetSynced(), a.err
			}
			s.putBy = append(s.putBy, e)
		}
	}
}

// lost makes senders wait for the next connection.
func (f *Follower) lost() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.live != nil {
		f.live, f.ready = nil, make(chan struct{})
	}
}

// catchUp syncs until nothing is missing.
func (f *Follower) catchUp(ctx context.Context, s *stream) error {
	for {
		r := &musterv1.SyncRequest{}
		f.mu.Lock()
		at := maps.Clone(f.positions)
		f.mu.Unlock()
		for g, seq := range at {
			r.Positions = append(r.Positions, &musterv1.SyncPosition{GroupId: g, Seq: seq})
		}
		got, err := s.sync(ctx, r)
		if err != nil {
			return err
		}
		f.forget(got.GetGone())
		for _, g := range got.GetGroups() {
			f.begin(g)
			for _, m := range g.GetMessages() {
				f.deliver(m)
			}
		}
		if !got.GetMore() {
			return nil
		}
	}
}

// begin notes where a group starts that this follower did not know.
func (f *Follower) begin(g *musterv1.SyncedGroup) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := g.GetMine().GetGroup().GetId()
	if _, known := f.positions[id]; !known {
		f.positions[id] = g.GetMine().GetReadSeq()
	}
}

func (f *Follower) forget(groups []int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range groups {
		delete(f.positions, g)
	}
}

// deliver hands a message over if it is the next of its group. It tells whether
// one before it is missing.
func (f *Follower) deliver(m *musterv1.GroupMessage) (gap bool) {
	f.mu.Lock()
	at := f.positions[m.GetGroupId()]
	if m.GetSeq() != at+1 {
		f.mu.Unlock()
		return m.GetSeq() > at+1
	}
	f.positions[m.GetGroupId()] = at + 1
	f.mu.Unlock()
	if f.handler.Message != nil {
		f.handler.Message(m)
	}
	return false
}

func (f *Follower) event(e *musterv1.ServerFrame) {
	if f.handler.Event != nil {
		f.handler.Event(e)
	}
}

// take handles one event.
func (f *Follower) take(ctx context.Context, s *stream, e *musterv1.ServerFrame) error {
	switch b := e.GetBody().(type) {
	case *musterv1.ServerFrame_GroupMessage:
		if f.deliver(b.GroupMessage) {
			return f.catchUp(ctx, s)
		}
		return nil
	case *musterv1.ServerFrame_GroupBehind:
		return f.catchUp(ctx, s)
	case *musterv1.ServerFrame_MemberAdded:
		mine := b.MemberAdded.GetMine()
		f.begin(&musterv1.SyncedGroup{Mine: mine})
		f.event(e)
		if f.Position(muster.GroupID(mine.GetGroup().GetId())) < muster.Seq(mine.GetGroup().GetHead()) {
			return f.catchUp(ctx, s)
		}
		return nil
	case *musterv1.ServerFrame_MemberRemoved:
		f.forget([]int64{b.MemberRemoved.GetGroupId()})
	}
	f.event(e)
	return nil
}

// Live waits for a connection that has caught up.
func (f *Follower) Live(ctx context.Context) (*Live, error) {
	for {
		f.mu.Lock()
		l, ready, ended := f.live, f.ready, f.ended
		f.mu.Unlock()
		switch {
		case l != nil:
			return l, nil
		case ended != nil:
			return nil, ended
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Send sends a group message until it is acknowledged or refused, over as many
// connections as it takes, always under the same client message id (one is made
// if r has none). A refusal is a *muster.Error.
func (f *Follower) Send(ctx context.Context, r *musterv1.SendRequest) (*musterv1.SendResponse, error) {
	if r.GetClientMessageId() == "" {
		r.ClientMessageId = NewMessageID()
	}
	for {
		l, err := f.Live(ctx)
		if err != nil {
			return nil, err
		}
		sent, err := l.Send(ctx, r)
		if err == nil {
			return sent, nil
		}
		after, again := retry(err)
		if ctx.Err() != nil || !again {
			return nil, err
		}
		if c, ok := errors.AsType[*ClosedError](err); ok && c.Code == 0 || after == 0 {
			after = firstPause
		}
		timer := time.NewTimer(after)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}
