package enrol_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"muster"
	"muster/internal/clock"
	"muster/internal/enrol"
	"muster/internal/fault"
	"muster/internal/store"
)

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
