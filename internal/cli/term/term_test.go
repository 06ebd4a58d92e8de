package term

import (
	"bytes"
	"strings"
	"testing"
	"time"

	musterv1 "muster/gen/muster/v1"
)

func TestLanguageOf(t *testing.T) {
	for _, test := range []struct {
		environ []string
		want    Language
	}{
		{nil, English},
		{[]string{"LANG=zh_CN.UTF-8"}, Chinese},
		{[]string{"LANG=zh_CN.UTF-8", "LC_ALL=C"}, English},
		{[]string{"LANG=en_GB", "LC_MESSAGES=ZH_tw"}, Chinese},
		{[]string{"LC_ALL=", "LANG=zh"}, Chinese},
	} {
		if got := LanguageOf(test.environ); got != test.want {
			t.Errorf("%v: %d", test.environ, got)
		}
	}
}

// TestClean holds that what somebody else wrote cannot move the cursor, change
// the title, or turn the writing direction.
func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain 文字 é":      "plain 文字 é",
		"a\x1b[2Jb":       "a\uFFFD[2Jb",
		"a\x07\x00\u009b": "a\uFFFD\uFFFD\uFFFD",
		"two\nlines\r\t":  "two lines  ",
		"abc\u202efdp":    "abc\uFFFDfdp",
	} {
		if got := Clean(in); got != want {
			t.Errorf("%q: %q, expected %q", in, got, want)
		}
	}
}

func TestFigures(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{Number(int64(1234567)), "1,234,567"},
		{Number(0), "0"},
		{Size(999), "999 B"},
		{Size(1536), "1.5 KiB"},
		{Size(5 << 40), "5.0 TiB"},
		{Took(1234 * time.Microsecond), "1.2ms"},
		{Took(1234 * time.Millisecond), "1.23s"},
		{Took(90*time.Minute + 300*time.Millisecond), "1h30m0s"},
		{Bar(5, 10, 4), "██░░"},
		{Bar(10, 10, 4), "████"},
		{Bar(20, 10, 4), "████"},
		{Bar(0, 0, 2), "██"},
	} {
		if test.got != test.want {
			t.Errorf("%s, expected %s", test.got, test.want)
		}
	}
}

// TestTable holds that columns line up, also with characters that are two wide.
func TestTable(t *testing.T) {
	var out bytes.Buffer
	table := (&Term{Out: &out}).Table("", "name", ">n")
	table.Row("星星", "7")
	table.Row("ab\x1b", "1,000")
	table.Flush()
	table.Flush() // nothing new
	want := "name      n\n星星      7\nab\uFFFD   1,000\n"
	if got := out.String(); got != want {
		t.Errorf("%q, expected %q", got, want)
	}
}

// TestJSON holds that programs get JSON only, one object in a line.
func TestJSON(t *testing.T) {
	var out, errs bytes.Buffer
	term := &Term{Out: &out, Err: &errs, JSON: true}
	term.Print("for people", "")
	term.Tell("for people", "")
	progress := term.Progress("work", 10, People)
	progress.Set(5, 0)
	progress.Finish()
	table := term.Table("", "head")
	table.Row("row")
	table.Flush()
	if !term.Message(&musterv1.SendResponse{Seq: 7}) || !term.Object(map[string]string{"a": "<b>\n"}) {
		t.Fatal("not taken")
	}
	if got, want := out.String(), "{\"seq\":\"7\",\"timeMs\":\"0\"}\n{\"a\":\"<b>\\n\"}\n"; got != want {
		t.Errorf("%q, expected %q", got, want)
	}
	if errs.Len() > 0 {
		t.Errorf("on standard error: %q", errs.String())
	}
}

// TestProgress holds that without a terminal a progress is one line at the end,
// and none when it vanishes.
func TestProgress(t *testing.T) {
	var errs bytes.Buffer
	term := &Term{Err: &errs}
	progress := term.Progress("work", 10, People)
	progress.Set(4, 0)
	progress.Finish()
	progress.Finish()
	progress.Set(9, 0)
	if got := errs.String(); !strings.HasPrefix(got, "  work: 4 / 10 (40%) in ") || strings.Count(got, "\n") != 1 {
		t.Errorf("%q", got)
	}
	errs.Reset()
	gone := term.Progress("work", 10, Bytes)
	gone.Set(4, 0)
	gone.Vanish()
	gone.Finish()
	if errs.Len() > 0 {
		t.Errorf("%q", errs.String())
	}
}
