package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
)

// Options says where Load takes values from. The zero Options gives the
// defaults.
type Options struct {
	// File is the path of the TOML file. When it is empty the variable
	// MUSTER_CONFIG is taken, and without that no file is read.
	File string
	// Environ is the environment as os.Environ gives it. Only variables that
	// start with MUSTER_ are looked at.
	Environ []string
	// Foreign names MUSTER_ variables that are no settings of the server, such
	// as those of the command line's own; they are passed over. A name that
	// ends in * means all that begin so.
	Foreign []string
	// Flags holds the values given on the command line, by dotted name
	// (server.listen) or short flag (listen), without dashes.
	Flags map[string]string
}

// Error is one thing that is wrong with the configuration. What Load returns is
// a list of them, joined.
type Error struct {
	// Where is the file and line, the variable or the flag.
	Where string
	// Key is the dotted name of the setting, "" when there is none.
	Key string
	// Problem says what is wrong and what is allowed.
	Problem string
	// line orders the errors of one file.
	line int
}

// Error gives the place, the setting and the problem in one line.
func (e *Error) Error() string {
	parts := []string{e.Where, e.Key, e.Problem}
	if !strings.Contains(e.Where, ":") { // a variable and a flag name the setting themselves
		parts[1] = ""
	}
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	return strings.Join(parts, ": ")
}

// Load reads the configuration from all sources and checks it. The error joins
// one *Error for each thing that is wrong, in the order file, environment,
// flags; rules between settings are checked when every setting is right by
// itself. With an error the Config is not to be used.
func Load(o Options) (Config, error) {
	c := Default()
	l := loader{config: &c, byName: map[string]*declaration{}}
	for _, d := range declared(&c) {
		l.byName[d.Name] = &d
		l.names = append(l.names, d.Name)
	}
	l.loadFile(cmp.Or(o.File, variable(o.Environ, FileVariable)))
	l.loadEnvironment(o.Environ, o.Foreign)
	l.loadFlags(o.Flags)
	if len(l.errs) == 0 {
		l.readSecrets()
	}
	if len(l.errs) == 0 {
		l.relate()
	}
	if len(l.errs) > 0 {
		return Config{}, errors.Join(l.errs...)
	}
	return c, nil
}

// variable gives the value of an environment variable.
func variable(environ []string, name string) string {
	var value string
	for _, entry := range environ {
		if n, v, _ := strings.Cut(entry, "="); n == name {
			value = v
		}
	}
	return value
}

// loader puts the layers of a configuration on top of each other.
type loader struct {
	config *Config
	byName map[string]*declaration
	names  []string // of byName, in the order of declaration
	errs   []error
}

// fail records an error.
func (l *loader) fail(e *Error) { l.errs = append(l.errs, e) }

// origin is where one layer's value stands.
type origin struct {
	where string
	line  int
}

// apply sets the values of one layer. place says where a key's value stands.
func (l *loader) apply(layer *koanf.Koanf, place func(key string) origin) {
	from := len(l.errs)
	for name, raw := range layer.All() {
		at := place(name)
		d, ok := l.byName[name]
		if !ok {
			if problem := l.unknownKey(name, raw); problem != "" {
				l.fail(&Error{Where: at.where, Key: name, Problem: problem, line: at.line})
			}
			continue
		}
		if err := d.set(raw); err != nil {
			l.fail(&Error{Where: at.where, Key: name, Problem: d.explain(err), line: at.line})
			continue
		}
		l.config.sources[name] = at.where
	}
	slices.SortFunc(l.errs[from:], func(a, b error) int {
		x, _ := errors.AsType[*Error](a)
		y, _ := errors.AsType[*Error](b)
		return cmp.Or(cmp.Compare(x.line, y.line), cmp.Compare(x.Where, y.Where), cmp.Compare(x.Key, y.Key))
	})
}

// explain adds what is allowed to an error that does not say it.
func (d *declaration) explain(err error) string {
	problem := err.Error()
	words := strings.TrimSuffix(d.Allowed, "; or empty")
	if words == "" || strings.Contains(problem, words) {
		return problem
	}
	return problem + "; allowed: " + d.Allowed
}

// unknownKey says what is wrong with a key that is not declared; "" for an
// empty table of a section, which changes nothing.
func (l *loader) unknownKey(name string, raw any) string {
	if slices.ContainsFunc(sections(), func(s section) bool { return s.name == name }) {
		if table, ok := raw.(map[string]any); ok && len(table) == 0 {
			return ""
		}
		return "is a section: write [" + name + "] on a line of its own and its keys below"
	}
	return fmt.Sprintf("unknown key; the nearest known one is %s", nearest(name, l.names))
}

