package bus_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"muster"
	"muster/internal/bus"
)

var subject = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

func FuzzCheckSubject(f *testing.F) {
	for _, s := range []string{"", "a", "a.b", ".", "a.", "..", "channel.1", "a b", "a.>", "\x00", "é", strings.Repeat("a", bus.MaxSubject+1)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := subject.MatchString(s) && len(s) <= bus.MaxSubject && !strings.HasSuffix(s, "\n")
		if err := bus.CheckSubject(s); (err == nil) != want {
			t.Errorf("CheckSubject(%q) = %v, want ok %v", s, err, want)
		}
	})
}

// TestErrors holds the errors to what callers, and the protocols, make of them.
func TestErrors(t *testing.T) {
	all := []struct {
		err  error
		code muster.Code
	}{
		{bus.ErrSubject, muster.CodeInvalidArgument},
		{bus.ErrTooLarge, muster.CodeInvalidArgument},
		{bus.ErrClosed, muster.CodeUnavailable},
		{bus.ErrNoResponder, muster.CodeUnavailable},
		{bus.ErrBusy, muster.CodeUnavailable},
	}
	reasons := make(map[string]bool)
	for i, test := range all {
		err, code := fmt.Errorf("wrapped: %w", test.err), test.code
		if got := muster.CodeOf(err); got != code {
			t.Errorf("%v: code %v, want %v", err, got, code)
		}
		reasons[muster.ReasonOf(err)] = true
		for k, other := range all {
			if errors.Is(err, other.err) != (i == k) {
				t.Errorf("%q is %q", err, other.err)
			}
		}
	}
	if len(reasons) != len(all) {
		t.Errorf("%d errors have %d reasons", len(all), len(reasons))
	}
}
