package web

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/syslane/syslane/internal/web/page"
	"github.com/syslane/syslane/search"
)

// index is the page for browsers, and for others says what is here.
func (s *Server) index(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Accept")
	if page.Wanted(r) {
		s.page.Index(w, r)
		return
	}
	var b bytes.Buffer
	b.WriteString("Syslane\n\n")
	line := func(path, text string) { fmt.Fprintf(&b, "%-20s %s\n", path, text) }
	line("/", "in a browser: search, live tail, status")
	line("/healthz", "whether all is well")
	line("/readyz", "whether messages are taken")
	if s.cfg.Gatherer != nil {
		line("/metrics", "Prometheus metrics")
	}
	if s.cfg.Searcher != nil {
		line(search.API+"search", "search; parameters q, since, until, limit, order, progress")
		line(search.API+"tail", "follow; parameters q, cursor, last")
		line(search.API+"histogram", "count by time; parameters q, since, until, step, by")
		line(search.API+"top", "most frequent values; parameters q, since, until, field, n")
		line(search.API+"fields", "values of fields; parameters q, since, until, fields, n")
		if s.cfg.Status != nil {
			line(search.API+"status", "inputs, log and outputs")
		}
		if s.cfg.Alerts != nil {
			line(search.API+"alerts", "alerts, and what they are told to")
		}
		bearer := ""
		if s.tokens() {
			bearer = `-H "Authorization: Bearer $TOKEN" `
		}
		fmt.Fprintf(&b, "\nTry:\n  curl %s'http://%s%s?q=error&since=15m'\n  syslane search --server http://%s --since 15m error\n",
			bearer, s.Addr(), search.Path, s.Addr())
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write(b.Bytes())
}

// checks answers 200 where all checks pass, and 503 otherwise, with one line for
// each that fails. The reasons are for those who are trusted.
func (s *Server) checks(checks []Check) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		trusted := s.trusted(r)
		failed := 0
		for _, c := range checks {
			if err := c.Probe(); err != nil {
				failed++
				if trusted {
					fmt.Fprintf(&b, "%s: %v\n", c.Name, err)
				}
			}
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if failed == 0 {
			w.Write([]byte("ok\n"))
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		if !trusted {
			fmt.Fprintf(&b, "%d of %d checks failed\n", failed, len(checks))
		}
		w.Write(b.Bytes())
	}
}
