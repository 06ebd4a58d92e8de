package api

import (
	"context"
	"math"

	"connectrpc.com/connect"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/group"
	"muster/internal/wire"
)

// groups is GroupService.
type groups struct{ *API }

// The bounds of a page.
const (
	usualPage = 100
	largePage = 200
)

func pageSize(asked int32) int {
	if asked <= 0 {
		return usualPage
	}
	return min(int(asked), largePage)
}

// nextByID is the token of the page after a full one, by the id of its last
// item.
func nextByID[T any](list wire.List, page []T, size int, id func(last T) int64) string {
	if len(page) < size {
		return ""
	}
	return wire.Token(list, wire.Cursor{ID: id(page[len(page)-1])})
}

// CreateGroup implements GroupService.
func (s groups) CreateGroup(ctx context.Context, r *connect.Request[musterv1.CreateGroupRequest]) (*connect.Response[musterv1.CreateGroupResponse], error) {
	g, err := s.opt.Groups.CreateGroup(ctx, exchangeOf(ctx).acting, r.Msg.GetName(), r.Msg.GetAbout(), r.Msg.GetCapacity())
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.CreateGroupResponse{Group: wire.Group(g, 0)})
}

// GetGroup implements GroupService.
func (s groups) GetGroup(ctx context.Context, r *connect.Request[musterv1.GetGroupRequest]) (*connect.Response[musterv1.GetGroupResponse], error) {
	mine, subs, err := s.opt.Groups.GetGroup(ctx, exchangeOf(ctx).acting, muster.GroupID(r.Msg.GetGroupId()))
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.GetGroupResponse{Group: wire.Group(mine.Group, mine.Head), Subgroups: wire.Subgroups(subs), YourRole: wire.Role(mine.Role)})
}

// UpdateGroup implements GroupService.
func (s groups) UpdateGroup(ctx context.Context, r *connect.Request[musterv1.UpdateGroupRequest]) (*connect.Response[musterv1.UpdateGroupResponse], error) {
	acting, id := exchangeOf(ctx).acting, muster.GroupID(r.Msg.GetGroupId())
	if _, err := s.opt.Groups.UpdateGroup(ctx, acting, id, group.Settings{Name: r.Msg.Name, About: r.Msg.About, Capacity: r.Msg.Capacity}); err != nil {
		return nil, err
	}
	mine, _, err := s.opt.Groups.GetGroup(ctx, acting, id) // with its head
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.UpdateGroupResponse{Group: wire.Group(mine.Group, mine.Head)})
}

// DissolveGroup implements GroupService.
func (s groups) DissolveGroup(ctx context.Context, r *connect.Request[musterv1.DissolveGroupRequest]) (*connect.Response[musterv1.DissolveGroupResponse], error) {
	if err := s.opt.Groups.DissolveGroup(ctx, exchangeOf(ctx).acting, muster.GroupID(r.Msg.GetGroupId())); err != nil {
		return nil, err
	}
	return reply(&musterv1.DissolveGroupResponse{})
}

// ListMyGroups implements GroupService.
func (s groups) ListMyGroups(ctx context.Context, r *connect.Request[musterv1.ListMyGroupsRequest]) (*connect.Response[musterv1.ListMyGroupsResponse], error) {
	after, err := wire.ParseToken(wire.ListMyGroups, r.Msg.GetPageToken())
	if err != nil {
		return nil, err
	}
	size := pageSize(r.Msg.GetPageSize())
	list, err := s.opt.Groups.ListMyGroups(ctx, exchangeOf(ctx).acting, muster.GroupID(after.ID), size)
	if err != nil {
		return nil, err
	}
	next := nextByID(wire.ListMyGroups, list, size, func(m group.Mine) int64 { return int64(m.Group.ID) })
	return reply(&musterv1.ListMyGroupsResponse{Groups: wire.MyGroups(list), NextPageToken: next})
}

