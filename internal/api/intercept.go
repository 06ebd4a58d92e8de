package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"muster"
	"muster/internal/wire"
)

// interceptor is around every method, behind the gate: it holds each message to
// the limits of the schema, maps the error, and turns a panic into one.
type interceptor struct{ a *API }

// WrapUnary implements connect.Interceptor.
func (i interceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (res connect.AnyResponse, err error) {
		x := exchangeOf(ctx)
		defer func() {
			if err = i.outcome(ctx, x, recover(), err); err != nil {
				res = nil
			}
		}()
		if err := check(req.Any()); err != nil {
			return nil, err
		}
		return next(ctx, req)
	}
}

// WrapStreamingClient implements connect.Interceptor; the server has no such
// end.
func (interceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// WrapStreamingHandler implements connect.Interceptor.
func (i interceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) (err error) {
		x := exchangeOf(ctx)
		defer func() { err = i.outcome(ctx, x, recover(), err) }()
		within, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(i.a.life, func() { cancel(errStopping) })()
		err = next(within, &checkedConn{StreamingHandlerConn: conn, api: i.a, x: x, ctx: within})
		if err != nil && errors.Is(context.Cause(within), errStopping) {
			return errStopping
		}
		return err
	}
}

// outcome is what the caller gets for a panic or an error; nil for neither.
func (i interceptor) outcome(ctx context.Context, x *exchange, panicked any, err error) error {
	if e, ok := panicked.(error); ok && errors.Is(e, http.ErrAbortHandler) {
		panic(panicked)
	}
	if panicked != nil {
		err = fmt.Errorf("panic: %v\n%s", panicked, debug.Stack())
	}
	if err == nil {
		return nil
	}
	return i.a.fail(ctx, x, err)
}

// check holds a message to the limits of the schema.
func check(message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return errors.New("a request that is no message of protobuf")
	}
	return wire.Check(m)
}

// errStopping ends a stream when the server stops: its client comes again.
var errStopping = muster.Unavailable("shutting_down", "the server is stopping: try again")

// checkedConn is a stream that is held to the limits with every message, and
// whose session has to be good with every message: a stream can outlive it.
type checkedConn struct {
	connect.StreamingHandlerConn
	api *API
	x   *exchange
	ctx context.Context //nolint:containedctx // of the stream, as the conn itself
}

// Receive implements connect.StreamingHandlerConn.
func (c *checkedConn) Receive(message any) error {
	if err := c.StreamingHandlerConn.Receive(message); err != nil {
		return err
	}
	if err := c.api.again(c.ctx, c.x); err != nil {
		return c.api.fail(c.ctx, c.x, err)
	}
	if err := check(message); err != nil {
		return c.api.fail(c.ctx, c.x, err)
	}
	return nil
}

// Send implements connect.StreamingHandlerConn.
func (c *checkedConn) Send(message any) error {
	if err := c.api.again(c.ctx, c.x); err != nil {
		return c.api.fail(c.ctx, c.x, err)
	}
	return c.StreamingHandlerConn.Send(message)
}
