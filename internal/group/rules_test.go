package group_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"muster"
	"muster/internal/fault"
	"muster/internal/group"
)

// cast is a group with somebody in every role, twice where that is possible.
type cast struct {
	*rig
	g                          muster.GroupID
	sub                        muster.SubgroupID
	outsider, member, admin    muster.AccountID
	outsider2, member2, admin2 muster.AccountID
	boss                       muster.AccountID
}

func (r *rig) newCast(ids []muster.AccountID) *cast {
	r.t.Helper()
	c := &cast{
		rig: r, boss: ids[0], admin: ids[1], admin2: ids[2], member: ids[3], member2: ids[4], outsider: ids[5], outsider2: ids[6],
	}
	g, err := r.CreateGroup(r.t.Context(), c.boss, "Cast", "", 100)
	if err != nil {
		r.t.Fatal(err)
	}
	c.g = g.ID
	for _, m := range []struct {
		who  muster.AccountID
		role muster.Role
	}{{c.admin, muster.RoleAdmin}, {c.admin2, muster.RoleAdmin}, {c.member, muster.RoleMember}, {c.member2, muster.RoleMember}} {
		r.admit(r.t.(*testing.T), c.g, c.boss, m.who, m.role)
	}
	sub, err := r.CreateSubgroup(r.t.Context(), c.boss, c.g, "Some")
	if err != nil {
		r.t.Fatal(err)
	}
	c.sub = sub.ID
	if _, err := r.Send(r.t.Context(), c.boss, group.Draft{Group: c.g, ClientID: "first", Text: "first"}); err != nil {
		r.t.Fatal(err)
	}
	return c
}

// state is everything that a call could change, for comparing.
func (c *cast) state(look *fault.Census) string {
	id := int64(c.g)
	return strings.Join([]string{
		fmt.Sprint(look.Lines("SELECT name, about, owner_id, capacity, member_count FROM grp WHERE id = $1", id)),
		fmt.Sprint(look.Lines("SELECT account_id, role, subgroup_id FROM group_member WHERE group_id = $1 ORDER BY account_id", id)),
		fmt.Sprint(look.Lines("SELECT id, name, member_count, CASE WHEN is_default THEN 1 ELSE 0 END FROM subgroup WHERE group_id = $1 ORDER BY id", id)),
		fmt.Sprint(look.Lines("SELECT level, subgroup_id FROM level_map WHERE group_id = $1 ORDER BY level", id)),
		fmt.Sprint(look.Lines("SELECT account_id, invitation_id, answer FROM invitation WHERE group_id = $1 ORDER BY account_id, invitation_id", id)),
		fmt.Sprint(look.Lines("SELECT account_id FROM group_left WHERE group_id = $1 ORDER BY account_id", id)),
	}, "\n")
}

// Who may do what: every method, as an outsider, a member, an administrator and
// the owner, in a group and in one that does not exist; a call that is refused
// changes nothing. The reasons are those of an outsider, a member, an
// administrator and the owner.
var rights = []struct {
	name    string
	changes bool // the state, when it is allowed
	call    func(ctx context.Context, c *cast, acting muster.AccountID) error
	reasons [4]string
}{
	{"GetGroup", false, func(ctx context.Context, c *cast, a muster.AccountID) error {
		_, _, err := c.GetGroup(ctx, a, c.g)
		return err
	}, [4]string{"group_not_found"}},
	{"ListMembers", false, func(ctx context.Context, c *cast, a muster.AccountID) error {
		_, err := c.ListMembers(ctx, a, group.MemberQuery{Group: c.g})
		return err
	}, [4]string{"group_not_found"}},
	{"ListMessages", false, func(ctx context.Context, c *cast, a muster.AccountID) error {
		_, err := c.ListMessages(ctx, a, c.g, nil, nil, 10)
		return err
	}, [4]string{"group_not_found"}},
	{"MarkRead", false, func(ctx context.Context, c *cast, a muster.AccountID) error {
		return c.MarkRead(ctx, a, c.g, 1)
	}, [4]string{"group_not_found"}},
	{"Send", false, func(ctx context.Context, c *cast, a muster.AccountID) error {
		_, err := c.Send(ctx, a, group.Draft{Group: c.g, ClientID: "x", Text: "hello"})
		return err
	}, [4]string{"not_a_member"}},
	{"CheckAdministrator", false, func(ctx context.Context, c *cast, a muster.AccountID) error {
		return c.CheckAdministrator(ctx, c.g, a)
	}, [4]string{"group_not_found", "not_group_admin"}},
	{"UpdateGroup", true, func(ctx context.Context, c *cast, a muster.AccountID) error {
		_, err := c.UpdateGroup(ctx, a, c.g, group.Settings{Name: new("Other")})
		return err
	}, [4]string{"group_not_found", "not_group_admin"}},
	{"Invite", true, func(ctx context.Context, c *cast, a muster.AccountID) error {
		_, err := c.Invite(ctx, a, c.g, []muster.AccountID{c.outsider2}, "")
		return err
	}, [4]string{"group_not_found", "not_group_admin"}},
	{"CreateSubgroup", true, func(ctx context.Context, c *cast, a muster.AccountID) error {
		_, err := c.CreateSubgroup(ctx, a, c.g, "Others")
		return err
	}, [4]string{"group_not_found", "not_group_admin"}},
	{"RenameSubgroup", true, func(ctx context.Context, c *cast, a muster.AccountID) error {
		return c.RenameSubgroup(ctx, a, c.g, c.sub, "Others")
	}, [4]string{"group_not_found", "not_group_admin"}},
	{"DeleteSubgroup", true, func(ctx context.Context, c *cast, a muster.AccountID) error {
		return c.DeleteSubgroup(ctx, a, c.g, c.sub)
	}, [4]string{"group_not_found", "not_group_admin"}},
	{"MoveMembers", true, func(ctx context.Context, c *cast, a muster.AccountID) error {
		_, err := c.MoveMembers(ctx, a, c.g, []muster.AccountID{c.member2}, c.sub)
		return err
	}, [4]string{"group_not_found", "not_group_admin"}},
	{"SetLevelMap", true, func(ctx context.Context, c *cast, a muster.AccountID) error {
		_, err := c.SetLevelMap(ctx, a, c.g, map[muster.Level]muster.SubgroupID{muster.VIP: c.sub}, c.sub)
		return err
	}, [4]string{"group_not_found", "not_group_admin"}},
	{"LeaveGroup", true, func(ctx context.Context, c *cast, a muster.AccountID) error {
		return c.LeaveGroup(ctx, a, c.g)
	}, [4]string{"group_not_found", "", "", "owner_cannot_leave"}},
	{"DissolveGroup", true, func(ctx context.Context, c *cast, a muster.AccountID) error {
		return c.DissolveGroup(ctx, a, c.g)
	}, [4]string{"group_not_found", "not_group_owner", "not_group_owner"}},
}

