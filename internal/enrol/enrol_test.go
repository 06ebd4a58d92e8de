package enrol_test

import (
	"fmt"
	"testing"
	"time"

	"muster"
	"muster/internal/account"
	"muster/internal/config"
	"muster/internal/enrol"
	"muster/internal/group"
)

// byThirds gives guests, members and moderators in turn.
func byThirds(i int) muster.Level {
	return []muster.Level{muster.Guest, muster.Member, muster.Moderator}[i%3]
}

// The whole method: everybody is handled once, each as their level, their own
// setting and their history say, and the preview said so before.
func TestEnrolment(t *testing.T) {
	t.Parallel()
	forEachStore(t, nil, func(t *testing.T, w *world) {
		ctx := t.Context()
		ch, ids := w.channel("p", 30, byThirds) // guests 0,3,..27; members 1,4,..28; moderators 2,5,..29
		g := w.group("Everybody", 0)
		set := func(i int, d muster.DirectAdd) {
			t.Helper()
			if _, err := w.Accounts.UpdateProfile(ctx, ids[i], account.Profile{DirectAdd: &d}); err != nil {
				t.Fatal(err)
			}
		}
		set(1, muster.DirectAddAsk)
		set(4, muster.DirectAddRefuse)
		set(0, muster.DirectAddRefuse)
		if err := w.Accounts.Block(ctx, ids[7], w.owner); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Groups.Send(ctx, w.owner, group.Draft{Group: g, ClientID: "before", Text: "said before"}); err != nil {
			t.Fatal(err)
		}

		r := enrol.Request{Group: g, Channel: ch, Policies: policies("asdssd"), Text: "Come in!"}
		preview, err := w.Enrolments.Preview(ctx, w.owner, r)
		if err != nil {
			t.Fatal(err)
		}
		want := enrol.Counts{AlreadyIn: 1, Added: 7, Asked: 10, SkippedPolicy: 10, SkippedRefused: 2, SkippedBlocked: 1}
		var would enrol.Counts
		for _, c := range preview.Levels {
			would.Add(c)
		}
		if would != want || preview.Total != 31 || preview.Room.GroupLeft != 3 {
			t.Fatalf("preview: %+v of %d, room %+v; want %+v", would, preview.Total, preview.Room, want)
		}

		e := w.enrolAll(r)
		if e.State != enrol.Done || e.Counts != want || e.Counts.Handled() != 31 {
			t.Fatalf("ended as %+v", e)
		}
		members := w.members(g)
		if len(members) != 8 { // the owner and seven
			t.Fatalf("%d members", len(members))
		}
		_, subs, err := w.Groups.GetGroup(ctx, w.owner, g)
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]int64{}
		for _, s := range subs {
			names[s.Name] = s.Members
		}
		if fmt.Sprint(names) != "map[Guests:0 Members:7 Owners:0]" {
			t.Fatalf("subgroups %v", names)
		}
		checkAsked(t, w, e, ids)
		checkUnread(t, w, g, ids[10])
	})
}

