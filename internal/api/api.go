// Package api is the face of the server on HTTP: the Connect services of
// proto/muster/v1 over the domain's services, the health endpoints, the metrics,
// and whatever serves the web client. docs/protocol.md says
// what a client may rely on.
//
// A call goes through the same steps whatever it is: its place in the table of
// access (access.go: what has no row is refused), the session behind its token
// or cookie, the limits of the schema on every message, the domain, and one
// mapping of errors. Nothing of its body is read before it is admitted. The
// methods themselves only translate. Who may do what is the domain's business;
// here it is only decided who is asking.
//
// The package does not listen: it gives handlers, and NewServer a server that
// has the timeouts they count on. The live socket is the gateway's.
package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"muster"
	"muster/internal/account"
	"muster/internal/channel"
	"muster/internal/enrol"
	"muster/internal/group"
)

// Options make an API. The four services, Statistics, Backup and Clock are
// required.
type Options struct {
	Accounts   *account.Service
	Channels   *channel.Service
	Groups     *group.Service
	Enrolments *enrol.Service
	Statistics Statistics
	Backup     Backup
	Clock      muster.Clock
	Log        *slog.Logger // nil: nothing is logged

	// Live serves /live; nil: there is no such path.
	Live http.Handler
	// Web serves the web client; nil: there are no pages.
	Web Web
	// Ready says what keeps the server from taking requests, nil for nothing;
	// without it the server is ready until Stop.
	Ready func(context.Context) error

	// TrustedProxies are believed about X-Forwarded-For and X-Forwarded-Proto.
	TrustedProxies []netip.Prefix
	// PublicURL is under which address people reach the server; empty: as each
	// request says. LocalURL stands in its place in links that are made over
	// the admin socket.
	PublicURL, LocalURL string
	// MaxBody bounds one message of a request in bytes; 0: 4 MiB.
	MaxBody int64
	// BodyTimeout is how long the body of a request may take to arrive, or the
	// next piece of a stream; 0: 15 seconds. A piece of an answer may take as
	// long to leave.
	BodyTimeout time.Duration
	// Version is the program's, Store the kind of database ("sqlite").
	Version, Store string
}

// Web serves the pages and files of the web client.
type Web interface {
	// Serve answers a request that is for the client, and reports whether it
	// was. It is asked about every path that is none of the API's, and finds the
	// headers of security set, of which it may relax the policy.
	Serve(w http.ResponseWriter, r *http.Request) (served bool)
}

// Statistics tells what the server holds and does.
type Statistics interface {
	// Stored counts what the database holds. It may take a while.
	Stored(ctx context.Context) (Stored, error)
	// Live tells what this node does, from memory.
	Live() Live
}

// Stored is what the database holds.
type Stored struct{ Accounts, Channels, Groups int64 }

// Live is what a node does: how many sockets are open and to how many people
// they belong, and since its start the messages sent to groups, those said in
// channels, and how often one was handed to a socket. SendWait is how long
// senders wait lately.
type Live struct {
	Connections, Online                       int64
	MessagesSent, ChannelMessages, Deliveries int64
	// Skipped are channel messages that slow clients missed; Admitted and Refused
	// are handshakes that were let in and turned away.
	Skipped, Admitted, Refused int64
	SendWait                   time.Duration
}

// Backup writes a consistent copy of everything that was acknowledged before it
// began, while the server goes on.
type Backup interface {
	Backup(ctx context.Context, w io.Writer) error
}

// API holds the handlers. Safe for concurrent use.
type API struct {
	opt     Options
	started time.Time
	build   build
	metrics *metrics
	mux     *http.ServeMux
	life    context.Context //nolint:containedctx // ends with Stop, not with a call
	stop    context.CancelFunc
}

// The defaults of Options.
const (
	defaultMaxBody     = 4 << 20
	defaultBodyTimeout = 15 * time.Second
)

// New makes an API.
func New(opt Options) *API {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.MaxBody <= 0 {
		opt.MaxBody = defaultMaxBody
	}
	if opt.BodyTimeout <= 0 {
		opt.BodyTimeout = defaultBodyTimeout
	}
	opt.PublicURL = strings.TrimRight(opt.PublicURL, "/")
	opt.LocalURL = strings.TrimRight(opt.LocalURL, "/")
	a := &API{opt: opt, started: opt.Clock.Now(), build: readBuild(opt)}
	a.life, a.stop = context.WithCancel(context.Background())
	a.metrics = newMetrics(opt.Statistics)
	a.mux = a.routes()
	return a
}

// Stop begins the end: /readyz says 503 from now on, and streams end. To be
// registered with http.Server.RegisterOnShutdown, or called earlier.
func (a *API) Stop() { a.stop() }

// Handler serves the main port.
func (a *API) Handler() http.Handler {
	guard := http.NewCrossOriginProtection()
	if origin := webOrigin(a.opt.PublicURL); origin != "" {
		if err := guard.AddTrustedOrigin(origin); err != nil {
			a.opt.Log.Warn("the public URL is no origin that a browser sends", "public_url", a.opt.PublicURL, "error", err)
		}
	}
	guard.SetDenyHandler(http.HandlerFunc(a.refuseCrossOrigin))
	return a.around(guard.Handler(a.mux), false)
}

// AdminSocketHandler serves the unix socket in the data directory, to which only
// the administrator of the machine has access: AdminService acts there without a
// session, as account.Operator. The other services want a token there too.
func (a *API) AdminSocketHandler() http.Handler { return a.around(a.mux, true) }

// routes is everything that is served.
func (a *API) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for path, handler := range a.services() {
		mux.Handle(path, a.onlyCalls(handler))
	}
	mux.HandleFunc("GET /livez", a.livez)
	mux.HandleFunc("GET /readyz", a.readyz)
	mux.HandleFunc("GET /version", a.version)
	mux.HandleFunc("/", a.unknown)
	return mux
}

// SetupLink is the address of the page that takes a one-time token. The token
// stands in the fragment, which a browser neither sends nor puts into a
// Referer.
func SetupLink(base, token string) string {
	return strings.TrimRight(base, "/") + "/setup#" + token
}

// link is SetupLink for whoever asks; no token, no link.
func (a *API) link(x *exchange, token string) string {
	switch {
	case token == "":
		return ""
	case a.opt.PublicURL != "":
		return SetupLink(a.opt.PublicURL, token)
	case x.socket:
		return SetupLink(a.opt.LocalURL, token)
	default:
		return SetupLink(x.base, token)
	}
}

// webOrigin is the origin of an address as browsers send it, "" when it has none.
func webOrigin(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
