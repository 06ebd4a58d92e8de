// Package gateway is the live socket: GET /live, a WebSocket whose frames are
// messages of proto/muster/v1/live.proto. It signs clients in, hands their
// frames to the domain services, and brings what happens to everybody who is
// online here: channel messages to who is in the room, group messages to the
// members, enrolments' progress and invitations to the people concerned.
//
// The package moves nothing by itself: sockets, queues and fan-out are an
// [engine.Engine]'s. It keeps for each group with somebody online here the last
// seq that was delivered, so that what the bus loses or turns around is read from
// the log first: a connection's pushes have no gaps. DESIGN.md beside this file
// explains it, docs/protocol.md is for the authors of clients.
//
// Limits: one message to the server is at most Options.MaxFrame bytes, a
// connection has at most Options.InFlight frames under way, and waits at most
// for Options.WriteQueue bytes of pushes. Everything that grows has a bound.
package gateway

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"muster"
	"muster/internal/gateway/engine"
	"muster/internal/wire"
)

// Options are what a Gateway is made of. Bus, Clock and Log are needed; the zero
// value of the others is their default.
type Options struct {
	Bus Bus
	// Shared says that the bus reaches other nodes.
	Shared bool
	Clock  muster.Clock
	Log    *slog.Logger
	// Engine moves the frames; nil: one of EngineKind ("": engine.KindAuto) with
	// the options below.
	Engine     engine.Engine
	EngineKind engine.Kind

	// Origins are those of web pages that may connect, beside the server's own
	// ("https://chat.example.org").
	Origins []string
	// MaxFrame bounds a client's frame in bytes; 64 KiB.
	MaxFrame int
	// MessagesPerSecond and Burst bound the frames of one connection; 20, 100.
	MessagesPerSecond float64
	Burst             int
	// HelloTimeout is how long a connection may take to say who it is; 5 s.
	HelloTimeout time.Duration
	// IdlePing is the silence after which a client is pinged; 30 s.
	IdlePing time.Duration
	// WriteQueue bounds the pushes that wait for one slow client; 256 KiB.
	WriteQueue int
	// HandshakesPerSecond bounds new connections, HandshakeBurst those that may
	// come at once after a while without any; 0: no bound, and as many as in a
	// second.
	HandshakesPerSecond, HandshakeBurst int
	// MaxHellos bounds the connections whose hello is being looked at; 1,024.
	MaxHellos int
	// InFlight bounds the frames of one connection that are being worked on;
	// then no more are read. 64.
	InFlight int
	// PerAccount bounds the connections of one account; 100.
	PerAccount int
	// MaxGroupText and MaxChannelText are told to clients, in bytes.
	MaxGroupText, MaxChannelText int
	// SweepEvery is how often what the bus may have lost is looked for; 500 ms.
	SweepEvery time.Duration
	// CountEvery is how often nodes tell each other how many people are in their
	// rooms; 1 s. What is not told for as long as countLife times that is
	// forgotten.
	CountEvery time.Duration
	// StopGrace is how long frames under way may take when the server stops; 3 s.
	StopGrace time.Duration
}

func (o Options) withDefaults() Options {
	setDefault(&o.MaxFrame, 64<<10)
	setDefault(&o.MessagesPerSecond, 20)
	setDefault(&o.Burst, 100)
	setDefault(&o.HelloTimeout, 5*time.Second)
	setDefault(&o.IdlePing, 30*time.Second)
	setDefault(&o.WriteQueue, 256<<10)
	setDefault(&o.InFlight, 64)
	setDefault(&o.PerAccount, 100)
	setDefault(&o.MaxHellos, 1024)
	setDefault(&o.HandshakeBurst, o.HandshakesPerSecond)
	setDefault(&o.MaxGroupText, 16<<10)
	setDefault(&o.MaxChannelText, 4096)
	setDefault(&o.SweepEvery, 500*time.Millisecond)
	setDefault(&o.CountEvery, time.Second)
	setDefault(&o.StopGrace, 3*time.Second)
	if o.Engine == nil {
		kind := o.EngineKind
		if kind == "" {
			kind = engine.KindAuto
		}
		o.Engine = engine.New(kind, engine.Options{
			JSON: wire.FramesJSON, MaxMessage: o.MaxFrame, Queue: o.WriteQueue, Idle: o.IdlePing,
		})
	}
	return o
}

