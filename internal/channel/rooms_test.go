package channel_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"muster"
	"muster/internal/channel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lobby is the channel of most tests.
const lobby muster.ChannelID = 7

// rosters is what rooms read, as a fake of the store's Standing: one roster for
// each channel, changed by the test.
type rosters struct {
	mu       sync.Mutex
	channels map[muster.ChannelID]*rosterState
	// reading, if set, is called outside the lock after each read.
	reading func()
}

type rosterState struct {
	channel channel.Channel
	people  map[muster.AccountID]channel.Person
}

func newRosters(ids ...muster.ChannelID) *rosters {
	r := &rosters{channels: map[muster.ChannelID]*rosterState{}}
	for _, id := range ids {
		r.channels[id] = &rosterState{
			channel: channel.Channel{ID: id, Version: 1, Settings: channel.Settings{Name: "room", JoinPolicy: channel.JoinOpen}},
			people:  map[muster.AccountID]channel.Person{},
		}
	}
	return r
}

func (r *rosters) Standing(_ context.Context, id muster.ChannelID, acting, target muster.AccountID, _ time.Time) (channel.Standing, error) {
	r.mu.Lock()
	s := r.channels[id]
	if s == nil {
		r.mu.Unlock()
		return channel.Standing{}, muster.NotFound("channel")
	}
	st := channel.Standing{Channel: s.channel, Actor: s.person(acting), Target: s.person(target)}
	reading := r.reading
	r.mu.Unlock()
	if reading != nil {
		reading()
	}
	return st, nil
}

func (s *rosterState) person(id muster.AccountID) channel.Person {
	if p, ok := s.people[id]; ok {
		return p
	}
	return channel.Person{Account: id, Known: true, Nickname: fmt.Sprintf("nick-%03d", id)}
}

// set changes what the channel says of a person, and gives the change to apply.
func (r *rosters) set(id muster.ChannelID, p channel.Person, out string) channel.Change {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.channels[id]
	s.channel.Version++
	p.Known, p.Nickname = true, cmp.Or(p.Nickname, fmt.Sprintf("nick-%03d", p.Account))
	s.people[p.Account] = p
	return channel.Change{Channel: id, Version: s.channel.Version, People: []channel.PersonChange{
		{Account: p.Account, Nickname: p.Nickname, Level: p.Level, Out: out},
	}}
}

func (r *rosters) settle(id muster.ChannelID, edit func(*channel.Settings)) channel.Change {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.channels[id]
	s.channel.Version++
	edit(&s.channel.Settings)
	settings := s.channel.Settings
	return channel.Change{Channel: id, Version: s.channel.Version, Settings: &settings}
}

// hall is a Broadcaster that hands everything over on the spot and writes down
// who got what.
type hall struct {
	mu       sync.Mutex
	seats    map[muster.ChannelID]map[channel.ClientID]uint64
	messages map[channel.ClientID][]string
	notices  []channel.Notice
}

func newHall() *hall {
	return &hall{seats: map[muster.ChannelID]map[channel.ClientID]uint64{}, messages: map[channel.ClientID][]string{}}
}

func (h *hall) Seat(id muster.ChannelID, client channel.ClientID, mark uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seats[id] == nil {
		h.seats[id] = map[channel.ClientID]uint64{}
	}
	h.seats[id][client] = mark
}

func (h *hall) Unseat(id muster.ChannelID, client channel.ClientID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.seats[id], client)
}

func (h *hall) Broadcast(m channel.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for client, mark := range h.seats[m.Channel] {
		if m.Number > mark {
			h.messages[client] = append(h.messages[client], m.Text)
		}
	}
}

func (h *hall) Notify(n channel.Notice) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notices = append(h.notices, n)
}

