// Package cluster is the bus of several nodes: the bus of package local on each
// node, and core NATS between them.
//
// What a node publishes reaches its own subscribers directly and the other
// nodes through NATS; what comes from the others is put on the local bus. So
// this node's people hear each other at full speed, and when NATS is slow or
// away too. The NATS connection has one subscription per subject with a
// subscriber here, however many there are, and no goroutine for it.
//
// NATS is either embedded, with routes between the nodes and no port for
// clients, or an external cluster. The connection to an external one is tried
// again for ever, with jitter; what is published meanwhile is lost for the other
// nodes and counted, never sent later: a channel message must not reach people
// who came in after it. JetStream is not used. A NATS message may be lost
// unseen, when a server cuts off a client that cannot keep up.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"muster/internal/bus"
	"muster/internal/bus/local"
)

const (
	// inboxLength bounds what has come from NATS and is not on the local bus
	// yet, over all subjects. Putting it there never waits.
	inboxLength = 1 << 13
	// stopTimeout is how long a stopping node waits for the network, once
	// before and once after its handlers and responders come to their end.
	stopTimeout = 2 * time.Second
)

// Bus is the bus of one node of a cluster. See [bus.Bus] for the contract.
type Bus struct {
	opts  Options
	local *local.Bus
	out   *outbox
	inbox chan *nats.Msg
	ready chan struct{}
	// publications and requests are the prefixes of NATS subjects.
	publications, requests string

	// answering counts goroutines that work on requests of other nodes.
	answering sync.WaitGroup

	mu   sync.Mutex
	srv  *server.Server // nil before Run and with an external NATS
	conn *nats.Conn     // nil before Run
}

var _ bus.Bus = (*Bus)(nil)

// New makes the bus of a node. It checks the options and starts nothing.
func New(o Options) (*Bus, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	return &Bus{
		opts:         o,
		local:        local.New(),
		out:          newOutbox(),
		inbox:        make(chan *nats.Msg, inboxLength),
		ready:        make(chan struct{}),
		publications: o.Prefix + ".pub.",
		requests:     o.Prefix + ".req.",
	}, nil
}

// Publish implements [bus.Bus].
func (b *Bus) Publish(subject string, payload []byte) error {
	if err := b.local.Publish(subject, payload); err != nil {
		return err
	}
	b.out.publish(b.publications+subject, payload)
	return nil
}

// Subscribe implements [bus.Bus].
func (b *Bus) Subscribe(subject string, h bus.Handler) (bus.Subscription, error) {
	here, err := b.local.Subscribe(subject, h)
	if err != nil {
		return nil, err
	}
	return b.join(here, b.publications+subject, false), nil
}

// Respond implements [bus.Bus].
func (b *Bus) Respond(subject string, r bus.Responder) (bus.Subscription, error) {
	here, err := b.local.Respond(subject, r)
	if err != nil {
		return nil, err
	}
	return b.join(here, b.requests+subject, true), nil
}

// join makes a subscription on this node one in the cluster.
func (b *Bus) join(here bus.Subscription, subject string, respond bool) bus.Subscription {
	b.out.change(subject, respond, 1)
	return &subscription{here: here, leave: sync.OnceFunc(func() { b.out.change(subject, respond, -1) })}
}

// Flush implements [bus.Bus]. While there is no connection, it waits for this
// node's handlers only: nothing is kept for the other nodes.
func (b *Bus) Flush(ctx context.Context) error {
	if err := b.local.Flush(ctx); err != nil {
		return err
	}
	return b.handOver(ctx)
}

// handOver waits until the server has taken what is in the outbox.
func (b *Bus) handOver(ctx context.Context) error {
	mark := b.out.mark()
	if mark == nil {
		return nil
	}
	select {
	case <-mark:
	case <-ctx.Done():
		return fmt.Errorf("cluster: flush: %w", context.Cause(ctx))
	}
	return flush(ctx, b.connection())
}

// flush waits until the server has taken what was written to it.
func flush(ctx context.Context, conn *nats.Conn) error {
	if !conn.IsConnected() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, bus.RequestTimeout) // NATS insists on a deadline
	defer cancel()
	if err := conn.FlushWithContext(ctx); err != nil && conn.IsConnected() {
		return fmt.Errorf("cluster: flush: %w", err)
	}
	return nil
}

// Stats implements [bus.Bus].
func (b *Bus) Stats() bus.Stats {
	s := b.local.Stats()
	s.Dropped += b.out.drops()
	return s
}

// Ready implements [bus.Bus]: it is closed when this node has connected to its
// embedded server, or for the first time to an external one.
func (b *Bus) Ready() <-chan struct{} { return b.ready }

