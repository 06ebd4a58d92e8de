package app_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"

	"muster"
	musterv1 "muster/gen/muster/v1"
	"muster/internal/app"
	"muster/internal/client"
	"muster/internal/config"
)

// start runs a whole server on a free port; the test's end stops it and sees
// that nothing is left.
func start(t *testing.T, change func(*config.Config)) *app.Server {
	t.Helper()
	cfg := config.Default()
	cfg.Server.Data = t.TempDir()
	cfg.Server.Listen = "127.0.0.1:0"
	cfg.Accounts.Argon2Memory, cfg.Accounts.Argon2Time = 8<<20, 1
	if change != nil {
		change(&cfg)
	}
	s, err := app.New(t.Context(), cfg, app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the server ended: %v", err)
		}
	})
	return s
}

// person is somebody who is signed in.
type person struct {
	client.Services
	id    muster.AccountID
	token string
	url   string
}

func register(t *testing.T, s *app.Server, name, setup string) person {
	t.Helper()
	anon := client.NewServices(s.LocalURL(), "", nil)
	r, err := anon.Register(t.Context(), connect.NewRequest(&musterv1.RegisterRequest{Name: name, Password: "correct horse battery", SetupToken: setup}))
	if err != nil {
		t.Fatal(err)
	}
	return person{client.NewServices(s.LocalURL(), r.Msg.GetToken(), nil), muster.AccountID(r.Msg.GetAccount().GetId()), r.Msg.GetToken(), s.LocalURL()}
}

func (p person) dial(t *testing.T) *client.Live {
	t.Helper()
	l, err := client.Dial(t.Context(), client.Options{URL: p.url, Token: p.token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// event waits for an event that pick wants.
func event[T any](t *testing.T, l *client.Live, pick func(*musterv1.ServerFrame) *T) *T {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case f, ok := <-l.Events():
			if !ok {
				t.Fatalf("the connection ended: %v", l.Err())
			}
			if v := pick(f); v != nil {
				return v
			}
		case <-deadline:
			t.Fatal("the event did not come")
		}
	}
}

func must[T any](t *testing.T) func(*connect.Response[T], error) *T {
	return func(r *connect.Response[T], err error) *T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r.Msg
	}
}

