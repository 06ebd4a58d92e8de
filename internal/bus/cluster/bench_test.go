package cluster_test

import (
	"context"
	"testing"
	"time"

	"muster/internal/bus/bustest"
	"muster/internal/bus/cluster"
)

func BenchmarkPublish(b *testing.B) {
	b.Run("nodes=1", func(b *testing.B) { bustest.BenchmarkPublish(b, one(b)) })
	b.Run("nodes=2", func(b *testing.B) { bustest.BenchmarkPublish(b, two(b)) })
}

func BenchmarkLatency(b *testing.B) {
	b.Run("nodes=1", func(b *testing.B) { bustest.BenchmarkLatency(b, one(b)) })
	b.Run("nodes=2", func(b *testing.B) { bustest.BenchmarkLatency(b, two(b)) })
}

// BenchmarkStart measures from New until an embedded node is ready, and the
// stop after it.
func BenchmarkStart(b *testing.B) {
	for _, bench := range []struct {
		name   string
		routes cluster.Routes
	}{
		{"alone", cluster.Routes{}},
		{"routes", cluster.Routes{Listen: "127.0.0.1:0"}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var ready time.Duration
			for b.Loop() {
				node, err := cluster.New(cluster.Options{Routes: bench.routes})
				if err != nil {
					b.Fatal(err)
				}
				began := time.Now()
				ctx, cancel := context.WithCancel(context.Background())
				done := make(chan error, 1)
				go func() { done <- node.Run(ctx) }()
				<-node.Ready()
				ready += time.Since(began)
				cancel()
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(ready.Microseconds())/1000/float64(b.N), "ms-to-ready")
		})
	}
}
