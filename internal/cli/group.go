package cli

import (
	"strings"

	"connectrpc.com/connect"

	"muster"
	musterv1 "muster/gen/muster/v1"
	"muster/internal/cli/remote"
	"muster/internal/cli/term"
	"muster/internal/wire"
)

// groupCmd is about durable rooms and their members.
type groupCmd struct {
	Create    groupCreateCmd    `cmd:"" help:"Make a group; the acting account owns it."`
	List      groupListCmd      `cmd:"" help:"List the acting account's groups."`
	Show      groupShowCmd      `cmd:"" help:"Show one group with its subgroups and level map."`
	Members   groupMembersCmd   `cmd:"" help:"List the members."`
	Invite    groupInviteCmd    `cmd:"" help:"Ask people to join; each answers for themselves."`
	Role      groupRoleCmd      `cmd:"" help:"Make a member admin or member; owner hands the group over."`
	Remove    groupRemoveCmd    `cmd:"" help:"Take a member out."`
	Subgroups groupSubgroupsCmd `cmd:"" help:"List the subgroups, or add, rename and delete some."`
	Map       groupMapCmd       `cmd:"" help:"Say which levels land in which subgroup: staff=owner,admin fans=vip --default rest."`
	Leave     groupLeaveCmd     `cmd:"" help:"Take the acting account out."`
	Dissolve  groupDissolveCmd  `cmd:"" help:"End the group for everybody; its owner only."`
}

type groupCreateCmd struct {
	Where
	Name     string `arg:"" help:"Name of the group."`
	About    string `help:"What it is for."`
	Capacity int64  `help:"Most members; 0 is no limit of its own."`
}

// Run makes a group.
func (c *groupCreateCmd) Run(e *env) error {
	return e.with(c.Where, func(r *remote.Remote) error {
		answer, err := r.Groups.CreateGroup(e.ctx, connect.NewRequest(&musterv1.CreateGroupRequest{Name: c.Name, About: c.About, Capacity: c.Capacity}))
		if err == nil && !e.Message(answer.Msg.GetGroup()) {
			e.Print("group %s (%d) was made", "已创建群 %s（%d）", term.Clean(answer.Msg.GetGroup().GetName()), answer.Msg.GetGroup().GetId())
		}
		return err
	})
}

type groupListCmd struct{ Where }

// Run lists groups.
func (c *groupListCmd) Run(e *env) error {
	return e.with(c.Where, func(r *remote.Remote) error {
		table := e.Table("", "group", ">members", ">messages", ">unread", "your role", "id")
		for page, err := range remote.Pages(e.ctx, r.Groups.ListMyGroups, func(token string) *musterv1.ListMyGroupsRequest {
			return &musterv1.ListMyGroupsRequest{PageSize: listPage, PageToken: token}
		}) {
			if err != nil {
				return err
			}
			for _, m := range page.GetGroups() {
				if !e.Message(m) {
					g := m.GetGroup()
					table.Row(g.GetName(), term.Number(g.GetMemberCount()), term.Number(g.GetHead()), term.Number(m.GetUnread()), enumName(m.GetRole()), idText(g.GetId()))
				}
			}
			table.Flush()
		}
		return nil
	})
}

// inGroup runs something with a group's id.
func (e *env) inGroup(w Where, group string, do func(r *remote.Remote, id int64) error) error {
	return e.with(w, func(r *remote.Remote) error {
		id, err := r.Group(e.ctx, group)
		if err != nil {
			return err
		}
		return do(r, id)
	})
}

// inWholeGroup runs something with a group and its subgroups.
func (e *env) inWholeGroup(w Where, group string, do func(r *remote.Remote, g *musterv1.GetGroupResponse) error) error {
	return e.inGroup(w, group, func(r *remote.Remote, id int64) error {
		answer, err := r.Groups.GetGroup(e.ctx, connect.NewRequest(&musterv1.GetGroupRequest{GroupId: id}))
		if err != nil {
			return err
		}
		return do(r, answer.Msg)
	})
}

type groupShowCmd struct {
	Where
	Group string `arg:"" help:"Name or id."`
}

