package engine

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Options of an engine. The zero value of a field is its default.
type Options struct {
	// JSON turns an encoded message into its form in JSON. It has no default.
	JSON func(message []byte) ([]byte, error)
	// MaxMessage bounds a client's message in bytes; 64 KiB.
	MaxMessage int
	// Queue bounds the publications that wait for one connection, in bytes; 256
	// KiB.
	Queue int
	// Private bounds what waits for one connection in all, in bytes; 16 MiB.
	Private int
	// Total bounds what waits for all connections together, in bytes; beyond it
	// the slow ones get a smaller share. 512 MiB.
	Total int64
	// Idle is the silence after which a client is pinged; after as long again it
	// is cut off. 30 seconds.
	Idle time.Duration
	// WriteTimeout cuts off a client that takes nothing for so long; 30 seconds.
	WriteTimeout time.Duration
	// Linger is how long a goodbye may take; 1 second.
	Linger time.Duration
	// Loops is how many event loops there are; 0: half as many as processors. Let
	// GOMAXPROCS be greater than this.
	Loops int
	// Log bounds what one loop keeps of one topic for those who are behind, in
	// bytes; 4 MiB. A topic of few connections has Queue.
	Log int
	// Tick is how long a busy loop puts publications together at most; 25 ms.
	Tick time.Duration
}

func (o Options) withDefaults() Options {
	setDefault(&o.MaxMessage, 64<<10)
	setDefault(&o.Queue, 256<<10)
	setDefault(&o.Private, 16<<20)
	setDefault(&o.Total, 512<<20)
	setDefault(&o.Idle, 30*time.Second)
	setDefault(&o.WriteTimeout, 30*time.Second)
	setDefault(&o.Linger, time.Second)
	setDefault(&o.Log, 4<<20)
	setDefault(&o.Tick, 25*time.Millisecond)
	return o
}

