package relp

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/syslane/syslane/internal/relp"
)

// metrics count what happens before a message reaches the Sink, which counts the rest.
type metrics struct {
	connections       prometheus.Gauge
	refused           prometheus.Counter
	acceptFailures    prometheus.Counter
	handshakeFailures prometheus.Counter
	submitFailures    prometheus.Counter
	badFrames         map[relp.FrameError]prometheus.Counter
	badBatches        prometheus.Counter
	truncated         prometheus.Counter
	incomplete        prometheus.Counter
	empty             prometheus.Counter
}

func newMetrics(input string, r prometheus.Registerer) (*metrics, error) {
	var errs []error
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return register(r, &errs, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help},
			append([]string{"input"}, labels...)))
	}
	connections := register(r, &errs, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "syslane_input_connections",
		Help: "Connections open at present."}, []string{"input"}))
	badFrames := counters("syslane_input_bad_frames_total",
		"Frames that broke the grammar of the transport, by the part that was wrong.", "reason")
	discarded := counters("syslane_input_discarded_octets_total",
		"Octets received that are in no message: beyond max_message_size, or of a frame that never ended.", "reason")
	m := &metrics{
		connections: connections.WithLabelValues(input),
		refused: counters("syslane_input_connections_refused_total",
			"Connections closed on arrival because there were as many as the limit allows.").WithLabelValues(input),
		acceptFailures: counters("syslane_input_accept_failures_total",
			"Failures of the system to hand over a connection.").WithLabelValues(input),
		handshakeFailures: counters("syslane_input_handshake_failures_total",
			"Connections whose TLS handshake or opening failed or took too long.").WithLabelValues(input),
		submitFailures: counters("syslane_input_submit_failures_total",
			"Batches that could not be stored: not acknowledged, and the connection closed, so that the peer sends them again.").WithLabelValues(input),
		badFrames: make(map[relp.FrameError]prometheus.Counter),
		badBatches: counters("syslane_input_bad_batches_total",
			"Batches of another Syslane that were damaged and refused.").WithLabelValues(input),
		truncated:  discarded.WithLabelValues(input, "truncated"),
		incomplete: discarded.WithLabelValues(input, "incomplete"),
		empty: counters("syslane_input_empty_messages_total",
			"Messages without a single octet: acknowledged, not stored.").WithLabelValues(input),
	}
	for _, e := range []relp.FrameError{relp.ErrTxnr, relp.ErrCommand, relp.ErrDataLen, relp.ErrTrailer, relp.ErrOversize} {
		m.badFrames[e] = badFrames.WithLabelValues(input, string(e))
	}
	return m, errors.Join(errs...)
}

// register registers a family of metrics, or returns the one that another input
// has registered before.
func register[C prometheus.Collector](r prometheus.Registerer, errs *[]error, c C) C {
	if r == nil {
		return c
	}
	var already prometheus.AlreadyRegisteredError
	if err := r.Register(c); errors.As(err, &already) {
		if existing, ok := already.ExistingCollector.(C); ok {
			return existing
		}
		*errs = append(*errs, err)
	} else if err != nil {
		*errs = append(*errs, err)
	}
	return c
}
