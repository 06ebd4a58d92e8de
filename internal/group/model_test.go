package group_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"muster"
	"muster/internal/enrol"
	"muster/internal/fault"
	"muster/internal/group"
)

// groupModel is one group in its simplest words. People are numbered in the order
// of their ids and of their names.
type groupModel struct {
	roles    map[int]muster.Role
	places   map[int]string
	subs     map[string]bool
	def      string
	levels   map[muster.Level]string
	capacity int
	head     int
	read     map[int]int
	name     string
}

// groupPlay is one run of the property.
type groupPlay struct {
	*rig
	rt   *rapid.T
	look *fault.Census
	ids  []muster.AccountID
	g    muster.GroupID
	m    *groupModel
	subs map[string]muster.SubgroupID
}

// Whatever members do in whatever order: the group has one owner, its counts are
// right, nobody but members sends, read positions never go back, and the lists
// show what the model has.
func TestGroupModel(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, r *rig) {
		ids, look := r.people("p", 8), r.census()
		rapid.Check(t, func(rt *rapid.T) {
			g, err := r.CreateGroup(t.Context(), ids[0], "Modelled", "", 0)
			if err != nil {
				rt.Fatal(err)
			}
			p := &groupPlay{
				rig: r, rt: rt, look: look, ids: ids, g: g.ID, subs: map[string]muster.SubgroupID{"": 0},
				m: &groupModel{
					roles: map[int]muster.Role{0: muster.RoleOwner}, places: map[int]string{}, subs: map[string]bool{},
					levels: map[muster.Level]string{}, capacity: maxMembers, read: map[int]int{}, name: "Modelled",
				},
			}
			rt.Repeat(map[string]func(*rapid.T){
				"admit": p.admitOne, "admit another": p.admitOne, "role": p.setRole, "remove": p.removeOne, "leave": p.leave,
				"subgroup": p.subgroup, "no subgroup": p.deleteSubgroup, "rename": p.rename, "move": p.move, "map": p.levelMap,
				"settings": p.settings, "send": p.send, "send more": p.send, "read": p.markRead, "flush": func(rt *rapid.T) { p.must(p.FlushReads(t.Context())) },
				"list": p.list, "": func(*rapid.T) { p.compare() },
			})
		})
	})
}

func (p *groupPlay) must(err error) {
	if err != nil {
		p.rt.Fatalf("%+v", err)
	}
}

// expect holds a refusal against the one that the model has.
func (p *groupPlay) expect(err error, want string) {
	if got := muster.ReasonOf(err); got != want || err != nil && got == "" {
		p.rt.Fatalf("%v (%q), want %q", err, got, want)
	}
}

func (p *groupPlay) person(rt *rapid.T, label string) int {
	return rapid.IntRange(0, len(p.ids)-1).Draw(rt, label)
}

func (p *groupPlay) admin(i int) string {
	switch p.m.roles[i] {
	case muster.NotMember:
		return "group_not_found"
	case muster.RoleMember:
		return "not_group_admin"
	default:
		return ""
	}
}

func (p *groupPlay) admitOne(rt *rapid.T) {
	by, who := p.person(rt, "inviter"), p.person(rt, "invited")
	in, err := p.Invite(p.t.Context(), p.ids[by], p.g, []muster.AccountID{p.ids[who], p.ids[who]}, "")
	p.expect(err, p.admin(by))
	if err != nil {
		return
	}
	if p.m.roles[who] != muster.NotMember {
		if len(in.Invited) != 0 || in.Already == 0 {
			rt.Fatalf("%+v for a member", in)
		}
		return
	}
	if len(in.Invited) != 1 {
		rt.Fatalf("%+v", in)
	}
	choice := rapid.SampledFrom([]enrol.Choice{enrol.Accept, enrol.Decline}).Draw(rt, "choice")
	_, err = p.store.Ledger().Answer(p.t.Context(), p.ids[who], in.Invitation, choice, muster.Seq(p.m.head))
	if choice == enrol.Accept && len(p.m.roles) >= p.m.capacity {
		p.expect(err, "group_full")
		return
	}
	p.must(err)
	if choice == enrol.Accept {
		p.m.roles[who], p.m.places[who], p.m.read[who] = muster.RoleMember, p.m.def, p.m.head
	}
}

