package node

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/activation"
	"github.com/syslane/syslane/internal/pipeline"
	"github.com/syslane/syslane/spool"
)

// reloading loads the configuration anew each time that it is asked to, until the inputs
// are to end: also because one of them has failed.
func (n *Node) reloading(r *run) {
	<-r.begun // what a reload replaces must run
	p := n.current()
	for {
		select {
		case <-r.inputsCtx.Done():
			return
		case <-p.options.Reloads:
		}
		n.notify(daemon.SdNotifyReloading, strings.TrimSuffix(daemon.SdNotifyMonotonicUsec(), "\n"), "STATUS=reloading")
		report := n.reload(r)
		n.reloads.done(report)
		n.record(report)
		report.log(&n.logger)
		n.notify(daemon.SdNotifyReady, "STATUS="+n.statusLine())
	}
}

// reload loads the configuration anew. One that is not good, or of which a new part
// cannot be opened, changes nothing.
func (n *Node) reload(r *run) *Reload {
	report := &Reload{Began: time.Now()}
	err := n.replace(r, report)
	report.finish(err)
	return report
}

func (n *Node) replace(r *run, report *Reload) error {
	old := n.current()
	if old.options.Read == nil {
		return errors.New("this process was started without a configuration file: there is nothing to load")
	}
	f, err := old.options.Read()
	if err != nil {
		return err
	}
	options := old.options
	options.NewLogger = func(LoggingConfig) zerolog.Logger { return old.logger }
	p, err := newPlan(f, options, old.registry)
	if err != nil {
		return err
	}
	if len(p.Alerts) > 0 && !n.role.Search {
		return errAlertsOfRelay(n.role)
	}
	d := p.compare(old, n.begun, n.sendings())
	c, err := n.prepare(old, p, &d)
	if err != nil {
		return err
	}
	defer c.release()
	n.apply(r, old, p, &d, c)
	report.Hash, report.Applied, report.Restart, report.Failed = p.hash, d.said, d.restart, c.failed
	return nil
}

// changeover is what a reload has opened and holds until all is in its place.
type changeover struct {
	inputs []*receiving
	// outputs are those that are new to the log.
	outputs []*sending
	http    *serving
	// kept are sockets that are between their owners.
	kept []func()
	// failed tells what could not be done after all.
	failed []string
}

func (c *changeover) release() {
	for _, release := range c.kept {
		release()
	}
}

func (c *changeover) keep(sockets []syscall.Conn) error {
	for _, s := range sockets {
		release, err := activation.Keep(s)
		if err != nil {
			return err
		}
		c.kept = append(c.kept, release)
	}
	return nil
}

// prepare opens what is new. After an error all is as it was.
func (n *Node) prepare(old, p *Plan, d *difference) (c *changeover, err error) {
	c = &changeover{}
	defer func() {
		if err != nil {
			n.undo(c)
			c.release()
		}
	}()
	for i := range d.inputs {
		if in := n.input(d.inputs[i].name); in != nil {
			if s, ok := in.input.(inputs.Successor); ok {
				if err := c.keep(s.Sockets()); err != nil {
					return c, fmt.Errorf("input %q: %w", d.inputs[i].name, err)
				}
			}
		}
	}
	for i := range d.inputs {
		if d.inputs[i].now == nil {
			continue
		}
		planned := *d.inputs[i].now
		in, err := planned.open()
		if err != nil {
			return c, fmt.Errorf("input %q: %w", planned.Name, err)
		}
		c.inputs = append(c.inputs, &receiving{planned: planned, input: in})
		if err := in.Listen(); err != nil {
			return c, fmt.Errorf("input %q: %w", planned.Name, err)
		}
		if before := n.input(planned.Name); before != nil {
			if heir, ok := in.(inputs.Heir); ok {
				heir.Inherit(before.input)
			}
		}
	}
	for i := range d.outputs {
		if d.outputs[i].before != nil || d.outputs[i].now == nil {
			continue
		}
		planned := *d.outputs[i].now
		out, err := planned.open()
		if err != nil {
			return c, fmt.Errorf("output %q: %w", planned.Name, err)
		}
		s := &sending{name: planned.Name, planned: planned, output: out}
		c.outputs = append(c.outputs, s)
	}
	if d.http {
		if n.web != nil {
			if err := c.keep(n.web.Sockets()); err != nil {
				return c, fmt.Errorf("http: %w", err)
			}
		}
		if c.http, err = n.openServer(p); err != nil {
			return c, err
		}
	}
	if d.limits {
		if err := n.log.SetLimits(p.Config.Log.limits()); err != nil {
			return c, err
		}
	}
	known := n.log.Cursors()
	for i, s := range c.outputs {
		if err := n.connect(s); err != nil {
			for _, made := range c.outputs[:i+1] {
				if !slices.ContainsFunc(known, func(k spool.CursorStatus) bool { return k.Name == made.name }) {
					n.log.DropCursor(made.name)
				}
			}
			if d.limits {
				n.log.SetLimits(old.Config.Log.limits())
			}
			return c, fmt.Errorf("output %q: %w", s.name, err)
		}
	}
	return c, nil
}

