package gateway

import (
	"net"

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
