package roster

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"muster"
)

// checkAnyFile holds for every file: reading ends; lines are counted upwards and
// are there; what is read is valid, is the same in whatever pieces it arrives,
// and is the same again after it was written in both forms.
func checkAnyFile(t *testing.T, data []byte, f Format) {
	t.Helper()
	o := Options{LineMax: 1 << 10}
	got := readAll(bytes.NewReader(data), f, o)
	if again := readAll(iotest.OneByteReader(bytes.NewReader(data)), f, o); cmp.Diff(got.entries, again.entries)+cmp.Diff(got.bad, again.bad) != "" {
		t.Fatalf("in pieces of a byte: %+v, at once: %+v", again, got)
	}
	lines := 1 + bytes.Count(data, []byte{'\n'})
	last := 0
	for _, e := range got.entries {
		if e.Line <= last || e.Line > lines {
			t.Fatalf("line %d after %d, of %d", e.Line, last, lines)
		}
		last = e.Line
		if name, err := muster.ParseAccountName(e.Account); err != nil || name != e.Account || !e.Level.OnRoster() {
			t.Fatalf("not valid: %+v", e)
		}
	}
	last = 0
	for _, e := range got.bad {
		if e.Line <= last || e.Line > lines || e.Problem == "" {
			t.Fatalf("line %d after %d, of %d: %v", e.Line, last, lines, e)
		}
		last = e.Line
		if !utf8.ValidString(e.Error()) || strings.ContainsAny(e.Error(), "\n\r\x00\x1b") || utf8.RuneCountInString(e.Text) > excerptMax+1 {
			t.Fatalf("not printable: %q", e.Error())
		}
	}
	for _, form := range []Format{CSV, JSONLines} {
		checkRoundTrip(t, got.entries, form)
	}
}

// fataler is what a test and a property have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkRoundTrip writes entries and reads them back.
func checkRoundTrip(t fataler, entries []Entry, f Format) {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, f)
	if err != nil {
		t.Fatalf("%v", err)
	}
	for _, e := range entries {
		if err := w.Write(e); err != nil {
			t.Fatalf("%v", err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatalf("%v", err)
	}
	file := b.String()
	got := readAll(&b, f, Options{})
	if got.err != nil || len(got.bad) > 0 || len(got.entries) != len(entries) {
		t.Fatalf("%+v from %q", got, file)
	}
	for i, e := range entries {
		e.Line = got.entries[i].Line
		if e != got.entries[i] {
			t.Fatalf("%+v came back as %+v from %q", e, got.entries[i], file)
		}
	}
}

func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"account,nickname,level\nanna,\"A \"\"b\"\"\",vip\nbob,'=x,1\n",
		"anna;A;guest\r\n\"\n\";x\n;;\n", "账号\t等级\nanna\t会员\n", "\ufeffanna,\"A\n,guest\nbob,\"\"\"\",vip",
		"\xff\xfea", "PK\x03\x04", "nickname,level\n", strings.Repeat("x", 1100) + "\nanna,A,vip", "anna,\xcd\xf5,vip", "user,,member\n\"user\"x,\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkAnyFile(t, data, CSV) })
}

func FuzzJSONLines(f *testing.F) {
	for _, seed := range []string{
		`{"account":"anna","nickname":"A","level":"vip"}` + "\n{\"账号\":\"bob\",\"等级\":6}\r\n", "[\n{}\n]", "{}\n\n{", `{"account":"anna","level":1e2}`,
		"\ufeff{\"ACCOUNT\":\"anna\",\"user\":\"x\",\"nick\":\"\\ud800\",\"rank\":\"会员\"}", "\"x\"\nnull\n", strings.Repeat(" ", 1100) + "{",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		checkAnyFile(t, data, JSONLines)
		comparePlain(t, bytes.TrimRight(data, "\n"))
	})
}

// nicknames draws stored nicknames, with what is special in CSV, in JSON and in
// spreadsheets.
func nicknames() *rapid.Generator[string] {
	special := []rune("\"',;\t=+-@＝＋－＠\\ {}\u2028<&>\uFEFFé长")
	return rapid.Custom(func(t *rapid.T) string {
		s := string(rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(special), rapid.Rune()), 1, 20).Draw(t, "runes"))
		nick, err := muster.ParseTitle("nickname", s, muster.MaxNickname)
		if err != nil {
			return ""
		}
		return nick
	})
}

