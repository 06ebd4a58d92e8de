package api

import (
	"context"

	"connectrpc.com/connect"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/channel"
	"muster/internal/wire"
)

// channels is ChannelService. The tokens of its pages are package channel's.
type channels struct{ *API }

// CreateChannel implements ChannelService.
func (s channels) CreateChannel(ctx context.Context, r *connect.Request[musterv1.CreateChannelRequest]) (*connect.Response[musterv1.CreateChannelResponse], error) {
	m := r.Msg
	set := channel.Settings{Name: m.GetName(), About: m.GetAbout()}
	var err error
	if set.JoinPolicy, err = wire.ParseJoinPolicy(m.GetJoinPolicy()); err != nil {
		return nil, err
	}
	if set.SpeakLevel, err = wire.ParseLevel("speak_level", m.GetSpeakLevel()); err != nil {
		return nil, err
	}
	if set.SlowMode, err = wire.Duration("slow_mode_ms", m.GetSlowModeMs()); err != nil {
		return nil, err
	}
	view, err := s.opt.Channels.CreateChannel(ctx, exchangeOf(ctx).acting, muster.ChannelID(m.GetParentId()), set)
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.CreateChannelResponse{Channel: wire.Channel(view)})
}

// GetChannel implements ChannelService.
func (s channels) GetChannel(ctx context.Context, r *connect.Request[musterv1.GetChannelRequest]) (*connect.Response[musterv1.GetChannelResponse], error) {
	view, err := s.opt.Channels.GetChannel(ctx, exchangeOf(ctx).acting, muster.ChannelID(r.Msg.GetChannelId()))
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.GetChannelResponse{Channel: wire.Channel(view)})
}

// UpdateChannel implements ChannelService.
func (s channels) UpdateChannel(ctx context.Context, r *connect.Request[musterv1.UpdateChannelRequest]) (*connect.Response[musterv1.UpdateChannelResponse], error) {
	update, err := channelUpdate(r.Msg)
	if err != nil {
		return nil, err
	}
	view, err := s.opt.Channels.UpdateChannel(ctx, exchangeOf(ctx).acting, muster.ChannelID(r.Msg.GetChannelId()), update)
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.UpdateChannelResponse{Channel: wire.Channel(view)})
}

// channelUpdate reads the fields that are present.
func channelUpdate(m *musterv1.UpdateChannelRequest) (channel.Update, error) {
	u := channel.Update{Name: m.Name, About: m.About}
	if m.JoinPolicy != nil {
		p, err := wire.ParseJoinPolicy(m.GetJoinPolicy())
		if err != nil {
			return u, err
		}
		u.JoinPolicy = &p
	}
	if m.SpeakLevel != nil {
		l, err := wire.ParseLevel("speak_level", m.GetSpeakLevel())
		if err != nil {
			return u, err
		}
		u.SpeakLevel = &l
	}
	if m.SlowModeMs != nil {
		d, err := wire.Duration("slow_mode_ms", m.GetSlowModeMs())
		if err != nil {
			return u, err
		}
		u.SlowMode = &d
	}
	return u, nil
}

// DeleteChannel implements ChannelService.
func (s channels) DeleteChannel(ctx context.Context, r *connect.Request[musterv1.DeleteChannelRequest]) (*connect.Response[musterv1.DeleteChannelResponse], error) {
	if err := s.opt.Channels.DeleteChannel(ctx, exchangeOf(ctx).acting, muster.ChannelID(r.Msg.GetChannelId())); err != nil {
		return nil, err
	}
	return reply(&musterv1.DeleteChannelResponse{})
}

