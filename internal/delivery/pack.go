package delivery

import (
	"context"
	"errors"
	"fmt"

	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/spool"
)

// errDamaged is returned where a packed batch cannot be unpacked.
var errDamaged = errors.New("what the log holds cannot be unpacked")

// packs tells whether the output wants events as the log holds them.
func (d *Delivery) packs(l *lane) bool {
	p, ok := d.cfg.Output.(outputs.Packer)
	return ok && p.Packs() && l.pos >= l.plain
}

// reread goes back to what cannot be unpacked: the log itself unpacks it then, and
// sees to the damage.
func (l *lane) reread(first, next uint64) {
	l.plain, l.ahead = next, nil
	l.reader.Seek(first)
}

func isPacked(b *spool.Block) bool { return len(b.Packed.Octets) > 0 }

// pack makes a batch of a packed block of l and of those that follow it at once: up to
// a position, and of so many octets of records.
func (d *Delivery) pack(ctx context.Context, l *lane, block spool.Block, limit uint64, size int) *outputs.Batch {
	b := &outputs.Batch{Stream: d.cfg.Stream, After: l.handed, First: block.First, Next: block.First}
	b.HasEvent = d.lookup(b)
	d.batch, d.packed, d.gaps, d.skipped = d.batch[:0], d.packed[:0], d.gaps[:0], 0
	for raw := 0; ; {
		from := len(d.batch)
		d.batch = append(d.batch, block.Packed.Octets...)
		d.packed = append(d.packed, outputs.Packed{
			Count: block.Count, Raw: block.Packed.Raw, Codec: string(block.Packed.Codec),
			Octets: d.batch[from:len(d.batch):len(d.batch)],
		})
		b.Count += block.Count
		b.Next = block.Next()
		raw += block.Packed.Raw
		if raw >= size || b.Next >= min(limit, d.cfg.Head()) {
			break
		}
		var err error
		if block, err = l.reader.Next(ctx); err != nil {
			break // the next call meets the error again
		}
		if block.First != b.Next || !isPacked(&block) || block.Next() > limit || raw+block.Packed.Raw > size {
			l.ahead = &block
			break
		}
	}
	b.Packed = d.packed
	return b
}

// unpackBlock gives a packed block its records.
func (d *Delivery) unpackBlock(l *lane, b *spool.Block) (err error) {
	if d.unpacked, err = l.reader.Unpack(d.unpacked[:0], b.Packed); err != nil {
		return fmt.Errorf("%w: block at position %d: %w", errDamaged, b.First, err)
	}
	b.Records, b.Packed = d.unpacked, spool.Packed{}
	return nil
}

// unpack gives a packed batch its events.
func (d *Delivery) unpack(b *outputs.Batch) (err error) {
	d.unpacked = d.unpacked[:0]
	for _, p := range b.Packed {
		packed := spool.Packed{Codec: spool.Codec(p.Codec), Raw: p.Raw, Octets: p.Octets}
		if d.unpacked, err = d.front.reader.Unpack(d.unpacked, packed); err != nil {
			return fmt.Errorf("%w: batch at position %d: %w", errDamaged, b.First, err)
		}
	}
	b.Events, b.Packed = d.unpacked, nil
	return nil
}
