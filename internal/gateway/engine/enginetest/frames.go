package enginetest

import (
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"muster/internal/gateway/engine"
)

func testBadFrames(t *testing.T, make func(Options) engine.Engine) {
	mask := "\x00\x00\x00\x00"
	for _, test := range []struct {
		name  string
		enc   engine.Encoding
		bytes string
		code  uint16
		why   error
	}{
		{"not masked", engine.Proto, "\x82\x01a", 1002, engine.ErrProtocol},
		{"compressed", engine.Proto, "\xc2\x80" + mask, 1002, engine.ErrProtocol},
		{"opcode 3", engine.Proto, "\x83\x80" + mask, 1002, engine.ErrProtocol},
		{"opcode B", engine.Proto, "\x8b\x80" + mask, 1002, engine.ErrProtocol},
		{"continuation of nothing", engine.Proto, "\x80\x80" + mask, 1002, engine.ErrProtocol},
		{"message inside another", engine.Proto, "\x02\x80" + mask + "\x82\x80" + mask, 1002, engine.ErrProtocol},
		{"fragmented ping", engine.Proto, "\x09\x80" + mask, 1002, engine.ErrProtocol},
		{"long ping", engine.Proto, "\x89\xfe\x00\x7e" + mask, 1002, engine.ErrProtocol},
		{"close with one byte", engine.Proto, "\x88\x81" + mask + "a", 1002, engine.ErrProtocol},
		{"close with a bad code", engine.Proto, "\x88\x82" + mask + "\x03\xee", 1002, engine.ErrClosed},
		{"close with bad UTF-8", engine.Proto, "\x88\x83" + mask + "\x03\xe8\xff", 1002, engine.ErrClosed},
		{"text instead of binary", engine.Proto, "\x81\x80" + mask, 1003, engine.ErrProtocol},
		{"binary instead of text", engine.JSON, "\x82\x80" + mask, 1003, engine.ErrProtocol},
		{"bad UTF-8", engine.JSON, "\x81\x82" + mask + "a\xff", 1007, engine.ErrProtocol},
		{"bad UTF-8 over fragments", engine.JSON, "\x01\x81" + mask + "\xc3" + "\x80\x81" + mask + "(", 1007, engine.ErrProtocol},
		{"length of 125 in two bytes", engine.Proto, "\x82\xfe\x00\x7d" + mask + strings.Repeat("x", 125), 1002, engine.ErrProtocol},
		{"length of 1 in eight bytes", engine.Proto, "\x82\xff\x00\x00\x00\x00\x00\x00\x00\x01" + mask + "x", 1002, engine.ErrProtocol},
		{"length of 65535 in eight bytes", engine.Proto, "\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff" + mask, 1002, engine.ErrProtocol},
		{"too large", engine.Proto, "\x82\xfe\x03\xe9" + mask, 1009, engine.ErrTooLarge},
		{"absurdly large", engine.Proto, "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff" + mask, 1009, engine.ErrTooLarge},
		{"too large over fragments", engine.Proto, "\x02\xfe\x03\xe8" + mask + strings.Repeat("x", 1000) + "\x80\x81" + mask + "y", 1009, engine.ErrTooLarge},
		{"too many fragments", engine.Proto, "\x02\x80" + mask + strings.Repeat("\x00\x80"+mask, 200), 1008, engine.ErrProtocol},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := start(t, make, Options{MaxMessage: 1000})
			c, h := r.connect(test.enc)
			c.sendRaw([]byte(test.bytes))
			if test.name == "close with one byte" {
				test.why = engine.ErrClosed
			}
			c.wantClose(test.code)
			h.awaitClosed(t, test.why)
			if len(h.frames) != 0 {
				t.Errorf("the handler got %q", h.frames)
			}
		})
	}
	t.Run("UTF-8 split over fragments is fine", func(t *testing.T) {
		r := start(t, make, Options{})
		c, h := r.connect(engine.JSON)
		c.send(ws.OpText, false, "\xc3")
		c.send(ws.OpContinuation, true, "\xa4")
		if got := h.awaitFrames(t, 1); got[0] != "ä" {
			t.Fatalf("got %q", got)
		}
	})
}

// testEarly attaches a socket of which a part was read with the handshake.
func testEarly(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{})
	whole, err := ws.CompileFrame(ws.MaskFrame(ws.NewBinaryFrame([]byte("hello"))))
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) + 1 {
		server, c := r.pair()
		h := newHandler()
		err := r.e.Attach(server, whole[:cut], engine.Proto, func(c engine.Conn) engine.Handler { h.conn = c; return h })
		if err != nil {
			t.Fatal(err)
		}
		c.sendRaw(whole[cut:])
		if got := h.awaitFrames(t, 1); got[0] != "hello" {
			t.Fatalf("cut at %d: got %q", cut, got)
		}
	}
}

// testEverySplit sends frames in two writes, and cuts the socket, at every byte.
func testEverySplit(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{})
	a, _ := ws.CompileFrame(ws.MaskFrame(ws.NewFrame(ws.OpText, false, []byte(strings.Repeat("a", 200)))))
	b, _ := ws.CompileFrame(ws.MaskFrame(ws.NewFrame(ws.OpContinuation, true, []byte("b"))))
	whole := append(append([]byte(nil), a...), b...)
	for cut := range whole {
		c, h := r.connect(engine.JSON)
		c.sendRaw(whole[:cut])
		c.sendRaw(whole[cut:])
		if got := h.awaitFrames(t, 1); got[0] != strings.Repeat("a", 200)+"b" {
			t.Fatalf("split at %d: got %q", cut, got)
		}
		_ = c.nc.Close()

		c, h = r.connect(engine.JSON)
		c.sendRaw(whole[:cut])
		_ = c.nc.Close()
		h.awaitClosed(t, nil)
		if len(h.frames) != 0 {
			t.Fatalf("cut at %d: the handler got %q", cut, h.frames)
		}
	}
}
