package journal

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	families "github.com/syslane/syslane/internal/metrics"
)

// metrics count requests; the Sink counts entries.
type metrics struct {
	input    string
	requests *prometheus.CounterVec
}

func newMetrics(input string, r prometheus.Registerer) (*metrics, error) {
	m := &metrics{input: input, requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "syslane_input_http_requests_total",
		Help: "Requests over HTTP, by the status of the answer. 202 is an upload that is durable; of any other the client repeats the whole."},
		[]string{"input", "code"})}
	if err := families.Register(r, &m.requests); err != nil {
		return nil, err
	}
	m.requests.WithLabelValues(input, "202")
	return m, nil
}

func (m *metrics) request(status int) {
	m.requests.WithLabelValues(m.input, strconv.Itoa(status)).Inc()
}