// TestWhatIsWrittenReadsBack holds for any roster and both forms.
func TestWhatIsWrittenReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Entry {
			return Entry{
				Account:  rapid.StringMatching(`[a-z0-9][a-z0-9._-]{1,31}`).Draw(t, "account"),
				Nickname: nicknames().Draw(t, "nickname"),
				Level:    rapid.SampledFrom(muster.Levels).Draw(t, "level"),
			}
		}), 0, 20).Draw(t, "entries")
		for _, f := range []Format{CSV, JSONLines} {
			checkRoundTrip(t, entries, f)
		}
	})
}

// TestCSVReadsAsTheStandardLibrary compares the split of records with that of
// encoding/csv, for everything that the latter writes.
func TestCSVReadsAsTheStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		alphabet := []rune("ab ,\"\n\t;'é=")
		cell := rapid.Map(rapid.SliceOfN(rapid.SampledFrom(alphabet), 0, 8), func(r []rune) string { return string(r) })
		records := rapid.SliceOfN(rapid.SliceOfN(cell, 2, 5), 1, 6).Draw(t, "records")
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		if err := w.WriteAll(records); err != nil {
			t.Fatal(err)
		}
		file := b.String()
		r := NewReader(&b, CSV, Options{})
		r.csv.delimiter = ','
		for _, want := range records {
			n, err := r.nextLine()
			if err != nil {
				t.Fatalf("%v in %q", err, file)
			}
			_, n, err = r.record(n)
			if err != nil {
				t.Fatalf("%v in %q", err, file)
			}
			for i, c := range r.csv.cells {
				got := string(r.text(r.window.data(), c))
				if i >= len(want) || strings.TrimSpace(got) != strings.TrimSpace(want[i]) {
					t.Fatalf("cell %d is %q, want %q in %q", i, got, want, file)
				}
			}
			if len(r.csv.cells) != len(want) {
				t.Fatalf("%d cells, want %q in %q", len(r.csv.cells), want, file)
			}
			r.window.consume(n)
		}
	})
}

// comparePlain holds that a line which plainObject takes means to anyObject the
// same. It reports whether plainObject took it.
func comparePlain(t fataler, line []byte) bool {
	t.Helper()
	fast, slow := row{raw: line}, row{raw: line}
	if !utf8.Valid(line) || !fast.plainObject() {
		return false
	}
	if err := slow.anyObject(); err != nil {
		t.Fatalf("%q is not valid: %v", line, err)
	}
	for f := range fast.cells {
		if !bytes.Equal(fast.cells[f], slow.cells[f]) {
			t.Fatalf("%s of %q is %q, want %q", fieldNames[f], line, fast.cells[f], slow.cells[f])
		}
	}
	return true
}

// TestPlainObjects compares the two ways to read a line of JSON.
func TestPlainObjects(t *testing.T) {
	for line, want := range map[string]bool{
		`{"account":"anna","nickname":"安娜","level":3}`: true,
		" { \"level\" : \"vip\"\t,\"账号\":\"\"} \r":     true,
		`{"account":"anna"}`:                           true,
		`{}`:                                           false,
		`{"account":"a\u0062"}`:                        false,
		`{"account":"anna","account":"bob"}`:           false,
		`{"account":"anna","账号":"bob"}`:                false,
		`{"account":"anna",}`:                          false,
		`{"account":"anna"}x`:                          false,
		`{"level":01}`:                                 false,
		`{"level":-1}`:                                 false,
		`{"level":1.5}`:                                false,
		`{"level":1e1}`:                                false,
		`{"level":null}`:                               false,
		`{"level":}`:                                   false,
		`{"level"`:                                     false,
		`{"level":"0}`:                                 false, `{"level":"0,"account":"anna"}`: false,
		`{"level":"`:                   false,
		"{\"account\":\"a\tb\"}":       false,
		`{"Account":"anna"}`:           false,
		`{"account":1234567890123456}`: false,
		`{"account":123456789012345,"level":0,"nickname":7}`: true,
	} {
		if got := comparePlain(t, []byte(line)); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		token := rapid.SampledFrom([]string{`{`, `}`, `:`, `,`, ` `, `"`, `"account"`, `"level"`, `"昵称"`, `:"anna"`, `:"长"`, `:3`, `:0`, `1`, `\`, "\t", "\n", `null`})
		comparePlain(t, []byte("{"+strings.Join(rapid.SliceOfN(token, 0, 12).Draw(t, "tokens"), "")+"}"))
	})
}
