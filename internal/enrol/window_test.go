package enrol_test

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"muster"
	"muster/internal/clock"
	"muster/internal/config"
	"muster/internal/enrol"
	"muster/internal/fault"
	"muster/internal/pgtest"
	"muster/internal/store"
)

const window = 10 * time.Minute

func smallWindow(perGroup, perRequester int) func(*config.Config) {
	return func(c *config.Config) {
		c.Enrolment.Window, c.Enrolment.PerGroup, c.Enrolment.PerRequester = window, perGroup, perRequester
	}
}

// hall has administrators who may bring any of its channels into any of its
// groups.
type hall struct {
	*world
	admins   []muster.AccountID
	groups   []muster.GroupID
	channels []muster.ChannelID
}

func newHall(w *world, prefix string, admins, groups, channels int) *hall {
	w.t.Helper()
	h := &hall{world: w, admins: w.people(prefix, admins)}
	for i := range groups {
		g := w.group(fmt.Sprintf("%s group %d", prefix, i), 0)
		for _, a := range h.admins {
			w.admit(g, a, muster.RoleAdmin)
		}
		h.groups = append(h.groups, g)
	}
	for i := range channels {
		c := w.emptyChannel(fmt.Sprintf("%s channel %d", prefix, i))
		w.enlist(c, prefix, 0, admins, func(int) muster.Level { return muster.Admin })
		h.channels = append(h.channels, c)
	}
	return h
}

// ask requests an enrolment of one of the channels, which do not matter.
func (h *hall) ask(s *enrol.Service, admin, group, channel int) (enrol.Enrolment, error) {
	return s.Start(h.t.Context(), h.admins[admin], enrol.Request{
		Group: h.groups[group], Channel: h.channels[channel], Policies: policies("dddddd"),
	}, "")
}

// finish ends a job as its worker would, whatever the clocks say.
func (h *hall) finish(t fataler, id muster.EnrolmentID, fail bool) {
	t.Helper()
	ledger := h.Store.Ledger()
	e, err := ledger.Get(h.t.Context(), id)
	if err == nil && fail {
		_, err = ledger.Fail(h.t.Context(), id, e.Progress.Epoch, "the test says so")
	} else if err == nil {
		_, err = ledger.CommitPage(h.t.Context(), enrol.Page{Enrolment: id, Epoch: e.Progress.Epoch, From: e.Progress.Cursor, NewestEntry: e.Progress.Mark})
	}
	if err != nil {
		t.Fatalf("finish a job: %v", err)
	}
}

// jobs counts the rows that could count.
func (h *hall) jobs(c *fault.Census) int64 { return c.Int("SELECT count(*) FROM enrolment") }

// full asserts a refusal by the window and gives how long to wait.
func full(t fataler, err error) time.Duration {
	t.Helper()
	e, ok := errors.AsType[*muster.Error](err)
	if !ok || e.Code != muster.CodeResourceExhausted || e.Reason != "enrolment_window_full" || e.RetryAfter <= 0 {
		t.Fatalf("got %v, want the window to be full", err)
	}
	return e.RetryAfter
}

