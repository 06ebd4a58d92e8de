package channel

import (
	"time"

	"muster"
)

// ClientID names one connected client of this node.
type ClientID uint64

// Broadcaster is how Rooms reaches the clients; the gateway implements it. All
// methods are called with the lock of the room held, so for one room they come
// one after another, in the order in which they are to take effect. They must
// not block and must not call Rooms.
//
// Messages and notices to everybody carry a Number that grows. A client gets
// those whose number is above the mark of its Seat, and none after its Unseat:
// so where a message travels through a bus before it meets the list of clients,
// one who came in meanwhile is still told from one who was there.
type Broadcaster interface {
	// Seat begins the delivery of the channel's messages to a client. mark is
	// the number of the last message or notice before.
	Seat(channel muster.ChannelID, client ClientID, mark uint64)
	// Unseat ends it.
	Unseat(channel muster.ChannelID, client ClientID)
	// Broadcast takes a message to everybody who is seated.
	Broadcast(m Message)
	// Notify takes a notice to one client, or to everybody who is seated.
	Notify(n Notice)
}

// Message is what somebody said in a room.
type Message struct {
	Channel muster.ChannelID
	// Number grows from message to message; see Broadcaster.
	Number uint64
	// Sender is who said it, From on which client.
	Sender          Present
	From            ClientID
	ClientMessageID string
	Text            string
	Time            time.Time
}

// NoticeKind says what a Notice tells.
type NoticeKind uint8

// The kinds.
const (
	// NoticeJoined: Person came in, or is now shown differently.
	NoticeJoined NoticeKind = iota + 1
	// NoticeLeft: Person went out.
	NoticeLeft
	// NoticePeople: People are in the room. In large rooms, at most once a
	// second, and at once when the room becomes large (Large, with Staff) or is
	// no longer. It is for the clients of this node: each tells its own.
	NoticePeople
	// NoticeChanged: the settings are now Settings. To one client: its own
	// level is now that of Person.
	NoticeChanged
	// NoticeOut: the client To was put out of the room, Why says why:
	// "removed", "banned", "roster_only" or "deleted".
	NoticeOut
	// NoticeTyping: Person is writing something.
	NoticeTyping
)

// Notice is something that clients in a room are told beside messages.
type Notice struct {
	Kind    NoticeKind
	Channel muster.ChannelID
	// Number grows; see Broadcaster. 0 in a notice to one client.
	Number uint64
	// To is the client to tell; 0: everybody in the room.
	To     ClientID
	Person Present
	People int
	// Large: only staff are named as they come and go. Switched: that has just
	// changed.
	Large, Switched bool
	Staff           []Present
	Settings        Settings
	Why             string
}

// Urgent says that a message is not to be left out for a client that is too slow
// for the chatter: what owners and admins say.
func (m *Message) Urgent() bool { return m.Sender.Level.Administers() }

// Urgent says so of a notice: what governs the room, and staff who come and go.
func (n *Notice) Urgent() bool {
	switch n.Kind {
	case NoticeChanged, NoticeOut:
		return true
	case NoticePeople:
		return n.Switched
	case NoticeJoined, NoticeLeft:
		return n.Person.Level.KeepsOrder()
	default:
		return false
	}
}

// Change is what has been committed and what rooms have to follow. Applying it
// twice, or an older one after a newer, changes nothing.
type Change struct {
	Channel muster.ChannelID
	// Version is the channel's after the change.
	Version int64
	// Settings are the new ones; nil: as they were.
	Settings *Settings
	// People have a new level or nickname. Those with Out are put out of the
	// room for that reason ("removed" or "banned").
	People []PersonChange
	// Deleted says that there is no such channel any more.
	Deleted bool
}

// PersonChange is what changed for one person.
type PersonChange struct {
	Account muster.AccountID
	// Nickname is the one to show.
	Nickname string
	Level    muster.Level
	Out      string
}
