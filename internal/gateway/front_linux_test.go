package gateway_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"muster/internal/gateway"
)

const plainHandshake = "GET /live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: muster.v1.proto\r\n\r\n"

// TestNewcomers has connections that bring nothing at first, or never, or come in
// pieces, or ask for something else.
func TestNewcomers(t *testing.T) {
	r := start(t, func(o *gateway.Options) { o.HelloTimeout = time.Second })
	if err := r.front.DeferNothing(); err != nil { // the kernel does not wait for the first bytes
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		pieces []string
		status int // 0: it is closed without an answer
	}{
		{"at once", []string{plainHandshake}, 101},
		{"silent first", []string{"", plainHandshake}, 101},
		{"in pieces", []string{"", plainHandshake[:30], plainHandshake[30:]}, 101},
		{"another request", []string{"", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"}, 400},
		{"a handshake of another origin", []string{"", strings.Replace(plainHandshake, "Host: x", "Host: x\r\nOrigin: http://y", 1)}, 403},
		{"no HTTP", []string{"\x16\x03\x01\x00"}, 400},
		{"silent for ever", []string{""}, 0},
	} {
		nc, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		for _, piece := range test.pieces {
			if piece == "" {
				r.await("the silence of "+test.name, func() bool { return r.front.Silent() == 1 })
				continue
			}
			if _, err := io.WriteString(nc, piece); err != nil {
				t.Fatal(err)
			}
			r.await("a look at "+test.name, func() bool { return r.front.Silent() == 0 })
		}
		if test.name == "no HTTP" { // or the server waits for more
			if err := nc.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		if err := nc.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		switch {
		case test.status == 0 && (err == nil || errors.Is(err, os.ErrDeadlineExceeded)):
			t.Errorf("%s: %v", test.name, err)
		case test.status != 0 && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.status != 0 && resp.StatusCode != test.status:
			t.Errorf("%s: status %d, want %d", test.name, resp.StatusCode, test.status)
		}
		if resp != nil {
			_ = resp.Body.Close()
		}
		_ = nc.Close()
	}
}

// TestSilentAtTheEnd stops a server while connections have brought nothing.
func TestSilentAtTheEnd(t *testing.T) {
	r := start(t, nil)
	if err := r.front.DeferNothing(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		nc, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { // runs after the server's end
			b, err := io.ReadAll(nc)
			if len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("after the end: %q, %v", b, err)
			}
			_ = nc.Close()
		})
		if err := nc.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
	}
	r.await("the silent", func() bool { return r.front.Silent() == 3 })
	if err := r.front.Close(); err != nil {
		t.Fatal(err)
	}
	r.await("their end", func() bool { return r.front.Silent() == 0 })
	if err := r.front.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed again: %v", err)
	}
}
