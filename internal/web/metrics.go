package web

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	families "github.com/syslane/syslane/internal/metrics"
	"github.com/syslane/syslane/search"
)

// metrics are what the server counts of its searches, and the connections that it refuses.
type metrics struct {
	requests    *prometheus.CounterVec
	seconds     prometheus.Histogram
	octets      prometheus.Counter
	results     prometheus.Counter
	connections *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) metrics {
	m := metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "syslane_search_requests_total",
			Help: "Searches through HTTP by outcome: ok, incomplete, invalid (a wrong request), busy (too many at once), failed.",
		}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "syslane_search_duration_seconds",
			Help:    "How long searches took, with the sending of their results.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10, 30, 60},
		}),
		octets: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "syslane_search_scanned_octets_total",
			Help: "Octets of records, decompressed, that searches looked through.",
		}),
		results: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "syslane_search_results_total",
			Help: "Events that searches found and gave out.",
		}),
		connections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "syslane_http_refused_connections_total",
			Help: "Connections to the HTTP address closed on arrival, by the limit that they broke.",
		}, []string{"reason"}),
	}
	// A server that takes the place of another goes on with its counts.
	for _, err := range []error{families.Register(r, &m.requests), families.Register(r, &m.seconds),
		families.Register(r, &m.octets), families.Register(r, &m.results), families.Register(r, &m.connections)} {
		if err != nil {
			panic(err) // as of prometheus.MustRegister
		}
	}
	for _, outcome := range []string{"ok", "incomplete", "invalid", "busy", "failed"} {
		m.requests.WithLabelValues(outcome)
	}
	for _, reason := range []string{"connections", "connections_per_address"} {
		m.connections.WithLabelValues(reason)
	}
	return m
}

func (m *metrics) refuse(outcome string) { m.requests.WithLabelValues(outcome).Inc() }

func (m *metrics) done(stats search.Stats, err error, took time.Duration) {
	var incomplete *search.IncompleteError
	var syntax *search.SyntaxError
	outcome := "ok"
	switch {
	case errors.As(err, &incomplete):
		outcome = "incomplete"
	case errors.As(err, &syntax):
		outcome = "invalid"
	case err != nil:
		outcome = "failed"
	}
	m.requests.WithLabelValues(outcome).Inc()
	m.seconds.Observe(took.Seconds())
	m.octets.Add(float64(stats.Octets))
	m.results.Add(float64(stats.Matched))
}
