package store

import (
	"context"
	"fmt"
	"slices"

	"muster"
	"muster/internal/enrol"
	"muster/internal/group"
)

// fate is what becomes of one person.
type fate uint8

const (
	fateAlready fate = iota
	fateDirect
	fateAsk
	fatePolicy
	fateBlocked
	fateRefused
	fateFull
)

// count adds one person of a fate.
func (f fate) count(n *enrol.Counts) {
	switch f {
	case fateAlready:
		n.AlreadyIn++
	case fateDirect:
		n.Added++
	case fateAsk:
		n.Asked++
	case fatePolicy:
		n.SkippedPolicy++
	case fateBlocked:
		n.SkippedBlocked++
	case fateRefused:
		n.SkippedRefused++
	case fateFull:
		n.SkippedFull++
	}
}

// flags is what the database knows of a person that bears on their fate.
type flags struct {
	member, blocks, left bool
	// asked says that this enrolment has a question to them already.
	asked bool
	// gone says that they left the roster, by declining, after the page was read.
	gone      bool
	directAdd muster.DirectAdd
}

// fateOf is the rule of enrolment for one person. Who is in stays in; the
// policy of the level comes next; a block or a refusal turns everything into a
// skip; a wish to be asked, having left the group before, or having been asked
// by this enrolment (in another entry of the roster) turns a direct addition
// into a question.
func (f flags) fateOf(p enrol.Policy) fate {
	switch {
	case f.member:
		return fateAlready
	case p != enrol.Direct && p != enrol.Ask:
		return fatePolicy
	case f.blocks:
		return fateBlocked
	case f.directAdd == muster.DirectAddRefuse:
		return fateRefused
	case p == enrol.Ask, f.directAdd == muster.DirectAddAsk, f.left, f.asked:
		return fateAsk
	default:
		return fateDirect
	}
}

// flagsOf looks a page of people up, in ascending order of account.
func flagsOf(c conn, id muster.GroupID, requester muster.AccountID, people []enrol.Person) ([]flags, error) {
	known := make([]flags, len(people))
	for _, q := range []struct {
		sql  string // $1 and $2 bound the accounts, $3 the rows, $4 is key
		key  int64
		note func(f *flags, r row)
	}{
		{
			"SELECT account_id FROM group_member WHERE group_id = $4 AND account_id >= $1 AND account_id <= $2 ORDER BY account_id LIMIT $3",
			int64(id), func(f *flags, _ row) { f.member = true },
		},
		{
			"SELECT id, direct_add FROM account WHERE direct_add <> 1 AND id >= $1 AND id <= $2 AND CAST($4 AS bigint) = 0 ORDER BY id LIMIT $3",
			0, func(f *flags, r row) { f.directAdd = muster.DirectAdd(r.Int(1)) }, //nolint:gosec // small
		},
		{
			"SELECT account_id FROM account_block WHERE blocked_id = $4 AND account_id >= $1 AND account_id <= $2 ORDER BY account_id LIMIT $3",
			int64(requester), func(f *flags, _ row) { f.blocks = true },
		},
		{
			"SELECT account_id FROM group_left WHERE group_id = $4 AND account_id >= $1 AND account_id <= $2 ORDER BY account_id LIMIT $3",
			int64(id), func(f *flags, _ row) { f.left = true },
		},
	} {
		if err := noteRange(c, q.sql, q.key, people, known, q.note); err != nil {
			return nil, err
		}
	}
	return known, nil
}

// policyOf is the policy for a level; a level that we do not know is skipped.
func policyOf(p enrol.Policies, level muster.Level) enrol.Policy {
	if int(level) < len(p) {
		return p[level]
	}
	return enrol.Skip
}

// noteRange finds those of the people that a query yields between the first and
// the last of them. As a rule these are few, or nearly the people themselves,
// and one walk through the range finds them. Where the range holds many others
// (a small roster spread over a large table), it is cut in halves.
func noteRange(c conn, sql string, key int64, people []enrol.Person, known []flags, note func(f *flags, r row)) error {
	if len(people) == 0 {
		return nil
	}
	most, rows, at := 4*len(people)+16, 0, 0
	if len(people) == 1 {
		most = 1
	}
	err := c.query(sql, []any{people[0].Account, people[len(people)-1].Account, most, key}, func(r row) error {
		rows++
		account := muster.AccountID(r.Int(0))
		for at < len(people) && people[at].Account < account {
			at++
		}
		if at < len(people) && people[at].Account == account {
			note(&known[at], r)
		}
		return nil
	})
	if err != nil || rows < most || len(people) == 1 {
		return err
	}
	half := len(people) / 2
	if err := noteRange(c, sql, key, people[:half], known[:half], note); err != nil {
		return err
	}
	return noteRange(c, sql, key, people[half:], known[half:], note)
}

