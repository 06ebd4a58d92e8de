package store

import (
	"context"

	"muster"
	"muster/internal/group"
)

// memberScan is how many rows a page of members looks at, at most.
const memberScan = 5000

// newMembers are memberships to be made that differ in the person and the
// subgroup only.
type newMembers struct {
	group     muster.GroupID
	role      muster.Role
	joinedMS  int64
	joinedSeq muster.Seq
	enrolment muster.EnrolmentID
	people    []newMember
}

type newMember struct {
	account  muster.AccountID
	subgroup muster.SubgroupID
}

var (
	memberInsert = insert{
		table: "group_member",
		columns: append(append(ints("group_id", "role", "joined_ms", "joined_seq", "enrolment_id"),
			column{"spoke", boolColumn}), ints("account_id", "subgroup_id")...),
		fixed:    6,
		conflict: "DO NOTHING",
	}
	accountGroupInsert = insert{
		table: "account_group", columns: ints("group_id", "read_seq", "account_id"), fixed: 2, conflict: "DO NOTHING",
	}
)

// addMembers inserts memberships, in both orders, and tells how many are new.
// The caller has locked the group and counts them in grp and subgroup.
func addMembers(c conn, ms newMembers) (int64, error) {
	added, err := c.insertMany(memberInsert, len(ms.people), func(i, col int) any {
		switch col {
		case 0:
			return int64(ms.group)
		case 1:
			return int64(ms.role)
		case 2:
			return ms.joinedMS
		case 3:
			return int64(ms.joinedSeq)
		case 4:
			return int64(ms.enrolment)
		case 5:
			return false
		case 6:
			return int64(ms.people[i].account)
		default:
			return int64(ms.people[i].subgroup)
		}
	})
	if err != nil {
		return 0, err
	}
	_, err = c.insertMany(accountGroupInsert, len(ms.people), func(i, col int) any {
		switch col {
		case 0:
			return int64(ms.group)
		case 1:
			return int64(ms.joinedSeq)
		default:
			return int64(ms.people[i].account)
		}
	})
	return added, err
}

// removeMembers deletes memberships in both orders. The counts of a group that
// lives on are the caller's.
func removeMembers(c conn, id muster.GroupID, accounts []muster.AccountID) error {
	if err := membersLeave(c, id); err != nil {
		return err
	}
	for _, account := range accounts {
		if _, err := c.exec("DELETE FROM group_member WHERE group_id = $1 AND account_id = $2", id, account); err != nil {
			return err
		}
		if _, err := c.exec("DELETE FROM account_group WHERE account_id = $1 AND group_id = $2", account, id); err != nil {
			return err
		}
	}
	return nil
}

// countMembers adds to the counts of a group and of one of its subgroups.
func countMembers(c conn, id muster.GroupID, sub muster.SubgroupID, by int64) error {
	if _, err := c.exec("UPDATE grp SET member_count = member_count + $1 WHERE id = $2", by, id); err != nil {
		return err
	}
	return countSubgroup(c, id, sub, by)
}

func countSubgroup(c conn, id muster.GroupID, sub muster.SubgroupID, by int64) error {
	if sub == 0 || by == 0 {
		return nil
	}
	_, err := c.exec("UPDATE subgroup SET member_count = member_count + $1 WHERE group_id = $2 AND id = $3", by, id, sub)
	return err
}

// pairOf reads an acting member and the one it acts on.
func pairOf(c conn, id muster.GroupID, acting, target muster.AccountID, decide group.DecidePair) (a, t group.Member, err error) {
	if a, err = getMember(c, id, acting); err != nil {
		return a, t, err
	}
	if t, err = getMember(c, id, target); err != nil {
		return a, t, err
	}
	return a, t, decide(a, t)
}

// SetRole implements group.Store.
func (s Groups) SetRole(ctx context.Context, id muster.GroupID, acting, target muster.AccountID, role muster.Role, decide group.DecidePair) error {
	const set = "UPDATE group_member SET role = $1 WHERE group_id = $2 AND account_id = $3"
	h := s.groups.hold()
	defer h.release()
	err := s.write(ctx, func(c conn) error {
		h.on(id)
		if _, err := getGroup(c, id, c.forUpdate()); err != nil {
			return err
		}
		if _, _, err := pairOf(c, id, acting, target, decide); err != nil {
			return err
		}
		if _, err := c.exec(set, role, id, target); err != nil {
			return err
		}
		if role == muster.RoleOwner {
			if _, err := c.exec(set, muster.RoleAdmin, id, acting); err != nil {
				return err
			}
			if _, err := c.exec("UPDATE grp SET owner_id = $1 WHERE id = $2", target, id); err != nil {
				return err
			}
		}
		return s.audit(c, acting, "group.set_role", "group:"+id.String(), role.String()+" "+target.String())
	})
	if err == nil {
		s.members.changed(id)
	}
	return err
}

// RemoveMember implements group.Store.
func (s Groups) RemoveMember(ctx context.Context, id muster.GroupID, acting, target muster.AccountID, left bool, decide group.DecidePair) error {
	h := s.groups.hold()
	defer h.release()
	err := s.write(ctx, func(c conn) error {
		h.on(id)
		if _, err := getGroup(c, id, c.forUpdate()); err != nil {
			return err
		}
		_, t, err := pairOf(c, id, acting, target, decide)
		if err != nil {
			return err
		}
		if err := removeMembers(c, id, []muster.AccountID{target}); err != nil {
			return err
		}
		if err := countMembers(c, id, t.Subgroup, -1); err != nil {
			return err
		}
		if left {
			_, err := c.exec("INSERT INTO group_left (group_id, account_id, at_ms) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", id, target, s.now())
			return err
		}
		return s.audit(c, acting, "group.remove_member", "group:"+id.String(), target.String())
	})
	if err == nil {
		s.members.changed(id)
	}
	return err
}

