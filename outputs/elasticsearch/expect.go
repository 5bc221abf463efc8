package elasticsearch

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"time"
)

// continueTimeout is how long a request waits for "100 Continue" from a server
// that perhaps does not know of it.
const continueTimeout = 5 * time.Second

// waitForContinue makes a request with "Expect: 100-continue" keep its body back
// until the server asks for it. The standard client sends the body also where
// the server has answered 413 already, unless it said "Connection: close" with
// it; Elasticsearch does not say so, closes, and the client then reports the
// broken pipe in place of the answer.
func waitForContinue(req *http.Request) *http.Request {
	g := &gate{open: make(chan struct{}), ctx: req.Context(), body: req.Body}
	trace := &httptrace.ClientTrace{Got100Continue: func() { close(g.open) }}
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), trace))
	req.Body, req.GetBody = g, nil
	return req
}

// gate is a body that cannot be read before it is opened, or continueTimeout has
// passed.
type gate struct {
	open   chan struct{}
	ctx    context.Context // of the request: its end ends the waiting
	passed bool
	body   io.ReadCloser
}

// pass waits until the body can be read.
func (g *gate) pass() error {
	if g.passed {
		return nil
	}
	// The client begins to read when it has given up waiting itself, or with
	// the final answer in its hands: then there is nothing to wait for but
	// the end of the request.
	timeout := time.NewTimer(continueTimeout)
	defer timeout.Stop()
	select {
	case <-g.open:
	case <-timeout.C:
	case <-g.ctx.Done():
		return g.ctx.Err()
	}
	g.passed = true
	return nil
}

func (g *gate) Read(b []byte) (int, error) {
	if err := g.pass(); err != nil {
		return 0, err
	}
	return g.body.Read(b)
}

// WriteTo lets a body that lies in memory write itself; see wholeConn.
func (g *gate) WriteTo(w io.Writer) (int64, error) {
	if err := g.pass(); err != nil {
		return 0, err
	}
	return io.Copy(w, g.body)
}

func (g *gate) Close() error { return g.body.Close() }
