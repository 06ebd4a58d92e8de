package gateway

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// deferSeconds is how long the kernel waits for the first bytes of a connection.
const deferSeconds = 3

// deferAccept has the kernel hand a connection over when its first bytes are
// there (tcp(7), TCP_DEFER_ACCEPT). Without it nothing but time is lost.
func deferAccept(l *net.TCPListener) {
	raw, err := l.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, deferSeconds) //nolint:gosec // a file descriptor
	})
}

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