// Connected says whether this node is connected to its server now. With an
// embedded one it always is, whatever the routes do.
func (b *Bus) Connected() bool {
	conn := b.connection()
	return conn != nil && conn.IsConnected()
}

// Peers is how many other nodes the embedded server is connected to; 0 with an
// external one.
func (b *Bus) Peers() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.srv == nil {
		return 0
	}
	return b.srv.NumRemotes()
}

// RouteAddr is where the embedded server listens for other nodes, or nil.
func (b *Bus) RouteAddr() net.Addr {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.srv == nil {
		return nil
	}
	if addr := b.srv.ClusterAddr(); addr != nil {
		return addr
	}
	return nil
}

func (b *Bus) connection() *nats.Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.conn
}

// Run implements [bus.Bus]. It returns an error when the embedded server cannot
// start or when the connection is closed for good.
func (b *Bus) Run(ctx context.Context) error {
	var here, courier, receiver sync.WaitGroup
	defer here.Wait()
	localCtx, stopLocal := context.WithCancel(context.Background())
	defer stopLocal()
	var localErr error
	here.Go(func() { localErr = b.local.Run(localCtx) })

	closed := make(chan error, 1)
	conn, disconnect, err := b.connect(ctx, closed)
	if err != nil {
		return err
	}
	defer disconnect()
	stopCourier, stopReceiver := make(chan struct{}), make(chan struct{})
	b.out.setOpen(true)
	courier.Go(func() { b.courier(conn, stopCourier) })
	receiver.Go(func() { b.receive(stopReceiver) })

	select {
	case <-ctx.Done():
	case err = <-closed:
	}

	// First requests of other nodes go elsewhere; then nothing new is taken
	// here, and what is under way comes to its end; then the network gets what
	// is left for it, if it can take it.
	b.out.endResponders()
	b.tryFor(stopTimeout, b.handOver)
	stopLocal()
	here.Wait()
	close(stopReceiver)
	receiver.Wait()
	b.answering.Wait()
	b.out.setOpen(false)
	close(stopCourier)
	courier.Wait()
	b.tryFor(stopTimeout, func(ctx context.Context) error { return flush(ctx, conn) })
	return errors.Join(err, localErr)
}

// tryFor does a step of the stop that the network may not allow.
func (b *Bus) tryFor(most time.Duration, step func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	if err := step(ctx); err != nil {
		b.opts.Logger.Warn("bus: the network does not take the last publications", "error", err)
	}
}

// courier writes what is in the outbox to the connection.
func (b *Bus) courier(conn *nats.Conn, stop <-chan struct{}) {
	var buffer []outgoing
	for stopped := false; !stopped; {
		select {
		case <-b.out.wake:
		case <-stop:
			stopped = true
		}
		buffer = b.carry(conn, buffer)
	}
}

// carry empties the outbox once, and gives a buffer for the next time.
func (b *Bus) carry(conn *nats.Conn, buffer []outgoing) []outgoing {
	items, changed := b.out.take(buffer)
	for _, i := range changed {
		err := b.out.settle(i, func(i *interest) (*nats.Subscription, error) { return b.listen(conn, i) })
		if err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
			b.opts.Logger.Error("bus: a subject cannot be subscribed to", "subject", i.subject, "error", err)
		}
	}
	lost := 0
	for _, it := range items {
		if it.mark != nil {
			close(it.mark)
		} else if err := conn.Publish(it.subject, it.payload); err != nil {
			lost++
		}
	}
	if lost > 0 {
		b.out.lost(lost)
	}
	clear(items)
	if cap(items) > outboxLength/8 {
		return nil // the buffer of a burst
	}
	return items
}

// listen tells NATS that this node wants to hear a subject.
func (b *Bus) listen(conn *nats.Conn, i *interest) (*nats.Subscription, error) {
	if i.respond {
		// One node of those that respond gets a request.
		return conn.ChanQueueSubscribe(i.subject, "responders", b.inbox)
	}
	return conn.ChanSubscribe(i.subject, b.inbox)
}

// receive puts what comes from the other nodes on the local bus.
func (b *Bus) receive(stop <-chan struct{}) {
	for {
		select {
		case m := <-b.inbox:
			b.take(m)
			continue
		default:
		}
		select { // nothing is left to take
		case m := <-b.inbox:
			b.take(m)
		case <-stop:
			return
		}
	}
}

func (b *Bus) take(m *nats.Msg) {
	if subject, ok := strings.CutPrefix(m.Subject, b.publications); ok {
		// It is refused only when the bus has stopped, or when a stranger uses
		// our prefix.
		_ = b.local.Deliver(subject, m.Data)
	} else if subject, ok := strings.CutPrefix(m.Subject, b.requests); ok {
		b.answer(subject, m)
	}
}
