//go:build unix

package gateway

import (
	"net"
	"syscall"
)

// readNow reads what has come on a new connection, and does not wait.
func readNow(nc *net.TCPConn, b []byte) (n int) {
	raw, err := nc.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Read(func(fd uintptr) bool {
		n, err = syscall.Read(int(fd), b) //nolint:gosec // a file descriptor
		return true
	})
	if err != nil || n < 0 { // nothing is there, or the next read says what is wrong
		return 0
	}
	return n
}
