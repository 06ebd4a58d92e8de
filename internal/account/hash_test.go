package account

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster"
)

// TestKnownHash checks the form against one that another implementation made
// (the PHC reference of argon2id: argon2 -id -t 2 -k 65536 -p 1, salt somesalt).
func TestKnownHash(t *testing.T) {
	const reference = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	h := newHasher(Argon2{}, 1, 1)
	ok, stale, err := h.verify(t.Context(), reference, "password")
	if err != nil || !ok || !stale {
		t.Errorf("ok %v, stale %v, %v", ok, stale, err)
	}
	if ok, _, err := h.verify(t.Context(), reference, "Password"); ok || err != nil {
		t.Errorf("a wrong password: %v, %v", ok, err)
	}
}

func TestHash(t *testing.T) {
	h := newHasher(Argon2{}, 1, 1)
	a, err := h.hash(t.Context(), "seven green bottles")
	if err != nil || !strings.HasPrefix(a, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("%q, %v", a, err)
	}
	b, _ := h.hash(t.Context(), "seven green bottles")
	if a == b {
		t.Error("two hashes of one password are equal: no salt")
	}
	for stored, want := range map[string]bool{a: true, b: true, "": false, h.dummy: false} {
		if ok, stale, err := h.verify(t.Context(), stored, "seven green bottles"); ok != want || stale || err != nil {
			t.Errorf("%q: ok %v, stale %v, %v", stored, ok, stale, err)
		}
	}
}

func TestDamagedHashes(t *testing.T) {
	for _, stored := range []string{
		"x", "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ", "$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=16$m=8,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=9999999,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=8,t=0,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=8,t=1,p=0$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=8,t=1,p=1$c29t$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$CTFh", "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$!!!!",
	} {
		ok, _, err := newHasher(Argon2{}, 1, 1).verify(t.Context(), stored, "x")
		if ok || err == nil || muster.CodeOf(err) != muster.CodeInternal {
			t.Errorf("%q: %v, %v", stored, ok, err)
		}
	}
}

// FuzzParsePHC: no stored text makes it panic, and what is understood is
// understood the same again.
func FuzzParsePHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parsePHC(s)
		if err != nil {
			return
		}
		again, err := parsePHC(h.String())
		if err != nil || again.String() != h.String() || h.MemoryKiB > maxMemoryKiB || h.Time > maxTime {
			t.Errorf("%q became %q, %v", s, h.String(), err)
		}
	})
}

// TestQueue: with one slot and two places to wait, the fourth is told to come
// again, and one that is given up leaves its place.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(Argon2{MemoryKiB: 8, Time: 1}, 1, 2)
		if err := h.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		errs := make(chan error, 2)
		for range 2 {
			wg.Go(func() {
				_, err := h.hash(ctx, "x")
				errs <- err
			})
		}
		synctest.Wait()
		_, err := h.hash(t.Context(), "x")
		if muster.CodeOf(err) != muster.CodeResourceExhausted || muster.ReasonOf(err) != "busy" {
			t.Errorf("the fourth: %v", err)
		}
		cancel()
		wg.Wait()
		for range 2 {
			if err := <-errs; muster.CodeOf(err) != muster.CodeCanceled {
				t.Errorf("given up: %v", err)
			}
		}
		if h.waiting.Load() != 0 || h.made.Load() != 0 {
			t.Errorf("waiting %d, made %d", h.waiting.Load(), h.made.Load())
		}
		<-h.slots
		if _, err := h.hash(t.Context(), "x"); err != nil {
			t.Error(err)
		}
	})
}

func TestPasswordPolicy(t *testing.T) {
	for _, p := range []string{
		"", "short77", "ünïcödé", "password", "PASSWORD1", "P@ssw0rd", "iloveyou", "qwertyuiop", "correct horse battery staple",
		"aaaaaaaa", "abababab", "123123123", "abcdefgh", "87654321", "12345678", "annette-x", "x-ettenna", strings.Repeat("x y", 400), "bad\xffutf8!",
	} {
		if checkPassword("password", p, "annette-x", 8) == nil {
			t.Errorf("%q is accepted", p)
		}
	}
	for _, p := range []string{
		"seven green bottles", "密码安全很重要吧", "annette-x!", "aab ccd eef", strings.Repeat("word ", 200), "abcdefgz", "        spaces",
	} {
		if err := checkPassword("password", p, "annette-x", 8); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	if err := checkPassword("password", "eleven char", "", 12); muster.ReasonOf(err) != "password_short" {
		t.Errorf("shorter than configured: %v", err)
	}
	for p := range commonPasswords() {
		if p != strings.ToLower(p) || len([]rune(p)) < minPassword {
			t.Errorf("%q can never be met", p)
		}
	}
	if n := len(commonPasswords()); n < 300 {
		t.Errorf("only %d common passwords", n)
	}
}

func TestParseLanguage(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "en": "en", "ZH": "zh", "zh-hans": "zh-Hans", "zh-HANT-tw": "zh-Hant-TW", "pt-br": "pt-BR", "es-419": "es-419",
		"yue": "yue", "de-1996": "de-1996", "sl-ROZAJ": "sl-rozaj",
	} {
		if got, err := parseLanguage(in); got != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"e", "engl", "en_US", "en-", "-en", "en--us", "e1", "en-ü", "en-abcdefghi", "zh-Hant-TW-x-abcdef", "e\x00"} {
		if got, err := parseLanguage(in); err == nil {
			t.Errorf("%q is taken as %q", in, got)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newSessionCache(false)
	for range 2 * cacheShards * cachePerPart {
		_, hash := newToken(sessionPrefix)
		c.put(hash, Session{}, Account{}, time.Time{}, c.generation())
	}
	n := 0
	for i := range c.shards {
		n += len(c.shards[i].entries)
	}
	if n > cacheShards*cachePerPart || n < cacheShards*cachePerPart*9/10 {
		t.Errorf("%d entries, at most %d", n, cacheShards*cachePerPart)
	}
}
