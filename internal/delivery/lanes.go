package delivery

import (
	"context"
	"math"
	"time"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/spool"
)

// A delivery reads the log in one lane or two. The front takes what comes. With
// Config.Interleave a front that has fallen behind leaves what it has not read to
// the backlog, the second lane, and goes on at the head; the two then take turns.
// The backlog fills what lies between, oldest first, until it meets the front.
// Where the lanes stand is told from the cursor alone: the backlog at its position,
// the front behind the last of its spans.

// frontTurns is how many batches the front may have in a row while it has more and
// there is a backlog.
const frontTurns = 3

// A batch of the backlog is made to take about a second, as what comes waits behind
// it; but it has so many octets at least.
const (
	backlogPace   = time.Second
	backlogOctets = 256 << 10
)

// restStep is how long a lane that rests keeps the other waiting for its turn.
const restStep = 100 * time.Millisecond

// lane is a place in the log with what reads from there on.
type lane struct {
	reader Reader
	// pos is the position behind what has been delivered.
	pos uint64
	// handed is the end of the batch that the output was handed last.
	handed uint64
	// ahead is a block read that did not fit into the batch before, nil if none.
	ahead *spool.Block
	// plain is the position up to which nothing is to be packed.
	plain uint64
	// pause is above 0 while other events have to tell why the batch at pos is not
	// taken, and it is read again at the time again, with what has come behind it.
	pause time.Duration
	again time.Time
}

func (d *Delivery) newLane(at uint64) *lane {
	return &lane{reader: d.cfg.NewReader(at), pos: at, handed: at}
}

// open places the lanes where the cursor says.
func (d *Delivery) open() {
	d.backlogSize = d.cfg.BatchOctets
	at := d.cfg.Cursor.Position()
	if spans := d.cfg.Cursor.Ahead(); len(spans) > 0 {
		d.backlog = d.newLane(at)
		at = spans[len(spans)-1].To
	}
	d.front = d.newLane(at)
}

func (d *Delivery) close() {
	d.front.reader.Close()
	if d.backlog != nil {
		d.backlog.reader.Close()
	}
}

// rest leaves b, a batch of l, for a while, longer each time. The other lane goes on;
// where there is none and b can hold no more, what comes is to tell.
func (d *Delivery) rest(l *lane, b *outputs.Batch) {
	full := l.ahead != nil || len(b.Events) >= d.cfg.BatchOctets
	l.pause = max(d.cfg.RetryMin, min(2*l.pause, d.cfg.RetryMax))
	l.again = time.Now().Add(jitter(l.pause))
	l.reread(l.pos, l.plain)
	if full && d.backlog == nil && d.cfg.Interleave {
		d.leap()
	}
}

// turn chooses the lane of the next batch. Only where there is no backlog may it be
// one that has nothing at the moment, and only where the other has nothing one that
// rests.
func (d *Delivery) turn() *lane {
	if d.backlog == nil {
		return d.front
	}
	now := time.Now()
	if (d.turns < frontTurns || now.Before(d.backlog.again)) && d.cfg.Head() > d.front.pos && !now.Before(d.due) && !now.Before(d.front.again) {
		d.turns++
		return d.front
	}
	d.turns = 0
	return d.backlog
}

// limit returns the position at which the next batch of l has to end.
func (d *Delivery) limit(l *lane) uint64 {
	if l == d.front {
		return math.MaxUint64
	}
	if spans := d.cfg.Cursor.Ahead(); len(spans) > 0 {
		return spans[0].From
	}
	return d.front.pos
}

