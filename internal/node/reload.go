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
	if err := p.CheckFor(n.role); err != nil {
		return err
	}
	d := p.compare(old, n.begun, n.sendings(), n.watched)
	c, err := n.prepare(old, p, &d)
	if err != nil {
		return err
	}
	defer c.release()
	n.apply(r, old, p, &d, c)
	report.Hash, report.Applied, report.Restart, report.Failed = p.hash, d.said, d.restart, c.failed
	n.warnOfUnclaimed()
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
		n.replaceAlerts(r, p, c)
	}
	if d.http {
		n.replaceWeb(r, p, c)
	}
}

// begin registers the metrics of a part that is about to run.
func (n *Node) begin(c *changeover, s *staged) {
	if err := s.start(); err != nil {
		c.failed = append(c.failed, "metrics: "+err.Error())
	}
}

// replaceAlerts has the alerts watched that there are now, from where the log was
// watched so far.
func (n *Node) replaceAlerts(r *run, p *Plan, c *changeover) {
	r.alerts.halt()
	before := n.watched
	n.watched = p
	watcher, err := n.openWatcher(p)
	if err != nil && before != nil {
		c.failed = append(c.failed, fmt.Sprintf("alerts go on as before: %v", err))
		n.watched = before
		watcher, err = n.openWatcher(before)
	}
	if err != nil {
		c.failed = append(c.failed, fmt.Sprintf("alerts are not watched until the next reload or start: %v", err))
		watcher, n.watched = nil, nil
	}
	n.mu.Lock()
	n.alerts = watcher
	n.mu.Unlock()
	n.watch(r)
}

// replaceWeb has HTTP served by the new server. Searches of the old one are ended.
func (n *Node) replaceWeb(r *run, p *Plan, c *changeover) {
	n.begin(c, p.httpMetrics)
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
