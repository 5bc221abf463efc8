package node

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/syslane/syslane/internal/pipeline"
)

// inputGrace is how long inputs may take to hand over what they have read when
// the node is told to stop; what the log has not taken by then was never
// acknowledged.
const inputGrace = 10 * time.Second

// worker is a part that runs in a goroutine of its own; its zero value does not run yet.
type worker struct {
	stop context.CancelFunc
	done chan struct{}
}

// start runs a part until its context ends; its failure ends the group.
func (w *worker) start(ctx context.Context, group *errgroup.Group, run func(context.Context) error) {
	ctx, w.stop = context.WithCancel(ctx)
	w.done = make(chan struct{})
	done, stop := w.done, w.stop
	group.Go(func() error {
		defer close(done)
		defer stop()
		return run(ctx)
	})
}

// halt ends a part that runs, and waits until it has ended.
func (w *worker) halt() {
	if w.stop != nil {
		w.stop()
		<-w.done
	}
}

// ended tells whether a part that was started has ended.
func (w *worker) ended() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// Run runs the node until ctx ends or a part of it fails for good, and then
// stops it: inputs first, then deliveries, then the log.
func (n *Node) Run(ctx context.Context) error {
	defer n.close()
	n.running = true
	n.record(nil) // before anyone is told that it runs
	n.logger.Info().Str("version", n.plan.options.Version).Str("state", n.state).
		Int("inputs", len(n.inputs)).Int("outputs", len(n.deliveries)).Str("http", n.webAddr()).Msg("ready")
	n.warnOfUnclaimed()

	r := &run{begun: make(chan struct{})}
	r.parts, ctx = errgroup.WithContext(ctx)
	r.ctx = ctx
	r.inputs, r.inputsCtx = errgroup.WithContext(ctx)
	inputsDone := make(chan struct{})
	var stopDeliveries context.CancelFunc
	r.deliveries, stopDeliveries = context.WithCancel(context.Background())
	defer stopDeliveries()

	r.parts.Go(func() error {
		defer close(inputsDone)
		for _, in := range n.inputs {
			n.receive(r, in)
		}
		// As long as this runs, parts can be added to either group.
		r.inputs.Go(func() error {
			n.reloading(r)
			return nil
		})
		return r.inputs.Wait()
	})
	own, stopOwn := context.WithCancel(context.Background())
	ownDone := make(chan struct{})
	go func() {
		defer close(ownDone)
		n.pipeline.Run(own)
	}()
	r.parts.Go(func() error {
		<-r.inputsCtx.Done() // also because one of them has failed
		n.logger.Info().Msg("stopping: inputs hand over what they have read")
		select {
		case <-inputsDone:
		case <-time.After(inputGrace):
			n.logger.Warn().Msg("the log did not take everything in time: what was not acknowledged is left to the senders")
		}
		stopOwn()
		select {
		case <-ownDone:
		case <-time.After(pipeline.LastGrace): // the log is full
		}
		n.pipeline.Close()
		<-ownDone
		<-inputsDone
		stopDeliveries()
		return nil
	})
	for _, s := range n.deliveries {
		n.deliver(r, s)
	}
	r.parts.Go(func() error {
		n.supervise(ctx)
		return nil
	})
	frugal()
	r.parts.Go(func() error {
		n.rest(ctx)
		return nil
	})
	n.watch(r)
	n.serve(r)
	close(r.begun)
	err := r.parts.Wait()
	n.logger.Info().Err(err).Msg("stopped")
	return err
}

// run is what the parts of a node run in.
type run struct {
	ctx   context.Context
	parts *errgroup.Group
	// inputs end before deliveries do.
	inputs     *errgroup.Group
	inputsCtx  context.Context
	deliveries context.Context
	alerts     worker
	// begun is closed when all parts run that there were at the start.
	begun chan struct{}
}

// receive runs an input, when those of after have ended.
func (n *Node) receive(r *run, in *receiving, after ...*receiving) {
	in.start(r.inputsCtx, r.inputs, func(ctx context.Context) error {
		for _, before := range after {
			<-before.done
		}
		if err := in.input.Run(ctx, n.pipeline); err != nil {
			return fmt.Errorf("input %q: %w", in.input.Name(), err)
		}
		return nil
	})
}

func (n *Node) deliver(r *run, s *sending) { s.start(r.deliveries, r.parts, s.delivery.Run) }

func (n *Node) watch(r *run) {
	r.alerts = worker{}
	if n.alerts != nil {
		r.alerts.start(r.ctx, r.parts, n.alerts.Run)
	}
}

func (n *Node) serve(r *run) {
	if n.web != nil {
		n.web.start(r.ctx, r.parts, n.web.Run)
	}
}

// sendings are the outputs there are at present.
func (n *Node) sendings() []*sending {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.deliveries)
}

// close frees what is open, in the order of the stop. It may be called on a
// node that was only partly opened.
func (n *Node) close() {
	if !n.running {
		if n.pipeline != nil {
			// A log that takes nothing must not keep the mistake from being told.
			defer time.AfterFunc(inputGrace, n.pipeline.Close).Stop()
		}
		// An input gives up its address when Run finds its context ended.
		for _, in := range n.inputs {
			n.abandon(in)
		}
		if n.web != nil {
			n.web.Close()
		}
	}
	for _, s := range n.deliveries {
		n.disconnect(s)
	}
	if n.log != nil {
		if err := n.log.Close(); err != nil {
			n.logger.Error().Err(err).Msg("the log did not close well: it is repaired at the next start")
		}
	}
}

// abandon closes an input that was opened and is not to run.
func (n *Node) abandon(in *receiving) {
	ended, end := context.WithCancel(context.Background())
	end()
	in.input.Run(ended, n.pipeline)
}
