package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Front stands before an HTTP server and takes the live sockets out of what its
// listener accepts. It waits for the first bytes of all new connections together,
// so one that brings none costs nothing but its socket until its time is over;
// a handshake that has come whole is answered on the spot, with no goroutine,
// timer or buffer of the connection's own, and the socket goes to the engine. So
// 20,000 clients that come at once cost little, also those that are told to come
// later.
//
// It is a net.Listener for the HTTP server, which gets everything else, unread:
// other requests, handshakes that came in pieces, and all that is to be refused
// for another reason than that too many come at once. It is for plain TCP; over
// TLS handshakes go through the HTTP server.
type Front struct {
	g        *Gateway
	addr     net.Addr
	listener int
	ep, wake int
	passed   chan net.Conn
	closed   chan struct{}
	mu       sync.Mutex
	over     bool // the descriptors above are closed, or will be by Run
	ran      bool
	failed   error        // what kept it from taking over the listener
	quiet    atomic.Int64 // how many have brought nothing

	// What follows is Run's.
	silent map[int32]newcomer
	// since are the silent ones in the order in which they came, some of which
	// have spoken meanwhile.
	since []silence
	count uint32
	buf   []byte
	out   []byte
	head  headReader
	began time.Time
}

// newcomer is a connection that has brought nothing yet.
type newcomer struct {
	peer  netip.AddrPort
	at    time.Duration // since the front began
	count uint32
}

// silence is where a newcomer stands, by its descriptor and count.
type silence struct {
	fd    int32
	count uint32
}

// The bounds of the front.
const (
	maxHead     = 4 << 10                // of a handshake that is answered here, in bytes
	acceptBatch = 16                     // connections taken before others get their turn
	acceptPause = 250 * time.Millisecond // after an error that passes, such as too many open files
	// deferSeconds is how long the kernel waits for the first bytes of a
	// connection before it hands it over (tcp(7), TCP_DEFER_ACCEPT).
	deferSeconds = 3
)

// Front makes a front for a listener, which it takes over. Run it; it ends when
// it is closed.
func (g *Gateway) Front(l *net.TCPListener) *Front {
	f := &Front{
		g: g, addr: l.Addr(), listener: -1, ep: -1, wake: -1, passed: make(chan net.Conn), closed: make(chan struct{}),
		silent: make(map[int32]newcomer), buf: make([]byte, maxHead), began: time.Now(), //nolint:forbidigo // a monotonic clock
	}
	if err := f.open(l); err != nil {
		f.failed = fmt.Errorf("gateway: take over a listener: %w", err)
	}
	return f
}

func (f *Front) open(l *net.TCPListener) (err error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	// A copy, so that the runtime, which would be told of each connection, does not
	// watch it any more.
	var dupErr error
	if err = raw.Control(func(fd uintptr) { f.listener, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil || dupErr != nil {
		return errors.Join(err, dupErr)
	}
	if err = l.Close(); err != nil {
		return err
	}
	// New sockets inherit TCP_NODELAY. Without TCP_DEFER_ACCEPT nothing but time
	// is lost.
	if err = unix.SetsockoptInt(f.listener, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	_ = unix.SetsockoptInt(f.listener, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, deferSeconds)
	if f.ep, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if f.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return err
	}
	return errors.Join(f.watch(f.listener, unix.EPOLLIN, 0), f.watch(f.wake, unix.EPOLLIN, 0))
}

func (f *Front) watch(fd int, events, count uint32) error {
	return unix.EpollCtl(f.ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd), Pad: int32(count)}) //nolint:gosec // a descriptor; bits
}

// shut closes the front's own descriptors.
func (f *Front) shut() {
	for _, fd := range []*int{&f.listener, &f.ep, &f.wake} {
		if *fd >= 0 {
			_ = unix.Close(*fd)
			*fd = -1
		}
	}
}

