package gateway

import (
	"time"

	musterv1 "muster/gen/muster/v1"

	"muster/internal/gateway/engine"
	"muster/internal/wire"
)

// ending is why the gateway closes a connection. The close code says what the
// client does next: 4000-4099 it connects again now, 4100-4199 later (after
// retry_after_ms, or with its own back-off), 4200-4299 never with this session.
// A SessionClosed frame comes before it. Codes below 4000 are those of RFC 6455.
type ending struct {
	code   uint16
	reason string
	retry  time.Duration // the default for "later"
}

// The table of endings; docs/protocol.md repeats it, and a test compares the two.
var (
	// closeReset: the connection has to be made anew, for example because
	// what the client may see could not be settled.
	closeReset = ending{code: 4000, reason: "reset"}

	closeRestart   = ending{4100, "server_restart", time.Second}
	closeTooSlow   = ending{4101, "too_slow", time.Second}
	closeTooFast   = ending{4102, "too_fast", 10 * time.Second}
	closeTrouble   = ending{4103, "server_trouble", 2 * time.Second}
	closeTooMany   = ending{4104, "too_many_connections", 30 * time.Second}
	closeHelloLate = ending{4105, "hello_timeout", time.Second}
	closeBusy      = ending{4106, "busy", 2 * time.Second}

	closeNoSession    = ending{code: 4200, reason: "no_session"}
	closeSessionEnded = ending{code: 4201, reason: "session_ended"}
	closeBadFrames    = ending{code: 4202, reason: "bad_frames"}
	closeHelloFirst   = ending{code: 4203, reason: "hello_first"}
)

// endings lists the table.
var endings = []ending{
	closeReset, closeRestart, closeTooSlow, closeTooFast, closeTrouble, closeTooMany, closeHelloLate, closeBusy,
	closeNoSession, closeSessionEnded, closeBadFrames, closeHelloFirst,
}

// class is what the code asks of the client.
func (e ending) class() musterv1.Retry {
	switch e.code / 100 {
	case 40:
		return musterv1.Retry_RETRY_NOW
	case 41:
		return musterv1.Retry_RETRY_LATER
	default:
		return musterv1.Retry_RETRY_NEVER
	}
}

// frame is the SessionClosed before the close frame.
func (e ending) frame(after time.Duration) *engine.Frame {
	closed := &musterv1.SessionClosed{Code: uint32(e.code), Reason: e.reason, Retry: e.class()}
	if e.class() == musterv1.Retry_RETRY_LATER {
		if after <= 0 {
			after = e.retry
		}
		closed.RetryAfterMs = wire.RetryAfter(after)
	}
	return frameOf(&musterv1.ServerFrame{Body: &musterv1.ServerFrame_SessionClosed{SessionClosed: closed}})
}

// frameOf encodes one frame.
func frameOf(f *musterv1.ServerFrame) *engine.Frame { return engine.NewFrame(wire.AppendFrame(nil, f)) }
