package engine

import (
	"net"

	"golang.org/x/sys/unix"
)

// notSentLowat bounds what the kernel takes for a client that does not read;
// otherwise that is megabytes, and nobody finds out that the client is slow.
const notSentLowat = 128 << 10

// tune sets the options of a socket; what cannot be set stays as it is.
func tune(nc net.Conn) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSentLowat) //nolint:gosec // a file descriptor
	})
}
