package store

import (
	"context"

	"muster"
)

// errNotMember is the answer to whoever is not in a group, also when there is no
// such group.
func errNotMember() error {
	return muster.Denied("not_a_member", "you are not a member of this group")
}

// membership reads what the hot paths need to know of a member; not_a_member
// when there is none, or the group is being dissolved. On SQLite it comes from memory when it can. generation is
// the group's from before the reading: whoever acts later compares it.
func (s *Store) membership(ctx context.Context, group muster.GroupID, account muster.AccountID) (ms membership, generation uint64, err error) {
	alone := s.db.name() == "sqlite"
	if alone {
		var ok bool
		if ms, generation, ok = s.members.get(group, account); ok {
			return ms, generation, nil
		}
	}
	found := false
	err = s.read(ctx, func(c conn) error {
		found, err = one(c, `SELECT role, subgroup_id, joined_seq, spoke FROM group_member
			WHERE group_id = $1 AND account_id = $2 AND EXISTS (SELECT 1 FROM grp WHERE id = $1)`, []any{group, account}, func(r row) {
			ms = membership{
				role:      muster.Role(r.Int(0)), //nolint:gosec // stored from a Role
				subgroup:  muster.SubgroupID(r.Int(1)),
				joinedSeq: muster.Seq(r.Int(2)),
				spoke:     r.Bool(3),
			}
		})
		return err
	})
	if err != nil {
		return membership{}, 0, err
	}
	if !found {
		return membership{}, generation, errNotMember()
	}
	if alone {
		s.members.put(group, account, ms, generation)
	}
	return ms, generation, nil
}
