package journal

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const childDirectory = "JOURNAL_TEST_CHILD_DIRECTORY"

// runChild makes this process the one that TestKill kills, if it was started as that: it appends for ever and prints
// a line for each batch that was acknowledged, and one before each release.
func runChild() bool {
	dir := os.Getenv(childDirectory)
	if dir == "" {
		return false
	}
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	j, err := Open(Options{Dir: dir, SegmentBytes: minSegmentBytes}, func(Position, []byte) error { return nil })
	if err != nil {
		fail(err)
	}
	r := rand.New(rand.NewPCG(uint64(os.Getpid()), 0))
	var l ledger
	for {
		batch := l.batch(r)
		last, err := j.Append(batch)
		if err != nil {
			fail(err)
		}
		line := fmt.Sprintf("ack %d", last)
		for _, record := range batch {
			line += fmt.Sprintf(" %d", crc32.ChecksumIEEE(record))
		}
		fmt.Println(line)
		if r.IntN(20) == 0 {
			upTo := last - Position(r.IntN(100))
			if upTo > last { // below zero
				continue
			}
			fmt.Println("release", upTo)
			if err := j.Release(upTo); err != nil {
				fail(err)
			}
		}
	}
}

// child is a process that appends, as its output tells it.
type child struct {
	t   *testing.T
	cmd *exec.Cmd
	out *bufio.Reader
	// sums holds the checksum of every acknowledged record, released how far the child may have released them.
	sums     map[Position]uint32
	released Position
}

func startChild(t *testing.T, dir string) *child {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDirectory+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &child{t: t, cmd: cmd, out: bufio.NewReader(out), sums: map[Position]uint32{}}
}

func (c *child) waitForAcks(n int) {
	c.t.Helper()
	for n > 0 {
		line, err := c.out.ReadString('\n')
		if err != nil {
			c.t.Fatalf("the child ended by itself: %v", err)
		}
		if c.note(line) {
			n--
		}
	}
}

// note remembers a line of the child's; it says whether that is an acknowledgement.
func (c *child) note(line string) bool {
	c.t.Helper()
	words := strings.Fields(line)
	var pos Position
	if len(words) < 2 {
		c.t.Fatalf("the child said %q", line)
	}
	if _, err := fmt.Sscan(words[1], &pos); err != nil {
		c.t.Fatalf("the child said %q", line)
	}
	if words[0] == "release" {
		c.released = max(c.released, pos)
		return false
	}
	first := pos - Position(len(words)-2) + 1
	for i, w := range words[2:] {
		var sum uint32
		if _, err := fmt.Sscan(w, &sum); err != nil {
			c.t.Fatalf("the child said %q", line)
		}
		at := first + Position(i)
		if _, twice := c.sums[at]; twice {
			c.t.Errorf("position %d was acknowledged twice", at)
		}
		c.sums[at] = sum
	}
	return true
}

// kill sends SIGKILL and reads what the child had said before it. A line that is cut off was no acknowledgement.
func (c *child) kill() {
	c.t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	for {
		line, err := c.out.ReadString('\n')
		if err != nil {
			break
		}
		c.note(line)
	}
	_ = c.cmd.Wait() // "signal: killed"
}

func TestKill(t *testing.T) {
	t.Parallel()
	kills := 30
	if testing.Short() {
		kills = 20
	}
	opt := Options{Dir: t.TempDir()}
	r := rand.New(rand.NewPCG(1, 2))
	sums := map[Position]uint32{}
	var released, last Position
	for k := range kills {
		c := startChild(t, opt.Dir)
		c.sums, c.released = sums, released
		c.waitForAcks(1 + r.IntN(200))
		c.kill()
		released = c.released
		j, got := reopen(t, opt)
		found := map[Position]bool{}
		for _, e := range got {
			found[e.pos] = true
			if sum, acked := sums[e.pos]; acked && sum != crc32.ChecksumIEEE([]byte(e.data)) {
				t.Fatalf("kill %d: position %d came back with another record", k, e.pos)
			}
			sums[e.pos] = crc32.ChecksumIEEE([]byte(e.data)) // from now on it has to stay
			last = max(last, e.pos)
		}
		for pos := range sums {
			if pos > released && !found[pos] {
				t.Fatalf("kill %d: position %d was acknowledged and is missing", k, pos)
			}
		}
		if !slices.IsSortedFunc(got, func(a, b entry) int { return int(a.pos) - int(b.pos) }) {
			t.Fatalf("kill %d: replayed out of order", k)
		}
		mustClose(t, j)
	}
	t.Logf("%d kills, %d records, the last at position %d", kills, len(sums), last)
}
