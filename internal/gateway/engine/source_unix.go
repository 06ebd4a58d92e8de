//go:build unix

package engine

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// rawReader waits for a socket without holding a buffer.
type rawReader struct {
	conn syscall.RawConn
	into *source
	err  error
	try  func(fd uintptr) bool // r.read, made once
}

// newRawReader returns nil when the socket is not a plain one (TLS).
func newRawReader(nc net.Conn) *rawReader {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	r := &rawReader{conn: raw}
	r.try = r.read
	return r
}

// wait blocks until the socket has something, and reads it into a new buffer.
func (r *rawReader) wait(s *source) error {
	r.into, r.err = s, nil
	err := r.conn.Read(r.try)
	r.into = nil
	if r.err != nil {
		return r.err
	}
	return err
}

// read is called whenever the socket may have something; false: it has not.
func (r *rawReader) read(fd uintptr) bool {
	s := r.into
	s.grow(1)
	for {
		n, err := syscall.Read(int(fd), *s.buf) //nolint:gosec // a file descriptor
		switch {
		case n > 0:
			s.to = n
			return true
		case err == nil:
			r.err = io.EOF
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			s.giveBack()
			return false
		default:
			r.err = err
		}
		s.giveBack()
		return true
	}
}
