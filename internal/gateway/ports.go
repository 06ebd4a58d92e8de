package gateway

import (
	"context"
	"net/http"

	"muster"
	"muster/internal/account"
	"muster/internal/channel"
	"muster/internal/enrol"
	"muster/internal/group"
)

// Services are the domain behind the socket.
type Services struct {
	Accounts   Accounts
	Rooms      Rooms
	Groups     Groups
	Log        Log
	Enrolments Enrolments
	// Token is the session token that a handshake's request carries, in a
	// cookie or a header; the API knows which of them to believe where. nil:
	// only the first frame says whose a connection is.
	Token func(r *http.Request) string
	// Ended tells which of these sessions are over, for a node that may not
	// have heard of it. Only a shared bus needs it; nil: nobody is asked.
	Ended func(ctx context.Context, sessions []muster.SessionID) ([]muster.SessionID, error)
}

// Accounts is what the gateway needs of account.Service.
type Accounts interface {
	// Authenticate gives the session that a token stands for.
	Authenticate(ctx context.Context, token string) (account.Session, account.Account, error)
}

// Rooms is what the gateway needs of channel.Rooms. It is given the gateway's
// Events as its Broadcaster.
type Rooms interface {
	Connected(acting muster.AccountID, client channel.ClientID)
	Disconnected(client channel.ClientID)
	Enter(ctx context.Context, acting muster.AccountID, client channel.ClientID, id muster.ChannelID) (channel.Entered, error)
	Exit(client channel.ClientID)
	Broadcast(ctx context.Context, acting muster.AccountID, client channel.ClientID, id muster.ChannelID, clientMessageID, text string) (int64, error)
	Typing(acting muster.AccountID, client channel.ClientID, id muster.ChannelID)
	Present(acting muster.AccountID, client channel.ClientID, id muster.ChannelID, staffOnly bool, size int, pageToken string) (page []channel.Present, next string, total int, err error)
	// Here is how many people and clients are in a room on this node, Elsewhere
	// tells how many people are on others.
	Here(id muster.ChannelID) (people, clients int)
	Elsewhere(id muster.ChannelID, people int)
	// Apply makes the rooms follow what another node committed.
	Apply(change channel.Change)
}

// Groups is what the gateway needs of group.Service.
type Groups interface {
	ListMyHeads(ctx context.Context, acting muster.AccountID, after muster.GroupID, limit int) ([]muster.GroupID, []muster.Seq, error)
	GetGroup(ctx context.Context, acting muster.AccountID, id muster.GroupID) (group.Mine, []group.Subgroup, error)
	Member(ctx context.Context, id muster.GroupID, account muster.AccountID) (group.Member, error)
	SendAsync(ctx context.Context, acting muster.AccountID, d group.Draft, done func(group.Receipt, error))
	ListMessages(ctx context.Context, acting muster.AccountID, id muster.GroupID, before, after *muster.Seq, limit int) (group.History, error)
	MarkRead(ctx context.Context, acting muster.AccountID, id muster.GroupID, seq muster.Seq) error
	Sync(ctx context.Context, acting muster.AccountID, positions map[muster.GroupID]muster.Seq, maxBytes int, yield func(group.Synced) error) (gone []muster.GroupID, more bool, err error)
}

// Log is what the gateway needs of the message log: what the bus did not bring.
// The gateway's Committed is to be its follower.
type Log interface {
	Heads(ctx context.Context, groups []muster.GroupID) ([]muster.Seq, error)
	Read(ctx context.Context, r group.Range) ([]group.Message, error)
}

// Enrolments is what the gateway needs of enrol.Service.
type Enrolments interface {
	CountMyInvitations(ctx context.Context, acting muster.AccountID) (int64, error)
	Invitation(ctx context.Context, acting muster.AccountID, id muster.InvitationID) (enrol.Invitation, error)
	AnswerInvitation(ctx context.Context, acting muster.AccountID, id muster.InvitationID, choice enrol.Choice) (enrol.Answered, error)
}

// Bus is what the gateway needs of a bus.Bus, as its contract says there. Calls
// of one handler do not overlap; a publication may be lost.
type Bus interface {
	Publish(subject string, payload []byte) error
	// Subscribe gives the function that ends the subscription.
	Subscribe(subject string, handler func(subject string, payload []byte)) (func(), error)
}

// List of the interfaces of the domain that Events implements.
var (
	_ group.Events        = (*Events)(nil)
	_ enrol.Events        = (*Events)(nil)
	_ account.Events      = (*Events)(nil)
	_ channel.Events      = (*Events)(nil)
	_ channel.Broadcaster = (*Events)(nil)
)
