package fault

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// said begins the lines of a child that are meant for its parent, among those of
// the testing package.
const said = "said: "

// Child is this test binary once more, as a process of its own that runs one
// test. The test finds out by its environment what to do, and skips when it is
// not run by a parent.
type Child struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
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
	return &Child{t: t, cmd: cmd, in: in, out: bufio.NewReader(out)}
}

// Hear waits for the next line that the child says. It is io.EOF when the child
// has ended.
func (c *Child) Hear() (string, error) {
	for other := ""; ; {
		line, err := c.out.ReadString('\n')
		if text, ok := strings.CutPrefix(line, said); ok && err == nil {
			return strings.TrimSuffix(text, "\n"), nil
		}
		if err != nil {
			if other != "" && !strings.HasPrefix(other, "PASS") {
				c.t.Logf("a child's last words: %s", other)
			}
			return "", io.EOF
		}
		other += line
	}
}

// MustHear is Hear of a child that must not have ended.
func (c *Child) MustHear() string {
	c.t.Helper()
	line, err := c.Hear()
	if err != nil {
		c.t.Fatalf("a child ended by itself: %v", c.cmd.Wait())
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

// Kill sends SIGKILL and waits for the end. It tells whether the child was still
// there to be killed.
func (c *Child) Kill() bool {
	_ = c.cmd.Process.Kill() // it may have ended by itself
	_, _ = io.Copy(io.Discard, c.out)
	var exit *exec.ExitError
	return errors.As(c.cmd.Wait(), &exit) && !exit.Exited()
}

// Wait waits for a child that ends by itself and fails the test if it failed.
func (c *Child) Wait() {
	c.t.Helper()
	for {
		if _, err := c.Hear(); err != nil {
			break
		}
	}
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("a child: %v", err)
	}
}

// Say is what a child has to say to its parent.
func Say(format string, args ...any) {
	fmt.Fprintf(os.Stdout, said+format+"\n", args...)
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
