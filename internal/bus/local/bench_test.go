package local_test

import (
	"testing"

	"muster/internal/bus/bustest"
)

func BenchmarkPublish(b *testing.B) { bustest.BenchmarkPublish(b, start(b)) }
func BenchmarkLatency(b *testing.B) { bustest.BenchmarkLatency(b, start(b)) }
