package search

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/skipdata"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/spool"
	"pgregory.net/rapid"
)

// eventLog is a log of drawn events, some of its blocks with skip data.
type eventLog struct {
	memoryLog
	events []*syslog.Event
}

func drawLog(t *rapid.T) *eventLog {
	l := &eventLog{}
	var s skipdata.Summarizer
	for range rapid.IntRange(0, 6).Draw(t, "blocks") {
		info := blockInfo{BlockInfo: spool.BlockInfo{First: l.next + 1, MinTime: math.MaxInt64, MaxTime: math.MinInt64}}
		var run []byte
		for range rapid.IntRange(1, 8).Draw(t, "events") {
			name := func(label string) string {
				return rapid.SampledFrom([]string{"", "a", "b", "ab", "7", "10", "\xff", "é"}).Draw(t, label)
			}
			sd := rapid.SampledFrom([]string{"", `[x@1 p="1"]`, `[x@1 p="\"2"]`}).Draw(t, "sd")
			e := event(name("host"), name("app"), name("procid"), "", sd, drawText(t, "text"))
			e.Severity = syslog.Severity(rapid.IntRange(0, 7).Draw(t, "severity"))
			e.Facility = syslog.Facility(rapid.IntRange(0, 2).Draw(t, "facility"))
			e.Timestamp = rapid.Int64Range(-5, 5).Draw(t, "minute")*skipdata.Minute + rapid.SampledFrom([]int64{0, 1, 30_000_000_000}).Draw(t, "nanos")
			l.next++
			e.ID[15] = byte(l.next)
			info.Count++
			info.MinTime, info.MaxTime = min(info.MinTime, e.Timestamp), max(info.MaxTime, e.Timestamp)
			run = syslog.AppendRecord(run, e)
			l.events = append(l.events, e)
		}
		if rapid.Bool().Draw(t, "indexed") {
			info.Skip = s.Append(nil, run)
		}
		l.infos, l.runs = append(l.infos, info), append(l.runs, run)
	}
	return l
}

// naive answers a query by looking at every event.
func (l *eventLog) naive(q *Query, r Request) []string {
	b := boundsOf(q, r)
	type found struct {
		e *syslog.Event
		k key
	}
	var matched []found
	m := q.Matcher()
	for i, e := range l.events {
		if t := e.TimeNano(); t >= b.since && t <= b.until && m.Match(e) {
			matched = append(matched, found{e, key{t, uint64(i)}})
		}
	}
	value := func(f groupField, e *syslog.Event) string {
		var s strings.Builder
		for _, r := range string(f.value(nil, e)) {
			s.WriteRune(r)
		}
		return s.String()
	}
	if g := q.pipe.group; g != nil {
		type row struct {
			time   int64
			values []string
			n      int
		}
		count := func(by []groupField) (rows []*row) {
			for _, f := range matched {
				r := &row{}
				if g.overTime() {
					r.time = int64(math.Floor(float64(f.e.Timestamp)/float64(g.step))) * int64(g.step)
				}
				for _, field := range by {
					r.values = append(r.values, value(field, f.e))
				}
				i := slices.IndexFunc(rows, func(o *row) bool { return o.time == r.time && slices.Equal(o.values, r.values) })
				if i < 0 {
					i, rows = len(rows), append(rows, r)
				}
				rows[i].n++
			}
			slices.SortFunc(rows, func(a, b *row) int {
				d := cmp.Compare(b.n, a.n)
				if g.overTime() {
					d = cmp.Compare(a.time, b.time)
				}
				for i := range by {
					d = cmp.Or(d, by[i].compare(a.values[i], b.values[i]))
				}
				return d
			})
			return rows
		}
		var out []string
		if g.kind == "facets" {
			for i, f := range g.by {
				rows := count(g.by[i : i+1])
				for _, r := range rows[:min(g.keep, len(rows))] {
					out = append(out, fmt.Sprint(f.name, r.values[0], r.n))
				}
			}
			return out
		}
		rows := count(g.by)
		if len(rows) == 0 && len(g.by) == 0 && g.kind == "count" {
			rows = []*row{{}}
		}
		if g.kind == "top" {
			rows = rows[:min(g.keep, len(rows))]
		}
		for _, op := range q.pipe.ops {
			if op.kind == "first" {
				rows = rows[:min(op.n, len(rows))]
			} else if op.kind == "last" {
				rows = rows[max(0, len(rows)-op.n):]
			}
		}
		for _, r := range rows {
			text := fmt.Sprint(r.values, r.n)
			if g.overTime() {
				text += fmt.Sprint(" ", r.time)
			}
			out = append(out, text)
		}
		return out
	}
	slices.SortFunc(matched, func(a, b found) int { return b.k.compare(a.k) })
	if r.Order == OldestFirst {
		slices.Reverse(matched)
	}
	for _, op := range q.pipe.ops {
		switch op.kind {
		case "first", "last":
			if op.at == q.pipe.ops[0].at { // of time
				slices.SortFunc(matched, func(a, b found) int { return b.k.compare(a.k) })
				if op.kind == "first" {
					slices.Reverse(matched)
				}
				matched = matched[:min(op.n, len(matched))]
			} else if op.kind == "first" {
				matched = matched[:min(op.n, len(matched))]
			} else {
				matched = matched[max(0, len(matched)-op.n):]
			}
		case "sort":
			slices.SortStableFunc(matched, func(a, b found) int {
				d := 0
				for i, c := range op.cols {
					next := c.field.compare(value(c.field, a.e), value(c.field, b.e))
					if op.desc[i] {
						next = -next
					}
					d = cmp.Or(d, next)
				}
				return d
			})
		}
	}
	if r.Limit > 0 {
		matched = matched[:min(r.Limit, len(matched))]
	}
	var out []string
	for _, f := range matched {
		out = append(out, f.e.ID.String())
	}
	return out
}

