// Package group is about durable rooms: who is in them in which role and
// subgroup, and the messages that reach every member, online or not.
//
// The rules stand here; the transactions are the Store's. A rule that has to
// hold inside a transaction is handed to the Store as a function (decide), so
// that it sees what the transaction sees. Messages go to the Log, which orders
// them and makes them durable; what happened is told to Events after it is
// committed.
//
// What the package is not: live rooms (package channel) and bringing a channel's
// roster in (package enrol), of which it knows nothing.
package group

import (
	"context"
	"time"

	"muster"
)

// Group is a durable room.
type Group struct {
	ID       muster.GroupID
	Name     string
	About    string
	Owner    muster.AccountID
	Members  int64 // how many are in it
	Capacity int64 // the most that it takes; 0: no limit of its own
	Created  time.Time
}

// Member is one person in a group. Role NotMember says that there is none.
type Member struct {
	Group     muster.GroupID
	Account   muster.AccountID
	Name      string // the account's name; only in lists
	Nickname  string // the account's nickname; only in lists
	Role      muster.Role
	Subgroup  muster.SubgroupID
	Joined    time.Time
	JoinedSeq muster.Seq         // the head when they joined: what they have not missed
	Enrolment muster.EnrolmentID // who brought them; 0: nobody
}

// Subgroup is a named part of a group's members.
type Subgroup struct {
	ID      muster.SubgroupID
	Name    string
	Members int64
	Levels  []muster.Level // the levels that land here
	Default bool           // levels without a mapping land here
}

// Mine is a group as one of its members sees it.
type Mine struct {
	Group Group
	Role  muster.Role
	// Subgroup is 0 in lists.
	Subgroup muster.SubgroupID
	Read     muster.Seq // up to where the account has read
	Head     muster.Seq
}

// Unread is how many messages the account has not read.
func (m Mine) Unread() int64 { return max(int64(m.Head-m.Read), 0) }

// MemberQuery asks for a page of members in the order of their account ids.
type MemberQuery struct {
	Group    muster.GroupID
	After    muster.AccountID
	Limit    int
	Subgroup muster.SubgroupID // 0: all
	Role     muster.Role       // NotMember: all
	Prefix   string            // of the account's name; the page is then in order of names
	// AfterName goes on behind a name, with Prefix.
	AfterName string
}

// MemberPage is a page of members. It can be short, even empty, with More set:
// a page looks at a bounded number of rows, so a rare filter needs several.
type MemberPage struct {
	Members []Member
	// After and AfterName are where the next page begins.
	After     muster.AccountID
	AfterName string
	More      bool
}

// InviteResult counts what became of people who were invited by hand.
type InviteResult struct {
	Invitation muster.InvitationID
	Invited    []muster.AccountID
	Already    int64
	Skipped    int64
}

// Invite is an invitation by hand.
type Invite struct {
	ID      muster.InvitationID
	Group   muster.GroupID
	Inviter muster.AccountID
	People  []muster.AccountID
	Text    string
	Expires time.Time
}

// ReadMark is how far an account has read a group.
type ReadMark struct {
	Account muster.AccountID
	Group   muster.GroupID
	Seq     muster.Seq
}

// Decide is a rule about one acting member; the Store calls it inside the
// transaction and gives its error back without changing anything.
type Decide func(acting Member) error

// DecidePair is a rule about an acting member and the one it is about. Either
// may be no member (Role NotMember).
type DecidePair func(acting, target Member) error

