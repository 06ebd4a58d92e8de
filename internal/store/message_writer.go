package store

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"muster"
	"muster/internal/group"
)

// The bounds of a batch, and of what may wait for one.
const (
	batchMessages = 4096
	batchBytes    = 4 << 20
	queueMessages = 64 << 10
	queueBytes    = 64 << 20
)

// pending is a message between its sender's goroutine and the writer.
type pending struct {
	entry *entry
	size  int64
	key   int64 // pgKey, of PostgreSQL's log only
	// generation is the group's from before the membership was read.
	generation uint64
	// looked says that the index had no such key when sweeps was lookedAt.
	looked   bool
	lookedAt uint64
	queued   time.Time
	done     chan outcome  // takes one without blocking
	then     func(outcome) // called instead, if it is set; must not block
}

// outcome is what became of a pending message.
type outcome struct {
	receipt group.Receipt
	err     error
	// again: what the sender's goroutine had found out does not hold any more.
	again bool
}

// sendQueue is what waits for the writer.
type sendQueue struct {
	mu     sync.Mutex
	items  []*pending
	bytes  int64
	closed error
	wake   chan struct{}
}

func newSendQueue() sendQueue { return sendQueue{wake: make(chan struct{}, 1)} }

func (q *sendQueue) put(p *pending) error {
	q.mu.Lock()
	switch {
	case q.closed != nil:
		q.mu.Unlock()
		return q.closed
	case len(q.items) >= queueMessages || q.bytes >= queueBytes:
		q.mu.Unlock()
		return errLogBusy()
	}
	q.items = append(q.items, p)
	q.bytes += p.size
	first := len(q.items) == 1
	q.mu.Unlock()
	if first {
		q.signal()
	}
	return nil
}

func (q *sendQueue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take moves a batch into buf.
func (q *sendQueue) take(buf []*pending) []*pending {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, int64(0)
	for n < len(q.items) && n < batchMessages && (n == 0 || size+q.items[n].size <= batchBytes) {
		size += q.items[n].size
		n++
	}
	buf = append(buf[:0], q.items[:n]...)
	rest := copy(q.items, q.items[n:])
	clear(q.items[rest:])
	q.items = q.items[:rest]
	q.bytes -= size
	if rest > 0 {
		q.signal()
	}
	return buf
}

// close lets nobody in any more.
func (q *sendQueue) close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = err
}

// Append implements group.Log.
func (l *sqliteLog) Append(ctx context.Context, d group.Draft) (group.Receipt, error) {
	p, err := l.prepare(ctx, &d)
	if err != nil {
		return group.Receipt{}, err
	}
	defer p.entry.state.unpin()
	p.done = make(chan outcome, 1)
	for range maxRenewals {
		first, repeated, err := l.enqueue(ctx, p)
		if err != nil || repeated {
			return first, err
		}
		select {
		case o := <-p.done:
			if !o.again {
				return o.receipt, o.err
			}
		case <-ctx.Done():
			return group.Receipt{}, ctx.Err()
		}
	}
	return group.Receipt{}, errLogBusy()
}

// AppendAsync implements group.AsyncLog. What does not hold any more when the
// message has its turn, because the group's members or the remembered ids changed
// just then, the writer finds out anew; see renew.
func (l *sqliteLog) AppendAsync(ctx context.Context, d group.Draft, done func(group.Receipt, error)) {
	p, err := l.prepare(ctx, &d)
	if err != nil {
		done(group.Receipt{}, err)
		return
	}
	defer p.entry.state.unpin()
	p.then = func(o outcome) {
		if !o.again {
			done(o.receipt, o.err)
			return
		}
		l.retries.Go(func() { done(l.Append(ctx, d)) })
	}
	if first, repeated, err := l.enqueue(ctx, p); err != nil || repeated {
		done(first, err)
	}
}

// prepare makes a draft ready for the writer. The group's state is pinned.
func (l *sqliteLog) prepare(ctx context.Context, d *group.Draft) (*pending, error) {
	if err := checkDraft(d); err != nil {
		return nil, err
	}
	st, err := l.state(ctx, d.Group)
	if err != nil {
		return nil, err
	}
	e := &entry{Message: group.Message{Draft: *d}, state: st, rec: newRecord(d)}
	return &pending{entry: e, size: e.cost(), queued: stopwatch()}, nil
}

// enqueue hands a message to the writer, unless it stands already.
func (l *sqliteLog) enqueue(ctx context.Context, p *pending) (first group.Receipt, repeated bool, err error) {
	if first, repeated, err = l.findOut(ctx, p); err != nil || repeated {
		return first, repeated, err
	}
	p.entry.state.pins.Add(1) // the writer's
	if err := l.queue.put(p); err != nil {
		p.entry.state.unpin()
		return group.Receipt{}, false, err
	}
	return group.Receipt{}, false, nil
}

