package node

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/alert"
	"github.com/syslane/syslane/internal/deadletter"
	"github.com/syslane/syslane/internal/delivery"
	"github.com/syslane/syslane/internal/pipeline"
	"github.com/syslane/syslane/internal/skipdata"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/web"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/spool"
)

// Role is what distinguishes a relay from a collector.
type Role struct {
	// Name is the role's name in commands, folders and the log.
	Name string
	// KeepDelivered keeps what every output has taken for log.max_age and
	// log.max_size. Otherwise it is deleted: the log only bridges outages.
	KeepDelivered bool
	// Search offers a search of the log on the HTTP API.
	Search bool
}

// inputGrace is how long inputs may take to hand over what they have read when
// the node is told to stop; what the log has not taken by then was never
// acknowledged.
const inputGrace = 10 * time.Second

// Node is a relay or collector put together.
type Node struct {
	role       Role
	plan       *Plan
	state      string
	logger     zerolog.Logger
	log        *spool.Log
	streams    *pipeline.Streams
	pipeline   *pipeline.Pipeline
	inputs     []inputs.Input
	deliveries []*sending
	web        *web.Server
	alerts     *alert.Watcher // nil: there are none
	started    time.Time
	// halted says that the log has stood still with messages waiting.
	halted atomic.Bool
	// running says that Run has taken over inputs and web, and closes them.
	running bool
}

// sending is one output with what feeds it.
type sending struct {
	name        string
	output      outputs.Output
	cursor      *spool.Cursor
	deadLetters *deadletter.Store
	delivery    *delivery.Delivery
}

// Open opens the log and binds every address. After an error nothing is left
// open.
func Open(role Role, p *Plan) (n *Node, err error) {
	n = &Node{role: role, plan: p, logger: p.logger.With().Str("role", role.Name).Logger(), started: time.Now(), streams: pipeline.NewStreams()}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	if n.state, err = stateFolder(role.Name, p); err != nil {
		return n, err
	}
	if err = n.openLog(); err != nil {
		return n, err
	}
	if err = n.openAlerts(); err != nil {
		return n, err
	}
	if err = n.openWeb(); err != nil {
		return n, err
	}
	for _, planned := range p.Outputs {
		if err = n.openOutput(planned); err != nil {
			return n, fmt.Errorf("output %q: %w", planned.Name, err)
		}
	}
	readings := make(map[string]pipeline.Reading)
	for _, planned := range p.Inputs {
		in, err := planned.open()
		if err != nil {
			return n, fmt.Errorf("input %q: %w", planned.Name, err)
		}
		n.inputs = append(n.inputs, in)
		if err := in.Listen(); err != nil {
			return n, fmt.Errorf("input %q: %w", planned.Name, err)
		}
		readings[planned.Name] = planned.settings.reading
	}
	id := n.log.ID()
	n.pipeline = pipeline.New(pipeline.Config{
		Log: n.log, Node: [4]byte(id[:4]), Streams: n.streams, Readings: readings, Rules: p.Rules, Host: p.host,
		TailSeed:   binary.LittleEndian.Uint64(id[8:]), // the first octets are in every event id
		Registerer: p.registry, Logger: n.logger,
	})
	p.registry.MustRegister(newAccounts(n))
	return n, nil
}

