package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	v1 "muster/gen/muster/v1"
	"muster/gen/muster/v1/musterv1connect"

	"muster"
	"muster/internal/account"
	"muster/internal/api"
	"muster/internal/channel"
	"muster/internal/enrol"
)

// The table of every call x role x object.
//
// A row is a call, an object, and what each role gets:
//
//	own      the channel, group, account, session, ... in which the roles hold
//	foreign  one of other people, who know none of them; that channel is for
//	         its roster only
//	missing  one that does not exist
//
// The roles, on the roster of the own channel and in the own group:
//
//	anon    no session
//	out     an account that is in neither
//	guest   guest of the channel, not in the group
//	memb    member of both
//	moder   moderator of the channel, member of the group
//	admin   admin of both
//	owner   owner of both
//	server  administrator of the server, in neither
//
// The answers: auth is unauthenticated, deny permission_denied, none not_found,
// bad invalid_argument, prec failed_precondition.

var roles = []string{"anon", "out", "guest", "memb", "moder", "admin", "owner", "server"}

var codes = map[string]connect.Code{
	"ok": 0, "auth": connect.CodeUnauthenticated, "deny": connect.CodePermissionDenied, "none": connect.CodeNotFound,
	"bad": connect.CodeInvalidArgument, "prec": connect.CodeFailedPrecondition,
}

const (
	own = iota
	foreign
	missing
)

var objectNames = []string{"own", "foreign", "missing"}

// rule is what one call answers.
type rule struct {
	call string
	do   do
	// what each role gets, for each object; a call without an object has own
	// only.
	//        anon  out   guest memb  moder admin owner server
	answers [3]string
}

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

// readOnly are the calls that leave the objects as they are, so that the next one
// finds them so.
var readOnly = regexp.MustCompile(`\.(Get|List|Find|Preview|Watch|Sync)`)

// TestAccess runs the table.
func TestAccess(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{noWorkers: true})
	w := newWorld(n)
	for _, r := range accessTable {
		for kind, line := range r.answers {
			if line == "" {
				continue
			}
			wants := strings.Fields(line)
			if len(wants) != len(roles) {
				t.Fatalf("%s, %s: %d answers for %d roles", r.call, objectNames[kind], len(wants), len(roles))
			}
			for i, want := range wants {
				code, ok := codes[want]
				if !ok {
					t.Fatalf("%s: there is no answer %q", r.call, want)
				}
				c := w.callers[i]
				err := r.do(t.Context(), c, w.objects(kind, c))
				if got := codeOf(err); got != code {
					t.Errorf("%s, %s object, %s: got %v, want %v (%v)", r.call, objectNames[kind], roles[i], got, code, err)
				}
				if err == nil && !readOnly.MatchString(r.call) {
					w.used(kind, i)
				}
			}
		}
	}
}

// TestAccessTable holds the table to the schema: every call has a row, and every
// call that names an object a row for each kind of object.
func TestAccessTable(t *testing.T) {
	t.Parallel()
	rules := map[string]rule{}
	for _, r := range accessTable {
		if _, twice := rules[r.call]; twice {
			t.Errorf("%s stands in the table twice", r.call)
		}
		rules[r.call] = r
	}
	count := 0
	for _, service := range api.Services() {
		for i := range service.Methods().Len() {
			m := service.Methods().Get(i)
			name := string(service.Name()) + "." + string(m.Name())
			count++
			r, ok := rules[name]
			if !ok {
				t.Errorf("%s has no row: say who may do it", name)
				continue
			}
			if r.answers[own] == "" {
				t.Errorf("%s has no row for an own object", name)
			}
			if namesObject(m.Input()) && (r.answers[foreign] == "" || r.answers[missing] == "") {
				t.Errorf("%s names an object and needs rows for a foreign and a missing one", name)
			}
		}
	}
	if count != len(rules) || count < 60 {
		t.Errorf("%d calls in the schema, %d in the table", count, len(rules))
	}
}

// TestServices holds api.Services to the files of the schema.
func TestServices(t *testing.T) {
	t.Parallel()
	served := map[protoreflect.FullName]bool{}
	for _, s := range api.Services() {
		served[s.FullName()] = true
	}
	for _, file := range []protoreflect.FileDescriptor{
		v1.File_muster_v1_account_proto, v1.File_muster_v1_admin_proto, v1.File_muster_v1_channel_proto,
		v1.File_muster_v1_enrolment_proto, v1.File_muster_v1_group_proto, v1.File_muster_v1_live_proto,
	} {
		for i := range file.Services().Len() {
			if name := file.Services().Get(i).FullName(); !served[name] {
				t.Errorf("%s is not served", name)
			}
		}
	}
}

// namesObject says whether a request has the id of something.
func namesObject(d protoreflect.MessageDescriptor) bool {
	for i := range d.Fields().Len() {
		if f := d.Fields().Get(i); !f.IsList() && strings.HasSuffix(string(f.Name()), "_id") && f.Kind() == protoreflect.Int64Kind {
			return true
		}
	}
	return false
}

