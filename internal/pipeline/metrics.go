package pipeline

import (
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/dedupe"
	"github.com/syslane/syslane/spool"
)

// metrics count what inputs submitted since the process started. For each input
// received = stored + redelivered + suppressed + filtered + limited + dropped, but for
// submits under way.
type metrics struct {
	received, octets, stored, redelivered *prometheus.CounterVec
	suppressed, filtered, limited         *prometheus.CounterVec
	dropped, generated                    *prometheus.CounterVec
	inputs                                *sync.Map // input name to *inputCounters
}

// inputCounters are the counters of one input, looked up once.
type inputCounters struct {
	received, octets, stored, redelivered prometheus.Counter
	suppressed                            prometheus.Counter
	filtered, limited, dropped            *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) metrics {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"input"}, labels...))
	}
	m := metrics{
		received:    vec("syslane_input_received_messages_total", "Messages that the input submitted since the start of the process: stored + redelivered + suppressed + filtered + limited + dropped."),
		octets:      vec("syslane_input_received_octets_total", "Octets of the messages that the input submitted."),
		stored:      vec("syslane_input_stored_messages_total", "Messages made durable in the log."),
		redelivered: vec("syslane_input_redelivered_messages_total", "Messages that their sender sent again after it had got no answer, and that were stored already."),
		suppressed:  vec("syslane_input_suppressed_messages_total", "Messages that repeat one that was stored; how many is told by an event with repeat@32473."),
		filtered:    vec("syslane_input_filtered_messages_total", "Messages thrown away as a rule says, by its name.", "rule"),
		limited:     vec("syslane_input_limited_messages_total", "Messages that a limit held back, by its name.", "rule"),
		dropped:     vec("syslane_input_dropped_messages_total", "Messages not stored, by reason. A peer that was promised an acknowledgement has got none and sends them again, but for the reason log-full (log.full = drop-newest).", "reason"),
		generated: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "syslane_generated_messages_total", Help: "Messages that Syslane stored of its own, by what they tell of.",
		}, []string{"kind"}),
		inputs: new(sync.Map),
	}
	if r != nil {
		r.MustRegister(m.received, m.octets, m.stored, m.redelivered, m.suppressed, m.filtered, m.limited, m.dropped, m.generated)
	}
	return m
}

func (m *metrics) of(input string) *inputCounters {
	if c, ok := m.inputs.Load(input); ok {
		return c.(*inputCounters)
	}
	c, _ := m.inputs.LoadOrStore(input, &inputCounters{
		received:    m.received.WithLabelValues(input),
		octets:      m.octets.WithLabelValues(input),
		stored:      m.stored.WithLabelValues(input),
		redelivered: m.redelivered.WithLabelValues(input),
		suppressed:  m.suppressed.WithLabelValues(input),
		filtered:    m.filtered.MustCurryWith(prometheus.Labels{"input": input}),
		limited:     m.limited.MustCurryWith(prometheus.Labels{"input": input}),
		dropped:     m.dropped.MustCurryWith(prometheus.Labels{"input": input}),
	})
	return c.(*inputCounters)
}

func (c *inputCounters) receive(messages, octets int) {
	c.received.Add(float64(messages))
	c.octets.Add(float64(octets))
}

// outcome counts n messages as stored, or as dropped for err, and returns what their
// sender is told. What a full log drops by its policy is done with: a sender that
// heard of a failure would only send it again.
func (c *inputCounters) outcome(err error, n int) error {
	if err == nil {
		c.stored.Add(float64(n))
		return nil
	}
	c.drop(err, n)
	if errors.Is(err, spool.ErrDropped) {
		return nil
	}
	return err
}

func (c *inputCounters) drop(err error, n int) {
	reason := "log-failed"
	switch {
	case errors.Is(err, inputs.ErrClosed):
		reason = "shutdown"
	case errors.Is(err, spool.ErrDropped):
		reason = "log-full"
	case errors.Is(err, spool.ErrTooLarge):
		reason = "too-large"
	case errors.Is(err, dedupe.ErrFirstLost):
		reason = "first-lost"
	case errors.Is(err, errOverlap):
		reason = "overlap"
	case errors.Is(err, errPlaces):
		reason = "bad-places"
	}
	c.dropped.WithLabelValues(reason).Add(float64(n))
}
