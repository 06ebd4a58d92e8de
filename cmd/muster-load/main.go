//go:build linux

// Command muster-load makes real load on a Muster server through its public
// protocol and prints what it found as one JSON object. It starts the server
// itself, or drives running ones. docs/load.md explains the measurements.
//
// It exits with 1 when a message was lost, doubled, broken or out of order, or
// when a measurement could not be made.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"muster/internal/load"
)

type cli struct {
	load.Settings

	Connect connectCmd `cmd:"" help:"Handshakes and idle connections: what each costs the server."`
	Send    sendCmd    `cmd:"" help:"Durable messages of all clients into groups."`
	Resync  resyncCmd  `cmd:"" help:"Members who missed messages return at once."`
	Enrol   enrolCmd   `cmd:"" help:"An enrolment of a whole roster, with members online and senders going on."`
	Slow    slowCmd    `cmd:"" help:"Clients that stop reading, and what that does to the others."`
	Storm   stormCmd   `cmd:"" help:"All clients return at once, while others are inside."`
	Fanout  fanoutCmd  `cmd:"" help:"Messages to everybody in one channel or group, beside the machine's own limit."`
	All     allCmd     `cmd:"" default:"1" help:"Every measurement at a size that takes about a minute together; an object each."`
	Prepare prepareCmd `cmd:"" help:"Makes the people of later measurements in --data."`
	Floor   floorCmd   `cmd:"" help:"The machine's own limit: nothing but write(2) to as many sockets."`
}

type fanoutCmd struct{ load.FanoutOptions }

// Run measures.
func (f *fanoutCmd) Run(ctx context.Context, c *cli) error {
	return show(load.Fanout(ctx, c.Settings, f.FanoutOptions))
}

type floorCmd struct{ load.FanoutOptions }

// Run measures.
func (f *floorCmd) Run(ctx context.Context, c *cli) error {
	return show(load.FloorOnly(ctx, c.Settings, f.FanoutOptions))
}

type connectCmd struct{ load.ConnectOptions }

// Run measures.
func (x *connectCmd) Run(ctx context.Context, c *cli) error {
	return show(load.Connect(ctx, c.Settings, x.ConnectOptions))
}

type sendCmd struct{ load.SendOptions }

// Run measures.
func (x *sendCmd) Run(ctx context.Context, c *cli) error {
	return show(load.Send(ctx, c.Settings, x.SendOptions))
}

type resyncCmd struct{ load.ResyncOptions }

// Run measures.
func (x *resyncCmd) Run(ctx context.Context, c *cli) error {
	return show(load.Resync(ctx, c.Settings, x.ResyncOptions))
}

type enrolCmd struct{ load.EnrolOptions }

// Run measures.
func (x *enrolCmd) Run(ctx context.Context, c *cli) error {
	return show(load.Enrol(ctx, c.Settings, x.EnrolOptions))
}

type slowCmd struct{ load.SlowOptions }

// Run measures.
func (x *slowCmd) Run(ctx context.Context, c *cli) error {
	return show(load.Slow(ctx, c.Settings, x.SlowOptions))
}

type stormCmd struct{ load.StormOptions }

// Run measures.
func (x *stormCmd) Run(ctx context.Context, c *cli) error {
	return show(load.Storm(ctx, c.Settings, x.StormOptions))
}

type prepareCmd struct{ load.PrepareOptions }

// Run makes them.
func (x *prepareCmd) Run(ctx context.Context, c *cli) error {
	r, err := load.Prepare(ctx, c.Settings, x.PrepareOptions)
	return errors.Join(err, json.NewEncoder(os.Stdout).Encode(r.Figures))
}

type allCmd struct{}

// Run measures everything over the same people.
func (*allCmd) Run(ctx context.Context, c *cli) (err error) {
	if c.Data == "" {
		if c.Data, err = os.MkdirTemp("", "muster-load-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(c.Data)) }()
	}
	const inside, senders, roster = 500, 16, 50_000
	if _, err := load.Prepare(ctx, c.Settings, load.PrepareOptions{Beside: inside, Roster: roster}); err != nil {
		return err
	}
	seconds := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	for _, m := range []func() (load.Result, error){
		func() (load.Result, error) {
			return load.Fanout(ctx, c.Settings, load.FanoutOptions{
				UnderWay: []int{1, 4, 32}, PerSec: []float64{1000}, To: []string{"channel", "group"}, Duration: seconds(2), Floor: seconds(0.5), Settle: seconds(0.5),
			})
		},
		func() (load.Result, error) {
			return load.Connect(ctx, c.Settings, load.ConnectOptions{Again: true, Quiet: seconds(2), Hold: seconds(2)})
		},
		func() (load.Result, error) {
			return load.Send(ctx, c.Settings, load.SendOptions{Into: 5, UnderWay: 1, Duration: seconds(4)})
		},
		func() (load.Result, error) {
			return load.Resync(ctx, c.Settings, load.ResyncOptions{Missed: 100, Runs: 2})
		},
		func() (load.Result, error) {
			return load.Slow(ctx, c.Settings, load.SlowOptions{Share: 1, PerSec: 1000, Duration: seconds(3), Pairs: 2, To: "channel"})
		},
		func() (load.Result, error) {
			return load.Enrol(ctx, c.Settings, load.EnrolOptions{Roster: roster, Senders: senders, PerSec: 1000, Duration: seconds(4)})
		},
		func() (load.Result, error) {
			return load.Storm(ctx, c.Settings, load.StormOptions{Inside: inside, PerSec: 100, Duration: seconds(5)})
		},
	} {
		if err := show(m()); err != nil {
			return err
		}
	}
	return nil
}

// errFaults ends the program with 1; the figures say what it was.
var errFaults = errors.New("messages were lost, doubled, broken or out of order, or connections ended: see faults")

// show prints a result, also of a measurement that failed half-way.
func show(r load.Result, err error) error {
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	if r.Figures != nil {
		err = errors.Join(err, out.Encode(r))
	}
	if err == nil && r.Faults.Any() {
		err = errFaults
	}
	return err
}

func main() {
	if status, ok := load.Child(); ok {
		os.Exit(status)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	k := kong.Parse(&c, kong.Name("muster-load"), kong.Description("Makes load on a Muster server and measures; prints JSON."),
		kong.BindTo(ctx, (*context.Context)(nil)))
	c.Progress = load.TerminalProgress()
	k.FatalIfErrorf(k.Run(&c))
}
