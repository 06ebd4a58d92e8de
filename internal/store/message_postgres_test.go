package store

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"muster"
	"muster/internal/group"
	"muster/internal/pgtest"
)

// TestPostgresNodesShareGroups: two nodes write to the same groups at once, with
// ids of which each is sent to both. Connections are cut meanwhile, so that the
// outcome of some commits is unknown.
func TestPostgresNodesShareGroups(t *testing.T) {
	t.Parallel()
	const groups, senders, each = 5, 24, 80
	url := pgtest.URL(t)
	nodes := []*Store{startStore(t, Options{Dir: t.TempDir(), URL: url}), startStore(t, Options{Dir: t.TempDir(), URL: url})}
	for g := range groups {
		addGroup(t, nodes[0], muster.GroupID(g+1), senders, 1)
	}
	var mu sync.Mutex
	told := make(map[string]int)
	for _, s := range nodes {
		s.Log().Follow(func(committed []group.Message) {
			mu.Lock()
			defer mu.Unlock()
			for _, m := range committed {
				told[fmt.Sprint(m.Group, " ", m.Seq)]++
			}
		})
	}
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	acks := make([][]acked, senders)
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			for n := range each {
				d := textDraft(muster.GroupID((i+n)%groups+1), muster.AccountID(i+1), fmt.Sprint(n), fmt.Sprint("text ", n))
				for tries, sent := 0, 0; sent < 2; tries++ {
					r, err := nodes[(n+sent)%2].Log().Append(t.Context(), d)
					switch {
					case err == nil:
						acks[i] = append(acks[i], acked{d, r})
						sent++
					case muster.CodeOf(err) != muster.CodeUnavailable || tries > 100:
						t.Errorf("append: %v", err)
						return
					}
				}
				if i == 0 && n%20 == 19 {
					mu.Lock()
					_, err := c.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'muster log' AND datname = current_database()")
					mu.Unlock()
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	all := slices.Concat(acks...)
	checkStanding(t, nodes[0], all)
	total := 0
	for g := range groups {
		log := readAll(t, nodes[1], muster.GroupID(g+1))
		total += len(log)
		if head, err := nodes[0].Log().Head(t.Context(), muster.GroupID(g+1)); err != nil || head != muster.Seq(len(log)) {
			t.Errorf("group %d: the head is %d, %v, of %d messages", g+1, head, err, len(log))
		}
	}
	if total != senders*each {
		t.Errorf("%d messages stand for %d ids", total, senders*each)
	}
	if err := settled(t, func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(told) != total {
			return fmt.Errorf("the followers were told of %d messages of %d", len(told), total)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// TestPostgresUnreachable: without the database messages are refused with an
// error that says so, and the store is not healthy.
func TestPostgresUnreachable(t *testing.T) {
	t.Parallel()
	s := startStore(t, Options{Dir: t.TempDir(), URL: pgtest.URL(t)})
	addGroup(t, s, 1, 1, 1)
	if l, ok := s.log.(*pgLog); ok {
		l.pool.Close()
	}
	if r, err := s.Log().Append(t.Context(), textDraft(1, 1, "id", "x")); muster.CodeOf(orNone(err)) != muster.CodeUnavailable {
		t.Errorf("append: %+v, %v", r, err)
	}
}

// TestPostgresKnownGroups: what a writer remembers of a group ends with what
// another node does there: its messages, a removal, a dissolution.
func TestPostgresKnownGroups(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	here, there := startStore(t, Options{Dir: t.TempDir(), URL: url}), startStore(t, Options{Dir: t.TempDir(), URL: url})
	addGroup(t, here, 1, 3, 1)
	want := muster.Seq(0)
	say := func(s *Store, who muster.AccountID) {
		t.Helper()
		want++
		r, err := s.Log().Append(t.Context(), textDraft(1, who, fmt.Sprint(want), "hello"))
		if err != nil || r.Seq != want {
			t.Fatalf("append: seq %d, %v; want %d", r.Seq, err, want)
		}
	}
	refused := func(who muster.AccountID) {
		t.Helper()
		if r, err := here.Log().Append(t.Context(), textDraft(1, who, "late", "hello")); muster.ReasonOf(orNone(err)) != "not_a_member" {
			t.Fatalf("append: %+v, %v", r, err)
		}
	}
	for _, s := range []*Store{here, here, there, here, there, there} {
		say(s, 1)
		say(s, 2)
	}
	for range foreignPatience + 4 { // until it is trusted again
		say(here, 2)
	}
	pair := func(_, _ group.Member) error { return nil }
	if err := there.Groups().RemoveMember(t.Context(), 1, 1, 2, false, pair); err != nil {
		t.Fatal(err)
	}
	refused(2)
	say(here, 1)
	say(here, 3)
	anyone := func(group.Member) error { return nil }
	if err := there.Groups().DissolveGroup(t.Context(), 1, 1, anyone); err != nil {
		t.Fatal(err)
	}
	refused(1)
	refused(3)
}

// TestPostgresRestoredBehindUs: a database that is set back to an earlier state
// while a node runs, as by a restore or a failover that lost commits, ends all
// that the node's writers remember: who was a member then, and which ids stood.
func TestPostgresRestoredBehindUs(t *testing.T) {
	t.Parallel()
	s := startStore(t, Options{Dir: t.TempDir(), URL: pgtest.URL(t)})
	addGroup(t, s, 1, 2, 1)
	for n := range 6 {
		if _, err := s.Log().Append(t.Context(), textDraft(1, muster.AccountID(n%2+1), fmt.Sprint(n), "hello")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.write(t.Context(), func(c conn) error {
		for _, sql := range []string{
			"DELETE FROM message WHERE group_id = 1 AND seq > 3",
			"UPDATE group_head SET last_seq = 3 WHERE group_id = 1",
			"DELETE FROM group_member WHERE group_id = 1 AND account_id = 2",
		} {
			if _, err := c.exec(sql); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for i, id := range []string{"4", "2", "6"} { // lost, still there, new
		want := []group.Receipt{{Seq: 4}, {Seq: 3, Duplicate: true}, {Seq: 5}}[i]
		r, err := s.Log().Append(t.Context(), textDraft(1, 1, id, "hello"))
		if err != nil || r.Seq != want.Seq || r.Duplicate != want.Duplicate {
			t.Errorf("%q: %+v, %v; want %+v", id, r, err, want)
		}
	}
	for n := range foreignPatience + 4 { // until the head is trusted again
		if _, err := s.Log().Append(t.Context(), textDraft(1, 1, fmt.Sprint("more ", n), "hello")); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := s.Log().Append(t.Context(), textDraft(1, 2, "late", "hello")); muster.ReasonOf(orNone(err)) != "not_a_member" {
		t.Errorf("of no member: %+v, %v", r, err)
	}
}
