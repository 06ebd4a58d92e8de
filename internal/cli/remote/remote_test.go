package remote

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"connectrpc.com/connect"

	"muster"
	musterv1 "muster/gen/muster/v1"
	"muster/internal/wire"
)

func TestCleanServer(t *testing.T) {
	for in, want := range map[string]string{
		"https://Voice.Example.org/": "https://voice.example.org",
		"voice.example.org":          "https://voice.example.org",
		"localhost:8080":             "http://localhost:8080",
		"127.0.0.1:8080":             "http://127.0.0.1:8080",
		"[::1]:8080":                 "http://[::1]:8080",
		"http://10.0.0.1":            "http://10.0.0.1",
		"ftp://x":                    "",
		"https://x/path":             "",
		"":                           "",
		"https://":                   "",
	} {
		got, err := CleanServer(in)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for server, want := range map[string]bool{
		"http://10.0.0.1": true, "http://127.0.0.1:1": false, "http://localhost": false, "https://10.0.0.1": false,
		"http://localhost.evil.example": true, "http://[::1]:8080": false,
	} {
		if Exposed(server) != want {
			t.Errorf("%s: exposed is %t", server, !want)
		}
	}
}

func TestLogins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "muster", "logins.json")
	l, err := ReadLogins(path)
	if err != nil || len(l.Servers) != 0 {
		t.Fatal(l, err)
	}
	l.Current, l.Servers["https://a"] = "https://a", Login{Account: "ann", Token: "secret"}
	if err := l.Write(); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
	again, err := ReadLogins(path)
	if err != nil || again.Current != "https://a" || again.Servers["https://a"].Token != "secret" {
		t.Errorf("%+v, %v", again, err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadLogins(path); err == nil {
		t.Error("a damaged file was read")
	}
}

// told is an error as the server sends it.
func told(code connect.Code, e *muster.Error) error {
	err := connect.NewWireError(code, errors.New(e.Error()))
	if detail, derr := connect.NewErrorDetail(wire.Error(e, "id")); derr == nil {
		err.AddDetail(detail)
	}
	return err
}

// TestExplain holds the exit codes.
func TestExplain(t *testing.T) {
	// Nobody listens on a port that was just given back.
	r := At("http://127.0.0.1:1", "")
	_, unreachable := r.Accounts.GetAccount(t.Context(), connect.NewRequest(&musterv1.GetAccountRequest{}))
	for _, test := range []struct {
		name   string
		err    error
		exit   int
		code   string
		reason string
	}{
		{"usage", Usage("x"), ExitUsage, "", ""},
		{"wrapped", fmt.Errorf("y: %w", Failed("x")), ExitFailed, "", ""},
		{"any", errors.New("x"), ExitFailed, "", ""},
		{"interrupted", context.Canceled, ExitFailed, "", ""},
		{"unreachable", unreachable, ExitUnreachable, "unavailable", "unreachable"},
		{"denied", told(connect.CodePermissionDenied, muster.Denied("not_admin", "no")), ExitRefused, "permission_denied", "not_admin"},
		{"not found", told(connect.CodeNotFound, muster.NotFound("group")), ExitRefused, "not_found", "group_not_found"},
		{"starting", told(connect.CodeUnavailable, muster.Unavailable("stopping", "later")), ExitUnreachable, "unavailable", "stopping"},
		{"internal", told(connect.CodeInternal, &muster.Error{Code: muster.CodeInternal}), ExitFailed, "internal", "internal"},
		{"without detail", connect.NewWireError(connect.CodeUnauthenticated, errors.New("who?")), ExitRefused, "unauthenticated", ""},
		{"live socket", muster.Denied("banned", "no"), ExitRefused, "permission_denied", "banned"},
	} {
		f := Explain(test.err, 0)
		if f.Exit != test.exit || f.Code != test.code || f.Reason != test.reason {
			t.Errorf("%s: exit %d, code %q, reason %q", test.name, f.Exit, f.Code, f.Reason)
		}
	}
	f := Explain(told(connect.CodeResourceExhausted, muster.Exhausted("window_full", 90*time.Minute, "full")), 0)
	if f.RetryAfter != 90*time.Minute || f.Advice != "it becomes possible again in 1h30m0s" {
		t.Errorf("%v, %q", f.RetryAfter, f.Advice)
	}
}

func TestIDs(t *testing.T) {
	id := muster.NewIDs(muster.ClockFunc(func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) })).Next()
	for in, want := range map[string]bool{muster.AccountID(id).String(): true, "2026": false, "-1": false, "": false, "1e18": false} {
		if IsID(in) != want {
			t.Errorf("%q is an id: %t", in, !want)
		}
	}
}
