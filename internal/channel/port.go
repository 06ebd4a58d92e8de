package channel

import (
	"context"
	"time"

	"muster"
)

// Store keeps channels, rosters and bans. Every method is atomic. A channel that
// does not exist, or that was deleted, is muster.NotFound("channel") everywhere.
// Methods that take a check call it inside the transaction, with the channel
// locked against other changes; when it returns an error nothing changes and
// that error is returned. A check may be called more than once and must have no
// effects.
type Store interface {
	// CreateChannel stores c with owner as its owner, and audits it. With a
	// parent, check is called with owner's standing there (Actor and Target
	// are owner), and c.Depth becomes the parent's plus one; without, it is
	// not called.
	CreateChannel(ctx context.Context, c Channel, owner muster.AccountID, check func(parent Standing) error) (Channel, error)
	// Standing reads the channel and what it knows of two accounts (which may
	// be the same), as of one moment. now decides which bans hold.
	Standing(ctx context.Context, channel muster.ChannelID, acting, target muster.AccountID, now time.Time) (Standing, error)
	// Act reads the standing, asks decide what is to happen, and does it: the
	// effect, the counts, the channel's next version and the audit entry are
	// one transaction. An Effect without an Action changes nothing.
	Act(ctx context.Context, act Act, decide func(Standing) (Effect, error)) (Outcome, error)
	// Channels lists channels below a parent by name and id.
	Channels(ctx context.Context, q ChannelsQuery) ([]View, *ChannelsCursor, error)
	// Bans lists the bans that hold at q.Now in the order of the accounts.
	Bans(ctx context.Context, channel muster.ChannelID, after muster.AccountID, limit int, now time.Time) ([]Ban, error)
	// Roster reads a page by level (greatest first), nickname and account; the
	// cursor is nil at the end.
	Roster(ctx context.Context, q RosterPageQuery) ([]RosterEntry, *RosterCursor, error)
	// RosterOf reads the entries of those of the given accounts that are on
	// the roster, in the order of the accounts, which must be ascending.
	RosterOf(ctx context.Context, channel muster.ChannelID, accounts []muster.AccountID) ([]RosterEntry, error)
	// RosterByAccount reads the next entries after an account, in the order of
	// the accounts.
	RosterByAccount(ctx context.Context, channel muster.ChannelID, after muster.AccountID, limit int) ([]RosterEntry, error)
	// ImportBatch reads what the roster says of batch.Accounts, asks plan what
	// to write, and writes it.
	ImportBatch(ctx context.Context, batch ImportBatch, plan func(ImportState) ([]ImportSeat, error)) (version int64, err error)
	// Mark gives the number of the roster's newest entry and its size.
	Mark(ctx context.Context, channel muster.ChannelID) (entries, people int64, err error)
	// CountByLevel counts the roster's people by level.
	CountByLevel(ctx context.Context, channel muster.ChannelID) (map[muster.Level]int64, error)
	// RosterPage reads people in the order of their accounts whose entry e has
	// fromEntry < e <= toEntry; 0 is no bound.
	RosterPage(ctx context.Context, channel muster.ChannelID, after muster.AccountID, limit int, fromEntry, toEntry int64) ([]RosterPerson, error)
	// PurgeDeleted removes some of what deleted channels left behind, in one
	// short transaction, and says whether there is more.
	PurgeDeleted(ctx context.Context) (more bool, err error)
}

// Act says who acts on whom in which channel; Now decides which bans hold and
// stamps what is stored.
type Act struct {
	Channel       muster.ChannelID
	Actor, Target muster.AccountID
	Now           time.Time
}

// Effect is what an act does. Fields that are nil or false change nothing.
type Effect struct {
	// Put sets the target's place on the roster, or makes one.
	Put *Seat
	// Remove takes the target off the roster.
	Remove bool
	// Ban keeps the target out, in place of an earlier ban; Unban takes it
	// back.
	Ban   *Ban
	Unban bool
	// Settings replaces the channel's settings.
	Settings *Settings
	// Delete removes the channel from everybody's sight.
	Delete bool
	// Action names the act in the audit log, such as "channel.ban"; Detail
	// tells more. Without an Action nothing happens.
	Action, Detail string
}

