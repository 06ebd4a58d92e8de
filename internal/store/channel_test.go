package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"muster"
	"muster/internal/account"
	"muster/internal/channel"
)

// town is a channel.Service on a real store, with people and a clock that the
// test can set.
type town struct {
	*channel.Service
	s      *Store
	rooms  *channel.Rooms
	out    *outbox
	people []muster.AccountID
	// root administers the server and is no member of anything.
	root muster.AccountID
	skew atomic.Int64
}

func (tw *town) Now() time.Time { return time.Now().Add(time.Duration(tw.skew.Load())) }

// newTown makes a service with so many accounts, "p000", "p001", ... .
func newTown(t testing.TB, s *Store, people int) *town {
	t.Helper()
	tw := &town{s: s, out: &outbox{}}
	tw.people = addAccounts(t, s, "p", people)
	tw.root = addAccounts(t, s, "root", 1)[0]
	tw.rooms = channel.NewRooms(s.Channels(), tw.out, tw, channel.RoomLimits{})
	tw.Service = channel.New(channel.Parts{
		Store: s.Channels(), Accounts: registry{s, tw.root}, Roles: rootOnly(tw.root), Rooms: tw.rooms, Clock: tw, IDs: s.ids,
	})
	return tw
}

// addAccounts makes accounts with the names prefix000, prefix001, ... and the
// nicknames Prefix 000 and so on.
func addAccounts(t testing.TB, s *Store, prefix string, n int) []muster.AccountID {
	t.Helper()
	ids := make([]muster.AccountID, 0, n)
	for from := 0; from < n; from += 5000 {
		rows := make([]account.Account, min(5000, n-from))
		for i := range rows {
			rows[i] = account.Account{
				ID: muster.AccountID(s.ids.Next()), Name: fmt.Sprintf("%s%03d", prefix, from+i), Nickname: fmt.Sprintf("%s %03d", strings.ToUpper(prefix), from+i),
				Role: account.ServerUser, DirectAdd: muster.DirectAddAllow, Created: time.Now(),
			}
			ids = append(ids, rows[i].ID)
		}
		if _, _, err := s.Accounts().EnsureAccounts(t.Context(), rows); err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

type rootOnly muster.AccountID

func (r rootOnly) AdministersServer(_ context.Context, id muster.AccountID) (bool, error) {
	return id == muster.AccountID(r), nil
}

// registry is channel.Accounts over the accounts' part of the store.
type registry struct {
	s    *Store
	root muster.AccountID
}

func (r registry) ResolveNames(ctx context.Context, names []string) ([]channel.KnownAccount, error) {
	found, err := r.s.Accounts().ResolveNames(ctx, names)
	return known(found), err
}

func (r registry) EnsureAccounts(ctx context.Context, acting muster.AccountID, list []channel.NewAccount) ([]channel.KnownAccount, int64, error) {
	if acting != r.root {
		return nil, 0, muster.Denied("not_server_admin", "no")
	}
	rows := make([]account.Account, len(list))
	for i, n := range list {
		rows[i] = account.Account{
			ID: muster.AccountID(r.s.ids.Next()), Name: n.Name, Nickname: n.Nickname,
			Role: account.ServerUser, DirectAdd: muster.DirectAddAllow, Created: r.s.clock.Now(),
		}
	}
	found, made, err := r.s.Accounts().EnsureAccounts(ctx, rows)
	return known(found), int64(made), err
}

func known(found []account.Named) []channel.KnownAccount {
	out := make([]channel.KnownAccount, len(found))
	for i, n := range found {
		out[i] = channel.KnownAccount{ID: n.ID, Nickname: n.Nickname}
	}
	return out
}

// outbox is a Broadcaster that keeps why clients were put out.
type outbox struct {
	mu  sync.Mutex
	why map[channel.ClientID]string
}

func (o *outbox) Seat(muster.ChannelID, channel.ClientID, uint64) {}
func (o *outbox) Unseat(muster.ChannelID, channel.ClientID)       {}
func (o *outbox) Broadcast(channel.Message)                       {}
func (o *outbox) Notify(n channel.Notice) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n.Kind == channel.NoticeOut {
		if o.why == nil {
			o.why = map[channel.ClientID]string{}
		}
		o.why[n.To] = n.Why
	}
}

func (o *outbox) whyOut(client channel.ClientID) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.why[client]
}