// ListMembers implements GroupService.
func (s groups) ListMembers(ctx context.Context, r *connect.Request[musterv1.ListMembersRequest]) (*connect.Response[musterv1.ListMembersResponse], error) {
	m := r.Msg
	after, err := wire.ParseToken(wire.ListMembers, m.GetPageToken())
	if err != nil {
		return nil, err
	}
	role, err := wire.ParseRole(m.GetRole())
	if err != nil {
		return nil, err
	}
	page, err := s.opt.Groups.ListMembers(ctx, exchangeOf(ctx).acting, group.MemberQuery{
		Group: muster.GroupID(m.GetGroupId()), After: muster.AccountID(after.ID), AfterName: after.Name, Limit: pageSize(m.GetPageSize()),
		Subgroup: muster.SubgroupID(m.GetSubgroupId()), Role: role, Prefix: m.GetNamePrefix(),
	})
	if err != nil {
		return nil, err
	}
	out := &musterv1.ListMembersResponse{Members: wire.GroupMembers(page.Members)}
	if page.More {
		out.NextPageToken = wire.Token(wire.ListMembers, wire.Cursor{ID: int64(page.After), Name: page.AfterName})
	}
	return reply(out)
}

// Invite implements GroupService.
func (s groups) Invite(ctx context.Context, r *connect.Request[musterv1.InviteRequest]) (*connect.Response[musterv1.InviteResponse], error) {
	res, err := s.opt.Groups.Invite(ctx, exchangeOf(ctx).acting, muster.GroupID(r.Msg.GetGroupId()), wire.AccountIDs(r.Msg.GetAccountIds()), r.Msg.GetText())
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.InviteResponse{Invited: int64(len(res.Invited)), AlreadyIn: res.Already, Skipped: res.Skipped})
}

// LeaveGroup implements GroupService.
func (s groups) LeaveGroup(ctx context.Context, r *connect.Request[musterv1.LeaveGroupRequest]) (*connect.Response[musterv1.LeaveGroupResponse], error) {
	if err := s.opt.Groups.LeaveGroup(ctx, exchangeOf(ctx).acting, muster.GroupID(r.Msg.GetGroupId())); err != nil {
		return nil, err
	}
	return reply(&musterv1.LeaveGroupResponse{})
}

// RemoveMember implements GroupService.
func (s groups) RemoveMember(ctx context.Context, r *connect.Request[musterv1.RemoveMemberRequest]) (*connect.Response[musterv1.RemoveMemberResponse], error) {
	if err := s.opt.Groups.RemoveMember(ctx, exchangeOf(ctx).acting, muster.GroupID(r.Msg.GetGroupId()), muster.AccountID(r.Msg.GetAccountId())); err != nil {
		return nil, err
	}
	return reply(&musterv1.RemoveMemberResponse{})
}

// SetRole implements GroupService.
func (s groups) SetRole(ctx context.Context, r *connect.Request[musterv1.SetRoleRequest]) (*connect.Response[musterv1.SetRoleResponse], error) {
	role, err := wire.ParseRole(r.Msg.GetRole())
	if err != nil {
		return nil, err
	}
	if err := s.opt.Groups.SetRole(ctx, exchangeOf(ctx).acting, muster.GroupID(r.Msg.GetGroupId()), muster.AccountID(r.Msg.GetAccountId()), role); err != nil {
		return nil, err
	}
	return reply(&musterv1.SetRoleResponse{})
}

// CreateSubgroup implements GroupService.
func (s groups) CreateSubgroup(ctx context.Context, r *connect.Request[musterv1.CreateSubgroupRequest]) (*connect.Response[musterv1.CreateSubgroupResponse], error) {
	sub, err := s.opt.Groups.CreateSubgroup(ctx, exchangeOf(ctx).acting, muster.GroupID(r.Msg.GetGroupId()), r.Msg.GetName())
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.CreateSubgroupResponse{Subgroup: wire.Subgroup(sub)})
}

// RenameSubgroup implements GroupService.
func (s groups) RenameSubgroup(ctx context.Context, r *connect.Request[musterv1.RenameSubgroupRequest]) (*connect.Response[musterv1.RenameSubgroupResponse], error) {
	err := s.opt.Groups.RenameSubgroup(ctx, exchangeOf(ctx).acting, muster.GroupID(r.Msg.GetGroupId()), muster.SubgroupID(r.Msg.GetSubgroupId()), r.Msg.GetName())
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.RenameSubgroupResponse{})
}

