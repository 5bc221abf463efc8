// Package outputs holds the contract between the delivery of events and what
// takes them: Elasticsearch, another syslog server, a file. Each has a folder of
// its own below.
package outputs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sort"

	"github.com/syslane/syslane/internal/syslog"
)

// Output hands events to a destination.
type Output interface {
	// Write returns nil once the destination owns every event of b. A *Rejected
	// means that the destination owns all but those it lists, which can never
	// succeed. Any other error means: try again, with the same batch or one that
	// starts with the same event; the destination may own some of it already, and
	// the output makes a second Write of an event harmless where its protocol
	// allows.
	//
	// Write is never called concurrently with itself. It returns soon after ctx
	// ends. It borrows b.
	//
	// Behind an error that wraps ErrCompany a batch of the other run (Batch.After) may
	// come before this one does again.
	Write(ctx context.Context, b *Batch) error
	// Close frees what the output holds. It is called once, after the last Write.
	Close() error
}

// Batch is a run of events as they stand in the log.
type Batch struct {
	// Stream names the log and output: "<log id>/<output>".
	Stream string
	// First is the position of the first event in the log, Next the position
	// after the last.
	First, Next uint64
	// Oldest is the First of the batch of which this is a part: what lies before it is
	// delivered. 0: it is no part of another.
	Oldest uint64
	// After is the Next of the batch before, of those that are handed over in order:
	// what lies between is for other outputs, or lost. An output can be handed two
	// runs of batches in turn (catch_up of Elasticsearch), each in order.
	After uint64
	// Count is the number of records in Events.
	Count int
	// Events is a run of records (syslog.NextRecord).
	Events []byte
	// Packed, from a batch for a Packer, are the events in place of Events, without
	// gaps between them.
	Packed []Packed
	// Gaps tell where the positions of the events jump, because what lies between
	// is for other outputs; in order, and empty where Count is Next-First.
	Gaps []Gap
	// HasEvent tells whether the last event for the output between two positions of the
	// log, beyond the batch too, has that id. What the log no longer holds it has not; an
	// error says that it cannot be told now. nil where there is no log to look into.
	HasEvent func(ctx context.Context, id syslog.ID, from, before uint64) (bool, error)
}

// Packed is a run of records, compressed, as the log holds it.
type Packed struct {
	// Count is the number of records, Raw that of their octets.
	Count, Raw int
	// Codec is "s2" (block format) or "zstd" (one frame).
	Codec  string
	Octets []byte
}

// Packer is an Output that can do with events as the log holds them.
type Packer interface {
	Output
	// Packs tells whether the next Write had better be given Batch.Packed.
	Packs() bool
}

// ErrUnpack is returned by the Write of a Packer that needs the batch again as
// Batch.Events.
var ErrUnpack = errors.New("the events are needed unpacked")

// ErrCompany is wrapped by the error of a Write whose destination failed on events in
// a way that may be their fault or its own, which only what it does with others tells:
// with those behind them, and with those of the other run.
var ErrCompany = errors.New("other events have to tell whose fault it is")

// Gap is a jump of positions within a batch.
type Gap struct {
	// Index is that of the event behind the gap, Count for a gap at the end.
	Index int
	// Skipped is the number of positions that this gap and those before it leave
	// out, from First on.
	Skipped uint64
}

// Position returns the position in the log of the event with index i, from 0;
// of Count it returns Next.
func (b *Batch) Position(i int) uint64 {
	if i >= b.Count {
		return b.Next
	}
	behind := sort.Search(len(b.Gaps), func(g int) bool { return b.Gaps[g].Index > i })
	if behind == 0 {
		return b.First + uint64(i)
	}
	return b.First + uint64(i) + b.Gaps[behind-1].Skipped
}

// Part returns the events of b with the indexes from to before to; run is their
// records.
func (b *Batch) Part(from, to int, run []byte) Batch {
	p := Batch{Stream: b.Stream, First: b.Position(from), Next: b.Position(to), Oldest: cmp.Or(b.Oldest, b.First),
		Count: to - from, Events: run, HasEvent: b.HasEvent}
	var before uint64
	for _, g := range b.Gaps {
		switch {
		case g.Index <= from:
			before = g.Skipped
		case g.Index <= to:
			p.Gaps = append(p.Gaps, Gap{Index: g.Index - from, Skipped: g.Skipped - before})
		}
	}
	return p
}

// Rejected is the error of a Write whose destination took all but some events.
type Rejected struct {
	// Items are the events that can never succeed, in the order of the batch.
	Items []Rejection
}

// Rejection says which event of a batch was refused, and why.
type Rejection struct {
	// Index is the event's place in the batch, from 0.
	Index int
	// Status is the destination's code (for Elasticsearch the HTTP status of
	// the item), 0 where it has none.
	Status int
	// Reason is the destination's own words.
	Reason string
	// Kept says that the destination has the event in a place for what it refuses, so
	// that nobody else need keep it.
	Kept bool
}

func (r *Rejected) Error() string {
	if len(r.Items) == 0 {
		return "rejected no event"
	}
	return fmt.Sprintf("rejected %d events, the first: %s", len(r.Items), r.Items[0].Reason)
}
