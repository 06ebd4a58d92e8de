package fault

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"
)

// said begins the lines of a child that are meant for its parent, among those of
// the testing package.
const said = "said: "

// patience is how long a parent waits for a word. Whoever says nothing for that
// long hangs.
const patience = 5 * time.Minute

// Child is this test binary once more, as a process of its own that runs one
// test. The test finds out by its environment what to do, and skips when it is
// not run by a parent.
type Child struct {
	t     testing.TB
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string // what it says; closed at its end
}

// StartChild starts a process that runs the named test with these additions to
// the environment ("NAME=value"). It is killed at the end of the parent's test
// at the latest.
func StartChild(t testing.TB, test string, env ...string) *Child {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+test+"$", "-test.count=1", "-test.timeout=0")
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &Child{t: t, cmd: cmd, in: in, lines: make(chan string, 1<<16)}
	go c.read(out)
	t.Cleanup(func() { _ = c.Kill() })
	return c
}

// read passes on what the child says until it ends; Kill and Wait wait for that.
func (c *Child) read(out io.Reader) {
	defer close(c.lines)
	other := ""
	for in := bufio.NewScanner(out); in.Scan(); {
		if text, ok := strings.CutPrefix(in.Text(), said); ok {
			c.lines <- text
		} else {
			other += in.Text() + "\n"
		}
	}
	if strings.Contains(other, "FAIL") {
		fmt.Fprintln(os.Stderr, "a child process failed:\n"+other)
	}
}

// Hear waits for the next line that one of the children says, and tells which
// one. ok is false when that child has ended instead.
func Hear(children ...*Child) (i int, line string, ok bool) {
	cases := make([]reflect.SelectCase, len(children)+1)
	for i, c := range children {
		cases[i] = reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c.lines)}
	}
	cases[len(children)] = reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(time.After(patience))}
	i, word, ok := reflect.Select(cases)
	if i == len(children) {
		children[0].t.Fatalf("nothing heard from %d child processes for %v", len(children), patience)
	}
	return i, word.String(), ok
}

// MustHear waits for the child's next line; it must not have ended.
func (c *Child) MustHear() string {
	c.t.Helper()
	_, line, ok := Hear(c)
	if !ok {
		c.t.Fatal("a child process ended by itself")
	}
	return line
}

// Tell sends the child a line.
func (c *Child) Tell(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		c.t.Fatalf("tell a child: %v", err)
	}
}

// Kill sends SIGKILL and waits for the end. It tells whether that, rather than
// anything else, was the child's end.
func (c *Child) Kill() bool {
	_ = c.cmd.Process.Kill() // it may have ended by itself
	return c.wait() != nil && !c.cmd.ProcessState.Exited()
}

// Wait waits for a child that ends by itself and fails the test if it failed.
func (c *Child) Wait() {
	c.t.Helper()
	if err := c.wait(); err != nil {
		c.t.Errorf("a child process: %v", err)
	}
}

func (c *Child) wait() error {
	for range c.lines { // to the end: the pipe has to be read empty before Wait
	}
	return c.cmd.Wait()
}

// Say is what a child has to say to its parent.
func Say(format string, args ...any) {
	_, _ = fmt.Fprintf(os.Stdout, said+format+"\n", args...)
}

// Listen gives a child the lines that its parent tells it. A child whose parent
// has gone ends.
func Listen() <-chan string {
	lines := make(chan string)
	go func() { // lives as long as the process
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			lines <- in.Text()
		}
		os.Exit(3)
	}()
	return lines
}
