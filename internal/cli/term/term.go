// Package term is what the command line says and how: texts in English and
// Chinese, tables, progress bars on a terminal and plain lines elsewhere, and
// JSON for programs.
//
// What a command found out goes to standard output; what it tells meanwhile
// (progress, advice, errors) goes to standard error, so that a pipe gets the
// result only.
package term

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Language is one of the two that the command line speaks.
type Language uint8

// The languages.
const (
	English Language = iota
	Chinese
)

// LanguageOf tells the language from the environment as os.Environ gives it:
// LC_ALL, LC_MESSAGES and LANG, the first that is set, as in POSIX.
func LanguageOf(environ []string) Language {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		for _, entry := range environ {
			if value, ok := strings.CutPrefix(entry, name+"="); ok && value != "" {
				if strings.HasPrefix(strings.ToLower(value), "zh") {
					return Chinese
				}
				return English
			}
		}
	}
	return English
}

// Of chooses the text in the language; without a Chinese one the English stands
// for both.
func (l Language) Of(en, zh string) string {
	if l == Chinese && zh != "" {
		return zh
	}
	return en
}

// Term is where a command talks. Safe for concurrent use, but for its fields.
type Term struct {
	// In, Out and Err are the standard streams.
	In       io.Reader
	Out, Err io.Writer
	// JSON asks for machine-readable results on Out, and silence on Err but
	// for errors.
	JSON bool
	// Lang is the language of people.
	Lang Language
	// Live says that Err is a terminal: bars may be drawn over.
	Live bool
	// Color says that colours may be used on Out.
	Color bool

	mu sync.Mutex
}

// Standard is the Term of the process's own streams.
func Standard(environ []string) *Term {
	t := &Term{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Lang: LanguageOf(environ)}
	t.Live = IsTerminal(os.Stderr)
	t.Color = IsTerminal(os.Stdout) && !has(environ, "NO_COLOR")
	return t
}

// IsTerminal says whether a file is a terminal.
func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) } //nolint:gosec // a descriptor is small

func has(environ []string, name string) bool {
	for _, entry := range environ {
		if n, v, _ := strings.Cut(entry, "="); n == name && v != "" {
			return true
		}
	}
	return false
}

// Print writes a line of the result. en and zh take the same arguments.
func (t *Term) Print(en, zh string, args ...any) {
	if t.JSON {
		return
	}
	t.write(t.Out, fmt.Sprintf(t.Lang.Of(en, zh), args...)+"\n")
}

// Tell writes a line beside the result: progress and advice.
func (t *Term) Tell(en, zh string, args ...any) {
	if t.JSON {
		return
	}
	t.write(t.Err, fmt.Sprintf(t.Lang.Of(en, zh), args...)+"\n")
}

// Raw writes text that is a result in itself.
func (t *Term) Raw(text string) { t.write(t.Out, text) }

func (t *Term) write(w io.Writer, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = io.WriteString(w, text) // who reads it may have gone: the work goes on
}

// Message writes a message of the schema as one line of JSON, in the form of the
// HTTP API, if JSON is asked for, and says whether it was.
func (t *Term) Message(m proto.Message) bool {
	if !t.JSON {
		return false
	}
	t.write(t.Out, MessageJSON(m)+"\n")
	return true
}

// MessageJSON is a message in one line of JSON. Numbers of 64 bits are strings,
// as everywhere in the JSON of protobuf.
func MessageJSON(m proto.Message) string {
	raw, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(m)
	var line bytes.Buffer
	if err == nil {
		err = json.Compact(&line, raw) // protojson's white space differs from build to build
	}
	if err != nil {
		return fmt.Sprintf("{\"error\":%q}", err.Error())
	}
	return line.String()
}

// Object writes a value as one line of JSON if JSON is asked for, and says
// whether it was.
func (t *Term) Object(v any) bool {
	if !t.JSON {
		return false
	}
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		fmt.Fprintf(&line, "{\"error\":%q}\n", err.Error())
	}
	t.write(t.Out, line.String())
	return true
}

// The styles of Paint.
const (
	Bold   = "1"
	Dim    = "2"
	Red    = "31"
	Green  = "32"
	Yellow = "33"
	Cyan   = "36"
)

// Paint gives the text in a style where colours may be used.
func (t *Term) Paint(style, text string) string {
	if !t.Color {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// Clean makes a text of somebody else safe for a terminal: control characters,
// with which it could move the cursor or change the title, become U+FFFD.
// Line ends become spaces.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < 0x20 || r >= 0x7f && r < 0xa0:
			return '\uFFFD'
		case r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069: // writing direction
			return '\uFFFD'
		}
		return r
	}, s)
}
