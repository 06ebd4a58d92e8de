package account_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"muster"
	"muster/internal/account"
)

func TestUpdateProfile(t *testing.T) {
	w := newWorld(t, newHands(), nil)
	ctx := t.Context()
	anna := w.join("anna")
	id := anna.Account.ID
	p := func(s string) *string { return &s }
	ask, wrong := muster.DirectAddAsk, muster.DirectAdd(4)
	for _, c := range []struct {
		p      account.Profile
		reason string
	}{
		{account.Profile{Nickname: p("\x00")}, "invalid_nickname"},
		{account.Profile{Nickname: p(strings.Repeat("x", 65))}, "invalid_nickname"},
		{account.Profile{About: p(strings.Repeat("好", 1001))}, "invalid_about"},
		{account.Profile{About: p("a\x00b")}, "invalid_about"},
		{account.Profile{Language: p("english")}, "invalid_language"},
		{account.Profile{DirectAdd: &wrong}, "invalid_direct_add"},
	} {
		_, err := w.UpdateProfile(ctx, id, c.p)
		reason(t, err, muster.CodeInvalidArgument, c.reason)
	}
	want := anna.Account
	for _, c := range []struct {
		p    account.Profile
		then func()
	}{
		{account.Profile{}, func() {}},
		{account.Profile{Nickname: p(" Anna  B ")}, func() { want.Nickname = "Anna B" }},
		{account.Profile{About: p(strings.Repeat("好", 1000))}, func() { want.About = strings.Repeat("好", 1000) }},
		{account.Profile{Language: p("PT-br"), DirectAdd: &ask}, func() { want.Language, want.DirectAdd = "pt-BR", muster.DirectAddAsk }},
		{account.Profile{Nickname: p(""), About: p(" "), Language: p("")}, func() { want.Nickname, want.About, want.Language = "anna", "", "" }},
	} {
		got, err := w.UpdateProfile(ctx, id, c.p)
		c.then()
		stored, _ := w.GetAccount(ctx, id, 0)
		if err != nil || got != want || stored != want {
			t.Errorf("returned %+v, stored %+v, want %+v, %v", got, stored, want, err)
		}
	}
	_, err := w.UpdateProfile(ctx, 4242, account.Profile{Nickname: p("x")})
	reason(t, err, muster.CodeNotFound, "account_not_found")
}

func TestSettingsAreShownToThemselvesAndAdministrators(t *testing.T) {
	w := newCourt(t)
	ctx := t.Context()
	lang := "en"
	if _, err := w.UpdateProfile(ctx, w.id["user"], account.Profile{Language: &lang}); err != nil {
		t.Fatal(err)
	}
	for asker, want := range map[string]bool{"user": true, "user2": false, "admin": true, "owner": true, "operator": true} {
		a, err := w.GetAccount(ctx, w.id[asker], w.id["user"])
		if shown := a.Language == "en" && a.DirectAdd != 0 && a.Role != 0; err != nil || shown != want || !shown && (a.Language != "" || a.DirectAdd != 0 || a.Role != 0) {
			t.Errorf("%s sees %+v, %v", asker, a, err)
		}
	}
	list, _, err := w.FindAccounts(ctx, w.id["user2"], "user", account.Page{})
	if err != nil || len(list) != 2 || list[0].Role != 0 || list[1].Role != account.ServerUser {
		t.Errorf("%+v, %v", list, err)
	}
	_, err = w.GetAccount(ctx, w.id["user"], 4242)
	reason(t, err, muster.CodeNotFound, "account_not_found")
	_, err = w.GetAccount(ctx, 0, w.id["user"])
	reason(t, err, muster.CodeNotFound, "account_not_found")
}

func TestFindAccounts(t *testing.T) {
	w := newWorld(t, newHands(), nil)
	ctx := t.Context()
	for _, name := range []string{"ann", "anna", "ann-b", "ann.b", "ann_b", "ann0", "annz", "an", "bob", "ao"} {
		if _, err := w.EnsureAccount(name); err != nil {
			t.Fatal(err)
		}
	}
	gone := w.join("annexe")
	yes := true
	if _, _, err := w.SetAccount(ctx, account.Operator, gone.Account.ID, account.Settings{Suspended: &yes}); err != nil {
		t.Fatal(err)
	}
	find := func(prefix string, size int) (names []string) {
		t.Helper()
		page := account.Page{Size: size}
		for {
			list, next, err := w.FindAccounts(ctx, 1, prefix, page)
			if err != nil || len(list) > size || next != "" && len(list) != size {
				t.Fatalf("%d, %q, %v", len(list), next, err)
			}
			for _, a := range list {
				names = append(names, a.Name)
			}
			if page.Token = next; next == "" {
				return names
			}
		}
	}
	want := []string{"ann", "ann-b", "ann.b", "ann0", "ann_b", "anna", "annz"}
	for _, size := range []int{1, 2, 3, 7, 50} {
		if got := find(" ANN", size); !slices.Equal(got, want) {
			t.Errorf("by %d: %v, want %v", size, got, want)
		}
	}
	for _, prefix := range []string{"zzz", "ann%", "änn", "ann\x00", "ann~"} {
		if got := find(prefix, 5); got != nil {
			t.Errorf("%q finds %v", prefix, got)
		}
	}
	_, _, err := w.FindAccounts(ctx, 1, " ", account.Page{})
	reason(t, err, muster.CodeInvalidArgument, "invalid_name_prefix")
	_, _, err = w.FindAccounts(ctx, 1, "ann", account.Page{Token: "' OR 1"})
	reason(t, err, muster.CodeInvalidArgument, "invalid_page_token")
}

func TestBlock(t *testing.T) {
	w := newWorld(t, newHands(), nil)
	ctx := t.Context()
	anna := w.join("anna").Account.ID
	var ids []muster.AccountID
	for i := range 5 {
		id, err := w.EnsureAccount(fmt.Sprint("p", i))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	reason(t, w.Block(ctx, anna, anna), muster.CodeInvalidArgument, "invalid_account_id")
	reason(t, w.Block(ctx, anna, 4242), muster.CodeNotFound, "account_not_found")
	for _, id := range append(ids, ids[2]) { // twice is as once
		if err := w.Block(ctx, anna, id); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := w.Unblock(ctx, anna, ids[1]); err != nil {
			t.Fatal(err)
		}
	}
	var got []muster.AccountID
	page := account.Page{Size: 2}
	for {
		list, next, err := w.ListBlocked(ctx, anna, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			got = append(got, a.ID)
			if a.Role != 0 {
				t.Errorf("shows settings: %+v", a)
			}
		}
		if page.Token = next; next == "" {
			break
		}
	}
	if want := []muster.AccountID{ids[0], ids[2], ids[3], ids[4]}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if list, _, err := w.ListBlocked(ctx, ids[0], account.Page{}); err != nil || len(list) != 0 {
		t.Errorf("the other side blocks %v, %v", list, err)
	}
}
