package gateway

import (
	"encoding/binary"
	"strconv"
	"sync"

	"muster"
	"muster/internal/channel"
	"muster/internal/gateway/engine"
	"muster/internal/wire"
)

// What is published on a channel's subject: the node where it was accepted and
// its number there (8 bytes each, big-endian), and the frame, ready to be
// written.
const roomHeader = 8 + 8

func roomSubject(id muster.ChannelID) string {
	return "channel." + strconv.FormatInt(int64(id), 10)
}

func roomTopic(id muster.ChannelID) engine.Topic {
	return engine.Topic{Lane: engine.Live, ID: int64(id)}
}

// roomTable holds the bus subscriptions of the channels with somebody in the
// room here.
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
	t := &e.gw.rooms
	t.mu.Lock()
	sub := t.m[id]
	if sub == nil {
		sub = &roomSub{}
		t.m[id] = sub
		unsub, err := e.gw.opt.Bus.Subscribe(roomSubject(id), func(_ string, payload []byte) { t.hear(id, payload) })
		if err != nil {
			e.gw.opt.Log.Error("cannot hear a channel", "channel", int64(id), "error", err)
		}
		sub.unsub = unsub
	}
	sub.seats++
	t.mu.Unlock()
	if s := e.gw.dir.client(uint64(client)); s != nil {
		s.conn.Subscribe(roomTopic(id), mark)
	}
}

// Unseat implements [channel.Broadcaster].
func (e *Events) Unseat(id muster.ChannelID, client channel.ClientID) {
	if s := e.gw.dir.client(uint64(client)); s != nil {
		s.conn.Unsubscribe(roomTopic(id))
	}
	t := &e.gw.rooms
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

// hear takes a publication from the bus. Numbers are those of the node where it
// was accepted: what comes from another one reaches everybody who is here now.
func (t *roomTable) hear(id muster.ChannelID, payload []byte) {
	if len(payload) < roomHeader {
		return
	}
	number := uint64(0)
	if binary.BigEndian.Uint64(payload) == t.gw.node {
		number = binary.BigEndian.Uint64(payload[8:])
	}
	t.gw.engine.Publish(roomTopic(id), number, engine.FrameOf(payload[roomHeader:]))
}

// Broadcast implements [channel.Broadcaster].
func (e *Events) Broadcast(m channel.Message) {
	var buf [512]byte
	e.gw.toRoom(m.Channel, m.Number, wire.AppendChannelMessage(buf[:0], &m))
}

// Notify implements [channel.Broadcaster].
func (e *Events) Notify(n channel.Notice) {
	f := wire.Notice(n)
	if f == nil {
		return
	}
	if n.To == 0 {
		e.gw.toRoom(n.Channel, n.Number, wire.AppendFrame(nil, f))
		return
	}
	if s := e.gw.dir.client(uint64(n.To)); s != nil {
		s.reply(f)
	}
}

func (g *Gateway) toRoom(id muster.ChannelID, number uint64, encoded []byte) {
	b := make([]byte, 0, roomHeader+10+len(encoded))
	b = binary.BigEndian.AppendUint64(b, g.node)
	b = binary.BigEndian.AppendUint64(b, number)
	g.publish(roomSubject(id), engine.AppendBinary(b, encoded))
}
