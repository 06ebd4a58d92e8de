package enrol

import (
	"context"
	"time"

	"muster"
)

// Channels is what enrolment needs of the channels' side. Its methods are
// idempotent, so that an implementation over a network may repeat them.
type Channels interface {
	// CheckAdministrator is nil for an owner or admin of the channel, else
	// permission_denied or not_found.
	CheckAdministrator(ctx context.Context, channel muster.ChannelID, account muster.AccountID) error
	// Describe tells the channel's name, and how its roster stands.
	Describe(ctx context.Context, channel muster.ChannelID) (ChannelState, error)
	// RosterPage gives up to limit people with an account id above after, in
	// that order, whose entry number is fromEntry < n <= toEntry (0: no bound).
	// An empty page is the end of the roster; a channel that was deleted has an
	// empty roster.
	RosterPage(ctx context.Context, channel muster.ChannelID, after muster.AccountID, limit int, fromEntry, toEntry int64) ([]Person, error)
	// LeaveRoster takes a person off the roster at their own wish; nothing
	// happens when they are not on it. failed_precondition "last_owner" when
	// the channel would be without an owner.
	LeaveRoster(ctx context.Context, channel muster.ChannelID, account muster.AccountID) error
	// Refresh makes who is in the room follow a roster entry that an answer
	// removed in the ledger's own transaction.
	Refresh(ctx context.Context, channel muster.ChannelID, account muster.AccountID) error
}

// ChannelState is a channel as enrolment describes it.
type ChannelState struct {
	Name string
	// NewestEntry is the number of the roster's newest entry: entries are
	// numbered 1, 2, 3 as people join.
	NewestEntry int64
	// People is how many are on the roster now.
	People int64
}

// Groups is what enrolment needs of the groups' side beside the Ledger.
type Groups interface {
	// CheckAdministrator is nil for an owner or administrator of the group,
	// else permission_denied or not_found.
	CheckAdministrator(ctx context.Context, group muster.GroupID, account muster.AccountID) error
	// Head gives the seq of the group's newest message.
	Head(ctx context.Context, group muster.GroupID) (muster.Seq, error)
	// NoteJoined leaves "count people joined" in the group's log, once for an
	// enrolment however often it is called.
	NoteJoined(ctx context.Context, group muster.GroupID, enrolment muster.EnrolmentID, count int64) error
	// SendWait is how long senders wait lately; the worker slows down by it.
	SendWait() time.Duration
}

// Events is told what happened, after it was committed. Calls do not block and
// may be lost on the way to other nodes.
type Events interface {
	// MembersAdded: these are now in the group.
	MembersAdded(group muster.GroupID, enrolment muster.EnrolmentID, accounts []muster.AccountID)
	// MembersRemoved: these are no longer (why is "undone", or
	// "left" of who declined and left after another enrolment had added them).
	MembersRemoved(group muster.GroupID, accounts []muster.AccountID, why string)
	// GroupChanged: the number of members or subgroups changed.
	GroupChanged(group muster.GroupID)
	// Invited: these have a new open invitation.
	Invited(invitation muster.InvitationID, accounts []muster.AccountID)
	// InvitationClosed: the account answered.
	InvitationClosed(account muster.AccountID, invitation muster.InvitationID)
	// EnrolmentProgress: the job's counts or state changed.
	EnrolmentProgress(e Enrolment)
}

// Page is one page of a roster and what a worker wants done with it.
type Page struct {
	Enrolment muster.EnrolmentID
	Epoch     int64
	// From is the cursor that the page begins at: a page commits only if the
	// job still stands there.
	From muster.AccountID
	// People are in ascending order of account; none: the pass is at its end.
	People []Person
	// NewestEntry, with no People in pass 1, is the roster's newest entry then:
	// if it is above Mark, pass 2 follows; else the job is done.
	NewestEntry int64
	// Lease is until when the worker keeps the job.
	Lease time.Time
}

// PageResult is what a page did.
type PageResult struct {
	Enrolment Enrolment // as committed
	Added     []muster.AccountID
	Asked     []muster.AccountID
}

// UndoResult is what a page of an undo did.
type UndoResult struct {
	Enrolment Enrolment
	Removed   []muster.AccountID
}

