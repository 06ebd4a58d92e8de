package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/channel"
	"muster/internal/gateway/engine"
	"muster/internal/wire"
)

// session is one connection, before and after its hello. There are as many as
// people are online, and most of them are silent: what only a new or a busy one
// needs is kept outside and let go. An idle session has no goroutine, no timer,
// no channel and no map of its own.
type session struct {
	gw   *Gateway
	conn engine.Conn

	// What follows belongs to who handles the connection's frames, until ready
	// is set; what hello found out does not change afterwards.
	account  muster.AccountID
	id       muster.SessionID
	nickname string
	pace     pace
	typed    int64  // when a hint was passed on last, in Gateway.millis
	refused  uint16 // frames that came too fast, lately
	bad      uint16 // frames that were none
	ready    bool

	background atomic.Bool

	// nextOfAccount and nextOfSession are the directory's.
	nextOfAccount, nextOfSession *session

	mu   sync.Mutex
	left bool
	// under is how many frames are being worked on.
	under uint16
	// complete: groups were all of the account's at generation, and no
	// invitation waited; see known.
	complete   bool
	generation uint32
	// removals counts the groups that the account was taken out of: who read
	// the account's memberships before must read them again.
	removals uint32
	// groups are those whose pushes the connection gets, by id.
	groups   []*groupTopic
	greeting *greeting // nil after the hello
	backlog  *backlog  // nil: nothing waits
}

// greeting is what a session has until its hello has come.
type greeting struct {
	cookie string
	end    *time.Timer
}

// backlog is what waits until something else of the connection is done.
type backlog struct {
	lane    []func()
	working bool // somebody works on lane
	// room wakes who waits to begin another frame; nil: nobody does.
	room chan struct{}
}

// pace is a token bucket for the frames of one connection.
type pace struct {
	tokens float32
	at     int64 // when they were counted, in Gateway.millis
}

// take takes a token. If there is none, it says how long one takes.
func (p *pace) take(now int64, rate, burst float64) (wait time.Duration, ok bool) {
	tokens := min(burst, float64(p.tokens)+float64(max(now-p.at, 0))*rate/1000)
	if ok = tokens >= 1; ok {
		tokens--
	}
	p.tokens, p.at = float32(tokens), now
	return time.Duration((1 - tokens) / rate * float64(time.Second)), ok
}

func newSession(g *Gateway, c engine.Conn, cookie string) *session {
	s := &session{gw: g, conn: c, pace: pace{tokens: float32(g.opt.Burst), at: g.millis()}, greeting: &greeting{cookie: cookie}}
	s.greeting.end = time.AfterFunc(g.opt.HelloTimeout, func() { s.close(closeHelloLate, 0) })
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
	if !s.mayGoOn(f.GetId()) {
		return
	}
	if s.gw.stopping.Load() {
		s.fail(f.GetId(), muster.Unavailable("server_restart", "the server is stopping: send it again to the next one"))
		return
	}
	s.dispatch(f)
}

// mayGoOn holds the client to its rate.
func (s *session) mayGoOn(id uint64) bool {
	opt := &s.gw.opt
	wait, ok := s.pace.take(s.gw.millis(), opt.MessagesPerSecond, float64(opt.Burst))
	if ok {
		if s.refused > 0 {
			s.refused--
		}
		return true
	}
	s.fail(id, muster.Exhausted("too_fast", wait, "at most %g frames per second, %d at once", opt.MessagesPerSecond, opt.Burst))
	if s.refused++; int(s.refused) > min(max(opt.Burst, maxBadFrames), maxRefused) {
		s.close(closeTooFast, 0)
	}
	return false
}

// maxRefused bounds how many frames may come too fast, whatever the burst is.
const maxRefused = 10_000

// greeted ends the time in which the hello has to come, and gives the cookie of
// the handshake.
func (s *session) greeted() (cookie string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.greeting; g != nil {
		g.end.Stop()
		cookie, s.greeting = g.cookie, nil
	}
	return cookie
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
	cookie := s.greeted()
	s.gw.inFlight.Add(1)
	defer s.gw.inFlight.Add(-1)
	defer s.gw.hellos.Add(-1)
	if s.gw.hellos.Add(1) > int64(s.gw.opt.MaxHellos) {
		after := closeBusy.retry + mathrand.N(closeBusy.retry)
		s.fail(id, &muster.Error{
			Code: muster.CodeUnavailable, Reason: closeBusy.reason, RetryAfter: after,
			Message: "too many people come in at once: try again in a moment",
		})
		s.close(closeBusy, after)
		return
	}
	if end, err := s.signIn(s.gw.life, id, hello, cookie); err != nil {
		s.fail(id, err)
		s.close(end, 0)
	}
}

