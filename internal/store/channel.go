package store

import (
	"context"
	"fmt"
	"time"

	"muster"
	"muster/internal/channel"
)

// Channels is the part of the store that keeps channels, rosters and bans. It
// implements channel.Store.
type Channels struct{ s *Store }

// Channels gives that part.
func (s *Store) Channels() Channels { return Channels{s} }

var _ channel.Store = Channels{}

// channelColumns are what scanChannel reads, of a table named c.
const channelColumns = `c.id, c.parent_id, c.name, c.about, c.join_policy, c.speak_level, c.slow_mode_ms, c.depth,
	c.roster_count, c.entries, c.version, c.created_ms`

// channelWidth is how many channelColumns there are.
const channelWidth = 12

func scanChannel(r row) channel.Channel {
	return channel.Channel{
		ID: muster.ChannelID(r.Int(0)), Parent: muster.ChannelID(r.Int(1)),
		Settings: channel.Settings{
			Name: r.Text(2), About: r.Text(3), JoinPolicy: channel.JoinPolicy(r.Int(4)), //nolint:gosec // a small number
			SpeakLevel: muster.Level(r.Int(5)), SlowMode: time.Duration(r.Int(6)) * time.Millisecond, //nolint:gosec // a small number
		},
		Depth: int(r.Int(7)), RosterCount: r.Int(8), Entries: r.Int(9), Version: r.Int(10), Created: muster.FromMillis(r.Int(11)),
	}
}

// readChannel reads a channel; with lock, nobody else changes it, its roster or
// its bans until the transaction ends.
func readChannel(c conn, id muster.ChannelID, lock bool) (ch channel.Channel, err error) {
	sql := "SELECT " + channelColumns + " FROM channel c WHERE c.id = $1 AND c.deleted_ms = 0"
	if lock {
		sql += c.forUpdate()
	}
	found, err := one(c, sql, []any{id}, func(r row) { ch = scanChannel(r) })
	if err == nil && !found {
		err = muster.NotFound("channel")
	}
	return ch, err
}

// readPerson reads what a channel knows of an account. now decides which bans
// hold.
func readPerson(c conn, id muster.ChannelID, account muster.AccountID, now int64) (channel.Person, error) {
	p := channel.Person{Account: account}
	_, err := one(c, `SELECT a.name, a.nickname, r.level, r.nickname, r.joined_ms, b.until_ms FROM account a
		LEFT JOIN channel_roster r ON r.channel_id = $1 AND r.account_id = a.id
		LEFT JOIN channel_ban b ON b.channel_id = $1 AND b.account_id = a.id AND (b.until_ms = 0 OR b.until_ms > $3)
		WHERE a.id = $2`, []any{id, account, now}, func(r row) {
		p.Known, p.Name, p.Own = true, r.Text(0), r.Text(1)
		p.Nickname = p.Own
		if !r.Null(2) {
			p.Level, p.Joined = muster.Level(r.Int(2)), muster.FromMillis(r.Int(4)) //nolint:gosec // a small number
			if own := r.Text(3); own != "" {
				p.Nickname = own
			}
		}
		if !r.Null(5) {
			p.Banned, p.BannedUntil = true, muster.FromMillis(r.Int(5))
		}
	})
	return p, err
}

// readStanding reads the channel first and the people after it, so that they are
// at least as new as its version wherever each statement sees a state of its own.
func readStanding(c conn, act channel.Act, lock bool) (st channel.Standing, err error) {
	if st.Channel, err = readChannel(c, act.Channel, lock); err != nil {
		return st, err
	}
	now := muster.Millis(act.Now)
	if st.Actor, err = readPerson(c, act.Channel, act.Actor, now); err != nil {
		return st, err
	}
	st.Target = st.Actor
	if act.Target != act.Actor {
		if st.Target, err = readPerson(c, act.Channel, act.Target, now); err != nil {
			return st, err
		}
	}
	if !lock {
		return st, nil
	}
	if st.Owners, err = countOwners(c, act.Channel); err != nil {
		return st, err
	}
	st.HasChildren, err = one(c, "SELECT 1 FROM channel WHERE parent_id = $1 AND deleted_ms = 0 LIMIT 1", []any{act.Channel}, func(row) {})
	return st, err
}

func countOwners(c conn, id muster.ChannelID) (int64, error) {
	return oneInt(c, "SELECT people FROM channel_level_count WHERE channel_id = $1 AND level = $2", id, muster.Owner)
}

