package channel

import (
	"muster"
)

// The rules of a channel, without any state. "actor" is who acts: their level on
// the roster, and whether they administer the server. A server administrator
// outranks everybody in administrative acts, so that an orphaned or abused
// channel can be put right; in the room they are what the roster says.

// actor is who acts.
type actor struct {
	level  muster.Level
	server bool
}

// outranks says whether the actor stands above a level.
func (a actor) outranks(l muster.Level) bool { return a.server || a.level > l }

// grants says whether the actor may give a level to somebody: owners every
// level, owner too; admins up to moderator; everybody else none.
func (a actor) grants(l muster.Level) bool {
	switch {
	case a.server, a.level == muster.Owner:
		return true
	case a.level == muster.Admin:
		return l <= muster.Moderator
	default:
		return false
	}
}

func (a actor) administers() bool { return a.server || a.level.Administers() }
func (a actor) keepsOrder() bool  { return a.server || a.level.KeepsOrder() }

// errLastOwner says that a channel always has an owner.
func errLastOwner() error {
	return muster.Conflict("last_owner", "a channel always has an owner: make somebody else an owner first")
}

func errNotOutranked(l muster.Level) error {
	return muster.Denied("not_outranked", "you do not outrank a person of level %s here", l)
}

// losesLastOwner says whether taking target down from its level leaves the
// channel without an owner.
func losesLastOwner(target muster.Level, owners int64) bool {
	return target == muster.Owner && owners <= 1
}

// checkAdminister is for acts on the channel as a whole.
func checkAdminister(a actor) error {
	if !a.administers() {
		return muster.Denied("not_channel_admin", "only an owner or an admin of the channel may do this")
	}
	return nil
}

// checkKeepOrder is for acts of moderators that are about nobody in particular.
func checkKeepOrder(a actor) error {
	if !a.keepsOrder() {
		return muster.Denied("not_moderator", "only a moderator of the channel or somebody above may do this")
	}
	return nil
}

// checkDelete is for removing the channel.
func checkDelete(a actor, hasChildren bool) error {
	if !a.server && a.level != muster.Owner {
		return muster.Denied("not_owner", "only an owner of the channel may delete it")
	}
	if hasChildren {
		return muster.Conflict("has_children", "delete the channels below this one first")
	}
	return nil
}

// checkSetLevel is for putting target at a level; self: target is the actor.
// Everybody may lower themself.
func checkSetLevel(a actor, target Person, to muster.Level, owners int64, self bool) error {
	if !to.OnRoster() {
		return muster.Invalid("level", "use owner, admin, moderator, member, vip or guest")
	}
	stepsDown := self && target.Level.OnRoster() && to <= target.Level
	if !stepsDown && !a.grants(to) {
		return muster.Denied("level_not_grantable", "you may not grant the level %s here", to)
	}
	if target.Level == to {
		return nil
	}
	if !stepsDown && !a.outranks(target.Level) {
		return errNotOutranked(target.Level)
	}
	if target.Banned {
		return muster.Conflict("banned", "this person is banned from the channel: take the ban back first")
	}
	if losesLastOwner(target.Level, owners) {
		return errLastOwner()
	}
	return nil
}

// checkRemove is for taking target off the roster and out of the room; target
// may be a visitor.
func checkRemove(a actor, target muster.Level, owners int64) error {
	if err := checkKeepOrder(a); err != nil {
		return err
	}
	if !a.outranks(target) {
		return errNotOutranked(target)
	}
	if losesLastOwner(target, owners) {
		return errLastOwner()
	}
	return nil
}

// checkBan is as checkRemove, and nobody bans themself.
func checkBan(a actor, target muster.Level, owners int64, self bool) error {
	if self {
		return muster.Invalid("account_id", "you cannot ban yourself")
	}
	return checkRemove(a, target, owners)
}

// checkLeave is for leaving the roster oneself.
func checkLeave(own muster.Level, owners int64) error {
	if losesLastOwner(own, owners) {
		return errLastOwner()
	}
	return nil
}

// checkJoin is for coming onto the roster oneself. Who is on it already may
// always "join", that is, change their nickname.
func checkJoin(policy JoinPolicy, p Person) error {
	switch {
	case p.Banned:
		return errBanned(p)
	case p.Level.OnRoster() || policy == JoinOpen:
		return nil
	default:
		return muster.Denied("join_policy", "the administrators of this channel decide who is on its roster: ask one of them")
	}
}

// checkEnter is for coming into the room, and for seeing who is in it and on
// the roster.
func checkEnter(policy JoinPolicy, p Person) error {
	switch {
	case p.Banned:
		return errBanned(p)
	case policy == JoinRoster && !p.Level.OnRoster():
		return muster.Denied("roster_only", "only people on this channel's roster may come in")
	default:
		return nil
	}
}

func errBanned(p Person) error {
	if p.BannedUntil.IsZero() {
		return muster.Denied("banned", "you are banned from this channel")
	}
	return muster.Denied("banned", "you are banned from this channel until %s", p.BannedUntil.UTC().Format("2006-01-02 15:04 MST"))
}

// CheckLeave says whether the target of the standing may leave the roster by
// themself; for a store that takes somebody off within an act of its own.
func CheckLeave(st Standing) error { return checkLeave(st.Target.Level, st.Owners) }
