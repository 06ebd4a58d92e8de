//go:build linux

package load

import (
	"context"
	"errors"
	"time"

	"connectrpc.com/connect"

	musterv1 "muster/gen/muster/v1"
	"muster/internal/client"
	"muster/internal/load/crowd"
)

// ResyncOptions say how members return.
type ResyncOptions struct {
	Missed int `help:"Messages that everybody missed." default:"100" json:"missed"`
	Runs   int `help:"How often they return." default:"3" json:"runs"`
}

// ResyncFigures are members who return at once.
type ResyncFigures struct {
	Runs []ResyncRun `json:"runs"`
}

// ResyncRun is one return.
type ResyncRun struct {
	// Seconds is from the first connect until the last member has everything.
	Seconds float64 `json:"seconds"`
	// Members and Messages by second.
	PerSec   float64    `json:"members_per_second"`
	Messages int64      `json:"messages"`
	Trips    int64      `json:"syncs"`
	Connect  connection `json:"connect"`
}

// Resync measures members of one group who missed messages and return at once.
func Resync(ctx context.Context, set Settings, opt ResyncOptions) (Result, error) {
	return measure(ctx, set, "resync", opt, need{groups: 1}, func(ctx context.Context, r *rig) (any, error) {
		var f ResyncFigures
		head, err := r.fill(ctx, r.world.Groups[0], opt.Missed)
		if err != nil {
			return f, err
		}
		heads, err := r.heads(ctx)
		if err != nil {
			return f, err
		}
		o := crowd.Order{Heads: heads, Group: r.world.Groups[0], SyncFrom: head - int64(opt.Missed), SyncTo: head}
		for range opt.Runs {
			var run ResyncRun
			r.set.say("%d members return", r.set.Clients)
			if err := r.crew.begin(r.nextRun(), 0); err != nil {
				return f, err
			}
			c, replies, err := r.connect(o)
			run.Connect = c
			for _, one := range replies {
				run.Messages += one.Got
				run.Trips += one.Trips
				r.faults.Add(one.Faults)
			}
			run.Seconds = c.Seconds
			run.PerSec = perSecond(int64(c.In), c.Seconds)
			f.Runs = append(f.Runs, run)
			if err != nil {
				return f, err
			}
			if want := int64(opt.Missed) * int64(c.In); run.Messages != want {
				r.faults.Lost += max(want-run.Messages, 0)
				r.faults.Doubled += max(run.Messages-want, 0)
			}
			if _, err := r.crew.do(crowd.Order{Op: crowd.OpCut}, nil); err != nil {
				return f, err
			}
			o.Op = crowd.OpReturn
			// The server has to see that they are gone.
			if err := r.pause(ctx, time.Second); err != nil {
				return f, err
			}
		}
		return f, nil
	})
}

// heads are those of all groups.
func (r *rig) heads(ctx context.Context) (map[int64]int64, error) {
	owner := client.NewServices(r.nodes[0].url, r.world.Owner, nil)
	out := map[int64]int64{}
	for token := ""; ; {
		page, err := owner.ListMyGroups(ctx, connect.NewRequest(&musterv1.ListMyGroupsRequest{PageToken: token}))
		if err != nil {
			return nil, err
		}
		for _, g := range page.Msg.GetGroups() {
			out[g.GetGroup().GetId()] = g.GetGroup().GetHead()
		}
		if token = page.Msg.GetNextPageToken(); token == "" {
			return out, nil
		}
	}
}

// fill sends messages into a group as its owner, and gives its head.
func (r *rig) fill(ctx context.Context, group int64, n int) (head int64, err error) {
	r.set.say("sending %d messages", n)
	sp, err := newSpeaker(ctx, r.nodes[0], r.world.Owner, 0, r.set.Text)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, sp.stop()) }()
	sp.group = group
	run := r.nextRun()
	for i := range n {
		if err := sp.speak(run, uint32(i), crowd.Now()); err != nil { //nolint:gosec // a count
			return 0, err
		}
		if i%32 == 31 || i == n-1 {
			if head, err = sp.acknowledged(ctx, int64(i+1), r.set.Patience); err != nil {
				return 0, err
			}
		}
	}
	return head, nil
}
