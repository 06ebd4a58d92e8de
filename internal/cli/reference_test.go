package cli

import (
	"bytes"
	"flag"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"muster/internal/cli/term"
)

var update = flag.Bool("update", false, "write docs/cli.md anew")

// TestReference holds docs/cli.md to the program.
func TestReference(t *testing.T) {
	const page = "../../docs/cli.md"
	var want bytes.Buffer
	if err := WriteReference(&want); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(page, want.Bytes(), 0o644); err != nil { //nolint:gosec // a page for everybody
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what the program says (%v): run go test ./internal/cli -run TestReference -update", page, err)
	}
}

// TestChineseHelp holds that every command has its Chinese, and that none is
// left over.
func TestChineseHelp(t *testing.T) {
	var g grammar
	parser, err := newParser(&g, &term.Term{Out: io.Discard, Err: io.Discard}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	var walk func(node *kong.Node, path string)
	walk = func(node *kong.Node, path string) {
		path = strings.TrimSpace(path + " " + node.Name)
		known[path] = true
		if chineseHelp[path] == "" {
			t.Errorf("%s has no Chinese help", path)
		}
		for _, child := range node.Children {
			walk(child, path)
		}
	}
	for _, node := range parser.Model.Children {
		walk(node, "")
	}
	for path := range chineseHelp {
		if !known[path] {
			t.Errorf("there is Chinese help for %s, which is no command", path)
		}
	}
}
