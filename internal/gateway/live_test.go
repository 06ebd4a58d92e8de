package gateway_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/channel"
	"muster/internal/client"
	"muster/internal/enrol"
	"muster/internal/gateway"
	"muster/internal/group"
)

func encodings(t *testing.T, test func(t *testing.T, inJSON bool)) {
	t.Run("proto", func(t *testing.T) { test(t, false) })
	t.Run("json", func(t *testing.T) { test(t, true) })
}

func TestWelcome(t *testing.T) {
	encodings(t, func(t *testing.T, inJSON bool) {
		r := start(t, func(o *gateway.Options) { o.MessagesPerSecond, o.Burst, o.MaxFrame = 7, 70, 5000 })
		p := r.people("anna")[0]
		w := p.dialAs(inJSON).Welcome()
		if w.GetAccountId() != int64(p.id) || w.GetSessionId() != int64(p.session) || w.GetName() != "anna" || w.GetNickname() != "Nick of anna" {
			t.Errorf("welcome: %v", w)
		}
		if age := time.Since(time.UnixMilli(w.GetServerTimeMs())); age < -time.Second || age > patience {
			t.Errorf("the server's time is %v old", age)
		}
		l := w.GetLimits()
		if l.GetMessagesPerSecond() != 7 || l.GetBurst() != 70 || l.GetMaxFrameBytes() != 5000 || l.GetMaxGroupTextBytes() == 0 {
			t.Errorf("limits: %v", l)
		}
		if s := r.gw.Stats(); s.Connections != 1 || s.People != 1 {
			t.Errorf("stats: %+v", s)
		}
	})
}

// TestRoom says things in a room: who is in it hears them, who comes later does
// not, and who left hears no more.
func TestRoom(t *testing.T) {
	encodings(t, func(t *testing.T, inJSON bool) {
		r := start(t, nil)
		ps := r.people("anna", "bert", "carl")
		id := r.channel(ps[0], channel.Settings{})
		a, b, c := ps[0].dialAs(inJSON), ps[1].dial(), ps[2].dialAs(inJSON)

		if _, err := a.Say(deadline(), id, "outside"); muster.ReasonOf(err) != "not_in_channel" {
			t.Errorf("saying something outside: %v", err)
		}
		if e := a.enter(id); e.GetPeople() != 1 || e.GetYourLevel() != musterv1.Level_LEVEL_OWNER {
			t.Errorf("entered: %v", e)
		}
		if n := a.say(id, "alone"); n != 1 {
			t.Errorf("handed to %d", n)
		}
		b.enter(id)
		joined := a.until("bert", func(f *musterv1.ServerFrame) bool { return f.GetChannelJoined() != nil })
		if joined.GetChannelJoined().GetPerson().GetAccountId() != int64(ps[1].id) {
			t.Errorf("joined: %v", joined)
		}
		if n := a.say(id, "two"); n != 2 {
			t.Errorf("handed to %d", n)
		}
		m := b.until("a message", func(f *musterv1.ServerFrame) bool { return f.GetChannelMessage() != nil }).GetChannelMessage()
		if m.GetText() != "two" || m.GetSenderId() != int64(ps[0].id) || m.GetSenderNickname() != "Nick of anna" || m.GetSenderLevel() != musterv1.Level_LEVEL_OWNER || m.GetClientMessageId() == "" {
			t.Errorf("message: %v", m)
		}
		c.enter(id)
		if err := b.Exit(deadline()); err != nil {
			t.Fatal(err)
		}
		if n := c.say(id, "three"); n != 2 {
			t.Errorf("handed to %d", n)
		}
		a.until("three", func(f *musterv1.ServerFrame) bool { return f.GetChannelMessage().GetText() == "three" })
		c.until("three", func(f *musterv1.ServerFrame) bool { return f.GetChannelMessage().GetText() == "three" })
		b.barrier()
		if got := texts(b.waiting()); len(got) != 0 {
			t.Errorf("who left heard %q", got)
		}
		if err := b.Close(); err != nil {
			t.Logf("close: %v", err)
		}
		// Somebody whose socket goes leaves the room.
		_ = c.Close()
		left := a.until("carl left", func(f *musterv1.ServerFrame) bool {
			return f.GetChannelLeft() != nil && f.GetChannelLeft().GetAccountId() == int64(ps[2].id)
		})
		_ = left
	})
}

