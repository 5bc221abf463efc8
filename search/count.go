package search

import (
	"context"
	"math"
	"time"

	"github.com/syslane/syslane/internal/skipdata"
	"github.com/syslane/syslane/internal/syslog"
)

// Limits of counting.
const (
	// maxGroups is how many groups are counted one by one; the events of those that
	// come later are counted together.
	maxGroups = 100_000
	// maxGroupOctets bounds their names, with what a group costs beside its name.
	maxGroupOctets = 32 << 20
	// maxFacetOctets bounds those of all fields of facets, which share it evenly.
	maxFacetOctets = 64 << 20
	groupOverhead  = 96
	// autoSteps is how many time spans a histogram without a step has at most.
	autoSteps = 120
)

// counts are the groups of one grouping, or of one field of facets. The groups that
// came first are counted exactly however many there are.
type counts struct {
	by   []groupField
	step int64 // nanoseconds; 0: not by time
	// at finds a group by its key: the values, each with its length before it.
	at     map[string]*group
	list   []*group // in the order in which they came
	octets int
	// others are the events whose groups are too many to be counted.
	others uint64
	// most is maxGroups, but for tests, and mostOctets bounds octets.
	most, mostOctets int
}

// group is how many events have the same values.
type group struct {
	key    string
	time   int64 // start of the time span
	values []string
	count  uint64
}

func newCounts(by []groupField, step int64) *counts {
	return &counts{by: by, step: step, at: make(map[string]*group), most: maxGroups, mostOctets: maxGroupOctets}
}

// floorTo returns the start of the time span that t is in.
func floorTo(t, step int64) int64 {
	rest := t % step
	if rest < 0 {
		rest += step
	}
	if t < math.MinInt64+rest {
		return math.MinInt64
	}
	return t - rest
}

// tally counts the events of one block.
type tally struct {
	of    *counts
	at    map[string]int // to cells
	cells []cell
	key   []byte
	value []byte
}

// cell is one group in a block.
type cell struct {
	key   string
	count uint64
}

func newTally(of *counts) *tally { return &tally{of: of, at: make(map[string]int)} }

// event counts an event.
func (c *tally) event(e *syslog.Event, t int64) {
	c.begin(t)
	for i := range c.of.by {
		c.value = c.of.by[i].value(c.value[:0], e)
		c.put(c.value)
	}
	c.add(1)
}

// begin starts the key of a group with its time.
func (c *tally) begin(t int64) {
	c.key = c.key[:0]
	if c.of.step > 0 {
		t = floorTo(t, c.of.step)
		for shift := 56; shift >= 0; shift -= 8 {
			c.key = append(c.key, byte(uint64(t)>>shift))
		}
	}
}

// put adds a value to the key.
func (c *tally) put(value []byte) {
	mark := len(c.key)
	c.key = append(c.key, 0, 0, 0, 0)
	c.key = clean(c.key, value)
	n := len(c.key) - mark - 4
	c.key[mark], c.key[mark+1], c.key[mark+2], c.key[mark+3] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
}

// add counts n events of the group whose key was put together.
func (c *tally) add(n uint64) {
	if i, ok := c.at[string(c.key)]; ok {
		c.cells[i].count += n
		return
	}
	key := string(c.key)
	c.at[key] = len(c.cells)
	c.cells = append(c.cells, cell{key: key, count: n})
}

// merge adds what was counted in one block, in the order in which it was met.
func (c *counts) merge(t *tally) {
	for i := range t.cells {
		cell := &t.cells[i]
		g := c.at[cell.key]
		if g == nil {
			if c.octets += len(cell.key) + groupOverhead; len(c.list) >= c.most || c.octets > c.mostOctets {
				c.others += cell.count
				continue
			}
			g = c.newGroup(cell.key)
		}
		g.count += cell.count
	}
	clear(t.at)
	t.cells = t.cells[:0]
}