// Accept implements net.Listener: it gives the next connection that is not a live
// socket.
func (f *Front) Accept() (net.Conn, error) {
	select {
	case nc := <-f.passed:
		return nc, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (f *Front) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return net.ErrClosed
	}
	f.over = true
	close(f.closed)
	if !f.ran {
		f.shut()
		return nil
	}
	if f.wake < 0 {
		return nil
	}
	_, err := unix.Write(f.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	return err
}

// Addr implements net.Listener.
func (f *Front) Addr() net.Addr { return f.addr }

// Run accepts until the front is closed, which the end of ctx does too. It is
// called once.
func (f *Front) Run(ctx context.Context) error {
	f.mu.Lock()
	if f.over {
		f.mu.Unlock()
		return nil
	}
	f.ran = true
	f.mu.Unlock()
	defer context.AfterFunc(ctx, func() { _ = f.Close() })() // a second Close says so
	err := f.failed
	if err == nil {
		err = f.serve()
	}
	_ = f.Close() // it may be closed already
	f.mu.Lock()
	defer f.mu.Unlock()
	for fd := range f.silent {
		_ = unix.Close(int(fd))
		f.strike(fd)
	}
	f.shut()
	return err
}

func (f *Front) serve() error {
	events := make([]unix.EpollEvent, 64)
	for {
		n, err := unix.EpollWait(f.ep, events, f.patience())
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("gateway: wait for connections: %w", err)
		}
		for _, ev := range events[:max(n, 0)] {
			switch int(ev.Fd) {
			case f.wake:
				return nil
			case f.listener:
				f.accept()
			default:
				f.spoken(ev.Fd, uint32(ev.Pad)) //nolint:gosec // bits
			}
			runtime.Gosched() // those who are in go before those who come
		}
		f.tire()
	}
}

// accept takes some of those who have come.
func (f *Front) accept() {
	for range acceptBatch {
		fd, peer, errno := accept4(f.listener)
		switch errno {
		case 0:
		case unix.EAGAIN:
			return
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			f.g.opt.Log.Warn("cannot accept a connection; trying again", "error", errno)
			select {
			case <-time.After(acceptPause):
			case <-f.closed:
			}
			return
		default: // of the connection, which is gone
			continue
		}
		f.begin(fd, peer, true)
	}
}

// begin looks at what a new connection has brought.
func (f *Front) begin(fd int, peer netip.AddrPort, first bool) {
	n, err := unix.Read(fd, f.buf)
	switch {
	case err == nil && n > 0:
		if first || f.forget(fd) {
			f.look(fd, peer, f.buf[:n])
		}
	case errors.Is(err, unix.EAGAIN) && first:
		// The kernel does not wait for the first bytes when very many come at once.
		f.count++
		if f.watch(fd, unix.EPOLLIN|unix.EPOLLRDHUP, f.count) != nil {
			_ = unix.Close(fd)
			return
		}
		f.quiet.Add(1)
		f.silent[int32(fd)] = newcomer{peer, time.Since(f.began), f.count} //nolint:gosec // a descriptor
		f.since = append(f.since, silence{int32(fd), f.count})             //nolint:gosec // a descriptor
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR): // epoll tells again
	default:
		f.strike(int32(fd)) //nolint:gosec // a descriptor
		_ = unix.Close(fd)
	}
}

// strike takes a connection out of the silent.
func (f *Front) strike(fd int32) {
	if _, ok := f.silent[fd]; ok {
		delete(f.silent, fd)
		f.quiet.Add(-1)
	}
}

// spoken goes on with a connection that was silent.
func (f *Front) spoken(fd int32, count uint32) {
	if nc, ok := f.silent[fd]; ok && nc.count == count {
		f.begin(int(fd), nc.peer, false)
	}
}

// forget stops waiting for a connection; false: it is closed, because that does
// not go.
func (f *Front) forget(fd int) bool {
	f.strike(int32(fd)) //nolint:gosec // a descriptor
	if unix.EpollCtl(f.ep, unix.EPOLL_CTL_DEL, fd, nil) != nil {
		_ = unix.Close(fd)
		return false
	}
	return true
}

// patience is how long to wait for sockets, in milliseconds: until the oldest of
// the silent is given up.
func (f *Front) patience() int {
	for len(f.since) > 0 {
		if nc, ok := f.silent[f.since[0].fd]; ok && nc.count == f.since[0].count {
			left := nc.at + f.g.opt.HelloTimeout - time.Since(f.began)
			return int(max(left, 0)/time.Millisecond) + 1
		}
		f.since = f.since[1:]
	}
	f.since = nil
	return -1
}

