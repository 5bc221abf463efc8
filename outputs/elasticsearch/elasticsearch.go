// Package elasticsearch writes events as ECS documents into Elasticsearch or
// OpenSearch through the bulk API.
//
// Invariants, each with a test:
//
//   - Write returns nil only when the server has said of each document, one by
//     one, that it has it (201, or 409: it had it already) or will never take it;
//   - an answer that is cut, garbled, or has another number of items than were
//     sent says nothing: the documents are sent again, and their _id, which is the
//     event's id, with "create" makes one document of both;
//   - a document that the server turns away for the moment (429, 5xx) is sent
//     again, alone with its like, later, and in smaller and fewer requests;
//   - a document on which the server fails (500) for long is rejected if the server took
//     others since it first did;
//   - a document that can never succeed is rejected with the server's reason, and
//     stops no other; with dead_letter_index the server keeps its message elsewhere;
//   - wrong credentials, a blocked or missing index or a wrong configuration hold
//     everything back and lose nothing;
//   - memory is bounded by (workers + 1) requests, whatever the batch.
//
// One _id makes one document within one index. In mode "index" the name depends on
// nothing but the event, so it makes one document. In a data stream it does so
// within one backing index: where the stream may have rolled over between a
// request whose answer was lost and its repetition, the older backing indices are
// asked for the documents before they are sent again. That needs the privilege to
// read the stream; without it such a rollover can leave a document twice, with
// the same event.id. With id = "auto" each lost answer does.
package elasticsearch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	es "github.com/elastic/go-elasticsearch/v8"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/ecs"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
)

// Options are what an output is given besides its table in the configuration.
type Options struct {
	// Name is the configured name of the output.
	Name string
	// Observer is the name of this node, observer.hostname in the documents; ""
	// leaves it out.
	Observer string
	Logger   zerolog.Logger
	// Registerer takes the metrics; nil for none.
	Registerer prometheus.Registerer
}

// Output is an outputs.Output.
type Output struct {
	cfg       Config
	log       zerolog.Logger
	client    *es.BaseClient
	transport *transport
	// target names the stream or index of all documents; "" where pattern
	// chooses for each.
	target            string
	pattern           *indexPattern
	documents         ecs.Writer
	pace              *pace
	metrics           *metrics
	prepared          bool
	requireDataStream bool
	// unprepared is set by a worker whose connection failed.
	unprepared atomic.Bool
	// certain holds the ends of batches behind which nothing has been sent: none of
	// them was there already. There is one for each run of batches (outputs.Batch).
	certain []uint64
	// cannotAsk says that the credentials do not allow to look for them, toldUnreadable
	// that it was told that not all can be looked into.
	cannotAsk, toldUnreadable atomic.Bool

	// progress is that of the batch that is being written, aside that of one which was
	// left for a batch of the other run.
	progress, aside *progress
	judge           judge
	// now tells the time.
	now      func() time.Time
	interner syslog.Interner
	bulks    pool[*bulk]
	senders  pool[*sender]
}

var _ outputs.Output = (*Output)(nil)

// New returns an output. It reads the files that cfg names and opens no
// connection: a server that is down is none of its concern yet.
func New(cfg Config, opt Options) (*Output, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	o := &Output{
		cfg:       cfg,
		log:       opt.Logger.With().Str("output", opt.Name).Logger(),
		pace:      newPace(cfg.Workers, int(cfg.BulkMaxBytes)),
		progress:  new(progress),
		aside:     new(progress),
		now:       time.Now,
		documents: ecs.Writer{Options: ecs.Options{Original: cfg.Original, Observer: opt.Observer, Dataset: cfg.DataStream.Dataset}},
	}
	// A buffer that a document beyond all measure has stretched is let go.
	largest := 2 * int(cfg.BulkMaxBytes)
	o.bulks = pool[*bulk]{fresh: func() *bulk { return &bulk{} }, keep: func(b *bulk) bool { return cap(b.body) <= largest }}
	o.senders = pool[*sender]{fresh: func() *sender { return &sender{} }, keep: func(s *sender) bool { return s.zipped.Cap() <= largest }}
	if cfg.Mode == ModeDataStream {
		o.target = cfg.DataStream.Name()
	} else {
		p, err := parseIndexPattern(cfg.Index)
		if err != nil {
			return nil, err
		}
		if p.fixed() {
			o.target = cfg.Index
		} else {
			o.pattern = p
		}
	}
	var err error
	if o.client, o.transport, err = newClient(&cfg.Access, cfg.Workers+1, opt.Name); err != nil {
		return nil, fmt.Errorf("output %q: %w", opt.Name, err)
	}
	if o.metrics, err = newMetrics(opt.Name, opt.Registerer, o.pace); err != nil {
		return nil, fmt.Errorf("output %q: register metrics: %w", opt.Name, err)
	}
	return o, nil
}

// Close closes idle connections.
func (o *Output) Close() error {
	o.transport.inner.CloseIdleConnections()
	if err := o.client.Close(context.Background()); err != nil && !errors.Is(err, es.ErrAlreadyClosed) {
		return fmt.Errorf("close the elasticsearch client: %w", err)
	}
	return nil
}

// Write sends the events of b; see outputs.Output.
func (o *Output) Write(ctx context.Context, b *outputs.Batch) error {
	if o.unprepared.Swap(false) {
		o.prepared = false
	}
	if err := o.prepare(ctx); err != nil {
		return err
	}
	if o.aside.of(b.Stream, b.First) || o.progress.stream != "" && !o.progress.of(b.Stream, b.First) {
		o.progress, o.aside = o.aside, o.progress
	}
	o.progress.resume(b.Stream, b.First, b.Count)
	// Until a Write has met none that were there already, the events after a start,
	// or after a jump, may have been sent before the last crash.
	run := slices.Index(o.certain, b.After)
	w := &write{Output: o, sentBefore: run < 0}
	if run >= 0 {
		o.certain = slices.Delete(o.certain, run, run+1)
	}
	if err := w.run(ctx, b); err != nil {
		return err
	}
	if !w.sentBefore || !w.sawDuplicates.Load() {
		o.certain = append(o.certain[max(0, len(o.certain)-1):], b.Next)
	}
	o.keepRefused(ctx, b)
	err := o.progress.result()
	o.progress.forget()
	return err
}

// pool keeps things between their uses. Unlike a sync.Pool it holds no more than
// were in use at once, and empties itself at no time.
type pool[T any] struct {
	// fresh makes a new one, keep tells whether one is worth keeping.
	fresh func() T
	keep  func(T) bool

	mu   sync.Mutex // guards free
	free []T
}

func (p *pool[T]) get() T {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		v := p.free[n-1]
		p.free = p.free[:n-1]
		return v
	}
	return p.fresh()
}

func (p *pool[T]) put(v T) {
	if !p.keep(v) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, v)
}
