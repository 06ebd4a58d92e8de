package gateway

import (
	"context"
	"sync"
	"time"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/gateway/engine"
	"muster/internal/group"
	"muster/internal/wire"
)

// dispatch does what a frame asks for. Frames that change where the client is,
// and those that are answered from memory, are done at once and in order. A send
// is handed to the log in order and answered when it is durable. What reads a lot
// is done beside, in order among itself.
func (s *session) dispatch(f *musterv1.ClientFrame) {
	id := f.GetId()
	switch b := f.GetBody().(type) {
	case *musterv1.ClientFrame_Send:
		s.sendMessage(id, b.Send)
	case *musterv1.ClientFrame_Say:
		s.say(id, b.Say)
	case *musterv1.ClientFrame_Enter:
		s.enter(id, b.Enter)
	case *musterv1.ClientFrame_Exit:
		s.gw.svc.Rooms.Exit(s.client())
		s.ok(id)
	case *musterv1.ClientFrame_Sync:
		s.later(func() { s.fail(id, s.sync(id, b.Sync)) })
	case *musterv1.ClientFrame_History:
		s.later(func() { s.fail(id, s.history(id, b.History)) })
	case *musterv1.ClientFrame_Read:
		s.later(func() { s.read(id, b.Read) })
	case *musterv1.ClientFrame_Answer:
		s.later(func() { s.fail(id, s.answer(id, b.Answer)) })
	case *musterv1.ClientFrame_People:
		s.later(func() { s.fail(id, s.people(id, b.People)) })
	case *musterv1.ClientFrame_Typing:
		s.typing(b.Typing)
		s.ok(id)
	case *musterv1.ClientFrame_Background:
		s.background.Store(b.Background.GetOn())
		s.ok(id)
	default:
		s.fail(id, muster.Invalid("body", "this server knows no such frame, or it is empty"))
	}
}

// sendMessage hands a message to its group's log. The messages of one connection
// keep their order.
func (s *session) sendMessage(id uint64, r *musterv1.SendRequest) {
	if !s.begin() {
		return
	}
	s.gw.svc.Groups.SendAsync(s.gw.life, s.account, wire.Draft(r), func(receipt group.Receipt, err error) {
		switch {
		case err != nil:
			s.fail(id, err)
		case id != 0:
			var buf [64]byte
			s.send(engine.NewFrame(wire.AppendSent(buf[:0], id, receipt)))
		}
		if err == nil {
			s.gw.sent.Add(1)
		}
		s.finish()
	})
}

func (s *session) say(id uint64, r *musterv1.Say) {
	delivered, err := s.gw.svc.Rooms.Broadcast(s.gw.life, s.account, s.client(), muster.ChannelID(r.GetChannelId()), r.GetClientMessageId(), r.GetText())
	if err != nil {
		s.fail(id, err)
		return
	}
	s.gw.said.Add(1)
	if id != 0 {
		s.reply(&musterv1.ServerFrame{Id: id, Body: &musterv1.ServerFrame_Said{Said: &musterv1.Said{Delivered: delivered}}})
	}
}

func (s *session) enter(id uint64, r *musterv1.Enter) {
	entered, err := s.gw.svc.Rooms.Enter(s.gw.life, s.account, s.client(), muster.ChannelID(r.GetChannelId()))
	if err != nil {
		s.fail(id, err)
		return
	}
	if id != 0 {
		s.reply(&musterv1.ServerFrame{Id: id, Body: &musterv1.ServerFrame_Entered{Entered: wire.Entered(entered)}})
	}
}

// answers are buffers in which large answers are put together.
var answers = sync.Pool{New: func() any { return new([]byte) }}

// maxPooled bounds the buffers that are kept.
const maxPooled = 1 << 20

// heavy makes an answer that may be large, not too many of them at a time, and
// none for a client that has not taken the last one. build appends to a buffer
// and gives the frame made of it.
func (s *session) heavy(build func(buf []byte) ([]byte, *engine.Frame, error)) error {
	s.gw.syncs <- struct{}{} // those who have a place do not wait for a client
	if s.hasLeft() {
		<-s.gw.syncs
		return nil
	}
	pooled := answers.Get().(*[]byte) //nolint:errcheck // the pool holds nothing else
	buf, f, err := build((*pooled)[:0])
	if cap(buf) <= maxPooled {
		*pooled = buf
		answers.Put(pooled)
	}
	<-s.gw.syncs
	if err != nil {
		return err
	}
	_ = s.conn.SendPaced(s.gw.life, f) // fails when nobody is there any more
	return nil
}

