package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster"
	"muster/internal/channel"
)

// numbers are ids as the driver of PostgreSQL takes them.
func numbers[ID ~int64](ids []ID) []int64 {
	out := make([]int64, len(ids))
	for i, id := range ids {
		out[i] = int64(id)
	}
	return out
}

// among is the condition that a column is one of many values, and the argument
// to bind to param ("$2").
func (s *Store) among(column, param string, values any) (condition string, arg any) {
	if s.db.name() == "sqlite" {
		text, err := json.Marshal(values)
		if err != nil {
			panic(fmt.Sprintf("store: %T as a list: %v", values, err)) // numbers and strings can always be encoded
		}
		return column + " IN (SELECT value FROM json_each(" + param + "))", string(text)
	}
	switch v := values.(type) {
	case []muster.AccountID:
		return column + " = ANY(" + param + "::bigint[])", numbers(v)
	case []muster.SessionID:
		return column + " = ANY(" + param + "::bigint[])", numbers(v)
	default:
		return column + " = ANY(" + param + "::text[])", v
	}
}

// mark calls set with the place of an account in the ascending list.
func mark(accounts []muster.AccountID, account muster.AccountID, set func(i int)) {
	if i, ok := slices.BinarySearch(accounts, account); ok {
		set(i)
	}
}

