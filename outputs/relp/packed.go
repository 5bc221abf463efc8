package relp

import (
	"context"

	"github.com/syslane/syslane/internal/relp"
	"github.com/syslane/syslane/outputs"
)

// minPacked is the mean number of octets of records from which on runs go over the
// link as the log holds them. Many small ones compress better together.
const minPacked = 16 << 10

// takesPacked tells whether b can go as it is: all of it, to a server that takes it.
func (o *lane) takesPacked(s *session, b *outputs.Batch) bool {
	if !s.packed || o.progress.most > 0 {
		return false
	}
	raw := 0
	for i := range b.Packed {
		if b.Packed[i].Raw > relp.MaxBatchRaw {
			return false
		}
		raw += b.Packed[i].Raw
	}
	if len(b.Packed) > 1 && raw < minPacked*len(b.Packed) {
		return false
	}
	o.skipStored(s, b)
	_, left := o.progress.left(b.Count)
	return left == b.Count
}

// writePacked sends the runs of b in batches, several of them under way at once.
func (o *lane) writePacked(ctx context.Context, s *session, b *outputs.Batch) error {
	return o.sendAll(s, func(answered func(*request)) error {
		for first, runs := 0, b.Packed; len(runs) > 0; {
			n, count, raw := 0, 0, 0
			for n < len(runs) && (n == 0 || raw+runs[n].Raw <= linkBatchOctets) {
				count += runs[n].Count
				raw += runs[n].Raw
				n++
			}
			if err := o.sendPacked(ctx, s, b, first, count, runs[:n], answered); err != nil {
				return err
			}
			first, runs = first+count, runs[n:]
		}
		return o.wait(ctx, s, 0, answered)
	})
}

// sendPacked sends one batch of runs, with count records from index first on.
func (o *lane) sendPacked(ctx context.Context, s *session, b *outputs.Batch, first, count int, runs []outputs.Packed, answered func(*request)) error {
	if err := o.wait(ctx, s, linkInFlight-1, answered); err != nil {
		return err
	}
	o.packed = o.packed[:0]
	for _, r := range runs {
		codec, err := relp.ParseCodec(r.Codec)
		if err != nil {
			return err
		}
		o.packed = append(o.packed, relp.Packed{Codec: codec, Raw: r.Raw, Octets: r.Octets})
	}
	o.frames = relp.AppendPackedFrame(o.frames, s.window.add(first, count),
		relp.Batch{First: b.Position(first), Next: b.Position(first + count), Count: count}, o.packed)
	return o.flush(ctx, s)
}
