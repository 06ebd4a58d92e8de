package gateway

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/gateway/engine"
	"muster/internal/group"
	"muster/internal/wire"
)

// errMoved says that the account was taken out of a group after its memberships
// were read: read them again.
var errMoved = errors.New("the memberships have changed")

// maxRereads bounds how often a hello reads the memberships again. A client that
// is removed from groups faster than that comes again.
const maxRereads = 20

// joinAll begins the pushes of all of the account's groups.
func (s *session) joinAll(ctx context.Context) error {
	for range maxRereads {
		epoch := s.epoch()
		err := s.gw.listGroups(ctx, s.account, func(ids []muster.GroupID, heads []muster.Seq) error {
			return s.join(ctx, ids, heads, epoch)
		})
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	return muster.Unavailable("memberships_busy", "your groups change too fast: try again")
}

func (s *session) epoch() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.removals
}

// join begins the pushes of groups that the account was seen to be in when its
// removals were at epoch; errMoved when it has been removed from one since. What
// was there before, up to after, is not pushed, also if it is still on its way.
func (s *session) join(ctx context.Context, ids []muster.GroupID, after []muster.Seq, epoch uint32) error {
	topics, err := s.gw.groups.acquire(ctx, ids)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	moved := s.removals != epoch
	if s.groups == nil && !moved && !s.left {
		s.groups = make([]*groupTopic, 0, len(topics)) // no more than there are: few change
	}
	for n, t := range topics {
		i, found := s.find(t.id)
		if found || moved || s.left {
			s.gw.groups.release(t)
			continue
		}
		s.groups = slices.Insert(s.groups, i, t)
		t.add(s.conn, after[n])
	}
	if moved {
		return errMoved
	}
	return nil
}

// drop ends the pushes of a group at once; false: there were none.
func (s *session) drop(id muster.GroupID) bool {
	s.mu.Lock()
	s.removals++
	i, found := s.find(id)
	var t *groupTopic
	if found {
		t = s.groups[i]
		s.groups = slices.Delete(s.groups, i, i+1)
		s.conn.Unsubscribe(t.topic())
	}
	s.mu.Unlock()
	if found {
		s.gw.groups.release(t)
	}
	return found
}

// settlerCount is how many groups are settled at a time.
const settlerCount = 4

// settler brings the connections of people whose memberships changed in line
// with the store, and tells them. What happens to one group is settled in
// order, and what is told is what the store says then, so that events that
// overtake each other come to the same end.
type settler struct {
	gw    *Gateway
	wake  chan struct{}
	mu    sync.Mutex
	queue []change
}

// change is something that happened to people who are online here.
type change struct {
	group    muster.GroupID
	accounts []muster.AccountID
	// why they are out; "": they are in, by enrolment if it is not 0.
	why       string
	enrolment muster.EnrolmentID
	// invitation is one that they have got; then the rest is not set.
	invitation muster.InvitationID
}

func (st *settler) init(g *Gateway) { st.gw, st.wake = g, make(chan struct{}, 1) }

// settle has a change settled.
func (g *Gateway) settle(c change) {
	if len(c.accounts) == 0 {
		return
	}
	st := &g.settlers[uint64(int64(c.group)+int64(c.invitation))*0x9E3779B97F4A7C15>>32%settlerCount] //nolint:gosec // a hash
	st.mu.Lock()
	st.queue = append(st.queue, c)
	st.mu.Unlock()
	signal(st.wake)
}

func (st *settler) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-st.wake:
		}
		for {
			st.mu.Lock()
			batch := st.queue
			st.queue = nil
			st.mu.Unlock()
			if len(batch) == 0 {
				break
			}
			for _, c := range batch {
				if c.invitation != 0 {
					st.invite(ctx, c)
				} else {
					st.members(ctx, c)
				}
			}
		}
	}
}

// The tries of a reading before the people concerned are asked to connect anew.
const (
	settleTries = 4
	settlePause = 50 * time.Millisecond
)

