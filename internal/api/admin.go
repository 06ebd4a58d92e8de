package api

import (
	"context"
	runtimemetrics "runtime/metrics"

	"connectrpc.com/connect"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/account"
	"muster/internal/wire"
)

// admin is AdminService.
type admin struct{ *API }

// administrator refuses whoever does not administer the server, for the calls
// that have no domain behind them.
func (s admin) administrator(ctx context.Context) error {
	may, err := s.opt.Accounts.AdministersServer(ctx, exchangeOf(ctx).acting)
	if err != nil {
		return err
	}
	if !may {
		return muster.Denied("not_server_admin", "only administrators of the server may do this")
	}
	return nil
}

// GetStatistics implements AdminService.
func (s admin) GetStatistics(ctx context.Context, _ *connect.Request[musterv1.GetStatisticsRequest]) (*connect.Response[musterv1.GetStatisticsResponse], error) {
	if err := s.administrator(ctx); err != nil {
		return nil, err
	}
	stored, err := s.opt.Statistics.Stored(ctx)
	if err != nil {
		return nil, err
	}
	live := s.opt.Statistics.Live()
	return reply(&musterv1.GetStatisticsResponse{
		Version: s.build.Version, StartedMs: wire.Millis(s.started), Accounts: stored.Accounts, Channels: stored.Channels, Groups: stored.Groups,
		Connections: live.Connections, PeopleOnline: live.Online, MessagesSent: live.MessagesSent, ChannelMessages: live.ChannelMessages,
		Deliveries: live.Deliveries, MemoryBytes: memoryInUse(), Store: s.build.Store,
	})
}

// memoryInUse is what the program has of the machine's memory, as the Go runtime
// counts it.
func memoryInUse() int64 {
	sample := []runtimemetrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	runtimemetrics.Read(sample)
	return int64(sample[0].Value.Uint64() - sample[1].Value.Uint64()) //nolint:gosec // bytes of memory
}

// CreateAccount implements AdminService.
func (s admin) CreateAccount(ctx context.Context, r *connect.Request[musterv1.CreateAccountRequest]) (*connect.Response[musterv1.CreateAccountResponse], error) {
	x, m := exchangeOf(ctx), r.Msg
	var role account.ServerRole
	if m.GetServerRole() != musterv1.ServerRole_SERVER_ROLE_UNSPECIFIED {
		var err error
		if role, err = wire.ServerRole(m.GetServerRole()); err != nil {
			return nil, err
		}
	}
	made, claim, err := s.opt.Accounts.CreateAccount(ctx, x.acting, account.NewAccount{Name: m.GetName(), Nickname: m.GetNickname()}, m.GetPassword(), role)
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.CreateAccountResponse{Account: wire.Account(made), ClaimLink: s.link(x, claim)})
}

// ListAccounts implements AdminService.
func (s admin) ListAccounts(ctx context.Context, r *connect.Request[musterv1.ListAccountsRequest]) (*connect.Response[musterv1.ListAccountsResponse], error) {
	page, err := accountPage(wire.ListAccounts, r.Msg.GetPageSize(), r.Msg.GetPageToken())
	if err != nil {
		return nil, err
	}
	list, next, err := s.opt.Accounts.ListAccounts(ctx, exchangeOf(ctx).acting, r.Msg.GetNamePrefix(), page)
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.ListAccountsResponse{Accounts: wire.Accounts(list), NextPageToken: accountToken(wire.ListAccounts, next)})
}

// SetAccount implements AdminService.
func (s admin) SetAccount(ctx context.Context, r *connect.Request[musterv1.SetAccountRequest]) (*connect.Response[musterv1.SetAccountResponse], error) {
	x, m := exchangeOf(ctx), r.Msg
	set := account.Settings{Suspended: m.Suspended, ResetPassword: m.GetResetPassword()}
	if m.ServerRole != nil {
		role, err := wire.ServerRole(m.GetServerRole())
		if err != nil {
			return nil, err
		}
		set.Role = &role
	}
	got, claim, err := s.opt.Accounts.SetAccount(ctx, x.acting, muster.AccountID(m.GetAccountId()), set)
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.SetAccountResponse{Account: wire.Account(got), ClaimLink: s.link(x, claim)})
}

// IssueSession implements AdminService.
func (s admin) IssueSession(ctx context.Context, r *connect.Request[musterv1.IssueSessionRequest]) (*connect.Response[musterv1.IssueSessionResponse], error) {
	in, err := s.opt.Accounts.IssueSession(ctx, exchangeOf(ctx).acting, r.Msg.GetName(), r.Msg.GetDevice())
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.IssueSessionResponse{Account: wire.Account(in.Account), Session: wire.Session(in.Session), Token: in.Token})
}

// ListAudit implements AdminService.
func (s admin) ListAudit(ctx context.Context, r *connect.Request[musterv1.ListAuditRequest]) (*connect.Response[musterv1.ListAuditResponse], error) {
	page, err := accountPage(wire.ListAudit, r.Msg.GetPageSize(), r.Msg.GetPageToken())
	if err != nil {
		return nil, err
	}
	list, next, err := s.opt.Accounts.ListAudit(ctx, exchangeOf(ctx).acting, r.Msg.GetObject(), page)
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.ListAuditResponse{Entries: wire.AuditLog(list), NextPageToken: accountToken(wire.ListAudit, next)})
}

// Backup implements AdminService.
func (s admin) Backup(ctx context.Context, _ *connect.Request[musterv1.BackupRequest], stream *connect.ServerStream[musterv1.BackupResponse]) error {
	if err := s.opt.Accounts.BeginBackup(ctx, exchangeOf(ctx).acting); err != nil {
		return err
	}
	w := &backupWriter{stream: stream}
	if err := s.opt.Backup.Backup(ctx, w); err != nil {
		return err
	}
	return w.flush()
}

// backupChunk is how much of a backup goes into one message.
const backupChunk = 64 << 10

// backupWriter sends what is written in full messages.
type backupWriter struct {
	stream  *connect.ServerStream[musterv1.BackupResponse]
	waiting []byte
}

// Write implements io.Writer.
func (w *backupWriter) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		n := min(len(p), backupChunk-len(w.waiting))
		w.waiting, p = append(w.waiting, p[:n]...), p[n:]
		if len(w.waiting) < backupChunk {
			break
		}
		if err := w.flush(); err != nil {
			return written - len(p) - n, err
		}
	}
	return written, nil
}

// flush sends what waits.
func (w *backupWriter) flush() error {
	if len(w.waiting) == 0 {
		return nil
	}
	err := w.stream.Send(&musterv1.BackupResponse{Data: w.waiting})
	w.waiting = w.waiting[:0]
	return err
}
