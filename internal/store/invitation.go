package store

import (
	"context"

	"muster"
	"muster/internal/enrol"
	"muster/internal/group"
)

// openInvitations is the FROM and WHERE of the questions that an account ($1)
// can still answer at a time ($2): not expired, not withdrawn with their
// enrolment, and not of a group that they are in.
const openInvitations = ` FROM invitation i
	JOIN grp g ON g.id = i.group_id
	JOIN account a ON a.id = i.inviter_id
	LEFT JOIN enrolment e ON e.id = i.invitation_id
	LEFT JOIN group_member m ON m.group_id = i.group_id AND m.account_id = i.account_id
	WHERE i.account_id = $1 AND i.answer = 0 AND i.expires_ms > $2 AND m.account_id IS NULL AND (e.id IS NULL OR e.state IN (1, 2))`

const invitationColumns = `SELECT i.invitation_id, i.group_id, g.name, g.member_count, i.channel_id, coalesce(e.channel_name, ''),
	i.inviter_id, a.nickname, coalesce(e.note, i.note), i.created_ms, i.expires_ms`

func scanInvitation(r row) enrol.Invitation {
	return enrol.Invitation{
		ID: muster.InvitationID(r.Int(0)), Group: muster.GroupID(r.Int(1)), GroupName: r.Text(2), GroupMembers: r.Int(3),
		Channel: muster.ChannelID(r.Int(4)), ChannelName: r.Text(5), Inviter: muster.AccountID(r.Int(6)), InviterNickname: r.Text(7),
		Text: r.Text(8), Created: muster.FromMillis(r.Int(9)), Expires: muster.FromMillis(r.Int(10)),
	}
}

// Invitations implements enrol.Ledger.
func (l Ledger) Invitations(ctx context.Context, account muster.AccountID, after muster.InvitationID, limit int) (list []enrol.Invitation, err error) {
	err = l.look(ctx, func(c conn) error {
		return c.query(invitationColumns+openInvitations+" AND i.invitation_id > $3 ORDER BY i.invitation_id LIMIT $4",
			[]any{account, l.now(), after, limit}, func(r row) error { list = append(list, scanInvitation(r)); return nil })
	})
	return list, err
}

// Invitation implements enrol.Ledger.
func (l Ledger) Invitation(ctx context.Context, account muster.AccountID, id muster.InvitationID) (in enrol.Invitation, err error) {
	err = l.look(ctx, func(c conn) error {
		found, err := one(c, invitationColumns+openInvitations+" AND i.invitation_id = $3", []any{account, l.now(), id}, func(r row) { in = scanInvitation(r) })
		if err == nil && !found {
			err = muster.NotFound("invitation")
		}
		return err
	})
	return in, err
}

// CountInvitations implements enrol.Ledger.
func (l Ledger) CountInvitations(ctx context.Context, account muster.AccountID) (n int64, err error) {
	err = l.look(ctx, func(c conn) error {
		n, err = oneInt(c, "SELECT count(*)"+openInvitations, account, l.now())
		return err
	})
	return n, err
}

// InvitedTo implements enrol.Ledger.
func (l Ledger) InvitedTo(ctx context.Context, account muster.AccountID, id muster.InvitationID) (g muster.GroupID, err error) {
	err = l.look(ctx, func(c conn) error {
		v, err := oneInt(c, "SELECT group_id FROM invitation WHERE account_id = $1 AND invitation_id = $2", account, id)
		if err == nil && v == 0 {
			err = muster.NotFound("invitation")
		}
		g = muster.GroupID(v)
		return err
	})
	return g, err
}

// question is an invitation as its answer finds it.
type question struct {
	group   muster.GroupID
	channel muster.ChannelID
	level   muster.Level
	expires int64
	answer  enrol.Choice
}

