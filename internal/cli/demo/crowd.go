package demo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"muster"
	musterv1 "muster/gen/muster/v1"
	"muster/internal/client"
)

// patience is how long the demo waits for something that takes milliseconds.
const patience = 30 * time.Second

// guest is one person's connected client, and what it received.
type guest struct {
	person
	follower *client.Follower
	crowd    *crowd

	// Guarded by crowd.mu.
	heard    int     // channel messages
	added    int     // "you are now in the group"
	asked    int     // "will you join?"
	answered int     // answers that the server took
	seqs     []int64 // group messages, in the order of their coming
	waiting  int64   // questions that waited at the connect
	failure  error
}

// crowd is people with connected clients.
type crowd struct {
	url    string
	group  int64
	stop   context.CancelFunc
	run    *errgroup.Group
	runCtx context.Context //nolint:containedctx // the life of the clients

	mu      sync.Mutex
	guests  []*guest
	changed chan struct{} // told after every event
}

// newCrowd makes an empty one; close ends it.
func newCrowd(ctx context.Context, url string, group int64) *crowd {
	c := &crowd{url: url, group: group, changed: make(chan struct{}, 1)}
	ctx, c.stop = context.WithCancel(ctx)
	c.run, c.runCtx = errgroup.WithContext(ctx)
	return c
}

// close disconnects everybody and waits for it.
func (c *crowd) close() {
	c.stop()
	_ = c.run.Wait() // whoever failed was found missing before
}

// join connects a person.
func (c *crowd) join(p person, token string) *guest {
	g := &guest{person: p, crowd: c}
	g.follower = client.NewFollower(client.Options{URL: c.url, Token: token, Device: "demo"}, nil, client.Handler{Message: g.message, Event: g.event})
	c.mu.Lock()
	c.guests = append(c.guests, g)
	c.mu.Unlock()
	c.run.Go(func() error {
		if err := g.follower.Run(c.runCtx); err != nil {
			g.note(func() { g.failure = err })
		}
		return nil // the others stay
	})
	return g
}

// note changes what is known of a guest, and wakes whoever waits.
func (g *guest) note(change func()) {
	g.crowd.mu.Lock()
	change()
	g.crowd.mu.Unlock()
	select {
	case g.crowd.changed <- struct{}{}:
	default:
	}
}

// message takes a group message; the follower gives each exactly once.
func (g *guest) message(m *musterv1.GroupMessage) {
	if m.GetGroupId() == g.crowd.group {
		g.note(func() { g.seqs = append(g.seqs, m.GetSeq()) })
	}
}

// event takes everything else; who is asked answers at once.
func (g *guest) event(f *musterv1.ServerFrame) {
	switch b := f.GetBody().(type) {
	case *musterv1.ServerFrame_ChannelMessage:
		g.note(func() { g.heard++ })
	case *musterv1.ServerFrame_MemberAdded:
		g.note(func() { g.added++ })
	case *musterv1.ServerFrame_Invitation:
		g.note(func() { g.asked++ })
		if g.choice() != musterv1.Choice_CHOICE_UNSPECIFIED {
			g.answer(b.Invitation.GetId())
		}
	}
}

// answer sends the person's answer and notes when the server has taken it.
func (g *guest) answer(invitation int64) {
	live, err := g.follower.Live(g.crowd.runCtx)
	if err == nil {
		frame := &musterv1.ClientFrame{Body: &musterv1.ClientFrame_Answer{
			Answer: &musterv1.AnswerInvitationRequest{InvitationId: invitation, Choice: g.choice()},
		}}
		err = live.Go(g.crowd.runCtx, frame, func(_ *musterv1.ServerFrame, err error) {
			g.note(func() {
				if g.failure = err; err == nil {
					g.answered++
				}
			})
		})
	}
	if err != nil {
		g.note(func() { g.failure = err })
	}
}

// connected waits until a guest's client is connected and has caught up.
func (g *guest) connected(ctx context.Context) (*client.Live, error) {
	live, err := g.follower.Live(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s could not connect: %w", g.name(), err)
	}
	waiting := live.Welcome().GetInvitations()
	g.note(func() { g.waiting = waiting })
	return live, nil
}

// enter goes into a channel's room.
func (g *guest) enter(ctx context.Context, channel int64) error {
	live, err := g.connected(ctx)
	if err != nil {
		return err
	}
	_, err = live.Enter(ctx, muster.ChannelID(channel))
	return err
}

// each runs something for many at once, a few at a time.
func each[T any](ctx context.Context, list []T, do func(ctx context.Context, one T) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for _, one := range list {
		g.Go(func() error { return do(ctx, one) })
	}
	return g.Wait()
}

// sum adds something up over the guests.
func (c *crowd) sum(of func(g *guest) int) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, g := range c.guests {
		n += of(g)
	}
	return int64(n)
}

// wait waits until something that is added up over the guests reaches a number.
// What comes out is for the checks to judge: it may be less when the patience
// ends, and more.
func (c *crowd) wait(ctx context.Context, of func(g *guest) int, want int64) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for c.sum(of) < want {
		select {
		case <-ctx.Done():
			return
		case <-c.changed:
		}
	}
}

// failure gives the first thing that went wrong for anybody.
func (c *crowd) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.guests {
		if g.failure != nil {
			return fmt.Errorf("%s: %w", g.name(), g.failure)
		}
	}
	return nil
}
