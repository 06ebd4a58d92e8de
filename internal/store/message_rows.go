package store

import (
	"cmp"
	"runtime"
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"
)

// rowWriter inserts messages and their keys into log.db, many rows to a
// statement.
type rowWriter struct {
	buf []byte
}

// rowsPerInsert are how many rows one statement takes.
var rowsPerInsert = [...]int{64, 16, 4, 1}

// insertTexts is an INSERT for each of rowsPerInsert.
type insertTexts struct {
	columns int
	texts   [len(rowsPerInsert)]string
}

func newInsertTexts(insert string, columns int) (in insertTexts) {
	in.columns = columns
	one := "(" + strings.Repeat("?, ", columns-1) + "?)"
	for i, rows := range rowsPerInsert {
		in.texts[i] = insert + strings.Repeat(one+", ", rows-1) + one
	}
	return in
}

var (
	insertMessages = newInsertTexts("INSERT INTO message (id, sender, client_id, time_ms, body) VALUES ", 5)
	insertKeys     = newInsertTexts("INSERT INTO message_key (number, client_id, sender, seq) VALUES ", 4)
)

// write inserts entries that are in the order of the messages' ids, and leaves
// them in that of the keys.
func (w *rowWriter) write(c *sqlite.Conn, entries []*entry) error {
	if err := insertMessages.run(c, entries, w.bindMessage); err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.state.number, b.state.number), strings.Compare(a.ClientID, b.ClientID), cmp.Compare(a.Sender, b.Sender))
	})
	return insertKeys.run(c, entries, w.bindKey)
}

func (w *rowWriter) bindMessage(s *sqlite.Stmt, at int, e *entry) {
	s.BindInt64(at, e.state.number<<32|int64(e.Seq))
	s.BindInt64(at+1, int64(e.Sender))
	s.BindBytes(at+2, w.clientID(e))
	s.BindInt64(at+3, e.millis)
	if e.rec != nil {
		s.BindBytes(at+4, recordBody(e.rec))
		return
	}
	w.buf = appendBody(w.buf[:0], &e.Draft)
	s.BindBytes(at+4, w.buf)
}

func (w *rowWriter) bindKey(s *sqlite.Stmt, at int, e *entry) {
	s.BindInt64(at, e.state.number)
	s.BindBytes(at+1, w.clientID(e))
	s.BindInt64(at+2, int64(e.Sender))
	s.BindInt64(at+3, int64(e.Seq))
}

// clientID is valid until the next call.
func (w *rowWriter) clientID(e *entry) []byte {
	w.buf = append(w.buf[:0], e.ClientID...)
	return w.buf
}

// run inserts a row for each entry, with as few statements as there are sizes.
func (in *insertTexts) run(c *sqlite.Conn, entries []*entry, bind func(s *sqlite.Stmt, at int, e *entry)) error {
	for i := 0; len(entries) > 0; {
		rows := rowsPerInsert[i]
		if rows > len(entries) {
			i++
			continue
		}
		s, err := c.Prepare(in.texts[i])
		if err != nil {
			return err
		}
		for i, e := range entries[:rows] {
			bind(s, i*in.columns+1, e)
		}
		if _, err := s.Step(); err != nil {
			return err
		}
		if err := s.Reset(); err != nil {
			return err
		}
		entries = entries[rows:]
		runtime.Gosched() // or the writer, back from its sync, waits for a whole time slice
	}
	return nil
}