// found makes a channel at the top of the tree.
func (tw *town) found(t testing.TB, owner muster.AccountID, settings channel.Settings) muster.ChannelID {
	t.Helper()
	if settings.Name == "" {
		settings.Name = "Hall"
	}
	v, err := tw.CreateChannel(t.Context(), owner, 0, settings)
	if err != nil {
		t.Fatal(err)
	}
	return v.ID
}

func (tw *town) level(t testing.TB, id muster.ChannelID, acting, target muster.AccountID, level muster.Level) {
	t.Helper()
	if _, err := tw.SetLevel(t.Context(), acting, id, target, level); err != nil {
		t.Fatal(err)
	}
}

func wantRefusal(t testing.TB, err error, reason string) {
	t.Helper()
	switch {
	case err == nil && reason != "":
		t.Errorf("no error, want %s", reason)
	case err != nil && muster.ReasonOf(err) != reason:
		t.Errorf("%v (%s), want %q", err, muster.ReasonOf(err), reason)
	}
}

func TestChannelTree(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		tw := newTown(t, s, 3)
		ctx, owner, other := t.Context(), tw.people[0], tw.people[1]
		top := tw.found(t, owner, channel.Settings{Name: "  Night   shift 夜班 ", About: "a\nb", SlowMode: 1500 * time.Millisecond, SpeakLevel: muster.VIP})
		v, err := tw.GetChannel(ctx, owner, top)
		if err != nil || v.Name != "Night shift 夜班" || v.About != "a\nb" || v.JoinPolicy != channel.JoinOpen || v.SlowMode != 1500*time.Millisecond ||
			v.SpeakLevel != muster.VIP || v.YourLevel != muster.Owner || v.RosterCount != 1 || v.Entries != 1 || v.Depth != 0 {
			t.Fatalf("got %+v, %v", v, err)
		}
		_, err = tw.CreateChannel(ctx, other, top, channel.Settings{Name: "below"})
		wantRefusal(t, err, "not_channel_admin")
		_, err = tw.CreateChannel(ctx, other, 12345, channel.Settings{Name: "below"})
		wantRefusal(t, err, "channel_not_found")
		_, err = tw.CreateChannel(ctx, -1, 0, channel.Settings{Name: "nobody's"})
		wantRefusal(t, err, "account_not_found")
		below := top
		for depth := 1; depth < channel.MaxDepth; depth++ {
			v, err := tw.CreateChannel(ctx, owner, below, channel.Settings{Name: "below"})
			if err != nil || v.Depth != depth {
				t.Fatalf("depth %d: %+v, %v", depth, v, err)
			}
			below = v.ID
		}
		_, err = tw.CreateChannel(ctx, owner, below, channel.Settings{Name: "too deep"})
		wantRefusal(t, err, "too_deep")
		wantRefusal(t, tw.DeleteChannel(ctx, owner, top), "has_children")
		wantRefusal(t, tw.DeleteChannel(ctx, other, below), "not_owner")
		testDeleteAndPurge(t, tw, below)
	})
}

