package store

import (
	"context"
	"time"

	"muster"
	"muster/internal/enrol"
)

// Ledger implements enrol.Ledger.
type Ledger struct {
	*Store
	// channelsHere says that the rosters are in this database too: the channel
	// side is then checked, and left, in the same transaction.
	channelsHere bool
}

// Ledger is the part that keeps enrolments and invitations, for channels in
// the same database.
func (s *Store) Ledger() Ledger { return Ledger{s, true} }

// LedgerApart is the Ledger for channels that another server keeps.
func (s *Store) LedgerApart() Ledger { return Ledger{s, false} }

const jobColumns = `id, group_id, channel_id, channel_name, requester_id, state, policies, note, expiry_ms, created_ms, ended_ms, total,
	pass, mark, mark2, cursor_account, base_seq, lease_epoch,
	already_in, added, asked, skipped_policy, skipped_blocked, skipped_refused, skipped_full, accepted, declined, removed, failure`

func scanJob(r row) enrol.Enrolment {
	return enrol.Enrolment{
		ID: muster.EnrolmentID(r.Int(0)), Group: muster.GroupID(r.Int(1)), Channel: muster.ChannelID(r.Int(2)), ChannelName: r.Text(3),
		Requester: muster.AccountID(r.Int(4)), State: enrol.State(r.Int(5)), Policies: parsePolicies(r.Text(6)), //nolint:gosec // a state
		Text: r.Text(7), Expiry: time.Duration(r.Int(8)) * time.Millisecond,
		Created: muster.FromMillis(r.Int(9)), Ended: muster.FromMillis(r.Int(10)), Total: r.Int(11),
		Progress: enrol.Progress{
			Pass: int(r.Int(12)), Mark: r.Int(13), Mark2: r.Int(14), Cursor: muster.AccountID(r.Int(15)), BaseSeq: muster.Seq(r.Int(16)), Epoch: r.Int(17),
		},
		Counts: enrol.Counts{
			AlreadyIn: r.Int(18), Added: r.Int(19), Asked: r.Int(20),
			SkippedPolicy: r.Int(21), SkippedBlocked: r.Int(22), SkippedRefused: r.Int(23), SkippedFull: r.Int(24),
		},
		Accepted: r.Int(25), Declined: r.Int(26), Removed: r.Int(27), Failure: r.Text(28),
	}
}

// getJob reads a job; lock keeps it until the transaction ends.
func getJob(c conn, id muster.EnrolmentID, lock string) (e enrol.Enrolment, err error) {
	found, err := one(c, "SELECT "+jobColumns+" FROM enrolment WHERE id = $1"+lock, []any{id}, func(r row) { e = scanJob(r) })
	if err == nil && !found {
		err = muster.NotFound("enrolment")
	}
	return e, err
}

// saveJob writes what changes in a job's life. leaseMS is until when its worker
// keeps it; 0: nobody has it.
func saveJob(c conn, e *enrol.Enrolment, leaseMS int64) error {
	n, p := &e.Counts, &e.Progress
	_, err := c.exec(`UPDATE enrolment SET state = $1, ended_ms = $2, pass = $3, mark2 = $4, cursor_account = $5, lease_epoch = $6, lease_until_ms = $7,
		already_in = $8, added = $9, asked = $10, skipped_policy = $11, skipped_blocked = $12, skipped_refused = $13, skipped_full = $14,
		removed = $15, failure = $16 WHERE id = $17`,
		e.State, muster.Millis(e.Ended), p.Pass, p.Mark2, p.Cursor, p.Epoch, leaseMS,
		n.AlreadyIn, n.Added, n.Asked, n.SkippedPolicy, n.SkippedBlocked, n.SkippedRefused, n.SkippedFull, e.Removed, e.Failure, e.ID)
	return err
}

// The letters of the policies, by enrol.Policy.
const policyLetters = "sda"

func formatPolicies(p enrol.Policies) string {
	b := make([]byte, len(p))
	for i, policy := range p {
		b[i] = policyLetters[policy]
	}
	return string(b)
}