// told gives the notices since the last call, as short texts.
func (h *hall) told() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, n := range h.notices {
		var text string
		switch n.Kind {
		case channel.NoticeJoined:
			text = fmt.Sprintf("joined %d %s", n.Person.Account, n.Person.Level)
		case channel.NoticeLeft:
			text = fmt.Sprintf("left %d", n.Person.Account)
		case channel.NoticePeople:
			text = fmt.Sprintf("people %d", n.People)
			if n.Large {
				text += " large"
			}
			for _, p := range n.Staff {
				text += fmt.Sprintf(" staff %d", p.Account)
			}
		case channel.NoticeChanged:
			text = "changed " + n.Settings.Name
			if n.To != 0 {
				text = fmt.Sprintf("level %s", n.Person.Level)
			}
		case channel.NoticeOut:
			text = "out " + n.Why
		case channel.NoticeTyping:
			text = fmt.Sprintf("typing %d", n.Person.Account)
		}
		if n.To != 0 {
			text += fmt.Sprintf(" to %d", n.To)
		}
		out = append(out, text)
	}
	h.notices = nil
	return out
}

func (h *hall) heard(client channel.ClientID) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.messages[client])
}

var wall = muster.ClockFunc(time.Now)

func newRooms(t testing.TB, limits channel.RoomLimits, ids ...muster.ChannelID) (*channel.Rooms, *rosters, *hall) {
	t.Helper()
	r, h := newRosters(append(ids, lobby)...), newHall()
	return channel.NewRooms(r, h, wall, limits), r, h
}

// come connects a client and brings it into a room.
func come(t testing.TB, rooms *channel.Rooms, account muster.AccountID, client channel.ClientID, id muster.ChannelID) channel.Entered {
	t.Helper()
	rooms.Connected(account, client)
	e, err := rooms.Enter(t.Context(), account, client, id)
	if err != nil {
		t.Fatalf("account %d enters %d: %v", account, id, err)
	}
	return e
}

func say(t testing.TB, rooms *channel.Rooms, account muster.AccountID, client channel.ClientID, id muster.ChannelID, text string) error {
	t.Helper()
	_, err := rooms.Broadcast(t.Context(), account, client, id, "m", text)
	return err
}

func wantReason(t testing.TB, err error, code muster.Code, reason string) {
	t.Helper()
	if err == nil || muster.CodeOf(err) != code || muster.ReasonOf(err) != reason {
		t.Errorf("got %v, want %s %s", err, code, reason)
	}
}

