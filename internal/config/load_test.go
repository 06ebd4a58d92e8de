package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// write makes a configuration file and gives its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "muster.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// same compares configurations by their settings, not by their sources.
func same(a, b Config) string {
	return cmp.Diff(a, b, cmpopts.IgnoreUnexported(Config{}), cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Prefix{}))
}

func TestLoadOrder(t *testing.T) {
	file := write(t, "[server]\nlisten = \":1\"\npublic_url = \"https://file.example/\"\n[live]\nburst = 11\n[log]\nlevel = \"warn\"\n")
	c, err := Load(Options{
		File:    file,
		Environ: []string{"HOME=/", "MUSTER_SERVER_LISTEN=:2", "MUSTER_LIVE_BURST=12", "MUSTER_TOKEN=x", "MUSTER_TEST_A=", "MUSTER_TEST_B=1"},
		Foreign: []string{"MUSTER_TOKEN", "MUSTER_TEST_*"},
		Flags:   map[string]string{"listen": ":3", "live.hello_timeout": "7s"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ key, value, source string }{
		{"server.listen", `":3"`, "--listen"},
		{"live.burst", `12`, "MUSTER_LIVE_BURST"},
		{"server.public_url", `"https://file.example"`, file + ":3"},
		{"log.level", `"warn"`, file + ":7"},
		{"live.hello_timeout", `"7s"`, "--live.hello_timeout"},
		{"server.data", `"./data"`, "default"},
	} {
		if got, ok := c.Lookup(want.key); !ok || got != want.value {
			t.Errorf("%s = %s, want %s", want.key, got, want.value)
		}
		if got := c.Source(want.key); got != want.source {
			t.Errorf("%s comes from %s, want %s", want.key, got, want.source)
		}
	}
	if c.Live.HelloTimeout != 7*time.Second || c.Live.Burst != 12 || c.Server.Listen != ":3" {
		t.Errorf("the fields do not hold what Lookup shows: %+v", c)
	}
	if c.File() != file {
		t.Errorf("File() = %q", c.File())
	}
	if _, ok := c.Lookup("server.nothing"); ok {
		t.Error("Lookup knows a key that does not exist")
	}
}

func TestLoadFileFromVariable(t *testing.T) {
	file := write(t, "[live]\nburst = 77\n")
	other := write(t, "[live]\nburst = 78\n")
	c, err := Load(Options{Environ: []string{"MUSTER_CONFIG=" + file}})
	if err != nil || c.Live.Burst != 77 {
		t.Errorf("burst = %d, %v; want that of MUSTER_CONFIG", c.Live.Burst, err)
	}
	c, err = Load(Options{File: other, Environ: []string{"MUSTER_CONFIG=" + file}})
	if err != nil || c.Live.Burst != 78 {
		t.Errorf("burst = %d, %v; want that of the file which the flag names", c.Live.Burst, err)
	}
}

// TestLoadFileForms holds the ways in which TOML can write the same.
func TestLoadFileForms(t *testing.T) {
	want := Default()
	want.Server.Roles = []string{"all"}
	want.Server.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	want.Live.MaxFrame = 128 << 10
	want.Accounts.SessionLifetime = 36 * time.Hour
	for name, text := range map[string]string{
		"tables":     "[server]\nroles = [\"all\"]\ntrusted_proxies = [\"10.1.2.3/8\", \"::1\"]\n[live]\nmax_frame = 131072\n[accounts]\nsession_lifetime = \"1d12h\"",
		"dotted":     "server.roles = [\"all\"]\nserver.trusted_proxies = \"10.0.0.0/8, ::1\"\nlive.max_frame = \"128KiB\"\naccounts.session_lifetime = \"36h\"",
		"inline":     "bus = {cluster_plain = false}\nserver = {roles = [\"all\"], trusted_proxies = [\"10.0.0.0/8\", \"::1\"]}\nlive = {max_frame = \"128 KiB\"}\naccounts = {session_lifetime = \"2160m\"}",
		"empty, BOM": "\ufeff[tls]\n[server]\ntrusted_proxies = \"10.0.0.0/8,::1\"\n[live]\nmax_frame = \"131072B\"\n[accounts]\nsession_lifetime='1d12h0m'\r\n",
	} {
		c, err := Load(Options{File: write(t, text)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := same(want, c); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

// TestLoadErrors holds what each mistake is answered with. FILE stands for the
// path of the file.
func TestLoadErrors(t *testing.T) {
	for _, test := range []struct {
		name, file string
		environ    []string
		flags      map[string]string
		want       []string
	}{
		{name: "unknown key", file: "[server]\n\nlisen = \":1\"\n", want: []string{
			"FILE:3: server.lisen: unknown key; the nearest known one is server.listen",
		}},
		{name: "right key, wrong section", file: "[server]\nmax_frame = \"1MiB\"\n", want: []string{
			"FILE:2: server.max_frame: unknown key; the nearest known one is live.max_frame",
		}},
		{name: "unknown section", file: "[sever]\nlisten = \":1\"\n", want: []string{
			"FILE:2: sever.listen: unknown key; the nearest known one is server.listen",
		}},
		{name: "section as a value", file: "log = \"debug\"\n", want: []string{
			"FILE:1: log: is a section: write [log] on a line of its own and its keys below",
		}},
		{name: "table as a value", file: "[log.level]\n", want: []string{
			"FILE:1: log.level: map[] is not a text: put it in quotes; allowed: debug, info, warn or error",
		}},
		{name: "unknown variable", environ: []string{"MUSTER_SERVR_LISTEN=:1"}, want: []string{
			"MUSTER_SERVR_LISTEN: unknown variable; the nearest known one is MUSTER_SERVER_LISTEN",
		}},
		{name: "unknown flag", flags: map[string]string{"databse": "x"}, want: []string{
			"--databse: unknown flag; the nearest known one is --database",
		}},
		{name: "one setting twice", flags: map[string]string{"listen": ":1", "server.listen": ":2"}, want: []string{
			"--server.listen: is the same setting as --listen, and they differ: give one",
		}},
		{
			name: "all at once, in order", file: "[log]\nlevel = \"loud\"\nformat = 7\n[live]\nburst = 1.5\nidle_ping = 30\n",
			environ: []string{"MUSTER_LIVE_MAX_FRAME=64kb", "MUSTER_ACCOUNTS_PASSWORD_MIN=4"},
			flags:   map[string]string{"listen": "8080"},
			want: []string{
				`FILE:2: log.level: "loud" is not one of debug, info, warn or error`,
				"FILE:3: log.format: 7 is not a text: put it in quotes; allowed: text or json",
				"FILE:5: live.burst: 1.5 is not a whole number; allowed: 1 to 1000000",
				`FILE:6: live.idle_ping: 30 is not a duration: write it in quotes and with its unit, such as "30s"; allowed: 1s to 10m`,
				"MUSTER_ACCOUNTS_PASSWORD_MIN: 4 is out of bounds: 8 to 64 are allowed",
				`MUSTER_LIVE_MAX_FRAME: "64kb" is not a size: write a whole number and B, KiB, MiB, GiB or TiB, such as 64KiB; allowed: 4KiB to 16MiB`,
				`--listen: "8080" has the wrong form: write host:port, such as 127.0.0.1:8080 or :8080`,
			},
		},
		{name: "not TOML", file: "[server]\nlisten = :1\n", want: []string{"FILE:2: is not valid TOML: "}},
		{name: "twice in the file", file: "[live]\nburst = 1\nburst = 2\n", want: []string{"FILE: is not valid TOML: key burst is already defined"}},
		{name: "a value that is overridden is still checked", file: "[live]\nburst = 0\n", environ: []string{"MUSTER_LIVE_BURST=5"}, want: []string{
			"FILE:2: live.burst: 0 is out of bounds: 1 to 1000000 are allowed",
		}},
		{name: "empty", environ: []string{"MUSTER_SERVER_LISTEN=", "MUSTER_SERVER_ROLES= , "}, want: []string{
			"MUSTER_SERVER_LISTEN: must not be empty; allowed: host:port",
			"MUSTER_SERVER_ROLES: must not be empty; allowed: all, account,",
		}},
		{name: "boolean", file: "[bus]\ncluster_plain = \"yes\"\n", environ: []string{"MUSTER_BUS_CLUSTER_PLAIN=1"}, want: []string{
			`FILE:2: bus.cluster_plain: "yes" is not true or false`, `MUSTER_BUS_CLUSTER_PLAIN: "1" is not true or false`,
		}},
		{name: "roles", flags: map[string]string{"roles": "gateway,chanel"}, want: []string{
			`--roles: "chanel" is not one of all, account, channel, group, gateway, media or voice`,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := Options{Environ: test.environ, Flags: test.flags}
			if test.file != "" {
				o.File = write(t, test.file)
			}
			_, err := Load(o)
			if err == nil {
				t.Fatal("no error")
			}
			text := err.Error()
			if o.File != "" {
				text = strings.ReplaceAll(text, o.File, "FILE")
			}
			got := strings.Split(text, "\n")
			if len(got) != len(test.want) {
				t.Fatalf("got\n%s", strings.Join(got, "\n"))
			}
			for i, want := range test.want {
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("got  %s\nwant %s", got[i], want)
				}
			}
		})
	}
}

func TestLoadMissingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.toml")
	_, err := Load(Options{File: path})
	if want := path + ": cannot read the configuration: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if e, ok := errors.AsType[*Error](err); !ok || e.Where != path {
		t.Errorf("the error is not an *Error with its place: %#v", err)
	}
}

// TestRelations breaks every rule between settings once, and no other.
func TestRelations(t *testing.T) {
	cluster := map[string]string{"bus.kind": "nats", "bus.cluster_listen": "0.0.0.0:6222"}
	broken := []map[string]string{
		{"tls.cert": "a.pem"},
		{"bus.tls_key": "a.pem"},
		cluster,
		{"bus.kind": "nats", "bus.cluster_listen": "127.0.0.1:6222", "bus.nats_urls": "nats://a:4222"},
		{"bus.kind": "nats", "bus.cluster_routes": "a:6222"},
		{"bus.nats_urls": "nats://a:4222"},
		{"server.roles": "all,gateway"},
		{"server.roles": "gateway"},
		{"groups.max_text": "64KiB"},
		{"enrolment.page": "9000"},
		{"enrolment.invitation_expiry": "91d"},
		{"ops.listen": ":9", "server.listen": ":9"},
	}
	if len(broken) != len(relations) {
		t.Fatalf("%d rules, %d tests", len(relations), len(broken))
	}
	for i, flags := range broken {
		_, err := Load(Options{Flags: flags})
		if err == nil || !strings.Contains(err.Error(), relations[i].problem) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: got %v, want only: %s", flags, err, relations[i].problem)
		}
	}
	good := []map[string]string{
		{"tls.cert": "a.pem", "tls.key": "b.pem"},
		{"bus.kind": "nats", "bus.cluster_listen": "[::1]:6222", "bus.cluster_routes": "127.0.0.1:6223,[::1]:6222"},
		{"bus.kind": "nats", "bus.cluster_listen": ":6222", "bus.tls_cert": "c", "bus.tls_key": "k", "bus.tls_ca": "a"},
		{"bus.kind": "nats", "bus.cluster_listen": ":6222", "bus.cluster_plain": "true", "bus.cluster_advertise": "node1:6222"},
		{"roles": "gateway,channel", "database": "postgres://u@h/d", "bus.kind": "nats", "bus.nats_urls": "nats://a:4222"},
		{"ops.listen": "127.0.0.1:0", "server.listen": "127.0.0.1:0"},
	}
	for _, flags := range good {
		if _, err := Load(Options{Flags: flags}); err != nil {
			t.Errorf("%v: %v", flags, err)
		}
	}
}

func TestDatabaseURLFile(t *testing.T) {
	url := "postgres://muster:hunter2@db/muster"
	secret := write(t, url+"\n")
	c, err := Load(Options{Flags: map[string]string{"database.url_file": secret}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Database.URL.Reveal() != url || c.Database.SQLite() || c.Source("database.url") != secret {
		t.Errorf("database.url = %s from %s", c.Database.URL, c.Source("database.url"))
	}
	for want, flags := range map[string]map[string]string{
		"goes instead of database.url":    {"database.url_file": secret, "database": url},
		"no such file or directory":       {"database.url_file": secret + ".none"},
		"is empty":                        {"database.url_file": write(t, "\n")},
		"has the wrong form: write a URL": {"database.url_file": write(t, "hunter2")},
	} {
		_, err := Load(Options{Flags: flags})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v, want: %s", err, want)
		}
	}
}

// FuzzFile holds that no file makes Load panic, that every error about a key
// has the line it stands on, and that what loads prints as something that loads
// to the same.
func FuzzFile(f *testing.F) {
	f.Add("[server]\nlisten = \":1\"\n[live]\nburst = 3\n")
	f.Add("server = {roles = [\"all\"]}\nlive.\"burst\" = 4\n[[log]]\nlevel='x'\n")
	f.Add("[database]\nurl = \"postgres://u:p@h/d?sslpassword=x\"\n")
	f.Add("\"a.b\" = 1\n[x.\"y.z\".w]\nq = {r.s = 2}\n")
	f.Add("[server]\ndata = \"a\\u0001\\tb\\\\\\\"#\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "f.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(Options{File: path})
		if err != nil {
			checkLines(t, err)
			return
		}
		if c.Database.URLFile != "" || c.Database.URL != "" || len(c.Bus.NATSURLs) > 0 {
			return // masked or read from elsewhere
		}
		var b strings.Builder
		if err := c.Print(&b); err != nil {
			t.Fatal(err)
		}
		again, err := Load(Options{File: write(t, b.String())})
		if err != nil {
			t.Fatalf("%v\nof\n%s", err, b.String())
		}
		if diff := same(c, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

// checkLines fails for an error about a key in a file that has no line.
func checkLines(t *testing.T, err error) {
	t.Helper()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("not a list of errors: %v", err)
	}
	for _, one := range joined.Unwrap() {
		e, ok := errors.AsType[*Error](one)
		if !ok {
			t.Fatalf("not an *Error: %v", one)
		}
		if e.Key != "" && strings.HasSuffix(e.Where, ":0") {
			t.Fatalf("no line: %v", e)
		}
	}
}
