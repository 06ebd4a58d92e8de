package api

import (
	"context"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/reflect/protoreflect"

	musterv1 "muster/gen/muster/v1"
	"muster/gen/muster/v1/musterv1connect"

	"muster"
	"muster/internal/account"
)

// access says who comes through to a call at all. What they may do there is
// decided by the domain.
type access uint8

// The classes. The zero access is none: a call without a row is refused.
const (
	// public is for calls that make a session.
	public access = iota + 1
	// signedIn wants a session.
	signedIn
	// administrative wants a session, or the admin socket.
	administrative
	// socketOnly wants the admin socket.
	socketOnly
)

// accessOf is the class of every call. TestAccessTable fails for a call of the
// schema that is not in it.
var accessOf = map[string]access{
	musterv1connect.AccountServiceRegisterProcedure:       public,
	musterv1connect.AccountServiceLoginProcedure:          public,
	musterv1connect.AccountServiceLogoutProcedure:         signedIn,
	musterv1connect.AccountServiceGetAccountProcedure:     signedIn,
	musterv1connect.AccountServiceUpdateProfileProcedure:  signedIn,
	musterv1connect.AccountServiceChangePasswordProcedure: signedIn,
	musterv1connect.AccountServiceListSessionsProcedure:   signedIn,
	musterv1connect.AccountServiceRevokeSessionProcedure:  signedIn,
	musterv1connect.AccountServiceFindAccountsProcedure:   signedIn,
	musterv1connect.AccountServiceBlockProcedure:          signedIn,
	musterv1connect.AccountServiceUnblockProcedure:        signedIn,
	musterv1connect.AccountServiceListBlockedProcedure:    signedIn,

	musterv1connect.ChannelServiceCreateChannelProcedure:    signedIn,
	musterv1connect.ChannelServiceGetChannelProcedure:       signedIn,
	musterv1connect.ChannelServiceUpdateChannelProcedure:    signedIn,
	musterv1connect.ChannelServiceDeleteChannelProcedure:    signedIn,
	musterv1connect.ChannelServiceListChannelsProcedure:     signedIn,
	musterv1connect.ChannelServiceJoinRosterProcedure:       signedIn,
	musterv1connect.ChannelServiceLeaveRosterProcedure:      signedIn,
	musterv1connect.ChannelServiceSetLevelProcedure:         signedIn,
	musterv1connect.ChannelServiceRemoveFromRosterProcedure: signedIn,
	musterv1connect.ChannelServiceBanProcedure:              signedIn,
	musterv1connect.ChannelServiceUnbanProcedure:            signedIn,
	musterv1connect.ChannelServiceListBansProcedure:         signedIn,
	musterv1connect.ChannelServiceListRosterProcedure:       signedIn,
	musterv1connect.ChannelServiceImportRosterProcedure:     signedIn,
	musterv1connect.ChannelServiceListPresentProcedure:      signedIn,

	musterv1connect.GroupServiceCreateGroupProcedure:    signedIn,
	musterv1connect.GroupServiceGetGroupProcedure:       signedIn,
	musterv1connect.GroupServiceUpdateGroupProcedure:    signedIn,
	musterv1connect.GroupServiceDissolveGroupProcedure:  signedIn,
	musterv1connect.GroupServiceListMyGroupsProcedure:   signedIn,
	musterv1connect.GroupServiceListMembersProcedure:    signedIn,
	musterv1connect.GroupServiceInviteProcedure:         signedIn,
	musterv1connect.GroupServiceLeaveGroupProcedure:     signedIn,
	musterv1connect.GroupServiceRemoveMemberProcedure:   signedIn,
	musterv1connect.GroupServiceSetRoleProcedure:        signedIn,
	musterv1connect.GroupServiceCreateSubgroupProcedure: signedIn,
	musterv1connect.GroupServiceRenameSubgroupProcedure: signedIn,
	musterv1connect.GroupServiceDeleteSubgroupProcedure: signedIn,
	musterv1connect.GroupServiceMoveMembersProcedure:    signedIn,
	musterv1connect.GroupServiceSetLevelMapProcedure:    signedIn,
	musterv1connect.GroupServiceSendProcedure:           signedIn,
	musterv1connect.GroupServiceListMessagesProcedure:   signedIn,
	musterv1connect.GroupServiceMarkReadProcedure:       signedIn,
	musterv1connect.GroupServiceSyncProcedure:           signedIn,

	musterv1connect.EnrolmentServicePreviewEnrolmentProcedure:  signedIn,
	musterv1connect.EnrolmentServiceStartEnrolmentProcedure:    signedIn,
	musterv1connect.EnrolmentServiceGetEnrolmentProcedure:      signedIn,
	musterv1connect.EnrolmentServiceListEnrolmentsProcedure:    signedIn,
	musterv1connect.EnrolmentServiceWatchEnrolmentProcedure:    signedIn,
	musterv1connect.EnrolmentServiceCancelEnrolmentProcedure:   signedIn,
	musterv1connect.EnrolmentServiceUndoEnrolmentProcedure:     signedIn,
	musterv1connect.EnrolmentServiceListMyInvitationsProcedure: signedIn,
	musterv1connect.EnrolmentServiceAnswerInvitationProcedure:  signedIn,

	musterv1connect.AdminServiceGetStatisticsProcedure: administrative,
	musterv1connect.AdminServiceCreateAccountProcedure: administrative,
	musterv1connect.AdminServiceListAccountsProcedure:  administrative,
	musterv1connect.AdminServiceSetAccountProcedure:    administrative,
	musterv1connect.AdminServiceListAuditProcedure:     administrative,
	musterv1connect.AdminServiceBackupProcedure:        administrative,
	musterv1connect.AdminServiceIssueSessionProcedure:  socketOnly,
}