func TestRights(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, r *rig) {
		ctx, look, ids := t.Context(), r.census(), r.people("p", 7)
		for _, test := range rights {
			for role := range 4 {
				c := r.newCast(ids)
				acting := []muster.AccountID{c.outsider, c.member, c.admin, c.boss}[role]
				try(ctx, t, c, look, fmt.Sprintf("%s by role %d", test.name, role), test.reasons[role], test.changes, func() error { return test.call(ctx, c, acting) })
				c.g += 1 << 50 // no such group
				want := "group_not_found"
				if test.name == "Send" {
					want = "not_a_member"
				}
				try(ctx, t, c, look, test.name+" in no group", want, false, func() error { return test.call(ctx, c, acting) })
			}
		}
	})
}

// try makes a call and looks at what it did.
func try(_ context.Context, t *testing.T, c *cast, look *fault.Census, what, want string, changes bool, call func() error) {
	t.Helper()
	before := c.state(look)
	err := call()
	if got := muster.ReasonOf(err); got != want || err != nil && got == "" {
		t.Errorf("%s: %v (%q), want %q", what, err, got, want)
	}
	after := c.state(look)
	if changed := before != after; changed != (changes && want == "") {
		t.Errorf("%s: the group changed: %v", what, changed)
	}
	if len(look.Lines("SELECT id FROM grp WHERE id = $1", int64(c.g))) == 1 {
		look.CheckGroup(c.g)
	}
}

