//go:build linux

package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/internal/load/crowd"
	"muster/internal/load/proc"
)

// SlowOptions say who stops reading.
type SlowOptions struct {
	Share    float64       `help:"Share of the clients that stop reading, in percent." default:"1" json:"share_percent"`
	PerSec   float64       `help:"Messages a second." name:"messages" default:"1000" json:"messages_per_second"`
	Duration time.Duration `help:"How long each part takes: without, with, and after." default:"5s" json:"-"`
	Pairs    int           `help:"How often without and with are measured, in turns." default:"2" json:"pairs"`
	To       string        `help:"Where to." default:"channel" enum:"channel,group" json:"to"`
}

// SlowFigures compare the others with and without slow readers.
type SlowFigures struct {
	Connect connection `json:"connect"`
	Stopped int        `json:"stopped"`
	// Without and With are the others' figures.
	Without []FanoutFigures `json:"without"`
	With    []FanoutFigures `json:"with"`
	// Ratio is the last client's p99 with by that without, the best of the pairs
	// each; EachRatio that of all deliveries.
	Ratio     float64 `json:"last_client_p99_with_by_without"`
	EachRatio float64 `json:"each_client_p99_with_by_without"`
	// PerStopped is by how much the server's memory grew for each client that
	// stopped, and the kernel's buffers for it, in bytes.
	PerStopped       float64 `json:"user_bytes_per_stopped_client"`
	KernelPerStopped float64 `json:"kernel_bytes_per_stopped_client"`
	// Excused is how many messages the server told them they missed.
	Excused int64 `json:"messages_told_missed"`
	// Cut is how many of them did not read for so long, half a minute, that the
	// server ended their connection.
	Cut int64 `json:"stopped_readers_cut"`
}

// Slow measures what clients that stop reading do to the others. They go on at
// the end, and have to get what they missed, or be told.
func Slow(ctx context.Context, set Settings, opt SlowOptions) (Result, error) {
	return measure(ctx, set, "slow", opt, need{groups: 1}, func(ctx context.Context, r *rig) (any, error) {
		f := SlowFigures{Stopped: max(int(float64(set.Clients)*opt.Share/100), 1)}
		err := r.slow(ctx, opt, &f)
		f.Excused, f.Cut = r.faults.Excused, r.faults.Cut
		f.Ratio = best(f.With, last99) / best(f.Without, last99)
		f.EachRatio = best(f.With, each99) / best(f.Without, each99)
		return f, err
	})
}

func last99(f FanoutFigures) float64 { return f.Last.P99 }
func each99(f FanoutFigures) float64 { return f.Each.P99 }

// best is the least value of the runs.
func best(runs []FanoutFigures, value func(FanoutFigures) float64) float64 {
	least := 0.0
	for i, f := range runs {
		if v := value(f); i == 0 || v < least {
			least = v
		}
	}
	return least
}

func (r *rig) slow(ctx context.Context, opt SlowOptions, f *SlowFigures) (err error) {
	if f.Connect, _, err = r.connect(crowd.Order{Enter: r.world.Channel, Group: r.world.Groups[0]}); err != nil {
		return err
	}
	sp, err := newSpeaker(ctx, r.nodes[0], r.world.Owner, r.world.Channel, r.set.Text)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sp.stop()) }()
	if opt.To == "group" {
		sp.group = r.world.Groups[0]
	}
	// Each worker's own part stops reading.
	part := func(w *worker, o *crowd.Order) {
		o.Count = f.Stopped*(w.first+w.count)/r.set.Clients - f.Stopped*w.first/r.set.Clients
	}
	for range opt.Pairs {
		r.set.say("everybody reads")
		without := FanoutFigures{To: opt.To, PerSec: opt.PerSec}
		if err := r.fan(ctx, sp, &without, opt.Duration); err != nil {
			return fmt.Errorf("without: %w", err)
		}
		f.Without = append(f.Without, without)
		if err := r.withSlow(ctx, sp, opt, f, part); err != nil {
			return fmt.Errorf("with: %w", err)
		}
	}
	return nil
}

// withSlow measures one part with slow readers. They stop before it begins, and go on before it
// is counted.
func (r *rig) withSlow(ctx context.Context, sp *speaker, opt SlowOptions, f *SlowFigures, part func(w *worker, o *crowd.Order)) error {
	r.set.say("%d clients do not read", f.Stopped)
	if _, err := r.crew.do(crowd.Order{Op: crowd.OpPause}, part); err != nil {
		return err
	}
	memory, kernel := memoryOf(r.nodes), proc.KernelNow()
	with := FanoutFigures{To: opt.To, PerSec: opt.PerSec}
	err := r.fanWith(ctx, sp, &with, opt.Duration, func() error {
		f.PerStopped = max(f.PerStopped, float64(memoryOf(r.nodes).Resident-memory.Resident)/float64(f.Stopped))
		f.KernelPerStopped = max(f.KernelPerStopped, float64(proc.KernelNow().TCP-kernel.TCP)/float64(f.Stopped))
		_, err := r.crew.do(crowd.Order{Op: crowd.OpResume}, part)
		return err
	})
	f.With = append(f.With, with)
	return err
}
