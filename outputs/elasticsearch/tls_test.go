package elasticsearch

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority makes certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newCertificate(t *testing.T, parent *authority, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: parent == nil,
	}
	if parent == nil {
		parent = &authority{template, key}
	} else {
		template.DNSNames, template.IPAddresses = []string{name}, []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, &key.PublicKey, parent.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

// writePEM returns the name of a file with der.
func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func fingerprint(a *authority) string {
	sum := sha256.Sum256(a.cert.Raw)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

func TestServerIsVerifiedByCAOrFingerprint(t *testing.T) {
	ca, other := newCertificate(t, nil, "ca"), newCertificate(t, nil, "other")
	leaf := newCertificate(t, ca, "localhost")
	caFile := writePEM(t, "CERTIFICATE", ca.cert.Raw)
	f := func(name string, chain []*authority, change func(*Config), good bool) {
		t.Run(name, func(t *testing.T) {
			s := newBulkServer(t)
			server := httptest.NewUnstartedServer(s)
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			shown := tls.Certificate{PrivateKey: leaf.key}
			for _, c := range chain {
				shown.Certificate = append(shown.Certificate, c.cert.Raw)
			}
			server.TLS = &tls.Config{Certificates: []tls.Certificate{shown}}
			server.StartTLS()
			defer server.Close()
			for _, host := range []string{server.URL, strings.Replace(server.URL, "127.0.0.1", "localhost", 1)} {
				cfg := testConfig(host)
				change(&cfg)
				if err := newOutput(t, cfg).Write(t.Context(), newBatch(1, nil)); (err == nil) != good {
					t.Errorf("%s: %v", host, err)
				}
			}
		})
	}
	chain := []*authority{leaf, ca}
	f("neither", chain, func(*Config) {}, false)
	f("its CA", chain, func(c *Config) { c.TLS.CAFile = caFile }, true)
	f("fingerprint of its CA", chain, func(c *Config) { c.TLS.CAFingerprint = fingerprint(ca) }, true)
	f("fingerprint of its own certificate", chain[:1], func(c *Config) { c.TLS.CAFingerprint = strings.ToLower(fingerprint(leaf)) }, true)
	f("another fingerprint", chain, func(c *Config) { c.TLS.CAFingerprint = fingerprint(other) }, false)
	// To show a certificate is no proof of having been issued by it.
	f("a CA shown that did not issue it", []*authority{leaf, other}, func(c *Config) { c.TLS.CAFingerprint = fingerprint(other) }, false)
}

func TestAServerIsVerifiedByTheCAFileOfNow(t *testing.T) {
	serve := func(ca *authority) string {
		leaf := newCertificate(t, ca, "localhost")
		server := httptest.NewUnstartedServer(newBulkServer(t))
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.cert.Raw}, PrivateKey: leaf.key}}}
		server.StartTLS()
		t.Cleanup(server.Close)
		return server.URL
	}
	first, second := newCertificate(t, nil, "first"), newCertificate(t, nil, "second")
	caFile := writePEM(t, "CERTIFICATE", first.cert.Raw)
	output := func(host string) *Output {
		cfg := testConfig(host)
		cfg.TLS.CAFile = caFile
		return newOutput(t, cfg)
	}
	old, renewed := output(serve(first)), output(serve(second))
	if err := old.Write(t.Context(), newBatch(1, nil)); err != nil {
		t.Fatal(err)
	}
	if err := renewed.Write(t.Context(), newBatch(1, nil)); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Fatalf("a server of an authority that is not trusted: %v", err)
	}
	if err := os.Rename(writePEM(t, "CERTIFICATE", second.cert.Raw), caFile); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		good, bad := renewed.Write(t.Context(), newBatch(1, nil)), old.Write(t.Context(), newBatch(1, nil))
		if good == nil && bad != nil && strings.Contains(bad.Error(), "unknown authority") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the new CA file is not in use: %v, %v", good, bad)
		}
	}
}

func TestClientCertificateIsShownToAServerThatWantsOne(t *testing.T) {
	ca, other := newCertificate(t, nil, "ca"), newCertificate(t, nil, "other")
	leaf := newCertificate(t, ca, "localhost")
	s := newBulkServer(t)
	clients := x509.NewCertPool()
	clients.AddCert(ca.cert)
	f := func(name string, issuer *authority, version uint16, want ...string) {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(s)
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.TLS = &tls.Config{
				Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.cert.Raw}, PrivateKey: leaf.key}},
				ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: clients, MaxVersion: version,
			}
			server.StartTLS()
			defer server.Close()
			cfg := testConfig(server.URL)
			cfg.TLS.CAFile = writePEM(t, "CERTIFICATE", ca.cert.Raw)
			if issuer != nil {
				client := newCertificate(t, issuer, "collector1")
				key, err := x509.MarshalPKCS8PrivateKey(client.key)
				if err != nil {
					t.Fatal(err)
				}
				cfg.TLS.CertFile, cfg.TLS.KeyFile = writePEM(t, "CERTIFICATE", client.cert.Raw), writePEM(t, "PRIVATE KEY", key)
			}
			err := newOutput(t, cfg).Write(t.Context(), newBatch(1, nil))
			if (err == nil) != (len(want) == 0) {
				t.Fatalf("Write returned %v", err)
			}
			for _, part := range want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		in := " " + tls.VersionName(version)
		f("one of its CA"+in, ca, version)
		f("none"+in, nil, version, "set tls.cert_file and tls.key_file")
		f("one of another CA"+in, other, version, "the certificate in tls.cert_file = ", "issued by a CA that it trusts")
	}
}

func TestFilesThatCannotBeReadAreFoundAtStart(t *testing.T) {
	cfg := DefaultConfig()
	cfg.TLS.CAFile = filepath.Join(t.TempDir(), "missing.pem")
	if _, err := New(cfg, Options{Name: "es"}); err == nil || !strings.Contains(err.Error(), "missing.pem") {
		t.Errorf("New returned %v", err)
	}
}
