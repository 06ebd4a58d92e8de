package account_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"muster"
	"muster/internal/account"
)

// court is a server with two people of each role.
type court struct {
	*world
	id map[string]muster.AccountID
	as map[string]account.SignIn
}

func newCourt(t testing.TB) court {
	w := newWorld(t, newHands(), nil)
	c := court{w, map[string]muster.AccountID{"operator": account.Operator, "nobody": 0}, map[string]account.SignIn{}}
	for name, role := range map[string]account.ServerRole{
		"owner": account.ServerOwner, "owner2": account.ServerOwner, "admin": account.ServerAdmin, "admin2": account.ServerAdmin,
		"user": account.ServerUser, "user2": account.ServerUser,
	} {
		if _, _, err := w.CreateAccount(t.Context(), account.Operator, account.NewAccount{Name: name}, goodPassword, role); err != nil {
			t.Fatal(err)
		}
		in, err := w.Login(t.Context(), name, goodPassword, account.Client{})
		if err != nil {
			t.Fatal(err)
		}
		c.id[name], c.as[name] = in.Account.ID, in
	}
	return c
}

func TestSetAccountByRole(t *testing.T) {
	yes, no := true, false
	to := func(r account.ServerRole) account.Settings { return account.Settings{Role: &r} }
	suspend, restore, reset := account.Settings{Suspended: &yes}, account.Settings{Suspended: &no}, account.Settings{ResetPassword: true}
	for _, c := range []struct {
		what       string
		actor, who string
		set        account.Settings
		refused    string // reason
	}{
		{"user suspends", "user", "user2", suspend, "not_server_admin"},
		{"user resets itself", "user", "user", reset, "not_server_admin"},
		{"nobody suspends", "nobody", "user", suspend, "not_server_admin"},
		{"user asks about an unknown account", "user", "unknown", suspend, "not_server_admin"},
		{"admin and an unknown account", "admin", "unknown", suspend, "account_not_found"},
		{"admin suspends user", "admin", "user", suspend, ""},
		{"admin restores user", "admin", "user", restore, ""},
		{"admin resets user", "admin", "user", reset, ""},
		{"admin makes an admin", "admin", "user", to(account.ServerAdmin), "outranked"},
		{"admin makes an owner", "admin", "user", to(account.ServerOwner), "outranked"},
		{"admin makes itself owner", "admin", "admin", to(account.ServerOwner), "outranked"},
		{"admin suspends admin", "admin", "admin2", suspend, "outranked"},
		{"admin resets admin", "admin", "admin2", reset, "outranked"},
		{"admin demotes admin", "admin", "admin2", to(account.ServerUser), "outranked"},
		{"admin resets owner", "admin", "owner", reset, "outranked"},
		{"admin suspends owner", "admin", "owner", suspend, "outranked"},
		{"admin demotes owner", "admin", "owner", to(account.ServerUser), "outranked"},
		{"admin steps down", "admin", "admin", to(account.ServerUser), ""},
		{"admin suspends itself", "admin", "admin", suspend, "self"},
		{"owner makes an admin", "owner", "user", to(account.ServerAdmin), ""},
		{"owner makes an owner", "owner", "user", to(account.ServerOwner), ""},
		{"owner demotes owner", "owner", "owner2", to(account.ServerUser), ""},
		{"owner suspends owner", "owner", "owner2", suspend, ""},
		{"owner steps down", "owner", "owner", to(account.ServerUser), ""},
		{"operator suspends admin", "operator", "admin", suspend, ""},
		{"operator makes an owner", "operator", "user", to(account.ServerOwner), ""},
		{"no such role", "owner", "user", to(9), "invalid_server_role"},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			w := newCourt(t)
			w.id["unknown"] = 4242
			before, _ := w.GetAccount(t.Context(), account.Operator, w.id[c.who])
			acct, claim, err := w.SetAccount(t.Context(), w.id[c.actor], w.id[c.who], c.set)
			got, _ := w.GetAccount(t.Context(), account.Operator, w.id[c.who])
			if c.refused != "" {
				if muster.ReasonOf(err) != c.refused {
					t.Errorf("reason %q (%v), want %q", muster.ReasonOf(err), err, c.refused)
				}
				if got != before || c.who != "unknown" && c.who != "nobody" && !w.in(w.as[c.who].Token) {
					t.Error("refused, and yet something has changed")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got != acct || c.set.Role != nil && got.Role != *c.set.Role || c.set.Suspended != nil && got.Suspended != *c.set.Suspended {
				t.Errorf("returned %+v, stored %+v", acct, got)
			}
			if (claim != "") != c.set.ResetPassword {
				t.Errorf("claim %q", claim)
			}
			ends := c.set.ResetPassword || got.Suspended
			if in := w.as[c.who]; w.in(in.Token) == ends || w.ended.has(in.Session.ID) != ends {
				t.Errorf("sessions end: %v, in %v, told %v", ends, w.in(in.Token), w.ended.has(in.Session.ID))
			}
		})
	}
}

