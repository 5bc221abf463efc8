package node

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/alert"
	"github.com/syslane/syslane/internal/deadletter"
	"github.com/syslane/syslane/internal/delivery"
	"github.com/syslane/syslane/internal/pipeline"
	"github.com/syslane/syslane/internal/skipdata"
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

// Node is a relay or collector put together.
type Node struct {
	role     Role
	state    string
	logger   zerolog.Logger
	log      *spool.Log
	streams  *pipeline.Streams
	pipeline *pipeline.Pipeline
	started  time.Time
	begun    *Plan          // with which the node was opened
	sync     spool.SyncMode // of the log, for as long as it is open
	reloads  *reloadMetrics

	mu         sync.Mutex // guards what follows, which a reload changes
	plan       *Plan
	inputs     []*receiving
	deliveries []*sending
	web        *serving       // nil: there is none
	alerts     *alert.Watcher // nil: there are none

	// leaving are inputs that a reload has removed, or that have left their sockets to
	// others, until they have ended. They belong to the goroutine of reloads.
	leaving []*receiving
	// watched is the plan whose alerts are watched, nil where a reload could open none. It
	// belongs there, too.
	watched *Plan

	// halted says that the log has stood still with messages waiting.
	halted atomic.Bool
	// running says that Run has taken over inputs and web, and closes them.
	running bool
}

// receiving is one input at work.
type receiving struct {
	planned PlannedInput
	input   inputs.Input
	worker
}

// sending is one output with what feeds it.
type sending struct {
	name        string
	planned     PlannedOutput
	output      outputs.Output
	cursor      *spool.Cursor
	deadLetters *deadletter.Store
	delivery    *delivery.Delivery
	worker
}

// serving is the HTTP API at work.
type serving struct {
	*web.Server
	worker
}

// Open opens the log and binds every address. After an error nothing is left
// open.
func Open(role Role, p *Plan) (n *Node, err error) {
	if err := p.CheckFor(role); err != nil {
		return nil, err
	}
	n = &Node{role: role, plan: p, begun: p, logger: p.logger.With().Str("role", role.Name).Logger(), started: time.Now(), streams: pipeline.NewStreams()}
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
	// Before the inputs: one that is abandoned hands over what it has received.
	id := n.log.ID()
	n.pipeline = pipeline.New(pipeline.Config{
		Log: n.log, Node: [4]byte(id[:4]), Streams: n.streams, Readings: p.readings(), Rules: p.Rules, Host: p.host,
		TailSeed:   binary.LittleEndian.Uint64(id[8:]), // the first octets are in every event id
		Registerer: p.registry, Logger: n.logger,
	})
	for _, planned := range p.Outputs {
		if err = n.openOutput(planned); err != nil {
			return n, fmt.Errorf("output %q: %w", planned.Name, err)
		}
	}
	for _, planned := range p.Inputs {
		if err = n.openInput(planned); err != nil {
			return n, fmt.Errorf("input %q: %w", planned.Name, err)
		}
	}
	p.registry.MustRegister(newAccounts(n))
	n.reloads = newReloadMetrics(p.registry, p.hash)
	return n, nil
}

func (n *Node) openInput(planned PlannedInput) error {
	if err := planned.metrics.start(); err != nil {
		return err
	}
	in, err := planned.open()
	if err != nil {
		return err
	}
	n.inputs = append(n.inputs, &receiving{planned: planned, input: in})
	return in.Listen()
}

// readings are how the messages of each input are to be understood.
func (p *Plan) readings() map[string]pipeline.Reading {
	all := make(map[string]pipeline.Reading)
	for _, in := range p.Inputs {
		all[in.Name] = in.settings.reading
	}
	return all
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
	n.sync = cfg.Sync
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
	if err := planned.metrics.start(); err != nil {
		return err
	}
	out, err := planned.open()
	if err != nil {
		return err
	}
	s := &sending{name: planned.Name, planned: planned, output: out}
	n.deliveries = append(n.deliveries, s)
	return n.connect(s)
}

// connect gives an output its place in the log, and its dead letters.
func (n *Node) connect(s *sending) (err error) {
	if s.cursor, err = n.log.Cursor(s.name, s.planned.settings.start()); err != nil {
		return err
	}
	if s.deadLetters, err = deadletter.Open(deadletter.Config{
		Dir: DeadLetterDir(n.state), Output: s.name, Logger: n.logger,
	}); err != nil {
		return err
	}
	settings := &s.planned.settings
	s.delivery = delivery.New(delivery.Config{
		Name:          s.name,
		Stream:        n.stream(s.name),
		Cursor:        s.cursor,
		NewReader:     func(at uint64) delivery.Reader { return n.log.NewReader(at) },
		Interleave:    settings.interleave,
		FlushInterval: settings.flushInterval,
		Head:          n.log.Head,
		Output:        s.output,
		DeadLetters:   s.deadLetters,
		BatchOctets:   int(settings.BatchOctets),
		RetryMin:      settings.RetryMin,
		RetryMax:      settings.RetryMax,
		Logger:        n.logger,
	})
	return nil
}

// disconnect closes an output that delivers no more. Its place in the log stays.
func (n *Node) disconnect(s *sending) {
	if err := s.output.Close(); err != nil {
		n.logger.Warn().Err(err).Str("output", s.name).Msg("output did not close well")
	}
	if s.deadLetters != nil {
		s.deadLetters.Close()
	}
}

// stream names the log and an output to the destination, which remembers by
// position what the stream has brought. With log.sync = "os" a power failure may
// take back positions that were delivered and give them to other messages; the
// stream then begins anew with each start, for a duplicate is better than a loss.
func (n *Node) stream(output string) string {
	id := n.log.ID()
	name := hex.EncodeToString(id[:])
	if n.sync == spool.SyncOS {
		name += "." + strconv.FormatInt(time.Now().UnixNano(), 36)
	}
	return name + "/" + output
}
