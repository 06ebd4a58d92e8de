package store

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"muster"
	"muster/internal/account"
)

// This file keeps the sliding windows of logins, the one-time tokens and their
// use.

// errLimit ends the transaction of an attempt that a limit refuses.
var errLimit = errors.New("store: a limit is reached")

// TakeAttempt implements account.Store.
func (a Accounts) TakeAttempt(ctx context.Context, t account.Attempt) (wait time.Duration, err error) {
	now, window := muster.Millis(t.At), t.Window.Milliseconds()
	limits := slices.Clone(t.Limits)
	slices.SortFunc(limits, func(x, y account.Limit) int { return bytes.Compare(x.Key[:], y.Key[:]) })
	err = a.s.write(ctx, func(c conn) error {
		wait = 0
		for _, l := range limits {
			// Where writers are not alone, this row makes them wait for each
			// other, so that each counts those before it.
			if _, err := c.exec(`INSERT INTO attempt_key (key, at_ms) VALUES ($1, $2)
				ON CONFLICT (key) DO UPDATE SET at_ms = excluded.at_ms`, l.Key[:], now); err != nil {
				return err
			}
			// There is room again when the attempt that is now the Max-th
			// newest leaves the window.
			last, err := oneInt(c, "SELECT at_ms FROM attempt WHERE key = $1 AND at_ms > $2 ORDER BY at_ms DESC LIMIT 1 OFFSET $3", l.Key[:], now-window, l.Max-1)
			if err != nil {
				return err
			}
			if last != 0 {
				wait = max(wait, time.Duration(min(last+window-now, window))*time.Millisecond)
			}
		}
		if wait > 0 {
			return errLimit
		}
		for _, l := range limits {
			if _, err := c.exec("INSERT INTO attempt (key, at_ms, id) VALUES ($1, $2, $3)", l.Key[:], now, t.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errLimit) {
		err = nil
	}
	return wait, err
}

// ReturnAttempt implements account.Store.
func (a Accounts) ReturnAttempt(ctx context.Context, t account.Attempt) error {
	return a.s.write(ctx, func(c conn) error { return returnAttempt(c, t) })
}

func returnAttempt(c conn, t account.Attempt) error {
	for _, l := range t.Limits {
		if _, err := c.exec("DELETE FROM attempt WHERE key = $1 AND id = $2", l.Key[:], t.ID); err != nil {
			return err
		}
	}
	return nil
}

// TidyAttempts implements account.Store.
func (a Accounts) TidyAttempts(ctx context.Context, now time.Time, window time.Duration) error {
	at := muster.Millis(now)
	old := at - window.Milliseconds()
	var work int64
	err := a.s.read(ctx, func(c conn) (err error) { // most of the time there is nothing to write
		work, err = oneInt(c, "SELECT 1 FROM attempt WHERE at_ms <= $1 OR at_ms > $2 LIMIT 1", old, at)
		return err
	})
	if err != nil || work == 0 {
		return err
	}
	return a.s.write(ctx, func(c conn) error {
		if _, err := c.exec("DELETE FROM attempt WHERE at_ms <= $1", old); err != nil {
			return err
		}
		if _, err := c.exec("UPDATE attempt SET at_ms = $1 WHERE at_ms > $1", at); err != nil {
			return err
		}
		_, err := c.exec("DELETE FROM attempt_key WHERE at_ms <= $1", old)
		return err
	})
}

// ReplaceSetup implements account.Store.
func (a Accounts) ReplaceSetup(ctx context.Context, hash account.TokenHash, now time.Time) (needed bool, err error) {
	err = a.s.write(ctx, func(c conn) error {
		if _, err := c.exec("DELETE FROM one_time_token WHERE account_id = 0"); err != nil {
			return err
		}
		owners, err := lockOwners(c)
		if err != nil {
			return err
		}
		if needed = len(owners) == 0; !needed {
			return nil
		}
		_, err = c.exec("INSERT INTO one_time_token (token_hash, account_id, expires_ms) VALUES ($1, 0, 0)", hash[:])
		return err
	})
	return needed, err
}

// useSetup uses the setup token up, and every other that there may be.
func useSetup(c conn, hash account.TokenHash) error {
	n, err := c.exec("DELETE FROM one_time_token WHERE token_hash = $1 AND account_id = 0", hash[:])
	if err != nil {
		return err
	}
	if n == 0 {
		return errWrongToken()
	}
	owners, err := lockOwners(c)
	if err != nil {
		return err
	}
	if len(owners) > 0 {
		return errWrongToken()
	}
	_, err = c.exec("DELETE FROM one_time_token WHERE account_id = 0")
	return err
}

// OneTimeToken implements account.Store.
func (a Accounts) OneTimeToken(ctx context.Context, hash account.TokenHash, now time.Time) (t account.OneTime, found bool, err error) {
	err = a.s.read(ctx, func(c conn) error {
		found, err = one(c, "SELECT account_id FROM one_time_token WHERE token_hash = $1 AND (expires_ms = 0 OR expires_ms > $2)",
			[]any{hash[:], muster.Millis(now)}, func(r row) { t.Account = muster.AccountID(r.Int(0)) })
		return err
	})
	return t, found, err
}

// putClaim replaces the account's claim tokens by this one.
func putClaim(c conn, id muster.AccountID, n account.StoredClaim) error {
	if _, err := c.exec("DELETE FROM one_time_token WHERE account_id = $1", id); err != nil {
		return err
	}
	_, err := c.exec("INSERT INTO one_time_token (token_hash, account_id, expires_ms) VALUES ($1, $2, $3)", n.Hash[:], id, muster.Millis(n.Expires))
	return err
}

// Claim implements account.Store.
func (a Accounts) Claim(ctx context.Context, n account.Claiming) (got account.Account, err error) {
	err = a.s.write(ctx, func(c conn) error {
		id := n.Session.Account
		if got, _, err = lockAccount(c, id); err != nil {
			return err
		}
		used, err := c.exec("DELETE FROM one_time_token WHERE token_hash = $1 AND account_id = $2 AND expires_ms > $3", n.Hash[:], id, muster.Millis(n.Now))
		if err != nil {
			return err
		}
		if used == 0 {
			return errWrongToken()
		}
		if got.Suspended {
			return errSuspended()
		}
		if n.Nickname != "" {
			got.Nickname = n.Nickname
		}
		if n.Language != "" {
			got.Language = n.Language
		}
		if _, err := c.exec("UPDATE account SET password_hash = $2, nickname = $3, language = $4 WHERE id = $1",
			id, n.PasswordHash, got.Nickname, got.Language); err != nil {
			return err
		}
		if err := putSession(c, n.Session); err != nil {
			return err
		}
		return a.s.audit(c, id, "account.claim", objectOf(id), "")
	})
	return got, err
}
