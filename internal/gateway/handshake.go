package gateway

import (
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
	if g.handshakes != nil && !g.handshakes.Allow() {
		refuse(w, http.StatusServiceUnavailable, time.Second, "too many connections at once: try again in a moment")
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
	enc := engine.Proto
	if protocol == wire.SubprotocolJSON {
		enc = engine.JSON
	}
	early, err := rw.Peek(rw.Reader.Buffered())
	if err != nil {
		_ = nc.Close()
		return
	}
	token := ""
	if g.svc.Token != nil {
		token = g.svc.Token(r)
	}
	// An engine that is stopping has closed the socket; the client comes again.
	_ = g.engine.Attach(nc, early, enc, func(c engine.Conn) engine.Handler { return newSession(g, c, token) })
}

// refuse answers a request that does not become a socket.
func refuse(w http.ResponseWriter, status int, after time.Duration, why string) {
	if after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(max(after, time.Second)/time.Second)))
	}
	http.Error(w, why, status)
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
