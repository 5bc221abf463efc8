package alert

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of alerts. They are read from the watcher when they are asked for.
var (
	lagDesc        = prometheus.NewDesc("syslane_alert_lag_messages", "Messages of the log that alerts have not evaluated yet.", nil, nil)
	evaluatedDesc  = prometheus.NewDesc("syslane_alert_evaluated_messages_total", "Messages that alerts have evaluated.", nil, nil)
	missedDesc     = prometheus.NewDesc("syslane_alert_missed_messages_total", "Messages that were deleted before alerts evaluated them, or are damaged.", nil, nil)
	spentDesc      = prometheus.NewDesc("syslane_alert_evaluation_seconds_total", "Time that evaluation has taken.", nil, nil)
	saveErrorsDesc = prometheus.NewDesc("syslane_alert_state_errors_total", "Attempts to save the state of alerts that have failed.", nil, nil)
	matchedDesc    = prometheus.NewDesc("syslane_alert_matched_messages_total", "Messages that the query of an alert has found.", []string{"alert"}, nil)
	lateDesc       = prometheus.NewDesc("syslane_alert_late_messages_total", "Messages that came too late to be counted.", []string{"alert"}, nil)
	forgottenDesc  = prometheus.NewDesc("syslane_alert_forgotten_messages_total", "Messages that were counted and are no longer counted with late ones: alerts would remember too much.", []string{"alert"}, nil)
	overflowDesc   = prometheus.NewDesc("syslane_alert_group_overflow_messages_total", "Messages that were not counted because their alert has too many groups.", []string{"alert"}, nil)
	groupsDesc     = prometheus.NewDesc("syslane_alert_groups", "Groups that an alert watches, by their state.", []string{"alert", "state"}, nil)
	sentDesc       = prometheus.NewDesc("syslane_alert_notifications_total", "Notices that a channel was given, by what has become of them.", []string{"channel", "result"}, nil)
	pendingDesc    = prometheus.NewDesc("syslane_alert_notifications_pending", "Notices that wait for a channel.", []string{"channel"}, nil)
	retriesDesc    = prometheus.NewDesc("syslane_alert_notification_retries_total", "Attempts to tell a channel that have failed and were made again.", []string{"channel"}, nil)
)

func (w *Watcher) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	c := collector{w}
	err := r.Register(c)
	if errors.As(err, &prometheus.AlreadyRegisteredError{}) { // of the watcher before a reload
		r.Unregister(c)
		err = r.Register(c)
	}
	return err
}

// collector gives the metrics of a watcher.
type collector struct{ w *Watcher }

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{lagDesc, evaluatedDesc, missedDesc, spentDesc, saveErrorsDesc, matchedDesc, lateDesc, forgottenDesc, overflowDesc, groupsDesc, sentDesc, pendingDesc, retriesDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	w := c.w
	head, err := w.cfg.View.Head()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.head = max(w.head, head)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge(lagDesc, float64(w.lag()))
	counter(evaluatedDesc, float64(w.evaluated))
	counter(missedDesc, float64(w.missed+w.unreadable))
	counter(spentDesc, w.spent.Seconds())
	counter(saveErrorsDesc, float64(w.saveErrors))
	for _, of := range w.engine.watches {
		name := of.rule.Name
		counter(matchedDesc, float64(of.counts.matched), name)
		counter(lateDesc, float64(of.counts.late), name)
		counter(forgottenDesc, float64(of.counts.forgotten), name)
		counter(overflowDesc, float64(of.counts.overflow), name)
		states := map[State]int{Inactive: 0, Pending: 0, Firing: 0}
		for _, g := range of.groups {
			states[g.state]++
		}
		for state, n := range states {
			gauge(groupsDesc, float64(n), name, string(state))
		}
	}
	for _, o := range w.boxes {
		counter(sentDesc, float64(o.sent), o.Name, "sent")
		for reason, n := range o.lost {
			counter(sentDesc, float64(n), o.Name, reason)
		}
		gauge(pendingDesc, float64(len(o.list)), o.Name)
		counter(retriesDesc, float64(o.retries), o.Name)
	}
}
