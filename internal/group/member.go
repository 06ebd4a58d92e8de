package group

import (
	"context"

	"muster"
)

// pageSize bounds what a client asks for.
func pageSize(asked, most int) int {
	if asked <= 0 || asked > most {
		return most
	}
	return asked
}

// ListMembers reads a page of members, for members.
func (s *Service) ListMembers(ctx context.Context, acting muster.AccountID, q MemberQuery) (MemberPage, error) {
	if _, err := s.member(ctx, acting, q.Group, mustBeMember); err != nil {
		return MemberPage{}, err
	}
	q.Limit = pageSize(q.Limit, 200)
	return s.opt.Store.ListMembers(ctx, q)
}

// Invite asks people to join; administrators only. Who is in already, blocks
// the acting account or refuses additions is counted and left alone.
func (s *Service) Invite(ctx context.Context, acting muster.AccountID, id muster.GroupID, people []muster.AccountID, text string) (InviteResult, error) {
	if len(people) == 0 {
		return InviteResult{}, muster.Invalid("account_ids", "names nobody to invite")
	}
	if text != "" {
		if _, err := muster.ParseText("text", text, 2000); err != nil {
			return InviteResult{}, err
		}
	}
	in := Invite{
		ID: muster.InvitationID(s.opt.IDs.Next()), Group: id, Inviter: acting, People: people, Text: text,
		Expires: s.opt.Clock.Now().Add(s.opt.InvitationExpiry),
	}
	res, err := s.opt.Store.AddInvitations(ctx, in, mustAdminister)
	if err == nil && len(res.Invited) > 0 {
		s.opt.Events.Invited(in.ID, res.Invited)
	}
	return res, err
}

// LeaveGroup takes the acting account out. The owner hands over first.
func (s *Service) LeaveGroup(ctx context.Context, acting muster.AccountID, id muster.GroupID) error {
	err := s.opt.Store.RemoveMember(ctx, id, acting, acting, true, func(m, _ Member) error {
		if err := mustBeMember(m); err != nil {
			return err
		}
		if m.Role == muster.RoleOwner {
			return muster.Conflict("owner_cannot_leave", "hand the group over to another member, or dissolve it, before you leave")
		}
		return nil
	})
	if err == nil {
		s.opt.Events.MembersRemoved(id, []muster.AccountID{acting}, "left")
	}
	return err
}

// RemoveMember takes out a member whom the acting account outranks.
func (s *Service) RemoveMember(ctx context.Context, acting muster.AccountID, id muster.GroupID, target muster.AccountID) error {
	if acting == target {
		return muster.Invalid("account_id", "is yourself: leave the group instead")
	}
	err := s.opt.Store.RemoveMember(ctx, id, acting, target, false, func(a, t Member) error {
		if err := mustAdminister(a); err != nil {
			return err
		}
		if t.Role == muster.NotMember {
			return muster.NotFound("member")
		}
		if t.Role >= a.Role {
			return muster.Denied("not_outranked", "you can remove only members whom you outrank")
		}
		return nil
	})
	if err == nil {
		s.opt.Events.MembersRemoved(id, []muster.AccountID{target}, "removed")
	}
	return err
}

// SetRole makes a member an administrator or a plain member; RoleOwner hands
// the group over. The owner only.
func (s *Service) SetRole(ctx context.Context, acting muster.AccountID, id muster.GroupID, target muster.AccountID, role muster.Role) error {
	if role < muster.RoleMember || role > muster.RoleOwner {
		return muster.Invalid("role", "use member, admin or owner")
	}
	if acting == target {
		return muster.Invalid("account_id", "is yourself: the owner stays owner until somebody else is")
	}
	err := s.opt.Store.SetRole(ctx, id, acting, target, role, func(a, t Member) error {
		if err := mustOwn(a); err != nil {
			return err
		}
		if t.Role == muster.NotMember {
			return muster.NotFound("member")
		}
		return nil
	})
	if err == nil {
		s.opt.Events.GroupChanged(id)
	}
	return err
}

// CreateSubgroup adds a subgroup; administrators only.
func (s *Service) CreateSubgroup(ctx context.Context, acting muster.AccountID, id muster.GroupID, name string) (Subgroup, error) {
	title, err := muster.ParseTitle("name", name, muster.MaxTitle)
	if err != nil {
		return Subgroup{}, err
	}
	sub := Subgroup{ID: muster.SubgroupID(s.opt.IDs.Next()), Name: title}
	err = s.opt.Store.CreateSubgroup(ctx, id, acting, mustAdminister, sub)
	return sub, s.changed(id, err)
}

// RenameSubgroup gives a subgroup another name; administrators only.
func (s *Service) RenameSubgroup(ctx context.Context, acting muster.AccountID, id muster.GroupID, sub muster.SubgroupID, name string) error {
	title, err := muster.ParseTitle("name", name, muster.MaxTitle)
	if err != nil {
		return err
	}
	return s.changed(id, s.opt.Store.RenameSubgroup(ctx, id, acting, mustAdminister, sub, title))
}

// DeleteSubgroup removes a subgroup; its members stay in the group.
func (s *Service) DeleteSubgroup(ctx context.Context, acting muster.AccountID, id muster.GroupID, sub muster.SubgroupID) error {
	return s.changed(id, s.opt.Store.DeleteSubgroup(ctx, id, acting, mustAdminister, sub))
}

// MoveMembers puts members into a subgroup (0: none) and tells how many moved.
func (s *Service) MoveMembers(ctx context.Context, acting muster.AccountID, id muster.GroupID, people []muster.AccountID, sub muster.SubgroupID) (int64, error) {
	n, err := s.opt.Store.MoveMembers(ctx, id, acting, mustAdminister, people, sub)
	return n, s.changed(id, err)
}

// SetLevelMap says which level lands in which subgroup, and where a level
// without a mapping lands (0: in none); administrators only.
func (s *Service) SetLevelMap(ctx context.Context, acting muster.AccountID, id muster.GroupID, levels map[muster.Level]muster.SubgroupID, def muster.SubgroupID) ([]Subgroup, error) {
	for l := range levels {
		if !l.OnRoster() {
			return nil, muster.Invalid("mappings", "%v is not a level that a roster holds", l)
		}
	}
	if err := s.changed(id, s.opt.Store.SetLevelMap(ctx, id, acting, mustAdminister, levels, def)); err != nil {
		return nil, err
	}
	return s.opt.Store.Subgroups(ctx, id)
}

// changed tells of a change that went well.
func (s *Service) changed(id muster.GroupID, err error) error {
	if err == nil {
		s.opt.Events.GroupChanged(id)
	}
	return err
}
