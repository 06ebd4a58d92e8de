// Package remote is the command line's way to a server: by its address with a
// session's token, or by the admin socket in the data directory, where whoever
// may open it is the operator and may act as anybody.
package remote

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"

	musterv1 "muster/gen/muster/v1"
	"muster/gen/muster/v1/musterv1connect"
	"muster/internal/client"
)

// Options say where the server is and who acts.
type Options struct {
	// Server is its address; "" tries the admin socket, then the login that
	// was made last.
	Server string
	// As is the account to act as, on the admin socket; "" is the owner.
	As string
	// DataDir gives the data directory of a server on this machine.
	DataDir func() (string, error)
	// Environ is the environment, as os.Environ gives it.
	Environ []string
	// Device is how the session is called in the account's list.
	Device string
}

// The variables of the command line itself. They are no settings of the server.
const (
	ServerVariable   = "MUSTER_SERVER"
	TokenVariable    = "MUSTER_TOKEN"
	PasswordVariable = "MUSTER_PASSWORD"
)

// SocketName and AddressName are the files of a running server in its data
// directory: the admin socket, and a file with the address of its main port.
const (
	SocketName  = "admin.sock"
	AddressName = "address"
)

// Remote is a server that can be asked. Close it.
type Remote struct {
	// The services, each call with the session of whoever acts.
	Accounts   musterv1connect.AccountServiceClient
	Admin      musterv1connect.AdminServiceClient
	Channels   musterv1connect.ChannelServiceClient
	Groups     musterv1connect.GroupServiceClient
	Enrolments musterv1connect.EnrolmentServiceClient

	// Local says that the calls go through the admin socket.
	Local bool

	base    string // for calls
	http    *http.Client
	options Options
	dataDir string

	mu     sync.Mutex
	token  string
	issued bool // the token was made for this command and ends with it
	acting *musterv1.Account
}

// Open finds the server. It connects with the first call.
func Open(opt Options) (*Remote, error) {
	server := opt.Server
	if server == "" {
		server = Variable(opt.Environ, ServerVariable)
	}
	if server == "" {
		local, err := openLocal(opt)
		if local != nil || err != nil {
			return local, err
		}
	}
	file, err := LoginsFile(opt.Environ)
	if err != nil {
		return nil, err
	}
	logins, err := ReadLogins(file)
	if err != nil {
		return nil, err
	}
	if server == "" {
		if server = logins.Current; server == "" {
			return noServer(opt)
		}
	}
	if server, err = CleanServer(server); err != nil {
		return nil, err
	}
	if opt.As != "" {
		return nil, Usage("--as works on the server's own machine only, through the admin socket: leave --server away, or sign in as %s", opt.As)
	}
	token := Variable(opt.Environ, TokenVariable)
	if token == "" {
		token = logins.Servers[server].Token
	}
	return at(server, token, opt), nil
}

// At is a server at an address with a session's token, "" for none.
func At(server, token string) *Remote { return at(server, token, Options{}) }

func at(server, token string, opt Options) *Remote {
	r := newRemote(server, &http.Client{}, opt)
	r.token = token
	return r
}

// openLocal takes the admin socket; nil without an error when there is none.
func openLocal(opt Options) (*Remote, error) {
	dir, err := opt.DataDir()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, SocketName)
	if !isSocket(path) {
		return nil, nil
	}
	return Socket(path, opt), nil
}

// isSocket says whether a server may listen at a path.
func isSocket(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&os.ModeSocket != 0
}

// Socket is a server on this machine by its admin socket.
func Socket(path string, opt Options) *Remote {
	r := newRemote(client.UnixURL, client.UnixHTTP(path), opt)
	r.Local, r.dataDir = true, filepath.Dir(path)
	return r
}

func noServer(opt Options) (*Remote, error) {
	dir, err := opt.DataDir()
	if err != nil {
		return nil, err
	}
	return nil, &Failure{
		Exit: ExitUnreachable, Code: "unavailable", Reason: "no_server",
		Message: "no server runs on the data directory " + dir + ", and none was named",
		Advice:  "start one with `muster serve`, name its data directory with --data DIR, or another server with --server URL after `muster login URL NAME`",
	}
}

