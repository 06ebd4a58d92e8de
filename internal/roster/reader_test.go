package roster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"muster"
)

// outcome is all that a Reader gives for a file.
type outcome struct {
	entries []Entry
	bad     []*LineError
	err     error // what ended it; nil is io.EOF
}

// readAll reads a file to its end.
func readAll(r io.Reader, f Format, o Options) outcome {
	var out outcome
	reader := NewReader(r, f, o)
	for {
		e, err := reader.Next()
		if le, ok := errors.AsType[*LineError](err); ok {
			out.bad = append(out.bad, le)
			continue
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				out.err = err
			}
			return out
		}
		out.entries = append(out.entries, e)
	}
}

// checkGood reads a file that must hold exactly these entries.
func checkGood(t *testing.T, f Format, text string, want ...Entry) {
	t.Helper()
	got := readAll(strings.NewReader(text), f, Options{})
	if got.err != nil || len(got.bad) > 0 {
		t.Errorf("%q: %v %v", text, got.err, got.bad)
	}
	if diff := cmp.Diff(want, got.entries); diff != "" {
		t.Errorf("%q: (-want +got)\n%s", text, diff)
	}
}

// checkBad reads a file whose first bad line must be answered with this text,
// and whose last line must come through all the same.
func checkBad(t *testing.T, f Format, last, text, want string) {
	t.Helper()
	got := readAll(strings.NewReader(text+"\n"+last), f, Options{})
	if got.err != nil || len(got.bad) == 0 {
		t.Errorf("%q: ended with %v, bad lines %v", text, got.err, got.bad)
		return
	}
	if s := got.bad[0].Error(); !strings.HasPrefix(s, want) {
		t.Errorf("%q:\ngot  %s\nwant %s", text, s, want)
	}
	if n := len(got.entries); n == 0 || got.entries[n-1].Account != "last" {
		t.Errorf("%q: the line behind it is lost: %v %v", text, got.entries, got.bad)
	}
}

