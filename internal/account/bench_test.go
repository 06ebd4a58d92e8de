package account_test

import (
	"fmt"
	"testing"
	"time"

	"muster"
	"muster/internal/account"
	"muster/internal/clock"
)

// BenchmarkAuthenticate is what every call pays: a token that is remembered, one
// that is read from the database, and one that nobody has.
func BenchmarkAuthenticate(b *testing.B) {
	w := newWorld(b, clock.System(), nil)
	anna := w.join("anna")
	b.Run("remembered", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := w.Authenticate(b.Context(), anna.Token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("remembered, parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, _, err := w.Authenticate(b.Context(), anna.Token); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			account.Forget(w.Service, anna.Account.ID)
			if _, _, err := w.Authenticate(b.Context(), anna.Token); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkLogin is a sign-in at the default costs, and one at hardly any, which
// is what the database costs.
func BenchmarkLogin(b *testing.B) {
	for name, cost := range map[string]account.Argon2{"default": {}, "no hash": fast} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, clock.System(), func(o *account.Options) { o.Argon2 = cost })
			w.join("anna")
			for b.Loop() {
				if _, err := w.Login(b.Context(), "anna", goodPassword, from("192.0.2.1")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEnsureAccounts makes 5,000 accounts at a time.
func BenchmarkEnsureAccounts(b *testing.B) {
	w := newWorld(b, muster.ClockFunc(time.Now), nil)
	const size = 5000
	run := 0
	for b.Loop() {
		run++
		list := make([]account.NewAccount, size)
		for i := range list {
			list[i] = account.NewAccount{Name: fmt.Sprintf("p%d-%d", run, i)}
		}
		if _, n, err := w.EnsureAccounts(b.Context(), account.Operator, list); err != nil || n != size {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(size*run)/b.Elapsed().Seconds(), "accounts/s")
}
