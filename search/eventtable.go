package search

import (
	"container/heap"
	"slices"

	"github.com/syslane/syslane/internal/ecs"
	"github.com/syslane/syslane/internal/syslog"
)

// maxTable bounds the octets of events that wait to be sorted.
const maxTable = 64 << 20

// eventTable holds events for stages that need all of them.
type eventTable struct {
	query  *Query
	ops    []rowOp
	fields []column // shown at the end; nil: whole documents
	keys   []column // of all sorts
	// most is how many rows of the first sort are wanted; 0 means all.
	most   int
	rows   eventHeap
	octets int
	came   int // events so far
}

// eventRow is one event: what it is sorted by, and what is shown of it.
type eventRow struct {
	keys []string // of the keys of the table
	n    int      // the order in which it came
	doc  []byte
}

func newEventTable(q *Query, ops []rowOp, limit int) *eventTable {
	t := &eventTable{query: q, ops: ops}
	for _, op := range ops {
		switch op.kind {
		case "fields":
			t.fields = op.cols
		case "sort":
			for _, c := range op.cols {
				if t.keyOf(c.name) < 0 {
					t.keys = append(t.keys, c)
				}
			}
		}
	}
	if ops[0].kind == "sort" {
		t.rows.less = t.order(&ops[0])
		t.most = limit
		for _, op := range ops[1:] {
			if op.kind != "fields" {
				t.most = 0
			}
			if op.kind == "first" {
				t.most = op.n
			}
			if op.kind != "fields" {
				break
			}
		}
	}
	return t
}

func (t *eventTable) keyOf(name string) int {
	return slices.IndexFunc(t.keys, func(c column) bool { return c.name == name })
}

// order returns whether one row comes before another by a sort.
func (t *eventTable) order(op *rowOp) func(a, b *eventRow) bool {
	at := make([]int, len(op.cols))
	for i, c := range op.cols {
		at[i] = t.keyOf(c.name)
	}
	return func(a, b *eventRow) bool {
		for i := range op.cols {
			c := op.cols[i].field.compare(a.keys[at[i]], b.keys[at[i]])
			if op.desc[i] {
				c = -c
			}
			if c != 0 {
				return c < 0
			}
		}
		return a.n < b.n
	}
}

// eventHeap has the row on top that comes last.
type eventHeap struct {
	rows []*eventRow
	less func(a, b *eventRow) bool
}

func (h *eventHeap) Len() int           { return len(h.rows) }
func (h *eventHeap) Less(i, j int) bool { return h.less(h.rows[j], h.rows[i]) }
func (h *eventHeap) Swap(i, j int)      { h.rows[i], h.rows[j] = h.rows[j], h.rows[i] }
func (h *eventHeap) Push(x any)         { h.rows = append(h.rows, x.(*eventRow)) }
func (h *eventHeap) Pop() any {
	last := h.rows[len(h.rows)-1]
	h.rows = h.rows[:len(h.rows)-1]
	return last
}

func (r *eventRow) size() int {
	n := len(r.doc) + 128
	for _, k := range r.keys {
		n += len(k) + 16
	}
	return n
}

func (t *eventTable) add(e *syslog.Event) error {
	row := &eventRow{n: t.came, keys: make([]string, len(t.keys))}
	t.came++
	var buf, cleaned []byte
	for i, c := range t.keys {
		buf = c.field.value(buf[:0], e)
		cleaned = clean(cleaned[:0], buf)
		row.keys[i] = string(cleaned)
	}
	if t.most > 0 && t.rows.Len() >= t.most {
		if !t.rows.less(row, t.rows.rows[0]) {
			return nil
		}
		dropped := heap.Pop(&t.rows).(*eventRow)
		t.octets -= dropped.size()
	}
	if t.fields != nil {
		row.doc = appendFields(nil, e, t.fields)
	} else {
		row.doc = ecs.AppendDocument(nil, e, ecs.Options{})
	}
	if t.octets += row.size(); t.octets > maxTable {
		return (&lexer{text: t.query.text}).fail(t.ops[0].at, "more than %d MiB of events would have to be held here; put | first N or | last N in front, or narrow the query", maxTable>>20)
	}
	if t.most > 0 {
		heap.Push(&t.rows, row)
	} else {
		t.rows.rows = append(t.rows.rows, row)
	}
	return nil
}

func (t *eventTable) write(out *output) error {
	rows := t.rows.rows
	for _, op := range t.ops {
		switch op.kind {
		case "first":
			rows = rows[:min(op.n, len(rows))]
		case "last":
			rows = rows[max(0, len(rows)-op.n):]
		case "sort":
			less := t.order(&op)
			slices.SortFunc(rows, func(a, b *eventRow) int {
				if less(a, b) {
					return -1
				}
				return 1
			})
			for i, r := range rows {
				r.n = i
			}
		}
	}
	for _, r := range rows {
		if err := out.add(r.doc); err != nil {
			return err
		}
	}
	return nil
}
