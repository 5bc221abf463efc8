package elasticsearch

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// bulkServer is a small Elasticsearch: it takes bulk requests as the real one
// does, keeps the documents, and misbehaves by script.
type bulkServer struct {
	t   *testing.T
	url string

	mu sync.Mutex
	// docs are the documents by index and _id.
	docs     map[string]map[string]json.RawMessage
	requests []bulkRequest
	// template is what was installed, by name.
	templates map[string]json.RawMessage
	autoID    int
	inFlight  int
	// mostInFlight is the highest number of requests that were there at once.
	mostInFlight int

	// item decides about a document before it is stored; nil or 0 stores it.
	item func(doc string) itemReply
	// request decides about a whole request; nil or false goes on as usual. It is
	// called without the lock.
	request func(n int, r *bulkRequest, w http.ResponseWriter, hr *http.Request) bool
	// answer changes what is sent back, after the documents were stored.
	answer func(n int, answer []byte, w http.ResponseWriter) bool
	// other serves what is no bulk request.
	other http.HandlerFunc
	// maxBody is the size of a body from which on 413 is answered.
	maxBody int
}

// bulkRequest is a request that was received.
type bulkRequest struct {
	header http.Header
	query  string
	octets int
	items  []bulkAction
}

type bulkAction struct {
	index, id string
	doc       json.RawMessage
}

type itemReply struct {
	status          int
	errType, reason string
}

func newBulkServer(t *testing.T) *bulkServer {
	t.Helper()
	s := &bulkServer{t: t, docs: map[string]map[string]json.RawMessage{}, templates: map[string]json.RawMessage{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *bulkServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "_bulk"):
		s.bulk(w, r)
	case s.other != nil:
		s.other(w, r)
	case r.URL.Path == "/":
		io.WriteString(w, `{"version":{"number":"8.19.0"}}`)
	case strings.HasPrefix(r.URL.Path, "/_index_template/"):
		s.indexTemplate(w, r, strings.TrimPrefix(r.URL.Path, "/_index_template/"))
	case strings.HasSuffix(r.URL.Path, "/_settings/index.creation_date"):
		writeError(w, http.StatusNotFound, "index_not_found_exception", "no such index")
	default:
		writeError(w, http.StatusBadRequest, "invalid_request", "no handler found for uri ["+r.URL.Path+"]")
	}
}

func writeError(w http.ResponseWriter, status int, errType, reason string) {
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"type": errType, "reason": reason}, "status": status})
}

func (s *bulkServer) indexTemplate(w http.ResponseWriter, r *http.Request, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodPut {
		body, _ := io.ReadAll(r.Body)
		s.templates[name] = body
		io.WriteString(w, `{"acknowledged":true}`)
		return
	}
	if t, ok := s.templates[name]; ok {
		fmt.Fprintf(w, `{"index_templates":[{"name":%q,"index_template":%s}]}`, name, t)
		return
	}
	writeError(w, http.StatusNotFound, "resource_not_found_exception", "index template matching ["+name+"] not found")
}

func (s *bulkServer) bulk(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.inFlight++
	s.mostInFlight = max(s.mostInFlight, s.inFlight)
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.inFlight--; s.mu.Unlock() }()

	if s.maxBody > 0 && r.ContentLength > int64(s.maxBody) {
		w.Header().Del("X-Elastic-Product")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	req, err := readBulk(r)
	if err != nil {
		writeError(w, http.StatusBadRequest, "parse_exception", err.Error())
		return
	}
	s.mu.Lock()
	n := len(s.requests)
	s.requests = append(s.requests, *req)
	s.mu.Unlock()
	if s.request != nil && s.request(n, req, w, r) {
		return
	}
	if len(req.items) == 0 {
		writeError(w, http.StatusBadRequest, "action_request_validation_exception", "no requests added")
		return
	}
	answer := s.store(req)
	if s.answer != nil && s.answer(n, answer, w) {
		return
	}
	w.Write(answer)
}

func readBulk(r *http.Request) (*bulkRequest, error) {
	req := &bulkRequest{header: r.Header.Clone(), query: r.URL.RawQuery}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, err
		}
		body = z
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	req.octets = len(data)
	if len(data) == 0 || data[len(data)-1] != '\n' {
		return nil, fmt.Errorf("the bulk request must be terminated by a newline")
	}
	target := strings.Trim(strings.TrimSuffix(r.URL.Path, "_bulk"), "/")
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 100<<20)
	for lines.Scan() {
		if lines.Text() == "" {
			continue
		}
		var action struct {
			Create *struct {
				Index string `json:"_index"`
				ID    string `json:"_id"`
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &action); err != nil || action.Create == nil {
			return nil, fmt.Errorf("malformed action line %q", lines.Text())
		}
		a := bulkAction{index: target, id: action.Create.ID}
		if action.Create.Index != "" {
			a.index = action.Create.Index
		}
		if !lines.Scan() || !json.Valid(lines.Bytes()) {
			return nil, fmt.Errorf("malformed document %.100q", lines.Text())
		}
		a.doc = bytes.Clone(lines.Bytes())
		req.items = append(req.items, a)
	}
	return req, lines.Err()
}

// store keeps the documents and returns the answer.
func (s *bulkServer) store(req *bulkRequest) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	type result struct {
		Index  string `json:"_index"`
		ID     string `json:"_id"`
		Status int    `json:"status"`
		Error  any    `json:"error,omitempty"`
	}
	var answer struct {
		Took   int                 `json:"took"`
		Errors bool                `json:"errors"`
		Items  []map[string]result `json:"items"`
	}
	for _, a := range req.items {
		reply := itemReply{status: http.StatusCreated}
		if s.item != nil {
			if r := s.item(string(a.doc)); r.status != 0 {
				reply = r
			}
		}
		if a.id == "" {
			s.autoID++
			a.id = fmt.Sprint("auto-", s.autoID)
		}
		if reply.status < 300 {
			if s.docs[a.index] == nil {
				s.docs[a.index] = map[string]json.RawMessage{}
			}
			if _, there := s.docs[a.index][a.id]; there {
				reply = itemReply{http.StatusConflict, "version_conflict_engine_exception", "[" + a.id + "]: version conflict, document already exists (current version [1])"}
			} else {
				s.docs[a.index][a.id] = a.doc
			}
		}
		res := result{Index: a.index, ID: a.id, Status: reply.status}
		if reply.status >= 300 {
			answer.Errors = true
			res.Error = map[string]any{"type": reply.errType, "reason": reply.reason, "caused_by": map[string]any{"type": "root", "reason": "cause"}}
		}
		answer.Items = append(answer.Items, map[string]result{"create": res})
	}
	b, err := json.Marshal(answer)
	if err != nil {
		s.t.Error(err)
	}
	return b
}

// count returns the number of documents in all indices.
func (s *bulkServer) count() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, docs := range s.docs {
		n += len(docs)
	}
	return n
}

// hang keeps a request until its client goes away, at most for a while.
func hang(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-time.After(20 * time.Second):
	}
}

// cut ends the connection in the middle of an answer.
func cut(w http.ResponseWriter, part []byte, length int) {
	w.Header().Set("Content-Length", fmt.Sprint(length))
	w.Write(part)
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	panic(http.ErrAbortHandler)
}
