package store

import (
	"cmp"
	"context"
	"slices"

	"muster"
	"muster/internal/group"
)

// Groups implements group.Store.
type Groups struct{ *Store }

// Groups is the part that keeps groups and members.
func (s *Store) Groups() Groups { return Groups{s} }

// dissolvePage is how many members a step of a dissolution takes.
const dissolvePage = 2000

const groupColumns = "g.id, g.name, g.about, g.owner_id, g.capacity, g.member_count, g.created_ms"

// scanGroup reads groupColumns from column at on.
func scanGroup(r row, at int) group.Group {
	return group.Group{
		ID: muster.GroupID(r.Int(at)), Name: r.Text(at + 1), About: r.Text(at + 2), Owner: muster.AccountID(r.Int(at + 3)),
		Capacity: r.Int(at + 4), Members: r.Int(at + 5), Created: muster.FromMillis(r.Int(at + 6)),
	}
}

// getGroup reads a group; lock keeps it until the transaction ends.
func getGroup(c conn, id muster.GroupID, lock string) (group.Group, error) {
	var g group.Group
	found, err := one(c, "SELECT "+groupColumns+" FROM grp g WHERE g.id = $1"+lock, []any{id}, func(r row) { g = scanGroup(r, 0) })
	if err == nil && !found {
		err = muster.NotFound("group")
	}
	return g, err
}

// getMember reads a membership; Role NotMember when there is none.
func getMember(c conn, id muster.GroupID, account muster.AccountID) (group.Member, error) {
	ms, found, err := getMembership(c, id, account, "")
	if err != nil || !found {
		return group.Member{Group: id, Account: account}, err
	}
	return ms.asMember(id, account), nil
}

// inGroup runs fn in a transaction that has locked the group, after decide has
// agreed with the acting member.
func (s Groups) inGroup(ctx context.Context, id muster.GroupID, acting muster.AccountID, decide group.Decide, fn func(c conn, g group.Group) error) error {
	h := s.groups.hold()
	defer h.release()
	return s.write(ctx, func(c conn) error {
		h.on(id)
		g, err := getGroup(c, id, c.forUpdate())
		if err != nil {
			return err
		}
		m, err := getMember(c, id, acting)
		if err != nil {
			return err
		}
		if err := decide(m); err != nil {
			return err
		}
		return fn(c, g)
	})
}

// CreateGroup implements group.Store.
func (s Groups) CreateGroup(ctx context.Context, g group.Group) error {
	return s.write(ctx, func(c conn) error {
		now := muster.Millis(g.Created)
		if _, err := c.exec("INSERT INTO grp (id, name, about, owner_id, capacity, member_count, created_ms) VALUES ($1, $2, $3, $4, $5, 1, $6)",
			g.ID, g.Name, g.About, g.Owner, g.Capacity, now); err != nil {
			return err
		}
		if _, err := addMembers(c, newMembers{group: g.ID, role: muster.RoleOwner, joinedMS: now, people: []newMember{{account: g.Owner}}}); err != nil {
			return err
		}
		return s.audit(c, g.Owner, "group.create", "group:"+g.ID.String(), g.Name)
	})
}

// Group implements group.Store.
func (s Groups) Group(ctx context.Context, id muster.GroupID) (group.Group, error) {
	found, err := s.groupsOf(ctx, []muster.GroupID{id})
	if err != nil {
		return group.Group{}, err
	}
	if found[0].ID == 0 {
		return group.Group{}, muster.NotFound("group")
	}
	return found[0], nil
}

// UpdateGroup implements group.Store.
func (s Groups) UpdateGroup(ctx context.Context, id muster.GroupID, acting muster.AccountID, decide group.Decide, change func(*group.Group) error) (g group.Group, err error) {
	err = s.inGroup(ctx, id, acting, decide, func(c conn, now group.Group) error {
		g = now
		if err := change(&g); err != nil {
			return err
		}
		if _, err := c.exec("UPDATE grp SET name = $1, about = $2, capacity = $3 WHERE id = $4", g.Name, g.About, g.Capacity, id); err != nil {
			return err
		}
		return s.audit(c, acting, "group.update", "group:"+id.String(), g.Name)
	})
	return g, err
}

