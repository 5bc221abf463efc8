// Package pipeline is the way of a message from an input to the log: it is
// parsed, given its event id and envelope, judged by the rules, encoded, and
// appended. It does no I/O of its own; the log it is given does.
package pipeline

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/semaphore"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/spool"
)

// Log is what the pipeline needs of the log.
type Log interface {
	// Append returns nil once the batch is durable under the log's policy.
	Append(ctx context.Context, b spool.Batch) (first uint64, err error)
	// Enqueue is the first half of Append; wait is the second.
	Enqueue(ctx context.Context, b spool.Batch) (wait func(context.Context) (first uint64, err error), err error)
}

// Config says what a Pipeline works with.
type Config struct {
	Log Log
	// Node is the part of the event ids that names this log: the first four
	// octets of the log's identity.
	Node [4]byte
	// Streams is the memory of what other Syslanes, and senders that number their
	// messages, have delivered here. It must have been restored from the log
	// before the first submit.
	Streams *Streams
	// TailSeed seeds the hashes by which what is sent again is known
	// (inputs.TailSink): a secret that lasts as long as the log.
	TailSeed uint64
	// Readings say by input how its messages are to be understood, and Rules are
	// applied to every message, until Replace brings others.
	Readings map[string]Reading
	Rules    Rules
	// Host names this machine in the events that Syslane itself has to tell.
	Host string
	// Registerer takes the metrics; nil leaves them unregistered.
	Registerer prometheus.Registerer
	Logger     zerolog.Logger
}

// Pipeline implements inputs.QueueSink, EventSink, SequenceSink, MarkSink and
// TailSink.
type Pipeline struct {
	cfg     Config
	count   atomic.Uint32
	buffers buffers
	judges  sync.Pool
	// setup is what a reload replaces.
	setup atomic.Pointer[setup]
	// leaving are rules that a reload has replaced.
	leaving leaving
	metrics metrics
	// encoded bounds the octets of the buffers of batches that are encoded and wait for
	// the log, and ahead of those for which nobody waits yet.
	encoded, ahead *semaphore.Weighted
	// untold are the windows of processes before, whose counts Run tells.
	untold []uint64

	// closing ends the waits of submits that the log does not take.
	closing context.Context
	close   context.CancelFunc
	// failing is set while the log refuses appends, so that the log of Syslane
	// itself tells the change and not every attempt.
	failing atomic.Bool
}

// New returns a pipeline into cfg.Log.
func New(cfg Config) *Pipeline {
	p := &Pipeline{cfg: cfg, metrics: newMetrics(cfg.Registerer),
		encoded: semaphore.NewWeighted(maxEncoded), ahead: semaphore.NewWeighted(maxAhead)}
	p.count.Store(rand.Uint32())
	p.judges.New = func() any { return new(judge) }
	p.setup.Store(newSetup(cfg.Rules, cfg.Readings))
	p.untold = cfg.Streams.repeats.ids()
	p.closing, p.close = context.WithCancel(context.Background())
	return p
}

// Close makes every submit that still waits for the log, and every later one,
// return inputs.ErrClosed. It is called after the inputs had their time to finish.
func (p *Pipeline) Close() { p.close() }

// Submit implements inputs.Sink. A submit that has begun is finished even when
// ctx ends, so that a shutdown loses nothing already received; ctx only ends the
// repeated attempts on a log that refuses appends.
func (p *Pipeline) Submit(ctx context.Context, b *inputs.Batch) error {
	counters := p.metrics.of(b.Input)
	counters.receive(len(b.Frames), len(b.Data))
	return p.take(ctx, b, counters, nil)
}

// take encodes the messages of b and makes them durable, with note beside them.
func (p *Pipeline) take(ctx context.Context, b *inputs.Batch, counters *inputCounters, note []byte) error {
	if len(b.Frames) == 0 {
		return nil
	}
	need := encodedSize(b)
	weight := min(int64(sizeFor(need)), maxEncoded)
	if p.encoded.Acquire(p.closing, weight) != nil {
		counters.drop(inputs.ErrClosed, len(b.Frames))
		return inputs.ErrClosed
	}
	defer p.encoded.Release(weight)
	buf := p.buffers.get(need)
	defer func() {
		if p.closing.Err() == nil { // else it may still be the log's
			p.buffers.put(buf)
		}
	}()
	s := p.setup.Load()
	j := p.begin(s)
	defer p.end(j)
	batch := p.encode(b, s, j, buf)
	batch.Note, batch.Lent = note, true
	return p.finish(ctx, batch, j, counters)
}

