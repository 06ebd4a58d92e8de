// Command muster-bench measures Muster on this machine and prints one JSON
// object for each measurement, a line each. docs/benchmarks.md explains the
// figures and shows what they were.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"muster/internal/bench"
)

type cli struct {
	Dir      string `help:"Directory for the data, on the disk to be measured; default: a temporary one." type:"path"`
	Postgres string `help:"PostgreSQL to measure instead of SQLite: a connection URL to an empty database."`
	Runs     int    `help:"How often each measurement is made; medians are reported." default:"3"`

	CPUProfile    string `help:"Write a CPU profile to this file." type:"path"`
	ServerProfile string `help:"Write a CPU profile of the server to this file, where one runs." type:"path"`

	Send    sendCmd    `cmd:"" help:"Durable sends through the store."`
	Offline offlineCmd `cmd:"" help:"Sends into a group with many offline members beside those into a small one."`
	Enrol   enrolCmd   `cmd:"" help:"An enrolment of a whole roster while messages go on."`
	Return  returnCmd  `cmd:"" help:"Members with many groups come back and read, through the store."`
	Sockets socketsCmd `cmd:"" help:"Durable sends over sockets into one group, through the whole server."`
	Back    backCmd    `cmd:"" help:"Members who missed messages come back over sockets."`
	Idle    idleCmd    `cmd:"" help:"A server that has nothing to do."`
	All     allCmd     `cmd:"" default:"1" help:"Everything of docs/benchmarks.md; takes some minutes."`

	ServeChild serveChildCmd `cmd:"" hidden:""`
}

func (c *cli) place() bench.Place {
	return bench.Place{Dir: c.Dir, Postgres: c.Postgres, ServerProfile: c.ServerProfile}
}

type sendCmd struct {
	Senders  []int         `help:"How many senders at once, one measurement each." default:"1,16,256,4096"`
	Groups   int           `help:"Groups to send into." default:"1000"`
	Text     int           `help:"Bytes of a message's text." default:"256"`
	Duration time.Duration `help:"How long each run takes." default:"4s"`
}

// Run measures.
func (s *sendCmd) Run(ctx context.Context, c *cli) error {
	return bench.Send(ctx, bench.SendOptions{Place: c.place(), Senders: s.Senders, Groups: s.Groups, Text: s.Text, Duration: s.Duration, Runs: c.Runs},
		func(f bench.SendFigures) { show(f) })
}

type offlineCmd struct {
	Large    int           `help:"Members of the large group." default:"1000000"`
	Small    int           `help:"Members of the small group." default:"100"`
	Duration time.Duration `help:"How long each half of a pair takes." default:"3s"`
}

// Run measures.
func (o *offlineCmd) Run(ctx context.Context, c *cli) error {
	f, err := bench.Offline(ctx, c.place(), o.Large, o.Small, c.Runs, o.Duration)
	show(f)
	return err
}

type enrolCmd struct {
	Roster int `help:"People on the roster." default:"1000000"`
	Rate   int `help:"Messages a second that go on meanwhile." default:"1000"`
	Groups int `help:"Groups that they go into." default:"100"`
}

// Run measures.
func (e *enrolCmd) Run(ctx context.Context, c *cli) error {
	f, err := bench.Enrol(ctx, bench.EnrolOptions{Place: c.place(), Roster: e.Roster, Rate: e.Rate, Groups: e.Groups, Runs: c.Runs})
	show(f)
	return err
}

type returnCmd struct {
	Members  int `help:"Members who come back." default:"10000"`
	Groups   int `help:"Groups of each." default:"50"`
	Tails    int `help:"Groups of which each reads the newest messages." default:"5"`
	Messages int `help:"How many messages that is." default:"20"`
}

// Run measures.
func (r *returnCmd) Run(ctx context.Context, c *cli) error {
	f, err := bench.Returns(ctx, c.place(), r.Members, r.Groups, r.Tails, r.Messages, c.Runs)
	show(f)
	return err
}

type socketsCmd struct {
	Connections int           `help:"Connections, all members of the group." default:"16"`
	UnderWay    int           `help:"Messages under way on each." default:"16"`
	Duration    time.Duration `help:"How long each run takes." default:"5s"`
}

// Run measures.
func (s *socketsCmd) Run(ctx context.Context, c *cli) error {
	f, err := bench.Sockets(ctx, c.place(), s.Connections, s.UnderWay, c.Runs, s.Duration)
	show(f)
	return err
}

type backCmd struct {
	Members int  `help:"Members who come back at once." default:"1000"`
	Missed  int  `help:"Messages that each missed." default:"100"`
	Dial    bool `help:"Count the handshakes too." default:"true" negatable:""`
	JSON    bool `help:"Take the JSON subprotocol instead of protobuf."`
}

// Run measures.
func (b *backCmd) Run(ctx context.Context, c *cli) error {
	f, err := bench.Back(ctx, c.place(), b.Members, b.Missed, c.Runs, b.Dial, b.JSON)
	show(f)
	return err
}

type idleCmd struct{}

// Run measures.
func (*idleCmd) Run(ctx context.Context, c *cli) error {
	f, err := bench.Idle(ctx, c.place(), c.Runs)
	show(f)
	return err
}

type serveChildCmd struct{}

// Run serves.
func (*serveChildCmd) Run(ctx context.Context, c *cli) error { return bench.ServeChild(ctx, c.place()) }

type allCmd struct{}

// Run measures everything, one after another.
func (*allCmd) Run(ctx context.Context, c *cli) error {
	for _, m := range []interface {
		Run(ctx context.Context, c *cli) error
	}{
		&idleCmd{},
		&sendCmd{Senders: []int{1, 16, 256, 4096}, Groups: 1000, Text: 256, Duration: 4 * time.Second},
		&offlineCmd{Large: 1_000_000, Small: 100, Duration: 3 * time.Second},
		&enrolCmd{Roster: 1_000_000, Rate: 1000, Groups: 100},
		&returnCmd{Members: 10_000, Groups: 50, Tails: 5, Messages: 20},
		&socketsCmd{Connections: 16, UnderWay: 16, Duration: 5 * time.Second},
		&backCmd{Members: 1, Missed: 10_000},
		&backCmd{Members: 1000, Missed: 100, Dial: true},
	} {
		if err := m.Run(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// show prints figures as one line of JSON.
func show(figures any) {
	if err := json.NewEncoder(os.Stdout).Encode(figures); err != nil {
		fmt.Fprintln(os.Stderr, "muster-bench:", err)
	}
}

// profiled runs fn and writes a CPU profile of it, if a file is named.
func profiled(path string, fn func() error) error {
	if path == "" {
		return fn()
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	err = fn()
	pprof.StopCPUProfile()
	return errors.Join(err, f.Close())
}

// run prepares PostgreSQL, if it is what is measured, and measures.
func (c *cli) run(ctx context.Context, k *kong.Context) error {
	if c.Postgres != "" && k.Command() != "serve-child" {
		f, err := bench.PreparePostgres(ctx, c.Postgres)
		if err != nil {
			return err
		}
		show(f)
	}
	return k.Run(c)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	k := kong.Parse(&c, kong.Name("muster-bench"), kong.Description("Measures Muster on this machine; prints JSON."), kong.BindTo(ctx, (*context.Context)(nil)))
	k.FatalIfErrorf(profiled(c.CPUProfile, func() error { return c.run(ctx, k) }))
}
