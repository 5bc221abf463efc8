package node

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Status is how a node is, as /api/v1/status shows it. Its counts are those of the
// metrics.
type Status struct {
	Version string         `json:"version"`
	Role    string         `json:"role"`
	Started time.Time      `json:"started"`
	Time    time.Time      `json:"time"`
	Log     LogStatus      `json:"log"`
	Inputs  []InputStatus  `json:"inputs"`
	Outputs []OutputStatus `json:"outputs"`
	// Unclaimed are outputs that are not in the configuration, and for which the log
	// keeps messages all the same.
	Unclaimed []UnclaimedStatus `json:"unclaimed"`
}

// LogStatus is the state of the log.
type LogStatus struct {
	// Stored counts messages since the log was made, Retained those that are in it.
	Stored   uint64 `json:"stored_messages"`
	Retained uint64 `json:"retained_messages"`
	Octets   int64  `json:"size_octets"`
	Segments int    `json:"segments"`
	// Oldest is when the oldest segment was started; left out where that is not known.
	Oldest *time.Time `json:"oldest,omitempty"`
	// Full says that the log takes no messages for lack of room, DiskLow that this is
	// because less than log.min_free is free on its disk.
	Full    bool   `json:"full"`
	DiskLow bool   `json:"disk_low"`
	Failing bool   `json:"failing"`
	Damaged uint64 `json:"damaged_messages"`
}

// InputStatus is what an input has taken since the start of the process.
type InputStatus struct {
	Name string `json:"name"`
	// Counts are the input's counters in the metrics, by their names without
	// "syslane_input_" and "_total", summed over their other labels:
	// "received_messages", "stored_messages", "dropped_messages" and so on.
	Counts map[string]uint64 `json:"counts"`
}

// OutputStatus is how far an output is.
type OutputStatus struct {
	Name         string `json:"name"`
	Up           bool   `json:"up"`
	Error        string `json:"error,omitempty"`
	Delivered    uint64 `json:"delivered_messages"`
	DeadLettered uint64 `json:"dead_lettered_messages"`
	Dropped      uint64 `json:"dropped_messages"`
	Damaged      uint64 `json:"damaged_messages"`
	Retained     uint64 `json:"retained_messages"`
	Retries      uint64 `json:"retries"`
}

// UnclaimedStatus is what the log keeps for an output that is gone.
type UnclaimedStatus struct {
	Name     string `json:"name"`
	Retained uint64 `json:"retained_messages"`
}

// status returns how the node is now.
func (n *Node) status() Status {
	now := time.Now().UTC()
	l := n.log.Stats()
	s := Status{
		Version: n.current().options.Version, Role: n.role.Name, Started: n.started.UTC(), Time: now,
		Log: LogStatus{
			Stored: l.Head - 1, Retained: l.Head - l.Tail, Octets: l.Bytes, Segments: l.Segments,
			Full: l.Full, DiskLow: l.DiskLow, Failing: l.Failing, Damaged: l.DamagedRecords,
		},
		Inputs: []InputStatus{}, Outputs: []OutputStatus{}, Unclaimed: []UnclaimedStatus{},
	}
	if segments, err := n.log.View().Segments(); err == nil && len(segments) > 0 {
		if created := segments[len(segments)-1].Created; created > 0 {
			t := time.Unix(0, created).UTC()
			s.Log.Oldest = &t
		}
	}
	counts := inputCounts(n.current().registry)
	for _, in := range n.current().Inputs {
		of := counts[in.Name]
		if of == nil {
			of = map[string]uint64{}
		}
		s.Inputs = append(s.Inputs, InputStatus{in.Name, of})
	}
	for _, o := range n.sendings() {
		c := o.cursor.Status()
		status := OutputStatus{
			Name: o.name, Up: true, Delivered: c.Delivered, DeadLettered: c.DeadLettered, Dropped: c.Dropped,
			Damaged: c.Missing, Retained: c.Lag, Retries: o.delivery.Retries(),
		}
		if f := o.delivery.Failing(); f != nil {
			status.Up, status.Error = false, f.Err.Error()
		}
		s.Outputs = append(s.Outputs, status)
	}
	for _, c := range n.unclaimed() {
		s.Unclaimed = append(s.Unclaimed, UnclaimedStatus{c.Name, c.Lag})
	}
	return s
}

// inputCounts returns the counters of inputs by name.
func inputCounts(g prometheus.Gatherer) map[string]map[string]uint64 {
	const prefix = "syslane_input_"
	all := make(map[string]map[string]uint64)
	families, _ := g.Gather() // what can be had, where some of it cannot
	for _, family := range families {
		name, ours := strings.CutPrefix(family.GetName(), prefix)
		if !ours || family.GetType() != dto.MetricType_COUNTER {
			continue
		}
		name = strings.TrimSuffix(name, "_total")
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if label.GetName() != "input" {
					continue
				}
				input := label.GetValue()
				if all[input] == nil {
					all[input] = make(map[string]uint64)
				}
				all[input][name] += uint64(m.GetCounter().GetValue())
			}
		}
	}
	return all
}
