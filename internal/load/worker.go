//go:build linux

package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"

	"muster/internal/cli"
	"muster/internal/load/crowd"
	"muster/internal/load/proc"
)

// The first argument of this program where it runs as a part of a measurement.
const (
	workerRole = "worker"
	floorRole  = "floor-writer"
	serveRole  = "serve"
)

// Child runs this process as a part of a measurement, if its arguments say so: a
// worker, the floor's writer, or the server itself, as `muster serve`.
func Child() (status int, ok bool) {
	if len(os.Args) < 2 {
		return 0, false
	}
	var err error
	switch os.Args[1] {
	case serveRole:
		return cli.Main(), true
	case workerRole:
		err = runWorker()
	case floorRole:
		err = runFloor()
	default:
		return 0, false
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		return 1, true
	}
	return 0, true
}

// runWorker holds a crowd and does the orders of its standard input, until that
// ends. Its arguments are its number, the place of its first client, and whether
// it goes before other workers.
func runWorker() error {
	if len(os.Args) != 5 {
		return errors.New("it is started by the other commands")
	}
	eager := os.Args[4] == "true"
	number, err1 := strconv.Atoi(os.Args[2])
	seat, err2 := strconv.Atoi(os.Args[3])
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if _, err := proc.RaiseOpenFiles(); err != nil {
		return err
	}
	c, err := crowd.New(uint32(number), seat, os.NewFile(3, "report")) //nolint:gosec // a small number
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if eager {
			runtime.LockOSThread()
			proc.Hurry()
		}
		return c.Run(ctx)
	})
	g.Go(func() error {
		defer cancel()
		in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
		for {
			var o crowd.Order
			if err := in.Decode(&o); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			r, err := c.Do(ctx, o)
			if err != nil && r.Err == "" {
				return err
			}
			if err := out.Encode(r); err != nil {
				return err
			}
		}
	})
	return g.Wait()
}

// child is another process of a measurement, which ends with its standard input.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.ReadCloser
}

// startChild starts this program in another role, on processors.
func startChild(ctx context.Context, cpus []int, env []string, extra []*os.File, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.CommandContext(ctx, self, args...)} //nolint:gosec // ourselves
	c.cmd.Env = append(os.Environ(), env...)
	c.cmd.Stderr, c.cmd.ExtraFiles = os.Stderr, extra
	// An interrupt typed at the terminal is this process's affair.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if c.out, err = c.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	return c, proc.On(cpus, c.cmd.Start)
}

func (c *child) pid() int { return c.cmd.Process.Pid }

func (c *child) stop() error { return errors.Join(c.in.Close(), c.cmd.Wait()) }

// worker is a crowd in another process.
type worker struct {
	*child
	enc *json.Encoder
	dec *json.Decoder
	// first is the place of its first client, count how many it has at most.
	first, count int
}

// crew is all workers of a measurement.
type crew struct {
	workers []*worker
	report  *os.File
	// offset is the place of its first client among all people.
	offset  int
	reading sync.WaitGroup
	dones   chan crowd.Done
	settled settled
}

// settled counts how many workers have a message.
type settled struct {
	run  uint32
	left map[uint32]int
	last map[uint32]int64
}

// startCrew starts as many workers as n clients need. Those of a crew beside the
// first go before it on their processors: what they measure is the server's
// doing, not that of clients who make a rush.
func startCrew(ctx context.Context, set *Settings, offset, n int) (*crew, error) {
	files, err := proc.RaiseOpenFiles()
	if err != nil {
		return nil, err
	}
	each := files - 200 // a worker's other files
	count := max((n+each-1)/each, set.Workers, 1)
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c := &crew{report: r, offset: offset, dones: make(chan crowd.Done, 1<<16)}
	for i := range count {
		share := n / count
		if i < n%count {
			share++
		}
		wk := &worker{count: share}
		if i > 0 {
			wk.first = c.workers[i-1].first + c.workers[i-1].count
		}
		wk.child, err = startChild(ctx, set.ClientCPUs, nil, []*os.File{w}, workerRole, strconv.Itoa(i), strconv.Itoa(offset+wk.first+1), strconv.FormatBool(offset > 0))
		if err != nil {
			return nil, errors.Join(err, c.stop())
		}
		wk.enc, wk.dec = json.NewEncoder(wk.in), json.NewDecoder(wk.out)
		c.workers = append(c.workers, wk)
	}
	c.reading.Go(func() {
		defer close(c.dones)
		_ = crowd.ReadDones(r, func(d crowd.Done) { c.dones <- d }) // until the last worker ends
	})
	return c, w.Close()
}

// stop ends the workers.
func (c *crew) stop() error {
	var errs []error
	for _, w := range c.workers {
		errs = append(errs, w.stop())
	}
	c.reading.Wait()
	return errors.Join(append(errs, c.report.Close())...)
}

// do gives every worker an order; change makes each one's own of it.
func (c *crew) do(o crowd.Order, change func(w *worker, o *crowd.Order)) ([]crowd.Reply, error) {
	replies := make([]crowd.Reply, len(c.workers))
	var g errgroup.Group
	for i, w := range c.workers {
		own := o
		if change != nil {
			change(w, &own)
		}
		g.Go(func() error {
			if err := w.enc.Encode(own); err != nil {
				return fmt.Errorf("worker %d: %w", i, err)
			}
			if err := w.dec.Decode(&replies[i]); err != nil {
				return fmt.Errorf("worker %d: %w", i, err)
			}
			if replies[i].Err != "" {
				return fmt.Errorf("worker %d: %s", i, replies[i].Err)
			}
			return nil
		})
	}
	return replies, g.Wait()
}

// cpu is the processor time of all workers.
func (c *crew) cpu() (sum proc.CPU, err error) {
	for _, w := range c.workers {
		one, err := proc.CPUOf(w.pid())
		if err != nil {
			return sum, err
		}
		sum = sum.Add(one)
	}
	return sum, nil
}

// begin begins a run with every worker.
func (c *crew) begin(run uint16, group int64) error {
	return c.beginWatching(run, group, 0)
}

// beginWatching is begin, and everybody should be told of a new group.
func (c *crew) beginWatching(run uint16, group, watch int64) error {
	c.settled = settled{run: uint32(run), left: map[uint32]int{}, last: map[uint32]int64{}}
	_, err := c.do(crowd.Order{Op: crowd.OpBegin, Run: run, Group: group, Watch: watch}, nil)
	return err
}

// done takes what a worker reports, and says whether the message is everywhere.
func (c *crew) done(d crowd.Done) (at int64, everywhere bool) {
	s := &c.settled
	if d.Run != s.run {
		return 0, false
	}
	left, known := s.left[d.Seq]
	if !known {
		left = len(c.workers)
	}
	s.left[d.Seq], s.last[d.Seq] = left-1, max(s.last[d.Seq], d.At)
	if left > 1 {
		return 0, false
	}
	at = s.last[d.Seq]
	delete(s.left, d.Seq)
	delete(s.last, d.Seq)
	return at, true
}