// checkAsked looks at the questions that wait for people.
func checkAsked(t *testing.T, w *world, e enrol.Enrolment, ids []muster.AccountID) {
	t.Helper()
	for i, id := range ids {
		list, err := w.Enrolments.ListMyInvitations(t.Context(), id, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		asked := i%3 == 0 && i != 0 || i == 1
		if (len(list) == 1) != asked {
			t.Fatalf("person %d has invitations %+v", i, list)
		}
		if asked && (list[0].ID != muster.InvitationID(e.ID) || list[0].Text != "Come in!" || list[0].GroupName != "Everybody" || list[0].ChannelName != "channel of p") {
			t.Fatalf("person %d is asked %+v", i, list[0])
		}
	}
}

// checkUnread: who was added has not missed what was said before, may send at
// once, and will find what is said from now on.
func checkUnread(t *testing.T, w *world, g muster.GroupID, person muster.AccountID) {
	t.Helper()
	receipt, err := w.Groups.Send(t.Context(), person, group.Draft{Group: g, ClientID: "hello", Text: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	var got []group.Message
	if _, _, err := w.Groups.Sync(t.Context(), person, nil, 0, func(s group.Synced) error { got = s.Messages; return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Kind != group.KindJoined || got[0].Count != 7 || got[1].Seq != receipt.Seq || got[1].Seq != 3 {
		t.Fatalf("after joining: %+v", got)
	}
}

// The answers: accepting, declining, leaving, twice, late and contradictory.
func TestAnswers(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(c *config.Config) { c.Enrolment.PerGroup = 10 }, func(t *testing.T, w *world) {
		ctx := t.Context()
		ch, ids := w.channel("p", 9, func(int) muster.Level { return muster.VIP })
		g := w.group("Asked", 0)
		e := w.enrolAll(enrol.Request{Group: g, Channel: ch, Policies: policies("sassss"), Expiry: time.Hour})
		if e.Counts.Asked != 9 {
			t.Fatalf("%+v", e.Counts)
		}
		in := muster.InvitationID(e.ID)
		answer := func(i int, c enrol.Choice) (enrol.Answered, error) {
			return w.Enrolments.AnswerInvitation(ctx, ids[i], in, c)
		}
		onRoster := func(i int) bool {
			_, err := w.Channels.GetChannel(ctx, ids[i], ch)
			if err != nil {
				t.Fatal(err)
			}
			v, err := w.Channels.GetChannel(ctx, ids[i], ch)
			return err == nil && v.YourLevel.OnRoster()
		}
		for i, c := range []enrol.Choice{enrol.Accept, enrol.Decline, enrol.DeclineAndLeave} {
			for twice := range 2 {
				a, err := answer(i, c)
				if err != nil || a.Repeated != (twice == 1) {
					t.Fatalf("answer %v, time %d: %+v, %v", c, twice, a, err)
				}
			}
			for _, other := range []enrol.Choice{enrol.Accept, enrol.Decline, enrol.DeclineAndLeave} {
				if other != c {
					_, err := answer(i, other)
					reason(t, err, "already_answered")
				}
			}
			m, err := w.Groups.Member(ctx, g, ids[i])
			if err != nil || (m.Role == muster.RoleMember) != (c == enrol.Accept) {
				t.Fatalf("after %v: %+v, %v", c, m, err)
			}
			if onRoster(i) != (c != enrol.DeclineAndLeave) {
				t.Fatalf("after %v: on the roster %v", c, onRoster(i))
			}
		}
		_, err := w.Enrolments.AnswerInvitation(ctx, w.owner, in, enrol.Accept)
		reason(t, err, "invitation_not_found")

		w.restart() // questions survive
		if n, err := w.Enrolments.CountMyInvitations(ctx, ids[3]); err != nil || n != 1 {
			t.Fatalf("after a restart: %d invitations, %v", n, err)
		}
		w.clock.advance(2 * time.Hour)
		_, err = answer(3, enrol.Accept)
		reason(t, err, "invitation_expired")
		_, err = answer(4, enrol.DeclineAndLeave)
		reason(t, err, "invitation_expired")
		if !onRoster(4) {
			t.Fatal("a late answer took somebody off the roster")
		}
		got, err := w.Enrolments.Get(ctx, w.owner, e.ID)
		if err != nil || got.Accepted != 1 || got.Declined != 2 {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}

// The last owner of a channel cannot leave it by declining, and then nothing of
// the answer stands.
func TestLastOwnerCannotLeaveByDeclining(t *testing.T) {
	t.Parallel()
	forEachStore(t, nil, func(t *testing.T, w *world) {
		ctx := t.Context()
		ch, ids := w.channel("p", 1, func(int) muster.Level { return muster.Owner })
		g := w.group("Asked", 0)
		e := w.enrolAll(enrol.Request{Group: g, Channel: ch, Policies: policies("ssssaa")})
		if err := w.Channels.LeaveRoster(ctx, w.owner, ch); err != nil {
			t.Fatal(err)
		}
		in := muster.InvitationID(e.ID)
		_, err := w.Enrolments.AnswerInvitation(ctx, ids[0], in, enrol.DeclineAndLeave)
		reason(t, err, "last_owner")
		if _, err := w.Enrolments.AnswerInvitation(ctx, ids[0], in, enrol.Accept); err != nil {
			t.Fatalf("the refused answer stands: %v", err)
		}
	})
}

// An enrolment needs an administrator of both; refusals change and count nothing.
func TestChecks(t *testing.T) {
	t.Parallel()
	forEachStore(t, nil, func(t *testing.T, w *world) {
		ctx := t.Context()
		ch, ids := w.channel("p", 4, func(i int) muster.Level {
			return []muster.Level{muster.Admin, muster.Moderator, muster.Admin, muster.Guest}[i]
		})
		g := w.group("Checked", 0)
		r := enrol.Request{Group: g, Channel: ch, Policies: policies("dsssss")}
		// ids[0] administers the channel, and is then a plain member of the group.
		_, err := w.Enrolments.Start(ctx, ids[0], r, "")
		reason(t, err, "group_not_found")
		w.enrolAll(enrol.Request{Group: g, Channel: ch, Policies: policies("sssdds")})
		_, err = w.Enrolments.Start(ctx, ids[0], r, "")
		reason(t, err, "not_group_admin")
		// ids[1] administers the group, but only keeps order in the channel.
		for _, i := range []int{1, 2} {
			if err := w.Groups.SetRole(ctx, w.owner, g, ids[i], muster.RoleAdmin); err != nil {
				t.Fatal(err)
			}
		}
		if _, err = w.Enrolments.Start(ctx, ids[1], r, ""); muster.CodeOf(err) != muster.CodePermissionDenied {
			t.Fatalf("a moderator of the channel: %v", err)
		}
		if _, err = w.Enrolments.Preview(ctx, ids[1], r); muster.CodeOf(err) != muster.CodePermissionDenied {
			t.Fatalf("a preview by a moderator of the channel: %v", err)
		}
		p, err := w.Enrolments.Preview(ctx, ids[2], r)
		if err != nil || p.Room.GroupLeft != 2 || p.Room.RequesterLeft != 10 {
			t.Fatalf("refusals counted: %+v, %v", p.Room, err)
		}
		e, err := w.Enrolments.Start(ctx, ids[2], r, "key")
		if err != nil {
			t.Fatal(err)
		}
		w.await(e.ID)
		again, err := w.Enrolments.Start(ctx, ids[2], r, "key")
		if err != nil || again.ID != e.ID {
			t.Fatalf("the same key: %v, %v", again.ID, err)
		}
		r.Policies = policies("assssss"[:6])
		_, err = w.Enrolments.Start(ctx, ids[2], r, "key")
		reason(t, err, "idempotency_key_used")
		// To outsiders the job does not exist.
		_, err = w.Enrolments.Get(ctx, ids[3], e.ID)
		if muster.CodeOf(err) != muster.CodeNotFound && muster.CodeOf(err) != muster.CodePermissionDenied {
			t.Fatalf("a plain member sees the job: %v", err)
		}
	})
}

// Undo removes exactly those whom the job added and who have not since accepted
// or spoken; cancelled and undone questions are withdrawn.
func TestUndo(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(c *config.Config) { c.Enrolment.PerGroup = 10 }, func(t *testing.T, w *world) {
		ctx := t.Context()
		ch, ids := w.channel("p", 30, byThirds)
		g := w.group("Undone", 0)
		first := w.enrolAll(enrol.Request{Group: g, Channel: ch, Policies: policies("sssdss")})  // moderators: 10
		second := w.enrolAll(enrol.Request{Group: g, Channel: ch, Policies: policies("asdsss")}) // members 10 direct, guests 10 asked
		if first.Counts.Added != 10 || second.Counts.Added != 10 || second.Counts.Asked != 10 {
			t.Fatalf("%+v %+v", first.Counts, second.Counts)
		}
		in := muster.InvitationID(second.ID)
		if _, err := w.Enrolments.AnswerInvitation(ctx, ids[3], in, enrol.Accept); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Groups.Send(ctx, ids[4], group.Draft{Group: g, ClientID: "1", Text: "I like it here"}); err != nil {
			t.Fatal(err)
		}
		_, err := w.Enrolments.Undo(ctx, ids[4], second.ID)
		if muster.CodeOf(err) != muster.CodeNotFound {
			t.Fatalf("a plain member undoes: %v", err)
		}
		if _, err := w.Enrolments.Undo(ctx, w.owner, second.ID); err != nil {
			t.Fatal(err)
		}
		e := w.await(second.ID)
		if e.State != enrol.Undone || e.Removed != 9 {
			t.Fatalf("%+v", e)
		}
		members := w.members(g)
		mine, _, err := w.Groups.GetGroup(ctx, w.owner, g)
		if err != nil || len(members) != 13 || mine.Group.Members != 13 {
			t.Fatalf("%d members, counted %d, %v", len(members), mine.Group.Members, err)
		}
		for _, i := range []int{3, 4, 2, 29} {
			if _, ok := members[ids[i]]; !ok {
				t.Fatalf("person %d was removed", i)
			}
		}
		_, err = w.Enrolments.AnswerInvitation(ctx, ids[6], in, enrol.Accept)
		reason(t, err, "invitation_withdrawn")
		if n, err := w.Enrolments.CountMyInvitations(ctx, ids[6]); err != nil || n != 0 {
			t.Fatalf("%d invitations, %v", n, err)
		}
		_, err = w.Groups.Send(ctx, ids[7], group.Draft{Group: g, ClientID: "2", Text: "me too"})
		reason(t, err, "not_a_member")
	})
}

// Where people land, and what happens in a full group.
func TestPlacesAndCapacity(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(c *config.Config) { c.Enrolment.PerGroup = 10 }, func(t *testing.T, w *world) {
		ctx := t.Context()
		ch, ids := w.channel("p", 12, byThirds)
		g := w.group("Placed", 10)
		staff, err := w.Groups.CreateSubgroup(ctx, w.owner, g, "Staff")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Groups.SetLevelMap(ctx, w.owner, g, map[muster.Level]muster.SubgroupID{muster.Moderator: staff.ID}, 0); err != nil {
			t.Fatal(err)
		}
		e := w.enrolAll(enrol.Request{Group: g, Channel: ch, Policies: policies("dddddd")})
		if e.Counts.Added != 9 || e.Counts.SkippedFull != 3 {
			t.Fatalf("%+v", e.Counts)
		}
		_, subs, err := w.Groups.GetGroup(ctx, w.owner, g)
		if err != nil || len(subs) != 2 || subs[1].Name != "Everyone else" || !subs[1].Default || subs[0].Members+subs[1].Members != 9 {
			t.Fatalf("%+v, %v", subs, err)
		}
		for id, m := range w.members(g) {
			if id == w.owner {
				continue
			}
			moderator := id == ids[2] || id == ids[5] || id == ids[8] || id == ids[11]
			if (m.Subgroup == staff.ID) != moderator {
				t.Fatalf("%+v landed wrongly", m)
			}
		}
	})
}

// Who left by themselves is asked before they are in again.
func TestLeaversAreAsked(t *testing.T) {
	t.Parallel()
	forEachStore(t, nil, func(t *testing.T, w *world) {
		ctx := t.Context()
		ch, ids := w.channel("p", 2, func(int) muster.Level { return muster.Member })
		g := w.group("Left", 0)
		r := enrol.Request{Group: g, Channel: ch, Policies: policies("ssdsss")}
		w.enrolAll(r)
		if err := w.Groups.LeaveGroup(ctx, ids[0], g); err != nil {
			t.Fatal(err)
		}
		if err := w.Groups.RemoveMember(ctx, w.owner, g, ids[1]); err != nil {
			t.Fatal(err)
		}
		if e := w.enrolAll(r); e.Counts.Asked != 1 || e.Counts.Added != 1 {
			t.Fatalf("%+v", e.Counts)
		}
	})
}