// Run shows a group.
func (c *groupShowCmd) Run(e *env) error {
	return e.inWholeGroup(c.Where, c.Group, func(_ *remote.Remote, g *musterv1.GetGroupResponse) error {
		if e.Message(g) {
			return nil
		}
		table := e.Table("")
		table.Row("group", g.GetGroup().GetName())
		table.Row("id", idText(g.GetGroup().GetId()))
		if g.GetGroup().GetAbout() != "" {
			table.Row("about", g.GetGroup().GetAbout())
		}
		table.Row("members", term.Number(g.GetGroup().GetMemberCount()))
		if g.GetGroup().GetCapacity() > 0 {
			table.Row("capacity", term.Number(g.GetGroup().GetCapacity()))
		}
		table.Row("messages", term.Number(g.GetGroup().GetHead()))
		table.Row("your role", enumName(g.GetYourRole()))
		table.Flush()
		e.subgroupTable(g.GetSubgroups())
		return nil
	})
}

// subgroupTable prints subgroups with what lands in them.
func (e *env) subgroupTable(list []*musterv1.Subgroup) {
	table := e.Table("", "subgroup", ">members", "levels", "id")
	for _, s := range list {
		var levels []string
		for _, l := range s.GetLevels() {
			levels = append(levels, enumName(l))
		}
		if s.GetIsDefault() {
			levels = append(levels, e.Lang.Of("every other level", "其余等级"))
		}
		table.Row(s.GetName(), term.Number(s.GetMemberCount()), strings.Join(levels, ", "), idText(s.GetId()))
	}
	table.Flush()
}

type groupMembersCmd struct {
	Where
	Group    string `arg:"" help:"Name or id."`
	Subgroup string `help:"Only this subgroup." placeholder:"NAME"`
	Role     string `help:"Only this role: owner, admin or member."`
	Prefix   string `help:"Only account names that begin so."`
	Limit    int    `help:"How many at most; 0 is all."`
}

// Run lists members.
func (c *groupMembersCmd) Run(e *env) error {
	request := &musterv1.ListMembersRequest{NamePrefix: c.Prefix, PageSize: listPage}
	if c.Limit > 0 {
		request.PageSize = int32(min(c.Limit, listPage)) //nolint:gosec // bounded
	}
	if c.Role != "" {
		role, err := muster.ParseRole(c.Role)
		if err != nil {
			return remote.Usage("--role: %v", err)
		}
		request.Role = wire.Role(role)
	}
	return e.inWholeGroup(c.Where, c.Group, func(r *remote.Remote, g *musterv1.GetGroupResponse) error {
		if c.Subgroup != "" {
			s, err := remote.Subgroup(g, c.Subgroup)
			if err != nil {
				return err
			}
			request.SubgroupId = s.GetId()
		}
		request.GroupId = g.GetGroup().GetId()
		names := map[int64]string{}
		for _, s := range g.GetSubgroups() {
			names[s.GetId()] = s.GetName()
		}
		return c.list(e, r, request, names)
	})
}

func (c *groupMembersCmd) list(e *env, r *remote.Remote, request *musterv1.ListMembersRequest, subgroups map[int64]string) error {
	table := e.Table("", "account", "nickname", "role", "subgroup", "id")
	listed := 0
	for page, err := range remote.Pages(e.ctx, r.Groups.ListMembers, func(token string) *musterv1.ListMembersRequest {
		request.PageToken = token
		return request
	}) {
		if err != nil {
			return err
		}
		for _, m := range page.GetMembers() {
			if listed++; c.Limit > 0 && listed > c.Limit {
				break
			}
			if !e.Message(m) {
				table.Row(m.GetName(), m.GetNickname(), enumName(m.GetRole()), subgroups[m.GetSubgroupId()], idText(m.GetAccountId()))
			}
		}
		table.Flush()
		if c.Limit > 0 && listed >= c.Limit {
			break
		}
	}
	return nil
}

type groupInviteCmd struct {
	Where
	Group    string   `arg:"" help:"Name or id."`
	Accounts []string `arg:"" help:"Names or ids."`
	Text     string   `help:"Text of the question."`
}

// maxInvite is how many people one request may invite.
const maxInvite = 1000

