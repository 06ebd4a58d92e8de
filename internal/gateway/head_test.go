package gateway

import (
	"bufio"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

const usualHead = "GET /live HTTP/1.1\r\nHost: chat.example.org\r\nConnection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\nUpgrade: websocket\r\n" +
	"Origin: https://chat.example.org\r\nSec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate\r\nAccept-Language: en\r\nCookie: a=b; c=d\r\nCookie: e=f\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: muster.v1.proto\r\n\r\n"

// TestHead has heads that are read here, and such that are left to net/http.
func TestHead(t *testing.T) {
	with := func(line string) string { return strings.Replace(usualHead, "\r\n\r\n", "\r\n"+line+"\r\n\r\n", 1) }
	many := strings.Repeat("X-A: b\r\n", maxHeaders)
	for _, test := range []struct {
		name, head string
		taken      bool
	}{
		{"usual", usualHead, true},
		{"with a query", strings.Replace(usualHead, "/live", "/live?a=b", 1), true},
		{"with an empty query", strings.Replace(usualHead, "/live", "/live?", 1), true},
		{"names in small letters", strings.ToLower(usualHead[:60]) + usualHead[60:], false}, // the method, too
		{"forwarded", with("x-forwarded-for:1.2.3.4\t"), true},
		{"another path", strings.Replace(usualHead, "/live", "/liver", 1), false},
		{"another method", strings.Replace(usualHead, "GET", "PUT", 1), false},
		{"another version", strings.Replace(usualHead, "/1.1", "/1.0", 1), false},
		{"a body", with("Content-Length: 1"), false},
		{"chunks", with("Transfer-Encoding: chunked"), false},
		{"two hosts", with("Host: evil.example"), false},
		{"no host", strings.Replace(usualHead, "Host", "Hast", 1), false},
		{"an odd host", strings.Replace(usualHead, "Host: ", "Host: a/", 1), false},
		{"a folded line", with("X-A: b\r\n c"), false},
		{"a space before the colon", with("X-A : b"), false},
		{"no colon", with("X-A"), false},
		{"a bare carriage return", with("X-A: b\rX-B: c"), false},
		{"a bare line feed", with("X-A: b\nX-B: c"), false},
		{"a zero", with("X-A: b\x00"), false},
		{"too many lines", with(many + "X-A: b"), false},
		{"not the end", usualHead[:len(usualHead)-2], false},
		{"more than one", usualHead + usualHead, false},
	} {
		var h headReader
		if _, taken := h.read(test.head); taken != test.taken {
			t.Errorf("%s: taken is %v", test.name, taken)
		}
		likeHTTP(t, &h, test.head)
	}
}

// FuzzHead holds that what is read here is read as net/http reads it.
func FuzzHead(f *testing.F) {
	f.Add(usualHead)
	f.Add("GET /live?x=1 HTTP/1.1\r\nhost: [::1]:80\r\nx-a:  b \t\r\n\r\n")
	f.Add("GET /live HTTP/1.1\r\nHost: a\r\nX: 1\r\nx: 2\r\n\r\n")
	var h headReader
	f.Fuzz(func(t *testing.T, head string) { likeHTTP(t, &h, head) })
}

func likeHTTP(t *testing.T, h *headReader, head string) {
	t.Helper()
	got, taken := h.read(head)
	if !taken {
		return
	}
	want, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
	if err != nil {
		t.Fatalf("%q is taken, and net/http says: %v", head, err)
	}
	g, w := got.Header.Clone(), want.Header
	for _, header := range []http.Header{g, w} {
		header.Del("Cache-Control") // net/http makes it of Pragma
	}
	if !reflect.DeepEqual(g, w) || got.Host != want.Host || got.Method != want.Method || got.RequestURI != want.RequestURI || !reflect.DeepEqual(got.URL, want.URL) ||
		got.Proto != want.Proto || got.ContentLength != want.ContentLength || len(want.TransferEncoding) > 0 {
		t.Fatalf("%q: read %+v, net/http %+v", head, got, want)
	}
}
