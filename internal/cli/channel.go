package cli

import (
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"

	"muster"
	musterv1 "muster/gen/muster/v1"
	"muster/internal/cli/remote"
	"muster/internal/cli/term"
	"muster/internal/config"
	"muster/internal/wire"
)

// channelCmd is about live rooms and their rosters.
type channelCmd struct {
	Create  channelCreateCmd  `cmd:"" help:"Make a channel; the acting account owns it."`
	List    channelListCmd    `cmd:"" help:"List the tree of channels."`
	Show    channelShowCmd    `cmd:"" help:"Show one channel."`
	Delete  channelDeleteCmd  `cmd:"" help:"Remove a channel without children, and its roster."`
	Import  channelImportCmd  `cmd:"" help:"Put the people of a CSV or JSON Lines file of any size on the roster; safe to run twice."`
	Export  channelExportCmd  `cmd:"" help:"Write the roster as CSV or JSON Lines, such as import reads."`
	Roster  channelRosterCmd  `cmd:"" help:"List the roster, the greatest level first."`
	Level   channelLevelCmd   `cmd:"" help:"Put a person on the roster at a level, or change it."`
	Remove  channelRemoveCmd  `cmd:"" help:"Take a person off the roster and out of the room."`
	Ban     channelBanCmd     `cmd:"" help:"Remove a person and keep them out."`
	Unban   channelUnbanCmd   `cmd:"" help:"Take a ban back."`
	Bans    channelBansCmd    `cmd:"" help:"List who is banned."`
	Present channelPresentCmd `cmd:"" help:"List who is in the room now."`
}

type channelCreateCmd struct {
	Where
	Name   string `arg:"" help:"Name of the channel."`
	Parent string `help:"Channel under which it stands, by name, path or id; the top unless given." placeholder:"CHANNEL"`
	About  string `help:"What it is for."`
	Policy string `enum:"open,visit,roster" default:"open" help:"Who may come in: open lets everybody in and on the roster, visit lets everybody in, roster only its people."`
	Speak  string `help:"Least level that may say something; visitors too unless given." placeholder:"LEVEL"`
	Slow   string `default:"0s" help:"Least time between two messages of one person below moderator." placeholder:"DURATION"`
}

// Run makes a channel.
func (c *channelCreateCmd) Run(e *env) error {
	slow, err := config.ParseDuration(c.Slow)
	if err != nil {
		return remote.Usage("--slow: %v", err)
	}
	request := &musterv1.CreateChannelRequest{
		Name: c.Name, About: c.About, SlowModeMs: slow.Milliseconds(),
		JoinPolicy: musterv1.JoinPolicy(musterv1.JoinPolicy_value["JOIN_POLICY_"+strings.ToUpper(c.Policy)]),
	}
	if c.Speak != "" {
		level, err := muster.ParseLevel(c.Speak)
		if err != nil {
			return remote.Usage("--speak: %v", err)
		}
		request.SpeakLevel = wire.Level(level)
	}
	return e.with(c.Where, func(r *remote.Remote) error {
		if c.Parent != "" {
			if request.ParentId, err = r.Channel(e.ctx, c.Parent); err != nil {
				return err
			}
		}
		answer, err := r.Channels.CreateChannel(e.ctx, connect.NewRequest(request))
		if err == nil && !e.Message(answer.Msg.GetChannel()) {
			e.Print("channel %s (%d) was made", "已创建频道 %s（%d）", term.Clean(answer.Msg.GetChannel().GetName()), answer.Msg.GetChannel().GetId())
		}
		return err
	})
}

type channelListCmd struct{ Where }

