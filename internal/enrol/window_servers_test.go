package enrol_test

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"muster"
	"muster/internal/enrol"
	"muster/internal/fault"
	"muster/internal/pgtest"
	"muster/internal/store"
)

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
	c := fault.NewCensus(t, "", url)
	list := func(sql string) (ids []int64) {
		for _, line := range c.Lines(sql) {
			var id int64
			if _, err := fmt.Sscan(line, &id); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		return ids
	}
	admins := list("SELECT id FROM account WHERE name LIKE 'a%' ORDER BY id")
	groups, channels := list("SELECT id FROM grp ORDER BY id"), list("SELECT id FROM channel ORDER BY id")
	for order := range orders {
		var admin, group, channel span
		if _, err := fmt.Sscan(order, &admin.from, &admin.to, &group.from, &group.to, &channel.from, &channel.to); err != nil {
			t.Fatal(err)
		}
		fault.Say("%d", storm(w, admins[admin.from:admin.to], groups[group.from:group.to], channels[channel.from:channel.to]))
	}
}

// span is a part of a list.
type span struct{ from, to int }

// storm asks for many enrolments at once, one for each channel, and gives how
// many succeeded; all the others were refused by the window, or because the same
// pair is at work.
func storm(w *world, admins, groups, channels []int64) int {
	var (
		asking sync.WaitGroup
		mu     sync.Mutex
		won    int
	)
	for i, ch := range channels {
		asking.Go(func() {
			_, err := w.Enrolments.Start(w.t.Context(), muster.AccountID(admins[i%len(admins)]), enrol.Request{
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
	h := newHall(idleWorld(t, opt, muster.ClockFunc(time.Now), smallWindow(7, 9)), "a", 9, 9, 24)
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
			var n int
			if _, err := fmt.Sscan(c.MustHear(), &n); err != nil {
				t.Fatal(err)
			}
			won += n
		}
		return won
	}
	// Eight people into one group: the group's limit of 7. No two of them wait for each other but by the group.
	if won := all(func(i int) string { return fmt.Sprint(0, 8, 0, 1, 12*i, 12*i+12) }); won != 7 {
		t.Errorf("%d requests into one group succeeded, want 7", won)
	}
	// One person into the eight other groups: their limit of 9. No two requests wait for each other but by the person.
	if won := all(func(i int) string { return fmt.Sprint(8, 9, 1, 9, 12*i, 12*i+12) }); won != 9 {
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
		h := newHall(idleWorld(t, opt, muster.ClockFunc(time.Now), smallWindow(5, 100)), "a", 4, 1, 20)
		if won := storm(h.world, plain(h.admins), plain(h.groups), plain(h.channels)); won != 5 {
			t.Fatalf("%d succeeded, want 5", won)
		}
	})
}

// plain makes ids integers.
func plain[ID ~int64](ids []ID) []int64 {
	out := make([]int64, len(ids))
	for i, id := range ids {
		out[i] = int64(id)
	}
	return out
}
