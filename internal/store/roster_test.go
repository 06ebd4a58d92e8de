package store

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"muster"
	"muster/internal/channel"
)

// seated is a line of the roster that a test wrote.
type seated struct {
	account  muster.AccountID
	level    muster.Level
	nickname string
	name     string
	entry    int64
}

func (p seated) key() string { return muster.NicknameKey(p.nickname) }

// byRank sorts as ListRoster does.
func byRank(a, b seated) int {
	return cmp.Or(cmp.Compare(b.level, a.level), strings.Compare(a.key(), b.key()), cmp.Compare(a.account, b.account))
}

// fillRoster writes people at random levels with nicknames of few letters, so
// that many begin alike, and some with none.
func fillRoster(t testing.TB, tw *town, id muster.ChannelID, people []muster.AccountID, rnd *rand.Rand) []seated {
	t.Helper()
	var list []seated
	var lines []channel.ImportLine
	for i, p := range people {
		e := seated{account: p, level: muster.Level(1 + rnd.IntN(6)), name: fmt.Sprintf("p%03d", i), entry: int64(i + 2)}
		nickname := ""
		if i%7 != 0 {
			for range 1 + rnd.IntN(4) {
				nickname += string([]rune("aAbZzéÉ夜班%_")[rnd.IntN(11)])
			}
		}
		e.nickname = cmp.Or(nickname, "P "+e.name[1:])
		list = append(list, e)
		lines = append(lines, channel.ImportLine{Line: int64(i), Account: e.name, Nickname: nickname, Level: e.level})
	}
	importAll(t, tw, tw.root, id, lines, channel.ImportOptions{})
	// Entries are numbered in the order of the accounts within a batch.
	slices.SortFunc(list, func(a, b seated) int { return cmp.Compare(a.account, b.account) })
	for i := range list {
		list[i].entry = int64(i + 2)
	}
	return list
}

func importAll(t testing.TB, tw *town, acting muster.AccountID, id muster.ChannelID, lines []channel.ImportLine, opts channel.ImportOptions) channel.Report {
	t.Helper()
	im, err := tw.Import(t.Context(), acting, id, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := im.Add(t.Context(), lines); err != nil {
		t.Fatal(err)
	}
	return im.Close()
}

// TestRosterPages compares pages under random filters with a sorted list.
func TestRosterPages(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		tw := newTown(t, s, 400)
		owner := addAccounts(t, s, "o", 1)[0]
		id, other := tw.found(t, owner, channel.Settings{}), tw.found(t, owner, channel.Settings{})
		rnd := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test
		list := fillRoster(t, tw, id, tw.people, rnd)
		fillRoster(t, tw, other, tw.people[:50], rnd) // must not be seen
		list = append(list, seated{account: owner, level: muster.Owner, nickname: "O 000", name: "o000", entry: 1})
		slices.SortFunc(list, byRank)
		for i, p := range tw.people {
			if i%3 == 0 {
				tw.rooms.Connected(p, channel.ClientID(i+1))
			}
		}
		rapid.Check(t, func(rt *rapid.T) {
			q := channel.RosterList{
				Channel: id, PageSize: rapid.IntRange(1, 60).Draw(rt, "size"),
				Levels:     rapid.SliceOfNDistinct(rapid.SampledFrom(muster.Levels), 0, 3, rapid.ID[muster.Level]).Draw(rt, "levels"),
				NamePrefix: rapid.SampledFrom([]string{"", "", "", "a", "AB", "é", "夜", "夜班", "z", "%", "_", "p 1", "nobody"}).Draw(rt, "prefix"),
				OnlineOnly: rapid.IntRange(0, 3).Draw(rt, "online") == 0,
			}
			got := walkRoster(rt, tw, owner, q)
			want := slices.Clone(list)
			want = slices.DeleteFunc(want, func(e seated) bool {
				return len(q.Levels) > 0 && !slices.Contains(q.Levels, e.level) ||
					!strings.HasPrefix(e.key(), muster.NicknameKey(q.NamePrefix)) || q.OnlineOnly && !tw.rooms.Online(e.account)
			})
			if q.OnlineOnly {
				slices.SortFunc(want, func(a, b seated) int { return cmp.Compare(a.account, b.account) })
			}
			if len(got) != len(want) {
				rt.Fatalf("%+v: %d people, want %d", q, len(got), len(want))
			}
			for i, e := range got {
				w := want[i]
				if e.Account != w.account || e.Level != w.level || e.Nickname != w.nickname || e.Name != w.name || e.Online != tw.rooms.Online(w.account) {
					rt.Fatalf("%+v: number %d is %+v, want %+v", q, i, e, w)
				}
			}
		})
	})
}

