package gateway

import (
	"context"
	"encoding/json"
	"slices"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/channel"
	"muster/internal/enrol"
	"muster/internal/gateway/engine"
	"muster/internal/group"
	"muster/internal/wire"
)

// Events is what the domain tells the gateway. It implements the Events of
// group, enrol, account and channel, channel.Broadcaster, and with Committed the
// follower of group.Log. What concerns people takes effect on this node before a
// call returns, so that somebody who was removed gets nothing more, and reaches
// the other nodes over the bus. No call waits.
type Events struct{ gw *Gateway }

// peopleSubject carries what concerns people, to all nodes.
const peopleSubject = "people"

// maxPeople bounds the accounts in one publication.
const maxPeople = 20_000

// notice is what is published there.
type notice struct {
	Node       uint64
	Kind       noticeKind
	Group      muster.GroupID      `json:",omitempty"`
	Enrolment  muster.EnrolmentID  `json:",omitempty"`
	Invitation muster.InvitationID `json:",omitempty"`
	Accounts   []muster.AccountID  `json:",omitempty"`
	Sessions   []muster.SessionID  `json:",omitempty"`
	Why        string              `json:",omitempty"`
	// Frame is an encoded message for the accounts.
	Frame  []byte          `json:",omitempty"`
	Change *channel.Change `json:",omitempty"`
}

type noticeKind uint8

const (
	noticeAdded noticeKind = iota + 1
	noticeRemoved
	noticeDissolved
	noticeInvited
	noticeEnded
	noticeFrame
	noticeChannel
)

// spread makes a notice take effect here and tells the other nodes.
func (g *Gateway) spread(n notice) {
	g.apply(n)
	g.spreadOnly(n)
}

func (g *Gateway) spreadOnly(n notice) {
	if !g.opt.Shared {
		return
	}
	n.Node = g.node
	accounts := n.Accounts
	for first := true; first || len(accounts) > 0; first = false {
		k := min(len(accounts), maxPeople)
		n.Accounts, accounts = accounts[:k], accounts[k:]
		payload, err := json.Marshal(n)
		if err != nil {
			g.opt.Log.Error("cannot encode a notice", "kind", int(n.Kind), "error", err)
			return
		}
		g.publish(peopleSubject, payload)
	}
}

// hearPeople takes a notice of another node.
func (g *Gateway) hearPeople(_ string, payload []byte) {
	var n notice
	if err := json.Unmarshal(payload, &n); err != nil {
		g.opt.Log.Warn("a notice of another node cannot be read: is it of another version?", "error", err)
		return
	}
	if n.Node != g.node {
		g.apply(n)
	}
}

// apply makes a notice take effect on this node.
func (g *Gateway) apply(n notice) {
	switch n.Kind {
	case noticeAdded:
		g.known.forget(n.Accounts)
		g.settle(change{group: n.Group, accounts: g.dir.online(n.Accounts), enrolment: n.Enrolment})
	case noticeRemoved:
		g.known.forget(n.Accounts)
		here := g.dir.online(n.Accounts)
		for _, a := range here {
			for _, s := range g.dir.of(a) {
				s.drop(n.Group)
			}
		}
		g.settle(change{group: n.Group, accounts: here, why: n.Why})
	case noticeDissolved:
		g.dissolved(n.Group)
	case noticeInvited:
		g.known.forget(n.Accounts)
		g.settle(change{invitation: n.Invitation, accounts: g.dir.online(n.Accounts)})
	case noticeEnded:
		for _, s := range g.dir.end(n.Sessions) {
			s.close(closeSessionEnded, 0)
		}
	case noticeFrame:
		f := engine.NewFrame(n.Frame)
		for _, a := range n.Accounts {
			for _, s := range g.dir.of(a) {
				s.send(f)
			}
		}
	case noticeChannel:
		if n.Change != nil {
			g.svc.Rooms.Apply(*n.Change)
		}
	}
}

// dissolved takes everybody out of a group that is no more.
func (g *Gateway) dissolved(id muster.GroupID) {
	g.known.forgetAll()
	f := frameOf(&musterv1.ServerFrame{Body: &musterv1.ServerFrame_MemberRemoved{
		MemberRemoved: &musterv1.MemberRemoved{GroupId: int64(id), Why: "dissolved"},
	}})
	for _, s := range g.dir.all() {
		if s.drop(id) {
			s.send(f)
		}
	}
}

// MembersAdded implements group.Events and enrol.Events.
func (e *Events) MembersAdded(id muster.GroupID, enrolment muster.EnrolmentID, accounts []muster.AccountID) {
	e.gw.spread(notice{Kind: noticeAdded, Group: id, Enrolment: enrolment, Accounts: accounts})
}

// MembersRemoved implements group.Events and enrol.Events. When it returns,
// nothing of the group is pushed to the people on this node any more.
func (e *Events) MembersRemoved(id muster.GroupID, accounts []muster.AccountID, why string) {
	e.gw.spread(notice{Kind: noticeRemoved, Group: id, Accounts: accounts, Why: why})
}

// GroupDissolved implements group.Events.
func (e *Events) GroupDissolved(id muster.GroupID) {
	e.gw.spread(notice{Kind: noticeDissolved, Group: id})
}

// GroupChanged implements group.Events and enrol.Events. Many changes in a short
// time are told once.
func (e *Events) GroupChanged(id muster.GroupID) { e.gw.news.groupChanged(id) }

// ReadMoved implements group.Events.
func (e *Events) ReadMoved(mark group.ReadMark) {
	e.gw.toAccount(mark.Account, &musterv1.ServerFrame{Body: &musterv1.ServerFrame_ReadMoved{
		ReadMoved: &musterv1.ReadMoved{GroupId: int64(mark.Group), ReadSeq: int64(mark.Seq)},
	}})
}

// Invited implements group.Events and enrol.Events.
func (e *Events) Invited(invitation muster.InvitationID, accounts []muster.AccountID) {
	e.gw.spread(notice{Kind: noticeInvited, Invitation: invitation, Accounts: accounts})
}

// InvitationClosed implements enrol.Events.
func (e *Events) InvitationClosed(account muster.AccountID, invitation muster.InvitationID) {
	e.gw.toAccount(account, &musterv1.ServerFrame{Body: &musterv1.ServerFrame_InvitationClosed{
		InvitationClosed: &musterv1.InvitationClosed{InvitationId: int64(invitation)},
	}})
}

// EnrolmentProgress implements enrol.Events: the requester is told, not too
// often, and of the end in any case.
func (e *Events) EnrolmentProgress(job enrol.Enrolment) { e.gw.news.progressed(job) }

// SessionsEnded implements account.Events: their connections are closed when it
// returns, but for the goodbye.
func (e *Events) SessionsEnded(_ context.Context, ids []muster.SessionID) {
	e.gw.spread(notice{Kind: noticeEnded, Sessions: slices.Clone(ids)})
}

// ChannelChanged implements channel.Events: this node's rooms know already.
func (e *Events) ChannelChanged(_ context.Context, ch channel.Change) {
	e.gw.spreadOnly(notice{Kind: noticeChannel, Change: &ch})
}

// toAccount sends a frame to every connection of an account, on all nodes.
func (g *Gateway) toAccount(account muster.AccountID, f *musterv1.ServerFrame) {
	if !g.opt.Shared && !g.dir.has(account) {
		return
	}
	g.spread(notice{Kind: noticeFrame, Accounts: []muster.AccountID{account}, Frame: wire.AppendFrame(nil, f)})
}
