package store

import (
	"context"
	"time"

	"muster"
	"muster/internal/channel"
)

// putBan stores a ban in place of an earlier one, and sweeps out what has
// expired in the channel.
func putBan(c conn, id muster.ChannelID, b channel.Ban, now int64) error {
	if _, err := c.exec("DELETE FROM channel_ban WHERE channel_id = $1 AND until_ms BETWEEN 1 AND $2", id, now); err != nil {
		return err
	}
	until := int64(0)
	if !b.Until.IsZero() {
		until = muster.Millis(b.Until)
	}
	_, err := c.exec(`INSERT INTO channel_ban (channel_id, account_id, reason, until_ms, by_account_id, created_ms) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (channel_id, account_id) DO UPDATE SET reason = excluded.reason, until_ms = excluded.until_ms,
		by_account_id = excluded.by_account_id, created_ms = excluded.created_ms`,
		id, b.Account, b.Reason, until, b.By, muster.Millis(b.Created))
	return err
}

func deleteBan(c conn, id muster.ChannelID, account muster.AccountID) error {
	_, err := c.exec("DELETE FROM channel_ban WHERE channel_id = $1 AND account_id = $2", id, account)
	return err
}

const bansSQL = `SELECT b.account_id, a.name, b.reason, b.until_ms, b.by_account_id, b.created_ms FROM channel_ban b
	LEFT JOIN account a ON a.id = b.account_id
	WHERE b.channel_id = $1 AND b.account_id > $2 AND (b.until_ms = 0 OR b.until_ms > $3)
	ORDER BY b.account_id LIMIT $4`

// Bans implements channel.Store.
func (cs Channels) Bans(ctx context.Context, id muster.ChannelID, after muster.AccountID, limit int, now time.Time) (bans []channel.Ban, err error) {
	err = cs.s.read(ctx, func(c conn) error {
		bans = nil
		return c.query(bansSQL, []any{id, after, muster.Millis(now), limit}, func(r row) error {
			bans = append(bans, channel.Ban{
				Account: muster.AccountID(r.Int(0)), Name: r.Text(1), Reason: r.Text(2), Until: muster.FromMillis(r.Int(3)),
				By: muster.AccountID(r.Int(4)), Created: muster.FromMillis(r.Int(5)),
			})
			return nil
		})
	})
	return bans, err
}

// bannedAmong tells which of the accounts (ascending) are banned now; nil when
// nobody in the channel is.
func (s *Store) bannedAmong(c conn, id muster.ChannelID, accounts []muster.AccountID, now int64) ([]bool, error) {
	some, err := one(c, "SELECT 1 FROM channel_ban WHERE channel_id = $1 LIMIT 1", []any{id}, func(row) {})
	if err != nil || !some {
		return nil, err
	}
	banned := make([]bool, len(accounts))
	among, ids := s.among("account_id", "$2", accounts)
	err = c.query("SELECT account_id FROM channel_ban WHERE channel_id = $1 AND "+among+" AND (until_ms = 0 OR until_ms > $3)",
		[]any{id, ids, now}, func(r row) error {
			mark(accounts, muster.AccountID(r.Int(0)), func(i int) { banned[i] = true })
			return nil
		})
	return banned, err
}