// TestRoleTakesEffectAtOnce: the account that comes with a session is never an
// old one.
func TestRoleTakesEffectAtOnce(t *testing.T) {
	w := newCourt(t)
	admin := account.ServerAdmin
	if !w.in(w.as["user"].Token) {
		t.Fatal("not in")
	}
	if _, _, err := w.SetAccount(t.Context(), w.id["owner"], w.id["user"], account.Settings{Role: &admin}); err != nil {
		t.Fatal(err)
	}
	_, who, err := w.Authenticate(t.Context(), w.as["user"].Token)
	if err != nil || who.Role != account.ServerAdmin {
		t.Errorf("%+v, %v", who, err)
	}
	nick := "Ursula"
	if _, err := w.UpdateProfile(t.Context(), w.id["user"], account.Profile{Nickname: &nick}); err != nil {
		t.Fatal(err)
	}
	if _, who, _ := w.Authenticate(t.Context(), w.as["user"].Token); who.Nickname != nick {
		t.Errorf("%+v", who)
	}
}

func TestLastOwnerStays(t *testing.T) {
	w := newWorld(t, newHands(), nil)
	ctx := t.Context()
	ada := w.own("ada")
	user, yes := account.ServerUser, true
	for what, set := range map[string]account.Settings{"demoted": {Role: &user}, "suspended": {Suspended: &yes}} {
		_, _, err := w.SetAccount(ctx, account.Operator, ada.Account.ID, set)
		if muster.ReasonOf(err) != "last_owner" {
			t.Errorf("%s: %v", what, err)
		}
	}
	// A suspended owner is no other owner.
	bob, _, err := w.CreateAccount(ctx, ada.Account.ID, account.NewAccount{Name: "bob"}, goodPassword, account.ServerOwner)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.SetAccount(ctx, ada.Account.ID, bob.ID, account.Settings{Suspended: &yes}); err != nil {
		t.Fatal(err)
	}
	_, _, err = w.SetAccount(ctx, ada.Account.ID, ada.Account.ID, account.Settings{Role: &user})
	reason(t, err, muster.CodeFailedPrecondition, "last_owner")
}

func TestCreateAccountByRole(t *testing.T) {
	w := newCourt(t)
	for i, c := range []struct {
		actor   string
		role    account.ServerRole
		refused string
	}{
		{"user", account.ServerUser, "not_server_admin"},
		{"nobody", account.ServerUser, "not_server_admin"},
		{"admin", 0, ""},
		{"admin", account.ServerUser, ""},
		{"admin", account.ServerAdmin, "outranked"},
		{"owner", account.ServerOwner, ""},
		{"operator", account.ServerAdmin, ""},
		{"operator", 7, "invalid_server_role"},
	} {
		got, _, err := w.CreateAccount(t.Context(), w.id[c.actor], account.NewAccount{Name: fmt.Sprint("new", i)}, goodPassword, c.role)
		if muster.ReasonOf(err) != c.refused || err == nil && got.Role != max(c.role, account.ServerUser) {
			t.Errorf("%s makes %v: %+v, %v; want %q", c.actor, c.role, got, err, c.refused)
		}
	}
	_, _, err := w.CreateAccount(t.Context(), w.id["admin"], account.NewAccount{Name: "USER"}, "", 0)
	reason(t, err, muster.CodeAlreadyExists, "name_taken")
}

