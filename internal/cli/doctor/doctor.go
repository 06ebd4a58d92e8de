// Package doctor looks at a machine and a data directory for what is wrong with
// them, or will be once many people come: `muster doctor`.
//
// It changes nothing. Beside a running server it leaves out what the server
// holds locked, and asks the server instead.
package doctor

import (
	"context"
	"fmt"
	"iter"
	"time"

	"muster/internal/config"
)

// Status is how a check ended.
type Status string

// The ways in which a check ends.
const (
	OK   Status = "ok"
	Warn Status = "warn" // it works, and will not always
	Fail Status = "fail" // it does not work
	Skip Status = "skip" // it does not apply here
)

// Result is what one check found.
type Result struct {
	Check  string `json:"check"`
	Status Status `json:"status"`
	// Detail is what was found.
	Detail string `json:"detail"`
	// Advice is what to do; "" when nothing is.
	Advice string `json:"advice,omitempty"`
}

// Running is what a running server on the data directory says of itself; nil:
// none runs.
type Running struct {
	Version string
	URL     string
	// Ready is why it takes no requests, nil when it does.
	Ready error
}

// Options say what to look at.
type Options struct {
	Config  config.Config
	Running *Running
	// Connections is for how many live sockets the machine should be fit.
	Connections int
	// Patience is how long one check of a database may take.
	Patience time.Duration
	// Now is the time of day.
	Now func() time.Time
}

// patient is the default of Options.Patience.
const patient = 60 * time.Second

// Examine runs the checks, in an order in which the first failure is the one to
// look at first.
func Examine(ctx context.Context, opt Options) iter.Seq[Result] {
	if opt.Patience <= 0 {
		opt.Patience = patient
	}
	x := &examination{Options: opt}
	checks := []func(context.Context) []Result{
		x.server, x.directory, x.disk, x.sqlite, x.journal, x.postgres, x.ports, x.tls, x.clock, x.files, x.kernel,
	}
	return func(yield func(Result) bool) {
		for _, check := range checks {
			for _, r := range check(ctx) {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// examination is one run.
type examination struct{ Options }

func ok(check, format string, args ...any) Result {
	return Result{Check: check, Status: OK, Detail: fmt.Sprintf(format, args...)}
}

func skip(check, format string, args ...any) Result {
	return Result{Check: check, Status: Skip, Detail: fmt.Sprintf(format, args...)}
}

func warn(check, advice, format string, args ...any) Result {
	return Result{Check: check, Status: Warn, Detail: fmt.Sprintf(format, args...), Advice: advice}
}

func fail(check, advice, format string, args ...any) Result {
	return Result{Check: check, Status: Fail, Detail: fmt.Sprintf(format, args...), Advice: advice}
}

// server tells whether one runs.
func (x *examination) server(context.Context) []Result {
	const check = "server"
	switch r := x.Running; {
	case r == nil:
		return []Result{skip(check, "none runs on %s", x.Config.Server.Data)}
	case r.Ready != nil:
		return []Result{fail(check, "its log says why; most often the disk is full", "%s runs at %s and is not ready: %v", r.Version, r.URL, r.Ready)}
	default:
		return []Result{ok(check, "%s runs at %s and is ready", r.Version, r.URL)}
	}
}
