package tlsconf

import (
	"crypto/x509"
	"net/http"
	"sync"
)

// Transport is an http.Transport that is made anew when the files of its Client have
// changed: an http.Transport has one tls.Config for all of its life, and where it
// goes through a proxy nothing else makes its handshakes.
type Transport struct {
	// Template is what it is made of. It is not changed after the first request.
	Template *http.Transport
	client   *Client

	mu    sync.Mutex // guards what follows
	now   *http.Transport
	roots *x509.CertPool // of now
}

// NewTransport returns a Transport that is template but for its TLS.
func (c *Client) NewTransport(template *http.Transport) *Transport {
	return &Transport{Template: template, client: c}
}

// RoundTrip sends one request.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.current().RoundTrip(req)
}

// CloseIdleConnections closes the connections that nobody uses.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now != nil {
		t.now.CloseIdleConnections()
	}
}

// current returns the transport to use, which trusts what the CA file holds now.
func (t *Transport) current() *http.Transport {
	t.client.files.current() // one request looks at the files; others go on meanwhile
	t.mu.Lock()
	defer t.mu.Unlock()
	if roots := t.client.files.now.Load().roots; t.now == nil || roots != t.roots {
		old := t.now
		t.now, t.roots = t.Template.Clone(), roots
		t.now.TLSClientConfig = t.client.configBy(roots, "")
		if old != nil {
			// One that is in use is closed after its request.
			old.CloseIdleConnections()
		}
	}
	return t.now
}