func wantTold(t testing.TB, h *hall, want ...string) {
	t.Helper()
	if got := h.told(); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// TestExactDelivery is invariant 1 on the direct way: whoever was in the room
// from before a message was said until after gets it once, whoever came later or
// went before does not.
func TestExactDelivery(t *testing.T) {
	t.Parallel()
	rooms, _, h := newRooms(t, channel.RoomLimits{})
	testDelivery(t, rooms, h, func() {}, true)
}

// slowBus is a Broadcaster that lets messages travel for a while before they
// meet the list of clients.
type slowBus struct {
	*hall
	way  chan channel.Message
	done chan struct{}
}

func newSlowBus() *slowBus {
	b := &slowBus{hall: newHall(), way: make(chan channel.Message, 1<<16), done: make(chan struct{})}
	go func() {
		defer close(b.done)
		for m := range b.way {
			if rand.IntN(8) == 0 {
				time.Sleep(50 * time.Microsecond) // lets others come and go; nothing waits for it
			}
			b.hall.Broadcast(m)
		}
	}()
	return b
}

func (b *slowBus) Broadcast(m channel.Message) { b.way <- m }

// TestExactDeliveryThroughBus is invariant 1 where a message travels through a
// bus: the mark keeps it from those who came while it was under way.
func TestExactDeliveryThroughBus(t *testing.T) {
	t.Parallel()
	b := newSlowBus()
	rooms := channel.NewRooms(newRosters(lobby), b, wall, channel.RoomLimits{})
	testDelivery(t, rooms, b.hall, func() { close(b.way); <-b.done }, false)
}

// stay is one client's time in the room, message one text, both by the ticks of
// a counter that every step moves.
type stay struct {
	client                                   channel.ClientID
	enterCall, enterDone, exitCall, exitDone int64
}

type said struct {
	text       string
	call, done int64
}

// testDelivery lets people come and go while others speak. exact: who was in
// the room while a message was said must have it; otherwise only who stays.
func testDelivery(t *testing.T, rooms *channel.Rooms, h *hall, settle func(), exact bool) {
	const visitors, speakers, rounds = 8, 4, 60
	var tick, next, spoken, leaving atomic.Int64
	var mu sync.Mutex
	var stays []stay
	var texts []said
	var wg sync.WaitGroup
	for v := range visitors {
		wg.Go(func() {
			defer leaving.Add(1)
			for range rounds {
				s := stay{client: channel.ClientID(1000 + next.Add(1))}
				account := muster.AccountID(100 + v)
				rooms.Connected(account, s.client)
				s.enterCall = tick.Add(1)
				if _, err := rooms.Enter(t.Context(), account, s.client, lobby); err != nil {
					t.Error(err)
				}
				s.enterDone = tick.Add(1)
				for until := spoken.Load() + rand.Int64N(4); spoken.Load() < until; {
					runtime.Gosched()
				}
				s.exitCall = tick.Add(1)
				rooms.Disconnected(s.client)
				s.exitDone = tick.Add(1)
				mu.Lock()
				stays = append(stays, s)
				mu.Unlock()
			}
		})
	}
	for sp := range speakers {
		account, client := muster.AccountID(1+sp), channel.ClientID(1+sp)
		come(t, rooms, account, client, lobby)
		wg.Go(func() {
			for n := 0; leaving.Load() < visitors; n++ {
				m := said{text: fmt.Sprintf("%d-%d", sp, n), call: tick.Add(1)}
				if err := say(t, rooms, account, client, lobby, m.text); err != nil {
					t.Error(err)
				}
				m.done = tick.Add(1)
				spoken.Add(1)
				time.Sleep(50 * time.Microsecond) // only so that the messages are not too many to check
				mu.Lock()
				texts = append(texts, m)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	settle()
	for sp := range speakers {
		// Speaker n came in after those before had begun to speak.
		if n := len(h.heard(channel.ClientID(1 + sp))); n == 0 || sp == 0 && n != len(texts) {
			t.Errorf("speaker %d heard %d of %d messages", sp, n, len(texts))
		}
	}
	checkDelivery(t, stays, texts, h, exact)
}

func checkDelivery(t *testing.T, stays []stay, texts []said, h *hall, exact bool) {
	t.Helper()
	required, forbidden := 0, 0
	for _, s := range stays {
		got := map[string]int{}
		for _, text := range h.heard(s.client) {
			got[text]++
		}
		for _, m := range texts {
			switch n := got[m.text]; {
			case n > 1:
				t.Fatalf("client %d got %q %d times", s.client, m.text, n)
			case exact && s.enterDone < m.call && m.done < s.exitCall:
				if required++; n != 1 {
					t.Fatalf("client %d was in the room when %q was said and did not get it", s.client, m.text)
				}
			case m.done < s.enterCall || s.exitDone < m.call:
				if forbidden++; n != 0 {
					t.Fatalf("client %d was not in the room when %q was said and got it", s.client, m.text)
				}
			}
		}
	}
	if exact && required == 0 || forbidden == 0 {
		t.Fatalf("the test saw %d deliveries that must be and %d that must not", required, forbidden)
	}
	t.Logf("%d deliveries that had to be, %d that must not", required, forbidden)
}

// TestEnterRefused holds that who may not come in stays where they were.
func TestEnterRefused(t *testing.T) {
	t.Parallel()
	rooms, r, h := newRooms(t, channel.RoomLimits{}, 8, 9)
	come(t, rooms, 1, 11, lobby)
	r.set(8, channel.Person{Account: 1, Banned: true}, "")
	r.settle(9, func(s *channel.Settings) { s.JoinPolicy = channel.JoinRoster })
	for _, c := range []struct {
		id     muster.ChannelID
		code   muster.Code
		reason string
	}{{8, muster.CodePermissionDenied, "banned"}, {9, muster.CodePermissionDenied, "roster_only"}, {10, muster.CodeNotFound, "channel_not_found"}} {
		_, err := rooms.Enter(t.Context(), 1, 11, c.id)
		wantReason(t, err, c.code, c.reason)
	}
	if in := rooms.In(11); in != lobby {
		t.Errorf("the client is in %d", in)
	}
	r.set(9, channel.Person{Account: 1, Level: muster.VIP}, "")
	if e, err := rooms.Enter(t.Context(), 1, 11, 9); err != nil || e.Level != muster.VIP || e.People != 1 {
		t.Errorf("entered %+v, %v", e, err)
	}
	if people, clients := rooms.People(lobby); people != 0 || clients != 0 {
		t.Errorf("%d people with %d clients stayed behind", people, clients)
	}
	wantTold(t, h, "joined 1 visitor", "joined 1 vip")
	_, err := rooms.Enter(t.Context(), 1, 99, lobby)
	wantReason(t, err, muster.CodeFailedPrecondition, "not_connected")
	_, err = rooms.Enter(t.Context(), 2, 11, lobby)
	wantReason(t, err, muster.CodePermissionDenied, "not_your_client")
}

// TestPeopleAndClients holds that two clients of an account are one person.
func TestPeopleAndClients(t *testing.T) {
	t.Parallel()
	rooms, _, h := newRooms(t, channel.RoomLimits{})
	come(t, rooms, 1, 11, lobby)
	come(t, rooms, 2, 21, lobby)
	if e := come(t, rooms, 1, 12, lobby); e.People != 2 {
		t.Errorf("entered with %d people", e.People)
	}
	if people, clients := rooms.People(lobby); people != 2 || clients != 3 || rooms.Seated() != 3 {
		t.Errorf("%d people, %d clients, %d seated", people, clients, rooms.Seated())
	}
	if n, err := rooms.Broadcast(t.Context(), 2, 21, lobby, "m", "hello"); n != 3 || err != nil {
		t.Errorf("delivered to %d, %v", n, err)
	}
	rooms.Exit(11)
	rooms.Exit(11)
	wantTold(t, h, "joined 1 visitor", "joined 2 visitor")
	rooms.Disconnected(12)
	wantTold(t, h, "left 1")
	if rooms.Online(1) != true || rooms.OnlineCount() != 2 {
		t.Error("account 1 has a client yet")
	}
	rooms.Disconnected(11)
	rooms.Disconnected(11)
	if rooms.Online(1) || rooms.OnlineCount() != 1 || !slices.Equal(rooms.OnlineAfter(0, 10), []muster.AccountID{2}) {
		t.Errorf("online: %v", rooms.OnlineAfter(0, 10))
	}
}

// TestSpeaking holds what Broadcast checks.
func TestSpeaking(t *testing.T) {
	t.Parallel()
	rooms, r, h := newRooms(t, channel.RoomLimits{TextBytes: 10}, 8)
	r.set(lobby, channel.Person{Account: 1, Level: muster.Guest}, "")
	r.set(lobby, channel.Person{Account: 2, Level: muster.Member}, "")
	r.settle(lobby, func(s *channel.Settings) { s.SpeakLevel = muster.Member })
	come(t, rooms, 1, 11, lobby)
	come(t, rooms, 2, 21, lobby)
	wantReason(t, say(t, rooms, 1, 11, lobby, "hi"), muster.CodePermissionDenied, "may_not_speak")
	wantReason(t, say(t, rooms, 2, 21, lobby, "0123456789A"), muster.CodeInvalidArgument, "text_too_long")
	wantReason(t, say(t, rooms, 2, 21, lobby, " \n"), muster.CodeInvalidArgument, "invalid_text")
	wantReason(t, say(t, rooms, 2, 21, 8, "hi"), muster.CodeFailedPrecondition, "not_in_channel")
	wantReason(t, say(t, rooms, 2, 22, lobby, "hi"), muster.CodeFailedPrecondition, "not_connected")
	wantReason(t, say(t, rooms, 1, 21, lobby, "hi"), muster.CodePermissionDenied, "not_your_client")
	if err := say(t, rooms, 2, 21, lobby, "hi"); err != nil {
		t.Error(err)
	}
	rooms.Exit(21)
	wantReason(t, say(t, rooms, 2, 21, lobby, "hi"), muster.CodeFailedPrecondition, "not_in_channel")
	if got := h.heard(11); !slices.Equal(got, []string{"hi"}) {
		t.Errorf("heard %q", got)
	}
}

// TestSlowMode holds slow mode, also for who goes out and in again.
func TestSlowMode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rooms, r, _ := newRooms(t, channel.RoomLimits{})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = rooms.Run(ctx) })
		r.settle(lobby, func(s *channel.Settings) { s.SlowMode = 10 * time.Second })
		r.set(lobby, channel.Person{Account: 2, Level: muster.Moderator}, "")
		come(t, rooms, 1, 11, lobby)
		come(t, rooms, 2, 21, lobby)
		if err := errors.Join(say(t, rooms, 1, 11, lobby, "a"), say(t, rooms, 2, 21, lobby, "b"), say(t, rooms, 2, 21, lobby, "c")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
		rooms.Disconnected(11)
		time.Sleep(2 * time.Second)
		come(t, rooms, 1, 12, lobby)
		err := say(t, rooms, 1, 12, lobby, "d")
		wantReason(t, err, muster.CodeResourceExhausted, "slow_mode")
		if e, ok := errors.AsType[*muster.Error](err); !ok || e.RetryAfter != 4*time.Second {
			t.Errorf("to retry after %v", e.RetryAfter)
		}
		time.Sleep(4 * time.Second)
		if err := say(t, rooms, 1, 12, lobby, "e"); err != nil {
			t.Error(err)
		}
		// A shorter slow mode counts from the next message on.
		rooms.Apply(r.settle(lobby, func(s *channel.Settings) { s.SlowMode = time.Second }))
		if err := say(t, rooms, 1, 12, lobby, "f"); err != nil {
			t.Error(err)
		}
		cancel()
		wg.Wait()
	})
}

// TestLargeRoom holds that above the limit the count is told once a second and
// only staff are named, that both directions are told, with the staff, and that
// a tenth fewer people than the limit make the room small again.
func TestLargeRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rooms, r, h := newRooms(t, channel.RoomLimits{AnnounceUpTo: 10})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = rooms.Run(ctx) })
		for _, id := range []muster.AccountID{99, 98, 97} {
			r.set(lobby, channel.Person{Account: id, Level: muster.Moderator + muster.Level(id-97)}, "")
		}
		for i := range 9 {
			if e := come(t, rooms, muster.AccountID(i+1), channel.ClientID(i+1), lobby); e.Large || e.Staff != nil {
				t.Errorf("entered a small room: %+v", e)
			}
		}
		come(t, rooms, 97, 97, lobby)
		if got := h.told(); len(got) != 10 || got[9] != "joined 97 moderator" {
			t.Errorf("told %q", got)
		}
		e := come(t, rooms, 98, 98, lobby)
		wantTold(t, h, "people 11 large staff 98 staff 97", "joined 98 admin")
		if !e.Large || len(e.Staff) != 2 || e.People != 11 {
			t.Errorf("entered a large room: %+v", e)
		}
		come(t, rooms, 11, 11, lobby)
		come(t, rooms, 12, 12, lobby)
		rooms.Typing(11, 11, lobby)
		wantTold(t, h)
		time.Sleep(1500 * time.Millisecond)
		wantTold(t, h, "people 13 large")
		come(t, rooms, 99, 99, lobby)
		wantTold(t, h, "joined 99 owner")
		for _, c := range []channel.ClientID{1, 2, 3, 4} {
			rooms.Exit(c)
		}
		wantTold(t, h)
		time.Sleep(time.Second)
		wantTold(t, h, "people 10 large") // not small yet
		rooms.Exit(99)
		wantTold(t, h, "left 99", "people 9")
		rooms.Exit(5)
		come(t, rooms, 5, 5, lobby)
		come(t, rooms, 99, 99, lobby)
		wantTold(t, h, "left 5", "joined 5 visitor", "joined 99 owner")
		come(t, rooms, 1, 1, lobby)
		wantTold(t, h, "people 11 large staff 99 staff 98 staff 97")
		time.Sleep(3 * time.Second)
		wantTold(t, h, "people 11 large") // the one who came was counted with the tick, too
		cancel()
		wg.Wait()
	})
}

