package api_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	musterv1 "muster/gen/muster/v1"
	"muster/gen/muster/v1/musterv1connect"

	"muster"
	"muster/internal/account"
	"muster/internal/api"
	"muster/internal/app"
	"muster/internal/channel"
	"muster/internal/config"
	"muster/internal/enrol"
	"muster/internal/group"
	"muster/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// password is that of every account of the tests.
const password = "correct horse battery"

// node is a server with everything but a gateway, on real sockets.
type node struct {
	t      testing.TB
	api    *api.API
	domain *app.Domain
	clock  *handClock
	url    string // of the main port
	socket string // path of the admin socket
	log    *logBuffer
}

// nodeOptions are what a test wants otherwise.
type nodeOptions struct {
	api       func(*api.Options)
	config    func(*config.Config)
	noWorkers bool // enrolments stand still
}

func startNode(t testing.TB, with nodeOptions) *node {
	t.Helper()
	dir := t.TempDir()
	n := &node{t: t, clock: &handClock{}, log: &logBuffer{}, socket: filepath.Join(dir, "admin.sock")}
	log := slog.New(slog.NewTextHandler(n.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ids := muster.NewIDs(n.clock)
	s, err := store.Open(t.Context(), store.Options{Dir: dir, Clock: n.clock, IDs: ids})
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Accounts.Argon2Memory, cfg.Accounts.Argon2Time = 8<<20, 1
	cfg.Enrolment.PerGroup, cfg.Enrolment.PerRequester = 10_000, 10_000
	if with.config != nil {
		with.config(&cfg)
	}
	n.domain = app.NewDomain(cfg, s, quiet{}, n.clock, ids, "test", log)
	opt := api.Options{
		Accounts: n.domain.Accounts, Channels: n.domain.Channels, Groups: n.domain.Groups, Enrolments: n.domain.Enrolments,
		Statistics: figures{}, Backup: pattern(200_000), Clock: n.clock, Log: log, Version: "1.2.3", Store: s.Backend(),
		LocalURL: "http://127.0.0.1:8080",
	}
	if with.api != nil {
		with.api(&opt)
	}
	n.api = api.New(opt)

	var g errgroup.Group
	ctx, cancel := context.WithCancel(context.Background())
	g.Go(func() error { return s.Run(ctx) })
	if with.noWorkers {
		g.Go(func() error { return n.domain.Groups.Run(ctx) })
	} else {
		g.Go(func() error { return n.domain.Run(ctx) })
	}
	n.url = "http://" + n.serve(&g, ctx, n.api.Handler(), "tcp", "127.0.0.1:0", log)
	n.serve(&g, ctx, n.api.AdminSocketHandler(), "unix", n.socket, log)
	t.Cleanup(func() {
		cancel()
		if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the node ended: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return n
}

// serve serves a handler until the context ends, and gives its address.
func (n *node) serve(g *errgroup.Group, ctx context.Context, handler http.Handler, network, address string, log *slog.Logger) string {
	n.t.Helper()
	listener, err := new(net.ListenConfig).Listen(ctx, network, address)
	if err != nil {
		n.t.Fatal(err)
	}
	server := api.NewServer(handler, time.Second, log)
	g.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		n.api.Stop()
		return server.Shutdown(context.WithoutCancel(ctx))
	})
	return listener.Addr().String()
}

// caller is somebody with a session, or without one, and the generated clients.
type caller struct {
	token      string
	account    muster.AccountID
	session    muster.SessionID
	http       *http.Client
	accounts   musterv1connect.AccountServiceClient
	channels   musterv1connect.ChannelServiceClient
	groups     musterv1connect.GroupServiceClient
	enrolments musterv1connect.EnrolmentServiceClient
	admin      musterv1connect.AdminServiceClient
}

// caller makes a client on a transport that ends with the test.
func (n *node) caller(base, token string, transport *http.Transport, options ...connect.ClientOption) *caller {
	n.t.Cleanup(transport.CloseIdleConnections)
	c := &caller{token: token, http: &http.Client{Transport: bearer{transport, token}}}
	c.accounts = musterv1connect.NewAccountServiceClient(c.http, base, options...)
	c.channels = musterv1connect.NewChannelServiceClient(c.http, base, options...)
	c.groups = musterv1connect.NewGroupServiceClient(c.http, base, options...)
	c.enrolments = musterv1connect.NewEnrolmentServiceClient(c.http, base, options...)
	c.admin = musterv1connect.NewAdminServiceClient(c.http, base, options...)
	return c
}

// anonymous has no session.
func (n *node) anonymous(options ...connect.ClientOption) *caller {
	return n.caller(n.url, "", &http.Transport{}, options...)
}

// browser is anonymous and keeps cookies.
func (n *node) browser() *caller {
	n.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		n.t.Fatal(err)
	}
	c := n.anonymous()
	c.http.Jar = jar
	return c
}

// with has the session of a token.
func (n *node) with(token string, options ...connect.ClientOption) *caller {
	return n.caller(n.url, token, &http.Transport{}, options...)
}

// operator uses the admin socket.
func (n *node) operator() *caller {
	return n.caller("http://admin", "", &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", n.socket)
	}})
}

