package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"muster/internal/bus"
)

const (
	// dialTimeout is how long one attempt to connect may take.
	dialTimeout = 2 * time.Second
	// writeTimeout is after how long a write to an external server that does
	// not get through makes the connection a broken one.
	writeTimeout = 2 * time.Second
	// pingInterval finds an external server that went without a word within
	// three intervals.
	pingInterval = 5 * time.Second
	// firstDelay and longestDelay bound the time between two attempts.
	firstDelay   = 50 * time.Millisecond
	longestDelay = 2 * time.Second
)

// connect starts the embedded server, if there is one, and connects. An
// external server need not be there yet. closed gets an error when the
// connection ends unasked. stop ends all of it, and waits.
func (b *Bus) connect(ctx context.Context, closed chan<- error) (conn *nats.Conn, stop func(), err error) {
	opts, err := b.connectOptions(closed)
	if err != nil {
		return nil, nil, err
	}
	stopServer := func() {}
	if len(b.opts.External) == 0 {
		srv, err := startServer(ctx, b.opts)
		if err != nil {
			return nil, nil, err
		}
		stopServer = func() {
			srv.Shutdown()
			srv.WaitForShutdown()
		}
		opts.InProcessServer = srv
		b.mu.Lock()
		b.srv = srv
		b.mu.Unlock()
	}
	conn, err = opts.Connect()
	if err != nil {
		stopServer()
		return nil, nil, fmt.Errorf("cluster: connect to NATS: %w", err)
	}
	b.mu.Lock()
	b.conn = conn
	b.mu.Unlock()
	return conn, func() {
		conn.Close()
		stopServer()
	}, nil
}

// connectOptions are those of the connection to either kind of server.
func (b *Bus) connectOptions(closed chan<- error) (nats.Options, error) {
	log := b.opts.Logger
	opts := nats.GetDefaultOptions()
	opts.Name = b.opts.Node
	opts.NoEcho = true // this node hears itself directly
	opts.Timeout = dialTimeout
	opts.FlusherTimeout = writeTimeout
	opts.ReconnectOnFlusherError = true
	opts.MaxReconnect = -1
	opts.IgnoreAuthErrorAbort = true // whoever runs it may put the accounts right
	opts.CustomReconnectDelayCB = delay
	opts.ReconnectBufSize = -1 // what cannot be sent now is not sent later
	opts.PingInterval = pingInterval
	if len(b.opts.External) > 0 {
		opts.Servers = b.opts.External
		opts.RetryOnFailedConnect = true
		opts.TLSConfig = b.opts.ExternalTLS
		if b.opts.Credentials != "" {
			if err := nats.UserCredentials(b.opts.Credentials)(&opts); err != nil {
				return opts, fmt.Errorf("cluster: credentials: %w", err)
			}
		}
	} else {
		// It is in this process: it does not go away, and when it is slow, so
		// are we.
		opts.PingInterval = time.Hour
		opts.FlusherTimeout = time.Minute
	}
	ready := sync.OnceFunc(func() { close(b.ready) })
	opts.ConnectedCB = func(conn *nats.Conn) {
		if most := conn.MaxPayload(); most < bus.MaxPayload+headroom {
			log.Warn("bus: the NATS server takes smaller messages than it should", "max_payload", most, "wanted", bus.MaxPayload+headroom)
		}
		ready()
	}
	opts.ReconnectedCB = func(conn *nats.Conn) { log.Info("bus: reconnected", "server", conn.ConnectedServerName()) }
	opts.DisconnectedErrCB = func(conn *nats.Conn, err error) {
		if !conn.IsClosed() {
			log.Warn("bus: disconnected, trying again", "error", err)
		}
	}
	opts.AsyncErrorCB = func(_ *nats.Conn, sub *nats.Subscription, err error) {
		if sub != nil {
			log.Warn("bus: publications of other nodes are dropped", "subject", sub.Subject, "error", err)
			return
		}
		log.Warn("bus: the connection reports an error", "error", err)
	}
	opts.ClosedCB = func(conn *nats.Conn) {
		err := conn.LastError()
		if err == nil {
			err = errors.New("no reason given")
		}
		select {
		case closed <- fmt.Errorf("cluster: the connection to NATS is closed: %w", err):
		default:
		}
	}
	return opts, nil
}

// delay is how long to wait after so many attempts on all servers: twice as
// long each time, up to a bound, of which a random half is taken off so that
// nodes do not come all at once.
func delay(attempts int) time.Duration {
	d := longestDelay
	if attempts < 6 {
		d = min(d, firstDelay<<max(0, attempts-1))
	}
	return d/2 + rand.N(d/2)
}
