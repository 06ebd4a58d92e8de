package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/channel"
	"muster/internal/gateway/engine"
	"muster/internal/wire"
)

// session is one connection, before and after its hello.
type session struct {
	gw    *Gateway
	conn  engine.Conn
	limit *rate.Limiter
	// slots holds one for each frame under way.
	slots chan struct{}
	// gone is closed when the connection is being closed.
	gone     chan struct{}
	leave    sync.Once
	helloEnd *time.Timer

	// What follows belongs to the goroutine that reads, until ready is set; what
	// hello found out does not change afterwards.
	cookie   string
	account  muster.AccountID
	id       muster.SessionID
	nickname string
	ready    bool
	refused  int // frames that came too fast, lately
	bad      int // frames that were none
	typedAt  time.Time

	background atomic.Bool

	mu sync.Mutex
	// groups are those whose pushes the connection gets, by id.
	groups []*groupTopic
	// removals counts the groups that the account was taken out of: who read
	// the account's memberships before must read them again.
	removals uint64
	left     bool
	lane     []func()
	working  bool // somebody works on lane
}

func newSession(g *Gateway, c engine.Conn, cookie string) *session {
	s := &session{
		gw: g, conn: c, cookie: cookie, slots: make(chan struct{}, g.opt.InFlight), gone: make(chan struct{}),
		limit: rate.NewLimiter(rate.Limit(g.opt.MessagesPerSecond), g.opt.Burst),
	}
	s.helloEnd = time.AfterFunc(g.opt.HelloTimeout, func() { s.close(closeHelloLate, 0) })
	return s
}

func (s *session) client() channel.ClientID { return channel.ClientID(s.conn.ID()) }

// maxBadFrames is how many frames that are none a connection may send.
const maxBadFrames = 10

// Frame implements [engine.Handler].
func (s *session) Frame(payload []byte) {
	f, err := wire.ParseClientFrame(payload, s.conn.Encoding() == engine.JSON)
	if err != nil {
		s.fail(f.GetId(), err)
		if s.bad++; s.bad >= maxBadFrames || !s.ready {
			s.close(closeBadFrames, 0)
		}
		return
	}
	if hello := f.GetHello(); hello != nil || !s.ready {
		s.first(f.GetId(), hello)
		return
	}
	if !s.pace(f.GetId()) {
		return
	}
	if s.gw.stopping.Load() {
		s.fail(f.GetId(), muster.Unavailable("server_restart", "the server is stopping: send it again to the next one"))
		return
	}
	s.dispatch(f)
}

// pace holds the client to its rate.
func (s *session) pace(id uint64) bool {
	if s.limit.Allow() {
		s.refused = max(s.refused-1, 0)
		return true
	}
	wait := s.limit.Reserve()
	after := wait.Delay()
	wait.Cancel()
	s.fail(id, muster.Exhausted("too_fast", after, "at most %g frames per second, %d at once", s.gw.opt.MessagesPerSecond, s.gw.opt.Burst))
	if s.refused++; s.refused > max(s.gw.opt.Burst, maxBadFrames) {
		s.close(closeTooFast, 0)
	}
	return false
}

// first handles the frame that has to be a hello.
func (s *session) first(id uint64, hello *musterv1.Hello) {
	switch {
	case s.ready:
		s.fail(id, muster.Conflict("already_signed_in", "hello is said once: open another connection"))
		return
	case hello == nil:
		s.fail(id, muster.Unauthenticated("hello_first", "say hello before anything else"))
		s.close(closeHelloFirst, 0)
		return
	}
	s.helloEnd.Stop()
	s.gw.inFlight.Add(1)
	defer s.gw.inFlight.Add(-1)
	if end, err := s.signIn(s.gw.life, id, hello); err != nil {
		s.fail(id, err)
		s.close(end, 0)
	}
}

// signIn finds out whose connection this is, joins it to everything of that
// account, and welcomes it. From the welcome on every message of the account's
// groups is pushed, and what was there before is in the answer to any later sync.
func (s *session) signIn(ctx context.Context, id uint64, hello *musterv1.Hello) (ending, error) {
	token := hello.GetToken()
	if token == "" {
		token = s.cookie
	}
	s.cookie = ""
	sess, acct, err := s.gw.svc.Accounts.Authenticate(ctx, token)
	switch {
	case err == nil:
	case muster.CodeOf(err) == muster.CodeUnauthenticated:
		return closeNoSession, err
	default:
		return closeTrouble, err
	}
	s.account, s.id, s.nickname = acct.ID, sess.ID, acct.Nickname
	if end, ok := s.gw.dir.add(s, s.gw.opt.PerAccount); !ok {
		return end, muster.Exhausted(end.reason, end.retry, "this connection cannot stay")
	}
	select {
	case <-s.gone: // closed before it was in the directory: nobody else takes it out
		s.gw.dir.remove(s)
		return closeReset, nil
	default:
	}
	s.gw.svc.Rooms.Connected(s.account, s.client())
	select {
	case <-s.gone: // as above
		s.gw.svc.Rooms.Disconnected(s.client())
		return closeReset, nil
	default:
	}
	if err := s.joinAll(ctx); err != nil {
		return closeTrouble, err
	}
	invitations, err := s.gw.svc.Enrolments.CountMyInvitations(ctx, s.account)
	if err != nil {
		return closeTrouble, err
	}
	s.background.Store(hello.GetBackground())
	s.ready = true
	s.reply(&musterv1.ServerFrame{Id: id, Body: &musterv1.ServerFrame_Welcome{Welcome: &musterv1.Welcome{
		AccountId: int64(s.account), SessionId: int64(s.id), Name: acct.Name, Nickname: acct.Nickname,
		ServerTimeMs: wire.Millis(s.gw.opt.Clock.Now()), Limits: s.gw.limits(), Invitations: invitations,
	}}})
	return ending{}, nil
}

