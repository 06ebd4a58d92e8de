package muster

import (
	"fmt"
	"strings"
)

// Level is a member's rank in one channel, and what enrolment sorts people by.
// A greater level outranks a smaller one. The zero Level is a visitor, who is
// in the room but not on the roster.
type Level uint8

// The levels, from the least to the greatest.
const (
	Visitor Level = iota
	Guest
	VIP
	Member
	Moderator
	Admin
	Owner
)

// Levels lists the levels that a roster can hold, the greatest first.
var Levels = []Level{Owner, Admin, Moderator, Member, VIP, Guest}

var levelNames = [...]string{"visitor", "guest", "vip", "member", "moderator", "admin", "owner"}

// String gives the level's name in English, as it stands in files and flags.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return fmt.Sprintf("level(%d)", uint8(l))
}

// OnRoster says whether a roster can hold this level.
func (l Level) OnRoster() bool { return l >= Guest && l <= Owner }

// Administers says whether the level may change the channel: owner and admin.
func (l Level) Administers() bool { return l >= Admin && l <= Owner }

// KeepsOrder says whether the level may remove and ban people of lower level:
// moderator and above.
func (l Level) KeepsOrder() bool { return l >= Moderator && l <= Owner }

// ParseLevel reads a level's name (any case), an invalid one is an
// invalid_argument error that lists the names.
func ParseLevel(s string) (Level, error) {
	for i, name := range levelNames {
		if i > 0 && strings.EqualFold(s, name) {
			return Level(i), nil
		}
	}
	return 0, Invalid("level", "%q is not a level: use owner, admin, moderator, member, vip or guest", s)
}

// Role is a member's standing in one group. The zero Role is "not a member".
type Role uint8

// The roles, from the least to the greatest.
const (
	NotMember Role = iota
	RoleMember
	RoleAdmin
	RoleOwner
)

var roleNames = [...]string{"none", "member", "admin", "owner"}

// String gives the role's name in English.
func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return fmt.Sprintf("role(%d)", uint8(r))
}

// Administers says whether the role may change the group: owner and admin.
func (r Role) Administers() bool { return r == RoleAdmin || r == RoleOwner }

// ParseRole reads a role's name (any case).
func ParseRole(s string) (Role, error) {
	for i, name := range roleNames {
		if i > 0 && strings.EqualFold(s, name) {
			return Role(i), nil
		}
	}
	return 0, Invalid("role", "%q is not a role: use owner, admin or member", s)
}

// DirectAdd is a person's own answer to "who may add me to a group directly?".
type DirectAdd uint8

// The answers. The zero value is no answer and is never stored.
const (
	// DirectAddAllow lets an enrolment add the person without asking.
	DirectAddAllow DirectAdd = iota + 1
	// DirectAddAsk turns a direct addition into an invitation.
	DirectAddAsk
	// DirectAddRefuse turns every enrolment away: the person is skipped.
	DirectAddRefuse
)

var directAddNames = [...]string{"", "allow", "ask", "refuse"}

// String gives the answer's name in English.
func (d DirectAdd) String() string {
	if int(d) < len(directAddNames) {
		return directAddNames[d]
	}
	return fmt.Sprintf("direct_add(%d)", uint8(d))
}
