package roster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"muster"
)

// DefaultLineMax is the longest line in bytes when Options do not say.
const DefaultLineMax = 64 << 10

// Options change what a Reader accepts. The zero Options is the strict default.
type Options struct {
	// LineMax is the longest line (in CSV: record) in bytes; 0 is
	// DefaultLineMax.
	LineMax int
	// Level is the level of those for whom the file has none; without it such
	// a line is an error.
	Level muster.Level
}

// Reader reads the entries of a roster file. It is not safe for concurrent use.
type Reader struct {
	window  *window
	options Options
	line    int // lines consumed
	next    func() (Entry, error)
	started bool
	fatal   error // what Next returns from now on

	csv         csvState
	jsonStarted bool // whether a line of JSON was seen
}

// NewReader makes a Reader of a file in the given form. It reads from r in large
// pieces and ahead of what it returns.
func NewReader(r io.Reader, f Format, o Options) *Reader {
	if o.LineMax <= 0 {
		o.LineMax = DefaultLineMax
	}
	reader := &Reader{window: newWindow(r, o.LineMax), options: o}
	switch f {
	case CSV:
		reader.next = reader.nextCSV
	case JSONLines:
		reader.next = reader.nextJSON
	default:
		reader.fatal = fmt.Errorf("roster: %v is not a form of roster", f)
	}
	return reader
}

// Next gives the next entry. The error is a *LineError for a bad line, behind
// which Next goes on; io.EOF at the end; and anything else for what ends the
// reading: an error of the underlying reader, ErrNotText, ErrUTF16, ErrHeader
// or ErrArray. Blank lines are passed over.
func (r *Reader) Next() (Entry, error) {
	if r.fatal == nil && !r.started {
		r.started = true
		r.fatal = r.begin()
	}
	if r.fatal != nil {
		return Entry{}, r.fatal
	}
	e, err := r.next()
	if err != nil {
		if _, ok := errors.AsType[*LineError](err); !ok {
			r.fatal = err
		}
	}
	return e, err
}

// begin drops a byte order mark and recognises files that are no text in UTF-8.
func (r *Reader) begin() error {
	for len(r.window.data()) < 4 && r.window.fill() {
		continue // a reader may give a byte at a time
	}
	head := r.window.data()
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		r.window.consume(3)
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return ErrUTF16
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return ErrNotText
	}
	return nil
}

// nextLine gives the length of the next line that is not blank, which stands at
// the start of the window and is not consumed. A line that is too long is
// consumed and a *LineError.
func (r *Reader) nextLine() (int, error) {
	for {
		n, err := r.window.line(0)
		switch {
		case errors.Is(err, errTooLong):
			r.line++
			e := &LineError{Line: r.line, Text: excerpt(r.window.skipLine())}
			e.Problem = fmt.Sprintf("is longer than %d bytes", r.options.LineMax)
			return 0, e
		case err != nil:
			return 0, err
		}
		if len(bytes.TrimSpace(r.window.data()[:n])) > 0 {
			return n, nil
		}
		r.line++
		r.window.consume(n)
	}
}

// row is one record before it is checked.
type row struct {
	line   int
	raw    []byte // the record as it stands in the file
	cells  [fieldCount][]byte
	starts [fieldCount]int // where in raw the cells start; below 0 if unknown
}

// notUTF8 is the problem of a line in another encoding.
const notUTF8 = "is not UTF-8: save the file in UTF-8 (a Chinese spreadsheet may have written GBK)"

// entry checks a record, which must be valid UTF-8.
func (r *Reader) entry(row *row) (Entry, error) {
	name, err := muster.ParseAccountName(string(row.cells[account]))
	if err != nil {
		return Entry{}, row.fieldError(account, message(err))
	}
	e := Entry{Line: row.line, Account: name, Level: r.options.Level}
	if nick := bytes.TrimSpace(row.cells[nickname]); len(nick) > 0 {
		e.Nickname, err = muster.ParseTitle("nickname", string(nick), muster.MaxNickname)
		if err != nil {
			return Entry{}, row.fieldError(nickname, message(err))
		}
	}
	text := bytes.TrimSpace(row.cells[level])
	if len(text) == 0 {
		if !e.Level.OnRoster() {
			return Entry{}, row.fieldError(level, "is missing: "+levelsAllowed)
		}
		return e, nil
	}
	l, ok := parseLevel(string(text))
	if !ok {
		return Entry{}, row.fieldError(level, fmt.Sprintf("%q is not a level: %s", excerpt(text), levelsAllowed))
	}
	e.Level = l
	return e, nil
}

// levelsAllowed says what a level can be.
const levelsAllowed = "use owner, admin, moderator, member, vip, guest, their Chinese names (所有者, 管理员, 协管, 会员, 嘉宾, 游客) or 6 to 1"

// lineError says that the whole record is wrong.
func (row *row) lineError(problem string) *LineError {
	first, _, _ := bytes.Cut(row.raw, []byte{'\n'})
	first = bytes.TrimRight(first, "\r")
	return &LineError{Line: row.line, Problem: problem, Text: excerpt(first)}
}

// at adds the place off bytes into the record, when it is in its first line.
func (row *row) at(e *LineError, off int) *LineError {
	if off >= 0 && off <= len(row.raw) && !bytes.ContainsRune(row.raw[:off], '\n') {
		e.Column = 1 + utf8.RuneCount(row.raw[:off])
	}
	return e
}

// fieldError says that one field is wrong.
func (row *row) fieldError(f field, problem string) *LineError {
	e := row.lineError(problem)
	e.Field = fieldNames[f]
	return row.at(e, row.starts[f])
}