// Answer implements enrol.Ledger. Locks are taken in the order job, group,
// invitation.
func (l Ledger) Answer(ctx context.Context, account muster.AccountID, id muster.InvitationID, choice enrol.Choice, head muster.Seq) (res enrol.Answered, err error) {
	h := l.groups.hold()
	defer h.release()
	err = l.write(ctx, func(c conn) error {
		e, err := getJob(c, muster.EnrolmentID(id), c.forUpdate())
		byHand := err != nil && muster.CodeOf(err) == muster.CodeNotFound
		if err != nil && !byHand {
			return err
		}
		q, err := getQuestion(c, account, id)
		if err != nil {
			return err
		}
		h.on(q.group)
		res = enrol.Answered{Group: q.group, Channel: q.channel, Enrolment: e.ID}
		switch {
		case q.answer == choice:
			res.Repeated = true
			return nil
		case q.answer != enrol.Open:
			return muster.Conflict("already_answered", "you have answered this invitation already")
		case !byHand && !e.State.AsksStill():
			return muster.Conflict("invitation_withdrawn", "the invitation has been withdrawn")
		case q.expires <= l.now():
			return muster.Conflict("invitation_expired", "the invitation has expired: ask an administrator of the group for a new one")
		case choice == enrol.DeclineAndLeave && q.channel == 0:
			return muster.Invalid("choice", "this invitation comes from no channel that could be left: just decline")
		}
		if err := l.act(c, account, &e, q, choice, head, &res); err != nil {
			return err
		}
		_, err = c.exec("UPDATE invitation SET answer = $1, answered_ms = $2 WHERE account_id = $3 AND invitation_id = $4", choice, l.now(), account, id)
		return err
	})
	if err == nil && (res.Removed || choice == enrol.Accept && !res.Joined) { // taken out, or not the enrolment's any more
		l.members.changed(res.Group)
	}
	return res, err
}

func getQuestion(c conn, account muster.AccountID, id muster.InvitationID) (q question, err error) {
	found, err := one(c, "SELECT group_id, channel_id, level, expires_ms, answer FROM invitation WHERE account_id = $1 AND invitation_id = $2"+c.forUpdate(),
		[]any{account, id}, func(r row) {
			q = question{
				muster.GroupID(r.Int(0)), muster.ChannelID(r.Int(1)), muster.Level(r.Int(2)), r.Int(3), enrol.Choice(r.Int(4)), //nolint:gosec // small
			}
		})
	if err == nil && !found {
		err = muster.NotFound("invitation")
	}
	return q, err
}

// act does what the choice means beside recording it.
func (l Ledger) act(c conn, account muster.AccountID, e *enrol.Enrolment, q question, choice enrol.Choice, head muster.Seq, res *enrol.Answered) error {
	counter := "declined"
	switch choice {
	case enrol.Accept:
		counter = "accepted"
		if err := l.accept(c, account, e, q, head, res); err != nil {
			return err
		}
	case enrol.DeclineAndLeave:
		if err := l.leave(c, account, q, muster.InvitationID(e.ID), res); err != nil {
			return err
		}
	default: // to decline is only recorded
	}
	if e.ID == 0 {
		return nil
	}
	_, err := c.exec("UPDATE enrolment SET "+counter+" = "+counter+" + 1 WHERE id = $1", e.ID)
	return err
}

// accept makes the account a member. Somebody who is one already - added by an
// enrolment, say - has now accepted: an undo does not remove them any more.
func (l Ledger) accept(c conn, account muster.AccountID, e *enrol.Enrolment, q question, head muster.Seq, res *enrol.Answered) error {
	g, err := getGroup(c, q.group, c.forUpdate())
	if err != nil {
		if muster.CodeOf(err) == muster.CodeNotFound {
			return muster.Conflict("invitation_withdrawn", "the group does not exist any more")
		}
		return err
	}
	m, err := getMember(c, q.group, account)
	if err != nil {
		return err
	}
	if m.Role != muster.NotMember {
		_, err := c.exec("UPDATE group_member SET enrolment_id = 0 WHERE group_id = $1 AND account_id = $2", q.group, account)
		return err
	}
	if g.Capacity > 0 && g.Members >= g.Capacity {
		return muster.Conflict("group_full", "the group is full: ask its administrators to raise the limit, then accept again")
	}
	sub, err := l.placeOf(c, e, q)
	if err != nil {
		return err
	}
	if _, err := addMembers(c, newMembers{
		group: q.group, role: muster.RoleMember, joinedMS: l.now(), joinedSeq: head, people: []newMember{{account, sub}},
	}); err != nil {
		return err
	}
	if err := countMembers(c, q.group, sub, 1); err != nil {
		return err
	}
	res.Joined = true
	_, err = c.exec("DELETE FROM group_left WHERE group_id = $1 AND account_id = $2", q.group, account)
	return err
}