const memberListColumns = "m.account_id, m.role, m.subgroup_id, m.joined_ms, m.joined_seq, m.enrolment_id, a.name, a.nickname"

func scanMember(id muster.GroupID, r row) group.Member {
	return group.Member{
		Group: id, Account: muster.AccountID(r.Int(0)), Role: muster.Role(r.Int(1)), Subgroup: muster.SubgroupID(r.Int(2)), //nolint:gosec // a role
		Joined: muster.FromMillis(r.Int(3)), JoinedSeq: muster.Seq(r.Int(4)), Enrolment: muster.EnrolmentID(r.Int(5)),
		Name: r.Text(6), Nickname: r.Text(7),
	}
}

// ListMembers implements group.Store. Each page looks at a bounded number of
// rows: staff by their own index, people by the beginning of a name from the
// accounts' side, everybody else in the order of the members.
func (s Groups) ListMembers(ctx context.Context, q group.MemberQuery) (p group.MemberPage, err error) {
	err = s.read(ctx, func(c conn) error {
		p = group.MemberPage{}
		switch {
		case q.Prefix != "":
			return membersByName(c, q, &p)
		case q.Role > muster.RoleMember:
			return membersInOrder(c, q, &p, "m.role = $4", q.Limit)
		case q.Role == muster.NotMember && q.Subgroup == 0:
			return membersInOrder(c, q, &p, "CAST($4 AS bigint) >= 0", q.Limit)
		default:
			return membersInOrder(c, q, &p, "CAST($4 AS bigint) >= 0", memberScan)
		}
	})
	return p, err
}

// membersInOrder looks at up to scan members that meet the condition (which may
// use $4, the role) and keeps those that meet the whole query.
func membersInOrder(c conn, q group.MemberQuery, p *group.MemberPage, condition string, scan int) error {
	looked := 0
	p.After = q.After
	err := c.query("SELECT "+memberListColumns+` FROM group_member m JOIN account a ON a.id = m.account_id
		WHERE m.group_id = $1 AND m.account_id > $2 AND `+condition+" ORDER BY m.account_id LIMIT $3",
		[]any{q.Group, q.After, scan, q.Role}, func(r row) error {
			if len(p.Members) == q.Limit {
				return nil
			}
			m := scanMember(q.Group, r)
			looked++
			p.After = m.Account
			if (q.Role == muster.NotMember || m.Role == q.Role) && (q.Subgroup == 0 || m.Subgroup == q.Subgroup) {
				p.Members = append(p.Members, m)
			}
			return nil
		})
	p.More = len(p.Members) == q.Limit || looked == scan
	return err
}

// membersByName looks at up to memberScan accounts whose name begins with the
// prefix and keeps the members among them.
func membersByName(c conn, q group.MemberQuery, p *group.MemberPage) error {
	looked := 0
	p.AfterName = q.AfterName
	err := c.query(`SELECT m.account_id, m.role, m.subgroup_id, m.joined_ms, m.joined_seq, m.enrolment_id, a.name, a.nickname
		FROM (SELECT id, name, nickname FROM account WHERE name >= $2 AND name < $3 AND name > $4 ORDER BY name LIMIT $5) a
		LEFT JOIN group_member m ON m.group_id = $1 AND m.account_id = a.id ORDER BY a.name`,
		[]any{q.Group, q.Prefix, q.Prefix + "\U0010FFFF", q.AfterName, memberScan}, func(r row) error {
			if len(p.Members) == q.Limit {
				return nil
			}
			looked++
			m := scanMember(q.Group, r)
			p.AfterName = m.Name
			if m.Role != muster.NotMember && (q.Role == muster.NotMember || m.Role == q.Role) && (q.Subgroup == 0 || m.Subgroup == q.Subgroup) {
				p.Members = append(p.Members, m)
			}
			return nil
		})
	p.More = len(p.Members) == q.Limit || looked == memberScan
	return err
}

// AddInvitations implements group.Store.
func (s Groups) AddInvitations(ctx context.Context, in group.Invite, decide group.Decide) (res group.InviteResult, err error) {
	err = s.inGroup(ctx, in.Group, in.Inviter, decide, func(c conn, _ group.Group) error {
		res = group.InviteResult{Invitation: in.ID}
		now := s.now()
		for _, account := range in.People {
			m, err := getMember(c, in.Group, account)
			if err != nil {
				return err
			}
			if m.Role != muster.NotMember {
				res.Already++
				continue
			}
			welcome := false
			if _, err := one(c, `SELECT a.direct_add, (SELECT count(*) FROM account_block b WHERE b.account_id = a.id AND b.blocked_id = $2)
				FROM account a WHERE a.id = $1`, []any{account, in.Inviter}, func(r row) {
				welcome = muster.DirectAdd(r.Int(0)) != muster.DirectAddRefuse && r.Int(1) == 0 //nolint:gosec // small
			}); err != nil {
				return err
			}
			if !welcome {
				res.Skipped++
				continue
			}
			n, err := c.exec(`INSERT INTO invitation (account_id, invitation_id, group_id, channel_id, inviter_id, level, note, created_ms, expires_ms, answer, answered_ms)
				VALUES ($1, $2, $3, 0, $4, 0, $5, $6, $7, 0, 0) ON CONFLICT DO NOTHING`,
				account, in.ID, in.Group, in.Inviter, in.Text, now, muster.Millis(in.Expires))
			if err != nil {
				return err
			}
			if n > 0 { // a name given twice is invited once
				res.Invited = append(res.Invited, account)
			}
		}
		return s.audit(c, in.Inviter, "group.invite", "group:"+in.Group.String(), "")
	})
	return res, err
}