func TestClaim(t *testing.T) {
	clock := newHands()
	w := newWorld(t, clock, func(o *account.Options) { o.Closed = true })
	ctx := t.Context()
	bob, claim, err := w.CreateAccount(ctx, account.Operator, account.NewAccount{Name: "bob", Nickname: "Bob"}, "", 0)
	if err != nil || claim == "" {
		t.Fatalf("%q, %v", claim, err)
	}
	claims := func(token, name, password string) error {
		in, err := w.Register(ctx, account.Registration{Token: token, Name: name, Password: password})
		if err == nil && (in.Account.ID != bob.ID || in.Account.Nickname != "Bob" || !w.in(in.Token)) {
			t.Errorf("claimed %+v", in)
		}
		return err
	}
	reason(t, claims(claim, "anna", goodPassword), muster.CodeInvalidArgument, "invalid_name")
	reason(t, claims(claim, "bob", "bobbob"), muster.CodeInvalidArgument, "password_short")
	if err := claims(claim, "Bob", goodPassword); err != nil {
		t.Fatal(err)
	}
	reason(t, claims(claim, "bob", "another good one"), muster.CodePermissionDenied, "wrong_token")
	first, err := w.Login(ctx, "bob", goodPassword, account.Client{})
	if err != nil {
		t.Fatal(err)
	}
	// A reset makes the password, the sessions and the claims before it void.
	_, old, err := w.SetAccount(ctx, account.Operator, bob.ID, account.Settings{ResetPassword: true})
	if err != nil {
		t.Fatal(err)
	}
	_, fresh, err := w.SetAccount(ctx, account.Operator, bob.ID, account.Settings{ResetPassword: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Login(ctx, "bob", goodPassword, account.Client{})
	reason(t, err, muster.CodeUnauthenticated, "wrong_credentials")
	if w.in(first.Token) {
		t.Error("a session outlives the reset")
	}
	reason(t, claims(old, "", "another good one"), muster.CodePermissionDenied, "wrong_token")
	clock.pass(14*24*time.Hour - time.Millisecond)
	if err := claims(fresh, "", "another good one"); err != nil {
		t.Fatal(err)
	}
	_, late, err := w.SetAccount(ctx, account.Operator, bob.ID, account.Settings{ResetPassword: true})
	if err != nil {
		t.Fatal(err)
	}
	clock.pass(14 * 24 * time.Hour)
	reason(t, claims(late, "", "another good one"), muster.CodePermissionDenied, "wrong_token")
}

// TestClaimOnce: of several who claim at the same time one does.
func TestClaimOnce(t *testing.T) {
	w := newWorld(t, newHands(), nil)
	_, claim, err := w.CreateAccount(t.Context(), account.Operator, account.NewAccount{Name: "bob"}, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = w.Register(t.Context(), account.Registration{Token: claim, Password: fmt.Sprint("good password ", i)})
		})
	}
	wg.Wait()
	slices.SortFunc(errs, func(a, b error) int {
		if a == nil {
			return -1
		}
		return 1
	})
	if errs[0] != nil || errs[1] == nil {
		t.Errorf("%v", errs)
	}
}

