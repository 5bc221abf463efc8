package search

import (
	"fmt"
	"strings"
	"time"
)

// Limits of the stages behind a query.
const (
	maxStages = 8
	maxBy     = 4
	maxFacets = 16
	// maxRows is the most that first, last and top can be told to keep.
	maxRows = 1_000_000

	defaultTop    = 10
	defaultFacets = 10
)

// stageNames are the operators that can stand behind a |.
var stageNames = []string{"count", "top", "histogram", "rate", "facets", "first", "last", "sort", "fields"}

// grouping counts events by what they have in common.
type grouping struct {
	kind string // count, top, histogram, rate or facets
	at   int    // offset of the operator in the query
	by   []groupField
	// keep is how many groups top and facets show.
	keep int
	// step is the width of the time spans of histogram and rate; 0 chooses one.
	step time.Duration
}

// overTime tells that the groups have a time.
func (g *grouping) overTime() bool { return g.kind == "histogram" || g.kind == "rate" }

// column is a column of rows, or the field of an event.
type column struct {
	name string
	// field is that of events; it has no value for the columns of rows.
	field groupField
	at    int
}

// rowOp is a stage that works on the rows, or events, of those before.
type rowOp struct {
	kind string // first, last, sort or fields
	at   int
	n    int      // first, last
	cols []column // sort, fields
	desc []bool   // sort: by column
}

// pipeline is what stands behind the first | of a query.
type pipeline struct {
	group *grouping // nil: the stages work on events
	ops   []rowOp
}

// Names of columns that are no fields of the query language.
const (
	timeColumn  = "time"
	countColumn = "count"
	rateColumn  = "rate"
	fieldColumn = "field"
	valueColumn = "value"
	// atTimestamp is the name of the time of an event.
	atTimestamp = "@timestamp"
)

// columns returns the names of the columns that a grouping makes.
func (g *grouping) columns() []string {
	if g.kind == "facets" {
		return []string{fieldColumn, valueColumn, countColumn}
	}
	var names []string
	if g.overTime() {
		names = append(names, timeColumn)
	}
	for _, f := range g.by {
		names = append(names, f.name)
	}
	if g.kind == "rate" {
		return append(names, rateColumn)
	}
	return append(names, countColumn)
}

// Columns returns the names of the columns of the results, nil where they are
// whole events.
func (q *Query) Columns() []string {
	var names []string
	if q.pipe.group != nil {
		names = q.pipe.group.columns()
	}
	for _, op := range q.pipe.ops {
		if op.kind == "fields" {
			names = names[:0:0]
			for _, c := range op.cols {
				names = append(names, c.name)
			}
		}
	}
	return names
}

// Piped tells whether the query has stages behind a |.
func (q *Query) Piped() bool { return q.pipe.group != nil || len(q.pipe.ops) > 0 }

// Timed tells whether the query looks at times.
func (q *Query) Timed() bool { return q.root.dims()&dimTime != 0 }

// Counts tells whether the results are counts of events and not events.
func (q *Query) Counts() bool { return q.pipe.group != nil }

// write appends the canonical form.
func (p *pipeline) write(b *strings.Builder) {
	names := func(fields []groupField) string {
		var list []string
		for _, f := range fields {
			list = append(list, f.name)
		}
		return strings.Join(list, ",")
	}
	if g := p.group; g != nil {
		fmt.Fprintf(b, " | %s", g.kind)
		if g.keep > 0 {
			fmt.Fprintf(b, " %d", g.keep)
		}
		if g.step > 0 {
			fmt.Fprintf(b, " %s", g.step)
		}
		if len(g.by) > 0 {
			fmt.Fprintf(b, " by %s", names(g.by))
		}
	}
	for _, op := range p.ops {
		fmt.Fprintf(b, " | %s", op.kind)
		if op.n > 0 {
			fmt.Fprintf(b, " %d", op.n)
		}
		for i, c := range op.cols {
			sign := ""
			if op.desc[i] {
				sign = "-"
			}
			fmt.Fprintf(b, " %s%s", sign, c.name)
		}
	}
}
