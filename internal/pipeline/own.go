package pipeline

import (
	"context"
	"math"
	"time"

	"github.com/syslane/syslane/internal/dedupe"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/spool"
)

const (
	// checkInterval is how often windows are looked at, and idleInterval how often it
	// is looked whether there are any.
	checkInterval = 250 * time.Millisecond
	idleInterval  = time.Second
	// maxTold is how many counts are told in one batch: their notes must fit.
	maxTold = 1000
)

// LastGrace is how long the last events may take to be stored when Run ends.
const LastGrace = 5 * time.Second

// Run stores the events that Syslane itself has to tell: how often messages were
// repeated, and once a minute what limits held back. First it tells the counts that were left in the log, and when ctx ends
// those of all open windows and the rest of what was held back. It is given LastGrace for that before Close, by which it
// ends also where the log is full. What cannot be stored by then is told after the next start.
func (p *Pipeline) Run(ctx context.Context) {
	left := p.untold
	p.untold = nil
	next := time.NewTimer(0)
	defer next.Stop()
	told := time.Now()
	for {
		if now := time.Now(); now.Sub(told) >= excessInterval {
			told = now
			p.tellExcess(ctx, now)
			p.leaving.forget(now)
		}
		left = p.tell(ctx, append(left, p.expired(time.Now())...))
		wait := idleInterval
		if len(left) > 0 || p.setup.Load().rules.dedupes || len(p.leaving.dedupes()) > 0 {
			wait = checkInterval
		}
		next.Reset(wait)
		select {
		case <-next.C:
			continue
		case <-ctx.Done():
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), LastGrace)
		defer cancel()
		p.tellExcess(last, time.Now())
		p.tell(last, append(left, p.expired(time.Time{})...))
		return
	}
}

// expired returns the windows whose counts are to be told, all of them for the
// zero time.
func (p *Pipeline) expired(now time.Time) (ids []uint64) {
	add := func(t *dedupe.Table, now time.Time) {
		for _, w := range t.Expire(now) {
			ids = append(ids, w.ID)
		}
	}
	for _, t := range p.setup.Load().rules.Dedupe.tables() {
		add(t, now)
	}
	for _, t := range p.leaving.dedupes() {
		add(t, time.Time{}) // nobody will repeat what is in its windows
	}
	return ids
}

// tell stores how often messages of these windows were repeated, and returns those
// for which that could not be stored.
func (p *Pipeline) tell(ctx context.Context, ids []uint64) []uint64 {
	for len(ids) > 0 {
		part := ids[:min(len(ids), maxTold)]
		batch := spool.Batch{MinTime: math.MaxInt64, MaxTime: math.MinInt64}
		now := time.Now()
		for _, id := range part {
			c, ok := p.cfg.Streams.repeats.of(id)
			if !ok {
				continue // nothing was stored of it
			}
			var e syslog.Event
			if err := p.repeated(&e, &c, now); err != nil {
				p.cfg.Logger.Error().Err(err).Uint64("count", c.n).Msg("what was repeated is not known: its count is told here alone")
			} else {
				batch.Records = appendTo(&batch, batch.Records, &e)
			}
			batch.Note = appendTold(batch.Note, id)
		}
		if len(batch.Note) > 0 {
			if err := p.append(ctx, batch); err != nil {
				return ids
			}
			p.metrics.generated.WithLabelValues("repeat").Add(float64(batch.Count))
		}
		ids = ids[len(part):]
	}
	return nil
}
