//go:build !linux

package journal

// Sync is the full sync of the os package, which on Darwin reaches the medium (F_FULLFSYNC).
func (f osFile) Sync() error { return f.File.Sync() }

// Allocate does nothing: the zeros that are written next reserve the blocks.
func (f osFile) Allocate(int64) error { return nil }
