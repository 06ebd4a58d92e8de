//go:build !linux

package engine

// New makes an engine. A kind that the system does not have is another one.
func New(_ Kind, opt Options) Engine { return NewThreads(opt) }
