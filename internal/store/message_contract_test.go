package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"muster"
	"muster/internal/group"
	"muster/internal/pgtest"
)

// text makes a draft as the domain does.
func textDraft(id muster.GroupID, sender muster.AccountID, clientID, text string) group.Draft {
	return group.Draft{Group: id, Sender: sender, Nickname: fmt.Sprintf("n%d", sender), ClientID: clientID, Kind: group.KindText, Text: text}
}

// flushLog waits until the log's tail stands in log.db; nothing on PostgreSQL.
func flushLog(t testing.TB, s *Store) {
	t.Helper()
	if l, ok := s.log.(*sqliteLog); ok {
		if err := l.flush(t.Context()); err != nil {
			t.Fatalf("flush the log: %v", err)
		}
	}
}

// readAll reads a whole group in pages, checks that seqs have no gap, and
// returns the messages.
func readAll(t testing.TB, s *Store, id muster.GroupID) (all []group.Message) {
	t.Helper()
	for {
		page, err := s.Log().Read(t.Context(), group.Range{Group: id, After: muster.Seq(len(all)), Limit: 333})
		if err != nil {
			t.Fatalf("read group %d: %v", id, err)
		}
		if len(page) == 0 {
			return all
		}
		for _, m := range page {
			if m.Seq != muster.Seq(len(all)+1) || m.Group != id {
				t.Fatalf("group %d: message %d of group %d stands at place %d", id, m.Seq, m.Group, len(all)+1)
			}
			all = append(all, m)
		}
	}
}

// acked is a message that was sent, with the answer.
type acked struct {
	group.Draft
	group.Receipt
}

// checkStanding compares what was acknowledged with what stands.
func checkStanding(t testing.TB, s *Store, acks []acked) {
	t.Helper()
	logs := make(map[muster.GroupID][]group.Message)
	for _, a := range acks {
		if _, ok := logs[a.Group]; !ok {
			logs[a.Group] = readAll(t, s, a.Group)
		}
		log := logs[a.Group]
		if int(a.Seq) > len(log) {
			t.Fatalf("group %d: message %d was acknowledged, but the log ends at %d", a.Group, a.Seq, len(log))
		}
		if m := log[a.Seq-1]; m.Draft != a.Draft || !m.Time.Equal(a.Time) {
			t.Fatalf("group %d: message %d was acknowledged as\n%+v, %v, but stands as\n%+v, %v", a.Group, a.Seq, a.Draft, a.Time, m.Draft, m.Time)
		}
	}
}

