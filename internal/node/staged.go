package node

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// staged takes the metrics of a part of a plan until the part is started: what is only
// planned must not take the place of what runs.
type staged struct {
	prometheus.Registerer
	waiting []prometheus.Collector
	started bool
}

// Register implements prometheus.Registerer.
func (s *staged) Register(c prometheus.Collector) error {
	if s.started {
		return s.Registerer.Register(c)
	}
	s.waiting = append(s.waiting, c)
	return nil
}

// start registers what has waited, in the place of what a part before has of the same
// names and labels.
func (s *staged) start() error {
	if s == nil || s.started {
		return nil
	}
	s.started = true
	var errs []error
	for _, c := range s.waiting {
		err := s.Registerer.Register(c)
		if errors.As(err, &prometheus.AlreadyRegisteredError{}) {
			s.Registerer.Unregister(c)
			err = s.Registerer.Register(c)
		}
		errs = append(errs, err)
	}
	s.waiting = nil
	return errors.Join(errs...)
}
