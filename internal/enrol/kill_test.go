package enrol_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster"
	"muster/internal/account"
	"muster/internal/config"
	"muster/internal/enrol"
	"muster/internal/fault"
	"muster/internal/group"
	"muster/internal/pgtest"
	"muster/internal/store"
)

// The environment of TestKillChild.
const (
	envKillDir   = "ENROL_TEST_KILL_DIR"
	envKillURL   = "ENROL_TEST_KILL_URL"
	envKillPoint = "ENROL_TEST_KILL_POINT" // where it kills itself, and how often it passes there before
)

// hurried are small pages and short leases, so that there is much to kill and
// little to wait for.
func hurried(c *config.Config) {
	c.Enrolment.Page, c.Enrolment.MaxPage, c.Enrolment.Lease = 250, 250, 200*time.Millisecond
}

// talker says what a job has handled, page by page.
type talker struct{ *told }

func (talker) EnrolmentProgress(e enrol.Enrolment) {
	fault.Say("%v %d %d", e.State.Working(), e.Counts.Handled(), e.Removed)
}

func (talker) MembersAdded(muster.GroupID, muster.EnrolmentID, []muster.AccountID) {}
func (talker) MembersRemoved(muster.GroupID, []muster.AccountID, string)           {}
func (talker) Invited(muster.InvitationID, []muster.AccountID)                     {}

// doomed is a ledger, and a group's side, that kill their process at a named
// point.
type doomed struct {
	enrol.Ledger
	enrol.Groups
	point string
	left  int
}