// TestPresentForClients holds what a client may ask of its room.
func TestPresentForClients(t *testing.T) {
	t.Parallel()
	rooms, r, _ := newRooms(t, channel.RoomLimits{AnnounceUpTo: -1}, 8)
	for i := range 30 {
		id := muster.AccountID(i + 1)
		if i%3 == 0 {
			r.set(lobby, channel.Person{Account: id, Level: muster.Moderator + muster.Level(i%2)}, "")
		}
		come(t, rooms, id, channel.ClientID(id), lobby)
	}
	rooms.Connected(50, 50)
	for name, test := range map[string]struct {
		acting muster.AccountID
		client channel.ClientID
		room   muster.ChannelID
		code   muster.Code
		reason string
	}{
		"outside":            {50, 50, lobby, muster.CodeFailedPrecondition, "not_in_channel"},
		"another room":       {1, 1, 8, muster.CodeFailedPrecondition, "not_in_channel"},
		"somebody's client":  {2, 1, lobby, muster.CodePermissionDenied, "not_your_client"},
		"no client":          {1, 77, lobby, muster.CodeFailedPrecondition, "not_connected"},
		"was put out of it ": {4, 4, lobby, muster.CodeFailedPrecondition, "not_in_channel"},
	} {
		if test.client == 4 {
			rooms.Apply(r.set(lobby, channel.Person{Account: 4}, "removed"))
		}
		_, _, _, err := rooms.Present(test.acting, test.client, test.room, false, 10, "")
		t.Run(name, func(t *testing.T) { wantReason(t, err, test.code, test.reason) })
	}
	for _, staff := range []bool{false, true} {
		var all []channel.Present
		for token := ""; ; {
			page, next, total, err := rooms.Present(1, 1, lobby, staff, 4, token)
			if err != nil || total != 29 || len(page) > 4 {
				t.Fatalf("page %v of %d: %v", page, total, err)
			}
			all = append(all, page...)
			if token = next; token == "" {
				break
			}
		}
		want := 29
		if staff {
			want = 9
		}
		seen := map[muster.AccountID]bool{}
		for i, p := range all {
			if seen[p.Account] || i > 0 && p.Level > all[i-1].Level || staff && !p.Level.KeepsOrder() {
				t.Errorf("%+v at %d of %v", p, i, all)
			}
			seen[p.Account] = true
		}
		if len(all) != want {
			t.Errorf("staff only %v: %d people, want %d", staff, len(all), want)
		}
	}
}