// Run invites people.
func (c *groupInviteCmd) Run(e *env) error {
	return e.inGroup(c.Where, c.Group, func(r *remote.Remote, id int64) error {
		total := &musterv1.InviteResponse{}
		for names := c.Accounts; len(names) > 0; {
			n := min(len(names), maxInvite)
			request := &musterv1.InviteRequest{GroupId: id, Text: c.Text}
			for _, name := range names[:n] {
				a, err := r.Account(e.ctx, name)
				if err != nil {
					return err
				}
				request.AccountIds = append(request.AccountIds, a.GetId())
			}
			answer, err := r.Groups.Invite(e.ctx, connect.NewRequest(request))
			if err != nil {
				return err
			}
			total.Invited += answer.Msg.GetInvited()
			total.AlreadyIn += answer.Msg.GetAlreadyIn()
			total.Skipped += answer.Msg.GetSkipped()
			names = names[n:]
		}
		if !e.Message(total) {
			e.Print("%d invited, %d already in, %d skipped", "已邀请 %d，已在群内 %d，跳过 %d", total.GetInvited(), total.GetAlreadyIn(), total.GetSkipped())
		}
		return nil
	})
}

type groupRoleCmd struct {
	Where
	Group   string `arg:"" help:"Name or id."`
	Account string `arg:"" help:"Name or id."`
	Role    string `arg:"" enum:"owner,admin,member" help:"One of ${enum}."`
}

// Run sets a role.
func (c *groupRoleCmd) Run(e *env) error {
	role, err := muster.ParseRole(c.Role)
	if err != nil {
		return remote.Usage("%v", err)
	}
	return e.onMember(c.Where, c.Group, c.Account, func(r *remote.Remote, groupID, accountID int64) error {
		_, err := r.Groups.SetRole(e.ctx, connect.NewRequest(&musterv1.SetRoleRequest{GroupId: groupID, AccountId: accountID, Role: wire.Role(role)}))
		return err
	})
}

// onMember runs something with the ids of a group and an account.
func (e *env) onMember(w Where, group, account string, do func(r *remote.Remote, groupID, accountID int64) error) error {
	return e.inGroup(w, group, func(r *remote.Remote, id int64) error {
		a, err := r.Account(e.ctx, account)
		if err != nil {
			return err
		}
		return e.done(do(r, id, a.GetId()))
	})
}

type groupRemoveCmd struct {
	Where
	Group   string `arg:"" help:"Name or id."`
	Account string `arg:"" help:"Name or id."`
}

// Run removes a member.
func (c *groupRemoveCmd) Run(e *env) error {
	return e.onMember(c.Where, c.Group, c.Account, func(r *remote.Remote, groupID, accountID int64) error {
		_, err := r.Groups.RemoveMember(e.ctx, connect.NewRequest(&musterv1.RemoveMemberRequest{GroupId: groupID, AccountId: accountID}))
		return err
	})
}

type groupSubgroupsCmd struct {
	Where
	Group  string            `arg:"" help:"Name or id."`
	Add    []string          `help:"Subgroups to add." placeholder:"NAME"`
	Rename map[string]string `help:"Subgroups to rename." placeholder:"OLD=NEW" mapsep:"none"`
	Delete []string          `help:"Subgroups to delete; their members stay in the group." placeholder:"NAME"`
}

// Run changes and lists subgroups.
func (c *groupSubgroupsCmd) Run(e *env) error {
	return e.inWholeGroup(c.Where, c.Group, func(r *remote.Remote, g *musterv1.GetGroupResponse) error {
		id := g.GetGroup().GetId()
		for _, name := range c.Add {
			if _, err := r.Groups.CreateSubgroup(e.ctx, connect.NewRequest(&musterv1.CreateSubgroupRequest{GroupId: id, Name: name})); err != nil {
				return err
			}
		}
		for from, to := range c.Rename {
			s, err := remote.Subgroup(g, from)
			if err != nil {
				return err
			}
			if _, err := r.Groups.RenameSubgroup(e.ctx, connect.NewRequest(&musterv1.RenameSubgroupRequest{GroupId: id, SubgroupId: s.GetId(), Name: to})); err != nil {
				return err
			}
		}
		for _, name := range c.Delete {
			s, err := remote.Subgroup(g, name)
			if err != nil {
				return err
			}
			if _, err := r.Groups.DeleteSubgroup(e.ctx, connect.NewRequest(&musterv1.DeleteSubgroupRequest{GroupId: id, SubgroupId: s.GetId()})); err != nil {
				return err
			}
		}
		return e.showSubgroups(r, id)
	})
}

