package node

import (
	"slices"
	"syscall"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/activation"
	"github.com/syslane/syslane/internal/pipeline"
)

// replaceInputs starts the new inputs before the old ones end: what comes meanwhile is
// taken by either. One that follows files begins where the one of its name has ended.
func (n *Node) replaceInputs(r *run, d *difference, c *changeover) {
	leaving := make([]*receiving, 0, len(d.inputs))
	// taken are those whose socket one of the new inputs has, perhaps by another name.
	taken := make(map[*receiving]bool)
	running := slices.Clone(n.inputs)
	for i := range d.inputs {
		if before := n.input(d.inputs[i].name); before != nil {
			leaving = append(leaving, before)
			taken[before] = slices.ContainsFunc(c.inputs, before.shares)
			running = slices.DeleteFunc(running, func(in *receiving) bool { return in == before })
		}
	}
	for _, in := range c.inputs {
		n.begin(c, in.planned.metrics)
		var after []*receiving
		if _, ok := in.input.(inputs.Successor); !ok {
			after = slices.DeleteFunc(slices.Concat(n.leaving, leaving), func(o *receiving) bool {
				_, ok := o.input.(inputs.Successor)
				return ok || o.planned.Name != in.planned.Name
			})
		}
		n.receive(r, in, after...)
	}
	for _, in := range leaving {
		i := slices.IndexFunc(d.inputs, func(c change[PlannedInput]) bool { return c.name == in.planned.Name })
		in.planned = *d.inputs[i].before // it may read messages in another way since it began
		s, ok := in.input.(inputs.Successor)
		keeps := ok && d.inputs[i].keepsConnections()
		if keeps || taken[in] {
			s.Retire() // and ends with its last connection
		}
		if keeps {
			continue
		}
		in.stop()
		for _, earlier := range n.leaving {
			if earlier.planned.Name == in.planned.Name {
				earlier.stop() // what let its connections in holds no more
			}
		}
	}
	n.leaving = append(slices.DeleteFunc(n.leaving, (*receiving).ended), leaving...)
	n.mu.Lock()
	n.inputs = append(running, c.inputs...)
	n.mu.Unlock()
}

// readings are those of p, and of inputs that are gone: what they bring until they have
// ended is understood as before.
func (n *Node) readings(p *Plan, d *difference) map[string]pipeline.Reading {
	all := p.readings()
	gone := func(in *PlannedInput) {
		if _, ok := all[in.Name]; !ok {
			all[in.Name] = in.settings.reading
		}
	}
	for i := range d.inputs {
		if before := d.inputs[i].before; before != nil {
			gone(before)
		}
	}
	for _, in := range slices.Backward(n.leaving) { // of a name the last counts
		gone(&in.planned)
	}
	return all
}

// shares tells whether one of two inputs has taken a socket over from the other.
func (in *receiving) shares(other *receiving) bool {
	a, ok := in.input.(inputs.Successor)
	b, alsoOK := other.input.(inputs.Successor)
	return ok && alsoOK && slices.ContainsFunc(a.Sockets(), func(s syscall.Conn) bool {
		return slices.ContainsFunc(b.Sockets(), func(o syscall.Conn) bool { return activation.Same(s, o) })
	})
}

// input returns the input of a name, nil where there is none.
func (n *Node) input(name string) *receiving {
	for _, in := range n.inputs {
		if in.planned.Name == name {
			return in
		}
	}
	return nil
}