// The method from one end to the other, over real sockets: people meet in a
// channel, are brought into a group, answer, and get its messages.
func TestTheMethod(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { // the last one to run
		http.DefaultClient.CloseIdleConnections()
		goleak.VerifyNone(t, before)
	})
	s := start(t, nil)
	_, setup, _ := strings.Cut(s.SetupLink(), "#")
	owner := register(t, s, "olga", setup)
	anna, ben, carl := register(t, s, "anna", ""), register(t, s, "ben", ""), register(t, s, "carl", "")
	ctx := t.Context()

	ch := must[musterv1.CreateChannelResponse](t)(owner.CreateChannel(ctx, connect.NewRequest(&musterv1.CreateChannelRequest{Name: "Lobby"}))).GetChannel().GetId()
	for p, level := range map[person]musterv1.Level{anna: musterv1.Level_LEVEL_MEMBER, ben: musterv1.Level_LEVEL_GUEST, carl: musterv1.Level_LEVEL_GUEST} {
		must[musterv1.SetLevelResponse](t)(owner.SetLevel(ctx, connect.NewRequest(&musterv1.SetLevelRequest{ChannelId: ch, AccountId: int64(p.id), Level: level})))
	}
	lo, lb := owner.dial(t), ben.dial(t)
	for _, l := range []*client.Live{lo, lb} {
		if _, err := l.Enter(ctx, muster.ChannelID(ch)); err != nil {
			t.Fatal(err)
		}
	}
	if said, err := lo.Say(ctx, muster.ChannelID(ch), "for those here now"); err != nil || said.GetDelivered() != 2 {
		t.Fatalf("said to %d, %v", said.GetDelivered(), err)
	}
	m := event(t, lb, (*musterv1.ServerFrame).GetChannelMessage)
	if m.GetText() != "for those here now" || m.GetSenderNickname() != "olga" {
		t.Fatalf("heard %v", m)
	}

	g := must[musterv1.CreateGroupResponse](t)(owner.CreateGroup(ctx, connect.NewRequest(&musterv1.CreateGroupRequest{Name: "Guild"}))).GetGroup().GetId()
	e := must[musterv1.StartEnrolmentResponse](t)(owner.StartEnrolment(ctx, connect.NewRequest(&musterv1.StartEnrolmentRequest{
		GroupId: g, ChannelId: ch, Text: "Join us", Policies: []*musterv1.LevelPolicy{
			{Level: musterv1.Level_LEVEL_MEMBER, Policy: musterv1.EnrolPolicy_ENROL_POLICY_DIRECT},
			{Level: musterv1.Level_LEVEL_GUEST, Policy: musterv1.EnrolPolicy_ENROL_POLICY_ASK},
		},
	}))).GetEnrolment()
	in := event(t, lb, (*musterv1.ServerFrame).GetInvitation)
	if in.GetId() != e.GetId() || in.GetText() != "Join us" || in.GetGroupName() != "Guild" || in.GetChannelName() != "Lobby" {
		t.Fatalf("asked %v", in)
	}
	if err := lb.Answer(ctx, muster.InvitationID(in.GetId()), musterv1.Choice_CHOICE_ACCEPT); err != nil {
		t.Fatal(err)
	}
	if added := event(t, lb, (*musterv1.ServerFrame).GetMemberAdded); added.GetMine().GetGroup().GetId() != g {
		t.Fatalf("added %v", added)
	}
	must[musterv1.AnswerInvitationResponse](t)(carl.AnswerInvitation(ctx, connect.NewRequest(&musterv1.AnswerInvitationRequest{
		InvitationId: in.GetId(), Choice: musterv1.Choice_CHOICE_DECLINE_AND_LEAVE,
	})))
	sent, err := lo.Send(ctx, &musterv1.SendRequest{GroupId: g, ClientMessageId: client.NewMessageID(), Text: "welcome"})
	if err != nil {
		t.Fatal(err)
	}
	got := event(t, lb, func(f *musterv1.ServerFrame) *musterv1.GroupMessage {
		if gm := f.GetGroupMessage(); gm.GetKind() == musterv1.MessageKind_MESSAGE_KIND_TEXT {
			return gm
		}
		return nil
	})
	if got.GetText() != "welcome" || got.GetSeq() != sent.GetSeq() {
		t.Fatalf("got %v, want seq %d", got, sent.GetSeq())
	}
	// Anna was added while she was offline, and finds the message on return.
	synced, err := anna.dial(t).Sync(ctx, &musterv1.SyncRequest{})
	if err != nil || len(synced.GetGroups()) != 1 {
		t.Fatalf("%v, %v", synced, err)
	}
	msgs := synced.GetGroups()[0].GetMessages()
	if len(msgs) == 0 || msgs[len(msgs)-1].GetText() != "welcome" {
		t.Fatalf("anna finds %v", msgs)
	}
	// Carl declined and left: no roster, no group.
	if v := must[musterv1.GetChannelResponse](t)(carl.GetChannel(ctx, connect.NewRequest(&musterv1.GetChannelRequest{ChannelId: ch}))); v.GetChannel().GetYourLevel() != 0 {
		t.Fatalf("carl is still %v", v.GetChannel().GetYourLevel())
	}
	if _, err := carl.GetGroup(ctx, connect.NewRequest(&musterv1.GetGroupRequest{GroupId: g})); connect.CodeOf(err) != connect.CodeNotFound {
		t.Fatalf("carl sees the group: %v", err)
	}
}

// A revoked session's sockets close within a second, and with the advice not to
// come back.
func TestRevokedSessionIsThrownOut(t *testing.T) {
	s := start(t, nil)
	p := register(t, s, "anna", "")
	l := p.dial(t)
	other := register(t, s, "ben", "").dial(t)
	begun := time.Now()
	must[musterv1.RevokeSessionResponse](t)(p.RevokeSession(t.Context(), connect.NewRequest(&musterv1.RevokeSessionRequest{SessionId: l.Welcome().GetSessionId()})))
	select {
	case <-l.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the socket stays open")
	}
	t.Logf("closed after %v", time.Since(begun))
	if c, ok := errors.AsType[*client.ClosedError](l.Err()); !ok || c.Retry != musterv1.Retry_RETRY_NEVER {
		t.Fatalf("closed with %v", l.Err())
	}
	if other.Err() != nil {
		t.Fatalf("somebody else was thrown out: %v", other.Err())
	}
}

