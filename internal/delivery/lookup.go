package delivery

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/spool"
)

// minStride is how many positions a look-up goes back where what it came to first is
// for other outputs; each stride is twice as long as the one before.
const minStride = 1 << 10

// maxBehind is how many positions a look-up goes back at most. No batch goes on for so
// many behind its last event: that are maxSkipped, and what a block of the log has.
const maxBehind = 1 << 20

// lookupReads is how often a look-up tries to read one block: more often than it takes
// the log to call damaged what the disk does not give.
const lookupReads = 8

// ending is the last event for an output between two positions.
type ending struct {
	id    syslog.ID
	found bool
	// torn says that something is missing behind it.
	torn bool
}

// lookup returns the HasEvent of a batch. It looks into the batch in hand too: the log
// may have let go of that meanwhile.
func (d *Delivery) lookup(b *outputs.Batch) func(ctx context.Context, id syslog.ID, from, before uint64) (bool, error) {
	return func(ctx context.Context, id syslog.ID, from, before uint64) (bool, error) {
		if before > d.cfg.Head() {
			return false, nil
		}
		from = max(from, before-min(before, maxBehind))
		r := d.cfg.NewReader(before - 1)
		defer r.Close()
		last, err := d.last(ctx, r, b, from, before)
		if err != nil {
			return false, fmt.Errorf("read the log: %w", err)
		}
		return last.found && !last.torn && last.id == id, nil
	}
}

// last goes backwards, as the event looked for is the last or none: mostly that is one
// block, however far it is from one position to the other.
func (d *Delivery) last(ctx context.Context, r Reader, b *outputs.Batch, from, before uint64) (ending, error) {
	low, inHand := from, before > b.First
	if inHand {
		low = max(from, b.Next)
	}
	for end, stride := before, uint64(1); end > low; stride = max(2*stride, minStride) {
		start := end - min(stride, end-low)
		last, err := d.lastOf(ctx, r, start, end)
		if err != nil || last.found || last.torn {
			return last, err
		}
		end = start
	}
	if inHand {
		return lastInHand(r, b, from, before), nil
	}
	return ending{}, nil
}

// lastOf reads the log from one position to the other.
func (d *Delivery) lastOf(ctx context.Context, r Reader, from, before uint64) (last ending, err error) {
	r.Seek(from)
	for at := from; at < before; {
		block, err := d.readAgain(ctx, r)
		if err != nil {
			return last, err
		}
		last.torn = last.torn || block.First > at
		at = block.First
		for run := block.Records; len(run) > 0 && at < before; at++ {
			var record []byte
			if record, run = syslog.NextRecord(run); syslog.RouteOf(record).Has(d.cfg.Name) {
				last = ending{id: syslog.RecordID(record), found: true}
			}
		}
		at = block.Next()
	}
	return last, nil
}

// readAgain reads the next block, with the patience that Run has with the disk.
func (d *Delivery) readAgain(ctx context.Context, r Reader) (spool.Block, error) {
	for tries := 1; ; tries++ {
		block, err := r.Next(ctx)
		if err == nil || tries == lookupReads || errors.Is(err, spool.ErrClosed) || errors.Is(err, spool.ErrVersion) ||
			!sleep(ctx, d.cfg.RetryMin) {
			return block, err
		}
	}
}

// lastInHand looks into a batch; r unpacks it where it is packed.
func lastInHand(r Reader, b *outputs.Batch, from, before uint64) ending {
	i := sort.Search(b.Count, func(i int) bool { return b.Position(i) >= before }) - 1
	if i < 0 || b.Position(i) < from {
		return ending{}
	}
	run := b.Events
	for _, p := range b.Packed {
		if i < p.Count {
			run, _ = r.Unpack(nil, spool.Packed{Codec: spool.Codec(p.Codec), Raw: p.Raw, Octets: p.Octets})
			break
		}
		i -= p.Count
	}
	for ; i > 0; i-- {
		_, run = syslog.NextRecord(run)
	}
	record, _ := syslog.NextRecord(run)
	return ending{id: syslog.RecordID(record), found: record != nil}
}
