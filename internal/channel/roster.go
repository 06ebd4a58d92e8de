package channel

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"muster"
)

// JoinRoster puts the acting account on the roster as a guest, where the join
// policy is open. Who is on it already gets their entry, with the nickname if
// one is given.
func (s *Service) JoinRoster(ctx context.Context, acting muster.AccountID, channel muster.ChannelID, nickname string) (RosterEntry, error) {
	if nickname != "" {
		var err error
		if nickname, err = muster.ParseTitle("nickname", nickname, muster.MaxNickname); err != nil {
			return RosterEntry{}, err
		}
	}
	o, err := s.act(ctx, acting, acting, channel, func(_ actor, st Standing) (Effect, error) {
		if err := checkJoin(st.Channel.JoinPolicy, st.Target); err != nil {
			return Effect{}, err
		}
		if !st.Target.Known {
			return Effect{}, muster.NotFound("account")
		}
		if !st.Target.Level.OnRoster() {
			return Effect{Put: st.Target.seat(muster.Guest, nickname), Action: "channel.join"}, nil
		}
		if nickname == "" || nickname == st.Target.Nickname {
			return Effect{}, nil
		}
		return Effect{Put: st.Target.seat(st.Target.Level, nickname), Action: "channel.nickname", Detail: nickname}, nil
	})
	if err != nil {
		return RosterEntry{}, err
	}
	if o.Changed {
		s.tellPerson(ctx, o, "")
	}
	return s.entry(o.Target), nil
}

// seat is the person's place with a level and a nickname; an empty one leaves
// what is on the roster.
func (p Person) seat(level muster.Level, nickname string) *Seat {
	if nickname == "" && p.Level.OnRoster() && p.Nickname != p.Own {
		nickname = p.Nickname
	}
	shown := nickname
	if shown == "" {
		shown = p.Own
	}
	return &Seat{Level: level, Nickname: nickname, Key: muster.NicknameKey(shown)}
}

func (s *Service) entry(p Person) RosterEntry {
	return RosterEntry{
		Account: p.Account, Name: p.Name, Nickname: p.Nickname, Level: p.Level, Joined: p.Joined, Online: s.online.Online(p.Account),
	}
}

// LeaveRoster takes the acting account off the roster; nothing happens when it
// is not on it. The last owner cannot leave (failed_precondition, last_owner).
// In a channel that is not only for its roster, the person may stay in the room,
// as a visitor.
func (s *Service) LeaveRoster(ctx context.Context, acting muster.AccountID, channel muster.ChannelID) error {
	o, err := s.act(ctx, acting, acting, channel, func(_ actor, st Standing) (Effect, error) {
		if !st.Target.Level.OnRoster() {
			return Effect{}, nil
		}
		if err := checkLeave(st.Target.Level, st.Owners); err != nil {
			return Effect{}, err
		}
		return Effect{Remove: true, Action: "channel.leave"}, nil
	})
	if err == nil && o.Changed {
		s.tellPerson(ctx, o, "")
	}
	return err
}

// Refresh makes the rooms follow what was committed about a person elsewhere: an
// enrolment's answer that took them off the roster.
func (s *Service) Refresh(ctx context.Context, channel muster.ChannelID, account muster.AccountID) error {
	st, err := s.store.Standing(ctx, channel, account, account, s.clock.Now())
	if err != nil {
		return err
	}
	s.tellPerson(ctx, Outcome{Channel: st.Channel, Target: st.Target}, "")
	return nil
}

// SetLevel puts a person on the roster at a level, or changes it. Nobody grants
// a level, or changes that of somebody, that they do not outrank; owners may make
// owners. Everybody may lower themself, but the last owner.
func (s *Service) SetLevel(ctx context.Context, acting muster.AccountID, channel muster.ChannelID, target muster.AccountID, level muster.Level) (RosterEntry, error) {
	o, err := s.act(ctx, acting, target, channel, func(a actor, st Standing) (Effect, error) {
		if err := checkSetLevel(a, st.Target, level, st.Owners, acting == target); err != nil {
			return Effect{}, err
		}
		if !st.Target.Known {
			return Effect{}, muster.NotFound("account")
		}
		if st.Target.Level == level {
			return Effect{}, nil
		}
		return Effect{
			Put: st.Target.seat(level, ""), Action: "channel.level",
			Detail: fmt.Sprintf("account:%d %s -> %s", target, st.Target.Level, level),
		}, nil
	})
	if err != nil {
		return RosterEntry{}, err
	}
	if o.Changed {
		s.tellPerson(ctx, o, "")
	}
	return s.entry(o.Target), nil
}