func parsePolicies(s string) (p enrol.Policies) {
	for i := range min(len(s), len(p)) {
		switch s[i] {
		case 'd':
			p[i] = enrol.Direct
		case 'a':
			p[i] = enrol.Ask
		}
	}
	return p
}

// Create implements enrol.Ledger. The locks on the group and on the requester
// make the two counts of the window exact between several servers.
func (l Ledger) Create(ctx context.Context, e enrol.Enrolment, key string, limits enrol.Limits) (stored enrol.Enrolment, created bool, err error) {
	err = l.write(ctx, func(c conn) error {
		if _, err := getGroup(c, e.Group, c.forUpdate()); err != nil {
			return err
		}
		if _, err := oneInt(c, "SELECT id FROM account WHERE id = $1"+c.forUpdate(), e.Requester); err != nil {
			return err
		}
		if err := l.mustAdministerBoth(c, e); err != nil {
			return err
		}
		found, err := one(c, "SELECT "+jobColumns+" FROM enrolment WHERE requester_id = $1 AND idempotency_key = $2",
			[]any{e.Requester, key}, func(r row) { stored = scanJob(r) })
		if err != nil {
			return err
		}
		if found {
			created = false
			if stored.Group != e.Group || stored.Channel != e.Channel || stored.Policies != e.Policies {
				return muster.Exists("idempotency_key_used", "this idempotency key stands for another enrolment: use a new one")
			}
			return nil
		}
		stored, created = e, true
		return l.insertJob(c, &stored, key, limits)
	})
	return stored, created, err
}

func (l Ledger) mustAdministerBoth(c conn, e enrol.Enrolment) error {
	m, err := getMember(c, e.Group, e.Requester)
	if err != nil {
		return err
	}
	if !m.Role.Administers() {
		return muster.Denied("not_group_admin", "only the group's owner and administrators may enrol people into it")
	}
	if !l.channelsHere {
		return nil // the channels' server has answered just before
	}
	level, err := oneInt(c, "SELECT level FROM channel_roster WHERE channel_id = $1 AND account_id = $2", e.Channel, e.Requester)
	if err != nil {
		return err
	}
	if !muster.Level(level).Administers() { //nolint:gosec // a level
		return muster.Denied("not_channel_admin", "only the channel's owner and admins may enrol its roster")
	}
	return nil
}

// insertJob counts the window and makes the job.
func (l Ledger) insertJob(c conn, e *enrol.Enrolment, key string, limits enrol.Limits) error {
	busy, err := oneInt(c, "SELECT count(*) FROM enrolment WHERE group_id = $1 AND channel_id = $2 AND state IN (1, 5)", e.Group, e.Channel)
	if err != nil {
		return err
	}
	if busy > 0 {
		return muster.Conflict("enrolment_running", "an enrolment of this channel into this group is running: wait for it, or cancel it")
	}
	stamp, room, err := windowRoom(c, e.Group, e.Requester, muster.Millis(e.Created), limits)
	if err != nil {
		return err
	}
	if room.RetryAfter > 0 {
		return muster.Exhausted("enrolment_window_full", room.RetryAfter,
			"the limit of enrolments is reached (%d for a group, %d for a person, in %v): try again in %v",
			limits.PerGroup, limits.PerRequester, limits.Window, room.RetryAfter.Round(time.Second))
	}
	e.Created = muster.FromMillis(stamp)
	p := &e.Progress
	_, err = c.exec(`INSERT INTO enrolment (id, group_id, channel_id, channel_name, requester_id, idempotency_key, state, policies, note, expiry_ms,
		created_ms, ended_ms, total, pass, mark, mark2, cursor_account, base_seq, already_in, added, asked, skipped_policy, skipped_blocked,
		skipped_refused, skipped_full, accepted, declined, removed, failure, lease_owner, lease_epoch, lease_until_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, $13, $14, 0, 0, $15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', '', 0, 0)`,
		e.ID, e.Group, e.Channel, e.ChannelName, e.Requester, key, e.State, formatPolicies(e.Policies), e.Text, e.Expiry.Milliseconds(),
		stamp, e.Total, p.Pass, p.Mark, p.BaseSeq)
	if err != nil {
		return err
	}
	return l.audit(c, e.Requester, "enrolment.start", "group:"+e.Group.String(), "enrolment "+e.ID.String()+" of channel "+e.Channel.String())
}

