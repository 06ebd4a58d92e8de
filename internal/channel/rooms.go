package channel

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"muster"
)

// RoomLimits are the bounds of rooms; the zero value of a field is its default.
type RoomLimits struct {
	// TextBytes is the greatest length of a message; 4,096.
	TextBytes int
	// AnnounceUpTo is how many people a room may hold for everybody to be told
	// of each who comes and goes; 300, and below 0 none. Above it the room is
	// large: the count is told once a second, and only staff (moderators and
	// above) are named. It is so until it holds a tenth less.
	AnnounceUpTo int
	// TypingEvery is the least time between two typing hints of one person;
	// two seconds.
	TypingEvery time.Duration
}

func (l RoomLimits) withDefaults() RoomLimits {
	if l.TextBytes <= 0 {
		l.TextBytes = 4096
	}
	switch {
	case l.AnnounceUpTo == 0:
		l.AnnounceUpTo = 300
	case l.AnnounceUpTo < 0:
		l.AnnounceUpTo = 0
	}
	if l.TypingEvery <= 0 {
		l.TypingEvery = 2 * time.Second
	}
	return l
}

// Standings reads what a room has to know when somebody comes in; Store is one.
type Standings interface {
	Standing(ctx context.Context, channel muster.ChannelID, acting, target muster.AccountID, now time.Time) (Standing, error)
}

// roomShards is how many parts the maps of rooms and clients have, so that
// clients of different rooms seldom wait for one another. A power of two.
const roomShards = 64

// Rooms is who is connected to this node and who is in which room, and takes
// what they say to the Broadcaster. Coming in reads the store once; everything
// else is answered from memory, and nothing costs more with more people.
//
// Each node names the people of its own clients only, and counts those of all
// nodes as far as it was told (Elsewhere).
//
// Lock order: client, then room, then the list of dirty rooms; a shard of the
// map of rooms, then room. Safe for concurrent use.
type Rooms struct {
	store  Standings
	out    Broadcaster
	clock  muster.Clock
	limits RoomLimits

	shards  [roomShards]roomShard
	clients [roomShards]clientShard
	online  *presence
	// number is that of the last message or notice in any room. One counter
	// for all of them, so that a room that was empty for a while does not
	// begin anew below the numbers that are still under way.
	number atomic.Uint64
	seated atomic.Int64
	// others has how many people are in channels' rooms on other nodes (int, by
	// muster.ChannelID).
	others sync.Map

	dirtyMu sync.Mutex
	dirty   []*room
}

type roomShard struct {
	mu sync.Mutex
	m  map[muster.ChannelID]*room
}

type clientShard struct {
	mu sync.RWMutex
	m  map[ClientID]*client
}

// client is one connected client.
type client struct {
	id      ClientID
	account muster.AccountID
	// seat is where it is; nil: in no room. One that is out counts as nil.
	seat atomic.Pointer[seat]

	mu   sync.Mutex
	turn uint64 // grows with every Enter and Exit: a later one overtakes an earlier one that still reads the store
	gone bool
}

// NewRooms makes empty rooms. Run it for the counts in large rooms.
func NewRooms(store Standings, out Broadcaster, clock muster.Clock, limits RoomLimits) *Rooms {
	r := &Rooms{store: store, out: out, clock: clock, limits: limits.withDefaults(), online: newPresence()}
	for i := range roomShards {
		r.shards[i].m = make(map[muster.ChannelID]*room)
		r.clients[i].m = make(map[ClientID]*client)
	}
	return r
}

// Connected tells that a client of the account is there. The same id must not
// be used again while it is.
func (r *Rooms) Connected(account muster.AccountID, id ClientID) {
	shard := &r.clients[id%roomShards]
	shard.mu.Lock()
	_, known := shard.m[id]
	if !known {
		shard.m[id] = &client{id: id, account: account}
	}
	shard.mu.Unlock()
	if !known {
		r.online.add(account)
	}
}

// Disconnected tells that the client is gone; it leaves its room. An Enter that
// is still under way will not seat it.
func (r *Rooms) Disconnected(id ClientID) {
	shard := &r.clients[id%roomShards]
	shard.mu.Lock()
	c := shard.m[id]
	delete(shard.m, id)
	shard.mu.Unlock()
	if c == nil {
		return
	}
	c.mu.Lock()
	c.gone = true
	r.vacate(c)
	c.mu.Unlock()
	r.online.remove(c.account)
}

// Online implements Online for this node.
func (r *Rooms) Online(account muster.AccountID) bool { return r.online.online(account) }

// OnlineAfter implements Online for this node.
func (r *Rooms) OnlineAfter(after muster.AccountID, limit int) []muster.AccountID {
	return r.online.after(after, limit)
}

