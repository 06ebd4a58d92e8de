package account

import (
	"context"
	"time"

	"muster"
)

// TokenHash is the SHA-256 of a token, the only form in which one is stored.
type TokenHash [32]byte

// Store keeps accounts. Every method is atomic: it takes effect as a whole and
// durably before it returns, or not at all. Implemented by store.Accounts.
type Store interface {
	// Account gives one account; not_found ("account_not_found").
	Account(ctx context.Context, id muster.AccountID) (Account, error)
	// Credentials gives the account with this name and the hash of its
	// password, "" as long as it has none; not_found.
	Credentials(ctx context.Context, name string) (Account, string, error)
	// PasswordHash gives the hash of an account's password; not_found.
	PasswordHash(ctx context.Context, id muster.AccountID) (string, error)
	// OwnerName gives the name of the oldest owner that is not suspended, ""
	// when there is none.
	OwnerName(ctx context.Context) (string, error)
	// FindAccounts lists accounts in the order of their names.
	FindAccounts(ctx context.Context, q NameQuery) ([]Account, error)
	// CreateAccount stores a new account and what comes with it; already_exists
	// ("name_taken"). With a setup token that has been used, replaced, or
	// outrun by another owner: permission_denied ("wrong_token").
	CreateAccount(ctx context.Context, c Creation) error
	// ResolveNames gives the account of each name, in order; a zero Named where
	// there is none. Names are distinct.
	ResolveNames(ctx context.Context, names []string) ([]Named, error)
	// EnsureAccounts creates the accounts whose names are not taken, with the
	// ids and nicknames given, and gives all of them, in order, and how many it
	// created. Names are distinct.
	EnsureAccounts(ctx context.Context, rows []Account) ([]Named, int, error)
	// SetProfile replaces nickname, about, language and direct_add as edit
	// makes them of the present ones; not_found.
	SetProfile(ctx context.Context, id muster.AccountID, edit func(*Account)) (Account, error)
	// SetAccount changes an account as an administrator may. check decides
	// inside the transaction, with the acting account, the one to be changed
	// and the number of other owners that are not suspended, none of which can
	// change before it ends; its error ends the transaction. Suspending, and a
	// claim, end the account's sessions: their ids are returned.
	SetAccount(ctx context.Context, c Change, check func(actor, target Account, otherOwners int) error) (Account, []muster.SessionID, error)

	// ReplaceSetup makes the hash the only setup token, unless the server has
	// an owner: then it removes every setup token and returns false.
	ReplaceSetup(ctx context.Context, hash TokenHash, now time.Time) (bool, error)
	// OneTimeToken tells what an unused, unexpired one-time token is for;
	// found is false for any other.
	OneTimeToken(ctx context.Context, hash TokenHash, now time.Time) (t OneTime, found bool, err error)
	// Claim uses up a claim token: sets the account's password and signs in.
	// permission_denied: "wrong_token" as in CreateAccount, or "suspended".
	Claim(ctx context.Context, c Claiming) (Account, error)

	// OpenSession signs in, if the account is not suspended
	// (permission_denied, "suspended") and its password's hash is still
	// o.Verified; otherwise unauthenticated ("wrong_credentials").
	OpenSession(ctx context.Context, o Opening) error
	// SessionByToken gives the session with this token, and its account;
	// unauthenticated ("session_ended"). It does not look at the time.
	SessionByToken(ctx context.Context, hash TokenHash) (Session, Account, error)
	// Sessions lists an account's unexpired sessions, the newest first, at
	// most limit.
	Sessions(ctx context.Context, id muster.AccountID, now time.Time, limit int) ([]Session, error)
	// EndSession ends one session of the account; not_found ("session_not_found").
	EndSession(ctx context.Context, id muster.AccountID, session muster.SessionID) error
	// EndOtherSessions ends all sessions of the account but one.
	EndOtherSessions(ctx context.Context, id muster.AccountID, keep muster.SessionID) ([]muster.SessionID, error)
	// EndExpired ends at most limit sessions that expired.
	EndExpired(ctx context.Context, now time.Time, limit int) ([]muster.SessionID, error)
	// TouchSessions notes when sessions were last used. Those that have ended
	// are passed over, and no time goes back.
	TouchSessions(ctx context.Context, seen map[muster.SessionID]time.Time) error
	// HasSessionFrom tells whether the account has an unexpired session that
	// was opened from this network.
	HasSessionFrom(ctx context.Context, id muster.AccountID, network string, now time.Time) (bool, error)
	// ChangePassword replaces the hash from by the hash to and ends all
	// sessions but one. A hash that is no longer from: permission_denied
	// ("wrong_password").
	ChangePassword(ctx context.Context, id muster.AccountID, from, to string, keep muster.SessionID) ([]muster.SessionID, error)

	// TakeAttempt notes the attempt under each of its limits, unless one is
	// reached: then it notes nothing and tells how long until there is room.
	// Attempts that run at the same time, in any process, see each other.
	TakeAttempt(ctx context.Context, a Attempt) (wait time.Duration, err error)
	// ReturnAttempt removes what TakeAttempt noted.
	ReturnAttempt(ctx context.Context, a Attempt) error
	// TidyAttempts removes attempts that are older than a window, and moves
	// those that lie in the future, noted before the clock was set back, to now.
	TidyAttempts(ctx context.Context, now time.Time, window time.Duration) error

	// Block and Unblock are idempotent. Block: not_found ("account_not_found").
	Block(ctx context.Context, id, blocked muster.AccountID, now time.Time) error
	Unblock(ctx context.Context, id, blocked muster.AccountID) error
	// Blocked lists whom an account blocks, in the order of ids, after an id.
	Blocked(ctx context.Context, id, after muster.AccountID, limit int) ([]Account, error)

	// AppendAudit stores an act that changes nothing else. Acts that do are
	// stored by the method that does them.
	AppendAudit(ctx context.Context, actor muster.AccountID, action, object, detail string) error
	// ListAudit lists entries, about one object or (empty) all, the newest
	// first, with ids below before (0: from the newest).
	ListAudit(ctx context.Context, object string, before int64, limit int) ([]Audit, error)
}

