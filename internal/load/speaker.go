//go:build linux

package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	musterv1 "muster/gen/muster/v1"
	"muster/internal/load/crowd"
	"muster/internal/load/socket"
)

// speaker is the client that says what the others receive.
type speaker struct {
	conn net.Conn
	text []byte
	// channel and group are where it speaks.
	channel, group int64

	mu     sync.Mutex
	out    []byte
	last   uint64
	acks   int64
	head   int64
	failed error
	over   chan struct{}
	ready  chan struct{} // gets something for each answer to enter and hello
	done   sync.WaitGroup
}

// newSpeaker connects a speaker and lets it enter the channel, if there is one.
func newSpeaker(ctx context.Context, n *node, token string, channel int64, text int) (*speaker, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", n.target())
	if err != nil {
		return nil, err
	}
	s := &speaker{conn: conn, text: make([]byte, text), channel: channel, over: make(chan struct{}), ready: make(chan struct{}, 4)}
	if _, err := conn.Write(socket.AppendHandshake(nil, n.target())); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	in := bufio.NewReaderSize(conn, 1<<16)
	var head []byte
	for n := 0; n == 0; {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		head = append(head, line...)
		if n, err = socket.Handshake(head); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	s.done.Go(func() { s.read(in) })
	err = s.call(ctx, &musterv1.ClientFrame{Id: 1, Body: &musterv1.ClientFrame_Hello{Hello: &musterv1.Hello{Token: token, Device: "load-speaker"}}})
	if err == nil && channel != 0 {
		err = s.call(ctx, &musterv1.ClientFrame{Id: 2, Body: &musterv1.ClientFrame_Enter{Enter: &musterv1.Enter{ChannelId: channel}}})
	}
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// call asks and waits for the answer; it is for the beginning.
func (s *speaker) call(ctx context.Context, f *musterv1.ClientFrame) error {
	if err := s.ask(f); err != nil {
		return err
	}
	select {
	case <-s.ready:
		return nil
	case <-s.over:
		return fmt.Errorf("the speaker: %w", s.err())
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *speaker) ask(f *musterv1.ClientFrame) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out, err = crowd.AppendRequest(s.out[:0], f); err != nil {
		return err
	}
	_, err = s.conn.Write(s.out)
	return err
}

// speak says a message of a run, to the group if there is one, else in the
// channel.
func (s *speaker) speak(run uint16, seq uint32, at int64) error {
	crowd.Stamp{Run: run, Seq: seq, At: at}.Put(s.text)
	s.last++
	id := crowd.MessageID(run, 0, seq)
	f := &musterv1.ClientFrame{Id: 1000 + s.last}
	if s.group != 0 {
		f.Body = &musterv1.ClientFrame_Send{Send: &musterv1.SendRequest{GroupId: s.group, ClientMessageId: id, Text: string(s.text)}}
	} else {
		f.Body = &musterv1.ClientFrame_Say{Say: &musterv1.Say{ChannelId: s.channel, ClientMessageId: id, Text: string(s.text)}}
	}
	return s.ask(f)
}

// read takes what the server sends until the connection ends.
func (s *speaker) read(in *bufio.Reader) {
	defer close(s.over)
	err := s.readAll(in)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = err
	}
}

func (s *speaker) readAll(in *bufio.Reader) error {
	var b []byte
	var e socket.Event
	for {
		op, _, payload, n, need, err := socket.Frame(b)
		if err != nil {
			return err
		}
		if n == 0 {
			have := len(b)
			b = append(b, make([]byte, max(need-have, 0))...)
			if _, err := io.ReadFull(in, b[have:]); err != nil {
				return err
			}
			continue
		}
		switch op {
		case socket.OpPing:
			s.mu.Lock()
			s.out = socket.AppendFrame(s.out[:0], socket.OpPong, payload)
			_, err = s.conn.Write(s.out)
			s.mu.Unlock()
		case socket.OpClose:
			err = io.EOF
		case socket.OpBinary:
			err = socket.Events(payload, &e, s.event)
		}
		if err != nil {
			return err
		}
		b = b[:0]
	}
}

func (s *speaker) event(e *socket.Event) error {
	switch e.Kind {
	case socket.Welcome, socket.Entered:
		s.ready <- struct{}{}
	case socket.Said, socket.Sent:
		s.mu.Lock()
		s.acks++
		if e.Kind == socket.Sent {
			s.head = max(s.head, e.Seq)
		}
		s.mu.Unlock()
	case socket.Error:
		return fmt.Errorf("the server refuses: %s", e.Text)
	case socket.SessionClosed:
		return fmt.Errorf("the server ended the connection: %s (%d)", e.Text, e.Seq)
	default:
	}
	return nil
}

// acknowledged waits until so many messages of its life were acknowledged.
func (s *speaker) acknowledged(ctx context.Context, n int64, patience time.Duration) (head int64, err error) {
	for begun := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		s.mu.Lock()
		acks, head := s.acks, s.head
		s.mu.Unlock()
		switch {
		case acks >= n:
			return head, nil
		case ctx.Err() != nil:
			return head, ctx.Err()
		case s.err() != nil:
			return head, s.err()
		case time.Since(begun) > patience:
			return head, fmt.Errorf("only %d of %d messages were acknowledged", acks, n)
		}
	}
}

func (s *speaker) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

func (s *speaker) stop() error {
	err := s.conn.Close()
	s.done.Wait()
	return err
}
