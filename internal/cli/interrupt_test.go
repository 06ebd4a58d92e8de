package cli

import (
	"context"
	"errors"
	"strings"
	"testing"

	"muster/internal/cli/term"
)

// TestInterrupted holds what somebody is told who interrupts a command while the server is at work for it: that the work
// goes on, or may be begun again. An end for another reason keeps its own words.
func TestInterrupted(t *testing.T) {
	over, stop := context.WithCancel(t.Context())
	stop()
	refused := errors.New("no such thing")
	for _, test := range []struct {
		name    string
		explain func(e *env, err error) error
		want    string
	}{
		{"watch", func(e *env, err error) error { return e.leave(err, 42) }, "`muster enrol watch 42`"},
		{"import", func(e *env, err error) error { return (&rosterImport{env: e}).cut(err) }, "running it again is safe"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, end := range []struct {
				ctx     context.Context //nolint:containedctx // the life of a command
				err     error
				want    string
				advised bool
			}{
				{over, context.Canceled, "interrupted", true},
				{t.Context(), refused, refused.Error(), false},
			} {
				var told strings.Builder
				e := &env{Term: &term.Term{Err: &told}, ctx: end.ctx}
				e.fail(test.explain(e, end.err))
				if got := told.String(); !strings.Contains(got, end.want) || strings.Contains(got, test.want) != end.advised {
					t.Errorf("%v: told %q", end.err, got)
				}
			}
		})
	}
}