// testDeleteAndPurge deletes a channel of people[0] and waits until nothing of
// it is left.
func testDeleteAndPurge(t *testing.T, tw *town, id muster.ChannelID) {
	ctx, owner, other := t.Context(), tw.people[0], tw.people[1]
	tw.level(t, id, owner, other, muster.Admin)
	tw.rooms.Connected(other, 5)
	if _, err := tw.rooms.Enter(ctx, other, 5, id); err != nil {
		t.Fatal(err)
	}
	if err := tw.DeleteChannel(ctx, owner, id); err != nil {
		t.Fatal(err)
	}
	if why := tw.out.whyOut(5); why != "deleted" {
		t.Errorf("put out for %q", why)
	}
	_, err := tw.GetChannel(ctx, owner, id)
	wantRefusal(t, err, "channel_not_found")
	wantRefusal(t, tw.DeleteChannel(ctx, owner, id), "channel_not_found")
	wantRefusal(t, tw.CheckAdministrator(ctx, id, owner), "channel_not_found")
	_, err = tw.rooms.Enter(ctx, other, 5, id)
	wantRefusal(t, err, "channel_not_found")
	if page, err := tw.RosterPage(ctx, id, 0, 10, 0, 0); len(page) != 0 || err != nil {
		t.Errorf("the roster of a deleted channel: %v, %v", page, err)
	}
	if entries, people, err := tw.Mark(ctx, id); entries+people != 0 || err != nil {
		t.Errorf("the mark of a deleted channel: %d, %d, %v", entries, people, err)
	}
	for {
		more, err := tw.s.Channels().PurgeDeleted(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
	}
	for table, column := range map[string]string{"channel": "id", "channel_roster": "channel_id", "channel_level_count": "channel_id", "channel_ban": "channel_id"} {
		if n := tw.count(t, "SELECT count(*) FROM "+table+" WHERE "+column+" = $1", id); n != 0 {
			t.Errorf("%d rows of the deleted channel are left in %s", n, table)
		}
	}
	if n := tw.count(t, "SELECT count(*) FROM audit WHERE object = $1", channelObject(id)); n != 3 { // create, level, delete
		t.Errorf("%d audit entries", n)
	}
}

func (tw *town) count(t testing.TB, sql string, args ...any) (n int64) {
	t.Helper()
	err := tw.s.read(t.Context(), func(c conn) (err error) {
		n, err = oneInt(c, sql, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestUpdateChannel(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		tw := newTown(t, s, 3)
		ctx, owner, visitor := t.Context(), tw.people[0], tw.people[1]
		id := tw.found(t, owner, channel.Settings{})
		tw.rooms.Connected(visitor, 7)
		if _, err := tw.rooms.Enter(ctx, visitor, 7, id); err != nil {
			t.Fatal(err)
		}
		name, policy, bad := "Cellar", channel.JoinRoster, channel.JoinPolicy(9)
		_, err := tw.UpdateChannel(ctx, visitor, id, channel.Update{Name: &name})
		wantRefusal(t, err, "not_channel_admin")
		_, err = tw.UpdateChannel(ctx, owner, id, channel.Update{JoinPolicy: &bad})
		wantRefusal(t, err, "invalid_join_policy")
		v, err := tw.UpdateChannel(ctx, owner, id, channel.Update{Name: &name, JoinPolicy: &policy})
		if err != nil || v.Name != name || v.JoinPolicy != policy || v.Present != 0 {
			t.Fatalf("got %+v, %v", v, err)
		}
		if why := tw.out.whyOut(7); why != "roster_only" {
			t.Errorf("the visitor was put out for %q", why)
		}
		again, err := tw.UpdateChannel(ctx, owner, id, channel.Update{Name: &name})
		if err != nil || again.Version != v.Version {
			t.Errorf("an update that changes nothing: %+v, %v", again, err)
		}
		_, _, err = tw.ListRoster(ctx, visitor, channel.RosterList{Channel: id})
		wantRefusal(t, err, "roster_only")
		_, _, _, err = tw.ListPresent(ctx, visitor, id, 0, "")
		wantRefusal(t, err, "roster_only")
		if page, _, err := tw.ListRoster(ctx, tw.root, channel.RosterList{Channel: id}); err != nil || len(page) != 1 {
			t.Errorf("a server administrator reads %v, %v", page, err)
		}
		if _, err := tw.UpdateChannel(ctx, tw.root, id, channel.Update{About: &name}); err != nil {
			t.Errorf("a server administrator: %v", err)
		}
	})
}

// TestListChannels compares the pages of the tree with a sorted list.
func TestListChannels(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		tw := newTown(t, s, 2)
		ctx, owner, other := t.Context(), tw.people[0], tw.people[1]
		parent := tw.found(t, owner, channel.Settings{})
		type item struct {
			key string
			id  muster.ChannelID
		}
		var all, mine []item
		for i := range 57 {
			name := fmt.Sprintf("%c%d Zimmer", []rune("aAéÉ夜")[i%5], i%7)
			v, err := tw.CreateChannel(ctx, owner, parent, channel.Settings{Name: name})
			if err != nil {
				t.Fatal(err)
			}
			it := item{muster.NicknameKey(name), v.ID}
			all = append(all, it)
			if i%4 == 0 {
				tw.level(t, v.ID, owner, other, muster.VIP)
				mine = append(mine, it)
			}
		}
		for _, list := range [][]item{all, mine} {
			slices.SortFunc(list, func(a, b item) int {
				if c := strings.Compare(a.key, b.key); c != 0 {
					return c
				}
				return int(a.id - b.id)
			})
		}
		for _, size := range []int{1, 5, 57, 100} {
			for onlyMine, want := range map[bool][]item{false: all, true: mine} {
				var got []item
				for token, more := "", true; more; more = token != "" {
					var page []channel.View
					var err error
					page, token, err = tw.ListChannels(ctx, other, channel.List{Parent: parent, Mine: onlyMine, PageSize: size, PageToken: token})
					if err != nil || len(page) > size {
						t.Fatalf("%d channels, %v", len(page), err)
					}
					for _, v := range page {
						got = append(got, item{muster.NicknameKey(v.Name), v.ID})
						if (v.YourLevel == muster.VIP) != slices.ContainsFunc(mine, func(i item) bool { return i.id == v.ID }) {
							t.Errorf("level %s in %s", v.YourLevel, v.Name)
						}
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("size %d, mine %v: %v, want %v", size, onlyMine, got, want)
				}
			}
		}
		_, _, err := tw.ListChannels(ctx, other, channel.List{Parent: 99})
		wantRefusal(t, err, "channel_not_found")
	})
}

func TestBans(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		tw := newTown(t, s, 6)
		ctx, owner, moderator, member, visitor := t.Context(), tw.people[0], tw.people[1], tw.people[2], tw.people[3]
		id := tw.found(t, owner, channel.Settings{})
		tw.level(t, id, owner, moderator, muster.Moderator)
		tw.level(t, id, owner, member, muster.Member)
		for client, who := range map[channel.ClientID]muster.AccountID{3: member, 4: visitor} {
			tw.rooms.Connected(who, client)
			if _, err := tw.rooms.Enter(ctx, who, client, id); err != nil {
				t.Fatal(err)
			}
		}
		wantRefusal(t, tw.Ban(ctx, member, id, visitor, "", time.Time{}), "not_moderator")
		wantRefusal(t, tw.Ban(ctx, moderator, id, owner, "", time.Time{}), "not_outranked")
		wantRefusal(t, tw.Ban(ctx, moderator, id, 12, "", time.Time{}), "account_not_found")
		wantRefusal(t, tw.Ban(ctx, moderator, id, member, "", tw.Now().Add(-time.Second)), "invalid_until_ms")
		until := tw.Now().Add(time.Hour).Truncate(time.Millisecond)
		wantRefusal(t, tw.Ban(ctx, moderator, id, member, "spam", until), "")
		wantRefusal(t, tw.Ban(ctx, moderator, id, visitor, "", time.Time{}), "")
		if tw.out.whyOut(3) != "banned" || tw.out.whyOut(4) != "banned" {
			t.Errorf("put out for %q and %q", tw.out.whyOut(3), tw.out.whyOut(4))
		}
		_, err := tw.rooms.Enter(ctx, member, 3, id)
		wantRefusal(t, err, "banned")
		_, err = tw.JoinRoster(ctx, visitor, id, "")
		wantRefusal(t, err, "banned")
		_, err = tw.SetLevel(ctx, owner, id, member, muster.Guest)
		wantRefusal(t, err, "banned")
		_, _, err = tw.ListBans(ctx, visitor, id, 0, "")
		wantRefusal(t, err, "not_moderator")
		bans, next, err := tw.ListBans(ctx, moderator, id, 1, "")
		if err != nil || len(bans) != 1 || next == "" || bans[0].Name != "p002" || bans[0].Reason != "spam" || !bans[0].Until.Equal(until) || bans[0].By != moderator {
			t.Errorf("bans: %+v, %q, %v", bans, next, err)
		}
		if bans, _, err = tw.ListBans(ctx, moderator, id, 1, next); err != nil || len(bans) != 1 || !bans[0].Until.IsZero() {
			t.Errorf("bans: %+v, %v", bans, err)
		}
		tw.skew.Store(int64(2 * time.Hour))
		if e, err := tw.JoinRoster(ctx, member, id, "Zoë"); err != nil || e.Level != muster.Guest || e.Nickname != "Zoë" {
			t.Errorf("after the ban: %+v, %v", e, err)
		}
		wantRefusal(t, tw.Unban(ctx, member, id, visitor), "not_moderator")
		wantRefusal(t, tw.Unban(ctx, moderator, id, visitor), "")
		wantRefusal(t, tw.Unban(ctx, moderator, id, visitor), "")
		if _, err := tw.JoinRoster(ctx, visitor, id, ""); err != nil {
			t.Error(err)
		}
	})
}

