package store

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"muster"
	"muster/internal/account"
	"muster/internal/channel"
)

// envRosterRows sets the size of the largest roster that is measured, such as
// 10000000; unset: 1,000,000.
const envRosterRows = "MUSTER_BENCH_ROSTER"

// benchAccounts makes n accounts p0000000, p0000001, ... quickly.
func benchAccounts(b *testing.B, s *Store, n int) {
	b.Helper()
	created := time.Now()
	for from := 0; from < n; from += 10_000 {
		rows := make([]account.Account, min(10_000, n-from))
		for i := range rows {
			rows[i] = account.Account{
				ID: muster.AccountID(s.ids.Next()), Name: fmt.Sprintf("p%07d", from+i), Nickname: fmt.Sprintf("Person %d", from+i),
				Role: account.ServerUser, DirectAdd: muster.DirectAddAllow, Created: created,
			}
		}
		if _, _, err := s.Accounts().EnsureAccounts(b.Context(), rows); err != nil {
			b.Fatal(err)
		}
	}
}

// benchImport puts the accounts onto the roster and tells how long it took. A
// hundred lines are staff, the others members, VIPs and guests.
func benchImport(b *testing.B, tw *town, id muster.ChannelID, n int) (channel.Report, time.Duration) {
	b.Helper()
	im, err := tw.Import(b.Context(), tw.root, id, channel.ImportOptions{})
	if err != nil {
		b.Fatal(err)
	}
	var took time.Duration
	lines := make([]channel.ImportLine, 0, 5000)
	for from := 0; from < n; from += len(lines) {
		lines = lines[:0]
		for i := from; i < min(from+5000, n); i++ {
			level := muster.Level(1 + i%3)
			if i < 100 {
				level = muster.Moderator
			}
			lines = append(lines, channel.ImportLine{
				Line: int64(i + 1), Account: fmt.Sprintf("p%07d", i), Nickname: fmt.Sprintf("%s %d", []string{"Anna", "Bo", "Chen 陈", "Dora"}[i%4], i), Level: level,
			})
		}
		start := time.Now()
		if err := im.Add(b.Context(), lines); err != nil {
			b.Fatal(err)
		}
		took += time.Since(start)
	}
	return im.Close(), took
}

// BenchmarkImportRoster imports a file of 200,000 lines, and the same again.
func BenchmarkImportRoster(b *testing.B) {
	n := 200_000
	if testing.Short() {
		n = 10_000
	}
	forEachBackend(b, func(b *testing.B, opt Options) {
		s := startStore(b, opt)
		tw := newTown(b, s, 1)
		benchAccounts(b, s, n)
		var first, second time.Duration
		for b.Loop() {
			id := tw.found(b, tw.people[0], channel.Settings{})
			r, took := benchImport(b, tw, id, n)
			if r.Added != int64(n) {
				b.Fatalf("%+v", r)
			}
			first += took
			if r, took = benchImport(b, tw, id, n); r.Unchanged != int64(n) {
				b.Fatalf("%+v", r)
			}
			second += took
		}
		b.ReportMetric(float64(n*b.N)/first.Seconds(), "lines/s")
		b.ReportMetric(float64(n*b.N)/second.Seconds(), "unchanged-lines/s")
		b.ReportMetric(0, "ns/op")
	})
}

// BenchmarkRosterPage reads pages at sizes from 1,000 to a million (or what
// MUSTER_BENCH_ROSTER says): the first and one from the middle of 100 entries
// as ListRoster shows them, by prefix, and 2,000 people as enrolment reads them.
func BenchmarkRosterPage(b *testing.B) {
	largest := 1_000_000
	if v, err := strconv.Atoi(os.Getenv(envRosterRows)); err == nil {
		largest = v
	}
	if testing.Short() {
		largest = 10_000
	}
	forEachBackend(b, func(b *testing.B, opt Options) {
		s := startStore(b, opt)
		tw := newTown(b, s, 1)
		benchAccounts(b, s, largest)
		for n := 1000; n <= largest; n *= 10 {
			if n != 1000 && n != 1_000_000 && n != largest {
				continue
			}
			id := tw.found(b, tw.people[0], channel.Settings{})
			if r, took := benchImport(b, tw, id, n); r.Added != int64(n) {
				b.Fatalf("%+v", r)
			} else {
				b.Logf("imported %d lines in %v", n, took)
			}
			b.Run(strconv.Itoa(n), func(b *testing.B) { benchPages(b, tw, id, n) })
		}
	})
}

func benchPages(b *testing.B, tw *town, id muster.ChannelID, n int) {
	cs := tw.s.Channels()
	page := func(q channel.RosterPageQuery, want int) func(b *testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				entries, _, err := cs.Roster(b.Context(), q)
				if err != nil || len(entries) != want {
					b.Fatalf("%d entries, %v", len(entries), err)
				}
			}
		}
	}
	middle := &channel.RosterCursor{Level: muster.Member, Key: "c"}
	b.Run("first100", page(channel.RosterPageQuery{Channel: id, Limit: 100}, 100))
	b.Run("middle100", page(channel.RosterPageQuery{Channel: id, Limit: 100, After: middle}, 100))
	b.Run("prefix10", page(channel.RosterPageQuery{Channel: id, Limit: 10, Prefix: "bo 9"}, 10))
	b.Run("prefixnone", page(channel.RosterPageQuery{Channel: id, Limit: 100, Prefix: "nobody"}, 0))
	b.Run("enrol2000", func(b *testing.B) {
		var after muster.AccountID
		for b.Loop() {
			people, err := cs.RosterPage(b.Context(), id, after, 2000, 0, int64(n+1))
			if err != nil {
				b.Fatal(err)
			}
			if after = 0; len(people) == 2000 {
				after = people[1999].Account
			}
		}
	})
}

// BenchmarkEnter goes in and out of a room, with the one reading of the store
// that this takes.
func BenchmarkEnter(b *testing.B) {
	forEachBackend(b, func(b *testing.B, opt Options) {
		s := startStore(b, opt)
		tw := newTown(b, s, 1000)
		id := tw.found(b, tw.people[0], channel.Settings{})
		for i, p := range tw.people {
			tw.rooms.Connected(p, channel.ClientID(i+1))
		}
		i := 0
		for b.Loop() {
			n := i % len(tw.people)
			if _, err := tw.rooms.Enter(b.Context(), tw.people[n], channel.ClientID(n+1), id); err != nil {
				b.Fatal(err)
			}
			if i++; i%3 == 0 {
				tw.rooms.Exit(channel.ClientID(n + 1))
			}
		}
	})
}
