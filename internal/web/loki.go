package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/syslane/syslane/search"
)

// The part of Loki's HTTP API that Grafana's data source of that name needs for
// Explore: test, labels and their values, lines and their volume. Each label stands
// for a field; lines are the messages. Of LogQL there are selectors with line filters,
// count_over_time and rate; docs/GRAFANA.md says what is different.

// lokiPath is where it is.
const lokiPath = "/loki/api/v1/"

// maxLokiLines is the most lines of one answer.
const maxLokiLines = 5000

// maxLokiOctets bounds what an answer is put together from in memory: documents, or rows.
const maxLokiOctets = 32 << 20

// errLokiOctets tells that an answer would be larger.
var errLokiOctets = fmt.Errorf("the lines, or the values of labels, have more than %d MiB together: ask for fewer of them (limit), or for less time", maxLokiOctets>>20)

func (s *Server) lokiRoutes(handle func(pattern string, h http.HandlerFunc)) {
	handle("labels", s.lokiLabels)
	handle("label/{name}/values", s.lokiValues)
	handle("series", s.lokiSeries)
	handle("query", s.lokiQuery)
	handle("query_range", s.lokiRange)
	handle("index/stats", s.lokiStats)
}

// lokiTimes reads start and end: nanoseconds or seconds since 1970, or RFC 3339. Without
// them it is the last hour.
func lokiTimes(values url.Values) (since, until time.Time, err error) {
	now := time.Now()
	since, until = now.Add(-time.Hour), now
	for name, to := range map[string]*time.Time{"start": &since, "end": &until} {
		text := values.Get(name)
		if text == "" {
			continue
		}
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			if len(text) <= 10 {
				n *= int64(time.Second)
			}
			*to = time.Unix(0, n)
		} else if f, err := strconv.ParseFloat(text, 64); err == nil {
			*to = time.Unix(0, int64(f*1e9))
		} else if *to, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return since, until, fmt.Errorf("%s %q is no time", name, text)
		}
	}
	return since, until, nil
}

func lokiFail(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintln(w, err)
}

// lokiSearch runs a query of the request and calls row for each result. false: it has
// answered with what failed.
func (s *Server) lokiSearch(w http.ResponseWriter, r *http.Request, request search.Request, row func(doc []byte) error) bool {
	octets := 0
	stats, status, err := s.run(w, r, request, func(doc []byte) error {
		if octets += len(doc); octets > maxLokiOctets {
			return errLokiOctets
		}
		return row(doc)
	}, nil)
	switch {
	case status == 0 || s.left(r):
		return false
	case errors.Is(err, errLokiOctets):
		lokiFail(w, http.StatusBadRequest, err)
		return false
	case err != nil && !search.IsIncomplete(err):
		s.logFailure(err, stats)
		lokiFail(w, status, err)
		return false
	}
	return true
}

func lokiAnswer(w http.ResponseWriter, data any) {
	writeJSON(w, map[string]any{"status": "success", "data": data})
}

// lokiSeries are the lines, or the counts, that have the same labels.
type lokiSeries[V any] struct {
	labels map[string]string
	values []V
}

// lokiGroups gather series, in the order in which they come.
type lokiGroups[V any] struct {
	list []*lokiSeries[V]
	at   map[string]*lokiSeries[V]
}

func (g *lokiGroups[V]) add(labels map[string]string, value V) error {
	key, err := json.Marshal(labels)
	if err != nil {
		return err
	}
	to := g.at[string(key)]
	if to == nil {
		if g.at == nil {
			g.at = make(map[string]*lokiSeries[V])
		}
		to = &lokiSeries[V]{labels: labels}
		g.at[string(key)] = to
		g.list = append(g.list, to)
	}
	to.values = append(to.values, value)
	return nil
}

// answer sends the series, value by value: as one text they would be held once more.
func (g *lokiGroups[V]) answer(w http.ResponseWriter, resultType, labels string) {
	out := newResults(w)
	out.kind = "application/json"
	out.buf = append(out.buf, `{"status":"success","data":{"resultType":"`+resultType+`","result":[`...)
	put := func(before string, v any) {
		text, err := json.Marshal(v)
		out.buf = append(append(out.buf, before...), text...)
		if err != nil || out.more() != nil {
			panic(http.ErrAbortHandler)
		}
	}
	for i, series := range g.list {
		before := `{"` + labels + `":`
		if i > 0 {
			before = "," + before
		}
		put(before, series.labels)
		before = `,"values":[`
		for _, value := range series.values {
			put(before, value)
			before = ","
		}
		out.buf = append(out.buf, `]}`...)
	}
	out.buf = append(out.buf, `],"stats":{}}}`+"\n"...)
	if out.finish() != nil {
		panic(http.ErrAbortHandler)
	}
}