func TestLogGivesContiguousSeqs(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		const groups, senders, each = 50, 64, 60
		var mu sync.Mutex
		told := make(map[muster.GroupID][]muster.Seq)
		s.Log().Follow(func(committed []group.Message) {
			mu.Lock()
			defer mu.Unlock()
			for _, m := range committed {
				told[m.Group] = append(told[m.Group], m.Seq)
			}
		})
		for g := range groups {
			addGroup(t, s, muster.GroupID(g+1), senders, 1)
		}
		acks := make([][]acked, senders)
		var wg sync.WaitGroup
		for i := range senders {
			wg.Go(func() {
				for n := range each {
					d := textDraft(muster.GroupID(rand.IntN(groups)+1), muster.AccountID(i+1), fmt.Sprintf("%d-%d", i, n), strings.Repeat("字", rand.IntN(50)))
					d.ReplyTo, d.Subgroup = muster.Seq(rand.IntN(3)), muster.SubgroupID(rand.IntN(3))
					r, err := s.Log().Append(t.Context(), d)
					if err != nil || r.Duplicate {
						t.Errorf("append: %+v, %v", r, err)
						return
					}
					acks[i] = append(acks[i], acked{d, r})
				}
			})
		}
		wg.Wait()
		all := slices.Concat(acks...)
		checkStanding(t, s, all)
		seqs := make(map[muster.GroupID][]muster.Seq)
		for _, a := range all {
			seqs[a.Group] = append(seqs[a.Group], a.Seq)
		}
		ids := make([]muster.GroupID, 0, groups+1)
		for g := range groups + 1 {
			ids = append(ids, muster.GroupID(g+1)) // the last one has no messages
		}
		heads, err := s.Log().Heads(t.Context(), ids)
		if err != nil {
			t.Fatal(err)
		}
		if err := settled(t, func() error {
			mu.Lock()
			defer mu.Unlock()
			for g, want := range seqs {
				if len(told[g]) < len(want) {
					return fmt.Errorf("the follower of group %d was told of %d messages of %d", g, len(told[g]), len(want))
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			slices.Sort(seqs[id])
			for at, seq := range seqs[id] {
				if seq != muster.Seq(at+1) || told[id][at] != seq {
					t.Fatalf("group %d: place %d was acknowledged as %d and told as %d", id, at+1, seq, told[id][at])
				}
			}
			if heads[i] != muster.Seq(len(seqs[id])) {
				t.Errorf("group %d has head %d, %d messages were acknowledged", id, heads[i], len(seqs[id]))
			}
		}
	})
}

// settled calls check until it is content, for as long as the test may take.
func settled(t testing.TB, check func() error) error {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := check()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// TestLogKeepsOneOfEachID is T2: the same id several times, one after another and
// at once, right away, after it was applied, and after a restart.
func TestLogKeepsOneOfEachID(t *testing.T) {
	t.Parallel()
	test := func(t *testing.T, opt Options) {
		s, stop := startStoreUntil(t, opt)
		const groups, ids = 5, 40
		for g := range groups {
			addGroup(t, s, muster.GroupID(g+1), 8, 1)
		}
		var drafts []group.Draft
		for g := range groups {
			for n := range ids {
				// Ids that are ordered by time, and ids that are not.
				id := fmt.Sprintf("%06d", n)
				if g%2 == 1 {
					id = fmt.Sprintf("%x", rand.Uint64())
				}
				drafts = append(drafts, textDraft(muster.GroupID(g+1), muster.AccountID(n%8+1), id, fmt.Sprint("text ", n)))
			}
		}
		first := make([]group.Receipt, len(drafts))
		// sendRepeatedly sends one draft 1 to 5 times at once and then once more.
		sendRepeatedly := func(s *Store, what string, i int) {
			d := drafts[i]
			var mu sync.Mutex
			fresh, wantFresh := 0, 0
			if first[i].Seq == 0 {
				wantFresh = 1
			}
			send := func() {
				r, err := s.Log().Append(t.Context(), d)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Errorf("%s: %v", what, err)
					return
				}
				if !r.Duplicate {
					fresh++
				}
				if first[i].Seq == 0 {
					first[i] = r
				}
				if r.Seq != first[i].Seq || !r.Time.Equal(first[i].Time) {
					t.Errorf("%s: id %s got %d at %v, then %d at %v", what, d.ClientID, first[i].Seq, first[i].Time, r.Seq, r.Time)
				}
			}
			var wg sync.WaitGroup
			for range 1 + rand.IntN(5) {
				wg.Go(send)
			}
			wg.Wait()
			if send(); fresh != wantFresh {
				t.Errorf("%s: id %s was new %d times", what, d.ClientID, fresh)
			}
		}
		sendAll := func(s *Store, what string) {
			t.Helper()
			var wg sync.WaitGroup
			for i := range drafts {
				wg.Go(func() { sendRepeatedly(s, what, i) })
			}
			wg.Wait()
			for g := range groups {
				if n := len(readAll(t, s, muster.GroupID(g+1))); n != ids {
					t.Errorf("%s: group %d has %d messages of %d ids", what, g+1, n, ids)
				}
			}
		}
		sendAll(s, "new")
		sendAll(s, "again")
		flushLog(t, s)
		sendAll(s, "applied")
		forgetKeys(s)
		sendAll(s, "forgotten")
		stop()
		s, stop = startStoreUntil(t, opt)
		sendAll(s, "after a restart")
		// A different sender or group with the same id is another message.
		d := drafts[0]
		d.Sender = d.Sender%8 + 1
		if r, err := s.Log().Append(t.Context(), d); err != nil || r.Duplicate {
			t.Errorf("the id of another sender: %+v, %v", r, err)
		}
		stop()
	}
	forEachOptions(t, test)
}

// forEachOptions is forEachStore for tests that open and close for themselves.
func forEachOptions(t *testing.T, test func(t *testing.T, opt Options)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, Options{Dir: t.TempDir()})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, Options{Dir: t.TempDir(), URL: pgtest.URL(t)})
	})
}

