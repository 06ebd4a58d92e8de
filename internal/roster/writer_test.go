package roster

import (
	"errors"
	"io"
	"strings"
	"testing"

	"muster"
)

func TestWriter(t *testing.T) {
	entries := []Entry{
		{Account: "anna", Nickname: "安娜, the <great>", Level: muster.Owner},
		{Account: "bob", Level: muster.Guest},
		{Account: "eve", Nickname: `=HYPERLINK("http://x")`, Level: muster.VIP},
	}
	for f, want := range map[Format]string{
		CSV:       "account,nickname,level\nanna,\"安娜, the <great>\",owner\nbob,,guest\neve,\"'=HYPERLINK(\"\"http://x\"\")\",vip\n",
		JSONLines: `{"account":"anna","nickname":"安娜, the <great>","level":"owner"}` + "\n" + `{"account":"bob","level":"guest"}` + "\n" + `{"account":"eve","nickname":"=HYPERLINK(\"http://x\")","level":"vip"}` + "\n",
	} {
		var b strings.Builder
		w, err := NewWriter(&b, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if err := w.Write(e); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil || b.String() != want {
			t.Errorf("%v: %v\n%s", f, err, b.String())
		}
	}
}

func TestWriterOfNobody(t *testing.T) {
	var b strings.Builder
	w, err := NewWriter(&b, CSV)
	if err != nil || w.Flush() != nil || b.String() != "account,nickname,level\n" {
		t.Errorf("%v %q", err, b.String())
	}
	if _, err := NewWriter(&b, 0); err == nil {
		t.Error("a file without a form")
	}
}

// full is a disk that is full.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestWriterTellsErrors(t *testing.T) {
	for _, f := range []Format{CSV, JSONLines} {
		w, err := NewWriter(full{}, f)
		if err != nil {
			t.Fatal(err)
		}
		for range 10000 { // beyond every buffer
			if err = w.Write(Entry{Account: "anna", Level: muster.VIP}); err != nil {
				break
			}
		}
		if flush := w.Flush(); !errors.Is(flush, io.ErrShortWrite) || err == nil {
			t.Errorf("%v: Write %v, Flush %v", f, err, flush)
		}
	}
}

func TestFormats(t *testing.T) {
	for name, want := range map[string]Format{"a.csv": CSV, "b.TSV": CSV, "/x/y.txt": CSV, "c.jsonl": JSONLines, "d.ndjson": JSONLines, "e.json": JSONLines} {
		if got, err := FormatOf(name); err != nil || got != want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, f := range []Format{CSV, JSONLines} {
		if got, err := ParseFormat(f.String()); err != nil || got != f {
			t.Errorf("%v: %v, %v", f, got, err)
		}
	}
	for _, name := range []string{"roster", "roster.xlsx", ""} {
		if _, err := FormatOf(name); muster.CodeOf(err) != muster.CodeInvalidArgument {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := ParseFormat(name); muster.CodeOf(err) != muster.CodeInvalidArgument {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// benchmarkReader reads as many lines as the benchmark asks for and prints the
// rate.
func benchmarkReader(b *testing.B, f Format, line string) {
	const lines = 100_000
	b.SetBytes(int64(lines * len(line)))
	b.ReportAllocs()
	for b.Loop() {
		r := NewReader(&repeat{text: strings.Repeat(line, 1000), n: lines / 1000}, f, Options{})
		n := 0
		for ; ; n++ {
			if _, err := r.Next(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
		if n != lines {
			b.Fatalf("%d lines", n)
		}
	}
	b.ReportMetric(lines*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

func BenchmarkReadCSV(b *testing.B) { benchmarkReader(b, CSV, "person.123456,Person 123456,member\n") }

func BenchmarkReadCSVQuoted(b *testing.B) {
	benchmarkReader(b, CSV, "\"person.123456\",\"Person \"\"123\"\" 456\",\"会员\"\n")
}

func BenchmarkReadJSONLines(b *testing.B) {
	benchmarkReader(b, JSONLines, `{"account":"person.123456","nickname":"Person 123456","level":"member"}`+"\n")
}

func BenchmarkWriteCSV(b *testing.B) {
	w, err := NewWriter(io.Discard, CSV)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := w.Write(Entry{Account: "person.123456", Nickname: "Person 123456", Level: muster.Member}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
