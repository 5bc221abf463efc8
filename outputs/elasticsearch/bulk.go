package elasticsearch

import (
	"slices"

	"github.com/syslane/syslane/internal/syslog"
)

// bulk is a run of actions with their documents, as they go into requests.
type bulk struct {
	body  []byte
	items []bulkItem
}

type bulkItem struct {
	// end is where the item ends in body; it begins where the one before ends.
	end int
	// event is the index of its event in the batch.
	event int
}

func (b *bulk) reset() { b.body, b.items = b.body[:0], b.items[:0] }

// start returns where item i begins.
func (b *bulk) start(i int) int {
	if i == 0 {
		return 0
	}
	return b.items[i-1].end
}

// octets returns the items from i up to j, which is not one of them.
func (b *bulk) octets(i, j int) []byte { return b.body[b.start(i):b.start(j)] }

// fit returns the j for which octets(i, j) has at most size octets and docs
// items, but at least one.
func (b *bulk) fit(i, size, docs int) int {
	limit := b.start(i) + size
	j := i + 1
	for j < len(b.items) && j-i < docs && b.items[j].end <= limit {
		j++
	}
	return j
}

// keep drops the items for which f is false and closes the gaps.
func (b *bulk) keep(f func(event int) bool) {
	to, n, start := 0, 0, 0
	for _, it := range b.items {
		if f(it.event) {
			to += copy(b.body[to:], b.body[start:it.end])
			b.items[n] = bulkItem{to, it.event}
			n++
		}
		start = it.end
	}
	b.body, b.items = b.body[:to], b.items[:n]
}

// A bulk's memory begins with roomFirst octets and is doubled where fewer than roomMin
// are left.
const (
	roomFirst = 64 << 10
	roomMin   = 4 << 10
)

// add appends event number n of the batch as an action with its document.
func (o *Output) add(b *bulk, e *syslog.Event, n int) {
	if cap(b.body)-len(b.body) < roomMin {
		b.body = slices.Grow(b.body, max(len(b.body), roomFirst)) // append alone would add a quarter
	}
	b.body = append(b.body, `{"create":{`...)
	if o.pattern != nil {
		b.body = append(append(b.body, `"_index":"`...), o.pattern.name(e)...)
		b.body = append(b.body, '"')
	}
	if o.cfg.ID == IDEvent {
		if o.pattern != nil {
			b.body = append(b.body, ',')
		}
		b.body = append(e.ID.AppendText(append(b.body, `"_id":"`...)), '"')
	}
	b.body = append(b.body, "}}\n"...)
	b.body = append(o.documents.Append(b.body, e), '\n')
	b.items = append(b.items, bulkItem{len(b.body), n})
}
