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
	in, list := a.s.among("id", "$2", sessions)
	alive := make(map[muster.SessionID]bool, len(sessions))
	err = a.s.look(ctx, func(c conn) error {
		// One statement for all: nodes ask about everybody who is online, each second.
		return c.query("SELECT id FROM session WHERE expires_ms > $1 AND "+in, []any{a.s.now(), list}, func(r row) error {
			alive[muster.SessionID(r.Int(0))] = true
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	for _, id := range sessions {
		if !alive[id] {
			ended = append(ended, id)
		}
	}
	return ended, nil
}