func setDefault[T int | float64 | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// Gateway serves the live socket; it is an http.Handler. Safe for concurrent
// use.
type Gateway struct {
	opt    Options
	svc    Services
	engine engine.Engine
	bare   bareEngine // the same; nil: it takes no descriptors
	events *Events
	// node tells this process's publications on the bus from others'.
	node uint64
	made time.Time

	// handshakes lets connections in; farewells bounds those that are taken in
	// only to be told to come later.
	handshakes, farewells *admission
	hellos                atomic.Int64 // under way
	origins               map[string]bool
	stopping              atomic.Bool

	dir      directory
	known    known
	groups   groupTable
	rooms    roomTable
	counts   counts
	outbox   outbox
	settlers [settlerCount]settler
	news     newsroom

	// life ends with the gateway; domain calls of clients run under it.
	life context.Context
	end  context.CancelFunc
	// tasks are goroutines that Run waits for; none begins once it has ended.
	tasks    sync.WaitGroup
	tasksMu  sync.RWMutex
	ended    bool
	inFlight atomic.Int64
	// syncs bounds the answers to sync and history that are being made.
	syncs chan struct{}

	sent, said atomic.Uint64
}

// maxSyncs is how many answers to sync and history are made at a time.
const maxSyncs = 16

// New makes a Gateway that takes nobody in before Use and Run. Its Events can be
// used at once.
func New(opt Options) *Gateway {
	g := &Gateway{opt: opt.withDefaults(), node: rand.Uint64(), syncs: make(chan struct{}, maxSyncs)}
	g.engine, g.made = g.opt.Engine, g.opt.Clock.Now()
	g.bare, _ = g.opt.Engine.(bareEngine)
	g.events = &Events{g}
	g.life, g.end = context.WithCancel(context.Background())
	late := func() time.Duration { return g.engine.Stats().Late }
	g.handshakes = newAdmission(g.opt.HandshakesPerSecond, g.opt.HandshakeBurst, late)
	g.farewells = newAdmission(g.opt.HandshakesPerSecond, g.opt.HandshakeBurst, late)
	g.origins = make(map[string]bool, len(opt.Origins))
	for _, o := range opt.Origins {
		g.origins[canonicalOrigin(o)] = true
	}
	g.dir.init()
	g.groups.init(g)
	g.rooms.init(g)
	g.counts.init(g)
	g.outbox.init(g)
	for i := range g.settlers {
		g.settlers[i].init(g)
	}
	g.news.init(g)
	g.stopping.Store(true) // until Run
	return g
}

// Use gives the gateway the services behind it. It is called once, before Run:
// the services are told of the gateway first, because it is their Events.
func (g *Gateway) Use(svc Services) { g.svc = svc }

// millis is the time since the gateway was made, in milliseconds and at least 1.
func (g *Gateway) millis() int64 { return g.opt.Clock.Now().Sub(g.made).Milliseconds() + 1 }

// Events is what tells the gateway what happened.
func (g *Gateway) Events() *Events { return g.events }

// Stats are figures of one moment; those after People count since the start.
type Stats struct {
	// Connections are those that have said who they are.
	Connections int
	// People are their accounts.
	People int
	// Sent and Said are group and channel messages taken from clients here.
	Sent, Said uint64
	// Admitted and Refused are handshakes that were let in, and connections that
	// were asked to come later because too many came at once.
	Admitted, Refused uint64
	// Engine is what the engine counts.
	Engine engine.Stats
}

// Stats tells figures.
func (g *Gateway) Stats() Stats {
	conns, people := g.dir.count()
	return Stats{
		Connections: conns, People: people, Sent: g.sent.Load(), Said: g.said.Load(),
		Admitted: g.handshakes.admitted.Load(), Refused: g.handshakes.refused.Load(), Engine: g.engine.Stats(),
	}
}

// Run serves until ctx ends. Then it stops in two steps: it takes no more
// connections and frames and lets those under way come to their end, tells every
// client to come back a little later, each at another moment, and closes. It is
// called once.
func (g *Gateway) Run(ctx context.Context) error {
	sub, err := g.opt.Bus.Subscribe(peopleSubject, g.hearPeople)
	if err != nil {
		return err
	}
	defer sub()
	if g.opt.Shared {
		unsub, err := g.opt.Bus.Subscribe(countsSubject, g.counts.hear)
		if err != nil {
			return err
		}
		defer unsub()
	}
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	work, ctxWork := errgroup.WithContext(inner)
	work.Go(func() error { return g.engine.Run(ctxWork) })
	work.Go(func() error { return g.outbox.run(ctxWork) })
	work.Go(func() error { return g.news.run(ctxWork) })
	work.Go(func() error { return g.sweep(ctxWork) })
	if g.opt.Shared {
		work.Go(func() error { return g.counts.run(ctxWork) })
	}
	for i := range g.settlers {
		work.Go(func() error { return g.settlers[i].run(ctxWork) })
	}
	g.stopping.Store(false)
	select {
	case <-ctx.Done():
		g.sayGoodbye()
	case <-ctxWork.Done():
		g.stopping.Store(true)
	}
	// Nobody waits any longer for what is still under way: a handler that does
	// would hold up the engine's end.
	g.end()
	stop()
	err = work.Wait()
	g.tasksMu.Lock()
	g.ended = true
	g.tasksMu.Unlock()
	g.tasks.Wait()
	return err
}

// spawn runs fn beside; false: the gateway has ended, and fn is not run.
func (g *Gateway) spawn(fn func()) bool {
	g.tasksMu.RLock()
	defer g.tasksMu.RUnlock()
	if g.ended {
		return false
	}
	g.tasks.Go(fn)
	return true
}

// returnAfter and returnWithin spread the return of the clients of a server that
// restarts.
const (
	returnAfter  = 500 * time.Millisecond
	returnWithin = 3 * time.Second
)

// sayGoodbye is the first step of the stop.
func (g *Gateway) sayGoodbye() {
	g.stopping.Store(true)
	grace, cancel := context.WithTimeout(context.Background(), g.opt.StopGrace)
	defer cancel()
	await(grace, func() bool { return g.inFlight.Load() == 0 })
	for _, s := range g.dir.all() {
		s.close(closeRestart, returnAfter+rand.N(returnWithin))
	}
	await(grace, func() bool { return g.engine.Stats().Connections == 0 })
}

// await waits until cond holds or ctx ends.
func await(ctx context.Context, cond func() bool) {
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
	}
}
