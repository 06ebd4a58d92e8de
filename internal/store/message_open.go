package store

import (
	"context"
)

// openLog opens the log that fits the database.
func openLog(ctx context.Context, s *Store, opt Options) (messageLog, error) {
	if opt.URL == "" {
		return openSQLiteLog(ctx, s, opt)
	}
	return openPostgresLog(ctx, s, opt)
}