// undo closes what prepare has opened.
func (n *Node) undo(c *changeover) {
	for _, in := range c.inputs {
		if slices.ContainsFunc(n.inputs, in.shares) {
			in.input.(inputs.Successor).Retire() // the sockets stay with the one that goes on
		}
		n.abandon(in)
	}
	for _, s := range c.outputs {
		n.disconnect(s)
	}
	if c.http != nil {
		c.http.Close()
	}
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

// apply puts what is new in its place. Nothing is refused any more: what fails all the
// same is told.
func (n *Node) apply(r *run, old, p *Plan, d *difference, c *changeover) {
	p.adopt(old)
	n.mu.Lock()
	n.plan = p
	n.deliveries = append(n.deliveries, c.outputs...)
	n.mu.Unlock()
	// The outputs that a route names have their place in the log by now, and an input
	// is known before it brings anything.
	n.pipeline.Replace(p.Rules, n.readings(p, d))
	for _, s := range c.outputs {
		n.begin(c, s.planned.metrics)
		n.deliver(r, s)
	}
	n.replaceOutputs(r, d, c)
	n.replaceInputs(r, d, c)
	if d.alerts {
		n.replaceAlerts(r, old, p, c)
	}
	if d.http {
		n.replaceWeb(r, c)
	}
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

// begin registers the metrics of a part that is about to run.
func (n *Node) begin(c *changeover, s *staged) {
	if err := s.start(); err != nil {
		c.failed = append(c.failed, "metrics: "+err.Error())
	}
}

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

func (n *Node) reopen(c *changeover, planned PlannedOutput) (*sending, error) {
	n.begin(c, planned.metrics)
	out, err := planned.open()
	if err != nil {
		return nil, err
	}
	s := &sending{name: planned.Name, planned: planned, output: out}
	if err := n.connect(s); err != nil {
		n.disconnect(s)
		return nil, err
	}
	return s, nil
}

// replaceAlerts has the alerts watched that there are now, from where the log was
// watched so far.
func (n *Node) replaceAlerts(r *run, old, p *Plan, c *changeover) {
	r.alerts.halt()
	watcher, err := n.openWatcher(p)
	if err != nil {
		c.failed = append(c.failed, fmt.Sprintf("alerts go on as before: %v", err))
		if watcher, err = n.openWatcher(old); err != nil {
			c.failed = append(c.failed, fmt.Sprintf("alerts are not watched until the next reload or start: %v", err))
		}
	}
	n.mu.Lock()
	n.alerts = watcher
	n.mu.Unlock()
	n.watch(r)
}

// replaceWeb has HTTP served by the new server. Searches of the old one are ended.
func (n *Node) replaceWeb(r *run, c *changeover) {
	before := n.web
	n.mu.Lock()
	n.web = c.http
	n.mu.Unlock()
	n.serve(r)
	if before != nil {
		before.stop()
	}
}

// current is the plan that is in force.
func (n *Node) current() *Plan {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.plan
}
