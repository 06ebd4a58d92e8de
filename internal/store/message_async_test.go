package store

import (
	"fmt"
	"sync"
	"testing"

	"muster"
	"muster/internal/group"
)

// TestAsyncSendsKeepTheirOrder hands in many messages of several senders without
// waiting: each sender's stand in the order of the calls, each is answered once,
// and a repeated one and a stranger's are answered as Append does.
func TestAsyncSendsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		const senders, each = 4, 500
		addGroup(t, s, 1, senders, 1)
		log, ok := s.Log().(group.AsyncLog)
		if !ok {
			t.Fatal("the log is no AsyncLog")
		}
		type answer struct {
			group.Receipt
			err   error
			calls int
		}
		var mu sync.Mutex
		answers := make([][]answer, senders+1)
		var wg, under sync.WaitGroup
		for sender := 1; sender <= senders; sender++ {
			answers[sender] = make([]answer, each)
			wg.Go(func() {
				for n := range each {
					under.Add(1)
					d := textDraft(1, muster.AccountID(sender), fmt.Sprintf("id-%05d", n), fmt.Sprint(n))
					log.AppendAsync(t.Context(), d, func(r group.Receipt, err error) {
						mu.Lock()
						defer mu.Unlock()
						a := &answers[sender][n]
						a.Receipt, a.err = r, err
						if a.calls++; a.calls == 1 {
							under.Done()
						}
					})
				}
			})
		}
		wg.Wait()
		under.Wait()
		for sender := 1; sender <= senders; sender++ {
			last := muster.Seq(0)
			for n, a := range answers[sender] {
				if a.err != nil || a.calls != 1 || a.Duplicate || a.Seq <= last {
					t.Fatalf("sender %d, message %d after seq %d: %+v", sender, n, last, a)
				}
				last = a.Seq
			}
		}
		if n := len(readAll(t, s, 1)); n != senders*each {
			t.Fatalf("%d messages stand, want %d", n, senders*each)
		}

		one := func(d group.Draft) (r group.Receipt, err error) {
			done := make(chan struct{})
			log.AppendAsync(t.Context(), d, func(got group.Receipt, e error) { r, err = got, e; close(done) })
			<-done
			return r, err
		}
		if r, err := one(textDraft(1, 1, "id-00007", "again")); err != nil || !r.Duplicate || r.Seq != answers[1][7].Seq {
			t.Errorf("a repeated message: %+v, %v", r, err)
		}
		if _, err := one(textDraft(1, 99, "x", "stranger")); muster.ReasonOf(orNone(err)) != "not_a_member" {
			t.Errorf("a stranger: %v", err)
		}
		if _, err := one(textDraft(1, 1, "", "no id")); muster.CodeOf(orNone(err)) != muster.CodeInvalidArgument {
			t.Errorf("no id: %v", err)
		}
	})
}

// TestAsyncSendSurvivesChangesOfMembers sends while members come and go, with ids
// of which none tells that it is new, so that the writer has to find out anew: all
// are answered, and stand in the order of the calls.
func TestAsyncSendSurvivesChangesOfMembers(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		addGroup(t, s, 1, 2, 1)
		log := s.Log().(group.AsyncLog)
		const messages = 300
		results := make(chan error, messages)
		for n := range messages {
			log.AppendAsync(t.Context(), textDraft(1, 2, fmt.Sprintf("id-%05d", messages-n), fmt.Sprint(n)), func(_ group.Receipt, err error) { results <- err })
			s.members.changed(1)
		}
		for range messages {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		stand := readAll(t, s, 1)
		if len(stand) != messages {
			t.Fatalf("%d messages stand, want %d", len(stand), messages)
		}
		for n, m := range stand {
			if m.Text != fmt.Sprint(n) {
				t.Fatalf("%q stands at place %d", m.Text, n)
			}
		}
	})
}
