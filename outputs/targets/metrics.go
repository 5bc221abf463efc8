package targets

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics tell which targets work.
type metrics struct {
	output   string
	state    *prometheus.GaugeVec
	switches prometheus.Counter
}

func newMetrics(output string, r prometheus.Registerer) (*metrics, error) {
	state := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "syslane_output_target_up", Help: "1 while the target is in use or could be, 0 after it failed until a check finds it well.",
	}, []string{"output", "target"})
	switches := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "syslane_output_target_switches_total", Help: "Times that messages went to another target than before (mode failover).",
	}, []string{"output"})
	var err error
	if r != nil {
		var e1, e2 error
		state, e1 = register(r, state)
		switches, e2 = register(r, switches)
		err = errors.Join(e1, e2)
	}
	return &metrics{output: output, state: state, switches: switches.WithLabelValues(output)}, err
}

// register returns the collector of that name which is registered already, if
// there is one: outputs share them.
func register[C prometheus.Collector](r prometheus.Registerer, c C) (C, error) {
	err := r.Register(c)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if existing, ok := already.ExistingCollector.(C); ok {
			return existing, nil
		}
	}
	return c, err
}

func (m *metrics) up(target string, up bool) {
	v := 0.0
	if up {
		v = 1
	}
	m.state.WithLabelValues(m.output, target).Set(v)
}

func (m *metrics) forget(target string) { m.state.DeleteLabelValues(m.output, target) }