func TestCSV(t *testing.T) {
	anna := func(line int) Entry {
		return Entry{Line: line, Account: "anna", Nickname: "Anna", Level: muster.Admin}
	}
	bob := func(line int) Entry { return Entry{Line: line, Account: "bob", Level: muster.Guest} }
	valid := func(text string, want ...Entry) { t.Helper(); checkGood(t, CSV, text, want...) }

	valid("")
	valid("\n\r\n  \n")
	valid("account,nickname,level\n")
	valid("anna,Anna,admin", anna(1))
	valid("anna,Anna,admin\nbob,,guest\n", anna(1), bob(2))
	valid("account,nickname,level\nanna,Anna,admin\nbob,,guest\n", anna(2), bob(3))
	valid("\ufeffaccount,nickname,level\r\nanna,Anna,admin\r\n\r\nbob,,guest\r\n", anna(2), bob(4))
	valid("Level,ACCOUNT,Nickname\nadmin,Anna,Anna\nguest,BOB,\n", anna(2), bob(3))
	valid("账号,昵称,等级\nanna,Anna,管理员\nbob,,游客", anna(2), bob(3))
	valid("id,User Name,级别,Display-Name,note\n7,anna,5,Anna,\"a\nb, c\n\"\n8,bob,1\n", anna(2), bob(5))
	valid("account;nickname;level\nanna;Anna;admin\n", anna(2))
	valid("account\tnickname\tlevel\nanna\tAnna\tadmin\nbob\t\tguest\n", anna(2), bob(3))
	valid(" anna , Anna ,\tADMIN \n", anna(1))
	valid("\"anna\", \"Anna\" ,\"admin\"\n\"bob\",\"\",guest", anna(1), bob(2))
	valid("\"account\",\"level\"\nanna,admin", Entry{Line: 2, Account: "anna", Level: muster.Admin})
	valid("account,nickname,level\n,,\nanna,Anna,admin\n,,,,,\n", anna(3))
	valid(",,\naccount,level,nickname\nanna,admin,Anna\n", anna(3))
	valid("anna,\"An\nna\",vip\nbob,,guest", Entry{Line: 1, Account: "anna", Nickname: "An na", Level: muster.VIP}, bob(3))
	valid("anna,\"A \"\"n\"\", a\"\"\",vip", Entry{Line: 1, Account: "anna", Nickname: `A "n", a"`, Level: muster.VIP})
	valid("anna,A \"n\" a,vip", Entry{Line: 1, Account: "anna", Nickname: `A "n" a`, Level: muster.VIP})
	valid("name,nickname,account,user,level,role\nAnna Smith,Anna,anna,x,admin,y\n", anna(2))
	valid("user,User,member", Entry{Line: 1, Account: "user", Nickname: "User", Level: muster.Member})
	valid("anna,'=1+1,vip\nbob,'n Sync,vip", Entry{Line: 1, Account: "anna", Nickname: "=1+1", Level: muster.VIP}, Entry{Line: 2, Account: "bob", Nickname: "'n Sync", Level: muster.VIP})

	bad := func(text, want string) {
		t.Helper()
		checkBad(t, CSV, "last,,guest\n", text, want)
		checkBad(t, CSV, "last,,guest\n", "account,nickname,level\r\n"+text+"\r", strings.Replace(want, "line 1", "line 2", 1))
	}
	bad("a,A,guest", "line 1, character 1, account: an account name has 2 to 32 characters: a,A,guest")
	bad(",A,guest", "line 1, character 1, account: an account name has 2 to 32 characters: ,A,guest")
	bad("an na,A,guest", "line 1, character 1, account: an account name holds a-z")
	bad("安娜,A,guest", "line 1, character 1, account: an account name holds a-z")
	bad("anna,安娜,king", `line 1, character 9, level: "king" is not a level: use owner, admin,`)
	bad("anna,Anna,0", `line 1, character 11, level: "0" is not a level`)
	bad("anna,Anna,visitor", `line 1, character 11, level: "visitor" is not a level`)
	bad("anna,Anna", "line 1, level: is missing: use owner")
	bad("anna,Anna,", "line 1, character 11, level: is missing: use owner")
	bad("anna,"+strings.Repeat("长", 65)+",guest", "line 1, character 6, nickname: has more than 64 characters: anna,长长长")
	bad("anna,A\x00a,guest", "line 1, character 6, nickname: holds a control character (U+0000): anna,A\uFFFDa,guest")
	bad("anna,\"A\n\u202eb\",\"guest\"", "line 1, character 7, nickname: holds a control character (U+202E): anna,\"A")
	bad("anna,A, the great,guest", "line 1, character 19: has 4 fields where the file has 3: put a field that holds a delimiter in quotes: anna,A, the great,guest")
	bad("anna,\"A\" b,guest", "line 1, character 10: something stands behind the quote that closes the field: write \"\" for a quote inside it: anna,\"A\" b,guest")
	bad("anna,\"A,guest", "line 1, character 6: a quote is opened and not closed: anna,\"A,guest")
	bad("anna,\"A,guest\nbob,B,guest\ncarol,\"C\",guest", "line 1, character 6: a quote is opened, and the next one stands in a later line")
	bad("anna,"+strings.Repeat("x", 64<<10)+",guest", "line 1: is longer than 65536 bytes: anna,xxxx")
}

// TestCSVGoesOnBehindAnOpenQuote holds that one stray quote costs one line.
func TestCSVGoesOnBehindAnOpenQuote(t *testing.T) {
	var b strings.Builder
	b.WriteString("account,nickname,level\nanna,\"Anna,guest\n")
	for i := range 20000 { // well beyond the longest record
		fmt.Fprintf(&b, "p%d,Person %d,member\n", i, i)
	}
	got := readAll(strings.NewReader(b.String()), CSV, Options{})
	if got.err != nil || len(got.bad) != 1 || got.bad[0].Line != 2 || len(got.entries) != 20000 {
		t.Fatalf("%v, %v, %d entries", got.err, got.bad, len(got.entries))
	}
	for i, e := range got.entries {
		if want := (Entry{Line: i + 3, Account: fmt.Sprintf("p%d", i), Nickname: fmt.Sprintf("Person %d", i), Level: muster.Member}); e != want {
			t.Fatalf("got %v, want %v", e, want)
		}
	}
}

