package receive

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	families "github.com/syslane/syslane/internal/metrics"
	"github.com/syslane/syslane/internal/syslog"
)

// FramingMetrics count what is wrong with the framing of messages before they
// reach the Sink, which counts the rest.
type FramingMetrics struct {
	truncated, badCount, unterminated, lost prometheus.Counter
	discarded, empty                        prometheus.Counter
}

// NewFramingMetrics returns the counters of one input; inputs share the families.
func NewFramingMetrics(input string, r prometheus.Registerer) (*FramingMetrics, error) {
	framing := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "syslane_input_framing_errors_total",
		Help: "Messages with broken transport framing, by kind: truncated, bad_count and unterminated ones are kept and flagged; lost counts connections given up."},
		[]string{"input", "kind"})
	discarded := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "syslane_input_discarded_octets_total",
		Help: "Octets received that are in no message: beyond max_message_size, or of a frame that never ended."},
		[]string{"input", "reason"})
	empty := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "syslane_input_empty_frames_total",
		Help: "Frames without a single octet of content, as empty lines and empty datagrams: no messages."},
		[]string{"input"})
	if err := errors.Join(families.Register(r, &framing), families.Register(r, &discarded), families.Register(r, &empty)); err != nil {
		return nil, err
	}
	return &FramingMetrics{
		truncated:    framing.WithLabelValues(input, "truncated"),
		badCount:     framing.WithLabelValues(input, "bad_count"),
		unterminated: framing.WithLabelValues(input, "unterminated"),
		lost:         framing.WithLabelValues(input, "lost"),
		discarded:    discarded.WithLabelValues(input, "truncated"),
		empty:        empty.WithLabelValues(input),
	}, nil
}

// Lost counts a connection given up because of its framing.
func (m *FramingMetrics) Lost() { m.lost.Inc() }

// Add takes over what s counted, and empties it.
func (m *FramingMetrics) Add(s *syslog.FramingStats) {
	for _, c := range []struct {
		counter prometheus.Counter
		n       int
	}{
		{m.truncated, s.Truncated}, {m.badCount, s.BadCounts}, {m.unterminated, s.Unterminated},
		{m.discarded, s.Discarded}, {m.empty, s.Empty},
	} {
		if c.n > 0 {
			c.counter.Add(float64(c.n))
		}
	}
	*s = syslog.FramingStats{}
}
