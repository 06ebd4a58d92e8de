package group_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"muster"
	"muster/internal/enrol"
	"muster/internal/fault"
	"muster/internal/group"
	"muster/internal/pgtest"
	"muster/internal/store"
)

// Once RemoveMember, LeaveGroup or the undoing of an enrolment has returned,
// nothing of that person comes after what others say, however much they have
// under way.
func TestRemovedMembersCannotSend(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, r *rig) {
		ids := r.people("p", 2)
		boss, member := ids[0], ids[1]
		g, err := r.CreateGroup(t.Context(), boss, "Watched", "", 0)
		if err != nil {
			t.Fatal(err)
		}
		rnd := fault.Seed(t)
		for round := range fault.Long(60, 2000) {
			enrolled := r.enter(g.ID, boss, member, round%3 == 2)
			var sending sync.WaitGroup
			stop := make(chan struct{})
			for sender := range 4 {
				sending.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						default:
						}
						_, err := r.Send(context.Background(), member, group.Draft{Group: g.ID, ClientID: fmt.Sprintf("%d-%d-%d", round, sender, i), Text: "hello"})
						if err != nil && muster.ReasonOf(err) != "not_a_member" {
							t.Errorf("send: %v", err)
							return
						}
					}
				})
			}
			time.Sleep(time.Duration(rnd.IntN(2000)) * time.Microsecond) // so that they are at different things
			switch round % 3 {
			case 0:
				err = r.RemoveMember(t.Context(), boss, g.ID, member)
			case 1:
				err = r.LeaveGroup(t.Context(), member, g.ID)
			case 2:
				err = r.undoAll(enrolled)
			}
			if err != nil {
				t.Fatal(err)
			}
			// What is said from now on comes after all that they have said.
			mark, err := r.Send(t.Context(), boss, group.Draft{Group: g.ID, ClientID: fmt.Sprint("mark ", round), Text: "gone"})
			if err != nil {
				t.Fatal(err)
			}
			in := r.role(g.ID, member) != muster.NotMember
			time.Sleep(time.Millisecond) // for those that were under way
			close(stop)
			sending.Wait()
			late, err := r.store.Log().Head(t.Context(), g.ID)
			if err != nil {
				t.Fatal(err)
			}
			// Who has spoken stays when an enrolment is undone: then they still send.
			if !in && late != mark.Seq {
				t.Fatalf("round %d: %d messages of somebody who had been removed", round, late-mark.Seq)
			}
			if in {
				if round%3 != 2 {
					t.Fatalf("round %d: still in", round)
				}
				if err := r.RemoveMember(t.Context(), boss, g.ID, member); err != nil {
					t.Fatal(err)
				}
			} else if round%3 == 2 {
				msgs := r.log(t, g.ID)
				for _, m := range msgs {
					if m.Sender == member && m.ClientID[:len(fmt.Sprint(round))+1] == fmt.Sprintf("%d-", round) {
						t.Fatalf("round %d: the undoing removed somebody who had spoken", round)
					}
				}
			}
		}
		r.census().CheckGroup(g.ID)
	})
}

func (r *rig) role(g muster.GroupID, who muster.AccountID) muster.Role {
	r.t.Helper()
	m, err := r.Member(context.Background(), g, who)
	if err != nil {
		r.t.Fatal(err)
	}
	return m.Role
}

// log reads all of a group's messages.
func (r *rig) log(t fataler, g muster.GroupID) []group.Message {
	t.Helper()
	msgs, err := r.store.Log().Read(context.Background(), group.Range{Group: g})
	if err != nil {
		t.Fatalf("read the log: %v", err)
	}
	return msgs
}

// enter makes somebody a member, by accepting or by an enrolment.
func (r *rig) enter(g muster.GroupID, boss, who muster.AccountID, byEnrolment bool) muster.EnrolmentID {
	r.t.Helper()
	if !byEnrolment {
		r.admit(r.t.(*testing.T), g, boss, who, muster.RoleMember)
		return 0
	}
	// Somebody who left is asked; so that they are added they accept first.
	r.admit(r.t.(*testing.T), g, boss, who, muster.RoleMember)
	if err := r.RemoveMember(r.t.Context(), boss, g, who); err != nil {
		r.t.Fatal(err)
	}
	return r.enrol(g, boss, []enrol.Person{{Account: who, Level: muster.Member}})
}