// pass dies when the point is the named one and its time has come.
func (d *doomed) pass(point string) {
	if point != d.point {
		return
	}
	if d.left--; d.left < 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func (d *doomed) Claim(ctx context.Context, owner string, now, until time.Time) (enrol.Enrolment, bool, error) {
	e, ok, err := d.Ledger.Claim(ctx, owner, now, until)
	if ok {
		d.pass("claimed")
	}
	return e, ok, err
}

func (d *doomed) CommitPage(ctx context.Context, p enrol.Page) (enrol.PageResult, error) {
	d.pass("before-page")
	if len(p.People) == 0 {
		d.pass("before-end")
	}
	res, err := d.Ledger.CommitPage(ctx, p)
	d.pass("after-page")
	return res, err
}

func (d *doomed) UndoPage(ctx context.Context, id muster.EnrolmentID, epoch int64, limit int, lease time.Time) (enrol.UndoResult, error) {
	d.pass("before-undo-page")
	res, err := d.Ledger.UndoPage(ctx, id, epoch, limit, lease)
	d.pass("after-undo-page")
	return res, err
}

func (d *doomed) NoteJoined(ctx context.Context, g muster.GroupID, e muster.EnrolmentID, count int64) error {
	d.pass("before-note")
	err := d.Groups.NoteJoined(ctx, g, e, count)
	d.pass("after-note")
	return err
}

// TestKillChild is the worker that TestKill kills.
func TestKillChild(t *testing.T) {
	dir := os.Getenv(envKillDir)
	if dir == "" {
		t.Skip("is run by TestKill")
	}
	orders := fault.Listen()
	w := reopen(t, store.Options{Dir: dir, URL: os.Getenv(envKillURL)}, muster.ClockFunc(time.Now), hurried)
	node := w.node(func(o *enrol.Options) {
		o.Events = talker{w.told}
		var d doomed
		if n, _ := fmt.Sscan(os.Getenv(envKillPoint), &d.point, &d.left); n == 2 {
			d.Ledger, d.Groups = o.Ledger, o.Groups
			o.Ledger, o.Groups = &d, &d
		}
	})
	fault.Say("ready")
	stop := run(t, node)
	<-orders // to stop; as a rule it does not come to that
	stop()
}

// crowd is a world with an enrolment to make of a large and mixed roster.
type crowd struct {
	*world
	g  muster.GroupID
	ch muster.ChannelID
}

// newCrowd makes n people: of every level, some of whom are in the group, have
// left it, refuse, want to be asked or block the owner.
func newCrowd(t *testing.T, opt store.Options, n int) *crowd {
	t.Helper()
	w := idleWorld(t, opt, muster.ClockFunc(time.Now), hurried)
	ctx := t.Context()
	level := func(i int) muster.Level { // one in 256 is an admin; then guests, vips, members, moderators
		if i%256 == 255 {
			return muster.Admin
		}
		return []muster.Level{muster.Guest, muster.VIP, muster.Member, muster.Moderator, muster.Member}[i%5]
	}
	ch, ids := w.channel("p", n, level)
	c := &crowd{w, w.group("Everybody", 0), ch}
	stop := run(t, w.Enrolments)
	w.enrolAll(enrol.Request{Group: c.g, Channel: ch, Policies: policies("ssssdd")})
	stop()
	for i, id := range ids {
		var err error
		switch i % 512 {
		case 255:
			err = w.Groups.LeaveGroup(ctx, id, c.g)
		case 100, 101:
			set := []muster.DirectAdd{muster.DirectAddAsk, muster.DirectAddRefuse}[i%2]
			_, err = w.Accounts.UpdateProfile(ctx, id, account.Profile{DirectAdd: &set})
		case 200:
			err = w.Accounts.Block(ctx, id, w.owner)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Groups.Send(ctx, w.owner, group.Draft{Group: c.g, ClientID: "1", Text: "before"}); err != nil {
		t.Fatal(err)
	}
	return c
}

// begin starts the enrolment that is killed, or the one that is not.
func (c *crowd) begin() enrol.Enrolment {
	c.t.Helper()
	e, err := c.Enrolments.Start(c.t.Context(), c.owner, enrol.Request{Group: c.g, Channel: c.ch, Policies: policies("adddad")}, "")
	if err != nil {
		c.t.Fatal(err)
	}
	return e
}

// killer kills workers of one database until their job has ended.
type killer struct {
	t     *testing.T
	r     *rand.Rand
	opt   store.Options
	nodes int // how many workers there are at once
	alive []*fault.Child
	kills int
}

func (k *killer) start(point string) *fault.Child {
	k.t.Helper()
	c := fault.StartChild(k.t, "TestKillChild", envKillDir+"="+k.opt.Dir, envKillURL+"="+k.opt.URL, envKillPoint+"="+point)
	if line := c.MustHear(); line != "ready" {
		k.t.Fatalf("a worker said %q", line)
	}
	return c
}

// point dies at a named point, which is in the worker itself.
func (k *killer) point(point string) {
	k.t.Helper()
	c := k.start(point)
	for ok := true; ok; {
		_, _, ok = fault.Hear(c)
	}
	if !c.Kill() {
		k.t.Fatalf("the worker did not die at %q", point)
	}
	k.kills++
}

// random kills whoever works at a random moment: some pages on, and a random
// part of a page later. It says whether the job still works.
func (k *killer) random(pages int) bool {
	k.t.Helper()
	for len(k.alive) < k.nodes {
		k.alive = append(k.alive, k.start(""))
	}
	for n := 0; ; n++ {
		i, line, ok := fault.Hear(k.alive...) // of several workers only the one that has the job speaks
		if !ok {
			k.t.Fatal("a worker ended by itself")
		}
		if strings.HasPrefix(line, "false") {
			return false
		}
		if n >= pages {
			time.Sleep(time.Duration(k.r.IntN(3000)) * time.Microsecond) // a random moment of the next page
			k.alive[i].Kill()
			k.alive = slices.Delete(k.alive, i, i+1)
			k.kills++
			return true
		}
	}
}

// end kills the workers that are left.
func (k *killer) end() {
	for _, c := range k.alive {
		c.Kill()
	}
	k.alive = nil
}

// An enrolment whose workers are killed at random moments, and at every named
// point, ends with the same members, invitations and counts as one that was
// left alone; so does its undoing.
func TestKill(t *testing.T) {
	t.Parallel()
	forEachDatabase(t, func(t *testing.T, opt store.Options) {
		people, kills := fault.Long(100_000, 1_000_000), fault.Long(20, 110)
		c := newCrowd(t, opt, people)
		c.stop()

		// The control runs on a copy, in this process, undisturbed.
		quiet := store.Options{Dir: t.TempDir() + "/copy"}
		if opt.URL != "" {
			quiet.URL = pgtest.URL(t)
		}
		fault.Copy(t, opt.Dir, opt.URL, quiet.Dir, quiet.URL)
		control := &crowd{reopen(t, quiet, muster.ClockFunc(time.Now), hurried), c.g, c.ch}
		stop := run(t, control.Enrolments)
		e := control.await(control.begin().ID)
		want := outcome(control.census(), e)
		if e.Counts.Handled() != int64(people)+1 || e.Counts.SkippedBlocked == 0 || e.Counts.SkippedRefused == 0 || e.Counts.AlreadyIn < 2 || e.Counts.Asked == 0 {
			t.Fatalf("the control is no test: %+v", e.Counts)
		}
		if _, err := control.Enrolments.Undo(t.Context(), c.owner, e.ID); err != nil {
			t.Fatal(err)
		}
		wantUndone := outcome(control.census(), control.await(e.ID))
		stop()
		control.stop()

		c.world = reopen(t, opt, muster.ClockFunc(time.Now), hurried)
		e = c.begin()
		c.stop()
		k := &killer{t: t, r: fault.Seed(t), opt: opt, nodes: 1}
		if opt.URL != "" {
			k.nodes = 2
		}
		for _, point := range []string{"claimed 0", "before-page 0", "after-page 0", "before-page 5", "after-page 5"} {
			k.point(point)
		}
		most := people / 250 / kills * 6 / 5 // so that there is something left to kill at the end
		for range kills {
			if !k.random(k.r.IntN(most)) {
				t.Fatalf("the job ended after %d kills", k.kills)
			}
		}
		k.end()
		for _, point := range []string{"before-note 0", "after-note 0", "before-end 0"} {
			k.point(point)
		}
		c.check(opt, e.ID, want)
		t.Logf("%d kills", k.kills)

		k.kills = 0
		c.undo(opt, e.ID)
		k.point("before-undo-page 2")
		k.point("after-undo-page 2")
		for range kills / 4 {
			if !k.random(k.r.IntN(people / 1000 / kills * 2)) {
				t.Fatalf("the undoing ended after %d kills", k.kills)
			}
		}
		k.end()
		c.check(opt, e.ID, wantUndone)
		t.Logf("%d kills of the undoing", k.kills)
	})
}

// check lets the job come to its end, and compares.
func (c *crowd) check(opt store.Options, id muster.EnrolmentID, want string) {
	t := c.t
	t.Helper()
	w := reopen(t, opt, muster.ClockFunc(time.Now), hurried)
	defer w.stop()
	stop := run(t, w.Enrolments)
	defer stop()
	e := w.await(id)
	census := w.census()
	defer census.Close()
	census.CheckGroup(c.g)
	if got := outcome(census, e); got != want {
		t.Errorf("a killed enrolment ended otherwise than one that was not:\n%s", differ(got, want))
	}
	h, err := w.Groups.ListMessages(t.Context(), w.owner, c.g, nil, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	notes := 0
	for _, m := range h.Messages {
		if m.Kind == group.KindJoined && m.ClientID == "enrolment-"+id.String() {
			notes++
			if m.Count != e.Counts.Added {
				t.Errorf("the group was told of %d people, %d were added", m.Count, e.Counts.Added)
			}
		}
	}
	if notes != 1 {
		t.Errorf("the group was told %d times", notes)
	}
}

func (c *crowd) undo(opt store.Options, id muster.EnrolmentID) {
	c.t.Helper()
	w := reopen(c.t, opt, muster.ClockFunc(time.Now), hurried)
	defer w.stop()
	if _, err := w.Enrolments.Undo(c.t.Context(), w.owner, id); err != nil {
		c.t.Fatal(err)
	}
}

// differ shows the first lines in which two texts differ.
func differ(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	var out strings.Builder
	shown := 0
	for i := range max(len(a), len(b)) {
		line := func(s []string) string {
			if i < len(s) {
				return s[i]
			}
			return "(nothing)"
		}
		if line(a) != line(b) && shown < 10 {
			shown++
			fmt.Fprintf(&out, "line %d: %s, want %s\n", i+1, line(a), line(b))
		}
	}
	fmt.Fprintf(&out, "%d lines, want %d", len(a), len(b))
	return out.String()
}