// Run lists the tree.
func (c *channelListCmd) Run(e *env) error {
	return e.with(c.Where, func(r *remote.Remote) error {
		table := e.Table("", "channel", ">roster", ">here", "your level", "id")
		rows := 0
		for ch, err := range r.ChannelTree(e.ctx) {
			if err != nil {
				return err
			}
			if e.Message(ch.Channel) {
				continue
			}
			table.Row(strings.Repeat("  ", ch.Depth)+ch.GetName(), term.Number(ch.GetRosterCount()), term.Number(ch.GetPresentCount()),
				enumName(ch.GetYourLevel()), idText(ch.GetId()))
			if rows++; rows%listPage == 0 {
				table.Flush()
			}
		}
		table.Flush()
		return nil
	})
}

// inChannel runs something with a channel's id.
func (e *env) inChannel(w Where, channel string, do func(r *remote.Remote, id int64) error) error {
	return e.with(w, func(r *remote.Remote) error {
		id, err := r.Channel(e.ctx, channel)
		if err != nil {
			return err
		}
		return do(r, id)
	})
}

type channelShowCmd struct {
	Where
	Channel string `arg:"" help:"Name, path (Top/Sub) or id."`
}

// Run shows a channel.
func (c *channelShowCmd) Run(e *env) error {
	return e.inChannel(c.Where, c.Channel, func(r *remote.Remote, id int64) error {
		answer, err := r.Channels.GetChannel(e.ctx, connect.NewRequest(&musterv1.GetChannelRequest{ChannelId: id}))
		if err != nil || e.Message(answer.Msg.GetChannel()) {
			return err
		}
		ch := answer.Msg.GetChannel()
		table := e.Table("")
		table.Row("channel", ch.GetName())
		table.Row("id", idText(ch.GetId()))
		if ch.GetAbout() != "" {
			table.Row("about", ch.GetAbout())
		}
		table.Row("roster", term.Number(ch.GetRosterCount()))
		table.Row("in the room", term.Number(ch.GetPresentCount()))
		table.Row("who may come in", enumName(ch.GetJoinPolicy()))
		table.Row("who may speak", enumName(ch.GetSpeakLevel()))
		table.Row("slow mode", (time.Duration(ch.GetSlowModeMs()) * time.Millisecond).String())
		table.Row("your level", enumName(ch.GetYourLevel()))
		table.Flush()
		return nil
	})
}

type channelDeleteCmd struct {
	Where
	Channel string `arg:"" help:"Name, path or id."`
}

// Run deletes a channel.
func (c *channelDeleteCmd) Run(e *env) error {
	return e.inChannel(c.Where, c.Channel, func(r *remote.Remote, id int64) error {
		_, err := r.Channels.DeleteChannel(e.ctx, connect.NewRequest(&musterv1.DeleteChannelRequest{ChannelId: id}))
		return e.done(err)
	})
}

// onPerson runs something with the ids of a channel and an account.
func (e *env) onPerson(w Where, channel, account string, do func(r *remote.Remote, channelID, accountID int64) error) error {
	return e.inChannel(w, channel, func(r *remote.Remote, id int64) error {
		a, err := r.Account(e.ctx, account)
		if err != nil {
			return err
		}
		return do(r, id, a.GetId())
	})
}

type channelLevelCmd struct {
	Where
	Channel string `arg:"" help:"Name, path or id."`
	Account string `arg:"" help:"Name or id."`
	Level   string `arg:"" help:"owner, admin, moderator, member, vip or guest."`
}

// Run sets a level.
func (c *channelLevelCmd) Run(e *env) error {
	level, err := muster.ParseLevel(c.Level)
	if err != nil {
		return remote.Usage("%v", err)
	}
	return e.onPerson(c.Where, c.Channel, c.Account, func(r *remote.Remote, channelID, accountID int64) error {
		answer, err := r.Channels.SetLevel(e.ctx, connect.NewRequest(&musterv1.SetLevelRequest{ChannelId: channelID, AccountId: accountID, Level: wire.Level(level)}))
		if err == nil && !e.Message(answer.Msg.GetEntry()) {
			e.Print("%s: %s", "", answer.Msg.GetEntry().GetName(), level)
		}
		return err
	})
}