// N-1 and N requests in a window succeed, N+1 do not, neither exactly a window
// later; a millisecond after that one more does, and the refusal said so. It is
// the same for a group and for a requester, and after a restart.
func TestWindowEdges(t *testing.T) {
	t.Parallel()
	const n = 3
	for _, test := range []struct {
		name                   string
		perGroup, perRequester int
		group, admin           func(i int) int
	}{
		{"group", n, 100, func(int) int { return 0 }, func(i int) int { return i }},
		{"requester", 100, n, func(i int) int { return i }, func(int) int { return 0 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			forEachDatabase(t, func(t *testing.T, opt store.Options) {
				now := newHands()
				h := newHall(idleWorld(t, opt, now, smallWindow(test.perGroup, test.perRequester)), "a", 8, 8, 8)
				ask := func(i int) error {
					_, err := h.ask(h.Enrolments, test.admin(i), test.group(i), i)
					return err
				}
				first := now.Now()
				for i := range n {
					if err := ask(i); err != nil {
						t.Fatalf("request %d of %d: %v", i+1, n, err)
					}
					now.pass(time.Minute)
				}
				if wait := full(t, ask(n)); now.Now().Add(wait) != first.Add(window+time.Millisecond) {
					t.Fatalf("retry after %v at %v, the first was at %v", wait, now.Now(), first)
				}
				now.pass(first.Add(window).Sub(now.Now())) // exactly a window after the first
				if wait := full(t, ask(n)); wait != time.Millisecond {
					t.Fatalf("retry after %v, want 1 ms", wait)
				}
				h.stop()
				again := reopen(t, opt, now, smallWindow(test.perGroup, test.perRequester))
				h.world = again
				if wait := full(t, ask(n)); wait != time.Millisecond {
					t.Fatalf("after a restart: retry after %v, want 1 ms", wait)
				}
				now.pass(time.Millisecond)
				if err := ask(n); err != nil {
					t.Fatalf("a window and 1 ms after the first: %v", err)
				}
				full(t, ask(n+1)) // the second is still in
				room, err := h.Store.Ledger().Room(t.Context(), h.groups[test.group(0)], h.admins[test.admin(0)],
					enrol.Limits{Window: window, PerGroup: test.perGroup, PerRequester: test.perRequester})
				if err != nil || min(room.GroupLeft, room.RequesterLeft) != 0 || room.RetryAfter != time.Minute {
					t.Fatalf("room %+v, %v", room, err)
				}
			})
		})
	}
}

