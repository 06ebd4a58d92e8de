//go:build linux

package load

import (
	"context"
	"errors"
	"time"

	"muster/internal/load/crowd"
	"muster/internal/load/proc"
)

// ConnectOptions say how clients come in.
type ConnectOptions struct {
	Enter bool          `help:"Let everybody enter the channel." default:"false" json:"enter"`
	Quiet time.Duration `help:"Quiet after the last handshake, before memory is read." default:"3s" json:"-"`
	Again bool          `help:"Cut everybody off at the end and let them come back." default:"true" negatable:"" json:"again"`
	Hold  time.Duration `help:"How long to hold the connections then and count the server's processor time." default:"3s" json:"-"`
}

// ConnectFigures are what connections cost.
type ConnectFigures struct {
	// Connect is of sessions that the servers see for the first time since their
	// start, Again of the same clients when they come back after a cut.
	Connect connection  `json:"connect"`
	Again   *connection `json:"again,omitempty"`
	// Before and After are the servers' memory without and with the clients.
	Before proc.Memory `json:"memory_before"`
	After  proc.Memory `json:"memory_after"`
	// PerConnection is by how much the servers' resident memory grew, in bytes,
	// HeapPerConnection by how much what is left on their heaps and stacks after a
	// collection grew.
	PerConnection     float64 `json:"user_bytes_per_connection"`
	HeapPerConnection float64 `json:"live_bytes_per_connection"`
	// SlabPerConnection is by how much the kernel's small objects grew, both ends
	// of the connection together.
	SlabPerConnection float64 `json:"kernel_slab_bytes_per_connection_both_ends"`
	// ClientPerConnection is the workers' own memory.
	ClientPerConnection float64 `json:"client_bytes_per_connection"`
	// IdleCPU is the servers' share of a processor while nothing happens.
	IdleCPU float64 `json:"idle_cpu_percent"`
}

// Connect measures handshakes and idle connections.
func Connect(ctx context.Context, set Settings, opt ConnectOptions) (Result, error) {
	return measure(ctx, set, "connect", opt, need{}, func(ctx context.Context, r *rig) (any, error) {
		f := ConnectFigures{Before: memoryOf(r.nodes)}
		heap, stacks := heapOf(ctx, r.nodes)
		f.Before = memoryOf(r.nodes)
		kernel, clients := proc.KernelNow(), r.crew.memory()
		o := crowd.Order{}
		if opt.Enter {
			o.Enter = r.world.Channel
		}
		err := r.profiled(ctx, time.Duration(set.Clients)*200*time.Microsecond+time.Second, func() (err error) {
			f.Connect, _, err = r.connect(o)
			return err
		})
		if err != nil {
			return f, err
		}
		if err := r.pause(ctx, opt.Quiet); err != nil {
			return f, err
		}
		n := float64(f.Connect.In)
		f.After = memoryOf(r.nodes)
		f.PerConnection = float64(f.After.Resident-f.Before.Resident) / n
		f.SlabPerConnection = float64(proc.KernelNow().Slab-kernel.Slab) / n
		f.ClientPerConnection = float64(r.crew.memory().Resident-clients.Resident) / n
		heapAfter, stacksAfter := heapOf(ctx, r.nodes)
		f.HeapPerConnection = float64(heapAfter+stacksAfter-heap-stacks) / n
		before, begun := cpuOf(r.nodes), time.Now()
		err = r.pause(ctx, opt.Hold)
		f.IdleCPU = 100 * cpuOf(r.nodes).Sub(before).Total.Seconds() / time.Since(begun).Seconds()
		// Who was in has to be in still.
		if finishErr := r.crew.begin(r.nextRun(), 0); finishErr != nil {
			return f, finishErr
		}
		if _, _, finishErr := r.finish(0); finishErr != nil || err != nil || !opt.Again {
			return f, errors.Join(err, finishErr)
		}
		if _, err := r.crew.do(crowd.Order{Op: crowd.OpCut}, nil); err != nil {
			return f, err
		}
		if err := r.pause(ctx, 2*time.Second); err != nil { // until the servers have seen it
			return f, err
		}
		again, _, err := r.connect(crowd.Order{Op: crowd.OpReturn})
		f.Again = &again
		return f, err
	})
}

// Prepare makes the people of later measurements in a directory, and measures
// nothing.
func Prepare(ctx context.Context, set Settings, more PrepareOptions) (Result, error) {
	if set.Data == "" {
		return Result{}, errors.New("prepare: --data says where the people are kept")
	}
	return measure(ctx, set, "prepare", more, need{people: more.Beside, roster: more.Roster}, func(_ context.Context, r *rig) (any, error) {
		return map[string]int{"people": r.world.People, "roster": r.world.Roster, "groups": len(r.world.Groups)}, nil
	})
}

// PrepareOptions say who is made beside the clients.
type PrepareOptions struct {
	Beside int `help:"More people with a session, for senders and those inside." default:"0" json:"beside"`
	Roster int `help:"People on the roster, at least as many as have a session." default:"0" json:"roster"`
}

// memory is that of all workers.
func (c *crew) memory() (sum proc.Memory) {
	for _, w := range c.workers {
		m := proc.MemoryOf(w.pid())
		sum.Resident, sum.Anonymous, sum.Share, sum.Peak = sum.Resident+m.Resident, sum.Anonymous+m.Anonymous, sum.Share+m.Share, sum.Peak+m.Peak
	}
	return sum
}
