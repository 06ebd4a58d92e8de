//go:build linux

package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/internal/client"
	"muster/internal/load/crowd"
)

// EnrolOptions say what is enrolled while who sends.
type EnrolOptions struct {
	Roster   int           `help:"People on the roster; the clients are among them, online." default:"100000" json:"roster"`
	Senders  int           `help:"Clients that send into a group of their own meanwhile." default:"16" json:"senders"`
	PerSec   float64       `help:"Messages a second of all of them." name:"messages" default:"1000" json:"messages_per_second"`
	Duration time.Duration `help:"How long senders are measured, before and during." default:"5s" json:"-"`
}

// EnrolFigures are an enrolment of a whole roster.
type EnrolFigures struct {
	Connect connection `json:"connect"`
	// Seconds is from the request until the job was done, and Told until the
	// clients were told that they are members.
	Seconds   float64 `json:"seconds"`
	PerSec    float64 `json:"people_per_second"`
	Told      Times   `json:"online_members_told"`
	Before    Sends   `json:"senders_before"`
	During    Sends   `json:"senders_during"`
	ServerCPU float64 `json:"server_cpu_seconds"`
}

// Enrol measures an enrolment with members online and senders going on.
func Enrol(ctx context.Context, set Settings, opt EnrolOptions) (Result, error) {
	return measure(ctx, set, "enrol", opt, need{people: opt.Senders, roster: opt.Roster}, func(ctx context.Context, r *rig) (any, error) {
		var f EnrolFigures
		var err error
		owner := client.NewServices(r.nodes[0].url, r.world.Owner, nil)
		room, err := newChannel(ctx, owner, "Senders")
		if err != nil {
			return f, err
		}
		if err := importPeople(ctx, owner, room, r.set.Clients, opt.Senders); err != nil {
			return f, err
		}
		small, err1 := newGroup(ctx, owner, "Senders")
		large, err2 := newGroup(ctx, owner, "Everybody")
		if err := errors.Join(err1, err2); err != nil {
			return f, err
		}
		if err := enrolAll(ctx, owner, small, room); err != nil {
			return f, err
		}
		senders, err := r.aside(ctx, opt.Senders)
		if err != nil {
			return f, err
		}
		if _, _, err := senders.connect(crowd.Order{}); err != nil {
			return f, err
		}
		if f.Connect, _, err = r.connect(crowd.Order{}); err != nil {
			return f, err
		}
		err = r.enrol(ctx, owner, senders, small, large, opt, &f)
		return f, err
	})
}

func (r *rig) enrol(ctx context.Context, owner client.Services, senders *rig, small, large int64, opt EnrolOptions, f *EnrolFigures) (err error) {
	send := SendOptions{PerSec: opt.PerSec, Duration: opt.Duration, UnderWay: 1}
	if f.Before, err = senders.sends([]int64{small}, send); err != nil {
		return fmt.Errorf("before: %w", err)
	}
	if err := r.crew.beginWatching(r.nextRun(), 0, large); err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() {
		var err error
		f.During, err = senders.sends([]int64{small}, send)
		sent <- err
	}()
	before, begun := cpuOf(r.nodes), time.Now()
	r.set.say("enrolling %d people", r.world.Roster)
	err = r.profiled(ctx, opt.Duration, func() error { return enrolAll(ctx, owner, large, r.world.Channel) })
	f.Seconds, f.ServerCPU = time.Since(begun).Seconds(), cpuOf(r.nodes).Sub(before).Total.Seconds()
	f.PerSec = perSecond(int64(r.world.Roster), f.Seconds)
	err = errors.Join(err, <-sent)
	if err != nil {
		return err
	}
	replies, err := r.crew.do(crowd.Order{Op: crowd.OpAdded, TimeoutMS: r.set.Patience.Milliseconds()}, nil)
	told := crowd.NewHistogram()
	for _, one := range replies {
		told.Merge(crowd.Decoded(one.Later))
		r.faults.Add(one.Faults)
	}
	f.Told = timesOf(told)
	return err
}
