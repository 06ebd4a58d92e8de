package store

import (
	"context"
	"runtime"
	"slices"

	"zombiezen.com/go/sqlite"

	"muster"
	"muster/internal/group"
)

// openReaders opens the connections that read log.db. They are the log's own
// rather than a sqlitex.Pool, whose interrupts cost a goroutine for each use:
// every read here is one short range.
func (l *sqliteLog) openReaders(n int) error {
	if n <= 0 {
		n = runtime.GOMAXPROCS(0) + 1
	}
	conns := make(chan *sqlite.Conn, n)
	for range n {
		c, err := sqlite.OpenConn(l.db.path, sqlite.OpenReadWrite|sqlite.OpenWAL)
		if err != nil {
			return err
		}
		if err := pragmas(c, "cache_size=-8192", "query_only=on", "mmap_size=0", "busy_timeout=10000"); err != nil {
			return err
		}
		conns <- c
	}
	l.readers = conns
	return nil
}

// withReader runs fn with a connection that reads.
func (l *sqliteLog) withReader(ctx context.Context, fn func(c *sqlite.Conn) error) error {
	select {
	case c := <-l.readers:
		defer func() { l.readers <- c }()
		return fn(c)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// state gives what is known of a group, from log.db if it has to; unpin it.
func (l *sqliteLog) state(ctx context.Context, id muster.GroupID) (*groupState, error) {
	st, loaded := l.tail.pin(id)
	if loaded {
		return st, nil
	}
	if err := l.load(ctx, st); err != nil {
		st.unpin()
		return nil, err
	}
	return st, nil
}

// load reads a group's number, head and greatest client id. Nothing is appended
// to a group before it is loaded, so what is read is current but for a tail that
// came from the journal, which knows the head better.
func (l *sqliteLog) load(ctx context.Context, st *groupState) error {
	st.loading.Lock()
	defer st.loading.Unlock()
	l.tail.mu.RLock()
	loaded := st.loaded
	l.tail.mu.RUnlock()
	if loaded {
		return nil
	}
	var number, newest int64
	var floor string
	err := l.withReader(ctx, func(rc *sqlite.Conn) (err error) {
		c := newSQLiteConn(rc)
		if number, err = oneInt(c, "SELECT number FROM log_group WHERE group_id = $1", st.id); err != nil || number == 0 {
			return err
		}
		newest, err = oneInt(c, "SELECT id FROM message WHERE id BETWEEN $1 AND $2 ORDER BY id DESC LIMIT 1", number<<32, number<<32|seqMask)
		if err != nil {
			return err
		}
		_, err = one(c, "SELECT client_id FROM message_key WHERE number = $1 AND sender <> $2 ORDER BY client_id DESC LIMIT 1",
			[]any{number, group.ServerSender}, func(r row) { floor = string(r.Blob(0)) })
		return err
	})
	if err != nil {
		return err
	}
	l.tail.mu.Lock()
	defer l.tail.mu.Unlock()
	if st.number == 0 {
		st.number = number
	}
	if st.head == 0 {
		st.head = muster.Seq(newest & seqMask)
	}
	st.floor = max(st.floor, floor)
	st.loaded = true
	return nil
}

// seqMask is the part of a message's id that is the seq.
const seqMask = 1<<32 - 1

// Head implements group.Log.
func (l *sqliteLog) Head(ctx context.Context, id muster.GroupID) (muster.Seq, error) {
	heads, err := l.Heads(ctx, []muster.GroupID{id})
	if err != nil {
		return 0, err
	}
	return heads[0], nil
}

// Heads implements group.Log.
func (l *sqliteLog) Heads(ctx context.Context, groups []muster.GroupID) ([]muster.Seq, error) {
	heads := make([]muster.Seq, len(groups))
	var missing []int
	l.tail.mu.RLock()
	for i, id := range groups {
		if st := l.tail.groups[id]; st != nil && st.loaded {
			heads[i] = st.head
		} else {
			missing = append(missing, i)
		}
	}
	l.tail.mu.RUnlock()
	for _, i := range missing {
		st, err := l.state(ctx, groups[i])
		if err != nil {
			return nil, err
		}
		l.tail.mu.RLock()
		heads[i] = st.head
		l.tail.mu.RUnlock()
		st.unpin()
	}
	return heads, nil
}

// Read implements group.Log.
func (l *sqliteLog) Read(ctx context.Context, r group.Range) ([]group.Message, error) {
	st, err := l.state(ctx, r.Group)
	if err != nil {
		return nil, err
	}
	defer st.unpin()
	l.tail.mu.RLock()
	head, number, tail := st.head, st.number, st.tail
	l.tail.mu.RUnlock()
	w := windowOf(r, head)
	if w.from > w.to {
		return nil, nil
	}
	inMemory := head - muster.Seq(len(tail)) + 1 // the first seq of tail
	kept := func(seq muster.Seq) *group.Message { return &tail[seq-inMemory].Message }
	p := page{asked: r, out: make([]group.Message, 0, min(w.to-w.from+1, 1024))}
	if r.Last {
		for seq := w.to; seq >= max(w.from, inMemory) && !p.full; seq-- {
			p.add(kept(seq))
		}
		if w.to = min(w.to, inMemory-1); !p.full && w.from <= w.to {
			err = l.readRows(ctx, number, w, &p)
		}
		slices.Reverse(p.out)
	} else {
		if stored := (window{w.from, min(w.to, inMemory-1)}); stored.from <= stored.to {
			err = l.readRows(ctx, number, stored, &p)
		}
		for seq := max(w.from, inMemory); seq <= w.to && !p.full && err == nil; seq++ {
			p.add(kept(seq))
		}
	}
	if err != nil {
		return nil, err
	}
	if len(tail) == 0 && len(p.out) <= cachePerGroup {
		l.tail.remember(st, p.out)
	}
	return p.out, nil
}

// window is a range of seqs, both inclusive; empty when from > to.
type window struct{ from, to muster.Seq }

// windowOf is what a range asks for of a group with the given head. As seqs have
// no gaps, a limit on messages is one on seqs.
func windowOf(r group.Range, head muster.Seq) window {
	w := window{max(r.After, 0) + 1, head}
	if r.UpTo > 0 {
		w.to = min(r.UpTo, head)
	}
	if r.Limit > 0 && w.to-w.from >= muster.Seq(r.Limit) {
		if r.Last {
			w.from = w.to - muster.Seq(r.Limit) + 1
		} else {
			w.to = w.from + muster.Seq(r.Limit) - 1
		}
	}
	return w
}

// page gathers messages up to a range's MaxBytes.
type page struct {
	asked group.Range
	out   []group.Message
	bytes int
	full  bool
}

// add takes a message unless the page is full with it.
func (p *page) add(m *group.Message) {
	if p.full {
		return
	}
	p.bytes += len(m.Text)
	if p.asked.MaxBytes > 0 && p.bytes > p.asked.MaxBytes && len(p.out) > 0 {
		p.full = true
		return
	}
	p.out = append(p.out, *m)
}

// addGap puts tombstones where rows are missing: from (inclusive) up to or down
// to the seq before to.
func (p *page) addGap(from, to muster.Seq, step muster.Seq) {
	for seq := from; seq != to && !p.full; seq += step {
		t := tombstone(p.asked.Group, seq)
		p.add(&t)
	}
}

// readRows adds the messages of a window that log.db holds, newest first if the
// range is Last. A row that is gone or cannot be decoded becomes a tombstone.
func (l *sqliteLog) readRows(ctx context.Context, number int64, w window, p *page) error {
	text := "SELECT id, sender, client_id, time_ms, body FROM message WHERE id BETWEEN ? AND ? ORDER BY id"
	next, end, step := w.from, w.to+1, muster.Seq(1)
	if p.asked.Last {
		text += " DESC"
		next, end, step = w.to, w.from-1, -1
	}
	return l.withReader(ctx, func(c *sqlite.Conn) error {
		s, err := c.Prepare(text)
		if err != nil {
			return err
		}
		defer func() { _ = s.Reset() }() // a Step that failed has told its error
		s.BindInt64(1, number<<32|int64(w.from))
		s.BindInt64(2, number<<32|int64(w.to))
		for !p.full {
			more, err := s.Step()
			if err != nil {
				return err
			}
			if !more {
				break
			}
			m := group.Message{Seq: muster.Seq(s.ColumnInt64(0) & seqMask)}
			p.addGap(next, m.Seq, step)
			next = m.Seq + step
			m.Group, m.Sender = p.asked.Group, muster.AccountID(s.ColumnInt64(1))
			m.ClientID, m.Time = s.ColumnText(2), muster.FromMillis(s.ColumnInt64(3))
			if err := decodeBody(s.ColumnText(4), &m.Draft); err != nil {
				m = tombstone(p.asked.Group, m.Seq)
			}
			p.add(&m)
		}
		p.addGap(next, end, step)
		return nil
	})
}

// lookUpKey finds a message by its key in the index.
func (l *sqliteLog) lookUpKey(ctx context.Context, number int64, d *group.Draft) (found place, ok bool, err error) {
	if number == 0 {
		return place{}, false, nil
	}
	err = l.withReader(ctx, func(c *sqlite.Conn) error {
		s, err := c.Prepare(`SELECT k.seq, m.time_ms FROM message_key k LEFT JOIN message m ON m.id = k.number << 32 | k.seq
			WHERE k.number = +? AND k.client_id = +? AND k.sender = +?`) // + as steady does
		if err != nil {
			return err
		}
		defer func() { _ = s.Reset() }() // a Step that failed has told its error
		s.BindInt64(1, number)
		s.BindBytes(2, []byte(d.ClientID))
		s.BindInt64(3, int64(d.Sender))
		if ok, err = s.Step(); ok {
			found = place{muster.Seq(s.ColumnInt64(0)), s.ColumnInt64(1)}
		}
		return err
	})
	return found, ok, err
}
