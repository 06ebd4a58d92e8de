package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"muster"
	"muster/internal/account"
)

// errWrongToken is the answer to a one-time token that opens nothing.
func errWrongToken() error {
	return muster.Denied("wrong_token", "this link has been used, replaced or has expired: ask for a new one")
}

func errWrongCredentials() error {
	return muster.Unauthenticated("wrong_credentials", "the name or the password is wrong")
}

func errSuspended() error { return muster.Denied("suspended", "this account is suspended") }

func putSession(c conn, n account.StoredSession) error {
	_, err := c.exec(`INSERT INTO session (id, account_id, token_hash, device, address, network, created_ms, seen_ms, expires_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		n.ID, n.Account, n.Hash[:], n.Device, n.Address, n.Network, muster.Millis(n.Created), muster.Millis(n.Seen), muster.Millis(n.Expires))
	return err
}

const sessionColumns = "s.id, s.account_id, s.device, s.address, s.created_ms, s.seen_ms, s.expires_ms"

func scanSession(r row) account.Session {
	return account.Session{
		ID: muster.SessionID(r.Int(0)), Account: muster.AccountID(r.Int(1)), Device: r.Text(2), Address: r.Text(3),
		Created: muster.FromMillis(r.Int(4)), Seen: muster.FromMillis(r.Int(5)), Expires: muster.FromMillis(r.Int(6)),
	}
}

// OpenSession implements account.Store.
func (a Accounts) OpenSession(ctx context.Context, o account.Opening) error {
	return a.s.write(ctx, func(c conn) error {
		// The lock keeps a suspension or a change of the password, which end
		// sessions, from passing by this one.
		got, hash, err := lockAccount(c, o.Session.Account)
		if err != nil {
			return err
		}
		if !o.Unchecked && hash != o.Verified {
			return errWrongCredentials()
		}
		if got.Suspended {
			return errSuspended()
		}
		if o.Unchecked {
			if err := a.s.audit(c, account.Operator, "account.issue_session", objectOf(got.ID), o.Session.Device); err != nil {
				return err
			}
		}
		if o.Rehashed != "" {
			if _, err := c.exec("UPDATE account SET password_hash = $2 WHERE id = $1", got.ID, o.Rehashed); err != nil {
				return err
			}
		}
		if err := returnAttempt(c, o.Attempt); err != nil {
			return err
		}
		return putSession(c, o.Session)
	})
}

// SessionByToken implements account.Store.
func (a Accounts) SessionByToken(ctx context.Context, hash account.TokenHash) (account.Session, account.Account, error) {
	var (
		session account.Session
		who     account.Account
	)
	err := a.s.look(ctx, func(c conn) error {
		found, err := one(c, "SELECT "+accountColumns+", "+sessionColumns+` FROM session s JOIN account a ON a.id = s.account_id
			WHERE s.token_hash = $1`, []any{hash[:]}, func(r row) {
			who, session = scanAccount(r), scanSession(shiftedRow{r, accountColumnCount})
		})
		if err == nil && !found {
			err = muster.Unauthenticated("session_ended", "this session has ended: sign in again")
		}
		return err
	})
	return session, who, err
}

// shiftedRow is the part of a row that begins at column by.
type shiftedRow struct {
	row
	by int
}

func (r shiftedRow) Int(col int) int64   { return r.row.Int(r.by + col) }
func (r shiftedRow) Text(col int) string { return r.row.Text(r.by + col) }
func (r shiftedRow) Blob(col int) []byte { return r.row.Blob(r.by + col) }
func (r shiftedRow) Bool(col int) bool   { return r.row.Bool(r.by + col) }
func (r shiftedRow) Null(col int) bool   { return r.row.Null(r.by + col) }

// Sessions implements account.Store.
func (a Accounts) Sessions(ctx context.Context, id muster.AccountID, now time.Time, limit int) ([]account.Session, error) {
	var list []account.Session
	err := a.s.read(ctx, func(c conn) error {
		list = list[:0]
		return c.query("SELECT "+sessionColumns+" FROM session s WHERE s.account_id = $1 AND s.expires_ms > $2 ORDER BY s.id DESC LIMIT $3",
			[]any{id, muster.Millis(now), limit}, func(r row) error {
				list = append(list, scanSession(r))
				return nil
			})
	})
	return list, err
}

// EndSession implements account.Store.
func (a Accounts) EndSession(ctx context.Context, id muster.AccountID, session muster.SessionID) error {
	return a.s.write(ctx, func(c conn) error {
		n, err := c.exec("DELETE FROM session WHERE id = $1 AND account_id = $2", session, id)
		if err == nil && n == 0 {
			err = muster.NotFound("session")
		}
		return err
	})
}

// EndOtherSessions implements account.Store.
func (a Accounts) EndOtherSessions(ctx context.Context, id muster.AccountID, keep muster.SessionID) (ended []muster.SessionID, err error) {
	err = a.s.write(ctx, func(c conn) error {
		ended, err = endSessions(c, id, keep)
		return err
	})
	return ended, err
}

// endSessions ends all sessions of an account but one (0: all).
func endSessions(c conn, id muster.AccountID, keep muster.SessionID) ([]muster.SessionID, error) {
	return deleteSessions(c, "DELETE FROM session WHERE account_id = $1 AND id <> $2 RETURNING id", id, keep)
}

func deleteSessions(c conn, sql string, args ...any) (ended []muster.SessionID, err error) {
	err = c.query(sql, args, func(r row) error {
		ended = append(ended, muster.SessionID(r.Int(0)))
		return nil
	})
	return ended, err
}

// EndExpired implements account.Store.
func (a Accounts) EndExpired(ctx context.Context, now time.Time, limit int) (ended []muster.SessionID, err error) {
	const expired = "SELECT id FROM session WHERE expires_ms <= $1 LIMIT $2"
	var work int64
	err = a.s.read(ctx, func(c conn) error { // most of the time there is nothing to write
		work, err = oneInt(c, expired, muster.Millis(now), 1)
		return err
	})
	if err != nil || work == 0 {
		return nil, err
	}
	err = a.s.write(ctx, func(c conn) error {
		ended, err = deleteSessions(c, "DELETE FROM session WHERE id IN ("+expired+") RETURNING id", muster.Millis(now), limit)
		return err
	})
	return ended, err
}

// touchBatch is how many sessions one transaction touches, so that it does not
// keep other writers waiting. On PostgreSQL it is one statement.
const touchBatch = 500

// TouchSessions implements account.Store.
func (a Accounts) TouchSessions(ctx context.Context, seen map[muster.SessionID]time.Time) error {
	ids := slices.Sorted(maps.Keys(seen)) // in order: two processes do not deadlock
	for part := range slices.Chunk(ids, touchBatch) {
		err := a.s.write(ctx, func(c conn) error {
			if !a.s.alone() {
				return touchAtOnce(c, part, seen)
			}
			for _, id := range part {
				if _, err := c.exec("UPDATE session SET seen_ms = $2 WHERE id = $1 AND seen_ms < $2", id, muster.Millis(seen[id])); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// touchAtOnce touches sessions on PostgreSQL. The rows are locked in order: two
// processes do not deadlock.
func touchAtOnce(c conn, part []muster.SessionID, seen map[muster.SessionID]time.Time) error {
	ids, times := make([]int64, len(part)), make([]int64, len(part))
	for i, id := range part {
		ids[i], times[i] = int64(id), muster.Millis(seen[id])
	}
	_, err := c.exec(`WITH late AS (
			SELECT s.id, v.ms FROM unnest($1::bigint[], $2::bigint[]) v(id, ms) JOIN session s ON s.id = v.id
			WHERE s.seen_ms < v.ms ORDER BY s.id FOR UPDATE OF s)
		UPDATE session s SET seen_ms = late.ms FROM late WHERE s.id = late.id`, ids, times)
	return err
}

// HasSessionFrom implements account.Store.
func (a Accounts) HasSessionFrom(ctx context.Context, id muster.AccountID, network string, now time.Time) (bool, error) {
	var found int64
	err := a.s.read(ctx, func(c conn) (err error) {
		found, err = oneInt(c, "SELECT 1 FROM session WHERE account_id = $1 AND network = $2 AND expires_ms > $3 LIMIT 1", id, network, muster.Millis(now))
		return err
	})
	return found != 0, err
}

// ChangePassword implements account.Store.
func (a Accounts) ChangePassword(
	ctx context.Context, id muster.AccountID, from, to string, keep muster.SessionID,
) (ended []muster.SessionID, err error) {
	err = a.s.write(ctx, func(c conn) error {
		n, err := c.exec("UPDATE account SET password_hash = $3 WHERE id = $1 AND password_hash = $2", id, from, to)
		if err != nil {
			return err
		}
		if n == 0 {
			return muster.Denied("wrong_password", "the old password is wrong")
		}
		ended, err = endSessions(c, id, keep)
		return err
	})
	return ended, err
}
