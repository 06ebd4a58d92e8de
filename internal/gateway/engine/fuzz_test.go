package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"muster/internal/gateway/engine"
)

// fuzzMax bounds a message in FuzzFrames.
const fuzzMax = 1000

// outcome is what a client's bytes come to: messages, and the code of the close
// frame that answers them; 0: more is waited for.
type outcome struct {
	messages []string
	code     uint16
}

// expect reads RFC 6455 once more, over the bytes as a whole.
func expect(b []byte, inJSON bool) (o outcome) {
	var message []byte
	fragments := 0
	for {
		op, rest, code := oneFrame(b, inJSON, fragments > 0, len(message))
		if code != 0 || rest == nil {
			o.code = code
			return o
		}
		payload := op.payload
		b = rest
		switch {
		case op.code == ws.OpClose:
			o.code = closeAnswer(payload)
			return o
		case op.code.IsControl():
			continue
		}
		if fragments++; fragments > 128 {
			o.code = 1008
			return o
		}
		message = append(message, payload...)
		if !op.fin {
			continue
		}
		if inJSON && !utf8.Valid(message) {
			o.code = 1007
			return o
		}
		o.messages = append(o.messages, string(message))
		message, fragments = nil, 0
	}
}

type oneOp struct {
	code    ws.OpCode
	fin     bool
	payload []byte
}

// oneFrame takes a frame off b; rest nil: it is not all there.
func oneFrame(b []byte, inJSON, inside bool, had int) (op oneOp, rest []byte, code uint16) {
	if len(b) < 2 {
		return op, nil, 0
	}
	op.code, op.fin = ws.OpCode(b[0]&15), b[0]&128 != 0
	want := ws.OpBinary
	if inJSON {
		want = ws.OpText
	}
	short := b[1] & 127
	switch {
	case b[0]&0x70 != 0, b[1]&128 == 0, op.code.IsControl() && (!op.fin || short > 125), op.code.IsReserved(),
		op.code == ws.OpContinuation && !inside, op.code.IsData() && op.code != ws.OpContinuation && inside:
		return op, nil, 1002
	case op.code.IsData() && op.code != ws.OpContinuation && op.code != want:
		return op, nil, 1003
	}
	size, at := uint64(short), 2
	switch short {
	case 126:
		at = 4
	case 127:
		at = 10
	}
	if len(b) < at {
		return op, nil, 0
	}
	switch at {
	case 4:
		size = uint64(binary.BigEndian.Uint16(b[2:]))
	case 10:
		size = binary.BigEndian.Uint64(b[2:])
	}
	if at == 4 && size < 126 || at == 10 && size < 1<<16 { // section 5.2: the minimal number of bytes
		return op, nil, 1002
	}
	if size > fuzzMax || !op.code.IsControl() && int(size)+had > fuzzMax { //nolint:gosec // checked
		return op, nil, 1009
	}
	whole := at + 4 + int(size) //nolint:gosec // checked
	if len(b) < whole {
		return op, nil, 0
	}
	for i, x := range b[at+4 : whole] {
		op.payload = append(op.payload, x^b[at+i%4])
	}
	return op, b[whole:], 0
}

// closeAnswer is the code that answers a close frame; 1005: it has none.
func closeAnswer(payload []byte) uint16 {
	if len(payload) == 0 {
		return uint16(ws.StatusNoStatusRcvd)
	}
	if len(payload) == 1 {
		return 1002
	}
	code := binary.BigEndian.Uint16(payload)
	known := code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006 || code >= 3000 && code <= 4999
	if !known || !utf8.Valid(payload[2:]) {
		return 1002
	}
	return code
}

// noting is a handler that keeps what it gets.
type noting struct {
	mu     sync.Mutex
	got    []string
	more   chan struct{}
	closed chan struct{}
}

func (n *noting) Frame(b []byte) {
	n.mu.Lock()
	n.got = append(n.got, string(b))
	n.mu.Unlock()
	clear(b) // it may be changed
	select {
	case n.more <- struct{}{}:
	default:
	}
}

func (n *noting) Missed(engine.Topic, uint64, uint64) *engine.Frame { return nil }
func (n *noting) Closed(error)                                      { close(n.closed) }

