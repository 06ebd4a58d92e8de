package cluster

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"muster/internal/bus"
	"muster/internal/bus/bustest"
)

// external runs a NATS server as one that is not ours; port 0 takes a free one.
func external(tb testing.TB, port int) (*server.Server, string) {
	tb.Helper()
	if port == 0 {
		port = server.RANDOM_PORT
	}
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true, NoSystemAccount: true, MaxPayload: bus.MaxPayload + headroom})
	if err != nil {
		tb.Fatal(err)
	}
	srv.Start()
	tb.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	if !srv.ReadyForConnections(startTimeout) {
		tb.Fatal("the external NATS server does not start")
	}
	return srv, srv.ClientURL()
}

func TestContractExternal(t *testing.T) {
	bustest.Run(t, func(t testing.TB) []bustest.Node {
		_, url := external(t, 0)
		_, a, _ := begin(t, Options{Node: "a", External: []string{url}})
		_, b, _ := begin(t, Options{Node: "b", External: []string{url}})
		return []bustest.Node{a, b}
	})
}

// TestOneSubscription holds the bus to one NATS subscription per subject, and
// to no goroutine for it.
func TestOneSubscription(t *testing.T) {
	const subjects, handlers = 200, 50
	srv, url := external(t, 0)
	b, _, _ := begin(t, Options{External: []string{url}})
	first, _ := bustest.Listen(t, b, "channel.first")
	bustest.MustPublish(t, b, "channel.first", "hello")
	first.Wait(t, 1)
	before := runtime.NumGoroutine()
	var subs []bus.Subscription
	for i := range subjects {
		for range handlers {
			sub, err := b.Subscribe("channel."+strconv.Itoa(i), func(string, []byte) {})
			if err != nil {
				t.Fatal(err)
			}
			subs = append(subs, sub)
		}
	}
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := srv.NumSubscriptions(); int(n) != subjects+1 {
		t.Errorf("%d NATS subscriptions for %d subjects with %d handlers each", n, subjects+1, handlers)
	}
	if n := runtime.NumGoroutine() - before; n > 20 {
		t.Errorf("%d subscriptions cost %d goroutines", len(subs), n)
	}
	for _, sub := range subs {
		sub.Unsubscribe()
	}
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := srv.NumSubscriptions(); n != 1 {
		t.Errorf("%d NATS subscriptions are left, want 1", n)
	}
}

// TestRestlessSubscribers has subscribers come and go while the courier is
// settling the very same subjects: in the end NATS knows of those who stayed.
func TestRestlessSubscribers(t *testing.T) {
	const subjects, rounds = 20, 300
	srv, url := external(t, 0)
	b, _, _ := begin(t, Options{External: []string{url}})
	var coming sync.WaitGroup
	for i := range subjects {
		coming.Go(func() {
			for range rounds {
				sub, err := b.Subscribe("channel."+strconv.Itoa(i), func(string, []byte) {})
				if err != nil {
					t.Error(err)
					return
				}
				if i%2 == 0 {
					runtime.Gosched()
				}
				sub.Unsubscribe()
			}
		})
	}
	coming.Wait()
	stays, _ := bustest.Listen(t, b, "channel.0")
	bustest.Eventually(t, "one subscription is left", func() bool {
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		return srv.NumSubscriptions() == 1
	})
	other, _, _ := begin(t, Options{External: []string{url}})
	bustest.Link(t, other, stays)
}

