package store

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"muster"
	"muster/internal/group"
	"muster/internal/pgtest"
)

// addGroup makes a group with the given members in the tables, as they are after
// everybody has spoken.
func addGroup(t testing.TB, s *Store, id muster.GroupID, members int64, first muster.AccountID) {
	t.Helper()
	const page = 20_000
	err := s.write(t.Context(), func(c conn) error {
		_, err := c.exec(`INSERT INTO grp (id, name, about, owner_id, capacity, member_count, created_ms)
			VALUES ($1, $2, '', $3, 0, $4, 0)`, id, fmt.Sprintf("group %d", id), first, members)
		return err
	})
	for from := int64(0); from < members && err == nil; from += page {
		n := int(min(page, members-from))
		err = s.write(t.Context(), func(c conn) error {
			_, err := c.insertMany(insert{table: "group_member", columns: append(
				ints("group_id", "account_id", "role", "subgroup_id", "joined_ms", "joined_seq", "enrolment_id"), column{"spoke", boolColumn})},
				n, func(row, col int) any {
					switch col {
					case 0:
						return id
					case 1:
						return int64(first) + from + int64(row)
					case 2:
						return muster.RoleMember
					case 7:
						return true
					default:
						return 0
					}
				})
			if err != nil {
				return err
			}
			_, err = c.insertMany(insert{table: "account_group", columns: ints("account_id", "group_id", "read_seq")},
				n, func(row, col int) any {
					return []any{int64(first) + from + int64(row), id, 0}[col]
				})
			return err
		})
	}
	if err != nil {
		t.Fatalf("make group %d: %v", id, err)
	}
}

// load is a closed loop of senders.
type load struct {
	senders int
	// The groups firstGroup+1 to firstGroup+groups are sent to.
	firstGroup, groups int
	members            int64 // of each group; the account ids are 1 to members
	duration           time.Duration
	newID              func() string
}

