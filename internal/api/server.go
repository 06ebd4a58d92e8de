package api

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// The bounds of a connection beside Options.BodyTimeout.
const (
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 64 << 10
)

// NewServer makes a server for one of the handlers: HTTP/1.1, HTTP/2 over TLS,
// and HTTP/2 without TLS from clients that begin with it (h2c with prior
// knowledge). It has no timeout for whole requests, because streams last; the
// handlers hold each body and each answer to one of their own.
func NewServer(handler http.Handler, readHeaderTimeout time.Duration, log *slog.Logger) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: handler, Protocols: &protocols, ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// deadline is when something that may take so long from now has to be done, for
// the sockets, which count in the machine's time and not in ours.
func deadline(within time.Duration) time.Time {
	return time.Now().Add(within) //nolint:forbidigo // not a time of day: a socket's deadline
}

// pacedBody ends a request whose body is too slow: all of it has to come within
// a time, or, of a stream, each piece. What is left of the body when the request
// has been answered has what is left of the time.
type pacedBody struct {
	io.ReadCloser
	control *http.ResponseController
	within  time.Duration
	stream  bool
}

func paceBody(r *http.Request, control *http.ResponseController, within time.Duration, stream bool) *pacedBody {
	_ = control.SetReadDeadline(deadline(within)) // fails where there is no connection to guard
	return &pacedBody{ReadCloser: r.Body, control: control, within: within, stream: stream}
}

// Read implements io.Reader.
func (b *pacedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		// From here on the connection is read only to see its end, for as
		// long as the answer takes.
		_ = b.control.SetReadDeadline(time.Time{})
	case b.stream && n > 0:
		_ = b.control.SetReadDeadline(deadline(b.within))
	}
	return n, err
}

// answer is the ResponseWriter that handlers see. It notes the status, and ends
// a request whose answer nobody fetches.
type answer struct {
	http.ResponseWriter
	control *http.ResponseController
	within  time.Duration
	status  int
}

// Unwrap lets http.ResponseController through.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
	a.pace()
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	a.pace()
	return a.ResponseWriter.Write(p)
}

// Flush implements http.Flusher, which Connect asks of a stream.
func (a *answer) Flush() {
	a.pace()
	_ = a.control.Flush() // the next write says what is wrong
}

// pace gives what is written now its time to leave.
func (a *answer) pace() { _ = a.control.SetWriteDeadline(deadline(a.within)) }
