package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"muster"
	"muster/internal/group"
	"muster/internal/pgtest"
)

// sameKey finds two ids of the form of UUIDs whose keys are the same.
func sameKey(t *testing.T) (a, b string) {
	t.Helper()
	seen := make(map[int64]string)
	for n := range 1 << 20 {
		id := fmt.Sprintf("0199aaaa-0000-7000-8000-%012x", n)
		key := pgKey(&group.Draft{Sender: 1, ClientID: id})
		if other, ok := seen[key]; ok {
			return other, id
		}
		seen[key] = id
	}
	t.Fatal("no two ids with the same key")
	return "", ""
}

// TestPostgresSameKey: two ids with the same key are two messages, in one batch
// or not, and each is recognised when it comes again, also by a node that
// remembers nothing.
func TestPostgresSameKey(t *testing.T) {
	t.Parallel()
	one, other := sameKey(t)
	url := pgtest.URL(t)
	s, stop := startStoreUntil(t, Options{Dir: t.TempDir(), URL: url})
	for g := range muster.GroupID(3) {
		addGroup(t, s, g+1, 1, 1)
		if _, err := s.Log().Append(t.Context(), textDraft(g+1, 1, "greeting", "hello")); err != nil {
			t.Fatal(err)
		}
	}
	say := func(s *Store, g muster.GroupID, id string, want muster.Seq, duplicate bool) {
		t.Helper()
		r, err := s.Log().Append(t.Context(), textDraft(g, 1, id, "text of "+id))
		if err != nil || r.Seq != want || r.Duplicate != duplicate {
			t.Errorf("group %d, %s: %+v, %v; want seq %d, duplicate %v", g, id, r, err, want, duplicate)
		}
	}
	say(s, 1, one, 2, false)
	say(s, 1, other, 3, false)
	say(s, 1, one, 2, true)
	say(s, 2, other, 2, false)
	say(s, 2, one, 3, false)
	both := make(chan error, 2)
	for _, id := range []string{one, other} {
		s.log.(group.AsyncLog).AppendAsync(t.Context(), textDraft(3, 1, id, "at once"), func(_ group.Receipt, err error) { both <- err })
	}
	if err := errors.Join(<-both, <-both); err != nil {
		t.Error(err)
	}
	stop()
	s = startStore(t, Options{Dir: t.TempDir(), URL: url})
	say(s, 1, other, 3, true)
	say(s, 1, one, 2, true)
	say(s, 2, one, 3, true)
	say(s, 2, other, 2, true)
	say(s, 3, "new", 4, false)
}

// TestPostgresKeysTaken: an id for which no number is left is refused, and nobody
// else in its batch.
func TestPostgresKeysTaken(t *testing.T) {
	t.Parallel()
	s := startStore(t, Options{Dir: t.TempDir(), URL: pgtest.URL(t)})
	addGroup(t, s, 1, 1, 1)
	for n := range keyPlaces {
		if _, err := s.Log().Append(t.Context(), textDraft(1, 1, fmt.Sprint(n), "hello")); err != nil {
			t.Fatal(err)
		}
	}
	d := textDraft(1, 1, "crowded", "hello")
	if err := s.write(t.Context(), func(c conn) error {
		_, err := c.exec("UPDATE message SET key = $1 + seq - 1 WHERE group_id = 1", pgKey(&d))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 3)
	for range 2 {
		s.log.(group.AsyncLog).AppendAsync(t.Context(), d, func(_ group.Receipt, err error) {
			if muster.ReasonOf(orNone(err)) == muster.ReasonOf(errKeysTaken()) {
				err = nil
			} else {
				err = fmt.Errorf("a crowded id: %w", orNone(err))
			}
			got <- err
		})
	}
	s.log.(group.AsyncLog).AppendAsync(t.Context(), textDraft(1, 1, "free", "hello"), func(r group.Receipt, err error) {
		if err == nil && r.Seq != keyPlaces+1 {
			err = fmt.Errorf("seq %d", r.Seq)
		}
		got <- err
	})
	for range 3 {
		if err := <-got; err != nil {
			t.Error(err)
		}
	}
}

// TestPostgresKeysOfOldMessages: messages from before there were keys are
// recognised after the migration.
func TestPostgresKeysOfOldMessages(t *testing.T) {
	t.Parallel()
	one, other := sameKey(t)
	url := pgtest.URL(t)
	db, err := openPostgres(t.Context(), url, 2)
	if err != nil {
		t.Fatal(err)
	}
	ms, err := migrations(postgresLogSchema)
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{"4f0c7e3a-9d3e-4c53-8c2b-1b0f6a7d9e10", one, "any \x01 bytes \\ at all", other, "F0F0F0F0-0000-7000-8000-000000000000", "ffffffff-0000-7000-8000-000000000000"}
	if err := migrateOnce(t.Context(), db, postgresLogSchema, ms[:2]); err != nil {
		t.Fatal(err)
	}
	if err := db.write(t.Context(), func(c conn) error {
		for i, id := range ids {
			d := textDraft(1, 1, id, "old")
			if _, err := c.exec("INSERT INTO message (group_id, seq, sender, client_id, time_ms, body) VALUES (1, $1, 1, $2, 7, $3)", i+1, []byte(id), appendBody(nil, &d)); err != nil {
				return err
			}
		}
		_, err := c.exec("INSERT INTO group_head (group_id, last_seq) VALUES (1, $1)", len(ids))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.close(); err != nil {
		t.Fatal(err)
	}
	s := startStore(t, Options{Dir: t.TempDir(), URL: url})
	addGroup(t, s, 1, 1, 1)
	for i, id := range ids {
		d := textDraft(1, 1, id, "old")
		if err := s.read(t.Context(), func(c conn) error {
			key, err := oneInt(c, "SELECT key FROM message WHERE group_id = 1 AND seq = $1", i+1)
			want := pgKey(&d)
			if id == other {
				want++
			}
			if err == nil && key != want {
				err = fmt.Errorf("%q: the key is %d, want %d", id, key, want)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		r, err := s.Log().Append(ctx, d)
		cancel()
		if err != nil || int(r.Seq) != i+1 || !r.Duplicate {
			t.Errorf("%q: %+v, %v", id, r, err)
		}
	}
}
