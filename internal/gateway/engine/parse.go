package engine

import (
	"encoding/binary"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// maxFragments bounds the frames that one message may come in.
const maxFragments = 128

// violation is why a connection is closed, with the code of RFC 6455, section
// 7.4.1.
type violation struct {
	code uint16
	why  string
	err  error
}

func (v *violation) Error() string { return v.why }
func (v *violation) Unwrap() error { return v.err }

func protocolError(why string) *violation {
	return &violation{code: uint16(ws.StatusProtocolError), why: why, err: ErrProtocol}
}

func longLength() *violation {
	return protocolError("a length takes no more bytes than it needs")
}

// event is what a frame means to the connection.
type event struct {
	// op is opText or opBinary for a whole message, opClose, opPing, opPong, or
	// opContinuation for nothing yet.
	op      byte
	payload []byte
}

// parser takes a client's frames apart (RFC 6455, section 5) and puts messages
// together from fragments. Compression is never agreed on, so a message is as
// large as what was sent.
type parser struct {
	max  int  // of a message in bytes
	want byte // opText or opBinary

	gathered  []byte
	fragments int // of the message under way; 0: none is
}

// next takes one frame off the front of b, which it unmasks in place. n is how
// many bytes that was; 0: there is no whole frame yet, need is how many bytes
// there have to be.
func (p *parser) next(b []byte) (ev event, n, need int, err *violation) {
	if len(b) < 2 {
		return ev, 0, 2, nil
	}
	op, fin := b[0]&0x0F, b[0]&finBit != 0
	size, header := int(b[1]&0x7F), 2
	switch size {
	case 126:
		header = 4
	case 127:
		header = 10
	}
	if err := p.allow(b, op, fin, size); err != nil {
		return ev, 0, 0, err
	}
	if len(b) < header {
		return ev, 0, header, nil
	}
	switch size {
	case 126:
		if size = int(binary.BigEndian.Uint16(b[2:])); size < 126 {
			return ev, 0, 0, longLength()
		}
	case 127:
		long := binary.BigEndian.Uint64(b[2:])
		if long < 1<<16 {
			return ev, 0, 0, longLength()
		}
		if long > uint64(p.max) { //nolint:gosec // a positive limit
			return ev, 0, 0, p.tooLarge()
		}
		size = int(long) //nolint:gosec // at most p.max
	}
	if op < opClose && size+len(p.gathered) > p.max {
		return ev, 0, 0, p.tooLarge()
	}
	whole := header + 4 + size
	if len(b) < whole {
		return ev, 0, whole, nil
	}
	payload := b[header+4 : whole]
	ws.Cipher(payload, [4]byte(b[header:header+4]), 0)
	ev, err = p.take(op, fin, payload)
	return ev, whole, 0, err
}

// allow checks the first two bytes of a frame.
func (p *parser) allow(b []byte, op byte, fin bool, size int) *violation {
	switch {
	case b[0]&0x70 != 0:
		return protocolError("a reserved bit is set, and no extension was agreed on")
	case b[1]&maskBit == 0:
		return protocolError("a client's frames are masked")
	case op >= opClose && (!fin || size > 125):
		return protocolError("a control frame is whole and has at most 125 bytes")
	}
	switch op {
	case opContinuation:
		if p.fragments == 0 {
			return protocolError("a continuation of nothing")
		}
	case opText, opBinary:
		if p.fragments > 0 {
			return protocolError("a new message inside another")
		}
		if op != p.want {
			return &violation{uint16(ws.StatusUnsupportedData), "muster.v1.proto is sent in binary messages, muster.v1.json in text messages", ErrProtocol}
		}
	case opClose, opPing, opPong:
	default:
		return protocolError("an unknown opcode")
	}
	return nil
}

// noise counts what a client sends that brings its handler nothing, so that the
// handler cannot hold it to a rate: pings, pongs and empty fragments.
type noise struct {
	second, frames uint16
}

// noiseMost is how much noise a client may make in one second; a ping a second
// is more than anybody needs.
const noiseMost = 300

// isNoise says whether a frame of n bytes that came to ev is that.
func isNoise(ev event, n int) bool {
	const empty = 6 // the length of a client's frame without a payload
	return ev.op == opPing || ev.op == opPong || ev.op == opContinuation && n == empty
}

// hear counts a frame, at a time since something that does not change.
func (s *noise) hear(now time.Duration) *violation {
	if second := uint16(now / time.Second); second != s.second { //nolint:gosec // another one is told from it all the same
		s.second, s.frames = second, 0
	}
	if s.frames++; s.frames > noiseMost {
		return &violation{uint16(ws.StatusPolicyViolation), "too many pings, pongs or empty fragments", ErrProtocol}
	}
	return nil
}

// take handles a whole, unmasked frame.
func (p *parser) take(op byte, fin bool, payload []byte) (event, *violation) {
	if op >= opClose {
		return event{op, payload}, nil
	}
	if fin && p.fragments == 0 {
		return p.message(payload)
	}
	if p.fragments++; p.fragments > maxFragments {
		return event{}, &violation{uint16(ws.StatusPolicyViolation), "a message in too many fragments", ErrProtocol}
	}
	p.gathered = append(p.gathered, payload...)
	if !fin {
		return event{}, nil
	}
	whole := p.gathered
	p.gathered, p.fragments = nil, 0
	return p.message(whole)
}

func (p *parser) message(payload []byte) (event, *violation) {
	if p.want == opText && !utf8.Valid(payload) {
		return event{}, &violation{uint16(ws.StatusInvalidFramePayloadData), "a text message is UTF-8", ErrProtocol}
	}
	return event{p.want, payload}, nil
}

func (p *parser) tooLarge() *violation {
	return &violation{uint16(ws.StatusMessageTooBig), "the message is too large", ErrTooLarge}
}

// goodbye reads the payload of a close frame and gives the code to answer with.
func goodbye(payload []byte) uint16 {
	switch {
	case len(payload) == 0:
		return 0
	case len(payload) == 1:
		return uint16(ws.StatusProtocolError)
	}
	code := binary.BigEndian.Uint16(payload)
	if !closeCode(code) || !utf8.Valid(payload[2:]) {
		return uint16(ws.StatusProtocolError)
	}
	return code
}

// closeCode says whether a code may stand in a close frame: one of the registered
// ones that are sent, or one of those for libraries and programs (RFC 6455,
// section 7.4).
func closeCode(code uint16) bool {
	switch code {
	case 1004, 1005, 1006:
		return false
	default:
		return code >= 1000 && code <= 1014 || code >= 3000 && code <= 4999
	}
}