// try repeats what may fail for a moment.
func try(ctx context.Context, do func() error) error {
	pause := settlePause
	for n := 1; ; n++ {
		err := do()
		if err == nil || n == settleTries || ctx.Err() != nil {
			return err
		}
		if code := muster.CodeOf(err); code != muster.CodeInternal && code != muster.CodeUnavailable {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		pause *= 2
	}
}

// members settles the memberships of people in one group.
func (st *settler) members(ctx context.Context, c change) {
	var info *group.Mine // the group, read once for all
	for _, account := range c.accounts {
		sessions := st.gw.dir.of(account)
		if len(sessions) == 0 {
			continue
		}
		err := try(ctx, func() error { return st.member(ctx, c, account, sessions, &info) })
		if err == nil || ctx.Err() != nil {
			continue
		}
		st.gw.opt.Log.Warn("cannot read a membership; the account connects anew", "group", int64(c.group), "account", int64(account), "error", err)
		for _, s := range sessions {
			s.close(closeReset, 0)
		}
	}
}

func (st *settler) member(ctx context.Context, c change, account muster.AccountID, sessions []*session, info **group.Mine) error {
	for range maxRereads {
		epochs := make([]uint32, len(sessions))
		for i, s := range sessions {
			epochs[i] = s.epoch()
		}
		m, err := st.gw.svc.Groups.Member(ctx, c.group, account)
		if err != nil && muster.CodeOf(err) != muster.CodeNotFound {
			return err
		}
		if err != nil || m.Role == muster.NotMember {
			if c.why != "" {
				st.tellRemoved(c, sessions)
			}
			return nil
		}
		if *info == nil {
			mine, _, err := st.gw.svc.Groups.GetGroup(ctx, account, c.group)
			if err != nil && muster.CodeOf(err) == muster.CodeNotFound {
				continue // removed this moment
			}
			if err != nil {
				return err
			}
			*info = &mine
		}
		err = st.tellAdded(ctx, c, m, **info, sessions, epochs)
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	return muster.Unavailable("memberships_busy", "the memberships change too fast")
}

func (st *settler) tellRemoved(c change, sessions []*session) {
	f := frameOf(&musterv1.ServerFrame{Body: &musterv1.ServerFrame_MemberRemoved{
		MemberRemoved: &musterv1.MemberRemoved{GroupId: int64(c.group), Why: c.why},
	}})
	for _, s := range sessions {
		// apply has ended the pushes. One that has them again, or anew, was
		// joined by somebody who has seen the account in the group since.
		if s.in(c.group) == nil {
			s.send(f)
		}
	}
}

// tellAdded begins the pushes on those of the account's connections that do not
// have them, and tells these. The head that they are told is not before the seq
// where the pushes begin.
func (st *settler) tellAdded(ctx context.Context, c change, m group.Member, mine group.Mine, sessions []*session, epochs []uint32) error {
	mine.Role, mine.Subgroup, mine.Read = m.Role, m.Subgroup, m.JoinedSeq
	for i, s := range sessions {
		if s.in(c.group) != nil {
			continue
		}
		if err := s.join(ctx, []muster.GroupID{c.group}, []muster.Seq{m.JoinedSeq}, epochs[i]); err != nil {
			return err
		}
		t := s.in(c.group)
		if t == nil {
			continue // the connection ends, or the account was removed again
		}
		mine.Head = max(mine.Head, m.JoinedSeq, t.position())
		s.reply(&musterv1.ServerFrame{Body: &musterv1.ServerFrame_MemberAdded{
			MemberAdded: &musterv1.MemberAdded{Mine: wire.MyGroup(mine), EnrolmentId: int64(c.enrolment)},
		}})
	}
	return nil
}

// invite tells people of an invitation. It says the same to everybody, so it is
// read once.
func (st *settler) invite(ctx context.Context, c change) {
	var f *engine.Frame
	for _, account := range c.accounts {
		sessions := st.gw.dir.of(account)
		if len(sessions) == 0 {
			continue
		}
		if f == nil {
			err := try(ctx, func() error {
				in, err := st.gw.svc.Enrolments.Invitation(ctx, account, c.invitation)
				if err == nil {
					f = frameOf(&musterv1.ServerFrame{Body: &musterv1.ServerFrame_Invitation{Invitation: wire.Invitation(in)}})
				}
				return err
			})
			if err != nil { // answered or withdrawn already, or found by the next ListMyInvitations
				continue
			}
		}
		for _, s := range sessions {
			s.send(f)
		}
	}
}