// RemoveFromRoster takes a person of lower level off the roster and out of the
// room, a visitor out of the room; moderators and above.
func (s *Service) RemoveFromRoster(ctx context.Context, acting muster.AccountID, channel muster.ChannelID, target muster.AccountID) error {
	o, err := s.act(ctx, acting, target, channel, func(a actor, st Standing) (Effect, error) {
		if err := checkRemove(a, st.Target.Level, st.Owners); err != nil {
			return Effect{}, err
		}
		if !st.Target.Known {
			return Effect{}, muster.NotFound("account")
		}
		return Effect{
			Remove: st.Target.Level.OnRoster(), Action: "channel.remove",
			Detail: fmt.Sprintf("account:%d %s", target, st.Target.Level),
		}, nil
	})
	if err == nil && o.Changed {
		s.tellPerson(ctx, o, "removed")
	}
	return err
}

// RosterList asks for a page of a roster.
type RosterList struct {
	Channel muster.ChannelID
	Levels  []muster.Level // empty: all
	// OnlineOnly leaves out who has no connected client. The page is then in
	// the order of the accounts.
	OnlineOnly bool
	// NamePrefix is the beginning of the nickname; case and compatibility
	// forms do not matter.
	NamePrefix string
	PageSize   int // 0: 100; at most MaxPage
	PageToken  string
}

// ListRoster pages through a roster by level (greatest first), then nickname.
// Whoever may enter the channel may ask. A page may be short, even empty,
// although another follows: the token says so.
func (s *Service) ListRoster(ctx context.Context, acting muster.AccountID, l RosterList) (page []RosterEntry, next string, err error) {
	levels, err := levelsOf(l.Levels)
	if err != nil {
		return nil, "", err
	}
	if err := s.checkRead(ctx, acting, l.Channel); err != nil {
		return nil, "", err
	}
	prefix := muster.NicknameKey(strings.ToValidUTF8(l.NamePrefix, ""))
	if strings.ContainsRune(prefix, 0) {
		return nil, "", muster.Invalid("name_prefix", "holds a NUL character")
	}
	if l.OnlineOnly {
		return s.listOnline(ctx, l, levels, prefix)
	}
	q := RosterPageQuery{Channel: l.Channel, Levels: levels, Prefix: prefix, Limit: pageSize(l.PageSize)}
	var level, account int64
	key, ok, err := parseToken("r", l.PageToken, &level, &account)
	if err != nil {
		return nil, "", err
	}
	if ok {
		q.After = &RosterCursor{Level: muster.Level(level & 0xFF), Key: key, Account: muster.AccountID(account)} //nolint:gosec // masked
	}
	page, after, err := s.store.Roster(ctx, q)
	if err != nil {
		return nil, "", err
	}
	for i := range page {
		page[i].Online = s.online.Online(page[i].Account)
	}
	if after != nil {
		next = token("r", after.Key, int64(after.Level), int64(after.Account))
	}
	return page, next, nil
}

// How much one page of online people may look at: so many accounts at a time,
// in at most so many rounds.
const (
	onlineBatch  = 1000
	onlineRounds = 10
)

// listOnline pages through those on the roster who are online. It walks through
// the smaller of the two sets, everybody online or the roster, in the order of
// the accounts, and looks each batch up in the other.
func (s *Service) listOnline(ctx context.Context, l RosterList, levels []muster.Level, prefix string) (page []RosterEntry, next string, err error) {
	var from int64
	if _, _, err := parseToken("o", l.PageToken, &from); err != nil {
		return nil, "", err
	}
	_, people, err := s.store.Mark(ctx, l.Channel)
	if err != nil {
		return nil, "", err
	}
	byRoster := people < int64(s.online.OnlineCount())
	size, after := pageSize(l.PageSize), muster.AccountID(from)
	for range onlineRounds {
		batch, last, err := s.onlineBatch(ctx, l.Channel, after, byRoster)
		if err != nil {
			return nil, "", err
		}
		for _, e := range batch {
			if len(levels) > 0 && !slices.Contains(levels, e.Level) || !strings.HasPrefix(muster.NicknameKey(e.Nickname), prefix) {
				continue
			}
			if page = append(page, e); len(page) == size {
				return page, token("o", "", int64(e.Account)), nil
			}
		}
		if last == 0 {
			return page, "", nil
		}
		after = last
	}
	return page, token("o", "", int64(after)), nil
}

// onlineBatch reads the next entries of people who are online; last is the last
// account that was looked at, 0 at the end.
func (s *Service) onlineBatch(ctx context.Context, channel muster.ChannelID, after muster.AccountID, byRoster bool) (batch []RosterEntry, last muster.AccountID, err error) {
	if byRoster {
		if batch, err = s.store.RosterByAccount(ctx, channel, after, onlineBatch); err != nil {
			return nil, 0, err
		}
		if len(batch) == onlineBatch {
			last = batch[len(batch)-1].Account
		}
		batch = slices.DeleteFunc(batch, func(e RosterEntry) bool { return !s.online.Online(e.Account) })
	} else {
		online := s.online.OnlineAfter(after, onlineBatch)
		if len(online) == onlineBatch {
			last = online[len(online)-1]
		}
		if batch, err = s.store.RosterOf(ctx, channel, online); err != nil {
			return nil, 0, err
		}
	}
	for i := range batch {
		batch[i].Online = true
	}
	return batch, last, nil
}
