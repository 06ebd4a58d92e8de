package enrol_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"muster"
	"muster/internal/channel"
	"muster/internal/config"
	"muster/internal/enrol"
	"muster/internal/fault"
	"muster/internal/pgtest"
	"muster/internal/store"
)

// scales weighs the heap at every so many pages of a roster.
type scales struct {
	enrol.Channels
	every, pages int
	least, most  uint64
}

func (s *scales) RosterPage(ctx context.Context, id muster.ChannelID, after muster.AccountID, limit int, fromEntry, toEntry int64) ([]enrol.Person, error) {
	if s.pages++; s.pages%s.every == 0 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		s.most = max(s.most, m.HeapAlloc)
		if s.least == 0 {
			s.least = m.HeapAlloc
		}
	}
	return s.Channels.RosterPage(ctx, id, after, limit, fromEntry, toEntry)
}

// weighedPage is how many people a page has while an enrolment is weighed.
const weighedPage = 1000

// nobody is told what happens.
type nobody struct{ *told }

func (nobody) MembersAdded(muster.GroupID, muster.EnrolmentID, []muster.AccountID) {}
func (nobody) MembersRemoved(muster.GroupID, []muster.AccountID, string)           {}
func (nobody) Invited(muster.InvitationID, []muster.AccountID)                     {}

// No step of an enrolment holds a roster in memory: one of four times the size
// takes no more of it. Not parallel: it weighs the whole process.
func TestMemory(t *testing.T) {
	forEachSize := func(t *testing.T, opt store.Options, sizes [2]int) {
		w := idleWorld(t, opt, muster.ClockFunc(time.Now), func(c *config.Config) {
			c.Enrolment.Page, c.Enrolment.MaxPage, c.Enrolment.PerRequester = weighedPage, weighedPage, 100
		})
		level := func(i int) muster.Level { return []muster.Level{muster.Guest, muster.Member, muster.Member}[i%3] }
		ids := w.people("p", sizes[1])
		var grown [2]uint64
		for i, n := range sizes {
			ch, err := w.Channels.CreateChannel(t.Context(), w.owner, 0, channel.Settings{Name: "weighed"})
			if err != nil {
				t.Fatal(err)
			}
			w.enlist(ch.ID, "p", 0, n, level)
			s := &scales{every: n / weighedPage / 10}
			node := w.node(func(o *enrol.Options) {
				s.Channels = o.Channels
				o.Channels, o.Events = s, nobody{w.told}
			})
			r := enrol.Request{Group: w.group("Weighed", 0), Channel: ch.ID, Policies: policies("asdssd")}
			if _, err := node.Preview(t.Context(), w.owner, r); err != nil {
				t.Fatal(err)
			}
			stop := run(t, node)
			e, err := node.Start(t.Context(), w.owner, r, "")
			if err != nil {
				t.Fatal(err)
			}
			if e = w.ended(t, e.ID); e.State != enrol.Done || e.Counts.Handled() != int64(n)+1 {
				t.Fatalf("%+v", e)
			}
			stop()
			if s.pages < n/weighedPage {
				t.Fatalf("%d pages", s.pages)
			}
			grown[i] = s.most - s.least
			t.Logf("%d people: the heap had between %d and %d KiB", n, s.least>>10, s.most>>10)
		}
		runtime.KeepAlive(ids)
		allowance := uint64(6 * (sizes[1] - sizes[0])) //nolint:gosec // positive; the ids alone would take 8 bytes each
		if grown[1] > grown[0]+allowance {
			t.Errorf("a roster of %d people made the heap grow by %d KiB, one of %d by %d KiB", sizes[1], grown[1]>>10, sizes[0], grown[0]>>10)
		}
	}
	t.Run("sqlite", func(t *testing.T) {
		forEachSize(t, store.Options{Dir: t.TempDir()}, [2]int{20_000, fault.Long(80_000, 2_000_000)})
	})
	t.Run("postgres", func(t *testing.T) {
		forEachSize(t, store.Options{Dir: t.TempDir(), URL: pgtest.URL(t)}, [2]int{15_000, fault.Long(60_000, 1_000_000)})
	})
}