// OnlineCount implements Online for this node.
func (r *Rooms) OnlineCount() int { return r.online.count() }

// Seated is how many clients are in a room, over all rooms of this node.
func (r *Rooms) Seated() int64 { return r.seated.Load() }

// Entered answers Enter.
type Entered struct {
	Channel  muster.ChannelID
	People   int
	Level    muster.Level
	Settings Settings
	// Large: only staff are named as they come and go; Staff are those who are
	// there, the first hundred at most.
	Large bool
	Staff []Present
}

// Enter brings a client into a channel's room; it leaves the one where it was.
// A person who is banned, or not on the roster of a channel that asks for it,
// is turned away with permission_denied and stays where they were. A later
// Enter or Exit of the same client overtakes this one, which is then canceled.
func (r *Rooms) Enter(ctx context.Context, acting muster.AccountID, id ClientID, channel muster.ChannelID) (Entered, error) {
	c, err := r.clientOf(acting, id)
	if err != nil {
		return Entered{}, err
	}
	c.mu.Lock()
	c.turn++
	turn := c.turn
	c.mu.Unlock()

	room := r.pin(channel)
	defer r.unpin(room)
	for range maxStaleReads {
		st, err := r.store.Standing(ctx, channel, acting, acting, r.clock.Now())
		if err != nil {
			return Entered{}, err
		}
		entered, fresh, err := r.sit(c, turn, room, st)
		if fresh || err != nil {
			return entered, err
		}
	}
	return Entered{}, muster.Unavailable("channel_busy", "the channel changes too fast: try again")
}

// maxStaleReads is how often Enter reads again because the channel changed
// after it read.
const maxStaleReads = 20

// sit puts the client into the room, unless the standing is older than a change
// that the room has been told of (then fresh is false).
func (r *Rooms) sit(c *client, turn uint64, room *room, st Standing) (entered Entered, fresh bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone || c.turn != turn {
		return Entered{}, true, &muster.Error{Code: muster.CodeCanceled, Reason: "overtaken", Message: "the client went elsewhere meanwhile"}
	}
	room.mu.Lock()
	fresh, err = room.admits(st)
	room.mu.Unlock()
	if err != nil || !fresh {
		return Entered{}, fresh, err
	}
	if s := c.seat.Load(); s != nil && s.room != room {
		r.vacate(c)
	}
	room.mu.Lock()
	defer room.mu.Unlock()
	if fresh, err = room.admits(st); err != nil || !fresh {
		return Entered{}, fresh, err
	}
	if s := c.seat.Load(); s == nil || s.out {
		c.seat.Store(r.add(room, c.id, st))
	}
	entered = Entered{
		Channel: room.id, People: r.total(room), Level: room.people[st.Target.Account].key.level,
		Settings: room.settings, Large: room.large,
	}
	if room.large {
		entered.Staff = room.staff()
	}
	return entered, true, nil
}

// Exit takes a client out of its room, if it is in one.
func (r *Rooms) Exit(id ClientID) {
	c := r.client(id)
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn++
	r.vacate(c)
}

// vacate frees the client's seat; the client's lock is held.
func (r *Rooms) vacate(c *client) {
	s := c.seat.Swap(nil)
	if s == nil {
		return
	}
	s.room.mu.Lock()
	if !s.out {
		r.drop(s, false)
	}
	empty := s.room.idle()
	s.room.mu.Unlock()
	if empty {
		r.sweep(s.room)
	}
}

// In tells in which channel a client is; 0: in none.
func (r *Rooms) In(id ClientID) muster.ChannelID {
	if c := r.client(id); c != nil {
		if s := c.seat.Load(); s != nil {
			s.room.mu.Lock()
			defer s.room.mu.Unlock()
			if !s.out {
				return s.room.id
			}
		}
	}
	return 0
}

// People is how many people are in a channel's room, on all nodes as far as this
// one was told, and how many of their clients on this node.
func (r *Rooms) People(channel muster.ChannelID) (people, clients int) {
	here, clients := r.Here(channel)
	return here + r.elsewhere(channel), clients
}

// Here is how many people and how many of their clients are in a channel's room
// on this node.
func (r *Rooms) Here(channel muster.ChannelID) (people, clients int) {
	room := r.room(channel)
	if room == nil {
		return 0, 0
	}
	room.mu.Lock()
	defer room.mu.Unlock()
	return len(room.people), room.clients
}

