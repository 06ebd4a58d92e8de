// Package cli is the command line: one binary that serves, administers and
// tries out. A command speaks to a server through the same schema as every other
// client (package remote says how it gets there); only serve, demo, restore and
// doctor touch the server's own parts.
//
// Results go to standard output, everything else to standard error. Exit codes
// are 0 (done), 1 (failed), 2 (the command line is wrong), 3 (no server answers)
// and 4 (the server refused).
package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/alecthomas/kong"

	"muster/internal/cli/remote"
	"muster/internal/cli/term"
)

// grammar is every command and flag. The Chinese of the help stands in help.go.
type grammar struct {
	JSON bool `help:"Print results as JSON, one object in each line, and errors as an object on standard error."`

	Serve   serveCmd   `cmd:"" help:"Run the server: API, live socket, web pages and database in one process."`
	Demo    demoCmd    `cmd:"" help:"Show what Muster does in ten seconds: a server, 10,000 people, an enrolment, and a check of every number."`
	Account accountCmd `cmd:"" help:"Accounts: create, list, show, claim, link, role, suspend, sessions, revoke."`
	Channel channelCmd `cmd:"" help:"Channels and their rosters: create, list, import, export, roster, level, ban, ..."`
	Group   groupCmd   `cmd:"" help:"Groups: create, list, show, members, invite, role, remove, subgroups, map."`
	Enrol   enrolCmd   `cmd:"" help:"Bring a channel's roster into a group, each person directly or asked first."`
	Send    sendCmd    `cmd:"" help:"Send a message to a group; the answer means that it is durable."`
	Tail    tailCmd    `cmd:"" help:"Follow a group, or a channel, as it happens."`
	Backup  backupCmd  `cmd:"" help:"Copy everything that is acknowledged into a file, while the server goes on."`
	Restore restoreCmd `cmd:"" help:"Make a data directory from a backup. The server must not run."`
	Doctor  doctorCmd  `cmd:"" help:"Look for what is wrong, or will be, on this machine."`
	Config  configCmd  `cmd:"" help:"The server's settings: check, print, reference."`
	Login   loginCmd   `cmd:"" help:"Sign in to a server, for the commands that follow."`
	Logout  logoutCmd  `cmd:"" help:"End that session."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// env is what a command has to work with.
type env struct {
	*term.Term
	ctx     context.Context //nolint:containedctx // the life of one command line
	environ []string
}

// description heads the help.
const description = "Muster: live channels, durable groups, and the enrolment that brings one into the other. " +
	"Commands that need a server talk to --server URL with the session of `muster login` or MUSTER_TOKEN; " +
	"without it, to the server on this machine through the admin socket in its data directory."

// Main runs the command line of the process and gives its exit code.
func Main() int {
	environ := os.Environ()
	ctx, stop := untilSignal()
	defer stop()
	return Run(ctx, os.Args[1:], environ, term.Standard(environ))
}

// untilSignal gives a context that ends with the first SIGINT or SIGTERM. The
// signals have their usual effect again before it ends, so a second one ends the
// process at once, whenever it comes. stop gives everything back.
func untilSignal() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-signals:
		case <-ctx.Done():
		}
		signal.Stop(signals)
		cancel()
	})
	return ctx, func() {
		cancel()
		watching.Wait()
	}
}

// Run runs one command line and gives its exit code.
func Run(ctx context.Context, args, environ []string, t *term.Term) int {
	e := &env{Term: t, ctx: ctx, environ: environ}
	var g grammar
	exit := -1
	parser, err := newParser(&g, t, func(code int) { exit = code })
	if err != nil {
		return e.fail(err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	t.JSON = wantsJSON(args) // also for an error of the command line itself
	parsed, err := parser.Parse(args)
	if exit >= 0 {
		return exit // the help was asked for
	}
	if err != nil {
		f := remote.Usage("%v", err)
		f.Advice = advice(err, t.Lang)
		return e.fail(f)
	}
	if err := parsed.Run(e); err != nil {
		return e.fail(err)
	}
	return remote.ExitOK
}

// newParser makes the parser in the language of the terminal.
func newParser(g *grammar, t *term.Term, exit func(int)) (*kong.Kong, error) {
	g.Serve.prepare()
	g.Doctor.prepare()
	g.Config.prepare()
	parser, err := kong.New(g,
		kong.Name("muster"), kong.Description(description), kong.Writers(t.Out, t.Err), kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
		kong.Help(printHelp),
	)
	if err == nil && t.Lang == term.Chinese {
		translate(parser.Model)
	}
	return parser, err
}

// wantsJSON looks for --json before the arguments are parsed.
func wantsJSON(args []string) bool {
	for _, arg := range args {
		switch arg {
		case "--json", "--json=true":
			return true
		case "--":
			return false
		}
	}
	return false
}

// advice says where the usage of the command stands that was meant.
func advice(err error, lang term.Language) string {
	command := "muster"
	if parse, ok := errors.AsType[*kong.ParseError](err); ok && parse.Context != nil {
		for _, step := range parse.Context.Path {
			if step.Command != nil {
				command = step.Command.FullPath()
			}
		}
	}
	return lang.Of("see `"+command+" --help`", "用法见 "+command+" --help")
}

// fail prints an error and gives the exit code.
func (e *env) fail(err error) int {
	f := remote.Explain(err, e.Lang)
	if e.JSON {
		e.failJSON(f)
		return f.Exit
	}
	message := strings.TrimRight(f.Message, "\n")
	e.Tell("muster: %s", "", strings.ReplaceAll(message, "\n", "\nmuster: "))
	if f.Advice != "" {
		e.Tell("  → %s", "", f.Advice)
	}
	return f.Exit
}

// failJSON prints an error for programs.
func (e *env) failJSON(f *remote.Failure) {
	type failure struct {
		Code         string `json:"code,omitempty"`
		Reason       string `json:"reason,omitempty"`
		Message      string `json:"message"`
		Advice       string `json:"advice,omitempty"`
		RetryAfterMs int64  `json:"retryAfterMs,omitempty"`
	}
	stderr := &term.Term{Out: e.Err, JSON: true}
	stderr.Object(struct {
		Error failure `json:"error"`
		Exit  int     `json:"exit"`
	}{failure{f.Code, f.Reason, f.Message, f.Advice, f.RetryAfter.Milliseconds()}, f.Exit})
}
