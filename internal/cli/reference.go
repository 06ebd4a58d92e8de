package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"muster/internal/cli/term"
)

// WriteReference writes docs/cli.md: every command with its arguments and flags.
func WriteReference(w io.Writer) error {
	var g grammar
	parser, err := newParser(&g, &term.Term{Out: io.Discard, Err: io.Discard}, func(int) {})
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.WriteString(referenceHead)
	for _, node := range parser.Model.Children {
		writeCommand(&b, node, "##")
	}
	_, err = w.Write(b.Bytes())
	return err
}

// writeCommand writes one command and those below it.
func writeCommand(b *bytes.Buffer, node *kong.Node, heading string) {
	fmt.Fprintf(b, "\n%s %s\n\n%s\n", heading, strings.TrimSpace(strings.TrimPrefix(node.FullPath(), "muster ")), node.Help)
	if node.Leaf() {
		fmt.Fprintf(b, "\n    %s\n", usage(node))
		writeFlags(b, node)
	}
	for _, child := range node.Children {
		writeCommand(b, child, "###")
	}
}

// usage is the command with its arguments.
func usage(node *kong.Node) string {
	words := []string{node.FullPath()}
	for _, p := range node.Positional {
		words = append(words, p.Summary())
	}
	return strings.Join(words, " ") + " [flags]"
}

// writeFlags writes a command's own arguments and flags; which server it talks
// to stands at the head of the page, the server's settings on their own.
func writeFlags(b *bytes.Buffer, node *kong.Node) {
	var rows []string
	for _, p := range node.Positional {
		rows = append(rows, fmt.Sprintf("| `%s` | %s |", p.Summary(), escape(p.Help)))
	}
	for _, f := range node.Flags {
		if f.Hidden || strings.Contains(f.Name, ".") || isWhere(f) {
			continue
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s |", escape(f.String()), escape(f.Help)))
	}
	if len(rows) > 0 {
		fmt.Fprintf(b, "\n| argument or flag | meaning |\n|---|---|\n%s\n", strings.Join(rows, "\n"))
	}
}

// escape makes a text fit into a Markdown table.
func escape(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

const referenceHead = `# The command line

This page is generated from the program by ` + "`go test ./internal/cli -run TestReference -update`" + `; do not edit it.

One binary. Commands that need a server find it in this order:

1. ` + "`--server URL`" + ` or ` + "`MUSTER_SERVER`" + `, with the session in ` + "`MUSTER_TOKEN`" + ` or that of ` + "`muster login`" + `;
2. the admin socket of a server on this machine, in the data directory that ` + "`--data`" + `, ` + "`MUSTER_SERVER_DATA`" + ` or the
   configuration (` + "`--config`" + `, ` + "`MUSTER_CONFIG`" + `) names, ` + "`./data`" + ` unless one does. Whoever may open the socket acts as
   the server's owner, or as anybody with ` + "`--as NAME`" + `;
3. the server of the last ` + "`muster login`" + `. Its session lies in ` + "`~/.config/muster/logins.json`" + `, readable by its owner only.

Accounts, channels and groups are named by id or by name; a channel also by its path, ` + "`Top/Sub`" + `. A name that several have
is an error that lists their ids.

Results go to standard output, everything else to standard error. ` + "`--json`" + ` prints results as JSON, one object in each line,
in the form of the HTTP API (ids and counts of 64 bits are strings), and an error as an object on standard error.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | it was tried and failed; a file was read and no line of it could be taken |
| 2 | the command line, or the configuration, is wrong |
| 3 | no server answers |
| 4 | the server refused: not allowed, not found, a limit |

Passwords are never flags: they are asked for on the terminal, or come from standard input (` + "`--password=-`" + `) or from
` + "`MUSTER_PASSWORD`" + ` (` + "`--password=env`" + `). Texts are English, or Chinese where the locale (` + "`LANG`" + `) begins with zh.
`

// isWhere says whether a flag is one of Where.
func isWhere(f *kong.Flag) bool {
	switch f.Name {
	case "help", "json":
		return true
	case "server", "data", "as", "config":
		return f.Group != nil && f.Group.Key == "which server, and as whom"
	default:
		return false
	}
}