// TestLastOwnerTogether lets all owners of a channel leave at the same time:
// one has to stay.
func TestLastOwnerTogether(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		tw := newTown(t, s, 6)
		for range 5 {
			id := tw.found(t, tw.people[0], channel.Settings{})
			for _, p := range tw.people[1:] {
				tw.level(t, id, tw.people[0], p, muster.Owner)
			}
			var refused atomic.Int64
			var wg sync.WaitGroup
			for i, p := range tw.people {
				wg.Go(func() {
					var err error
					if i%2 == 0 {
						err = tw.LeaveRoster(t.Context(), p, id)
					} else {
						_, err = tw.SetLevel(t.Context(), p, id, p, muster.Guest)
					}
					if err != nil {
						refused.Add(1)
						wantRefusal(t, err, "last_owner")
					}
				})
			}
			wg.Wait()
			if n, err := tw.CountByLevel(t.Context(), id); err != nil || n[muster.Owner] != 1 || refused.Load() != 1 {
				t.Errorf("%d owners stay, %d were refused, %v", n[muster.Owner], refused.Load(), err)
			}
			checkCounts(t, tw, id)
		}
	})
}

// checkCounts compares the counts that are kept with what is there.
func checkCounts(t interface {
	Context() context.Context
	Fatalf(string, ...any)
}, tw *town, id muster.ChannelID,
) {
	var ch channel.Channel
	stored := map[muster.Level]int64{}
	real := map[muster.Level]int64{}
	err := tw.s.read(t.Context(), func(c conn) (err error) {
		if ch, err = readChannel(c, id, false); err != nil {
			return err
		}
		if err := c.query("SELECT level, people FROM channel_level_count WHERE channel_id = $1 AND people <> 0", []any{id}, func(r row) error {
			stored[muster.Level(r.Int(0))] = r.Int(1)
			return nil
		}); err != nil {
			return err
		}
		return c.query("SELECT level, count(*) FROM channel_roster WHERE channel_id = $1 GROUP BY level", []any{id}, func(r row) error {
			real[muster.Level(r.Int(0))] = r.Int(1)
			return nil
		})
	})
	total := int64(0)
	for _, n := range real {
		total += n
	}
	if err != nil || !maps.Equal(stored, real) || ch.RosterCount != total || real[muster.Owner] < 1 {
		t.Fatalf("counts %v and %d, the roster has %v, %v", stored, ch.RosterCount, real, err)
	}
}

