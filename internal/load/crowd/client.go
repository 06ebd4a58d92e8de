//go:build linux

package crowd

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	musterv1 "muster/gen/muster/v1"
	"muster/internal/load/socket"
)

// state is how far a client is.
type state uint8

const (
	away state = iota
	connecting
	shaking
	greeting
	entering
	syncing
	in
)

// What a client is beside its state.
const (
	raw    = 1 << iota // reads what the floor writes
	slow               // has stopped reading, now or before
	paused             // does not read now
	added              // was told that it is in a group
)

// client is one connection. There are very many of them: it holds what an idle
// one needs and nothing more.
type client struct {
	fd     int32
	next   uint32 // the stamp that should come next
	state  state
	flags  uint8
	target uint16
	part   []byte // of a frame that is not complete; nil: none
	since  int64  // when it began to connect
	group  int64  // whose messages it follows
	seq    int64  // its place there
}

// The ids of a client's requests; sends have greater ones.
const (
	idHello = 1 + iota
	idEnter
	idSync
	idSend = 1 << 16
)

// errGone says that a connection has ended.
var errGone = errors.New("the connection ended")

// dial begins to connect client i.
func (c *Crowd) dial(i int) error {
	cl := &c.clients[i]
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	cl.fd, cl.state, cl.since, cl.part = int32(fd), connecting, Now(), nil //nolint:gosec // a file descriptor
	// An address for each thousand clients: the ports of one would not do. The
	// kernel chooses the port when the other end is known, so that ports are used
	// once for each pair of ends.
	place := c.firstClient + i
	from := unix.SockaddrInet4{Addr: [4]byte{127, byte(1 + place>>18), byte(place >> 10), 1}} //nolint:gosec // the bits that fit
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.Bind(fd, &from),
	)
	if err == nil {
		if err = unix.Connect(fd, c.targets[cl.target]); errors.Is(err, unix.EINPROGRESS) {
			err = nil
		}
	}
	if err == nil {
		err = unix.EpollCtl(c.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLOUT, Fd: int32(i)}) //nolint:gosec // an index
	}
	if err != nil {
		c.shut(cl)
		return fmt.Errorf("connect: %w", err)
	}
	c.dialling++
	return nil
}

// shut closes a client's socket.
func (c *Crowd) shut(cl *client) {
	switch cl.state {
	case away:
		return
	case in:
		c.inside--
	default:
		c.dialling--
	}
	_ = unix.Close(int(cl.fd))
	cl.fd, cl.state, cl.part = -1, away, nil
	cl.flags &^= paused
}

// connected is called when the socket of a client is open.
func (c *Crowd) connected(i int) error {
	cl := &c.clients[i]
	if code, err := unix.GetsockoptInt(int(cl.fd), unix.SOL_SOCKET, unix.SO_ERROR); err != nil || code != 0 {
		return fmt.Errorf("connect: %w", syscall.Errno(code)) //nolint:gosec // an errno
	}
	if err := c.watch(i, unix.EPOLL_CTL_MOD, unix.EPOLLIN); err != nil {
		return err
	}
	if cl.flags&raw != 0 {
		c.arrived(cl)
		return nil
	}
	cl.state = shaking
	c.out = socket.AppendHandshake(c.out[:0], c.hosts[cl.target])
	return c.write(cl)
}

func (c *Crowd) watch(i, op int, events uint32) error {
	return unix.EpollCtl(c.epoll, op, int(c.clients[i].fd), &unix.EpollEvent{Events: events, Fd: int32(i)}) //nolint:gosec // an index
}

// write sends c.out. What a client sends is little, so that a socket that does
// not take it is one that nobody reads.
func (c *Crowd) write(cl *client) error {
	n, err := unix.Write(int(cl.fd), c.out)
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if n < len(c.out) {
		return errors.New("the server takes nothing any more")
	}
	return nil
}

// ask sends a request of a client.
func (c *Crowd) ask(cl *client, f *musterv1.ClientFrame) error {
	var err error
	if c.out, err = AppendRequest(c.out[:0], f); err != nil {
		return err
	}
	return c.write(cl)
}

