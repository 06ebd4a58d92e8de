package gateway

import (
	"crypto/sha1" //nolint:gosec // RFC 6455, section 4.2.2, wants it; nothing is secret
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"muster/internal/gateway/engine"
	"muster/internal/wire"
)

// handshakeTimeout bounds the writing of the handshake's answer.
const handshakeTimeout = 5 * time.Second

// ServeHTTP answers GET /live: it checks origin and subprotocol, and hands the
// socket to the engine. Whose it is, the first frame says.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.stopping.Load() {
		refuse(w, http.StatusServiceUnavailable, 2*time.Second, "the server is stopping or starting: try again in a moment")
		return
	}
	if origin := r.Header.Get("Origin"); !g.allowedOrigin(origin, r) {
		refuse(w, http.StatusForbidden, 0, "pages of "+origin+" may not open the live socket of this server")
		return
	}
	protocol := chooseProtocol(r.Header)
	if protocol == "" {
		refuse(w, http.StatusBadRequest, 0, "the live socket is a WebSocket with the subprotocol "+
			wire.SubprotocolProto+" (binary) or "+wire.SubprotocolJSON+" (text): name one in Sec-WebSocket-Protocol")
		return
	}
	after, admitted := g.handshakes.enter(g.opt.Clock.Now())
	if !admitted && !g.farewell(r) {
		refuse(w, http.StatusServiceUnavailable, after, tooMany)
		return
	}
	upgrader := ws.HTTPUpgrader{
		Timeout:  handshakeTimeout,
		Protocol: func(offered string) bool { return offered == protocol },
	}
	nc, rw, _, err := upgrader.Upgrade(r, w)
	if err != nil {
		if nc != nil {
			_ = nc.Close()
		}
		return
	}
	enc := encodingOf(protocol)
	early, err := rw.Peek(rw.Reader.Buffered())
	if err != nil {
		_ = nc.Close()
		return
	}
	nc = plain(nc)
	if !admitted {
		g.turnAway(upgraded{nc: nc}, enc, after)
		return
	}
	g.take(upgraded{nc: nc}, early, enc, r)
}

// upgraded is a socket whose handshake is done: a connection, or a descriptor for
// an engine that takes those.
type upgraded struct {
	nc net.Conn // nil: fd
	fd int
}

// bareEngine is an engine that takes descriptors of plain sockets which do not
// block, as Attach takes connections.
type bareEngine interface {
	AttachFD(fd int, early []byte, enc engine.Encoding, bind func(engine.Conn) engine.Handler) error
}

func (g *Gateway) attach(s upgraded, early []byte, enc engine.Encoding, bind func(engine.Conn) engine.Handler) error {
	if s.nc == nil {
		return g.bare.AttachFD(s.fd, early, enc, bind)
	}
	return g.engine.Attach(s.nc, early, enc, bind)
}

// tooMany is what is told to who has to come later.
const tooMany = "too many connections at once: try again when Retry-After says"

// take gives an upgraded socket to the engine.
func (g *Gateway) take(from upgraded, early []byte, enc engine.Encoding, r *http.Request) {
	token := ""
	if g.svc.Token != nil {
		token = strings.Clone(g.svc.Token(r)) // of the whole head
	}
	// An engine that is stopping has closed the socket; the client comes again.
	_ = g.attach(from, early, enc, func(c engine.Conn) engine.Handler { return newSession(g, c, token) })
}

// farewell says whether a client that has to come later is to be told so on the
// socket: a page in a browser cannot read the answer to a handshake. Such
// connections are bounded, too.
func (g *Gateway) farewell(r *http.Request) bool {
	if r.Header.Get("Origin") == "" {
		return false
	}
	_, ok := g.farewells.enter(g.opt.Clock.Now())
	return ok
}

// turnAway tells on the socket to come later.
func (g *Gateway) turnAway(from upgraded, enc engine.Encoding, after time.Duration) {
	var conn engine.Conn
	err := g.attach(from, nil, enc, func(c engine.Conn) engine.Handler {
		conn = c
		return turnedAway{}
	})
	if err == nil {
		conn.Close(closeBusy.frame(after), closeBusy.code, closeBusy.reason)
	}
}

// turnedAway stands behind a connection that is closed from the beginning.
type turnedAway struct{}

// Frame implements [engine.Handler].
func (turnedAway) Frame([]byte) {}

// Missed implements [engine.Handler].
func (turnedAway) Missed(engine.Topic, uint64, uint64) *engine.Frame { return nil }

// Closed implements [engine.Handler].
func (turnedAway) Closed(error) {}

// refuse answers a request that does not become a socket.
func refuse(w http.ResponseWriter, status int, after time.Duration, why string) {
	if after > 0 {
		w.Header().Set("Retry-After", retryAfter(after))
	}
	http.Error(w, why, status)
}

// retryAfter is a span as the header has it: whole seconds, at least one (RFC
// 9110, section 10.2.3).
func retryAfter(after time.Duration) string {
	return strconv.FormatInt(int64((after+time.Second-1)/time.Second), 10)
}

// chooseProtocol gives the first of the offered subprotocols that is one of
// ours; "": none is.
func chooseProtocol(h http.Header) string {
	for _, line := range h.Values("Sec-WebSocket-Protocol") {
		for offered := range strings.SplitSeq(line, ",") {
			switch offered = strings.TrimSpace(offered); offered {
			case wire.SubprotocolProto, wire.SubprotocolJSON:
				return offered
			}
		}
	}
	return ""
}

// allowedOrigin says whether a page may connect. Browsers always name the
// page's origin, so who names none is no browser and carries no cookies by
// accident.
func (g *Gateway) allowedOrigin(origin string, r *http.Request) bool {
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	return strings.EqualFold(u.Host, r.Host) || g.origins[canonicalOrigin(origin)]
}

func canonicalOrigin(origin string) string {
	return strings.ToLower(strings.TrimSuffix(strings.TrimSpace(origin), "/"))
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
