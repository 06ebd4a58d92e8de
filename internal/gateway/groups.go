package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/gateway/engine"
	"muster/internal/group"
	"muster/internal/wire"
)

// What is published on a group's subject: a kind, the first and the last seq (8
// bytes each, big-endian), and for two of the kinds the frame, ready to be
// written.
const (
	busMessages = 1 // the messages first..last
	busHead     = 2 // only that the log has messages up to last
	busNotice   = 3 // a frame without a place in the order

	busHeader = 1 + 8 + 8
)

func groupSubject(id muster.GroupID) string { return "group." + strconv.FormatInt(int64(id), 10) }

func appendBusHeader(b []byte, kind byte, first, last uint64) []byte {
	b = append(b, kind)
	b = binary.BigEndian.AppendUint64(b, first)
	return binary.BigEndian.AppendUint64(b, last)
}

// groupTable holds the groups with somebody online here.
type groupTable struct {
	gw *Gateway
	mu sync.RWMutex
	m  map[muster.GroupID]*groupTopic
}

// groupTopic is one of them. It is what keeps pushes in order and without gaps:
// everything goes out under its lock, the next seq after delivered or not at
// all.
type groupTopic struct {
	gw    *Gateway
	id    muster.GroupID
	refs  int // groupTable.mu: sessions that are in
	unsub func()
	// started is closed when delivered is known, or failed set.
	started chan struct{}
	failed  error

	mu sync.Mutex
	on bool
	// delivered is the seq up to which everything was published to the engine;
	// a new connection's pushes begin behind it.
	delivered uint64
	// wanted is the greatest seq that is known to be in the log.
	wanted    uint64
	repairing bool
	// lastSweep is the log's head at the last sweep.
	lastSweep uint64
	// marks are the seqs behind which some connections' pushes begin, where that
	// is not delivered yet. No frame holds messages from both sides of one.
	marks []uint64
}

func (t *groupTable) init(g *Gateway) {
	t.gw, t.m = g, make(map[muster.GroupID]*groupTopic)
}

func (t *groupTopic) topic() engine.Topic { return engine.Topic{Lane: engine.Log, ID: int64(t.id)} }

// has says whether somebody online here is in the group.
func (t *groupTable) has(id muster.GroupID) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.m[id] != nil
}

// all lists the groups.
func (t *groupTable) all() []*groupTopic {
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := make([]*groupTopic, 0, len(t.m))
	for _, gt := range t.m {
		list = append(list, gt)
	}
	return list
}

// acquire takes a reference on each of the groups and gives them started: each
// knows up to where its log reached at some moment since the call.
func (t *groupTable) acquire(ctx context.Context, ids []muster.GroupID) ([]*groupTopic, error) {
	topics := make([]*groupTopic, len(ids))
	var fresh []*groupTopic
	t.mu.Lock()
	for i, id := range ids {
		gt := t.m[id]
		if gt == nil {
			gt = &groupTopic{gw: t.gw, id: id, started: make(chan struct{})}
			t.m[id] = gt
			fresh = append(fresh, gt)
		}
		gt.refs++
		topics[i] = gt
	}
	t.mu.Unlock()
	t.start(ctx, fresh)
	var err error
	for _, gt := range topics {
		select {
		case <-gt.started:
			err = errors.Join(err, gt.failed)
		case <-ctx.Done():
			err = errors.Join(err, context.Cause(ctx))
		}
	}
	if err != nil {
		for _, gt := range topics {
			t.release(gt)
		}
		return nil, err
	}
	return topics, nil
}

// start subscribes groups to the bus and then asks for their heads: what is
// committed later comes over the bus.
func (t *groupTable) start(ctx context.Context, fresh []*groupTopic) {
	if len(fresh) == 0 {
		return
	}
	ids := make([]muster.GroupID, len(fresh))
	var err error
	for i, gt := range fresh {
		ids[i] = gt.id
		if err == nil {
			gt.unsub, err = t.gw.opt.Bus.Subscribe(groupSubject(gt.id), gt.hear)
		}
	}
	var heads []muster.Seq
	if err == nil {
		heads, err = t.gw.svc.Log.Heads(ctx, ids)
	}
	for i, gt := range fresh {
		if err != nil {
			gt.failed = err
		} else {
			gt.begin(uint64(heads[i])) //nolint:gosec // not negative
		}
		close(gt.started)
	}
}

// release gives a reference back.
func (t *groupTable) release(gt *groupTopic) {
	t.mu.Lock()
	gt.refs--
	last := gt.refs == 0
	if last {
		delete(t.m, gt.id)
	}
	t.mu.Unlock()
	if last && gt.unsub != nil {
		gt.unsub()
	}
}

// tell publishes a frame that has no place in the order to everybody online in
// the group, on every node.
func (t *groupTable) tell(id muster.GroupID, f *musterv1.ServerFrame) {
	if !t.gw.opt.Shared && !t.has(id) {
		return
	}
	b := appendBusHeader(nil, busNotice, 0, 0)
	t.gw.publish(groupSubject(id), engine.AppendBinary(b, wire.AppendFrame(nil, f)))
}