// findOut looks whether the sender may send, and whether the message stands
// already.
func (l *sqliteLog) findOut(ctx context.Context, p *pending) (first group.Receipt, repeated bool, err error) {
	if p.generation, err = l.maySend(ctx, &p.entry.Draft); err != nil {
		return group.Receipt{}, false, err
	}
	stands, repeated, err := l.findKey(ctx, p)
	return stands.receipt(true), repeated, err
}

// findKey looks for a message that was sent before: among the keys in memory,
// and in the index unless the client id is above all that are only there.
func (l *sqliteLog) findKey(ctx context.Context, p *pending) (first place, found bool, err error) {
	d, t := &p.entry.Draft, l.tail
	t.mu.RLock()
	first, found = t.keys[keyOf(d)]
	fresh := p.entry.state.surelyNew(d)
	number := p.entry.state.number
	p.looked, p.lookedAt = false, t.sweeps
	t.mu.RUnlock()
	if found || fresh {
		return first, found, nil
	}
	first, found, err = l.lookUpKey(ctx, number, d)
	p.looked = true
	return first, found, err
}

// writeLoop writes batches until ctx ends and the queue is empty.
func (l *sqliteLog) writeLoop(ctx context.Context) {
	var batch []*pending
	for {
		select {
		case <-l.queue.wake:
		case <-ctx.Done():
			l.queue.close(errLogStopped())
			for batch = l.queue.take(batch); len(batch) > 0; batch = l.queue.take(batch) {
				l.write(batch)
			}
			return
		}
		if l.awaitRoom(ctx) {
			batch = l.queue.take(batch)
			l.write(batch)
			clear(batch)
		}
	}
}

// awaitRoom waits while the tail is full, but not for ever when log.db cannot be
// written: then everybody who waits is told.
func (l *sqliteLog) awaitRoom(ctx context.Context) bool {
	backlog := l.tail.backlog()
	if backlog > tailCalm && backlog < tailBytes {
		l.wait(ctx, l.pause(backlog, stopwatch().Sub(l.lastWrite)), nil)
		return true
	}
	for ; backlog >= tailBytes && ctx.Err() == nil; backlog = l.tail.backlog() { // after the end what is queued is written; nothing more comes
		l.wakeApplier()
		if err := l.broken(); err != nil {
			for batch := l.queue.take(nil); len(batch) > 0; batch = l.queue.take(batch) {
				refuse(batch, err)
			}
			return false
		}
		l.wait(ctx, time.Second, l.room) // a second, to look at the health
	}
	return true
}

// pause is how long to hold back the next batch, since the last one, with a tail
// between calm and full: so long that the writer is as fast as the applier when the tail is half
// way, twice as fast near calm, and stands still near full.
func (l *sqliteLog) pause(backlog int64, since time.Duration) time.Duration {
	rate := math.Float64frombits(l.applyRate.Load()) * 2 * float64(tailBytes-backlog) / (tailBytes - tailCalm)
	if rate <= 0 {
		return 0
	}
	const longest = 100 * time.Millisecond // then the tail is looked at again
	took := time.Duration(float64(l.lastBatch) / rate * float64(time.Second))
	return min(took-since, longest)
}

// wait ends after d, when early is told, or with ctx.
func (l *sqliteLog) wait(ctx context.Context, d time.Duration, early <-chan struct{}) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-early:
	case <-ctx.Done():
	}
}

// write gives a batch its seqs, makes it durable, and answers.
func (l *sqliteLog) write(batch []*pending) {
	if err := l.contradicted(); err != nil {
		refuse(batch, err)
		return
	}
	l.batchNumber++
	l.lastBatch, l.lastWrite = len(batch), stopwatch()
	millis := l.store.now()
	accepted, followers, decided := l.decide(batch, millis, true)
	for try := 1; !decided; try++ {
		batch = l.renew(batch)
		accepted, followers, decided = l.decide(batch, millis, try < maxRenewals)
	}
	if len(accepted) == 0 {
		return
	}
	records := make([][]byte, len(accepted))
	entries := make([]*entry, len(accepted))
	for i, p := range accepted {
		stampRecord(p.entry.rec, p.entry.Seq, millis)
		records[i], entries[i] = p.entry.rec, p.entry
	}
	last, err := l.journal.Append(records)
	l.noteWrite(err)
	if err != nil {
		for _, p := range accepted {
			p.finish(outcome{err: errLogBroken(err)})
		}
		for _, f := range followers {
			f.pending.finish(outcome{err: errLogBroken(err)})
		}
		return
	}
	for _, e := range entries {
		e.rec = nil
	}
	l.tail.mu.Lock()
	l.tail.add(entries, last)
	l.tail.mu.Unlock()
	l.position.Store(uint64(last))
	l.wakeApplier()
	now := stopwatch()
	for _, p := range accepted {
		l.waits.add(now.Sub(p.queued), now)
		p.finish(outcome{receipt: p.entry.receipt(false)})
	}
	for _, f := range followers {
		f.pending.finish(outcome{receipt: f.first.receipt(true)})
	}
	l.tell(entries)
}