// forgetKeys makes an SQLite log look into the index for every key that it has
// applied, as it does when many have come since.
func forgetKeys(s *Store) {
	l, ok := s.log.(*sqliteLog)
	if !ok {
		return
	}
	t := l.tail
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forgetKeys(len(t.swept))
}

func TestLogRefusesStrangers(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		addGroup(t, s, 1, 3, 1)
		good := textDraft(1, 2, "id", "hello")
		for name, change := range map[string]func(d *group.Draft){
			"not a member":                 func(d *group.Draft) { d.Sender = 4 },
			"no such group":                func(d *group.Draft) { d.Group = 2 },
			"note for no such group":       func(d *group.Draft) { d.Group, d.Sender, d.Kind = 2, group.ServerSender, group.KindJoined },
			"a group number below zero":    func(d *group.Draft) { d.Group = -5 },
			"a sender's number below zero": func(d *group.Draft) { d.Sender = -1 },
		} {
			d := good
			change(&d)
			if r, err := s.Log().Append(t.Context(), d); muster.ReasonOf(orNone(err)) != "not_a_member" || muster.CodeOf(orNone(err)) != muster.CodePermissionDenied {
				t.Errorf("%s: %+v, %v", name, r, err)
			}
		}
		for name, change := range map[string]func(d *group.Draft){
			"no id":         func(d *group.Draft) { d.ClientID = "" },
			"long id":       func(d *group.Draft) { d.ClientID = strings.Repeat("x", 65) },
			"long text":     func(d *group.Draft) { d.Text = strings.Repeat("x", maxText+1) },
			"no kind":       func(d *group.Draft) { d.Kind = 0 },
			"tombstone":     func(d *group.Draft) { d.Kind = group.KindTombstone },
			"text in bytes": func(d *group.Draft) { d.Text = "\xff" },
		} {
			d := good
			change(&d)
			if r, err := s.Log().Append(t.Context(), d); muster.CodeOf(orNone(err)) != muster.CodeInvalidArgument {
				t.Errorf("%s: %+v, %v", name, r, err)
			}
		}
		if head, err := s.Log().Head(t.Context(), 1); head != 0 || err != nil {
			t.Errorf("the head is %d, %v after refused messages only", head, err)
		}
		note := group.Draft{Group: 1, Sender: group.ServerSender, ClientID: "\x00job\xfe 7", Kind: group.KindJoined, Count: 1 << 40}
		for _, d := range []group.Draft{note, good} {
			if r, err := s.Log().Append(t.Context(), d); err != nil || r.Duplicate {
				t.Errorf("append: %+v, %v", r, err)
			}
		}
		log := readAll(t, s, 1)
		if len(log) != 2 || log[0].Draft != note || log[1].Draft != good {
			t.Errorf("the log is %+v", log)
		}
	})
}

// orNone lets the code of an error that should be there be asked for.
func orNone(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}

// TestLogStopsWithMembership removes members while they send: whatever begins
// after the removal was acknowledged is refused, and stands nowhere.
func TestLogStopsWithMembership(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		const people = 40
		addGroup(t, s, 1, people+1, 1) // 1 is the owner and stays
		allow := func(group.Member, group.Member) error { return nil }
		var wg sync.WaitGroup
		acks := make([][]acked, people)
		for i := range people {
			who := muster.AccountID(i + 2)
			var mu sync.Mutex
			removed := false
			wg.Go(func() {
				for n := 0; ; n++ {
					mu.Lock()
					late := removed
					mu.Unlock()
					d := textDraft(1, who, fmt.Sprint(n), "x")
					r, err := s.Log().Append(t.Context(), d)
					switch {
					case err == nil && late:
						t.Errorf("%d sent %d after the removal", who, r.Seq)
						return
					case err == nil:
						acks[i] = append(acks[i], acked{d, r})
					case muster.ReasonOf(err) != "not_a_member":
						t.Errorf("%d: %v", who, err)
						return
					default:
						if late {
							return
						}
					}
				}
			})
			wg.Go(func() {
				for range rand.IntN(20) {
					if _, err := s.Log().Append(t.Context(), textDraft(1, 1, fmt.Sprintf("%d %x", i, rand.Uint64()), "y")); err != nil {
						t.Error(err)
					}
				}
				if err := s.Groups().RemoveMember(t.Context(), 1, 1, who, false, allow); err != nil {
					t.Errorf("remove %d: %v", who, err)
				}
				mu.Lock()
				removed = true
				mu.Unlock()
			})
		}
		wg.Wait()
		all := slices.Concat(acks...)
		checkStanding(t, s, all)
		fromPeople := 0
		for _, m := range readAll(t, s, 1) {
			if m.Sender != 1 {
				fromPeople++
			}
		}
		if fromPeople != len(all) {
			t.Errorf("%d messages of those who were removed stand, %d were acknowledged", fromPeople, len(all))
		}
	})
}

