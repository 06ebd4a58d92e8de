package group

import (
	"context"
	"time"

	"muster"
)

// MessageKind tells what people wrote from what the server notes.
type MessageKind uint8

// The kinds, as they are stored.
const (
	// KindText is a message that a member wrote.
	KindText MessageKind = 1
	// KindJoined says that Count people joined: one entry for an enrolment.
	KindJoined MessageKind = 2
	// KindTombstone stands where a stored message cannot be read any more. It
	// keeps the place in the order and is never written.
	KindTombstone MessageKind = 255
)

// ServerSender is the sender of what the server itself notes.
const ServerSender muster.AccountID = 0

// Draft is a message that has no place in its group yet.
type Draft struct {
	Group  muster.GroupID
	Sender muster.AccountID
	// Nickname is the sender's at the time.
	Nickname string
	// ClientID is what makes a repeated send recognisable: unique for the
	// sender in the group, 1 to 64 bytes.
	ClientID string
	Kind     MessageKind
	Text     string
	ReplyTo  muster.Seq
	Subgroup muster.SubgroupID
	Count    int64
}

// Message is one entry of a group's log.
type Message struct {
	Draft
	Seq  muster.Seq
	Time time.Time
}

// Receipt is what the sender of a message gets.
type Receipt struct {
	Seq  muster.Seq
	Time time.Time
	// Duplicate says that the same client message id stood already: nothing
	// was appended, and Seq and Time are those of the first.
	Duplicate bool
}

// Log is the durable, ordered log of all groups' messages.
type Log interface {
	// Append gives the message the next seq of its group and returns when it is
	// durable: it survives kill -9 and power loss. A sender other than
	// ServerSender has to be a member at that moment: permission_denied
	// "not_a_member" otherwise, also when the group does not exist. The same
	// (group, sender, client id) again gets the first one's receipt. When too
	// many messages wait: resource_exhausted; when the log cannot write any
	// more (disk full, broken): unavailable. An error means that the message
	// does not stand, but for a cancelled ctx, after which it may.
	Append(ctx context.Context, d Draft) (Receipt, error)
	// Head gives the seq of a group's newest message; 0: none.
	Head(ctx context.Context, group muster.GroupID) (muster.Seq, error)
	// Heads gives the heads of many groups, in their order.
	Heads(ctx context.Context, groups []muster.GroupID) ([]muster.Seq, error)
	// Read gives the messages after < seq <= upTo in ascending order, without
	// gaps, at most limit of them and about maxBytes of text (always one, if
	// there is one). 0 as upTo, limit or maxBytes is "no bound".
	Read(ctx context.Context, r Range) ([]Message, error)
	// Follow makes the log call sink after every batch that became durable, in
	// the order of each group's seqs (as far as this node wrote them), from the
	// writer's own goroutine: sink must not block and must not keep the slice.
	// It is called once, before the first Append.
	Follow(sink func(committed []Message))
	// SendWait is how long messages waited lately before they were written
	// (the 99th percentile of the last second or so). Bulk work slows down by
	// it.
	SendWait() time.Duration
}

// Range is a part of a group's log.
type Range struct {
	Group muster.GroupID
	// After and UpTo bound the seqs: After < seq <= UpTo.
	After, UpTo muster.Seq
	// Limit and MaxBytes bound the answer.
	Limit, MaxBytes int
	// Last takes the newest messages of the range rather than the oldest when
	// Limit cuts it.
	Last bool
}
