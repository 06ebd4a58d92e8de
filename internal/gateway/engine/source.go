package engine

import (
	"net"
	"sync"
)

// readBuffer is the size of a reading buffer. A connection has one only while
// something of it waits to be handled.
const readBuffer = 4 << 10

var readBuffers = sync.Pool{New: func() any { b := make([]byte, readBuffer); return &b }}

// source reads from a socket into a buffer that it gives back while the socket
// is silent, so that an idle connection costs none.
type source struct {
	nc  net.Conn
	raw *rawReader // nil: the socket cannot be waited for without a buffer
	// buf holds the unread bytes in buf[from:to]; nil: there are none.
	buf      *[]byte
	from, to int
}

func newSource(nc net.Conn, early []byte) *source {
	s := &source{nc: nc, raw: newRawReader(nc)}
	if len(early) > 0 {
		s.grow(len(early))
		s.to = copy(*s.buf, early)
	}
	return s
}

// pending is what has been read and not advanced over. It is changed in place by
// who parses it.
func (s *source) pending() []byte {
	if s.buf == nil {
		return nil
	}
	return (*s.buf)[s.from:s.to]
}

func (s *source) advance(n int) {
	if s.from += n; s.from == s.to {
		s.giveBack()
	}
}

// giveBack lets go of the buffer.
func (s *source) giveBack() {
	if s.buf != nil && len(*s.buf) == readBuffer {
		readBuffers.Put(s.buf)
	}
	s.buf, s.from, s.to = nil, 0, 0
}

// fill reads more, until at least need bytes are pending.
func (s *source) fill(need int) error {
	for s.to-s.from < need {
		if s.buf == nil && s.raw != nil {
			if err := s.raw.wait(s); err != nil {
				return err
			}
			continue
		}
		s.grow(need)
		n, err := s.nc.Read((*s.buf)[s.to:])
		s.to += n
		if n == 0 && err != nil {
			return err
		}
	}
	return nil
}

// grow makes room for need bytes from s.from on.
func (s *source) grow(need int) {
	if s.buf == nil {
		if need <= readBuffer {
			s.buf = readBuffers.Get().(*[]byte) //nolint:errcheck // the pool holds nothing else
		} else {
			b := make([]byte, need)
			s.buf = &b
		}
		s.from, s.to = 0, 0
		return
	}
	if s.from+need <= len(*s.buf) && s.to < len(*s.buf) {
		return
	}
	old := s.buf
	if need > len(*old) {
		b := make([]byte, need)
		s.buf = &b
	}
	s.to = copy(*s.buf, (*old)[s.from:s.to])
	s.from = 0
	if s.buf != old && len(*old) == readBuffer {
		readBuffers.Put(old)
	}
}

// discard reads and throws away until the socket ends or its deadline is over.
func (s *source) discard() {
	s.giveBack()
	s.grow(1)
	for {
		if _, err := s.nc.Read(*s.buf); err != nil {
			s.giveBack()
			return
		}
	}
}