// TestTyping holds that typing hints are few.
func TestTyping(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rooms, _, h := newRooms(t, channel.RoomLimits{})
		come(t, rooms, 1, 11, lobby)
		come(t, rooms, 2, 21, lobby)
		h.told()
		for range 21 {
			rooms.Typing(1, 11, lobby)
			time.Sleep(100 * time.Millisecond)
		}
		rooms.Typing(2, 11, lobby)
		rooms.Typing(2, 21, 8)
		wantTold(t, h, "typing 1", "typing 1")
	})
}

// TestApply holds that rooms follow changes, each once and never backwards.
func TestApply(t *testing.T) {
	t.Parallel()
	rooms, r, h := newRooms(t, channel.RoomLimits{})
	come(t, rooms, 1, 11, lobby)
	come(t, rooms, 1, 12, lobby)
	come(t, rooms, 2, 21, lobby)
	h.told()

	member := r.set(lobby, channel.Person{Account: 1, Level: muster.Member}, "")
	admin := r.set(lobby, channel.Person{Account: 1, Level: muster.Admin}, "")
	rooms.Apply(admin)
	wantTold(t, h, "level admin to 11", "level admin to 12", "joined 1 admin")
	rooms.Apply(admin)
	rooms.Apply(member)
	wantTold(t, h)

	rename := r.settle(lobby, func(s *channel.Settings) { s.Name = "hall" })
	closing := r.settle(lobby, func(s *channel.Settings) { s.JoinPolicy = channel.JoinRoster })
	rooms.Apply(closing)
	rooms.Apply(rename)
	wantTold(t, h, "changed hall", "out roster_only to 21", "left 2")
	_, err := rooms.Enter(t.Context(), 2, 21, lobby)
	wantReason(t, err, muster.CodePermissionDenied, "roster_only")

	removed := r.set(lobby, channel.Person{Account: 1}, "removed")
	rooms.Apply(removed)
	wantTold(t, h, "out removed to 11", "out removed to 12") // and nobody is left to be told
	wantReason(t, say(t, rooms, 1, 11, lobby, "hi"), muster.CodeFailedPrecondition, "not_in_channel")
	rooms.Apply(r.set(lobby, channel.Person{Account: 1, Level: muster.Guest}, ""))
	if e, err := rooms.Enter(t.Context(), 1, 11, lobby); err != nil || e.Level != muster.Guest {
		t.Errorf("entered %+v, %v", e, err)
	}
	rooms.Apply(removed)
	if rooms.In(11) != lobby {
		t.Error("an old removal put out who came in afterwards")
	}
	h.told()
	rooms.Apply(r.set(lobby, channel.Person{Account: 1, Level: muster.Visitor}, "")) // left the roster
	wantTold(t, h, "out roster_only to 11")
}