// DissolveGroup implements group.Store. The group's own row and its staff go
// first, in one transaction: from then on nobody may do anything in it. The
// rest of a large group follows page by page.
func (s Groups) DissolveGroup(ctx context.Context, id muster.GroupID, acting muster.AccountID, decide group.Decide) error {
	err := s.inGroup(ctx, id, acting, decide, func(c conn, g group.Group) error {
		if err := membersLeave(c, id); err != nil {
			return err
		}
		for _, sql := range []string{
			"DELETE FROM grp WHERE id = $1",
			"DELETE FROM subgroup WHERE group_id = $1",
			"DELETE FROM level_map WHERE group_id = $1",
			"DELETE FROM group_left WHERE group_id = $1",
			"INSERT INTO group_dissolved (group_id) VALUES ($1)",
		} {
			if _, err := c.exec(sql, id); err != nil {
				return err
			}
		}
		return s.audit(c, acting, "group.dissolve", "group:"+id.String(), g.Name)
	})
	if err != nil {
		return err
	}
	s.members.changed(id)
	return s.removeAllMembers(ctx, id)
}

// removeAllMembers empties a dissolved group. A crash in between leaves rows of
// a group that no longer exists, which no query shows; Run goes on with them.
func (s Groups) removeAllMembers(ctx context.Context, id muster.GroupID) error {
	for last := false; !last; {
		err := s.write(ctx, func(c conn) error {
			accounts, err := accountsOf(c, "SELECT account_id FROM group_member WHERE group_id = $1 ORDER BY account_id LIMIT $2", id, dissolvePage)
			if err != nil {
				return err
			}
			if err := removeMembers(c, id, accounts); err != nil {
				return err
			}
			if last = len(accounts) < dissolvePage; last {
				_, err = c.exec("DELETE FROM group_dissolved WHERE group_id = $1", id)
			}
			return err
		})
		s.members.changed(id)
		if err != nil {
			return err
		}
	}
	return nil
}

// finishDissolutions goes on with dissolutions that a crash cut short.
func (s Groups) finishDissolutions(ctx context.Context) error {
	var left []muster.GroupID
	err := s.read(ctx, func(c conn) error {
		return c.query("SELECT group_id FROM group_dissolved", nil, func(r row) error { left = append(left, muster.GroupID(r.Int(0))); return nil })
	})
	for _, id := range left {
		if err == nil {
			err = s.removeAllMembers(ctx, id)
		}
	}
	return err
}

// accountsOf collects the first column of a query.
func accountsOf(c conn, sql string, args ...any) ([]muster.AccountID, error) {
	var accounts []muster.AccountID
	err := c.query(sql, args, func(r row) error { accounts = append(accounts, muster.AccountID(r.Int(0))); return nil })
	return accounts, err
}

// Member implements group.Store. The rows of a dissolved group's members go
// after the group itself. While a transaction that may change the group's
// members is under way nothing is taken from memory, as with the group.
func (s Groups) Member(ctx context.Context, id muster.GroupID, account muster.AccountID) (group.Member, error) {
	m := group.Member{Group: id, Account: account}
	generation := s.members.generation(id) // from before the group was seen to be there
	if s.alone() && s.groups.has(id) {
		if ms, _, ok := s.members.get(id, account); ok {
			return ms.asMember(id, account), nil
		}
	} else if found, err := s.groupsOf(ctx, []muster.GroupID{id}); err != nil || found[0].ID == 0 {
		return m, err
	}
	err := s.look(ctx, func(c conn) error {
		ms, found, err := getMembership(c, id, account, "")
		if err == nil && found {
			m = ms.asMember(id, account)
			if s.alone() {
				s.members.put(id, account, ms, generation)
			}
		}
		return err
	})
	return m, err
}

// ListMine implements group.Store. Groups that are being dissolved are left out,
// and do not make the page shorter: a short one is the last.
func (s Groups) ListMine(ctx context.Context, account muster.AccountID, after muster.GroupID, limit int) (page []group.Mine, err error) {
	for len(page) < limit {
		some, last, err := s.listMine(ctx, account, after, limit-len(page))
		if err != nil {
			return nil, err
		}
		page = append(page, some...)
		if last == 0 {
			break
		}
		after = last
	}
	return page, nil
}

// mineQuery finds rows of an account, in order, as a plain member's, and of at
// least the same groups those in which it is more.
const mineQuery = `SELECT * FROM (SELECT group_id, read_seq, 1 AS role FROM account_group
		WHERE account_id = $1 AND group_id > $2 ORDER BY group_id LIMIT $3) plain
	UNION ALL SELECT * FROM (SELECT group_id, 0 AS read_seq, role FROM group_member
		WHERE account_id = $1 AND role > 1 AND group_id > $2 ORDER BY group_id LIMIT $3) staff`

