//go:build linux

package load

import (
	"context"
	"os"
	"testing"
	"time"

	"muster/internal/pgtest"
)

// TestMain lets the processes of a measurement be this binary.
func TestMain(m *testing.M) {
	if status, ok := Child(); ok {
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// small is a measurement of a hundred clients, on whatever processors are free.
func small(t *testing.T) Settings {
	return Settings{
		Clients: 100, Text: 128, Groups: 2, Data: t.TempDir(), Nodes: 1, Unbound: true,
		ServerProcs: 2, Workers: 2, AtOnce: 64, Patience: 30 * time.Second,
	}
}

// figures gives the figures of a measurement without faults.
func figures[F any](t *testing.T, r Result, err error) F {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if r.Faults.Any() {
		t.Fatalf("faults: %+v", r.Faults)
	}
	f, ok := r.Figures.(F)
	if !ok {
		t.Fatalf("figures of type %T", r.Figures)
	}
	if r.Server.CPUSeconds <= 0 || r.Server.Memory.Resident <= 0 || r.Clients.CPUSeconds <= 0 || r.Kernel.Slab <= 0 {
		t.Errorf("what was used is missing: %+v %+v %+v", r.Server, r.Clients, r.Kernel)
	}
	return f
}

func TestFanout(t *testing.T) {
	opt := FanoutOptions{
		UnderWay: []int{1, 4}, PerSec: []float64{100}, To: []string{"channel", "group"},
		Duration: 200 * time.Millisecond, Floor: 100 * time.Millisecond, Settle: time.Millisecond,
	}
	r, err := Fanout(t.Context(), small(t), opt)
	f := figures[Fanouts](t, r, err)
	if len(f.Runs) != 6 || len(f.Floor) != 6 {
		t.Fatalf("%d runs and %d floors", len(f.Runs), len(f.Floor))
	}
	for _, run := range f.Runs {
		if run.Messages == 0 || run.Deliveries != int64(run.Messages)*100 || run.Last.Count != int64(run.Messages) || run.Each.Count != run.Deliveries {
			t.Errorf("not every message came everywhere: %+v", run)
		}
		if run.PerCPU <= 0 || run.UnderWay > 0 && run.OfFloor <= 0 {
			t.Errorf("no cost: %+v", run)
		}
	}
	for _, floor := range f.Floor {
		if floor.Deliveries != int64(floor.Messages)*100 || floor.PerCPU <= 0 {
			t.Errorf("the floor: %+v", floor)
		}
	}
	if len(f.GroupCost) != 3 {
		t.Errorf("the group is compared %d times", len(f.GroupCost))
	}
}

func TestConnect(t *testing.T) {
	set := small(t)
	set.Rate = 500
	r, err := Connect(t.Context(), set, ConnectOptions{Enter: true, Quiet: 100 * time.Millisecond, Hold: 100 * time.Millisecond})
	f := figures[ConnectFigures](t, r, err)
	if f.Connect.In != 100 || f.Connect.Handshake.Count != 100 || f.Connect.PerHandshake <= 0 || f.HeapPerConnection <= 0 {
		t.Errorf("%+v", f)
	}
	if f.Connect.Seconds < 0.15 {
		t.Errorf("100 clients at 500 a second took %v s", f.Connect.Seconds)
	}
}

func TestSend(t *testing.T) {
	for _, opt := range []SendOptions{
		{Into: 2, UnderWay: 2, Duration: 300 * time.Millisecond},
		{Into: 1, PerSec: 200, Duration: 300 * time.Millisecond},
	} {
		r, err := Send(t.Context(), small(t), opt)
		f := figures[SendFigures](t, r, err)
		if f.Acknowledged == 0 || f.Latency.Count != f.Acknowledged {
			t.Errorf("%+v", f)
		}
		// Everybody follows one group of as many as there are.
		if want := f.Acknowledged * 100 / int64(opt.Into); f.Deliveries < want {
			t.Errorf("%d deliveries of %d", f.Deliveries, want)
		}
	}
}

func TestResync(t *testing.T) {
	r, err := Resync(t.Context(), small(t), ResyncOptions{Missed: 40, Runs: 2})
	f := figures[ResyncFigures](t, r, err)
	for _, run := range f.Runs {
		if run.Messages != 100*40 || run.Trips < 100 {
			t.Errorf("%+v", run)
		}
	}
}

func TestEnrol(t *testing.T) {
	r, err := Enrol(t.Context(), small(t), EnrolOptions{Roster: 1000, Senders: 4, PerSec: 100, Duration: 500 * time.Millisecond})
	f := figures[EnrolFigures](t, r, err)
	if f.Told.Count != 100 || f.Before.Acknowledged == 0 || f.During.Acknowledged == 0 || f.PerSec <= 0 {
		t.Errorf("%+v", f)
	}
}

func TestSlow(t *testing.T) {
	for _, to := range []string{"channel", "group"} {
		set := small(t)
		set.Clients, set.Text = 20, 3000 // enough for a few clients' buffers to overflow
		r, err := Slow(t.Context(), set, SlowOptions{Share: 20, PerSec: 1000, Duration: 1500 * time.Millisecond, Pairs: 1, To: to})
		f := figures[SlowFigures](t, r, err)
		if f.Stopped != 4 || len(f.With) != 1 || f.With[0].Messages == 0 || f.Excused+f.Cut == 0 {
			t.Errorf("to a %s: %+v", to, f)
		}
		// On a busy machine one who reads may fall behind as well, and is told.
		if with := f.With[0]; with.Last.Count == 0 || with.Each.Count < with.Last.Count*16 {
			t.Errorf("to a %s: %d of %d messages reached all who read, in %d deliveries", to, with.Last.Count, with.Messages, with.Each.Count)
		}
	}
}

func TestStorm(t *testing.T) {
	set := small(t)
	set.Serve = []string{"live.handshakes_per_second=60", "live.handshake_burst=20"}
	r, err := Storm(t.Context(), set, StormOptions{Inside: 10, PerSec: 20, Duration: time.Second})
	f := figures[StormFigures](t, r, err)
	if f.Return.In != 100 || f.Return.Refused == 0 || f.Storm.Deliveries != int64(f.Storm.Messages)*10 || f.Seconds95 <= 0 {
		t.Errorf("%+v", f)
	}
}

// TestNodes joins two nodes over PostgreSQL and NATS.
func TestNodes(t *testing.T) {
	set := small(t)
	set.Postgres, set.Nodes, set.Data = pgtest.URL(t), 2, ""
	r, err := Fanout(t.Context(), set, FanoutOptions{UnderWay: []int{1}, To: []string{"channel", "group"}, Duration: 200 * time.Millisecond})
	f := figures[Fanouts](t, r, err)
	if r.Store != "postgresql" || r.Server.Processes != 2 {
		t.Errorf("%s, %d nodes", r.Store, r.Server.Processes)
	}
	for _, run := range f.Runs {
		if run.Deliveries != int64(run.Messages)*100 || run.Messages == 0 {
			t.Errorf("%+v", run)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Setenv("MUSTER_TEST_POSTGRES", "") // where several nodes look for a database
	for name, change := range map[string]func(*Settings){
		"no clients":       func(s *Settings) { s.Clients = 0 },
		"a short text":     func(s *Settings) { s.Text = 10 },
		"nodes on SQLite":  func(s *Settings) { s.Nodes = 2 },
		"no way to people": func(s *Settings) { s.URL, s.Data = []string{"http://127.0.0.1:1"}, "" },
	} {
		set := small(t)
		change(&set)
		if err := set.settle(); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Connect(ctx, small(t), ConnectOptions{}); err == nil {
		t.Error("a measurement that was called off goes on")
	}
}