// Classify implements enrol.Ledger. Whom the counts have as added already has
// taken a place of a group with a capacity.
func (l Ledger) Classify(ctx context.Context, id muster.GroupID, requester muster.AccountID, p enrol.Policies, people []enrol.Person, counts *[muster.Owner + 1]enrol.Counts) error {
	return l.read(ctx, func(c conn) error {
		g, err := getGroup(c, id, "")
		if err != nil {
			return err
		}
		room := g.Capacity - g.Members
		for _, n := range counts {
			room -= n.Added
		}
		known, err := flagsOf(c, id, requester, people)
		if err != nil {
			return err
		}
		for i, person := range people {
			f := known[i].fateOf(policyOf(p, person.Level))
			if f == fateDirect {
				if g.Capacity > 0 && room <= 0 {
					f = fateFull
				}
				room--
			}
			f.count(&counts[min(person.Level, muster.Owner)])
		}
		return nil
	})
}

// CommitPage implements enrol.Ledger. Locks are taken in the order job, group,
// as everywhere.
func (l Ledger) CommitPage(ctx context.Context, p enrol.Page) (res enrol.PageResult, err error) {
	h := l.groups.hold()
	defer h.release()
	err = l.write(ctx, func(c conn) error {
		e, err := lease(c, p.Enrolment, p.Epoch, enrol.Running)
		if err != nil {
			return err
		}
		h.on(e.Group)
		if e.Progress.Cursor != p.From {
			return muster.Conflict("lease_lost", "the enrolment has moved on")
		}
		res = enrol.PageResult{}
		leaseMS := muster.Millis(p.Lease)
		if len(p.People) == 0 {
			leaseMS = l.endPass(&e, p.NewestEntry, leaseMS)
			if !e.State.Working() {
				if err := l.audit(c, e.Requester, "enrolment.done", "group:"+e.Group.String(), "enrolment "+e.ID.String()); err != nil {
					return err
				}
			}
		} else if err := l.enrolPage(c, &e, p.People, &res); err != nil {
			return err
		}
		res.Enrolment = e
		return saveJob(c, &e, leaseMS)
	})
	return res, err
}

// endPass goes on with pass 2 when people joined during pass 1, or ends the job.
func (l Ledger) endPass(e *enrol.Enrolment, newest, leaseMS int64) int64 {
	if e.Progress.Pass == 1 && newest > e.Progress.Mark {
		e.Progress.Pass, e.Progress.Mark2, e.Progress.Cursor = 2, newest, 0
		return leaseMS
	}
	e.State, e.Ended = enrol.Done, l.clock.Now()
	return 0
}

// enrolPage does what the policies say for some people, and moves e on.
func (l Ledger) enrolPage(c conn, e *enrol.Enrolment, people []enrol.Person, res *enrol.PageResult) error {
	g, err := getGroup(c, e.Group, c.forUpdate())
	if err != nil {
		return err
	}
	known, err := l.knownOf(c, e, people)
	if err != nil {
		return err
	}
	places, err := l.placesFor(c, e)
	if err != nil {
		return err
	}
	now, room := l.now(), g.Capacity-g.Members
	members := newMembers{
		group: e.Group, role: muster.RoleMember, joinedMS: now, joinedSeq: e.Progress.BaseSeq, enrolment: e.ID,
		people: make([]newMember, 0, len(people)),
	}
	landed := map[muster.SubgroupID]int64{}
	var asked []enrol.Person
	for i, person := range people {
		if known[i].gone {
			continue
		}
		f := known[i].fateOf(policyOf(e.Policies, person.Level))
		if f == fateDirect && g.Capacity > 0 && int64(len(members.people)) >= room {
			f = fateFull
		}
		f.count(&e.Counts)
		switch {
		case f == fateDirect:
			sub := places[person.Level]
			members.people = append(members.people, newMember{person.Account, sub})
			landed[sub]++
			res.Added = append(res.Added, person.Account)
		case f == fateAsk && !known[i].asked:
			asked = append(asked, person)
			res.Asked = append(res.Asked, person.Account)
		}
	}
	e.Progress.Cursor = people[len(people)-1].Account
	if err := l.landMembers(c, members, landed); err != nil {
		return err
	}
	return inviteAll(c, e, asked, now)
}

// knownOf is flagsOf with what only a running job has to look at.
func (l Ledger) knownOf(c conn, e *enrol.Enrolment, people []enrol.Person) ([]flags, error) {
	known, err := flagsOf(c, e.Group, e.Requester, people)
	if err != nil {
		return nil, err
	}
	if e.Progress.Pass == 2 { // who left the roster and came back has been handled before
		accounts := make([]muster.AccountID, len(people))
		for i, person := range people {
			accounts[i] = person.Account
		}
		among, ids := l.among("account_id", "$2", accounts)
		if err := c.query("SELECT account_id FROM invitation WHERE invitation_id = $1 AND "+among, []any{e.ID, ids}, func(r row) error {
			mark(accounts, muster.AccountID(r.Int(0)), func(i int) { known[i].asked = true })
			return nil
		}); err != nil {
			return nil, err
		}
	}
	// Who declined and left the roster since the page was read is not on it any
	// more; their answer had the lock on the group before us.
	for i := range known {
		if !l.channelsHere || !known[i].left || known[i].member {
			continue
		}
		level, err := oneInt(c, "SELECT level FROM channel_roster WHERE channel_id = $1 AND account_id = $2", e.Channel, people[i].Account)
		if err != nil {
			return nil, err
		}
		known[i].gone = level == 0
	}
	return known, nil
}