// signIn finds out whose connection this is, joins it to everything of that
// account, and welcomes it. From the welcome on every message of the account's
// groups is pushed, and what was there before is in the answer to any later sync.
func (s *session) signIn(ctx context.Context, id uint64, hello *musterv1.Hello, cookie string) (ending, error) {
	token := hello.GetToken()
	if token == "" {
		token = cookie
	}
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
	// Asked before the memberships are looked at; changes from here on find the
	// session in the directory.
	epoch := s.epoch()
	ids, known, generation := s.gw.known.begin(s.account, s.gw.millis())
	if s.hasLeft() { // closed before it was in the directory: nobody else takes it out
		s.gw.dir.remove(s)
		return closeReset, nil
	}
	s.gw.svc.Rooms.Connected(s.account, s.client())
	if s.hasLeft() { // as above
		s.gw.svc.Rooms.Disconnected(s.client())
		return closeReset, nil
	}
	if known && !s.gw.opt.Shared {
		if known, err = s.rejoin(ctx, ids, epoch); err != nil {
			return closeTrouble, err
		}
	}
	var invitations int64 // of who is known: none
	if !known || s.gw.opt.Shared {
		if err := s.joinAll(ctx); err != nil {
			return closeTrouble, err
		}
		if invitations, err = s.gw.svc.Enrolments.CountMyInvitations(ctx, s.account); err != nil {
			return closeTrouble, err
		}
	}
	s.background.Store(hello.GetBackground())
	s.mu.Lock()
	s.generation, s.complete = generation, invitations == 0
	s.mu.Unlock()
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
	s.mu.Lock()
	if s.left {
		s.mu.Unlock()
		return
	}
	s.left = true
	groups := s.groups
	s.groups = nil
	if s.greeting != nil {
		s.greeting.end.Stop()
		s.greeting = nil
	}
	s.makeRoom()
	complete := s.complete
	s.mu.Unlock()
	if complete && !s.gw.opt.Shared {
		s.gw.known.put(s.account, groups, s.generation, s.gw.millis())
	}
	for _, t := range groups {
		s.gw.groups.release(t)
	}
	if s.gw.dir.remove(s) {
		s.gw.svc.Rooms.Disconnected(s.client())
	}
}

func (s *session) hasLeft() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left
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

// begin counts a frame under way; it waits while there are too many, so that no
// more is read from this client meanwhile. false: the connection ends.
func (s *session) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.left && int(s.under) >= s.gw.opt.InFlight {
		if s.backlog == nil {
			s.backlog = &backlog{}
		}
		room := make(chan struct{})
		s.backlog.room = room
		s.mu.Unlock()
		<-room
		s.mu.Lock()
	}
	if s.left {
		return false
	}
	s.under++
	s.gw.inFlight.Add(1)
	return true
}

func (s *session) finish() {
	s.mu.Lock()
	s.under--
	s.makeRoom()
	s.mu.Unlock()
	s.gw.inFlight.Add(-1)
}

// makeRoom wakes who waits to begin, if somebody does, and lets go of what an
// idle session does not need. The lock is held.
func (s *session) makeRoom() {
	b := s.backlog
	if b == nil {
		return
	}
	if b.room != nil {
		close(b.room)
		b.room = nil
	}
	if !b.working && len(b.lane) == 0 {
		s.backlog = nil
	}
}

// later does work that may wait for the store, one after another for this
// connection, while more frames are read.
func (s *session) later(work func()) {
	if !s.begin() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.backlog == nil {
		s.backlog = &backlog{}
	}
	b := s.backlog
	b.lane = append(b.lane, work)
	if !b.working {
		b.working = s.gw.spawn(s.workOff)
	}
}

func (s *session) workOff() {
	for {
		s.mu.Lock()
		b := s.backlog
		if len(b.lane) == 0 {
			b.working, b.lane = false, nil
			s.makeRoom()
			s.mu.Unlock()
			return
		}
		work := b.lane[0]
		b.lane[0] = nil
		b.lane = b.lane[1:]
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