type channelRemoveCmd struct {
	Where
	Channel string `arg:"" help:"Name, path or id."`
	Account string `arg:"" help:"Name or id."`
}

// Run takes a person off the roster.
func (c *channelRemoveCmd) Run(e *env) error {
	return e.onPerson(c.Where, c.Channel, c.Account, func(r *remote.Remote, channelID, accountID int64) error {
		_, err := r.Channels.RemoveFromRoster(e.ctx, connect.NewRequest(&musterv1.RemoveFromRosterRequest{ChannelId: channelID, AccountId: accountID}))
		return e.done(err)
	})
}

type channelBanCmd struct {
	Where
	Channel string `arg:"" help:"Name, path or id."`
	Account string `arg:"" help:"Name or id."`
	Reason  string `help:"Why, for the other moderators."`
	For     string `default:"0s" help:"How long; for good unless given." placeholder:"DURATION"`
}

// Run bans a person.
func (c *channelBanCmd) Run(e *env) error {
	length, err := config.ParseDuration(c.For)
	if err != nil {
		return remote.Usage("--for: %v", err)
	}
	until := int64(0)
	if length > 0 {
		until = muster.Millis(time.Now().Add(length))
	}
	return e.onPerson(c.Where, c.Channel, c.Account, func(r *remote.Remote, channelID, accountID int64) error {
		_, err := r.Channels.Ban(e.ctx, connect.NewRequest(&musterv1.BanRequest{ChannelId: channelID, AccountId: accountID, Reason: c.Reason, UntilMs: until}))
		return e.done(err)
	})
}

type channelUnbanCmd struct {
	Where
	Channel string `arg:"" help:"Name, path or id."`
	Account string `arg:"" help:"Name or id."`
}

// Run takes a ban back.
func (c *channelUnbanCmd) Run(e *env) error {
	return e.onPerson(c.Where, c.Channel, c.Account, func(r *remote.Remote, channelID, accountID int64) error {
		_, err := r.Channels.Unban(e.ctx, connect.NewRequest(&musterv1.UnbanRequest{ChannelId: channelID, AccountId: accountID}))
		return e.done(err)
	})
}

type channelBansCmd struct {
	Where
	Channel string `arg:"" help:"Name, path or id."`
}

// Run lists bans.
func (c *channelBansCmd) Run(e *env) error {
	return e.inChannel(c.Where, c.Channel, func(r *remote.Remote, id int64) error {
		table := e.Table("", "account", "until", "reason")
		for page, err := range remote.Pages(e.ctx, r.Channels.ListBans, func(token string) *musterv1.ListBansRequest {
			return &musterv1.ListBansRequest{ChannelId: id, PageSize: listPage, PageToken: token}
		}) {
			if err != nil {
				return err
			}
			for _, b := range page.GetBans() {
				if !e.Message(b) {
					table.Row(b.GetName(), term.Moment(b.GetUntilMs()), b.GetReason())
				}
			}
			table.Flush()
		}
		return nil
	})
}

type channelPresentCmd struct {
	Where
	Channel string `arg:"" help:"Name, path or id."`
}

// Run lists who is in the room.
func (c *channelPresentCmd) Run(e *env) error {
	return e.inChannel(c.Where, c.Channel, func(r *remote.Remote, id int64) error {
		table := e.Table("", "nickname", "level", "account")
		total := int64(0)
		for page, err := range remote.Pages(e.ctx, r.Channels.ListPresent, func(token string) *musterv1.ListPresentRequest {
			return &musterv1.ListPresentRequest{ChannelId: id, PageSize: listPage, PageToken: token}
		}) {
			if err != nil {
				return err
			}
			for _, p := range page.GetPeople() {
				if !e.Message(p) {
					table.Row(p.GetNickname(), enumName(p.GetLevel()), idText(p.GetAccountId()))
				}
			}
			table.Flush()
			total = page.GetTotal()
		}
		e.Tell("%s in the room", "房间内 %s 人", strconv.FormatInt(total, 10))
		return nil
	})
}