func (p *groupPlay) setRole(rt *rapid.T) {
	by, who := p.person(rt, "by"), p.person(rt, "who")
	role := muster.Role(rapid.IntRange(1, 3).Draw(rt, "role")) //nolint:gosec // a role
	err := p.SetRole(p.t.Context(), p.ids[by], p.g, p.ids[who], role)
	want := ""
	switch {
	case by == who:
		want = "invalid_account_id"
	case p.m.roles[by] == muster.NotMember:
		want = "group_not_found"
	case p.m.roles[by] != muster.RoleOwner:
		want = "not_group_owner"
	case p.m.roles[who] == muster.NotMember:
		want = "member_not_found"
	default:
		p.m.roles[who] = role
		if role == muster.RoleOwner {
			p.m.roles[by] = muster.RoleAdmin
		}
	}
	p.expect(err, want)
}

func (p *groupPlay) gone(who int) {
	delete(p.m.roles, who)
	delete(p.m.places, who)
	delete(p.m.read, who)
}

func (p *groupPlay) removeOne(rt *rapid.T) {
	by, who := p.person(rt, "by"), p.person(rt, "who")
	err := p.RemoveMember(p.t.Context(), p.ids[by], p.g, p.ids[who])
	want := p.admin(by)
	switch {
	case by == who:
		want = "invalid_account_id"
	case want != "":
	case p.m.roles[who] == muster.NotMember:
		want = "member_not_found"
	case p.m.roles[who] >= p.m.roles[by]:
		want = "not_outranked"
	default:
		p.gone(who)
	}
	p.expect(err, want)
}

func (p *groupPlay) leave(rt *rapid.T) {
	who := p.person(rt, "who")
	err := p.LeaveGroup(p.t.Context(), p.ids[who], p.g)
	switch p.m.roles[who] {
	case muster.NotMember:
		p.expect(err, "group_not_found")
	case muster.RoleOwner:
		p.expect(err, "owner_cannot_leave")
	default:
		p.expect(err, "")
		p.gone(who)
	}
}

var subNames = []string{"red", "green", "blue"}

func (p *groupPlay) subgroup(rt *rapid.T) {
	by, name := p.person(rt, "by"), rapid.SampledFrom(subNames).Draw(rt, "name")
	sub, err := p.CreateSubgroup(p.t.Context(), p.ids[by], p.g, name)
	want := p.admin(by)
	if want == "" && p.m.subs[name] {
		want = "subgroup_name_taken"
	}
	p.expect(err, want)
	if err == nil {
		p.m.subs[name], p.subs[name] = true, sub.ID
	}
}

// someSub draws a subgroup, now and then one that is not there any more.
func (p *groupPlay) someSub(rt *rapid.T) (string, muster.SubgroupID) {
	name := rapid.SampledFrom(subNames).Draw(rt, "subgroup")
	if id, known := p.subs[name]; known {
		return name, id
	}
	return name, 1
}

func (p *groupPlay) deleteSubgroup(rt *rapid.T) {
	by := p.person(rt, "by")
	name, id := p.someSub(rt)
	err := p.DeleteSubgroup(p.t.Context(), p.ids[by], p.g, id)
	want := p.admin(by)
	if want == "" && !p.m.subs[name] {
		want = "subgroup_not_found"
	}
	p.expect(err, want)
	if err != nil {
		return
	}
	delete(p.m.subs, name)
	for who, place := range p.m.places {
		if place == name {
			p.m.places[who] = ""
		}
	}
	maps.DeleteFunc(p.m.levels, func(_ muster.Level, place string) bool { return place == name })
	if p.m.def == name {
		p.m.def = ""
	}
}

func (p *groupPlay) rename(rt *rapid.T) {
	by := p.person(rt, "by")
	name, id := p.someSub(rt)
	to := rapid.SampledFrom(subNames).Draw(rt, "new name")
	err := p.RenameSubgroup(p.t.Context(), p.ids[by], p.g, id, to)
	want := p.admin(by)
	switch {
	case want != "":
	case !p.m.subs[name]:
		want = "subgroup_not_found"
	case p.m.subs[to] && to != name:
		want = "subgroup_name_taken"
	case to != name:
		delete(p.m.subs, name)
		p.m.subs[to], p.subs[to] = true, id
		delete(p.subs, name)
		for who, place := range p.m.places {
			if place == name {
				p.m.places[who] = to
			}
		}
		for l, place := range p.m.levels {
			if place == name {
				p.m.levels[l] = to
			}
		}
		if p.m.def == name {
			p.m.def = to
		}
	}
	p.expect(err, want)
}

