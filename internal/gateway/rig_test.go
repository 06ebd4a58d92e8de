package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/account"
	"muster/internal/app"
	"muster/internal/bus/local"
	"muster/internal/channel"
	"muster/internal/client"
	"muster/internal/config"
	"muster/internal/enrol"
	"muster/internal/gateway"
	"muster/internal/store"
)

// patience bounds a hang; nothing waits that long when all is well.
const patience = 30 * time.Second

// localBus lets the gateway use a bus.
type localBus struct{ *local.Bus }

func (b localBus) Subscribe(subject string, h func(string, []byte)) (func(), error) {
	sub, err := b.Bus.Subscribe(subject, h)
	if err != nil {
		return nil, err
	}
	return sub.Unsubscribe, nil
}

// rig is a gateway over the real domain on a real store, behind a real socket.
type rig struct {
	testing.TB
	domain *app.Domain
	gw     *gateway.Gateway
	front  *gateway.Front
	http   *httptest.Server
	URL    string
	clock  muster.Clock
	store  *store.Store
	bus    gateway.Bus
	cfg    config.Config
	// services may change what the gateway gets; nil: nothing.
	services func(*gateway.Services)
	// stop ends the gateway as the server's stop does, and gives Run's error.
	stop func() error

	mu     sync.Mutex
	logged []string
}

// start makes a rig. tweak may change the options, and wrap the bus.
func start(t testing.TB, tweak func(*gateway.Options)) *rig {
	t.Helper()
	return startWith(t, config.Default(), tweak)
}

// startServing makes a rig with a configuration of its own, whose gateway gets other
// services.
func startServing(t testing.TB, cfg config.Config, services func(*gateway.Services)) *rig {
	t.Helper()
	return startRig(&rig{TB: t, cfg: cfg, services: services}, nil)
}

// startWith makes a rig whose domain has a configuration of its own.
func startWith(t testing.TB, cfg config.Config, tweak func(*gateway.Options)) *rig {
	t.Helper()
	return startRig(&rig{TB: t, cfg: cfg}, tweak)
}

func startRig(r *rig, tweak func(*gateway.Options)) *rig {
	r.Helper()
	t := r.TB
	r.clock = muster.ClockFunc(time.Now)
	ids := muster.NewIDs(r.clock)
	s, err := store.Open(context.Background(), store.Options{Dir: t.TempDir(), Clock: r.clock, IDs: ids})
	if err != nil {
		t.Fatal(err)
	}
	r.store = s
	b := local.New()
	opt := gateway.Options{
		Bus: localBus{b}, Clock: r.clock, Log: slog.New(slog.NewTextHandler(logWriter{r}, nil)),
		MessagesPerSecond: 1e6, Burst: 1e6,
	}
	if tweak != nil {
		tweak(&opt)
	}
	r.bus = opt.Bus
	stopStore, stopBus := run(s.Run), run(b.Run)
	t.Cleanup(func() {
		for _, stop := range []func() error{stopBus, stopStore, s.Close} {
			if err := stop(); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("the end: %v", err)
			}
		}
	})
	r.serve(opt, ids)
	s.Log().Follow(r.gw.Events().Committed)
	return r
}

// node starts another node on the same store and bus. Messages are written by
// the first one.
func (r *rig) node(tweak ...func(*gateway.Options)) *rig {
	r.Helper()
	n := &rig{TB: r.TB, clock: r.clock, store: r.store, bus: r.bus, cfg: r.cfg}
	opt := gateway.Options{
		Bus: r.bus, Shared: true, Clock: r.clock, Log: slog.New(slog.NewTextHandler(logWriter{n}, nil)),
		MessagesPerSecond: 1e6, Burst: 1e6,
	}
	for _, change := range tweak {
		change(&opt)
	}
	n.serve(opt, muster.NewIDs(r.clock))
	return n
}

// run runs fn and gives what ends it and waits.
func run(fn func(context.Context) error) func() error {
	ctx, cancel := context.WithCancel(context.Background())
	var g errgroup.Group
	g.Go(func() error { return fn(ctx) })
	return sync.OnceValue(func() error { cancel(); return g.Wait() })
}