// enrol adds people directly, as an enrolment of a channel elsewhere does.
func (r *rig) enrol(g muster.GroupID, boss muster.AccountID, people []enrol.Person) muster.EnrolmentID {
	r.t.Helper()
	ledger := r.store.LedgerApart()
	e := enrol.Enrolment{ID: muster.EnrolmentID(r.opt.IDs.Next()), Group: g, Channel: 1, Requester: boss, State: enrol.Running, Created: time.Now()}
	e.Policies[muster.Member] = enrol.Direct
	_, _, err := ledger.Create(r.t.Context(), e, e.ID.String(), enrol.Limits{Window: time.Millisecond, PerGroup: 1000, PerRequester: 1000})
	from := muster.AccountID(0)
	for len(people) > 0 && err == nil {
		n := min(len(people), 5000)
		_, err = ledger.CommitPage(r.t.Context(), enrol.Page{Enrolment: e.ID, From: from, People: people[:n]})
		from, people = people[n-1].Account, people[n:]
	}
	if err == nil {
		_, err = ledger.CommitPage(r.t.Context(), enrol.Page{Enrolment: e.ID, From: from})
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return e.ID
}

func (r *rig) undoAll(id muster.EnrolmentID) error {
	ledger := r.store.LedgerApart()
	e, err := ledger.BeginUndo(r.t.Context(), id, 0)
	for err == nil && e.State == enrol.Undoing {
		var res enrol.UndoResult
		res, err = ledger.UndoPage(r.t.Context(), id, 0, 100, time.Time{})
		e = res.Enrolment
	}
	return err
}

// Read positions are shared by devices, never go back, and survive a restart.
func TestReadPositions(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, r *rig) {
		const groups, messages = 4, 60
		ids := r.people("p", 3)
		rnd := fault.Seed(t)
		var gs []muster.GroupID
		for i := range groups {
			g, err := r.CreateGroup(t.Context(), ids[0], fmt.Sprint("Read ", i), "", 0)
			if err != nil {
				t.Fatal(err)
			}
			gs = append(gs, g.ID)
			for _, who := range ids[1:] {
				r.admit(t, g.ID, ids[0], who, muster.RoleMember)
			}
			for m := range messages {
				if _, err := r.Send(t.Context(), ids[0], group.Draft{Group: g.ID, ClientID: fmt.Sprint(m), Text: "hello"}); err != nil {
					t.Fatal(err)
				}
			}
		}
		type key struct {
			who muster.AccountID
			g   muster.GroupID
		}
		want := map[key]muster.Seq{}
		var mu sync.Mutex
		positions := func(who muster.AccountID) map[key]muster.Seq {
			all, err := r.ListMyGroups(t.Context(), who, 0, 0)
			if err != nil || len(all) != groups {
				t.Fatalf("%d groups, %v", len(all), err)
			}
			got := map[key]muster.Seq{}
			for _, m := range all {
				got[key{who, m.Group.ID}] = m.Read
			}
			return got
		}
		for round := range 3 {
			var devices sync.WaitGroup
			for _, who := range ids {
				for range 3 { // devices of each
					seed := rnd.Uint64()
					devices.Go(func() {
						rnd := rand.New(rand.NewPCG(seed, 0))
						last := map[key]muster.Seq{}
						for i := range 60 {
							k := key{who, gs[rnd.IntN(groups)]}
							seq := muster.Seq(rnd.IntN(messages/3*(round+1)) + 1)
							if err := r.MarkRead(t.Context(), who, k.g, seq); err != nil {
								t.Errorf("mark: %v", err)
								return
							}
							mu.Lock()
							want[k] = max(want[k], seq)
							mu.Unlock()
							if i%7 == 0 {
								if err := r.FlushReads(t.Context()); err != nil {
									t.Errorf("flush: %v", err)
								}
							}
							if i%5 == 0 {
								for k, seq := range positions(who) {
									if seq < last[k] {
										t.Errorf("a read position went back from %d to %d", last[k], seq)
									}
									last[k] = seq
								}
							}
						}
					})
				}
			}
			devices.Wait()
			if t.Failed() {
				return
			}
			r.restart()
			for _, who := range ids {
				for k, seq := range positions(who) {
					if seq != want[k] {
						t.Fatalf("round %d, after a restart: read up to %d, want %d", round, seq, want[k])
					}
				}
			}
			// A device that is behind does not move the others back, also after the restart.
			if err := r.MarkRead(t.Context(), ids[1], gs[0], 1); err != nil {
				t.Fatal(err)
			}
			if err := r.FlushReads(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// The environment of TestDissolveChild.
const (
	envDissolveDir = "GROUP_TEST_DISSOLVE_DIR"
	envDissolveURL = "GROUP_TEST_DISSOLVE_URL"
)

// TestDissolveChild is the server that is killed while it dissolves a group.
func TestDissolveChild(t *testing.T) {
	dir := os.Getenv(envDissolveDir)
	if dir == "" {
		t.Skip("is run by TestDissolveKilled")
	}
	orders := fault.Listen()
	clock := muster.ClockFunc(time.Now)
	r := &rig{t: t, opt: store.Options{Dir: dir, URL: os.Getenv(envDissolveURL), Clock: clock, IDs: muster.NewIDs(clock)}}
	r.start(false)
	fault.Say("ready")
	for order := range orders {
		var boss muster.AccountID
		var g muster.GroupID
		if _, err := fmt.Sscan(order, &boss, &g); err != nil {
			t.Fatal(err)
		}
		if err := r.DissolveGroup(context.Background(), boss, g); err != nil {
			t.Fatal(err)
		}
		fault.Say("done")
	}
}

// A group of 20,000 whose dissolution is killed halfway is gone for everybody at
// once, and the next start removes what is left of it.
func TestDissolveKilled(t *testing.T) {
	t.Parallel()
	test := func(t *testing.T, opt store.Options) {
		const people = 20_000
		r := newRig(t, opt)
		ids := r.people("p", 3)
		boss, some, other := ids[0], ids[1], ids[2]
		rnd := fault.Seed(t)
		halfway := 0
		for round := 0; halfway < fault.Long(3, 30); round++ {
			if round > 100 {
				t.Fatalf("killed halfway %d times in %d rounds", halfway, round)
			}
			g, err := r.CreateGroup(t.Context(), boss, "Short-lived", "", 0)
			if err != nil {
				t.Fatal(err)
			}
			in, err := r.Invite(t.Context(), boss, g.ID, []muster.AccountID{other}, "")
			if err != nil {
				t.Fatal(err)
			}
			r.admit(t, g.ID, boss, some, muster.RoleMember)
			crowd := make([]enrol.Person, people) // who have no accounts, and are removed first
			for i := range crowd {
				crowd[i] = enrol.Person{Account: boss - 1_000_000 + muster.AccountID(i), Level: muster.Member}
			}
			r.enrol(g.ID, boss, crowd)
			if _, err := r.Send(t.Context(), some, group.Draft{Group: g.ID, ClientID: "1", Text: "hello"}); err != nil {
				t.Fatal(err)
			}
			r.stop()

			c := fault.StartChild(t, "TestDissolveChild", envDissolveDir+"="+opt.Dir, envDissolveURL+"="+opt.URL)
			c.MustHear()
			look := r.census()
			left := func() int64 { return look.Int("SELECT count(*) FROM group_member WHERE group_id = $1", int64(g.ID)) }
			until := rnd.Int64N(people)
			c.Tell(fmt.Sprint(boss, g.ID))
			for late := time.Now().Add(time.Minute); left() > until; { // a busy look: there is little time
				if time.Now().After(late) {
					t.Fatalf("%d members are left of a group that is being dissolved", left())
				}
			}
			c.Kill()
			rest := left()
			there := look.Int("SELECT count(*) FROM grp WHERE id = $1", int64(g.ID)) == 1
			if there && rest != people+2 {
				t.Fatalf("%d members of a group that is not dissolved", rest)
			}
			if !there && rest > 0 {
				halfway++
			}

			r.start(true)
			if !there {
				r.checkGone(t, g.ID, boss, some, other, in.Invitation)
			}
			for late := time.Now().Add(time.Minute); !there && (left() > 0 || look.Int("SELECT count(*) FROM group_dissolved") > 0); time.Sleep(time.Millisecond) {
				if time.Now().After(late) {
					t.Fatalf("%d members are left", left())
				}
			}
			if n := look.Int("SELECT count(*) FROM account_group WHERE group_id = $1", int64(g.ID)); !there && n != 0 {
				t.Fatalf("%d accounts still list the group", n)
			}
			if there {
				look.CheckGroup(g.ID)
			}
			look.Close()
		}
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, store.Options{Dir: t.TempDir()})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, store.Options{Dir: t.TempDir(), URL: pgtest.URL(t)})
	})
}

// checkGone holds that nobody can do anything in a dissolved group, although its
// members' rows are still there.
func (r *rig) checkGone(t *testing.T, g muster.GroupID, boss, some, other muster.AccountID, in muster.InvitationID) {
	t.Helper()
	ctx := t.Context()
	for _, who := range []muster.AccountID{boss, some} {
		if _, err := r.Send(ctx, who, group.Draft{Group: g, ClientID: "2", Text: "hello?"}); muster.ReasonOf(err) != "not_a_member" {
			t.Errorf("send to a dissolved group: %v", err)
		}
		if _, err := r.ListMessages(ctx, who, g, nil, nil, 0); muster.ReasonOf(err) != "group_not_found" {
			t.Errorf("read a dissolved group: %v", err)
		}
		if err := r.MarkRead(ctx, who, g, 1); muster.ReasonOf(err) != "group_not_found" {
			t.Errorf("mark a dissolved group: %v", err)
		}
		if all, err := r.ListMyGroups(ctx, who, 0, 0); err != nil || len(all) != 0 {
			t.Errorf("a dissolved group is listed: %+v, %v", all, err)
		}
		if ids, _, err := r.ListMyHeads(ctx, who, 0, 0); err != nil || len(ids) != 0 {
			t.Errorf("the head of a dissolved group is listed: %v, %v", ids, err)
		}
	}
	if _, err := r.store.Ledger().Answer(ctx, other, in, enrol.Accept, 0); muster.ReasonOf(err) != "invitation_withdrawn" {
		t.Errorf("accept into a dissolved group: %v", err)
	}
	if err := r.SetRole(ctx, boss, g, some, muster.RoleAdmin); muster.ReasonOf(err) != "group_not_found" {
		t.Errorf("set a role in a dissolved group: %v", err)
	}
}

// As long as a dissolved group's members are being removed, they can do no more
// in it than afterwards.
func TestHalfDissolved(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, r *rig) {
		ids := r.people("p", 3)
		g, err := r.CreateGroup(t.Context(), ids[0], "Short-lived", "", 0)
		if err != nil {
			t.Fatal(err)
		}
		in, err := r.Invite(t.Context(), ids[0], g.ID, ids[2:], "")
		if err != nil {
			t.Fatal(err)
		}
		r.admit(t, g.ID, ids[0], ids[1], muster.RoleMember)
		for _, who := range ids[:2] {
			if _, err := r.Send(t.Context(), who, group.Draft{Group: g.ID, ClientID: "1", Text: "hello"}); err != nil {
				t.Fatal(err)
			}
		}
		r.census().Lines("DELETE FROM grp WHERE id = $1", int64(g.ID)) // the first step, and no other one
		r.restart()
		r.checkGone(t, g.ID, ids[0], ids[1], ids[2], in.Invitation)
		if head, err := r.store.Log().Head(t.Context(), g.ID); err != nil || head != 2 {
			t.Fatalf("head %d, %v", head, err)
		}
	})
}

