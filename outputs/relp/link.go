package relp

import (
	"context"
	"fmt"
	"sort"

	"github.com/syslane/syslane/internal/relp"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
)

// linkBatchOctets is how many octets of records go into one batch on the link: so
// many that compression has its full effect and one fsync serves thousands, so
// few that one batch is stored while the next is under way.
const linkBatchOctets = 1 << 20

// writeLink sends the records of b in batches, several of them under way at once.
//
// The server closes the connection on a batch that it refuses. The next Write
// then sends smaller ones, until the one record is alone that is refused; that
// is rejected after maxRefusals.
func (o *lane) writeLink(ctx context.Context, s *session, b *outputs.Batch) error {
	o.skipStored(s, b)
	return o.sendAll(s, func(answered func(*request)) error { return o.sendPieces(ctx, s, b, answered) })
}

// sendAll takes the answers to what send sends.
func (o *lane) sendAll(s *session, send func(answered func(*request)) error) error {
	p := &o.progress
	var refused *request
	answered := func(r *request) {
		if r.code == relp.CodeOK {
			p.own(r.first, r.count)
			p.most *= 2
		} else if refused == nil {
			first := *r
			refused = &first
		}
	}
	err := send(answered)
	if err != nil {
		s.drain(answered)
	}
	o.look(s)
	if refused == nil {
		return err
	}
	return o.refusedBatch(refused)
}

// refusedBatch draws the consequences of a refusal.
func (o *lane) refusedBatch(r *request) error {
	o.metrics.refusals.Inc()
	p := &o.progress
	if p.most = r.count / 2; p.most == 0 {
		p.most = 1
		p.refuse(r.first, r.code, r.text)
	}
	return fmt.Errorf("batch of %d: %w", r.count, &refusedError{r.code, r.text})
}

// skipStored marks as owned what the server said it had when the session was opened.
func (o *lane) skipStored(s *session, b *outputs.Batch) {
	if b.First < s.from {
		return // left by another target that failed
	}
	i := 0
	for _, had := range s.have {
		first := i + sort.Search(b.Count-i, func(n int) bool { return b.Position(i+n) >= had.first })
		next := first + sort.Search(b.Count-first, func(n int) bool { return b.Position(first+n) >= had.next })
		o.progress.own(first, next-first)
		i = next
	}
}

// sendPieces cuts b into batches of records not yet owned, sends them, and waits
// for the answers.
func (o *lane) sendPieces(ctx context.Context, s *session, b *outputs.Batch, answered func(*request)) error {
	run := b.Events
	first, start := 0, run
	cut := func(next int) error {
		if next == first {
			return nil
		}
		end := b.Position(next)
		if next < b.Count && o.progress.isOwned(next) {
			end = b.Position(next-1) + 1 // what comes before the next is perhaps had
		}
		return o.sendBatch(ctx, s, first, relp.Batch{
			First: b.Position(first), Next: end, Count: next - first,
			Records: start[:len(start)-len(run)],
		}, answered)
	}
	for i := 0; i < b.Count; i++ {
		record, rest := syslog.NextRecord(run)
		if record == nil {
			return fmt.Errorf("batch at position %d holds %d of %d records", b.First, i, b.Count)
		}
		owned, most := o.progress.isOwned(i), o.progress.most
		if octets := len(start) - len(rest); owned || octets > linkBatchOctets || (most > 0 && i-first >= most) {
			if err := cut(i); err != nil {
				return err
			}
			first, start = i, run
			if owned {
				first, start = i+1, rest
			}
		}
		run = rest
	}
	if err := cut(b.Count); err != nil {
		return err
	}
	return o.wait(ctx, s, 0, answered)
}

// sendBatch sends one batch, whose first record is the one with index first.
func (o *lane) sendBatch(ctx context.Context, s *session, first int, b relp.Batch, answered func(*request)) error {
	if len(b.Records) > relp.MaxBatchRaw {
		o.progress.reject(first, 0, fmt.Sprintf("event of %d octets is more than the link takes", len(b.Records)))
		return nil
	}
	if err := o.wait(ctx, s, linkInFlight-1, answered); err != nil {
		return err
	}
	encoder := o.encoder
	if o.pace.narrow {
		encoder = o.narrow
	}
	o.frames = encoder.AppendFrame(o.frames, s.window.add(first, b.Count), b)
	return o.flush(ctx, s)
}