func TestCSVFirstLineIsNotUTF8(t *testing.T) {
	got := readAll(strings.NewReader("\xd5\xcb\xba\xc5,\xea\xc7\xb3\xc6\nanna,Anna\n"), CSV, Options{}) // 账号,昵称 in GBK
	if !errors.Is(got.err, ErrHeader) || !strings.Contains(got.err.Error(), "GBK") || len(got.entries)+len(got.bad) > 0 {
		t.Errorf("%+v", got)
	}
	checkBad(t, CSV, "last,,guest\n", "anna,,guest\nbob,\xcd\xf5,guest", "line 2: is not UTF-8: save the file in UTF-8")
}

func TestCSVHeaderErrors(t *testing.T) {
	for text, want := range map[string]string{
		"nickname,level\nAnna,guest\n":          "line 1: the header is not usable: no column is called account (or 账号): nickname,level",
		"account,账号,level\nanna,a,guest\n":      "line 1: the header is not usable: two columns are for account: account,账号,level",
		"user,login,level\nanna,a,guest\n":      "line 1: the header is not usable: two columns are for account: user,login,level",
		"\n\naccount,nickname\nanna,Anna\n":     "line 3: the header is not usable: no column is called level (or 等级): account,nickname",
		"PK\x03\x04\x14\x00\x06\x00":            ErrNotText.Error(),
		"\xff\xfea\x00n\x00n\x00a\x00,\x00":     ErrUTF16.Error(),
		"\xfe\xff\x00a\x00n\x00n\x00a\x00,\x00": ErrUTF16.Error(),
	} {
		got := readAll(strings.NewReader(text), CSV, Options{})
		if got.err == nil || got.err.Error() != want || len(got.entries)+len(got.bad) > 0 {
			t.Errorf("%q:\ngot  %v\nwant %s", text, got.err, want)
		}
	}
}