func (s *Server) lokiLabels(w http.ResponseWriter, _ *http.Request) {
	lokiAnswer(w, slices.Sorted(maps.Keys(lokiLabels)))
}

// lokiRequest is the search of a request, with its query where it has one.
func lokiRequest(r *http.Request) (q logQL, request search.Request, err error) {
	values := r.URL.Query()
	if request.Since, request.Until, err = lokiTimes(values); err != nil {
		return q, request, err
	}
	text := values.Get("query")
	if text == "" {
		text = values.Get("match[]")
	}
	if text != "" {
		if q, err = parseLogQL(text); err != nil {
			return q, request, err
		}
	}
	request.Query = q.query
	return q, request, nil
}

func (s *Server) lokiValues(w http.ResponseWriter, r *http.Request) {
	_, request, err := lokiRequest(r)
	field := lokiLabels[r.PathValue("name")]
	if err != nil {
		lokiFail(w, http.StatusBadRequest, err)
		return
	}
	list := []string{}
	if field == "" {
		lokiAnswer(w, list)
		return
	}
	request.Query += " | top 1000 " + field
	if s.lokiSearch(w, r, request, func(doc []byte) error {
		var row map[string]any
		err := json.Unmarshal(doc, &row)
		if value, ok := row[field].(string); ok && value != "" {
			list = append(list, value)
		}
		return err
	}) {
		slices.Sort(list)
		lokiAnswer(w, list)
	}
}

// labelsOf returns the labels of a row with their fields.
func labelsOf(row map[string]any, labels []string) map[string]string {
	set := map[string]string{}
	for _, label := range labels {
		if value, ok := row[lokiLabels[label]].(string); ok && value != "" {
			set[label] = value
		}
	}
	return set
}

var streamLabels = []string{"host", "app", "level"}

func (s *Server) lokiSeries(w http.ResponseWriter, r *http.Request) {
	_, request, err := lokiRequest(r)
	if err != nil {
		lokiFail(w, http.StatusBadRequest, err)
		return
	}
	request.Query += " | top 1000 host, app, severity"
	list := []map[string]string{}
	if s.lokiSearch(w, r, request, func(doc []byte) error {
		var row map[string]any
		err := json.Unmarshal(doc, &row)
		if row["others"] == nil {
			list = append(list, labelsOf(row, streamLabels))
		}
		return err
	}) {
		lokiAnswer(w, list)
	}
}

// lokiQuery answers what Grafana asks to test the data source, a metric at one time, and
// else as lokiRange does for the last hour.
func (s *Server) lokiQuery(w http.ResponseWriter, r *http.Request) {
	text := strings.Join(strings.Fields(r.URL.Query().Get("query")), "")
	if text == "vector(1)+vector(1)" {
		lokiAnswer(w, map[string]any{"resultType": "vector", "result": []any{
			map[string]any{"metric": map[string]string{}, "value": []any{time.Now().Unix(), "2"}}}, "stats": map[string]any{}})
		return
	}
	if q, request, err := lokiRequest(r); err == nil && q.metric != "" {
		s.lokiVector(w, r, q, request)
		return
	}
	s.lokiRange(w, r)
}

