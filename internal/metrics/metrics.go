// Package metrics registers families of metrics that several inputs or outputs
// share, each with its own name as a label.
package metrics

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Register registers *c, a family of metrics, or sets it to the one that another
// input or output has registered before. A nil Registerer registers nothing.
func Register[C prometheus.Collector](r prometheus.Registerer, c *C) error {
	if r == nil {
		return nil
	}
	err := r.Register(*c)
	var before prometheus.AlreadyRegisteredError
	if errors.As(err, &before) {
		if existing, ok := before.ExistingCollector.(C); ok {
			*c = existing
			return nil
		}
	}
	return err
}

// Counters makes the counters of one output.
type Counters struct {
	output     string
	registerer prometheus.Registerer
	errs       []error
}

// ForOutput returns what makes counters labelled with the output's name.
func ForOutput(name string, r prometheus.Registerer) *Counters {
	return &Counters{output: name, registerer: r}
}

// Counter returns the output's counter in the family of that name.
func (c *Counters) Counter(name, help string) prometheus.Counter {
	family := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"output"})
	c.errs = append(c.errs, Register(c.registerer, &family))
	return family.WithLabelValues(c.output)
}

// Err returns what went wrong with any of them.
func (c *Counters) Err() error { return errors.Join(c.errs...) }