// Services lists the services of the schema that the API serves.
func Services() []protoreflect.ServiceDescriptor {
	return []protoreflect.ServiceDescriptor{
		musterv1.File_muster_v1_account_proto.Services().ByName("AccountService"),
		musterv1.File_muster_v1_channel_proto.Services().ByName("ChannelService"),
		musterv1.File_muster_v1_group_proto.Services().ByName("GroupService"),
		musterv1.File_muster_v1_enrolment_proto.Services().ByName("EnrolmentService"),
		musterv1.File_muster_v1_admin_proto.Services().ByName("AdminService"),
	}
}

// call is what is known of a call before its handler.
type call struct {
	access       access
	clientStream bool
}

// calls has every call of the schema by its path.
var calls = func() map[string]call {
	all := map[string]call{}
	for _, service := range Services() {
		for i := range service.Methods().Len() {
			m := service.Methods().Get(i)
			path := "/" + string(service.FullName()) + "/" + string(m.Name())
			all[path] = call{access: accessOf[path], clientStream: m.IsStreamingClient()}
		}
	}
	return all
}()

// maxPublicMessage bounds what somebody without a session can send.
const maxPublicMessage = 64 << 10

// maxMessage bounds one message to a call, in bytes.
func (a *API) maxMessage(c call) int64 {
	if c.access == public {
		return min(maxPublicMessage, a.opt.MaxBody)
	}
	return a.opt.MaxBody
}

// services are the handlers of all calls by path, behind the gate.
func (a *API) services() map[string]http.Handler {
	options := connect.WithHandlerOptions(
		connect.WithRequestGate(a.gate),
		connect.WithInterceptors(interceptor{a}),
		connect.WithCodec(jsonCodec{"json"}), connect.WithCodec(jsonCodec{"json; charset=utf-8"}),
		connect.WithConditionalHandlerOptions(func(spec connect.Spec) []connect.HandlerOption {
			most := a.maxMessage(calls[spec.Procedure])
			return []connect.HandlerOption{connect.WithReadMaxBytes(int(most)), boundedGzip(most)}
		}),
	)
	all := map[string]http.Handler{}
	mount := func(path string, handler http.Handler) { all[path] = handler }
	mount(musterv1connect.NewAccountServiceHandler(accounts{a}, options))
	mount(musterv1connect.NewChannelServiceHandler(channels{a}, options))
	mount(musterv1connect.NewGroupServiceHandler(groups{a}, options))
	mount(musterv1connect.NewEnrolmentServiceHandler(enrolments{a}, options))
	mount(musterv1connect.NewAdminServiceHandler(admin{a}, options))
	return all
}

// gate lets a call through, or not, before anything of its body is read.
func (a *API) gate(ctx context.Context, spec connect.Spec, _ connect.Peer, _ http.Header) (context.Context, error) {
	x := exchangeOf(ctx)
	x.procedure = spec.Procedure
	if err := a.admit(ctx, x, calls[spec.Procedure].access); err != nil {
		return nil, a.fail(ctx, x, err)
	}
	return ctx, nil
}

// admit finds out who is asking.
func (a *API) admit(ctx context.Context, x *exchange, class access) error {
	switch class {
	case public:
		return nil
	case administrative, socketOnly:
		if x.socket && x.token == "" {
			x.acting = account.Operator
			return nil
		}
	case signedIn:
	default:
		return muster.Denied("no_access_rule", "this call is not open to anybody")
	}
	if err := a.authenticate(ctx, x); err != nil {
		return err
	}
	if class == socketOnly {
		return muster.Denied("not_operator", "this is done on the server's own machine only")
	}
	return nil
}

// authenticate makes the account of the token the acting one. Streams ask again
// with every message, so that a session that has ended ends them too.
func (a *API) authenticate(ctx context.Context, x *exchange) error {
	session, acct, err := a.opt.Accounts.Authenticate(ctx, x.token)
	if err != nil {
		return err
	}
	x.acting, x.session = acct.ID, session.ID
	return nil
}

// again is authenticate for what has been admitted already.
func (a *API) again(ctx context.Context, x *exchange) error {
	if x.token == "" {
		return nil // a public call, or the operator
	}
	if calls[x.procedure].access == public {
		return nil
	}
	return a.authenticate(ctx, x)
}