func codeOf(err error) connect.Code {
	if err == nil {
		return 0
	}
	return connect.CodeOf(err)
}

// do makes a call about objects.
type do func(ctx context.Context, c *caller, o *objects) error

type (
	accountClient   = musterv1connect.AccountServiceClient
	channelClient   = musterv1connect.ChannelServiceClient
	groupClient     = musterv1connect.GroupServiceClient
	enrolmentClient = musterv1connect.EnrolmentServiceClient
	adminClient     = musterv1connect.AdminServiceClient
)

// method is a unary method of a generated client.
type method[C, Req, Res any] func(C, context.Context, *connect.Request[Req]) (*connect.Response[Res], error)

func unary[C, Req, Res any](client func(*caller) C, m method[C, Req, Res], request func(*objects) *Req) do {
	return func(ctx context.Context, c *caller, o *objects) error {
		_, err := m(client(c), ctx, connect.NewRequest(request(o)))
		return err
	}
}

func accounts[Req, Res any](m method[accountClient, Req, Res], request func(*objects) *Req) do {
	return unary(func(c *caller) accountClient { return c.accounts }, m, request)
}

func channels[Req, Res any](m method[channelClient, Req, Res], request func(*objects) *Req) do {
	return unary(func(c *caller) channelClient { return c.channels }, m, request)
}

func groups[Req, Res any](m method[groupClient, Req, Res], request func(*objects) *Req) do {
	return unary(func(c *caller) groupClient { return c.groups }, m, request)
}

func enrolments[Req, Res any](m method[enrolmentClient, Req, Res], request func(*objects) *Req) do {
	return unary(func(c *caller) enrolmentClient { return c.enrolments }, m, request)
}

func admins[Req, Res any](m method[adminClient, Req, Res], request func(*objects) *Req) do {
	return unary(func(c *caller) adminClient { return c.admin }, m, request)
}

func importRoster(ctx context.Context, c *caller, o *objects) error {
	stream := c.channels.ImportRoster(ctx)
	line := &v1.ImportLine{Line: 1, Account: "target", Level: v1.Level_LEVEL_VIP}
	if err := stream.Send(&v1.ImportRosterRequest{ChannelId: o.channel, Lines: []*v1.ImportLine{line}}); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	_, err := stream.CloseAndReceive()
	return err
}

// watchEnrolment sees the first state of an enrolment that does not end.
func watchEnrolment(ctx context.Context, c *caller, o *objects) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.enrolments.WatchEnrolment(ctx, connect.NewRequest(&v1.WatchEnrolmentRequest{EnrolmentId: o.enrolment()}))
	if err != nil {
		return err
	}
	defer stream.Close()
	if stream.Receive() {
		return nil
	}
	return stream.Err()
}

func backup(ctx context.Context, c *caller, _ *objects) error {
	stream, err := c.admin.Backup(ctx, connect.NewRequest(&v1.BackupRequest{}))
	if err != nil {
		return err
	}
	defer stream.Close()
	for stream.Receive() {
	}
	return stream.Err()
}

var askGuests = []*v1.LevelPolicy{{Level: v1.Level_LEVEL_GUEST, Policy: v1.EnrolPolicy_ENROL_POLICY_ASK}}

var counter atomic.Int64

// fresh is a name that was not used before.
func fresh(kind string) string { return fmt.Sprintf("%s%d", kind, counter.Add(1)) }

// world is the people and objects of the table.
type world struct {
	n        *node
	people   []account.Account // by place in roles; 0: nobody
	callers  []*caller
	target   account.Account // guest of each channel and member of each group
	stranger account.Account // owner of what is foreign
	kept     [2]*objects     // own and foreign, until a call has changed them
}

// objects are what requests are about; o.enrolment and such make what they
// name.
type objects struct {
	account, channel, group, subgroup, target int64

	w    *world
	kind int
	who  *caller
}

// nothing is an id that is nobody's.
const nothing = 4711

func newWorld(n *node) *world {
	w := &world{n: n}
	make := func(name string, role account.ServerRole) account.Account {
		c := n.person(name, role)
		acct, err := n.domain.Accounts.GetAccount(n.t.Context(), c.account, 0)
		w.must(err)
		return acct
	}
	for _, name := range roles {
		switch name {
		case "anon":
			w.people, w.callers = append(w.people, account.Account{}), append(w.callers, n.anonymous())
			continue
		case "server":
			w.people = append(w.people, make(name, account.ServerAdmin))
		default:
			w.people = append(w.people, make(name, account.ServerUser))
		}
		w.callers = append(w.callers, n.session(w.people[len(w.people)-1]))
	}
	w.target, w.stranger = make("target", account.ServerUser), make("stranger", account.ServerUser)
	return w
}

func (w *world) must(err error) {
	w.n.t.Helper()
	if err != nil {
		w.n.t.Fatal(err)
	}
}