// Seat is a place on a roster.
type Seat struct {
	Level muster.Level
	// Nickname is empty where the account's own is shown.
	Nickname string
	// Key is what the roster sorts and searches by.
	Key string
}

// Outcome is what an act did.
type Outcome struct {
	// Before is the standing that the rules saw, Channel and Target how they
	// are now. Without a change they are the same.
	Before  Standing
	Channel Channel
	Target  Person
	Changed bool
}

// ChannelsQuery asks for channels below a parent.
type ChannelsQuery struct {
	Parent muster.ChannelID // 0: the top of the tree
	// Viewer is whose level is filled in; with Mine, only channels on whose
	// roster the viewer is.
	Viewer muster.AccountID
	Mine   bool
	After  *ChannelsCursor
	Limit  int
}

// ChannelsCursor is a place in the list of channels.
type ChannelsCursor struct {
	Key     string
	Channel muster.ChannelID
}

// RosterPageQuery asks for a page of a roster.
type RosterPageQuery struct {
	Channel muster.ChannelID
	// Levels, greatest first and each once; empty: all.
	Levels []muster.Level
	// Prefix is the beginning of the key; empty: all.
	Prefix string
	After  *RosterCursor
	Limit  int
}

// RosterCursor is a place on a roster.
type RosterCursor struct {
	Level   muster.Level
	Key     string
	Account muster.AccountID
}

// ImportBatch is one transaction of an import.
type ImportBatch struct {
	Channel muster.ChannelID
	Actor   muster.AccountID
	// Accounts are ascending, each once.
	Accounts []muster.AccountID
	Now      time.Time
}

// ImportState is what the plan of a batch stands on.
type ImportState struct {
	// Standing is that of the actor.
	Standing Standing
	// Seats has the place of each account of the batch; Level Visitor: none.
	// Key is not filled.
	Seats []Seat
	// Banned has the accounts' bans; nil: nobody in the channel is banned.
	Banned []bool
}

// ImportSeat is one place to write.
type ImportSeat struct {
	Account muster.AccountID
	// Was is the level before; Visitor: a new entry.
	Was muster.Level
	Seat
}

// KnownAccount is what an import has to know of an account.
type KnownAccount struct {
	ID       muster.AccountID // 0: there is no such account
	Nickname string
}

// NewAccount is an account to make.
type NewAccount struct{ Name, Nickname string }

// Accounts finds and makes accounts by name.
type Accounts interface {
	// ResolveNames gives the account of each name, in the order of names,
	// which are in their stored form.
	ResolveNames(ctx context.Context, names []string) ([]KnownAccount, error)
	// EnsureAccounts makes those of the accounts that do not exist (without a
	// password, to be claimed by a link), and gives all of them in order and
	// how many were made. The acting account must be a server administrator:
	// permission_denied otherwise.
	EnsureAccounts(ctx context.Context, acting muster.AccountID, accounts []NewAccount) ([]KnownAccount, int64, error)
}

// ServerRoles tells who administers the server.
type ServerRoles interface {
	// AdministersServer says whether the account is an owner or an admin of the
	// server.
	AdministersServer(ctx context.Context, account muster.AccountID) (bool, error)
}

// Online tells who has a connected client.
type Online interface {
	// Online says whether the account has one.
	Online(account muster.AccountID) bool
	// OnlineAfter gives the first accounts with one after the given account,
	// ascending.
	OnlineAfter(after muster.AccountID, limit int) []muster.AccountID
	// OnlineCount is how many accounts have one.
	OnlineCount() int
}

// Events tells the other nodes what has been committed, so that their Rooms can
// follow (Rooms.Apply). This node's rooms know already.
type Events interface {
	// ChannelChanged must not block.
	ChannelChanged(ctx context.Context, change Change)
}
