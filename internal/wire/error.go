// Package wire translates between the domain's types and the messages of
// proto/muster/v1. It is shared by whoever speaks the schema: the API, the live
// gateway and the client. It holds the one table of error codes, the page
// tokens, the check of the schema's limits, and the encoding of the few messages
// that are sent so often that it is done by hand.
//
// It decides nothing and knows no network.
package wire

import (
	"errors"
	"time"

	"muster"
	musterv1 "muster/gen/muster/v1"
)

// codes is the table of the codes that Connect knows and the domain uses. The
// domain's names are Connect's names.
var codes = func() map[string]muster.Code {
	all := map[string]muster.Code{}
	for c := muster.CodeInternal; c <= muster.CodeCanceled; c++ {
		all[c.String()] = c
	}
	return all
}()

// CodeName gives a domain code as Connect names it.
func CodeName(c muster.Code) string {
	if _, ok := codes[c.String()]; ok {
		return c.String()
	}
	return muster.CodeInternal.String()
}

// CodeOf gives the domain code that Connect's name stands for. The codes that
// the domain does not use are taken for their nearest: what is worth trying
// again is unavailable, the rest is internal.
func CodeOf(name string) muster.Code {
	if c, ok := codes[name]; ok {
		return c
	}
	switch name {
	case "deadline_exceeded", "aborted":
		return muster.CodeUnavailable
	case "out_of_range":
		return muster.CodeInvalidArgument
	default:
		return muster.CodeInternal
	}
}

// Error is an error as the live socket sends it. Of an error that is no
// *muster.Error nothing but "internal" and the given id leaves the server: the
// caller logs it under that id.
func Error(err error, id string) *musterv1.Error {
	e, ok := errors.AsType[*muster.Error](err)
	if !ok || e.Code == muster.CodeInternal {
		return &musterv1.Error{
			Code: muster.CodeInternal.String(), Reason: "internal",
			Message: "the server could not do this; its log says why under " + id,
		}
	}
	return &musterv1.Error{
		Code: CodeName(e.Code), Reason: e.Reason, Message: e.Message, Field: e.Field,
		RetryAfterMs: millisUp(e.RetryAfter),
	}
}

// ErrorOf is the domain's error that an error of the live socket tells of.
func ErrorOf(e *musterv1.Error) *muster.Error {
	return &muster.Error{
		Code: CodeOf(e.GetCode()), Reason: e.GetReason(), Message: e.GetMessage(), Field: e.GetField(),
		RetryAfter: time.Duration(e.GetRetryAfterMs()) * time.Millisecond,
	}
}

// millisUp rounds a wait up, so that who waits that long comes late enough.
func millisUp(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// Millis is a time of day as it is sent; the zero time is 0.
func Millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return muster.Millis(t)
}
