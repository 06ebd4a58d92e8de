package muster

import (
	"crypto/rand"
	"encoding/binary"
	"strconv"
	"sync"
	"time"
)

// AccountID names a registered person.
type AccountID int64

// SessionID names one signed-in client of an account.
type SessionID int64

// ChannelID names a live room.
type ChannelID int64

// GroupID names a durable room.
type GroupID int64

// SubgroupID names a part of a group's members. 0 is "in no subgroup".
type SubgroupID int64

// EnrolmentID names the job that brings a channel's roster into a group.
type EnrolmentID int64

// InvitationID names the question "join this group?" as one invited account
// sees it. Everybody whom one enrolment asks has the same InvitationID (it
// equals the EnrolmentID): the pair (account, invitation) is what is unique.
type InvitationID int64

// Seq is a message's place in its group: 1, 2, 3, ... without gaps. 0 is
// "before the first message".
type Seq int64

// String gives the decimal form, as everywhere outside the program.
func (id AccountID) String() string { return strconv.FormatInt(int64(id), 10) }

// String gives the decimal form.
func (id SessionID) String() string { return strconv.FormatInt(int64(id), 10) }

// String gives the decimal form.
func (id ChannelID) String() string { return strconv.FormatInt(int64(id), 10) }

// String gives the decimal form.
func (id GroupID) String() string { return strconv.FormatInt(int64(id), 10) }

// String gives the decimal form.
func (id SubgroupID) String() string { return strconv.FormatInt(int64(id), 10) }

// String gives the decimal form.
func (id EnrolmentID) String() string { return strconv.FormatInt(int64(id), 10) }

// idEpoch is the first moment that an id can hold.
var idEpoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// The 63 bits of an id: 41 bits of milliseconds since 2025 (69 years), 10 bits
// drawn at random by each process at its start, 12 bits that count within the
// millisecond.
const (
	idNodeBits    = 10
	idCounterBits = 12
	idCounterMask = 1<<idCounterBits - 1
)

// IDs makes 63-bit, time-ordered ids without asking the database, in the manner
// of Twitter's Snowflake. Ids of one IDs are strictly increasing, also when the
// clock goes backwards; two processes may collide only if they drew the same of
// 1,024 numbers, and then the database refuses the second row. Safe for
// concurrent use.
type IDs struct {
	clock Clock
	node  int64

	mu   sync.Mutex
	last int64 // milliseconds << counter bits | counter
}

// NewIDs returns a source of ids that takes its time from clock.
func NewIDs(clock Clock) *IDs {
	var b [2]byte
	_, _ = rand.Read(b[:]) // crypto/rand never fails
	return &IDs{clock: clock, node: int64(binary.LittleEndian.Uint16(b[:])) & (1<<idNodeBits - 1)}
}

// Next returns a new id, greater than all that this IDs returned before.
func (g *IDs) Next() int64 {
	now := max(g.clock.Now().Sub(idEpoch).Milliseconds(), 1) << idCounterBits
	g.mu.Lock()
	g.last = max(g.last+1, now) // more than 4,096 in a millisecond borrow from the next
	v := g.last
	g.mu.Unlock()
	return v>>idCounterBits<<(idNodeBits+idCounterBits) | g.node<<idCounterBits | v&idCounterMask
}
