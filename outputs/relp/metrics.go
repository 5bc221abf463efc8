package relp

import (
	"github.com/prometheus/client_golang/prometheus"

	families "github.com/syslane/syslane/internal/metrics"
)

// metrics count what happens on the connection; what was delivered is counted by
// the delivery.
type metrics struct {
	connects, connectFailures, losses, refusals, octets prometheus.Counter
}

func newMetrics(output string, r prometheus.Registerer) (*metrics, error) {
	c := families.ForOutput(output, r)
	m := &metrics{
		connects:        c.Counter("syslane_output_connects_total", "Sessions opened with a target."),
		connectFailures: c.Counter("syslane_output_connect_failures_total", "Attempts to open a session that failed."),
		losses:          c.Counter("syslane_output_connections_lost_total", "Sessions given up while messages waited for an answer."),
		refusals:        c.Counter("syslane_output_refusals_total", "Answers by which a target refused a message or a batch."),
		octets:          c.Counter("syslane_output_sent_octets_total", "Octets written to the connection, as compressed, before TLS."),
	}
	return m, c.Err()
}
