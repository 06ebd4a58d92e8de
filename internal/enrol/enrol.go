// Package enrol brings a channel's whole roster into a group: the heart of
// Muster. An administrator of both starts an enrolment; a worker takes the
// roster page by page, adds people directly or asks them first as the policy of
// their level and their own settings say, and commits each page's effects,
// counts and cursor together, so that an enrolment killed at any point ends as
// one that was never killed. internal/enrol/DESIGN.md explains it in two pages.
//
// The package knows channels and groups only through the two small interfaces
// Channels and Groups, so that either can be on another server. What it
// remembers itself - jobs, the rate window, invitations - is the Ledger, which
// lies in the group's database because that is where a page commits.
package enrol

import (
	"time"

	"muster"
)

// Policy is what happens to the people of one level.
type Policy uint8

// The policies. The zero Policy counts as Skip.
const (
	Skip Policy = iota
	Direct
	Ask
)

// Policies has one Policy for each level, by muster.Level.
type Policies [muster.Owner + 1]Policy

// State is where an enrolment is.
type State uint8

// The states, as they are stored.
const (
	Running   State = 1
	Done      State = 2
	Cancelled State = 3
	Failed    State = 4
	Undoing   State = 5
	Undone    State = 6
)

// Working says that a worker has something to do for it.
func (s State) Working() bool { return s == Running || s == Undoing }

// AsksStill says whether its invitations can be accepted.
func (s State) AsksStill() bool { return s == Running || s == Done }

// Choice is the answer to an invitation, as it is stored.
type Choice uint8

// The choices. Open is no answer yet.
const (
	Open            Choice = 0
	Accept          Choice = 1
	Decline         Choice = 2
	DeclineAndLeave Choice = 3
)

// Counts says what became of the people handled so far. Each is in one of them.
type Counts struct {
	AlreadyIn      int64
	Added          int64
	Asked          int64
	SkippedPolicy  int64 // the policy of their level
	SkippedBlocked int64 // they block the requester
	SkippedRefused int64 // their own setting refuses
	SkippedFull    int64 // the group was full
}

// Handled is how many people the counts are about.
func (c Counts) Handled() int64 {
	return c.AlreadyIn + c.Added + c.Asked + c.SkippedPolicy + c.SkippedBlocked + c.SkippedRefused + c.SkippedFull
}

// Add adds other to the counts.
func (c *Counts) Add(other Counts) {
	c.AlreadyIn += other.AlreadyIn
	c.Added += other.Added
	c.Asked += other.Asked
	c.SkippedPolicy += other.SkippedPolicy
	c.SkippedBlocked += other.SkippedBlocked
	c.SkippedRefused += other.SkippedRefused
	c.SkippedFull += other.SkippedFull
}

// Enrolment is one job.
type Enrolment struct {
	ID      muster.EnrolmentID
	Group   muster.GroupID
	Channel muster.ChannelID
	// ChannelName is the channel's name at the start, for the invitations.
	ChannelName string
	Requester   muster.AccountID
	State       State
	Policies    Policies
	Text        string        // of the invitations
	Expiry      time.Duration // how long an invitation stays open
	Created     time.Time
	Ended       time.Time
	Total       int64 // people on the roster at the start
	Counts      Counts
	Accepted    int64
	Declined    int64
	Removed     int64  // by the undo
	Failure     string // why it stopped, with Failed
	Progress    Progress
}

// Progress is where the worker is.
type Progress struct {
	// Pass 1 handles the roster entries up to Mark, pass 2 those that joined
	// during pass 1 (Mark to Mark2).
	Pass  int
	Mark  int64
	Mark2 int64
	// Cursor is the last account handled in this pass.
	Cursor muster.AccountID
	// BaseSeq is the group's head at the start: what comes later is unread for
	// the people whom the job adds.
	BaseSeq muster.Seq
	// Epoch grows whenever a worker takes the job over; a page of an older
	// epoch does not commit.
	Epoch int64
}

// Person is a roster entry, as far as enrolment looks at it.
type Person struct {
	Account muster.AccountID
	Level   muster.Level
}

// Limits is the rate window: at most PerGroup successful requests for a group
// and PerRequester of a requester in any time of length Window.
type Limits struct {
	Window       time.Duration
	PerGroup     int
	PerRequester int
}

// Room is what is left of the window.
type Room struct {
	GroupLeft, RequesterLeft int64
	// RetryAfter is when both have room again; 0 when they have.
	RetryAfter time.Duration
}

// Invitation is the question as the invited account sees it.
type Invitation struct {
	ID              muster.InvitationID
	Group           muster.GroupID
	GroupName       string
	GroupMembers    int64
	Channel         muster.ChannelID // 0: by hand
	ChannelName     string
	Inviter         muster.AccountID
	InviterNickname string
	Text            string
	Created         time.Time
	Expires         time.Time
}

// Answered is what an answer did.
type Answered struct {
	Group   muster.GroupID
	Channel muster.ChannelID // 0: by hand
	// Enrolment is the enrolment that asked; 0: by hand.
	Enrolment muster.EnrolmentID
	// Repeated says that the same answer stood already: nothing was changed.
	Repeated bool
	// Joined says that the account was not in the group and now is.
	Joined bool
	// Removed says that the account was in the group, where another enrolment had
	// put it, and is not any more: it declined and left.
	Removed bool
	// Left says that the account was taken off the channel's roster; if that is
	// in another database, it stands in the outbox.
	Left bool
}

// Leave is a departure from a roster in another database that has not been
// confirmed yet.
type Leave struct {
	Channel    muster.ChannelID
	Account    muster.AccountID
	Invitation muster.InvitationID
}