// listMine reads limit of the account's own rows, which lie side by side, and
// few of which are of groups in which it is more than a member. last is where to
// go on; 0: there are no more rows.
func (s Groups) listMine(ctx context.Context, account muster.AccountID, after muster.GroupID, limit int) (page []group.Mine, last muster.GroupID, err error) {
	page, ids := make([]group.Mine, 0, min(limit, 64)), make([]muster.GroupID, 0, min(limit, 64))
	var staff []group.Mine
	err = s.look(ctx, func(c conn) error {
		return c.query(mineQuery, []any{account, after, limit}, func(r row) error {
			m := group.Mine{Group: group.Group{ID: muster.GroupID(r.Int(0))}, Read: muster.Seq(r.Int(1)), Role: muster.Role(r.Int(2))} //nolint:gosec // a role
			if m.Role > muster.RoleMember {
				staff = append(staff, m)
				return nil
			}
			page, ids = append(page, m), append(ids, m.Group.ID)
			return nil
		})
	})
	if err != nil || len(ids) == 0 {
		return nil, 0, err
	}
	if len(ids) == limit {
		last = ids[len(ids)-1]
	}
	groups, err := s.groupsOf(ctx, ids)
	if err != nil {
		return nil, 0, err
	}
	for i := range page {
		page[i].Group = groups[i]
	}
	for _, m := range staff {
		if i, found := slices.BinarySearch(ids, m.Group.ID); found {
			page[i].Role = m.Role
		}
	}
	return slices.DeleteFunc(page, func(m group.Mine) bool { return m.Group.ID == 0 }), last, nil // dissolved
}

// headsQuery finds an account's groups, except those that are being dissolved,
// and where the logs reach that PostgreSQL keeps beside them. A row is committed
// with the messages that it counts.
const headsQuery = `SELECT m.group_id, coalesce(h.last_seq, 0) FROM account_group m
	JOIN grp g ON g.id = m.group_id LEFT JOIN group_head h ON h.group_id = m.group_id
	WHERE m.account_id = $1 AND m.group_id > $2 ORDER BY m.group_id LIMIT $3`

// ListHeads implements group.Store. On PostgreSQL it is one statement; on SQLite
// the groups come from memory when they can, and the log has the heads there.
func (s Groups) ListHeads(ctx context.Context, account muster.AccountID, after muster.GroupID, limit int) (ids []muster.GroupID, heads []muster.Seq, err error) {
	if s.alone() {
		ids, err = s.listAlone(ctx, account, after, limit)
		return ids, nil, err
	}
	err = s.look(ctx, func(c conn) error {
		return c.query(headsQuery, []any{account, after, limit}, func(r row) error {
			ids, heads = append(ids, muster.GroupID(r.Int(0))), append(heads, muster.Seq(r.Int(1)))
			return nil
		})
	})
	return ids, heads, err
}

// listAlone lists an account's groups that are not being dissolved, as many as
// the page holds if there are as many.
func (s Groups) listAlone(ctx context.Context, account muster.AccountID, after muster.GroupID, limit int) (ids []muster.GroupID, err error) {
	for len(ids) < limit {
		var some []muster.GroupID
		want := limit - len(ids)
		err := s.look(ctx, func(c conn) error {
			return c.query("SELECT group_id FROM account_group WHERE account_id = $1 AND group_id > $2 ORDER BY group_id LIMIT $3",
				[]any{account, after, want}, func(r row) error {
					some = append(some, muster.GroupID(r.Int(0)))
					return nil
				})
		})
		if err != nil || len(some) == 0 {
			return ids, err
		}
		after = some[len(some)-1]
		groups, err := s.groupsOf(ctx, some)
		if err != nil {
			return nil, err
		}
		for i := range groups {
			if groups[i].ID != 0 {
				ids = append(ids, some[i])
			}
		}
		if len(some) < want {
			break
		}
	}
	return ids, nil
}

// SaveReads implements group.Store. Everybody locks the rows in one order, or two
// nodes with the same marks would wait for each other.
func (s Groups) SaveReads(ctx context.Context, marks []group.ReadMark) error {
	marks = slices.SortedFunc(slices.Values(marks), func(a, b group.ReadMark) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Group, b.Group))
	})
	return s.write(ctx, func(c conn) error {
		for _, m := range marks {
			if _, err := c.exec("UPDATE account_group SET read_seq = $1 WHERE account_id = $2 AND group_id = $3 AND read_seq < $1",
				m.Seq, m.Account, m.Group); err != nil {
				return err
			}
		}
		return nil
	})
}
