package syslog

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count what happens on the connections; what was delivered is counted
// by the delivery.
type metrics struct {
	connects, connectFailures, losses, octets, truncated prometheus.Counter
}

func newMetrics(output string, r prometheus.Registerer) (*metrics, error) {
	var errs []error
	counter := func(name, help string) prometheus.Counter {
		vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"output"})
		if r != nil {
			var already prometheus.AlreadyRegisteredError
			if err := r.Register(vec); errors.As(err, &already) {
				existing, ok := already.ExistingCollector.(*prometheus.CounterVec)
				if !ok {
					errs = append(errs, err)
				} else {
					vec = existing
				}
			} else if err != nil {
				errs = append(errs, err)
			}
		}
		return vec.WithLabelValues(output)
	}
	m := &metrics{
		connects:        counter("syslane_output_connects_total", "Sessions opened with a target."),
		connectFailures: counter("syslane_output_connect_failures_total", "Attempts to open a session that failed."),
		losses:          counter("syslane_output_connections_lost_total", "Sessions given up while messages waited for an answer."),
		octets:          counter("syslane_output_sent_octets_total", "Octets written to the connection, as compressed, before TLS."),
		truncated:       counter("syslane_output_truncated_messages_total", "Messages cut to max_message_size."),
	}
	return m, errors.Join(errs...)
}