// Elsewhere tells how many people are in a channel's room on other nodes. Who is
// on two nodes counts on each.
func (r *Rooms) Elsewhere(channel muster.ChannelID, people int) {
	if people > 0 {
		r.others.Store(channel, people)
	} else {
		r.others.Delete(channel)
	}
	room := r.room(channel)
	if room == nil {
		return
	}
	room.mu.Lock()
	defer room.mu.Unlock()
	if len(room.people) == 0 {
		return
	}
	if r.resize(room); room.large {
		room.uncounted = true
		r.mark(room)
	}
}

func (r *Rooms) elsewhere(channel muster.ChannelID) int {
	n, ok := r.others.Load(channel)
	if !ok {
		return 0
	}
	return n.(int) //nolint:errcheck // nothing else is stored
}

// total is how many people there are in a room on all nodes; its lock is held.
func (r *Rooms) total(room *room) int { return len(room.people) + r.elsewhere(room.id) }

// Present reads a page of who is in the room where the client is, the highest
// levels first, staff alone if asked for; next is empty at the end, total is how
// many people there are in all. Only who is in the room may ask
// (failed_precondition, not_in_channel). No database is read.
func (r *Rooms) Present(acting muster.AccountID, id ClientID, channel muster.ChannelID, staffOnly bool, size int, pageToken string) (page []Present, next string, total int, err error) {
	c, err := r.clientOf(acting, id)
	if err != nil {
		return nil, "", 0, err
	}
	s := c.seat.Load()
	if s == nil || s.room.id != channel {
		return nil, "", 0, errNotInChannel()
	}
	s.room.mu.Lock()
	out := s.out
	s.room.mu.Unlock()
	if out {
		return nil, "", 0, errNotInChannel()
	}
	return r.present(channel, staffOnly, size, pageToken)
}

// present is Present for whoever may ask.
func (r *Rooms) present(channel muster.ChannelID, staffOnly bool, size int, pageToken string) (page []Present, next string, total int, err error) {
	last := presentKey{level: maxLevel} // before everybody
	var level, account int64
	nickname, ok, err := parseToken("p", pageToken, &level, &account)
	if err != nil {
		return nil, "", 0, err
	}
	if ok {
		last = presentKey{muster.Level(level & 0xFF), nickname, muster.AccountID(account)} //nolint:gosec // masked
	}
	room := r.room(channel)
	if room == nil {
		return nil, "", r.elsewhere(channel), nil
	}
	size = pageSize(size)
	room.mu.Lock()
	defer room.mu.Unlock()
	room.order.after(last, func(k presentKey) bool {
		if staffOnly && !k.level.KeepsOrder() {
			return false
		}
		if len(page) == size {
			next = token("p", last.nickname, int64(last.level), int64(last.account))
			return false
		}
		page = append(page, room.people[k.account].present())
		last = k
		return true
	})
	return page, next, r.total(room), nil
}

func (r *Rooms) client(id ClientID) *client {
	shard := &r.clients[id%roomShards]
	shard.mu.RLock()
	defer shard.mu.RUnlock()
	return shard.m[id]
}

func (r *Rooms) clientOf(acting muster.AccountID, id ClientID) (*client, error) {
	c := r.client(id)
	if c == nil {
		return nil, muster.Conflict("not_connected", "this client is not connected")
	}
	if c.account != acting {
		return nil, muster.Denied("not_your_client", "this client is signed in as somebody else")
	}
	return c, nil
}

// room gives the room of a channel; nil: there is nobody in it.
func (r *Rooms) room(channel muster.ChannelID) *room {
	shard := r.shard(channel)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	return shard.m[channel]
}

func (r *Rooms) shard(channel muster.ChannelID) *roomShard {
	// The low bits of an id count within a millisecond and the ones above are
	// the node's: mix before taking some.
	return &r.shards[(uint64(channel)*0x9E3779B97F4A7C15)>>58%roomShards] //nolint:gosec // a hash
}

// pin gives the room of a channel, made if need be, and keeps it until unpin.
// Because the room is there before the store is read, a change that is committed
// after the reading finds it.
func (r *Rooms) pin(channel muster.ChannelID) *room {
	shard := r.shard(channel)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	rm := shard.m[channel]
	if rm == nil {
		rm = newRoom(channel)
		shard.m[channel] = rm
	}
	rm.mu.Lock()
	rm.pins++
	rm.mu.Unlock()
	return rm
}

func (r *Rooms) unpin(rm *room) {
	rm.mu.Lock()
	rm.pins--
	empty := rm.idle()
	rm.mu.Unlock()
	if empty {
		r.sweep(rm)
	}
}

// sweep forgets a room that nobody needs any more.
func (r *Rooms) sweep(rm *room) {
	shard := r.shard(rm.id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	rm.mu.Lock()
	defer rm.mu.Unlock()
	if rm.idle() && shard.m[rm.id] == rm {
		delete(shard.m, rm.id)
	}
}
