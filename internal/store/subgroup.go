package store

import (
	"context"
	"slices"

	"muster"
	"muster/internal/group"
)

// Subgroups implements group.Store.
func (s Groups) Subgroups(ctx context.Context, id muster.GroupID) (subs []group.Subgroup, err error) {
	err = s.read(ctx, func(c conn) error { subs, err = subgroupsOf(c, id); return err })
	return subs, err
}

func subgroupsOf(c conn, id muster.GroupID) ([]group.Subgroup, error) {
	var subs []group.Subgroup
	err := c.query("SELECT id, name, member_count, is_default FROM subgroup WHERE group_id = $1 ORDER BY id", []any{id}, func(r row) error {
		subs = append(subs, group.Subgroup{ID: muster.SubgroupID(r.Int(0)), Name: r.Text(1), Members: r.Int(2), Default: r.Bool(3)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = c.query("SELECT level, subgroup_id FROM level_map WHERE group_id = $1 ORDER BY level DESC", []any{id}, func(r row) error {
		for i := range subs {
			if subs[i].ID == muster.SubgroupID(r.Int(1)) {
				subs[i].Levels = append(subs[i].Levels, muster.Level(r.Int(0))) //nolint:gosec // a level
			}
		}
		return nil
	})
	return subs, err
}

// mustHaveSubgroup refuses a subgroup that the group does not have; 0 is none
// and always there.
func mustHaveSubgroup(subs []group.Subgroup, sub muster.SubgroupID) error {
	if sub != 0 && !slices.ContainsFunc(subs, func(s group.Subgroup) bool { return s.ID == sub }) {
		return muster.NotFound("subgroup")
	}
	return nil
}

func mustBeFreeName(subs []group.Subgroup, name string, except muster.SubgroupID) error {
	if slices.ContainsFunc(subs, func(s group.Subgroup) bool { return s.Name == name && s.ID != except }) {
		return muster.Exists("subgroup_name_taken", "the group has a subgroup named %q already", name)
	}
	return nil
}

// inSubgroups is inGroup with the group's subgroups.
func (s Groups) inSubgroups(ctx context.Context, id muster.GroupID, acting muster.AccountID, decide group.Decide, action string, fn func(c conn, subs []group.Subgroup) error) error {
	return s.inGroup(ctx, id, acting, decide, func(c conn, _ group.Group) error {
		subs, err := subgroupsOf(c, id)
		if err != nil {
			return err
		}
		if err := fn(c, subs); err != nil {
			return err
		}
		return s.audit(c, acting, action, "group:"+id.String(), "")
	})
}

func insertSubgroup(c conn, id muster.GroupID, sub group.Subgroup) error {
	_, err := c.exec("INSERT INTO subgroup (group_id, id, name, is_default, member_count) VALUES ($1, $2, $3, $4, 0)", id, sub.ID, sub.Name, sub.Default)
	return err
}

// CreateSubgroup implements group.Store.
func (s Groups) CreateSubgroup(ctx context.Context, id muster.GroupID, acting muster.AccountID, decide group.Decide, sub group.Subgroup) error {
	return s.inSubgroups(ctx, id, acting, decide, "group.create_subgroup", func(c conn, subs []group.Subgroup) error {
		if err := mustBeFreeName(subs, sub.Name, 0); err != nil {
			return err
		}
		return insertSubgroup(c, id, sub)
	})
}

// RenameSubgroup implements group.Store.
func (s Groups) RenameSubgroup(ctx context.Context, id muster.GroupID, acting muster.AccountID, decide group.Decide, sub muster.SubgroupID, name string) error {
	return s.inSubgroups(ctx, id, acting, decide, "group.rename_subgroup", func(c conn, subs []group.Subgroup) error {
		if sub == 0 {
			return muster.NotFound("subgroup")
		}
		if err := mustHaveSubgroup(subs, sub); err != nil {
			return err
		}
		if err := mustBeFreeName(subs, name, sub); err != nil {
			return err
		}
		_, err := c.exec("UPDATE subgroup SET name = $1 WHERE group_id = $2 AND id = $3", name, id, sub)
		return err
	})
}

// DeleteSubgroup implements group.Store.
func (s Groups) DeleteSubgroup(ctx context.Context, id muster.GroupID, acting muster.AccountID, decide group.Decide, sub muster.SubgroupID) error {
	err := s.inSubgroups(ctx, id, acting, decide, "group.delete_subgroup", func(c conn, subs []group.Subgroup) error {
		if sub == 0 {
			return muster.NotFound("subgroup")
		}
		if err := mustHaveSubgroup(subs, sub); err != nil {
			return err
		}
		for _, sql := range []string{
			"DELETE FROM subgroup WHERE group_id = $1 AND id = $2",
			"DELETE FROM level_map WHERE group_id = $1 AND subgroup_id = $2",
			"UPDATE group_member SET subgroup_id = 0 WHERE group_id = $1 AND subgroup_id = $2",
		} {
			if _, err := c.exec(sql, id, sub); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.members.changed(id)
	}
	return err
}

// MoveMembers implements group.Store.
func (s Groups) MoveMembers(ctx context.Context, id muster.GroupID, acting muster.AccountID, decide group.Decide, people []muster.AccountID, sub muster.SubgroupID) (moved int64, err error) {
	err = s.inSubgroups(ctx, id, acting, decide, "group.move_members", func(c conn, subs []group.Subgroup) error {
		moved = 0
		if err := mustHaveSubgroup(subs, sub); err != nil {
			return err
		}
		for _, account := range people {
			m, err := getMember(c, id, account)
			if err != nil {
				return err
			}
			if m.Role == muster.NotMember || m.Subgroup == sub {
				continue
			}
			if _, err := c.exec("UPDATE group_member SET subgroup_id = $1 WHERE group_id = $2 AND account_id = $3", sub, id, account); err != nil {
				return err
			}
			if err := countSubgroup(c, id, m.Subgroup, -1); err != nil {
				return err
			}
			if err := countSubgroup(c, id, sub, 1); err != nil {
				return err
			}
			moved++
		}
		return nil
	})
	if err == nil {
		s.members.changed(id)
	}
	return moved, err
}

// SetLevelMap implements group.Store.
func (s Groups) SetLevelMap(ctx context.Context, id muster.GroupID, acting muster.AccountID, decide group.Decide, levels map[muster.Level]muster.SubgroupID, def muster.SubgroupID) error {
	return s.inSubgroups(ctx, id, acting, decide, "group.set_level_map", func(c conn, subs []group.Subgroup) error {
		if err := mustHaveSubgroup(subs, def); err != nil {
			return err
		}
		if _, err := c.exec("DELETE FROM level_map WHERE group_id = $1", id); err != nil {
			return err
		}
		for level, sub := range levels {
			if err := mustHaveSubgroup(subs, sub); err != nil {
				return err
			}
			if sub == 0 {
				continue // no mapping
			}
			if err := mapLevel(c, id, level, sub); err != nil {
				return err
			}
		}
		if _, err := c.exec("UPDATE subgroup SET is_default = $1 WHERE group_id = $2", false, id); err != nil {
			return err
		}
		_, err := c.exec("UPDATE subgroup SET is_default = $1 WHERE group_id = $2 AND id = $3", true, id, def)
		return err
	})
}

func mapLevel(c conn, id muster.GroupID, level muster.Level, sub muster.SubgroupID) error {
	_, err := c.exec("INSERT INTO level_map (group_id, level, subgroup_id) VALUES ($1, $2, $3)", id, level, sub)
	return err
}
