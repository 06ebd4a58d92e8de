// Package app is the composition root: it puts the domain services, the store,
// the bus, the gateway and the API together into a server, which the command
// line and the tests start alike.
//
// A server lives in two steps, so that nothing is cut off while somebody waits
// for it. In front are the listeners, the API and the gateway; behind are the
// domain's background work, the bus and the store. The front ends first.
package app

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"muster"
	"muster/internal/api"
	"muster/internal/bus"
	"muster/internal/bus/cluster"
	"muster/internal/bus/local"
	"muster/internal/clock"
	"muster/internal/config"
	"muster/internal/gateway"
	"muster/internal/gateway/engine"
	"muster/internal/store"
	"muster/internal/web"
)

// Version is the program's version; the release build sets it.
var Version = "0.1.0-dev"

// Options are what a Server takes beside its configuration.
type Options struct {
	// Log is the server's log; nil: none.
	Log *slog.Logger
	// Clock is the server's; nil: the machine's, as package clock tames it.
	Clock muster.Clock
}

// Server is a whole server over one data directory or database.
type Server struct {
	*Domain
	cfg       config.Config
	log       *slog.Logger
	bus       bus.Bus
	gateway   *gateway.Gateway
	api       *api.API
	main      net.Listener
	admin     net.Listener // nil where the system has no unix sockets
	ops       net.Listener // nil: off
	setupLink string
}

// AdminSocket is the path of the admin socket of a data directory.
func AdminSocket(data string) string { return filepath.Join(data, "admin.sock") }

// New opens the store and the listeners. A server that was made has to be run:
// Run closes what New opened.
func New(ctx context.Context, cfg config.Config, opt Options) (s *Server, err error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Clock == nil {
		opt.Clock = clock.System()
	}
	s = &Server{cfg: cfg, log: opt.Log}
	var undo []func() error
	defer func() {
		if err != nil {
			for _, u := range undo {
				err = errors.Join(err, u())
			}
		}
	}()
	ids := muster.NewIDs(opt.Clock)
	st, err := store.Open(ctx, store.Options{
		Dir: cfg.Server.Data, URL: cfg.Database.URL.Reveal(), MaxConns: cfg.Database.MaxConnections, Readers: cfg.Database.Readers,
		Clock: opt.Clock, IDs: ids,
	})
	if err != nil {
		return nil, err
	}
	undo = append(undo, st.Close)
	owner := processName()
	if s.bus, err = newBus(cfg.Bus, owner, opt.Log); err != nil {
		return nil, err
	}
	s.gateway = newGateway(cfg, s.bus, opt)
	s.Domain = NewDomain(cfg, st, s.gateway.Events(), opt.Clock, ids, owner, opt.Log)
	s.gateway.Use(gateway.Services{
		Accounts: s.Accounts, Rooms: s.Rooms, Groups: s.Groups, Log: st.Log(), Enrolments: s.Enrolments,
		Token: func(r *http.Request) string { return s.api.SessionToken(r) },
		Ended: st.Accounts().EndedSessions,
	})
	st.Log().Follow(s.gateway.Events().Committed)
	if err = s.listen(ctx, &undo); err != nil {
		return nil, err
	}
	s.api = s.newAPI(opt)
	token, err := s.Accounts.EnsureSetup(ctx)
	if err != nil {
		return nil, err
	}
	if token != "" {
		s.setupLink = api.SetupLink(s.URL(), token)
	}
	return s, nil
}

// processName names this process in leases and on the bus.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "node"
	}
	host, _, _ = strings.Cut(host, ".")
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), rand.Text()[:6])
}

func newBus(cfg config.Bus, name string, log *slog.Logger) (bus.Bus, error) {
	if cfg.Kind != config.BusNATS {
		return local.New(), nil
	}
	opt := cluster.Options{
		Node: name, Logger: log, External: reveal(cfg.NATSURLs), Credentials: cfg.NATSCredentials,
		Routes: cluster.Routes{Listen: cfg.ClusterListen, Advertise: cfg.ClusterAdvertise, Peers: cfg.ClusterRoutes, Plain: cfg.ClusterPlain},
	}
	if cfg.TLSCert != "" {
		t, err := cluster.LoadTLS(cfg.TLSCert, cfg.TLSKey, cfg.TLSCA)
		if err != nil {
			return nil, err
		}
		if len(opt.External) > 0 {
			opt.ExternalTLS = t
		} else {
			opt.Routes.TLS = t
		}
	}
	return cluster.New(opt)
}