// tire gives up those who have been silent for too long.
func (f *Front) tire() {
	now := time.Since(f.began)
	for len(f.since) > 0 {
		fd := f.since[0].fd
		if nc, ok := f.silent[fd]; ok && nc.count == f.since[0].count {
			if nc.at+f.g.opt.HelloTimeout > now {
				return
			}
			f.strike(fd)
			_ = unix.Close(int(fd))
		}
		f.since = f.since[1:]
	}
}

// look answers a handshake or passes the connection on.
func (f *Front) look(fd int, peer netip.AddrPort, b []byte) {
	if at := bytes.Index(b, []byte("\r\n\r\n")); at >= 0 && bytes.HasPrefix(b, []byte("GET "+livePath)) && peer.IsValid() {
		at += 4
		if r, ok := f.head.read(string(b[:at])); ok {
			r.RemoteAddr = peer.String()
			if f.handshake(fd, r, b[at:]) {
				return
			}
		}
	}
	nc, err := netConn(fd)
	if err != nil {
		return // as if it had been cut
	}
	out := nc
	if tcp, ok := nc.(*net.TCPConn); ok && len(b) > 0 {
		out = &passed{TCPConn: tcp, read: bytes.Clone(b)}
	}
	select {
	case f.passed <- out:
	case <-f.closed:
		_ = nc.Close()
	}
}

// handshake answers one that is as it should be; false: nothing was done.
func (f *Front) handshake(fd int, r *http.Request, early []byte) bool {
	g := f.g
	protocol, accept := chooseProtocol(r.Header), acceptKey(r)
	if protocol == "" || accept == "" || g.stopping.Load() || !g.allowedOrigin(r.Header.Get("Origin"), r) {
		return false
	}
	after, admitted := g.handshakes.enter(g.opt.Clock.Now())
	if !admitted && !g.farewell(r) {
		_ = f.write(fd, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: ", retryAfter(after),
			"\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
			tooMany, "\n") // it comes back if it has not read this
		_ = unix.Close(fd)
		return true
	}
	if err := f.write(fd, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ", accept,
		"\r\nSec-WebSocket-Protocol: ", protocol, "\r\n\r\n"); err != nil {
		_ = unix.Close(fd)
		return true
	}
	s := upgraded{fd: fd}
	if g.bare == nil {
		nc, err := netConn(fd)
		if err != nil {
			return true
		}
		s = upgraded{nc: nc}
	}
	if !admitted {
		g.turnAway(s, encodingOf(protocol), after)
		return true
	}
	g.take(s, early, encodingOf(protocol), r)
	return true
}

// write writes to a new socket, which has room for it.
func (f *Front) write(fd int, parts ...string) error {
	f.out = f.out[:0]
	for _, part := range parts {
		f.out = append(f.out, part...)
	}
	n, err := unix.Write(fd, f.out)
	if err == nil && n < len(f.out) {
		err = io.ErrShortWrite
	}
	return err
}

// netConn gives a descriptor to Go's own poller.
func netConn(fd int) (net.Conn, error) {
	file := os.NewFile(uintptr(fd), "connection") //nolint:gosec // a descriptor
	nc, err := net.FileConn(file)
	return nc, errors.Join(err, file.Close())
}

// accept4 takes a connection from a listener that does not block. A peer that is
// not valid is one whose address needs more to be written down.
func accept4(listener int) (fd int, peer netip.AddrPort, errno unix.Errno) {
	var sa unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)), //nolint:gosec // as package unix does
		unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, peer, errno
	}
	switch sa.Addr.Family {
	case unix.AF_INET:
		a := (*unix.RawSockaddrInet4)(unsafe.Pointer(&sa)) //nolint:gosec // its family says so
		peer = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), swapped(a.Port))
	case unix.AF_INET6:
		a := (*unix.RawSockaddrInet6)(unsafe.Pointer(&sa)) //nolint:gosec // its family says so
		if a.Scope_id == 0 {
			peer = netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), swapped(a.Port))
		}
	}
	return int(n), peer, 0 //nolint:gosec // a descriptor
}

// swapped reads a port as the network writes it.
func swapped(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port)) //nolint:gosec // its two bytes
	return uint16(b[0])<<8 | uint16(b[1])
}