// TestDeleted holds that everybody is put out of a deleted channel.
func TestDeleted(t *testing.T) {
	t.Parallel()
	rooms, _, h := newRooms(t, channel.RoomLimits{})
	come(t, rooms, 1, 11, lobby)
	come(t, rooms, 2, 21, lobby)
	h.told()
	rooms.Apply(channel.Change{Channel: lobby, Version: 2, Deleted: true})
	got := h.told()
	slices.Sort(got)
	if !slices.Equal(got, []string{"out deleted to 11", "out deleted to 21"}) {
		t.Errorf("told %q", got)
	}
	if people, clients := rooms.People(lobby); people+clients != 0 || rooms.Seated() != 0 || rooms.In(11) != 0 {
		t.Errorf("%d people, %d clients, %d seated", people, clients, rooms.Seated())
	}
}

// TestEnterReadsAgain holds that a change which is applied between the reading
// and the seating is not lost.
func TestEnterReadsAgain(t *testing.T) {
	t.Parallel()
	rooms, r, _ := newRooms(t, channel.RoomLimits{})
	reads := 0
	r.reading = func() {
		if reads++; reads == 1 {
			rooms.Apply(r.set(lobby, channel.Person{Account: 1, Banned: true}, "banned"))
		}
	}
	rooms.Connected(1, 11)
	_, err := rooms.Enter(t.Context(), 1, 11, lobby)
	wantReason(t, err, muster.CodePermissionDenied, "banned")
	if reads != 2 {
		t.Errorf("read %d times", reads)
	}
	r.reading = func() { rooms.Apply(r.set(lobby, channel.Person{Account: 3}, "")) }
	rooms.Connected(2, 21)
	_, err = rooms.Enter(t.Context(), 2, 21, lobby)
	wantReason(t, err, muster.CodeUnavailable, "channel_busy")
}

// TestEnterOvertaken holds that an Enter which is still reading seats nobody who
// went away or elsewhere meanwhile.
func TestEnterOvertaken(t *testing.T) {
	t.Parallel()
	for name, overtake := range map[string]func(rooms *channel.Rooms){
		"disconnect": func(rooms *channel.Rooms) { rooms.Disconnected(11) },
		"exit":       func(rooms *channel.Rooms) { rooms.Exit(11) },
	} {
		rooms, r, h := newRooms(t, channel.RoomLimits{})
		rooms.Connected(1, 11)
		r.reading = func() { overtake(rooms) }
		_, err := rooms.Enter(t.Context(), 1, 11, lobby)
		wantReason(t, err, muster.CodeCanceled, "overtaken")
		if people, _ := rooms.People(lobby); people != 0 || len(h.seats[lobby]) != 0 {
			t.Errorf("%s: %d people", name, people)
		}
	}
}
