//go:build linux

package load

import (
	"context"
	"errors"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"muster/internal/load/crowd"
)

// SendOptions say how clients send into groups.
type SendOptions struct {
	Into     int           `help:"Groups that they send into; every client is in all of them and follows one." default:"5" json:"groups"`
	UnderWay int           `help:"Messages under way of each client." default:"1" json:"under_way_each"`
	PerSec   float64       `help:"Messages a second of all clients together, in an open loop, instead." name:"messages" default:"0" json:"messages_per_second,omitempty"`
	Duration time.Duration `help:"How long." default:"5s" json:"-"`
}

// SendFigures are durable sends.
type SendFigures struct {
	Connect connection `json:"connect"`
	Sends
}

// Sends are what sending for a time came to.
type Sends struct {
	Acknowledged int64   `json:"acknowledged"`
	PerSec       float64 `json:"acknowledged_per_second"`
	// Latency is from when a message was sent, or due, to its acknowledgement.
	Latency Times `json:"acknowledgement"`
	// Deliveries are messages that clients got pushed.
	Deliveries int64   `json:"deliveries"`
	ServerCPU  float64 `json:"server_cpu_seconds"`
	// PerCPU is acknowledgements by processor time, deliveries included.
	PerCPU float64 `json:"acknowledged_per_cpu_second"`
}

// Send measures durable messages of all clients.
func Send(ctx context.Context, set Settings, opt SendOptions) (Result, error) {
	return measure(ctx, set, "send", opt, need{groups: max(opt.Into, 1)}, func(ctx context.Context, r *rig) (any, error) {
		var f SendFigures
		var err error
		if f.Connect, _, err = r.connect(crowd.Order{}); err != nil {
			return f, err
		}
		// Everybody's first message in a group costs a note beside it, once for
		// ever, which is not what is measured.
		groups := r.world.Groups[:max(opt.Into, 1)]
		if _, err := r.sends(groups, SendOptions{UnderWay: 1, Duration: time.Millisecond}); err != nil {
			return f, err
		}
		err = r.profiled(ctx, opt.Duration, func() (err error) {
			f.Sends, err = r.sends(groups, opt)
			return err
		})
		return f, err
	})
}

// sends lets all clients send for a time, and waits until everybody has
// everything.
func (r *rig) sends(groups []int64, opt SendOptions) (s Sends, err error) {
	r.set.say("sending for %v", opt.Duration)
	o := crowd.Order{
		Op: crowd.OpReady, Run: r.nextRun(), Groups: groups, UnderWay: opt.UnderWay, Text: r.set.Text,
		DurationMS: opt.Duration.Milliseconds(), TimeoutMS: (opt.Duration + r.set.Patience).Milliseconds(),
	}
	part := func(w *worker, o *crowd.Order) {
		o.Base = uint32(w.first) //nolint:gosec // a count
		o.Rate = opt.PerSec * float64(w.count) / float64(r.set.Clients)
	}
	if _, err := r.crew.do(o, part); err != nil {
		return s, err
	}
	o.Op = crowd.OpSend
	before, begun := cpuOf(r.nodes), time.Now()
	replies, err := r.crew.do(o, part)
	seconds := min(time.Since(begun), max(opt.Duration, time.Millisecond)).Seconds()
	latency := crowd.NewHistogram()
	s.Acknowledged = acked(replies, latency)
	heads := map[int64]int64{}
	for _, one := range replies {
		for g, head := range one.Heads {
			heads[g] = max(heads[g], head)
		}
	}
	got, finishErr := r.finishGroups(heads)
	s.ServerCPU = cpuOf(r.nodes).Sub(before).Total.Seconds()
	s.PerSec, s.Latency, s.Deliveries = perSecond(s.Acknowledged, seconds), timesOf(latency), got
	s.PerCPU = perSecond(s.Acknowledged, s.ServerCPU)
	return s, errors.Join(err, finishErr)
}

func acked(replies []crowd.Reply, latency *hdrhistogram.Histogram) (n int64) {
	for _, one := range replies {
		n += one.Acks
		latency.Merge(crowd.Decoded(one.Latency))
	}
	return n
}
