package client

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"

	"muster"
	musterv1 "muster/gen/muster/v1"
	"muster/gen/muster/v1/musterv1connect"
	"muster/internal/wire"
)

// Services are the Connect services of one server, with a session.
type Services struct {
	musterv1connect.AccountServiceClient
	musterv1connect.ChannelServiceClient
	musterv1connect.GroupServiceClient
	musterv1connect.EnrolmentServiceClient
	musterv1connect.AdminServiceClient
}

// NewServices makes the clients of a server's services. An empty token has no
// session; a nil HTTP client is http.DefaultClient.
func NewServices(url, token string, hc *http.Client) Services {
	if hc == nil {
		hc = http.DefaultClient
	}
	url = strings.TrimSuffix(url, "/")
	opts := []connect.ClientOption{connect.WithInterceptors(bearer(token))}
	return Services{
		musterv1connect.NewAccountServiceClient(hc, url, opts...),
		musterv1connect.NewChannelServiceClient(hc, url, opts...),
		musterv1connect.NewGroupServiceClient(hc, url, opts...),
		musterv1connect.NewEnrolmentServiceClient(hc, url, opts...),
		musterv1connect.NewAdminServiceClient(hc, url, opts...),
	}
}

// bearer adds the session's token to every call.
type bearer string

// WrapUnary implements connect.Interceptor.
func (b bearer) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		b.add(r.Header())
		return next(ctx, r)
	}
}

// WrapStreamingClient implements connect.Interceptor.
func (b bearer) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		b.add(conn.RequestHeader())
		return conn
	}
}

// WrapStreamingHandler implements connect.Interceptor.
func (b bearer) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

func (b bearer) add(h http.Header) {
	if b != "" {
		h.Set("Authorization", "Bearer "+string(b))
	}
}

// UnixURL is the address to give with UnixHTTP; the host means nothing.
const UnixURL = "http://muster.local"

// UnixHTTP is an HTTP client that speaks to the socket at path, such as the
// admin socket of a data directory.
func UnixHTTP(path string) *http.Client {
	var d net.Dialer
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", path) },
	}}
}

// ErrorOf gives the server's error of a call that failed, with its reason, field
// and time to wait; unavailable when the server was not reached.
func ErrorOf(err error) *muster.Error {
	if e, ok := errors.AsType[*muster.Error](err); ok {
		return e
	}
	ce, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return muster.Unavailable("not_reached", "the server was not reached: %v", err)
	}
	for _, d := range ce.Details() {
		if v, err := d.Value(); err == nil {
			if e, ok := v.(*musterv1.Error); ok {
				return wire.ErrorOf(e)
			}
		}
	}
	return &muster.Error{Code: wire.CodeOf(ce.Code().String()), Message: ce.Message(), Cause: err}
}

// NewMessageID makes a client message id: a UUID of version 7 (RFC 9562), whose
// beginning is the time, so that the server's index of ids grows at its end.
func NewMessageID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(time.Now().UnixMilli())) //nolint:forbidigo,gosec // an id, not a time that is compared
	copy(b[:6], ms[2:])
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
