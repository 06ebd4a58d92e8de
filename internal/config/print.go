package config

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Print writes the effective configuration as TOML, each value with its source
// behind it. Passwords are masked: when there is none, the output is itself a
// configuration file with the same effect.
func (c Config) Print(w io.Writer) error {
	b := bufio.NewWriter(w)
	all := declared(&c)
	width := 0
	for _, d := range all {
		width = max(width, len(d.line()))
	}
	for i, s := range sections() {
		if i > 0 {
			fmt.Fprintln(b)
		}
		fmt.Fprintf(b, "[%s]\n", s.name)
		for _, d := range all {
			if d.Section == s.name {
				fmt.Fprintf(b, "%-*s  # %s\n", min(width, 56), c.printed(d), comment(c.Source(d.Name)))
			}
		}
	}
	return b.Flush()
}

// printed is the line of a setting. A database.url that was read by way of
// database.url_file is commented out, so that the output can be read again.
func (c Config) printed(d declaration) string {
	if d.Name == "database.url" && c.Database.URLFile != "" {
		return "#" + d.line()
	}
	return d.line()
}

// line writes key = value.
func (d *declaration) line() string {
	_, name, _ := strings.Cut(d.Name, ".")
	return name + " = " + show(d.field)
}

// comment makes a text fit into one comment line.
func comment(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

// LogValue shows what is not default, secrets masked, when a Config is logged.
func (c Config) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, d := range declared(&c) {
		if c.Source(d.Name) != fromDefault {
			attrs = append(attrs, slog.String(d.Name, show(d.field)))
		}
	}
	return slog.GroupValue(attrs...)
}

// WriteExample writes a configuration file in which everything is there and
// commented out: deploy/muster.toml.
func WriteExample(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprint(b, `# Configuration of the Muster server. Every setting stands here with its default;
# remove the # in front of those that you change. docs/configuration.md is the
# reference, and "muster config check" tells what is wrong with this file.
#
# Generated from the declarations of internal/config.
`)
	c := Default()
	all := declared(&c)
	for _, s := range sections() {
		fmt.Fprintf(b, "\n%s\n[%s]\n", wrap(s.doc, "## "), s.name)
		for _, d := range all {
			if d.Section != s.name {
				continue
			}
			text := d.Doc
			if d.Allowed != "" {
				text += " Allowed: " + d.Allowed + d.unitInWords() + "."
			}
			fmt.Fprintf(b, "\n%s\n#%s\n", wrap(text, "# "), d.line())
		}
	}
	return b.Flush()
}

// unitInWords gives the unit of a number with a space before it, or "".
func (d *declaration) unitInWords() string {
	if d.Unit == "" {
		return ""
	}
	return " " + d.Unit
}

// wrap breaks a text into lines of at most 88 columns that start with prefix.
func wrap(text, prefix string) string {
	var lines []string
	line := strings.TrimRight(prefix, " ")
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > 88 {
			lines = append(lines, line)
			line = strings.TrimRight(prefix, " ")
		}
		line += " " + word
	}
	return strings.Join(append(lines, line), "\n")
}

// WriteReference writes docs/configuration.md.
func WriteReference(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprint(b, referenceHead)
	c := Default()
	all := declared(&c)
	for _, s := range sections() {
		fmt.Fprintf(b, "\n## %s\n\n%s\n\n", s.name, cell(s.doc))
		fmt.Fprintln(b, "| key | type | default | allowed | meaning |")
		fmt.Fprintln(b, "|---|---|---|---|---|")
		for _, d := range all {
			if d.Section != s.name {
				continue
			}
			meaning := d.Doc
			if d.Flag != "" {
				meaning += " Short flag: `--" + d.Flag + "`."
			}
			fmt.Fprintf(b, "| `%s` | %s | `%s` | %s | %s |\n", d.Name, d.Type, show(d.field),
				cell(d.Allowed+d.unitInWords()), cell(meaning))
		}
	}
	fmt.Fprint(b, "\n## Rules between settings\n\nThese are checked when every setting is right by itself.\n\n")
	for _, r := range relations {
		fmt.Fprintf(b, "- `%s`: %s.\n", r.key, cell(r.problem))
	}
	return b.Flush()
}

// cell makes a text fit into a Markdown table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "\n", " ").Replace(strings.TrimSpace(s))
}

const referenceHead = `# Configuration

This page is generated from the declarations of internal/config by
` + "`go test ./internal/config -update`" + `; do not edit it.

Every setting can be given in four ways. The later wins:

1. its default;
2. the TOML file named by ` + "`--config FILE`" + ` or ` + "`MUSTER_CONFIG`" + `, in its section:
   ` + "`[server]`" + `, then ` + "`listen = \"127.0.0.1:8080\"`" + `;
3. the environment variable with its name in upper case, ` + "`MUSTER_SERVER_LISTEN`" + `;
4. the flag with its name, ` + "`--server.listen=127.0.0.1:8080`" + `.

A key, ` + "`MUSTER_`" + ` variable or flag that does not exist is an error that names the
nearest one that does. ` + "`muster config check`" + ` lists everything that is wrong,
` + "`muster config print`" + ` the effective values and where each comes from, with
passwords masked. A copy of the file with every default is deploy/muster.toml.

- A **duration** is a number with ms, s, m or h, and may begin with whole days: ` + "`30s`, `1h30m`, `14d`" + `.
- A **size** is a whole number with B, KiB, MiB or GiB: ` + "`64KiB`" + `.
- A **list** is an array in the file, and separated by commas in a variable or flag.
`
