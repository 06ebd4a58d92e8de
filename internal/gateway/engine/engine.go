// Package engine moves frames between WebSockets (RFC 6455) and the gateway. It
// owns the sockets after their handshake and knows neither accounts nor groups:
// a connection subscribes to topics, a frame is published to a topic once, and
// the engine brings it to every connection that is there.
//
// [Engine] is the contract; package enginetest holds every implementation to it.
// [NewThreads] is the one with a goroutine for each connection. The contract is
// made so that an event loop can keep one log of frames for each topic, in which
// a connection is nothing but a position. [New] chooses.
package engine

import (
	"context"
	"errors"
	"net"
	"time"
)

// Encoding is how a connection's frames are written.
type Encoding uint8

// The encodings.
const (
	// Proto is protobuf in binary messages.
	Proto Encoding = iota
	// JSON is JSON in text messages.
	JSON
)

// Lane says what happens to a connection that does not keep up with a topic.
type Lane uint8

// The lanes.
const (
	// Live topics go on without what the connection missed; it is told how much
	// that was.
	Live Lane = iota + 1
	// Log topics go on as well, and the connection is told up to where it has
	// to fetch.
	Log
)

// Topic is what frames are published to and connections subscribe to.
type Topic struct {
	Lane Lane
	ID   int64
}

// The ends of a connection that an engine finds out by itself, as Handler.Closed
// gets them. Others are errors of the network.
var (
	// ErrClosed says that Close was called, or that the client said goodbye.
	ErrClosed = errors.New("the connection was closed")
	// ErrProtocol says that the client broke the rules of RFC 6455.
	ErrProtocol = errors.New("the client broke the WebSocket protocol")
	// ErrTooLarge says that the client sent a message above the limit.
	ErrTooLarge = errors.New("the client sent a message that is too large")
	// ErrSilent says that nothing came from the client for too long.
	ErrSilent = errors.New("nothing came from the client any more")
	// ErrStopped says that the engine is stopping.
	ErrStopped = errors.New("the engine is stopping")
)

// Handler is what stands behind one connection.
type Handler interface {
	// Frame takes one message of the client: binary with Proto, text with JSON
	// (then it is UTF-8). Calls do not overlap; while one runs, nothing more is
	// read. The payload is valid during the call only and may be changed. None
	// is called once Close was called.
	Frame(payload []byte)
	// Missed makes the frame that tells the connection that it was too slow for
	// a topic: how many publications it missed since it was last told, and the
	// number of the last of them. nil tells nothing. Publications with an urgent
	// frame are not among them as long as the engine could keep them; they come
	// behind this frame. It must be quick and must not call the engine.
	Missed(t Topic, count, last uint64) *Frame
	// Closed says that the connection has ended. It is called exactly once,
	// after the last Frame.
	Closed(why error)
}

// Conn is one connection. Its methods may be called from anywhere, also after
// its end, when they do nothing.
type Conn interface {
	// ID is unique among all connections of the engine's life. It is not 0.
	ID() uint64
	// Encoding is that of its frames.
	Encoding() Encoding
	// Subscribe begins the delivery of a topic's publications whose number is
	// greater than after. A second Subscribe to the same topic does nothing.
	Subscribe(t Topic, after uint64)
	// Unsubscribe ends it: once it has returned, nothing of the topic is put in
	// the connection's queue any more.
	Unsubscribe(t Topic)
	// Send queues a frame for this connection alone. It comes in its place among
	// the publications before and after it, but for a connection that is slow,
	// where it goes before those that wait. It is not dropped: false says that
	// too much waits already and that the connection should be closed.
	Send(f *Frame) bool
	// SendPaced is Send that first waits until little is queued, for answers of
	// which a client may ask for many. It returns ErrClosed when the connection
	// ends meanwhile, or the error of ctx.
	SendPaced(ctx context.Context, f *Frame) error
	// Close says goodbye: what is queued, then last (nil: nothing), then a close
	// frame, as far as the client takes it within a second or two. Nothing that
	// the client sends is looked at any more, and every subscription ends, from
	// the call on. Only the first call counts. reason has at most 123 bytes.
	Close(last *Frame, code uint16, reason string)
}

// Stats are figures of one moment; Delivered and Missed count since the start.
type Stats struct {
	// Connections is how many there are.
	Connections int64
	// Stalled is how many of them wait until their client takes something.
	Stalled int64
	// Queued is what waits for single clients, in bytes.
	Queued int64
	// Logs is what the logs of topics hold that many clients share, in bytes.
	Logs int64
	// Loops is how many event loops there are.
	Loops int
	// Busy is the share of its time that the busiest event loop worked lately, 0
	// to 1.
	Busy float64
	// Round is how long the slowest event loop took lately from a publication to
	// the last of its own connections: by so much messages come late.
	Round time.Duration
	// Late is the greatest part of such a time that writing to so many sockets
	// does not explain: the loop had something else to do, or no processor.
	Late time.Duration
	// Delivered is how many publications were queued for connections.
	Delivered uint64
	// Missed is how many were not, because the connection was too slow.
	Missed uint64
}

// Engine moves frames. Safe for concurrent use.
type Engine interface {
	// Attach takes over a socket whose handshake is done; the caller must not use
	// it any more, nor any reader or writer on it. early is what was read from it
	// beyond the handshake; it is copied. bind gives the handler of the new connection;
	// it is called before anything of the socket is looked at. ErrStopped: the
	// socket was closed, and bind not called.
	Attach(nc net.Conn, early []byte, enc Encoding, bind func(Conn) Handler) error
	// Publish queues a frame for every connection that is subscribed to the
	// topic with a number below this one; 0 is a frame for all that has no place
	// in an order. It never waits for a connection. The calls for one topic must
	// come one after another with growing numbers. In a Live topic an urgent frame
	// reaches also who misses others: only urgent ones can crowd it out.
	Publish(t Topic, number uint64, f *Frame)
	// Stats tells figures.
	Stats() Stats
	// Run keeps silent connections under watch until ctx ends. Then it takes no
	// more of them, gives those that are being closed a moment, cuts the rest,
	// and returns when every handler has been told. It is called once.
	Run(ctx context.Context) error
}

// Kind is a way to move frames.
type Kind string

// The kinds of engines.
const (
	// KindAuto is KindLoops where the system has them, else KindThreads.
	KindAuto Kind = "auto"
	// KindLoops are event loops that own the plain sockets; sockets that only Go
	// can read, such as those with TLS, are served by a goroutine each beside.
	KindLoops Kind = "loops"
	// KindThreads is a goroutine for each connection.
	KindThreads Kind = "threads"
)
