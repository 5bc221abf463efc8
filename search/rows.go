package search

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/syslane/syslane/internal/ecs"
)

// Rows are what queries that count give out: one JSON object each, with a member
// for each column. Where groups are left out a last row says how many events they
// have: {"others":true,"groups":12,"count":345}; without "groups" there were too many to
// count one by one. Facets give one for each field, with "field".

// othersPrefix is what a row starts with that says what is left out.
var othersPrefix = []byte(`{"others":true`)

// countRow is a row of counts.
type countRow struct {
	*group
	rate  float64
	field string // facets
}

// writeCounts works through the stages behind a grouping and gives the rows out.
func writeCounts(q *Query, all []*counts, r Request, out *output) error {
	g := q.pipe.group
	if g.kind == "facets" {
		for i, c := range all {
			rows, others := keepMost(sortedByCount(c), g.keep)
			others.count += c.others
			for j := range rows {
				rows[j].field = g.by[i].name
			}
			if err := writeRows(q, c, rows, g.by[i].name, others, out); err != nil {
				return err
			}
		}
		return nil
	}
	c := all[0]
	var rows []countRow
	var others remainder
	if g.overTime() {
		rows = sortedByTime(c)
		for i := range rows {
			rows[i].rate = float64(rows[i].count) / (float64(c.step) / float64(time.Second))
		}
	} else {
		rows = sortedByCount(c)
		if len(g.by) == 0 && len(rows) == 0 {
			rows = []countRow{{group: &group{}}} // no event is a count, too
		}
	}
	if g.kind == "top" {
		rows, others = keepMost(rows, g.keep)
	}
	explicit := false
	for _, op := range q.pipe.ops {
		switch op.kind {
		case "first":
			rows, explicit = rows[:min(op.n, len(rows))], true
		case "last":
			rows, explicit = rows[max(0, len(rows)-op.n):], true
		case "sort":
			sortRows(g, rows, &op)
		}
	}
	if r.Limit > 0 && !explicit && g.kind == "count" {
		var more remainder
		rows, more = keepMost(rows, r.Limit)
		others.groups += more.groups
		others.count += more.count
	}
	others.count += c.others
	if explicit {
		others = remainder{}
	}
	others.unknown = c.others > 0
	return writeRows(q, c, rows, "", others, out)
}

// remainder is what rows leave out.
type remainder struct {
	groups  int
	count   uint64
	unknown bool // how many groups there were
}

func keepMost(rows []countRow, n int) (kept []countRow, others remainder) {
	if len(rows) <= n {
		return rows, others
	}
	for _, row := range rows[n:] {
		others.groups++
		others.count += row.count
	}
	return rows[:n], others
}

func rowsOf(c *counts) []countRow {
	rows := make([]countRow, len(c.list))
	for i, g := range c.list {
		rows[i].group = g
	}
	return rows
}

// sortedByCount puts the largest first, and equal ones in the order of their values.
func sortedByCount(c *counts) []countRow {
	rows := rowsOf(c)
	slices.SortFunc(rows, func(a, b countRow) int {
		return cmp.Or(cmp.Compare(b.count, a.count), c.compareValues(&a, &b))
	})
	return rows
}

func sortedByTime(c *counts) []countRow {
	rows := rowsOf(c)
	slices.SortFunc(rows, func(a, b countRow) int {
		return cmp.Or(cmp.Compare(a.time, b.time), c.compareValues(&a, &b))
	})
	return rows
}

func (c *counts) compareValues(a, b *countRow) int {
	for i := range c.by {
		if d := c.by[i].compare(a.values[i], b.values[i]); d != 0 {
			return d
		}
	}
	return 0
}

func sortRows(g *grouping, rows []countRow, op *rowOp) {
	slices.SortStableFunc(rows, func(a, b countRow) int {
		for i, col := range op.cols {
			d := 0
			switch col.name {
			case timeColumn:
				d = cmp.Compare(a.time, b.time)
			case countColumn, rateColumn:
				d = cmp.Compare(a.count, b.count)
			default:
				at := slices.IndexFunc(g.by, func(f groupField) bool { return f.name == col.name })
				d = g.by[at].compare(a.values[at], b.values[at])
			}
			if op.desc[i] {
				d = -d
			}
			if d != 0 {
				return d
			}
		}
		return 0
	})
}

func writeRows(q *Query, c *counts, rows []countRow, field string, others remainder, out *output) error {
	columns := q.Columns()
	var doc []byte
	for i := range rows {
		doc = appendRow(doc[:0], q.pipe.group, c, &rows[i], columns)
		if err := out.add(doc); err != nil {
			return err
		}
	}
	if others.count == 0 {
		return nil
	}
	doc = append(doc[:0], `{"others":true`...)
	if field != "" {
		doc = ecs.AppendString(append(doc, `,"field":`...), []byte(field))
	}
	if !others.unknown {
		doc = strconv.AppendInt(append(doc, `,"groups":`...), int64(others.groups), 10)
	}
	doc = strconv.AppendUint(append(doc, `,"count":`...), others.count, 10)
	n := out.n
	err := out.add(append(doc, '}'))
	out.n = n // no result, but what is said of them
	return err
}

func appendRow(dst []byte, g *grouping, c *counts, row *countRow, columns []string) []byte {
	dst = append(dst, '{')
	for i, name := range columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(ecs.AppendString(dst, []byte(name)), ':')
		switch {
		case name == timeColumn:
			dst = append(time.Unix(0, row.time).UTC().AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
		case name == countColumn:
			dst = strconv.AppendUint(dst, row.count, 10)
		case name == rateColumn:
			dst = strconv.AppendFloat(dst, math.Round(row.rate*1e6)/1e6, 'f', -1, 64)
		case g.kind == "facets" && name == fieldColumn:
			dst = ecs.AppendString(dst, []byte(row.field))
		case g.kind == "facets":
			dst = ecs.AppendString(dst, []byte(row.values[0]))
		default:
			at := slices.IndexFunc(c.by, func(f groupField) bool { return f.name == name })
			dst = ecs.AppendString(dst, []byte(row.values[at]))
		}
	}
	return append(dst, '}')
}