func (p *groupPlay) move(rt *rapid.T) {
	by := p.person(rt, "by")
	who := rapid.SliceOfNDistinct(rapid.IntRange(0, len(p.ids)-1), 1, 4, rapid.ID[int]).Draw(rt, "who")
	name, id := "", muster.SubgroupID(0)
	if rapid.IntRange(0, 3).Draw(rt, "into one") > 0 {
		name, id = p.someSub(rt)
	}
	people := make([]muster.AccountID, len(who))
	moved := int64(0)
	for i, w := range who {
		people[i] = p.ids[w]
		if p.m.roles[w] != muster.NotMember && p.m.places[w] != name {
			moved++
		}
	}
	n, err := p.MoveMembers(p.t.Context(), p.ids[by], p.g, people, id)
	want := p.admin(by)
	if want == "" && name != "" && !p.m.subs[name] {
		want = "subgroup_not_found"
	}
	p.expect(err, want)
	if err != nil {
		return
	}
	if n != moved {
		rt.Fatalf("%d moved, want %d", n, moved)
	}
	for _, w := range who {
		if p.m.roles[w] != muster.NotMember {
			p.m.places[w] = name
		}
	}
}

func (p *groupPlay) levelMap(rt *rapid.T) {
	by := p.person(rt, "by")
	want := p.admin(by)
	ids, names := map[muster.Level]muster.SubgroupID{}, map[muster.Level]string{}
	for _, level := range []muster.Level{muster.Guest, muster.Member} {
		if rapid.Bool().Draw(rt, "mapped") {
			name, id := p.someSub(rt)
			ids[level], names[level] = id, name
			if want == "" && !p.m.subs[name] {
				want = "subgroup_not_found"
			}
		}
	}
	def, id := "", muster.SubgroupID(0)
	if rapid.Bool().Draw(rt, "default") {
		def, id = p.someSub(rt)
		if want == "" && !p.m.subs[def] {
			want = "subgroup_not_found"
		}
	}
	_, err := p.SetLevelMap(p.t.Context(), p.ids[by], p.g, ids, id)
	p.expect(err, want)
	if err == nil {
		p.m.levels, p.m.def = names, def
	}
}

func (p *groupPlay) settings(rt *rapid.T) {
	by := p.person(rt, "by")
	name, capacity := rapid.SampledFrom([]string{"Ones", "Others"}).Draw(rt, "name"), int64(rapid.IntRange(0, 9).Draw(rt, "capacity"))
	g, err := p.UpdateGroup(p.t.Context(), p.ids[by], p.g, group.Settings{Name: &name, Capacity: &capacity})
	p.expect(err, p.admin(by))
	if err == nil {
		p.m.name, p.m.capacity = name, int(g.Capacity)
		if want := []int{int(capacity), maxMembers}; p.m.capacity != want[0] && (capacity > 0 || p.m.capacity != want[1]) {
			rt.Fatalf("capacity %d became %d", capacity, p.m.capacity)
		}
	}
}

func (p *groupPlay) send(rt *rapid.T) {
	who := p.person(rt, "who")
	d := group.Draft{Group: p.g, ClientID: fmt.Sprint(p.opt.IDs.Next()), Text: "hello"}
	for again := range 1 + rapid.IntRange(0, 1).Draw(rt, "again") {
		got, err := p.Send(p.t.Context(), p.ids[who], d)
		if p.m.roles[who] == muster.NotMember {
			p.expect(err, "not_a_member")
			continue
		}
		p.must(err)
		if again == 0 {
			p.m.head++
		}
		if int(got.Seq) != p.m.head || got.Duplicate != (again == 1) {
			rt.Fatalf("%+v, time %d, want seq %d", got, again, p.m.head)
		}
	}
}

func (p *groupPlay) markRead(rt *rapid.T) {
	who, seq := p.person(rt, "who"), rapid.IntRange(-1, p.m.head+1).Draw(rt, "seq")
	err := p.MarkRead(p.t.Context(), p.ids[who], p.g, muster.Seq(seq))
	switch {
	case p.m.roles[who] == muster.NotMember:
		p.expect(err, "group_not_found")
	case seq < 0 || seq > p.m.head:
		p.expect(err, "invalid_seq")
	default:
		p.expect(err, "")
		p.m.read[who] = max(p.m.read[who], seq)
	}
}

