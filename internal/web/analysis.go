package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/syslane/syslane/search"
)

// defaultFields are those that /api/v1/fields counts where it is not told which.
const defaultFields = "host,app,severity,facility,input"

// defaultValues is how many values of each field it gives.
const defaultValues = 10

// rows answers with what a query that counts gives out, as one JSON object:
//
//	{"rows":[…], "others":[…], "step_seconds":300, "stats":{…}, "incomplete":"…"}
//
// The rows are those of the query language; others, what they leave out;
// step_seconds is there for histograms, and incomplete where the log has damage. Rows
// are sent as they come: escaped, names may have six times the octets that counting
// is bounded to. Where that ends early the connection is broken, as that of a search.
func (s *Server) rows(w http.ResponseWriter, r *http.Request, request search.Request) {
	out := newResults(w)
	out.kind = "application/json"
	out.buf = append(out.buf, `{"rows":[`...)
	var rest struct {
		Others     []json.RawMessage `json:"others,omitempty"`
		Step       float64           `json:"step_seconds,omitempty"`
		Stats      search.Stats      `json:"stats"`
		Incomplete string            `json:"incomplete,omitempty"`
	}
	comma := ""
	stats, status, err := s.run(w, r, request, func(doc []byte) error {
		if bytes.HasPrefix(doc, []byte(`{"others":true`)) {
			rest.Others = append(rest.Others, slices.Clone(doc))
			return nil
		}
		out.buf = append(append(out.buf, comma...), doc...)
		comma = ","
		return out.more()
	}, out)
	var incomplete *search.IncompleteError
	switch {
	case status == 0 || s.left(r):
		return
	case errors.As(err, &incomplete):
		rest.Incomplete = incomplete.Text
	case err != nil:
		s.logFailure(err, stats)
		if out.started {
			panic(http.ErrAbortHandler)
		}
		writeFailure(w, status, search.NewFailure(err))
		return
	}
	rest.Step, rest.Stats = stats.Step.Seconds(), stats
	text, err := json.Marshal(rest)
	if err != nil {
		s.logFailure(err, stats)
		panic(http.ErrAbortHandler)
	}
	out.buf = append(append(append(out.buf, `],`...), text[1:]...), '\n')
	if out.finish() != nil {
		panic(http.ErrAbortHandler)
	}
}

// writeJSON answers with a value that is small.
func writeJSON(w http.ResponseWriter, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		writeFailure(w, http.StatusInternalServerError, search.Failure{Message: err.Error()})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	w.Write(append(text, '\n'))
}

// piped makes the request of a query with a stage behind it, which the query must
// not have itself.
func piped(p params, stage string) (search.Request, error) {
	r, err := p.request(time.Now())
	if err != nil {
		return r, err
	}
	q, err := search.Parse(r.Query)
	if err != nil {
		return r, err
	}
	if q.Piped() {
		return r, errors.New("q can have no stages behind a | here; /api/v1/search takes them")
	}
	r.Query += " | " + stage
	return r, nil
}

// list reads the names of fields, so that nothing else gets into a query.
func list(text string) (string, error) {
	names := strings.Split(text, ",")
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
		if !search.KnownField(names[i]) {
			return "", fmt.Errorf("%q is no field that can be counted", names[i])
		}
	}
	return strings.Join(names, ","), nil
}

// histogram counts by time: step ("5m"; chosen where it is not given) and by (a field, or
// several with commas).
func (s *Server) histogram(w http.ResponseWriter, r *http.Request) {
	p, err := readParams(r.URL.RawQuery, "q", "since", "until", "step", "by")
	stage := "histogram"
	if err == nil && p["step"] != "" {
		if strings.ContainsAny(p["step"], " |,") {
			err = fmt.Errorf("step %q is no span of time", p["step"])
		}
		stage += " " + p["step"]
	}
	if err == nil && p["by"] != "" {
		var by string
		by, err = list(p["by"])
		stage += " by " + by
	}
	s.analyse(w, r, p, stage, err)
}

// top counts the values of field (several with commas) and gives the n that most
// events have.
func (s *Server) top(w http.ResponseWriter, r *http.Request) {
	p, err := readParams(r.URL.RawQuery, "q", "since", "until", "field", "n")
	n, fields := 0, ""
	if err == nil {
		n, err = p.number("n", 10, 10_000)
	}
	if err == nil {
		fields, err = list(p["field"])
	}
	s.analyse(w, r, p, fmt.Sprintf("top %d %s", max(n, 1), fields), err)
}

// fields counts the values of many fields at once: those of fields, n of each.
func (s *Server) fields(w http.ResponseWriter, r *http.Request) {
	p, err := readParams(r.URL.RawQuery, "q", "since", "until", "fields", "n")
	n, fields := 0, defaultFields
	if err == nil && p["fields"] != "" {
		fields = p["fields"]
	}
	if err == nil {
		n, err = p.number("n", defaultValues, 10_000)
	}
	if err == nil {
		fields, err = list(fields)
	}
	s.analyse(w, r, p, fmt.Sprintf("facets %d %s", max(n, 1), fields), err)
}

func (s *Server) analyse(w http.ResponseWriter, r *http.Request, p params, stage string, err error) {
	var request search.Request
	if err == nil {
		request, err = piped(p, stage)
	}
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.rows(w, r, request)
}
