package elasticsearch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	es "github.com/elastic/go-elasticsearch/v8"
	"github.com/elastic/go-elasticsearch/v8/esapi"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/tlsconf"
)

// newClient makes the HTTP client of an output, or of who asks. idle is how many
// connections to a node it keeps that nobody uses; name tells in errors whose it is.
// Retries are the output's own: the client's would send whole requests again without
// looking at their items.
func newClient(access *Access, idle int, name string) (*es.BaseClient, *transport, error) {
	inner, err := newHTTPTransport(access, idle, name)
	if err != nil {
		return nil, nil, err
	}
	t := &transport{inner: inner, access: access}
	c := es.Config{
		Username:          access.Username,
		Password:          access.Password.Value(),
		APIKey:            apiKey(access.APIKey.Value()),
		ServiceToken:      access.ServiceToken.Value(),
		CloudID:           access.CloudID,
		DisableRetry:      true,
		DisableMetaHeader: true,
		Transport:         t,
		Header:            http.Header{"User-Agent": {"Syslane"}},
		ConnectionPoolFunc: func(conns []*elastictransport.Connection, _ elastictransport.Selector) elastictransport.ConnectionPool {
			t.hosts = newHosts(conns, time.Now)
			return t.hosts
		},
	}
	for key, value := range access.Headers {
		c.Header.Set(key, value.Value())
	}
	addresses := access.Hosts
	if len(addresses) == 0 && access.CloudID == "" {
		addresses = []config.Address{"http://localhost:9200"}
	}
	for _, host := range addresses {
		u, err := hostURL(host)
		if err != nil {
			return nil, nil, err
		}
		c.Addresses = append(c.Addresses, u.String())
	}
	t.config = c
	client, err := es.NewBaseClient(c)
	if err != nil {
		return nil, nil, fmt.Errorf("elasticsearch client: %w", err)
	}
	return client, t, nil
}

// only returns a client that takes no turns: it asks the node with this host and port.
func (t *transport) only(host string) (*es.BaseClient, error) {
	c := t.config
	c.CloudID, c.ConnectionPoolFunc = "", nil
	for _, u := range t.hosts.URLs() {
		if u.Host == host {
			c.Addresses = []string{u.String()}
		}
	}
	client, err := es.NewBaseClient(c)
	if err != nil {
		return nil, fmt.Errorf("elasticsearch client for %s: %w", host, err)
	}
	return client, nil
}

func newHTTPTransport(access *Access, idle int, name string) (*tlsconf.Transport, error) {
	tlsOptions := access.TLS.Options
	if tlsOptions.Name == "" {
		tlsOptions.Name = fmt.Sprintf("output %q", name)
	}
	if access.TLS.CAFingerprint != "" {
		fingerprint, err := parseFingerprint(access.TLS.CAFingerprint)
		if err != nil {
			return nil, err
		}
		tlsOptions.Verify = func(cs tls.ConnectionState) error { return verifyFingerprint(cs, fingerprint) }
	}
	tlsClient, err := tlsconf.NewClient(tlsOptions)
	if err != nil {
		return nil, err
	}
	proxy := http.ProxyFromEnvironment
	if access.ProxyURL != "" {
		u, err := url.Parse(string(access.ProxyURL))
		if err != nil {
			return nil, fmt.Errorf("proxy_url = %q is no URL", access.ProxyURL)
		}
		proxy = http.ProxyURL(u)
	}
	dialer := net.Dialer{Timeout: min(access.Timeout, 30*time.Second), KeepAlive: 30 * time.Second}
	return tlsClient.NewTransport(&http.Transport{
		Proxy: proxy,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return wholeConn{conn}, nil
		},
		TLSHandshakeTimeout:   min(access.Timeout, 30*time.Second),
		MaxIdleConnsPerHost:   idle,
		IdleConnTimeout:       time.Minute,
		ExpectContinueTimeout: continueTimeout,
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        32 << 10,
		// Answers are small, as only what is needed is asked for.
		DisableCompression: true,
	}), nil
}

