package roster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// csvState is what a Reader of CSV knows beside the window.
type csvState struct {
	delimiter byte
	columns   [fieldCount]int // where each field stands; below 0 if the file has none
	width     int             // columns of the file; 0 before the first record
	cells     []cell          // of the current record, reused
	scratch   []byte          // cells without their doubled quotes, reused
}

// cell is a field of a record as a part of the window.
type cell struct {
	start, end int
	doubled    bool // holds "" for "
}

// nextCSV reads one record.
func (r *Reader) nextCSV() (Entry, error) {
	for {
		n, err := r.nextLine()
		if err != nil {
			return Entry{}, err
		}
		if r.csv.width == 0 {
			r.csv.delimiter = delimiterOf(r.window.data()[:n])
		}
		lines, n, err := r.record(n)
		if err != nil {
			return Entry{}, err
		}
		row := row{line: r.line + 1, raw: r.window.data()[:n]}
		r.line += lines
		header := false
		if r.csv.width == 0 && !r.blank(&row) {
			header, err = r.firstRecord(&row)
		}
		if err == nil && (header || r.blank(&row)) {
			r.window.consume(n)
			continue
		}
		var e Entry
		if err == nil {
			e, err = r.csvEntry(&row)
		}
		r.window.consume(n)
		return e, err
	}
}

// delimiterOf tells the delimiter from the first line: a comma if there is one,
// else the tab or semicolon that spreadsheets write in some languages.
func delimiterOf(line []byte) byte {
	for _, d := range []byte{',', '\t', ';'} {
		if bytes.IndexByte(line, d) >= 0 {
			return d
		}
	}
	return ','
}

// record splits the record that starts with the n bytes of the first line into
// r.csv.cells, and takes further lines while a quoted field is open. It gives
// the number of lines and bytes. After a quote that is never closed, or that
// closes in the middle of a field, only the first line is consumed: it is where
// the mistake most likely is, and the lines behind it are read on their own.
func (r *Reader) record(n int) (lines, size int, err error) {
	r.csv.cells = r.csv.cells[:0]
	first := n
	lines = 1
	for i := 0; ; i++ {
		i = skipBlanks(r.window.data()[:n], i, r.csv.delimiter)
		start := i
		var c cell
		if data := r.window.data()[:n]; i < n && data[i] == '"' {
			var more int
			c, more, n, err = r.quotedCell(i, n)
			if err != nil {
				return 0, 0, r.quoteError(first, i, err)
			}
			lines += more
			i = skipBlanks(r.window.data()[:n], c.end+1, r.csv.delimiter)
		} else {
			c = r.plainCell(data, i)
			i = c.end
		}
		r.csv.cells = append(r.csv.cells, c)
		data := r.window.data()[:n]
		if len(bytes.TrimRight(data[i:], "\r\n")) == 0 {
			return lines, n, nil
		}
		switch {
		case data[i] == r.csv.delimiter:
		case i < first:
			return 0, 0, r.quoteError(first, i, errAfterQuote)
		default:
			return 0, 0, r.quoteError(first, min(start, first), errLateQuote)
		}
	}
}

// What can be wrong with a quoted field.
var (
	errAfterQuote = errors.New(`something stands behind the quote that closes the field: write "" for a quote inside it`)
	errLateQuote  = errors.New("a quote is opened, and the next one stands in a later line in the middle of a field")
	errOpenQuote  = errors.New("a quote is opened and not closed")
	quoteErrors   = []error{errAfterQuote, errLateQuote, errOpenQuote}
)

// quoteError consumes the first line of a record and says what is wrong at off.
// Errors of the underlying reader are given back as they are.
func (r *Reader) quoteError(first, off int, err error) error {
	if !slices.Contains(quoteErrors, err) {
		return err
	}
	r.line++
	row := row{line: r.line, raw: r.window.data()[:first]}
	e := row.at(row.lineError(err.Error()), off)
	r.window.consume(first)
	return e
}

