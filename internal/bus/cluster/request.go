package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"muster/internal/bus"
)

// The headers of requests and answers between nodes.
const (
	// headerTimeout is how long the requester waits, in milliseconds from when
	// it asks: the nodes' clocks need not agree.
	headerTimeout = "Muster-Timeout"
	// headerRefused is on an answer without a payload, and says why.
	headerRefused = "Muster-Refused"
)

// refusals are the errors that an answer can stand for.
var refusals = map[string]error{
	"busy":         bus.ErrBusy,
	"too large":    bus.ErrTooLarge,
	"no responder": bus.ErrNoResponder,
}

// Request implements [bus.Bus].
func (b *Bus) Request(ctx context.Context, subject string, payload []byte) ([]byte, error) {
	answer, err := b.local.Request(ctx, subject, payload)
	if !errors.Is(err, bus.ErrNoResponder) {
		return answer, err
	}
	conn := b.connection()
	if conn == nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, bus.RequestTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	m := nats.NewMsg(b.requests + subject)
	m.Header.Set(headerTimeout, strconv.FormatInt(max(1, time.Until(deadline).Milliseconds()), 10))
	m.Data = payload
	reply, err := conn.RequestMsgWithContext(ctx, m)
	if err != nil {
		return nil, requestError(ctx, subject, err)
	}
	if why := reply.Header.Get(headerRefused); why != "" {
		if err, ok := refusals[why]; ok {
			return nil, err
		}
		return nil, fmt.Errorf("cluster: request on %s is refused: %q", subject, why)
	}
	return reply.Data, nil
}

// requestError says in the words of package bus why a request failed.
func requestError(ctx context.Context, subject string, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("cluster: request on %s: %w", subject, context.Cause(ctx))
	case errors.Is(err, nats.ErrNoResponders):
		return bus.ErrNoResponder
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w (the NATS server takes less)", bus.ErrTooLarge)
	default: // there is no connection
		return fmt.Errorf("%w (%w)", bus.ErrNoResponder, err)
	}
}

// answer has a responder of this node work on a request of another one.
func (b *Bus) answer(subject string, m *nats.Msg) {
	if m.Reply == "" {
		return // not from one of us
	}
	b.answering.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeoutOf(m))
		defer cancel()
		answer, err := b.local.Request(ctx, subject, m.Data)
		if ctx.Err() != nil && err != nil {
			return // nobody waits any more
		}
		reply := nats.NewMsg(m.Reply)
		reply.Data = answer
		if err != nil {
			reply.Header.Set(headerRefused, refusal(err))
		}
		if err := m.RespondMsg(reply); err != nil {
			b.opts.Logger.Warn("bus: an answer is lost", "subject", subject, "error", err)
		}
	})
}

func timeoutOf(m *nats.Msg) time.Duration {
	ms, err := strconv.ParseUint(m.Header.Get(headerTimeout), 10, 31)
	if err != nil {
		return bus.RequestTimeout
	}
	return min(bus.RequestTimeout, time.Duration(ms)*time.Millisecond)
}

func refusal(err error) string {
	for why, is := range refusals {
		if errors.Is(err, is) {
			return why
		}
	}
	// This node has stopped answering: for the requester there is nobody.
	return "no responder"
}
