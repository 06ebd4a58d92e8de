package gateway_test

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	musterv1 "muster/gen/muster/v1"

	"muster/internal/channel"
	"muster/internal/gateway"
)

// at is the same person on another node.
func (p person) at(r *rig) person {
	p.rig = r
	return p
}

// TestTwoNodes connects people to two nodes on one bus: what happens on one
// reaches them on the other.
func TestTwoNodes(t *testing.T) {
	a := start(t, func(o *gateway.Options) { o.Shared = true })
	b := a.node()
	ps := a.people("anna", "bert")
	id, room := a.group(ps[0]), a.channel(ps[0], channel.Settings{})
	anna, bert := ps[0].dial(), ps[1].at(b).dial()

	// Being added, messages and notices.
	a.join(id, ps[0], ps[1])
	bert.until("added", func(f *musterv1.ServerFrame) bool { return f.GetMemberAdded() != nil })
	anna.send(id, "one")
	bert.until("one", func(f *musterv1.ServerFrame) bool { return f.GetGroupMessage().GetText() == "one" })
	if err := anna.MarkRead(deadline(), id, 1); err != nil {
		t.Fatal(err)
	}
	anna2 := ps[0].at(b).dial()
	if err := anna.MarkRead(deadline(), id, 1); err != nil {
		t.Fatal(err)
	}
	anna.send(id, "two")
	if err := anna.MarkRead(deadline(), id, 2); err != nil {
		t.Fatal(err)
	}
	anna2.until("read moved", func(f *musterv1.ServerFrame) bool { return f.GetReadMoved().GetReadSeq() == 2 })
	a.gw.Events().GroupChanged(id)
	bert.until("changed", func(f *musterv1.ServerFrame) bool { return f.GetGroupChanged() != nil })

	// A room with people on both nodes.
	anna.enter(room)
	bert.enter(room)
	anna.say(room, "here")
	bert.until("here", func(f *musterv1.ServerFrame) bool { return f.GetChannelMessage().GetText() == "here" })
	bert.say(room, "there")
	anna.until("there", func(f *musterv1.ServerFrame) bool { return f.GetChannelMessage().GetText() == "there" })
	if err := a.domain.Channels.Ban(t.Context(), ps[0].id, room, ps[1].id, "", time.Time{}); err != nil {
		t.Fatal(err)
	}
	bert.until("banned", func(f *musterv1.ServerFrame) bool { return f.GetChannelLeft().GetWhy() == "banned" })

	// Being removed, and the end of a session.
	if err := a.domain.Groups.RemoveMember(t.Context(), ps[0].id, id, ps[1].id); err != nil {
		t.Fatal(err)
	}
	bert.until("removed", func(f *musterv1.ServerFrame) bool { return f.GetMemberRemoved().GetWhy() == "removed" })
	anna.send(id, "secret")
	bert.barrier()
	for _, text := range texts(bert.waiting()) {
		if text == "secret" {
			t.Error("who was removed on another node got a message")
		}
	}
	other := a.session("bert")
	if err := a.domain.Accounts.RevokeSession(t.Context(), ps[1].id, other.session, ps[1].session, false); err != nil {
		t.Fatal(err)
	}
	if e := bert.ended(); e.Code != 4201 {
		t.Errorf("ended with %+v", e)
	}
}

// deafBus brings nothing that concerns people.
type deafBus struct{ gateway.Bus }

func (b deafBus) Publish(subject string, payload []byte) error {
	if strings.HasPrefix(subject, "people") {
		return nil
	}
	return b.Bus.Publish(subject, payload)
}

// TestLostRevocation ends a session on one node, of which the other hears
// nothing: its socket closes within a second all the same.
func TestLostRevocation(t *testing.T) {
	a := start(t, func(o *gateway.Options) { o.Shared, o.Bus = true, deafBus{o.Bus} })
	b := a.node()
	p := a.people("anna")[0]
	keep := a.session("anna")
	c := p.at(b).dial()
	if err := a.domain.Accounts.RevokeSession(t.Context(), p.id, keep.session, p.session, false); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if e := c.ended(); e.Code != 4201 {
		t.Errorf("ended with %+v", e)
	}
	t.Logf("closed %v after the revocation", time.Since(begin))
}

// TestCountsOfNodes has people of one room on two nodes: both count all of them,
// and no longer those of a node that has ended or is not heard any more.
func TestCountsOfNodes(t *testing.T) {
	quick := func(o *gateway.Options) { o.Shared, o.CountEvery = true, 5*time.Millisecond }
	a := start(t, quick)
	b := a.node(quick)
	ps := a.people("anna", "bert", "carl")
	room := a.channel(ps[0], channel.Settings{})
	anna, bert, carl := ps[0].dial(), ps[1].at(b).dial(), ps[2].at(b).dial()
	counted := func(r *rig, want int) {
		t.Helper()
		r.await("a count", func() bool { n, _ := r.domain.Rooms.People(room); return n == want })
	}
	anna.enter(room)
	counted(b, 1) // where nobody is in the room
	bert.enter(room)
	carl.enter(room)
	counted(a, 3)
	counted(b, 3)
	if here, _ := a.domain.Rooms.Here(room); here != 1 {
		t.Errorf("%d people on the first node", here)
	}
	if err := carl.Exit(deadline()); err != nil {
		t.Fatal(err)
	}
	counted(a, 2)

	// A node that tells once and never again.
	gone := binary.BigEndian.AppendUint64(nil, 42)
	gone = binary.AppendUvarint(binary.AppendVarint(gone, int64(room)), 1000)
	if err := a.bus.Publish("counts", gone); err != nil {
		t.Fatal(err)
	}
	anna.until("a large room", func(f *musterv1.ServerFrame) bool {
		p := f.GetChannelPeople()
		return p.GetLarge() && p.GetPeople() == 1002
	})
	counted(b, 2)
	counted(a, 2)

	// A node that ends.
	if err := b.stop(); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	counted(a, 1)
}
