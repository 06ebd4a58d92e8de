package enrol

import (
	"context"
	"log/slog"
	"time"

	"muster"
)

// Options are what a Service is made of.
type Options struct {
	Ledger   Ledger
	Channels Channels
	Groups   Groups
	Events   Events
	Clock    muster.Clock
	IDs      *muster.IDs
	Log      *slog.Logger
	// Limits is the rate window.
	Limits Limits
	// Expiry is how long an invitation stays open if the request does not say;
	// MaxExpiry is the most that a request can say.
	Expiry, MaxExpiry time.Duration
	// Page is how many people a page begins with, MaxPage how many it may grow
	// to.
	Page, MaxPage int
	// Lease is how long a worker keeps a job without a sign of life; then
	// another one takes it over.
	Lease time.Duration
	// TargetWait is the senders' waiting time above which pages get smaller.
	TargetWait time.Duration
	// Owner names this process in leases; it must be unique.
	Owner string
	// Workers is how many enrolments run at once here; 0: 2.
	Workers int
}

// Service is everything about enrolments that an account can do, and the worker
// that does them. The acting account is always an argument. Safe for concurrent
// use.
type Service struct {
	opt     Options
	wake    chan struct{} // there may be a job to claim
	leaving chan struct{} // there may be a departure in the outbox
	feed    feed
}

// New makes a Service. Run has to run somewhere for enrolments to go on: on
// this node or on another one over the same database.
func New(opt Options) *Service {
	return &Service{
		opt: opt, wake: make(chan struct{}, 1), leaving: make(chan struct{}, 1),
		feed: feed{watchers: map[muster.EnrolmentID]map[chan struct{}]struct{}{}},
	}
}

// Request is what an administrator asks for.
type Request struct {
	Group    muster.GroupID
	Channel  muster.ChannelID
	Policies Policies
	// Text goes with the invitations.
	Text string
	// Expiry is how long an invitation stays open; 0: the server's default.
	Expiry time.Duration
}

// check is the order of checks of every request: the acting account administers
// the group, then the channel, at this moment; only then is anything read.
func (s *Service) check(ctx context.Context, acting muster.AccountID, group muster.GroupID, channel muster.ChannelID) error {
	if err := s.opt.Groups.CheckAdministrator(ctx, group, acting); err != nil {
		return err
	}
	return s.opt.Channels.CheckAdministrator(ctx, channel, acting)
}

// Preview is what an enrolment would do.
type Preview struct {
	// Levels counts by level; Visitor is always empty.
	Levels [muster.Owner + 1]Counts
	Total  int64
	Room   Room
}

// previewPage is how many people a preview looks at in one transaction.
const previewPage = 5000

// Preview counts by level what Start would do, page by page, changing nothing,
// and tells what is left of the window. It is no request: it does not count.
func (s *Service) Preview(ctx context.Context, acting muster.AccountID, r Request) (Preview, error) {
	var p Preview
	if err := s.check(ctx, acting, r.Group, r.Channel); err != nil {
		return p, err
	}
	var err error
	if p.Room, err = s.opt.Ledger.Room(ctx, r.Group, acting, s.opt.Limits); err != nil {
		return p, err
	}
	for after := muster.AccountID(0); ; {
		people, err := s.opt.Channels.RosterPage(ctx, r.Channel, after, previewPage, 0, 0)
		if err != nil || len(people) == 0 {
			return p, err
		}
		if err := s.opt.Ledger.Classify(ctx, r.Group, acting, r.Policies, people, &p.Levels); err != nil {
			return p, err
		}
		p.Total += int64(len(people))
		after = people[len(people)-1].Account
	}
}

// maxKey bounds an idempotency key in bytes.
const maxKey = 64

// Start makes the job and returns at once; the worker does the rest. The same
// key of the same account gives the same job again. Without a key every call is
// a request of its own. A refused request changes nothing and does not count.
func (s *Service) Start(ctx context.Context, acting muster.AccountID, r Request, key string) (Enrolment, error) {
	if err := s.settle(&r, &key); err != nil {
		return Enrolment{}, err
	}
	if err := s.check(ctx, acting, r.Group, r.Channel); err != nil {
		return Enrolment{}, err
	}
	channel, err := s.opt.Channels.Describe(ctx, r.Channel)
	if err != nil {
		return Enrolment{}, err
	}
	head, err := s.opt.Groups.Head(ctx, r.Group)
	if err != nil {
		return Enrolment{}, err
	}
	e := Enrolment{
		ID: muster.EnrolmentID(s.opt.IDs.Next()), Group: r.Group, Channel: r.Channel, ChannelName: channel.Name, Requester: acting,
		State: Running, Policies: r.Policies, Text: r.Text, Expiry: r.Expiry, Created: s.opt.Clock.Now(), Total: channel.People,
		Progress: Progress{Pass: 1, Mark: channel.NewestEntry, BaseSeq: head},
	}
	if key == "" {
		key = e.ID.String()
	}
	e, created, err := s.opt.Ledger.Create(ctx, e, key, s.opt.Limits)
	if err != nil {
		return Enrolment{}, err
	}
	if created {
		s.tell(e)
		s.wakeWorker()
	}
	return e, nil
}

