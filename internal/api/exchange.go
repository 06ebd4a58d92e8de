package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"

	"muster"
)

// exchange is what is known of one request. It is the only thing that this
// package puts into a context.
type exchange struct {
	id     string // of the request, in the log and in answers
	origin origin
	socket bool   // it came through the admin socket
	base   string // scheme and host as the client sees them
	token  string // the session token that it shows; "": none

	// What the gate found out; zero before.
	procedure string
	acting    muster.AccountID
	session   muster.SessionID

	code connect.Code // how the call failed; 0: it did not
}

type exchangeKey struct{}

// exchangeOf gives the exchange that a context belongs to. It is the one place
// that reads it.
func exchangeOf(ctx context.Context) *exchange {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		panic("api: a request that did not come through the API's handler")
	}
	return x
}

// newID makes the name of a request.
func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // crypto/rand never fails
	return hex.EncodeToString(b[:])
}

// around is what every request goes through, whatever serves it: it gets its id,
// the headers of security, bounds on its body, a line in the log, and a net
// under panics.
func (a *API) around(next http.Handler, socket bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{id: newID(), socket: socket}
		if !socket {
			x.origin = a.originOf(r)
		}
		x.base = x.origin.scheme() + "://" + r.Host
		x.token = sessionToken(r, x.origin)
		header := w.Header()
		header.Set("X-Request-Id", x.id)
		setSecurityHeaders(header, x.origin.tls)
		if r.URL.Path == "/live" && a.opt.Live != nil && !socket {
			a.opt.Live.ServeHTTP(w, r) // takes the connection over
			return
		}
		out := &answer{ResponseWriter: w, control: http.NewResponseController(w), within: a.opt.BodyTimeout}
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
		timer := prometheus.NewTimer(nil)
		defer func() {
			a.catch(out, r, x, recover())
			a.note(r.Context(), x, r, out.status, timer.ObserveDuration())
		}()
		if a.boundBody(w, out, r) {
			next.ServeHTTP(out, r)
		}
	})
}

// boundBody bounds the size of a body and the time that it may take, and refuses
// one that says itself that it is too large.
func (a *API) boundBody(w http.ResponseWriter, out *answer, r *http.Request) bool {
	if r.Body == nil || r.Body == http.NoBody {
		return true
	}
	c, known := calls[r.URL.Path]
	stream := known && c.clientStream
	most := a.maxMessage(c)
	if !stream && r.ContentLength > most {
		out.Header().Set("Connection", "close")
		a.refuseHTTP(out, r, http.StatusRequestEntityTooLarge, tooLarge(most))
		return false
	}
	r.Body = paceBody(r, out.control, a.opt.BodyTimeout, stream)
	if !stream {
		r.Body = http.MaxBytesReader(w, r.Body, most)
	}
	return true
}

func tooLarge(most int64) error {
	return muster.Exhausted("body_too_large", 0, "the request is too large: at most %d bytes are allowed", most)
}

// catch answers for a handler that panicked.
func (a *API) catch(out *answer, r *http.Request, x *exchange, panicked any) {
	if panicked == nil {
		return
	}
	if err, ok := panicked.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(panicked) // net/http's own way to cut a connection
	}
	a.opt.Log.LogAttrs(r.Context(), slog.LevelError, "a request panicked",
		slog.String("request", x.id), slog.String("path", r.URL.Path), slog.Any("panic", panicked), slog.String("stack", string(debug.Stack())))
	if out.status == 0 {
		a.refuseHTTP(out, r, http.StatusInternalServerError, errPanicked)
	}
}

// errPanicked is what a caller learns of a panic, which has been logged.
var errPanicked = &muster.Error{Code: muster.CodeInternal, Reason: "internal"}

// note writes the log and the metrics of a request that is over.
func (a *API) note(ctx context.Context, x *exchange, r *http.Request, status int, took time.Duration) {
	code := "ok"
	if x.code != 0 {
		code = x.code.String()
	}
	if x.procedure != "" {
		a.metrics.called(x.procedure, code, took)
	}
	level := slog.LevelDebug
	if status >= http.StatusInternalServerError || x.code == connect.CodeInternal || x.code == connect.CodeUnknown {
		level = slog.LevelWarn
	}
	if !a.opt.Log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request", x.id), slog.String("method", r.Method), slog.String("path", r.URL.Path),
		slog.Int("status", status), slog.Duration("took", took), slog.String("client", addressText(x.origin.client)),
	}
	if x.procedure != "" {
		attrs = append(attrs, slog.String("code", code), slog.Int64("account", int64(x.acting)))
	}
	a.opt.Log.LogAttrs(ctx, level, "request", attrs...)
}

func addressText(addr netip.Addr) string {
	if !addr.IsValid() {
		return "local"
	}
	return addr.String()
}

// setSecurityHeaders are for every answer. Pages relax the policy for
// themselves.
func setSecurityHeaders(h http.Header, tls bool) {
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	h.Set("Cache-Control", "no-store")
	if tls {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}
