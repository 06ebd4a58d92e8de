package enrol_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"muster"
	"muster/internal/config"
	"muster/internal/enrol"
	"muster/internal/fault"
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

// windowCase is a window that is full after n requests: whose place in the hall
// the request i has as group and as administrator.
type windowCase struct {
	name                   string
	perGroup, perRequester int
	group, admin           func(i int) int
}

// bothWindows are one group's, asked for by many, and one requester's, of many groups.
func bothWindows(n int) []windowCase {
	return []windowCase{
		{"group", n, 100, func(int) int { return 0 }, func(i int) int { return i }},
		{"requester", 100, n, func(i int) int { return i }, func(int) int { return 0 }},
	}
}

// N-1 and N requests in a window succeed, N+1 do not, neither exactly a window
// later; a millisecond after that one more does, and the refusal said so. It is
// the same for a group and for a requester, and after a restart.
func TestWindowEdges(t *testing.T) {
	t.Parallel()
	const n = 3
	for _, test := range bothWindows(n) {
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

// A clock that is turned back by an hour neither opens a window nor lets anything
// leave one early when it is right again: the request that succeeds meanwhile is
// noted no earlier than the last one. It is the same for a group and a requester.
func TestWindowWhenTheClockGoesBack(t *testing.T) {
	t.Parallel()
	const n = 3
	for _, test := range bothWindows(n) {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			forEachDatabase(t, func(t *testing.T, opt store.Options) {
				now := newHands()
				h := newHall(idleWorld(t, opt, now, smallWindow(test.perGroup, test.perRequester)), "a", 8, 8, 8)
				ask := func(i int) (enrol.Enrolment, error) {
					return h.ask(h.Enrolments, test.admin(i), test.group(i), i)
				}
				first := now.Now()
				var last time.Time
				for i := range n - 1 {
					e, err := ask(i)
					if err != nil {
						t.Fatalf("request %d of %d: %v", i+1, n, err)
					}
					last = e.Created
					now.pass(time.Minute)
				}
				now.pass(-time.Hour)
				e, err := ask(n - 1)
				if err != nil || e.Created != last {
					t.Fatalf("the last of %d, with the clock turned back, is of %v, want %v; %v", n, e.Created, last, err)
				}
				for range 3 { // now, and as the clock goes further back
					if wait, err := ask(n); now.Now().Add(full(t, err)) != first.Add(window+time.Millisecond) {
						t.Fatalf("with the clock turned back to %v: %+v, %v", now.Now(), wait, err)
					}
					now.pass(-time.Hour)
				}
				now.pass(first.Add(window).Sub(now.Now())) // forward, to exactly a window after the first
				_, err = ask(n)
				if wait := full(t, err); wait != time.Millisecond {
					t.Fatalf("forward again: retry after %v, want 1 ms", wait)
				}
				now.pass(time.Millisecond)
				if _, err := ask(n); err != nil {
					t.Fatalf("a window and 1 ms after the first: %v", err)
				}
				_, err = ask(n + 1)
				if wait := full(t, err); now.Now().Add(wait) != last.Add(window+time.Millisecond) {
					t.Fatalf("retry after %v at %v, want a window after %v", wait, now.Now(), last)
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
