package store

import (
	"context"
	"time"

	"muster"
	"muster/internal/enrol"
)

// UndoPage implements enrol.Ledger.
func (l Ledger) UndoPage(ctx context.Context, id muster.EnrolmentID, epoch int64, limit int, until time.Time) (res enrol.UndoResult, err error) {
	err = l.write(ctx, func(c conn) error {
		e, err := lease(c, id, epoch, enrol.Undoing)
		if err != nil {
			return err
		}
		// The group is locked before anybody is looked at: a subgroup that changes
		// in between would be counted wrongly.
		if _, err := getGroup(c, e.Group, c.forUpdate()); err != nil && muster.CodeOf(err) != muster.CodeNotFound {
			return err // not_found: dissolved, and being emptied
		}
		res = enrol.UndoResult{}
		leaseMS, looked := muster.Millis(until), 0
		var candidates []newMember
		if err := c.query("SELECT account_id, subgroup_id, enrolment_id, spoke FROM group_member WHERE group_id = $1 AND account_id > $2 ORDER BY account_id LIMIT $3",
			[]any{e.Group, e.Progress.Cursor, limit}, func(r row) error {
				looked++
				e.Progress.Cursor = muster.AccountID(r.Int(0))
				if muster.EnrolmentID(r.Int(2)) == e.ID && !r.Bool(3) {
					candidates = append(candidates, newMember{account: e.Progress.Cursor, subgroup: muster.SubgroupID(r.Int(1))})
				}
				return nil
			}); err != nil {
			return err
		}
		if res.Removed, err = undoMembers(c, &e, candidates); err != nil {
			return err
		}
		e.Removed += int64(len(res.Removed))
		if looked < limit {
			e.State, leaseMS = enrol.Undone, 0
		}
		res.Enrolment = e
		return saveJob(c, &e, leaseMS)
	})
	if err == nil && len(res.Removed) > 0 {
		l.members.changed(res.Enrolment.Group)
	}
	return res, err
}

// undoMembers removes those of the candidates who have still not spoken or
// accepted, and counts them. The caller has locked the group.
func undoMembers(c conn, e *enrol.Enrolment, candidates []newMember) ([]muster.AccountID, error) {
	if len(candidates) == 0 {
		return nil, nil
	}
	var removed []muster.AccountID
	left := map[muster.SubgroupID]int64{}
	for _, m := range candidates {
		n, err := c.exec("DELETE FROM group_member WHERE group_id = $1 AND account_id = $2 AND enrolment_id = $3 AND role = 1 AND spoke = $4",
			e.Group, m.account, e.ID, false)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			continue
		}
		if _, err := c.exec("DELETE FROM account_group WHERE account_id = $1 AND group_id = $2", m.account, e.Group); err != nil {
			return nil, err
		}
		removed = append(removed, m.account)
		left[m.subgroup]++
	}
	if err := countMembers(c, e.Group, 0, -int64(len(removed))); err != nil {
		return nil, err
	}
	for _, sub := range sortedKeys(left) {
		if err := countSubgroup(c, e.Group, sub, -left[sub]); err != nil {
			return nil, err
		}
	}
	return removed, nil
}
