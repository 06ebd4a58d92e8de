package enrol_test

import (
	"testing"

	"muster"
	"muster/internal/enrol"
	"muster/internal/store"
)

// Somebody who is asked, leaves the roster and comes back at a level that is
// added directly, all while the job runs, is handled in both passes: the question
// stands, once, and a decline of it is final.
func TestComingBackMeanwhile(t *testing.T) {
	t.Parallel()
	forEachDatabase(t, func(t *testing.T, opt store.Options) {
		w := idleWorld(t, opt, newHands(), nil)
		ctx, ledger := t.Context(), w.Store.Ledger()
		ch, ids := w.channel("p", 3, func(int) muster.Level { return muster.Guest })
		g := w.group("Asked once", 0)
		e, err := w.Enrolments.Start(ctx, w.owner, enrol.Request{Group: g, Channel: ch, Policies: policies("asdsss")}, "")
		if err != nil {
			t.Fatal(err)
		}
		page := func(from, to int64) enrol.PageResult {
			t.Helper()
			people, err := here{w.Channels}.RosterPage(ctx, ch, 0, 100, from, to)
			if err != nil {
				t.Fatal(err)
			}
			res, err := ledger.CommitPage(ctx, enrol.Page{Enrolment: e.ID, People: people})
			if err != nil {
				t.Fatal(err)
			}
			return res
		}
		if first := page(0, 4); first.Enrolment.Counts.Asked != 3 {
			t.Fatalf("%+v", first.Enrolment.Counts)
		}
		answer := func(i int, c enrol.Choice) error {
			_, err := w.Enrolments.AnswerInvitation(ctx, ids[i], muster.InvitationID(e.ID), c)
			return err
		}
		for i, c := range []enrol.Choice{enrol.Decline, enrol.Accept} { // and one who has not answered
			if err := answer(i, c); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Groups.LeaveGroup(ctx, ids[1], g); err != nil { // and thinks better of it
			t.Fatal(err)
		}
		for _, id := range ids {
			if err := w.Channels.LeaveRoster(ctx, id, ch); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Channels.SetLevel(ctx, w.owner, ch, id, muster.Member); err != nil {
				t.Fatal(err)
			}
		}
		end := enrol.Page{Enrolment: e.ID, From: ids[2], NewestEntry: 7}
		if res, err := ledger.CommitPage(ctx, end); err != nil || res.Enrolment.Progress.Pass != 2 {
			t.Fatalf("%+v, %v", res, err)
		}
		second := page(4, 7)
		if second.Enrolment.Counts.Asked != 6 || second.Enrolment.Counts.Added != 0 || len(second.Added)+len(second.Asked) != 0 {
			t.Fatalf("%+v, added %v, asked %v", second.Enrolment.Counts, second.Added, second.Asked)
		}
		reason(t, answer(0, enrol.Accept), "already_answered")
		if err := answer(2, enrol.Accept); err != nil {
			t.Fatal(err)
		}
		if members := w.members(g); len(members) != 2 {
			t.Fatalf("%d members", len(members))
		}
		c := w.census()
		c.CheckGroup(g)
		if n := c.Int("SELECT count(*) FROM invitation WHERE invitation_id = $1", int64(e.ID)); n != 3 {
			t.Fatalf("%d questions", n)
		}
	})
}