func walkRoster(t *rapid.T, tw *town, acting muster.AccountID, q channel.RosterList) (all []channel.RosterEntry) {
	for {
		page, next, err := tw.ListRoster(t.Context(), acting, q)
		if err != nil || len(page) > q.PageSize {
			t.Fatalf("%d entries, %v", len(page), err)
		}
		all = append(all, page...)
		if next == "" {
			return all
		}
		q.PageToken = next
	}
}

// TestOnlineOnly walks both ways of finding who is online: through a small
// roster, and through few people online.
func TestOnlineOnly(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		const people = 2600
		tw := newTown(t, s, people)
		id := tw.found(t, tw.people[0], channel.Settings{})
		var lines []channel.ImportLine
		for i := range people / 2 {
			lines = append(lines, channel.ImportLine{Line: int64(i), Account: fmt.Sprintf("p%03d", i), Level: muster.Member})
		}
		importAll(t, tw, tw.root, id, lines, channel.ImportOptions{})
		for _, online := range []int{people * 9 / 10, people / 5} { // more than the roster, fewer than it
			for i, p := range tw.people {
				if i%10 < online*10/people {
					tw.rooms.Connected(p, channel.ClientID(i+1))
				} else {
					tw.rooms.Disconnected(channel.ClientID(i + 1))
				}
			}
			var want []muster.AccountID
			for i, p := range tw.people[:people/2] {
				if i%10 < online*10/people {
					want = append(want, p)
				}
			}
			slices.Sort(want)
			var got []muster.AccountID
			for token, more := "", true; more; more = token != "" {
				var page []channel.RosterEntry
				var err error
				page, token, err = tw.ListRoster(t.Context(), tw.people[0], channel.RosterList{Channel: id, OnlineOnly: true, PageSize: 333, PageToken: token})
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range page {
					got = append(got, e.Account)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d online: %d people, want %d", online, len(got), len(want))
			}
		}
	})
}

