package roster

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// nextJSON reads one line.
func (r *Reader) nextJSON() (Entry, error) {
	n, err := r.nextLine()
	if err != nil {
		return Entry{}, err
	}
	raw := bytes.TrimRight(r.window.data()[:n], "\r\n")
	if !r.jsonStarted {
		r.jsonStarted = true
		if bytes.TrimSpace(raw)[0] == '[' {
			return Entry{}, ErrArray
		}
	}
	r.line++
	e, err := r.jsonLine(&row{line: r.line, raw: raw, starts: [fieldCount]int{-1, -1, -1}})
	r.window.consume(n)
	return e, err
}

// jsonLine checks one line.
func (r *Reader) jsonLine(row *row) (Entry, error) {
	if !utf8.Valid(row.raw) { // the decoder would replace what is not
		return Entry{}, row.lineError(notUTF8)
	}
	if !row.plainObject() {
		if err := row.anyObject(); err != nil {
			return Entry{}, err
		}
	}
	return r.entry(row)
}

// anyObject finds the fields in any JSON object.
func (row *row) anyObject() error {
	var object map[string]any
	if err := json.Unmarshal(row.raw, &object); err != nil {
		return row.jsonError(err)
	}
	if object == nil {
		return row.jsonError(errors.New("null"))
	}
	maps.DeleteFunc(object, func(_ string, v any) bool { return v == nil })
	keys := slices.Sorted(maps.Keys(object))
	names := newNaming()
	for i, key := range keys {
		names.add(i, key)
	}
	if names.twice < fieldCount {
		return row.fieldError(names.twice, "is given by two keys")
	}
	for f, i := range names.at {
		if i < 0 {
			continue
		}
		text, ok := jsonText(object[keys[i]])
		if !ok {
			return row.fieldError(field(f), "must be a text or a whole number")
		}
		row.cells[f] = text
	}
	return nil
}

// jsonText gives a text or a whole number as text.
func jsonText(v any) ([]byte, bool) {
	switch v := v.(type) {
	case string:
		return []byte(v), true
	case float64:
		if v != math.Trunc(v) || math.Abs(v) >= 1<<53 {
			return nil, false
		}
		return strconv.AppendInt(nil, int64(v), 10), true
	}
	return nil, false
}

// jsonError says what is wrong with a line that is no object.
func (row *row) jsonError(err error) *LineError {
	if se, ok := errors.AsType[*json.SyntaxError](err); ok {
		e := row.lineError("is not JSON: " + strings.TrimPrefix(se.Error(), "json: "))
		// The offset is behind the byte that was wrong, except at the end.
		return row.at(e, min(max(0, int(se.Offset)-1), len(row.raw)))
	}
	return row.lineError(`is not a JSON object: write {"account": "anna", "nickname": "Anna", "level": "member"}`)
}

// plainObject finds the fields in what nearly every line is: an object of the
// proper names, each once, whose values are texts without escapes or small
// whole numbers. It reports false for everything else, valid or not, which is
// then left to anyObject; TestPlainObjects holds that both agree.
func (row *row) plainObject() bool {
	s := scanner{data: row.raw}
	if !s.take('{') {
		return false
	}
	var cells [fieldCount][]byte
	var starts [fieldCount]int
	for more := true; more; more = s.take(',') {
		key, ok := s.text()
		if !ok || !s.take(':') {
			return false
		}
		f, known := fieldNamesMain[string(key)]
		if !known || cells[f] != nil {
			return false
		}
		s.blanks()
		starts[f] = s.at
		if cells[f], ok = s.text(); !ok {
			if cells[f], ok = s.digits(); !ok {
				return false
			}
		}
	}
	if !s.take('}') {
		return false
	}
	if s.blanks(); s.at < len(s.data) {
		return false
	}
	for f := range cells {
		if row.cells[f] = cells[f]; cells[f] != nil {
			row.starts[f] = starts[f]
		}
	}
	return true
}

// scanner reads the tokens of a plain object.
type scanner struct {
	data []byte
	at   int
}

// blanks passes over JSON's white space.
func (s *scanner) blanks() {
	for s.at < len(s.data) && (s.data[s.at] == ' ' || s.data[s.at] == '\t' || s.data[s.at] == '\r') {
		s.at++
	}
}

// take passes over one character, if it comes next.
func (s *scanner) take(c byte) bool {
	s.blanks()
	if s.at < len(s.data) && s.data[s.at] == c {
		s.at++
		return true
	}
	return false
}

// text reads a string without escapes. It is never nil when it is there, and
// nothing is consumed when it is not.
func (s *scanner) text() (text []byte, ok bool) {
	from := s.at
	defer func() {
		if !ok {
			s.at = from
		}
	}()
	if !s.take('"') {
		return nil, false
	}
	for i, c := range s.data[s.at:] {
		switch {
		case c == '"':
			text = s.data[s.at : s.at+i]
			s.at += i + 1
			return text, true
		case c == '\\' || c < 0x20:
			return nil, false
		}
	}
	return nil, false
}

// digits reads a whole number that every decoder reads the same.
func (s *scanner) digits() ([]byte, bool) {
	from := s.at
	for s.at < len(s.data) && s.data[s.at] >= '0' && s.data[s.at] <= '9' {
		s.at++
	}
	n := s.at - from
	if n == 0 || n > 15 || n > 1 && s.data[from] == '0' {
		return nil, false
	}
	return s.data[from:s.at], true
}
