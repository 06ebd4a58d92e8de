package store

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
)

// copyRows is from how many rows on a bulk insert is a COPY: it fills a page of
// the table at once and does not look for each key twice, as ON CONFLICT does,
// which makes it about twice as fast as an INSERT.
const copyRows = 100

// passOver is the rule for conflicts that a COPY is tried for all the same: in
// the places where many rows come at once there are none.
const passOver = "DO NOTHING"

// copyChunk is about how many bytes go to the server at once.
const copyChunk = 64 << 10

// copyRows inserts rows by COPY, in its binary format (PostgreSQL manual, COPY,
// "Binary Format"). After a conflict nothing of it has happened.
func (p *pgConn) copyRows(tx pgx.Tx, in insert, n int, value func(row, col int) any) (int64, error) {
	if _, err := p.exec("SAVEPOINT bulk"); err != nil {
		return 0, err
	}
	names := make([]string, len(in.columns))
	for i, col := range in.columns {
		names[i] = col.name
	}
	text := "COPY " + in.table + " (" + strings.Join(names, ", ") + ") FROM STDIN BINARY"
	tag, err := tx.Conn().PgConn().CopyFrom(p.ctx, &copyReader{in: in, rows: n, value: value}, text)
	end := "RELEASE SAVEPOINT bulk"
	if err != nil {
		err, end = pgError(text, err), "ROLLBACK TO SAVEPOINT bulk"
	}
	if _, failed := p.exec(end); failed != nil {
		return 0, errors.Join(err, failed)
	}
	return tag.RowsAffected(), err
}

// copyReader encodes the rows of a COPY.
type copyReader struct {
	in    insert
	rows  int
	value func(row, col int) any

	at    int // the next row
	begun bool
	ended bool
	buf   []byte
	sent  int // of buf
}

// Read implements io.Reader.
func (r *copyReader) Read(into []byte) (int, error) {
	if r.sent == len(r.buf) {
		if r.ended {
			return 0, io.EOF
		}
		r.fill()
	}
	n := copy(into, r.buf[r.sent:])
	r.sent += n
	return n, nil
}

func (r *copyReader) fill() {
	r.buf, r.sent = r.buf[:0], 0
	if !r.begun {
		r.begun = true
		r.buf = append(r.buf, "PGCOPY\n\xff\r\n\x00"...)
		r.buf = binary.BigEndian.AppendUint64(r.buf, 0) // no flags, no extension
	}
	for ; r.at < r.rows && len(r.buf) < copyChunk; r.at++ {
		r.buf = binary.BigEndian.AppendUint16(r.buf, uint16(len(r.in.columns))) //nolint:gosec // a few
		for col, c := range r.in.columns {
			r.appendField(c.kind, plain(r.value(r.at, col)))
		}
	}
	if r.at == r.rows {
		r.buf = binary.BigEndian.AppendUint16(r.buf, 0xffff) // the trailer
		r.ended = true
	}
}

// appendField appends a value with its length. One of another type than the
// column's becomes zero or empty, as in an INSERT (gather).
func (r *copyReader) appendField(kind columnKind, v any) {
	switch kind {
	case textColumn:
		s, _ := v.(string)
		r.buf = append(binary.BigEndian.AppendUint32(r.buf, uint32(len(s))), s...) //nolint:gosec // far below
	case blobColumn:
		b, _ := v.([]byte)
		r.buf = append(binary.BigEndian.AppendUint32(r.buf, uint32(len(b))), b...) //nolint:gosec // far below
	case boolColumn:
		b, _ := v.(bool)
		r.buf = binary.BigEndian.AppendUint32(r.buf, 1)
		if b {
			r.buf = append(r.buf, 1)
		} else {
			r.buf = append(r.buf, 0)
		}
	default:
		n, _ := v.(int64)
		r.buf = binary.BigEndian.AppendUint32(r.buf, 8)
		r.buf = binary.BigEndian.AppendUint64(r.buf, uint64(n)) //nolint:gosec // two's complement
	}
}