// serve makes the domain and the gateway and opens the socket.
func (r *rig) serve(opt gateway.Options, ids *muster.IDs) {
	r.Helper()
	r.gw = gateway.New(opt)
	r.domain = app.NewDomain(r.cfg, r.store, r.gw.Events(), r.clock, ids, fmt.Sprint(ids.Next()), slog.New(slog.DiscardHandler))
	services := gateway.Services{
		Token: func(r *http.Request) string {
			if c, err := r.Cookie("muster"); err == nil {
				return c.Value
			}
			return ""
		},
		Accounts: r.domain.Accounts, Rooms: r.domain.Rooms, Groups: r.domain.Groups, Log: r.store.Log(),
		Enrolments: r.domain.Enrolments, Ended: r.store.Accounts().EndedSessions,
	}
	if r.services != nil {
		r.services(&services)
	}
	r.gw.Use(services)
	stopDomain := run(r.domain.Run)
	r.stop = run(r.gw.Run)
	r.http = httptest.NewUnstartedServer(r.gw)
	l, ok := r.http.Listener.(*net.TCPListener)
	if !ok {
		r.Fatal("the test server's listener is not TCP")
	}
	r.front = r.gw.Front(l)
	stopFront := run(r.front.Run)
	r.http.Listener = r.front
	r.http.Start()
	r.URL = r.http.URL
	r.awaitOpen()
	r.Cleanup(func() {
		for _, stop := range []func() error{r.stop, stopDomain} {
			if err := stop(); err != nil && !errors.Is(err, context.Canceled) {
				r.Errorf("the end: %v", err)
			}
		}
		r.http.Close()
		if err := stopFront(); err != nil {
			r.Errorf("the end of the front: %v", err)
		}
	})
}

// awaitOpen waits until the gateway takes connections.
func (r *rig) awaitOpen() {
	for begin := time.Now(); time.Since(begin) < patience; time.Sleep(time.Millisecond) {
		resp, err := r.http.Client().Get(r.URL)
		if err != nil {
			r.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusServiceUnavailable {
			return
		}
	}
	r.Fatal("the gateway does not open")
}

type logWriter struct{ r *rig }

func (w logWriter) Write(b []byte) (int, error) {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	w.r.logged = append(w.r.logged, string(b))
	return len(b), nil
}

// person is an account with a session.
type person struct {
	*rig
	id      muster.AccountID
	name    string
	token   string
	session muster.SessionID
}

// people makes accounts.
func (r *rig) people(names ...string) []person {
	r.Helper()
	ctx := context.Background()
	fresh := make([]account.NewAccount, len(names))
	for i, n := range names {
		fresh[i] = account.NewAccount{Name: n, Nickname: "Nick of " + n}
	}
	if _, _, err := r.domain.Accounts.EnsureAccounts(ctx, account.Operator, fresh); err != nil {
		r.Fatal(err)
	}
	out := make([]person, len(names))
	for i, n := range names {
		out[i] = r.session(n)
	}
	return out
}

// session opens another session of an account.
func (r *rig) session(name string) person {
	r.Helper()
	in, err := r.domain.Accounts.IssueSession(context.Background(), account.Operator, name, "test")
	if err != nil {
		r.Fatal(err)
	}
	return person{r, in.Account.ID, name, in.Token, in.Session.ID}
}

// crowd makes n people with names that begin with prefix.
func (r *rig) crowd(prefix string, n int) []person {
	r.Helper()
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s%04d", prefix, i)
	}
	return r.people(names...)
}

// group makes a group of the first person with the others as members.
func (r *rig) group(people ...person) muster.GroupID {
	r.Helper()
	g, err := r.domain.Groups.CreateGroup(context.Background(), people[0].id, "a group", "", 0)
	if err != nil {
		r.Fatal(err)
	}
	r.join(g.ID, people[0], people[1:]...)
	return g.ID
}

// fullGroups makes groups of all of the people, by enrolments of a roster.
func (r *rig) fullGroups(n int, people []person) []muster.GroupID {
	r.Helper()
	ctx := context.Background()
	room := r.channel(people[0], channel.Settings{})
	im, err := r.domain.Channels.Import(ctx, people[0].id, room, channel.ImportOptions{})
	if err != nil {
		r.Fatal(err)
	}
	lines := make([]channel.ImportLine, 0, len(people))
	for i, p := range people[1:] {
		lines = append(lines, channel.ImportLine{Line: int64(i), Account: p.name, Level: muster.Member})
	}
	if err := im.Add(ctx, lines); err != nil {
		r.Fatal(err)
	}
	var policies enrol.Policies
	policies[muster.Member] = enrol.Direct
	ids := make([]muster.GroupID, n)
	for i := range ids {
		ids[i] = r.group(people[0])
		job, err := r.domain.Enrolments.Start(ctx, people[0].id, enrol.Request{Group: ids[i], Channel: room, Policies: policies}, fmt.Sprint("key ", i))
		if err != nil {
			r.Fatal(err)
		}
		r.await("the enrolment", func() bool {
			job, err = r.domain.Enrolments.Get(ctx, people[0].id, job.ID)
			return err != nil || job.State == enrol.Done
		})
		if err != nil || int(job.Counts.Added) != len(lines) {
			r.Fatalf("the enrolment: %+v, %v", job, err)
		}
	}
	return ids
}

