//go:build linux

package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"muster/internal/bench"
	"muster/internal/load/crowd"
	"muster/internal/load/proc"
)

// Times are how long something took, in milliseconds.
type Times struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
}

// Result is what a measurement prints.
type Result struct {
	Name     string        `json:"name"`
	Machine  bench.Machine `json:"machine"`
	Settings Settings      `json:"settings"`
	Store    string        `json:"store"`
	// Options are those of the measurement, Figures what it found.
	Options any `json:"options,omitempty"`
	Figures any `json:"figures"`
	// Server is what the server used from its start to the end, Clients what the
	// workers did, Own what this process did.
	Server  Usage `json:"server"`
	Clients Usage `json:"clients"`
	Own     Usage `json:"own"`
	// Kernel is what the kernel held at the end.
	Kernel proc.Kernel  `json:"kernel"`
	Faults crowd.Faults `json:"faults"`
}

// Usage is what processes used.
type Usage struct {
	Processes  int         `json:"processes"`
	CPUSeconds float64     `json:"cpu_seconds"`
	User       float64     `json:"user_seconds"`
	System     float64     `json:"system_seconds"`
	Memory     proc.Memory `json:"memory"`
}

func usage(n int, c proc.CPU, m proc.Memory) Usage {
	return Usage{n, c.Total.Seconds(), c.User.Seconds(), c.System.Seconds(), m}
}

// rig is everything that a measurement runs on.
type rig struct {
	set    *Settings
	place  *place
	nodes  []*node
	world  *world
	crew   *crew
	second *crew // see aside; nil: none
	run    uint16
	faults *crowd.Faults
}

// need is what a measurement needs of the world: people with a session beside the
// clients, how many are on the roster at least, and groups.
type need struct{ people, roster, groups int }

// aside starts a second crew of n people, beside those of the first, and gives a
// rig of it on the same servers.
func (r *rig) aside(ctx context.Context, n int) (*rig, error) {
	c, err := startCrew(ctx, r.set, r.set.Clients, n)
	if err != nil {
		return nil, err
	}
	r.second = c
	set := *r.set
	set.Clients, set.Profile = n, ""
	return &rig{set: &set, place: r.place, nodes: r.nodes, world: r.world, crew: c, run: 1 << 12, faults: r.faults}, nil
}

// measure sets everything up, measures, and takes it down.
func measure(ctx context.Context, set Settings, name string, options any, need need, fn func(ctx context.Context, r *rig) (any, error)) (res Result, err error) {
	if err := set.settle(); err != nil {
		return res, err
	}
	res = Result{Name: name, Machine: bench.ThisMachine(), Options: options}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := openRig(ctx, &set, need)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	res.Settings, res.Store = set, "sqlite"
	if r.place.database != "" {
		res.Store = "postgresql"
	}
	res.Figures, err = fn(ctx, r)
	set.say("")
	res.Faults, res.Kernel = *r.faults, proc.KernelNow()
	res.Server = usage(len(r.nodes), cpuOf(r.nodes), memoryOf(r.nodes))
	if cpu, cpuErr := r.crew.cpu(); cpuErr == nil {
		res.Clients = usage(len(r.crew.workers), cpu, r.crew.memory())
	}
	if cpu, cpuErr := proc.CPUOf(os.Getpid()); cpuErr == nil {
		res.Own = usage(1, cpu, proc.MemoryOf(os.Getpid()))
	}
	return res, err
}

// openRig makes the world where it is not there yet, starts the servers anew, so
// that nothing of the making is left in them, and starts the workers.
func openRig(ctx context.Context, set *Settings, need need) (r *rig, err error) {
	r = &rig{set: set, faults: &crowd.Faults{}}
	if r.place, err = makePlace(ctx, set); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	if err := r.prepare(ctx, need); err != nil {
		return r, fmt.Errorf("make the people: %w", err)
	}
	set.say("starting %d server processes", set.Nodes)
	if r.nodes, err = serveAll(ctx, set, r.place); err != nil {
		return r, err
	}
	if err := proc.Bind(set.ClientCPUs); err != nil {
		return r, err
	}
	r.crew, err = startCrew(ctx, set, 0, set.Clients)
	return r, err
}

// prepare finds or makes the world.
func (r *rig) prepare(ctx context.Context, need need) error {
	set := r.set
	need.groups, need.people = max(need.groups, set.Groups), need.people+set.Clients
	need.roster = max(need.roster, need.people)
	if r.world = readWorld(r.place.dir, need); r.world != nil {
		return nil
	}
	if len(set.URL) > 0 {
		if set.DataDir == "" {
			return errors.New("the sessions made before are too few, and without --data-of-server none can be made")
		}
		w, err := makeWorld(ctx, set, &node{url: set.URL[0]}, r.place.dir, set.DataDir, need)
		r.world = w
		return err
	}
	if set.Data != "" {
		if left, err := os.ReadDir(set.Data); err == nil && len(left) > 0 {
			return fmt.Errorf("%s is not empty and has not %d people, %d on the roster, in %d groups: name another directory", set.Data, need.people, need.roster, need.groups)
		}
	}
	alone := *set
	alone.Nodes, alone.ServerCPUs, alone.ServerProcs, alone.Serve = 1, nil, 0, nil
	first, err := serveAll(ctx, &alone, r.place)
	if err != nil {
		return err
	}
	w, err := makeWorld(ctx, set, first[0], r.place.dir, r.place.dir+"/node0", need)
	r.world = w
	return errors.Join(err, stopAll(first))
}