// A follower comes back after the server restarted, and has every message once
// and in order, also those that it sent while the server was away.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	cfg := func(c *config.Config) { c.Server.Data = dir }
	ctx, cancel := context.WithCancel(context.Background())
	s := startUntil(t, ctx, cfg)
	p := register(t, s.Server, "anna", "")
	g := must[musterv1.CreateGroupResponse](t)(p.CreateGroup(t.Context(), connect.NewRequest(&musterv1.CreateGroupRequest{Name: "Guild"}))).GetGroup().GetId()
	got := make(chan int64, 100)
	f := client.NewFollower(client.Options{URL: p.url, Token: p.token}, nil, client.Handler{Message: func(m *musterv1.GroupMessage) { got <- m.GetSeq() }})
	life, stopFollower := context.WithCancel(t.Context())
	followed := make(chan error, 1)
	go func() { followed <- f.Run(life) }()
	send := func() {
		t.Helper()
		if _, err := f.Send(t.Context(), &musterv1.SendRequest{GroupId: g, Text: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	send()
	cancel()
	if err := <-s.ended; err != nil {
		t.Fatalf("the first server ended: %v", err)
	}
	addr := s.Addr()
	again, cancelAgain := context.WithCancel(context.Background())
	s = startUntil(t, again, func(c *config.Config) { cfg(c); c.Server.Listen = addr })
	send()
	send()
	for want := int64(1); want <= 3; want++ {
		select {
		case seq := <-got:
			if seq != want {
				t.Fatalf("seq %d instead of %d", seq, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("seq %d does not come", want)
		}
	}
	stopFollower()
	if err := <-followed; err != nil {
		t.Fatal(err)
	}
	cancelAgain()
	if err := <-s.ended; err != nil {
		t.Fatal(err)
	}
}

type running struct {
	*app.Server
	ended chan error
}

func startUntil(t *testing.T, ctx context.Context, change func(*config.Config)) running {
	t.Helper()
	cfg := config.Default()
	cfg.Server.Listen = "127.0.0.1:0"
	cfg.Accounts.Argon2Memory, cfg.Accounts.Argon2Time = 8<<20, 1
	change(&cfg)
	s, err := app.New(ctx, cfg, app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := running{s, make(chan error, 1)}
	go func() { r.ended <- s.Run(ctx) }()
	return r
}

// Where only administrators make channels at the top, others make none there.
func TestWhoMayCreateChannels(t *testing.T) {
	s := start(t, func(c *config.Config) {
		c.Accounts.WhoMayCreateChannels = config.CreateAdmins
		c.Channels.MaxDepth = 2
	})
	_, setup, _ := strings.Cut(s.SetupLink(), "#")
	owner, anna := register(t, s, "olga", setup), register(t, s, "anna", "")
	_, err := anna.CreateChannel(t.Context(), connect.NewRequest(&musterv1.CreateChannelRequest{Name: "Mine"}))
	if connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Fatalf("made a channel at the top: %v", err)
	}
	parent := int64(0)
	for range 2 {
		parent = must[musterv1.CreateChannelResponse](t)(owner.CreateChannel(t.Context(),
			connect.NewRequest(&musterv1.CreateChannelRequest{Name: "Deeper", ParentId: parent}))).GetChannel().GetId()
	}
	_, err = owner.CreateChannel(t.Context(), connect.NewRequest(&musterv1.CreateChannelRequest{Name: "Too deep", ParentId: parent}))
	if connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Fatalf("made a third level: %v", err)
	}
}

// The owner's link leads to a page, with the client compiled in or without: a
// browser that opens it gets one with a policy that lets nothing else in.
func TestOwnersLinkOpens(t *testing.T) {
	s := start(t, nil)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.SetupLink(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html,*/*;q=0.8")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	policy := res.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") || !strings.Contains(policy, "script-src 'self'") || !strings.Contains(policy, "wss://"+s.Addr()) ||
		res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("%s: %v", res.Status, res.Header)
	}
}
