package node

import (
	"fmt"
	"slices"
)

// replaceOutputs ends outputs that are gone or changed. Each finishes the batch that it
// has handed over, or leaves it in the log; one that is changed goes on from there.
func (n *Node) replaceOutputs(r *run, d *difference, c *changeover) {
	for i := range d.outputs {
		name, now := d.outputs[i].name, d.outputs[i].now
		if d.outputs[i].before == nil {
			continue
		}
		n.mu.Lock()
		at := slices.IndexFunc(n.deliveries, func(s *sending) bool { return s.name == name })
		var s *sending // nil: it stands still since an earlier reload
		if at >= 0 {
			s = n.deliveries[at]
		}
		n.mu.Unlock()
		if s != nil {
			s.halt()
			n.disconnect(s)
		}
		var next *sending
		if now != nil {
			next = n.resume(c, s, *now)
		}
		n.mu.Lock()
		n.deliveries = slices.Clone(n.deliveries)
		switch {
		case next != nil && s != nil:
			n.deliveries[at] = next
		case next != nil:
			n.deliveries = append(n.deliveries, next)
		case s != nil:
			n.deliveries = slices.Delete(n.deliveries, at, at+1)
		}
		n.mu.Unlock()
		if next != nil {
			n.deliver(r, next)
		}
	}
}

// resume opens the output that takes the place of before, nil where there is none, or that
// one again. It returns nil where neither can be opened.
func (n *Node) resume(c *changeover, before *sending, now PlannedOutput) *sending {
	next, err := n.reopen(c, now)
	if err != nil && before != nil {
		c.failed = append(c.failed, fmt.Sprintf("output %q goes on as before: %v", now.Name, err))
		next, err = n.reopen(c, before.planned)
	}
	if err != nil {
		// What it has yet to take stays in the log.
		c.failed = append(c.failed, fmt.Sprintf("output %q stands still until the next reload or start: %v", now.Name, err))
	}
	return next
}

// reopen opens an output. Its metrics take the place of those before it once it is open: if
// it cannot be, these are of what goes on.
func (n *Node) reopen(c *changeover, planned PlannedOutput) (*sending, error) {
	out, err := planned.open()
	if err != nil {
		return nil, err
	}
	s := &sending{name: planned.Name, planned: planned, output: out}
	if err := n.connect(s); err != nil {
		n.disconnect(s)
		return nil, err
	}
	n.begin(c, planned.metrics)
	return s, nil
}
