package enrol

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"muster"
)

// The worker's habits.
const (
	// minPage is the smallest page that waiting senders can bring it down to. In
	// smaller ones the commit is the larger half, whose fsync is what senders
	// wait for.
	minPage = 1000
	// undoPage is how many members one step of an undo looks at.
	undoPage = 1000
	// failedPause is how long the worker waits after trouble with the database.
	failedPause = time.Second
)

// Run does the enrolments that this node gets a lease of, until ctx ends; then
// it gives them back, so that another node, or the next start, goes on at once.
func (s *Service) Run(ctx context.Context) error {
	workers := s.opt.Workers
	if workers <= 0 {
		workers = 2
	}
	g, ctx := errgroup.WithContext(ctx)
	for range workers {
		g.Go(func() error { s.work(ctx); return nil })
	}
	g.Go(func() error { s.departures(ctx); return nil })
	return g.Wait()
}

// work claims and does jobs. It looks again when one is started here, and
// otherwise as often as a lease can lapse.
func (s *Service) work(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
		pause := s.opt.Lease / 2
		for ctx.Err() == nil {
			e, ok, err := s.claim(ctx)
			if err != nil && ctx.Err() == nil {
				s.opt.Log.Warn("cannot look for enrolments", "error", err)
				pause = failedPause
			}
			if !ok {
				break
			}
			s.wakeWorker() // there may be work for the other workers too
			if err := s.do(ctx, e); err != nil && ctx.Err() == nil {
				s.opt.Log.Warn("enrolment interrupted, will go on", "enrolment", e.ID, "error", err)
				pause = failedPause
				break
			}
		}
		timer.Reset(pause)
	}
}

func (s *Service) claim(ctx context.Context) (Enrolment, bool, error) {
	now := s.opt.Clock.Now()
	return s.opt.Ledger.Claim(ctx, s.opt.Owner, now, now.Add(s.opt.Lease))
}

// do works on a job until it ends, somebody else has it, or ctx ends.
func (s *Service) do(ctx context.Context, e Enrolment) error {
	var err error
	if e.State == Undoing {
		err = s.undo(ctx, e)
	} else {
		err = s.enrol(ctx, e)
	}
	if isCode(err, muster.CodeFailedPrecondition) {
		return nil // cancelled, or another worker has it: no business of ours any more
	}
	if err != nil {
		// Free for the next claim, here or elsewhere, without waiting for the lease.
		release := context.WithoutCancel(ctx)
		if e := s.opt.Ledger.Release(release, e.ID, e.Progress.Epoch); e != nil {
			return errors.Join(err, e)
		}
	}
	return err
}

// enrol takes the roster page by page.
func (s *Service) enrol(ctx context.Context, e Enrolment) error {
	log := s.opt.Log.With("enrolment", e.ID, "group", e.Group, "channel", e.Channel)
	log.Info("enrolment works", "from", e.Counts.Handled(), "of", e.Total, "epoch", e.Progress.Epoch)
	size := pacer{size: s.opt.Page, most: s.opt.MaxPage, target: s.opt.TargetWait}
	for e.State == Running {
		if err := ctx.Err(); err != nil {
			return err
		}
		// Whoever asked must still administer both when a page is handled.
		if err := s.check(ctx, e.Requester, e.Group, e.Channel); err != nil {
			return s.giveUp(ctx, e, err)
		}
		p := Page{Enrolment: e.ID, Epoch: e.Progress.Epoch, From: e.Progress.Cursor, Lease: s.opt.Clock.Now().Add(s.opt.Lease)}
		if err := s.fill(ctx, e, &p, size.next(s.opt.Groups.SendWait())); err != nil {
			return err
		}
		if len(p.People) == 0 {
			if err := s.note(ctx, e, p); err != nil {
				return err
			}
		}
		res, err := s.opt.Ledger.CommitPage(ctx, p)
		if err != nil {
			return err
		}
		e = res.Enrolment
		s.tellPage(res)
	}
	log.Info("enrolment ended", "added", e.Counts.Added, "asked", e.Counts.Asked, "already_in", e.Counts.AlreadyIn, "handled", e.Counts.Handled())
	return nil
}