// windowRoom counts the successful requests in the window that ends now: failed
// jobs do not count. Its idea of now never goes back behind a request that is
// recorded, so a clock that was turned back opens nothing.
func windowRoom(c conn, id muster.GroupID, requester muster.AccountID, nowMS int64, limits enrol.Limits) (stamp int64, room enrol.Room, err error) {
	stamp = nowMS
	for _, q := range []struct {
		column string
		id     int64
		limit  int
		left   *int64
	}{
		{"group_id", int64(id), limits.PerGroup, &room.GroupLeft},
		{"requester_id", int64(requester), limits.PerRequester, &room.RequesterLeft},
	} {
		last, err := oneInt(c, "SELECT coalesce(max(created_ms), 0) FROM enrolment WHERE "+q.column+" = $1 AND state <> 4", q.id)
		if err != nil {
			return 0, room, err
		}
		stamp = max(stamp, last)
		// The request that has to leave the window is the limit-th newest one.
		var times []int64
		err = c.query("SELECT created_ms FROM enrolment WHERE "+q.column+" = $1 AND state <> 4 AND created_ms >= $2 ORDER BY created_ms DESC LIMIT $3",
			[]any{q.id, stamp - limits.Window.Milliseconds(), q.limit}, func(r row) error { times = append(times, r.Int(0)); return nil })
		if err != nil {
			return 0, room, err
		}
		*q.left = int64(q.limit - len(times))
		if *q.left <= 0 {
			opens := limits.Window.Milliseconds() + 1
			if len(times) > 0 {
				opens += times[len(times)-1]
			} else { // a limit of 0 never opens
				opens += stamp
			}
			room.RetryAfter = max(room.RetryAfter, time.Duration(opens-nowMS)*time.Millisecond)
		}
	}
	return stamp, room, nil
}

// Room implements enrol.Ledger.
func (l Ledger) Room(ctx context.Context, id muster.GroupID, requester muster.AccountID, limits enrol.Limits) (room enrol.Room, err error) {
	err = l.read(ctx, func(c conn) error {
		_, room, err = windowRoom(c, id, requester, l.now(), limits)
		return err
	})
	return room, err
}

// Get implements enrol.Ledger.
func (l Ledger) Get(ctx context.Context, id muster.EnrolmentID) (e enrol.Enrolment, err error) {
	err = l.look(ctx, func(c conn) error { e, err = getJob(c, id, ""); return err })
	return e, err
}

// List implements enrol.Ledger.
func (l Ledger) List(ctx context.Context, id muster.GroupID, before muster.EnrolmentID, limit int) (jobs []enrol.Enrolment, err error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	err = l.look(ctx, func(c conn) error {
		return c.query("SELECT "+jobColumns+" FROM enrolment WHERE group_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
			[]any{id, before, limit}, func(r row) error { jobs = append(jobs, scanJob(r)); return nil })
	})
	return jobs, err
}