// loadFile reads the TOML file; "" is none.
func (l *loader) loadFile(path string) {
	if path == "" {
		return
	}
	l.config.file = path
	data, err := os.ReadFile(path)
	if err != nil {
		l.fail(&Error{Where: path, Problem: "cannot read the configuration: " + reason(err)})
		return
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // some editors of Windows begin with it
	layer := koanf.New(".")
	if err := layer.Load(rawbytes.Provider(data), parser()); err != nil {
		line, problem := syntaxError(err)
		at := path
		if line > 0 {
			at = fmt.Sprintf("%s:%d", path, line)
		}
		l.fail(&Error{Where: at, Problem: problem})
		return
	}
	lines := keyLines(data)
	l.apply(layer, func(key string) origin {
		line := lines[key]
		return origin{where: fmt.Sprintf("%s:%d", path, line), line: line}
	})
}

// reason gives the error of a file operation without the path, which the
// caller names.
func reason(err error) string {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

// loadEnvironment reads the variables that start with MUSTER_.
func (l *loader) loadEnvironment(environ, foreign []string) {
	keys := map[string]string{}
	var known []string
	for _, name := range l.names {
		v := l.byName[name].Variable
		keys[v] = name
		known = append(known, v)
	}
	values := map[string]any{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		key, ok := keys[name]
		switch {
		case ok:
			values[key] = value
		case !strings.HasPrefix(name, Prefix), name == FileVariable, isForeign(name, foreign):
		default:
			l.fail(&Error{Where: name, Problem: "unknown variable; the nearest known one is " + nearest(name, known)})
		}
	}
	l.applyMap(values, func(key string) origin { return origin{where: l.byName[key].Variable} })
}

// isForeign says whether a variable belongs to somebody else.
func isForeign(name string, foreign []string) bool {
	return slices.ContainsFunc(foreign, func(f string) bool {
		prefix, wild := strings.CutSuffix(f, "*")
		return name == f || wild && strings.HasPrefix(name, prefix)
	})
}

// loadFlags reads the command line.
func (l *loader) loadFlags(flags map[string]string) {
	long := map[string]string{}
	var known []string
	for _, name := range l.names {
		if short := l.byName[name].Flag; short != "" {
			long[short] = name
			known = append(known, short)
		}
	}
	known = append(known, l.names...)
	values, given := map[string]any{}, map[string]string{}
	for _, flag := range slices.Sorted(maps.Keys(flags)) {
		key := cmp.Or(long[flag], flag)
		if l.byName[key] == nil {
			l.fail(&Error{Where: "--" + flag, Problem: "unknown flag; the nearest known one is --" + nearest(flag, known)})
			continue
		}
		if other, twice := given[key]; twice && flags[other] != flags[flag] {
			l.fail(&Error{Where: "--" + flag, Key: key, Problem: "is the same setting as --" + other + ", and they differ: give one"})
			continue
		}
		values[key], given[key] = flags[flag], flag
	}
	l.applyMap(values, func(key string) origin { return origin{where: "--" + given[key]} })
}

// applyMap sets values that are known by dotted names.
func (l *loader) applyMap(values map[string]any, place func(key string) origin) {
	layer := koanf.New(".")
	if err := layer.Load(confmap.Provider(values, "."), nil); err != nil {
		l.fail(&Error{Problem: err.Error()})
		return
	}
	l.apply(layer, place)
}

// readSecrets takes database.url from the file that database.url_file names.
func (l *loader) readSecrets() {
	db := &l.config.Database
	if db.URLFile == "" {
		return
	}
	where := l.config.sources["database.url_file"]
	fail := func(problem string) {
		l.fail(&Error{Where: where, Key: "database.url_file", Problem: problem})
	}
	if db.URL != "" {
		fail("goes instead of database.url, which is set too: give one of them")
		return
	}
	data, err := os.ReadFile(db.URLFile)
	if err != nil {
		fail("cannot read " + db.URLFile + ": " + reason(err))
		return
	}
	text := strings.TrimSpace(string(data))
	if text == "" {
		fail(db.URLFile + " is empty")
		return
	}
	if err := l.byName["database.url"].set(text); err != nil {
		fail("the content of " + db.URLFile + " " + err.Error())
		return
	}
	l.config.sources["database.url"] = db.URLFile
}

// relate checks the rules between settings.
func (l *loader) relate() {
	for _, r := range relations {
		if r.broken(l.config) {
			l.fail(&Error{Where: l.config.Source(r.key), Key: r.key, Problem: r.problem})
		}
	}
}

// Source says where the value of a setting comes from: "default", a file and
// line (muster.toml:12), a variable (MUSTER_SERVER_LISTEN) or a flag
// (--server.listen).
func (c Config) Source(key string) string { return cmp.Or(c.sources[key], fromDefault) }

// fromDefault is the source of a value that no source gave.
const fromDefault = "default"

// File gives the path of the configuration file that was read, "" for none.
func (c Config) File() string { return c.file }

// Lookup gives the value of one setting by its dotted name, written as in the
// file and with secrets masked; false if there is no such setting.
func (c Config) Lookup(key string) (string, bool) {
	for _, d := range declared(&c) {
		if d.Name == key {
			return show(d.field), true
		}
	}
	return "", false
}