// person makes an account with a session.
func (n *node) person(name string, role account.ServerRole) *caller {
	n.t.Helper()
	acct, _, err := n.domain.Accounts.CreateAccount(n.t.Context(), account.Operator, account.NewAccount{Name: name}, password, role)
	if err != nil {
		n.t.Fatal(err)
	}
	return n.session(acct)
}

// session signs an account in.
func (n *node) session(acct account.Account) *caller {
	n.t.Helper()
	in, err := n.domain.Accounts.IssueSession(n.t.Context(), account.Operator, acct.Name, "test")
	if err != nil {
		n.t.Fatal(err)
	}
	c := n.with(in.Token)
	c.account, c.session = acct.ID, in.Session.ID
	return c
}

// bearer sends a token with every request.
type bearer struct {
	http.RoundTripper
	token string
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.RoundTripper.RoundTrip(r)
}

// received is an answer whose body has been read.
type received struct {
	StatusCode, ProtoMajor int
	Status, Proto          string
	Header                 http.Header
	Close                  bool // the server ends the connection
	cookies                []*http.Cookie
}

// post sends a body to a path.
func (n *node) post(c *caller, path, contentType, body string, headers ...string) (*received, string) {
	n.t.Helper()
	return n.do(c, http.MethodPost, path, strings.NewReader(body), append([]string{"Content-Type", contentType}, headers...)...)
}

func (n *node) do(c *caller, method, path string, body io.Reader, headers ...string) (*received, string) {
	n.t.Helper()
	req, err := http.NewRequestWithContext(n.t.Context(), method, n.url+path, body)
	if err != nil {
		n.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
	}
	res, err := c.http.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return &received{
		StatusCode: res.StatusCode, ProtoMajor: res.ProtoMajor, Status: res.Status, Proto: res.Proto, Header: res.Header, Close: res.Close, cookies: res.Cookies(),
	}, string(text)
}

// detail is the machine's part of an error.
func detail(err error) *musterv1.Error {
	e, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return nil
	}
	for _, d := range e.Details() {
		if v, err := d.Value(); err == nil {
			if told, ok := v.(*musterv1.Error); ok {
				return told
			}
		}
	}
	return nil
}

// handClock is the machine's clock, and can be put forward.
type handClock struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().UTC().Add(c.offset)
}

func (c *handClock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// pattern is a backup of so many bytes that can be told apart.
type pattern int

// byteAt is the byte of a pattern at a place.
func byteAt(i int) byte { return byte(i * 7 >> 3) }

func (p pattern) Backup(_ context.Context, w io.Writer) error {
	for i := 0; i < int(p); {
		piece := make([]byte, min(int(p)-i, 1+i%100_003)) // small and large ones
		for j := range piece {
			piece[j] = byteAt(i + j)
		}
		if _, err := w.Write(piece); err != nil {
			return err
		}
		i += len(piece)
	}
	return nil
}

// figures are what the node would count.
type figures struct{}

func (figures) Stored(context.Context) (api.Stored, error) {
	return api.Stored{Accounts: 3, Channels: 2, Groups: 1}, nil
}

func (figures) Live() api.Live {
	return api.Live{Connections: 10, Online: 7, MessagesSent: 100, ChannelMessages: 50, Deliveries: 1000, SendWait: time.Millisecond}
}

// quiet is a world that nobody listens to: the API's tests have no live sockets.
type quiet struct{}

func (quiet) SessionsEnded(context.Context, []muster.SessionID)                   {}
func (quiet) ChannelChanged(context.Context, channel.Change)                      {}
func (quiet) Seat(muster.ChannelID, channel.ClientID, uint64)                     {}
func (quiet) Unseat(muster.ChannelID, channel.ClientID)                           {}
func (quiet) Broadcast(channel.Message)                                           {}
func (quiet) Notify(channel.Notice)                                               {}
func (quiet) GroupChanged(muster.GroupID)                                         {}
func (quiet) MembersAdded(muster.GroupID, muster.EnrolmentID, []muster.AccountID) {}
func (quiet) MembersRemoved(muster.GroupID, []muster.AccountID, string)           {}
func (quiet) GroupDissolved(muster.GroupID)                                       {}
func (quiet) ReadMoved(group.ReadMark)                                            {}
func (quiet) Invited(muster.InvitationID, []muster.AccountID)                     {}
func (quiet) InvitationClosed(muster.AccountID, muster.InvitationID)              {}
func (quiet) LeftRoster(muster.ChannelID, muster.AccountID)                       {}
func (quiet) EnrolmentProgress(enrol.Enrolment)                                   {}

var _ app.Outside = quiet{}

// loopback is the network that the tests' requests come from.
var loopback = netip.MustParsePrefix("127.0.0.0/8")