// Store keeps groups and members. Every method is one transaction. Methods that
// name a group answer not_found "group_not_found" when there is none.
type Store interface {
	// CreateGroup makes a group with its owner as the only member.
	CreateGroup(ctx context.Context, g Group) error
	// Group reads one.
	Group(ctx context.Context, id muster.GroupID) (Group, error)
	// UpdateGroup lets change alter name, about and capacity.
	UpdateGroup(ctx context.Context, id muster.GroupID, acting muster.AccountID, decide Decide, change func(*Group) error) (Group, error)
	// DissolveGroup removes the group and its memberships, page by page after
	// the first step has made it invisible. The log is kept.
	DissolveGroup(ctx context.Context, id muster.GroupID, acting muster.AccountID, decide Decide) error
	// Member reads one membership, Role NotMember if there is none. It is
	// called for every read of a group and must be fast.
	Member(ctx context.Context, id muster.GroupID, account muster.AccountID) (Member, error)
	// ListMine pages through an account's groups by id, Head and Subgroup not
	// filled in.
	ListMine(ctx context.Context, account muster.AccountID, after muster.GroupID, limit int) ([]Mine, error)
	// ListHeads pages through an account's groups by id, like ListMine: which they
	// are, and up to where their logs reach. heads is nil where the store does
	// not have that beside the memberships: then the log is to be asked.
	ListHeads(ctx context.Context, account muster.AccountID, after muster.GroupID, limit int) (ids []muster.GroupID, heads []muster.Seq, err error)
	// ListMembers reads a page.
	ListMembers(ctx context.Context, q MemberQuery) (MemberPage, error)
	// AddInvitations leaves open invitations with people who are not in, do not
	// block the inviter and do not refuse.
	AddInvitations(ctx context.Context, in Invite, decide Decide) (InviteResult, error)
	// SetRole changes a role. OWNER moves the ownership: the old owner becomes
	// an administrator in the same transaction.
	SetRole(ctx context.Context, id muster.GroupID, acting, target muster.AccountID, role muster.Role, decide DecidePair) error
	// RemoveMember takes a member out. left says that they go by themselves,
	// which later enrolments respect.
	RemoveMember(ctx context.Context, id muster.GroupID, acting, target muster.AccountID, left bool, decide DecidePair) error
	// Subgroups lists a group's subgroups with the level map.
	Subgroups(ctx context.Context, id muster.GroupID) ([]Subgroup, error)
	// CreateSubgroup adds one; already_exists when the name is taken.
	CreateSubgroup(ctx context.Context, id muster.GroupID, acting muster.AccountID, decide Decide, sub Subgroup) error
	// RenameSubgroup gives one another name.
	RenameSubgroup(ctx context.Context, id muster.GroupID, acting muster.AccountID, decide Decide, sub muster.SubgroupID, name string) error
	// DeleteSubgroup removes one; its members are then in none.
	DeleteSubgroup(ctx context.Context, id muster.GroupID, acting muster.AccountID, decide Decide, sub muster.SubgroupID) error
	// MoveMembers puts those of the people who are members into a subgroup
	// (0: none) and tells how many moved.
	MoveMembers(ctx context.Context, id muster.GroupID, acting muster.AccountID, decide Decide, people []muster.AccountID, sub muster.SubgroupID) (int64, error)
	// SetLevelMap replaces the level map and the default subgroup (0: none).
	SetLevelMap(ctx context.Context, id muster.GroupID, acting muster.AccountID, decide Decide, levels map[muster.Level]muster.SubgroupID, def muster.SubgroupID) error
	// SaveReads moves read positions forward, never back. Marks of people who
	// are no members are dropped.
	SaveReads(ctx context.Context, marks []ReadMark) error
}

// Events is told what happened, after it was committed. Calls do not block and
// may be lost on the way to other nodes: whoever needs the truth reads it.
type Events interface {
	// GroupChanged: settings, subgroups or the list of members.
	GroupChanged(group muster.GroupID)
	// MembersAdded: these are now in the group; enrolment 0: not by one.
	MembersAdded(group muster.GroupID, enrolment muster.EnrolmentID, accounts []muster.AccountID)
	// MembersRemoved: these are no longer; why is "left", "removed" or "undone".
	MembersRemoved(group muster.GroupID, accounts []muster.AccountID, why string)
	// GroupDissolved: nobody is in it any more.
	GroupDissolved(group muster.GroupID)
	// ReadMoved: an account read on, on one of its devices.
	ReadMoved(mark ReadMark)
	// Invited: these have a new open invitation.
	Invited(invitation muster.InvitationID, accounts []muster.AccountID)
}

// Nicknames tells how a person is called when they write.
type Nicknames interface {
	Nickname(ctx context.Context, account muster.AccountID) (string, error)
}
