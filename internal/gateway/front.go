package gateway

import (
	"crypto/sha1" //nolint:gosec // RFC 6455, section 4.2.2, wants it; nothing is secret
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"strings"

	"muster/internal/gateway/engine"
	"muster/internal/wire"
)

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
