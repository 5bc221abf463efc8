package search

import (
	"context"
	"fmt"

	"github.com/syslane/syslane/internal/ecs"
	"github.com/syslane/syslane/internal/syslog"
)

// run searches a log for what the query finds, and works through its stages.
func (q *Query) run(ctx context.Context, l log, r Request, found func(doc []byte) error) (Stats, error) {
	if r.Limit < 0 {
		return Stats{}, fmt.Errorf("limit %d is negative; 0 means all", r.Limit)
	}
	if q.pipe.group != nil {
		return q.count(ctx, l, r, found)
	}
	var stats Stats
	var err error
	stats.Matched, err = q.runEvents(r, found, func(scanning Request, emit func(*syslog.Event, []byte) error) error {
		return q.eachLocal(ctx, l, scanning, &stats, emit)
	})
	return stats, err
}

// eachLocal calls f for each event of a log that matches, in order, with nil for its
// document. The event is valid during the call.
func (q *Query) eachLocal(ctx context.Context, l log, r Request, stats *Stats, f func(e *syslog.Event, doc []byte) error) error {
	s, err := newScan(l, q, r)
	if err != nil {
		return err
	}
	err = s.run(ctx, func(e *syslog.Event) error { return f(e, nil) })
	stats.Blocks += s.stats.Blocks
	stats.BlocksSkipped += s.stats.BlocksSkipped
	stats.add(&s.stats)
	return err
}

// runEvents works through the stages of a query over events, which each calls emit
// for, in the order of its request, with the document where there is one already. It
// returns how many results were given out.
func (q *Query) runEvents(r Request, found func(doc []byte) error, each func(Request, func(e *syslog.Event, doc []byte) error) error) (int, error) {
	scanning, fields, table := q.planEvents(r)
	out := &output{limit: r.Limit, found: found}
	var (
		doc       []byte
		documents ecs.Writer
	)
	err := each(scanning, func(e *syslog.Event, source []byte) error {
		switch {
		case table != nil:
			return table.add(e)
		case fields != nil:
			doc = appendFields(doc[:0], e, fields)
		case source != nil:
			return out.add(source)
		default:
			doc = documents.Append(doc[:0], e)
		}
		return out.add(doc)
	})
	if err == nil && table != nil {
		err = table.write(out)
	}
	return out.n, err
}

// planEvents tells how the stages of a query over events are worked through: which
// events are scanned for, and what is done with them. They are put into the table
// where there is one; else they are given out as they come, with these fields, or
// whole where there are none.
func (q *Query) planEvents(r Request) (scanning Request, fields []column, table *eventTable) {
	ops := q.pipe.ops
	scanning = r
	if len(ops) > 0 && (ops[0].kind == "first" || ops[0].kind == "last") {
		scanning.Limit, scanning.Order = ops[0].n, NewestFirst
		if ops[0].kind == "first" {
			scanning.Order = OldestFirst
		}
		ops = ops[1:]
	} else if len(ops) > 0 && ops[0].kind == "sort" {
		scanning.Limit = 0
	}
	fields, streams := streamed(ops)
	if !streams {
		return scanning, nil, newEventTable(q, ops, r.Limit)
	}
	if r.Limit > 0 && (scanning.Limit == 0 || scanning.Limit > r.Limit) {
		scanning.Limit = r.Limit
	}
	return scanning, fields, nil
}

// streamed tells whether events can be given out as they are found, and with which
// fields; nil for whole documents.
func streamed(ops []rowOp) (fields []column, ok bool) {
	for _, op := range ops {
		if op.kind != "fields" {
			return nil, false
		}
		fields = op.cols
	}
	return fields, true
}

// output gives out results up to a limit.
type output struct {
	limit int // 0 means all
	n     int
	found func(doc []byte) error
}

func (o *output) add(doc []byte) error {
	if o.limit > 0 && o.n == o.limit {
		return nil
	}
	o.n++
	return o.found(doc)
}

// appendFields appends fields of an event as a row.
func appendFields(dst []byte, e *syslog.Event, fields []column) []byte {
	var buf [256]byte
	dst = append(dst, '{')
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = ecs.AppendString(dst, []byte(f.name))
		dst = append(dst, ':')
		dst = ecs.AppendString(dst, f.field.value(buf[:0], e))
	}
	return append(dst, '}')
}
