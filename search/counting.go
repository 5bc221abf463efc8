package search

import (
	"context"
	"math"

	"github.com/syslane/syslane/internal/skipdata"
	"github.com/syslane/syslane/internal/syslog"
)

// counting counts the events of blocks: by what the index says of a block where
// that is enough, else by reading it. Blocks are merged in one order whatever the
// workers do, so that the same groups are counted each time.
type counting struct {
	bounds
	query    *Query
	log      log
	all      []*counts
	stats    *Stats
	progress progress
	known    skipdata.Tally
	tallies  []*tally
}

// portion is the counts of one block that is read.
type portion struct {
	tallies []*tally
	stats   Stats
	err     error
}

func (c *counting) run(ctx context.Context, blocks []blockInfo) error {
	workers := newPool(func() *worker { return c.worker(ctx, c.log, c.query) })
	defer workers.close()
	var reading []*portion
	var spare []*portion
	done := 0
	wait := func() error {
		workers.wait()
		p := reading[0]
		reading = reading[1:]
		c.stats.add(&p.stats)
		if p.err != nil {
			return p.err
		}
		for i, t := range p.tallies {
			c.all[i].merge(t)
		}
		p.stats = Stats{}
		spare = append(spare, p)
		done++
		c.progress.at(len(blocks), done, c.stats.Octets)
		return nil
	}
	c.tallies = c.newTallies()
	for _, b := range blocks {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if c.fromIndex(&b) {
			c.stats.BlocksTallied++
			done++
			continue
		}
		for !workers.room() {
			if err := wait(); err != nil {
				return err
			}
		}
		p := &portion{}
		if n := len(spare); n > 0 {
			p, spare = spare[n-1], spare[:n-1]
		} else {
			p.tallies = c.newTallies()
		}
		b.Skip = nil
		reading = append(reading, p)
		workers.start(func(w *worker) {
			p.err = w.each(b, &p.stats, nil, func(e *syslog.Event, _ []byte, t int64, _ uint64) {
				for _, tally := range p.tallies {
					tally.event(e, t)
				}
			})
		})
	}
	for len(reading) > 0 {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := wait(); err != nil {
			return err
		}
	}
	return nil
}

func (c *counting) newTallies() (list []*tally) {
	for _, of := range c.all {
		list = append(list, newTally(of))
	}
	return list
}

// fromIndex counts the events of a block by its skip data. false: it must be read.
func (c *counting) fromIndex(b *blockInfo) bool {
	if b.Skip == nil || b.First+uint64(b.Count) > c.below || b.First < c.from {
		return false
	}
	within := c.since <= b.MinTime && b.MaxTime <= c.until
	if !within && !(wholeMinute(c.since) && (c.until == math.MaxInt64 || wholeMinute(c.until+1))) {
		return false
	}
	block, ok := skipdata.Parse(b.Skip)
	if !ok || !block.Tally(&c.known) || c.known.Total() != uint64(b.Count) {
		return false
	}
	filter := c.query.root.dims() &^ dimTime
	if c.query.root.dims()&dimTime != 0 && !onlyBounds(c.query.root) {
		return false
	}
	for i, counts := range c.all {
		if !c.tallied(counts, c.tallies[i], filter, within) {
			for _, t := range c.tallies {
				clear(t.at)
				t.cells = t.cells[:0]
			}
			return false
		}
	}
	for i, counts := range c.all {
		counts.merge(c.tallies[i])
	}
	return true
}

// onlyBounds tells whether all comparisons of times in a query are among its bounds.
func onlyBounds(n node) bool {
	switch n := n.(type) {
	case timeNode:
		return true
	case allOf:
		for _, child := range n {
			if !onlyBounds(child) {
				return false
			}
		}
		return true
	}
	return n.dims()&dimTime == 0
}

func wholeMinute(t int64) bool { return t == math.MinInt64 || t%skipdata.Minute == 0 }

// tallied counts one grouping by what is known of the block.
func (c *counting) tallied(of *counts, t *tally, filter dims, within bool) bool {
	looked := filter
	for _, f := range of.by {
		looked |= f.dim
	}
	overTime := of.step > 0 || !within
	if overTime && (c.known.Minutes == nil || of.step%skipdata.Minute != 0) {
		return false
	}
	switch looked {
	case 0, dimSeverity:
		if overTime {
			for i := range c.known.Minutes {
				m := &c.known.Minutes[i]
				start := m.Minute * skipdata.Minute
				if start >= c.since && start <= c.until {
					c.severities(t, start, &m.Severities)
				}
			}
			return true
		}
		c.severities(t, 0, &c.known.Severities)
		return true
	case dimFacility:
		if overTime {
			return false
		}
		for f, n := range c.known.Facilities {
			if n > 0 {
				c.one(t, 0, &syslog.Event{Message: syslog.Message{Facility: syslog.Facility(f)}}, n)
			}
		}
		return true
	case dimHost, dimApp:
		list := c.known.Hosts
		if looked == dimApp {
			list = c.known.Apps
		}
		if overTime || list == nil {
			return false
		}
		for _, named := range list {
			e := syslog.Event{}
			e.Raw = named.Name
			span := syslog.Span{End: uint32(len(named.Name))}
			if looked == dimApp {
				e.AppName = span
			} else {
				e.Hostname = span
			}
			c.one(t, 0, &e, named.Count)
		}
		return true
	}
	return false
}

func (c *counting) severities(t *tally, at int64, counts *[8]uint64) {
	for s, n := range counts {
		if n > 0 {
			c.one(t, at, &syslog.Event{Message: syslog.Message{Severity: syslog.Severity(s)}}, n)
		}
	}
}

// one counts n events that are, in all that is looked at, like e.
func (c *counting) one(t *tally, at int64, e *syslog.Event, n uint64) {
	var s scratch
	if !matchWithoutTime(c.query.root, e, &s) {
		return
	}
	t.begin(at)
	for i := range t.of.by {
		t.value = t.of.by[i].value(t.value[:0], e)
		t.put(t.value)
	}
	t.add(n)
}

// matchWithoutTime is match of a query whose comparisons of times hold.
func matchWithoutTime(n node, e *syslog.Event, s *scratch) bool {
	switch n := n.(type) {
	case timeNode:
		return true
	case allOf:
		for _, child := range n {
			if !matchWithoutTime(child, e, s) {
				return false
			}
		}
		return true
	}
	return n.match(e, s)
}
