package node

import (
	"fmt"
	"slices"
)

// difference is what a reload has to do to get from one plan to another.
type difference struct {
	// inputs and outputs are the parts that begin, end or begin anew.
	inputs  []change[PlannedInput]
	outputs []change[PlannedOutput]
	// rules says that the pipeline judges or reads messages in another way, limits
	// that the log is bounded in another.
	rules, limits, http, alerts bool
	// said tells of it in words; restart tells what waits for the next start.
	said, restart []string
}

// change is one part that is new, gone, or another than before.
type change[P any] struct {
	name        string
	before, now *P // nil: there is none
}

// verb says what becomes of the part.
func (c *change[P]) verb() string {
	switch {
	case c.before == nil:
		return "added"
	case c.now == nil:
		return "removed"
	}
	return "changed"
}

// changes compares two lists of parts by their names.
func changes[P any](before, now []P, name func(*P) string, same func(a, b *P) bool) (all []change[P]) {
	old := make(map[string]*P)
	for i := range before {
		old[name(&before[i])] = &before[i]
	}
	for i := range now {
		p := &now[i]
		b := old[name(p)]
		delete(old, name(p))
		if b == nil || !same(b, p) {
			all = append(all, change[P]{name(p), b, p})
		}
	}
	for i := range before {
		if b := &before[i]; old[name(b)] != nil {
			all = append(all, change[P]{name(b), b, nil})
		}
	}
	return all
}

// keepsConnections tells whether the connections of an input go on when it is changed:
// where peers are let in by the same rules, at the same place.
func (c *change[P]) keepsConnections() bool {
	before, ok := any(c.before).(*PlannedInput)
	now, _ := any(c.now).(*PlannedInput)
	return ok && before != nil && now != nil && before.peers == now.peers
}

// compare tells what is to be done to get from old to p, in a process that was started
// with the plan started. outputs are those that run: one of old may stand still, or go on
// by an older plan. So may the alerts, which are those of watched; nil: they stand still.
func (p *Plan) compare(old, started *Plan, outputs []*sending, watched *Plan) (d difference) {
	say := func(format string, args ...any) { d.said = append(d.said, fmt.Sprintf(format, args...)) }
	d.inputs = changes(old.Inputs, p.Inputs, func(in *PlannedInput) string { return in.Name },
		func(a, b *PlannedInput) bool { return a.print == b.print })
	for i := range d.inputs {
		c := &d.inputs[i]
		note := ""
		if c.before != nil && !c.keepsConnections() {
			note = "; its connections are closed"
		}
		say("input %s %s%s", c.name, c.verb(), note)
	}
	for _, in := range p.Inputs {
		i := slices.IndexFunc(old.Inputs, func(o PlannedInput) bool { return o.Name == in.Name })
		if i >= 0 && old.Inputs[i].reading != in.reading {
			d.rules = true
			say("input %s reads messages in another way", in.Name)
		}
		if i >= 0 && in.table.Text("type") == "udp" && old.Inputs[i].peers == in.peers &&
			old.Inputs[i].table.FingerprintOf("sockets") != in.table.FingerprintOf("sockets") {
			d.restart = append(d.restart, fmt.Sprintf("input %s: sockets", in.Name))
		}
	}
	running := make(map[string]string)
	for _, s := range outputs {
		running[s.name] = s.planned.print
	}
	d.outputs = changes(old.Outputs, p.Outputs, func(o *PlannedOutput) string { return o.Name },
		func(a, b *PlannedOutput) bool { return a.print == b.print && running[b.Name] == b.print })
	for i := range d.outputs {
		c, note := &d.outputs[i], ""
		verb := c.verb()
		switch {
		case c.now == nil:
			note = "; its place in the log is kept, and with it the messages it has not taken, until: syslane spool drop-cursor"
		case c.before != nil && c.before.print == c.now.print:
			verb = "opened again" // with what an earlier reload could not open
		}
		say("output %s %s%s", c.name, verb, note)
	}
	changed := func(key string) bool { return p.prints[key] != old.prints[key] }
	for _, key := range []string{"transform", "route", "dedupe", "limit"} {
		if changed(key) {
			d.rules = true
			say("%s rules changed", key)
		}
	}
	if len(d.inputs) > 0 {
		d.rules = true // which knows inputs by name
	}
	d.compareLog(p, old)
	d.waiting(p, started)
	// Searches ask the Elasticsearch that an output writes to.
	d.http = changed("http") || changed("search") || slices.ContainsFunc(d.outputs, func(c change[PlannedOutput]) bool {
		return c.before != nil && c.before.Elasticsearch() != nil || c.now != nil && c.now.Elasticsearch() != nil
	})
	if changed("http") || changed("search") {
		say("http changed")
	}
	other := func(key string) bool { return watched == nil || p.prints[key] != watched.prints[key] }
	if d.alerts = other("alert") || other("notify"); d.alerts {
		verb := "changed"
		if !changed("alert") && !changed("notify") {
			verb = "opened again" // what an earlier reload could not open
		}
		say("alerts %s", verb)
	}
	return d
}

// waiting finds what is in force only after a restart.
func (d *difference) waiting(p, started *Plan) {
	a, b := &started.Config.Log, &p.Config.Log
	for key, changed := range map[string]bool{
		"log.sync": a.Sync != b.Sync, "log.sync_interval": a.SyncInterval != b.SyncInterval,
		"log.codec": a.Codec != b.Codec, "log.segment_size": a.SegmentSize != b.SegmentSize,
		"state": p.options.State == "" && p.prints["state"] != started.prints["state"], "logging": p.prints["logging"] != started.prints["logging"],
	} {
		if changed {
			d.restart = append(d.restart, key)
		}
	}
	slices.Sort(d.restart)
}

// compareLog finds which bounds of the log have changed.
func (d *difference) compareLog(p, old *Plan) {
	a, b := &old.Config.Log, &p.Config.Log
	for _, of := range []struct {
		key     string
		changed bool
	}{
		{"max_size", a.MaxSize != b.MaxSize}, {"max_age", a.MaxAge != b.MaxAge},
		{"min_free", a.MinFree != b.MinFree}, {"full", a.Full != b.Full},
	} {
		if of.changed {
			d.limits = true
			d.said = append(d.said, "log."+of.key+" changed")
		}
	}
}