func TestJSONLines(t *testing.T) {
	anna := func(line int) Entry {
		return Entry{Line: line, Account: "anna", Nickname: "Anna", Level: muster.Admin}
	}
	valid := func(text string, want ...Entry) { t.Helper(); checkGood(t, JSONLines, text, want...) }
	valid("")
	valid("\n \r\n")
	valid(`{"account":"anna","nickname":"Anna","level":"admin"}`, anna(1))
	valid("\ufeff{\"Level\":\"ADMIN\",\"ACCOUNT\":\"Anna\",\"nick\":\" Anna \",\"more\":[1,{}]}\r\n\r\n{\"账号\":\"anna\",\"昵称\":\"Anna\",\"等级\":\"管理员\"}", anna(1), anna(3))
	valid(`{"account":10001,"nickname":null,"level":6}`, Entry{Line: 1, Account: "10001", Level: muster.Owner})
	valid(`{"user":"anna","name":"A\"\n\u0061","rank":"嘉宾"}`, Entry{Line: 1, Account: "anna", Nickname: `A" a`, Level: muster.VIP})
	valid(`{"name":"Anna Smith","nickname":"Anna","user":"x","account":"anna","Level":null,"role":"admin"}`, anna(1))
	valid(`{"account":"x","nickname":"Anna","level":"admin","account":"anna"}`, anna(1)) // the last of one key counts

	bad := func(text, want string) {
		t.Helper()
		checkBad(t, JSONLines, `{"account":"last","level":"guest"}`, text, want)
	}
	bad(`{"account":"anna","level":"guest"`, "line 1, character 33: is not JSON: unexpected end of JSON input")
	bad(`{"account":"安娜","level":guest}`, "line 1, character 25: is not JSON: invalid character 'g' looking for beginning of value: {\"account\"")
	bad(`{"account":"anna","level":"guest"} {}`, "line 1, character 36: is not JSON: invalid character '{' after top-level value")
	bad(`anna,Anna,guest`, "line 1, character 1: is not JSON: invalid character 'a'")
	bad(`"anna"`, "line 1: is not a JSON object: write {")
	bad(`null`, "line 1: is not a JSON object")
	bad(`{"user":"anna","login":"anna","level":1}`, "line 1, account: is given by two keys")
	bad(`{"account":"anna","ACCOUNT":"bob","level":1}`, "line 1, account: is given by two keys")
	bad(`{"level":"guest"}`, "line 1, account: an account name has 2 to 32 characters")
	bad(`{"account":"anna"}`, "line 1, level: is missing: use owner")
	bad(`{"account":"anna","level":1.5}`, "line 1, level: must be a text or a whole number")
	bad(`{"account":1e300,"level":1}`, "line 1, account: must be a text or a whole number")
	bad(`{"account":{},"level":1}`, "line 1, account: must be a text or a whole number")
	bad(`{"account":"anna","level":true}`, "line 1, level: must be a text or a whole number")
	bad(`{"account":"anna","level":7}`, `line 1, character 27, level: "7" is not a level`)
	bad("{\"account\":\"anna\",\"nickname\":\"\xcd\xf5\",\"level\":1}", "line 1: is not UTF-8")
	bad(`{"account":"anna","nickname":"\u0007","level":1}`, "line 1, nickname: holds a control character (U+0007)")
	bad(`{"account":"`+strings.Repeat("x", 1<<20)+`"}`, `line 1: is longer than 65536 bytes: {"account":"xxx`)

	if got := readAll(strings.NewReader("\n[\n{\"account\":\"anna\",\"level\":1}\n]"), JSONLines, Options{}); !errors.Is(got.err, ErrArray) {
		t.Errorf("an array: %+v", got)
	}
}

func TestDefaultLevel(t *testing.T) {
	o := Options{Level: muster.Member}
	want := []Entry{{Line: 2, Account: "anna", Level: muster.Member}, {Line: 3, Account: "bob", Level: muster.Member}}
	if got := readAll(strings.NewReader("account\nanna\nbob\n"), CSV, o); cmp.Diff(want, got.entries) != "" || got.err != nil || got.bad != nil {
		t.Errorf("CSV: %+v", got)
	}
	if got := readAll(strings.NewReader("\n{\"account\":\"anna\"}\n{\"account\":\"bob\",\"level\":\"\"}"), JSONLines, o); cmp.Diff(want, got.entries) != "" || got.err != nil || got.bad != nil {
		t.Errorf("JSON Lines: %+v", got)
	}
}

// TestLevelNames holds every name of every level.
func TestLevelNames(t *testing.T) {
	for want, names := range map[muster.Level]string{
		muster.Owner: "owner Owner 所有者 6", muster.Admin: "admin ADMIN 管理员 5", muster.Moderator: "moderator 协管 4",
		muster.Member: "member 会员 3", muster.VIP: "vip VIP 嘉宾 2", muster.Guest: "guest 游客 1",
	} {
		for _, name := range strings.Fields(names) {
			if got, ok := parseLevel(name); !ok || got != want {
				t.Errorf("%s: %v, %v; want %v", name, got, ok, want)
			}
		}
	}
}

