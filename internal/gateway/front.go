package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // RFC 6455, section 4.2.2, wants it; nothing is secret
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"muster/internal/gateway/engine"
	"muster/internal/wire"
)

// Front stands before an HTTP server and takes the live sockets out of what its
// listener accepts: a handshake that has come whole is answered on the spot, with
// no goroutine, timer or buffer of the connection's own, and the socket goes to
// the engine. So 20,000 clients that come at once cost nothing but their sockets,
// also those that are told to come later.
//
// It is a net.Listener for the HTTP server, which gets everything else, unread:
// other requests, handshakes that came in pieces, and all that is to be refused
// for another reason than that too many come at once. It is for plain TCP; over
// TLS handshakes go through the HTTP server.
type Front struct {
	g      *Gateway
	l      *net.TCPListener
	passed chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// maxHead is the longest handshake that is answered here, in bytes.
const maxHead = 4 << 10

// Front makes a front for a listener. Run it; it ends when it is closed.
func (g *Gateway) Front(l *net.TCPListener) *Front {
	deferAccept(l)
	return &Front{g: g, l: l, passed: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept implements net.Listener: it gives the next connection that is not a live
// socket.
func (f *Front) Accept() (net.Conn, error) {
	select {
	case nc := <-f.passed:
		return nc, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (f *Front) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.l.Close()
}

// Addr implements net.Listener.
func (f *Front) Addr() net.Addr { return f.l.Addr() }

// Run accepts until the front is closed, which the end of ctx does too.
func (f *Front) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { _ = f.Close() })() // a second Close says so
	var work errgroup.Group
	for range min(runtime.GOMAXPROCS(0), 4) {
		work.Go(f.accept)
	}
	err := work.Wait()
	f.once.Do(func() { close(f.closed) })
	return err
}

// acceptPause is the wait after an error that passes, such as too many open files.
const acceptPause = 250 * time.Millisecond

func (f *Front) accept() error {
	buf := make([]byte, maxHead)
	var src bytes.Reader
	in := bufio.NewReaderSize(nil, maxHead)
	for {
		nc, err := f.l.AcceptTCP()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			f.g.opt.Log.Warn("cannot accept a connection; trying again", "error", err)
			select {
			case <-time.After(acceptPause):
				continue
			case <-f.closed:
				return nil
			}
		}
		n := readNow(nc, buf)
		head, early := cutHead(buf[:n])
		if head != nil {
			src.Reset(head)
			in.Reset(&src)
			r, err := http.ReadRequest(in)
			if err == nil && f.handshake(nc, r, early) {
				continue
			}
		}
		f.pass(nc, buf[:n])
	}
}

// pass hands a connection on, with what has been read of it.
func (f *Front) pass(nc *net.TCPConn, read []byte) {
	var out net.Conn = nc
	if len(read) > 0 {
		out = &passed{TCPConn: nc, read: bytes.Clone(read)}
	}
	select {
	case f.passed <- out:
	case <-f.closed:
		_ = nc.Close()
	}
}

var (
	livePath = []byte("GET /live")
	headEnd  = []byte("\r\n\r\n")
)

// cutHead gives the head of a request for the live socket, and what came behind
// it; nil: it is another request, or not all of it is there.
func cutHead(b []byte) (head, early []byte) {
	if len(b) <= len(livePath) || !bytes.HasPrefix(b, livePath) || b[len(livePath)] != ' ' && b[len(livePath)] != '?' {
		return nil, nil
	}
	at := bytes.Index(b, headEnd)
	if at < 0 {
		return nil, nil
	}
	at += len(headEnd)
	return b[:at], b[at:]
}

// handshake answers one that is as it should be; false: nothing was done.
func (f *Front) handshake(nc *net.TCPConn, r *http.Request, early []byte) bool {
	g := f.g
	protocol, accept := chooseProtocol(r.Header), acceptKey(r)
	if protocol == "" || accept == "" || g.stopping.Load() || !g.allowedOrigin(r.Header.Get("Origin"), r) {
		return false
	}
	r.RemoteAddr = nc.RemoteAddr().String()
	after, admitted := g.handshakes.enter(g.opt.Clock.Now())
	if !admitted && !g.farewell(r) {
		_, _ = io.WriteString(nc, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: "+retryAfter(after)+
			"\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"+tooMany+"\n")
		_ = nc.Close()
		return true
	}
	_, err := io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+accept+
		"\r\nSec-WebSocket-Protocol: "+protocol+"\r\n\r\n") // a new socket has room for it
	if err != nil {
		_ = nc.Close()
		return true
	}
	enc := encodingOf(protocol)
	if !admitted {
		g.turnAway(nc, enc, after)
		return true
	}
	g.take(nc, early, enc, r)
	return true
}

func encodingOf(protocol string) engine.Encoding {
	if protocol == wire.SubprotocolJSON {
		return engine.JSON
	}
	return engine.Proto
}

// acceptKey is the answer to a handshake's key; "": it is not one as RFC 6455,
// section 4.2.1, wants it.
func acceptKey(r *http.Request) string {
	const guid, keyLen = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 24
	key := r.Header.Get("Sec-WebSocket-Key")
	if r.ProtoMajor != 1 || r.ProtoMinor != 1 || r.Host == "" || r.ContentLength != 0 || len(r.TransferEncoding) > 0 ||
		!strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || !hasToken(r.Header.Values("Connection"), "upgrade") ||
		r.Header.Get("Sec-WebSocket-Version") != "13" || len(key) != keyLen {
		return ""
	}
	sum := sha1.Sum([]byte(key + guid)) //nolint:gosec // as above
	return base64.StdEncoding.EncodeToString(sum[:])
}

func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for one := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(one), token) {
				return true
			}
		}
	}
	return false
}

// passed is a connection of which something has been read.
type passed struct {
	*net.TCPConn
	read []byte
}

// Read implements net.Conn.
func (p *passed) Read(b []byte) (int, error) {
	if len(p.read) > 0 {
		n := copy(b, p.read)
		if p.read = p.read[n:]; len(p.read) == 0 {
			p.read = nil
		}
		return n, nil
	}
	return p.TCPConn.Read(b)
}

// WriteTo implements io.WriterTo: that of the TCPConn would leave out what has
// been read.
func (p *passed) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{p})
}

// plain gives the socket under a connection that was passed on, if nothing that
// was read is left.
func plain(nc net.Conn) net.Conn {
	if p, ok := nc.(*passed); ok && len(p.read) == 0 {
		return p.TCPConn
	}
	return nc
}
