// Package bus declares how the parts of a server, and the nodes of a cluster,
// tell each other that something happened: channel messages, which are best
// effort by definition, and wake-ups for groups, whose truth is in the store.
// Nothing that must not be lost may rely on it.
//
// There are two implementations, held to one contract by package bustest:
// local works inside one process, cluster adds the other nodes through core
// NATS. A subject is subscribed to once per node and channel or group with
// somebody online here, never once per client.
//
// A component should declare the one or two methods of [Bus] that it uses.
package bus

import (
	"context"
	"time"

	"muster"
)

// MaxPayload is the largest payload of a publication, a request or an answer,
// in bytes.
const MaxPayload = 1 << 20

// MaxSubject is the longest subject, in bytes.
const MaxSubject = 200

// MaxRequests is how many requests one responder works on at a time; one more
// is refused with [ErrBusy].
const MaxRequests = 256

// RequestTimeout ends a request whose context has no deadline of its own. An
// answer may get lost, so no request waits for ever.
const RequestTimeout = 10 * time.Second

// The errors of a bus. They are compared with errors.Is.
var (
	// ErrSubject refuses a subject that [CheckSubject] does not take.
	ErrSubject error = muster.Invalid("subject", "a subject is words of letters, digits, '-' and '_' joined by dots, %d bytes at most", MaxSubject)
	// ErrTooLarge refuses a payload of more than [MaxPayload] bytes. A
	// requester also gets it when the answer is too large.
	ErrTooLarge error = muster.Invalid("payload", "a payload is %d bytes at most", MaxPayload)
	// ErrClosed says that the bus of this node has stopped or is stopping.
	ErrClosed error = muster.Unavailable("bus_closed", "the server is stopping")
	// ErrNoResponder says that nobody who can be reached from this node
	// answers requests on the subject.
	ErrNoResponder error = muster.Unavailable("nobody_listens", "the part of the server that answers this is not running or cannot be reached")
	// ErrBusy says that the responder has its hands full; the request was not
	// begun.
	ErrBusy error = muster.Unavailable("responder_busy", "the part of the server that answers this has too much to do")
)

// Handler takes the publications on one subject. The calls of one handler
// never overlap, and publications come in the order in which each publisher
// published them; all handlers of one node see the same order. It is called
// from a goroutine of the bus, never from the publisher's, so it may take a
// lock that a publisher holds, and it may use the bus, except Flush.
//
// It must not block: what is published meanwhile waits, and is dropped beyond
// a bound. The payload is shared: it may be kept but never changed.
type Handler func(subject string, payload []byte)

// Responder answers the requests on one subject. Up to [MaxRequests] calls run
// at once. The context ends when the requester stops waiting at its deadline,
// or when the bus stops. The request must not be kept or changed. What went
// wrong is part of the answer, in an encoding that both sides share.
type Responder func(ctx context.Context, subject string, request []byte) []byte

// Subscription is a handler or responder in place.
type Subscription interface {
	// Unsubscribe ends it; a second call does nothing. No call of the handler
	// starts after it returned, also for what was published before. A call
	// under way may still be running: a Flush after it waits for that too.
	Unsubscribe()
}

// Stats counts since the start of the bus. Figures of one moment may be a
// batch of deliveries apart.
type Stats struct {
	// Published is how many publications this node's components made.
	Published uint64
	// Delivered is how many calls of handlers there were on this node, of
	// publications from this and other nodes.
	Delivered uint64
	// Dropped is how many publications were lost as far as this node knows:
	// for a subject here because its handlers were too slow, or for the other
	// nodes because they could not be reached or were too slow. One that was
	// lost in both ways counts twice.
	Dropped uint64
}

// Bus carries publications to the subscribers of a subject on every node, and
// requests to one responder. All methods may be called from any goroutine, and
// all but Flush from a handler.
type Bus interface {
	// Publish hands payload to every handler that is subscribed to exactly
	// this subject, on this node too. It never waits for a subscriber, and it
	// has no error for "somebody did not get it". The payload must not be
	// changed from here on, by anybody, ever. A handler of this node that
	// subscribes after Publish returned does not get it.
	//
	// Errors: ErrSubject, ErrTooLarge, ErrClosed.
	Publish(subject string, payload []byte) error

	// Subscribe calls h with everything published on subject from now on by
	// this node, and by another node from the moment, some milliseconds at
	// most when the nodes are connected, at which it hears of the interest.
	// There are no wildcards.
	//
	// Errors: ErrSubject, ErrClosed.
	Subscribe(subject string, h Handler) (Subscription, error)

	// Request asks one responder and waits for its answer, which belongs to
	// the caller. A responder on this node is preferred. The request may have
	// been worked on although an error is returned, except with ErrNoResponder
	// and ErrBusy.
	//
	// Errors: ErrSubject, ErrTooLarge, ErrClosed, ErrNoResponder, ErrBusy,
	// and those of the context.
	Request(ctx context.Context, subject string, payload []byte) ([]byte, error)

	// Respond answers requests on subject. When there are several responders,
	// on one node or more, each request goes to one of them. Publications and
	// requests do not see each other's subjects.
	//
	// Errors: ErrSubject, ErrClosed.
	Respond(subject string, r Responder) (Subscription, error)

	// Flush waits until all that this node published before has been given to
	// the handlers here, and handed to the network for the other nodes. It
	// must not be called from a handler.
	Flush(ctx context.Context) error

	// Stats counts what went through.
	Stats() Stats

	// Ready is closed when this node has joined the bus. Everything can be
	// called before, but reaches no other node.
	Ready() <-chan struct{}

	// Run keeps the bus going until ctx ends, and then stops it in two steps:
	// it refuses new publications and requests, and gives out what it still
	// holds, within a deadline. It is called once.
	Run(ctx context.Context) error
}

// CheckSubject returns ErrSubject unless subject is one or more words of
// ASCII letters, digits, '-' and '_', joined by single dots, of MaxSubject
// bytes at most. That is a subset of what NATS takes, without its wildcards.
func CheckSubject(subject string) error {
	if subject == "" || len(subject) > MaxSubject {
		return ErrSubject
	}
	word := false
	for i := range len(subject) {
		switch c := subject[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			word = true
		case c == '.' && word:
			word = false
		default:
			return ErrSubject
		}
	}
	if !word {
		return ErrSubject
	}
	return nil
}