// TestServerComesAndGoes starts the nodes before the external server, stops and
// restarts it: nodes hear themselves all the time and each other when it is
// there, and nothing is sent late.
func TestServerComesAndGoes(t *testing.T) {
	port := freePort(t)
	nodes := make([]*Bus, 2)
	for i := range nodes {
		b, err := New(Options{External: []string{"nats://127.0.0.1:" + strconv.Itoa(port)}, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		nodes[i] = b
	}
	a, b := nodes[0], nodes[1]
	here, _ := bustest.Listen(t, a, "channel.1")
	there, _ := bustest.Listen(t, b, "channel.1")
	bustest.MustPublish(t, a, "channel.1", "before")
	here.Wait(t, 1)

	// bustest.Start waits for the server, so that comes a little later.
	var starting sync.WaitGroup
	starting.Go(func() { bustest.Start(t, a) })
	starting.Go(func() { bustest.Start(t, b) })
	bustest.Eventually(t, "the nodes try", func() bool { return a.connection() != nil && b.connection() != nil })
	if a.Connected() {
		t.Error("connected without a server")
	}
	srv, _ := external(t, port)
	starting.Wait()
	bustest.Link(t, a, there)

	srv.Shutdown()
	srv.WaitForShutdown()
	bustest.Eventually(t, "the nodes notice", func() bool { return !a.Connected() && !b.Connected() })
	before := a.Stats().Dropped
	for i := range 100 {
		bustest.MustPublish(t, a, "channel.1", "cut off "+strconv.Itoa(i))
	}
	here.Wait(t, 101)
	if err := a.Flush(t.Context()); err != nil {
		t.Errorf("Flush without a connection: %v", err)
	}
	if n := a.Stats().Dropped - before; n != 100 {
		t.Errorf("%d publications counted as dropped, want 100", n)
	}
	if _, err := a.Request(t.Context(), "roster.1", nil); !errors.Is(err, bus.ErrNoResponder) {
		t.Errorf("a request without a connection: %v", err)
	}

	external(t, port)
	bustest.Link(t, a, there)
	bustest.Link(t, b, here)
	bustest.MustPublish(t, a, "channel.1", "again")
	if got := there.Wait(t, 1); !slices.Equal(got, []string{"again"}) {
		t.Errorf("the other node hears %q: what was published without a connection came late", got)
	}
}

// TestNothingIsKeptForLater publishes before the bus runs: the other nodes must
// not hear it afterwards.
func TestNothingIsKeptForLater(t *testing.T) {
	_, url := external(t, 0)
	b, _, _ := begin(t, Options{External: []string{url}})
	there, _ := bustest.Listen(t, b, "channel.1")
	a, err := New(Options{External: []string{url}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	bustest.MustPublish(t, a, "channel.1", "early")
	if n := a.Stats().Dropped; n != 1 {
		t.Errorf("%d publications counted as dropped, want 1", n)
	}
	bustest.Start(t, a)
	bustest.Link(t, a, there)
	if got := there.Heard(t); len(got) != 0 {
		t.Errorf("the other node hears %q", got)
	}
}

// TestStalledNetwork freezes the connection without closing it: Publish and
// Subscribe go on, and what the others miss is counted.
func TestStalledNetwork(t *testing.T) {
	_, url := external(t, 0)
	p := newProxy(t, url[len("nats://"):])
	a, _, _ := begin(t, Options{Node: "a", External: []string{"nats://" + p.listener.Addr().String()}})
	b, _, _ := begin(t, Options{Node: "b", External: []string{url}})
	here, _ := bustest.Listen(t, a, "channel.1")
	there, _ := bustest.Listen(t, b, "channel.1")
	bustest.Link(t, a, there)

	p.freeze()
	const many = 3000
	payload := make([]byte, 64<<10)
	for i := range many {
		copy(payload, strconv.Itoa(i)+" ")
		if err := a.Publish("channel.1", slices.Clone(payload)); err != nil {
			t.Fatal(err)
		}
		here.Wait(t, i+1)
		sub, err := a.Subscribe("channel."+strconv.Itoa(i), func(string, []byte) {})
		if err != nil {
			t.Fatal(err)
		}
		sub.Unsubscribe()
	}
	if a.Stats().Dropped == 0 {
		t.Errorf("%d MiB went into a connection that takes nothing", many>>4)
	}
	p.thaw()
	bustest.Link(t, a, there)
}

// TestStranger has somebody else publish on our prefix.
func TestStranger(t *testing.T) {
	_, url := external(t, 0)
	b, _, _ := begin(t, Options{External: []string{url}})
	e, _ := bustest.Listen(t, b, "channel.1")
	sub, err := b.Respond("roster.1", func(context.Context, string, []byte) []byte { return []byte("echo") })
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request := nats.NewMsg("muster.req.roster.1")
	request.Header.Set(headerTimeout, "soon")
	for _, m := range []*nats.Msg{
		{Subject: "muster.req.roster.1"}, // nowhere to answer to
		{Subject: "muster.pub.channel.2"},
		{Subject: "muster.pub.channel.1", Reply: "muster.pub.channel.1", Data: []byte("hello")},
	} {
		if err := conn.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	if got := e.Wait(t, 1); !slices.Equal(got, []string{"hello"}) {
		t.Errorf("heard %q", got)
	}
	if reply, err := conn.RequestMsg(request, startTimeout); err != nil || string(reply.Data) != "echo" {
		t.Errorf("a request with a wrong timeout: %v, %v", reply, err)
	}
}

// proxy passes a TCP connection on, until it is frozen.
type proxy struct {
	listener net.Listener
	target   string
	gate     sync.RWMutex // held while frozen
	passing  sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

func newProxy(t *testing.T, target string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target}
	p.passing.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		for _, c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		p.passing.Wait()
	})
	return p
}

func (p *proxy) accept() {
	for {
		from, err := p.listener.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", p.target)
		if err != nil {
			from.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, from, to)
		p.mu.Unlock()
		p.passing.Go(func() { p.pass(from, to) })
		p.passing.Go(func() { p.pass(to, from) })
	}
}

func (p *proxy) pass(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		p.gate.RLock()
		if n > 0 && err == nil {
			_, err = to.Write(buffer[:n])
		}
		p.gate.RUnlock()
		if err != nil {
			return
		}
	}
}

func (p *proxy) freeze() { p.gate.Lock() }
func (p *proxy) thaw()   { p.gate.Unlock() }

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := splitAddr(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
