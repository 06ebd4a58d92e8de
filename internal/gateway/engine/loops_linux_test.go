package engine_test

import (
	"testing"

	"muster/internal/gateway/engine"
	"muster/internal/gateway/engine/enginetest"
)

func TestLoops(t *testing.T) {
	enginetest.Run(t, func(opt enginetest.Options) engine.Engine { return engine.NewLoops(opt) })
}
