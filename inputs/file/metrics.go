package file

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	families "github.com/syslane/syslane/internal/metrics"
)

type metrics struct {
	followed, open, unread, over prometheus.Gauge
	truncations, failures        prometheus.Counter
}

func newMetrics(input string, r prometheus.Registerer) (*metrics, error) {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"input"})
	}
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"input"})
	}
	followed := gauge("syslane_input_followed_files", "Files followed, as of the last scan.")
	open := gauge("syslane_input_open_files", "Files open, as of the last scan.")
	unread := gauge("syslane_input_unread_octets", "Octets of followed files that are not yet read, as of the last scan.")
	over := gauge("syslane_input_unfollowed_files", "Files that match but are not followed because max_files is reached.")
	truncations := counter("syslane_input_file_truncations_total", "Files found truncated or written anew under the same inode.")
	failures := counter("syslane_input_file_failures_total", "Failures to open or read a file.")
	if err := errors.Join(families.Register(r, &followed), families.Register(r, &open), families.Register(r, &unread),
		families.Register(r, &over), families.Register(r, &truncations), families.Register(r, &failures)); err != nil {
		return nil, err
	}
	return &metrics{
		followed: followed.WithLabelValues(input), open: open.WithLabelValues(input),
		unread: unread.WithLabelValues(input), over: over.WithLabelValues(input),
		truncations: truncations.WithLabelValues(input), failures: failures.WithLabelValues(input),
	}, nil
}

// report sets the gauges after a scan.
func (r *reader) report(over int) {
	unread, followed := int64(0), 0
	for _, f := range r.files {
		if !f.ignored {
			unread += max(0, f.size-f.pos)
			followed++
		}
	}
	r.metrics.followed.Set(float64(followed))
	r.metrics.open.Set(float64(r.recent.Len()))
	r.metrics.unread.Set(float64(unread))
	r.metrics.over.Set(float64(over))
}
