package targets

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	families "github.com/syslane/syslane/internal/metrics"
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
	err := errors.Join(families.Register(r, &state), families.Register(r, &switches))
	return &metrics{output: output, state: state, switches: switches.WithLabelValues(output)}, err
}

func (m *metrics) up(target string, up bool) {
	v := 0.0
	if up {
		v = 1
	}
	m.state.WithLabelValues(m.output, target).Set(v)
}

func (m *metrics) forget(target string) { m.state.DeleteLabelValues(m.output, target) }