// Groups that are being dissolved do not hide those that come after them in a
// person's list.
func TestListBesideDissolved(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, r *rig) {
		const groups = 520 // more than one page
		who := r.people("p", 1)[0]
		look := r.census()
		want := map[muster.GroupID]bool{}
		for i := range groups {
			g, err := r.CreateGroup(t.Context(), who, "One of many", "", 0)
			if err != nil {
				t.Fatal(err)
			}
			if i%3 == 0 { // as the first step of a dissolution leaves it
				look.Lines("DELETE FROM grp WHERE id = $1", int64(g.ID))
				continue
			}
			want[g.ID] = true
		}
		got := map[muster.GroupID]bool{}
		_, _, err := r.Sync(t.Context(), who, nil, 0, func(s group.Synced) error { got[s.Mine.Group.ID] = true; return nil })
		if err != nil || len(got) != len(want) {
			t.Fatalf("%d groups were synced, want %d; %v", len(got), len(want), err)
		}
		seen := 0
		for after := muster.GroupID(0); ; {
			page, err := r.ListMyGroups(t.Context(), who, after, 7)
			if err != nil {
				t.Fatal(err)
			}
			seen += len(page)
			if len(page) < 7 {
				break
			}
			after = page[len(page)-1].Group.ID
		}
		if seen != len(want) {
			t.Fatalf("%d groups were listed, want %d", seen, len(want))
		}
		clear(got)
		for after := muster.GroupID(0); ; {
			ids, heads, err := r.ListMyHeads(t.Context(), who, after, 7)
			if err != nil || len(heads) != len(ids) || !slices.IsSorted(ids) {
				t.Fatalf("groups %v with heads %v, %v", ids, heads, err)
			}
			for _, id := range ids {
				got[id] = want[id]
			}
			if len(ids) < 7 {
				break
			}
			after = ids[len(ids)-1]
		}
		if !maps.Equal(got, want) {
			t.Fatalf("the heads of %d groups were listed, want %d", len(got), len(want))
		}
	})
}
