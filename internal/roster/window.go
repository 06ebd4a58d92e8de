package roster

import (
	"bytes"
	"errors"
	"io"
)

// errTooLong says that a line, or a record of several, exceeds what is allowed.
var errTooLong = errors.New("too long")

// window holds the part of a file that is being looked at: one record and what
// was read ahead.
type window struct {
	r          io.Reader
	buf        []byte
	start, end int // of what is in buf and not yet consumed
	max        int // longest record in bytes, without the last line's end
	err        error
}

// newWindow makes a window over r for records of at most max bytes.
func newWindow(r io.Reader, max int) *window {
	return &window{r: r, max: max, buf: make([]byte, 2*(max+len("\r\n"))+32<<10)}
}

// data gives what is in the window. It is valid until the next call of a method.
func (w *window) data() []byte { return w.buf[w.start:w.end] }

// consume drops the first n bytes.
func (w *window) consume(n int) { w.start += n }

// fill reads more. It reports false when there is no more; w.err says why.
func (w *window) fill() bool {
	if w.start > 0 {
		w.end = copy(w.buf, w.buf[w.start:w.end])
		w.start = 0
	}
	for range 100 { // as bufio: a reader that gives nothing so often is broken
		if w.err != nil {
			return false
		}
		n, err := w.r.Read(w.buf[w.end:])
		w.end, w.err = w.end+n, err
		if n > 0 {
			return true
		}
	}
	w.err = io.ErrNoProgress
	return false
}

// line gives the length, with its end, of the line that starts off bytes into
// the window, so that a record can go on over several. It is io.EOF at the end
// of the file, errTooLong when the record would become longer than max, and
// otherwise an error of the reader.
func (w *window) line(off int) (int, error) {
	for from := off; ; {
		data := w.data()
		if i := bytes.IndexByte(data[from:], '\n'); i >= 0 {
			n := from + i + 1
			if len(bytes.TrimRight(data[off:n], "\r\n"))+off > w.max {
				return 0, errTooLong
			}
			return n - off, nil
		}
		from = len(data)
		if from > w.max+len("\r\n") {
			return 0, errTooLong
		}
		if w.fill() {
			continue
		}
		switch {
		case !errors.Is(w.err, io.EOF):
			return 0, w.err
		case from == off:
			return 0, io.EOF
		case len(bytes.TrimRight(w.data()[off:], "\r"))+off > w.max:
			return 0, errTooLong
		}
		return from - off, nil
	}
}

// skipLine consumes the line at the start, however long it is, and gives its
// beginning.
func (w *window) skipLine() []byte {
	data := w.data()
	head := bytes.Clone(data[:min(len(data), 4*excerptMax+4)])
	if i := bytes.IndexByte(head, '\n'); i >= 0 {
		head = head[:i]
	}
	for {
		data := w.data()
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			w.consume(i + 1)
			return head
		}
		w.consume(len(data))
		if !w.fill() {
			return head
		}
	}
}
