package fault_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/app"
	"muster/internal/client"
	"muster/internal/config"
	"muster/internal/fault"
	"muster/internal/pgtest"
)

// The environment of TestServerChild.
const (
	envServerDir    = "FAULT_TEST_SERVER_DIR"
	envServerURL    = "FAULT_TEST_SERVER_URL"
	envServerListen = "FAULT_TEST_SERVER_LISTEN"
)

// site is where a server has its data and its address, from one start to the
// next.
type site struct{ dir, url, listen string }

func (s site) config() config.Config {
	cfg := config.Default()
	cfg.Server.Data, cfg.Server.Listen = s.dir, s.listen
	cfg.Database.URL = config.Secret(s.url)
	cfg.Accounts.Argon2Memory, cfg.Accounts.Argon2Time = 8<<20, 1
	cfg.Live.MessagesPerSecond, cfg.Live.Burst, cfg.Live.HandshakesPerSecond = 1_000_000, 1_000_000, 0
	return cfg
}

// forEachSite runs a test for a server on SQLite and for one on PostgreSQL.
func forEachSite(t *testing.T, test func(t *testing.T, s site)) {
	t.Helper()
	free := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, site{dir: t.TempDir(), listen: free()})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, site{dir: t.TempDir(), url: pgtest.URL(t), listen: free()})
	})
}

// TestServerChild is a whole server, to be killed.
func TestServerChild(t *testing.T) {
	s := site{os.Getenv(envServerDir), os.Getenv(envServerURL), os.Getenv(envServerListen)}
	if s.dir == "" {
		t.Skip("is run by tests that kill a server")
	}
	orders := fault.Listen()
	server, err := app.New(t.Context(), s.config(), app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	fault.Say("%s", server.SetupLink())
	select {
	case <-orders:
		stop()
		err = <-ended
	case err = <-ended:
	}
	stop()
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// start starts the server and gives the link that its first owner opens, if
// there is none yet.
func (s site) start(t *testing.T) (c *fault.Child, setup string) {
	t.Helper()
	c = fault.StartChild(t, "TestServerChild", envServerDir+"="+s.dir, envServerURL+"="+s.url, envServerListen+"="+s.listen)
	_, setup, _ = strings.Cut(c.MustHear(), "#")
	s.awaitReady(t)
	return c, setup
}

func (s site) awaitReady(t *testing.T) {
	t.Helper()
	for late := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		r, err := http.Get("http://" + s.listen + "/readyz")
		if err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(late) {
			t.Fatalf("the server does not get ready: %v", err)
		}
	}
}

// person is somebody with a session.
type person struct {
	client.Services
	id    muster.AccountID
	token string
}

// oneShot makes a connection for every request, so that each has a fate of its
// own.
func oneShot() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
}

func register(t *testing.T, url, name, setup string) person {
	t.Helper()
	r, err := client.NewServices(url, "", oneShot()).Register(t.Context(), connect.NewRequest(&musterv1.RegisterRequest{
		Name: name, Password: "a long pass phrase", SetupToken: setup,
	}))
	if err != nil {
		t.Fatal(err)
	}
	return person{client.NewServices(url, r.Msg.GetToken(), oneShot()), muster.AccountID(r.Msg.GetAccount().GetId()), r.Msg.GetToken()}
}

// through is the same person behind a proxy.
func (p person) through(proxy *fault.Proxy) person {
	p.Services = client.NewServices(proxy.URL(), p.token, oneShot())
	return p
}

// newGroup makes a group of the first person's with the others in it.
func newGroup(t *testing.T, people ...person) muster.GroupID {
	t.Helper()
	ctx, boss := t.Context(), people[0]
	g, err := boss.CreateGroup(ctx, connect.NewRequest(&musterv1.CreateGroupRequest{Name: "Group"}))
	if err != nil {
		t.Fatal(err)
	}
	id := g.Msg.GetGroup().GetId()
	for _, p := range people[1:] {
		if _, err := boss.Invite(ctx, connect.NewRequest(&musterv1.InviteRequest{GroupId: id, AccountIds: []int64{int64(p.id)}})); err != nil {
			t.Fatal(err)
		}
		list, err := p.ListMyInvitations(ctx, connect.NewRequest(&musterv1.ListMyInvitationsRequest{}))
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range list.Msg.GetInvitations() {
			if _, err := p.AnswerInvitation(ctx, connect.NewRequest(&musterv1.AnswerInvitationRequest{
				InvitationId: in.GetId(), Choice: musterv1.Choice_CHOICE_ACCEPT,
			})); err != nil {
				t.Fatal(err)
			}
		}
	}
	return muster.GroupID(id)
}

// names makes n names.
func names(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return out
}
