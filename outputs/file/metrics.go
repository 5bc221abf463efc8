package file

import (
	"github.com/prometheus/client_golang/prometheus"

	families "github.com/syslane/syslane/internal/metrics"
)

// metrics count what happens to the files; what was delivered is counted by the
// delivery.
type metrics struct{ octets, rotations prometheus.Counter }

func newMetrics(output string, r prometheus.Registerer) (*metrics, error) {
	c := families.ForOutput(output, r)
	m := &metrics{
		octets:    c.Counter("syslane_output_file_octets_total", "Octets of lines written to files."),
		rotations: c.Counter("syslane_output_file_rotations_total", "Files rotated."),
	}
	return m, c.Err()
}