// lokiVector answers count_over_time and rate at one time, that of the parameter time
// or now.
func (s *Server) lokiVector(w http.ResponseWriter, r *http.Request, q logQL, request search.Request) {
	at, _, err := lokiTimes(url.Values{"start": {r.URL.Query().Get("time")}})
	if r.URL.Query().Get("time") == "" {
		at = time.Now()
	}
	if err != nil {
		lokiFail(w, http.StatusBadRequest, fmt.Errorf("time %q is no time", r.URL.Query().Get("time")))
		return
	}
	request.Since, request.Until = at.Add(-q.span), at
	request.Query += " | count"
	if len(q.by) > 0 {
		request.Query += " by " + strings.Join(q.fields(), ",")
	}
	list := []any{}
	if s.lokiSearch(w, r, request, func(doc []byte) error {
		var row map[string]any
		if err := json.Unmarshal(doc, &row); err != nil || row["others"] != nil {
			return err
		}
		count, _ := row["count"].(float64)
		if count > 0 { // to Loki, nothing has no value
			list = append(list, map[string]any{"metric": labelsOf(row, q.by), "value": [2]any{float64(at.UnixMilli()) / 1000, q.value(count)}})
		}
		return nil
	}) {
		lokiAnswer(w, map[string]any{"resultType": "vector", "result": list, "stats": map[string]any{}})
	}
}

// fields are those of the labels by which is grouped.
func (q *logQL) fields() (fields []string) {
	for _, label := range q.by {
		fields = append(fields, lokiLabels[label])
	}
	return fields
}

// value writes what a count comes to.
func (q *logQL) value(count float64) string {
	if q.metric == "rate" {
		count /= q.span.Seconds()
	}
	return strconv.FormatFloat(count, 'f', -1, 64)
}

func (s *Server) lokiStats(w http.ResponseWriter, r *http.Request) {
	_, request, err := lokiRequest(r)
	if err != nil {
		lokiFail(w, http.StatusBadRequest, err)
		return
	}
	request.Query += " | count"
	var row struct {
		Count uint64 `json:"count"`
	}
	// How large the messages are is not known without reading them.
	if s.lokiSearch(w, r, request, func(doc []byte) error { return json.Unmarshal(doc, &row) }) {
		writeJSON(w, map[string]any{"streams": 0, "chunks": 0, "bytes": 0, "entries": row.Count})
	}
}

func (s *Server) lokiRange(w http.ResponseWriter, r *http.Request) {
	q, request, err := lokiRequest(r)
	if err == nil && r.URL.Query().Get("query") == "" {
		err = fmt.Errorf("the parameter query is missing")
	}
	if err != nil {
		lokiFail(w, http.StatusBadRequest, err)
		return
	}
	if q.metric != "" {
		s.lokiMatrix(w, r, q, request)
		return
	}
	request.Limit = 100
	if text := r.URL.Query().Get("limit"); text != "" {
		if request.Limit, err = strconv.Atoi(text); err != nil || request.Limit < 1 {
			lokiFail(w, http.StatusBadRequest, fmt.Errorf("limit %q is no number from 1 on", text))
			return
		}
	}
	request.Limit = min(request.Limit, maxLokiLines)
	if r.URL.Query().Get("direction") == "forward" {
		request.Order = search.OldestFirst
	}
	request.Query += " | fields @timestamp, message, host, app, severity"
	var streams lokiGroups[[2]string]
	if s.lokiSearch(w, r, request, func(doc []byte) error {
		var row map[string]any
		if err := json.Unmarshal(doc, &row); err != nil {
			return err
		}
		text, _ := row["@timestamp"].(string)
		stamp, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return err
		}
		line, _ := row["message"].(string)
		return streams.add(labelsOf(row, streamLabels), [2]string{strconv.FormatInt(stamp.UnixNano(), 10), line})
	}) {
		streams.answer(w, "streams", "stream")
	}
}

// lokiMatrix answers count_over_time and rate: the count of each span stands at its
// end.
func (s *Server) lokiMatrix(w http.ResponseWriter, r *http.Request, q logQL, request search.Request) {
	stage := " | histogram " + strconv.FormatInt(q.span.Milliseconds(), 10) + "ms"
	if len(q.by) > 0 {
		stage += " by " + strings.Join(q.fields(), ",")
	}
	request.Query += stage
	var series lokiGroups[[2]any]
	if s.lokiSearch(w, r, request, func(doc []byte) error {
		var row map[string]any
		if err := json.Unmarshal(doc, &row); err != nil || row["others"] != nil {
			return err
		}
		text, _ := row["time"].(string)
		start, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return err
		}
		count, _ := row["count"].(float64)
		return series.add(labelsOf(row, q.by), [2]any{float64(start.Add(q.span).UnixMilli()) / 1000, q.value(count)})
	}) {
		series.answer(w, "matrix", "metric")
	}
}
