package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/syslane/syslane/search"
)

// flushInterval is how long results may wait for more before they are sent.
const flushInterval = 200 * time.Millisecond

// chunkSize is how many octets of results are sent at the latest.
const chunkSize = 32 << 10

// search answers a search. Its parameters:
//
//	q      the query; "" finds everything
//	since  from that time on: a span before now ("15m"), RFC 3339, or a date and
//	until  up to that time    time of day in UTC ("2006-01-02 15:04")
//	limit  the most results, default 100; 0 means all
//	order  newest (default) or oldest first
//
// The answer is application/x-ndjson: one ECS document a line. An error before
// the first of them has its status and the body {"error":{"message":…,"column":…}},
// the column where it is in the query. An error later is the last line, in the same
// form, and then the connection is broken, so that a client that looks at neither
// sees all the same that the answer is not whole. Results over a log with damage
// end so too, with "incomplete":true.
func (s *Server) search(w http.ResponseWriter, r *http.Request) {
	request, err := readRequest(r.URL.RawQuery, time.Now())
	if err != nil {
		s.metrics.refuse("invalid")
		writeFailure(w, http.StatusBadRequest, search.NewFailure(err))
		return
	}
	select {
	case s.searches <- struct{}{}:
		defer func() { <-s.searches }()
	default:
		s.metrics.refuse("busy")
		w.Header().Set("Retry-After", "1")
		writeFailure(w, http.StatusTooManyRequests, search.Failure{
			Message: fmt.Sprintf("%d searches are running, and no more are allowed at once; try again", s.cfg.MaxSearches)})
		return
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	patience := time.AfterFunc(s.cfg.SearchTimeout, func() {
		cancel(fmt.Errorf("nothing was found within %s and the search was ended; narrow it with since and until", s.cfg.SearchTimeout))
	})
	defer patience.Stop()

	started := time.Now()
	out := &results{w: w, control: http.NewResponseController(w), flushed: started,
		progress: func() { patience.Reset(s.cfg.SearchTimeout) }}
	stats, err := s.cfg.Searcher.Search(ctx, request, out.add)
	s.metrics.done(stats, err, time.Since(started))
	if err == nil {
		err = out.finish()
	}
	if err == nil || r.Context().Err() != nil && !errors.Is(context.Cause(r.Context()), errStopping) {
		return // the client has all, or has left
	}
	var wrongQuery *search.SyntaxError
	if !errors.As(err, &wrongQuery) && !errors.Is(err, errClient) {
		s.cfg.Logger.Warn().Err(err).Int("results", stats.Matched).Msg("search failed")
	}
	if !out.started {
		status := http.StatusInternalServerError
		switch {
		case wrongQuery != nil:
			status = http.StatusBadRequest
		case ctx.Err() != nil:
			status = http.StatusServiceUnavailable
		}
		writeFailure(w, status, search.NewFailure(err))
		return
	}
	out.buf = search.NewFailure(err).AppendJSON(out.buf)
	out.flush()
	panic(http.ErrAbortHandler)
}

// readRequest reads the parameters. Unknown ones are errors: a filter that is
// misspelt must not find everything.
func readRequest(raw string, now time.Time) (r search.Request, err error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return r, fmt.Errorf("read the parameters: %w", err)
	}
	r.Limit = search.DefaultLimit
	for name, list := range values {
		value := list[0]
		if len(list) > 1 {
			return r, fmt.Errorf("parameter %q is given %d times", name, len(list))
		}
		switch name {
		case "q":
			r.Query = value
		case "since":
			if r.Since, err = search.ParseTime(value, now, time.UTC); err != nil {
				return r, fmt.Errorf("since: %w", err)
			}
		case "until":
			if r.Until, err = search.ParseTime(value, now, time.UTC); err != nil {
				return r, fmt.Errorf("until: %w", err)
			}
		case "limit":
			if r.Limit, err = strconv.Atoi(value); err != nil || r.Limit < 0 {
				return r, fmt.Errorf("limit %q is no number from 0 (all) on", value)
			}
		case "order":
			switch r.Order = search.Order(value); r.Order {
			case search.NewestFirst, search.OldestFirst:
			default:
				return r, fmt.Errorf("order %q is none of %s, %s", value, search.NewestFirst, search.OldestFirst)
			}
		default:
			return r, fmt.Errorf("unknown parameter %q; there are q, since, until, limit and order", name)
		}
	}
	return r, nil
}

// results sends documents as they come, in chunks.
type results struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buf     []byte
	started bool
	flushed time.Time
	// progress is told that the client has taken a chunk.
	progress func()
}

// errClient means that the client does not take its results.
var errClient = errors.New("send results")

func (o *results) add(doc []byte) error {
	o.buf = append(append(o.buf, doc...), '\n')
	if o.started && len(o.buf) < chunkSize && time.Since(o.flushed) < flushInterval {
		return nil
	}
	return o.flush()
}

// begin sends the header.
func (o *results) begin() {
	if !o.started {
		o.started = true
		o.w.Header().Set("Content-Type", "application/x-ndjson")
		o.w.WriteHeader(http.StatusOK)
	}
}

func (o *results) flush() error {
	o.begin()
	o.flushed = time.Now()
	if err := o.control.SetWriteDeadline(o.flushed.Add(writeTimeout)); err != nil {
		return fmt.Errorf("%w: %w", errClient, err)
	}
	_, err := o.w.Write(o.buf)
	o.buf = o.buf[:0]
	if err == nil {
		err = o.control.Flush()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errClient, err)
	}
	o.progress()
	return nil
}

func (o *results) finish() error {
	if len(o.buf) > 0 || !o.started {
		return o.flush()
	}
	return nil
}

func writeFailure(w http.ResponseWriter, status int, f search.Failure) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(f.AppendJSON(nil))
}