// stateFolder makes the folder that holds the log.
func stateFolder(role string, p *Plan) (string, error) {
	dir := p.options.State
	if dir == "" {
		dir = p.Config.State
	}
	if dir == "" {
		var err error
		if dir, err = DefaultState(role); err != nil {
			return "", err
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("state folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("state folder: %w; name another with --state DIR", err)
	}
	return dir, nil
}

func (n *Node) openLog() error {
	cfg := n.plan.Config.Log.spoolConfig()
	cfg.Dir = LogDir(n.state)
	cfg.KeepDelivered = n.role.KeepDelivered
	cfg.Checkpoint = n.streams.Checkpoint
	cfg.Summarize = new(skipdata.Summarizer).Append
	cfg.Noted = func(_ uint64, note []byte) { n.note(note) }
	cfg.Logger = n.logger
	log, err := spool.Open(cfg)
	if err != nil {
		if errors.Is(err, spool.ErrLocked) {
			return fmt.Errorf("open the log in %s: %w; is another %s running? give this one a folder of its own with --state DIR", cfg.Dir, err, n.role.Name)
		}
		return fmt.Errorf("open the log in %s: %w", cfg.Dir, err)
	}
	n.log = log
	return log.Notes(func(note spool.Note) error {
		if note.Checkpoint {
			return n.streams.Restore(note.Data)
		}
		return n.streams.Note(note.Data)
	})
}

// note folds a note that has become durable. It was made by this process, so
// that it cannot be read is a fault of ours, not of the disk.
func (n *Node) note(note []byte) {
	if err := n.streams.Note(note); err != nil {
		n.logger.Error().Err(err).Msg("note of a stream is lost: its relay may store events twice after a crash")
	}
}

func (n *Node) openOutput(planned PlannedOutput) error {
	out, err := planned.open()
	if err != nil {
		return err
	}
	s := &sending{name: planned.Name, output: out}
	n.deliveries = append(n.deliveries, s)
	if s.cursor, err = n.log.Cursor(planned.Name, planned.settings.start()); err != nil {
		return err
	}
	if s.deadLetters, err = deadletter.Open(deadletter.Config{
		Dir: DeadLetterDir(n.state), Output: planned.Name, Logger: n.logger,
	}); err != nil {
		return err
	}
	s.delivery = delivery.New(delivery.Config{
		Name:        planned.Name,
		Stream:      n.stream(planned.Name),
		Cursor:      s.cursor,
		NewReader:   func(at uint64) delivery.Reader { return n.log.NewReader(at) },
		Interleave:  planned.settings.interleave,
		Head:        n.log.Head,
		HasEvent:    n.hasEvent,
		Output:      out,
		DeadLetters: s.deadLetters,
		BatchOctets: int(planned.settings.BatchOctets),
		RetryMin:    planned.settings.RetryMin,
		RetryMax:    planned.settings.RetryMax,
		Logger:      n.logger,
	})
	return nil
}

// hasEvent looks for an event in the log. It is asked rarely: when a connection to
// a collector begins that has more than the cursor says.
func (n *Node) hasEvent(id syslog.ID, from, before uint64) bool {
	if before > n.log.Head() {
		return false
	}
	r := n.log.NewReader(max(from, n.log.Tail()))
	defer r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for r.Position() < before {
		block, err := r.Next(ctx)
		if err != nil {
			return false
		}
		for run := block.Records; len(run) > 0; {
			var record []byte
			if record, run = syslog.NextRecord(run); syslog.RecordID(record) == id {
				return true
			}
		}
	}
	return false
}

// stream names the log and an output to the destination, which remembers by
// position what the stream has brought. With log.sync = "os" a power failure may
// take back positions that were delivered and give them to other messages; the
// stream then begins anew with each start, for a duplicate is better than a loss.
func (n *Node) stream(output string) string {
	id := n.log.ID()
	name := hex.EncodeToString(id[:])
	if n.plan.Config.Log.Sync == spool.SyncOS {
		name += "." + strconv.FormatInt(time.Now().UnixNano(), 36)
	}
	return name + "/" + output
}

// Run runs the node until ctx ends or a part of it fails for good, and then
// stops it: inputs first, then deliveries, then the log.
func (n *Node) Run(ctx context.Context) error {
	defer n.close()
	n.running = true
	n.logger.Info().Str("version", n.plan.options.Version).Str("state", n.state).
		Int("inputs", len(n.inputs)).Int("outputs", len(n.deliveries)).Str("http", n.webAddr()).Msg("ready")

	parts, ctx := errgroup.WithContext(ctx)
	inputsDone := make(chan struct{})
	deliveries, stopDeliveries := context.WithCancel(context.Background())
	defer stopDeliveries()

	parts.Go(func() error {
		defer close(inputsDone)
		running, ctx := errgroup.WithContext(ctx)
		for _, in := range n.inputs {
			running.Go(func() error {
				if err := in.Run(ctx, n.pipeline); err != nil {
					return fmt.Errorf("input %q: %w", in.Name(), err)
				}
				return nil
			})
		}
		return running.Wait()
	})
	own, stopOwn := context.WithCancel(context.Background())
	ownDone := make(chan struct{})
	go func() {
		defer close(ownDone)
		n.pipeline.Run(own)
	}()
	parts.Go(func() error {
		<-ctx.Done()
		n.logger.Info().Msg("stopping: inputs hand over what they have read")
		select {
		case <-inputsDone:
		case <-time.After(inputGrace):
			n.logger.Warn().Msg("the log did not take everything in time: what was not acknowledged is left to the senders")
		}
		stopOwn()
		<-ownDone
		n.pipeline.Close()
		<-inputsDone
		stopDeliveries()
		return nil
	})
	for _, s := range n.deliveries {
		parts.Go(func() error {
			if err := s.delivery.Run(deliveries); err != nil {
				return err
			}
			return nil
		})
	}
	parts.Go(func() error {
		n.supervise(ctx)
		return nil
	})
	parts.Go(func() error {
		n.rest(ctx)
		return nil
	})
	if n.alerts != nil {
		parts.Go(func() error { return n.alerts.Run(ctx) })
	}
	if n.web != nil {
		parts.Go(func() error { return n.web.Run(ctx) })
	}
	err := parts.Wait()
	n.logger.Info().Err(err).Msg("stopped")
	return err
}

// close frees what is open, in the order of the stop. It may be called on a
// node that was only partly opened.
func (n *Node) close() {
	if !n.running {
		// An input gives up its address when Run finds its context ended.
		ended, end := context.WithCancel(context.Background())
		end()
		for _, in := range n.inputs {
			in.Run(ended, n.pipeline)
		}
		if n.web != nil {
			n.web.Close()
		}
	}
	for _, s := range n.deliveries {
		if err := s.output.Close(); err != nil {
			n.logger.Warn().Err(err).Str("output", s.name).Msg("output did not close well")
		}
		if s.deadLetters != nil {
			s.deadLetters.Close()
		}
	}
	if n.log != nil {
		if err := n.log.Close(); err != nil {
			n.logger.Error().Err(err).Msg("the log did not close well: it is repaired at the next start")
		}
	}
}