// insertSeat puts somebody new onto a roster.
func insertSeat(c conn, id muster.ChannelID, account muster.AccountID, seat channel.Seat, entry, now int64) error {
	_, err := c.exec(`INSERT INTO channel_roster (channel_id, account_id, level, nickname, nick_key, entry, joined_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, id, account, seat.Level, seat.Nickname, seat.Key, entry, now)
	return err
}

// addLevelCount changes how many people of a level a roster has.
func addLevelCount(c conn, id muster.ChannelID, level muster.Level, by int64) error {
	if by == 0 {
		return nil
	}
	_, err := c.exec(`INSERT INTO channel_level_count (channel_id, level, people) VALUES ($1, $2, $3)
		ON CONFLICT (channel_id, level) DO UPDATE SET people = channel_level_count.people + excluded.people`, id, level, by)
	return err
}

// putSeat gives the target a place on the roster, or another one.
func putSeat(c conn, o *channel.Outcome, seat channel.Seat, now time.Time) error {
	id, account, was := o.Channel.ID, o.Target.Account, o.Target.Level
	if was.OnRoster() {
		if _, err := c.exec("UPDATE channel_roster SET level = $3, nickname = $4, nick_key = $5 WHERE channel_id = $1 AND account_id = $2",
			id, account, seat.Level, seat.Nickname, seat.Key); err != nil {
			return err
		}
		if err := addLevelCount(c, id, was, -1); err != nil {
			return err
		}
	} else {
		o.Channel.Entries++
		o.Channel.RosterCount++
		o.Target.Joined = muster.FromMillis(muster.Millis(now))
		if err := insertSeat(c, id, account, seat, o.Channel.Entries, muster.Millis(now)); err != nil {
			return err
		}
	}
	o.Target.Level, o.Target.Nickname = seat.Level, o.Target.Own
	if seat.Nickname != "" {
		o.Target.Nickname = seat.Nickname
	}
	return addLevelCount(c, id, seat.Level, 1)
}

// removeSeat takes somebody off a roster where they have a level.
func removeSeat(c conn, ch *channel.Channel, account muster.AccountID, level muster.Level) error {
	if _, err := c.exec("DELETE FROM channel_roster WHERE channel_id = $1 AND account_id = $2", ch.ID, account); err != nil {
		return err
	}
	ch.RosterCount--
	return addLevelCount(c, ch.ID, level, -1)
}

// leaveRoster takes an account off a roster at its own wish, inside the caller's
// transaction. Nothing happens when it is not on it or there is no such channel;
// the last owner cannot leave (failed_precondition, last_owner). After the
// commit, channel.Service.Refresh makes the rooms follow.
func (s *Store) leaveRoster(c conn, id muster.ChannelID, account muster.AccountID) (removed bool, err error) {
	st, err := readStanding(c, channel.Act{Channel: id, Actor: account, Target: account, Now: s.clock.Now()}, true)
	if muster.ReasonOf(err) == "channel_not_found" {
		return false, nil
	}
	if err != nil || !st.Target.Level.OnRoster() {
		return false, err
	}
	if err := channel.CheckLeave(st); err != nil {
		return false, err
	}
	if err := removeSeat(c, &st.Channel, account, st.Target.Level); err != nil {
		return false, err
	}
	if err := bumpChannel(c, &st.Channel); err != nil {
		return false, err
	}
	return true, s.audit(c, account, "channel.leave", channelObject(id), "")
}

// entryColumns are what scanEntry reads, of the tables r and a.
const entryColumns = "r.account_id, a.name, a.nickname, r.nickname, r.level, r.joined_ms"

func scanEntry(r row) channel.RosterEntry {
	e := channel.RosterEntry{
		Account: muster.AccountID(r.Int(0)), Name: r.Text(1), Nickname: r.Text(3),
		Level: muster.Level(r.Int(4)), Joined: muster.FromMillis(r.Int(5)), //nolint:gosec // a small number
	}
	if e.Nickname == "" {
		e.Nickname = r.Text(2)
	}
	return e
}

// rosterSQL reads the people of one level after a nickname and account, along
// channel_roster_order. It is a LEFT JOIN so that the roster leads.
const rosterSQL = "SELECT " + entryColumns + `, r.nick_key FROM channel_roster r LEFT JOIN account a ON a.id = r.account_id
	WHERE r.channel_id = $1 AND r.level = $2 AND (r.nick_key, r.account_id) > ($3, $4)
	ORDER BY r.nick_key, r.account_id LIMIT $5`

// Roster implements channel.Store. It is one seek for each level, and reads one
// row more of a level than it returns.
func (cs Channels) Roster(ctx context.Context, q channel.RosterPageQuery) (page []channel.RosterEntry, next *channel.RosterCursor, err error) {
	levels := q.Levels
	if len(levels) == 0 {
		levels = muster.Levels
	}
	err = cs.s.read(ctx, func(c conn) error {
		page, next = make([]channel.RosterEntry, 0, q.Limit), nil
		var last channel.RosterCursor
		for _, level := range levels {
			key, account := q.Prefix, muster.AccountID(0)
			if q.After != nil {
				if level > q.After.Level {
					continue
				}
				if level == q.After.Level && q.After.Key >= q.Prefix {
					key, account = q.After.Key, q.After.Account
				}
			}
			past := false
			err := c.query(rosterSQL, []any{q.Channel, level, key, account, q.Limit + 1 - len(page)}, func(r row) error {
				key := r.Text(6)
				if past = past || !strings.HasPrefix(key, q.Prefix); past {
					return nil
				}
				if len(page) == q.Limit {
					next = &last
					return nil
				}
				page = append(page, scanEntry(r))
				last = channel.RosterCursor{Level: level, Key: key, Account: muster.AccountID(r.Int(0))}
				return nil
			})
			if err != nil || next != nil {
				return err
			}
		}
		return nil
	})
	return page, next, err
}

// RosterOf implements channel.Store.
func (cs Channels) RosterOf(ctx context.Context, id muster.ChannelID, accounts []muster.AccountID) (entries []channel.RosterEntry, err error) {
	if len(accounts) == 0 {
		return nil, nil
	}
	among, ids := cs.s.among("r.account_id", "$2", accounts)
	return cs.entries(ctx, rosterOfSQL(among), id, ids)
}

func rosterOfSQL(among string) string {
	return "SELECT " + entryColumns + ` FROM channel_roster r LEFT JOIN account a ON a.id = r.account_id
		WHERE r.channel_id = $1 AND ` + among + " ORDER BY r.account_id"
}

const rosterByAccountSQL = "SELECT " + entryColumns + ` FROM channel_roster r LEFT JOIN account a ON a.id = r.account_id
	WHERE r.channel_id = $1 AND r.account_id > $2 ORDER BY r.account_id LIMIT $3`

// RosterByAccount implements channel.Store.
func (cs Channels) RosterByAccount(ctx context.Context, id muster.ChannelID, after muster.AccountID, limit int) ([]channel.RosterEntry, error) {
	return cs.entries(ctx, rosterByAccountSQL, id, after, limit)
}

func (cs Channels) entries(ctx context.Context, sql string, args ...any) (entries []channel.RosterEntry, err error) {
	err = cs.s.read(ctx, func(c conn) error {
		entries = nil
		return c.query(sql, args, func(r row) error {
			entries = append(entries, scanEntry(r))
			return nil
		})
	})
	return entries, err
}

// Mark implements channel.Store.
func (cs Channels) Mark(ctx context.Context, id muster.ChannelID) (entries, people int64, err error) {
	err = cs.s.read(ctx, func(c conn) error {
		_, err := one(c, "SELECT entries, roster_count FROM channel WHERE id = $1 AND deleted_ms = 0", []any{id}, func(r row) {
			entries, people = r.Int(0), r.Int(1)
		})
		return err
	})
	return entries, people, err
}

// CountByLevel implements channel.Store.
func (cs Channels) CountByLevel(ctx context.Context, id muster.ChannelID) (counts map[muster.Level]int64, err error) {
	err = cs.s.read(ctx, func(c conn) error {
		counts = make(map[muster.Level]int64)
		if _, err := readChannel(c, id, false); err != nil {
			return err
		}
		return c.query("SELECT level, people FROM channel_level_count WHERE channel_id = $1 AND people <> 0", []any{id}, func(r row) error {
			counts[muster.Level(r.Int(0))] = r.Int(1) //nolint:gosec // a small number
			return nil
		})
	})
	return counts, err
}

const rosterPageSQL = `SELECT account_id, level FROM channel_roster
	WHERE channel_id = $1 AND account_id > $2 AND entry > $3 AND entry <= $4 ORDER BY account_id LIMIT $5`

// RosterPage implements channel.Store.
func (cs Channels) RosterPage(ctx context.Context, id muster.ChannelID, after muster.AccountID, limit int, fromEntry, toEntry int64) (page []channel.RosterPerson, err error) {
	if toEntry <= 0 {
		toEntry = 1<<63 - 1
	}
	err = cs.s.read(ctx, func(c conn) error {
		page = nil
		entries, err := oneInt(c, "SELECT entries FROM channel WHERE id = $1 AND deleted_ms = 0", id)
		if err != nil || entries <= fromEntry {
			return err // nobody came after fromEntry: no need to look through the roster
		}
		page = make([]channel.RosterPerson, 0, limit)
		return c.query(rosterPageSQL, []any{id, after, fromEntry, toEntry, limit}, func(r row) error {
			page = append(page, channel.RosterPerson{Account: muster.AccountID(r.Int(0)), Level: muster.Level(r.Int(1))}) //nolint:gosec // a small number
			return nil
		})
	})
	return page, err
}

// seatColumns are those of a bulk insert into channel_roster.
var seatColumns = []column{
	{"channel_id", intColumn},
	{"account_id", intColumn},
	{"level", intColumn},
	{"nickname", textColumn},
	{"nick_key", textColumn},
	{"entry", intColumn},
	{"joined_ms", intColumn},
}

// ImportBatch implements channel.Store.
func (cs Channels) ImportBatch(ctx context.Context, batch channel.ImportBatch, plan func(channel.ImportState) ([]channel.ImportSeat, error)) (version int64, err error) {
	err = cs.s.write(ctx, func(c conn) error {
		state, err := cs.s.importState(c, batch)
		if err != nil {
			return err
		}
		version = state.Standing.Channel.Version
		seats, err := plan(state)
		if err != nil || len(seats) == 0 {
			return err
		}
		ch := state.Standing.Channel
		added, err := writeSeats(c, &ch, seats, muster.Millis(batch.Now))
		if err != nil {
			return err
		}
		if err := bumpChannel(c, &ch); err != nil {
			return err
		}
		version = ch.Version
		return cs.s.audit(c, batch.Actor, "channel.import", channelObject(batch.Channel), fmt.Sprintf("added=%d changed=%d", added, len(seats)-added))
	})
	return version, err
}

// importState reads what the plan of a batch stands on.
func (s *Store) importState(c conn, batch channel.ImportBatch) (state channel.ImportState, err error) {
	act := channel.Act{Channel: batch.Channel, Actor: batch.Actor, Target: batch.Actor, Now: batch.Now}
	if state.Standing, err = readStanding(c, act, true); err != nil {
		return state, err
	}
	state.Seats = make([]channel.Seat, len(batch.Accounts))
	among, ids := s.among("account_id", "$2", batch.Accounts)
	err = c.query("SELECT account_id, level, nickname FROM channel_roster WHERE channel_id = $1 AND "+among, []any{batch.Channel, ids}, func(r row) error {
		mark(batch.Accounts, muster.AccountID(r.Int(0)), func(i int) {
			state.Seats[i] = channel.Seat{Level: muster.Level(r.Int(1)), Nickname: r.Text(2)} //nolint:gosec // a small number
		})
		return nil
	})
	if err != nil {
		return state, err
	}
	state.Banned, err = s.bannedAmong(c, batch.Channel, batch.Accounts, muster.Millis(batch.Now))
	return state, err
}

// writeSeats writes the places, and brings the counts up to them.
func writeSeats(c conn, ch *channel.Channel, seats []channel.ImportSeat, now int64) (added int, err error) {
	var counts [muster.Owner + 1]int64
	entries := make([]int64, len(seats))
	for i, seat := range seats {
		counts[seat.Level]++
		if seat.Was.OnRoster() {
			counts[seat.Was]--
			continue
		}
		ch.Entries++
		entries[i] = ch.Entries
		added++
	}
	ch.RosterCount += int64(added)
	in := insert{
		table: "channel_roster", columns: seatColumns,
		conflict: "(channel_id, account_id) DO UPDATE SET level = excluded.level, nickname = excluded.nickname, nick_key = excluded.nick_key",
	}
	if _, err := c.insertMany(in, len(seats), func(row, col int) any {
		seat := &seats[row]
		switch col {
		case 0:
			return int64(ch.ID)
		case 1:
			return int64(seat.Account)
		case 2:
			return int64(seat.Level)
		case 3:
			return seat.Nickname
		case 4:
			return seat.Key
		case 5:
			return entries[row]
		default:
			return now
		}
	}); err != nil {
		return 0, err
	}
	for level := muster.Guest; level <= muster.Owner; level++ {
		if err := addLevelCount(c, ch.ID, level, counts[level]); err != nil {
			return 0, err
		}
	}
	return added, nil
}
