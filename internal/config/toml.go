package config

import (
	"bytes"
	"errors"
	"strings"

	koanftoml "github.com/knadh/koanf/parsers/toml/v2"
	"github.com/knadh/koanf/v2"
	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// parser is the parser of the configuration file.
func parser() koanf.Parser { return koanftoml.Parser() }

// syntaxError gives the line (0 if it is not known) and the problem of a file
// that is not TOML.
func syntaxError(err error) (int, string) {
	problem := "is not valid TOML: " + strings.TrimPrefix(err.Error(), "toml: ")
	if de, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ := de.Position()
		return line, problem
	}
	return 0, problem
}

// keyLines says on which line each key of a valid TOML document stands, by
// dotted name. Tables are in it too, by the line of their header.
func keyLines(data []byte) map[string]int {
	lines := map[string]int{}
	var p unstable.Parser
	p.Reset(data)
	table := ""
	for p.NextExpression() {
		node := p.Expression()
		switch node.Kind {
		case unstable.Table, unstable.ArrayTable:
			name, line := dotted(&p, node.Key())
			table = name
			lines[name] = line
		case unstable.KeyValue:
			recordPair(&p, node, table, lines)
		default: // comments are not kept
		}
	}
	return lines
}

// recordPair records the line of one key = value and of what is inside the
// value when it is an inline table. Dotted keys make tables on the way, whose
// line is that of the first key in them.
func recordPair(p *unstable.Parser, node *unstable.Node, table string, lines map[string]int) {
	name, line := dotted(p, node.Key())
	if table != "" {
		name = table + "." + name
	}
	for at := 0; at < len(name); at++ {
		if name[at] == '.' && lines[name[:at]] == 0 {
			lines[name[:at]] = line
		}
	}
	lines[name] = line
	if value := node.Value(); value.Kind == unstable.InlineTable {
		for it := value.Children(); it.Next(); {
			recordPair(p, it.Node(), name, lines)
		}
	}
}

// dotted joins the parts of a key and gives the line of its first part.
func dotted(p *unstable.Parser, parts unstable.Iterator) (string, int) {
	var names []string
	line := 0
	for parts.Next() {
		part := parts.Node()
		if line == 0 {
			line = 1 + bytes.Count(p.Data()[:part.Raw.Offset], []byte{'\n'})
		}
		names = append(names, string(part.Data))
	}
	return strings.Join(names, "."), line
}
