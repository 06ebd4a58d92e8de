package wire

import (
	"time"

	"muster"
	musterv1 "muster/gen/muster/v1"
	"muster/internal/channel"
)

// Level is a level as it is sent; a visitor's is unspecified.
func Level(l muster.Level) musterv1.Level { return musterv1.Level(l) }

// ParseLevel reads a level that a client sent; unspecified is Visitor.
func ParseLevel(field string, l musterv1.Level) (muster.Level, error) {
	if l < 0 || l > musterv1.Level_LEVEL_OWNER {
		return 0, muster.Invalid(field, "is not a level")
	}
	return muster.Level(l), nil //nolint:gosec // checked
}

// ParseLevels reads a list of levels that a client sent.
func ParseLevels(field string, list []musterv1.Level) ([]muster.Level, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := make([]muster.Level, len(list))
	for i, l := range list {
		level, err := ParseLevel(field, l)
		if err != nil {
			return nil, err
		}
		out[i] = level
	}
	return out, nil
}

// ParseJoinPolicy reads a join policy that a client sent; unspecified is 0.
func ParseJoinPolicy(p musterv1.JoinPolicy) (channel.JoinPolicy, error) {
	if p < 0 || p > musterv1.JoinPolicy_JOIN_POLICY_ROSTER {
		return 0, muster.Invalid("join_policy", "use OPEN, VISIT or ROSTER")
	}
	return channel.JoinPolicy(p), nil //nolint:gosec // checked
}

// Channel is a channel as it is sent.
func Channel(v channel.View) *musterv1.Channel {
	return &musterv1.Channel{
		Id: int64(v.ID), ParentId: int64(v.Parent), Name: v.Name, About: v.About,
		JoinPolicy: musterv1.JoinPolicy(v.JoinPolicy), SpeakLevel: Level(v.SpeakLevel),
		SlowModeMs: v.SlowMode.Milliseconds(), CreatedMs: Millis(v.Created),
		RosterCount: v.RosterCount, PresentCount: v.Present, YourLevel: Level(v.YourLevel),
	}
}

// Channels is a list of channels as it is sent.
func Channels(list []channel.View) []*musterv1.Channel { return each(list, Channel) }

// RosterEntry is a place on a roster as it is sent.
func RosterEntry(e channel.RosterEntry) *musterv1.RosterEntry {
	return &musterv1.RosterEntry{
		AccountId: int64(e.Account), Name: e.Name, Nickname: e.Nickname, Level: Level(e.Level),
		JoinedMs: Millis(e.Joined), Online: e.Online,
	}
}

// RosterEntries is a part of a roster as it is sent.
func RosterEntries(list []channel.RosterEntry) []*musterv1.RosterEntry {
	return each(list, RosterEntry)
}

// Ban is a ban as it is sent.
func Ban(b channel.Ban) *musterv1.ChannelBan {
	return &musterv1.ChannelBan{
		AccountId: int64(b.Account), Name: b.Name, Reason: b.Reason, UntilMs: Millis(b.Until),
		ByAccountId: int64(b.By), CreatedMs: Millis(b.Created),
	}
}

// Bans is a list of bans as it is sent.
func Bans(list []channel.Ban) []*musterv1.ChannelBan { return each(list, Ban) }

// Present is a person in a room as it is sent.
func Present(p channel.Present) *musterv1.Present {
	return &musterv1.Present{AccountId: int64(p.Account), Nickname: p.Nickname, Level: Level(p.Level)}
}

// People is a list of people in a room as it is sent.
func People(list []channel.Present) []*musterv1.Present { return each(list, Present) }

// Entered is the answer to Enter as it is sent.
func Entered(e channel.Entered) *musterv1.Entered {
	return &musterv1.Entered{
		ChannelId: int64(e.Channel), People: int64(e.People), YourLevel: Level(e.Level),
		SlowModeMs: e.Settings.SlowMode.Milliseconds(), SpeakLevel: Level(e.Settings.SpeakLevel),
		Large: e.Large, Staff: People(e.Staff),
	}
}

// ChannelMessage is what was said in a room as it is sent.
func ChannelMessage(m channel.Message) *musterv1.ChannelMessage {
	return &musterv1.ChannelMessage{
		ChannelId: int64(m.Channel), SenderId: int64(m.Sender.Account), SenderNickname: m.Sender.Nickname,
		SenderLevel: Level(m.Sender.Level), ClientMessageId: m.ClientMessageID, Text: m.Text, TimeMs: Millis(m.Time),
	}
}

// Notice is what people in a room are told beside messages. A NoticeChanged for
// one client tells its own level, one for everybody leaves it unspecified.
func Notice(n channel.Notice) *musterv1.ServerFrame {
	id := int64(n.Channel)
	switch n.Kind {
	case channel.NoticeJoined:
		return &musterv1.ServerFrame{Body: &musterv1.ServerFrame_ChannelJoined{ChannelJoined: &musterv1.ChannelJoined{ChannelId: id, Person: Present(n.Person)}}}
	case channel.NoticeLeft, channel.NoticeOut:
		return &musterv1.ServerFrame{Body: &musterv1.ServerFrame_ChannelLeft{ChannelLeft: &musterv1.ChannelLeft{ChannelId: id, AccountId: int64(n.Person.Account), Why: n.Why}}}
	case channel.NoticePeople:
		return &musterv1.ServerFrame{Body: &musterv1.ServerFrame_ChannelPeople{ChannelPeople: &musterv1.ChannelPeople{
			ChannelId: id, People: int64(n.People), Large: n.Large, Staff: People(n.Staff),
		}}}
	case channel.NoticeChanged:
		return &musterv1.ServerFrame{Body: &musterv1.ServerFrame_ChannelChanged{ChannelChanged: &musterv1.ChannelChanged{
			ChannelId: id, YourLevel: Level(n.Person.Level), SlowModeMs: n.Settings.SlowMode.Milliseconds(),
			SpeakLevel: Level(n.Settings.SpeakLevel), Name: n.Settings.Name,
		}}}
	case channel.NoticeTyping:
		return &musterv1.ServerFrame{Body: &musterv1.ServerFrame_Typing{Typing: &musterv1.SomebodyTyping{ChannelId: id, AccountId: int64(n.Person.Account), Nickname: n.Person.Nickname}}}
	default:
		return nil
	}
}

// Duration reads a span in milliseconds that a client sent.
func Duration(field string, ms int64) (time.Duration, error) {
	if ms < 0 || ms > int64(1<<63-1)/int64(time.Millisecond) {
		return 0, muster.Invalid(field, "is not a span of time in milliseconds")
	}
	return time.Duration(ms) * time.Millisecond, nil
}
