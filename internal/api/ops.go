package api

import (
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// OpsHandler serves /metrics and /debug/pprof. It knows no session: its listener
// belongs on loopback, or on a private network.
func (a *API) OpsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.metrics.registry, promhttp.HandlerOpts{Registry: a.metrics.registry}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// metrics are what /metrics tells: those of Go and of the process, the calls,
// and what Statistics knows from memory.
type metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	took     *prometheus.HistogramVec
}

func newMetrics(statistics Statistics) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_calls_total", Help: "Calls of the API by procedure and Connect code.",
		}, []string{"procedure", "code"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "muster_call_duration_seconds", Help: "How long calls took; streams count until their end.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60},
		}, []string{"procedure"}),
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.calls, m.took, liveCollector{statistics},
	)
	return m
}

func (m *metrics) called(procedure, code string, took time.Duration) {
	m.calls.WithLabelValues(procedure, code).Inc()
	m.took.WithLabelValues(procedure).Observe(took.Seconds())
}

// liveCollector makes metrics of Statistics.Live.
type liveCollector struct{ statistics Statistics }

// liveMetrics says which metric shows what.
var liveMetrics = []struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(Live) float64
}{
	{liveDesc("connections", "Live sockets that are open."), prometheus.GaugeValue, func(l Live) float64 { return float64(l.Connections) }},
	{liveDesc("people_online", "Accounts with a live socket."), prometheus.GaugeValue, func(l Live) float64 { return float64(l.Online) }},
	{liveDesc("group_messages_total", "Messages sent to groups."), prometheus.CounterValue, func(l Live) float64 { return float64(l.MessagesSent) }},
	{liveDesc("channel_messages_total", "Messages said in channels."), prometheus.CounterValue, func(l Live) float64 { return float64(l.ChannelMessages) }},
	{liveDesc("deliveries_total", "Messages handed to a socket."), prometheus.CounterValue, func(l Live) float64 { return float64(l.Deliveries) }},
	{liveDesc("skipped_total", "Messages that were not handed to a socket because its client was too slow."), prometheus.CounterValue, func(l Live) float64 { return float64(l.Skipped) }},
	{liveDesc("handshakes_admitted_total", "Live sockets that were let in."), prometheus.CounterValue, func(l Live) float64 { return float64(l.Admitted) }},
	{liveDesc("handshakes_refused_total", "Live sockets that were asked to come later, because too many came at once."), prometheus.CounterValue, func(l Live) float64 { return float64(l.Refused) }},
	{liveDesc("send_wait_seconds", "How long senders wait lately for the log (99th percentile)."), prometheus.GaugeValue, func(l Live) float64 { return l.SendWait.Seconds() }},
}

func liveDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("muster_"+name, help, nil, nil)
}

// Describe implements prometheus.Collector.
func (liveCollector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range liveMetrics {
		out <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c liveCollector) Collect(out chan<- prometheus.Metric) {
	live := c.statistics.Live()
	for _, m := range liveMetrics {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(live))
	}
}
