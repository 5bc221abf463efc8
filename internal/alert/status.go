package alert

import (
	"cmp"
	"slices"
	"time"
)

// maxShown is how many groups of an alert the status shows; first those that fire.
const maxShown = 1000

// Status is how alerts are, as /api/v1/alerts shows it.
type Status struct {
	Alerts   []AlertStatus   `json:"alerts"`
	Channels []ChannelStatus `json:"channels"`
	// Lag is how many messages of the log are not evaluated yet.
	Lag uint64 `json:"lag_messages"`
}

// AlertStatus is one alert.
type AlertStatus struct {
	Name      string            `json:"name"`
	Query     string            `json:"query"`
	Condition string            `json:"condition"`
	Window    string            `json:"window"`
	By        []string          `json:"by,omitempty"`
	Severity  string            `json:"severity,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	// State is that of the group which is worst: firing, pending or inactive.
	State State `json:"state"`
	// Watched is how many groups there are, Firing how many of them fire.
	Watched int `json:"watched_groups"`
	Firing  int `json:"firing_groups"`
	// Groups are those that fire or are pending, and others until there are 1000.
	Groups []GroupStatus `json:"groups"`
}

// GroupStatus is one group.
type GroupStatus struct {
	// Labels are the values of the fields by which is grouped.
	Labels map[string]string `json:"labels,omitempty"`
	State  State             `json:"state"`
	// Since is when the condition began to hold; left out where it does not.
	Since *time.Time `json:"since,omitempty"`
	// Value is the count, or the seconds of silence.
	Value uint64 `json:"value"`
	// Last is when the latest message was received that was counted.
	Last *time.Time `json:"last,omitempty"`
}

// ChannelStatus is one way to tell.
type ChannelStatus struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Sent    uint64 `json:"sent"`
	Dropped uint64 `json:"dropped"`
	Pending int    `json:"pending"`
	Error   string `json:"error,omitempty"`
}

// rank orders states, the worst first.
func (s State) rank() int { return slices.Index([]State{Firing, Pending, Inactive}, s) }

// Status returns how alerts are now.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := Status{Alerts: []AlertStatus{}, Channels: []ChannelStatus{}, Lag: w.lag()}
	for _, of := range w.engine.watches {
		s.Alerts = append(s.Alerts, of.status())
	}
	for _, o := range w.boxes {
		c := ChannelStatus{Name: o.Name, Type: o.Type, Sent: o.sent, Pending: len(o.list)}
		if err := o.failure(); err != nil {
			c.Error = err.Error()
		}
		for _, n := range o.lost {
			c.Dropped += n
		}
		s.Channels = append(s.Channels, c)
	}
	return s
}

func (w *Watcher) lag() uint64 { return w.head - min(w.position, w.head) }

func (w *watch) status() AlertStatus {
	r := w.rule
	a := AlertStatus{Name: r.Name, Query: r.QueryText, Severity: r.Severity, Labels: r.Labels, State: Inactive, Watched: len(w.groups), Groups: []GroupStatus{}}
	a.Condition, a.Window = r.describe()
	for _, f := range r.By {
		a.By = append(a.By, f.Name())
	}
	groups := make([]*group, 0, len(w.groups))
	for _, g := range w.groups {
		groups = append(groups, g)
		if g.state == Firing {
			a.Firing++
		}
	}
	slices.SortFunc(groups, func(x, y *group) int {
		return cmp.Or(cmp.Compare(x.state.rank(), y.state.rank()), cmp.Compare(x.key, y.key))
	})
	for _, g := range groups[:min(len(groups), maxShown)] {
		s := GroupStatus{State: g.state, Value: g.value}
		for i, f := range r.By {
			if s.Labels == nil {
				s.Labels = make(map[string]string)
			}
			s.Labels[f.Name()] = g.values[i]
		}
		if g.state != Inactive {
			since := time.Unix(0, g.since).UTC()
			s.Since = &since
		}
		if g.last > 0 {
			last := time.Unix(0, g.last).UTC()
			s.Last = &last
		}
		if g.state.rank() < a.State.rank() {
			a.State = g.state
		}
		a.Groups = append(a.Groups, s)
	}
	return a
}

// firing returns all that fires.
func (e *engine) firing() (all []Change) {
	for _, w := range e.watches {
		for _, g := range w.groups {
			if g.state == Firing {
				all = append(all, w.change(g, Firing, e.now, true, ""))
			}
		}
	}
	return all
}