// ListChannels implements ChannelService.
func (s channels) ListChannels(ctx context.Context, r *connect.Request[musterv1.ListChannelsRequest]) (*connect.Response[musterv1.ListChannelsResponse], error) {
	page, next, err := s.opt.Channels.ListChannels(ctx, exchangeOf(ctx).acting, channel.List{
		Parent: muster.ChannelID(r.Msg.GetParentId()), Mine: r.Msg.GetMine(), PageSize: int(r.Msg.GetPageSize()), PageToken: r.Msg.GetPageToken(),
	})
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.ListChannelsResponse{Channels: wire.Channels(page), NextPageToken: next})
}

// JoinRoster implements ChannelService.
func (s channels) JoinRoster(ctx context.Context, r *connect.Request[musterv1.JoinRosterRequest]) (*connect.Response[musterv1.JoinRosterResponse], error) {
	entry, err := s.opt.Channels.JoinRoster(ctx, exchangeOf(ctx).acting, muster.ChannelID(r.Msg.GetChannelId()), r.Msg.GetNickname())
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.JoinRosterResponse{Entry: wire.RosterEntry(entry)})
}

// LeaveRoster implements ChannelService.
func (s channels) LeaveRoster(ctx context.Context, r *connect.Request[musterv1.LeaveRosterRequest]) (*connect.Response[musterv1.LeaveRosterResponse], error) {
	if err := s.opt.Channels.LeaveRoster(ctx, exchangeOf(ctx).acting, muster.ChannelID(r.Msg.GetChannelId())); err != nil {
		return nil, err
	}
	return reply(&musterv1.LeaveRosterResponse{})
}

// SetLevel implements ChannelService.
func (s channels) SetLevel(ctx context.Context, r *connect.Request[musterv1.SetLevelRequest]) (*connect.Response[musterv1.SetLevelResponse], error) {
	level, err := wire.ParseLevel("level", r.Msg.GetLevel())
	if err != nil {
		return nil, err
	}
	entry, err := s.opt.Channels.SetLevel(ctx, exchangeOf(ctx).acting, muster.ChannelID(r.Msg.GetChannelId()), muster.AccountID(r.Msg.GetAccountId()), level)
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.SetLevelResponse{Entry: wire.RosterEntry(entry)})
}

// RemoveFromRoster implements ChannelService.
func (s channels) RemoveFromRoster(ctx context.Context, r *connect.Request[musterv1.RemoveFromRosterRequest]) (*connect.Response[musterv1.RemoveFromRosterResponse], error) {
	if err := s.opt.Channels.RemoveFromRoster(ctx, exchangeOf(ctx).acting, muster.ChannelID(r.Msg.GetChannelId()), muster.AccountID(r.Msg.GetAccountId())); err != nil {
		return nil, err
	}
	return reply(&musterv1.RemoveFromRosterResponse{})
}

// Ban implements ChannelService.
func (s channels) Ban(ctx context.Context, r *connect.Request[musterv1.BanRequest]) (*connect.Response[musterv1.BanResponse], error) {
	m := r.Msg
	err := s.opt.Channels.Ban(ctx, exchangeOf(ctx).acting, muster.ChannelID(m.GetChannelId()), muster.AccountID(m.GetAccountId()), m.GetReason(), muster.FromMillis(m.GetUntilMs()))
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.BanResponse{})
}

// Unban implements ChannelService.
func (s channels) Unban(ctx context.Context, r *connect.Request[musterv1.UnbanRequest]) (*connect.Response[musterv1.UnbanResponse], error) {
	if err := s.opt.Channels.Unban(ctx, exchangeOf(ctx).acting, muster.ChannelID(r.Msg.GetChannelId()), muster.AccountID(r.Msg.GetAccountId())); err != nil {
		return nil, err
	}
	return reply(&musterv1.UnbanResponse{})
}

// ListBans implements ChannelService.
func (s channels) ListBans(ctx context.Context, r *connect.Request[musterv1.ListBansRequest]) (*connect.Response[musterv1.ListBansResponse], error) {
	page, next, err := s.opt.Channels.ListBans(ctx, exchangeOf(ctx).acting, muster.ChannelID(r.Msg.GetChannelId()), int(r.Msg.GetPageSize()), r.Msg.GetPageToken())
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.ListBansResponse{Bans: wire.Bans(page), NextPageToken: next})
}