// TestRosterPlans holds that the pages of a roster and of the tree are read
// along an index, and nothing is sorted.
func TestRosterPlans(t *testing.T) {
	t.Parallel()
	s := startStore(t, Options{Dir: t.TempDir()})
	among, _ := s.among("r.account_id", "$2", []muster.AccountID{1})
	for name, c := range map[string]struct{ sql, index string }{
		"roster":     {rosterSQL, "SEARCH r USING INDEX channel_roster_order (channel_id=? AND level=? AND (nick_key,account_id)>(?,?))"},
		"by account": {rosterByAccountSQL, "SEARCH r USING PRIMARY KEY (channel_id=? AND account_id>?)"},
		"some":       {rosterOfSQL(among), "SEARCH r USING PRIMARY KEY (channel_id=? AND account_id=?)"},
		"enrolment":  {rosterPageSQL, "SEARCH channel_roster USING PRIMARY KEY (channel_id=? AND account_id>?)"},
		"tree":       {channelsSQL, "SEARCH c USING INDEX channel_tree (parent_id=? AND name_key>?)"},
		"bans":       {bansSQL, "SEARCH b USING PRIMARY KEY (channel_id=? AND account_id>?)"},
	} {
		var plan []string
		err := s.read(t.Context(), func(conn conn) error {
			return conn.query("EXPLAIN QUERY PLAN "+c.sql, []any{1, 1, 1, 1, 1}, func(r row) error {
				plan = append(plan, r.Text(3))
				return nil
			})
		})
		text := strings.Join(plan, "\n")
		if err != nil || !strings.Contains(text, c.index) || strings.Contains(text, "TEMP B-TREE") || strings.Contains(text, "SCAN r") {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}

// TestRosterEntries holds the marks by which enrolment tells who was there
// before from who came after.
func TestRosterEntries(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		tw := newTown(t, s, 300)
		ctx, owner := t.Context(), addAccounts(t, s, "o", 1)[0]
		id := tw.found(t, owner, channel.Settings{})
		list := fillRoster(t, tw, id, tw.people[:200], rand.New(rand.NewPCG(3, 4))) //nolint:gosec // a test
		list = append(list, seated{account: owner, level: muster.Owner, entry: 1})
		mark, people, err := tw.Mark(ctx, id)
		if err != nil || mark != 201 || people != 201 {
			t.Fatalf("mark %d, %d people, %v", mark, people, err)
		}
		leaver := slices.IndexFunc(list, func(e seated) bool { return e.level < muster.Owner })
		if err := tw.LeaveRoster(ctx, list[leaver].account, id); err != nil {
			t.Fatal(err)
		}
		if page, err := tw.RosterPage(ctx, id, 0, 1000, mark, 0); len(page) != 0 || err != nil {
			t.Errorf("after the mark: %v, %v", page, err)
		}
		late := append([]muster.AccountID{list[leaver].account}, tw.people[200:]...)
		for _, p := range late {
			if _, err := tw.JoinRoster(ctx, p, id, ""); err != nil {
				t.Fatal(err)
			}
		}
		slices.Sort(late)
		list = slices.Delete(list, leaver, leaver+1)
		slices.SortFunc(list, func(a, b seated) int { return cmp.Compare(a.account, b.account) })
		walk := func(from, to int64) (got []channel.RosterPerson) {
			for after := muster.AccountID(0); ; {
				page, err := tw.RosterPage(ctx, id, after, 37, from, to)
				if err != nil {
					t.Fatal(err)
				}
				if len(page) == 0 {
					return got
				}
				got = append(got, page...)
				after = page[len(page)-1].Account
			}
		}
		var before, after []channel.RosterPerson
		for _, e := range list {
			before = append(before, channel.RosterPerson{Account: e.account, Level: e.level})
		}
		for _, p := range late {
			after = append(after, channel.RosterPerson{Account: p, Level: muster.Guest})
		}
		if got := walk(0, mark); !slices.Equal(got, before) {
			t.Errorf("up to the mark: %d people, want %d", len(got), len(before))
		}
		if got := walk(mark, mark+int64(len(late))); !slices.Equal(got, after) {
			t.Errorf("after the mark: %d people, want %d", len(got), len(after))
		}
		if got := walk(0, 0); len(got) != len(before)+len(after) {
			t.Errorf("in all: %d people, want %d", len(got), len(before)+len(after))
		}
	})
}

// TestLeaveRosterInside holds the departure inside another transaction.
func TestLeaveRosterInside(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		tw := newTown(t, s, 3)
		ctx, owner, member := t.Context(), tw.people[0], tw.people[1]
		id := tw.found(t, owner, channel.Settings{})
		tw.level(t, id, owner, member, muster.Member)
		tw.rooms.Connected(member, 2)
		if _, err := tw.rooms.Enter(ctx, member, 2, id); err != nil {
			t.Fatal(err)
		}
		leave := func(id muster.ChannelID, p muster.AccountID) (removed bool, err error) {
			err = s.write(ctx, func(c conn) error {
				removed, err = s.leaveRoster(c, id, p)
				return err
			})
			return removed, err
		}
		if _, err := leave(id, owner); muster.ReasonOf(err) != "last_owner" {
			t.Errorf("the last owner leaves: %v", err)
		}
		for _, want := range []bool{true, false} {
			if removed, err := leave(id, member); removed != want || err != nil {
				t.Errorf("leave: %v, %v", removed, err)
			}
		}
		if removed, err := leave(99, member); removed || err != nil {
			t.Errorf("leave a channel that is not there: %v, %v", removed, err)
		}
		if err := tw.Refresh(ctx, id, member); err != nil {
			t.Error(err)
		}
		if page, _, _, err := tw.ListPresent(ctx, owner, id, 0, ""); err != nil || len(page) != 1 || page[0].Level != muster.Visitor {
			t.Errorf("present: %+v, %v", page, err)
		}
		checkCounts(t, tw, id)
	})
}

