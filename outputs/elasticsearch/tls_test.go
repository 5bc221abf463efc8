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

func fingerprint(a *authority) string {
	sum := sha256.Sum256(a.cert.Raw)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

func TestServerIsVerifiedByCAOrFingerprint(t *testing.T) {
	ca, other := newCertificate(t, nil, "ca"), newCertificate(t, nil, "other")
	leaf := newCertificate(t, ca, "localhost")
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
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

func TestFilesThatCannotBeReadAreFoundAtStart(t *testing.T) {
	cfg := DefaultConfig()
	cfg.TLS.CAFile = filepath.Join(t.TempDir(), "missing.pem")
	if _, err := New(cfg, Options{Name: "es"}); err == nil || !strings.Contains(err.Error(), "missing.pem") {
		t.Errorf("New returned %v", err)
	}
}
