package group

import (
	"context"
	"time"

	"muster"
)

// Options are what a Service is made of.
type Options struct {
	Store     Store
	Log       Log
	Events    Events
	Nicknames Nicknames
	Clock     muster.Clock
	IDs       *muster.IDs
	// MaxText bounds a message's text in bytes.
	MaxText int
	// MaxMembers bounds the capacity of a group; 0: no limit.
	MaxMembers int64
	// HistoryPage bounds the messages of one page of history.
	HistoryPage int
	// SyncBytes bounds what one Sync brings, about.
	SyncBytes int
	// InvitationExpiry is how long an invitation by hand stays open.
	InvitationExpiry time.Duration
}

// Service is everything that an account can do with groups. The acting account
// is always an argument, and every method checks its right. Safe for concurrent
// use.
type Service struct {
	opt   Options
	reads readBuffer
}

// New makes a Service; Run has to run for read positions to be saved.
func New(opt Options) *Service {
	return &Service{opt: opt, reads: readBuffer{wake: make(chan struct{}, 1)}}
}

func mustBeMember(m Member) error {
	if m.Role == muster.NotMember {
		return muster.NotFound("group") // that there is such a group is the members' business
	}
	return nil
}

func mustAdminister(m Member) error {
	if err := mustBeMember(m); err != nil {
		return err
	}
	if !m.Role.Administers() {
		return muster.Denied("not_group_admin", "only the group's owner and administrators may do this")
	}
	return nil
}

func mustOwn(m Member) error {
	if err := mustBeMember(m); err != nil {
		return err
	}
	if m.Role != muster.RoleOwner {
		return muster.Denied("not_group_owner", "only the group's owner may do this")
	}
	return nil
}

// member reads the acting account's membership and applies a rule to it.
func (s *Service) member(ctx context.Context, acting muster.AccountID, id muster.GroupID, rule Decide) (Member, error) {
	m, err := s.opt.Store.Member(ctx, id, acting)
	if err != nil {
		return Member{}, err
	}
	return m, rule(m)
}

// CreateGroup makes a group whose owner is the acting account. capacity 0 is no
// limit of its own: that of the server, if it has one.
func (s *Service) CreateGroup(ctx context.Context, acting muster.AccountID, name, about string, capacity int64) (Group, error) {
	g := Group{ID: muster.GroupID(s.opt.IDs.Next()), Owner: acting, Members: 1, Created: s.opt.Clock.Now()}
	if err := s.settle(&g, &name, &about, &capacity); err != nil {
		return Group{}, err
	}
	if err := s.opt.Store.CreateGroup(ctx, g); err != nil {
		return Group{}, err
	}
	s.opt.Events.MembersAdded(g.ID, 0, []muster.AccountID{acting})
	return g, nil
}

// settle checks the settings that are given and puts them into g.
func (s *Service) settle(g *Group, name, about *string, capacity *int64) error {
	if name != nil {
		title, err := muster.ParseTitle("name", *name, muster.MaxTitle)
		if err != nil {
			return err
		}
		g.Name = title
	}
	if about != nil {
		if *about != "" {
			if _, err := muster.ParseText("about", *about, 4*muster.MaxAbout); err != nil {
				return err
			}
		}
		g.About = *about
	}
	if capacity != nil {
		limit := s.opt.MaxMembers
		if *capacity < 0 || limit > 0 && *capacity > limit {
			return muster.Invalid("capacity", "must be between 0 (no limit of its own) and %d", limit)
		}
		g.Capacity = *capacity
		if g.Capacity == 0 {
			g.Capacity = limit
		}
	}
	return nil
}

// GetGroup shows a group, its subgroups and the acting account's role to a
// member.
func (s *Service) GetGroup(ctx context.Context, acting muster.AccountID, id muster.GroupID) (Mine, []Subgroup, error) {
	m, err := s.member(ctx, acting, id, mustBeMember)
	if err != nil {
		return Mine{}, nil, err
	}
	mine, err := s.mine(ctx, m)
	if err != nil {
		return Mine{}, nil, err
	}
	subs, err := s.opt.Store.Subgroups(ctx, id)
	return mine, subs, err
}

// mine fills in a group as a member sees it. The read position is that of the
// last Sync or list, so it is not part of it.
func (s *Service) mine(ctx context.Context, m Member) (Mine, error) {
	g, err := s.opt.Store.Group(ctx, m.Group)
	if err != nil {
		return Mine{}, err
	}
	head, err := s.opt.Log.Head(ctx, m.Group)
	return Mine{Group: g, Role: m.Role, Subgroup: m.Subgroup, Read: m.JoinedSeq, Head: head}, err
}

// Settings are what UpdateGroup can change; nil leaves a setting as it is.
type Settings struct {
	Name, About *string
	Capacity    *int64
}

// UpdateGroup changes settings; administrators only.
func (s *Service) UpdateGroup(ctx context.Context, acting muster.AccountID, id muster.GroupID, set Settings) (Group, error) {
	g, err := s.opt.Store.UpdateGroup(ctx, id, acting, mustAdminister, func(g *Group) error {
		return s.settle(g, set.Name, set.About, set.Capacity)
	})
	if err == nil {
		s.opt.Events.GroupChanged(id)
	}
	return g, err
}

// DissolveGroup ends a group for everybody; its owner only.
func (s *Service) DissolveGroup(ctx context.Context, acting muster.AccountID, id muster.GroupID) error {
	err := s.opt.Store.DissolveGroup(ctx, id, acting, mustOwn)
	if err == nil {
		s.opt.Events.GroupDissolved(id)
	}
	return err
}

// Member reads a membership, for those who watch a group on an account's behalf
// (the gateway). Role NotMember: none.
func (s *Service) Member(ctx context.Context, id muster.GroupID, account muster.AccountID) (Member, error) {
	return s.opt.Store.Member(ctx, id, account)
}

// CheckAdministrator is nil for an owner or administrator of the group,
// not_found for who is not in it, permission_denied for other members.
func (s *Service) CheckAdministrator(ctx context.Context, id muster.GroupID, account muster.AccountID) error {
	_, err := s.member(ctx, account, id, mustAdminister)
	return err
}