func (g *Gateway) limits() *musterv1.Limits {
	return &musterv1.Limits{
		MaxFrameBytes: int64(g.opt.MaxFrame), MaxGroupTextBytes: int64(g.opt.MaxGroupText),
		MaxChannelTextBytes: int64(g.opt.MaxChannelText), MessagesPerSecond: g.opt.MessagesPerSecond,
		Burst: int64(g.opt.Burst), IdlePingMs: g.opt.IdlePing.Milliseconds(),
	}
}

// Missed implements [engine.Handler].
func (s *session) Missed(t engine.Topic, count, last uint64) *engine.Frame {
	if t.Lane == engine.Live {
		return frameOf(&musterv1.ServerFrame{Body: &musterv1.ServerFrame_ChannelSkipped{
			ChannelSkipped: &musterv1.ChannelSkipped{ChannelId: t.ID, Count: int64(count)}, //nolint:gosec // a count
		}})
	}
	if last == 0 { // only frames without a place in the order
		return nil
	}
	return behindFrame(muster.GroupID(t.ID), last)
}

// Closed implements [engine.Handler].
func (s *session) Closed(error) { s.depart() }

// close says goodbye and takes the connection out of everything at once. It may
// be called from anywhere and does not wait.
func (s *session) close(why ending, after time.Duration) {
	s.conn.Close(why.frame(after), why.code, why.reason)
	if !s.gw.spawn(s.depart) {
		s.depart()
	}
}

// depart takes the connection out of everything. It does so once.
func (s *session) depart() {
	s.leave.Do(func() {
		close(s.gone)
		s.helloEnd.Stop()
		s.mu.Lock()
		s.left = true
		groups := s.groups
		s.groups = nil
		s.mu.Unlock()
		for _, t := range groups {
			s.gw.groups.release(t)
		}
		if s.gw.dir.remove(s) {
			s.gw.svc.Rooms.Disconnected(s.client())
		}
	})
}

// send queues an encoded frame for this client; one that takes nothing is let
// go.
func (s *session) send(f *engine.Frame) {
	if !s.conn.Send(f) {
		s.close(closeTooSlow, 0)
	}
}

func (s *session) reply(f *musterv1.ServerFrame) { s.send(frameOf(f)) }

// ok answers a request that has nothing to tell.
func (s *session) ok(id uint64) {
	if id != 0 {
		s.reply(&musterv1.ServerFrame{Id: id, Body: &musterv1.ServerFrame_Ok{Ok: &musterv1.Ok{}}})
	}
}

// fail answers a request that was refused. What is the server's own fault is
// logged under an id that the answer carries.
func (s *session) fail(id uint64, err error) {
	if err == nil {
		return
	}
	name := ""
	if muster.CodeOf(err) == muster.CodeInternal {
		if errors.Is(err, context.Canceled) {
			err = muster.Unavailable("server_restart", "the server is stopping: send it again to the next one")
		} else {
			name = errorName()
			s.gw.opt.Log.Error("a frame failed", "error_id", name, "account", int64(s.account), "error", err)
		}
	}
	s.reply(&musterv1.ServerFrame{Id: id, Body: &musterv1.ServerFrame_Error{Error: wire.Error(err, name)}})
}

// errorName names an error in the log.
func errorName() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // crypto/rand never fails
	return hex.EncodeToString(b[:])
}

// begin takes a slot for a frame under way; it waits while all are taken, so
// that no more is read from this client meanwhile. false: the connection ends.
func (s *session) begin() bool {
	select {
	case s.slots <- struct{}{}:
	default:
		select {
		case s.slots <- struct{}{}:
		case <-s.gone:
			return false
		}
	}
	s.gw.inFlight.Add(1)
	return true
}

func (s *session) finish() {
	<-s.slots
	s.gw.inFlight.Add(-1)
}

// later does work that may wait for the store, one after another for this
// connection, while more frames are read.
func (s *session) later(work func()) {
	if !s.begin() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lane = append(s.lane, work)
	if !s.working {
		s.working = s.gw.spawn(s.workOff)
	}
}

func (s *session) workOff() {
	for {
		s.mu.Lock()
		if len(s.lane) == 0 {
			s.working, s.lane = false, nil
			s.mu.Unlock()
			return
		}
		work := s.lane[0]
		s.lane = s.lane[1:]
		left := s.left
		s.mu.Unlock()
		if !left {
			work()
		}
		s.finish()
	}
}

// find gives the group's place in s.groups. s.mu is held.
func (s *session) find(id muster.GroupID) (int, bool) {
	return slices.BinarySearchFunc(s.groups, id, func(t *groupTopic, id muster.GroupID) int {
		switch {
		case t.id < id:
			return -1
		case t.id > id:
			return 1
		default:
			return 0
		}
	})
}

// in gives a group whose pushes the connection gets, nil if it gets none.
func (s *session) in(id muster.GroupID) *groupTopic {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, found := s.find(id); found {
		return s.groups[i]
	}
	return nil
}