// transport reports to hosts how each node fares, tells who sent a request which
// node it went to, and lets servers pass that do not call themselves Elasticsearch.
type transport struct {
	inner  *tlsconf.Transport
	hosts  *hosts
	access *Access
	// config is what the client was made of.
	config es.Config
}

// nodeKey is the context key of a *string that takes the node's host and port.
type nodeKey struct{}

// RoundTrip sends one request.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if host, ok := req.Context().Value(nodeKey{}).(*string); ok {
		*host = req.URL.Host
	}
	if req.Header.Get("Expect") != "" {
		req = waitForContinue(req)
	}
	res, err := t.inner.RoundTrip(req)
	switch {
	case err != nil:
		// That the caller gave up says nothing about the node.
		if !errors.Is(err, context.Canceled) {
			t.hosts.report(req.URL.Host, false)
		}
		return nil, t.access.explainAlert(err)
	case res.StatusCode >= 502 && res.StatusCode <= 504:
		t.hosts.report(req.URL.Host, false)
	default:
		t.hosts.report(req.URL.Host, true)
	}
	if t.access.Flavor != FlavorElasticsearch {
		// The client refuses servers without this header, such as OpenSearch.
		res.Header.Set("X-Elastic-Product", "Elasticsearch")
	}
	return res, nil
}

// parseFingerprint reads a SHA-256 fingerprint, with or without colons.
func parseFingerprint(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	b, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	if err != nil || len(b) != sha256.Size {
		return nil, fmt.Errorf("tls.ca_fingerprint = %q: want the 64 hexadecimal digits of a SHA-256 fingerprint", s)
	}
	return b, nil
}

// verifyFingerprint accepts a server that shows a certificate of this
// fingerprint: its own, or that of a CA from which a valid path leads to its own.
func verifyFingerprint(cs tls.ConnectionState, fingerprint []byte) error {
	between := x509.NewCertPool()
	for _, c := range cs.PeerCertificates {
		between.AddCert(c)
	}
	for i, c := range cs.PeerCertificates {
		if sum := sha256.Sum256(c.Raw); !bytes.Equal(sum[:], fingerprint) {
			continue
		}
		if i == 0 {
			return nil
		}
		roots := x509.NewCertPool()
		roots.AddCert(c)
		// cs.ServerName is empty where an IP address was dialled; the path to
		// the one CA that is trusted has to do then.
		_, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: cs.ServerName})
		return err
	}
	return errors.New("server shows no certificate of the fingerprint in tls.ca_fingerprint")
}

// maxErrorBody is how much of an error's body is read, in octets.
const maxErrorBody = 64 << 10

// statusError reads the error that a server answered with. structured says that
// it has the form of Elasticsearch's own errors.
func statusError(res *esapi.Response, host string) (_ *StatusError, structured bool) {
	e := &StatusError{Host: host, Status: res.StatusCode}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	if err != nil && len(body) == 0 {
		return e, false
	}
	var answer struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &answer) == nil && len(answer.Error) > 0 {
		var detail errorDetail
		if json.Unmarshal(answer.Error, &detail) == nil && detail.Type != "" {
			parts := []string{detail.Type, detail.Reason}
			for c := detail.CausedBy; c != nil; c = c.CausedBy {
				parts = append(parts, c.Type, c.Reason)
			}
			e.Reason = join(parts...)
			return e, true
		}
		var text string
		if json.Unmarshal(answer.Error, &text) == nil {
			e.Reason = clip(text)
			return e, true
		}
	}
	e.Reason = clip(strings.Join(strings.Fields(string(body)), " "))
	return e, false
}

// errorDetail is an error of Elasticsearch and what caused it.
type errorDetail struct {
	Type, Reason string
	CausedBy     *errorDetail `json:"caused_by"`
}

// join puts the parts of an error that are there into one text.
func join(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		if p != "" && b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(p)
	}
	return clip(b.String())
}

// clip cuts a text to maxReason octets and makes it UTF-8.
func clip(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), maxReason)], "\uFFFD")
}
