//go:build !linux

package engine

import "net"

// New makes an engine. A kind that the system does not have is another one.
func New(_ Kind, opt Options) Engine { return NewThreads(opt) }

// tune has nothing to set here.
func tune(net.Conn) {}