// TestPresentHear holds invariant 1 while people come and go: what is accepted
// between a person's Entered and Exit reaches them, and nothing that was
// answered before they asked to come in.
func TestPresentHear(t *testing.T) {
	r := start(t, func(o *gateway.Options) { o.WriteQueue = 64 << 20 })
	ps := r.crowd("p", 12)
	id := r.channel(ps[0], channel.Settings{})
	var (
		mu   sync.Mutex
		said []string // in the order of their answers
	)
	speaker := ps[0].dial()
	speaker.enter(id)
	const messages = 2000
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := range messages {
			text := fmt.Sprint(n)
			if _, err := speaker.Say(deadline(), id, text); err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			said = append(said, text)
			mu.Unlock()
		}
	})
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(said)
	}
	for _, p := range ps[1:] {
		c := p.dial()
		wg.Go(func() {
			for count() < messages && !t.Failed() {
				before := count() // answered before Enter was asked
				if _, err := c.Enter(deadline(), id); err != nil {
					t.Error(err)
					return
				}
				in := count() // answered by the time of Entered; those after it must come
				for count() < min(in+20, messages) && !t.Failed() {
					time.Sleep(time.Millisecond)
				}
				out := count()
				if err := c.Exit(deadline()); err != nil {
					t.Error(err)
					return
				}
				got := texts(c.waiting())
				for i, text := range got {
					var n int
					_, _ = fmt.Sscan(text, &n)
					if n < before {
						t.Errorf("heard %d, said before %d", n, before)
					}
					if i > 0 {
						var last int
						_, _ = fmt.Sscan(got[i-1], &last)
						if n != last+1 {
							t.Errorf("heard %d after %d", n, last)
						}
					}
				}
				// in itself may have been accepted before the Enter was.
				for n := in + 1; n < out; n++ {
					if !slices.Contains(got, fmt.Sprint(n)) {
						t.Errorf("did not hear %d, was in from %d to %d: %q", n, in, out, got)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

// TestGroup sends to a group: every member's devices get it once, who is away
// gets it on return, who is no member gets nothing.
func TestGroup(t *testing.T) {
	encodings(t, func(t *testing.T, inJSON bool) {
		r := start(t, nil)
		ps := r.people("anna", "bert", "carl", "dora")
		id := r.group(ps[0], ps[1], ps[2])
		a, b, b2, d := ps[0].dialAs(inJSON), ps[1].dialAs(inJSON), ps[1].dial(), ps[3].dial()

		first := &musterv1.SendRequest{GroupId: int64(id), ClientMessageId: "m1", Text: "hello 夜", ReplyTo: 0}
		sent, err := a.Send(deadline(), first)
		if err != nil || sent.GetSeq() != 1 || sent.GetTimeMs() == 0 {
			t.Fatalf("sent: %v, %v", sent, err)
		}
		again, err := a.Send(deadline(), &musterv1.SendRequest{GroupId: int64(id), ClientMessageId: "m1", Text: "hello 夜"})
		if err != nil || again.GetSeq() != 1 {
			t.Errorf("sent again: %v, %v", again, err)
		}
		a.send(id, "second")
		for _, c := range []*conn{a, b, b2} {
			for seq, text := range []string{"hello 夜", "second"} {
				m := c.until("a push", func(f *musterv1.ServerFrame) bool { return f.GetGroupMessage() != nil }).GetGroupMessage()
				if m.GetSeq() != int64(seq+1) || m.GetText() != text || m.GetSenderId() != int64(ps[0].id) || m.GetSenderNickname() != "Nick of anna" || m.GetGroupId() != int64(id) {
					t.Errorf("push: %v", m)
				}
			}
		}
		if _, err := d.Send(deadline(), &musterv1.SendRequest{GroupId: int64(id), ClientMessageId: "x", Text: "intruder"}); muster.CodeOf(orNone(err)) != muster.CodePermissionDenied {
			t.Errorf("a stranger's send: %v", err)
		}
		if _, err := d.History(deadline(), &musterv1.ListMessagesRequest{GroupId: int64(id)}); muster.CodeOf(orNone(err)) != muster.CodeNotFound {
			t.Errorf("a stranger's history: %v", err)
		}
		d.barrier()
		if got := texts(d.waiting()); len(got) != 0 {
			t.Errorf("a stranger got %q", got)
		}

		c := ps[2].dialAs(inJSON)
		got, err := c.Sync(deadline(), &musterv1.SyncRequest{Positions: []*musterv1.SyncPosition{{GroupId: int64(id)}, {GroupId: 12345}}})
		if err != nil || len(got.GetGroups()) != 1 || len(got.GetGroups()[0].GetMessages()) != 2 || got.GetMore() || !slices.Equal(got.GetGone(), []int64{12345}) {
			t.Errorf("sync: %v, %v", got, err)
		}
		before := int64(2)
		page, err := c.History(deadline(), &musterv1.ListMessagesRequest{GroupId: int64(id), Before: &before})
		if err != nil || len(page.GetMessages()) != 1 || page.GetHead() != 2 || page.GetMessages()[0].GetText() != "hello 夜" {
			t.Errorf("history: %v, %v", page, err)
		}

		// A device's read position moves the others'.
		if err := b.MarkRead(deadline(), id, 2); err != nil {
			t.Fatal(err)
		}
		moved := b2.until("read moved", func(f *musterv1.ServerFrame) bool { return f.GetReadMoved() != nil }).GetReadMoved()
		if moved.GetGroupId() != int64(id) || moved.GetReadSeq() != 2 {
			t.Errorf("read moved: %v", moved)
		}
		if err := b.MarkRead(deadline(), id, 99); muster.ReasonOf(err) != "invalid_seq" {
			t.Errorf("reading ahead: %v", err)
		}
	})
}

// TestOrderOfOneSender pipelines sends: their seqs are in the order of sending.
func TestOrderOfOneSender(t *testing.T) {
	r := start(t, nil)
	ps := r.people("anna", "bert")
	id := r.group(ps...)
	a, b := ps[0].dial(), ps[1].dial()
	const messages = 3000
	seqs := make(chan [2]int64, messages)
	for n := range messages {
		f := &musterv1.ClientFrame{Body: &musterv1.ClientFrame_Send{Send: &musterv1.SendRequest{
			GroupId: int64(id), ClientMessageId: client.NewMessageID(), Text: fmt.Sprint(n),
		}}}
		err := a.Go(deadline(), f, func(f *musterv1.ServerFrame, err error) {
			if err != nil {
				t.Error(err)
			}
			seqs <- [2]int64{int64(n), f.GetSent().GetSeq()}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for range messages {
		if s := <-seqs; s[1] != s[0]+1 {
			t.Fatalf("message %d has seq %d", s[0], s[1])
		}
	}
	for n := range messages {
		m := b.until("push", func(f *musterv1.ServerFrame) bool { return f.GetGroupMessage() != nil }).GetGroupMessage()
		if m.GetSeq() != int64(n+1) || m.GetText() != fmt.Sprint(n) {
			t.Fatalf("push %d is %v", n, m)
		}
	}
}

// TestRemoval takes a member out: it is told so, gets nothing more, and cannot
// read; back in, it gets what comes then.
func TestRemoval(t *testing.T) {
	r := start(t, nil)
	ps := r.people("anna", "bert")
	id := r.group(ps...)
	a, b := ps[0].dial(), ps[1].dial()
	for round := range 20 {
		in := fmt.Sprint("in ", round)
		a.send(id, in)
		b.until(in, func(f *musterv1.ServerFrame) bool { return f.GetGroupMessage().GetText() == in })
		if err := r.domain.Groups.RemoveMember(t.Context(), ps[0].id, id, ps[1].id); err != nil {
			t.Fatal(err)
		}
		a.send(id, fmt.Sprint("secret ", round))
		if _, err := b.History(deadline(), &musterv1.ListMessagesRequest{GroupId: int64(id)}); muster.CodeOf(orNone(err)) != muster.CodeNotFound {
			t.Fatalf("history after the removal: %v", err)
		}
		out := b.until("removed", func(f *musterv1.ServerFrame) bool {
			if f.GetGroupMessage() != nil {
				t.Fatalf("after the removal: %v", f)
			}
			return f.GetMemberRemoved() != nil
		}).GetMemberRemoved()
		if out.GetGroupId() != int64(id) || out.GetWhy() != "removed" {
			t.Fatalf("removed: %v", out)
		}
		r.join(id, ps[0], ps[1])
		added := b.until("added", func(f *musterv1.ServerFrame) bool {
			if f.GetGroupMessage() != nil {
				t.Fatalf("before being added again: %v", f)
			}
			return f.GetMemberAdded() != nil
		}).GetMemberAdded()
		if head := added.GetMine().GetGroup().GetHead(); head != int64(2*round+2) || added.GetMine().GetRole() != musterv1.Role_ROLE_MEMBER {
			t.Fatalf("added: %v", added)
		}
	}
	if err := r.domain.Groups.DissolveGroup(t.Context(), ps[0].id, id); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*conn{a, b} {
		out := c.until("dissolved", func(f *musterv1.ServerFrame) bool { return f.GetMemberRemoved() != nil }).GetMemberRemoved()
		if out.GetWhy() != "dissolved" {
			t.Errorf("dissolved: %v", out)
		}
	}
}

// TestChurnOfMembers removes and adds a member again and again while messages
// flow and its devices come and go: no device ever gets a message that was
// sent while the account was out, and at the end all of them get the pushes.
func TestChurnOfMembers(t *testing.T) {
	r := start(t, nil)
	ps := r.people("anna", "bert")
	id := r.group(ps...)
	a := ps[0].dial()
	var devices []*conn
	for round := range 30 {
		if err := r.domain.Groups.RemoveMember(t.Context(), ps[0].id, id, ps[1].id); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() { devices = append(devices, ps[1].dial()) }) // while it is out, or comes in
		a.send(id, fmt.Sprint("secret ", round))
		r.join(id, ps[0], ps[1])
		wg.Wait()
	}
	end := a.send(id, "the end").GetSeq()
	for _, c := range devices {
		c.until("the end", func(f *musterv1.ServerFrame) bool {
			// One whose place was settled only after the end is told so: the
			// head says what to sync.
			if f.GetMemberAdded().GetMine().GetGroup().GetHead() >= end {
				return true
			}
			m := f.GetGroupMessage()
			if m != nil && m.GetText() != "the end" && m.GetSeq() != 0 && len(m.GetText()) > 6 && m.GetText()[:6] == "secret" {
				t.Errorf("a device got %q", m.GetText())
			}
			return m.GetText() == "the end"
		})
	}
}

// TestEnrolment starts one: who is added is told and gets messages at once, who
// is asked is asked and answers on the socket, the requester sees the progress
// to its end.
func TestEnrolment(t *testing.T) {
	r := start(t, nil)
	ps := r.people("anna", "bert", "carl", "dora")
	id, room := r.group(ps[0]), r.channel(ps[0], channel.Settings{})
	for i, level := range []muster.Level{muster.Member, muster.Guest, muster.Guest} {
		if _, err := r.domain.Channels.SetLevel(t.Context(), ps[0].id, room, ps[i+1].id, level); err != nil {
			t.Fatal(err)
		}
	}
	a, b, c, c2 := ps[0].dial(), ps[1].dial(), ps[2].dial(), ps[2].dialAs(true)
	var policies enrol.Policies
	policies[muster.Member], policies[muster.Guest] = enrol.Direct, enrol.Ask
	job, err := r.domain.Enrolments.Start(t.Context(), ps[0].id, enrol.Request{Group: id, Channel: room, Policies: policies, Text: "come"}, "key")
	if err != nil {
		t.Fatal(err)
	}
	added := b.until("added", func(f *musterv1.ServerFrame) bool { return f.GetMemberAdded() != nil }).GetMemberAdded()
	if added.GetEnrolmentId() != int64(job.ID) || added.GetMine().GetGroup().GetId() != int64(id) {
		t.Errorf("added: %v", added)
	}
	for _, d := range []*conn{c, c2} {
		in := d.until("invitation", func(f *musterv1.ServerFrame) bool { return f.GetInvitation() != nil }).GetInvitation()
		if in.GetGroupId() != int64(id) || in.GetChannelId() != int64(room) || in.GetText() != "come" || in.GetInviterId() != int64(ps[0].id) {
			t.Errorf("invitation: %v", in)
		}
	}
	last := a.until("the end", func(f *musterv1.ServerFrame) bool {
		return f.GetEnrolmentProgress().GetState() == musterv1.EnrolmentState_ENROLMENT_STATE_DONE
	}).GetEnrolmentProgress()
	if n := last.GetCounts(); n.GetAdded() != 1 || n.GetAsked() != 2 || last.GetRequesterId() != int64(ps[0].id) {
		t.Errorf("progress: %v", last)
	}
	if w := ps[3].dial().Welcome(); w.GetInvitations() != 1 {
		t.Errorf("dora is welcomed with %d invitations", w.GetInvitations())
	}
	if err := c.Answer(deadline(), muster.InvitationID(job.ID), musterv1.Choice_CHOICE_ACCEPT); err != nil {
		t.Fatal(err)
	}
	c2.until("closed", func(f *musterv1.ServerFrame) bool {
		return f.GetInvitationClosed().GetInvitationId() == int64(job.ID)
	})
	c.until("added", func(f *musterv1.ServerFrame) bool { return f.GetMemberAdded() != nil })
	if err := c.Answer(deadline(), muster.InvitationID(job.ID), musterv1.Choice_CHOICE_DECLINE); muster.ReasonOf(err) != "already_answered" {
		t.Errorf("another answer: %v", err)
	}
	a.send(id, "welcome all")
	for _, d := range []*conn{a, b, c} {
		d.until("welcome all", func(f *musterv1.ServerFrame) bool { return f.GetGroupMessage().GetText() == "welcome all" })
	}
	a.until("accepted", func(f *musterv1.ServerFrame) bool { return f.GetEnrolmentProgress().GetAccepted() == 1 })
}

// TestHints passes typing on, in a group and in a room.
func TestHints(t *testing.T) {
	r := start(t, nil)
	ps := r.people("anna", "bert", "carl")
	id, room := r.group(ps[0], ps[1]), r.channel(ps[0], channel.Settings{})
	a, b, c := ps[0].dial(), ps[1].dial(), ps[2].dial()
	typing := func(c *conn, what *musterv1.Typing) {
		t.Helper()
		if _, err := c.Call(deadline(), &musterv1.ClientFrame{Body: &musterv1.ClientFrame_Typing{Typing: what}}); err != nil {
			t.Fatal(err)
		}
	}
	typing(c, &musterv1.Typing{GroupId: int64(id)}) // no member: dropped
	typing(a, &musterv1.Typing{GroupId: int64(id)})
	typing(a, &musterv1.Typing{GroupId: int64(id)}) // too soon: dropped
	hint := b.until("typing", func(f *musterv1.ServerFrame) bool { return f.GetTyping() != nil }).GetTyping()
	if hint.GetGroupId() != int64(id) || hint.GetAccountId() != int64(ps[0].id) || hint.GetNickname() != "Nick of anna" {
		t.Errorf("typing: %v", hint)
	}
	a.enter(room)
	b.enter(room)
	typing(b, &musterv1.Typing{ChannelId: int64(room)})
	hint = a.until("typing", func(f *musterv1.ServerFrame) bool { return f.GetTyping().GetChannelId() != 0 }).GetTyping()
	if hint.GetChannelId() != int64(room) || hint.GetAccountId() != int64(ps[1].id) {
		t.Errorf("typing: %v", hint)
	}
	name := "another name"
	if _, err := r.domain.Groups.UpdateGroup(t.Context(), ps[0].id, id, group.Settings{Name: &name}); err != nil {
		t.Fatal(err)
	}
	b.until("changed", func(f *musterv1.ServerFrame) bool { return f.GetGroupChanged().GetGroupId() == int64(id) })
}

// TestPutOut removes and bans people from a room.
func TestPutOut(t *testing.T) {
	r := start(t, nil)
	ps := r.people("anna", "bert")
	room := r.channel(ps[0], channel.Settings{})
	a, b := ps[0].dial(), ps[1].dial()
	a.enter(room)
	b.enter(room)
	if err := r.domain.Channels.Ban(t.Context(), ps[0].id, room, ps[1].id, "noise", time.Time{}); err != nil {
		t.Fatal(err)
	}
	a.say(room, "secret")
	out := b.until("out", func(f *musterv1.ServerFrame) bool {
		if f.GetChannelMessage() != nil {
			t.Errorf("after the ban: %v", f)
		}
		return f.GetChannelLeft() != nil
	}).GetChannelLeft()
	if out.GetWhy() != "banned" || out.GetAccountId() != int64(ps[1].id) {
		t.Errorf("out: %v", out)
	}
	if _, err := b.Enter(deadline(), room); muster.ReasonOf(err) != "banned" {
		t.Errorf("coming back: %v", err)
	}
	b.barrier()
	if got := texts(b.waiting()); len(got) > 0 {
		t.Errorf("after the ban: %q", got)
	}
	v, err := r.domain.Channels.UpdateChannel(t.Context(), ps[0].id, room, channel.Update{SlowMode: ptr(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	changed := a.until("changed", func(f *musterv1.ServerFrame) bool { return f.GetChannelChanged() != nil }).GetChannelChanged()
	if changed.GetSlowModeMs() != 60000 || changed.GetName() != v.Name {
		t.Errorf("changed: %v", changed)
	}
}

func ptr[T any](v T) *T { return &v }

// orNone lets the code of an error that should be there be asked for.
func orNone(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}
