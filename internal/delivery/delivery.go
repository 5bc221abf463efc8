// Package delivery carries events from the log to one output: it reads at the
// output's durable cursor, hands batches over, tries again for as long as it
// takes, puts what can never succeed into the dead letter, and moves the cursor
// only then.
package delivery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/deadletter"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/spool"
)

// Cursor is the durable place of an output in the log.
type Cursor interface {
	// Position is the first position not yet delivered.
	Position() uint64
	// Ahead are the spans beyond it that are delivered, in order.
	Ahead() []spool.Span
	// CommitSpan notes that the positions from from up to to are delivered, and adds
	// to the totals.
	CommitSpan(from, to uint64, n spool.Counts) error
}

// Reader reads the log in order.
type Reader interface {
	// Next waits for records and returns the next of them; they are valid until
	// the Next after.
	Next(ctx context.Context) (spool.Block, error)
	// Pack tells whether Next shall return blocks as they are stored where it can, and
	// Unpack appends the records of such a one to dst.
	Pack(on bool)
	Unpack(dst []byte, p spool.Packed) ([]byte, error)
	// Seek makes Next go on at a position.
	Seek(position uint64)
	Close() error
}

// DeadLetters keeps events that an output has refused for good.
type DeadLetters interface {
	// Append returns nil once the entries are durable.
	Append(entries []deadletter.Entry) error
}

// Config says from where to where, and how patiently.
type Config struct {
	// Name is the output's configured name.
	Name string
	// Stream names log and output to the destination: "<log id>/<output>".
	Stream string
	Cursor Cursor
	// NewReader returns a reader that begins at a position.
	NewReader func(at uint64) Reader
	// Interleave delivers what comes between a backlog, and not behind it: one of
	// BacklogMin messages or more which, as it goes, will take longer than BacklogTime.
	// Defaults 5000 and 2s. The order of the log is then kept only within what comes,
	// and within the backlog.
	Interleave  bool
	BacklogMin  uint64
	BacklogTime time.Duration
	// FlushInterval is the least time from one batch to the next where the first was
	// not full. 0: what comes leaves at once.
	FlushInterval time.Duration
	// Head returns the position after the newest event in the log.
	Head        func() uint64
	Output      outputs.Output
	DeadLetters DeadLetters
	// BatchOctets bounds the octets of one batch; a batch holds at least one
	// block of the log. Default 4 MiB: several batches of the link, or several bulk
	// requests, can then be under way at once.
	BatchOctets int
	// RetryMin and RetryMax bound the pause between attempts, which doubles from
	// one to the next. Defaults 250ms and 30s.
	RetryMin, RetryMax time.Duration
	// Grace is how long a write under way may take to finish once the delivery
	// is told to stop. Default 5s.
	Grace  time.Duration
	Logger zerolog.Logger
}

// Delivery is the loop of one output.
type Delivery struct {
	cfg     Config
	failing atomic.Pointer[Failure]
	retries atomic.Uint64
	batch   []byte
	gaps    []outputs.Gap
	// packed are the parts of a packed batch, whose octets are in batch one after the
	// other; unpacked is the memory of one whose output wanted it so.
	packed   []outputs.Packed
	unpacked []byte
	// skipped is the number of events that the batch leaves out.
	skipped uint64

	front, backlog *lane // no backlog: nil
	// due is when the front may have its next batch.
	due time.Time
	// turns is how many batches in a row were the front's.
	turns int
	// backlogSize bounds the octets of a batch of the backlog.
	backlogSize int
}

// Failure says since when and why an output takes nothing.
type Failure struct {
	Since time.Time
	Err   error
}

// New returns a delivery; Run starts it.
func New(cfg Config) *Delivery {
	if cfg.BatchOctets <= 0 {
		cfg.BatchOctets = 4 << 20
	}
	if cfg.RetryMin <= 0 {
		cfg.RetryMin = 250 * time.Millisecond
	}
	if cfg.RetryMax <= 0 {
		cfg.RetryMax = 30 * time.Second
	}
	if cfg.BacklogMin == 0 {
		cfg.BacklogMin = 5000
	}
	if cfg.BacklogTime <= 0 {
		cfg.BacklogTime = 2 * time.Second
	}
	if cfg.Grace <= 0 {
		cfg.Grace = 5 * time.Second
	}
	cfg.Logger = cfg.Logger.With().Str("output", cfg.Name).Logger()
	return &Delivery{cfg: cfg}
}

// Failing returns why the output takes nothing at present, or nil.
func (d *Delivery) Failing() *Failure { return d.failing.Load() }

// Retries returns how often a batch had to be handed over again since the start
// of the process.
func (d *Delivery) Retries() uint64 { return d.retries.Load() }

