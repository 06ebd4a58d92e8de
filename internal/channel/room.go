package channel

import (
	"cmp"
	"strings"
	"sync"
	"time"

	"muster"
)

// maxLevel is above every level.
const maxLevel muster.Level = 255

// room is one channel's room on this node.
type room struct {
	id muster.ChannelID

	mu sync.Mutex
	// pins keep the room while an Enter reads the store.
	pins int
	// version is that of the newest change the room was told of, settingsAt
	// that of its settings.
	version, settingsAt int64
	settings            Settings
	people              map[muster.AccountID]*person
	order               sorted[presentKey]
	clients             int
	// large: so many are in it that only staff are named as they come and go.
	large bool
	// slowed is until when slow mode holds for people who went out, so that
	// going out and in again is no way around it.
	slowed map[muster.AccountID]time.Time
	// dirty: the room is on the list of those that the next tick looks at;
	// uncounted: the number of people changed without everybody being told.
	dirty, uncounted bool
}

// person is one person in a room, on one or several clients.
type person struct {
	key      presentKey
	nickname string
	// version is that of the change that key and nickname are from.
	version int64
	seats   []*seat
	// nextSay is when slow mode lets the person speak again, nextTyping when
	// the next typing hint is passed on.
	nextSay, nextTyping time.Time
}

// seat is one client's place in a room. out is guarded by the room's lock; a
// seat that is out never comes back.
type seat struct {
	client ClientID
	room   *room
	person *person
	// version is the channel's as the client came in: it is not put out for
	// what was before.
	version int64
	out     bool
}

// presentKey is what the people in a room are sorted by.
type presentKey struct {
	level    muster.Level
	nickname string
	account  muster.AccountID
}

// comparePresent sorts by level, the greatest first, nickname and account.
func comparePresent(a, b presentKey) int {
	if c := cmp.Compare(b.level, a.level); c != 0 {
		return c
	}
	if c := strings.Compare(a.nickname, b.nickname); c != 0 {
		return c
	}
	return cmp.Compare(a.account, b.account)
}

func newRoom(id muster.ChannelID) *room {
	return &room{id: id, people: make(map[muster.AccountID]*person), order: sorted[presentKey]{compare: comparePresent}}
}

func (p *person) present() Present {
	return Present{Account: p.key.account, Nickname: p.nickname, Level: p.key.level}
}

// idle says whether nobody needs the room.
func (rm *room) idle() bool {
	return rm.pins == 0 && len(rm.people) == 0 && len(rm.slowed) == 0
}

// admits says whether a person may come in. A standing that is older than a
// change which the room knows of is not fresh, and says nothing.
func (rm *room) admits(st Standing) (fresh bool, err error) {
	if st.Channel.Version < rm.version {
		return false, nil
	}
	return true, checkEnter(st.Channel.JoinPolicy, st.Target)
}

// add seats a client of the person that the standing is about; the room's lock
// is held.
func (r *Rooms) add(rm *room, id ClientID, st Standing) *seat {
	if st.Channel.Version > rm.settingsAt {
		r.resettle(rm, st.Channel.Settings, st.Channel.Version)
	}
	account := st.Target.Account
	p := rm.people[account]
	first := p == nil
	if first {
		p = &person{
			key:      presentKey{st.Target.Level, muster.NicknameKey(st.Target.Nickname), account},
			nickname: st.Target.Nickname, version: st.Channel.Version,
		}
		if until, ok := rm.slowed[account]; ok {
			p.nextSay = until
			delete(rm.slowed, account)
		}
		rm.people[account] = p
		rm.order.add(p.key)
	}
	s := &seat{client: id, room: rm, person: p, version: st.Channel.Version}
	p.seats = append(p.seats, s)
	rm.clients++
	r.seated.Add(1)
	if first {
		r.resize(rm)
		r.announce(rm, Notice{Kind: NoticeJoined, Person: p.present()})
	} else {
		r.regard(rm, p, PersonChange{Account: account, Nickname: st.Target.Nickname, Level: st.Target.Level}, st.Channel.Version)
	}
	r.out.Seat(rm.id, id, r.number.Load())
	return s
}

// drop frees a seat, and tells the others unless quiet; the room's lock is held.
func (r *Rooms) drop(s *seat, quiet bool) {
	rm, p := s.room, s.person
	s.out = true
	for i, other := range p.seats {
		if other == s {
			last := len(p.seats) - 1
			p.seats[i], p.seats[last] = p.seats[last], nil
			p.seats = p.seats[:last]
			break
		}
	}
	rm.clients--
	r.seated.Add(-1)
	r.out.Unseat(rm.id, s.client)
	if len(p.seats) > 0 {
		return
	}
	delete(rm.people, p.key.account)
	rm.order.remove(p.key)
	if !p.nextSay.IsZero() && p.nextSay.After(r.clock.Now()) {
		if rm.slowed == nil {
			rm.slowed = make(map[muster.AccountID]time.Time)
		}
		rm.slowed[p.key.account] = p.nextSay
		r.mark(rm)
	}
	if !quiet {
		r.announce(rm, Notice{Kind: NoticeLeft, Person: p.present()})
		r.resize(rm)
	}
}
