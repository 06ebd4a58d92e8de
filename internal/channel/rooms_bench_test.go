package channel_test

import (
	"fmt"
	"testing"

	"muster"
	"muster/internal/channel"
)

// nowhere is a Broadcaster that does nothing: what is left is the cost of Rooms.
type nowhere struct{}

func (nowhere) Seat(muster.ChannelID, channel.ClientID, uint64) {}
func (nowhere) Unseat(muster.ChannelID, channel.ClientID)       {}
func (nowhere) Broadcast(channel.Message)                       {}
func (nowhere) Notify(channel.Notice)                           {}

// crowd makes rooms with so many people in the lobby, one client each, with the
// numbers from 1 on.
func crowd(b *testing.B, people int) *channel.Rooms {
	b.Helper()
	rooms := channel.NewRooms(newRosters(lobby), nowhere{}, wall, channel.RoomLimits{})
	for i := 1; i <= people; i++ {
		come(b, rooms, muster.AccountID(i), channel.ClientID(i), lobby)
	}
	return rooms
}

// BenchmarkRooms measures what people in a room do, in rooms of 100 and of
// 100,000, without a database and without sockets.
func BenchmarkRooms(b *testing.B) {
	for _, people := range []int{100, 100_000} {
		rooms := crowd(b, people)
		b.Run(fmt.Sprintf("broadcast/%d", people), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if n, err := rooms.Broadcast(b.Context(), 7, 7, lobby, "0190b6a2", "good morning, everybody"); err != nil || n != int64(people) {
					b.Fatal(n, err)
				}
			}
		})
		b.Run(fmt.Sprintf("enterexit/%d", people), func(b *testing.B) {
			rooms.Connected(1<<40, 1<<40)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := rooms.Enter(b.Context(), 1<<40, 1<<40, lobby); err != nil {
					b.Fatal(err)
				}
				rooms.Exit(1 << 40)
			}
		})
		b.Run(fmt.Sprintf("page100/%d", people), func(b *testing.B) {
			for b.Loop() {
				if page, _, _ := rooms.PresentPage(lobby, "", 100); len(page) != 100 {
					b.Fatal(len(page))
				}
			}
		})
	}
}

// BenchmarkPresence measures connecting and disconnecting while a million
// others are connected.
func BenchmarkPresence(b *testing.B) {
	people := 1_000_000
	if testing.Short() {
		people = 10_000
	}
	rooms := channel.NewRooms(newRosters(lobby), nowhere{}, wall, channel.RoomLimits{})
	for i := range people {
		rooms.Connected(muster.AccountID(2*i), channel.ClientID(i))
	}
	b.Run("connect", func(b *testing.B) {
		i := 0
		for b.Loop() {
			i = (i + 7919) % people
			rooms.Connected(muster.AccountID(2*i+1), channel.ClientID(people+i))
			rooms.Disconnected(channel.ClientID(people + i))
		}
	})
	b.Run("page1000", func(b *testing.B) {
		for b.Loop() {
			if page := rooms.OnlineAfter(muster.AccountID(people), 1000); len(page) < 500 {
				b.Fatal(len(page))
			}
		}
	})
}