func (r *rig) close() error {
	var errs []error
	if r.second != nil {
		errs = append(errs, r.second.stop())
	}
	if r.crew != nil {
		errs = append(errs, r.crew.stop())
	}
	errs = append(errs, stopAll(r.nodes), r.place.remove())
	return errors.Join(errs...)
}

func (r *rig) nextRun() uint16 {
	r.run++
	return r.run
}

// targets are where clients connect to.
func (r *rig) targets() []string {
	out := make([]string, len(r.nodes))
	for i, n := range r.nodes {
		out[i] = n.target()
	}
	return out
}

// connection is how clients connected.
type connection struct {
	In        int     `json:"clients"`
	Seconds   float64 `json:"seconds"`
	Refused   int     `json:"refused"`
	Failed    int     `json:"failed"`
	PerSecond float64 `json:"per_second"`
	// Handshake is from the connect to the welcome, Inside until the client was
	// in the channel or had what it missed.
	Handshake Times `json:"handshake"`
	Inside    Times `json:"inside"`
	// ServerCPU is the servers' processor time, PerHandshake of one client in
	// microseconds.
	ServerCPU    float64 `json:"server_cpu_seconds"`
	PerHandshake float64 `json:"server_cpu_us_per_client"`
	FirstError   string  `json:"first_error,omitempty"`
}

// connect brings all clients in. o says what else they do.
func (r *rig) connect(o crowd.Order) (c connection, replies []crowd.Reply, err error) {
	before := cpuOf(r.nodes)
	r.set.say("connecting %d clients", r.set.Clients)
	if o.Op == "" {
		o.Op = crowd.OpConnect
	}
	if o.AtOnce == 0 {
		o.AtOnce = r.set.AtOnce
	}
	o.Targets, o.Tokens = r.targets(), r.world.tokens
	o.TimeoutMS = max(o.TimeoutMS, r.set.Patience.Milliseconds()+int64(r.set.Clients)) // at a thousand a second at least
	if r.set.Rate > 0 {
		o.TimeoutMS += int64(float64(r.set.Clients) / r.set.Rate * 1000)
	}
	replies, err = r.crew.do(o, func(w *worker, o *crowd.Order) {
		o.From, o.Count = r.crew.offset+w.first, w.count
		o.Rate = r.set.Rate * float64(w.count) / float64(r.set.Clients)
	})
	c.ServerCPU = cpuOf(r.nodes).Sub(before).Total.Seconds()
	handshake, inside := crowd.NewHistogram(), crowd.NewHistogram()
	var began, ended int64
	for _, one := range replies {
		c.In += one.In
		c.Refused += one.Refused
		c.Failed += one.Failed
		if c.FirstError == "" {
			c.FirstError = one.First
		}
		handshake.Merge(crowd.Decoded(one.Latency))
		inside.Merge(crowd.Decoded(one.Later))
		if began == 0 || one.Began < began {
			began = one.Began
		}
		ended = max(ended, one.Ended)
	}
	c.Seconds = time.Duration(ended - began).Seconds()
	c.PerSecond = perSecond(int64(c.In), c.Seconds)
	c.Handshake, c.Inside = timesOf(handshake), timesOf(inside)
	if c.In > 0 {
		c.PerHandshake = c.ServerCPU * 1e6 / float64(c.In)
	}
	return c, replies, err
}

// finish ends a run of total messages: how many came, how long deliveries took.
func (r *rig) finish(total uint32) (got int64, took *hdrhistogram.Histogram, err error) {
	replies, err := r.crew.do(crowd.Order{Op: crowd.OpFinish, Total: total, TimeoutMS: 5000}, nil)
	took = crowd.NewHistogram()
	for _, one := range replies {
		got += one.Got
		took.Merge(crowd.Decoded(one.Latency))
		r.faults.Add(one.Faults)
	}
	return got, took, err
}

// finishGroups ends a run of sends: everybody should have everything up to the
// heads.
func (r *rig) finishGroups(heads map[int64]int64) (got int64, err error) {
	replies, err := r.crew.do(crowd.Order{Op: crowd.OpFinish, Heads: heads, TimeoutMS: 10_000}, nil)
	for _, one := range replies {
		got += one.Got
		r.faults.Add(one.Faults)
	}
	return got, err
}

func (r *rig) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// profiled writes a CPU profile of the first server while fn runs, if the
// settings ask for one.
func (r *rig) profiled(ctx context.Context, d time.Duration, fn func() error) error {
	if r.set.Profile == "" || r.nodes[0].ops == "" {
		return fn()
	}
	done := make(chan error, 1)
	go func() {
		b, err := r.nodes[0].profile(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", max(int(d.Seconds()), 1)))
		if err == nil {
			err = os.WriteFile(r.set.Profile, b, 0o600)
		}
		done <- err
	}()
	return errors.Join(fn(), <-done)
}
