package file

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count what happens to the files; what was delivered is counted by the
// delivery.
type metrics struct{ octets, rotations prometheus.Counter }

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
		octets:    counter("syslane_output_file_octets_total", "Octets of lines written to files."),
		rotations: counter("syslane_output_file_rotations_total", "Files rotated."),
	}
	return m, errors.Join(errs...)
}
