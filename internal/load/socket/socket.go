// Package socket is the client's side of the live socket reduced to bytes, for
// programs that hold very many clients: the handshake of RFC 6455, its frames,
// and the few messages of proto/muster/v1 that a load is made of, read in place
// and written by hand. Nothing is allocated for a frame and nothing is kept for
// an idle client.
//
// It speaks the subprotocol muster.v1.proto only. Its tests hold it to the
// generated code and to the real server.
package socket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// The opcodes of RFC 6455, section 11.8.
const (
	OpContinue = 0x0
	OpBinary   = 0x2
	OpClose    = 0x8
	OpPing     = 0x9
	OpPong     = 0xA
)

// MaxFrame bounds the payload of one frame from the server, in bytes.
const MaxFrame = 64 << 20

// ErrProtocol says that the server broke the rules of RFC 6455 or of HTTP.
var ErrProtocol = errors.New("the server broke the protocol")

// clientKey is the Sec-WebSocket-Key of every client. The header is there to
// find intermediaries that know no WebSockets, and there are none here.
const (
	clientKey = "bXVzdGVyLWxvYWQtMjAyNg=="
	serverKey = "WAYSzGzujbDCGK0gUG9Wo+7zWMA=" // its answer, RFC 6455, section 4.2.2
)

// AppendHandshake appends the request that opens the live socket of a host.
func AppendHandshake(b []byte, host string) []byte {
	b = append(b, "GET /live HTTP/1.1\r\nHost: "...)
	b = append(b, host...)
	return append(b, "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "+clientKey+
		"\r\nSec-WebSocket-Protocol: muster.v1.proto\r\n\r\n"...)
}

// Refused is a handshake that did not become a socket.
type Refused struct {
	Status int
	// After is what the server asked for in Retry-After, in seconds.
	After int
}

// Error gives the status.
func (r *Refused) Error() string {
	return "the handshake was refused with status " + strconv.Itoa(r.Status)
}

// Handshake reads the answer to the handshake: n bytes of b belong to it, 0 while
// it is not complete. The error is a *Refused, or ErrProtocol.
func Handshake(b []byte) (n int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) > 16<<10 {
			return 0, fmt.Errorf("%w: a header without an end", ErrProtocol)
		}
		return 0, nil
	}
	head := b[:end]
	if len(head) < 12 || !bytes.HasPrefix(head, []byte("HTTP/1.1 ")) {
		return 0, fmt.Errorf("%w: an answer that is not HTTP", ErrProtocol)
	}
	status, err := strconv.Atoi(string(head[9:12]))
	if err != nil {
		return 0, fmt.Errorf("%w: the status is no number", ErrProtocol)
	}
	if status != 101 {
		after, _ := strconv.Atoi(header(head, "retry-after"))
		return 0, &Refused{Status: status, After: after}
	}
	if header(head, "sec-websocket-accept") != serverKey {
		return 0, fmt.Errorf("%w: Sec-WebSocket-Accept is wrong", ErrProtocol)
	}
	return end + 4, nil
}

// header gives a header's value; the name is in lower case.
func header(head []byte, name string) string {
	for line := range bytes.Lines(head) {
		key, value, ok := bytes.Cut(line, []byte(":"))
		if ok && string(bytes.ToLower(key)) == name {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

// Frame reads the frame at the beginning of b: n bytes are the frame's, 0 while
// it is not complete, and need is then how many it will be, as far as known. The
// payload is a part of b.
func Frame(b []byte) (op byte, fin bool, payload []byte, n, need int, err error) {
	if len(b) < 2 {
		return 0, false, nil, 0, 2, nil
	}
	op, fin = b[0]&0x0f, b[0]&0x80 != 0
	if b[0]&0x70 != 0 || b[1]&0x80 != 0 {
		return 0, false, nil, 0, 0, fmt.Errorf("%w: reserved bits or a masked frame", ErrProtocol)
	}
	size, head := uint64(b[1]), 2
	switch size {
	case 126:
		if head = 4; len(b) < head {
			return 0, false, nil, 0, head, nil
		}
		size = uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if head = 10; len(b) < head {
			return 0, false, nil, 0, head, nil
		}
		size = binary.BigEndian.Uint64(b[2:])
	}
	if op >= OpClose && (!fin || size > 125) {
		return 0, false, nil, 0, 0, fmt.Errorf("%w: a control frame that is too long or in parts", ErrProtocol)
	}
	if size > MaxFrame {
		return 0, false, nil, 0, 0, fmt.Errorf("%w: a frame of %d bytes", ErrProtocol, size)
	}
	end := head + int(size) //nolint:gosec // bounded above
	if len(b) < end {
		return 0, false, nil, 0, end, nil
	}
	return op, fin, b[head:end], end, 0, nil
}

// AppendFrame appends a client's frame. Every client uses the mask of zeros,
// which leaves the payload as it is: the mask protects intermediaries.
func AppendFrame(b []byte, op byte, payload []byte) []byte {
	b = append(b, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = append(b, 0x80|126, byte(n>>8), byte(n)) //nolint:gosec // bounded by the case
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	b = append(b, 0, 0, 0, 0)
	return append(b, payload...)
}

// AppendServerFrame appends a frame as the server writes it, for the floor.
func AppendServerFrame(b, payload []byte) []byte {
	b = append(b, 0x80|OpBinary)
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = append(b, 126, byte(n>>8), byte(n)) //nolint:gosec // bounded by the case
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}
