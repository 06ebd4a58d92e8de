package local_test

import (
	"testing"

	"go.uber.org/goleak"

	"muster/internal/bus/bustest"
	"muster/internal/bus/local"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start gives n buses; local ones do not know each other, so n is 1.
func start(tb testing.TB) []bustest.Node {
	return []bustest.Node{bustest.Start(tb, local.New())}
}

func TestContract(t *testing.T) { bustest.Run(t, start) }
