package gateway

import (
	"encoding/binary"
	"maps"
	"slices"
	"strconv"
	"sync"

	"muster"
	"muster/internal/channel"
	"muster/internal/gateway/engine"
	"muster/internal/wire"
)

// What is published on a channel's subject: the node where it was accepted (8
// bytes, big-endian), a byte that is 1 for an urgent frame, and the frame, ready
// to be written.
const roomHeader = 8 + 1

func roomSubject(id muster.ChannelID) string {
	return "channel." + strconv.FormatInt(int64(id), 10)
}

func roomTopic(id muster.ChannelID) engine.Topic {
	return engine.Topic{Lane: engine.Live, ID: int64(id)}
}

// roomTable holds the bus subscriptions of the channels with somebody in the
// room here, where the bus is shared. What is said here goes to the people here
// without the bus, under the lock of the room: so it reaches exactly those who
// are in the room when it is accepted, also one who leaves a moment later.
type roomTable struct {
	gw *Gateway
	mu sync.Mutex
	m  map[muster.ChannelID]*roomSub
}

type roomSub struct {
	seats int
	unsub func()
}

func (t *roomTable) init(g *Gateway) { t.gw, t.m = g, make(map[muster.ChannelID]*roomSub) }

// Seat implements [channel.Broadcaster].
func (e *Events) Seat(id muster.ChannelID, client channel.ClientID, mark uint64) {
	if e.gw.opt.Shared {
		e.gw.rooms.take(id)
	}
	if s := e.gw.dir.client(uint64(client)); s != nil {
		s.conn.Subscribe(roomTopic(id), mark)
	}
}

// Unseat implements [channel.Broadcaster].
func (e *Events) Unseat(id muster.ChannelID, client channel.ClientID) {
	if s := e.gw.dir.client(uint64(client)); s != nil {
		s.conn.Unsubscribe(roomTopic(id))
	}
	if e.gw.opt.Shared {
		e.gw.rooms.giveBack(id)
	}
}

// take counts one more client in a room.
func (t *roomTable) take(id muster.ChannelID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sub := t.m[id]
	if sub == nil {
		sub = &roomSub{}
		t.m[id] = sub
		unsub, err := t.gw.opt.Bus.Subscribe(roomSubject(id), func(_ string, payload []byte) { t.hear(id, payload) })
		if err != nil {
			t.gw.opt.Log.Error("cannot hear what other nodes say in a channel", "channel", int64(id), "error", err)
		}
		sub.unsub = unsub
	}
	sub.seats++
}

// here lists the channels with somebody in the room here.
func (t *roomTable) here() []muster.ChannelID {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Keys(t.m))
}

// giveBack counts one less.
func (t *roomTable) giveBack(id muster.ChannelID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sub := t.m[id]
	if sub == nil {
		return
	}
	if sub.seats--; sub.seats > 0 {
		return
	}
	delete(t.m, id)
	if sub.unsub != nil {
		sub.unsub()
	}
}

// hear takes what was said on another node. Numbers mean something on their own
// node only, so it reaches everybody who is in the room here when it comes.
func (t *roomTable) hear(id muster.ChannelID, payload []byte) {
	if len(payload) < roomHeader || binary.BigEndian.Uint64(payload) == t.gw.node {
		return
	}
	t.gw.engine.Publish(roomTopic(id), 0, urgent(engine.FrameOf(payload[roomHeader:]), payload[roomHeader-1] != 0))
}

// urgent marks a frame that a slow client gets all the same.
func urgent(f *engine.Frame, is bool) *engine.Frame {
	if is {
		return f.Urgent()
	}
	return f
}

// Broadcast implements [channel.Broadcaster].
func (e *Events) Broadcast(m channel.Message) {
	var buf [512]byte
	e.gw.toRoom(m.Channel, m.Number, m.Urgent(), wire.AppendChannelMessage(buf[:0], &m))
}

// Notify implements [channel.Broadcaster].
func (e *Events) Notify(n channel.Notice) {
	f := wire.Notice(n)
	if f == nil {
		return
	}
	if n.To == 0 {
		if n.Kind == channel.NoticePeople { // every node tells its own clients
			e.gw.engine.Publish(roomTopic(n.Channel), n.Number, urgent(engine.NewFrame(wire.AppendFrame(nil, f)), n.Urgent()))
			return
		}
		e.gw.toRoom(n.Channel, n.Number, n.Urgent(), wire.AppendFrame(nil, f))
		return
	}
	if s := e.gw.dir.client(uint64(n.To)); s != nil {
		s.reply(f)
	}
}

// toRoom is called with the lock of the room.
func (g *Gateway) toRoom(id muster.ChannelID, number uint64, now bool, encoded []byte) {
	if !g.opt.Shared {
		g.engine.Publish(roomTopic(id), number, urgent(engine.NewFrame(encoded), now))
		return
	}
	b := make([]byte, roomHeader, roomHeader+10+len(encoded))
	binary.BigEndian.PutUint64(b, g.node)
	if now {
		b[roomHeader-1] = 1
	}
	b = engine.AppendBinary(b, encoded)
	g.engine.Publish(roomTopic(id), number, urgent(engine.FrameOf(b[roomHeader:]), now))
	g.publish(roomSubject(id), b)
}