// join brings people into a group by an invitation that they accept.
func (r *rig) join(id muster.GroupID, admin person, people ...person) {
	r.Helper()
	ctx := context.Background()
	for len(people) > 0 {
		part := people[:min(len(people), 500)]
		people = people[len(part):]
		accounts := make([]muster.AccountID, len(part))
		for i, p := range part {
			accounts[i] = p.id
		}
		in, err := r.domain.Groups.Invite(ctx, admin.id, id, accounts, "")
		if err != nil {
			r.Fatal(err)
		}
		for _, a := range accounts {
			if _, err := r.domain.Enrolments.AnswerInvitation(ctx, a, in.Invitation, enrol.Accept); err != nil {
				r.Fatal(err)
			}
		}
	}
}

func (r *rig) channel(owner person, settings channel.Settings) muster.ChannelID {
	r.Helper()
	if settings.Name == "" {
		settings.Name = "a channel"
	}
	if settings.JoinPolicy == 0 {
		settings.JoinPolicy = channel.JoinOpen
	}
	v, err := r.domain.Channels.CreateChannel(context.Background(), owner.id, 0, settings)
	if err != nil {
		r.Fatal(err)
	}
	return v.ID
}

// conn is a live connection under test.
type conn struct {
	*client.Live
	t testing.TB
}

// dial connects in protobuf.
func (p person) dial() *conn { return p.dialAs(false) }

func (p person) dialAs(inJSON bool) *conn {
	p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	l, err := client.Dial(ctx, client.Options{URL: p.URL, Token: p.token, JSON: inJSON, Events: 1 << 16})
	if err != nil {
		p.Fatalf("%s dials: %v", p.name, err)
	}
	c := &conn{l, p.TB}
	p.Cleanup(func() { _ = l.Close() })
	return c
}

func deadline() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	_ = cancel // ends with the timeout
	return ctx
}

// next gives the next event.
func (c *conn) next() *musterv1.ServerFrame {
	c.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case f, ok := <-c.Events():
		if !ok {
			c.t.Fatalf("the connection ended: %v", c.Err())
		}
		return f
	case <-timer.C:
		c.t.Fatal("no event comes")
	}
	return nil
}

// until skips events until one that want takes.
func (c *conn) until(what string, want func(f *musterv1.ServerFrame) bool) *musterv1.ServerFrame {
	c.t.Helper()
	for {
		if f := c.next(); want(f) {
			return f
		}
	}
}

// sync is a request whose answer comes after every event that was queued before.
func (c *conn) barrier() {
	c.t.Helper()
	if _, err := c.Sync(deadline(), &musterv1.SyncRequest{MaxBytes: 1}); err != nil {
		c.t.Fatal(err)
	}
}

// waiting drains the events that have come.
func (c *conn) waiting() (list []*musterv1.ServerFrame) {
	for {
		select {
		case f, ok := <-c.Events():
			if !ok {
				return list
			}
			list = append(list, f)
		default:
			return list
		}
	}
}

// texts keeps what was said in a channel or sent to a group.
func texts(frames []*musterv1.ServerFrame) (list []string) {
	for _, f := range frames {
		switch {
		case f.GetChannelMessage() != nil:
			list = append(list, f.GetChannelMessage().GetText())
		case f.GetGroupMessage() != nil:
			list = append(list, f.GetGroupMessage().GetText())
		}
	}
	return list
}

func (c *conn) send(id muster.GroupID, text string) *musterv1.SendResponse {
	c.t.Helper()
	sent, err := c.Send(deadline(), &musterv1.SendRequest{GroupId: int64(id), ClientMessageId: client.NewMessageID(), Text: text})
	if err != nil {
		c.t.Fatalf("send %q: %v", text, err)
	}
	return sent
}

func (c *conn) enter(id muster.ChannelID) *musterv1.Entered {
	c.t.Helper()
	e, err := c.Enter(deadline(), id)
	if err != nil {
		c.t.Fatalf("enter: %v", err)
	}
	return e
}

func (c *conn) say(id muster.ChannelID, text string) int64 {
	c.t.Helper()
	said, err := c.Say(deadline(), id, text)
	if err != nil {
		c.t.Fatalf("say %q: %v", text, err)
	}
	return said.GetDelivered()
}

// ended waits for the end of the connection and gives its close code.
func (c *conn) ended() *client.ClosedError {
	c.t.Helper()
	select {
	case <-c.drained():
	case <-time.After(patience):
		c.t.Fatal("the connection does not end")
	}
	closed, ok := errors.AsType[*client.ClosedError](c.Err())
	if !ok {
		c.t.Fatalf("ended with %v", c.Err())
	}
	return closed
}

func (c *conn) drained() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range c.Events() { //nolint:revive // until it is closed
		}
		<-c.Done()
	}()
	return done
}