// moveOn follows a batch of l that was delivered up to a position and took so long.
func (d *Delivery) moveOn(l *lane, to uint64, took time.Duration) {
	count := to - l.pos
	l.pos = to
	if l == d.front {
		behind := d.cfg.Head() - to
		wait := float64(took) * float64(behind) / float64(count)
		if d.cfg.Interleave && behind >= d.cfg.BacklogMin && wait > float64(d.cfg.BacklogTime) {
			d.leap()
		}
		return
	}
	switch {
	case took > backlogPace:
		d.backlogSize = max(min(backlogOctets, d.cfg.BatchOctets), d.backlogSize/2)
	case took < backlogPace/2:
		d.backlogSize = min(d.cfg.BatchOctets, 2*d.backlogSize)
	}
	at := max(to, d.cfg.Cursor.Position())
	if at == to && at < d.front.pos {
		return
	}
	l.reader.Close()
	d.backlog = nil
	if at < d.front.pos { // it has met a span, and goes on behind
		d.backlog = d.newLane(at)
		return
	}
	d.cfg.Logger.Info().Msg("output has caught up: its backlog is delivered")
}

// leap moves the front to the head and leaves what is between to the backlog, if the
// cursor can keep one span more.
func (d *Delivery) leap() {
	if len(d.cfg.Cursor.Ahead()) == spool.MaxSpans {
		return
	}
	head := d.cfg.Head()
	d.cfg.Logger.Info().Uint64("messages", head-d.front.pos).
		Msg("output has a backlog: new messages are delivered between it")
	if d.backlog == nil {
		d.backlog = d.front
	} else {
		d.front.reader.Close()
	}
	d.front = d.newLane(head)
}

// next collects a batch of l: at least one block, and of what else is there as much
// as the batch may hold. A batch without events stands for damage up to its end. It
// never waits for a batch to fill, so that a lone message leaves at once.
func (d *Delivery) next(ctx context.Context, l *lane) (*outputs.Batch, error) {
	packs := d.packs(l)
	l.reader.Pack(packs)
	var block spool.Block
	if l.ahead != nil {
		block, l.ahead = *l.ahead, nil
	} else {
		var err error
		if block, err = l.reader.Next(ctx); err != nil {
			return nil, err
		}
	}
	limit, size := d.limit(l), d.cfg.BatchOctets
	switch {
	case l.pause > 0:
		size *= 2 // the events that tell of others may lie behind a full batch
	case l == d.backlog:
		size = d.backlogSize
	}
	if isPacked(&block) {
		if packs && block.Next() <= limit {
			return d.pack(ctx, l, block, limit, size), nil
		}
		if err := d.unpackBlock(l, &block); err != nil {
			l.reread(block.First, block.Next())
			return d.next(ctx, l)
		}
	}
	b := &outputs.Batch{Stream: d.cfg.Stream, After: l.handed, First: block.First, Next: block.First}
	b.HasEvent = d.lookup(b)
	d.batch, d.gaps, d.skipped = d.batch[:0], d.gaps[:0], 0
	if block.First >= limit { // what should lie before is missing
		b.First, b.Next = limit, limit
		return b, nil
	}
	cut(&block, limit)
	d.add(b, &block)
	// And far behind them, in a log of many outputs.
	for len(d.batch) < size && (d.skipped < maxSkipped || l.pause > 0) && b.Next < min(limit, d.cfg.Head()) {
		block, err := l.reader.Next(ctx)
		if err != nil {
			break // what was read before must not be lost; the next call meets the error again
		}
		if block.First != b.Next || isPacked(&block) || len(d.batch)+len(block.Records) > size {
			// A gap is where damage was skipped: positions within one batch
			// have none. The block stays valid until the next call of Next.
			l.ahead = &block
			break
		}
		cut(&block, limit)
		d.add(b, &block)
	}
	b.Events, b.Gaps = d.batch, d.gaps
	if l == d.front && d.cfg.FlushInterval > 0 {
		d.due = time.Time{}
		if l.ahead == nil && len(d.batch) < size { // it was not full
			d.due = time.Now().Add(d.cfg.FlushInterval)
		}
	}
	return b, nil
}

// cut takes off a block what lies at limit and behind.
func cut(b *spool.Block, limit uint64) {
	if b.Next() <= limit {
		return
	}
	rest := b.Records
	for range limit - b.First {
		_, rest = syslog.NextRecord(rest)
	}
	b.Records, b.Count = b.Records[:len(b.Records)-len(rest)], int(limit-b.First)
}
