package search

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"github.com/syslane/syslane/internal/syslog"
)

// elasticPage is the default of Elastic.Page.
const elasticPage = 1000

// elasticPageOctets bounds the documents of a page, which are held: of an answer that has
// more of them no more is read, and the next request asks for fewer.
const elasticPageOctets = 8 << 20

// Elastic searches the documents that the Elasticsearch output has written. It is
// safe for concurrent use.
//
// A query is translated to Query DSL that finds at least all that it matches. Where
// Elasticsearch's analysis cannot tell exactly what matches (phrases, words with
// characters beyond ASCII, regular expressions), the documents found are matched
// again here; so answers are the same as those of the log, but for what docs/QUERY.md
// names. Counts are aggregations where the translation is exact, and made from the
// documents where it is not.
type Elastic struct {
	// Client sends the requests.
	Client esapi.Transport
	// Index is the data stream, index or pattern that is searched.
	Index string
	// Lenient takes an index that is not there for an empty one.
	Lenient bool
	// Timeout bounds one request; 0 leaves it to the context.
	Timeout time.Duration
	// Page is how many documents, or groups, one request asks for; 0 means 1000.
	Page int
	// pageOctets is another bound than elasticPageOctets, for tests.
	pageOctets int
}

func (x *Elastic) page() int {
	if x.Page > 0 {
		return x.Page
	}
	return elasticPage
}

// Search implements Searcher. Request.Before is not known here.
func (x *Elastic) Search(ctx context.Context, r Request, found func(doc []byte) error) (Stats, error) {
	q, err := Parse(r.Query)
	if err != nil {
		return Stats{}, err
	}
	return q.runElastic(ctx, x, r, found)
}

// elasticFilter is the filter of a search with its bounds.
func elasticFilter(q *Query, b bounds) (filter any, exact bool) {
	filter, exact = dslOf(q.root)
	filters := []any{filter}
	times := map[string]any{}
	// The type date keeps milliseconds.
	if b.since > math.MinInt64 {
		times["gte"], exact = millis(b.since), exact && b.since%1e6 == 0
	}
	if b.until < math.MaxInt64 {
		times["lte"], exact = millis(b.until), exact && (b.until+1)%1e6 == 0
	}
	if len(times) > 0 {
		times["format"] = "epoch_millis"
		filters = append(filters, map[string]any{"range": map[string]any{atTimestamp: times}})
	}
	return map[string]any{"bool": map[string]any{"filter": filters}}, exact
}

func millis(nano int64) int64 { return floorTo(nano, 1e6) / 1e6 }

// ask sends a search and decodes its answer.
func (x *Elastic) ask(ctx context.Context, body map[string]any, answer any) error {
	return x.send(ctx, body, func(d *json.Decoder) error { return d.Decode(answer) })
}

// send sends a search and has its answer read.
func (x *Elastic) send(ctx context.Context, body map[string]any, read func(*json.Decoder) error) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("write the request: %w", err)
	}
	if x.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, x.Timeout)
		defer cancel()
	}
	no := false
	response, err := esapi.SearchRequest{Index: []string{x.Index}, Body: bytes.NewReader(text), AllowPartialSearchResults: &no, IgnoreUnavailable: &x.Lenient}.Do(ctx, x.Client)
	if err != nil {
		return fmt.Errorf("ask Elasticsearch: %w", err)
	}
	defer response.Body.Close()
	if response.IsError() {
		reason, _ := io.ReadAll(io.LimitReader(response.Body, 4<<10))
		if response.StatusCode == http.StatusNotFound {
			return fmt.Errorf("ask Elasticsearch: there is no %s", x.Index)
		}
		return fmt.Errorf("ask Elasticsearch: it answered %s: %s", response.Status(), appendHarmless(nil, strings.TrimSpace(string(reason))))
	}
	decoder := json.NewDecoder(response.Body)
	decoder.UseNumber()
	if err := read(decoder); err != nil {
		return fmt.Errorf("read the answer of Elasticsearch: %w", err)
	}
	return nil
}

// hits asks for a page.
func (x *Elastic) hits(ctx context.Context, body map[string]any) (p page, err error) {
	p.most = cmp.Or(x.pageOctets, elasticPageOctets)
	err = x.send(ctx, body, func(d *json.Decoder) error {
		err := p.read(d)
		if p.cut {
			return nil
		}
		return err
	})
	return p, err
}

// each calls f for each event that matches, in order, until there are enough.
func (x *Elastic) each(ctx context.Context, q *Query, r Request, f func(e *syslog.Event, doc []byte) error) error {
	b := boundsOf(q, r)
	filter, exact := elasticFilter(q, b)
	direction := "desc"
	if r.Order == OldestFirst {
		direction = "asc"
	}
	size := x.page()
	if exact && r.Limit > 0 {
		size = min(size, r.Limit)
	}
	body := map[string]any{"query": filter, "track_total_hits": false,
		"sort": []any{map[string]any{atTimestamp: direction}, map[string]any{"event.id": direction}}}
	matcher := q.Matcher()
	n := 0
	for most := size; ; {
		body["size"] = size
		p, err := x.hits(ctx, body)
		if err != nil {
			return err
		}
		for i := range p.hits {
			e, err := eventOf(p.hits[i].Source)
			if err != nil {
				return err
			}
			if t := e.TimeNano(); t < b.since || t > b.until || !matcher.Match(e) {
				continue
			}
			if err := f(e, p.hits[i].Source); err != nil {
				return err
			}
			if n++; n == r.Limit {
				return nil
			}
		}
		if !p.cut && len(p.hits) < size {
			return nil
		}
		body["search_after"] = p.hits[len(p.hits)-1].Sort
		switch {
		case p.cut:
			size = max(1, len(p.hits)/2)
		case p.octets < p.most/4:
			size = min(2*size, most)
		}
	}
}