// person is who has a role.
func (w *world) person(role string) muster.AccountID {
	for i, r := range roles {
		if r == role {
			return w.people[i].ID
		}
	}
	w.n.t.Fatalf("nobody is %q", role)
	return 0
}

// objects gives those of a kind for a caller; made anew after a call that
// changed something.
func (w *world) objects(kind int, who *caller) *objects {
	o := objects{account: nothing, channel: nothing, group: nothing, subgroup: nothing, target: int64(w.target.ID)}
	if kind != missing {
		if w.kept[kind] == nil {
			w.kept[kind] = w.makeObjects(kind)
		}
		o = *w.kept[kind]
	}
	if kind == own {
		o.account = int64(who.account)
	}
	o.w, o.kind, o.who = w, kind, who
	return &o
}

// used throws away what a call that went well may have changed, and renews the
// session of who made it.
func (w *world) used(kind, role int) {
	if kind != missing {
		w.kept[kind] = nil
	}
	if role > 0 {
		w.callers[role] = w.n.session(w.people[role])
	}
}

// makeObjects makes a channel and a group with everybody in their place.
func (w *world) makeObjects(kind int) *objects {
	ctx, d := w.n.t.Context(), w.n.domain
	owner, policy := w.person("owner"), channel.JoinOpen
	levels := map[muster.AccountID]muster.Level{
		w.person("guest"): muster.Guest, w.person("memb"): muster.Member, w.person("moder"): muster.Moderator,
		w.person("admin"): muster.Admin, w.target.ID: muster.Guest,
	}
	members := []muster.AccountID{w.person("memb"), w.person("moder"), w.person("admin"), w.target.ID}
	if kind == foreign {
		owner, policy = w.stranger.ID, channel.JoinRoster
		levels = map[muster.AccountID]muster.Level{w.target.ID: muster.Guest}
		members = []muster.AccountID{w.target.ID}
	}
	c, err := d.Channels.CreateChannel(ctx, owner, 0, channel.Settings{Name: "room", JoinPolicy: policy})
	w.must(err)
	for id, level := range levels {
		_, err := d.Channels.SetLevel(ctx, owner, c.ID, id, level)
		w.must(err)
	}
	g, err := d.Groups.CreateGroup(ctx, owner, "group", "", 0)
	w.must(err)
	asked, err := d.Groups.Invite(ctx, owner, g.ID, members, "")
	w.must(err)
	for _, id := range members {
		_, err := d.Enrolments.AnswerInvitation(ctx, id, asked.Invitation, enrol.Accept)
		w.must(err)
	}
	if kind == own {
		w.must(d.Groups.SetRole(ctx, owner, g.ID, w.person("admin"), muster.RoleAdmin))
	}
	sub, err := d.Groups.CreateSubgroup(ctx, owner, g.ID, "part")
	w.must(err)
	w.must(d.Groups.Note(ctx, g.ID, "first", 2, 1))
	return &objects{
		account: int64(w.target.ID), channel: int64(c.ID), group: int64(g.ID), subgroup: int64(sub.ID), target: int64(w.target.ID),
	}
}

// enrolment starts one, which nobody works on.
func (o *objects) enrolment() int64 {
	if o.kind == missing {
		return nothing
	}
	owner := o.w.person("owner")
	if o.kind == foreign {
		owner = o.w.stranger.ID
	}
	var policies enrol.Policies
	policies[muster.Guest] = enrol.Ask
	e, err := o.w.n.domain.Enrolments.Start(o.w.n.t.Context(), owner, enrol.Request{
		Group: muster.GroupID(o.group), Channel: muster.ChannelID(o.channel), Policies: policies,
	}, fmt.Sprint("of group ", o.group))
	o.w.must(err)
	return int64(e.ID)
}

// invitation asks the caller, or somebody else, into a group of the stranger's.
func (o *objects) invitation() int64 {
	ctx, d := o.w.n.t.Context(), o.w.n.domain
	whom := o.who.account
	switch {
	case o.kind == missing:
		return nothing
	case o.kind == foreign || whom == 0:
		whom = o.w.target.ID
	}
	g, err := d.Groups.CreateGroup(ctx, o.w.stranger.ID, "others", "", 0)
	o.w.must(err)
	asked, err := d.Groups.Invite(ctx, o.w.stranger.ID, g.ID, []muster.AccountID{whom}, "")
	o.w.must(err)
	return int64(asked.Invitation)
}

// session is another one of the caller's, or somebody else's.
func (o *objects) session() int64 {
	switch {
	case o.kind == missing:
		return nothing
	case o.kind == foreign || o.who.account == 0:
		return int64(o.w.n.session(o.w.target).session)
	}
	acct, err := o.w.n.domain.Accounts.GetAccount(o.w.n.t.Context(), o.who.account, 0)
	o.w.must(err)
	return int64(o.w.n.session(acct).session)
}