// rosterModel is what a channel's roster should be.
type rosterModel struct {
	levels  map[muster.AccountID]muster.Level
	banned  map[muster.AccountID]bool
	entries map[muster.AccountID]int64
	last    int64
	root    muster.AccountID
}

func (m *rosterModel) owners() (n int) {
	for _, l := range m.levels {
		if l == muster.Owner {
			n++
		}
	}
	return n
}

func (m *rosterModel) put(id muster.AccountID, l muster.Level) {
	if m.levels[id] == 0 {
		m.last++
		m.entries[id] = m.last
	}
	m.levels[id] = l
}

func (m *rosterModel) drop(id muster.AccountID) {
	delete(m.levels, id)
	delete(m.entries, id)
}

// orphans says whether taking somebody from their level leaves no owner.
func (m *rosterModel) orphans(id muster.AccountID) bool {
	return m.levels[id] == muster.Owner && m.owners() == 1
}

func (m *rosterModel) outranks(a, b muster.AccountID) bool {
	return a == m.root || m.levels[a] > m.levels[b]
}

// setLevel says whether the act should succeed, and does it in the model.
func (m *rosterModel) setLevel(a, b muster.AccountID, to muster.Level) bool {
	own, is := m.levels[a], m.levels[b]
	grants := a == m.root || own == muster.Owner || own == muster.Admin && to <= muster.Moderator
	lowersSelf := a == b && own != 0 && to <= own
	switch {
	case !grants && !lowersSelf:
		return false
	case is == to:
		return true
	case !lowersSelf && !m.outranks(a, b), m.banned[b], m.orphans(b):
		return false
	}
	m.put(b, to)
	return true
}