// runElastic is run over Elasticsearch.
func (q *Query) runElastic(ctx context.Context, x *Elastic, r Request, found func(doc []byte) error) (Stats, error) {
	if q.pipe.group != nil {
		return q.countElastic(ctx, x, r, found)
	}
	n, err := q.runEvents(r, found, func(scanning Request, emit func(*syslog.Event, []byte) error) error {
		return x.each(ctx, q, scanning, emit)
	})
	return Stats{Matched: n}, err
}

// countElastic counts by aggregation where that is exact, else by the documents.
func (q *Query) countElastic(ctx context.Context, x *Elastic, r Request, found func(doc []byte) error) (Stats, error) {
	var stats Stats
	g := q.pipe.group
	b := boundsOf(q, r)
	filter, exact := elasticFilter(q, b)
	step := int64(g.step)
	if g.overTime() && step == 0 {
		least, most, err := x.times(ctx, filter)
		if err != nil {
			return stats, err
		}
		step = int64(b.stepFor(least, most))
	}
	stats.Step = time.Duration(step)
	all := countsOf(g, step)
	out := &output{found: found}
	err := q.countInto(ctx, x, r, filter, exact, all)
	if err == nil {
		err = writeCounts(q, all, r, out)
	}
	stats.Matched = out.n
	return stats, err
}

// countInto counts what a filter finds, which is exactly what the request is for or
// what has to be matched again.
func (q *Query) countInto(ctx context.Context, x *Elastic, r Request, filter any, exact bool, all []*counts) error {
	aggregable := exact && all[0].step%1e6 == 0
	for _, c := range all {
		for i := range c.by {
			aggregable = aggregable && elasticKeyword(c.by[i].name) != ""
		}
	}
	if aggregable {
		for _, c := range all {
			if err := x.aggregate(ctx, filter, c); err != nil {
				return err
			}
		}
		return nil
	}
	var tallies []*tally
	for _, c := range all {
		tallies = append(tallies, newTally(c))
	}
	r.Limit = 0
	return x.each(ctx, q, r, func(e *syslog.Event, _ []byte) error {
		for i, t := range tallies {
			t.event(e, e.TimeNano())
			all[i].merge(t)
		}
		return nil
	})
}

// times asks for the first and the last time of what a filter finds; where it finds
// nothing the first is after the last.
func (x *Elastic) times(ctx context.Context, filter any) (least, most int64, err error) {
	var answer struct {
		Aggregations struct{ Least, Most struct{ Value *float64 } }
	}
	err = x.ask(ctx, map[string]any{"query": filter, "size": 0, "aggs": map[string]any{
		"least": map[string]any{"min": map[string]any{"field": atTimestamp}},
		"most":  map[string]any{"max": map[string]any{"field": atTimestamp}},
	}}, &answer)
	if err != nil || answer.Aggregations.Least.Value == nil || answer.Aggregations.Most.Value == nil {
		return math.MaxInt64, math.MinInt64, err
	}
	return int64(*answer.Aggregations.Least.Value) * 1e6, int64(*answer.Aggregations.Most.Value) * 1e6, nil
}

// aggregate counts by composite aggregation, page by page.
func (x *Elastic) aggregate(ctx context.Context, filter any, c *counts) error {
	if len(c.by) == 0 && c.step == 0 {
		var answer struct {
			Hits struct{ Total struct{ Value uint64 } }
		}
		if err := x.ask(ctx, map[string]any{"query": filter, "size": 0, "track_total_hits": true}, &answer); err != nil {
			return err
		}
		if n := answer.Hits.Total.Value; n > 0 {
			t := newTally(c)
			t.begin(0)
			t.add(n)
			c.merge(t)
		}
		return nil
	}
	var sources []any
	if c.step > 0 {
		sources = append(sources, map[string]any{"time": map[string]any{"date_histogram": map[string]any{
			"field": atTimestamp, "fixed_interval": fmt.Sprintf("%dms", c.step/1e6)}}})
	}
	for i := range c.by {
		sources = append(sources, map[string]any{fmt.Sprint("by", i): map[string]any{"terms": map[string]any{
			"field": elasticKeyword(c.by[i].name), "missing_bucket": true}}})
	}
	composite := map[string]any{"size": x.page(), "sources": sources}
	t := newTally(c)
	for {
		var answer struct {
			Aggregations struct {
				Groups struct {
					After   map[string]any `json:"after_key"`
					Buckets []struct {
						Key   map[string]any `json:"key"`
						Count uint64         `json:"doc_count"`
					}
				}
			}
		}
		if err := x.ask(ctx, map[string]any{"query": filter, "size": 0, "aggs": map[string]any{"groups": map[string]any{"composite": composite}}}, &answer); err != nil {
			return err
		}
		groups := answer.Aggregations.Groups
		for _, bucket := range groups.Buckets {
			at := int64(0)
			if number, ok := bucket.Key["time"].(json.Number); ok {
				ms, err := number.Int64()
				if err != nil {
					return fmt.Errorf("read the answer of Elasticsearch: %w", err)
				}
				at = ms * 1e6
			}
			t.begin(at)
			for i := range c.by {
				value, _ := bucket.Key[fmt.Sprint("by", i)].(string) // null: it has none
				t.put([]byte(value))
			}
			t.add(bucket.Count)
		}
		c.merge(t)
		if len(groups.Buckets) < x.page() || groups.After == nil {
			return nil
		}
		composite["after"] = groups.After
	}
}
