package enrol_test

import (
	"testing"
	"time"

	"muster"
	"muster/internal/enrol"
	"muster/internal/group"
	"muster/internal/store"
)

// request starts an enrolment by the owner that no worker does.
func (w *world) request(r enrol.Request) enrol.Enrolment {
	w.t.Helper()
	e, err := w.Enrolments.Start(w.t.Context(), w.owner, r, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// page does a page of a job by hand.
func (w *world) page(id muster.EnrolmentID, people ...enrol.Person) enrol.PageResult {
	w.t.Helper()
	e, err := w.Store.Ledger().Get(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	p := enrol.Page{Enrolment: id, Epoch: e.Progress.Epoch, From: e.Progress.Cursor, NewestEntry: e.Progress.Mark, People: people}
	res, err := w.Store.Ledger().CommitPage(w.t.Context(), p)
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

// Somebody whom one enrolment asks, and whom another has added meanwhile, is the
// group's own member once they accept: undoing the other one leaves them in, and
// takes out who has not answered.
func TestAcceptingOutlivesUndo(t *testing.T) {
	t.Parallel()
	forEachDatabase(t, func(t *testing.T, opt store.Options) {
		ctx := t.Context()
		w := idleWorld(t, opt, newHands(), smallPages(time.Minute))
		ch, ids := w.channel("p", 2, func(int) muster.Level { return muster.Member })
		people := []enrol.Person{{Account: ids[0], Level: muster.Member}, {Account: ids[1], Level: muster.Member}}
		g := w.group("Asked and added", 0)
		asks := w.request(enrol.Request{Group: g, Channel: ch, Policies: policies("ssasss")})
		if res := w.page(asks.ID, people...); len(res.Asked) != 2 {
			t.Fatalf("asked %+v", res)
		}
		w.page(asks.ID) // the end
		adds := w.request(enrol.Request{Group: g, Channel: ch, Policies: policies("ssdsss")})
		if res := w.page(adds.ID, people...); len(res.Added) != 2 {
			t.Fatalf("added %+v", res)
		}
		w.page(adds.ID)
		a, err := w.Enrolments.AnswerInvitation(ctx, ids[0], muster.InvitationID(asks.ID), enrol.Accept)
		if err != nil || a.Joined || a.Repeated {
			t.Fatalf("accept by a member: %+v, %v", a, err)
		}
		if _, err := w.Enrolments.Undo(ctx, w.owner, adds.ID); err != nil {
			t.Fatal(err)
		}
		u, err := w.Store.Ledger().UndoPage(ctx, adds.ID, adds.Progress.Epoch, 100, time.Time{})
		if err != nil || len(u.Removed) != 1 || u.Removed[0] != ids[1] {
			t.Fatalf("undone: %+v, %v", u, err)
		}
		members := w.members(g)
		if _, in := members[ids[0]]; !in || len(members) != 2 { // with the owner
			t.Fatalf("after the undo: %+v", members)
		}
		if _, err := w.Groups.Send(ctx, ids[0], group.Draft{Group: g, ClientID: "1", Text: "still here"}); err != nil {
			t.Fatalf("who accepted cannot send: %v", err)
		}
	})
}

// A question whose enrolment was cancelled, has failed or is being undone takes
// no answer any more, of any kind, and the refused answer changes nothing.
func TestWithdrawnQuestions(t *testing.T) {
	t.Parallel()
	forEachDatabase(t, func(t *testing.T, opt store.Options) {
		ctx := t.Context()
		w := idleWorld(t, opt, newHands(), smallPages(time.Minute))
		ch, ids := w.channel("p", 1, func(int) muster.Level { return muster.Member })
		g := w.group("Withdrawn", 0)
		ledger := w.Store.Ledger()
		var id muster.EnrolmentID
		for _, test := range []struct {
			state    enrol.State
			withdraw func() error
		}{
			{enrol.Cancelled, func() error { _, err := w.Enrolments.Cancel(ctx, w.owner, id); return err }},
			{enrol.Failed, func() error { _, err := ledger.Fail(ctx, id, 0, "the test says so"); return err }},
			{enrol.Undone, func() error {
				w.page(id) // the end
				if _, err := w.Enrolments.Undo(ctx, w.owner, id); err != nil {
					return err
				}
				_, err := ledger.UndoPage(ctx, id, 0, 100, time.Time{})
				return err
			}},
			{enrol.Undoing, func() error { // the last one, as it keeps others of this channel and group off
				w.page(id)
				_, err := w.Enrolments.Undo(ctx, w.owner, id)
				return err
			}},
		} {
			id = w.request(enrol.Request{Group: g, Channel: ch, Policies: policies("ssasss")}).ID
			if res := w.page(id, enrol.Person{Account: ids[0], Level: muster.Member}); len(res.Asked) != 1 {
				t.Fatalf("asked %+v", res)
			}
			if n, err := w.Enrolments.CountMyInvitations(ctx, ids[0]); err != nil || n != 1 {
				t.Fatalf("before: %d questions, %v", n, err)
			}
			if err := test.withdraw(); err != nil {
				t.Fatalf("state %d: %v", test.state, err)
			}
			for _, choice := range []enrol.Choice{enrol.Accept, enrol.Decline, enrol.DeclineAndLeave} {
				_, err := w.Enrolments.AnswerInvitation(ctx, ids[0], muster.InvitationID(id), choice)
				if muster.ReasonOf(err) != "invitation_withdrawn" || muster.CodeOf(err) != muster.CodeFailedPrecondition {
					t.Errorf("state %d, answer %d: %v", test.state, choice, err)
				}
			}
			if n, err := w.Enrolments.CountMyInvitations(ctx, ids[0]); err != nil || n != 0 {
				t.Errorf("state %d: %d questions are open, %v", test.state, n, err)
			}
			if e, err := ledger.Get(ctx, id); err != nil || e.State != test.state || e.Accepted+e.Declined != 0 {
				t.Errorf("state %d: the job is %+v, %v", test.state, e, err)
			}
			if m, err := w.Groups.Member(ctx, g, ids[0]); err != nil || m.Role != muster.NotMember {
				t.Errorf("state %d: they are a member: %+v, %v", test.state, m, err)
			}
			if v, err := w.Channels.GetChannel(ctx, ids[0], ch); err != nil || !v.YourLevel.OnRoster() {
				t.Fatalf("state %d: they are off the roster: %+v, %v", test.state, v, err)
			}
		}
	})
}