// fill reads the page's people, or at the end of a pass where the roster stands.
func (s *Service) fill(ctx context.Context, e Enrolment, p *Page, limit int) (err error) {
	from, to := int64(0), e.Progress.Mark
	if e.Progress.Pass == 2 {
		from, to = e.Progress.Mark, e.Progress.Mark2
	}
	if to > from { // to 0 is an empty roster, not "no bound"
		p.People, err = s.opt.Channels.RosterPage(ctx, e.Channel, p.From, limit, from, to)
	}
	if err != nil || len(p.People) > 0 || e.Progress.Pass == 2 {
		return err
	}
	state, err := s.opt.Channels.Describe(ctx, e.Channel)
	if isCode(err, muster.CodeNotFound) {
		return nil // deleted while we worked: the roster has ended
	}
	p.NewestEntry = state.NewestEntry
	return err
}

// note leaves "N people joined" in the group before the job ends; a crash in
// between leaves it once all the same.
func (s *Service) note(ctx context.Context, e Enrolment, p Page) error {
	ends := e.Progress.Pass == 2 || p.NewestEntry <= e.Progress.Mark
	if !ends || e.Counts.Added == 0 {
		return nil
	}
	return s.opt.Groups.NoteJoined(ctx, e.Group, e.ID, e.Counts.Added)
}

func (s *Service) tellPage(res PageResult) {
	e := res.Enrolment
	if len(res.Added) > 0 {
		s.opt.Events.MembersAdded(e.Group, e.ID, res.Added)
	}
	if len(res.Asked) > 0 {
		s.opt.Events.Invited(muster.InvitationID(e.ID), res.Asked)
	}
	if !e.State.Working() {
		s.opt.Events.GroupChanged(e.Group)
	}
	s.tell(e)
}

// giveUp ends a job whose requester may not go on, or whose group or channel is
// gone. Trouble of any other kind is passed on.
func (s *Service) giveUp(ctx context.Context, e Enrolment, cause error) error {
	switch muster.CodeOf(cause) {
	case muster.CodePermissionDenied, muster.CodeNotFound:
	default:
		return cause
	}
	failed, err := s.opt.Ledger.Fail(ctx, e.ID, e.Progress.Epoch, cause.Error())
	if err != nil {
		return err
	}
	s.opt.Log.Warn("enrolment stopped", "enrolment", e.ID, "cause", cause)
	s.tell(failed)
	return nil
}

// undo removes page by page whom a job added.
func (s *Service) undo(ctx context.Context, e Enrolment) error {
	for e.State == Undoing {
		if err := ctx.Err(); err != nil {
			return err
		}
		res, err := s.opt.Ledger.UndoPage(ctx, e.ID, e.Progress.Epoch, undoPage, s.opt.Clock.Now().Add(s.opt.Lease))
		if err != nil {
			return err
		}
		e = res.Enrolment
		if len(res.Removed) > 0 {
			s.opt.Events.MembersRemoved(e.Group, res.Removed, "undone")
		}
		if e.State == Undone {
			s.opt.Events.GroupChanged(e.Group)
		}
		s.tell(e)
	}
	s.opt.Log.Info("enrolment undone", slog.Any("enrolment", e.ID), slog.Int64("removed", e.Removed))
	return nil
}

// departures carries "decline and leave" to channels in another database. In
// one database the outbox is always empty.
func (s *Service) departures(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.leaving:
		case <-timer.C:
		}
		timer.Reset(s.opt.Lease)
		if err := s.depart(ctx); err != nil && ctx.Err() == nil {
			s.opt.Log.Warn("cannot carry out a departure from a channel, will try again", "error", err)
		}
	}
}

// depart empties the outbox. A departure that the channel refuses for good
// (the last owner) is dropped: the refusal stands, the person stays on the
// roster.
func (s *Service) depart(ctx context.Context) error {
	const some = 100
	for {
		leaves, err := s.opt.Ledger.PendingLeaves(ctx, some)
		if err != nil || len(leaves) == 0 {
			return err
		}
		for _, l := range leaves {
			err := s.opt.Channels.LeaveRoster(ctx, l.Channel, l.Account)
			if err != nil && muster.CodeOf(err) != muster.CodeFailedPrecondition && muster.CodeOf(err) != muster.CodeNotFound {
				return err
			}
			if err := s.opt.Ledger.LeaveDone(ctx, l); err != nil {
				return err
			}
		}
	}
}

// pacer sizes the pages: half as many people when senders wait too long, twice
// as many when they hardly wait.
type pacer struct {
	size, most int
	target     time.Duration
}

func (p *pacer) next(wait time.Duration) int {
	switch {
	case wait > p.target:
		p.size /= 2
	case wait < p.target/2:
		p.size *= 2
	}
	p.size = max(min(p.size, p.most), min(minPage, p.most))
	return p.size
}

// isCode tells whether err is an error of this code; nil is of none.
func isCode(err error, code muster.Code) bool { return err != nil && muster.CodeOf(err) == code }
