package fault_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/account"
	"muster/internal/app"
	"muster/internal/bus/local"
	"muster/internal/client"
	"muster/internal/config"
	"muster/internal/enrol"
	"muster/internal/fault"
	"muster/internal/gateway"
	"muster/internal/group"
	"muster/internal/pgtest"
	"muster/internal/store"
)

// lossyBus loses one in ten publications.
type lossyBus struct {
	*local.Bus
	mu   sync.Mutex
	r    *rand.Rand
	lost atomic.Int64
}

func (b *lossyBus) Publish(subject string, payload []byte) error {
	b.mu.Lock()
	lose := b.r.IntN(10) == 0
	b.mu.Unlock()
	if lose {
		b.lost.Add(1)
		return nil
	}
	return b.Bus.Publish(subject, payload)
}

func (b *lossyBus) Subscribe(subject string, handler func(string, []byte)) (func(), error) {
	sub, err := b.Bus.Subscribe(subject, handler)
	if err != nil {
		return nil, err
	}
	return sub.Unsubscribe, nil
}

// lossySite is a server whose bus loses publications, put together as package
// app does it.
type lossySite struct {
	*app.Domain
	bus  *lossyBus
	addr string
}

func newLossySite(t *testing.T, opt store.Options, r *rand.Rand) *lossySite {
	t.Helper()
	clock := muster.ClockFunc(time.Now)
	ids := muster.NewIDs(clock)
	opt.Clock, opt.IDs = clock, ids
	s, err := store.Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	b := &lossyBus{Bus: local.New(), r: rand.New(rand.NewPCG(r.Uint64(), 0))}
	log := slog.New(slog.DiscardHandler)
	gw := gateway.New(gateway.Options{Bus: b, Clock: clock, Log: log, MessagesPerSecond: 1e6, Burst: 1e6})
	site := &lossySite{bus: b, Domain: app.NewDomain(config.Default(), s, gw.Events(), clock, ids, "site", log)}
	gw.Use(gateway.Services{
		Accounts: site.Accounts, Rooms: site.Rooms, Groups: site.Groups, Log: s.Log(), Enrolments: site.Enrolments,
		Ended: s.Accounts().EndedSessions,
	})
	s.Log().Follow(gw.Events().Committed)
	server := httptest.NewServer(gw)
	site.addr = server.Listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{s.Run, b.Run, site.Run, gw.Run} {
		running.Go(func() {
			if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("a part of the server ended: %v", err)
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		running.Wait()
		server.Close()
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return site
}

// members makes accounts that are in all of the groups, and a session for each.
func (s *lossySite) members(t *testing.T, n, groups int) (tokens []string, gs []muster.GroupID) {
	t.Helper()
	ctx := t.Context()
	fresh := make([]account.NewAccount, n)
	for i, name := range names("p", n) {
		fresh[i].Name = name
	}
	made, _, err := s.Accounts.EnsureAccounts(ctx, account.Operator, fresh)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]muster.AccountID, n)
	for i, m := range made {
		ids[i] = m.ID
		in, err := s.Accounts.IssueSession(ctx, account.Operator, fresh[i].Name, "test")
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, in.Token)
	}
	for range groups {
		g, err := s.Groups.CreateGroup(ctx, ids[0], "Group", "", 0)
		if err != nil {
			t.Fatal(err)
		}
		in, err := s.Groups.Invite(ctx, ids[0], g.ID, ids[1:], "")
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids[1:] {
			if _, err := s.Enrolments.AnswerInvitation(ctx, id, in.Invitation, enrol.Accept); err != nil {
				t.Fatal(err)
			}
		}
		gs = append(gs, g.ID)
	}
	return tokens, gs
}

// reader is a device that follows its groups.
type reader struct {
	*client.Follower
	mu   sync.Mutex
	logs map[int64][]string
}