// TestLineMax holds the limit to the byte, with each end of line.
func TestLineMax(t *testing.T) {
	for _, end := range []string{"\n", "\r\n", ""} {
		for size, ok := range map[int]bool{99: true, 100: true, 101: false} {
			line := "anna,A,guest,"
			line += strings.Repeat(" ", size-len(line))
			got := readAll(strings.NewReader(line+end), CSV, Options{LineMax: 100})
			if (len(got.entries) == 1) != ok || (len(got.bad) == 1) == ok || got.err != nil {
				t.Errorf("%d bytes and %q: %+v", size, end, got)
			}
		}
	}
	// A record of several lines has the same limit; beyond it, the quote counts
	// as never closed.
	record := func(n int) string { return "anna,\"A\"\"\n" + strings.Repeat(" ", n) + "\",guest" }
	fixed := len(record(0))
	for size, ok := range map[int]bool{100: true, 101: false} {
		got := readAll(strings.NewReader(record(size-fixed)), CSV, Options{LineMax: 100})
		if (len(got.entries) == 1) != ok || got.err != nil {
			t.Errorf("a record of %d bytes: %+v", size, got)
		}
	}
}

func TestReaderErrorsEndIt(t *testing.T) {
	broken := errors.New("the disk is gone")
	for _, f := range []Format{CSV, JSONLines} {
		r := NewReader(io.MultiReader(strings.NewReader("\n\"anna"), iotest.ErrReader(broken)), f, Options{})
		for range 2 {
			if _, err := r.Next(); !errors.Is(err, broken) {
				t.Errorf("%v: %v", f, err)
			}
		}
	}
	if _, err := NewReader(strings.NewReader("x"), 0, Options{}).Next(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("no format: %v", err)
	}
	if _, err := NewReader(stuck{}, CSV, Options{}).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that gives nothing: %v", err)
	}
}

// stuck is a reader that never gives anything.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// repeat gives the same text n times.
type repeat struct {
	text string
	n    int
	rest string
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.n == 0 {
			return 0, io.EOF
		}
		r.n--
		r.rest = r.text
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// TestMemoryIsConstant reads large files without a single entry and counts every
// byte that is allocated meanwhile, which must stay near the size of the window.
func TestMemoryIsConstant(t *testing.T) {
	chunk := strings.Repeat("x", 1<<20)
	for name, test := range map[string]struct {
		format Format
		text   string
		n      int
	}{
		"one CSV line":        {CSV, chunk, 128},
		"one JSON line":       {JSONLines, "{" + chunk, 128},
		"one quoted line":     {CSV, `"` + chunk, 128},
		"nothing but newline": {CSV, strings.Repeat("\n", 1<<20), 8},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			r := NewReader(&repeat{text: test.text, n: test.n}, test.format, Options{})
			runtime.ReadMemStats(&before)
			for {
				if _, err := r.Next(); errors.Is(err, io.EOF) {
					break
				} else if _, ok := errors.AsType[*LineError](err); !ok {
					t.Fatal(err)
				}
			}
			runtime.ReadMemStats(&after)
			if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
				t.Errorf("allocated %d bytes", got)
			}
		})
	}
}

// TestPieces holds that it does not matter in which pieces a file arrives.
func TestPieces(t *testing.T) {
	text := "\ufeffaccount,nickname,level\r\nanna,\"A\r\n\"\"n\",admin\r\n\r\nbob,\"x,guest\r\ncarol,,vip\r\n,,\r\nlong," + strings.Repeat("y", 300) + ",vip\r\ndave,Dave,5"
	o := Options{LineMax: 100}
	want := readAll(strings.NewReader(text), CSV, o)
	if len(want.entries) != 3 || len(want.bad) != 2 {
		t.Fatalf("%+v", want)
	}
	for name, r := range map[string]io.Reader{
		"a byte at a time":   iotest.OneByteReader(strings.NewReader(text)),
		"halves":             iotest.HalfReader(strings.NewReader(text)),
		"data with its EOF":  iotest.DataErrReader(strings.NewReader(text)),
		"a byte and its EOF": iotest.DataErrReader(iotest.OneByteReader(bytes.NewReader([]byte(text)))),
	} {
		got := readAll(r, CSV, o)
		if diff := cmp.Diff(want.entries, got.entries) + cmp.Diff(want.bad, got.bad); diff != "" || got.err != nil {
			t.Errorf("%s: %v %s", name, got.err, diff)
		}
	}
}