// placeOf is the subgroup where a person who was asked lands, by the level that
// they had when they were asked; who was invited by hand lands in the default
// one, if there is one.
func (l Ledger) placeOf(c conn, e *enrol.Enrolment, q question) (muster.SubgroupID, error) {
	if e.ID != 0 {
		p, err := l.placesFor(c, e)
		return p[min(q.level, muster.Owner)], err
	}
	subs, err := subgroupsOf(c, q.group)
	for _, s := range subs {
		if s.Default {
			return s.ID, err
		}
	}
	return 0, err
}

// leave takes the account off the channel's roster, at once or by the outbox,
// and keeps it out of the group.
func (l Ledger) leave(c conn, account muster.AccountID, q question, id muster.InvitationID, res *enrol.Answered) error {
	if err := l.stayOut(c, account, q.group, res); err != nil {
		return err
	}
	if l.channelsHere {
		removed, err := l.leaveRoster(c, q.channel, account)
		res.Left = removed
		return err
	}
	res.Left = true
	_, err := c.exec("INSERT INTO leave_outbox (channel_id, account_id, invitation_id, created_ms) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
		q.channel, account, id, l.now())
	return err
}

// stayOut notes that the account does not want to be in the group: other
// enrolments ask it first, also one that is adding people at this moment, whose
// page has the group's lock before or after us. If one has added it already, and
// it has neither accepted nor spoken since, it is taken out again.
func (l Ledger) stayOut(c conn, account muster.AccountID, id muster.GroupID, res *enrol.Answered) error {
	if _, err := getGroup(c, id, c.forUpdate()); err != nil {
		if muster.CodeOf(err) == muster.CodeNotFound {
			return nil // dissolved: nothing to stay out of
		}
		return err
	}
	if _, err := c.exec("INSERT INTO group_left (group_id, account_id, at_ms) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", id, account, l.now()); err != nil {
		return err
	}
	m, err := getMember(c, id, account)
	if err != nil || m.Enrolment == 0 {
		return err
	}
	removed, err := l.undoMembers(c, id, m.Enrolment, []muster.AccountID{account})
	res.Removed = len(removed) > 0
	return err
}

// PendingLeaves implements enrol.Ledger.
func (l Ledger) PendingLeaves(ctx context.Context, limit int) (leaves []enrol.Leave, err error) {
	err = l.read(ctx, func(c conn) error {
		return c.query("SELECT channel_id, account_id, invitation_id FROM leave_outbox ORDER BY channel_id, account_id LIMIT $1", []any{limit}, func(r row) error {
			leaves = append(leaves, enrol.Leave{
				Channel: muster.ChannelID(r.Int(0)), Account: muster.AccountID(r.Int(1)), Invitation: muster.InvitationID(r.Int(2)),
			})
			return nil
		})
	})
	return leaves, err
}

// LeaveDone implements enrol.Ledger.
func (l Ledger) LeaveDone(ctx context.Context, d enrol.Leave) error {
	return l.write(ctx, func(c conn) error {
		_, err := c.exec("DELETE FROM leave_outbox WHERE channel_id = $1 AND account_id = $2 AND invitation_id = $3", d.Channel, d.Account, d.Invitation)
		return err
	})
}

var (
	_ group.Store  = Groups{}
	_ enrol.Ledger = Ledger{}
)
