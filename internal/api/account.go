package api

import (
	"context"

	"connectrpc.com/connect"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/account"
	"muster/internal/wire"
)

// accounts is AccountService.
type accounts struct{ *API }

// reply is an answer without an error.
func reply[T any](message *T) (*connect.Response[T], error) {
	return connect.NewResponse(message), nil
}

// accountPage reads a page of a list whose tokens package account makes.
func accountPage(list wire.List, size int32, token string) (account.Page, error) {
	c, err := wire.ParseToken(list, token)
	return account.Page{Size: int(size), Token: c.Name}, err
}

// accountToken is the token of the next page; none at the end.
func accountToken(list wire.List, next string) string {
	if next == "" {
		return ""
	}
	return wire.Token(list, wire.Cursor{Name: next})
}

// Register implements AccountService.
func (s accounts) Register(ctx context.Context, r *connect.Request[musterv1.RegisterRequest]) (*connect.Response[musterv1.RegisterResponse], error) {
	x, m := exchangeOf(ctx), r.Msg
	in, err := s.opt.Accounts.Register(ctx, account.Registration{
		Name: m.GetName(), Password: m.GetPassword(), Nickname: m.GetNickname(), Language: m.GetLanguage(), Token: m.GetSetupToken(),
		Client: account.Client{Device: m.GetDevice(), Address: x.origin.client},
	})
	if err != nil {
		return nil, err
	}
	res := connect.NewResponse(&musterv1.RegisterResponse{Account: wire.Account(in.Account), Session: wire.Session(in.Session), Token: in.Token})
	x.setCookie(res.Header(), in, s.opt.Clock.Now())
	return res, nil
}

// Login implements AccountService.
func (s accounts) Login(ctx context.Context, r *connect.Request[musterv1.LoginRequest]) (*connect.Response[musterv1.LoginResponse], error) {
	x := exchangeOf(ctx)
	in, err := s.opt.Accounts.Login(ctx, r.Msg.GetName(), r.Msg.GetPassword(), account.Client{Device: r.Msg.GetDevice(), Address: x.origin.client})
	if err != nil {
		return nil, err
	}
	res := connect.NewResponse(&musterv1.LoginResponse{Account: wire.Account(in.Account), Session: wire.Session(in.Session), Token: in.Token})
	x.setCookie(res.Header(), in, s.opt.Clock.Now())
	return res, nil
}

// Logout implements AccountService.
func (s accounts) Logout(ctx context.Context, _ *connect.Request[musterv1.LogoutRequest]) (*connect.Response[musterv1.LogoutResponse], error) {
	x := exchangeOf(ctx)
	if err := s.opt.Accounts.Logout(ctx, x.acting, x.session); err != nil {
		return nil, err
	}
	res := connect.NewResponse(&musterv1.LogoutResponse{})
	x.clearCookie(res.Header())
	return res, nil
}

// GetAccount implements AccountService.
func (s accounts) GetAccount(ctx context.Context, r *connect.Request[musterv1.GetAccountRequest]) (*connect.Response[musterv1.GetAccountResponse], error) {
	got, err := s.opt.Accounts.GetAccount(ctx, exchangeOf(ctx).acting, muster.AccountID(r.Msg.GetAccountId()))
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.GetAccountResponse{Account: wire.Account(got)})
}

// UpdateProfile implements AccountService.
func (s accounts) UpdateProfile(ctx context.Context, r *connect.Request[musterv1.UpdateProfileRequest]) (*connect.Response[musterv1.UpdateProfileResponse], error) {
	p := account.Profile{Nickname: r.Msg.Nickname, About: r.Msg.About, Language: r.Msg.Language}
	if r.Msg.DirectAdd != nil {
		d, err := wire.DirectAdd(r.Msg.GetDirectAdd())
		if err != nil {
			return nil, err
		}
		p.DirectAdd = &d
	}
	got, err := s.opt.Accounts.UpdateProfile(ctx, exchangeOf(ctx).acting, p)
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.UpdateProfileResponse{Account: wire.Account(got)})
}

// ChangePassword implements AccountService.
func (s accounts) ChangePassword(ctx context.Context, r *connect.Request[musterv1.ChangePasswordRequest]) (*connect.Response[musterv1.ChangePasswordResponse], error) {
	x := exchangeOf(ctx)
	if err := s.opt.Accounts.ChangePassword(ctx, x.acting, x.session, r.Msg.GetOldPassword(), r.Msg.GetNewPassword()); err != nil {
		return nil, err
	}
	return reply(&musterv1.ChangePasswordResponse{})
}

// ListSessions implements AccountService.
func (s accounts) ListSessions(ctx context.Context, _ *connect.Request[musterv1.ListSessionsRequest]) (*connect.Response[musterv1.ListSessionsResponse], error) {
	x := exchangeOf(ctx)
	list, err := s.opt.Accounts.ListSessions(ctx, x.acting, x.session)
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.ListSessionsResponse{Sessions: wire.Sessions(list)})
}

// RevokeSession implements AccountService.
func (s accounts) RevokeSession(ctx context.Context, r *connect.Request[musterv1.RevokeSessionRequest]) (*connect.Response[musterv1.RevokeSessionResponse], error) {
	x := exchangeOf(ctx)
	if err := s.opt.Accounts.RevokeSession(ctx, x.acting, x.session, muster.SessionID(r.Msg.GetSessionId()), r.Msg.GetAllOthers()); err != nil {
		return nil, err
	}
	return reply(&musterv1.RevokeSessionResponse{})
}

// FindAccounts implements AccountService.
func (s accounts) FindAccounts(ctx context.Context, r *connect.Request[musterv1.FindAccountsRequest]) (*connect.Response[musterv1.FindAccountsResponse], error) {
	page, err := accountPage(wire.ListAccounts, r.Msg.GetPageSize(), r.Msg.GetPageToken())
	if err != nil {
		return nil, err
	}
	list, next, err := s.opt.Accounts.FindAccounts(ctx, exchangeOf(ctx).acting, r.Msg.GetNamePrefix(), page)
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.FindAccountsResponse{Accounts: wire.Accounts(list), NextPageToken: accountToken(wire.ListAccounts, next)})
}

// Block implements AccountService.
func (s accounts) Block(ctx context.Context, r *connect.Request[musterv1.BlockRequest]) (*connect.Response[musterv1.BlockResponse], error) {
	if err := s.opt.Accounts.Block(ctx, exchangeOf(ctx).acting, muster.AccountID(r.Msg.GetAccountId())); err != nil {
		return nil, err
	}
	return reply(&musterv1.BlockResponse{})
}

// Unblock implements AccountService.
func (s accounts) Unblock(ctx context.Context, r *connect.Request[musterv1.UnblockRequest]) (*connect.Response[musterv1.UnblockResponse], error) {
	if err := s.opt.Accounts.Unblock(ctx, exchangeOf(ctx).acting, muster.AccountID(r.Msg.GetAccountId())); err != nil {
		return nil, err
	}
	return reply(&musterv1.UnblockResponse{})
}

// ListBlocked implements AccountService.
func (s accounts) ListBlocked(ctx context.Context, r *connect.Request[musterv1.ListBlockedRequest]) (*connect.Response[musterv1.ListBlockedResponse], error) {
	page, err := accountPage(wire.ListBlocked, r.Msg.GetPageSize(), r.Msg.GetPageToken())
	if err != nil {
		return nil, err
	}
	list, next, err := s.opt.Accounts.ListBlocked(ctx, exchangeOf(ctx).acting, page)
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.ListBlockedResponse{Accounts: wire.Accounts(list), NextPageToken: accountToken(wire.ListBlocked, next)})
}