// Enqueue implements inputs.QueueSink.
func (p *Pipeline) Enqueue(ctx context.Context, b *inputs.Batch) (wait func() error) {
	need := encodedSize(b)
	weight := int64(sizeFor(need))
	s := p.setup.Load()
	if s.rules.dedupes || !p.ahead.TryAcquire(weight) {
		// Repeats wait for the messages that they repeat, which may be in a batch that
		// nobody waits for yet: none may be left at half.
		err := p.Submit(ctx, b)
		return func() error { return err }
	}
	counters := p.metrics.of(b.Input)
	counters.receive(len(b.Frames), len(b.Data))
	buf := p.buffers.get(need)
	j := p.begin(s)
	defer p.end(j)
	batch := p.encode(b, s, j, buf)
	batch.More, batch.Lent = b.More, true
	if len(batch.Records) > spool.MaxBatch {
		err := p.finish(ctx, batch, j, counters) // in several parts, one after the other
		p.ahead.Release(weight)
		return func() error { return err }
	}
	j.count(counters)
	if batch.Count == 0 {
		p.buffers.put(buf)
		p.ahead.Release(weight)
		return func() error { return nil }
	}
	enqueued, err := p.cfg.Log.Enqueue(p.closing, batch)
	return func() error {
		defer p.ahead.Release(weight)
		if err == nil {
			if _, err = enqueued(p.closing); err == nil {
				p.works()
				p.buffers.put(buf)
				return counters.outcome(nil, batch.Count)
			}
		}
		if errors.Is(err, spool.ErrDropped) {
			return counters.outcome(err, batch.Count) // the log has counted it
		}
		// The buffer may still be the log's.
		return counters.outcome(p.append(ctx, batch), batch.Count) // again, as long as it takes
	}
}

// envelope is about how many octets an event has beside those of its message.
const envelope = 48

// encodedSize is about how many octets the records of b have.
func encodedSize(b *inputs.Batch) int { return len(b.Data) + envelope*len(b.Frames) }

// encode makes records of the messages of b that j keeps, in buf.
func (p *Pipeline) encode(b *inputs.Batch, s *setup, j *judge, buf *[]byte) spool.Batch {
	batch := spool.Batch{MinTime: math.MaxInt64, MaxTime: math.MinInt64}
	reader := newReader(s.readings[b.Input], b.Received)
	count := p.count.Add(uint32(len(b.Frames))) - uint32(len(b.Frames))
	records := (*buf)[:0]
	id := syslog.MakeID(b.Received, p.cfg.Node, count)
	var e syslog.Event
	for i := range b.Frames {
		f := &b.Frames[i]
		e = syslog.Event{}
		e.ID, e.Input = id.Plus(uint32(i)), b.Input
		e.Raw, e.Warnings = f.Of(b.Data), f.Warnings
		var origin *inputs.Origin
		if int(f.Origin) < len(b.Origins) {
			origin = &b.Origins[f.Origin]
		}
		j.full = len(records) > maxBatchWithFields
		if reader.read(origin, &e); j.keep(reader, &e) {
			records = appendTo(&batch, records, &e)
		}
	}
	*buf, batch.Records = records, records
	return batch
}

// appendTo appends e to the records of a batch.
func appendTo(batch *spool.Batch, records []byte, e *syslog.Event) []byte {
	t := e.TimeNano()
	batch.MinTime, batch.MaxTime = min(batch.MinTime, t), max(batch.MaxTime, t)
	// Without a route it is for whoever reads the log.
	batch.AsIs = e.Route == nil && (batch.AsIs || batch.Count == 0)
	batch.Count++
	return syslog.AppendRecord(records, e)
}

// begin returns a judge for one batch, by the rules of s.
func (p *Pipeline) begin(s *setup) *judge {
	j := p.judges.Get().(*judge)
	if j.Rules != &s.rules {
		*j = judge{Rules: &s.rules, untold: &p.cfg.Streams.repeats}
	}
	j.begin()
	return j
}

// end takes a judge back. What it judged and finish was not called for is not stored.
func (p *Pipeline) end(j *judge) {
	j.settle(false)
	p.judges.Put(j)
}

