package node

import (
	"errors"

	"github.com/syslane/syslane/internal/web"
)

// openWeb binds the address of the HTTP API, where there is one.
func (n *Node) openWeb() error {
	http := n.plan.Config.HTTP
	if http.Listen == "" {
		return nil
	}
	log := web.Check{Name: "log", Probe: n.probeLog}
	cfg := web.Config{
		Listen: http.Listen, Token: http.Token, Clients: http.Clients, TLS: n.plan.httpTLS,
		Gatherer: n.plan.registry, Registerer: n.plan.registry,
		// An output that is down is what the log is for: it shows in the metrics,
		// and must not make a supervisor restart the node.
		Health: []web.Check{log}, Ready: []web.Check{log},
		Status: func() any { return n.status() },
		Logger: n.logger,
	}
	if n.alerts != nil {
		cfg.Alerts = func() any { return n.alerts.Status() }
	}
	if n.role.Search {
		cfg.Searcher = n.searcher()
	}
	var err error
	n.web, err = web.New(cfg)
	return err
}

// probeLog says why the log takes no messages.
func (n *Node) probeLog() error {
	switch s := n.log.Stats(); {
	case n.halted.Load():
		return errors.New("the log stands still with messages waiting: the disk hangs, or the program does")
	case s.Failing:
		return errors.New("the log cannot be written: inputs are held back; see the journal for the disk's error")
	case s.Full:
		return errors.New("the log is full: inputs are held back until outputs take messages, or log.max_size is raised")
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