// TestLogNotesWhoSpoke: before the first message of a member stands, it is stored
// that they have spoken.
func TestLogNotesWhoSpoke(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		addGroup(t, s, 1, 30, 1)
		if err := s.write(t.Context(), func(c conn) error {
			_, err := c.exec("UPDATE group_member SET spoke = $1", false)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				for n := range 3 {
					if _, err := s.Log().Append(t.Context(), textDraft(1, muster.AccountID(i+1), fmt.Sprint(n), "x")); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		var spoke int64
		if err := s.read(t.Context(), func(c conn) (err error) {
			spoke, err = oneInt(c, "SELECT count(*) FROM group_member WHERE spoke = $1 AND account_id <= 20", true)
			return err
		}); err != nil || spoke != 20 {
			t.Errorf("%d of 20 are noted to have spoken, %v", spoke, err)
		}
	})
}

// TestLogReplacesWhatItCannotRead is T15: an undecodable row and a lost one become
// tombstones, and what is behind them is delivered.
func TestLogReplacesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	forEachOptions(t, func(t *testing.T, opt Options) {
		s, stop := startStoreUntil(t, opt)
		addGroup(t, s, 1, 1, 1)
		for n := range 10 {
			if _, err := s.Log().Append(t.Context(), textDraft(1, 1, fmt.Sprint(n), fmt.Sprint("text ", n))); err != nil {
				t.Fatal(err)
			}
		}
		where := "group_id = 1 AND seq"
		if s.Backend() == "sqlite" {
			where = "id & 4294967295"
		}
		damage := func(c conn) error {
			if _, err := c.exec("UPDATE message SET body = $1 WHERE "+where+" = 3", []byte{0xff, 0xff}); err != nil {
				return err
			}
			if _, err := c.exec("UPDATE message SET body = $1 WHERE "+where+" = 5", []byte{}); err != nil {
				return err
			}
			_, err := c.exec("DELETE FROM message WHERE " + where + " = 7")
			return err
		}
		flushLog(t, s)
		var err error
		if l, ok := s.log.(*sqliteLog); ok {
			err = l.db.write(t.Context(), damage)
		} else {
			err = s.write(t.Context(), damage)
		}
		if err != nil {
			t.Fatal(err)
		}
		stop()
		s, _ = startStoreUntil(t, opt)
		for _, last := range []bool{false, true} {
			log, err := s.Log().Read(t.Context(), group.Range{Group: 1, Limit: 10, Last: last})
			if err != nil || len(log) != 10 {
				t.Fatalf("read %d messages, %v", len(log), err)
			}
			for i, m := range log {
				lost := i == 2 || i == 4 || i == 6
				want := group.Draft{Group: 1, Kind: group.KindTombstone}
				if !lost {
					want = textDraft(1, 1, fmt.Sprint(i), fmt.Sprint("text ", i))
				}
				if m.Seq != muster.Seq(i+1) || m.Draft != want {
					t.Errorf("last=%v: place %d has %+v", last, i+1, m)
				}
			}
		}
	})
}

// TestLogOutlivesCancelledSenders: whoever gives up leaves the log usable, and
// what they sent stands once or not at all.
func TestLogOutlivesCancelledSenders(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		addGroup(t, s, 1, 1, 1)
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(2000))*time.Microsecond)
				defer cancel()
				d := textDraft(1, 1, fmt.Sprint(i), "x")
				_, err := s.Log().Append(ctx, d)
				if err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("append: %v", err)
				}
				if _, err := s.Log().Append(t.Context(), d); err != nil {
					t.Errorf("append again: %v", err)
				}
			})
		}
		wg.Wait()
		if n := len(readAll(t, s, 1)); n != 200 {
			t.Errorf("%d messages stand", n)
		}
	})
}