func setDefault[T ~int | ~int64](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// shards is how many parts the tables of topics and connections have. A power
// of two.
const shards = 64

// Threads is the engine with one reading goroutine for each connection, and one
// writing goroutine for each that something waits for. It works on every
// net.Conn, TLS included.
//
// Lock order: topic, then connection.
type Threads struct {
	opt    Options
	nextID atomic.Uint64
	// tick counts quarters of Options.Idle.
	tick atomic.Uint32

	topics [shards]topicShard
	conns  [shards]connShard
	// readers and writers are the goroutines of connections.
	readers, writers sync.WaitGroup

	stopMu  sync.RWMutex
	stopped bool

	count     atomic.Int64
	stalled   atomic.Int64 // connections that have missed something and not been told
	queued    atomic.Int64
	delivered atomic.Uint64
	missed    atomic.Uint64
}

type topicShard struct {
	mu sync.RWMutex
	m  map[Topic]*topic
}

type connShard struct {
	mu sync.Mutex
	m  map[uint64]*conn
}

// topic is one with subscribers.
type topic struct {
	mu   sync.Mutex
	subs []*sub
	// gone: it is not in the table any more.
	gone bool
}

// sub is one connection's subscription to one topic.
type sub struct {
	conn *conn
	key  Topic
	at   int // in topic.subs

	after uint64 // topic.mu: the number of the last publication
	// conn.mu: what was missed and not yet told.
	missed, last uint64
}

type connState uint8

const (
	open connState = iota
	// closing: a goodbye is queued or sent; what comes in is thrown away.
	closing
	// ended: the socket is closed.
	ended
)

var _ Engine = (*Threads)(nil)

// NewThreads makes an engine.
func NewThreads(opt Options) *Threads {
	e := &Threads{opt: opt.withDefaults()}
	for i := range shards {
		e.topics[i].m = make(map[Topic]*topic)
		e.conns[i].m = make(map[uint64]*conn)
	}
	return e
}

// Attach implements [Engine].
func (e *Threads) Attach(nc net.Conn, early []byte, enc Encoding, bind func(Conn) Handler) error {
	e.stopMu.RLock()
	defer e.stopMu.RUnlock()
	if e.stopped {
		_ = nc.Close()
		return ErrStopped
	}
	tune(nc)
	c := newConn(e, nc, enc)
	shard := e.shardOf(c.id)
	shard.mu.Lock()
	shard.m[c.id] = c
	shard.mu.Unlock()
	e.count.Add(1)
	c.handler = bind(c)
	e.readers.Go(func() { c.read(early) })
	return nil
}

func (e *Threads) shardOf(id uint64) *connShard { return &e.conns[id%shards] }

func (e *Threads) topicShard(t Topic) *topicShard { return &e.topics[shardOf(t)] }

// shardOf is the part of a table that a topic is in.
func shardOf(t Topic) uint64 {
	// The low bits of an id count within a millisecond: mix before taking some.
	return (uint64(t.ID) * 0x9E3779B97F4A7C15) >> 58 % shards //nolint:gosec // a hash
}

// forget takes an ended connection out of the table.
func (e *Threads) forget(c *conn) {
	shard := e.shardOf(c.id)
	shard.mu.Lock()
	delete(shard.m, c.id)
	shard.mu.Unlock()
	e.count.Add(-1)
}

// Publish implements [Engine].
func (e *Threads) Publish(t Topic, number uint64, f *Frame) {
	shard := e.topicShard(t)
	shard.mu.RLock()
	tp := shard.m[t]
	shard.mu.RUnlock()
	if tp == nil {
		return
	}
	delivered := uint64(0)
	tp.mu.Lock()
	for _, s := range tp.subs {
		if number != 0 {
			if number <= s.after {
				continue
			}
			s.after = number
		}
		if s.conn.push(s, number, f.bytes(s.conn.enc, e.opt.JSON), f.urgent) {
			delivered++
		}
	}
	tp.mu.Unlock()
	e.delivered.Add(delivered)
}

// subscribe puts a connection into a topic; false: it is there.
func (e *Threads) subscribe(c *conn, t Topic, after uint64) {
	s := &sub{conn: c, key: t, after: after}
	if !c.addSub(s) {
		return
	}
	for {
		shard := e.topicShard(t)
		shard.mu.Lock()
		tp := shard.m[t]
		if tp == nil {
			tp = &topic{}
			shard.m[t] = tp
		}
		shard.mu.Unlock()
		tp.mu.Lock()
		if !tp.gone {
			s.at = len(tp.subs)
			tp.subs = append(tp.subs, s)
			tp.mu.Unlock()
			break
		}
		tp.mu.Unlock()
	}
	if !c.hasSub(s) { // the connection ended meanwhile
		e.remove(s)
	}
}

// remove takes a subscription out of its topic. Removing one twice does nothing.
func (e *Threads) remove(s *sub) {
	shard := e.topicShard(s.key)
	shard.mu.RLock()
	tp := shard.m[s.key]
	shard.mu.RUnlock()
	if tp == nil {
		return
	}
	tp.mu.Lock()
	if s.at < len(tp.subs) && tp.subs[s.at] == s {
		last := len(tp.subs) - 1
		tp.subs[s.at] = tp.subs[last]
		tp.subs[s.at].at = s.at
		tp.subs[last] = nil
		tp.subs = tp.subs[:last]
	}
	empty := len(tp.subs) == 0
	tp.mu.Unlock()
	if empty {
		e.sweep(s.key, tp)
	}
}

// sweep forgets a topic that nobody is subscribed to.
func (e *Threads) sweep(t Topic, tp *topic) {
	shard := e.topicShard(t)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	tp.mu.Lock()
	defer tp.mu.Unlock()
	if len(tp.subs) == 0 && shard.m[t] == tp {
		tp.gone = true
		delete(shard.m, t)
	}
}

// Stats implements [Engine].
func (e *Threads) Stats() Stats {
	return Stats{
		Connections: e.count.Load(), Stalled: e.stalled.Load(), Queued: e.queued.Load(),
		Delivered: e.delivered.Load(), Missed: e.missed.Load(),
	}
}

// quarters of Options.Idle after which a silent client is pinged and cut off.
const (
	pingAfter = 4
	cutAfter  = 8
)

// Run implements [Engine].
func (e *Threads) Run(ctx context.Context) error {
	ticker := time.NewTicker(max(e.opt.Idle/pingAfter, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return e.stop()
		case <-ticker.C:
			tick := e.tick.Add(1)
			e.each(func(c *conn) {
				switch age := tick - c.seen.Load(); {
				case c.busy.Load():
				case age >= cutAfter:
					c.cut(ErrSilent)
				case age == pingAfter:
					c.control(appendFrame(nil, opPing, nil))
				}
			})
		}
	}
}

// stop ends every connection.
func (e *Threads) stop() error {
	e.stopMu.Lock()
	e.stopped = true
	e.stopMu.Unlock()

	done := make(chan struct{})
	go func() { // ends with the goroutines of connections
		e.readers.Wait()
		e.writers.Wait()
		close(done)
	}()
	e.each(func(c *conn) {
		if !c.closing() {
			c.cut(ErrStopped)
		}
	})
	select {
	case <-done:
		return nil
	case <-time.After(2 * e.opt.Linger):
	}
	e.each(func(c *conn) { c.cut(ErrStopped) })
	select {
	case <-done:
		return nil
	case <-time.After(5 * time.Second):
		return errors.New("engine: a connection's handler still runs after the stop")
	}
}

// each calls fn for every connection.
func (e *Threads) each(fn func(c *conn)) {
	var batch []*conn
	for i := range e.conns {
		shard := &e.conns[i]
		batch = batch[:0]
		shard.mu.Lock()
		for _, c := range shard.m {
			batch = append(batch, c)
		}
		shard.mu.Unlock()
		for _, c := range batch {
			fn(c)
		}
	}
}
