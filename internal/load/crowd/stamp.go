//go:build linux

package crowd

import (
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"golang.org/x/sys/unix"
)

// Stamp is what a message's text says about itself, so that whoever receives it
// can tell that it came whole, once and in order, and how long it took.
type Stamp struct {
	// Run is which measurement the message belongs to.
	Run uint16
	// Sender numbers the senders of a run, Seq a sender's messages, both from 0.
	Sender, Seq uint32
	// At is when the message was due, on the machine's monotonic clock.
	At int64
}

// MinText is the shortest text that holds a stamp, in bytes: a mark, the four
// fields in hexadecimal digits, and a checksum of all of the text.
const MinText = sumAt + 8

const (
	mark  = '~'
	sumAt = 1 + 4 + 8 + 8 + 16
)

var errStamp = errors.New("a text that is not what was sent")

// Put writes the stamp and what fills the text to its length.
func (s Stamp) Put(text []byte) {
	text[0] = mark
	putHex(text[1:5], uint64(s.Run))
	putHex(text[5:13], uint64(s.Sender))
	putHex(text[13:21], uint64(s.Seq))
	putHex(text[21:sumAt], uint64(s.At)) //nolint:gosec // read back by the inverse
	for i := range text[MinText:] {
		text[MinText+i] = 'a' + byte((uint64(s.Seq)+uint64(i))%26) //nolint:gosec // below 26
	}
	putHex(text[sumAt:MinText], uint64(sum(text)))
}

// IsStamp says whether a text was made by Put, whole or not.
func IsStamp(text []byte) bool { return len(text) >= MinText && text[0] == mark }

// ReadStamp reads a text that was made by Put.
func ReadStamp(text []byte) (s Stamp, err error) {
	if !IsStamp(text) {
		return s, fmt.Errorf("%w: %d bytes", errStamp, len(text))
	}
	check, ok := hex(text[sumAt:MinText])
	if !ok || uint64(sum(text)) != check {
		return s, fmt.Errorf("%w: the checksum is wrong", errStamp)
	}
	run, ok1 := hex(text[1:5])
	sender, ok2 := hex(text[5:13])
	seq, ok3 := hex(text[13:21])
	at, ok4 := hex(text[21:sumAt])
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return s, fmt.Errorf("%w: no number", errStamp)
	}
	return Stamp{Run: uint16(run), Sender: uint32(sender), Seq: uint32(seq), At: int64(at)}, nil //nolint:gosec // as many digits as fit
}

func sum(text []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(text[:sumAt]), crc32.IEEETable, text[MinText:])
}

const digits = "0123456789abcdef"

func putHex(b []byte, v uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = digits[v&15]
		v >>= 4
	}
}

func hex(b []byte) (v uint64, ok bool) {
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

// The machine's monotonic clock at a moment of this process's own, so that
// reading it costs no system call and processes can compare what they read.
var (
	clockBase  = time.Now()
	clockStart = func() int64 {
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			return 0
		}
		return ts.Nano()
	}()
)

// Now is the machine's monotonic clock, in nanoseconds.
func Now() int64 { return clockStart + int64(time.Since(clockBase)) }