// DeleteSubgroup implements GroupService.
func (s groups) DeleteSubgroup(ctx context.Context, r *connect.Request[musterv1.DeleteSubgroupRequest]) (*connect.Response[musterv1.DeleteSubgroupResponse], error) {
	if err := s.opt.Groups.DeleteSubgroup(ctx, exchangeOf(ctx).acting, muster.GroupID(r.Msg.GetGroupId()), muster.SubgroupID(r.Msg.GetSubgroupId())); err != nil {
		return nil, err
	}
	return reply(&musterv1.DeleteSubgroupResponse{})
}

// MoveMembers implements GroupService.
func (s groups) MoveMembers(ctx context.Context, r *connect.Request[musterv1.MoveMembersRequest]) (*connect.Response[musterv1.MoveMembersResponse], error) {
	moved, err := s.opt.Groups.MoveMembers(ctx, exchangeOf(ctx).acting, muster.GroupID(r.Msg.GetGroupId()), wire.AccountIDs(r.Msg.GetAccountIds()), muster.SubgroupID(r.Msg.GetSubgroupId()))
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.MoveMembersResponse{Moved: moved})
}

// SetLevelMap implements GroupService.
func (s groups) SetLevelMap(ctx context.Context, r *connect.Request[musterv1.SetLevelMapRequest]) (*connect.Response[musterv1.SetLevelMapResponse], error) {
	levels, err := wire.LevelMap(r.Msg.GetMappings())
	if err != nil {
		return nil, err
	}
	subs, err := s.opt.Groups.SetLevelMap(ctx, exchangeOf(ctx).acting, muster.GroupID(r.Msg.GetGroupId()), levels, muster.SubgroupID(r.Msg.GetDefaultSubgroupId()))
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.SetLevelMapResponse{Subgroups: wire.Subgroups(subs)})
}

// Send implements GroupService.
func (s groups) Send(ctx context.Context, r *connect.Request[musterv1.SendRequest]) (*connect.Response[musterv1.SendResponse], error) {
	receipt, err := s.opt.Groups.Send(ctx, exchangeOf(ctx).acting, wire.Draft(r.Msg))
	if err != nil {
		return nil, err
	}
	return reply(wire.Sent(receipt))
}

// ListMessages implements GroupService.
func (s groups) ListMessages(ctx context.Context, r *connect.Request[musterv1.ListMessagesRequest]) (*connect.Response[musterv1.ListMessagesResponse], error) {
	m := r.Msg
	h, err := s.opt.Groups.ListMessages(ctx, exchangeOf(ctx).acting, muster.GroupID(m.GetGroupId()), wire.Seq(m.Before), wire.Seq(m.After), int(m.GetLimit()))
	if err != nil {
		return nil, err
	}
	return reply(wire.History(h))
}

// MarkRead implements GroupService.
func (s groups) MarkRead(ctx context.Context, r *connect.Request[musterv1.MarkReadRequest]) (*connect.Response[musterv1.MarkReadResponse], error) {
	if err := s.opt.Groups.MarkRead(ctx, exchangeOf(ctx).acting, muster.GroupID(r.Msg.GetGroupId()), muster.Seq(r.Msg.GetSeq())); err != nil {
		return nil, err
	}
	return reply(&musterv1.MarkReadResponse{})
}

// Sync implements GroupService. The answer is as large as the budget, and a
// line for each group of the account beside it.
func (s groups) Sync(ctx context.Context, r *connect.Request[musterv1.SyncRequest]) (*connect.Response[musterv1.SyncResponse], error) {
	positions, err := wire.Positions(r.Msg.GetPositions())
	if err != nil {
		return nil, err
	}
	out := &musterv1.SyncResponse{}
	budget := int(min(max(r.Msg.GetMaxBytes(), 0), math.MaxInt32))
	gone, more, err := s.opt.Groups.Sync(ctx, exchangeOf(ctx).acting, positions, budget, func(one group.Synced) error {
		out.Groups = append(out.Groups, wire.Synced(one))
		return nil
	})
	if err != nil {
		return nil, err
	}
	out.More = more
	for _, id := range gone {
		out.Gone = append(out.Gone, int64(id))
	}
	return reply(out)
}
