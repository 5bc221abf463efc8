package node

import (
	"errors"

	"github.com/syslane/syslane/internal/alert"
	"github.com/syslane/syslane/internal/web"
)

// openWeb binds the address of the HTTP API, where there is one.
func (n *Node) openWeb() (err error) {
	if n.web, err = n.openServer(n.plan); err != nil {
		return err
	}
	return n.plan.httpMetrics.start()
}

// openServer makes a server by what p says; nil where it wants none. The metrics of its
// certificate are yet to be started.
func (n *Node) openServer(p *Plan) (*serving, error) {
	http := p.Config.HTTP
	if http.Listen == "" {
		return nil, nil
	}
	log := web.Check{Name: "log", Probe: n.probeLog}
	cfg := web.Config{
		Listen: http.Listen, Token: http.Token, Clients: http.Clients, TLS: p.httpTLS,
		Gatherer: p.registry, Registerer: p.registry,
		// An output that is down is what the log is for: it shows in the metrics,
		// and must not make a supervisor restart the node.
		Health: []web.Check{log}, Ready: []web.Check{log},
		Status: func() any { return n.status() },
		Logger: n.logger,
	}
	if n.role.Search {
		cfg.Alerts = func() any { return n.alertStatus() }
	}
	if n.role.Search {
		cfg.Searcher = n.searcher(p)
	}
	s, err := web.New(cfg)
	if err != nil {
		return nil, err
	}
	return &serving{Server: s}, nil
}

// alertStatus is how the alerts are at present.
func (n *Node) alertStatus() alert.Status {
	n.mu.Lock()
	watcher := n.alerts
	n.mu.Unlock()
	if watcher == nil {
		return alert.Status{Alerts: []alert.AlertStatus{}, Channels: []alert.ChannelStatus{}}
	}
	return watcher.Status()
}

// probeLog says why the log takes no messages.
func (n *Node) probeLog() error {
	switch s := n.log.Stats(); {
	case n.halted.Load():
		return errors.New("the log stands still with messages waiting: the disk hangs, or the program does")
	case s.DiskLow:
		return errors.New("the disk of the log is full: inputs are held back until more than log.min_free is free" + n.heldFor())
	case s.Failing:
		return errors.New("the log cannot be written: inputs are held back; see the journal for the disk's error")
	case s.Full:
		return errors.New("the log is full: inputs are held back until outputs take messages, or log.max_size is raised" + n.heldFor())
	}
	return nil
}

// webAddr returns the address of the HTTP API, "" where there is none.
func (n *Node) webAddr() string {
	if n.web == nil {
		return ""
	}
	return n.web.Addr().String()
}