// Follow implements group.Log.
func (l *sqliteLog) Follow(sink func(committed []group.Message)) { l.sink.Store(&sink) }

// tell hands a batch to the follower.
func (l *sqliteLog) tell(entries []*entry) {
	sink := l.sink.Load()
	if sink == nil {
		return
	}
	l.committed = l.committed[:0]
	for _, e := range entries {
		l.committed = append(l.committed, e.Message)
	}
	(*sink)(l.committed)
	clear(l.committed)
}

// follower is a message whose first stands in the same batch.
type follower struct {
	pending *pending
	first   *entry
}

func (e *entry) receipt(duplicate bool) group.Receipt {
	return place{e.Seq, e.millis}.receipt(duplicate)
}

// maxRenewals bounds how often a batch is renewed. Each time somebody has changed
// a group in the moment since the last; beyond it messages are tried again beside,
// and may lose their turn. As often a sender who waits tries, who is then told
// that the log is busy.
const maxRenewals = 1000

// holds says whether what was found out about a message is still so. It is called
// with the tail's lock.
func (l *sqliteLog) holds(p *pending) bool {
	return p.generation == l.store.members.generation(p.entry.Group) &&
		(p.looked && p.lookedAt == l.tail.sweeps || p.entry.state.surelyNew(&p.entry.Draft))
}

// renew finds out anew what does not hold any more of messages whose senders do not
// wait for them: they keep their turn. A sender who waits does it itself, because
// it takes time. Messages that may not be sent any more, or stand already, are answered.
func (l *sqliteLog) renew(batch []*pending) []*pending {
	kept := batch[:0]
	for _, p := range batch {
		l.tail.mu.RLock()
		holds := p.then == nil || l.holds(p)
		l.tail.mu.RUnlock()
		if !holds {
			if first, repeated, err := l.findOut(context.Background(), p); err != nil || repeated {
				p.finish(outcome{receipt: first, err: err})
				continue
			}
		}
		kept = append(kept, p)
	}
	return kept
}

// decide answers the duplicates and those whose findings are out of date, and
// gives the others their seqs. Nothing of that is visible before the journal
// has the batch; after a failure the next batch gives the same seqs again. While
// the batch may be renewed, nothing is decided when that is needed.
func (l *sqliteLog) decide(batch []*pending, millis int64, mayRenew bool) (accepted []*pending, followers []follower, decided bool) {
	t := l.tail
	at := muster.FromMillis(millis)
	inBatch := make(map[messageKey]*entry, len(batch))
	accepted = make([]*pending, 0, len(batch))
	t.mu.RLock()
	defer t.mu.RUnlock()
	if mayRenew && slices.ContainsFunc(batch, func(p *pending) bool { return p.then != nil && !l.holds(p) }) {
		return nil, nil, false
	}
	for _, p := range batch {
		e := p.entry
		st, key := e.state, keyOf(&e.Draft)
		// One that was just found to hold keeps its turn: what changes from then on
		// comes after it.
		held := mayRenew && p.then != nil
		if !held && p.generation != l.store.members.generation(e.Group) {
			p.finish(outcome{again: true})
			continue
		}
		if first, ok := t.keys[key]; ok {
			p.finish(outcome{receipt: first.receipt(true)})
			continue
		}
		if first := inBatch[key]; first != nil {
			followers = append(followers, follower{p, first})
			continue
		}
		if !st.surelyNew(&e.Draft) && (!p.looked || p.lookedAt != t.sweeps) {
			p.finish(outcome{again: true})
			continue
		}
		if st.batch != l.batchNumber {
			st.batch, st.next = l.batchNumber, st.head+1
		}
		e.Seq, e.millis, e.Time = st.next, millis, at
		st.next++
		inBatch[key] = e
		accepted = append(accepted, p)
	}
	return accepted, followers, true
}

// finish answers the sender and lets go of the group.
func (p *pending) finish(o outcome) {
	st := p.entry.state
	if p.then != nil {
		p.then(o)
	} else {
		p.done <- o
	}
	if st != nil { // PostgreSQL's log keeps none
		st.unpin()
	}
}

// refuse tells everybody of a batch the same.
func refuse(batch []*pending, err error) {
	for _, p := range batch {
		p.finish(outcome{err: err})
	}
}

// noteWrite keeps a failure for healthy until a batch succeeds.
func (l *sqliteLog) noteWrite(err error) {
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	if l.writeErr = err; err != nil {
		l.writeErrAt = stopwatch()
	}
}
