package engine

import (
	"encoding/binary"
	"slices"
	"sync"
)

// maxHeader is the longest header of a frame that a server sends.
const maxHeader = 10

// The opcodes of RFC 6455, section 5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA

	finBit  = 0x80
	maskBit = 0x80
)

// Frame is one message to clients, encoded once for each encoding however many
// get it. It is made of its protobuf form; the form in JSON is made of that when
// the first connection needs it. A server's frames are not masked, so the bytes
// are the same for everybody, header included.
type Frame struct {
	wire   []byte
	urgent bool

	once sync.Once
	json []byte
}

// NewFrame makes a frame of an encoded message, given in parts, which are copied.
func NewFrame(message ...[]byte) *Frame { return &Frame{wire: AppendBinary(nil, message...)} }

// FrameOf makes a frame of what AppendBinary gave, which must not be changed any
// more.
func FrameOf(wire []byte) *Frame { return &Frame{wire: wire} }

// Urgent marks a frame that is not skipped in favour of chatter: in a Live topic
// it reaches also who is too slow for the others. It must be called before the
// frame is handed to an engine, and gives the frame.
func (f *Frame) Urgent() *Frame {
	f.urgent = true
	return f
}

// AppendBinary appends the message as a WebSocket frame, so that it can travel
// ready to be written.
func AppendBinary(b []byte, message ...[]byte) []byte { return appendFrame(b, opBinary, message...) }

// message is the encoded message inside.
func (f *Frame) message() []byte {
	switch f.wire[1] {
	case 126:
		return f.wire[4:]
	case 127:
		return f.wire[10:]
	default:
		return f.wire[2:]
	}
}

// bytes is what is written to a connection of an encoding.
func (f *Frame) bytes(enc Encoding, toJSON func([]byte) ([]byte, error)) []byte {
	if enc == Proto {
		return f.wire
	}
	f.once.Do(func() {
		text, err := toJSON(f.message())
		if err != nil { // it was encoded by this program a moment ago
			text = []byte(`{"error":{"code":"internal","reason":"not_json"}}`)
		}
		f.json = appendFrame(nil, opText, text)
	})
	return f.json
}

func appendFrame(b []byte, op byte, payload ...[]byte) []byte {
	n := 0
	for _, part := range payload {
		n += len(part)
	}
	b = slices.Grow(b, maxHeader+n)
	b = append(b, finBit|op)
	switch {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n)) //nolint:gosec // checked
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n)) //nolint:gosec // a length
	}
	for _, part := range payload {
		b = append(b, part...)
	}
	return b
}

// closeFrame is a close frame; code 0 is one without a code.
func closeFrame(code uint16, reason string) []byte {
	if code == 0 {
		return appendFrame(nil, opClose)
	}
	body := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(reason)), code)
	return appendFrame(nil, opClose, append(body, reason[:min(len(reason), 123)]...))
}
