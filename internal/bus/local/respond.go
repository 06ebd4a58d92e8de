package local

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"muster/internal/bus"
)

// responders are those who answer requests, by subject.
type responders struct {
	mu        sync.Mutex
	bySubject map[string]*turn
	closed    bool
	// stopping ends the contexts of all responders at work.
	stopping context.Context
	stop     context.CancelFunc
}

// turn gives the requests on one subject to its responders in turn.
type turn struct {
	of   []*responder
	next int
}

// responder implements [bus.Subscription].
type responder struct {
	of      *responders
	subject string
	respond bus.Responder
	slots   chan struct{} // one taken per request at work
}

func (r *responders) init() {
	r.bySubject = make(map[string]*turn)
	r.stopping, r.stop = context.WithCancel(context.Background())
}

// close refuses further requests.
func (r *responders) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// Respond implements [bus.Bus].
func (b *Bus) Respond(subject string, respond bus.Responder) (bus.Subscription, error) {
	if err := bus.CheckSubject(subject); err != nil {
		return nil, err
	}
	r := &b.responders
	one := &responder{of: r, subject: subject, respond: respond, slots: make(chan struct{}, bus.MaxRequests)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, bus.ErrClosed
	}
	t := r.bySubject[subject]
	if t == nil {
		t = &turn{}
		r.bySubject[subject] = t
	}
	t.of = append(t.of, one)
	return one, nil
}

// Unsubscribe implements [bus.Subscription].
func (one *responder) Unsubscribe() {
	r := one.of
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.bySubject[one.subject]
	if t == nil {
		return
	}
	t.of = slices.DeleteFunc(t.of, func(other *responder) bool { return other == one })
	if len(t.of) == 0 {
		delete(r.bySubject, one.subject)
	}
}

// Request implements [bus.Bus].
func (b *Bus) Request(ctx context.Context, subject string, payload []byte) ([]byte, error) {
	if err := bus.CheckSubject(subject); err != nil {
		return nil, err
	}
	if len(payload) > bus.MaxPayload {
		return nil, bus.ErrTooLarge
	}
	ctx, cancel := context.WithTimeout(ctx, bus.RequestTimeout)
	defer cancel()
	answer, err := b.ask(ctx, subject, payload)
	if err != nil {
		return nil, err
	}
	select {
	case a := <-answer:
		if len(a) > bus.MaxPayload {
			return nil, fmt.Errorf("the answer on %s has %d bytes: %w", subject, len(a), bus.ErrTooLarge)
		}
		// The responder may have given out something that it shares.
		return bytes.Clone(a), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("bus: request on %s: %w", subject, context.Cause(ctx))
	}
}

// ask starts a responder, if there is one with a free hand.
func (b *Bus) ask(ctx context.Context, subject string, payload []byte) (<-chan []byte, error) {
	r := &b.responders
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, bus.ErrClosed
	}
	t := r.bySubject[subject]
	if t == nil {
		return nil, bus.ErrNoResponder
	}
	t.next = (t.next + 1) % len(t.of)
	one := t.of[t.next]
	select {
	case one.slots <- struct{}{}:
	default:
		return nil, bus.ErrBusy
	}
	// The requester may be gone, and its buffer in use again, before the
	// responder has read it.
	request := bytes.Clone(payload)
	answer := make(chan []byte, 1)
	b.requests.Go(func() {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(r.stopping, cancel)()
		a := one.respond(ctx, subject, request)
		<-one.slots // before the requester can ask again
		answer <- a
	})
	return answer, nil
}