// list asks for the members with some filter, page by page.
func (p *groupPlay) list(rt *rapid.T) {
	by := p.person(rt, "by")
	if p.m.roles[by] == muster.NotMember {
		rt.Skip("is no member")
	}
	q := group.MemberQuery{Group: p.g, Limit: rapid.IntRange(1, 9).Draw(rt, "limit"), Role: muster.Role(rapid.IntRange(0, 3).Draw(rt, "role"))} //nolint:gosec // a role
	place := ""
	if rapid.Bool().Draw(rt, "of a subgroup") {
		if name, id := p.someSub(rt); p.m.subs[name] {
			place, q.Subgroup = name, id
		}
	}
	q.Prefix = rapid.SampledFrom([]string{"", "", "p", "p3", "q", "ow"}).Draw(rt, "prefix")
	var want, got []int
	for who := range p.ids {
		role := p.m.roles[who]
		if role == muster.NotMember || q.Role != muster.NotMember && role != q.Role || q.Subgroup != 0 && p.m.places[who] != place ||
			!strings.HasPrefix(fmt.Sprintf("p%d", who), q.Prefix) {
			continue
		}
		want = append(want, who)
	}
	for pages := 0; ; pages++ {
		page, err := p.ListMembers(p.t.Context(), p.ids[by], q)
		p.must(err)
		if len(page.Members) > q.Limit || pages > 20 {
			rt.Fatalf("page %d has %d members", pages, len(page.Members))
		}
		for _, m := range page.Members {
			who, _ := slices.BinarySearch(p.ids, m.Account)
			got = append(got, who)
			if m.Role != p.m.roles[who] || m.Subgroup != p.subs[p.m.places[who]] || m.Name != fmt.Sprintf("p%d", who) {
				rt.Fatalf("%+v, want %v in %q", m, p.m.roles[who], p.m.places[who])
			}
		}
		if !page.More {
			break
		}
		q.After, q.AfterName = page.After, page.AfterName
	}
	if !slices.Equal(got, want) {
		rt.Fatalf("%+v lists %v, want %v", q, got, want)
	}
}

// compare holds the database, and what members see, against the model.
func (p *groupPlay) compare() {
	p.look.CheckGroup(p.g)
	mine, subs, err := p.GetGroup(p.t.Context(), p.ids[p.ownerOf()], p.g)
	p.must(err)
	if g := mine.Group; int(g.Members) != len(p.m.roles) || g.Name != p.m.name || int(g.Capacity) != p.m.capacity || g.Owner != p.ids[p.ownerOf()] || int(mine.Head) != p.m.head {
		p.rt.Fatalf("%+v, want %+v", mine, p.m)
	}
	var got, want []string
	for _, s := range subs {
		got = append(got, fmt.Sprintf("%s %d %v %v", s.Name, s.Members, s.Default, s.Levels))
	}
	for name := range p.m.subs {
		n, levels := 0, []muster.Level(nil)
		for _, place := range p.m.places {
			if place == name {
				n++
			}
		}
		for _, l := range []muster.Level{muster.Member, muster.Guest} {
			if p.m.levels[l] == name {
				levels = append(levels, l)
			}
		}
		want = append(want, fmt.Sprintf("%s %d %v %v", name, n, p.m.def == name, levels))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		p.rt.Fatalf("subgroups %q, want %q", got, want)
	}
	for who, id := range p.ids {
		all, err := p.ListMyGroups(p.t.Context(), id, p.g-1, 1)
		p.must(err)
		in := len(all) == 1 && all[0].Group.ID == p.g
		if in != (p.m.roles[who] != muster.NotMember) {
			p.rt.Fatalf("person %d, %v, sees the group: %v", who, p.m.roles[who], in)
		}
		ids, heads, err := p.ListMyHeads(p.t.Context(), id, p.g-1, 1)
		p.must(err)
		if among := len(ids) == 1 && ids[0] == p.g; among != in || among && int(heads[0]) != p.m.head {
			p.rt.Fatalf("person %d has the groups %v with the heads %v, want %d with %d: %v", who, ids, heads, p.g, p.m.head, in)
		}
		if in && (all[0].Role != p.m.roles[who] || int(all[0].Read) != p.m.read[who] || int(all[0].Head) != p.m.head || int(all[0].Group.Members) != len(p.m.roles)) {
			p.rt.Fatalf("person %d sees %+v, want %v, read %d of %d", who, all[0], p.m.roles[who], p.m.read[who], p.m.head)
		}
	}
}

func (p *groupPlay) ownerOf() int {
	for who, role := range p.m.roles {
		if role == muster.RoleOwner {
			return who
		}
	}
	return -1
}
