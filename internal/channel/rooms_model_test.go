package channel_test

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"muster"
	"muster/internal/channel"
)

// TestRoomsModel compares rooms with a model under random acts.
func TestRoomsModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		ids := []muster.ChannelID{1, 2, 3}
		r, h := newRosters(ids...), newHall()
		rooms := channel.NewRooms(r, h, wall, channel.RoomLimits{AnnounceUpTo: 3})
		in := map[channel.ClientID]muster.ChannelID{}
		account := func(c channel.ClientID) muster.AccountID { return muster.AccountID(c % 5) }
		for range rapid.IntRange(1, 120).Draw(rt, "acts") {
			c := channel.ClientID(rapid.IntRange(1, 12).Draw(rt, "client"))
			id := rapid.SampledFrom(ids).Draw(rt, "channel")
			_, connected := in[c]
			switch rapid.IntRange(0, 6).Draw(rt, "act") {
			case 0, 1:
				rooms.Connected(account(c), c)
				in[c] += 0 // connected, and where it was
			case 2:
				rooms.Disconnected(c)
				delete(in, c)
			case 3:
				rooms.Exit(c)
				if connected {
					in[c] = 0
				}
			case 4, 5:
				_, err := rooms.Enter(rt.Context(), account(c), c, id)
				if (err == nil) != connected {
					rt.Fatalf("enter: %v", err)
				}
				if connected {
					in[c] = id
				}
			case 6:
				level := muster.Level(rapid.IntRange(0, 6).Draw(rt, "level"))
				out := rapid.SampledFrom([]string{"", "removed"}).Draw(rt, "out")
				rooms.Apply(r.set(id, channel.Person{Account: account(c), Level: level}, out))
				for other, where := range in {
					if out != "" && where == id && account(other) == account(c) {
						in[other] = 0
					}
				}
			}
			checkRooms(rt, rooms, r, h, in, account)
		}
	})
}

func checkRooms(t *rapid.T, rooms *channel.Rooms, r *rosters, h *hall, in map[channel.ClientID]muster.ChannelID, account func(channel.ClientID) muster.AccountID) {
	online := map[muster.AccountID]bool{}
	for c, id := range in {
		online[account(c)] = true
		if got := rooms.In(c); got != id {
			t.Fatalf("client %d is in %d, want %d", c, got, id)
		}
	}
	if rooms.OnlineCount() != len(online) {
		t.Fatalf("%d online, want %d", rooms.OnlineCount(), len(online))
	}
	for id, s := range r.channels {
		people, clients := map[muster.AccountID]bool{}, 0
		for c, where := range in {
			if where == id {
				people[account(c)] = true
				clients++
			}
		}
		gotPeople, gotClients := rooms.People(id)
		if gotPeople != len(people) || gotClients != clients || len(h.seats[id]) != clients {
			t.Fatalf("channel %d: %d people and %d clients, want %d and %d", id, gotPeople, gotClients, len(people), clients)
		}
		page, _, _ := rooms.PresentPage(id, "", 100)
		if len(page) != len(people) || !slices.IsSortedFunc(page, func(a, b channel.Present) int {
			return cmp.Or(cmp.Compare(b.Level, a.Level), strings.Compare(a.Nickname, b.Nickname))
		}) {
			t.Fatalf("channel %d: present %v, want %v", id, page, people)
		}
		for _, p := range page {
			if want := s.person(p.Account); !people[p.Account] || p.Level != want.Level || p.Nickname != want.Nickname {
				t.Fatalf("channel %d: present %+v, want %+v", id, p, want)
			}
		}
	}
}

// TestRoomsTogether lets everything happen at the same time, for the race
// detector, and looks at what is left: nobody is seated who is not connected,
// and everybody who is seated is shown as the roster has them.
func TestRoomsTogether(t *testing.T) {
	t.Parallel()
	const people, clients, rounds = 6, 3, 200
	r, h := newRosters(1, 2), newHall()
	rooms := channel.NewRooms(r, h, wall, channel.RoomLimits{AnnounceUpTo: 4})
	ctx, cancel := context.WithCancel(t.Context())
	var wg, run sync.WaitGroup
	run.Go(func() { _ = rooms.Run(ctx) })
	for p := range people {
		account := muster.AccountID(p + 1)
		for c := range clients {
			id := channel.ClientID(100*p + c + 1)
			wg.Go(func() {
				for range rounds {
					where := muster.ChannelID(1 + rand.IntN(2))
					rooms.Connected(account, id)
					_, err := rooms.Enter(ctx, account, id, where)
					if err != nil && muster.ReasonOf(err) != "channel_busy" {
						t.Error(err)
					}
					_, _ = rooms.Broadcast(ctx, account, id, where, "m", "text")
					rooms.Typing(account, id, where)
					switch rand.IntN(3) {
					case 0:
						rooms.Exit(id)
					case 1:
						rooms.Disconnected(id)
					}
				}
			})
		}
		wg.Go(func() {
			for range rounds {
				where := muster.ChannelID(1 + rand.IntN(2))
				level := muster.Level(rand.IntN(7))
				rooms.Apply(r.set(where, channel.Person{Account: account, Level: level}, []string{"", "", "removed"}[rand.IntN(3)]))
				_, _, _ = rooms.PresentPage(where, "", 10)
			}
		})
	}
	wg.Wait()
	seated := 0
	for id, s := range r.channels {
		page, _, total := rooms.PresentPage(id, "", 100)
		for _, p := range page {
			if want := s.person(p.Account); p.Level != want.Level || !rooms.Online(p.Account) {
				t.Errorf("present %+v, the roster has %+v", p, want)
			}
		}
		count, here := rooms.People(id)
		if seated += here; count != total || len(page) != total || len(h.seats[id]) != here {
			t.Errorf("%d people, %d shown, %d clients, %d seats", count, len(page), here, len(h.seats[id]))
		}
	}
	if rooms.Seated() != int64(seated) {
		t.Errorf("%d seated, want %d", rooms.Seated(), seated)
	}
	cancel()
	run.Wait()
}
