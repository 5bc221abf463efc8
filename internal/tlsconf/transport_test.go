package tlsconf

import (
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// A transport that has open connections, to the server or through a proxy, makes new ones
// once the CA file is renewed.
func TestATransportTrustsTheCAFileOfNow(t *testing.T) {
	f := func(proxied bool) {
		t.Helper()
		first, second := newAuthority(t), newAuthority(t)
		caFile := filepath.Join(t.TempDir(), "ca.pem")
		writeFile(t, caFile, first.pem)
		old, renewed := serveHTTPS(t, first), serveHTTPS(t, second)
		client, err := NewClient(Options{CAFile: caFile})
		if err != nil {
			t.Fatal(err)
		}
		template := &http.Transport{}
		var through atomic.Int64
		if proxied {
			proxy, err := url.Parse(serveProxy(t, &through))
			if err != nil {
				t.Fatal(err)
			}
			template.Proxy = http.ProxyURL(proxy)
		}
		transport := client.NewTransport(template)
		defer transport.CloseIdleConnections()
		expect := func(server, want string) {
			t.Helper()
			res, err := (&http.Client{Transport: transport}).Get(server)
			if err == nil {
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("through a proxy %v: the error is %v, want %q", proxied, err, want)
			}
		}
		expect(old, "")
		before := transport.current()
		expect(old, "")
		expect(renewed, "unknown authority")
		if transport.current() != before {
			t.Error("it is made anew where no file has changed")
		}
		writeFile(t, caFile, second.pem)
		checkNow(client.files)
		expect(old, "unknown authority")
		expect(renewed, "")
		if proxied != (through.Load() > 0) {
			t.Errorf("%d connections went through the proxy", through.Load())
		}
	}
	f(false)
	f(true)
}

// serveHTTPS returns the URL of a server with a certificate of a for its address.
func serveHTTPS(t *testing.T, a *authority) string {
	t.Helper()
	id := a.issue(t, t.TempDir(), func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = mustServer(t, Options{CertFile: id.cert, KeyFile: id.key})
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// serveProxy returns the URL of a proxy that counts what it connects.
func serveProxy(t *testing.T, through *atomic.Int64) string {
	t.Helper()
	var piping sync.WaitGroup
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			t.Errorf("the proxy was asked to %s", r.Method)
			return
		}
		target, err := net.Dial("tcp", r.Host)
		if err != nil {
			t.Error(err)
			return
		}
		through.Add(1)
		w.WriteHeader(http.StatusOK)
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		piping.Go(func() { defer target.Close(); io.Copy(target, buffered) })
		piping.Go(func() { defer conn.Close(); io.Copy(conn, target) })
	}))
	t.Cleanup(func() { proxy.Close(); piping.Wait() })
	return proxy.URL
}
