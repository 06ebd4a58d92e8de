package store

import (
	"context"
	"slices"
	"time"

	"muster"
	"muster/internal/enrol"
)

// UndoPage implements enrol.Ledger.
func (l Ledger) UndoPage(ctx context.Context, id muster.EnrolmentID, epoch int64, limit int, until time.Time) (res enrol.UndoResult, err error) {
	h := l.groups.hold()
	defer h.release()
	err = l.write(ctx, func(c conn) error {
		e, err := lease(c, id, epoch, enrol.Undoing)
		if err != nil {
			return err
		}
		h.on(e.Group)
		// The group is locked before anybody is looked at: a subgroup that changes
		// in between would be counted wrongly.
		if _, err := getGroup(c, e.Group, c.forUpdate()); err != nil && muster.CodeOf(err) != muster.CodeNotFound {
			return err // not_found: dissolved, and being emptied
		}
		res = enrol.UndoResult{}
		leaseMS, looked := muster.Millis(until), 0
		var candidates []muster.AccountID
		if err := c.query("SELECT account_id, enrolment_id, spoke FROM group_member WHERE group_id = $1 AND account_id > $2 ORDER BY account_id LIMIT $3",
			[]any{e.Group, e.Progress.Cursor, limit}, func(r row) error {
				looked++
				e.Progress.Cursor = muster.AccountID(r.Int(0))
				if muster.EnrolmentID(r.Int(1)) == e.ID && !r.Bool(2) {
					candidates = append(candidates, e.Progress.Cursor)
				}
				return nil
			}); err != nil {
			return err
		}
		if res.Removed, err = l.undoMembers(c, e.Group, e.ID, candidates); err != nil {
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

// undoMembers removes those of the candidates whom the enrolment brought and who
// have still not spoken or accepted, and counts them. The caller has locked the
// group.
func (l Ledger) undoMembers(c conn, id muster.GroupID, by muster.EnrolmentID, candidates []muster.AccountID) (removed []muster.AccountID, err error) {
	if len(candidates) == 0 {
		return nil, nil
	}
	among, ids := l.among("account_id", "$4", candidates)
	left := map[muster.SubgroupID]int64{}
	err = c.query("DELETE FROM group_member WHERE group_id = $1 AND enrolment_id = $2 AND role = 1 AND spoke = $3 AND "+among+" RETURNING account_id, subgroup_id",
		[]any{id, by, false, ids}, func(r row) error {
			removed = append(removed, muster.AccountID(r.Int(0)))
			left[muster.SubgroupID(r.Int(1))]++
			return nil
		})
	if err != nil || len(removed) == 0 {
		return nil, err
	}
	slices.Sort(removed)
	among, ids = l.among("account_id", "$2", removed)
	if _, err := c.exec("DELETE FROM account_group WHERE group_id = $1 AND "+among, id, ids); err != nil {
		return nil, err
	}
	if err := countMembers(c, id, 0, -int64(len(removed))); err != nil {
		return nil, err
	}
	for _, sub := range sortedKeys(left) {
		if err := countSubgroup(c, id, sub, -left[sub]); err != nil {
			return nil, err
		}
	}
	return removed, nil
}
