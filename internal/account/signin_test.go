package account_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster"
	"muster/internal/account"
	"muster/internal/pgtest"
)

func TestSignInAndOut(t *testing.T) {
	w := newWorld(t, newHands(), nil)
	ctx := t.Context()
	anna, err := w.Register(ctx, account.Registration{
		Name: " Anna ", Password: goodPassword, Nickname: "Änna  安娜", Language: "ZH-hans", Client: from("192.0.2.7"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := account.Account{
		ID: anna.Account.ID, Name: "anna", Nickname: "Änna 安娜", Language: "zh-Hans", DirectAdd: muster.DirectAddAllow,
		Role: account.ServerUser, Created: day,
	}
	if anna.Account != want {
		t.Errorf("registered %+v, want %+v", anna.Account, want)
	}
	if !strings.HasPrefix(anna.Token, "mst_") || len(anna.Token) != 47 {
		t.Errorf("token %q", anna.Token)
	}
	again, err := w.Login(ctx, "ANNA", goodPassword, account.Client{Device: "pho\x00ne  of\nanna", Address: from("::ffff:192.0.2.8").Address})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // from the store, and from memory
		session, who, err := w.Authenticate(ctx, again.Token)
		if err != nil {
			t.Fatal(err)
		}
		if session != again.Session || who != want {
			t.Errorf("authenticated %+v %+v, want %+v %+v", session, who, again.Session, want)
		}
	}
	if s := again.Session; s.Address != "192.0.2.8" || !s.Expires.Equal(day.Add(90*24*time.Hour)) {
		t.Errorf("session %+v", s)
	}
	list, err := w.ListSessions(ctx, anna.Account.ID, anna.Session.ID)
	if err != nil || len(list) != 2 || list[0].ID != again.Session.ID || list[0].Current || !list[1].Current {
		t.Errorf("sessions %+v, %v", list, err)
	}
	if err := w.Logout(ctx, anna.Account.ID, anna.Session.ID); err != nil {
		t.Fatal(err)
	}
	if w.in(anna.Token) || !w.in(again.Token) || !w.ended.has(anna.Session.ID) || w.ended.has(again.Session.ID) {
		t.Errorf("after the logout: in %v, other in %v, told %v", w.in(anna.Token), w.in(again.Token), w.ended.ids)
	}
}

func TestAuthenticateRefusesWhatIsNoToken(t *testing.T) {
	w := newWorld(t, newHands(), nil)
	anna := w.join("anna")
	for _, token := range []string{"", "mst_", "mst_x", anna.Token[:46], anna.Token + "A", "msc_" + anna.Token[4:], strings.ToUpper(anna.Token)} {
		_, _, err := w.Authenticate(t.Context(), token)
		reason(t, err, muster.CodeUnauthenticated, "no_session")
	}
	_, _, err := w.Authenticate(t.Context(), "mst_"+strings.Repeat("A", 43))
	reason(t, err, muster.CodeUnauthenticated, "session_ended")
}

func TestRegisterRefuses(t *testing.T) {
	w := newWorld(t, newHands(), nil)
	w.join("anna")
	for _, c := range []struct {
		r      account.Registration
		code   muster.Code
		reason string
	}{
		{account.Registration{Name: "Anna", Password: goodPassword}, muster.CodeAlreadyExists, "name_taken"},
		{account.Registration{Name: "a", Password: goodPassword}, muster.CodeInvalidArgument, "invalid_name"},
		{account.Registration{Name: "bo", Password: "short77"}, muster.CodeInvalidArgument, "password_short"},
		{account.Registration{Name: "bo", Password: "PASSWORD123"}, muster.CodeInvalidArgument, "password_weak"},
		{account.Registration{Name: "bo", Password: strings.Repeat("long ", 205)}, muster.CodeInvalidArgument, "invalid_password"},
		{account.Registration{Name: "bo", Password: goodPassword, Nickname: "a\u202eb"}, muster.CodeInvalidArgument, "invalid_nickname"},
		{account.Registration{Name: "bo", Password: goodPassword, Language: "x_y"}, muster.CodeInvalidArgument, "invalid_language"},
		{account.Registration{Name: "bo", Password: goodPassword, Token: "mss_" + strings.Repeat("A", 43)}, muster.CodePermissionDenied, "wrong_token"},
		{account.Registration{Name: "bo", Password: goodPassword, Token: "secret"}, muster.CodePermissionDenied, "wrong_token"},
	} {
		_, err := w.Register(t.Context(), c.r)
		reason(t, err, c.code, c.reason)
	}
	closed := newWorld(t, newHands(), func(o *account.Options) { o.Closed = true })
	_, err := closed.Register(t.Context(), account.Registration{Name: "bo", Password: goodPassword})
	reason(t, err, muster.CodePermissionDenied, "registration_closed")
	closed.own("root1") // the setup token opens a closed server
}

func TestSetupTokenMakesOneOwner(t *testing.T) {
	w := newWorld(t, newHands(), func(o *account.Options) { o.Closed = true })
	ctx := t.Context()
	first, err := w.EnsureSetup(ctx)
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.EnsureSetup(ctx) // a new start replaces it
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Register(ctx, account.Registration{Name: "early", Password: goodPassword, Token: first})
	reason(t, err, muster.CodePermissionDenied, "wrong_token")

	var wg sync.WaitGroup
	var owners atomic.Int64
	for _, name := range []string{"ada", "bob", "cyd", "dee", "eve"} {
		wg.Go(func() {
			in, err := w.Register(ctx, account.Registration{Name: name, Password: goodPassword, Token: second})
			if err == nil && in.Account.Role == account.ServerOwner {
				owners.Add(1)
			} else if muster.ReasonOf(err) != "wrong_token" {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	wg.Wait()
	if owners.Load() != 1 {
		t.Errorf("one token made %d owners", owners.Load())
	}
	if token, err := w.EnsureSetup(ctx); token != "" || err != nil {
		t.Errorf("a server with an owner gives a setup token: %q, %v", token, err)
	}
}

// TestSecretsAreNotStored looks for tokens and passwords in everything that the
// store has written.
func TestSecretsAreNotStored(t *testing.T) {
	w := newWorld(t, newHands(), nil)
	ctx := t.Context()
	setup, err := w.EnsureSetup(ctx)
	if err != nil {
		t.Fatal(err)
	}
	anna := w.join("anna")
	_, claim, err := w.CreateAccount(ctx, account.Operator, account.NewAccount{Name: "bob"}, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	// A password where the name belongs leaves no trace either.
	if _, err := w.Login(ctx, "my.secret.phrase", goodPassword, from("192.0.2.1")); err == nil {
		t.Fatal("signed in")
	}
	secrets := map[string]string{
		"session token": anna.Token, "setup token": setup, "claim token": claim, "password": goodPassword, "mistyped": "my.secret.phrase",
	}
	found := map[string]bool{}
	scan := func() {
		err := filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			for what, secret := range secrets {
				if bytes.Contains(data, []byte(secret)) || len(secret) == 47 && bytes.Contains(data, []byte(secret[4:])) {
					t.Errorf("the %s stands in %s", what, filepath.Base(path))
				}
			}
			for _, sign := range []string{"$argon2id$", "anna"} {
				found[sign] = found[sign] || bytes.Contains(data, []byte(sign))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	scan() // with the write-ahead log
	w.stop()
	scan()
	if !found["$argon2id$"] || !found["anna"] {
		t.Errorf("the scan does not see what is stored: %v", found)
	}
}

// TestSameAnswer: who asks cannot tell an unknown name from a wrong password.
func TestSameAnswer(t *testing.T) {
	w := newWorld(t, newHands(), nil)
	ctx := t.Context()
	w.join("anna")
	if _, _, err := w.CreateAccount(ctx, account.Operator, account.NewAccount{Name: "unclaimed"}, "", 0); err != nil {
		t.Fatal(err)
	}
	w.join("gone")
	gone, _ := w.Login(ctx, "gone", goodPassword, from("192.0.2.1"))
	yes := true
	if _, _, err := w.SetAccount(ctx, account.Operator, gone.Account.ID, account.Settings{Suspended: &yes}); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, name := range []string{"anna", "nobody", "unclaimed", "gone", "Not A Name!"} {
		before := account.HashesMade(w.Service)
		_, err := w.Login(ctx, name, "a wrong password", from("192.0.2.1"))
		reason(t, err, muster.CodeUnauthenticated, "wrong_credentials")
		if n := account.HashesMade(w.Service) - before; n != 1 {
			t.Errorf("%s: %d hashes were made, want 1", name, n)
		}
		texts = append(texts, err.Error())
	}
	if len(slices.Compact(texts)) != 1 {
		t.Errorf("different answers: %q", texts)
	}
	// Only who knows the password learns that the account is suspended.
	_, err := w.Login(ctx, "gone", goodPassword, from("192.0.2.1"))
	reason(t, err, muster.CodePermissionDenied, "suspended")
}

func TestRevokeSessions(t *testing.T) {
	w := newWorld(t, newHands(), nil)
	ctx := t.Context()
	anna, bob := w.join("anna"), w.join("bob")
	login := func() account.SignIn {
		t.Helper()
		in, err := w.Login(ctx, "anna", goodPassword, account.Client{})
		if err != nil || !w.in(in.Token) {
			t.Fatalf("login: %v", err)
		}
		return in
	}
	a, b, c := login(), login(), login()

	reason(t, w.RevokeSession(ctx, bob.Account.ID, bob.Session.ID, a.Session.ID, false), muster.CodeNotFound, "session_not_found")
	reason(t, w.Logout(ctx, bob.Account.ID, a.Session.ID), muster.CodeNotFound, "session_not_found")
	if !w.in(a.Token) {
		t.Error("somebody else ended the session")
	}
	if err := w.RevokeSession(ctx, anna.Account.ID, c.Session.ID, a.Session.ID, false); err != nil {
		t.Fatal(err)
	}
	if w.in(a.Token) || !w.in(b.Token) || !w.ended.has(a.Session.ID) {
		t.Errorf("one revoked: %v %v, told %v", w.in(a.Token), w.in(b.Token), w.ended.ids)
	}
	reason(t, w.RevokeSession(ctx, anna.Account.ID, c.Session.ID, a.Session.ID, false), muster.CodeNotFound, "session_not_found")
	reason(t, w.RevokeSession(ctx, anna.Account.ID, c.Session.ID, b.Session.ID, true), muster.CodeInvalidArgument, "invalid_session_id")
	if err := w.RevokeSession(ctx, anna.Account.ID, c.Session.ID, 0, true); err != nil {
		t.Fatal(err)
	}
	if w.in(anna.Token) || w.in(b.Token) || !w.in(c.Token) || !w.in(bob.Token) {
		t.Error("all others are to end, and only they")
	}
	if !w.ended.has(anna.Session.ID) || !w.ended.has(b.Session.ID) || w.ended.has(c.Session.ID) {
		t.Errorf("told %v", w.ended.ids)
	}
}

func TestChangePassword(t *testing.T) {
	w := newWorld(t, newHands(), func(o *account.Options) { o.AttemptsPerAccount = 3 })
	ctx := t.Context()
	anna := w.join("anna")
	other, err := w.Login(ctx, "anna", goodPassword, account.Client{})
	if err != nil {
		t.Fatal(err)
	}
	id, current := anna.Account.ID, anna.Session.ID
	reason(t, w.ChangePassword(ctx, id, current, goodPassword, "qwerty123"), muster.CodeInvalidArgument, "password_weak")
	reason(t, w.ChangePassword(ctx, id, current, "not the old one", "nine brown bottles"), muster.CodePermissionDenied, "wrong_password")
	if err := w.ChangePassword(ctx, id, current, goodPassword, "nine brown bottles"); err != nil {
		t.Fatal(err)
	}
	if !w.in(anna.Token) || w.in(other.Token) || !w.ended.has(other.Session.ID) {
		t.Error("every session but the current one is to end")
	}
	_, err = w.Login(ctx, "anna", goodPassword, account.Client{})
	reason(t, err, muster.CodeUnauthenticated, "wrong_credentials")
	if _, err := w.Login(ctx, "anna", "nine brown bottles", account.Client{}); err != nil {
		t.Errorf("the new password: %v", err)
	}
	// Who found an open session cannot guess the password with it.
	for range 2 {
		reason(t, w.ChangePassword(ctx, id, current, "guess", "ten white bottles"), muster.CodePermissionDenied, "wrong_password")
	}
	reason(t, w.ChangePassword(ctx, id, current, "nine brown bottles", "ten white bottles"), muster.CodeResourceExhausted, "too_many_attempts")
}

func TestComposedAndDecomposedPasswordsAreTheSame(t *testing.T) {
	w := newWorld(t, newHands(), nil)
	if _, err := w.Register(t.Context(), account.Registration{Name: "anna", Password: "caf\u00e9 cr\u00e8me"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Login(t.Context(), "anna", "cafe\u0301 cre\u0300me", account.Client{}); err != nil {
		t.Error(err)
	}
}

func TestHashIsRenewedAtLogin(t *testing.T) {
	clock := newHands()
	w := newWorld(t, clock, nil)
	ctx := t.Context()
	anna := w.join("anna")
	old, err := w.store.Accounts().PasswordHash(ctx, anna.Account.ID)
	if err != nil || !strings.HasPrefix(old, "$argon2id$v=19$m=8,t=1,p=1$") {
		t.Fatalf("%q, %v", old, err)
	}
	w.opt.Argon2 = account.Argon2{MemoryKiB: 16, Time: 2, Threads: 1}
	w.restart(clock)
	if _, err := w.Login(ctx, "anna", "wrong password", account.Client{}); err == nil {
		t.Fatal("signed in")
	}
	if h, _ := w.store.Accounts().PasswordHash(ctx, anna.Account.ID); h != old {
		t.Error("renewed by a wrong password")
	}
	for range 2 {
		if _, err := w.Login(ctx, "anna", goodPassword, account.Client{}); err != nil {
			t.Fatal(err)
		}
		h, err := w.store.Accounts().PasswordHash(ctx, anna.Account.ID)
		if err != nil || !strings.HasPrefix(h, "$argon2id$v=19$m=16,t=2,p=1$") {
			t.Fatalf("%q, %v", h, err)
		}
	}
}

// TestSeenIsWrittenAtTheEnd: when a session was last used is stored when Run
// ends, at the latest.
func TestSeenIsWrittenAtTheEnd(t *testing.T) {
	clock := newHands()
	w := newWorld(t, clock, nil)
	anna := w.join("anna")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	clock.pass(time.Hour)
	if !w.in(anna.Token) {
		t.Fatal("not in")
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	list, err := w.ListSessions(t.Context(), anna.Account.ID, 0)
	if err != nil || len(list) != 1 || !list[0].Seen.Equal(day.Add(time.Hour)) {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestRevocationAgainstReaders: whatever readers do at the same time, after a
// revocation has returned nobody gets in.
func TestRevocationAgainstReaders(t *testing.T) {
	w := newWorld(t, newHands(), nil)
	ctx := t.Context()
	anna := w.join("anna")
	for range 40 {
		in, err := w.Login(ctx, "anna", goodPassword, account.Client{})
		if err != nil {
			t.Fatal(err)
		}
		var revoked atomic.Bool
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					late := revoked.Load()
					ok := w.in(in.Token)
					if late && ok {
						t.Error("in after the revocation")
					}
					if late {
						return
					}
				}
			})
		}
		if err := w.RevokeSession(ctx, anna.Account.ID, anna.Session.ID, in.Session.ID, false); err != nil {
			t.Error(err)
		}
		revoked.Store(true)
		wg.Wait()
	}
}

// TestSharedDatabase: what another process revokes is believed for half a second
// at most.
func TestSharedDatabase(t *testing.T) {
	clock := newHands()
	w := newWorld(t, clock, func(o *account.Options) { o.Shared = true })
	other := account.New(w.opt)
	ctx := t.Context()
	anna := w.join("anna")
	if _, _, err := other.Authenticate(ctx, anna.Token); err != nil {
		t.Fatal(err)
	}
	if err := w.Logout(ctx, anna.Account.ID, anna.Session.ID); err != nil {
		t.Fatal(err)
	}
	if w.in(anna.Token) {
		t.Error("in at the process that ended the session")
	}
	if _, _, err := other.Authenticate(ctx, anna.Token); err != nil {
		t.Errorf("the other process asks the database every time: %v", err)
	}
	clock.pass(500 * time.Millisecond)
	_, _, err := other.Authenticate(ctx, anna.Token)
	reason(t, err, muster.CodeUnauthenticated, "session_ended")
}

func TestExpiredSessionsEnd(t *testing.T) {
	clock := newHands()
	w := newWorld(t, clock, func(o *account.Options) { o.SessionLifetime = time.Hour })
	anna := w.join("anna")
	clock.pass(30 * time.Minute)
	later, err := w.Login(t.Context(), "anna", goodPassword, account.Client{})
	if err != nil {
		t.Fatal(err)
	}
	clock.pass(30*time.Minute - time.Millisecond)
	if !w.in(anna.Token) {
		t.Error("ended early")
	}
	clock.pass(time.Millisecond)
	if w.in(anna.Token) {
		t.Error("using a session prolongs it")
	}
	if !w.in(later.Token) {
		t.Error("another session ended as well")
	}
	if list, _ := w.ListSessions(t.Context(), anna.Account.ID, 0); len(list) != 1 {
		t.Errorf("the list shows %d sessions, want 1", len(list))
	}
	account.Tidy(t.Context(), w.Service)
	if !w.ended.has(anna.Session.ID) || w.ended.has(later.Session.ID) {
		t.Errorf("told %v", w.ended.ids)
	}
}

// TestOddTexts: what a client can send, however odd, is a mistake of the client
// and not an error inside; PostgreSQL takes neither NUL nor broken UTF-8.
func TestOddTexts(t *testing.T) {
	for name, url := range map[string]func(testing.TB) string{"sqlite": func(testing.TB) string { return "" }, "postgres": pgtest.URL} {
		t.Run(name, func(t *testing.T) {
			w := newWorldAt(t, url(t), newHands(), func(o *account.Options) { o.AttemptsPerAddress = 1000 })
			ctx := t.Context()
			ada := w.own("ada")
			for _, odd := range []string{"\x00", "a\x00b", "\xff\xfe", "ann\xc3", strings.Repeat("x", 64), "'; --", "%", "\u202e", "\n"} {
				in, err := w.Login(ctx, "ada", goodPassword, account.Client{Device: odd})
				if err != nil || !w.in(in.Token) {
					t.Errorf("device %q: %v", odd, err)
				}
				calls := map[string]error{}
				_, calls["Login name"] = w.Login(ctx, odd, goodPassword, from("192.0.2.1"))
				_, calls["Login password"] = w.Login(ctx, "ada", odd, account.Client{Address: from("192.0.2.1").Address, Device: odd})
				_, calls["Register"] = w.Register(ctx, account.Registration{Name: odd, Password: odd, Nickname: odd, Language: odd, Token: odd})
				_, calls["nickname"] = w.Register(ctx, account.Registration{Name: "ada", Password: goodPassword, Nickname: odd})
				_, calls["UpdateProfile"] = w.UpdateProfile(ctx, ada.Account.ID, account.Profile{About: &odd})
				_, _, calls["FindAccounts"] = w.FindAccounts(ctx, ada.Account.ID, odd, account.Page{})
				_, _, calls["page"] = w.FindAccounts(ctx, ada.Account.ID, "a", account.Page{Token: odd})
				_, _, calls["ListAudit"] = w.ListAudit(ctx, ada.Account.ID, odd, account.Page{Token: odd})
				_, _, calls["ListAudit object"] = w.ListAudit(ctx, ada.Account.ID, odd, account.Page{})
				_, calls["IssueSession"] = w.IssueSession(ctx, account.Operator, odd, odd)
				_, calls["ResolveNames"] = w.ResolveNames(ctx, []string{odd})
				_, _, calls["Authenticate"] = w.Authenticate(ctx, "mst_"+strings.Repeat(odd, 43)[:43])
				for call, err := range calls {
					if err != nil && muster.CodeOf(err) == muster.CodeInternal {
						t.Errorf("%s with %q: %v", call, odd, err)
					}
				}
			}
		})
	}
}
