package journal

import (
	"errors"
	"fmt"
)

var (
	// ErrLocked: another process (or another Journal of this one) has the directory open.
	ErrLocked = errors.New("journal: directory is in use")
	// ErrClosed: the journal was closed.
	ErrClosed = errors.New("journal: closed")
	// ErrPoisoned: an earlier write or sync failed; nothing is accepted any more until the journal is opened again.
	ErrPoisoned = errors.New("journal: stopped after a failed write or sync")
	// ErrTooLarge: a record or the batch is beyond the limits; nothing was written.
	ErrTooLarge = errors.New("journal: record or batch too large")
	// ErrBehind: the journal and the store behind it ([Options.Applied]) do not belong together: records that the
	// store lacks were released long ago, or the store has applied records that the journal never had.
	ErrBehind = errors.New("journal: does not continue the store")
)

// CorruptionError says where acknowledged records can no longer be read. Open returns it before anything is replayed.
type CorruptionError struct {
	File   string // path of the segment
	Offset int64  // byte in it from which on it cannot be read
	Reason string
}

// Error names the place, the reason and what the operator can do.
func (e *CorruptionError) Error() string {
	return fmt.Sprintf("journal: %s is corrupt at byte %d: %s. Acknowledged records are affected, so nothing was replayed and nothing changed. "+
		"Copy the whole directory first; then either restore it from a copy of the disk, or, to go on without every record that the store has not applied yet, "+
		"move the directory away and start again", e.File, e.Offset, e.Reason)
}
