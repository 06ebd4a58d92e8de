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

// StormOptions say who returns at once and who is inside.
type StormOptions struct {
	Inside   int           `help:"Clients that stay in the channel." default:"1000" json:"inside"`
	PerSec   float64       `help:"Messages a second to them." name:"messages" default:"100" json:"messages_per_second"`
	Duration time.Duration `help:"How long those inside are measured before; during the return it is for as long as that takes." default:"10s" json:"-"`
}

// StormFigures are clients that were all cut off and come back at once, with the
// server's own limit on handshakes.
type StormFigures struct {
	Before connection `json:"connect_before"`
	Return connection `json:"return"`
	// Admitted is how many were back after each tenth of a second; Seconds95 is
	// when 95 of a hundred were.
	Admitted  []int   `json:"back_after_tenths"`
	Seconds95 float64 `json:"seconds_until_95_percent"`
	// Quiet and Storm are those inside before the cut, and from the cut until
	// everybody is back; Ratio is their p99 with by that without.
	Quiet FanoutFigures `json:"inside_before"`
	Storm FanoutFigures `json:"inside_during"`
	Ratio float64       `json:"inside_p99_during_by_before"`
	// Memory is the server's with everybody in, and Peak the most during the
	// return.
	Memory proc.Memory `json:"memory_before"`
	Peak   int64       `json:"rss_peak_bytes"`
	Growth float64     `json:"rss_peak_by_before"`
}

// Storm measures the return of all clients at once while others are inside.
func Storm(ctx context.Context, set Settings, opt StormOptions) (Result, error) {
	set.Admission = true
	return measure(ctx, set, "storm", opt, need{people: opt.Inside, groups: 1}, func(ctx context.Context, r *rig) (any, error) {
		var f StormFigures
		in, err := r.aside(ctx, opt.Inside)
		if err != nil {
			return f, err
		}
		if _, _, err := in.connect(crowd.Order{Enter: r.world.Channel}); err != nil {
			return f, err
		}
		if f.Before, _, err = r.connectGently(); err != nil {
			return f, err
		}
		sp, err := newSpeaker(ctx, r.nodes[0], r.world.Owner, r.world.Channel, r.set.Text)
		if err != nil {
			return f, err
		}
		defer func() { _ = sp.stop() }() // its socket
		f.Quiet, f.Storm = FanoutFigures{To: "channel", PerSec: opt.PerSec}, FanoutFigures{To: "channel", PerSec: opt.PerSec}
		if err := in.fan(ctx, sp, &f.Quiet, opt.Duration); err != nil {
			return f, fmt.Errorf("before: %w", err)
		}
		err = r.profiled(ctx, opt.Duration, func() error { return r.storm(ctx, in, sp, opt, &f) })
		if f.Quiet.Each.P99 > 0 {
			f.Ratio = f.Storm.Each.P99 / f.Quiet.Each.P99
		}
		f.Growth = float64(f.Peak) / float64(max(f.Memory.Resident, 1))
		return f, err
	})
}

// storm cuts everybody off and lets them return at once.
func (r *rig) storm(ctx context.Context, in *rig, sp *speaker, opt StormOptions, f *StormFigures) error {
	f.Memory = memoryOf(r.nodes)
	for _, n := range r.nodes {
		if n.process != 0 {
			proc.ResetPeak(n.process)
		}
	}
	inside, returned := make(chan error, 1), make(chan struct{})
	go func() { inside <- in.fanUntil(ctx, sp, &f.Storm, returned) }()
	if _, err := r.crew.do(crowd.Order{Op: crowd.OpCut}, nil); err != nil {
		close(returned)
		return errors.Join(err, <-inside)
	}
	c, replies, err := r.connect(crowd.Order{Op: crowd.OpReturn, AtOnce: 1 << 30, TimeoutMS: 90_000})
	close(returned)
	f.Return = c
	f.Peak = memoryOf(r.nodes).Peak
	for _, one := range replies {
		for i, n := range one.Admitted {
			for i >= len(f.Admitted) {
				f.Admitted = append(f.Admitted, 0)
			}
			f.Admitted[i] += n
		}
	}
	back := 0
	for i := range f.Admitted {
		back += f.Admitted[i]
		f.Admitted[i] = back
		if f.Seconds95 == 0 && back*100 >= 95*r.set.Clients {
			f.Seconds95 = float64(i+1) / 10
		}
	}
	return errors.Join(err, <-inside)
}

// gentle is a rate of handshakes that a server lets in as it is configured by
// default.
const gentle = 900

// connectGently brings everybody in at a rate that the server does not refuse.
func (r *rig) connectGently() (connection, []crowd.Reply, error) {
	slowly := *r
	set := *r.set
	if set.Rate == 0 {
		set.Rate = gentle
	}
	slowly.set = &set
	return slowly.connect(crowd.Order{})
}