// What an acting member may do to another one, by both of their roles: the
// columns are oneself, an outsider, a member, an administrator, the owner.
func TestRightsOverOthers(t *testing.T) {
	t.Parallel()
	const (
		none, plain, self, norole = "group_not_found", "not_group_admin", "invalid_account_id", "not_group_owner"
	)
	forEachStore(t, func(t *testing.T, r *rig) {
		ctx, look, ids := t.Context(), r.census(), r.people("p", 7)
		for _, test := range []struct {
			name string
			call func(c *cast, acting, target muster.AccountID) error
			want [4][5]string
		}{
			{
				"RemoveMember",
				func(c *cast, a, x muster.AccountID) error { return c.RemoveMember(ctx, a, c.g, x) },
				[4][5]string{
					{self, none, none, none, none},
					{self, plain, plain, plain, plain},
					{self, "member_not_found", "", "not_outranked", "not_outranked"},
					{self, "member_not_found", "", "", self},
				},
			},
			{
				"SetRole admin",
				func(c *cast, a, x muster.AccountID) error { return c.SetRole(ctx, a, c.g, x, muster.RoleAdmin) },
				[4][5]string{{self, none, none, none, none}, {self, norole, norole, norole, norole}, {self, norole, norole, norole, norole}, {self, "member_not_found", "", "=", self}},
			},
			{
				"SetRole member",
				func(c *cast, a, x muster.AccountID) error { return c.SetRole(ctx, a, c.g, x, muster.RoleMember) },
				[4][5]string{{self, none, none, none, none}, {self, norole, norole, norole, norole}, {self, norole, norole, norole, norole}, {self, "member_not_found", "=", "", self}},
			},
			{
				"SetRole owner",
				func(c *cast, a, x muster.AccountID) error { return c.SetRole(ctx, a, c.g, x, muster.RoleOwner) },
				[4][5]string{{self, none, none, none, none}, {self, norole, norole, norole, norole}, {self, norole, norole, norole, norole}, {self, "member_not_found", "", "", self}},
			},
			{
				"SetRole none",
				func(c *cast, a, x muster.AccountID) error { return c.SetRole(ctx, a, c.g, x, muster.NotMember) },
				[4][5]string{
					{"invalid_role", "invalid_role", "invalid_role", "invalid_role", "invalid_role"},
					{"invalid_role", "invalid_role", "invalid_role", "invalid_role", "invalid_role"},
					{"invalid_role", "invalid_role", "invalid_role", "invalid_role", "invalid_role"},
					{"invalid_role", "invalid_role", "invalid_role", "invalid_role", "invalid_role"},
				},
			},
		} {
			for role := range 4 {
				for target := range 5 {
					c := r.newCast(ids)
					acting := []muster.AccountID{c.outsider, c.member, c.admin, c.boss}[role]
					on := []muster.AccountID{acting, c.outsider2, c.member2, c.admin2, c.boss}[target]
					want := test.want[role][target]
					what := fmt.Sprintf("%s by role %d of %d", test.name, role, target)
					if want == "=" { // allowed, and changes nothing
						try(ctx, t, c, look, what, "", false, func() error { return test.call(c, acting, on) })
						continue
					}
					try(ctx, t, c, look, what, want, true, func() error { return test.call(c, acting, on) })
				}
			}
		}
	})
}

// What is refused whoever asks.
func TestSenselessRequests(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, r *rig) {
		ctx, look, ids := t.Context(), r.census(), r.people("p", 7)
		c := r.newCast(ids)
		long := strings.Repeat("x", 1001)
		for want, call := range map[string]func() error{
			"invalid_name": func() error { _, err := c.CreateGroup(ctx, c.boss, " ", "", 0); return err },
			"invalid_capacity": func() error {
				_, err := c.UpdateGroup(ctx, c.boss, c.g, group.Settings{Capacity: new(int64(maxMembers + 1))})
				return err
			},
			"text_too_long": func() error {
				_, err := c.Send(ctx, c.boss, group.Draft{Group: c.g, ClientID: "x", Text: long})
				return err
			},
			"invalid_client_message_id": func() error {
				_, err := c.Send(ctx, c.boss, group.Draft{Group: c.g, Text: "x"})
				return err
			},
			"invalid_reply_to": func() error {
				_, err := c.Send(ctx, c.boss, group.Draft{Group: c.g, ClientID: "x", Text: "x", ReplyTo: -1})
				return err
			},
			"invalid_seq":         func() error { return c.MarkRead(ctx, c.boss, c.g, 2) },
			"invalid_account_ids": func() error { _, err := c.Invite(ctx, c.boss, c.g, nil, ""); return err },
			"invalid_mappings": func() error {
				_, err := c.SetLevelMap(ctx, c.boss, c.g, map[muster.Level]muster.SubgroupID{muster.Visitor: c.sub}, 0)
				return err
			},
			"subgroup_not_found":  func() error { _, err := c.MoveMembers(ctx, c.boss, c.g, ids, 1); return err },
			"subgroup_name_taken": func() error { _, err := c.CreateSubgroup(ctx, c.boss, c.g, "Some"); return err },
			"invalid_after": func() error {
				_, err := c.ListMessages(ctx, c.boss, c.g, new(muster.Seq(1)), new(muster.Seq(1)), 0)
				return err
			},
		} {
			try(ctx, t, c, look, want, want, false, call)
		}
		if n := look.Int("SELECT count(*) FROM grp"); n != 1 {
			t.Errorf("%d groups", n)
		}
		head, err := r.store.Log().Head(ctx, c.g)
		if err != nil || head != 1 {
			t.Errorf("head %d, %v", head, err)
		}
	})
}

// The server's own limit of members holds for groups that name none, too.
func TestServerLimitOfMembers(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, r *rig) {
		g, err := r.CreateGroup(t.Context(), r.owner, "Limited", "", 0)
		if err != nil || g.Capacity != maxMembers {
			t.Fatalf("%+v, %v", g, err)
		}
		if g, err = r.UpdateGroup(t.Context(), r.owner, g.ID, group.Settings{Capacity: new(int64(0))}); err != nil || g.Capacity != maxMembers {
			t.Fatalf("%+v, %v", g, err)
		}
	})
}