// readable reads once from a client and takes what is complete.
func (c *Crowd) readable(i int) error {
	cl := &c.clients[i]
	have := 0
	long := len(cl.part) > len(c.buf)/2
	if !long {
		have = copy(c.buf, cl.part)
	}
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(cl.fd), uintptr(unsafe.Pointer(&c.buf[have])), uintptr(len(c.buf)-have)) //nolint:gosec // the socket does not block
	switch {
	case errno == syscall.EAGAIN || errno == syscall.EINTR:
		return nil
	case errno != 0:
		return fmt.Errorf("read: %w", errno)
	case n == 0:
		return errGone
	}
	c.bytes += int64(n)
	data := c.buf[:have+int(n)]
	if long {
		cl.part = append(cl.part, c.buf[:n]...)
		data = cl.part
	}
	c.at = Now()
	rest, err := c.take(i, data)
	if err != nil {
		return err
	}
	cl = &c.clients[i]
	switch {
	case len(rest) == 0:
		cl.part = nil
	case long && len(rest) == len(cl.part): // as it is
	default:
		cl.part = append(make([]byte, 0, max(len(rest), min(2*len(rest), 1<<20))), rest...)
	}
	return nil
}

// take looks at what a client has, and gives what is not complete.
func (c *Crowd) take(i int, b []byte) (rest []byte, err error) {
	cl := &c.clients[i]
	if cl.state == shaking {
		n, err := socket.Handshake(b)
		if err != nil || n == 0 {
			return b, err
		}
		b = b[n:]
		cl.state = greeting
		if err := c.ask(cl, &musterv1.ClientFrame{Id: idHello, Body: &musterv1.ClientFrame_Hello{Hello: &musterv1.Hello{
			Token: c.token(i), Device: "load",
		}}}); err != nil {
			return nil, err
		}
	}
	for {
		op, fin, payload, n, _, err := socket.Frame(b)
		if err != nil || n == 0 {
			return b, err
		}
		b = b[n:]
		if err := c.frame(i, op, fin, payload); err != nil {
			return nil, err
		}
	}
}

// frame takes one frame.
func (c *Crowd) frame(i int, op byte, fin bool, payload []byte) error {
	switch {
	case op == socket.OpPing:
		c.out = socket.AppendFrame(c.out[:0], socket.OpPong, payload)
		return c.write(&c.clients[i])
	case op == socket.OpPong:
		return nil
	case op == socket.OpClose:
		return errGone
	case op == socket.OpContinue || !fin:
		c.frags[i] = append(c.frags[i], payload...)
		if !fin {
			return nil
		}
		payload = c.frags[i]
		delete(c.frags, i)
	}
	c.current = i
	if f := c.seen.find(c.clients[i].next, payload); f != nil {
		c.known = &f.stamp
		err := c.event(&f.ev)
		c.known = nil
		return err
	}
	c.read = nil
	err := socket.Events(payload, &c.ev, c.each)
	if err == nil && c.read != nil {
		c.seen.keep(payload, *c.read)
	}
	return err
}

// event takes one frame of the schema. It is called for c.current.
func (c *Crowd) event(e *event) error {
	cl := &c.clients[c.current]
	switch e.Kind {
	case socket.ChannelMessage:
		c.message(cl, e.Text)
	case socket.GroupMessage:
		if e.Object == cl.group && cl.state == in {
			c.groupMessage(cl, e)
		}
	case socket.ChannelSkipped:
		c.ledger.skipped(uint32(c.current), e.Seq) //nolint:gosec // an index
	case socket.GroupBehind:
		if e.Object == cl.group && cl.seq != 0 && e.Seq > cl.seq {
			c.ledger.skipped(uint32(c.current), e.Seq-cl.seq) //nolint:gosec // an index
			cl.seq = e.Seq
		}
	case socket.Sent:
		return c.acknowledged(c.current, e)
	case socket.MemberAdded:
		if c.watched != 0 && socket.AddedTo(e.Body) == c.watched {
			c.wasAdded(cl)
		}
	case socket.SessionClosed:
		return &ended{code: e.Seq, after: e.After, reason: string(e.Text)}
	case socket.Error:
		return fmt.Errorf("the server refuses: %s", e.Text)
	default:
		return c.answered(cl, e)
	}
	return nil
}

// message takes a text with a stamp.
func (c *Crowd) message(cl *client, text []byte) {
	if c.known != nil {
		c.ledger.take(uint32(c.current), &cl.next, *c.known, c.at, cl.flags&slow == 0) //nolint:gosec // an index
		return
	}
	s, err := ReadStamp(text)
	if err != nil {
		c.ledger.faults.Broken++
		c.ledger.fault(err.Error())
		return
	}
	c.stamp = s
	c.read = &c.stamp
	c.ledger.take(uint32(c.current), &cl.next, s, c.at, cl.flags&slow == 0) //nolint:gosec // an index
}

