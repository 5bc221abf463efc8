package tlsconf

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// register makes the counters, and registers them where the options say so. An
// endpoint that is configured anew takes the place of the one before.
func (f *files) register(o Options) {
	labels := prometheus.Labels{"endpoint": o.Name}
	f.reloads = prometheus.NewCounter(prometheus.CounterOpts{Name: "syslane_tls_reloads_total",
		Help: "Times that changed TLS files were taken into use.", ConstLabels: labels})
	f.failures = prometheus.NewCounter(prometheus.CounterOpts{Name: "syslane_tls_reload_failures_total",
		Help: "Times that changed TLS files could not be used and the old ones stayed in use.", ConstLabels: labels})
	f.failing = prometheus.NewGauge(prometheus.GaugeOpts{Name: "syslane_tls_reload_failing",
		Help: "1 while the TLS files on disk cannot be used and older ones are in use, else 0.", ConstLabels: labels})
	if o.Registerer == nil {
		return
	}
	all := []prometheus.Collector{f.reloads, f.failures, f.failing}
	if o.CertFile != "" {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "syslane_tls_certificate_expiry_timestamp_seconds",
			Help: "When the own certificate in use expires, in seconds since the Unix epoch.", ConstLabels: labels},
			func() float64 { return float64(f.current().cert.Leaf.NotAfter.Unix()) }))
	}
	for _, c := range all {
		err := o.Registerer.Register(c)
		if errors.As(err, &prometheus.AlreadyRegisteredError{}) {
			o.Registerer.Unregister(c)
			err = o.Registerer.Register(c)
		}
		if err != nil {
			f.log.Error().Err(err).Msg("TLS metrics cannot be registered")
		}
	}
}