// showSubgroups prints the subgroups as they are now.
func (e *env) showSubgroups(r *remote.Remote, group int64) error {
	answer, err := r.Groups.GetGroup(e.ctx, connect.NewRequest(&musterv1.GetGroupRequest{GroupId: group}))
	if err != nil {
		return err
	}
	for _, s := range answer.Msg.GetSubgroups() {
		e.Message(s)
	}
	e.subgroupTable(answer.Msg.GetSubgroups())
	return nil
}

type groupMapCmd struct {
	Where
	Group    string   `arg:"" help:"Name or id."`
	Mappings []string `arg:"" optional:"" help:"SUBGROUP=LEVEL,...; without any, the map is shown." placeholder:"SUBGROUP=LEVEL,..."`
	Default  string   `help:"Subgroup of every other level; none unless given." placeholder:"SUBGROUP"`
	Create   bool     `help:"Add the subgroups that are not there."`
}

// Run sets the level map.
func (c *groupMapCmd) Run(e *env) error {
	return e.inWholeGroup(c.Where, c.Group, func(r *remote.Remote, g *musterv1.GetGroupResponse) error {
		id := g.GetGroup().GetId()
		if len(c.Mappings) == 0 && c.Default == "" {
			return e.showSubgroups(r, id)
		}
		request := &musterv1.SetLevelMapRequest{GroupId: id}
		for _, mapping := range c.Mappings {
			name, levels, ok := strings.Cut(mapping, "=")
			if !ok {
				return remote.Usage("%q is no mapping: write SUBGROUP=LEVEL,LEVEL", mapping)
			}
			parsed, err := parseLevels(levels)
			if err != nil {
				return err
			}
			subgroup, err := c.subgroup(e, r, g, name)
			if err != nil {
				return err
			}
			for _, l := range parsed {
				request.Mappings = append(request.Mappings, &musterv1.LevelMapping{Level: wire.Level(l), SubgroupId: subgroup})
			}
		}
		if c.Default != "" {
			var err error
			if request.DefaultSubgroupId, err = c.subgroup(e, r, g, c.Default); err != nil {
				return err
			}
		}
		if _, err := r.Groups.SetLevelMap(e.ctx, connect.NewRequest(request)); err != nil {
			return err
		}
		return e.showSubgroups(r, id)
	})
}

// subgroup finds a subgroup, or adds it.
func (c *groupMapCmd) subgroup(e *env, r *remote.Remote, g *musterv1.GetGroupResponse, name string) (int64, error) {
	s, err := remote.Subgroup(g, name)
	if err == nil {
		return s.GetId(), nil
	}
	if !c.Create {
		return 0, err
	}
	answer, err := r.Groups.CreateSubgroup(e.ctx, connect.NewRequest(&musterv1.CreateSubgroupRequest{GroupId: g.GetGroup().GetId(), Name: name}))
	if err != nil {
		return 0, err
	}
	g.Subgroups = append(g.Subgroups, answer.Msg.GetSubgroup())
	return answer.Msg.GetSubgroup().GetId(), nil
}

// parseLevels reads a list of levels; "all" is every level.
func parseLevels(list ...string) ([]muster.Level, error) {
	var levels []muster.Level
	for _, name := range splitList(list) {
		if strings.EqualFold(name, "all") {
			levels = append(levels, muster.Levels...)
			continue
		}
		l, err := muster.ParseLevel(name)
		if err != nil {
			return nil, remote.Usage("%v", err)
		}
		levels = append(levels, l)
	}
	return levels, nil
}

type groupLeaveCmd struct {
	Where
	Group string `arg:"" help:"Name or id."`
}

// Run leaves a group.
func (c *groupLeaveCmd) Run(e *env) error {
	return e.inGroup(c.Where, c.Group, func(r *remote.Remote, id int64) error {
		_, err := r.Groups.LeaveGroup(e.ctx, connect.NewRequest(&musterv1.LeaveGroupRequest{GroupId: id}))
		return e.done(err)
	})
}

type groupDissolveCmd struct {
	Where
	Group string `arg:"" help:"Name or id."`
}

// Run dissolves a group.
func (c *groupDissolveCmd) Run(e *env) error {
	return e.inGroup(c.Where, c.Group, func(r *remote.Remote, id int64) error {
		_, err := r.Groups.DissolveGroup(e.ctx, connect.NewRequest(&musterv1.DissolveGroupRequest{GroupId: id}))
		return e.done(err)
	})
}
