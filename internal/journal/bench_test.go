package journal

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkAppend is what one writer gets: batches that are appended one after the other, each durable before the
// next. The records are released as a store behind the journal would do it, so segments are recycled.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 16, 256, 4096} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			j, err := Open(Options{Dir: b.TempDir()}, func(Position, []byte) error { return nil })
			if err != nil {
				b.Fatal(err)
			}
			batch := make([][]byte, n)
			for i := range batch {
				batch[i] = make([]byte, 300)
			}
			applied := make(chan Position, 1)
			var store sync.WaitGroup
			store.Go(func() {
				for upTo := range applied {
					if err := j.Release(upTo); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportAllocs()
			b.SetBytes(int64(300 * n))
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				last, err := j.Append(batch)
				took = append(took, time.Since(start))
				if err != nil {
					b.Fatal(err)
				}
				select {
				case applied <- last:
				default:
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "records/s")
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2].Seconds()*1000, "p50-ms")
			b.ReportMetric(took[len(took)*99/100].Seconds()*1000, "p99-ms")
			b.ReportMetric(took[len(took)-1].Seconds()*1000, "max-ms")
			close(applied)
			store.Wait()
			b.ReportMetric(float64(frameSize(n, 300*n)), "journal-B/append")
			if err := j.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkOpen is the time that a start needs to check and replay a full segment of 16 MiB.
func BenchmarkOpen(b *testing.B) {
	opt := Options{Dir: b.TempDir()}
	j, err := Open(opt, func(Position, []byte) error { return nil })
	if err != nil {
		b.Fatal(err)
	}
	batch := make([][]byte, 64)
	for i := range batch {
		batch[i] = make([]byte, 300)
	}
	for j.end+int64(frameSize(64, 64*300)) <= j.header.capacity {
		if _, err := j.Append(batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(defaultSegmentBytes)
	for b.Loop() {
		var n int
		j, err := Open(opt, func(Position, []byte) error { n++; return nil })
		if err != nil {
			b.Fatal(err)
		}
		if err := j.Close(); err != nil || n == 0 {
			b.Fatal(n, err)
		}
	}
}
