package store

import (
	"testing"

	"muster/internal/group"
)

// TestNotesDoNotHideThatIDsAreNew: ids that grow are known to be new without a
// look into the index, in a group with the server's own notes too, whose ids are
// above all UUIDs; and the notes are still found there.
func TestNotesDoNotHideThatIDsAreNew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, stop := startStoreUntil(t, Options{Dir: dir})
	addGroup(t, s, 1, 3, 1)
	first := textDraft(1, 2, uuid7(), "hello")
	note := group.Draft{Group: 1, Sender: group.ServerSender, ClientID: "enrolment-1", Kind: group.KindJoined, Count: 3}
	for _, d := range []group.Draft{note, first} {
		if r, err := s.Log().Append(t.Context(), d); err != nil || r.Duplicate {
			t.Fatalf("%q: %+v, %v", d.ClientID, r, err)
		}
	}
	check := func(when string, s *Store) {
		t.Helper()
		l := sqliteLogOf(t, s)
		d := textDraft(1, 2, uuid7(), "more")
		p, err := l.prepare(t.Context(), &d)
		if err != nil {
			t.Fatal(err)
		}
		defer p.entry.state.unpin()
		if _, found, err := l.findKey(t.Context(), p); err != nil || found || p.looked {
			t.Errorf("%s: a new id: found %t, looked into the index %t, %v", when, found, p.looked, err)
		}
		for _, d := range []group.Draft{note, first} {
			if r, err := l.Append(t.Context(), d); err != nil || !r.Duplicate {
				t.Errorf("%s: %q again: %+v, %v", when, d.ClientID, r, err)
			}
		}
	}
	check("in memory", s)
	flushLog(t, s)
	forgetKeys(s)
	check("in the index", s)
	stop()
	check("after a restart", startStore(t, Options{Dir: dir}))
}
