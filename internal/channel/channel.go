// Package channel is about live rooms: the tree that they stand in, the roster
// of each (who belongs to it, online or not, at which level), who is kept out,
// and who is in the room right now.
//
// [Service] answers the calls of the schema's ChannelService. What it keeps is
// durable and lies behind [Store]; the rules (who may grant which level, who may
// remove whom, that a channel always has an owner) are pure functions in
// rules.go that the store asks inside its transaction.
//
// [Rooms] holds in memory who is in which room on this node, and takes what
// people say there to the gateway. A channel message is never stored: it reaches
// exactly the clients that are in the room when it is accepted.
//
// The package knows no database, no socket and no schema. It does not import
// group; enrolment sees it through interfaces of its own.
package channel

import (
	"fmt"
	"time"

	"muster"
)

// The bounds of a channel's settings.
const (
	// MaxDepth is how many channels may stand above one another, unless
	// Parts.MaxDepth says otherwise.
	MaxDepth = 8
	// MaxSlowMode is the longest slow mode.
	MaxSlowMode = 6 * time.Hour
	// MaxBanReason is the greatest length of a ban's reason, in characters.
	MaxBanReason = 300
)

// JoinPolicy says who may come into a channel and onto its roster.
type JoinPolicy uint8

// The policies. The zero value is none and is never stored.
const (
	// JoinOpen lets everybody come in and join the roster.
	JoinOpen JoinPolicy = iota + 1
	// JoinVisit lets everybody come in; administrators decide who is on the
	// roster.
	JoinVisit
	// JoinRoster lets only people on the roster come in.
	JoinRoster
)

var policyNames = [...]string{"", "open", "visit", "roster"}

// String gives the policy's name in English.
func (p JoinPolicy) String() string {
	if int(p) < len(policyNames) {
		return policyNames[p]
	}
	return fmt.Sprintf("join_policy(%d)", uint8(p))
}

// Valid says whether p is one of the policies.
func (p JoinPolicy) Valid() bool { return p >= JoinOpen && p <= JoinRoster }

// Settings are what the administrators of a channel can change.
type Settings struct {
	Name       string
	About      string
	JoinPolicy JoinPolicy
	// SpeakLevel is the least level that may say something; Visitor: everybody.
	SpeakLevel muster.Level
	// SlowMode is the least time between two messages of one person below
	// moderator; 0: none.
	SlowMode time.Duration
}

// Channel is a live room in the tree, as it is stored.
type Channel struct {
	ID     muster.ChannelID
	Parent muster.ChannelID // 0: at the top of the tree
	Settings
	Created time.Time
	// Depth is how many channels stand above it.
	Depth int
	// RosterCount is how many people are on the roster.
	RosterCount int64
	// Entries is the number of the newest entry of the roster: everybody who
	// comes onto it gets the next one. It tells without a clock who was there
	// before a moment and who came after.
	Entries int64
	// Version grows with every change of the channel, its roster and its bans.
	Version int64
}

// View is a channel as one account sees it.
type View struct {
	Channel
	// Present is how many people are in the room now.
	Present int64
	// YourLevel is the acting account's own level; Visitor: not on the roster.
	YourLevel muster.Level
}

// Person is what one channel knows of one account.
type Person struct {
	Account muster.AccountID
	// Known says whether there is such an account.
	Known bool
	// Name is the account's name.
	Name string
	// Nickname is the name to show: that on the roster, or else the account's
	// own nickname.
	Nickname string
	// Own is the account's own nickname.
	Own string
	// Level is Visitor for somebody who is not on the roster.
	Level muster.Level
	// Joined is when the person came onto the roster.
	Joined time.Time
	// Banned says whether the person is kept out now, BannedUntil until when;
	// the zero time is for good.
	Banned      bool
	BannedUntil time.Time
}

// Standing is all that the rules have to know about one act, as of one moment.
type Standing struct {
	Channel Channel
	// Actor is who acts, Target whom the act is about; they may be the same.
	Actor, Target Person
	// Owners is how many owners the roster has.
	Owners int64
	// HasChildren says whether channels stand below this one.
	HasChildren bool
}

// RosterEntry is one person on a roster.
type RosterEntry struct {
	Account muster.AccountID
	// Name is the account's name, Nickname the one to show.
	Name     string
	Nickname string
	Level    muster.Level
	Joined   time.Time
	// Online says whether the person has a connected client now.
	Online bool
}

// RosterPerson is one person of a roster as enrolment reads it.
type RosterPerson struct {
	Account muster.AccountID
	Level   muster.Level
}

// Ban is one person who is kept out of a channel.
type Ban struct {
	Account muster.AccountID
	// Name is the account's name; filled when bans are listed.
	Name   string
	Reason string
	// Until is when the ban ends; the zero time is for good.
	Until   time.Time
	By      muster.AccountID
	Created time.Time
}

// Present is one person in a room.
type Present struct {
	Account  muster.AccountID
	Nickname string
	Level    muster.Level
}