// Standing implements channel.Store.
func (cs Channels) Standing(ctx context.Context, id muster.ChannelID, acting, target muster.AccountID, now time.Time) (st channel.Standing, err error) {
	err = cs.s.read(ctx, func(c conn) error {
		st, err = readStanding(c, channel.Act{Channel: id, Actor: acting, Target: target, Now: now}, false)
		return err
	})
	return st, err
}

// CreateChannel implements channel.Store.
func (cs Channels) CreateChannel(ctx context.Context, ch channel.Channel, owner muster.AccountID, check func(channel.Standing) error) (channel.Channel, error) {
	made := ch
	err := cs.s.write(ctx, func(c conn) error {
		made = ch
		if made.Parent != 0 {
			up, err := readStanding(c, channel.Act{Channel: made.Parent, Actor: owner, Target: owner, Now: made.Created}, true)
			if err != nil {
				return err
			}
			if err := check(up); err != nil {
				return err
			}
			made.Depth = up.Channel.Depth + 1
		}
		made.RosterCount, made.Entries, made.Version = 1, 1, 1
		if err := insertChannel(c, made); err != nil {
			return err
		}
		p, err := readPerson(c, made.ID, owner, 0)
		if err != nil {
			return err
		}
		if !p.Known {
			return muster.NotFound("account")
		}
		seat := channel.Seat{Level: muster.Owner, Key: muster.NicknameKey(p.Own)}
		if err := insertSeat(c, made.ID, owner, seat, 1, muster.Millis(made.Created)); err != nil {
			return err
		}
		if err := addLevelCount(c, made.ID, muster.Owner, 1); err != nil {
			return err
		}
		return cs.s.audit(c, owner, "channel.create", channelObject(made.ID), made.Summary())
	})
	return made, err
}

func insertChannel(c conn, ch channel.Channel) error {
	_, err := c.exec(`INSERT INTO channel (id, parent_id, name, name_key, about, join_policy, speak_level, slow_mode_ms, depth,
		roster_count, entries, version, created_ms, deleted_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0)`,
		ch.ID, ch.Parent, ch.Name, muster.NicknameKey(ch.Name), ch.About, ch.JoinPolicy, ch.SpeakLevel, ch.SlowMode.Milliseconds(), ch.Depth,
		ch.RosterCount, ch.Entries, ch.Version, muster.Millis(ch.Created))
	return err
}

// channelObject names a channel in the audit log.
func channelObject(id muster.ChannelID) string { return fmt.Sprintf("channel:%d", id) }

// Act implements channel.Store.
func (cs Channels) Act(ctx context.Context, act channel.Act, decide func(channel.Standing) (channel.Effect, error)) (o channel.Outcome, err error) {
	err = cs.s.write(ctx, func(c conn) error {
		st, err := readStanding(c, act, true)
		if err != nil {
			return err
		}
		o = channel.Outcome{Before: st, Channel: st.Channel, Target: st.Target}
		e, err := decide(st)
		if err != nil || e.Action == "" {
			return err
		}
		o.Changed = true
		if err := applyEffect(c, act, e, &o); err != nil {
			return err
		}
		return cs.s.audit(c, act.Actor, e.Action, channelObject(act.Channel), e.Detail)
	})
	return o, err
}

// applyEffect writes what an act does, and brings o.Channel and o.Target up to
// it.
func applyEffect(c conn, act channel.Act, e channel.Effect, o *channel.Outcome) error {
	now := muster.Millis(act.Now)
	if e.Put != nil {
		if err := putSeat(c, o, *e.Put, act.Now); err != nil {
			return err
		}
	}
	if e.Remove && o.Target.Level.OnRoster() {
		if err := removeSeat(c, &o.Channel, act.Target, o.Target.Level); err != nil {
			return err
		}
		o.Target.Level, o.Target.Nickname, o.Target.Joined = muster.Visitor, o.Target.Own, time.Time{}
	}
	if e.Ban != nil {
		if err := putBan(c, act.Channel, *e.Ban, now); err != nil {
			return err
		}
		o.Target.Banned, o.Target.BannedUntil = true, e.Ban.Until
	}
	if e.Unban {
		if err := deleteBan(c, act.Channel, act.Target); err != nil {
			return err
		}
		o.Target.Banned, o.Target.BannedUntil = false, time.Time{}
	}
	if e.Settings != nil {
		if err := updateSettings(c, act.Channel, *e.Settings); err != nil {
			return err
		}
		o.Channel.Settings = *e.Settings
	}
	if e.Delete {
		if _, err := c.exec("UPDATE channel SET deleted_ms = $2 WHERE id = $1", act.Channel, max(now, 1)); err != nil {
			return err
		}
	}
	return bumpChannel(c, &o.Channel)
}

