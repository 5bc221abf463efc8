package node

import (
	"github.com/prometheus/client_golang/prometheus"
)

// accounts are the metrics of log and outputs. Those of an output are read from
// its durable cursor, so they go on across restarts, and at any moment
//
//	routed = delivered + dead_lettered + dropped + skipped + retained
//
// where dropped has the reasons "policy" (log.full = "drop-oldest") and "damaged"
// (the disk lost it).
type accounts struct {
	node *Node

	stored, head, octets, maxSize, segments, failing *prometheus.Desc
	diskFree, minFree                                *prometheus.Desc
	damaged, torn, quarantined, unclaimed            *prometheus.Desc
	routed, delivered, deadLettered                  *prometheus.Desc
	dropped, skipped, retained, retries, up          *prometheus.Desc
}

func newAccounts(n *Node) *accounts {
	log := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("syslane_log_"+name, help, nil, nil)
	}
	output := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("syslane_output_"+name, help, append([]string{"output"}, labels...), nil)
	}
	return &accounts{
		node:        n,
		stored:      log("stored_messages_total", "Messages appended to the log since it was made; survives restarts."),
		head:        log("retained_messages", "Messages in the log."),
		octets:      log("size_octets", "Size of the log on disk."),
		maxSize:     log("max_size_octets", "Bound of the log on disk, log.max_size; 0 is none."),
		diskFree:    log("disk_free_octets", "Free on the disk of the log when it was last looked at; 0 where that is not known."),
		minFree:     log("min_free_octets", "What is left free on the disk of the log, log.min_free: with less it is full."),
		segments:    log("segments", "Segments of the log."),
		failing:     log("failing", "1 while the log takes no messages because it is full or the disk fails."),
		damaged:     log("damaged_messages_total", "Messages that damage on the disk made unreadable, since the start of the process."),
		torn:        log("torn_octets_total", "Octets of an unfinished write that were cut off the end of the log at the start."),
		quarantined: log("quarantined_files", "Files with damaged parts of the log (.bad)."),
		unclaimed: prometheus.NewDesc("syslane_log_unclaimed_messages",
			"Messages that the log keeps for an output that is not in the configuration, until one of its name is, or \"syslane spool drop-cursor\".", []string{"output"}, nil),

		routed:       output("routed_messages_total", "Messages in the log since the output exists; survives restarts: delivered + dead_lettered + dropped + skipped + retained."),
		delivered:    output("delivered_messages_total", "Messages that the destination has taken; survives restarts."),
		deadLettered: output("dead_lettered_messages_total", "Messages that the destination refused for good, kept in the dead letter; survives restarts."),
		dropped:      output("dropped_messages_total", "Messages the output never got, by reason; survives restarts.", "reason"),
		skipped:      output("skipped_messages_total", "Messages that a route sent elsewhere, or only to the log; survives restarts."),
		retained:     output("retained_messages", "Messages in the log that the output has yet to take, or to skip."),
		retries:      output("retries_total", "Times a batch had to be handed over again, since the start of the process."),
		up:           output("up", "1 while the destination takes messages, 0 after a failed attempt."),
	}
}

// Describe implements prometheus.Collector.
func (a *accounts) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(a, ch) }

// Collect implements prometheus.Collector.
func (a *accounts) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	s, bounds := a.node.log.Stats(), a.node.current().Config.Log
	counter(a.stored, s.Head-1)
	gauge(a.head, float64(s.Head-s.Tail))
	gauge(a.octets, float64(s.Bytes))
	gauge(a.maxSize, float64(bounds.MaxSize))
	gauge(a.diskFree, float64(s.DiskFree))
	gauge(a.minFree, float64(bounds.MinFree))
	gauge(a.segments, float64(s.Segments))
	gauge(a.failing, number(s.Full || s.Failing))
	counter(a.damaged, s.DamagedRecords)
	counter(a.torn, s.TornOctets)
	gauge(a.quarantined, float64(s.Quarantined))
	for _, c := range a.node.unclaimed() {
		gauge(a.unclaimed, float64(c.Lag), c.Name)
	}
	for _, o := range a.node.sendings() {
		c := o.cursor.Status()
		counter(a.routed, c.Routed(), o.name)
		counter(a.delivered, c.Delivered, o.name)
		counter(a.deadLettered, c.DeadLettered, o.name)
		counter(a.dropped, c.Dropped, o.name, "policy")
		counter(a.dropped, c.Missing, o.name, "damaged")
		counter(a.skipped, c.Skipped, o.name)
		gauge(a.retained, float64(c.Lag), o.name)
		counter(a.retries, o.delivery.Retries(), o.name)
		gauge(a.up, number(o.delivery.Failing() == nil), o.name)
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
