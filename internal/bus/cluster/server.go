package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"muster/internal/bus"
)

const (
	// headroom is what NATS needs beside a payload: it counts headers too.
	headroom = 4096
	// startTimeout is how long the embedded server may take to open its routes.
	startTimeout = 5 * time.Second
	// routePing and routePings find a dead route within three seconds, so that
	// nodes join again soon after a network is whole.
	routePing  = time.Second
	routePings = 2
	// routeWrite is after how long a write to another node that does not get
	// through ends the route.
	routeWrite = 3 * time.Second
	// noPort cannot be listened on, see startServer.
	noPort = 1 << 16
)

// startServer embeds a NATS server that only this process and, if there are
// routes, other nodes can connect to.
func startServer(ctx context.Context, o Options) (*server.Server, error) {
	opts := &server.Options{
		ServerName:          o.Node,
		NoSigs:              true,
		NoLog:               true,
		NoSystemAccount:     true, // no use for it, and it ticks
		MaxPayload:          bus.MaxPayload + headroom,
		NoFastProducerStall: true, // a slow node must not slow down a quick one
		DontListen:          true,
	}
	if o.Routes.Listen != "" {
		if err := o.Routes.apply(opts); err != nil {
			return nil, err
		}
		// A server that has DontListen never starts its routes: they wait for
		// the port of its clients to be open, or to have failed. So it is
		// given an address that fails, on every system and before a socket is
		// made.
		opts.DontListen = false
		opts.Host, opts.Port = "127.0.0.1", noPort
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("cluster: embedded NATS: %w", err)
	}
	log := &serverLog{to: o.Logger}
	srv.SetLoggerV2(log, o.Logger.Enabled(ctx, levelTrace), false, false)
	srv.Start()
	if o.Routes.Listen == "" {
		return srv, nil
	}
	if err := waitForRoutes(ctx, srv, log); err != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
		return nil, err
	}
	return srv, nil
}

// apply sets what the server has to know of routes.
func (r Routes) apply(opts *server.Options) error {
	host, port, err := splitAddr(r.Listen)
	if err != nil {
		return err
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	opts.Cluster = server.ClusterOpts{
		Name:         r.Cluster,
		Host:         host,
		Port:         port,
		Advertise:    r.Advertise,
		NoAdvertise:  true, // of client addresses: there are none
		TLSConfig:    r.TLS,
		TLSTimeout:   5,
		PoolSize:     -1, // one connection per peer, and so one order
		PingInterval: routePing,
		MaxPingsOut:  routePings,

		WriteDeadline: routeWrite,
		Compression:   server.CompressionOpts{Mode: server.CompressionOff},
		// Gossip tells of nodes; one that is down for a moment is tried again.
		ConnectRetries: 30,
	}
	for _, peer := range r.Peers {
		opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats-route", Host: peer})
	}
	return nil
}

// waitForRoutes waits until the routes' port is open.
func waitForRoutes(ctx context.Context, srv *server.Server, log *serverLog) error {
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	deadline := time.After(startTimeout)
	for srv.ClusterAddr() == nil {
		if fatal := log.fatal.Load(); fatal != nil {
			return fmt.Errorf("cluster: embedded NATS: %s", *fatal)
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline:
			return errors.New("cluster: embedded NATS does not open the port of its routes")
		}
	}
	return nil
}

// levelTrace turns on the debug lines of the NATS server, which are many.
const levelTrace = slog.LevelDebug - 4

// serverLog writes the NATS server's log to ours. What NATS calls a notice is
// of interest to us when something is being looked for.
type serverLog struct {
	to    *slog.Logger
	fatal atomic.Pointer[string]
}

var _ server.Logger = (*serverLog)(nil)

func (l *serverLog) write(level slog.Level, format string, args []any) {
	if ctx := context.Background(); l.to.Enabled(ctx, level) {
		l.to.Log(ctx, level, "bus: the NATS server reports", "line", fmt.Sprintf(format, args...))
	}
}

func (l *serverLog) Noticef(format string, args ...any) { l.write(slog.LevelDebug, format, args) }
func (l *serverLog) Warnf(format string, args ...any)   { l.write(slog.LevelWarn, format, args) }
func (l *serverLog) Errorf(format string, args ...any)  { l.write(slog.LevelError, format, args) }
func (l *serverLog) Debugf(format string, args ...any)  { l.write(levelTrace, format, args) }
func (l *serverLog) Tracef(format string, args ...any)  { l.write(levelTrace, format, args) }

// Fatalf keeps the first line: the server goes on without the part that failed,
// but we do not.
func (l *serverLog) Fatalf(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if strings.Contains(line, net.JoinHostPort("127.0.0.1", fmt.Sprint(noPort))) {
		return // as intended
	}
	l.fatal.CompareAndSwap(nil, &line)
	l.write(slog.LevelError, "%s", []any{line})
}
