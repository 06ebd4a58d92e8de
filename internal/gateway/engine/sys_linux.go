package engine

import (
	"errors"
	"net"
	"unsafe"

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

// loopLowat bounds what the kernel takes for a client of a loop that does not
// read, beyond what is on its way. What does not fit stays in the topic's log,
// where it costs nothing.
const loopLowat = 32 << 10

func tuneFD(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, loopLowat)
}

// The calls below never block, so they go past the scheduler: telling it of each
// would cost as much again as the bookkeeping around a write.

// writeFD writes to a socket without waiting. b is not empty.
func writeFD(fd int32, b []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), //nolint:gosec // as package unix does
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(n), nil //nolint:gosec // at most len(b)
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, nil
		default:
			return 0, errno
		}
	}
}

// errEmpty says that a socket has nothing at the moment.
var errEmpty = errors.New("nothing to read")

// readFD reads from a socket without waiting; 0 without an error is the end.
func readFD(fd int32, b []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), //nolint:gosec // as package unix does
			unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil //nolint:gosec // at most len(b)
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, errEmpty
		default:
			return 0, errno
		}
	}
}

// epollWait waits so many milliseconds, for ever if it is negative.
func epollWait(ep int, events []unix.EpollEvent, ms int) (int, error) {
	if ms == 0 {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0) //nolint:gosec // as package unix does
		if errno != 0 && errno != unix.EINTR {
			return 0, errno
		}
		if errno != 0 {
			n = 0
		}
		return int(n), nil //nolint:gosec // at most len(events)
	}
	n, err := unix.EpollWait(ep, events, ms)
	if errors.Is(err, unix.EINTR) {
		return 0, nil
	}
	return n, err
}

// wakeUp makes a loop's epoll_wait return.
func wakeUp(fd int) {
	one := [8]byte{1}
	_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&one[0])), 8) //nolint:gosec // as package unix does
}

// drainWake takes what wakeUp wrote.
func drainWake(fd int) {
	var b [8]byte
	_, _, _ = unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), 8) //nolint:gosec // as package unix does
}
