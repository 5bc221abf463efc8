package sink

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// Bulk is a server that takes bulk requests as Elasticsearch does and says that all
// documents were created. It knows of the rest what outputs ask before they begin.
func Bulk(addr string, numbers *Numbers) (Sink, error) {
	s := &bulk{}
	s.tally.numbers = numbers
	var err error
	if s.listener, err = net.Listen("tcp", addr); err != nil {
		return nil, err
	}
	s.server.Handler = http.HandlerFunc(s.serve)
	s.serving.Go(func() { s.server.Serve(s.listener) })
	return s, nil
}

type bulk struct {
	tally    Tally
	listener net.Listener
	server   http.Server
	serving  sync.WaitGroup
}

func (s *bulk) Addr() string  { return s.listener.Addr().String() }
func (s *bulk) Tally() *Tally { return &s.tally }

func (s *bulk) Close() error {
	err := s.server.Close()
	s.serving.Wait()
	return err
}

func (s *bulk) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "_bulk"):
		s.bulk(w, r)
	case r.URL.Path == "/":
		io.WriteString(w, `{"version":{"number":"8.19.6"},"tagline":"You Know, for Search"}`)
	case r.Method == http.MethodPut:
		io.WriteString(w, `{"acknowledged":true}`)
	case r.Method == http.MethodHead || strings.HasPrefix(r.URL.Path, "/_cluster"):
		io.WriteString(w, "{}")
	default:
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"error":{"type":"resource_not_found_exception","reason":"not here"},"status":404}`)
	}
}

// bulkBuffers hold what one read of a body brings.
var bulkBuffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

func (s *bulk) bulk(w http.ResponseWriter, r *http.Request) {
	buf := bulkBuffers.Get().(*[]byte)
	defer bulkBuffers.Put(buf)
	var lines bulkLines
	octets := 0
	if s.tally.numbers != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		s.tally.numbers.look(body)
		lines.count(body)
		octets = len(body)
	} else {
		for {
			n, err := r.Body.Read(*buf)
			lines.count((*buf)[:n])
			octets += n
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return
			}
		}
	}
	documents := lines.lines / 2
	s.tally.add(documents, octets)
	answerBulk(w, documents, r.URL.Query().Has("filter_path"))
}

// bulkLines counts the lines that are not empty: the jsonf templates of rsyslog put
// an empty one behind each document, and Elasticsearch passes over it.
type bulkLines struct {
	lines int
	// text tells that the line under way has octets.
	text bool
}

func (l *bulkLines) count(b []byte) {
	if len(b) == 0 {
		return
	}
	l.lines += bytes.Count(b, []byte{'\n'})
	if b[0] == '\n' && !l.text {
		l.lines--
	}
	for rest := b; ; l.lines-- {
		i := bytes.Index(rest, []byte("\n\n"))
		if i < 0 {
			break
		}
		rest = rest[i+1:]
	}
	l.text = b[len(b)-1] != '\n'
}

// item is what Elasticsearch answers for each document.
const item = `{"create":{"_index":".ds-logs-syslog-default-2026.11.23-000001","_id":"AZq1b2c3d4e5f6g7h8i9","_version":1,` +
	`"result":"created","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":1234567,"_primary_term":1,"status":201}},`

// statusItem is that where filter_path asks for the status alone.
const statusItem = `{"create":{"status":201}},`

// answered is the answers of so many documents at a time.
const answered = 1000

var (
	items       = []byte(strings.Repeat(item, answered))
	statusItems = []byte(strings.Repeat(statusItem, answered))
)

// answerBulk says that so many documents were created.
func answerBulk(w io.Writer, documents int, filtered bool) {
	all, each := items, len(item)
	if filtered {
		all, each = statusItems, len(statusItem)
		io.WriteString(w, `{"errors":false,"items":[`)
	} else {
		io.WriteString(w, `{"errors":false,"took":7,"items":[`)
	}
	for ; documents > answered; documents -= answered {
		w.Write(all)
	}
	w.Write(all[:max(0, documents*each-1)])
	io.WriteString(w, "]}")
}
