package muster

import (
	"errors"
	"fmt"
	"time"
)

// Code is the kind of an error, as far as a caller can act on it. The names are
// those of the Connect and gRPC protocols; each protocol maps them once.
type Code uint8

// The codes.
const (
	CodeInternal           Code = iota // our fault; no detail leaves the server
	CodeInvalidArgument                // the request is wrong whatever the state; Field says where
	CodeUnauthenticated                // no session, or one that has ended
	CodePermissionDenied               // the acting account may not do this
	CodeNotFound                       // no such object, or none that the acting account may know of
	CodeAlreadyExists                  // the object to create is there
	CodeFailedPrecondition             // the object's state does not allow it now
	CodeResourceExhausted              // a limit is reached; RetryAfter says when to come again
	CodeUnavailable                    // passing trouble: try again
	CodeCanceled                       // the caller went away
)

var codeNames = [...]string{
	"internal", "invalid_argument", "unauthenticated", "permission_denied", "not_found",
	"already_exists", "failed_precondition", "resource_exhausted", "unavailable", "canceled",
}

// String gives the code as it is sent.
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("code(%d)", uint8(c))
}

// Error is an error that a caller can act on. An error that is not (or does not
// wrap) an Error is internal: it is logged, and outside only an id is shown.
type Error struct {
	// Code is the kind.
	Code Code
	// Reason is a stable snake_case word for programs, such as
	// "last_owner" or "window_full".
	Reason string
	// Message is a sentence for people that says what to do.
	Message string
	// Field names the wrong field of the request, with CodeInvalidArgument.
	Field string
	// RetryAfter is how long to wait before the same request can succeed; 0
	// is unknown.
	RetryAfter time.Duration
	// Cause is the error behind it, for the log only. It may be nil.
	Cause error
}

// Error gives the sentence, and the field when there is one.
func (e *Error) Error() string {
	if e.Field != "" {
		return e.Field + ": " + e.Message
	}
	return e.Message
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// CodeOf gives the code of an error: that of the first Error in its chain, or
// CodeInternal. It must not be called with nil.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

// ReasonOf gives the reason of an error, "" when it has none.
func ReasonOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}

// Invalid says that a field of the request is wrong.
func Invalid(field, format string, args ...any) *Error {
	return &Error{Code: CodeInvalidArgument, Reason: "invalid_" + field, Field: field, Message: fmt.Sprintf(format, args...)}
}

// Unauthenticated says that there is no session, or that it has ended.
func Unauthenticated(reason, format string, args ...any) *Error {
	return &Error{Code: CodeUnauthenticated, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Denied says that the acting account may not do this.
func Denied(reason, format string, args ...any) *Error {
	return &Error{Code: CodePermissionDenied, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// NotFound says that there is no such object, or none that the acting account
// may know of; what is its kind in lower case ("channel").
func NotFound(what string) *Error {
	return &Error{Code: CodeNotFound, Reason: what + "_not_found", Message: "there is no such " + what + ", or you may not see it"}
}

// Exists says that the object to create is there already.
func Exists(reason, format string, args ...any) *Error {
	return &Error{Code: CodeAlreadyExists, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Conflict says that the object's state does not allow the act now.
func Conflict(reason, format string, args ...any) *Error {
	return &Error{Code: CodeFailedPrecondition, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Exhausted says that a limit is reached, and when to come again (0: unknown).
func Exhausted(reason string, retryAfter time.Duration, format string, args ...any) *Error {
	return &Error{Code: CodeResourceExhausted, Reason: reason, RetryAfter: retryAfter, Message: fmt.Sprintf(format, args...)}
}

// Unavailable says that the server cannot do it right now.
func Unavailable(reason, format string, args ...any) *Error {
	return &Error{Code: CodeUnavailable, Reason: reason, Message: fmt.Sprintf(format, args...)}
}
