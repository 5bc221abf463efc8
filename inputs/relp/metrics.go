package relp

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	families "github.com/syslane/syslane/internal/metrics"
	"github.com/syslane/syslane/internal/receive"
	"github.com/syslane/syslane/internal/relp"
)

// metrics count what happens before a message reaches the Sink, which counts the rest.
type metrics struct {
	framing *receive.FramingMetrics
	// badFrames by reason; it holds every relp.FrameError.
	badFrames      map[relp.FrameError]prometheus.Counter
	badBatches     prometheus.Counter
	refused        prometheus.Counter
	unopened       prometheus.Counter
	submitFailures prometheus.Counter
}

func newMetrics(input string, r prometheus.Registerer) (*metrics, error) {
	var errs []error
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"input"}, labels...))
		errs = append(errs, families.Register(r, &vec))
		return vec
	}
	framing, err := receive.NewFramingMetrics(input, r)
	errs = append(errs, err)
	badFrames := counters("syslane_input_bad_frames_total",
		"RELP frames that broke the grammar, by the part that was wrong; each ended its connection.", "reason")
	m := &metrics{
		framing:   framing,
		badFrames: make(map[relp.FrameError]prometheus.Counter),
		badBatches: counters("syslane_input_bad_batches_total",
			"Batches of another Syslane that were damaged and refused.").WithLabelValues(input),
		refused: counters("syslane_input_refused_commands_total",
			"RELP commands answered 500, damaged batches included.").WithLabelValues(input),
		unopened: counters("syslane_input_unopened_sessions_total",
			"Connections closed because the peer opened no RELP session in time.").WithLabelValues(input),
		submitFailures: counters("syslane_input_submit_failures_total",
			"Batches that could not be stored: not acknowledged, and the connection closed, so that the peer sends them again.").WithLabelValues(input),
	}
	for _, e := range []relp.FrameError{relp.ErrTxnr, relp.ErrCommand, relp.ErrDataLen, relp.ErrTrailer, relp.ErrOversize} {
		m.badFrames[e] = badFrames.WithLabelValues(input, string(e))
	}
	return m, errors.Join(errs...)
}