// TestImport holds what becomes of each line.
func TestImport(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		tw := newTown(t, s, 8)
		ctx, owner, admin := t.Context(), tw.people[0], tw.people[1]
		id := tw.found(t, owner, channel.Settings{})
		tw.level(t, id, owner, admin, muster.Admin)
		if err := tw.Ban(ctx, owner, id, tw.people[7], "", time.Time{}); err != nil {
			t.Fatal(err)
		}
		lines := []channel.ImportLine{
			{Line: 1, Account: "P002", Nickname: " Zoë  B ", Level: muster.Moderator},
			{Line: 2, Account: "p003"},
			{Line: 3, Account: "p004", Level: muster.VIP},
			{Line: 4, Account: "nobody", Level: muster.VIP},
			{Line: 5, Account: "???", Level: muster.VIP},
			{Line: 6, Account: "p005", Level: muster.Admin},                   // an admin does not grant admin
			{Line: 7, Account: "p000", Level: muster.Member},                  // nor touch an owner
			{Line: 8, Account: "p001", Level: muster.Member},                  // nor lower themself by a file
			{Line: 9, Account: "p007", Level: muster.Member},                  // banned
			{Line: 10, Account: "p006", Nickname: "a\x07b", Level: 3},         // a control character
			{Line: 11, Account: "p004", Nickname: "Quatre", Level: 3},         // again: the later line wins
			{Line: 12, Account: "p001", Nickname: "Chief", Level: 5},          // one's own nickname
			{Line: 13, Account: "p000", Nickname: "Boss", Level: 6},           // but not the owner's
			{Line: 14, Account: "p000"},                                       // which does not change anything
			{Line: 15, Account: "p002", Nickname: "Zoë B", Level: 4},          // as line 1
			{Line: 16, Account: "p003", Nickname: "", Level: muster.Owner},    // too high
			{Line: 17, Account: "p003", Nickname: "", Level: muster.Level(9)}, // no level
		}
		report := importAll(t, tw, admin, id, lines, channel.ImportOptions{})
		var bad []int64
		for _, b := range report.BadLines {
			bad = append(bad, b.Line)
			if b.Problem == "" {
				t.Errorf("line %d has no problem", b.Line)
			}
		}
		slices.Sort(bad)
		if report.Added != 3 || report.Changed != 2 || report.Unchanged != 2 || report.Bad != 10 || !slices.Equal(bad, []int64{4, 5, 6, 7, 8, 9, 10, 13, 16, 17}) {
			t.Errorf("report %+v", report)
		}
		page, _, err := tw.ListRoster(ctx, admin, channel.RosterList{Channel: id})
		var got []string
		for _, e := range page {
			got = append(got, fmt.Sprintf("%s %s %s", e.Level, e.Name, e.Nickname))
		}
		want := []string{"owner p000 P 000", "admin p001 Chief", "moderator p002 Zoë B", "member p004 Quatre", "guest p003 P 003"}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("roster %q, %v", got, err)
		}
		checkCounts(t, tw, id)
		testImportRights(t, tw, id)
	})
}

