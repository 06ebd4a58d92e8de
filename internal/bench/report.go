// Package bench measures Muster and prints figures: the tables of
// docs/benchmarks.md come from it, through cmd/muster-bench. Every figure is
// measured over the real store, and where the name says server, over the real
// server and sockets. It never judges: a slow machine gets slow figures.
package bench

import (
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Machine is where a figure was measured.
type Machine struct {
	CPU     string `json:"cpu"`
	Cores   int    `json:"cores"`
	OS      string `json:"os"`
	Go      string `json:"go"`
	Commit  string `json:"commit,omitempty"`
	LoadAvg string `json:"load_average"`
}

// ThisMachine describes this one.
func ThisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	for line := range strings.Lines(readFile("/proc/cpuinfo")) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	m.LoadAvg = strings.Join(strings.Fields(readFile("/proc/loadavg"))[:min(3, len(strings.Fields(readFile("/proc/loadavg"))))], " ")
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				m.Commit = s.Value
			}
		}
	}
	return m
}

func readFile(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(b)
}

// Latency is how long something took, in milliseconds.
type Latency struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
}

// histogram counts durations from 1 us to 5 min with three digits.
func histogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(5*time.Minute/time.Microsecond), 3)
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	ms := func(us int64) float64 { return float64(us) / 1000 }
	return Latency{
		Count: h.TotalCount(), P50: ms(h.ValueAtQuantile(50)), P99: ms(h.ValueAtQuantile(99)), P999: ms(h.ValueAtQuantile(99.9)), Max: ms(h.Max()),
	}
}

// record notes a duration; one beyond the histogram's end counts as its end.
func record(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(min(max(d.Microseconds(), 1), h.HighestTrackableValue()))
}

// residentKB reads a line such as VmRSS or VmHWM of a process.
func residentKB(pid, line string) int64 {
	for l := range strings.Lines(readFile("/proc/" + pid + "/status")) {
		if name, value, ok := strings.Cut(l, ":"); ok && name == line {
			kb, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return kb
		}
	}
	return 0
}

// resetPeak makes VmHWM of this process begin anew.
func resetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// median is the middle of an odd number of values.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	return s[len(s)/2]
}