// Run delivers until ctx ends, and then returns nil after the write under way
// has finished or its grace is over. What was not delivered stays in the log.
// Any other return is a failure of the log itself.
func (d *Delivery) Run(ctx context.Context) error {
	writing, stop := graceful(ctx, d.cfg.Grace)
	defer stop()
	d.open()
	defer d.close()
	for {
		l := d.turn()
		if wait := time.Until(l.again); wait > 0 {
			if !sleep(ctx, min(wait, restStep)) {
				return nil
			}
			continue // the other lane may have something by now
		}
		if wait := time.Until(d.due); l == d.front && wait > 0 && !sleep(ctx, wait) {
			return nil
		}
		b, err := d.next(ctx, l)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, spool.ErrClosed) {
				return nil
			}
			if errors.Is(err, spool.ErrVersion) {
				return fmt.Errorf("read the log for output %q: %w", d.cfg.Name, err)
			}
			// The disk failed; the reader tries again where it stood.
			d.failed(fmt.Errorf("read the log: %w", err))
			if !sleep(ctx, d.cfg.RetryMin) {
				return nil
			}
			continue
		}
		rejected, start := 0, time.Now()
		if b.Count > 0 { // otherwise all of it is for other outputs, or damaged
			if rejected, err = d.write(ctx, writing, b); errors.Is(err, errDamaged) {
				l.reread(b.First, b.Next)
				continue
			} else if errors.Is(err, outputs.ErrCompany) {
				d.retries.Add(1)
				d.failed(err)
				d.rest(l, b)
				continue
			} else if err != nil {
				return nil // otherwise only the end of ctx makes write give up
			}
			l.handed = b.Next
		}
		told := b.Count > 0 || l.pause > 0
		if l.pause = 0; told && d.front.pause == 0 && (d.backlog == nil || d.backlog.pause == 0) {
			d.succeeded()
		}
		n := spool.Counts{Delivered: uint64(b.Count - rejected), DeadLettered: uint64(rejected), Skipped: d.skipped}
		if err := d.cfg.Cursor.CommitSpan(l.pos, b.Next, n); err != nil {
			return fmt.Errorf("move the cursor of output %q: %w", d.cfg.Name, err)
		}
		d.moveOn(l, b.Next, time.Since(start))
	}
}

// write hands b over until the destination owns it, other events have to tell why it
// does not (outputs.ErrCompany), or ctx ends.
func (d *Delivery) write(ctx, writing context.Context, b *outputs.Batch) (rejected int, err error) {
	for pause := d.cfg.RetryMin; ; pause = min(2*pause, d.cfg.RetryMax) {
		err := d.cfg.Output.Write(writing, b)
		var refused *outputs.Rejected
		if errors.As(err, &refused) {
			var entries []deadletter.Entry
			if entries, err = d.entries(b, refused); err == nil {
				// The destination owns the others: they must not be handed over again.
				if err := d.bury(ctx, entries); err != nil {
					return 0, err
				}
				return len(refused.Items), nil
			}
		} else if err == nil {
			return 0, nil
		}
		if ctx.Err() != nil || errors.Is(err, outputs.ErrCompany) {
			return 0, err
		}
		if errors.Is(err, outputs.ErrUnpack) {
			if err := d.unpack(b); err != nil {
				return 0, err
			}
			continue
		}
		d.retries.Add(1)
		d.failed(err)
		if !sleep(ctx, jitter(pause)) {
			return 0, err
		}
	}
}

// entries returns the refused events of b, but for those that the destination keeps.
func (d *Delivery) entries(b *outputs.Batch, refused *outputs.Rejected) ([]deadletter.Entry, error) {
	now := time.Now()
	entries := make([]deadletter.Entry, 0, len(refused.Items))
	index, run := 0, b.Events
	for _, item := range refused.Items {
		var record []byte
		for ; index <= item.Index; index++ {
			if record, run = syslog.NextRecord(run); record == nil {
				return nil, fmt.Errorf("output %q refused event %d of a batch of %d", d.cfg.Name, item.Index, b.Count)
			}
		}
		if item.Kept {
			continue
		}
		entries = append(entries, deadletter.Entry{
			Time: now, Output: d.cfg.Name, Position: b.Position(item.Index),
			Event: record, Status: item.Status, Reason: item.Reason,
		})
	}
	return entries, nil
}

// bury puts entries into the dead letter, and tries until they are there or ctx ends.
func (d *Delivery) bury(ctx context.Context, entries []deadletter.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	for pause := d.cfg.RetryMin; ; pause = min(2*pause, d.cfg.RetryMax) {
		err := d.cfg.DeadLetters.Append(entries)
		if err == nil {
			break
		}
		err = fmt.Errorf("write the dead letter: %w", err)
		d.failed(err)
		if !sleep(ctx, jitter(pause)) {
			return err
		}
	}
	d.cfg.Logger.Warn().Int("messages", len(entries)).Str("reason", entries[0].Reason).
		Msg("output refused messages for good: they are in the dead letter")
	return nil
}

func (d *Delivery) failed(err error) {
	if f := d.failing.Load(); f != nil {
		if time.Since(f.Since) >= time.Minute && f.Err.Error() != err.Error() {
			d.cfg.Logger.Warn().Err(err).Msg("output still takes nothing, now for another reason")
		} else {
			return
		}
		d.failing.Store(&Failure{Since: f.Since, Err: err})
		return
	}
	d.failing.Store(&Failure{Since: time.Now(), Err: err})
	d.cfg.Logger.Warn().Err(err).Msg("output takes nothing: messages stay in the log until it does")
}

func (d *Delivery) succeeded() {
	if f := d.failing.Swap(nil); f != nil {
		d.cfg.Logger.Info().Dur("after", time.Since(f.Since)).Msg("output takes messages again")
	}
}

// jitter returns a time between half of pause and all of it.
func jitter(pause time.Duration) time.Duration { return pause/2 + rand.N(pause/2+1) }

// sleep waits, and returns false if ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// graceful returns a context that ends some time after ctx does.
func graceful(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(grace):
			cancel()
		case <-later.Done():
		}
	})
	return later, func() { stop(); cancel() }
}
