package delivery

import (
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/spool"
)

// maxSkipped bounds how many events for other outputs one batch passes, so that
// the cursor moves on also where nothing is to be delivered.
const maxSkipped = 1 << 16

// add puts those events of a block into b that are for this output, without their
// routes: names of outputs mean nothing to a destination.
func (d *Delivery) add(b *outputs.Batch, block *spool.Block) {
	run, kept := block.Records, 0 // run[:kept] goes over as it is
	for at := run; len(at) > 0; {
		record, rest := syslog.NextRecord(at)
		if record == nil {
			// The log keeps whole records only; the output finds what is wrong.
			b.Count += block.Count - int(b.Next-block.First)
			b.Next = block.Next()
			kept = len(run)
			break
		}
		route := syslog.RouteOf(record)
		if route != nil {
			d.batch = append(d.batch, run[:kept]...)
			run, kept = rest, 0
		}
		switch {
		case route == nil:
			kept = len(run) - len(rest)
			b.Count++
		case route.Has(d.cfg.Name):
			d.batch = syslog.AppendWithoutRoute(d.batch, record)
			b.Count++
		default:
			d.skip(b)
		}
		b.Next++
		at = rest
	}
	d.batch = append(d.batch, run[:kept]...)
}

// skip passes the event at b.Next.
func (d *Delivery) skip(b *outputs.Batch) {
	d.skipped++
	if b.Count == 0 {
		b.First = b.Next + 1
		return
	}
	gap := outputs.Gap{Index: b.Count, Skipped: 1}
	if n := len(d.gaps); n > 0 {
		gap.Skipped += d.gaps[n-1].Skipped
		if d.gaps[n-1].Index == b.Count {
			d.gaps = d.gaps[:n-1]
		}
	}
	d.gaps = append(d.gaps, gap)
}