func reveal(secrets []config.Secret) []string {
	var out []string
	for _, s := range secrets {
		out = append(out, s.Reveal())
	}
	return out
}

// gatewayBus is a bus as the gateway wants it.
type gatewayBus struct{ bus.Bus }

// Subscribe implements gateway.Bus.
func (b gatewayBus) Subscribe(subject string, handler func(subject string, payload []byte)) (func(), error) {
	sub, err := b.Bus.Subscribe(subject, handler)
	if err != nil {
		return nil, err
	}
	return sub.Unsubscribe, nil
}

func newGateway(cfg config.Config, b bus.Bus, opt Options) *gateway.Gateway {
	origins := cfg.Live.Origins
	if cfg.Server.PublicURL != "" {
		origins = append(origins, cfg.Server.PublicURL)
	}
	if runtime.GOMAXPROCS(0) < 2 { // an event loop that waits for its sockets holds one
		runtime.GOMAXPROCS(2)
	}
	return gateway.New(gateway.Options{
		EngineKind: engine.Kind(cfg.Live.Engine),
		Bus:        gatewayBus{b}, Shared: cfg.Bus.Kind == config.BusNATS, Clock: opt.Clock, Log: opt.Log, Origins: origins,
		MaxFrame: int(cfg.Live.MaxFrame), MessagesPerSecond: float64(cfg.Live.MessagesPerSecond), Burst: cfg.Live.Burst,
		HelloTimeout: cfg.Live.HelloTimeout, IdlePing: cfg.Live.IdlePing, WriteQueue: int(cfg.Live.WriteQueue),
		HandshakesPerSecond: cfg.Live.HandshakesPerSecond, HandshakeBurst: cfg.Live.HandshakeBurst, MaxGroupText: int(cfg.Groups.MaxText), MaxChannelText: cfg.Channels.MaxText,
	})
}

func (s *Server) newAPI(opt Options) *api.API {
	return api.New(api.Options{
		Accounts: s.Accounts, Channels: s.Channels, Groups: s.Groups, Enrolments: s.Enrolments,
		Statistics: statistics{s}, Backup: s.Store, Clock: opt.Clock, Log: opt.Log, Live: s.gateway, Web: web.New(),
		Ready:          func(context.Context) error { return s.Store.Healthy() },
		TrustedProxies: s.cfg.Server.TrustedProxies, PublicURL: s.cfg.Server.PublicURL, LocalURL: s.URL(),
		MaxBody: int64(s.cfg.Server.MaxBody), Version: Version, Store: s.Store.Backend(),
	})
}

// listen opens the listeners.
func (s *Server) listen(ctx context.Context, undo *[]func() error) (err error) {
	var lc net.ListenConfig
	if s.main, err = lc.Listen(ctx, "tcp", s.cfg.Server.Listen); err != nil {
		return fmt.Errorf("server.listen: %w", err)
	}
	*undo = append(*undo, s.main.Close)
	if s.cfg.TLS.Cert != "" {
		pair, err := tls.LoadX509KeyPair(s.cfg.TLS.Cert, s.cfg.TLS.Key)
		if err != nil {
			return fmt.Errorf("tls: %w", err)
		}
		s.main = tls.NewListener(s.main, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12})
	}
	if s.cfg.Ops.Listen != "" {
		if s.ops, err = lc.Listen(ctx, "tcp", s.cfg.Ops.Listen); err != nil {
			return fmt.Errorf("ops.listen: %w", err)
		}
		*undo = append(*undo, s.ops.Close)
	}
	if s.admin, err = listenAdmin(ctx, AdminSocket(s.cfg.Server.Data)); err != nil {
		return fmt.Errorf("the admin socket: %w", err)
	}
	*undo = append(*undo, s.admin.Close)
	return nil
}

