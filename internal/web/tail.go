package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"github.com/syslane/syslane/search"
)

// maxTails is how many tails run at once; more are refused with 429.
const maxTails = 32

// tail follows the log: application/x-ndjson, a line for each event,
//
//	{"cursor":"5d1f0a2b-1234","event":{…}}
//
// and every few seconds one without an event, so that both sides see that the other
// is there. With "lost" a line says how many messages could not be given out. A
// client that has lost the connection asks again with cursor=, and goes on without
// a gap or a repetition. last=N starts with the newest N events, which is a search.
func (s *Server) tail(w http.ResponseWriter, r *http.Request) {
	p, err := readParams(r.URL.RawQuery, "q", "cursor", "last")
	request := search.TailRequest{Query: p["q"], Cursor: p["cursor"]}
	if err == nil {
		request.Last, err = p.number("last", 0, search.MaxLast)
	}
	if err == nil && request.Cursor != "" && request.Last > 0 {
		err = fmt.Errorf("last is for a new tail; with a cursor it goes on behind that")
	}
	if err != nil {
		s.refuse(w, err)
		return
	}
	release, ok := take(requestOf(r).tails, s.tails)
	if !ok {
		s.metrics.refuse("busy")
		w.Header().Set("Retry-After", "5")
		writeFailure(w, http.StatusTooManyRequests, search.Failure{
			Message: fmt.Sprintf("%d tails are running, and no more than %d are allowed at once for a client; try again", len(s.tails), clientTails)})
		return
	}
	defer release()
	follows := func() {} // is called when what there was is given out
	if request.Last > 0 {
		place, ok := s.takeSearch(w, r)
		if !ok {
			return
		}
		follows = sync.OnceFunc(place)
		defer follows()
		request.Patience = s.cfg.SearchTimeout
	}
	out := newResults(w)
	err = s.cfg.Searcher.(search.Tailer).Tail(r.Context(), request, func(item search.TailItem) error {
		line, err := json.Marshal(item)
		if err != nil {
			return err
		}
		if item.Event == nil {
			follows()
			out.buf = append(append(out.buf, line...), '\n')
			return out.flush()
		}
		line = append(line[:len(line)-1], `,"event":`...)
		return out.add(append(append(line, item.Event...), '}'))
	})
	if err == nil || s.left(r) {
		return
	}
	s.logFailure(err, search.Stats{})
	if !out.started {
		writeFailure(w, statusOf(r.Context(), err), search.NewFailure(err))
		return
	}
	out.buf = search.NewFailure(err).AppendJSON(out.buf)
	out.flush()
	panic(http.ErrAbortHandler)
}