// newGroup takes a key apart.
func (c *counts) newGroup(key string) *group {
	g := &group{key: key}
	rest := key
	if c.step > 0 {
		for _, b := range []byte(rest[:8]) {
			g.time = g.time<<8 | int64(b)
		}
		rest = rest[8:]
	}
	for range c.by {
		n := int(rest[0])<<24 | int(rest[1])<<16 | int(rest[2])<<8 | int(rest[3])
		g.values = append(g.values, rest[4:4+n])
		rest = rest[4+n:]
	}
	c.at[key] = g
	c.list = append(c.list, g)
	return g
}

// count counts what a query finds.
func (q *Query) count(ctx context.Context, l log, r Request, found func(doc []byte) error) (Stats, error) {
	var stats Stats
	g := q.pipe.group
	bounds := boundsOf(q, r)
	blocks, err := q.blocksToCount(ctx, l, bounds, &stats)
	if err != nil {
		return stats, err
	}
	step := int64(g.step)
	if g.overTime() && step == 0 {
		step = int64(bounds.stepFor(timesOfBlocks(blocks)))
	}
	stats.Step = time.Duration(step)
	all := countsOf(g, step)
	if err := q.countBlocks(ctx, l, bounds, blocks, r.Progress, all, &stats); err != nil {
		return stats, err
	}
	out := &output{limit: 0, found: found}
	err = writeCounts(q, all, r, out)
	stats.Matched = out.n
	return stats, err
}

// countBlocks counts what the query finds in blocks of a log.
func (q *Query) countBlocks(ctx context.Context, l log, b bounds, blocks []blockInfo, tell func(Progress), all []*counts, stats *Stats) error {
	c := &counting{query: q, log: l, bounds: b, all: all, stats: stats, progress: progress{tell: tell}}
	return c.run(ctx, blocks)
}

// countsOf returns what counts for a grouping: one, or for facets one for each field.
func countsOf(g *grouping, step int64) (all []*counts) {
	if g.kind != "facets" {
		return append(all, newCounts(g.by, step))
	}
	for i := range g.by {
		c := newCounts(g.by[i:i+1], 0)
		c.mostOctets = min(maxGroupOctets, maxFacetOctets/len(g.by))
		all = append(all, c)
	}
	return all
}

// blocksToCount lists the blocks that may hold a match, with their skip data where
// these can count.
func (q *Query) blocksToCount(ctx context.Context, l log, b bounds, stats *Stats) (blocks []blockInfo, err error) {
	stats.DamagedBlocks, err = l.blocks(ctx, b.since, b.until, func(info blockInfo) {
		if info.First >= b.below {
			return
		}
		stats.Blocks++
		if info.Skip != nil && !q.may(info.Skip) {
			stats.BlocksSkipped++
			return
		}
		info.Skip = skipdata.TallyOf(info.Skip)
		blocks = append(blocks, info)
	})
	return blocks, err
}

// timesOfBlocks returns the first and the last time that blocks may hold.
func timesOfBlocks(blocks []blockInfo) (least, most int64) {
	least, most = math.MaxInt64, math.MinInt64
	for i := range blocks {
		least, most = min(least, blocks[i].MinTime), max(most, blocks[i].MaxTime)
	}
	return least, most
}

// stepFor chooses the time span of a histogram: the shortest usual one with which
// there are no more than autoSteps of them within the bounds, or where these are
// open within the times of what there is.
func (b bounds) stepFor(least, most int64) time.Duration {
	if b.since > math.MinInt64 {
		least = b.since
	}
	if b.until < math.MaxInt64 {
		most = b.until
	}
	return stepFor(least, most)
}

// usualSteps are the time spans that are chosen from.
var usualSteps = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour, 365 * 24 * time.Hour}

func stepFor(from, to int64) time.Duration {
	if to < from {
		return time.Minute
	}
	spread := uint64(to) - uint64(from)
	for _, step := range usualSteps {
		if spread/uint64(step) < autoSteps {
			return step
		}
	}
	return usualSteps[len(usualSteps)-1] * 10
}
