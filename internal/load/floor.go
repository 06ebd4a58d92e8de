//go:build linux

package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"

	"muster"
	"muster/internal/channel"
	"muster/internal/load/crowd"
	"muster/internal/load/proc"
	"muster/internal/load/socket"
	"muster/internal/wire"
)

// round is what the floor's writer is told to do: write Count messages to every
// socket, each with a write(2) of its own or all with one.
type round struct {
	Accept   int    `json:"accept,omitempty"` // first of all: take so many connections
	Text     int    `json:"text,omitempty"`
	Run      uint16 `json:"run,omitempty"`
	From     uint32 `json:"from,omitempty"`
	Count    int    `json:"count,omitempty"`
	Together bool   `json:"together,omitempty"`
}

// runFloor is the process that does nothing but write(2): no protocol, no state,
// no locks. It writes the very bytes that the server would.
func runFloor() error {
	if _, err := proc.RaiseOpenFiles(); err != nil {
		return err
	}
	runtime.LockOSThread()
	l, address, err := floorListen()
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(os.Stdout, address); err != nil {
		return err
	}
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	var w floorWriter
	for {
		var r round
		if err := in.Decode(&r); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if r.Accept > 0 {
			err = w.accept(l, r.Accept)
		} else {
			err = w.write(r)
		}
		if err != nil {
			return err
		}
		if err := out.Encode(struct{}{}); err != nil {
			return err
		}
	}
}

type floorWriter struct {
	fds []int
	buf []byte
}

// floorListen opens a socket of which the runtime knows nothing: it would watch
// those that are accepted, and be woken for each write that was received.
func floorListen() (fd int, address string, err error) {
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, "", fmt.Errorf("socket: %w", err)
	}
	if err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, "", fmt.Errorf("bind: %w", err)
	}
	if err = unix.Listen(fd, 4096); err != nil {
		return 0, "", fmt.Errorf("listen: %w", err)
	}
	name, err := unix.Getsockname(fd)
	at, ok := name.(*unix.SockaddrInet4)
	if err != nil || !ok {
		return 0, "", errors.Join(errors.New("a socket without a name"), err)
	}
	return fd, fmt.Sprintf("127.0.0.1:%d", at.Port), nil
}

// accept takes connections and sets what the server sets.
func (w *floorWriter) accept(listener, n int) error {
	for len(w.fds) < n {
		fd, _, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return err
		}
		w.fds = append(w.fds, fd)
	}
	return nil
}

// floorFrame is a channel message as the server writes it.
func floorFrame(b []byte, text string, seq uint32) []byte {
	m := channel.Message{
		Channel: 1 << 60, Sender: channel.Present{Account: muster.AccountID(1 << 60), Nickname: ownerName, Level: muster.Owner},
		ClientMessageID: crowd.MessageID(1, 0, seq), Text: text, Time: time.UnixMilli(1 << 40),
	}
	return socket.AppendServerFrame(b, wire.AppendChannelMessage(nil, &m))
}

// write writes a round's messages.
func (w *floorWriter) write(r round) error {
	text := make([]byte, r.Text)
	at := crowd.Now()
	ends := make([]int, 0, r.Count)
	w.buf = w.buf[:0]
	for k := range r.Count {
		crowd.Stamp{Run: r.Run, Seq: r.From + uint32(k), At: at}.Put(text) //nolint:gosec // a count
		w.buf = floorFrame(w.buf, string(text), r.From+uint32(k))          //nolint:gosec // a count
		ends = append(ends, len(w.buf))
	}
	if r.Together {
		ends = ends[len(ends)-1:]
	}
	begin := 0
	for _, end := range ends {
		for _, fd := range w.fds {
			if err := writeAll(fd, w.buf[begin:end]); err != nil {
				return err
			}
		}
		begin = end
	}
	return nil
}

// writeAll writes to a socket that does not block; readers that do not keep up
// are waited for.
func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b))) //nolint:gosec // the socket does not block
		switch errno {
		case 0:
			b = b[n:]
		case syscall.EAGAIN:
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1); err != nil && !errors.Is(err, unix.EINTR) { //nolint:gosec // a file descriptor
				return err
			}
		case syscall.EINTR:
		default:
			return fmt.Errorf("write: %w", errno)
		}
	}
	return nil
}

// FloorFigures are what the machine itself can do: deliveries that cost nothing
// but a write(2), to the same number of sockets with the same readers.
type FloorFigures struct {
	UnderWay int `json:"under_way"`
	// Together says that messages under way went out with one write(2).
	Together   bool    `json:"coalesced"`
	Messages   int     `json:"messages"`
	Deliveries int64   `json:"deliveries"`
	CPUSeconds float64 `json:"cpu_seconds"`
	PerCPU     float64 `json:"deliveries_per_cpu_second"`
	Last       Times   `json:"last_client"`
}

