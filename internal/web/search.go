package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/syslane/syslane/search"
)

// flushInterval is how long results may wait for more before they are sent.
const flushInterval = 200 * time.Millisecond

// chunkSize is how many octets of results are sent at the latest.
const chunkSize = 32 << 10

// search answers a search: one document, or row, a line (application/x-ndjson). An
// error before the first of them has its status and the body
// {"error":{"message":…,"column":…}}, the column where it is in the query. An error
// later is the last line, in the same form, and then the connection is broken, so
// that a client that looks at neither sees all the same that the answer is not
// whole. Results over a log with damage end so too, with "incomplete":true.
//
// With progress=true there are lines {"progress":{…}} between the others.
func (s *Server) search(w http.ResponseWriter, r *http.Request) {
	params, err := readParams(r.URL.RawQuery, "q", "since", "until", "limit", "order", "progress")
	if err != nil {
		s.refuse(w, err)
		return
	}
	request, err := params.request(time.Now())
	if err != nil {
		s.refuse(w, err)
		return
	}
	out := newResults(w)
	if progress, err := params.boolean("progress"); err != nil {
		s.refuse(w, err)
		return
	} else if progress {
		request.Progress = out.tellProgress
	}
	stats, status, err := s.run(w, r, request, out.add, out)
	if status == 0 {
		return // refused, and told so
	}
	if err == nil {
		err = out.finish()
	}
	if err == nil || s.left(r) {
		return // the client has all, or has left
	}
	s.logFailure(err, stats)
	if !out.started {
		writeFailure(w, status, search.NewFailure(err))
		return
	}
	out.buf = search.NewFailure(err).AppendJSON(out.buf)
	out.flush()
	panic(http.ErrAbortHandler)
}

// refuse answers a wrong request.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	s.metrics.refuse("invalid")
	writeFailure(w, http.StatusBadRequest, search.NewFailure(err))
}

// left tells that there is nobody who waits for the answer.
func (s *Server) left(r *http.Request) bool {
	return r.Context().Err() != nil && !errors.Is(context.Cause(r.Context()), errStopping)
}

// takeSearch takes a place among the searches that may run at once; where there is none it
// has answered so.
func (s *Server) takeSearch(w http.ResponseWriter, r *http.Request) (release func(), ok bool) {
	use := requestOf(r)
	if release, ok = take(use.searches, s.searches); !ok {
		s.metrics.refuse("busy")
		w.Header().Set("Retry-After", "1")
		writeFailure(w, http.StatusTooManyRequests, search.Failure{
			Message: fmt.Sprintf("%d searches are running, %d of them yours, and no more are allowed at once; try again", len(s.searches), len(use.searches))})
	}
	return release, ok
}

// run runs a search within the limits of the server. status is that of its error; 0
// where it was not even started, and that answered. out, if it is there, tells when the client takes
// results.
func (s *Server) run(w http.ResponseWriter, r *http.Request, request search.Request, found func([]byte) error, out *results) (stats search.Stats, status int, err error) {
	release, ok := s.takeSearch(w, r)
	if !ok {
		return stats, 0, nil
	}
	requestOf(r).atEnd(release) // once the answer is written, until when results are held
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	patience := time.AfterFunc(s.cfg.SearchTimeout, func() {
		cancel(fmt.Errorf("nothing was found within %s and the search was ended; narrow it with since and until", s.cfg.SearchTimeout))
	})
	defer patience.Stop()
	if out != nil {
		out.taken = func() { patience.Reset(s.cfg.SearchTimeout) }
	}
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.cfg.SearchTimeout + writeTimeout))
	started := time.Now()
	stats, err = s.cfg.Searcher.Search(ctx, request, found)
	s.metrics.done(stats, err, time.Since(started))
	return stats, statusOf(ctx, err), err
}

// logFailure says what a search failed by, but for what the client did.
func (s *Server) logFailure(err error, stats search.Stats) {
	var wrongQuery *search.SyntaxError
	var wrongCursor *search.CursorError
	if !errors.As(err, &wrongQuery) && !errors.As(err, &wrongCursor) && !errors.Is(err, errClient) {
		s.cfg.Logger.Warn().Err(err).Int("results", stats.Matched).Msg("search failed")
	}
}

func statusOf(ctx context.Context, err error) int {
	var wrongQuery *search.SyntaxError
	var wrongCursor *search.CursorError
	switch {
	case errors.As(err, &wrongQuery), errors.As(err, &wrongCursor):
		return http.StatusBadRequest
	case ctx.Err() != nil:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// results sends documents as they come, in chunks.
type results struct {
	w       http.ResponseWriter
	control *http.ResponseController
	kind    string // of content
	buf     []byte
	started bool
	flushed time.Time
	// taken is told that the client has taken results.
	taken func()
}

func newResults(w http.ResponseWriter) *results {
	return &results{w: w, control: http.NewResponseController(w), kind: "application/x-ndjson", flushed: time.Now(), taken: func() {}}
}

// errClient means that the client does not take its results.
var errClient = errors.New("send results")

func (o *results) add(doc []byte) error {
	o.buf = append(append(o.buf, doc...), '\n')
	if o.started && len(o.buf) < chunkSize && time.Since(o.flushed) < flushInterval {
		return nil
	}
	return o.send()
}

// more sends what has been gathered of one object, where that is a chunk: nobody reads it
// before it is whole.
func (o *results) more() error {
	if len(o.buf) < chunkSize {
		return nil
	}
	return o.send()
}

func (o *results) send() error {
	err := o.flush()
	o.taken()
	return err
}

// tellProgress sends how far the search is.
func (o *results) tellProgress(p search.Progress) {
	line, _ := json.Marshal(struct {
		Progress search.Progress `json:"progress"`
	}{p})
	o.buf = append(append(o.buf, line...), '\n')
	o.flush() // its error comes again with the next result
}

// begin sends the header.
func (o *results) begin() {
	if !o.started {
		o.started = true
		o.w.Header().Set("Content-Type", o.kind)
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