func updateSettings(c conn, id muster.ChannelID, st channel.Settings) error {
	_, err := c.exec(`UPDATE channel SET name = $2, name_key = $3, about = $4, join_policy = $5, speak_level = $6, slow_mode_ms = $7 WHERE id = $1`,
		id, st.Name, muster.NicknameKey(st.Name), st.About, st.JoinPolicy, st.SpeakLevel, st.SlowMode.Milliseconds())
	return err
}

// bumpChannel gives the channel its next version and stores its counts.
func bumpChannel(c conn, ch *channel.Channel) error {
	ch.Version++
	_, err := c.exec("UPDATE channel SET roster_count = $2, entries = $3, version = $4 WHERE id = $1", ch.ID, ch.RosterCount, ch.Entries, ch.Version)
	return err
}

// How many channels one page of "mine" looks at: so many at a time, in at most
// so many rounds.
const (
	mineBatch  = 500
	mineRounds = 10
)

const channelsSQL = "SELECT " + channelColumns + `, r.level, c.name_key FROM channel c
	LEFT JOIN channel_roster r ON r.channel_id = c.id AND r.account_id = $4
	WHERE c.parent_id = $1 AND c.deleted_ms = 0 AND (c.name_key, c.id) > ($2, $3)
	ORDER BY c.name_key, c.id LIMIT $5`

// Channels implements channel.Store.
func (cs Channels) Channels(ctx context.Context, q channel.ChannelsQuery) (page []channel.View, next *channel.ChannelsCursor, err error) {
	err = cs.s.read(ctx, func(c conn) error {
		page, next = nil, nil
		if q.Parent != 0 {
			if _, err := readChannel(c, q.Parent, false); err != nil {
				return err
			}
		}
		page, next, err = listChannels(c, q)
		return err
	})
	return page, next, err
}

func listChannels(c conn, q channel.ChannelsQuery) (page []channel.View, next *channel.ChannelsCursor, err error) {
	batch, rounds := q.Limit+1, 1
	if q.Mine {
		batch, rounds = mineBatch, mineRounds
	}
	var at channel.ChannelsCursor
	if q.After != nil {
		at = *q.After
	}
	for range rounds {
		seen, full := 0, false
		err := c.query(channelsSQL, []any{q.Parent, at.Key, at.Channel, q.Viewer, batch}, func(r row) error {
			if full = full || len(page) == q.Limit; full {
				return nil
			}
			seen++
			at = channel.ChannelsCursor{Key: r.Text(channelWidth + 1), Channel: muster.ChannelID(r.Int(0))}
			if v := (channel.View{Channel: scanChannel(r), YourLevel: muster.Level(r.Int(channelWidth))}); !q.Mine || v.YourLevel.OnRoster() { //nolint:gosec // a small number
				page = append(page, v)
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
		if full {
			return page, &at, nil
		}
		if seen < batch {
			return page, nil, nil
		}
	}
	return page, &at, nil
}

// purgeBatch is how many rows of a deleted channel go in one transaction.
const purgeBatch = 2000

// PurgeDeleted implements channel.Store.
func (cs Channels) PurgeDeleted(ctx context.Context) (more bool, err error) {
	var id int64
	if err := cs.s.read(ctx, func(c conn) error {
		id, err = oneInt(c, "SELECT id FROM channel WHERE deleted_ms <> 0 ORDER BY id LIMIT 1")
		return err
	}); err != nil || id == 0 {
		return false, err
	}
	err = cs.s.write(ctx, func(c conn) error {
		for _, table := range []string{"channel_roster", "channel_ban"} {
			n, err := c.exec("DELETE FROM "+table+" WHERE channel_id = $1 AND account_id IN (SELECT account_id FROM "+table+
				" WHERE channel_id = $1 ORDER BY account_id LIMIT $2)", id, purgeBatch)
			if err != nil || n == purgeBatch {
				return err
			}
		}
		if _, err := c.exec("DELETE FROM channel_level_count WHERE channel_id = $1", id); err != nil {
			return err
		}
		_, err := c.exec("DELETE FROM channel WHERE id = $1", id)
		return err
	})
	return err == nil, err
}
