//go:build linux

package load

import (
	"context"
	"time"

	"muster/internal/load/crowd"
	"muster/internal/load/proc"
)

// ConnectOptions say how clients come in.
type ConnectOptions struct {
	Enter bool          `help:"Let everybody enter the channel." default:"false" json:"enter"`
	Quiet time.Duration `help:"Quiet after the last handshake, before memory is read." default:"3s" json:"-"`
	Hold  time.Duration `help:"How long to hold the connections then and count the server's processor time." default:"3s" json:"-"`
}

// ConnectFigures are what connections cost.
type ConnectFigures struct {
	Connect connection `json:"connect"`
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
		_, _, finishErr := r.finish(0)
		if finishErr != nil {
			return f, finishErr
		}
		return f, err
	})
}

// memory is that of all workers.
func (c *crew) memory() (sum proc.Memory) {
	for _, w := range c.workers {
		m := proc.MemoryOf(w.pid())
		sum.Resident, sum.Anonymous, sum.Share, sum.Peak = sum.Resident+m.Resident, sum.Anonymous+m.Anonymous, sum.Share+m.Share, sum.Peak+m.Peak
	}
	return sum
}
