package store

import (
	"context"

	"muster/internal/group"
)

// openLog opens the log that fits the database. (Being built: see message_sqlite.go, message_postgres.go.)
func openLog(_ context.Context, _ *Store, _ Options) (messageLog, error) { return noLog{}, nil }

type noLog struct{ group.Log }

func (noLog) run(ctx context.Context) error { <-ctx.Done(); return nil }
func (noLog) close() error                  { return nil }