func (s *session) sync(id uint64, r *musterv1.SyncRequest) error {
	positions, err := wire.Positions(r.GetPositions())
	if err != nil {
		return err
	}
	budget := int(min(max(r.GetMaxBytes(), 0), 1<<30))
	return s.heavy(func(buf []byte) ([]byte, *engine.Frame, error) {
		gone, more, err := s.gw.svc.Groups.Sync(s.gw.life, s.account, positions, budget, func(one group.Synced) error {
			buf = wire.AppendSynced(buf, &one)
			return nil
		})
		if err != nil {
			return buf, nil, err
		}
		buf = wire.AppendSyncEnd(buf, gone, more)
		var head [32]byte
		return buf, engine.NewFrame(wire.AppendSyncHead(head[:0], id, len(buf)), buf), nil
	})
}

func (s *session) history(id uint64, r *musterv1.ListMessagesRequest) error {
	return s.heavy(func(buf []byte) ([]byte, *engine.Frame, error) {
		page, err := s.gw.svc.Groups.ListMessages(s.gw.life, s.account, muster.GroupID(r.GetGroupId()),
			wire.Seq(r.Before), wire.Seq(r.After), int(r.GetLimit()))
		if err != nil {
			return buf, nil, err
		}
		buf = wire.AppendHistory(buf, id, &page)
		return buf, engine.NewFrame(buf), nil
	})
}

// people answers with a page of who is in the room. It may be large, so the
// client gets one when it has taken the last.
func (s *session) people(id uint64, r *musterv1.People) error {
	page, next, total, err := s.gw.svc.Rooms.Present(s.account, s.client(), muster.ChannelID(r.GetChannelId()),
		r.GetStaffOnly(), int(r.GetPageSize()), r.GetPageToken())
	if err != nil {
		return err
	}
	_ = s.conn.SendPaced(s.gw.life, frameOf(&musterv1.ServerFrame{Id: id, Body: &musterv1.ServerFrame_Present{
		Present: &musterv1.ListPresentResponse{People: wire.People(page), NextPageToken: next, Total: int64(total)},
	}})) // fails when nobody is there any more
	return nil
}

func (s *session) read(id uint64, r *musterv1.MarkReadRequest) {
	err := s.gw.svc.Groups.MarkRead(s.gw.life, s.account, muster.GroupID(r.GetGroupId()), muster.Seq(r.GetSeq()))
	if err != nil {
		s.fail(id, err)
		return
	}
	s.ok(id)
}

func (s *session) answer(id uint64, r *musterv1.AnswerInvitationRequest) error {
	choice, err := wire.ParseChoice(r.GetChoice())
	if err != nil {
		return err
	}
	_, err = s.gw.svc.Enrolments.AnswerInvitation(s.gw.life, s.account, muster.InvitationID(r.GetInvitationId()), choice)
	if err != nil {
		return err
	}
	s.reply(&musterv1.ServerFrame{Id: id, Body: &musterv1.ServerFrame_Answered{
		Answered: &musterv1.AnswerInvitationResponse{Choice: r.GetChoice()},
	}})
	return nil
}

// typingEvery is the least time between two typing hints of one connection that
// are passed on to a group.
const typingEvery = 2 * time.Second

// typing passes a hint on. It is dropped without an error where it does not fit.
func (s *session) typing(r *musterv1.Typing) {
	if id := muster.ChannelID(r.GetChannelId()); id != 0 {
		s.gw.svc.Rooms.Typing(s.account, s.client(), id)
		return
	}
	t := s.in(muster.GroupID(r.GetGroupId()))
	now := s.gw.millis()
	if t == nil || s.typed != 0 && now-s.typed < typingEvery.Milliseconds() {
		return
	}
	s.typed = now
	s.gw.groups.tell(t.id, &musterv1.ServerFrame{Body: &musterv1.ServerFrame_Typing{Typing: &musterv1.SomebodyTyping{
		GroupId: int64(t.id), AccountId: int64(s.account), Nickname: s.nickname,
	}}})
}

// listGroups pages through an account's groups and up to where their logs reach.
func (g *Gateway) listGroups(ctx context.Context, account muster.AccountID, page func(ids []muster.GroupID, heads []muster.Seq) error) error {
	const size = 500
	for after := muster.GroupID(0); ; {
		ids, heads, err := g.svc.Groups.ListMyHeads(ctx, account, after, size)
		if err != nil || len(ids) == 0 {
			return err
		}
		after = ids[len(ids)-1]
		if err := page(ids, heads); err != nil {
			return err
		}
		if len(ids) < size {
			return nil
		}
	}
}
