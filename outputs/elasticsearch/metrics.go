package elasticsearch

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of one output; each has the label "output".
type metrics struct {
	created, duplicate, rejected, again, redirected, kept prometheus.Counter
	requests                                              *prometheus.CounterVec
	octets                                                prometheus.Counter
	seconds                                               prometheus.Histogram
}

func newMetrics(name string, reg prometheus.Registerer, p *pace) (*metrics, error) {
	labels := prometheus.Labels{"output": name}
	documents := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "syslane_elasticsearch_documents_total", ConstLabels: labels,
		Help: "Documents by what the server said of them: created, duplicate (it had them already), rejected (for good), again (turned away for the moment), redirected (created in the failure store), kept (of those rejected, in dead_letter_index).",
	}, []string{"result"})
	m := &metrics{
		created:    documents.WithLabelValues("created"),
		duplicate:  documents.WithLabelValues("duplicate"),
		rejected:   documents.WithLabelValues("rejected"),
		again:      documents.WithLabelValues("again"),
		redirected: documents.WithLabelValues("redirected"),
		kept:       documents.WithLabelValues("kept"),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "syslane_elasticsearch_requests_total", ConstLabels: labels,
			Help: "Bulk requests by HTTP status; 0 where no whole answer came.",
		}, []string{"status"}),
		octets: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "syslane_elasticsearch_request_octets_total", ConstLabels: labels,
			Help: "Octets of the bodies of bulk requests, as they were sent.",
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "syslane_elasticsearch_request_seconds", ConstLabels: labels,
			Help:    "Time from the start of a bulk request to the end of its answer.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 14),
		}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		documents, m.requests, m.octets, m.seconds,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "syslane_elasticsearch_concurrency_requests", ConstLabels: labels,
			Help: "Bulk requests that may be under way at once, as the server's answers have it.",
		}, p.concurrency),
	} {
		err := reg.Register(c)
		if errors.As(err, &prometheus.AlreadyRegisteredError{}) { // of the output before a reload
			reg.Unregister(c)
			err = reg.Register(c)
		}
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}