// Events is what the world must be told after a commit. Implemented by the
// gateway over the bus; a call must not wait for receivers.
type Events interface {
	// SessionsEnded tells that these sessions are over, for whatever reason:
	// their sockets close within a second.
	SessionsEnded(ctx context.Context, ids []muster.SessionID)
}

// Named is an account that was looked up by its name.
type Named struct {
	ID       muster.AccountID // 0: there is none
	Nickname string
}

// NameQuery asks for accounts whose names begin with Prefix.
type NameQuery struct {
	Prefix    string // "" is all
	After     string // names greater than this
	Limit     int
	Suspended bool // suspended ones as well
}

// Creation is a new account and what comes with it.
type Creation struct {
	Actor        muster.AccountID // for the audit log; 0: nobody, people register themselves
	Account      Account
	PasswordHash string         // "" : none, the account has to be claimed
	Setup        *TokenHash     // the setup token, to be used up
	Session      *StoredSession // signs in at once
	Claim        *StoredClaim   // issues a claim token
}

// StoredSession is a session with what only the store sees of it.
type StoredSession struct {
	Session
	Hash    TokenHash
	Network string // see network
}

// StoredClaim is a claim token: whoever has it may set the account's password.
type StoredClaim struct {
	Hash    TokenHash
	Expires time.Time
}

// OneTime is what a one-time token is for: to claim the account, or, when that
// is 0, to become the server's owner.
type OneTime struct {
	Account muster.AccountID
}

// Claiming uses up a claim token.
type Claiming struct {
	Hash         TokenHash
	Now          time.Time
	PasswordHash string
	Nickname     string // "": as it is
	Language     string // "": as it is
	Session      StoredSession
}

// Opening is a sign-in.
type Opening struct {
	Session StoredSession
	// Verified is the hash that the password was checked against. Unchecked
	// leaves it out, for Service.IssueSession.
	Verified  string
	Unchecked bool
	Rehashed  string  // replaces Verified; "": stays
	Attempt   Attempt // to be returned
}

// Change is what an administrator changes of an account.
type Change struct {
	Actor     muster.AccountID
	ID        muster.AccountID
	Role      *ServerRole
	Suspended *bool
	Claim     *StoredClaim // also removes the password
}

// Attempt is one try that counts against limits, within Window before At.
type Attempt struct {
	ID     int64
	At     time.Time
	Window time.Duration
	Limits []Limit
}

// Limit is how many attempts under a key there may be in a window.
type Limit struct {
	Key [16]byte
	Max int
}
