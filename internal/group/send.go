package group

import (
	"context"

	"muster"
)

// maxClientID bounds a client message id in bytes.
const maxClientID = 64

// AsyncLog is a Log that need not make the sender wait: a connection keeps many
// messages under way with it, in one order, without a goroutine for each.
type AsyncLog interface {
	Log
	// AppendAsync is Append that returns when the message has its turn. Messages
	// of one group that one goroutine hands in one after another get their seqs
	// in that order. done is called once, from any goroutine, possibly before
	// AppendAsync returns; it must not block. When too many messages wait, done
	// gets resource_exhausted rather than AppendAsync waiting for long.
	AppendAsync(ctx context.Context, d Draft, done func(Receipt, error))
}

// Send appends a message of the acting account to a group. When it returns, the
// message is durable and has its seq. The same client id again gets the same
// receipt. Every member may send, nobody else.
func (s *Service) Send(ctx context.Context, acting muster.AccountID, d Draft) (Receipt, error) {
	d, err := s.draft(ctx, acting, d)
	if err != nil {
		return Receipt{}, err
	}
	return s.opt.Log.Append(ctx, d)
}

// SendAsync is Send for a sender that has more to say meanwhile: it hands the
// message to the log and returns; done is called once with what Send would have
// returned, possibly before SendAsync returns, and must not block. Messages to
// one group that one goroutine hands in one after another keep their order.
// With a Log that is no AsyncLog it waits as Send does.
func (s *Service) SendAsync(ctx context.Context, acting muster.AccountID, d Draft, done func(Receipt, error)) {
	d, err := s.draft(ctx, acting, d)
	if err != nil {
		done(Receipt{}, err)
		return
	}
	if log, ok := s.opt.Log.(AsyncLog); ok {
		log.AppendAsync(ctx, d, done)
		return
	}
	done(s.opt.Log.Append(ctx, d))
}

// draft checks what somebody wants to send and fills in who they are.
func (s *Service) draft(ctx context.Context, acting muster.AccountID, d Draft) (Draft, error) {
	if d.ClientID == "" || len(d.ClientID) > maxClientID {
		return d, muster.Invalid("client_message_id", "must have 1 to %d bytes; make a new UUID for every message", maxClientID)
	}
	if _, err := muster.ParseText("text", d.Text, s.opt.MaxText); err != nil {
		return d, err
	}
	if d.ReplyTo < 0 {
		return d, muster.Invalid("reply_to", "is not a seq")
	}
	nickname, err := s.opt.Nicknames.Nickname(ctx, acting)
	if err != nil {
		return d, err
	}
	d.Sender, d.Nickname, d.Kind, d.Count = acting, nickname, KindText, 0
	return d, nil
}

// History is a page of a group's messages, in ascending order.
type History struct {
	Messages []Message
	Head     muster.Seq
	More     bool // there are more in the direction that was asked for
}

// ListMessages reads up to limit messages before or after a seq, or the newest
// when both are nil; members only.
func (s *Service) ListMessages(ctx context.Context, acting muster.AccountID, id muster.GroupID, before, after *muster.Seq, limit int) (History, error) {
	if before != nil && after != nil {
		return History{}, muster.Invalid("after", "give before or after, not both")
	}
	if _, err := s.member(ctx, acting, id, mustBeMember); err != nil {
		return History{}, err
	}
	head, err := s.opt.Log.Head(ctx, id)
	if err != nil {
		return History{}, err
	}
	limit = pageSize(limit, s.opt.HistoryPage)
	r := Range{Group: id, UpTo: head, Limit: limit, MaxBytes: s.opt.SyncBytes, Last: true}
	switch {
	case before != nil:
		r.UpTo = min(max(*before-1, 0), head)
	case after != nil:
		r.After, r.Last = max(*after, 0), false
	}
	h := History{Head: head}
	if r.UpTo <= r.After { // nothing there; to the Log an UpTo of 0 is "no bound"
		return h, nil
	}
	if h.Messages, err = s.opt.Log.Read(ctx, r); err != nil || len(h.Messages) == 0 {
		return h, err
	}
	if r.Last {
		h.More = h.Messages[0].Seq > 1
	} else {
		h.More = h.Messages[len(h.Messages)-1].Seq < head
	}
	return h, nil
}

// Note appends what the server itself has to say, once for each client id.
func (s *Service) Note(ctx context.Context, id muster.GroupID, clientID string, kind MessageKind, count int64) error {
	_, err := s.opt.Log.Append(ctx, Draft{Group: id, Sender: ServerSender, ClientID: clientID, Kind: kind, Count: count})
	return err
}
