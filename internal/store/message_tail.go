package store

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"muster"
	"muster/internal/group"
	"muster/internal/journal"
)

// What the log keeps in memory, in bytes as entry.cost counts them.
const (
	// tailBytes bounds what the journal has and log.db has not: senders wait
	// when it is full. Above tailCalm they are slowed down to what the applier
	// does, so that its commits do not stop them altogether.
	tailBytes = 96 << 20
	tailCalm  = 48 << 20
	// cacheBytes bounds the messages that are kept although log.db has them.
	cacheBytes = 48 << 20
	// cachePerGroup is how many of a group's newest messages are kept.
	cachePerGroup = 64
	// maxGroupStates bounds the groups whose head is remembered.
	maxGroupStates = 200_000
	// keptKeys is how many keys of applied messages are remembered, so that ids
	// that arrive a little out of order need no look into the index.
	keptKeys = 64 << 10
)

// entry is a message in memory. Only rec changes after it was made.
type entry struct {
	group.Message
	state  *groupState
	millis int64
	rec    []byte // the journal's record until the journal or, after a replay, log.db has it
}

// cost is what an entry takes in memory, about.
func (e *entry) cost() int64 {
	return int64(unsafe.Sizeof(*e)) + int64(len(e.ClientID)+len(e.Text)+len(e.Nickname)+len(e.rec)) + 96
}

// messageKey is what makes a message recognisable when it is sent again.
type messageKey struct {
	group  muster.GroupID
	sender muster.AccountID
	client string
}

func keyOf(d *group.Draft) messageKey { return messageKey{d.Group, d.Sender, d.ClientID} }

// place is where a message stands.
type place struct {
	seq    muster.Seq
	millis int64
}

func (p place) receipt(duplicate bool) group.Receipt {
	return group.Receipt{Seq: p.seq, Time: muster.FromMillis(p.millis), Duplicate: duplicate}
}

// groupState is what the log remembers of a group. Its fields belong to
// logTail.mu, but for those that say otherwise.
type groupState struct {
	id muster.GroupID
	// pins counts who uses the state; only without any is it forgotten.
	pins atomic.Int32
	// loading is held by who reads the state from log.db.
	loading sync.Mutex

	loaded bool
	number int64      // the group's in log.db; 0: none yet
	head   muster.Seq // the newest message's
	// floor: a member's key whose client id is greater stands in logTail.keys
	// or does not exist; see surelyNew.
	floor string
	// tail ends at head and has no gaps; its last unapplied entries are those
	// that log.db lacks. The slice is only appended to or replaced, so a reader
	// may go on with the one that it saw.
	tail      []*entry
	unapplied int

	// The writer's own: the next seq, valid in the batch that it names.
	next  muster.Seq
	batch uint64
	// dirty says that the state stands in logTail.dirty.
	dirty bool
}

// logTail is the memory of an SQLite log: the messages that the journal has and
// log.db has not, the newest of the groups in use, and the keys that the index
// lacks or that were used lately.
type logTail struct {
	mu     sync.RWMutex
	groups map[muster.GroupID]*groupState
	keys   map[messageKey]place
	// sweeps counts how often keys were taken out of keys. Whoever looked into
	// the index knows a key to be new only as long as it stays the same.
	sweeps uint64
	// swept are the keys of applied messages, oldest first.
	swept []messageKey
	// dirty are the groups with something to apply, and maybe others.
	dirty     []*groupState
	last      journal.Position // of what was added
	unapplied int              // entries in all
	bytes     int64            // their cost
	cached    int64            // cost of the applied entries in the tails
}

func newLogTail() *logTail {
	return &logTail{groups: make(map[muster.GroupID]*groupState), keys: make(map[messageKey]place)}
}

// pin finds or makes the state of a group and holds it until unpin.
func (t *logTail) pin(id muster.GroupID) (st *groupState, loaded bool) {
	t.mu.RLock()
	if st = t.groups[id]; st != nil {
		st.pins.Add(1)
		loaded = st.loaded
	}
	t.mu.RUnlock()
	if st != nil {
		return st, loaded
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if st = t.groups[id]; st == nil {
		st = &groupState{id: id}
		t.groups[id] = st
	}
	st.pins.Add(1)
	return st, st.loaded
}

// surelyNew tells that a key that is not in logTail.keys is not in the index
// either. The server's own notes, few and with ids of another kind, neither
// raise the floor nor are under it: they are always looked up. The caller holds
// logTail.mu.
func (st *groupState) surelyNew(d *group.Draft) bool {
	return d.ClientID > st.floor && d.Sender != group.ServerSender
}

func (st *groupState) unpin() { st.pins.Add(-1) }

// add appends what the journal has made durable. The caller holds mu.
func (t *logTail) add(entries []*entry, last journal.Position) {
	for _, e := range entries {
		st := e.state
		st.tail = append(st.tail, e)
		st.unapplied++
		st.head = e.Seq
		t.markDirty(st)
		t.keys[keyOf(&e.Draft)] = place{e.Seq, e.millis}
		t.bytes += e.cost()
	}
	t.unapplied += len(entries)
	t.last = last
}

// markDirty: the caller holds mu.
func (t *logTail) markDirty(st *groupState) {
	if !st.dirty {
		st.dirty = true
		t.dirty = append(t.dirty, st)
	}
}

// backlog is what senders have to be held up by: the bytes to be applied.
func (t *logTail) backlog() int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.bytes
}

