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

	"github.com/alecthomas/kong"

	"muster/internal/load"
)

type cli struct {
	load.Settings

	Fanout fanoutCmd `cmd:"" help:"Messages to everybody in one channel or group, beside the machine's own limit."`
	Floor  floorCmd  `cmd:"" help:"The machine's own limit: nothing but write(2) to as many sockets."`
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