// finish makes a batch durable and counts what became of its messages.
func (p *Pipeline) finish(ctx context.Context, batch spool.Batch, j *judge, counters *inputCounters) error {
	j.count(counters)
	stored, tooLarge, noted, err := p.store(ctx, batch, j)
	suppressed := 0
	if j.suppressed > 0 {
		for i := range j.repeats.Repeats {
			if r := &j.repeats.Repeats[i]; i < noted {
				suppressed += int(r.Count)
			} else {
				r.Description = nil // it is not stored
			}
		}
	}
	j.settle(stored+tooLarge == batch.Count)
	counters.stored.Add(float64(stored))
	if tooLarge > 0 {
		counters.drop(spool.ErrTooLarge, tooLarge)
	}
	if err = counters.outcome(err, batch.Count-stored-tooLarge+j.suppressed-suppressed); err == nil && suppressed > 0 {
		if err = j.repeats.Wait(p.closing); err != nil {
			if p.closing.Err() != nil {
				err = inputs.ErrClosed
			}
			counters.drop(err, suppressed)
			return err
		}
	}
	counters.suppressed.Add(float64(suppressed))
	return err
}

// store appends a batch, and what it adds to the counts of repeats. It returns how many of
// its events are stored, how many are too large for any log, which their sender is not
// told, for it would send them for ever, and to how many windows what it adds is noted.
// What rules and the envelope have made too large for the log goes there in parts, the
// last of which has the note: it must not say that more is stored than is. A crash between two of them has events
// stored of which the sender is not known to have brought them.
func (p *Pipeline) store(ctx context.Context, batch spool.Batch, j *judge) (stored, tooLarge, noted int, err error) {
	notes := []repeatNote{{}}
	if j.suppressed > 0 {
		notes = repeatNotes(j.repeats, len(batch.Note))
		batch.Note = append(batch.Note, notes[0].octets...)
	}
	for len(batch.Records) > spool.MaxBatch {
		part := cut(&batch)
		if octets := len(part.Records); octets > spool.MaxBatch {
			p.cfg.Logger.Error().Int("octets", octets).Int("most", spool.MaxBatch).
				Msg("a message is dropped: what is added to it, or its conversion to UTF-8, makes it too large for the log")
			tooLarge++
			continue
		}
		if err := p.append(ctx, part); err != nil {
			return stored, tooLarge, 0, err
		}
		stored += part.Count
	}
	if batch.Count > 0 || len(batch.Note) > 0 {
		if err := p.append(ctx, batch); err != nil {
			return stored, tooLarge, 0, err
		}
		stored += batch.Count
	}
	noted = notes[0].end
	for _, note := range notes[1:] {
		if err := p.append(ctx, spool.Batch{MinTime: math.MaxInt64, MaxTime: math.MinInt64, Note: note.octets}); err != nil {
			return stored, tooLarge, noted, err
		}
		noted = note.end
	}
	return stored, tooLarge, noted, nil
}

// cut takes off b, without its note, as many records as the log takes at once, and one at
// least.
func cut(b *spool.Batch) spool.Batch {
	part, rest := *b, b.Records
	part.Note, part.Count = nil, 0
	for len(rest) > 0 {
		_, next := syslog.NextRecord(rest)
		if part.Count > 0 && len(b.Records)-len(next) > spool.MaxBatch {
			break
		}
		part.Count++
		rest = next
	}
	part.Records = b.Records[:len(b.Records)-len(rest)]
	b.Records, b.Count = rest, b.Count-part.Count
	return part
}

// works notes that the log takes messages.
func (p *Pipeline) works() {
	if p.failing.Load() && p.failing.CompareAndSwap(true, false) {
		p.cfg.Logger.Info().Msg("the log takes messages again")
	}
}

// append hands the batch to the log, again and again while the log fails: a full
// or faulty disk must hold the senders back, not lose what they sent.
func (p *Pipeline) append(ctx context.Context, b spool.Batch) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		_, err := p.cfg.Log.Append(p.closing, b)
		switch {
		case err == nil:
			p.works()
			return nil
		case p.closing.Err() != nil || errors.Is(err, spool.ErrClosed):
			return inputs.ErrClosed
		case errors.Is(err, spool.ErrTooLarge), errors.Is(err, spool.ErrDropped):
			return err
		}
		if p.failing.CompareAndSwap(false, true) {
			p.cfg.Logger.Error().Err(err).Msg("the log refuses messages: inputs are held back until it takes them again")
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fmt.Errorf("append to the log: %w", err)
		case <-p.closing.Done():
			return inputs.ErrClosed
		}
	}
}

// With many connections these bound the memory, not the connections' number.
const (
	maxEncoded = 4 << 20
	maxAhead   = 8 << 20
)

// appendString appends s with its length, as the notes hold it.
func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}