// enough tells whether there is so much to apply that it should begin.
func (t *logTail) enough() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.unapplied >= applyMessages || t.bytes >= applyBytes
}

// begin gives the groups with something to apply, which includes all up to the
// position.
func (t *logTail) begin() (states []*groupState, upTo journal.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	states, t.dirty = t.dirty, nil
	for _, st := range states {
		st.dirty = false
	}
	return states, t.last
}

// again puts back what was not applied of what begin gave.
func (t *logTail) again(states []*groupState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, st := range states {
		if st.unapplied > 0 {
			t.markDirty(st)
		}
	}
}

// waiting are a group's entries that are to be applied, in order.
func (t *logTail) waiting(st *groupState) []*entry {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return st.tail[len(st.tail)-st.unapplied:]
}

// applied notes that log.db has these entries durably: of each group the oldest
// that it had not.
func (t *logTail) applied(entries []*entry) {
	t.mu.Lock()
	t.unapplied -= len(entries)
	for _, e := range entries {
		t.bytes -= e.cost()
		e.rec = nil
		t.cached += e.cost()
		t.swept = append(t.swept, keyOf(&e.Draft))
		e.state.unapplied--
	}
	for _, e := range entries { // whose order is not that of the tails
		st := e.state
		if old := len(st.tail) - st.unapplied - cachePerGroup; old >= cachePerGroup {
			t.forget(st, old)
		}
	}
	t.shrink()
	t.mu.Unlock()
	for t.sweep() {
	}
}

// forget drops the n oldest entries of a tail, which log.db has.
func (t *logTail) forget(st *groupState, n int) {
	for _, e := range st.tail[:n] {
		t.cached -= e.cost()
	}
	st.tail = append([]*entry(nil), st.tail[n:]...)
}

// sweepKeys is how many keys are forgotten at a time.
const sweepKeys = 512

// sweep forgets the oldest keys that log.db's index has, and tells whether it
// found enough of them.
func (t *logTail) sweep() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.swept) < keptKeys+sweepKeys {
		return false
	}
	t.forgetKeys(sweepKeys)
	return true
}

// forgetKeys forgets the n oldest keys of applied messages. The caller holds mu.
func (t *logTail) forgetKeys(n int) {
	for _, k := range t.swept[:n] {
		delete(t.keys, k)
		if st := t.groups[k.group]; st != nil && k.sender != group.ServerSender {
			st.floor = max(st.floor, k.client)
		}
	}
	t.swept = t.swept[n:] // append moves it to a new array when it is used up
	t.sweeps++
}

// shrink brings the cached messages and the states back into their bounds.
func (t *logTail) shrink() {
	if t.cached > cacheBytes {
		for _, st := range t.groups { // in random order
			if n := len(st.tail) - st.unapplied; n > 0 {
				t.forget(st, n)
			}
			if t.cached <= cacheBytes*15/16 {
				break
			}
		}
	}
	if len(t.groups) <= maxGroupStates {
		return
	}
	for id, st := range t.groups {
		if st.pins.Load() == 0 && st.unapplied == 0 {
			t.forget(st, len(st.tail))
			delete(t.groups, id)
		}
		if len(t.groups) <= maxGroupStates*3/4 {
			break
		}
	}
}

// remember keeps the newest messages of a group, which were read from log.db, if
// they still are the newest and none are kept.
func (t *logTail) remember(st *groupState, ms []group.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(st.tail) > 0 || len(ms) == 0 || ms[len(ms)-1].Seq != st.head || t.cached > cacheBytes {
		return
	}
	tail := make([]*entry, len(ms))
	for i, m := range ms {
		tail[i] = &entry{Message: m, state: st, millis: muster.Millis(m.Time)}
		t.cached += tail[i].cost()
	}
	st.tail = tail
}
