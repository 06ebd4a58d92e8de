package channel

import (
	"context"
	"fmt"
	"time"

	"muster"
)

// Ban keeps a person out of a channel until a time (zero: for good), takes them
// off the roster and out of the room; moderators and above, for people of lower
// level and visitors. It replaces an earlier ban.
func (s *Service) Ban(ctx context.Context, acting muster.AccountID, channel muster.ChannelID, target muster.AccountID, reason string, until time.Time) error {
	if reason != "" {
		var err error
		if reason, err = muster.ParseTitle("reason", reason, MaxBanReason); err != nil {
			return err
		}
	}
	now := s.clock.Now()
	if !until.IsZero() && !until.After(now) {
		return muster.Invalid("until_ms", "lies in the past")
	}
	o, err := s.act(ctx, acting, target, channel, func(a actor, st Standing) (Effect, error) {
		if err := checkBan(a, st.Target.Level, st.Owners, acting == target); err != nil {
			return Effect{}, err
		}
		if !st.Target.Known {
			return Effect{}, muster.NotFound("account")
		}
		return Effect{
			Remove: st.Target.Level.OnRoster(),
			Ban:    &Ban{Account: target, Reason: reason, Until: until, By: acting, Created: now},
			Action: "channel.ban", Detail: fmt.Sprintf("account:%d %s until %s: %s", target, st.Target.Level, untilText(until), reason),
		}, nil
	})
	if err == nil {
		s.tellPerson(ctx, o, "banned")
	}
	return err
}

func untilText(until time.Time) string {
	if until.IsZero() {
		return "for good"
	}
	return until.UTC().Format(time.RFC3339)
}

// Unban takes a ban back; moderators and above. Nothing happens when there is
// none.
func (s *Service) Unban(ctx context.Context, acting muster.AccountID, channel muster.ChannelID, target muster.AccountID) error {
	_, err := s.act(ctx, acting, target, channel, func(a actor, st Standing) (Effect, error) {
		if err := checkKeepOrder(a); err != nil || !st.Target.Banned {
			return Effect{}, err
		}
		return Effect{Unban: true, Action: "channel.unban", Detail: fmt.Sprintf("account:%d", target)}, nil
	})
	return err
}

// ListBans lists who is kept out now, in the order of the accounts; moderators
// and above.
func (s *Service) ListBans(ctx context.Context, acting muster.AccountID, channel muster.ChannelID, size int, pageToken string) (page []Ban, next string, err error) {
	var after int64
	if _, _, err := parseToken("b", pageToken, &after); err != nil {
		return nil, "", err
	}
	server, err := s.serverAdmin(ctx, acting)
	if err != nil {
		return nil, "", err
	}
	now := s.clock.Now()
	st, err := s.store.Standing(ctx, channel, acting, acting, now)
	if err != nil {
		return nil, "", err
	}
	if err := checkKeepOrder(actor{level: st.Actor.Level, server: server}); err != nil {
		return nil, "", err
	}
	limit := pageSize(size)
	page, err = s.store.Bans(ctx, channel, muster.AccountID(after), limit, now)
	if err == nil && len(page) == limit {
		next = token("b", "", int64(page[limit-1].Account))
	}
	return page, next, err
}
