//go:build !linux

package engine

import "net"

// tune has nothing to set here.
func tune(net.Conn) {}