// listenAdmin opens the admin socket, to which only the owner of the data
// directory has access. One that a killed server left is replaced: the store's
// lock says that there is no other server.
func listenAdmin(ctx context.Context, path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Addr is where the main port listens.
func (s *Server) Addr() string { return s.main.Addr().String() }

// URL is where people reach the server: the configured address, or that of the
// listener.
func (s *Server) URL() string {
	if s.cfg.Server.PublicURL != "" {
		return strings.TrimRight(s.cfg.Server.PublicURL, "/")
	}
	return s.LocalURL()
}

// LocalURL is where programs on this machine reach the server.
func (s *Server) LocalURL() string {
	scheme := "http"
	if s.cfg.TLS.Cert != "" {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(s.Addr())
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return scheme + "://127.0.0.1:" + port
	}
	return scheme + "://" + s.Addr()
}

// SetupLink makes whoever opens it first the server's owner; empty when there is
// one. It is good until it is used or the server starts again.
func (s *Server) SetupLink() string { return s.setupLink }

// errStopped ends the front when something behind it has ended.
var errStopped = errors.New("a part of the server has ended")

// Run serves until ctx ends, or until a part of the server cannot go on, which
// ends all of it with that error. Then it closes everything.
func (s *Server) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, s.Store.Close()) }()
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	back, backCtx := errgroup.WithContext(life)
	for _, run := range []func(context.Context) error{s.bus.Run, s.Store.Run, s.Domain.Run} {
		back.Go(func() error { return run(backCtx) })
	}
	front, frontCtx := errgroup.WithContext(ctx)
	front.Go(func() error {
		select {
		case <-frontCtx.Done():
			return nil
		case <-backCtx.Done():
			return errStopped
		}
	})
	front.Go(func() error { return s.gateway.Run(frontCtx) })
	s.serve(frontCtx, front)
	err = front.Wait()
	stop()
	behind := back.Wait()
	if errors.Is(err, errStopped) && behind != nil {
		err = nil // it was only the messenger
	}
	return errors.Join(err, behind)
}

// serve runs the HTTP servers until ctx ends, then lets requests under way come
// to their end.
func (s *Server) serve(ctx context.Context, g *errgroup.Group) {
	context.AfterFunc(ctx, s.api.Stop)
	main := s.main
	if tcp, ok := s.main.(*net.TCPListener); ok { // without TLS the gateway answers its handshakes itself
		front := s.gateway.Front(tcp)
		g.Go(func() error { return front.Run(context.WithoutCancel(ctx)) }) // until the server closes it
		main = front
	}
	one := func(l net.Listener, h http.Handler) {
		srv := api.NewServer(h, s.cfg.Server.ReadHeaderTimeout, s.log)
		g.Go(func() error {
			if err := srv.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
		g.Go(func() error {
			<-ctx.Done()
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Server.ShutdownTimeout)
			defer cancel()
			if err := srv.Shutdown(last); err != nil {
				s.log.Warn("requests under way were cut off", "after", s.cfg.Server.ShutdownTimeout)
				return srv.Close()
			}
			return nil
		})
	}
	one(main, s.api.Handler())
	one(s.admin, s.api.AdminSocketHandler())
	if s.ops != nil {
		one(s.ops, s.api.OpsHandler())
	}
}

// statistics tells the API what the server holds and does.
type statistics struct{ s *Server }

// Stored implements api.Statistics.
func (st statistics) Stored(ctx context.Context) (api.Stored, error) {
	n, err := st.s.Store.Count(ctx)
	return api.Stored(n), err
}

// Live implements api.Statistics.
func (st statistics) Live() api.Live {
	g := st.s.gateway.Stats()
	return api.Live{
		Connections: int64(g.Connections), Online: int64(g.People), MessagesSent: int64(g.Sent), ChannelMessages: int64(g.Said), //nolint:gosec // counters
		Skipped: int64(g.Engine.Missed), Admitted: int64(g.Admitted), Refused: int64(g.Refused), //nolint:gosec // counters
		Deliveries: int64(g.Engine.Delivered), SendWait: st.s.Store.Log().SendWait(), //nolint:gosec // a counter
	}
}
