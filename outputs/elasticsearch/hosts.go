package elasticsearch

import (
	"net/url"
	"sync"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
)

// How long a node rests that failed, doubling from one failure to the next.
const (
	restMin = time.Second
	restMax = 30 * time.Second
)

// hosts takes turns between the nodes. One that failed rests for a while and is
// then tried again; if all rest, the one that has rested the most is taken. It is
// the connection pool of the client; how a node fares is told to it by the
// transport, which also knows about answers such as 503.
type hosts struct {
	now func() time.Time

	mu    sync.Mutex // guards what follows
	nodes []node
	turn  int
}

type node struct {
	conn     *elastictransport.Connection
	failures int
	until    time.Time // rests until then
}

func newHosts(conns []*elastictransport.Connection, now func() time.Time) *hosts {
	h := &hosts{now: now, nodes: make([]node, len(conns))}
	for i, c := range conns {
		h.nodes[i].conn = c
	}
	return h
}

// Next returns the node whose turn it is.
func (h *hosts) Next() (*elastictransport.Connection, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	best := -1
	for k := range h.nodes {
		i := (h.turn + k) % len(h.nodes)
		if !h.nodes[i].until.After(now) {
			best = i
			break
		}
		if best < 0 || h.nodes[i].until.Before(h.nodes[best].until) {
			best = i
		}
	}
	h.turn = best + 1
	return h.nodes[best].conn, nil
}

// report tells how a request to a node went.
func (h *hosts) report(host string, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.nodes {
		n := &h.nodes[i]
		if n.conn.URL.Host != host {
			continue
		}
		if ok {
			n.failures, n.until = 0, time.Time{}
		} else {
			n.until = h.now().Add(min(restMax, restMin<<min(n.failures, 10)))
			n.failures++
		}
	}
}

// OnSuccess and OnFailure have nothing to add to what the transport reports.
func (h *hosts) OnSuccess(*elastictransport.Connection) error { return nil }

// OnFailure does nothing; see OnSuccess.
func (h *hosts) OnFailure(*elastictransport.Connection) error { return nil }

// URLs returns all nodes.
func (h *hosts) URLs() []*url.URL {
	urls := make([]*url.URL, len(h.nodes))
	for i := range h.nodes {
		urls[i] = h.nodes[i].conn.URL
	}
	return urls
}

// ConcurrentSafe tells the client to add no lock of its own.
func (h *hosts) ConcurrentSafe() {}
