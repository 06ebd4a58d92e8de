// Package account is about people and their signed-in clients: accounts,
// passwords, sessions, who blocks whom, the limits of logins, the server's own
// roles and the audit log. It is the domain side of AccountService and of the
// account part of AdminService in proto/muster/v1.
//
// Passwords are hashed with argon2id (RFC 9106) by a bounded number of threads.
// Session tokens are 256 random bits of which only the SHA-256 is stored. A
// session lives a fixed time from its sign-in, whether it is used or not; using
// it does not prolong it.
//
// The package knows no network and no database: it asks a [Store] and tells
// [Events]. Which addresses count as the client's, and how a token travels, is
// the business of the adapters.
package account

import (
	"fmt"
	"strings"
	"time"

	"muster"
)

// Operator acts for whoever holds the admin socket, that is, for the
// administrator of the machine itself. It may do all that a server owner may and
// is no account. It is not zero on purpose: 0, a forgotten acting account, may do
// nothing.
const Operator muster.AccountID = -1

// ServerRole is an account's standing on the whole server; a greater one
// outranks a smaller one. The zero ServerRole is "not told".
type ServerRole uint8

// The server roles, from the least to the greatest.
const (
	ServerUser ServerRole = iota + 1
	ServerAdmin
	ServerOwner
)

var serverRoleNames = [...]string{"", "user", "admin", "owner"}

// String gives the role's name in English.
func (r ServerRole) String() string {
	if int(r) < len(serverRoleNames) {
		return serverRoleNames[r]
	}
	return fmt.Sprintf("server_role(%d)", uint8(r))
}

// Valid says whether an account can have this role.
func (r ServerRole) Valid() bool { return r >= ServerUser && r <= ServerOwner }

// Administers says whether the role may look after other people's accounts:
// owner and admin.
func (r ServerRole) Administers() bool { return r == ServerAdmin || r == ServerOwner }

// ParseServerRole reads a role's name (any case).
func ParseServerRole(s string) (ServerRole, error) {
	for i, name := range serverRoleNames {
		if i > 0 && strings.EqualFold(s, name) {
			return ServerRole(i), nil
		}
	}
	return 0, muster.Invalid("server_role", "%q is not a server role: use owner, admin or user", s)
}

// Account is a registered person. Language, DirectAdd and Role are zero where
// the asker may not see them (see Service.GetAccount).
type Account struct {
	ID        muster.AccountID
	Name      string // what the person signs in with, as muster.ParseAccountName gives it
	Nickname  string
	About     string
	Language  string // BCP 47, such as "zh-Hans"; empty: not told
	DirectAdd muster.DirectAdd
	Role      ServerRole
	Suspended bool
	Created   time.Time
}

// public is the account as everybody may see it.
func (a Account) public() Account {
	a.Language, a.DirectAdd, a.Role = "", 0, 0
	return a
}

// Session is one signed-in client of an account.
type Session struct {
	ID      muster.SessionID
	Account muster.AccountID
	Device  string // as the client calls itself
	Address string // from where it signed in, without the port
	Created time.Time
	Seen    time.Time // the last use, about a minute exact
	Expires time.Time // fixed at the sign-in
	Current bool      // the session that asks; in lists only
}

// SignIn is the answer to a sign-in. Token is shown this once: the server keeps
// only its hash.
type SignIn struct {
	Account Account
	Session Session
	Token   string
}

// Audit is one administrative act.
type Audit struct {
	ID        int64
	Time      time.Time
	Actor     muster.AccountID
	ActorName string // empty when the account is gone; "operator" for Operator
	Action    string // such as "enrolment.start"
	Object    string // such as "group:123"
	Detail    string
}

// Page asks for a part of a list. The zero Page is the beginning, of the usual
// size.
type Page struct {
	// Size is how many items at most; 0 is 50, and 200 is the most.
	Size int
	// Token is what the page before gave as next; empty for the first.
	Token string
}

// The sizes of pages.
const (
	usualPage = 50
	largePage = 200
)

func (p Page) size() int {
	if p.Size <= 0 {
		return usualPage
	}
	return min(p.Size, largePage)
}

// cut makes a page of items of which one more than its size was asked for: the
// items, and the token of the next page ("" at the end).
func cut[T any](items []T, size int, token func(last T) string) ([]T, string) {
	if len(items) <= size {
		return items, ""
	}
	items = items[:size]
	return items, token(items[size-1])
}