// groupMessage takes a message of the client's group, which must be the next.
func (c *Crowd) groupMessage(cl *client, e *event) {
	l := c.ledger
	switch {
	case cl.seq == 0 || e.Seq == cl.seq+1:
	case e.Seq <= cl.seq:
		l.faults.Doubled++
		l.fault("a place in a group twice")
		return
	default:
		l.faults.Lost += e.Seq - cl.seq - 1
		l.fault(fmt.Sprintf("place %d in a group after %d", e.Seq, cl.seq))
	}
	cl.seq = e.Seq
	if c.sending {
		l.got++
		c.inOrder(cl, e)
		return
	}
	if IsStamp(e.Text) {
		c.message(cl, e.Text)
	}
}

// answered takes the answer to a request.
func (c *Crowd) answered(cl *client, e *event) error {
	switch e.Kind {
	case socket.Welcome:
		Record(c.latency, sinceNs(c.at, cl.since))
		return c.welcomed(cl)
	case socket.Entered:
		c.arrived(cl)
	case socket.Synced:
		return c.synced(cl, e.Body)
	default:
	}
	return nil
}

// welcomed goes on after the welcome.
func (c *Crowd) welcomed(cl *client) error {
	switch {
	case c.goal.Enter != 0:
		cl.state = entering
		return c.ask(cl, &musterv1.ClientFrame{Id: idEnter, Body: &musterv1.ClientFrame_Enter{Enter: &musterv1.Enter{ChannelId: c.goal.Enter}}})
	case c.goal.SyncTo != 0:
		cl.state, cl.seq = syncing, c.goal.SyncFrom
		return c.sync(cl)
	default:
		c.arrived(cl)
		return nil
	}
}

// sync asks for what comes after the client's place in its group. The other groups
// are named with their heads, so that nothing of them comes.
func (c *Crowd) sync(cl *client) error {
	positions := []*musterv1.SyncPosition{{GroupId: c.goal.Group, Seq: cl.seq}}
	for g, head := range c.goal.Heads {
		if g != c.goal.Group {
			positions = append(positions, &musterv1.SyncPosition{GroupId: g, Seq: head})
		}
	}
	return c.ask(cl, &musterv1.ClientFrame{Id: idSync, Body: &musterv1.ClientFrame_Sync{Sync: &musterv1.SyncRequest{Positions: positions}}})
}

// synced takes a page of what a client missed.
func (c *Crowd) synced(cl *client, body []byte) error {
	c.trips++
	more, err := socket.Pages(body, func(e *event) error {
		if e.Object == cl.group {
			c.ledger.got++
			c.groupPlace(cl, e)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case more:
		return c.sync(cl)
	case cl.seq < c.goal.SyncTo:
		c.ledger.faults.Lost += c.goal.SyncTo - cl.seq
		c.ledger.fault("a sync that ends too early")
	}
	c.arrived(cl)
	return nil
}

// groupPlace holds a message of a page to its place.
func (c *Crowd) groupPlace(cl *client, e *event) {
	if e.Seq != cl.seq+1 {
		c.ledger.faults.Lost++
		c.ledger.fault(fmt.Sprintf("place %d in a page after %d", e.Seq, cl.seq))
	}
	cl.seq = e.Seq
	if IsStamp(e.Text) {
		if _, err := ReadStamp(e.Text); err != nil {
			c.ledger.faults.Broken++
			c.ledger.fault(err.Error())
		}
	}
}

// arrived is called when a client is where it should be.
func (c *Crowd) arrived(cl *client) {
	if cl.state == in {
		return
	}
	cl.state = in
	c.dialling--
	c.inside++
	now := Now()
	Record(c.later, sinceNs(now, cl.since))
	slot := int((now - c.began) / 1e8)
	for slot >= len(c.reply.Admitted) {
		c.reply.Admitted = append(c.reply.Admitted, 0)
	}
	c.reply.Admitted[slot]++
}

// ended is the server's goodbye.
type ended struct {
	code, after int64
	reason      string
}

// Error gives the reason.
func (e *ended) Error() string {
	return fmt.Sprintf("the server ended the connection: %s (%d)", e.reason, e.code)
}
