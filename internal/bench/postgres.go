package bench

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// walFiles is how many WAL files of 16 MB a PostgreSQL that is measured gets
// beforehand. A server that has run for some time has them (min_wal_size) and
// writes over the old ones; a new one makes each when it is needed, and everybody
// who waits for a commit waits for that.
const walFiles = 64

// PostgresFigures are the settings of the PostgreSQL that is measured.
type PostgresFigures struct {
	Name     string            `json:"name"`
	Settings map[string]string `json:"settings"`
	// WALFiles were made before the measurement; 0 when the role may not.
	WALFiles int `json:"wal_files_made_before"`
}

// PreparePostgres makes WAL files and tells the settings that bear on the figures.
func PreparePostgres(ctx context.Context, url string) (f PostgresFigures, err error) {
	f = PostgresFigures{Name: "postgres", Settings: make(map[string]string)}
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, c.Close(ctx)) }()
	for _, name := range []string{
		"server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers",
		"min_wal_size", "max_wal_size", "checkpoint_timeout", "wal_init_zero", "wal_recycle",
	} {
		var value string
		if err := c.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&value); err != nil {
			return f, fmt.Errorf("setting %s: %w", name, err)
		}
		f.Settings[name] = value
	}
	for range walFiles {
		if _, err := c.Exec(ctx, "SELECT pg_logical_emit_message(false, 'muster-bench', ''), pg_switch_wal()"); err != nil {
			return f, unlessDenied(err)
		}
		f.WALFiles++
	}
	_, err = c.Exec(ctx, "CHECKPOINT") // from here on the files are used again
	return f, unlessDenied(err)
}

// unlessDenied is nil for what only a superuser may do.
func unlessDenied(err error) error {
	const insufficientPrivilege = "42501"
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok && pe.Code == insufficientPrivilege {
		return nil
	}
	return err
}
