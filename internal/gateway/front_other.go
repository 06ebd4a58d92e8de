//go:build !linux

package gateway

import "net"

func deferAccept(*net.TCPListener) {}

// readNow reads nothing where that could wait: such connections begin in the
// HTTP server.
func readNow(*net.TCPConn, []byte) int { return 0 }