func (m *rosterModel) remove(a, b muster.AccountID, ban bool) bool {
	if a != m.root && m.levels[a] < muster.Moderator || !m.outranks(a, b) || m.orphans(b) || ban && a == b {
		return false
	}
	m.drop(b)
	if ban {
		m.banned[b] = true
	}
	return true
}

// TestRosterStates does random acts on a roster and on a model of it, and
// compares them after every act: who is on it at which level and with which
// entry, and that there is always an owner.
func TestRosterStates(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		tw := newTown(t, s, 5)
		rapid.Check(t, func(rt *rapid.T) {
			id := tw.found(t, tw.people[0], channel.Settings{})
			m := &rosterModel{
				levels: map[muster.AccountID]muster.Level{}, banned: map[muster.AccountID]bool{}, entries: map[muster.AccountID]int64{}, root: tw.root,
			}
			m.put(tw.people[0], muster.Owner)
			for range rapid.IntRange(1, 25).Draw(rt, "acts") {
				actRandomly(rt, tw, id, m)
				checkRoster(rt, tw, id, m)
				checkCounts(rt, tw, id)
			}
		})
	})
}

func actRandomly(t *rapid.T, tw *town, id muster.ChannelID, m *rosterModel) {
	ctx := t.Context()
	// Whoever is on the roster acts more often than others.
	actors := append(slices.Clone(tw.people), tw.root)
	for p := range m.levels {
		actors = append(actors, p, p)
	}
	slices.Sort(actors)
	a := rapid.SampledFrom(actors).Draw(t, "actor")
	b := rapid.SampledFrom(tw.people).Draw(t, "target")
	var want bool
	var err error
	act := rapid.SampledFrom([]string{"level", "level", "level", "remove", "ban", "unban", "leave", "join"}).Draw(t, "act")
	switch act {
	case "level":
		to := muster.Level(rapid.IntRange(1, 6).Draw(t, "level"))
		want = m.setLevel(a, b, to)
		_, err = tw.SetLevel(ctx, a, id, b, to)
	case "remove":
		want = m.remove(a, b, false)
		err = tw.RemoveFromRoster(ctx, a, id, b)
	case "ban":
		want = m.remove(a, b, true)
		err = tw.Ban(ctx, a, id, b, "", time.Time{})
	case "unban":
		if want = a == m.root || m.levels[a] >= muster.Moderator; want {
			delete(m.banned, b)
		}
		err = tw.Unban(ctx, a, id, b)
	case "leave":
		if want = !m.orphans(a); want {
			m.drop(a)
		}
		err = tw.LeaveRoster(ctx, a, id)
	case "join":
		if want = !m.banned[a]; want && m.levels[a] == 0 {
			m.put(a, muster.Guest)
		}
		_, err = tw.JoinRoster(ctx, a, id, "")
	}
	if want != (err == nil) {
		t.Fatalf("%s by %d on %d: %v, the model says %v", act, a, b, err, want)
	}
	if err != nil && muster.CodeOf(err) == muster.CodeInternal {
		t.Fatalf("%s: %v", act, err)
	}
}

func checkRoster(t *rapid.T, tw *town, id muster.ChannelID, m *rosterModel) {
	levels, entries := map[muster.AccountID]muster.Level{}, map[muster.AccountID]int64{}
	err := tw.s.read(t.Context(), func(c conn) error {
		return c.query("SELECT account_id, level, entry FROM channel_roster WHERE channel_id = $1", []any{id}, func(r row) error {
			levels[muster.AccountID(r.Int(0))], entries[muster.AccountID(r.Int(0))] = muster.Level(r.Int(1)), r.Int(2)
			return nil
		})
	})
	if err != nil || !maps.Equal(levels, m.levels) || !maps.Equal(entries, m.entries) {
		t.Fatalf("the roster is %v with entries %v, the model %v with %v, %v", levels, entries, m.levels, m.entries, err)
	}
	if last, _, err := tw.Mark(t.Context(), id); err != nil || last != m.last {
		t.Fatalf("mark %d, want %d, %v", last, m.last, err)
	}
}