// landMembers inserts the members of a page and counts them.
func (l Ledger) landMembers(c conn, members newMembers, landed map[muster.SubgroupID]int64) error {
	if len(members.people) == 0 {
		return nil
	}
	added, err := addMembers(c, members)
	if err != nil {
		return err
	}
	if added != int64(len(members.people)) {
		return fmt.Errorf("store: %d of %d members of a locked group were new", added, len(members.people))
	}
	if err := countMembers(c, members.group, 0, added); err != nil {
		return err
	}
	for _, sub := range sortedKeys(landed) {
		if err := countSubgroup(c, members.group, sub, landed[sub]); err != nil {
			return err
		}
	}
	return nil
}

func sortedKeys(m map[muster.SubgroupID]int64) []muster.SubgroupID {
	keys := make([]muster.SubgroupID, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

var invitationInsert = insert{
	table: "invitation",
	columns: append(ints("account_id", "invitation_id", "group_id", "channel_id", "inviter_id", "level", "created_ms", "expires_ms", "answer", "answered_ms"),
		column{"note", textColumn}),
	conflict: "DO NOTHING",
}

// inviteAll leaves the question with people. Its text stands with the job.
func inviteAll(c conn, e *enrol.Enrolment, people []enrol.Person, now int64) error {
	if len(people) == 0 {
		return nil
	}
	expires := now + e.Expiry.Milliseconds()
	_, err := c.insertMany(invitationInsert, len(people), func(i, col int) any {
		switch col {
		case 0:
			return int64(people[i].Account)
		case 1:
			return int64(e.ID)
		case 2:
			return int64(e.Group)
		case 3:
			return int64(e.Channel)
		case 4:
			return int64(e.Requester)
		case 5:
			return int64(people[i].Level)
		case 6:
			return now
		case 7:
			return expires
		case 10:
			return ""
		default:
			return int64(0)
		}
	})
	return err
}

// places says where each level lands; an entry is never missing.
type places [muster.Owner + 1]muster.SubgroupID

// subgroupNames are the names of the subgroups that are made for a group that
// has none, by level.
var subgroupNames = [muster.Owner + 1]string{"Visitors", "Guests", "VIPs", "Members", "Moderators", "Admins", "Owners"}

// defaultSubgroupName is that of the subgroup made for levels without a mapping.
const defaultSubgroupName = "Everyone else"

// placesFor reads the level map for a job. A group without subgroups gets one
// for each level that the job brings; a group with subgroups but without a
// default one gets a default when a level needs it.
func (l Ledger) placesFor(c conn, e *enrol.Enrolment) (places, error) {
	subs, err := subgroupsOf(c, e.Group)
	if err != nil {
		return places{}, err
	}
	if len(subs) == 0 {
		return l.makePlaces(c, e)
	}
	return l.mapPlaces(c, e.Group, subs, func(level muster.Level) bool { return e.Policies[level] != enrol.Skip })
}

func (l Ledger) makePlaces(c conn, e *enrol.Enrolment) (p places, err error) {
	for _, level := range muster.Levels {
		if e.Policies[level] == enrol.Skip {
			continue
		}
		sub := group.Subgroup{ID: muster.SubgroupID(l.ids.Next()), Name: subgroupNames[level]}
		if err := insertSubgroup(c, e.Group, sub); err != nil {
			return p, err
		}
		if err := mapLevel(c, e.Group, level, sub.ID); err != nil {
			return p, err
		}
		p[level] = sub.ID
	}
	return p, nil
}

// mapPlaces applies the level map of a group with subgroups, for the levels
// that are needed.
func (l Ledger) mapPlaces(c conn, id muster.GroupID, subs []group.Subgroup, needed func(muster.Level) bool) (p places, err error) {
	var def muster.SubgroupID
	for _, s := range subs {
		if s.Default {
			def = s.ID
		}
		for _, level := range s.Levels {
			p[min(level, muster.Owner)] = s.ID
		}
	}
	for _, level := range muster.Levels {
		if p[level] != 0 || !needed(level) {
			continue
		}
		if def == 0 {
			sub := group.Subgroup{ID: muster.SubgroupID(l.ids.Next()), Name: freeName(subs, defaultSubgroupName), Default: true}
			if err := insertSubgroup(c, id, sub); err != nil {
				return p, err
			}
			def = sub.ID
		}
		p[level] = def
	}
	return p, nil
}

// freeName adds a number to a name until no subgroup has it.
func freeName(subs []group.Subgroup, name string) string {
	free := name
	for n := 2; mustBeFreeName(subs, free, 0) != nil; n++ {
		free = fmt.Sprintf("%s %d", name, n)
	}
	return free
}
