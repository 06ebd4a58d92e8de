//go:build !linux

package gateway

import (
	"context"
	"net"
	"sync"
)

// Front stands before an HTTP server, to which it leaves everything on this
// system.
type Front struct {
	*net.TCPListener
	closed chan struct{}
	once   sync.Once
}

// Front makes a front for a listener. Run it; it ends when it is closed.
func (g *Gateway) Front(l *net.TCPListener) *Front {
	return &Front{TCPListener: l, closed: make(chan struct{})}
}

// Close implements net.Listener.
func (f *Front) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.TCPListener.Close()
}

// Run waits until the front is closed, which the end of ctx does too.
func (f *Front) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { _ = f.Close() })() // a second Close says so
	<-f.closed
	return nil
}