// answer runs a query and writes its results as naive does.
func (l *eventLog) answer(t *rapid.T, q *Query, r Request) (out []string, stats Stats) {
	stats, err := q.run(context.Background(), l, r, func(doc []byte) error {
		var row map[string]any
		if err := json.Unmarshal(doc, &row); err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
		if row["others"] == true {
			return nil
		}
		g := q.pipe.group
		if g == nil {
			var id any
			if event, ok := row["event"].(map[string]any); ok {
				id = event["id"]
			} else {
				id = row["id"]
			}
			out = append(out, fmt.Sprint(id))
			return nil
		}
		if g.kind == "facets" {
			out = append(out, fmt.Sprint(row["field"], row["value"], row["count"]))
			return nil
		}
		values := []string{}
		for _, f := range g.by {
			values = append(values, row[f.name].(string))
		}
		n := row["count"]
		if g.kind == "rate" {
			n = math.Round(row["rate"].(float64) * g.step.Seconds())
		}
		text := fmt.Sprint(values, n)
		if g.overTime() {
			start, err := time.Parse(time.RFC3339Nano, row["time"].(string))
			if err != nil {
				t.Fatal(err)
			}
			text += fmt.Sprint(" ", start.UnixNano())
		}
		out = append(out, text)
		return nil
	})
	if err != nil {
		t.Fatal(q, err)
	}
	return out, stats
}

func drawStages(t *rapid.T) string {
	field := func(label string) string {
		return rapid.SampledFrom([]string{"host", "app", "severity", "facility", "procid", "sd.x@1.p", "source"}).Draw(t, label)
	}
	by := func() string {
		a, b := field("by"), field("by2")
		if a == b || rapid.Bool().Draw(t, "one") {
			return a
		}
		return a + ", " + b
	}
	step := func() string { return rapid.SampledFrom([]string{"1s", "1m", "3m", "1h"}).Draw(t, "step") }
	number := func() int { return rapid.IntRange(1, 5).Draw(t, "n") }
	var s string
	switch rapid.IntRange(0, 9).Draw(t, "stage") {
	case 0:
		return "| count"
	case 1:
		s = "| count by " + by()
	case 2:
		s = fmt.Sprintf("| top %d %s", number(), by())
	case 3:
		s = fmt.Sprintf("| histogram %s by %s", step(), by())
	case 4:
		s = "| histogram " + step()
	case 5:
		s = fmt.Sprintf("| rate %s by %s", step(), by())
	case 6:
		return fmt.Sprintf("| facets %d %s", number(), by())
	case 7:
		s = fmt.Sprintf("| sort %s desc", by())
	case 8:
		s = fmt.Sprintf("| last %d | sort -%s | fields id, host", number(), by())
		return s
	case 9:
		return fmt.Sprintf("| first %d", number())
	}
	switch rapid.IntRange(0, 3).Draw(t, "behind") {
	case 0:
		s += fmt.Sprintf("| first %d", number())
	case 1:
		s += fmt.Sprintf("| last %d", number())
	}
	return s
}

func TestPipesAnswerAsANaiveScannerDoes(t *testing.T) {
	tallied, read := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		l := drawLog(t)
		filter := ""
		switch rapid.IntRange(0, 3).Draw(t, "filter") {
		case 0:
			filter = drawQuery(t, 0)
		case 1:
			filter = rapid.SampledFrom([]string{"severity<=err", "not severity:err", "host:a*", "app:(a or b)", "facility:kern",
				"host:a app:b", "@timestamp>=1970-01-01", "@timestamp<1969-12-31T23:59:00.5Z", "severity>3 @timestamp>=1970-01-01T00:01:00Z",
				"not @timestamp>=1970-01-01", "/a.?b/", "/(?i)AB/", "host:/^a/", "message:/é+/"}).Draw(t, "usual")
		}
		text := filter + drawStages(t)
		q, err := parseAt(text, time.Unix(0, 0))
		if err != nil {
			return
		}
		r := Request{Order: rapid.SampledFrom([]Order{NewestFirst, OldestFirst}).Draw(t, "order")}
		if q.pipe.group == nil {
			r.Limit = rapid.IntRange(0, 10).Draw(t, "limit")
		}
		want := l.naive(q, r)
		got, stats := l.answer(t, q, r)
		if !slices.Equal(got, want) {
			t.Fatalf("%s %+v\ngot  %q\nwant %q", text, stats, got, want)
		}
		tallied += stats.BlocksTallied
		read += stats.BlocksRead
	})
	if tallied == 0 || read == 0 {
		t.Errorf("%d blocks were counted by their index, %d read", tallied, read)
	}
}