// Whoever administers one side only, or asks for something senseless, is refused
// before anything is counted; so is a job that fails; and the same key is one
// request.
func TestRefusalsDoNotCount(t *testing.T) {
	t.Parallel()
	forEachDatabase(t, func(t *testing.T, opt store.Options) {
		ctx := t.Context()
		h := newHall(idleWorld(t, opt, newHands(), smallWindow(2, 2)), "a", 1, 2, 8)
		c := h.census()
		halves := h.people("half", 2)
		h.admit(h.groups[0], halves[0], muster.RoleAdmin)                                            // the group only
		h.enlist(h.channels[0], "half", 0, 1, func(int) muster.Level { return muster.Moderator })    // who keeps order there
		h.enlist(h.channels[0], "half", 1, 2, func(int) muster.Level { return muster.Admin })        // the channel only
		h.admit(h.groups[1], halves[1], muster.RoleMember)                                           // and a member elsewhere
		r := enrol.Request{Group: h.groups[0], Channel: h.channels[0], Policies: policies("dddddd")} // what they ask for
		elsewhere := r
		elsewhere.Group = h.groups[1]
		nobody := r
		nobody.Policies = policies("ssssss")
		for i, try := range []struct {
			who muster.AccountID
			r   enrol.Request
		}{{halves[0], r}, {halves[1], r}, {halves[1], elsewhere}, {h.admins[0], nobody}, {h.admins[0], enrol.Request{Group: 1, Channel: r.Channel, Policies: r.Policies}}} {
			if _, err := h.Enrolments.Start(ctx, try.who, try.r, ""); err == nil {
				t.Fatalf("try %d was not refused", i)
			}
			// The transaction itself refuses, too: the rights may have gone since they were looked at.
			if i < 3 {
				e := enrol.Enrolment{ID: muster.EnrolmentID(h.opt.IDs.Next()), Group: try.r.Group, Channel: try.r.Channel, Requester: try.who, State: enrol.Running, Created: h.opt.Clock.Now()}
				if _, _, err := h.Store.Ledger().Create(ctx, e, fmt.Sprint(i), enrol.Limits{Window: window, PerGroup: 2, PerRequester: 2}); muster.CodeOf(err) != muster.CodePermissionDenied {
					t.Fatalf("try %d, in the transaction: %v", i, err)
				}
			}
			if n := h.jobs(c); n != 0 {
				t.Fatalf("try %d left %d rows", i, n)
			}
		}
		for range 3 { // jobs that fail
			e, err := h.ask(h.Enrolments, 0, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.ask(h.Enrolments, 0, 0, 0); muster.ReasonOf(err) != "enrolment_running" {
				t.Fatalf("the same pair twice at once: %v", err)
			}
			h.finish(t, e.ID, true)
		}
		key := func(channel int) (enrol.Enrolment, error) {
			return h.Enrolments.Start(ctx, h.admins[0], enrol.Request{Group: h.groups[0], Channel: h.channels[channel], Policies: policies("dddddd")}, "key")
		}
		first, err := key(0)
		for range 3 {
			if again, err := key(0); err != nil || again.ID != first.ID {
				t.Fatalf("the same key: %+v, %v", again, err)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.ask(h.Enrolments, 0, 0, 1); err != nil {
			t.Fatalf("the second of two: %v", err)
		}
		_, err = h.ask(h.Enrolments, 0, 0, 2)
		full(t, err)
		if again, err := key(0); err != nil || again.ID != first.ID {
			t.Fatalf("the same key while the window is full: %+v, %v", again, err)
		}
	})
}

// month is by how much the time goes on between two runs of a property: more than
// a run can turn its clocks back, so that no run's requests reach the next one.
const month = 30 * 24 * time.Hour

// tidy ends what the last run of a property left at work, and goes on in time.
func (h *hall) tidy(rt *rapid.T, c *fault.Census, now *hands) {
	now.pass(month)
	for _, line := range c.Lines("SELECT id FROM enrolment WHERE state = 1") {
		var id muster.EnrolmentID
		if _, err := fmt.Sscan(line, &id); err != nil {
			rt.Fatalf("%v", err)
		}
		h.finish(rt, id, false)
	}
}

// asked is a request that succeeded, as the model of TestWindowModel has it.
type asked struct {
	at           int64
	group, admin int
	channel      int
	id           muster.EnrolmentID
	running      bool
}

// windowModel is the rule of the window in its simplest words.
type windowModel struct {
	limit [2]int // per group, per requester
	from  int64  // when this run of the property began, with room to turn clocks back
	all   []asked
}

// room says whether a request may succeed at a time, and else when.
func (m *windowModel) room(now int64, group, admin int) (opens int64) {
	for side, same := range []func(asked) bool{
		func(a asked) bool { return a.group == group },
		func(a asked) bool { return a.admin == admin },
	} {
		var times []int64
		for _, a := range m.all {
			if same(a) {
				times = append(times, a.at)
				now = max(now, a.at)
			}
		}
		in := 0
		for i := len(times) - 1; i >= 0; i-- { // the newest first: they are in order
			if times[i] >= now-window.Milliseconds() {
				if in++; in == m.limit[side] {
					opens = max(opens, times[i]+window.Milliseconds()+1)
				}
			}
		}
	}
	return opens
}

// Random requests of two servers on one database, with clocks that go forward
// and back: each succeeds or not as the rule says, says when to come again to
// the millisecond, and no window of any position holds more than it may.
func TestWindowModel(t *testing.T) {
	t.Parallel()
	forEachDatabase(t, func(t *testing.T, opt store.Options) {
		now := newHands()
		w := idleWorld(t, opt, now, smallWindow(2, 3))
		clocks := [2]*hands{newHands(), newHands()}
		nodes := [2]*enrol.Service{}
		for i := range nodes {
			nodes[i] = w.node(func(o *enrol.Options) { o.Clock = clocks[i] })
		}
		c, h := w.census(), newHall(w, "a", 3, 2, 3)
		rapid.Check(t, func(rt *rapid.T) {
			h.tidy(rt, c, now)
			m := &windowModel{limit: [2]int{2, 3}, from: muster.Millis(now.Now()) - month.Milliseconds()/2}
			for _, clock := range clocks {
				clock.ms.Store(now.ms.Load())
			}
			request := func(rt *rapid.T) {
				node, admin, group, channel := rapid.IntRange(0, 1).Draw(rt, "node"), rapid.IntRange(0, 2).Draw(rt, "admin"), rapid.IntRange(0, 1).Draw(rt, "group"), rapid.IntRange(0, 2).Draw(rt, "channel")
				for try := range 3 { // as it comes; a millisecond too early; at the time that the refusal said
					at := clocks[node].ms.Load()
					if wait := h.request(rt, m, nodes[node], at, admin, group, channel); wait == 0 {
						return
					} else if try == 0 && rapid.Bool().Draw(rt, "wait") {
						clocks[node].pass(wait - time.Millisecond)
					} else if try == 1 {
						if wait != time.Millisecond {
							rt.Fatalf("retry after %v, a millisecond before the time that was said", wait)
						}
						clocks[node].pass(wait)
					} else if try == 2 {
						rt.Fatalf("still full at the time that was said")
					} else {
						return
					}
				}
			}
			rt.Repeat(map[string]func(*rapid.T){
				"request": request, "again": request, "and again": request,
				"forward": func(rt *rapid.T) { turn(rt, clocks, 1) },
				"back":    func(rt *rapid.T) { turn(rt, clocks, -1) },
				"finish": func(rt *rapid.T) {
					for i := range m.all {
						if m.all[i].running {
							h.finish(rt, m.all[i].id, false)
							m.all[i].running = false
							return
						}
					}
				},
				"fail": func(rt *rapid.T) {
					for i := range m.all {
						if m.all[i].running {
							h.finish(rt, m.all[i].id, true)
							m.all = append(m.all[:i], m.all[i+1:]...)
							return
						}
					}
				},
				"": func(rt *rapid.T) { h.checkWindows(rt, c, m) },
			})
		})
	})
}

// turn moves one of the clocks by up to two windows.
func turn(rt *rapid.T, clocks [2]*hands, way time.Duration) {
	by := time.Duration(rapid.SampledFrom([]int{1, 1000, 60_000, 300_000, int(window.Milliseconds()), int(window.Milliseconds()) + 1, 1_200_000}).Draw(rt, "by")) * time.Millisecond
	clocks[rapid.IntRange(0, 1).Draw(rt, "clock")].pass(way * by)
}

// request asks for an enrolment and holds the answer against the model. It gives
// how long to wait if the window is full.
func (h *hall) request(rt *rapid.T, m *windowModel, node *enrol.Service, now int64, admin, group, channel int) time.Duration {
	busy := false
	for _, a := range m.all {
		busy = busy || a.running && a.group == group && a.channel == channel
	}
	opens := m.room(now, group, admin)
	e, err := h.ask(node, admin, group, channel)
	switch {
	case busy:
		if muster.ReasonOf(err) != "enrolment_running" {
			rt.Fatalf("the same pair twice at once: %v", err)
		}
	case opens > 0:
		wait := full(rt, err)
		if wait != time.Duration(opens-now)*time.Millisecond {
			rt.Fatalf("retry after %v, want %v", wait, time.Duration(opens-now)*time.Millisecond)
		}
		return wait
	case err != nil:
		rt.Fatalf("there is room, and yet: %v", err)
	default:
		m.all = append(m.all, asked{muster.Millis(e.Created), group, admin, channel, e.ID, true})
	}
	return 0
}

// checkWindows counts in the database: the requests are those of the model, their
// stamps in order, and no window holds too many.
func (h *hall) checkWindows(rt *rapid.T, c *fault.Census, m *windowModel) {
	for g, id := range h.groups {
		var mine []int64
		for _, a := range m.all {
			if a.group == g {
				mine = append(mine, a.at)
			}
		}
		if got := c.Lines("SELECT created_ms FROM enrolment WHERE group_id = $1 AND created_ms > $2 AND state <> 4 ORDER BY created_ms", int64(id), m.from); fmt.Sprint(got) != fmt.Sprint(mine) {
			rt.Fatalf("group %d: the database has %v, the model %v", g, got, mine)
		}
		checkAnyWindow(rt, mine, m.limit[0], window.Milliseconds())
	}
	for admin := range h.admins {
		var mine []int64
		for _, a := range m.all {
			if a.admin == admin {
				mine = append(mine, a.at)
			}
		}
		checkAnyWindow(rt, mine, m.limit[1], window.Milliseconds())
	}
}

// checkAnyWindow looks at every window that begins with one of the times.
func checkAnyWindow(t fataler, times []int64, limit int, length int64) {
	t.Helper()
	for i, from := range times {
		n := 0
		for j, at := range times {
			if j > i && at < times[j-1] {
				t.Fatalf("a later request has an earlier time: %v", times)
			}
			if at >= from && at <= from+length {
				n++
			}
		}
		if n > limit {
			t.Fatalf("%d requests in the window from %d on, %d allowed: %v", n, from, limit, times)
		}
	}
}

// Wall clocks that jump by an hour or a day, on two servers, open no window: in
// true time no window, but for the drift that the program's clock allows, holds
// more than N, and after a window there is room again.
func TestWindowUnderClockJumps(t *testing.T) {
	t.Parallel()
	const limit = 2
	forEachDatabase(t, func(t *testing.T, opt store.Options) {
		now := newHands()
		w := idleWorld(t, opt, now, smallWindow(limit, 1000))
		h, c := newHall(w, "a", 1, 1, 8), w.census()
		rapid.Check(t, func(rt *rapid.T) {
			h.tidy(rt, c, now)
			var (
				begin = now.Now()
				truth time.Duration // since the beginning
				wall  [2]time.Duration
				nodes [2]*enrol.Service
				tick  [2]*clock.Clock
				drift time.Duration
				times []int64
			)
			for i := range nodes {
				tick[i] = clock.New(clock.Sources{
					Wall: func() time.Time { return begin.Add(truth + wall[i]) },
					Mono: func() time.Duration { return truth },
				})
				nodes[i] = w.node(func(o *enrol.Options) { o.Clock = tick[i] })
			}
			pass := func(d time.Duration) {
				for d > 0 {
					step := min(d, time.Second)
					truth += step
					d -= step
					drift = max(drift, tick[0].Now().Sub(tick[1].Now()).Abs())
				}
			}
			rt.Repeat(map[string]func(*rapid.T){
				"jump": func(rt *rapid.T) {
					wall[rapid.IntRange(0, 1).Draw(rt, "node")] += time.Duration(rapid.SampledFrom([]int{-24, -1, 1, 24}).Draw(rt, "hours")) * time.Hour
				},
				"pass": func(rt *rapid.T) {
					pass(time.Duration(rapid.SampledFrom([]int{1, 60, 200, 300, 601}).Draw(rt, "seconds")) * time.Second)
				},
				"request": func(rt *rapid.T) {
					e, err := h.ask(nodes[rapid.IntRange(0, 1).Draw(rt, "node")], 0, 0, len(times)%len(h.channels))
					slack := drift + window/50
					full := 0
					for _, at := range times {
						if at >= (truth - window - slack).Milliseconds() {
							full++
						}
					}
					if err == nil {
						times = append(times, truth.Milliseconds())
						h.finish(rt, e.ID, false)
					} else if muster.ReasonOf(err) != "enrolment_window_full" || full < limit {
						rt.Fatalf("%d in the window, and yet: %v", full, err)
					}
					checkAnyWindow(rt, times, limit, (window - slack).Milliseconds())
				},
			})
		})
	})
}

// The environment of TestWindowChild.
const (
	envWindowURL = "ENROL_TEST_WINDOW_URL"
	envWindowDir = "ENROL_TEST_WINDOW_DIR"
)

// TestWindowChild is one of the servers of TestWindowBetweenProcesses: it asks
// for what its parent tells it, all at once.
func TestWindowChild(t *testing.T) {
	url := os.Getenv(envWindowURL)
	if url == "" {
		t.Skip("is run by TestWindowBetweenProcesses")
	}
	orders := fault.Listen()
	w := reopen(t, store.Options{URL: url, Dir: os.Getenv(envWindowDir)}, muster.ClockFunc(time.Now), smallWindow(7, 9))
	fault.Say("ready")
	for order := range orders {
		var admin muster.AccountID
		var first, groups, channels int64
		if _, err := fmt.Sscan(order, &admin, &groups, &channels, &first); err != nil {
			t.Fatal(err)
		}
		c := fault.NewCensus(t, "", url)
		var gs, cs []int64
		for _, l := range c.Lines("SELECT id FROM grp ORDER BY id") {
			var id int64
			if _, err := fmt.Sscan(l, &id); err != nil {
				t.Fatal(err)
			}
			gs = append(gs, id)
		}
		for _, l := range c.Lines("SELECT id FROM channel ORDER BY id") {
			var id int64
			if _, err := fmt.Sscan(l, &id); err != nil {
				t.Fatal(err)
			}
			cs = append(cs, id)
		}
		fault.Say("%d %d", storm(w, admin, gs[:groups], cs[first:first+channels]), channels)
	}
}

// storm asks for many enrolments at once and gives how many succeeded; all the
// others were refused by the window, or because the same pair is at work.
func storm(w *world, admin muster.AccountID, groups, channels []int64) int {
	var (
		asking sync.WaitGroup
		mu     sync.Mutex
		won    int
	)
	for i, ch := range channels {
		asking.Go(func() {
			_, err := w.Enrolments.Start(w.t.Context(), admin, enrol.Request{
				Group: muster.GroupID(groups[i%len(groups)]), Channel: muster.ChannelID(ch), Policies: policies("dddddd"),
			}, "")
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if r := muster.ReasonOf(err); r != "enrolment_window_full" && r != "enrolment_running" {
				w.t.Errorf("neither done nor refused: %v", err)
			}
		})
	}
	asking.Wait()
	return won
}

// Two servers on one PostgreSQL, many requests at the same moment: exactly as
// many succeed as may, for a group and for a requester.
func TestWindowBetweenProcesses(t *testing.T) {
	t.Parallel()
	opt := store.Options{Dir: t.TempDir(), URL: pgtest.URL(t)}
	h := newHall(idleWorld(t, opt, muster.ClockFunc(time.Now), smallWindow(7, 9)), "a", 3, 3, 24)
	var children []*fault.Child
	for range 2 {
		c := fault.StartChild(t, "TestWindowChild", envWindowURL+"="+opt.URL, envWindowDir+"="+t.TempDir())
		if s := c.MustHear(); s != "ready" {
			t.Fatalf("a child said %q", s)
		}
		children = append(children, c)
	}
	all := func(order func(i int) string) (won int) {
		for i, c := range children {
			c.Tell(order(i))
		}
		for _, c := range children {
			var n, of int
			if _, err := fmt.Sscan(c.MustHear(), &n, &of); err != nil {
				t.Fatal(err)
			}
			won += n
		}
		return won
	}
	// Two people into one group: the group's limit of 7.
	if won := all(func(i int) string { return fmt.Sprint(h.admins[i], 1, 12, 12*i) }); won != 7 {
		t.Errorf("%d requests into one group succeeded, want 7", won)
	}
	// One person, over all groups: their limit of 9, where the first group has room for none any more.
	if won := all(func(i int) string { return fmt.Sprint(h.admins[2], 3, 12, 12*i) }); won != 9 {
		t.Errorf("%d requests of one person succeeded, want 9", won)
	}
	c := h.census()
	if lines := c.Lines("SELECT count(*) FROM enrolment GROUP BY group_id ORDER BY group_id"); lines[0] != "7" {
		t.Errorf("jobs by group: %v", lines)
	}
	if n := c.Int("SELECT count(*) FROM audit WHERE action = 'enrolment.start'"); n != 16 {
		t.Errorf("%d starts in the audit log, want 16", n)
	}
}

// The same inside one process, on both databases.
func TestWindowBetweenGoroutines(t *testing.T) {
	t.Parallel()
	forEachDatabase(t, func(t *testing.T, opt store.Options) {
		h := newHall(idleWorld(t, opt, muster.ClockFunc(time.Now), smallWindow(5, 100)), "a", 1, 1, 20)
		cs := make([]int64, len(h.channels))
		for i, c := range h.channels {
			cs[i] = int64(c)
		}
		if won := storm(h.world, h.admins[0], []int64{int64(h.groups[0])}, cs); won != 5 {
			t.Fatalf("%d succeeded, want 5", won)
		}
	})
}
