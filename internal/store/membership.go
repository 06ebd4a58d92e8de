package store

import (
	"context"

	"muster"
	"muster/internal/group"
)

// errNotMember is the answer to whoever is not in a group, also when there is no
// such group.
func errNotMember() error {
	return muster.Denied("not_a_member", "you are not a member of this group")
}

// membership reads what the hot paths need to know of a member; not_a_member
// when there is none, or the group is being dissolved. On SQLite it comes from
// memory when it can. generation is the group's from before the reading: whoever
// acts later compares it.
func (s *Store) membership(ctx context.Context, id muster.GroupID, account muster.AccountID) (ms membership, generation uint64, err error) {
	alone := s.alone()
	if alone {
		var ok bool
		if ms, generation, ok = s.members.get(id, account); ok {
			return ms, generation, nil
		}
	}
	found := false
	err = s.look(ctx, func(c conn) error {
		ms, found, err = getMembership(c, id, account, " AND EXISTS (SELECT 1 FROM grp WHERE id = $1)")
		return err
	})
	if err != nil {
		return membership{}, 0, err
	}
	if !found {
		return membership{}, generation, errNotMember()
	}
	if alone {
		s.members.put(id, account, ms, generation)
	}
	return ms, generation, nil
}

// getMembership reads a row, if there is one that meets the condition too.
func getMembership(c conn, id muster.GroupID, account muster.AccountID, condition string) (ms membership, found bool, err error) {
	found, err = one(c, "SELECT role, subgroup_id, joined_ms, joined_seq, enrolment_id, spoke FROM group_member WHERE group_id = $1 AND account_id = $2"+condition,
		[]any{id, account}, func(r row) {
			ms = membership{
				role: muster.Role(r.Int(0)), subgroup: muster.SubgroupID(r.Int(1)), joinedMS: r.Int(2), //nolint:gosec // stored from a Role
				joinedSeq: muster.Seq(r.Int(3)), enrolment: muster.EnrolmentID(r.Int(4)), spoke: r.Bool(5),
			}
		})
	return ms, found, err
}

// asMember is the membership as the domain sees it.
func (ms *membership) asMember(id muster.GroupID, account muster.AccountID) group.Member {
	return group.Member{
		Group: id, Account: account, Role: ms.role, Subgroup: ms.subgroup, Joined: muster.FromMillis(ms.joinedMS),
		JoinedSeq: ms.joinedSeq, Enrolment: ms.enrolment,
	}
}