// ListRoster implements ChannelService.
func (s channels) ListRoster(ctx context.Context, r *connect.Request[musterv1.ListRosterRequest]) (*connect.Response[musterv1.ListRosterResponse], error) {
	m := r.Msg
	levels, err := wire.ParseLevels("levels", m.GetLevels())
	if err != nil {
		return nil, err
	}
	page, next, err := s.opt.Channels.ListRoster(ctx, exchangeOf(ctx).acting, channel.RosterList{
		Channel: muster.ChannelID(m.GetChannelId()), Levels: levels, OnlineOnly: m.GetOnlineOnly(), NamePrefix: m.GetNamePrefix(),
		PageSize: int(m.GetPageSize()), PageToken: m.GetPageToken(),
	})
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.ListRosterResponse{Entries: wire.RosterEntries(page), NextPageToken: next})
}

// ListPresent implements ChannelService.
func (s channels) ListPresent(ctx context.Context, r *connect.Request[musterv1.ListPresentRequest]) (*connect.Response[musterv1.ListPresentResponse], error) {
	page, next, total, err := s.opt.Channels.ListPresent(ctx, exchangeOf(ctx).acting, muster.ChannelID(r.Msg.GetChannelId()), int(r.Msg.GetPageSize()), r.Msg.GetPageToken())
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.ListPresentResponse{People: wire.People(page), NextPageToken: next, Total: int64(total)})
}

// ImportRoster implements ChannelService. One message is in memory at a time,
// and the bad lines of the report.
func (s channels) ImportRoster(ctx context.Context, stream *connect.ClientStream[musterv1.ImportRosterRequest]) (*connect.Response[musterv1.ImportRosterResponse], error) {
	var (
		imp   *channel.Importer
		into  muster.ChannelID
		lines []channel.ImportLine
	)
	for stream.Receive() {
		m := stream.Msg()
		if imp == nil {
			var err error
			into = muster.ChannelID(m.GetChannelId())
			imp, err = s.opt.Channels.Import(ctx, exchangeOf(ctx).acting, into, channel.ImportOptions{CreateAccounts: m.GetCreateAccounts()})
			if err != nil {
				return nil, err
			}
		} else if id := muster.ChannelID(m.GetChannelId()); id != 0 && id != into {
			return nil, muster.Invalid("channel_id", "changes in the middle of the import")
		}
		lines = importLines(lines[:0], m.GetLines())
		if err := imp.Add(ctx, lines); err != nil {
			return nil, err
		}
	}
	if err := stream.Err(); err != nil {
		return nil, err
	}
	if imp == nil {
		return nil, muster.Invalid("channel_id", "is missing: the stream has no message")
	}
	return reply(importReport(imp.Close()))
}

// importLines reads the lines of one message into the room of the last one's. A
// level that there is not stays one, and makes a bad line.
func importLines(into []channel.ImportLine, lines []*musterv1.ImportLine) []channel.ImportLine {
	for _, l := range lines {
		level, err := wire.ParseLevel("level", l.GetLevel())
		if err != nil {
			level = muster.Owner + 1
		}
		into = append(into, channel.ImportLine{Line: l.GetLine(), Account: l.GetAccount(), Nickname: l.GetNickname(), Level: level})
	}
	return into
}

func importReport(r channel.Report) *musterv1.ImportRosterResponse {
	out := &musterv1.ImportRosterResponse{
		Added: r.Added, Changed: r.Changed, Unchanged: r.Unchanged, AccountsCreated: r.AccountsCreated, Bad: r.Bad,
	}
	for _, b := range r.BadLines {
		out.BadLines = append(out.BadLines, &musterv1.BadLine{Line: b.Line, Problem: b.Problem})
	}
	return out
}