// publish hands something to the bus. What is refused is what may be lost.
func (g *Gateway) publish(subject string, payload []byte) {
	if err := g.opt.Bus.Publish(subject, payload); err != nil && !g.stopping.Load() {
		g.opt.Log.Warn("the bus did not take a publication", "subject", subject, "bytes", len(payload), "error", err)
	}
}

// begin sets where the pushes begin.
func (t *groupTopic) begin(head uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.on, t.delivered = true, head
	t.catchUp()
}

// add begins the pushes to a connection, behind a seq.
func (t *groupTopic) add(c engine.Conn, after muster.Seq) {
	t.mu.Lock()
	defer t.mu.Unlock()
	mark := max(t.delivered, uint64(after)) //nolint:gosec // a seq
	if mark > t.delivered && !slices.Contains(t.marks, mark) {
		t.marks = append(t.marks, mark)
	}
	c.Subscribe(t.topic(), mark)
}

// upTo is as far as one frame behind delivered may reach, at most to. The lock
// is held.
func (t *groupTopic) upTo(to uint64) uint64 {
	if len(t.marks) == 0 {
		return to
	}
	t.marks = slices.DeleteFunc(t.marks, func(mark uint64) bool { return mark <= t.delivered })
	for _, mark := range t.marks {
		to = min(to, mark)
	}
	return to
}

// position is the seq up to which everything was delivered.
func (t *groupTopic) position() muster.Seq {
	t.mu.Lock()
	defer t.mu.Unlock()
	return muster.Seq(t.delivered) //nolint:gosec // a seq
}

// hear takes a publication from the bus.
func (t *groupTopic) hear(_ string, payload []byte) {
	if len(payload) < busHeader {
		return
	}
	first, last := binary.BigEndian.Uint64(payload[1:]), binary.BigEndian.Uint64(payload[9:])
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case payload[0] == busNotice:
		t.gw.engine.Publish(t.topic(), 0, engine.FrameOf(payload[busHeader:]))
	case payload[0] == busMessages && t.on && !t.repairing && first == t.delivered+1 && t.upTo(last) == last:
		t.gw.engine.Publish(t.topic(), last, engine.FrameOf(payload[busHeader:]))
		t.delivered = last
	default:
		t.wanted = max(t.wanted, last)
		t.catchUp()
	}
}

// catchUp has the log read if it has more than was delivered. The lock is held.
func (t *groupTopic) catchUp() {
	if t.on && !t.repairing && t.wanted > t.delivered {
		t.repairing = t.gw.spawn(t.repair)
	}
}

// The bounds of a repair: a longer gap is left to the clients' sync, and one
// frame does not hold more bytes of text.
const (
	maxRepair      = 5000
	maxRepairBytes = 128 << 10
	repairRetry    = 200 * time.Millisecond
)

// repair delivers from the log what did not come over the bus, in order, until
// nothing is missing.
func (t *groupTopic) repair() {
	for {
		t.mu.Lock()
		from, to := t.delivered, t.wanted
		if to <= from {
			t.repairing = false
			t.mu.Unlock()
			return
		}
		if to-from > maxRepair {
			t.deliver(to, behindFrame(t.id, to))
			t.mu.Unlock()
			continue
		}
		to = t.upTo(to)
		t.mu.Unlock()

		messages, err := t.gw.svc.Log.Read(t.gw.life, group.Range{
			Group: t.id, After: muster.Seq(from), UpTo: muster.Seq(to), MaxBytes: maxRepairBytes, //nolint:gosec // seqs
		})
		switch {
		case err != nil && t.gw.life.Err() != nil:
			return
		case err != nil:
			t.gw.opt.Log.Warn("cannot read what the bus did not bring; trying again", "group", int64(t.id), "after", from, "error", err)
			pause := time.NewTimer(repairRetry)
			select {
			case <-pause.C:
			case <-t.gw.life.Done():
				pause.Stop()
				return
			}
			continue
		}
		t.mu.Lock()
		if len(messages) == 0 { // wanted was wrong
			t.wanted = min(t.wanted, t.delivered)
		} else {
			t.deliverRead(messages)
		}
		t.mu.Unlock()
	}
}

// deliverRead publishes messages that follow delivered, as far as one frame
// reaches. The lock is held.
func (t *groupTopic) deliverRead(messages []group.Message) {
	last := t.upTo(uint64(messages[len(messages)-1].Seq)) //nolint:gosec // a seq
	var encoded []byte
	for i := range messages {
		if uint64(messages[i].Seq) <= last { //nolint:gosec // a seq
			encoded = wire.AppendGroupMessage(encoded, &messages[i])
		}
	}
	t.deliver(last, engine.NewFrame(encoded))
}

// deliver publishes a frame that brings everybody up to a seq. The lock is held.
func (t *groupTopic) deliver(upTo uint64, f *engine.Frame) {
	t.gw.engine.Publish(t.topic(), upTo, f)
	t.delivered = upTo
}

// behindFrame tells that the messages up to head have to be fetched.
func behindFrame(id muster.GroupID, head uint64) *engine.Frame {
	return frameOf(&musterv1.ServerFrame{Body: &musterv1.ServerFrame_GroupBehind{
		GroupBehind: &musterv1.GroupBehind{GroupId: int64(id), Head: int64(head)}, //nolint:gosec // a seq
	}})
}
