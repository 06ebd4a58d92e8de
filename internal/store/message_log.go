package store

import (
	"context"
	"time"
	"unicode/utf8"

	"muster"
	"muster/internal/group"
)

// messageLog is the durable log of all groups' messages: on SQLite a journal
// with log.db filled behind it (message_sqlite.go), on PostgreSQL a table
// (message_postgres.go).
type messageLog interface {
	group.AsyncLog
	// run does the background work until ctx ends.
	run(ctx context.Context) error
	// healthy tells why no message can be written, nil if they can.
	healthy() error
	// close makes everything acknowledged readable by the next open.
	close() error
}

// openLog opens the log that fits the database.
func openLog(ctx context.Context, s *Store, opt Options) (messageLog, error) {
	if opt.URL == "" {
		return openSQLiteLog(ctx, s, opt)
	}
	return openPostgresLog(ctx, s, opt)
}

// Log is the message log.
func (s *Store) Log() group.Log { return s.log }

// Healthy tells whether messages can be written: nil, or an unavailable error
// with the reason. It is for readiness probes.
func (s *Store) Healthy() error {
	if err := s.db.healthy(); err != nil {
		return errLogBroken(err)
	}
	return s.log.healthy()
}

// logBusyRetry is when a message that was refused for too many others should
// come again.
const logBusyRetry = time.Second

// The limits of what a log takes, so that a record is far below the journal's.
const (
	maxClientID = 64
	maxText     = 256 << 10
	maxNickname = 4 << 10
)

// checkDraft refuses what the log could not keep. The domain's own limits are
// tighter and give better sentences.
func checkDraft(d *group.Draft) error {
	switch {
	case d.ClientID == "" || len(d.ClientID) > maxClientID:
		return muster.Invalid("client_message_id", "must have 1 to %d bytes", maxClientID)
	case len(d.Text) > maxText:
		return muster.Invalid("text", "must have at most %d bytes", maxText)
	case len(d.Nickname) > maxNickname:
		return muster.Invalid("nickname", "must have at most %d bytes", maxNickname)
	case !utf8.ValidString(d.Text) || !utf8.ValidString(d.Nickname):
		return muster.Invalid("text", "must be UTF-8")
	case d.Kind == 0 || d.Kind == group.KindTombstone:
		return muster.Invalid("kind", "is not a kind that is written")
	}
	return nil
}

// errLogBusy is the answer when too many messages wait.
func errLogBusy() error {
	return muster.Exhausted("log_busy", logBusyRetry, "too many messages are waiting to be written; send it again in a moment")
}

// errLogStopped is the answer once the log has been told to stop.
func errLogStopped() error {
	return muster.Unavailable("stopping", "the server is stopping; send it again when you are connected again")
}

// errLogBroken is the answer when the log cannot write.
func errLogBroken(cause error) error {
	e := muster.Unavailable("log_not_writable", "the server cannot write messages now, and nothing was acknowledged; keep the message and send it again later")
	e.Cause = cause
	return e
}