func testImportRights(t *testing.T, tw *town, id muster.ChannelID) {
	ctx, owner, admin := t.Context(), tw.people[0], tw.people[1]
	_, err := tw.Import(ctx, tw.people[2], id, channel.ImportOptions{})
	wantRefusal(t, err, "not_channel_admin")
	_, err = tw.Import(ctx, owner, id, channel.ImportOptions{CreateAccounts: true})
	wantRefusal(t, err, "not_server_admin")
	_, err = tw.Import(ctx, owner, 99, channel.ImportOptions{})
	wantRefusal(t, err, "channel_not_found")

	// Whoever loses the right meanwhile cannot go on.
	im, err := tw.Import(ctx, admin, id, channel.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tw.level(t, id, owner, admin, muster.Moderator)
	wantRefusal(t, im.Add(ctx, []channel.ImportLine{{Line: 1, Account: "p006", Level: muster.Guest}}), "not_channel_admin")

	// A server administrator may do all but leave the channel without an owner.
	report := importAll(t, tw, tw.root, id, []channel.ImportLine{
		{Line: 1, Account: "p000", Level: muster.Guest},
		{Line: 2, Account: "p005", Level: muster.Owner},
		{Line: 3, Account: "p000", Level: muster.Guest},
		{Line: 4, Account: "fresh.one", Nickname: "Fresh", Level: muster.VIP},
		{Line: 5, Account: "fresh.one", Level: muster.VIP},
	}, channel.ImportOptions{CreateAccounts: true})
	if report.Added != 2 || report.Changed != 1 || report.Unchanged != 1 || report.Bad != 1 || report.BadLines[0].Line != 1 || report.AccountsCreated != 1 {
		t.Errorf("report %+v", report)
	}
	checkCounts(t, tw, id)
}

// TestImportTwice imports more than a batch twice, with a room that follows.
func TestImportTwice(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		const people = 5300
		tw := newTown(t, s, people)
		ctx := t.Context()
		owner := addAccounts(t, s, "o", 1)[0]
		id := tw.found(t, owner, channel.Settings{})
		last := tw.people[people-1]
		tw.rooms.Connected(last, 1)
		if _, err := tw.rooms.Enter(ctx, last, 1, id); err != nil {
			t.Fatal(err)
		}
		lines := make([]channel.ImportLine, people)
		for i := range lines {
			lines[i] = channel.ImportLine{Line: int64(i + 1), Account: fmt.Sprintf("p%03d", i), Nickname: fmt.Sprintf("Nick %d", i%97), Level: muster.Level(1 + i%3)}
		}
		if r := importAll(t, tw, owner, id, lines, channel.ImportOptions{}); r.Added != people || r.Changed+r.Unchanged+r.Bad != 0 {
			t.Errorf("first: %+v", r)
		}
		audits := tw.count(t, "SELECT count(*) FROM audit WHERE object = $1", channelObject(id))
		if r := importAll(t, tw, owner, id, lines, channel.ImportOptions{}); r.Unchanged != people || r.Changed+r.Added+r.Bad != 0 {
			t.Errorf("second: %+v", r)
		}
		if n := tw.count(t, "SELECT count(*) FROM audit WHERE object = $1", channelObject(id)); n != audits || n != 3 { // create and two batches
			t.Errorf("%d audit entries, then %d", audits, n)
		}
		if mark, n, err := tw.Mark(ctx, id); err != nil || mark != people+1 || n != people+1 {
			t.Errorf("mark %d, %d people, %v", mark, n, err)
		}
		if page, _, _, err := tw.ListPresent(ctx, owner, id, 0, ""); err != nil || len(page) != 1 || page[0].Level != lines[people-1].Level {
			t.Errorf("present: %+v, %v", page, err)
		}
		many := slices.Repeat([]channel.ImportLine{{Line: 1, Account: "unknown"}}, 1500)
		if r := importAll(t, tw, owner, id, many, channel.ImportOptions{}); r.Bad != 1500 || len(r.BadLines) != 1000 {
			t.Errorf("%d bad lines, %d told", r.Bad, len(r.BadLines))
		}
		checkCounts(t, tw, id)
	})
}

// TestImportTogether lets two imports of the same people and single acts run at
// the same time: the counts stay true and everybody has one entry.
func TestImportTogether(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		const people = 600
		tw := newTown(t, s, people)
		ctx, owner := t.Context(), addAccounts(t, s, "o", 1)[0]
		id := tw.found(t, owner, channel.Settings{})
		var wg sync.WaitGroup
		for file := range 2 {
			wg.Go(func() {
				im, err := tw.Import(ctx, owner, id, channel.ImportOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				for from := 0; from < people; from += 50 {
					var lines []channel.ImportLine
					for i := from; i < from+50; i++ {
						lines = append(lines, channel.ImportLine{Line: int64(i), Account: fmt.Sprintf("p%03d", i), Level: muster.Level(1 + (i+file)%4)})
					}
					if err := im.Add(ctx, lines); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Go(func() {
			for i, p := range tw.people {
				var err error
				switch i % 3 {
				case 0:
					_, err = tw.JoinRoster(ctx, p, id, "")
				case 1:
					err = tw.LeaveRoster(ctx, p, id)
				case 2:
					_, err = tw.SetLevel(ctx, owner, id, p, muster.Admin)
				}
				if err != nil {
					t.Errorf("act %d: %v", i, err)
				}
			}
		})
		wg.Wait()
		checkCounts(t, tw, id)
		entries := tw.count(t, "SELECT count(DISTINCT entry) FROM channel_roster WHERE channel_id = $1", id)
		rows := tw.count(t, "SELECT count(*) FROM channel_roster WHERE channel_id = $1", id)
		if mark, n, err := tw.Mark(ctx, id); err != nil || entries != rows || n != rows || mark < rows {
			t.Errorf("%d rows with %d entries, mark %d, %d people, %v", rows, entries, mark, n, err)
		}
	})
}
