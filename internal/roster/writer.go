package roster

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Writer writes a roster file that a Reader reads back. It is not safe for
// concurrent use.
type Writer struct {
	buf  *bufio.Writer
	csv  *csv.Writer   // nil for JSON Lines
	json *json.Encoder // nil for CSV
}

// NewWriter makes a Writer to w. A CSV file starts with a header, also when it
// holds nobody. The last call must be Flush.
func NewWriter(w io.Writer, f Format) (*Writer, error) {
	out := &Writer{buf: bufio.NewWriterSize(w, 64<<10)}
	switch f {
	case CSV:
		out.csv = csv.NewWriter(out.buf)
		return out, out.csv.Write(fieldNames[:])
	case JSONLines:
		out.json = json.NewEncoder(out.buf)
		out.json.SetEscapeHTML(false)
		return out, nil
	}
	return nil, fmt.Errorf("roster: %v is not a form of roster", f)
}

// jsonEntry is an entry in JSON Lines.
type jsonEntry struct {
	Account  string `json:"account"`
	Nickname string `json:"nickname,omitempty"`
	Level    string `json:"level"`
}

// Write adds one entry. An error of the underlying writer may come later, and
// comes from Flush at the latest.
func (w *Writer) Write(e Entry) error {
	if w.json != nil {
		return w.json.Encode(jsonEntry{Account: e.Account, Nickname: e.Nickname, Level: e.Level.String()})
	}
	return w.csv.Write([]string{e.Account, guard(e.Nickname), e.Level.String()})
}

// Flush writes what is buffered and gives the first error of the whole file.
func (w *Writer) Flush() error {
	if w.csv != nil {
		w.csv.Flush()
		if err := w.csv.Error(); err != nil {
			return err
		}
	}
	return w.buf.Flush()
}

// formula lists the characters with which a spreadsheet takes a cell for a
// formula, and the apostrophe that is put before them.
const formula = "=+-@＝＋－＠'"

// guard puts an apostrophe before a nickname that a spreadsheet would execute as
// a formula: people choose their nicknames, and administrators open the export.
func guard(nick string) string {
	if first, size := utf8.DecodeRuneInString(nick); size > 0 && strings.ContainsRune(formula, first) {
		return "'" + nick
	}
	return nick
}

// unguard takes that apostrophe away again.
func unguard(nick []byte) []byte {
	rest, ok := bytes.CutPrefix(nick, []byte("'"))
	if first, size := utf8.DecodeRune(rest); ok && size > 0 && strings.ContainsRune(formula, first) {
		return rest
	}
	return nick
}
