package engine_test

import (
	"testing"

	"go.uber.org/goleak"

	"muster/internal/gateway/engine"
	"muster/internal/gateway/engine/enginetest"
)

func TestMain(m *testing.M) {
	if child, is := child(); is {
		child()
		return
	}
	goleak.VerifyTestMain(m)
}

func TestThreads(t *testing.T) {
	enginetest.Run(t, func(opt enginetest.Options) engine.Engine { return engine.NewThreads(opt) })
}
