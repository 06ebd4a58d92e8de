package channel

import (
	"strings"
	"testing"
	"time"

	"muster"
)

// actors are everybody who may act: a level each, and a server administrator
// who is not on the roster.
var actors = map[string]actor{
	"visitor": {}, "guest": {level: muster.Guest}, "vip": {level: muster.VIP}, "member": {level: muster.Member},
	"moderator": {level: muster.Moderator}, "admin": {level: muster.Admin}, "owner": {level: muster.Owner},
	"server": {server: true},
}

// letters stand for the levels, from visitor to owner.
const letters = "-gvmMAO"

// TestSetLevelTable holds level x level x level: who may bring whom to which
// level. A line gives, for an actor, the levels that they may give to a target
// who is a visitor, guest, vip, member, moderator, admin, owner (of two).
func TestSetLevelTable(t *testing.T) {
	t.Parallel()
	table := map[string][7]string{
		"visitor":   {},
		"guest":     {},
		"vip":       {},
		"member":    {},
		"moderator": {},
		"admin":     {"gvmM", "gvmM", "gvmM", "gvmM", "gvmM", "", ""},
		"owner":     {"gvmMAO", "gvmMAO", "gvmMAO", "gvmMAO", "gvmMAO", "gvmMAO", "O"},
		"server":    {"gvmMAO", "gvmMAO", "gvmMAO", "gvmMAO", "gvmMAO", "gvmMAO", "gvmMAO"},
	}
	for name, row := range table {
		for target := muster.Visitor; target <= muster.Owner; target++ {
			for to := muster.Guest; to <= muster.Owner; to++ {
				err := checkSetLevel(actors[name], Person{Level: target}, to, 2, false)
				want := strings.ContainsRune(row[target], rune(letters[to]))
				if want != (err == nil) {
					t.Errorf("%s brings %s to %s: %v", name, target, to, err)
				}
				if err != nil && muster.CodeOf(err) != muster.CodePermissionDenied {
					t.Errorf("%s brings %s to %s: code %s", name, target, to, muster.CodeOf(err))
				}
			}
		}
	}
}

// TestStepDownTable holds what everybody may do with their own level.
func TestStepDownTable(t *testing.T) {
	t.Parallel()
	table := map[muster.Level]string{
		muster.Visitor: "", muster.Guest: "g", muster.VIP: "gv", muster.Member: "gvm",
		muster.Moderator: "gvmM", muster.Admin: "gvmMA", muster.Owner: "gvmMAO",
	}
	for own, allowed := range table {
		for to := muster.Guest; to <= muster.Owner; to++ {
			err := checkSetLevel(actor{level: own}, Person{Level: own}, to, 2, true)
			if want := strings.ContainsRune(allowed, rune(letters[to])); want != (err == nil) {
				t.Errorf("%s goes to %s: %v", own, to, err)
			}
		}
	}
}

// TestRemoveAndBanTable holds who may remove and ban whom.
func TestRemoveAndBanTable(t *testing.T) {
	t.Parallel()
	table := map[string]string{
		"visitor": "", "guest": "", "vip": "", "member": "",
		"moderator": "-gvm", "admin": "-gvmM", "owner": "-gvmMA", "server": "-gvmMAO",
	}
	for name, row := range table {
		for target := muster.Visitor; target <= muster.Owner; target++ {
			want := strings.ContainsRune(row, rune(letters[target]))
			if err := checkRemove(actors[name], target, 2); want != (err == nil) {
				t.Errorf("%s removes %s: %v", name, target, err)
			}
			if err := checkBan(actors[name], target, 2, false); want != (err == nil) {
				t.Errorf("%s bans %s: %v", name, target, err)
			}
			if err := checkBan(actors[name], target, 2, true); err == nil {
				t.Errorf("%s bans themself", name)
			}
		}
	}
}

// TestChannelActsTable holds who may change, delete and keep order in a channel.
func TestChannelActsTable(t *testing.T) {
	t.Parallel()
	acts := map[string]struct {
		check func(a actor) error
		who   string
	}{
		"update":     {checkAdminister, "admin owner server"},
		"delete":     {func(a actor) error { return checkDelete(a, false) }, "owner server"},
		"keep order": {checkKeepOrder, "moderator admin owner server"},
	}
	for name, act := range acts {
		for who, a := range actors {
			err := act.check(a)
			if want := strings.Contains(" "+act.who+" ", " "+who+" "); want != (err == nil) {
				t.Errorf("%s by %s: %v", name, who, err)
			}
		}
	}
	if err := checkDelete(actors["owner"], true); muster.ReasonOf(err) != "has_children" {
		t.Errorf("delete with children: %v", err)
	}
}

// TestLastOwner holds that nobody takes the last owner away.
func TestLastOwner(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"leave":            checkLeave(muster.Owner, 1),
		"step down":        checkSetLevel(actors["owner"], Person{Level: muster.Owner}, muster.Admin, 1, true),
		"server demotes":   checkSetLevel(actors["server"], Person{Level: muster.Owner}, muster.Guest, 1, false),
		"server removes":   checkRemove(actors["server"], muster.Owner, 1),
		"server bans":      checkBan(actors["server"], muster.Owner, 1, false),
		"no owner counted": checkLeave(muster.Owner, 0),
	} {
		if muster.CodeOf(err) != muster.CodeFailedPrecondition || muster.ReasonOf(err) != "last_owner" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := checkLeave(muster.Admin, 1); err != nil {
		t.Errorf("an admin leaves: %v", err)
	}
}

// TestEntryTable holds who may come in and join under which policy.
func TestEntryTable(t *testing.T) {
	t.Parallel()
	visitor, member := Person{}, Person{Level: muster.Member}
	banned := Person{Banned: true, BannedUntil: time.UnixMilli(1)}
	for _, c := range []struct {
		policy      JoinPolicy
		p           Person
		enter, join string // the reason of the refusal
	}{
		{JoinOpen, visitor, "", ""},
		{JoinVisit, visitor, "", "join_policy"},
		{JoinRoster, visitor, "roster_only", "join_policy"},
		{JoinOpen, member, "", ""},
		{JoinVisit, member, "", ""},
		{JoinRoster, member, "", ""},
		{JoinOpen, banned, "banned", "banned"},
		{JoinVisit, banned, "banned", "banned"},
		{JoinRoster, banned, "banned", "banned"},
	} {
		if got := reason(checkEnter(c.policy, c.p)); got != c.enter {
			t.Errorf("%s, %+v: enter: %q, want %q", c.policy, c.p, got, c.enter)
		}
		if got := reason(checkJoin(c.policy, c.p)); got != c.join {
			t.Errorf("%s, %+v: join: %q, want %q", c.policy, c.p, got, c.join)
		}
	}
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return muster.ReasonOf(err)
}
