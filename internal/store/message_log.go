package store

import (
	"context"

	"muster/internal/group"
)

// messageLog is the durable log of all groups' messages: on SQLite a journal
// with log.db filled behind it (message_sqlite.go), on PostgreSQL a table
// (message_postgres.go).
type messageLog interface {
	group.Log
	// run does the background work until ctx ends.
	run(ctx context.Context) error
	// close makes everything acknowledged readable by the next open.
	close() error
}

// Log is the message log.
func (s *Store) Log() group.Log { return s.log }