func (n *noting) messages() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.got)
}

// FuzzFrames sends bytes, in two pieces, to both engines: the handler gets the
// messages that RFC 6455 makes of them, and the client the close code.
func FuzzFrames(f *testing.F) {
	mask := "\x01\x02\x03\x04"
	for _, seed := range []string{
		"\x82\x81" + mask + "a", "\x02\x81" + mask + "a\x89\x80" + mask + "\x80\x81" + mask + "b", "\x88\x82" + mask + "\x02\xea",
		"\x81\x83" + mask + "abc", "\xc2\x80" + mask, "\x82\xfe\x00\x80" + mask, "\x88\x80" + mask, "\x82\xff\xff", "\x83\x80", "\x8a\x80" + mask + "\x82\x80" + mask,
		"\x01\x81" + mask + "\xc2\x80\x81" + mask + "\xa6", "\x81\x82" + mask + "\xc2\x2a",
		"\x82\xfe\x00\x01" + mask + "a", "\x82\xff\x00\x00\x00\x00\x00\x00\x00\x01" + mask + "a",
	} {
		for _, inJSON := range []bool{false, true} {
			f.Add([]byte(seed), inJSON, uint16(len(seed)/2)) //nolint:gosec // small
		}
	}
	l, err := (&net.ListenConfig{}).Listen(f.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	engines := map[string]engine.Engine{}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, kind := range []engine.Kind{engine.KindAuto, engine.KindThreads} {
		e := engine.New(kind, engine.Options{MaxMessage: fuzzMax, JSON: func(b []byte) ([]byte, error) { return b, nil }})
		engines[string(kind)] = e
		running.Go(func() {
			if err := e.Run(ctx); err != nil {
				f.Error(err)
			}
		})
	}
	f.Cleanup(func() { cancel(); running.Wait(); _ = l.Close() })
	f.Fuzz(func(t *testing.T, b []byte, inJSON bool, cut uint16) {
		if len(b) > 6*300 {
			return // so much noise in a second is not taken, which this does not know of
		}
		want := expect(b, inJSON)
		at := min(int(cut), len(b))
		for name, e := range engines {
			if got := trial(t, e, l, b[:at], b[at:], inJSON, want); got.code != want.code || !slices.Equal(got.messages, want.messages) {
				t.Errorf("%s: got %+v, want %+v", name, got, want)
			}
		}
	})
}

// trial sends the bytes and tells what came of them. It waits for as much as is
// wanted, and no longer than a hang.
func trial(t *testing.T, e engine.Engine, l net.Listener, first, second []byte, inJSON bool, want outcome) (got outcome) {
	t.Helper()
	nc, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	enc := engine.Proto
	if inJSON {
		enc = engine.JSON
	}
	h := &noting{more: make(chan struct{}, 1), closed: make(chan struct{})}
	if err := e.Attach(server, nil, enc, func(engine.Conn) engine.Handler { return h }); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	_ = nc.SetDeadline(deadline)
	_, err = nc.Write(first)
	if err == nil {
		_, _ = nc.Write(second) // it may have been closed by then
	}
	if want.code != 0 {
		got.code = closeCode(nc)
	} else {
		for len(h.messages()) < len(want.messages) && time.Now().Before(deadline) {
			select {
			case <-h.more:
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	_ = nc.Close()
	select {
	case <-h.closed:
	case <-time.After(10 * time.Second):
		t.Fatal("the handler was not told of the end")
	}
	got.messages = h.messages()
	return got
}

// closeCode reads to the end and gives the code of the close frame; 0: none came,
// 1005: it has none.
func closeCode(r io.Reader) (code uint16) {
	for {
		head, err := ws.ReadHeader(r)
		if errors.Is(err, io.EOF) {
			return code
		}
		payload := make([]byte, min(head.Length, 1<<20))
		if err == nil {
			_, err = io.ReadFull(r, payload)
		}
		switch {
		case err != nil:
			return 0
		case head.OpCode != ws.OpClose:
		case head.Length == 0:
			code = uint16(ws.StatusNoStatusRcvd)
		default:
			code = binary.BigEndian.Uint16(payload)
		}
	}
}
