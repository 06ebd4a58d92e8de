package api_test

import (
	"google.golang.org/protobuf/proto"

	v1 "muster/gen/muster/v1"
)

// accessTable says who may do what.
var accessTable = []rule{
	{"AccountService.Register", accounts(accountClient.Register, func(*objects) *v1.RegisterRequest {
		return &v1.RegisterRequest{Name: fresh("person"), Password: password}
	}), [3]string{
		own: " ok    ok    ok    ok    ok    ok    ok    ok ",
	}},
	{"AccountService.Login", accounts(accountClient.Login, func(*objects) *v1.LoginRequest {
		return &v1.LoginRequest{Name: "target", Password: password}
	}), [3]string{
		own: " ok    ok    ok    ok    ok    ok    ok    ok ",
	}},
	{"AccountService.Logout", accounts(accountClient.Logout, func(*objects) *v1.LogoutRequest { return &v1.LogoutRequest{} }), [3]string{
		own: " auth  ok    ok    ok    ok    ok    ok    ok ",
	}},
	{"AccountService.GetAccount", accounts(accountClient.GetAccount, func(o *objects) *v1.GetAccountRequest {
		return &v1.GetAccountRequest{AccountId: o.account}
	}), [3]string{
		own:     " auth  ok    ok    ok    ok    ok    ok    ok ",
		foreign: " auth  ok    ok    ok    ok    ok    ok    ok ",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"AccountService.UpdateProfile", accounts(accountClient.UpdateProfile, func(*objects) *v1.UpdateProfileRequest {
		return &v1.UpdateProfileRequest{About: proto.String("here")}
	}), [3]string{
		own: " auth  ok    ok    ok    ok    ok    ok    ok ",
	}},
	{"AccountService.ChangePassword", accounts(accountClient.ChangePassword, func(*objects) *v1.ChangePasswordRequest {
		return &v1.ChangePasswordRequest{OldPassword: password, NewPassword: password}
	}), [3]string{
		own: " auth  ok    ok    ok    ok    ok    ok    ok ",
	}},
	{"AccountService.ListSessions", accounts(accountClient.ListSessions, func(*objects) *v1.ListSessionsRequest { return &v1.ListSessionsRequest{} }), [3]string{
		own: " auth  ok    ok    ok    ok    ok    ok    ok ",
	}},
	{"AccountService.RevokeSession", accounts(accountClient.RevokeSession, func(o *objects) *v1.RevokeSessionRequest {
		return &v1.RevokeSessionRequest{SessionId: o.session()}
	}), [3]string{
		own:     " auth  ok    ok    ok    ok    ok    ok    ok ",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"AccountService.FindAccounts", accounts(accountClient.FindAccounts, func(*objects) *v1.FindAccountsRequest {
		return &v1.FindAccountsRequest{NamePrefix: "tar"}
	}), [3]string{
		own: " auth  ok    ok    ok    ok    ok    ok    ok ",
	}},
	{"AccountService.Block", accounts(accountClient.Block, func(o *objects) *v1.BlockRequest {
		return &v1.BlockRequest{AccountId: o.account}
	}), [3]string{
		own:     " auth  bad   bad   bad   bad   bad   bad   bad",
		foreign: " auth  ok    ok    ok    ok    ok    ok    ok ",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"AccountService.Unblock", accounts(accountClient.Unblock, func(o *objects) *v1.UnblockRequest {
		return &v1.UnblockRequest{AccountId: o.account}
	}), [3]string{
		own:     " auth  ok    ok    ok    ok    ok    ok    ok ",
		foreign: " auth  ok    ok    ok    ok    ok    ok    ok ",
		missing: " auth  ok    ok    ok    ok    ok    ok    ok ",
	}},
	{"AccountService.ListBlocked", accounts(accountClient.ListBlocked, func(*objects) *v1.ListBlockedRequest { return &v1.ListBlockedRequest{} }), [3]string{
		own: " auth  ok    ok    ok    ok    ok    ok    ok ",
	}},

	{"ChannelService.CreateChannel", channels(channelClient.CreateChannel, func(o *objects) *v1.CreateChannelRequest {
		return &v1.CreateChannelRequest{Name: "below", ParentId: o.channel}
	}), [3]string{
		own:     " auth  deny  deny  deny  deny  ok    ok    ok ",
		foreign: " auth  deny  deny  deny  deny  deny  deny  ok ",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"ChannelService.GetChannel", channels(channelClient.GetChannel, func(o *objects) *v1.GetChannelRequest {
		return &v1.GetChannelRequest{ChannelId: o.channel}
	}), [3]string{
		own:     " auth  ok    ok    ok    ok    ok    ok    ok ",
		foreign: " auth  ok    ok    ok    ok    ok    ok    ok ",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"ChannelService.UpdateChannel", channels(channelClient.UpdateChannel, func(o *objects) *v1.UpdateChannelRequest {
		return &v1.UpdateChannelRequest{ChannelId: o.channel, About: proto.String("new")}
	}), [3]string{
		own:     " auth  deny  deny  deny  deny  ok    ok    ok ",
		foreign: " auth  deny  deny  deny  deny  deny  deny  ok ",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"ChannelService.DeleteChannel", channels(channelClient.DeleteChannel, func(o *objects) *v1.DeleteChannelRequest {
		return &v1.DeleteChannelRequest{ChannelId: o.channel}
	}), [3]string{
		own:     " auth  deny  deny  deny  deny  deny  ok    ok ",
		foreign: " auth  deny  deny  deny  deny  deny  deny  ok ",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"ChannelService.ListChannels", channels(channelClient.ListChannels, func(o *objects) *v1.ListChannelsRequest {
		return &v1.ListChannelsRequest{ParentId: o.channel}
	}), [3]string{
		own:     " auth  ok    ok    ok    ok    ok    ok    ok ",
		foreign: " auth  ok    ok    ok    ok    ok    ok    ok ",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"ChannelService.JoinRoster", channels(channelClient.JoinRoster, func(o *objects) *v1.JoinRosterRequest {
		return &v1.JoinRosterRequest{ChannelId: o.channel}
	}), [3]string{
		own:     " auth  ok    ok    ok    ok    ok    ok    ok ",
		foreign: " auth  deny  deny  deny  deny  deny  deny  deny",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"ChannelService.LeaveRoster", channels(channelClient.LeaveRoster, func(o *objects) *v1.LeaveRosterRequest {
		return &v1.LeaveRosterRequest{ChannelId: o.channel}
	}), [3]string{
		own:     " auth  ok    ok    ok    ok    ok    prec  ok ",
		foreign: " auth  ok    ok    ok    ok    ok    ok    ok ",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"ChannelService.SetLevel", channels(channelClient.SetLevel, func(o *objects) *v1.SetLevelRequest {
		return &v1.SetLevelRequest{ChannelId: o.channel, AccountId: o.target, Level: v1.Level_LEVEL_VIP}
	}), [3]string{
		own:     " auth  deny  deny  deny  deny  ok    ok    ok ",
		foreign: " auth  deny  deny  deny  deny  deny  deny  ok ",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"ChannelService.RemoveFromRoster", channels(channelClient.RemoveFromRoster, func(o *objects) *v1.RemoveFromRosterRequest {
		return &v1.RemoveFromRosterRequest{ChannelId: o.channel, AccountId: o.target}
	}), [3]string{
		own:     " auth  deny  deny  deny  ok    ok    ok    ok ",
		foreign: " auth  deny  deny  deny  deny  deny  deny  ok ",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"ChannelService.Ban", channels(channelClient.Ban, func(o *objects) *v1.BanRequest {
		return &v1.BanRequest{ChannelId: o.channel, AccountId: o.target}
	}), [3]string{
		own:     " auth  deny  deny  deny  ok    ok    ok    ok ",
		foreign: " auth  deny  deny  deny  deny  deny  deny  ok ",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"ChannelService.Unban", channels(channelClient.Unban, func(o *objects) *v1.UnbanRequest {
		return &v1.UnbanRequest{ChannelId: o.channel, AccountId: o.target}
	}), [3]string{
		own:     " auth  deny  deny  deny  ok    ok    ok    ok ",
		foreign: " auth  deny  deny  deny  deny  deny  deny  ok ",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"ChannelService.ListBans", channels(channelClient.ListBans, func(o *objects) *v1.ListBansRequest {
		return &v1.ListBansRequest{ChannelId: o.channel}
	}), [3]string{
		own:     " auth  deny  deny  deny  ok    ok    ok    ok ",
		foreign: " auth  deny  deny  deny  deny  deny  deny  ok ",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"ChannelService.ListRoster", channels(channelClient.ListRoster, func(o *objects) *v1.ListRosterRequest {
		return &v1.ListRosterRequest{ChannelId: o.channel}
	}), [3]string{
		own:     " auth  ok    ok    ok    ok    ok    ok    ok ",
		foreign: " auth  deny  deny  deny  deny  deny  deny  ok ",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"ChannelService.ImportRoster", importRoster, [3]string{
		own:     " auth  deny  deny  deny  deny  ok    ok    ok ",
		foreign: " auth  deny  deny  deny  deny  deny  deny  ok ",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"ChannelService.ListPresent", channels(channelClient.ListPresent, func(o *objects) *v1.ListPresentRequest {
		return &v1.ListPresentRequest{ChannelId: o.channel}
	}), [3]string{
		own:     " auth  ok    ok    ok    ok    ok    ok    ok ",
		foreign: " auth  deny  deny  deny  deny  deny  deny  ok ",
		missing: " auth  none  none  none  none  none  none  none",
	}},

	{"GroupService.CreateGroup", groups(groupClient.CreateGroup, func(*objects) *v1.CreateGroupRequest {
		return &v1.CreateGroupRequest{Name: "new"}
	}), [3]string{
		own: " auth  ok    ok    ok    ok    ok    ok    ok ",
	}},
	{"GroupService.GetGroup", groups(groupClient.GetGroup, func(o *objects) *v1.GetGroupRequest {
		return &v1.GetGroupRequest{GroupId: o.group}
	}), [3]string{
		own:     " auth  none  none  ok    ok    ok    ok    none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"GroupService.UpdateGroup", groups(groupClient.UpdateGroup, func(o *objects) *v1.UpdateGroupRequest {
		return &v1.UpdateGroupRequest{GroupId: o.group, About: proto.String("new")}
	}), [3]string{
		own:     " auth  none  none  deny  deny  ok    ok    none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"GroupService.DissolveGroup", groups(groupClient.DissolveGroup, func(o *objects) *v1.DissolveGroupRequest {
		return &v1.DissolveGroupRequest{GroupId: o.group}
	}), [3]string{
		own:     " auth  none  none  deny  deny  deny  ok    none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"GroupService.ListMyGroups", groups(groupClient.ListMyGroups, func(*objects) *v1.ListMyGroupsRequest { return &v1.ListMyGroupsRequest{} }), [3]string{
		own: " auth  ok    ok    ok    ok    ok    ok    ok ",
	}},
	{"GroupService.ListMembers", groups(groupClient.ListMembers, func(o *objects) *v1.ListMembersRequest {
		return &v1.ListMembersRequest{GroupId: o.group}
	}), [3]string{
		own:     " auth  none  none  ok    ok    ok    ok    none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"GroupService.Invite", groups(groupClient.Invite, func(o *objects) *v1.InviteRequest {
		return &v1.InviteRequest{GroupId: o.group, AccountIds: []int64{o.target}}
	}), [3]string{
		own:     " auth  none  none  deny  deny  ok    ok    none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"GroupService.LeaveGroup", groups(groupClient.LeaveGroup, func(o *objects) *v1.LeaveGroupRequest {
		return &v1.LeaveGroupRequest{GroupId: o.group}
	}), [3]string{
		own:     " auth  none  none  ok    ok    ok    prec  none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"GroupService.RemoveMember", groups(groupClient.RemoveMember, func(o *objects) *v1.RemoveMemberRequest {
		return &v1.RemoveMemberRequest{GroupId: o.group, AccountId: o.target}
	}), [3]string{
		own:     " auth  none  none  deny  deny  ok    ok    none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"GroupService.SetRole", groups(groupClient.SetRole, func(o *objects) *v1.SetRoleRequest {
		return &v1.SetRoleRequest{GroupId: o.group, AccountId: o.target, Role: v1.Role_ROLE_ADMIN}
	}), [3]string{
		own:     " auth  none  none  deny  deny  deny  ok    none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"GroupService.CreateSubgroup", groups(groupClient.CreateSubgroup, func(o *objects) *v1.CreateSubgroupRequest {
		return &v1.CreateSubgroupRequest{GroupId: o.group, Name: fresh("part")}
	}), [3]string{
		own:     " auth  none  none  deny  deny  ok    ok    none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"GroupService.RenameSubgroup", groups(groupClient.RenameSubgroup, func(o *objects) *v1.RenameSubgroupRequest {
		return &v1.RenameSubgroupRequest{GroupId: o.group, SubgroupId: o.subgroup, Name: fresh("part")}
	}), [3]string{
		own:     " auth  none  none  deny  deny  ok    ok    none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"GroupService.DeleteSubgroup", groups(groupClient.DeleteSubgroup, func(o *objects) *v1.DeleteSubgroupRequest {
		return &v1.DeleteSubgroupRequest{GroupId: o.group, SubgroupId: o.subgroup}
	}), [3]string{
		own:     " auth  none  none  deny  deny  ok    ok    none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"GroupService.MoveMembers", groups(groupClient.MoveMembers, func(o *objects) *v1.MoveMembersRequest {
		return &v1.MoveMembersRequest{GroupId: o.group, SubgroupId: o.subgroup, AccountIds: []int64{o.target}}
	}), [3]string{
		own:     " auth  none  none  deny  deny  ok    ok    none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"GroupService.SetLevelMap", groups(groupClient.SetLevelMap, func(o *objects) *v1.SetLevelMapRequest {
		return &v1.SetLevelMapRequest{GroupId: o.group, Mappings: []*v1.LevelMapping{{Level: v1.Level_LEVEL_VIP, SubgroupId: o.subgroup}}}
	}), [3]string{
		own:     " auth  none  none  deny  deny  ok    ok    none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"GroupService.Send", groups(groupClient.Send, func(o *objects) *v1.SendRequest {
		return &v1.SendRequest{GroupId: o.group, ClientMessageId: fresh("message"), Text: "hello"}
	}), [3]string{
		own:     " auth  deny  deny  ok    ok    ok    ok    deny",
		foreign: " auth  deny  deny  deny  deny  deny  deny  deny",
		missing: " auth  deny  deny  deny  deny  deny  deny  deny",
	}},
	{"GroupService.ListMessages", groups(groupClient.ListMessages, func(o *objects) *v1.ListMessagesRequest {
		return &v1.ListMessagesRequest{GroupId: o.group}
	}), [3]string{
		own:     " auth  none  none  ok    ok    ok    ok    none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"GroupService.MarkRead", groups(groupClient.MarkRead, func(o *objects) *v1.MarkReadRequest {
		return &v1.MarkReadRequest{GroupId: o.group, Seq: 1}
	}), [3]string{
		own:     " auth  none  none  ok    ok    ok    ok    none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"GroupService.Sync", groups(groupClient.Sync, func(o *objects) *v1.SyncRequest {
		return &v1.SyncRequest{Positions: []*v1.SyncPosition{{GroupId: o.group}}}
	}), [3]string{
		own: " auth  ok    ok    ok    ok    ok    ok    ok ",
	}},

	{"EnrolmentService.PreviewEnrolment", enrolments(enrolmentClient.PreviewEnrolment, func(o *objects) *v1.PreviewEnrolmentRequest {
		return &v1.PreviewEnrolmentRequest{GroupId: o.group, ChannelId: o.channel, Policies: askGuests}
	}), [3]string{
		own:     " auth  none  none  deny  deny  ok    ok    none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"EnrolmentService.StartEnrolment", enrolments(enrolmentClient.StartEnrolment, func(o *objects) *v1.StartEnrolmentRequest {
		return &v1.StartEnrolmentRequest{GroupId: o.group, ChannelId: o.channel, Policies: askGuests}
	}), [3]string{
		own:     " auth  none  none  deny  deny  ok    ok    none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"EnrolmentService.GetEnrolment", enrolments(enrolmentClient.GetEnrolment, func(o *objects) *v1.GetEnrolmentRequest {
		return &v1.GetEnrolmentRequest{EnrolmentId: o.enrolment()}
	}), [3]string{
		own:     " auth  none  none  none  none  ok    ok    none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"EnrolmentService.ListEnrolments", enrolments(enrolmentClient.ListEnrolments, func(o *objects) *v1.ListEnrolmentsRequest {
		return &v1.ListEnrolmentsRequest{GroupId: o.group}
	}), [3]string{
		own:     " auth  none  none  deny  deny  ok    ok    none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"EnrolmentService.WatchEnrolment", watchEnrolment, [3]string{
		own:     " auth  none  none  none  none  ok    ok    none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"EnrolmentService.CancelEnrolment", enrolments(enrolmentClient.CancelEnrolment, func(o *objects) *v1.CancelEnrolmentRequest {
		return &v1.CancelEnrolmentRequest{EnrolmentId: o.enrolment()}
	}), [3]string{
		own:     " auth  none  none  none  none  ok    ok    none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"EnrolmentService.UndoEnrolment", enrolments(enrolmentClient.UndoEnrolment, func(o *objects) *v1.UndoEnrolmentRequest {
		return &v1.UndoEnrolmentRequest{EnrolmentId: o.enrolment()} // of one that still runs
	}), [3]string{
		own:     " auth  none  none  none  none  prec  prec  none",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},
	{"EnrolmentService.ListMyInvitations", enrolments(enrolmentClient.ListMyInvitations, func(*objects) *v1.ListMyInvitationsRequest {
		return &v1.ListMyInvitationsRequest{}
	}), [3]string{
		own: " auth  ok    ok    ok    ok    ok    ok    ok ",
	}},
	{"EnrolmentService.AnswerInvitation", enrolments(enrolmentClient.AnswerInvitation, func(o *objects) *v1.AnswerInvitationRequest {
		return &v1.AnswerInvitationRequest{InvitationId: o.invitation(), Choice: v1.Choice_CHOICE_ACCEPT}
	}), [3]string{
		own:     " auth  ok    ok    ok    ok    ok    ok    ok ",
		foreign: " auth  none  none  none  none  none  none  none",
		missing: " auth  none  none  none  none  none  none  none",
	}},

	{"AdminService.GetStatistics", admins(adminClient.GetStatistics, func(*objects) *v1.GetStatisticsRequest { return &v1.GetStatisticsRequest{} }), [3]string{
		own: " auth  deny  deny  deny  deny  deny  deny  ok ",
	}},
	{"AdminService.CreateAccount", admins(adminClient.CreateAccount, func(*objects) *v1.CreateAccountRequest {
		return &v1.CreateAccountRequest{Name: fresh("made")}
	}), [3]string{
		own: " auth  deny  deny  deny  deny  deny  deny  ok ",
	}},
	{"AdminService.ListAccounts", admins(adminClient.ListAccounts, func(*objects) *v1.ListAccountsRequest { return &v1.ListAccountsRequest{} }), [3]string{
		own: " auth  deny  deny  deny  deny  deny  deny  ok ",
	}},
	{"AdminService.SetAccount", admins(adminClient.SetAccount, func(o *objects) *v1.SetAccountRequest {
		return &v1.SetAccountRequest{AccountId: o.account, Suspended: proto.Bool(false)}
	}), [3]string{
		own:     " auth  deny  deny  deny  deny  deny  deny  ok ",
		foreign: " auth  deny  deny  deny  deny  deny  deny  ok ",
		missing: " auth  deny  deny  deny  deny  deny  deny  none",
	}},
	{"AdminService.IssueSession", admins(adminClient.IssueSession, func(*objects) *v1.IssueSessionRequest {
		return &v1.IssueSessionRequest{Name: "target"}
	}), [3]string{
		own: " auth  deny  deny  deny  deny  deny  deny  deny",
	}},
	{"AdminService.ListAudit", admins(adminClient.ListAudit, func(*objects) *v1.ListAuditRequest { return &v1.ListAuditRequest{} }), [3]string{
		own: " auth  deny  deny  deny  deny  deny  deny  ok ",
	}},
	{"AdminService.Backup", backup, [3]string{ // an owner of the server may: TestBackup
		own: " auth  deny  deny  deny  deny  deny  deny  deny",
	}},
}