// Claim implements enrol.Ledger. It looks before it writes, so that an idle
// server stays idle. A lease that ends later than any could that was taken now
// was taken by a clock that was wrong: it does not keep a job from going on.
func (l Ledger) Claim(ctx context.Context, owner string, now, until time.Time) (e enrol.Enrolment, ok bool, err error) {
	const work = " FROM enrolment WHERE state IN (1, 5) AND (lease_until_ms < $1 OR lease_until_ms > $2) ORDER BY lease_until_ms LIMIT 1"
	present, absurd := muster.Millis(now), muster.Millis(until.Add(until.Sub(now)))
	var waiting int64
	if err := l.look(ctx, func(c conn) error { waiting, err = oneInt(c, "SELECT id"+work, present, absurd); return err }); err != nil || waiting == 0 {
		return e, false, err
	}
	err = l.write(ctx, func(c conn) error {
		lock := c.forUpdate()
		if lock != "" {
			lock += " SKIP LOCKED"
		}
		ok, err = one(c, "SELECT "+jobColumns+work+lock, []any{present, absurd}, func(r row) { e = scanJob(r) })
		if err != nil || !ok {
			return err
		}
		e.Progress.Epoch++
		_, err := c.exec("UPDATE enrolment SET lease_owner = $1, lease_epoch = $2, lease_until_ms = $3 WHERE id = $4",
			owner, e.Progress.Epoch, muster.Millis(until), e.ID)
		return err
	})
	return e, ok, err
}

// lease reads a job that a worker believes to have, and locks it.
func lease(c conn, id muster.EnrolmentID, epoch int64, state enrol.State) (enrol.Enrolment, error) {
	e, err := getJob(c, id, c.forUpdate())
	switch {
	case err != nil:
		return e, err
	case e.State != state:
		return e, muster.Conflict("enrolment_ended", "the enrolment is not at work any more")
	case e.Progress.Epoch != epoch:
		return e, muster.Conflict("lease_lost", "another worker has taken the enrolment over")
	}
	return e, nil
}

// Fail implements enrol.Ledger.
func (l Ledger) Fail(ctx context.Context, id muster.EnrolmentID, epoch int64, why string) (e enrol.Enrolment, err error) {
	err = l.write(ctx, func(c conn) error {
		if e, err = lease(c, id, epoch, enrol.Running); err != nil {
			return err
		}
		e.State, e.Failure, e.Ended = enrol.Failed, why, l.clock.Now()
		if err := saveJob(c, &e, 0); err != nil {
			return err
		}
		return l.audit(c, e.Requester, "enrolment.fail", "group:"+e.Group.String(), "enrolment "+id.String()+": "+why)
	})
	return e, err
}

// Release implements enrol.Ledger.
func (l Ledger) Release(ctx context.Context, id muster.EnrolmentID, epoch int64) error {
	return l.write(ctx, func(c conn) error {
		_, err := c.exec("UPDATE enrolment SET lease_until_ms = 0 WHERE id = $1 AND lease_epoch = $2", id, epoch)
		return err
	})
}

// Cancel implements enrol.Ledger.
func (l Ledger) Cancel(ctx context.Context, id muster.EnrolmentID, acting muster.AccountID) (e enrol.Enrolment, err error) {
	err = l.write(ctx, func(c conn) error {
		if e, err = getJob(c, id, c.forUpdate()); err != nil {
			return err
		}
		if e.State == enrol.Cancelled {
			return nil
		}
		if e.State != enrol.Running {
			return muster.Conflict("enrolment_ended", "the enrolment is not running any more: it can only be undone")
		}
		e.State, e.Ended = enrol.Cancelled, l.clock.Now()
		if err := saveJob(c, &e, 0); err != nil {
			return err
		}
		return l.audit(c, acting, "enrolment.cancel", "group:"+e.Group.String(), "enrolment "+id.String())
	})
	return e, err
}

// BeginUndo implements enrol.Ledger.
func (l Ledger) BeginUndo(ctx context.Context, id muster.EnrolmentID, acting muster.AccountID) (e enrol.Enrolment, err error) {
	err = l.write(ctx, func(c conn) error {
		if e, err = getJob(c, id, c.forUpdate()); err != nil {
			return err
		}
		switch e.State {
		case enrol.Undoing, enrol.Undone:
			return nil
		case enrol.Running:
			return muster.Conflict("enrolment_running", "the enrolment is still running: cancel it first")
		default:
		}
		e.State, e.Progress.Cursor = enrol.Undoing, 0
		if err := saveJob(c, &e, 0); err != nil {
			return err
		}
		return l.audit(c, acting, "enrolment.undo", "group:"+e.Group.String(), "enrolment "+id.String())
	})
	return e, err
}