func newRemote(base string, hc *http.Client, opt Options) *Remote {
	r := &Remote{base: base, http: hc, options: opt}
	with := connect.WithInterceptors(r)
	r.Accounts = musterv1connect.NewAccountServiceClient(r.http, base, with)
	r.Admin = musterv1connect.NewAdminServiceClient(r.http, base, with)
	r.Channels = musterv1connect.NewChannelServiceClient(r.http, base, with)
	r.Groups = musterv1connect.NewGroupServiceClient(r.http, base, with)
	r.Enrolments = musterv1connect.NewEnrolmentServiceClient(r.http, base, with)
	return r
}

// Close ends a session that was made for this command, and the connections.
func (r *Remote) Close() {
	r.mu.Lock()
	issued := r.issued
	r.mu.Unlock()
	if issued {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_, _ = r.Accounts.Logout(ctx, connect.NewRequest(&musterv1.LogoutRequest{})) // it would end by itself
	}
	r.http.CloseIdleConnections()
}

// Token gives the session's token, signing in through the admin socket at the
// first time. "" is no session.
func (r *Remote) Token(ctx context.Context) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.token != "" || !r.Local {
		return r.token, nil
	}
	answer, err := r.Admin.IssueSession(ctx, connect.NewRequest(&musterv1.IssueSessionRequest{Name: r.options.As, Device: r.options.Device}))
	if err != nil {
		return "", withAdvice(err, r.options.As)
	}
	r.token, r.issued, r.acting = answer.Msg.GetToken(), true, answer.Msg.GetAccount()
	return r.token, nil
}

// withAdvice says what to do when nobody is there to act as.
func withAdvice(err error, as string) error {
	f := Explain(err, 0)
	if f.Exit != ExitRefused {
		return err
	}
	if as == "" {
		f.Advice = "the server has no owner yet: open the link that `muster serve` printed, or run `muster account claim LINK NAME`"
	} else {
		f.Advice = "`muster account list` shows who there is"
	}
	return f
}

// Acting is the account that acts.
func (r *Remote) Acting(ctx context.Context) (*musterv1.Account, error) {
	r.mu.Lock()
	acting := r.acting
	r.mu.Unlock()
	if acting != nil {
		return acting, nil
	}
	answer, err := r.Accounts.GetAccount(ctx, connect.NewRequest(&musterv1.GetAccountRequest{}))
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acting = answer.Msg.GetAccount()
	return r.acting, nil
}

// Address is where the server's main port is, for the live socket. Through the
// admin socket it is what the server wrote into its data directory.
func (r *Remote) Address() (string, error) {
	if !r.Local {
		return r.base, nil
	}
	data, err := os.ReadFile(filepath.Join(r.dataDir, AddressName))
	if err != nil {
		f := Failed("the server's address is not known here: name it with --server URL (%v)", err)
		f.Exit = ExitUnreachable // it writes the file when it serves, and takes it away when it stops
		return "", f
	}
	return strings.TrimSpace(string(data)), nil
}

// authorize adds the session to a call. AdminService takes none on the admin
// socket.
func (r *Remote) authorize(ctx context.Context, procedure string, header http.Header) error {
	if r.Local && strings.HasPrefix(procedure, "/"+musterv1connect.AdminServiceName+"/") {
		return nil
	}
	token, err := r.Token(ctx)
	if err != nil {
		return err
	}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	return nil
}

// WrapUnary implements connect.Interceptor.
func (r *Remote) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		if err := r.authorize(ctx, request.Spec().Procedure, request.Header()); err != nil {
			return nil, err
		}
		return next(ctx, request)
	}
}

// WrapStreamingClient implements connect.Interceptor.
func (r *Remote) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		if err := r.authorize(ctx, spec.Procedure, conn.RequestHeader()); err != nil {
			return failedConn{conn, err}
		}
		return conn
	}
}

// WrapStreamingHandler implements connect.Interceptor; there are no handlers.
func (r *Remote) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// failedConn is a stream for which there was no session.
type failedConn struct {
	connect.StreamingClientConn
	err error
}

// Send implements connect.StreamingClientConn.
func (c failedConn) Send(any) error { return c.err }

// Receive implements connect.StreamingClientConn.
func (c failedConn) Receive(any) error { return c.err }

// CloseRequest implements connect.StreamingClientConn.
func (c failedConn) CloseRequest() error { return nil }

// CloseResponse implements connect.StreamingClientConn.
func (c failedConn) CloseResponse() error { return nil }