// floor is the floor's process with the crew's clients connected to it.
type floor struct {
	*child
	enc *json.Encoder
	dec *json.Decoder
}

// startFloor starts the writer and connects the crew's clients to it.
func startFloor(ctx context.Context, r *rig) (*floor, error) {
	f := &floor{}
	var err error
	// As the server's, its runtime has a second thread beside the one that writes.
	if f.child, err = startChild(ctx, r.set.ServerCPUs, []string{"GOMAXPROCS=2"}, nil, floorRole); err != nil {
		return nil, err
	}
	var address string
	if _, err := fmt.Fscanln(f.out, &address); err != nil {
		return nil, errors.Join(err, f.stop())
	}
	f.enc, f.dec = json.NewEncoder(f.in), json.NewDecoder(f.out)
	if err := f.enc.Encode(round{Accept: r.set.Clients}); err != nil {
		return nil, errors.Join(err, f.stop())
	}
	_, err = r.crew.do(crowd.Order{Op: crowd.OpConnect, Raw: true, Targets: []string{address}, AtOnce: 64, TimeoutMS: r.set.Patience.Milliseconds()},
		func(w *worker, o *crowd.Order) { o.Count = w.count })
	if err == nil {
		err = f.dec.Decode(&struct{}{})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the floor: %w", err), f.stop())
	}
	return f, nil
}

// end lets the clients go and ends the writer.
func (f *floor) end(r *rig) error {
	_, err := r.crew.do(crowd.Order{Op: crowd.OpDrop}, nil)
	return errors.Join(err, f.stop())
}

// measure writes rounds for a time: underWay messages, then it waits until
// everybody has them.
func (f *floor) measure(ctx context.Context, r *rig, underWay int, together bool, d time.Duration) (fig FloorFigures, err error) {
	fig = FloorFigures{UnderWay: underWay, Together: together}
	run := r.nextRun()
	if err := r.crew.begin(run, 0); err != nil {
		return fig, err
	}
	before, err := proc.CPUOf(f.pid())
	if err != nil {
		return fig, err
	}
	last := crowd.NewHistogram()
	for begun := time.Now(); time.Since(begun) < d || fig.Messages == 0; fig.Messages += underWay {
		at := crowd.Now()
		if err := f.enc.Encode(round{Text: r.set.Text, Run: run, From: uint32(fig.Messages), Count: underWay, Together: together}); err != nil { //nolint:gosec // a count
			return fig, err
		}
		if err := r.awaitMessages(ctx, underWay, func(_ uint32, end int64) { crowd.Record(last, time.Duration(end-at)) }); err != nil {
			return fig, fmt.Errorf("the floor: %w", err)
		}
		if err := f.dec.Decode(&struct{}{}); err != nil {
			return fig, err
		}
	}
	after, err := proc.CPUOf(f.pid())
	if err != nil {
		return fig, err
	}
	fig.CPUSeconds = after.Sub(before).Total.Seconds()
	got, _, err := r.finish(uint32(fig.Messages)) //nolint:gosec // a count
	fig.Deliveries = got
	fig.PerCPU = perSecond(got, fig.CPUSeconds)
	fig.Last = timesOf(last)
	return fig, err
}

// awaitMessages waits until so many messages have been everywhere.
func (r *rig) awaitMessages(ctx context.Context, n int, each func(seq uint32, at int64)) error {
	late := time.NewTimer(r.set.Patience)
	defer late.Stop()
	for n > 0 {
		select {
		case d, ok := <-r.crew.dones:
			if !ok {
				return errors.New("a worker has ended")
			}
			if at, everywhere := r.crew.done(d); everywhere {
				each(d.Seq, at)
				n--
			}
		case <-late.C:
			return fmt.Errorf("%d messages are not everywhere after %v", n, r.set.Patience)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func timesOf(h *hdrhistogram.Histogram) Times {
	ms := func(us int64) float64 { return float64(us) / 1000 }
	return Times{
		Count: h.TotalCount(), P50: ms(h.ValueAtQuantile(50)), P90: ms(h.ValueAtQuantile(90)), P99: ms(h.ValueAtQuantile(99)),
		P999: ms(h.ValueAtQuantile(99.9)), Max: ms(h.Max()),
	}
}

func perSecond(n int64, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return float64(n) / seconds
}