// Ledger remembers jobs, the window and invitations, in the group's database.
// Every method is one transaction.
type Ledger interface {
	// Create makes the job if the rules hold: inside the transaction it checks
	// that the requester administers the group (and the channel, where that is
	// in the same database) and counts the window's successful requests.
	// Nothing is changed on an error: permission_denied, not_found,
	// resource_exhausted "enrolment_window_full" with RetryAfter,
	// failed_precondition "enrolment_running" when one from this channel into
	// this group still works. The same requester and idempotency key gets the
	// first job back (created false); with another group, channel or policy
	// that is already_exists "idempotency_key_used".
	Create(ctx context.Context, e Enrolment, key string, limits Limits) (stored Enrolment, created bool, err error)
	// Room tells what is left of the window.
	Room(ctx context.Context, group muster.GroupID, requester muster.AccountID, limits Limits) (Room, error)
	// Get reads a job; not_found "enrolment_not_found".
	Get(ctx context.Context, id muster.EnrolmentID) (Enrolment, error)
	// List pages through a group's jobs, the newest first, before an id (0: all).
	List(ctx context.Context, group muster.GroupID, before muster.EnrolmentID, limit int) ([]Enrolment, error)
	// Claim takes over one job that works and whose lease has lapsed, or none. A
	// lease that ends more than twice as far from now as until does not count:
	// its taker's clock was wrong.
	Claim(ctx context.Context, owner string, now, until time.Time) (Enrolment, bool, error)
	// Classify counts by level what a page of people would become, changing
	// nothing. It adds to counts, which is indexed by level and holds the pages
	// before: the people added there count for the group's capacity.
	Classify(ctx context.Context, group muster.GroupID, requester muster.AccountID, p Policies, people []Person, counts *[muster.Owner + 1]Counts) error
	// CommitPage does what the policies say for a page of people: members with
	// the subgroup of their level (subgroups are made from the level map if the
	// group has none), invitations, counts and cursor in one transaction.
	// failed_precondition "lease_lost" when another worker has the job or the
	// cursor has moved, "enrolment_ended" when it was cancelled: nothing is
	// changed then.
	CommitPage(ctx context.Context, p Page) (PageResult, error)
	// Fail ends a job that cannot go on.
	Fail(ctx context.Context, id muster.EnrolmentID, epoch int64, why string) (Enrolment, error)
	// Release gives a lease back early, at shutdown.
	Release(ctx context.Context, id muster.EnrolmentID, epoch int64) error
	// Cancel ends a running job; failed_precondition when it is not running.
	Cancel(ctx context.Context, id muster.EnrolmentID, acting muster.AccountID) (Enrolment, error)
	// BeginUndo turns a done, failed or cancelled job into an undoing one.
	BeginUndo(ctx context.Context, id muster.EnrolmentID, acting muster.AccountID) (Enrolment, error)
	// UndoPage removes up to limit of those whom the job added and who have not
	// spoken, from the cursor on, and moves the cursor; at the end the job is
	// Undone.
	UndoPage(ctx context.Context, id muster.EnrolmentID, epoch int64, limit int, lease time.Time) (UndoResult, error)
	// Invitations lists an account's open invitations by id, after an id.
	Invitations(ctx context.Context, account muster.AccountID, after muster.InvitationID, limit int) ([]Invitation, error)
	// Invitation reads one open invitation as somebody sees it; not_found when
	// it is closed.
	Invitation(ctx context.Context, account muster.AccountID, id muster.InvitationID) (Invitation, error)
	// CountInvitations counts an account's open invitations.
	CountInvitations(ctx context.Context, account muster.AccountID) (int64, error)
	// Answer answers an open invitation: not_found "invitation_not_found",
	// failed_precondition "already_answered" (another answer stands),
	// "invitation_expired", "invitation_withdrawn", "group_full", "last_owner".
	// head is the group's, for a new member's first unread message.
	Answer(ctx context.Context, account muster.AccountID, id muster.InvitationID, choice Choice, head muster.Seq) (Answered, error)
	// InvitedTo is the group of an invitation, open or not.
	InvitedTo(ctx context.Context, account muster.AccountID, id muster.InvitationID) (muster.GroupID, error)
	// PendingLeaves lists departures that wait in the outbox.
	PendingLeaves(ctx context.Context, limit int) ([]Leave, error)
	// LeaveDone takes a departure off the outbox.
	LeaveDone(ctx context.Context, l Leave) error
}
