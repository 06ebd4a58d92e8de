package store

import (
	"context"

	"muster"
)

// Counted is how much the database holds.
type Counted struct{ Accounts, Channels, Groups int64 }

// Count counts accounts, channels and groups. It takes a while with millions.
func (s *Store) Count(ctx context.Context) (n Counted, err error) {
	err = s.read(ctx, func(c conn) error {
		for table, into := range map[string]*int64{"account": &n.Accounts, "channel": &n.Channels, "grp": &n.Groups} {
			if *into, err = oneInt(c, "SELECT count(*) FROM "+table); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// EndedSessions tells which of the sessions are over: revoked, or past their
// time. It is for nodes that may have missed the word.
func (a Accounts) EndedSessions(ctx context.Context, sessions []muster.SessionID) (ended []muster.SessionID, err error) {
	err = a.s.read(ctx, func(c conn) error {
		ended = nil
		for _, id := range sessions {
			alive, err := one(c, "SELECT 1 FROM session WHERE id = $1 AND expires_ms > $2", []any{id, a.s.now()}, func(row) {})
			if err != nil {
				return err
			}
			if !alive {
				ended = append(ended, id)
			}
		}
		return nil
	})
	return ended, err
}
