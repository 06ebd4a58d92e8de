// Package roster reads and writes roster files: the list of a channel's members
// as account, nickname and level, in CSV (RFC 4180 and what spreadsheets make of
// it) or JSON Lines (one object in each line).
//
// A file may have any size: a Reader holds one line at a time and never more
// than the longest that is allowed. A bad line is an error of its own, after
// which reading goes on; only what makes the whole file unreadable ends it.
//
// The package checks each line by itself. It does not know whether the accounts
// exist, whether one stands in the file twice, or who may import it.
package roster

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"muster"
)

// Entry is one line of a roster.
type Entry struct {
	// Line is where the entry starts in the file, counted from 1. A Writer
	// does not look at it.
	Line int
	// Account is the account's name, in lower case.
	Account string
	// Nickname is the name in this channel; "" is the account's own.
	Nickname string
	// Level is the rank in the channel.
	Level muster.Level
}

// Format is the form of a roster file.
type Format uint8

// The forms.
const (
	CSV Format = iota + 1
	JSONLines
)

// String gives the form as it stands in a flag: csv or jsonl.
func (f Format) String() string {
	switch f {
	case CSV:
		return "csv"
	case JSONLines:
		return "jsonl"
	}
	return fmt.Sprintf("format(%d)", uint8(f))
}

// ParseFormat reads a form's name: csv or jsonl.
func ParseFormat(s string) (Format, error) {
	switch strings.ToLower(s) {
	case "csv", "tsv":
		return CSV, nil
	case "jsonl", "ndjson":
		return JSONLines, nil
	}
	return 0, muster.Invalid("format", "%q is not a form of roster: use csv or jsonl", s)
}

// FormatOf tells the form from a file's name.
func FormatOf(path string) (Format, error) {
	ext := filepath.Ext(path)
	switch strings.ToLower(ext) {
	case ".csv", ".tsv", ".txt":
		return CSV, nil
	case ".jsonl", ".ndjson", ".json":
		return JSONLines, nil
	}
	return 0, muster.Invalid("format", "a name that ends in %q does not tell the form of the roster: use .csv or .jsonl", ext)
}

// Errors that end the reading of a file.
var (
	// ErrNotText is returned for a spreadsheet or another archive.
	ErrNotText = errors.New("this is a spreadsheet or an archive, not text: save it as CSV in UTF-8")
	// ErrUTF16 is returned for a file in UTF-16.
	ErrUTF16 = errors.New("the file is in UTF-16: save it in UTF-8")
	// ErrHeader is wrapped by what is wrong with the first line of a CSV file.
	ErrHeader = errors.New("the header is not usable")
	// ErrArray is returned for a file that is one JSON array.
	ErrArray = errors.New("the file is one JSON array, not JSON Lines: write one object in each line (jq -c '.[]')")
)

// LineError says what is wrong with one line. Reading goes on behind it.
type LineError struct {
	// Line is where the record starts, counted from 1.
	Line int
	// Column is the character in that line, counted from 1; 0 if the whole
	// line is meant or the place is in a later line of the record.
	Column int
	// Field is account, nickname or level; "" if the whole line is meant.
	Field string
	// Problem says what is wrong, and what is allowed.
	Problem string
	// Text is the beginning of the line, printable.
	Text string
}

// Error gives everything in one line.
func (e *LineError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "line %d", e.Line)
	if e.Column > 0 {
		fmt.Fprintf(&b, ", character %d", e.Column)
	}
	if e.Field != "" {
		b.WriteString(", " + e.Field)
	}
	b.WriteString(": " + e.Problem)
	if e.Text != "" {
		b.WriteString(": " + e.Text)
	}
	return b.String()
}

// excerptMax is the length of an excerpt in characters.
const excerptMax = 80

// excerpt gives the beginning of a line in printable characters of valid UTF-8.
func excerpt(line []byte) string {
	var b strings.Builder
	for n := 0; len(line) > 0; n++ {
		if n == excerptMax {
			b.WriteString("…")
			break
		}
		r, size := utf8.DecodeRune(line)
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = '\uFFFD'
		}
		b.WriteRune(r)
		line = line[size:]
	}
	return b.String()
}

// field is one of the three that a roster has.
type field uint8

const (
	account field = iota
	nickname
	level
	fieldCount
)

var fieldNames = [fieldCount]string{"account", "nickname", "level"}

// fieldNamesMain lists the proper names of the fields, and fieldAliases others
// that are understood where no proper one is there; in lower case and with
// underscores for spaces and hyphens.
var (
	fieldNamesMain = map[string]field{
		"account": account, "账号": account,
		"nickname": nickname, "昵称": nickname,
		"level": level, "等级": level,
	}
	fieldAliases = map[string]field{
		"account_name": account, "username": account, "user_name": account, "user": account, "login": account,
		"帐号": account, "账户": account, "用户名": account, "用户": account,
		"nick": nickname, "name": nickname, "display_name": nickname,
		"名称": nickname, "名字": nickname, "姓名": nickname,
		"rank": level, "role": level,
		"级别": level, "马甲": level, "身份": level,
	}
)

// naming finds out which of several names, the columns of a file or the keys of
// an object, stands for each field.
type naming struct {
	at    [fieldCount]int // index of the name; below 0 if there is none
	main  [fieldCount]bool
	twice field // a field that two names claim; fieldCount if none
}

// newNaming knows no name yet.
func newNaming() naming {
	return naming{at: [fieldCount]int{-1, -1, -1}, twice: fieldCount}
}

// add takes the i-th name.
func (n *naming) add(i int, name string) {
	name = strings.ToLower(strings.TrimSpace(name))
	name = strings.NewReplacer(" ", "_", "-", "_").Replace(name)
	f, main := fieldNamesMain[name]
	if !main {
		var ok bool
		if f, ok = fieldAliases[name]; !ok {
			return
		}
	}
	switch {
	case n.at[f] < 0 || main && !n.main[f]:
		n.at[f], n.main[f] = i, main
		if n.twice == f {
			n.twice = fieldCount
		}
	case main == n.main[f]:
		n.twice = f
	}
}

// any says whether a name stood for any field.
func (n *naming) any() bool { return n.at != [fieldCount]int{-1, -1, -1} }

// levelAliases are the Chinese names of the levels, and the numbers of the
// vocabulary (1 is guest, 6 is owner).
var levelAliases = map[string]muster.Level{
	"所有者": muster.Owner, "拥有者": muster.Owner, "频道主": muster.Owner,
	"管理员": muster.Admin, "管理": muster.Admin,
	"协管": muster.Moderator, "协管员": muster.Moderator,
	"会员": muster.Member, "成员": muster.Member,
	"嘉宾": muster.VIP, "贵宾": muster.VIP,
	"游客": muster.Guest, "访客": muster.Guest,
	"1": muster.Guest, "2": muster.VIP, "3": muster.Member,
	"4": muster.Moderator, "5": muster.Admin, "6": muster.Owner,
}

// parseLevel reads a level in English, in Chinese or as a number.
func parseLevel(s string) (muster.Level, bool) {
	if l, ok := levelAliases[s]; ok {
		return l, true
	}
	l, err := muster.ParseLevel(s)
	return l, err == nil
}

// message gives the sentence of an error of the vocabulary without the field,
// which a LineError names itself.
func message(err error) string {
	if e, ok := errors.AsType[*muster.Error](err); ok {
		return e.Message
	}
	return err.Error()
}
