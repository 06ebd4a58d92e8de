//go:build linux

package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/internal/load/crowd"
)

// FanoutOptions say how messages are sent to everybody.
type FanoutOptions struct {
	UnderWay []int         `help:"Messages under way, one measurement each; the next one is sent when everybody has one." default:"1,4,32" json:"under_way"`
	PerSec   []float64     `help:"Messages a second in an open loop, one measurement each." name:"messages" placeholder:"N" json:"messages_per_second,omitempty"`
	To       []string      `help:"Where to: channel, group." default:"channel" enum:"channel,group" json:"to"`
	Duration time.Duration `help:"How long each measurement takes." default:"3s" json:"-"`
	Floor    time.Duration `help:"How long each measurement of the floor takes, before and after; 0: none." default:"1s" json:"-"`
	Settle   time.Duration `help:"Quiet between the last handshake and the first message." default:"1s" json:"-"`
}

// FanoutFigures are messages that went to everybody.
type FanoutFigures struct {
	To string `json:"to"`
	// UnderWay or PerSec is how they were sent.
	UnderWay   int     `json:"under_way,omitempty"`
	PerSec     float64 `json:"messages_per_second,omitempty"`
	Messages   int     `json:"messages"`
	Deliveries int64   `json:"deliveries"`
	Seconds    float64 `json:"seconds"`
	Reached    float64 `json:"messages_per_second_reached"`
	// ServerCPU is the servers' processor time, and PerCPU deliveries by it.
	ServerCPU float64 `json:"server_cpu_seconds"`
	User      float64 `json:"server_user_seconds"`
	System    float64 `json:"server_system_seconds"`
	PerCPU    float64 `json:"deliveries_per_cpu_second"`
	// OfFloor is PerCPU by that of the floor with one write per message, and of
	// the floor with coalesced writes.
	OfFloor          float64 `json:"of_floor,omitempty"`
	OfFloorCoalesced float64 `json:"of_floor_coalesced,omitempty"`
	// Last is the time from when a message was sent, in an open loop from when it
	// was due, until the last client had it; Each is that of every delivery.
	Last Times `json:"last_client"`
	Each Times `json:"each_client"`
}

// Fanouts is the whole measurement.
type Fanouts struct {
	Connect connection      `json:"connect"`
	Runs    []FanoutFigures `json:"runs"`
	Floor   []FloorFigures  `json:"floor,omitempty"`
	// GroupCost is the processor time of a group's delivery by that of a
	// channel's, for each way of sending.
	GroupCost []float64 `json:"group_cost_by_channel,omitempty"`
}

// Fanout measures messages to many clients in one channel or group.
func Fanout(ctx context.Context, set Settings, opt FanoutOptions) (Result, error) {
	return measure(ctx, set, "fanout", opt, need{groups: 1}, func(ctx context.Context, r *rig) (any, error) {
		var all Fanouts
		if err := r.floors(ctx, &all, opt); err != nil {
			return all, err
		}
		if err := r.fanouts(ctx, &all, opt); err != nil {
			return all, err
		}
		if _, err := r.crew.do(crowd.Order{Op: crowd.OpDrop}, nil); err != nil {
			return all, err
		}
		if err := r.floors(ctx, &all, opt); err != nil {
			return all, err
		}
		all.compare()
		return all, nil
	})
}

// FloorOnly measures nothing but the floor.
func FloorOnly(ctx context.Context, set Settings, opt FanoutOptions) (Result, error) {
	return measure(ctx, set, "floor", opt, need{}, func(ctx context.Context, r *rig) (any, error) {
		var all Fanouts
		err := r.floors(ctx, &all, opt)
		return all.Floor, err
	})
}

// floors measures the floor for each number of messages under way.
func (r *rig) floors(ctx context.Context, all *Fanouts, opt FanoutOptions) (err error) {
	if opt.Floor <= 0 {
		return nil
	}
	f, err := startFloor(ctx, r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.end(r)) }()
	for _, n := range opt.UnderWay {
		for _, together := range []bool{false, true} {
			if together && n == 1 {
				continue
			}
			r.set.say("the floor with %d under way", n)
			fig, err := f.measure(ctx, r, n, together, opt.Floor)
			if err != nil {
				return err
			}
			all.Floor = append(all.Floor, fig)
		}
	}
	return nil
}

