package alert

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"time"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/search"
	"github.com/syslane/syslane/spool"
)

// Replayed is what a replay has gone through.
type Replayed struct {
	// Messages is how many the log has, Matched how many a query has found.
	Messages, Matched uint64
	// Skipped is how many blocks were not read, for their index shows that they
	// hold nothing of interest, of Blocks.
	Blocks, Skipped int
	// Unreadable is how many blocks and messages are damaged.
	Unreadable int
	// From and To are the times between which was evaluated.
	From, To time.Time
}

// Replay evaluates rules over what a log holds, received at a time or later, as if it
// came in now. The clock is the time at which the messages were received.
// told is called for each change, in order; what still fires at the end is not
// ended. It changes nothing, and can run beside the process that writes the log.
func Replay(ctx context.Context, view *spool.View, rules []*Rule, since time.Time, told func(Change) error) (Replayed, error) {
	r := &replay{rules: rules, since: since.UnixNano(), told: told}
	if since.IsZero() {
		r.since = math.MinInt64
	}
	var queries []*search.Query
	for _, rule := range rules {
		queries = append(queries, rule.Query)
	}
	r.sieve = search.NewSieve(queries)
	segments, err := view.Segments()
	if err != nil {
		return r.Replayed, fmt.Errorf("list the log: %w", err)
	}
	reader := view.NewBlockReader()
	defer reader.Close()
	var blocks []spool.BlockInfo
	for _, segment := range slices.Backward(segments) {
		if blocks, err = view.Blocks(blocks[:0], segment); errors.Is(err, fs.ErrNotExist) {
			continue // retention was faster
		} else if err != nil {
			return r.Replayed, err
		}
		for part := range slices.Chunk(blocks, 64) {
			if err := view.FillSkip(segment, part); err != nil {
				return r.Replayed, err
			}
			for i := range part {
				if err := ctx.Err(); err != nil {
					return r.Replayed, context.Cause(ctx)
				}
				if err := r.block(reader, segment, part[i]); err != nil {
					return r.Replayed, err
				}
			}
		}
	}
	return r.Replayed, r.until(r.last)
}

type replay struct {
	Replayed
	rules  []*Rule
	engine *engine
	sieve  *search.Sieve
	since  int64
	last   int64 // when the newest block was written
	told   func(Change) error
}

func (r *replay) block(reader *spool.BlockReader, segment spool.Segment, b spool.BlockInfo) error {
	if b.Appended < r.since {
		return nil
	}
	r.Blocks++
	r.Messages += uint64(b.Count)
	r.last = max(r.last, b.Appended)
	if r.engine != nil && !r.sieve.May(b.Skip) {
		r.Skipped++
		return nil
	}
	block, err := reader.Read(segment, b)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, spool.ErrCorrupt):
		r.Unreadable++
		return nil
	case err != nil:
		return err
	}
	if r.engine == nil {
		r.begin(block.Records, b.Appended)
	}
	var failed error
	r.Unreadable += r.sieve.Each(block.Records, func(query int, e *syslog.Event) {
		at := e.ID.ReceivedNano()
		if at < r.since || failed != nil {
			return
		}
		if at > r.engine.now {
			if failed = r.until(at); failed != nil {
				return
			}
		}
		r.Matched++
		r.engine.observe(query, e)
	})
	return failed
}

// begin starts with the first message that counts.
func (r *replay) begin(records []byte, appended int64) {
	from := appended
	if record, _ := syslog.NextRecord(records); record != nil {
		from = min(from, syslog.RecordID(record).ReceivedNano())
	}
	from = max(from, r.since)
	r.engine = newEngine(r.rules, time.Unix(0, from))
	r.From = time.Unix(0, from).UTC()
}

// until lets time pass up to a moment.
func (r *replay) until(at int64) error {
	if r.engine == nil {
		return nil
	}
	e := r.engine
	for e.now < at {
		e.clock(time.Unix(0, min(at, e.next())))
		for _, c := range e.advance() {
			if err := r.told(c); err != nil {
				return err
			}
		}
	}
	r.To = time.Unix(0, max(e.now, at)).UTC()
	return nil
}

// next is when something can change where no message comes.
func (e *engine) next() int64 {
	next := int64(math.MaxInt64)
	for _, w := range e.watches {
		switch {
		case w.fresh:
			next = min(next, e.now+int64(time.Second))
		case len(w.queue) > 0:
			next = min(next, e.now+min(w.step, int64(10*time.Second)))
		case w.rule.Condition.lower():
			next = min(next, max(w.next, e.now+1))
		}
	}
	return next
}