// TestLoginAgainstSuspension: a sign-in that is under way while the account is
// suspended, or its password reset, leaves no session.
func TestLoginAgainstSuspension(t *testing.T) {
	w := newWorld(t, newHands(), func(o *account.Options) { o.AttemptsPerAccount = 1000 })
	ctx := t.Context()
	bob := w.join("bob")
	yes, no := true, false
	for range 25 {
		var wg sync.WaitGroup
		tokens := make([]string, 4)
		for i := range tokens {
			wg.Go(func() {
				in, _ := w.Login(ctx, "bob", goodPassword, account.Client{})
				tokens[i] = in.Token
			})
		}
		if _, _, err := w.SetAccount(ctx, account.Operator, bob.Account.ID, account.Settings{Suspended: &yes}); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		for _, token := range tokens {
			if token != "" && w.in(token) {
				t.Fatal("signed in past the suspension")
			}
		}
		if list, _ := w.ListSessions(ctx, bob.Account.ID, 0); len(list) != 0 {
			t.Fatalf("%d sessions are left", len(list))
		}
		if _, _, err := w.SetAccount(ctx, account.Operator, bob.Account.ID, account.Settings{Suspended: &no}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestIssueSession(t *testing.T) {
	w := newWorld(t, newHands(), nil)
	ctx := t.Context()
	_, err := w.IssueSession(ctx, account.Operator, "", "cli")
	reason(t, err, muster.CodeFailedPrecondition, "no_owner")
	ada, bob := w.own("ada"), w.join("bob")
	for _, actor := range []muster.AccountID{0, ada.Account.ID, bob.Account.ID} {
		_, err := w.IssueSession(ctx, actor, "bob", "cli")
		reason(t, err, muster.CodePermissionDenied, "not_operator")
	}
	in, err := w.IssueSession(ctx, account.Operator, "", "cli")
	if err != nil || in.Account.ID != ada.Account.ID || !w.in(in.Token) || in.Session.Device != "cli" {
		t.Errorf("%+v, %v", in, err)
	}
	if _, err := w.EnsureAccount("carla"); err != nil {
		t.Fatal(err)
	}
	if in, err := w.IssueSession(ctx, account.Operator, "Carla", ""); err != nil || !w.in(in.Token) {
		t.Errorf("%+v, %v", in, err)
	}
	_, err = w.IssueSession(ctx, account.Operator, "zoe", "")
	reason(t, err, muster.CodeNotFound, "account_not_found")
	yes := true
	if _, _, err := w.SetAccount(ctx, account.Operator, bob.Account.ID, account.Settings{Suspended: &yes}); err != nil {
		t.Fatal(err)
	}
	_, err = w.IssueSession(ctx, account.Operator, "bob", "")
	reason(t, err, muster.CodePermissionDenied, "suspended")
}

// EnsureAccount is EnsureAccounts of one.
func (w *world) EnsureAccount(name string) (muster.AccountID, error) {
	got, _, err := w.EnsureAccounts(w.t.Context(), account.Operator, []account.NewAccount{{Name: name}})
	if err != nil {
		return 0, err
	}
	return got[0].ID, nil
}

func TestEnsureAndResolve(t *testing.T) {
	w := newWorld(t, newHands(), nil)
	ctx := t.Context()
	ada, bob := w.own("ada"), w.join("bob")
	list := []account.NewAccount{{"Bob", "not this"}, {"cyd", "Cyd"}, {"dee", ""}, {"CYD", "second"}}
	_, _, err := w.EnsureAccounts(ctx, bob.Account.ID, list)
	reason(t, err, muster.CodePermissionDenied, "not_server_admin")

	got, created, err := w.EnsureAccounts(ctx, ada.Account.ID, list)
	if err != nil || created != 2 {
		t.Fatalf("created %d, %v", created, err)
	}
	want := []account.Named{{bob.Account.ID, "bob"}, {got[1].ID, "Cyd"}, {got[2].ID, "dee"}, {got[1].ID, "Cyd"}}
	if !slices.Equal(got, want) || got[1].ID == 0 || got[1].ID == got[2].ID {
		t.Errorf("%+v, want %+v", got, want)
	}
	again, created, err := w.EnsureAccounts(ctx, ada.Account.ID, list)
	if err != nil || created != 0 || !slices.Equal(again, got) {
		t.Errorf("again: %+v, %d, %v", again, created, err)
	}
	_, _, err = w.EnsureAccounts(ctx, ada.Account.ID, []account.NewAccount{{"eve", ""}, {"n o", ""}})
	reason(t, err, muster.CodeInvalidArgument, "invalid_accounts")
	found, err := w.ResolveNames(ctx, []string{"eve", "DEE", "n o", "bob", "dee"})
	if want := []account.Named{{}, got[2], {}, got[0], got[2]}; err != nil || !slices.Equal(found, want) {
		t.Errorf("resolved %+v, want %+v, %v", found, want, err)
	}
	// They wait to be claimed: nobody registers over them.
	_, err = w.Register(ctx, account.Registration{Name: "cyd", Password: goodPassword})
	reason(t, err, muster.CodeAlreadyExists, "name_taken")
	for id, want := range map[muster.AccountID]bool{ada.Account.ID: true, bob.Account.ID: false, account.Operator: true, 0: false, 4242: false} {
		if ok, err := w.AdministersServer(ctx, id); ok != want || err != nil {
			t.Errorf("AdministersServer(%d) = %v, %v", id, ok, err)
		}
	}
}

func TestEnsureManyAccounts(t *testing.T) {
	w := newWorld(t, newHands(), nil)
	var list []account.NewAccount
	var names []string
	for i := range 5000 {
		names = append(names, fmt.Sprintf("p%d", i*7919%5000)) // in no order
		list = append(list, account.NewAccount{Name: names[i], Nickname: fmt.Sprint("Person ", i)})
	}
	if _, n, err := w.EnsureAccounts(t.Context(), account.Operator, list[:1000]); err != nil || n != 1000 {
		t.Fatalf("%d, %v", n, err)
	}
	got, n, err := w.EnsureAccounts(t.Context(), account.Operator, list)
	if err != nil || n != 4000 {
		t.Fatalf("%d, %v", n, err)
	}
	for i, g := range got {
		if g.ID == 0 || g.Nickname != list[i].Nickname {
			t.Fatalf("number %d is %+v, want %s", i, g, list[i].Nickname)
		}
	}
	if found, err := w.ResolveNames(t.Context(), names); err != nil || !slices.Equal(found, got) {
		t.Errorf("resolved otherwise: %v", err)
	}
}

func TestListAccountsAndAudit(t *testing.T) {
	w := newCourt(t)
	ctx := t.Context()
	for _, actor := range []string{"user", "nobody"} {
		_, _, err := w.ListAccounts(ctx, w.id[actor], "", account.Page{})
		reason(t, err, muster.CodePermissionDenied, "not_server_admin")
		_, _, err = w.ListAudit(ctx, w.id[actor], "", account.Page{})
		reason(t, err, muster.CodePermissionDenied, "not_server_admin")
	}
	yes := true
	if _, _, err := w.SetAccount(ctx, w.id["admin"], w.id["user"], account.Settings{Suspended: &yes}); err != nil {
		t.Fatal(err)
	}
	var names []string
	page := account.Page{Size: 2}
	for {
		list, next, err := w.ListAccounts(ctx, w.id["admin"], "", page)
		if err != nil || len(list) > 2 {
			t.Fatal(len(list), err)
		}
		for _, a := range list {
			names = append(names, a.Name)
			if a.Role == 0 || a.Suspended != (a.Name == "user") {
				t.Errorf("%+v", a)
			}
		}
		if page.Token = next; next == "" {
			break
		}
	}
	if want := []string{"admin", "admin2", "owner", "owner2", "user", "user2"}; !slices.Equal(names, want) {
		t.Errorf("%v, want %v", names, want)
	}
	all, _, err := w.ListAudit(ctx, w.id["admin"], "", account.Page{})
	if err != nil || len(all) != 7 || all[0].Action != "account.suspend" || all[0].ActorName != "admin" || all[6].ActorName != "operator" {
		t.Errorf("%+v, %v", all, err)
	}
	about, next, err := w.ListAudit(ctx, w.id["admin"], "account:"+w.id["user"].String(), account.Page{Size: 1})
	if err != nil || len(about) != 1 || about[0] != all[0] || next == "" {
		t.Fatalf("%+v, %q, %v", about, next, err)
	}
	about, next, err = w.ListAudit(ctx, w.id["admin"], "account:"+w.id["user"].String(), account.Page{Size: 1, Token: next})
	if err != nil || len(about) != 1 || about[0].Action != "account.create" || next != "" {
		t.Errorf("%+v, %q, %v", about, next, err)
	}
}
