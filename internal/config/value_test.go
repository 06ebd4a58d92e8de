package config

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "0B": 0, "1": 1, "512B": 512, "64KiB": 64 << 10, "64 KiB": 64 << 10, " 4MiB ": 4 << 20, "2GiB": 2 << 30, "1TiB": 1 << 40,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "B", "KiB", "-1", "-1KiB", "1.5MiB", "64kb", "64KB", "64 kib", "1e3", "0x10", "9223372036854775808", "8388608TiB", "1KiBB"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q is taken as %d", text, got)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "30s": 30 * time.Second, "1h30m": 90 * time.Minute, "14d": 14 * day, "1d12h": 36 * time.Hour, "20ms": 20 * time.Millisecond, "1.5h": 90 * time.Minute,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "30", "-1s", "+1s", "1d-1h", "1h1d", "1.5d", "-1d", "1d1d", "soon", "106752d", "106751d100h", "99999999999d", "2562048h"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 15 * time.Minute: "15m", 24 * time.Hour: "24h", 14 * day: "14d", 36 * time.Hour: "36h", 90 * time.Second: "1m30s", 20 * time.Millisecond: "20ms", time.Hour + time.Second: "1h0m1s", 10 * time.Second: "10s", 10 * time.Minute: "10m", 10 * time.Hour: "10h",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}

// TestValuesRoundTrip holds that what is written is read as the same.
func TestValuesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Size(rapid.Int64Min(0).Draw(t, "size"))
		if got, err := ParseSize(s.String()); err != nil || got != s {
			t.Fatalf("%v: %v, %v", s, got, err)
		}
		d := time.Duration(rapid.Int64Min(0).Draw(t, "duration"))
		if rapid.Bool().Draw(t, "days") {
			d = d / day * day
		}
		if got, err := ParseDuration(FormatDuration(d)); err != nil || got != d {
			t.Fatalf("%s: %v, %v", FormatDuration(d), got, err)
		}
	})
}

func TestSecret(t *testing.T) {
	for text, want := range map[Secret]string{
		"":                                  "",
		"postgres://u:p@h/d":                "postgres://u:********@h/d",
		"postgres://u@h/d":                  "postgres://u@h/d",
		"postgres://h/d?password=p&user=u":  "postgres://h/d?password=********&user=u",
		"postgres://u:p%40%2F@h/d":          "postgres://u:********@h/d",
		"nats://token@h:1":                  "nats://********@h:1",
		"host=h password=p":                 "********",
		"postgres://u:p@h:port/d":           "********",
		"mailto:p":                          "********",
		"postgres://u:@h/d":                 "postgres://u:********@h/d",
		"postgres://h/d?sslpassword=p;x=%y": "********",
	} {
		if got := text.String(); got != want {
			t.Errorf("%q is shown as %s, want %s", text.Reveal(), got, want)
		}
		var decoded string
		if b, err := json.Marshal(text); err != nil || json.Unmarshal(b, &decoded) != nil || decoded != want {
			t.Errorf("%q is encoded as %s, %v", text.Reveal(), b, err)
		}
	}
}

// TestForms holds for each form texts that have it and texts that do not.
func TestForms(t *testing.T) {
	for name, lines := range map[string]struct{ valid, bad []string }{
		"address": {
			[]string{":0", ":8080", "127.0.0.1:1", "[::1]:65535", "voice.example:80", "localhost:1", "[fe80::1%eth0]:1"},
			[]string{"8080", "host", "host:", ":65536", ":-1", "a b:1", "::1:80", "host:http", "/tmp/sock:1"},
		},
		"origin": {
			[]string{"http://localhost:3000", "https://voice.example.org", "https://a/", "http://[::1]:80"},
			[]string{"*", "voice.example.org", "https://", "https:///", "https://a/b", "https://a?x", "https://u@a", "ftp://a", "https://a#f", "https://a b"},
		},
		"postgres": {
			[]string{"postgres://h/d", "postgresql://u:p@h:5432/d?sslmode=disable", "postgres:///d?host=/run/postgresql"},
			[]string{"host=h", "mysql://h/d", "postgres:d", "postgres:///d", "/var/lib/x.db"},
		},
		"nats": {
			[]string{"nats://h:4222", "tls://u:p@h", "nats://10.0.0.1:6222"},
			[]string{"h:4222", "http://h", "nats://", "nats://h/x", "nats:h", "nats-route://h:1"},
		},
		"peer": {
			[]string{"node2:6222", "10.0.0.2:1", "[::1]:6222"},
			[]string{":6222", "node2:0", "node2", "nats://node2:6222", "node2:"},
		},
		"path": {
			[]string{"./data", "/var/lib/muster", "数据"},
			[]string{"a\x00b", "\xff"},
		},
	} {
		for _, s := range lines.valid {
			if !forms[name].check(s) {
				t.Errorf("%s: %q is refused", name, s)
			}
		}
		for _, s := range lines.bad {
			if forms[name].check(s) {
				t.Errorf("%s: %q is accepted", name, s)
			}
		}
	}
}

func TestNearest(t *testing.T) {
	names := make([]string, 0, 64)
	for _, k := range Keys() {
		names = append(names, k.Name)
	}
	for typed, want := range map[string]string{
		"server.lisetn":               "server.listen",
		"Server.Listen":               "server.listen",
		"enrollment.window":           "enrolment.window",
		"limits.burst":                "live.burst",
		"accounts.passwordmin":        "accounts.password_min",
		"database.max_connection":     "database.max_connections",
		"enrolment.per_requestor":     "enrolment.per_requester",
		"accounts.login_per_account":  "accounts.login_attempts_per_account",
		"enrolment.invitation_expire": "enrolment.invitation_expiry",
	} {
		if got := nearest(typed, names); got != want {
			t.Errorf("%s: %s, want %s", typed, got, want)
		}
	}
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"ab", "ba", 1}, {"kitten", "sitting", 3}, {"abc", "abc", 0}} {
		if got := edits(test.a, test.b); got != test.want {
			t.Errorf("%q to %q: %d edits, want %d", test.a, test.b, got, test.want)
		}
	}
}