func newReader(t *testing.T, url, token string, running *sync.WaitGroup, ctx context.Context) *reader { //nolint:revive // a test's life
	r := &reader{logs: map[int64][]string{}}
	r.Follower = client.NewFollower(client.Options{URL: url, Token: token}, nil, client.Handler{Message: func(m *musterv1.GroupMessage) {
		r.mu.Lock()
		defer r.mu.Unlock()
		log := r.logs[m.GetGroupId()]
		if m.GetSeq() != int64(len(log))+1 {
			t.Errorf("message %d of a group came after %d", m.GetSeq(), len(log))
		}
		r.logs[m.GetGroupId()] = append(log, m.GetClientMessageId())
	}})
	running.Go(func() {
		if err := r.Run(ctx); err != nil && ctx.Err() == nil {
			t.Errorf("a reader ended: %v", err)
		}
	})
	return r
}

func (r *reader) has(g muster.GroupID) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.logs[int64(g)])
}

// Twenty devices whose connections are cut at random, behind a bus that loses
// one wake-up in ten: each gets every message of every group once and in order,
// also the last ones, which no later message tells of.
func TestReaders(t *testing.T) {
	t.Parallel()
	test := func(t *testing.T, opt store.Options) {
		const readers, writers, groups = 20, 4, 3
		messages := fault.Long(60, 2000)
		r := fault.Seed(t)
		s := newLossySite(t, opt, r)
		tokens, gs := s.members(t, readers+writers, groups)
		proxy := fault.NewProxy(t, s.addr, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var following sync.WaitGroup
		t.Cleanup(func() { cancel(); following.Wait() })
		all := make([]*reader, readers+writers)
		for i := range all {
			all[i] = newReader(t, proxy.URL(), tokens[i], &following, ctx)
		}

		// Writers resend over connections that are cut, too.
		h := newHistory()
		var writing sync.WaitGroup
		for i, w := range all[readers:] {
			seed := r.Uint64()
			writing.Go(func() {
				r := rand.New(rand.NewPCG(seed, 0))
				for m := range messages {
					g, id := gs[r.IntN(groups)], fmt.Sprintf("%d-%d", i, m)
					called := h.now()
					sent, err := w.Send(ctx, &musterv1.SendRequest{GroupId: int64(g), ClientMessageId: id, Text: strings.Repeat("x", r.IntN(500)+1)})
					if err != nil {
						t.Errorf("send: %v", err)
						return
					}
					h.add(i, called, op{group: g, id: id}, result{seq: sent.GetSeq()})
					time.Sleep(time.Duration(r.IntN(15)) * time.Millisecond) // so that cuts find something under way
				}
			})
		}
		done := make(chan struct{})
		go func() { writing.Wait(); close(done) }()
		cut := 0
		for going := true; going; {
			select {
			case <-done:
				going = false
			case <-time.After(time.Duration(20+r.IntN(100)) * time.Millisecond): // a random moment
				cut += proxy.Cut(0.1)
			}
		}
		total := 0
		for _, g := range gs {
			truth, err := s.Store.Log().Read(t.Context(), group.Range{Group: g})
			if err != nil {
				t.Fatal(err)
			}
			total += len(truth)
			for late := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
				behind := 0
				for _, one := range all {
					if one.has(g) < len(truth) {
						behind++
					}
				}
				if behind == 0 {
					break
				}
				if time.Now().After(late) {
					t.Fatalf("%d of %d devices do not get the last of %d messages", behind, len(all), len(truth))
				}
			}
			ids := make([]string, len(truth))
			for i, m := range truth {
				ids[i] = m.ClientID
			}
			called := h.now()
			h.add(writers, called, op{group: g, limit: len(ids)}, result{ids: ids, head: int64(len(ids))})
			for i, one := range all {
				one.mu.Lock()
				got := strings.Join(one.logs[int64(g)], " ")
				one.mu.Unlock()
				if got != strings.Join(ids, " ") {
					t.Errorf("device %d has another log of group %d", i, g)
				}
			}
		}
		if total != writers*messages {
			t.Errorf("%d messages stand, %d were sent", total, writers*messages)
		}
		h.check(t)
		if lost := s.bus.lost.Load(); lost == 0 || cut == 0 {
			t.Errorf("%d publications were lost and %d connections cut: this was no test", lost, cut)
		}
		t.Logf("%d messages to %d devices, %d connections cut, %d publications lost", total, len(all), cut, s.bus.lost.Load())
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, store.Options{Dir: t.TempDir()})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, store.Options{Dir: t.TempDir(), URL: pgtest.URL(t)})
	})
}