// measured is what a load gave. Times are in milliseconds.
type measured struct {
	Name    string  `json:"name"`
	Backend string  `json:"backend"`
	Senders int     `json:"senders"`
	Groups  int     `json:"groups"`
	Acks    int     `json:"acks"`
	PerSec  float64 `json:"acks_per_second"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	Max     float64 `json:"max_ms"`
	// CPU is this process's time for each ack, in microseconds: the senders'
	// and the log's; PostgreSQL's own is not in it.
	CPU float64 `json:"cpu_us_per_ack"`
}

func (ld load) run(t testing.TB, s *Store) measured {
	t.Helper()
	text := strings.Repeat("0123456789abcdef", 16)
	latencies := make([][]time.Duration, ld.senders)
	ctx, cancel := context.WithTimeout(t.Context(), ld.duration)
	defer cancel()
	var wg sync.WaitGroup
	start, cpu := time.Now(), cpuTime(t)
	for i := range ld.senders {
		wg.Go(func() {
			for n := i * 7919; ctx.Err() == nil; n++ {
				d := group.Draft{
					Group: muster.GroupID(ld.firstGroup + n%ld.groups + 1), Sender: muster.AccountID(int64(i)%ld.members + 1), Nickname: "Ada",
					ClientID: ld.newID(), Kind: group.KindText, Text: text,
				}
				at := time.Now()
				if _, err := s.Log().Append(t.Context(), d); err != nil {
					t.Errorf("append: %v", err)
					return
				}
				latencies[i] = append(latencies[i], time.Since(at))
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	all := slices.Concat(latencies...)
	slices.Sort(all)
	at := func(q float64) float64 { return all[int(q*float64(len(all)-1))].Seconds() * 1000 }
	return measured{
		Backend: s.Backend(), Senders: ld.senders, Groups: ld.groups, Acks: len(all),
		PerSec: float64(len(all)) / took.Seconds(), P50: at(.5), P99: at(.99), Max: at(1),
		CPU: float64((cpuTime(t) - cpu).Microseconds()) / float64(len(all)),
	}
}

// cpuTime is what this process has used so far.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func uuid7() string { return uuid.Must(uuid.NewV7()).String() }

// report prints one JSON line and the benchmark's own figures.
func (m measured) report(b *testing.B) {
	m.Name = b.Name()
	line, err := json.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	fmt.Fprintln(os.Stderr, string(line))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(m.PerSec, "acks/s")
	b.ReportMetric(m.P50, "p50-ms")
	b.ReportMetric(m.P99, "p99-ms")
}

// benchTime is how long each load lasts; MUSTER_BENCH_TIME sets it.
func benchTime(b *testing.B) time.Duration {
	if v := os.Getenv("MUSTER_BENCH_TIME"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil {
			b.Fatal(err)
		}
		return d
	}
	return 5 * time.Second
}

// forEachBackend runs a benchmark on both databases.
func forEachBackend(b *testing.B, run func(b *testing.B, opt Options)) {
	b.Run("sqlite", func(b *testing.B) { run(b, Options{Dir: b.TempDir()}) })
	b.Run("postgres", func(b *testing.B) { run(b, Options{Dir: b.TempDir(), URL: pgtest.URL(b)}) })
}

// BenchmarkDurableSend: 256-byte texts to 1,000 groups, each acknowledged when it
// is durable, by closed loops of 1 to 4,096 senders.
func BenchmarkDurableSend(b *testing.B) {
	forEachBackend(b, func(b *testing.B, opt Options) {
		const groups, members = 1000, 64
		s := startStore(b, opt)
		for g := range groups {
			addGroup(b, s, muster.GroupID(g+1), members, 1)
		}
		for g := range groups {
			for a := range members {
				if _, _, err := s.membership(b.Context(), muster.GroupID(g+1), muster.AccountID(a+1)); err != nil {
					b.Fatal(err)
				}
			}
		}
		ld := load{groups: groups, members: members, duration: time.Second, newID: uuid7, senders: 256}
		ld.run(b, s) // makes the journal's first segments
		ld.duration = benchTime(b)
		for _, senders := range []int{1, 16, 256, 4096} {
			b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) {
				ld.senders = senders
				for b.Loop() {
					ld.run(b, s).report(b)
				}
			})
		}
	})
}

// BenchmarkSendToLargeGroup: a group of 1,000,000 people, nearly all of them
// offline, takes messages as fast as one of 100. The loads alternate, so that
// the machine's other work meets both.
func BenchmarkSendToLargeGroup(b *testing.B) {
	forEachBackend(b, func(b *testing.B, opt Options) {
		s := startStore(b, opt)
		const rounds = 6
		sizes := map[string]int64{"small": 100, "large": 1_000_000}
		addGroup(b, s, 1, sizes["small"], 1)
		addGroup(b, s, 2, sizes["large"], 1)
		for b.Loop() {
			rates := make(map[string][]float64)
			for range rounds {
				for id, name := range []string{"small", "large"} {
					ld := load{firstGroup: id, groups: 1, members: 64, duration: benchTime(b) / rounds, newID: uuid7, senders: 256}
					rates[name] = append(rates[name], ld.run(b, s).PerSec)
				}
			}
			slices.Sort(rates["small"])
			slices.Sort(rates["large"])
			small, large := rates["small"][rounds/2], rates["large"][rounds/2]
			fmt.Fprintf(os.Stderr, `{"name":%q,"backend":%q,"acks_per_second_100":%.0f,"acks_per_second_1000000":%.0f,"ratio":%.2f}`+"\n",
				b.Name(), s.Backend(), small, large, large/small)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(large, "acks/s")
			b.ReportMetric(large/small, "large/small")
		}
	})
}

// BenchmarkReturn: what a member who returns asks of the log: the heads of 50
// groups and the newest 20 messages of 5 of them.
func BenchmarkReturn(b *testing.B) {
	forEachBackend(b, func(b *testing.B, opt Options) {
		const groups, messages = 500, 100
		s := startStore(b, opt)
		for g := range groups {
			addGroup(b, s, muster.GroupID(g+1), 64, 1)
		}
		var wg sync.WaitGroup
		for w := range 64 {
			wg.Go(func() {
				for n := w; n < groups*messages; n += 64 {
					d := textDraft(muster.GroupID(n%groups+1), muster.AccountID(w+1), uuid7(), strings.Repeat("x", 256))
					if _, err := s.Log().Append(b.Context(), d); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
		flushLog(b, s)
		for _, cold := range []bool{false, true} {
			b.Run(fmt.Sprintf("cold=%v", cold), func(b *testing.B) {
				b.RunParallel(func(pb *testing.PB) {
					at := 0
					for pb.Next() {
						if at += 37; cold && at%20 == 0 {
							forgetTails(s)
						}
						mine := make([]muster.GroupID, 50)
						for i := range mine {
							mine[i] = muster.GroupID((at+i*7)%groups + 1)
						}
						heads, err := s.Log().Heads(b.Context(), mine)
						if err != nil || heads[0] != messages {
							b.Errorf("the head is %d, %v", heads[0], err)
						}
						for _, id := range mine[:5] {
							ms, err := s.Log().Read(b.Context(), group.Range{Group: id, Last: true, Limit: 20})
							if err != nil || len(ms) != 20 {
								b.Errorf("%d messages, %v", len(ms), err)
							}
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "members/s")
			})
		}
	})
}