// fanouts connects everybody and measures every way of sending.
func (r *rig) fanouts(ctx context.Context, all *Fanouts, opt FanoutOptions) (err error) {
	if all.Connect, _, err = r.connect(crowd.Order{Enter: r.world.Channel, Group: r.world.Groups[0]}); err != nil {
		return err
	}
	sp, err := newSpeaker(ctx, r.nodes[0], r.world.Owner, r.world.Channel, r.set.Text)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sp.stop()) }()
	if err := r.pause(ctx, opt.Settle); err != nil {
		return err
	}
	whole := time.Duration(len(opt.To)*(len(opt.UnderWay)+len(opt.PerSec))) * opt.Duration
	return r.profiled(ctx, whole, func() error {
		for _, to := range opt.To {
			sp.group = 0
			if to == "group" {
				sp.group = r.world.Groups[0]
			}
			for _, n := range opt.UnderWay {
				if err := r.fanoutOnce(ctx, all, sp, FanoutFigures{To: to, UnderWay: n}, opt.Duration); err != nil {
					return err
				}
			}
			for _, rate := range opt.PerSec {
				if err := r.fanoutOnce(ctx, all, sp, FanoutFigures{To: to, PerSec: rate}, opt.Duration); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (r *rig) fanoutOnce(ctx context.Context, all *Fanouts, sp *speaker, f FanoutFigures, d time.Duration) error {
	r.set.say("%s: %d under way, %g a second", f.To, f.UnderWay, f.PerSec)
	if err := r.fan(ctx, sp, &f, d); err != nil {
		return fmt.Errorf("to a %s, %d under way, %g a second: %w", f.To, f.UnderWay, f.PerSec, err)
	}
	all.Runs = append(all.Runs, f)
	return nil
}

// fan measures one way of sending.
func (r *rig) fan(ctx context.Context, sp *speaker, f *FanoutFigures, d time.Duration) error {
	return r.fanWith(ctx, sp, f, d, func() error { return nil })
}

// fanUntil measures one way of sending until over is closed.
func (r *rig) fanUntil(ctx context.Context, sp *speaker, f *FanoutFigures, over <-chan struct{}) error {
	return r.fanLoop(ctx, loop{rig: r, sp: sp, over: over}, f, func() error { return nil })
}

// fanWith measures one way of sending; after is called when everybody who reads
// has everything, before what is missing is counted.
func (r *rig) fanWith(ctx context.Context, sp *speaker, f *FanoutFigures, d time.Duration, after func() error) error {
	return r.fanLoop(ctx, loop{rig: r, sp: sp, until: time.Now().Add(d)}, f, after)
}

func (r *rig) fanLoop(ctx context.Context, l loop, f *FanoutFigures, after func() error) error {
	sp, run := l.sp, r.nextRun()
	if err := r.crew.begin(run, sp.group); err != nil {
		return err
	}
	acked := int64(sp.last) //nolint:gosec // a count
	before, begun := cpuOf(r.nodes), time.Now()
	l.run, l.last = run, crowd.NewHistogram()
	err := l.send(ctx, f.UnderWay, f.PerSec)
	f.Seconds = time.Since(begun).Seconds()
	used := cpuOf(r.nodes).Sub(before)
	f.Messages = len(l.sent)
	if afterErr := after(); afterErr != nil {
		return errors.Join(err, afterErr)
	}
	got, each, finishErr := r.finish(uint32(f.Messages)) //nolint:gosec // a count
	f.Deliveries, f.ServerCPU, f.User, f.System = got, used.Total.Seconds(), used.User.Seconds(), used.System.Seconds()
	f.PerCPU, f.Reached = perSecond(got, f.ServerCPU), perSecond(int64(f.Messages), f.Seconds)
	f.Last, f.Each = timesOf(l.last), timesOf(each)
	if _, ackErr := sp.acknowledged(ctx, acked+int64(f.Messages), r.set.Patience); ackErr != nil {
		err = errors.Join(err, ackErr)
	}
	return errors.Join(err, finishErr)
}

// compare relates the runs to the floor and the group's to the channel's.
func (a *Fanouts) compare() {
	floorOf := func(underWay int, together bool) float64 {
		sum, n := 0.0, 0
		for _, f := range a.Floor {
			if f.UnderWay == underWay && (f.Together == together || underWay == 1) {
				sum += f.PerCPU
				n++
			}
		}
		if n == 0 {
			return 0
		}
		return sum / float64(n)
	}
	for i := range a.Runs {
		run := &a.Runs[i]
		if each := floorOf(run.UnderWay, false); each > 0 {
			run.OfFloor = run.PerCPU / each
		}
		if together := floorOf(run.UnderWay, true); together > 0 {
			run.OfFloorCoalesced = run.PerCPU / together
		}
		if run.To != "group" {
			continue
		}
		for _, other := range a.Runs {
			if other.To == "channel" && other.UnderWay == run.UnderWay && other.PerSec == run.PerSec && run.PerCPU > 0 {
				a.GroupCost = append(a.GroupCost, other.PerCPU/run.PerCPU)
			}
		}
	}
}