// settle checks a request and fills in what it leaves to the server.
func (s *Service) settle(r *Request, key *string) error {
	wanted := false
	for level, p := range r.Policies {
		if p > Ask {
			return muster.Invalid("policies", "%v: use direct, ask or skip", muster.Level(level)) //nolint:gosec // a level
		}
		wanted = wanted || p != Skip && level > 0
	}
	switch {
	case !wanted:
		return muster.Invalid("policies", "skips every level: choose direct or ask for at least one")
	case len(*key) > maxKey:
		return muster.Invalid("idempotency_key", "has more than %d bytes", maxKey)
	case r.Expiry < 0 || r.Expiry > s.opt.MaxExpiry:
		return muster.Invalid("invitation_expiry_ms", "must be between 0 (the server's default, %v) and %v", s.opt.Expiry, s.opt.MaxExpiry)
	}
	if r.Expiry == 0 {
		r.Expiry = s.opt.Expiry
	}
	if r.Text == "" {
		return nil
	}
	_, err := muster.ParseText("text", r.Text, 2000)
	return err
}

// Get shows a job to an administrator of its group. To everybody else it does
// not exist.
func (s *Service) Get(ctx context.Context, acting muster.AccountID, id muster.EnrolmentID) (Enrolment, error) {
	e, err := s.opt.Ledger.Get(ctx, id)
	if err != nil {
		return Enrolment{}, err
	}
	if err := s.opt.Groups.CheckAdministrator(ctx, e.Group, acting); err != nil {
		if muster.CodeOf(err) == muster.CodeInternal {
			return Enrolment{}, err
		}
		return Enrolment{}, muster.NotFound("enrolment")
	}
	return e, nil
}

// List pages through a group's jobs, the newest first, for its administrators.
func (s *Service) List(ctx context.Context, acting muster.AccountID, group muster.GroupID, before muster.EnrolmentID, limit int) ([]Enrolment, error) {
	if err := s.opt.Groups.CheckAdministrator(ctx, group, acting); err != nil {
		return nil, err
	}
	return s.opt.Ledger.List(ctx, group, before, bounded(limit))
}

// bounded is a page size that a client asked for, within reason.
func bounded(limit int) int {
	const most = 200
	if limit <= 0 || limit > most {
		return most
	}
	return limit
}

// Cancel stops a running job and withdraws its open invitations, for an
// administrator of both sides. Whom it added stays.
func (s *Service) Cancel(ctx context.Context, acting muster.AccountID, id muster.EnrolmentID) (Enrolment, error) {
	return s.end(ctx, acting, id, s.opt.Ledger.Cancel)
}

// Undo removes those whom a job added and who have not since accepted or
// spoken, and withdraws its open invitations, for an administrator of both
// sides. The worker does it.
func (s *Service) Undo(ctx context.Context, acting muster.AccountID, id muster.EnrolmentID) (Enrolment, error) {
	e, err := s.end(ctx, acting, id, s.opt.Ledger.BeginUndo)
	if err == nil {
		s.wakeWorker()
	}
	return e, err
}

func (s *Service) end(ctx context.Context, acting muster.AccountID, id muster.EnrolmentID,
	act func(context.Context, muster.EnrolmentID, muster.AccountID) (Enrolment, error),
) (Enrolment, error) {
	e, err := s.Get(ctx, acting, id)
	if err != nil {
		return Enrolment{}, err
	}
	if err := s.check(ctx, acting, e.Group, e.Channel); err != nil {
		return Enrolment{}, err
	}
	if e, err = act(ctx, id, acting); err != nil {
		return Enrolment{}, err
	}
	s.tell(e)
	return e, nil
}

// tell passes a job's new state on to watchers here and to the outside.
func (s *Service) tell(e Enrolment) {
	s.feed.publish(e.ID)
	s.opt.Events.EnrolmentProgress(e)
}

func (s *Service) wakeWorker() { signal(s.wake) }

// signal tells a loop to look again; it does not wait.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
