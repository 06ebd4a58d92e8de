package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"connectrpc.com/connect"

	"muster"
	musterv1 "muster/gen/muster/v1"
	"muster/internal/cli/term"
	"muster/internal/wire"
)

// The exit codes of the command line.
const (
	ExitOK          = 0
	ExitFailed      = 1 // it was tried and did not work
	ExitUsage       = 2 // the command line is wrong
	ExitUnreachable = 3 // there is no server, or it does not answer
	ExitRefused     = 4 // the server said no
)

// Failure is why a command ends without success.
type Failure struct {
	// Exit is the exit code.
	Exit int
	// Code and Reason are the server's, as in the API; "" if it said nothing.
	Code, Reason string
	// Message says what is wrong.
	Message string
	// Advice says what to do next; "" when the message does.
	Advice string
	// RetryAfter is when the same request can succeed; 0: unknown.
	RetryAfter time.Duration
	// Cause is the error behind it; it may be nil.
	Cause error
}

// Error gives the message.
func (f *Failure) Error() string { return f.Message }

// Unwrap gives the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// Usage is a Failure of a command line that is wrong.
func Usage(format string, args ...any) *Failure {
	return &Failure{Exit: ExitUsage, Message: fmt.Sprintf(format, args...)}
}

// Failed is a Failure of something that was tried.
func Failed(format string, args ...any) *Failure {
	return &Failure{Exit: ExitFailed, Message: fmt.Sprintf(format, args...)}
}

// Explain makes any error a Failure with the right exit code, and says what to
// do next in the language. An error of the server keeps its code and reason.
func Explain(err error, lang term.Language) *Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	if errors.Is(err, context.Canceled) {
		return &Failure{Exit: ExitFailed, Message: lang.Of("interrupted", "已中断"), Cause: err}
	}
	if e, ok := errors.AsType[*connect.Error](err); ok {
		return explainCall(e, lang)
	}
	if e, ok := errors.AsType[*muster.Error](err); ok {
		return explainDomain(e, err, lang)
	}
	if unreachable(err) {
		return explainUnreachable(err, lang)
	}
	return &Failure{Exit: ExitFailed, Message: err.Error(), Cause: err}
}

// explainCall explains what came back from a call.
func explainCall(e *connect.Error, lang term.Language) *Failure {
	for _, detail := range e.Details() {
		value, err := detail.Value()
		if err != nil {
			continue
		}
		if told, ok := value.(*musterv1.Error); ok {
			return explainDomain(wire.ErrorOf(told), e, lang)
		}
	}
	if !connect.IsWireError(e) && (e.Code() == connect.CodeUnavailable || unreachable(e)) {
		return explainUnreachable(e, lang)
	}
	if e.Code() == connect.CodeCanceled {
		return &Failure{Exit: ExitFailed, Message: lang.Of("interrupted", "已中断"), Cause: e}
	}
	domain := &muster.Error{Code: wire.CodeOf(e.Code().String()), Message: e.Message()}
	return explainDomain(domain, e, lang)
}

// explainDomain explains an error of the domain, wherever it came from.
func explainDomain(e *muster.Error, cause error, lang term.Language) *Failure {
	f := &Failure{
		Exit: ExitRefused, Code: e.Code.String(), Reason: e.Reason, Message: e.Error(), RetryAfter: e.RetryAfter, Cause: cause,
	}
	switch e.Code {
	case muster.CodeInternal:
		f.Exit = ExitFailed
	case muster.CodeCanceled:
		f.Exit = ExitFailed
	case muster.CodeUnavailable:
		f.Exit = ExitUnreachable
		f.Advice = lang.Of("try again in a moment; `muster doctor` looks for the cause", "请稍后重试；muster doctor 可查找原因")
	case muster.CodeUnauthenticated:
		f.Advice = lang.Of("sign in with `muster login URL NAME`, or act as somebody with --as NAME on the server's own machine",
			"请用 muster login URL NAME 登录，或在服务器本机用 --as NAME 以某账号操作")
	case muster.CodePermissionDenied:
		f.Advice = lang.Of("an account that may do it can: --as NAME on the server's own machine, or `muster login`",
			"请换有权限的账号：在服务器本机用 --as NAME，或用 muster login 登录")
	case muster.CodeResourceExhausted:
		if e.RetryAfter > 0 {
			f.Advice = fmt.Sprintf(lang.Of("it becomes possible again in %s", "%s 后可再试"), term.Took(e.RetryAfter))
		}
	default:
	}
	return f
}

// unreachable says whether nobody was there to answer.
func unreachable(err error) bool {
	_, ok := errors.AsType[*net.OpError](err)
	return ok
}

func explainUnreachable(err error, lang term.Language) *Failure {
	text := err.Error()
	if e, ok := errors.AsType[*net.OpError](err); ok {
		text = e.Error()
	}
	return &Failure{
		Exit: ExitUnreachable, Code: "unavailable", Reason: "unreachable",
		Message: fmt.Sprintf(lang.Of("the server cannot be reached: %s", "无法连接服务器：%s"), text),
		Advice: lang.Of("is it running (`muster serve`)? name another with --server URL, or its data directory with --data DIR",
			"服务器是否在运行（muster serve）？可用 --server URL 指定其他服务器，或用 --data DIR 指定数据目录"),
		Cause: err,
	}
}