// quotedCell reads the cell whose quote opens at i and gives it with the number
// of further lines taken and the size of the record so far.
func (r *Reader) quotedCell(i, n int) (c cell, more, size int, err error) {
	c.start = i + 1
	for k := i + 1; ; {
		data := r.window.data()[:n]
		q := bytes.IndexByte(data[k:], '"')
		if q < 0 {
			m, err := r.window.line(n)
			if errors.Is(err, io.EOF) || errors.Is(err, errTooLong) {
				err = errOpenQuote
			}
			if err != nil {
				return c, 0, 0, err
			}
			more++
			k, n = n, n+m
			continue
		}
		k += q
		if k+1 < n && data[k+1] == '"' {
			c.doubled = true
			k += 2
			continue
		}
		c.end = k
		return c, more, n, nil
	}
}

// plainCell reads the cell without quotes that starts at i. A quote inside it
// stands for itself.
func (r *Reader) plainCell(data []byte, i int) cell {
	if end := bytes.IndexByte(data[i:], r.csv.delimiter); end >= 0 {
		return cell{start: i, end: i + end}
	}
	return cell{start: i, end: len(bytes.TrimRight(data, "\r\n"))}
}

// skipBlanks gives the first place from i on that is no space or tab.
func skipBlanks(data []byte, i int, delimiter byte) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\t') && data[i] != delimiter {
		i++
	}
	return i
}

// text gives a cell's content, doubled quotes resolved. It is valid until the
// next record.
func (r *Reader) text(raw []byte, c cell) []byte {
	if !c.doubled {
		return raw[c.start:c.end]
	}
	from := len(r.csv.scratch)
	for rest := raw[c.start:c.end]; ; {
		before, after, found := bytes.Cut(rest, []byte(`""`))
		r.csv.scratch = append(r.csv.scratch, before...)
		if !found {
			return r.csv.scratch[from:]
		}
		r.csv.scratch = append(r.csv.scratch, '"')
		rest = after
	}
}

// firstRecord decides with the first record whether it names the columns. A file
// without a header has account, nickname and level in this order.
func (r *Reader) firstRecord(row *row) (header bool, err error) {
	if !utf8.Valid(row.raw) { // a header or not? To guess would be to mix up columns
		return false, headerError(row, notUTF8)
	}
	r.csv.width, r.csv.columns = int(fieldCount), [fieldCount]int{0, 1, 2}
	names := newNaming()
	for i, c := range r.csv.cells {
		text := string(r.text(row.raw, c))
		if _, ok := parseLevel(strings.TrimSpace(text)); ok {
			return false, nil // a person: an account may be called "user"
		}
		names.add(i, text)
	}
	switch {
	case !names.any():
		return false, nil
	case names.twice < fieldCount:
		return false, headerError(row, "two columns are for "+fieldNames[names.twice])
	case names.at[account] < 0:
		return false, headerError(row, "no column is called account (or 账号)")
	case names.at[level] < 0 && !r.options.Level.OnRoster():
		return false, headerError(row, "no column is called level (or 等级)")
	}
	r.csv.columns, r.csv.width = names.at, len(r.csv.cells)
	return true, nil
}

// headerError says what is wrong with the first line.
func headerError(row *row, problem string) error {
	return fmt.Errorf("line %d: %w: %s: %s", row.line, ErrHeader, problem, row.lineError("").Text)
}

// blank says whether a record is nothing but delimiters, as spreadsheets leave
// them behind the data.
func (r *Reader) blank(row *row) bool {
	for _, c := range r.csv.cells {
		if len(bytes.TrimSpace(row.raw[c.start:c.end])) > 0 {
			return false
		}
	}
	return true
}

// csvEntry checks a record's cells.
func (r *Reader) csvEntry(row *row) (Entry, error) {
	if !utf8.Valid(row.raw) {
		return Entry{}, row.lineError(notUTF8)
	}
	for i := r.csv.width; i < len(r.csv.cells); i++ {
		if c := r.csv.cells[i]; len(bytes.TrimSpace(row.raw[c.start:c.end])) > 0 {
			e := row.lineError(fmt.Sprintf("has %d fields where the file has %d: put a field that holds a delimiter in quotes", len(r.csv.cells), r.csv.width))
			return Entry{}, row.at(e, c.start)
		}
	}
	r.csv.scratch = r.csv.scratch[:0]
	for f, i := range r.csv.columns {
		row.starts[f] = -1
		if i < 0 || i >= len(r.csv.cells) {
			continue
		}
		row.starts[f] = r.csv.cells[i].start
		row.cells[f] = r.text(row.raw, r.csv.cells[i])
	}
	row.cells[nickname] = unguard(row.cells[nickname])
	return r.entry(row)
}
