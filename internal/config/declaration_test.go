package config

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite docs/configuration.md and deploy/muster.toml")

// TestGeneratedFilesAreCurrent compares the committed files with the
// declarations.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	for path, generate := range map[string]func(io.Writer) error{
		"../../docs/configuration.md": WriteReference,
		"../../deploy/muster.toml":    WriteExample,
	} {
		var want bytes.Buffer
		if err := generate(&want); err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.String(), string(got)); diff != "" {
			t.Errorf("%s is not current, run go test ./internal/config -update (-want +got):\n%s", filepath.Base(path), diff)
		}
	}
}

// TestExampleLoads reads the example as it is, and with every setting taken out
// of its comment; both must be the defaults.
func TestExampleLoads(t *testing.T) {
	example, err := os.ReadFile("../../deploy/muster.toml")
	if err != nil {
		t.Fatal(err)
	}
	setting := regexp.MustCompile(`(?m)^#([a-z0-9_]+ = )`)
	if n, want := len(setting.FindAll(example, -1)), len(Keys()); n != want {
		t.Errorf("the example holds %d settings, want %d", n, want)
	}
	for name, text := range map[string]string{
		"as it is":    string(example),
		"uncommented": setting.ReplaceAllString(string(example), "$1"),
	} {
		c, err := Load(Options{File: write(t, text)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := same(Default(), c); diff != "" {
			t.Errorf("%s: (-default +loaded)\n%s", name, diff)
		}
		if name == "uncommented" && !strings.Contains(c.Source("live.burst"), "muster.toml:") {
			t.Errorf("the uncommented file was not read: live.burst comes from %s", c.Source("live.burst"))
		}
	}
}

// TestKeys holds what every declaration must have.
func TestKeys(t *testing.T) {
	names := map[string]bool{}
	pattern := regexp.MustCompile(`^[a-z]+\.[a-z0-9]+(_[a-z0-9]+)*$`)
	for _, k := range declared(new(Config)) {
		if !pattern.MatchString(k.Name) {
			t.Errorf("%s: not section.key", k.Name)
		}
		for _, n := range []string{k.Name, k.Variable, "--" + k.Flag} {
			if n != "--" && names[n] {
				t.Errorf("%s: %s stands twice", k.Name, n)
			}
			names[n] = true
		}
		if !strings.HasSuffix(k.Doc, ".") || strings.ContainsAny(k.Doc, "${\n") {
			t.Errorf("%s: the doc is no sentence: %q", k.Name, k.Doc)
		}
		if k.Allowed == "" && k.tag.Get("form") != "path" {
			t.Errorf("%s: nothing limits its values", k.Name)
		}
		if k.Type == "integer" && k.Unit == "" {
			t.Errorf("%s: an integer of what?", k.Name)
		}
		if want := Prefix + strings.ToUpper(strings.ReplaceAll(k.Name, ".", "_")); k.Variable != want {
			t.Errorf("%s: the variable is %s", k.Name, k.Variable)
		}
	}
	for _, short := range []string{"listen", "data", "database", "roles"} {
		if !names["--"+short] {
			t.Errorf("there is no --%s", short)
		}
	}
}

// TestBoundsAreValid sets every number to its bounds and one step beyond, which
// also reads every bound.
func TestBoundsAreValid(t *testing.T) {
	c := Default()
	for _, d := range declared(&c) {
		for _, bound := range []string{d.tag.Get("min"), d.tag.Get("max")} {
			if bound == "" {
				continue
			}
			if err := d.set(bound); err != nil {
				t.Errorf("%s: its own bound: %v", d.Name, err)
			}
		}
		if d.tag.Get("max") != "" {
			if err := d.set("9223372036854775807" + map[string]string{"duration": "ns"}[d.Type]); err == nil {
				t.Errorf("%s: took the largest number", d.Name)
			}
			if err := d.set("-1" + map[string]string{"duration": "s"}[d.Type]); err == nil {
				t.Errorf("%s: took a negative number", d.Name)
			}
		}
	}
}

func TestDefaultsKeepTheRules(t *testing.T) {
	c, err := Load(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := same(Default(), c); diff != "" {
		t.Error(diff)
	}
}

func TestPrintMasksAndNamesSources(t *testing.T) {
	file := write(t, "[bus]\nkind = \"nats\"\nnats_urls = [\"nats://tok3n@a:4222\", \"tls://u:hunter2@b:4222\"]\n")
	c, err := Load(Options{File: file, Environ: []string{
		"MUSTER_DATABASE_URL=postgres://muster:hunter2@db:5432/muster?sslmode=require&sslpassword=hunter2",
	}})
	if err != nil {
		t.Fatal(err)
	}
	var b, log bytes.Buffer
	if err := c.Print(&b); err != nil {
		t.Fatal(err)
	}
	slog.New(slog.NewTextHandler(&log, nil)).Info("started", "config", c)
	for _, text := range []string{b.String(), log.String(), fmt.Sprintf("%v %+v %#v", c.Database, c.Database, c.Database)} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "tok3n") || !strings.Contains(text, "postgres://muster:********@db") {
			t.Errorf("not masked:\n%s", text)
		}
	}
	for _, want := range []string{
		"[server]\nlisten = \"127.0.0.1:8080\"  ", "# MUSTER_DATABASE_URL\n", "# " + file + ":3\n", "# default\n",
		`nats_urls = ["nats://********@a:4222", "tls://u:********@b:4222"]`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
	c.Database.URL, c.Bus.NATSURLs = "", nil
	c.Bus.Kind = BusLocal
	b.Reset()
	if err := c.Print(&b); err != nil {
		t.Fatal(err)
	}
	again, err := Load(Options{File: write(t, b.String())})
	if err != nil {
		t.Fatal(err)
	}
	if diff := same(c, again); diff != "" {
		t.Errorf("what is printed does not read as the same: %s", diff)
	}
}

// TestFlagsWithKong parses a real command line.
func TestFlagsWithKong(t *testing.T) {
	flags := NewFlags()
	var cmd struct {
		Serve struct {
			Config string `help:"File."`
			kong.Plugins
		} `cmd:"" help:"Serve."`
	}
	cmd.Serve.Plugins = kong.Plugins{flags.Struct()}
	var out bytes.Buffer
	parser, err := kong.New(&cmd, kong.Writers(&out, &out), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"serve", "--config", "x", "--listen=:9", "--data", "d", "--server.roles", "all", "--live.burst=-5", "--server.public_url="}
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"server.listen": ":9", "server.data": "d", "server.roles": "all", "live.burst": "-5", "server.public_url": ""}
	if diff := cmp.Diff(want, flags.Given()); diff != "" {
		t.Error(diff)
	}
	if _, err := parser.Parse([]string{"serve", "--server.listn=:1"}); err == nil {
		t.Error("an unknown flag is accepted")
	}
	_, _ = parser.Parse([]string{"serve", "--help"})
	for _, k := range Keys() {
		if name := "--" + k.Name; k.Flag == "" && !strings.Contains(out.String(), name+"=") {
			t.Errorf("the help lacks %s", name)
		}
	}
	if !strings.Contains(out.String(), "--listen=127.0.0.1:8080") {
		t.Errorf("the help lacks --listen:\n%s", out.String())
	}
}

func TestHasRole(t *testing.T) {
	for _, test := range []struct {
		roles []string
		want  bool
	}{{[]string{"all"}, true}, {[]string{"voice", "gateway"}, true}, {[]string{"voice"}, false}} {
		if got := (Server{Roles: test.roles}).HasRole("gateway"); got != test.want {
			t.Errorf("%v: %v", test.roles, got)
		}
	}
}
