package gateway_test

import (
	"testing"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/channel"
	"muster/internal/config"
)

// TestLargeRoom lets a room grow large and small again: who is in it is told so,
// hears counts instead of names, and reads pages instead.
func TestLargeRoom(t *testing.T) {
	encodings(t, func(t *testing.T, inJSON bool) {
		cfg := config.Default()
		cfg.Channels.AnnouncePeopleLimit = 10
		r := startWith(t, cfg, nil)
		ps := r.crowd("p", 13)
		id := r.channel(ps[0], channel.Settings{})
		if _, err := r.domain.Channels.SetLevel(t.Context(), ps[0].id, id, ps[12].id, muster.Moderator); err != nil {
			t.Fatal(err)
		}
		a := ps[0].dialAs(inJSON)
		a.enter(id)
		others := make([]*conn, len(ps))
		for i, p := range ps[1:11] {
			others[i+1] = p.dial()
			e := others[i+1].enter(id)
			if i+1 < 10 {
				if e.GetLarge() || len(e.GetStaff()) != 0 {
					t.Errorf("entered a small room: %v", e)
				}
				a.until("a name", func(f *musterv1.ServerFrame) bool {
					return f.GetChannelJoined().GetPerson().GetAccountId() == int64(p.id)
				})
				continue
			}
			if !e.GetLarge() || len(e.GetStaff()) != 1 || e.GetStaff()[0].GetAccountId() != int64(ps[0].id) || e.GetPeople() != 11 {
				t.Errorf("entered a large room: %v", e)
			}
		}
		switched := a.until("the room is large", func(f *musterv1.ServerFrame) bool { return f.GetChannelPeople() != nil }).GetChannelPeople()
		if !switched.GetLarge() || switched.GetPeople() != 11 || len(switched.GetStaff()) != 1 {
			t.Errorf("switched to %v", switched)
		}
		others[11] = ps[11].dial()
		others[11].enter(id)
		others[12] = ps[12].dial()
		others[12].enter(id)
		named := a.until("staff is named", func(f *musterv1.ServerFrame) bool { return f.GetChannelJoined() != nil }).GetChannelJoined()
		if named.GetPerson().GetAccountId() != int64(ps[12].id) {
			t.Errorf("named in a large room: %v", named)
		}
		counted := a.until("a count", func(f *musterv1.ServerFrame) bool { return f.GetChannelPeople().GetPeople() == 13 }).GetChannelPeople()
		if !counted.GetLarge() || len(counted.GetStaff()) != 0 {
			t.Errorf("counted %v", counted)
		}
		seen := map[int64]bool{}
		for token := ""; ; {
			page, err := a.People(deadline(), &musterv1.People{ChannelId: int64(id), PageSize: 5, PageToken: token})
			if err != nil || page.GetTotal() != 13 || len(page.GetPeople()) > 5 {
				t.Fatalf("page %v, %v", page, err)
			}
			for _, p := range page.GetPeople() {
				seen[p.GetAccountId()] = true
			}
			if token = page.GetNextPageToken(); token == "" {
				break
			}
		}
		staff, err := a.People(deadline(), &musterv1.People{ChannelId: int64(id), StaffOnly: true})
		if err != nil || len(seen) != 13 || len(staff.GetPeople()) != 2 || staff.GetPeople()[1].GetLevel() != musterv1.Level_LEVEL_MODERATOR {
			t.Errorf("%d people in pages, staff %v, %v", len(seen), staff, err)
		}
		if _, err := a.People(deadline(), &musterv1.People{ChannelId: int64(id) + 1}); muster.ReasonOf(orNone(err)) != "not_in_channel" {
			t.Errorf("pages of another room: %v", err)
		}
		for _, c := range others[1:5] {
			if err := c.Exit(deadline()); err != nil {
				t.Fatal(err)
			}
		}
		a.until("the room is small", func(f *musterv1.ServerFrame) bool {
			if f.GetChannelLeft() != nil {
				t.Errorf("named in a large room: %v", f)
			}
			return f.GetChannelPeople() != nil && !f.GetChannelPeople().GetLarge() && f.GetChannelPeople().GetPeople() == 9
		})
		if err := others[5].Exit(deadline()); err != nil {
			t.Fatal(err)
		}
		a.until("a name", func(f *musterv1.ServerFrame) bool { return f.GetChannelLeft().GetAccountId() == int64(ps[5].id) })
	})
}
