package tlsconf

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
)

// authority makes certificates for a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{key: newKey(t)}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

// identity is a certificate in files.
type identity struct{ cert, key, fingerprint string }

// issue writes a certificate for the names into dir; a nil authority signs itself.
func (a *authority) issue(t *testing.T, dir string, change func(*x509.Certificate)) identity {
	t.Helper()
	key := newKey(t)
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{SerialNumber: serial,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	change(template)
	parent, signer := template, key
	if a != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	id := identity{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), Fingerprint(cert)}
	writeFile(t, id.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	writeFile(t, id.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	return id
}

func names(dns ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = dns }
}

func writeFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// shake makes a handshake and one octet of traffic between two configurations. It
// returns the identity that the server saw and the errors of both sides.
func shake(t *testing.T, server, client *tls.Config) (seen string, serverErr, clientErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var serving sync.WaitGroup
	serving.Go(func() {
		nc, err := l.Accept()
		if err != nil {
			serverErr = err
			return
		}
		defer nc.Close()
		tc := tls.Server(nc, server)
		tc.SetDeadline(time.Now().Add(10 * time.Second))
		if serverErr = tc.Handshake(); serverErr != nil {
			return
		}
		seen = Identity(tc.ConnectionState())
		_, serverErr = tc.Write([]byte{1})
	})
	if client.ServerName == "" {
		client = client.Clone()
		client.ServerName = "server.example.net"
	}
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	tc := tls.Client(nc, client)
	tc.SetDeadline(time.Now().Add(10 * time.Second))
	_, clientErr = io.ReadFull(tc, make([]byte, 1))
	serving.Wait()
	return seen, serverErr, clientErr
}

func mustServer(t *testing.T, o Options) *tls.Config {
	t.Helper()
	c, err := Server(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustClient(t *testing.T, o Options) *tls.Config {
	t.Helper()
	c, err := ClientConfig(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPeersAreAuthenticatedByPathNameAndFingerprint(t *testing.T) {
	dir := t.TempDir()
	ca, other := newAuthority(t), newAuthority(t)
	caFile, otherFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "other.pem")
	writeFile(t, caFile, ca.pem)
	writeFile(t, otherFile, other.pem)
	server := ca.issue(t, dir+"/server", names("server.example.net"))
	relay := ca.issue(t, dir+"/relay", names("relay1.example.net", "alias.example.net"))
	stranger := other.issue(t, dir+"/stranger", names("relay1.example.net"))
	selfSigned := (*authority)(nil).issue(t, dir+"/self", names("self.example.net"))
	onlyCN := ca.issue(t, dir+"/cn", func(c *x509.Certificate) { c.Subject.CommonName = "old.example.net" })
	expired := ca.issue(t, dir+"/expired", func(c *x509.Certificate) {
		c.DNSNames, c.NotAfter = []string{"relay1.example.net"}, time.Now().Add(-time.Minute)
	})
	byAddress := ca.issue(t, dir+"/ip", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(10, 1, 2, 3)} })

	// f checks what becomes of a client; want is the identity, or "!" and a part
	// of the server's error.
	f := func(o Options, client identity, want string) {
		t.Helper()
		o.CertFile, o.KeyFile = server.cert, server.key
		clientOptions := Options{CAFile: caFile, CertFile: client.cert, KeyFile: client.key}
		seen, serverErr, clientErr := shake(t, mustServer(t, o), mustClient(t, clientOptions))
		if part, refused := strings.CutPrefix(want, "!"); refused {
			if serverErr == nil || clientErr == nil || !strings.Contains(serverErr.Error(), part) {
				t.Errorf("errors %v and %v, want a server's with %q", serverErr, clientErr, part)
			}
			return
		}
		if serverErr != nil || clientErr != nil || seen != want {
			t.Errorf("identity %q, errors %v, %v; want %q", seen, serverErr, clientErr, want)
		}
	}
	f(Options{}, identity{}, "")
	f(Options{}, relay, "") // not asked for
	f(Options{ClientAuth: ClientAuthNone, CAFile: caFile}, identity{}, "")
	f(Options{CAFile: caFile}, identity{}, "!didn't provide a certificate")
	f(Options{CAFile: caFile}, relay, "relay1.example.net")
	f(Options{CAFile: caFile}, stranger, "!unknown authority")
	f(Options{CAFile: caFile}, selfSigned, "!unknown authority")
	f(Options{CAFile: caFile}, expired, "!expired")
	f(Options{CAFile: caFile}, onlyCN, "old.example.net")
	f(Options{CAFile: caFile}, byAddress, "10.1.2.3")

	f(Options{CAFile: caFile, PermittedPeers: []string{"relay1.example.net"}}, relay, "relay1.example.net")
	f(Options{CAFile: caFile, PermittedPeers: []string{"RELAY1.Example.NET."}}, relay, "relay1.example.net")
	f(Options{CAFile: caFile, PermittedPeers: []string{"alias.example.net"}}, relay, "relay1.example.net")
	f(Options{CAFile: caFile, PermittedPeers: []string{"*.example.net"}}, relay, "relay1.example.net")
	f(Options{CAFile: caFile, PermittedPeers: []string{"old.example.net"}}, onlyCN, "old.example.net")
	f(Options{CAFile: caFile, PermittedPeers: []string{"10.1.2.3"}}, byAddress, "10.1.2.3")
	f(Options{CAFile: caFile, PermittedPeers: []string{"*.net"}}, relay, "!permitted_peers")
	f(Options{CAFile: caFile, PermittedPeers: []string{"relay2.example.net"}}, relay, "!permitted_peers")
	f(Options{CAFile: caFile, PermittedPeers: []string{"relay1.example.net"}}, stranger, "!unknown authority")
	f(Options{CAFile: otherFile, PermittedPeers: []string{"relay1.example.net"}}, stranger, "relay1.example.net")

	f(Options{PermittedPeers: []string{selfSigned.fingerprint}}, selfSigned, selfSigned.fingerprint)
	f(Options{PermittedPeers: []string{strings.ToLower(selfSigned.fingerprint)}}, selfSigned, selfSigned.fingerprint)
	f(Options{PermittedPeers: []string{selfSigned.fingerprint}}, relay, "!permitted_peers")
	f(Options{PermittedPeers: []string{selfSigned.fingerprint}}, identity{}, "!didn't provide a certificate")
	f(Options{PermittedPeers: []string{selfSigned.fingerprint, relay.fingerprint}}, relay, relay.fingerprint)
	// with a CA a fingerprint narrows, it does not widen
	f(Options{CAFile: caFile, PermittedPeers: []string{selfSigned.fingerprint}}, selfSigned, "!unknown authority")
	f(Options{CAFile: caFile, PermittedPeers: []string{relay.fingerprint}}, relay, "relay1.example.net")

	// g checks what a client thinks of the server.
	g := func(o Options, server identity, want string) {
		t.Helper()
		_, _, err := shake(t, mustServer(t, Options{CertFile: server.cert, KeyFile: server.key}), mustClient(t, o))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
	g(Options{CAFile: caFile}, server, "")
	g(Options{CAFile: otherFile}, server, "unknown authority")
	g(Options{CAFile: caFile}, relay, "not server.example.net")
	g(Options{CAFile: caFile, ServerName: "alias.example.net"}, relay, "")
	g(Options{CAFile: caFile, PermittedPeers: []string{"relay1.example.net"}}, relay, "")
	g(Options{CAFile: caFile, PermittedPeers: []string{"server.example.net"}}, relay, "permitted_peers")
	g(Options{CAFile: caFile, PermittedPeers: []string{"relay1.example.net"}}, stranger, "unknown authority")
	g(Options{PermittedPeers: []string{selfSigned.fingerprint}}, selfSigned, "")
	g(Options{PermittedPeers: []string{selfSigned.fingerprint}}, server, "permitted_peers")
	g(Options{CAFile: caFile, PermittedPeers: []string{selfSigned.fingerprint}}, selfSigned, "unknown authority")
	g(Options{CAFile: caFile, PermittedPeers: []string{server.fingerprint}}, server, "")
	g(Options{CAFile: caFile}, expired, "expired")
}

func TestVersionsAndCiphersAreThoseOfRFC9662(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t)
	caFile := filepath.Join(dir, "ca.pem")
	writeFile(t, caFile, ca.pem)
	id := ca.issue(t, dir, names("server.example.net"))
	f := func(min string, client *tls.Config, ok bool) {
		t.Helper()
		client.RootCAs = x509.NewCertPool()
		client.RootCAs.AddCert(ca.cert)
		_, _, err := shake(t, mustServer(t, Options{CertFile: id.cert, KeyFile: id.key, MinVersion: min}), client)
		if (err == nil) != ok {
			t.Errorf("min_version %q: %v", min, err)
		}
	}
	f("", &tls.Config{}, true)
	f("", &tls.Config{MaxVersion: tls.VersionTLS12}, true)
	f("", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, false)
	f("", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}}, false)
	f("1.3", &tls.Config{}, true)
	f("1.3", &tls.Config{MaxVersion: tls.VersionTLS12}, false)
}

func TestMistakesInTheOptionsNameWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t)
	caFile := filepath.Join(dir, "ca.pem")
	writeFile(t, caFile, ca.pem)
	id := ca.issue(t, dir+"/a", names("a"))
	other := ca.issue(t, dir+"/b", names("b"))
	text := filepath.Join(dir, "text")
	writeFile(t, text, []byte("hello"))
	locked := filepath.Join(dir, "locked.pem")
	writeFile(t, locked, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}))

	f := func(o Options, want string) {
		t.Helper()
		if o.CertFile == "" {
			o.CertFile = id.cert
		}
		if o.KeyFile == "" {
			o.KeyFile = id.key
		}
		if _, err := Server(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one with %q", err, want)
		}
	}
	missing := filepath.Join(dir, "none.pem")
	f(Options{CertFile: missing}, "cert_file: open "+missing)
	f(Options{KeyFile: missing}, "key_file: open "+missing)
	f(Options{CAFile: missing}, "ca_file: open "+missing)
	f(Options{CAFile: dir}, "ca_file")
	f(Options{CertFile: text}, "cert_file "+text)
	f(Options{KeyFile: text}, "key_file "+text)
	f(Options{KeyFile: locked}, "encrypted")
	f(Options{KeyFile: other.key}, "cert_file "+id.cert+" and key_file "+other.key)
	f(Options{CAFile: text}, "ca_file "+text)
	f(Options{MinVersion: "1.1"}, "min_version")
	f(Options{ClientAuth: "yes"}, "client_auth")
	f(Options{ClientAuth: ClientAuthRequire}, "ca_file")
	f(Options{ClientAuth: ClientAuthNone, PermittedPeers: []string{"a"}}, "permitted_peers")
	f(Options{PermittedPeers: []string{"a"}}, "ca_file")
	f(Options{PermittedPeers: []string{"SHA1:00"}}, "SHA256")
	f(Options{PermittedPeers: []string{"SHA256:00"}}, "32 octets")
	f(Options{PermittedPeers: []string{"a.*.b"}}, "permitted_peers")
	f(Options{ServerName: "a"}, "server_name")
	if _, err := Server(Options{Name: "input x"}); err == nil || !strings.Contains(err.Error(), "input x") {
		t.Errorf("error is %v", err)
	}
	if _, err := NewClient(Options{CertFile: id.cert}); err == nil || !strings.Contains(err.Error(), "key_file") {
		t.Errorf("error is %v", err)
	}
	if _, err := NewClient(Options{ClientAuth: "require"}); err == nil || !strings.Contains(err.Error(), "client_auth") {
		t.Errorf("error is %v", err)
	}
}

// checkNow makes the next handshake look at the files.
func checkNow(f *files) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = time.Time{}
}

func TestChangedFilesAreTakenIntoUseAndBadOnesAreNot(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t)
	live := dir + "/live"
	id := ca.issue(t, live, names("one"))
	var log bytes.Buffer
	reg := prometheus.NewRegistry()
	o := Options{CertFile: id.cert, KeyFile: id.key, Name: "input x", Logger: zerolog.New(&log), Registerer: reg}
	f, err := newFiles(o, func(*material) {})
	if err != nil {
		t.Fatal(err)
	}
	current := func() string {
		checkNow(f)
		return f.current().cert.Leaf.DNSNames[0]
	}
	gauge := func(name string) float64 {
		t.Helper()
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			if family.GetName() == name {
				return family.GetMetric()[0].GetGauge().GetValue() + family.GetMetric()[0].GetCounter().GetValue()
			}
		}
		t.Fatalf("no metric %s", name)
		return 0
	}
	if current() != "one" || gauge("syslane_tls_reloads_total") != 0 {
		t.Fatal("reloaded without a change")
	}
	// not before the interval is over
	ca.issue(t, live, names("two"))
	if got := f.current().cert.Leaf.DNSNames[0]; got != "one" {
		t.Errorf("files were looked at before the interval was over: %s", got)
	}
	if got := current(); got != "two" || gauge("syslane_tls_reloads_total") != 1 {
		t.Errorf("certificate %s, want two", got)
	}
	// a certificate without its key, as during a renewal
	next := ca.issue(t, dir+"/next", names("three"))
	if err := os.Rename(next.cert, id.cert); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got := current(); got != "two" || gauge("syslane_tls_reload_failing") != 1 {
			t.Errorf("certificate %s, want two and an alarm", got)
		}
	}
	if n := strings.Count(log.String(), "cannot be used"); n != 1 {
		t.Errorf("the alarm was logged %d times:\n%s", n, log.String())
	}
	if err := os.Rename(next.key, id.key); err != nil {
		t.Fatal(err)
	}
	if got := current(); got != "three" || gauge("syslane_tls_reload_failing") != 0 {
		t.Errorf("certificate %s, want three and no alarm", got)
	}
	// gone, and back as it was
	os.Rename(id.cert, id.cert+".away")
	if got := current(); got != "three" || gauge("syslane_tls_reload_failing") != 1 {
		t.Errorf("certificate %s, want three and an alarm", got)
	}
	os.Rename(id.cert+".away", id.cert)
	if got := current(); got != "three" || gauge("syslane_tls_reload_failing") != 0 {
		t.Errorf("certificate %s, want three and no alarm", got)
	}
	// one that has expired does not replace one that has not
	ca.issue(t, live, func(c *x509.Certificate) {
		c.DNSNames, c.NotAfter = []string{"four"}, time.Now().Add(-time.Minute)
	})
	if got := current(); got != "three" || gauge("syslane_tls_reload_failing") != 1 {
		t.Errorf("certificate %s, want three and an alarm", got)
	}
	if n, err := testutil.GatherAndCount(reg, "syslane_tls_certificate_expiry_timestamp_seconds"); n != 1 || err != nil {
		t.Errorf("expiry metric: %d, %v", n, err)
	}
}

func TestASymbolicLinkThatIsSwungIsAChange(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t)
	ca.issue(t, dir+"/v1", names("one"))
	ca.issue(t, dir+"/v2", names("two"))
	link := filepath.Join(dir, "current")
	if err := os.Symlink("v1", link); err != nil {
		t.Fatal(err)
	}
	f, err := newFiles(Options{CertFile: link + "/cert.pem", KeyFile: link + "/key.pem"}, func(*material) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("v2", link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
	checkNow(f)
	if got := f.current().cert.Leaf.DNSNames[0]; got != "two" {
		t.Errorf("certificate %s, want two", got)
	}
}

func TestFilesThatAreJustBeingReplacedAreReadOnceTheyAreAPair(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t)
	ca.issue(t, dir+"/v1", names("one"))
	ca.issue(t, dir+"/v2", names("two"))
	key, err := os.ReadFile(dir + "/v2/key.pem")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{CertFile: dir + "/v2/cert.pem", KeyFile: dir + "/v1/key.pem"}
	if _, err := newFiles(o, func(*material) {}); !errors.Is(err, errNoPair) {
		t.Fatalf("files that are no pair: %v", err)
	}
	replaced := time.AfterFunc(pairPause/2, func() {
		os.WriteFile(dir+"/v1/key.new", key, 0o600)
		os.Rename(dir+"/v1/key.new", dir+"/v1/key.pem")
	})
	defer replaced.Stop()
	if _, err := newFiles(o, func(*material) {}); err != nil {
		t.Error(err)
	}
}

func TestARenewedCertificateAndCAServeNewHandshakes(t *testing.T) {
	dir := t.TempDir()
	first, second := newAuthority(t), newAuthority(t)
	caFile := filepath.Join(dir, "ca.pem")
	writeFile(t, caFile, first.pem)
	server := first.issue(t, dir+"/server", names("server.example.net"))
	relay := first.issue(t, dir+"/relay", names("relay.example.net"))
	config := mustServer(t, Options{CertFile: server.cert, KeyFile: server.key, CAFile: caFile})
	client := mustClient(t, Options{CAFile: caFile, CertFile: relay.cert, KeyFile: relay.key})
	if _, _, err := shake(t, config, client); err != nil {
		t.Fatal(err)
	}
	writeFile(t, caFile, second.pem)
	second.issue(t, dir+"/server", names("server.example.net"))
	second.issue(t, dir+"/relay", names("relay.example.net"))
	fresh := mustClient(t, Options{CAFile: caFile, CertFile: relay.cert, KeyFile: relay.key})
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		seen, _, err := shake(t, config, fresh)
		if err == nil && seen == "relay.example.net" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the new certificate is not in use: %v", err)
		}
	}
}

// A client that was made before the CA file was renewed goes by what it holds then, and
// verifies names and addresses as before.
func TestAClientVerifiesByTheCAFileOfNow(t *testing.T) {
	dir := t.TempDir()
	caFile := filepath.Join(dir, "ca.pem")
	address := func(ip string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP(ip)} }
	}
	f := func(host string, o Options, good, bad func(*x509.Certificate), refusal string) {
		t.Helper()
		first, second := newAuthority(t), newAuthority(t)
		writeFile(t, caFile, first.pem)
		serverOf := func(a *authority, change func(*x509.Certificate)) *tls.Config {
			id := a.issue(t, t.TempDir(), change)
			return mustServer(t, Options{CertFile: id.cert, KeyFile: id.key})
		}
		old, renewed, other := serverOf(first, good), serverOf(second, good), serverOf(second, bad)
		o.CAFile = caFile
		client, err := NewClient(o)
		if err != nil {
			t.Fatal(err)
		}
		expect := func(server *tls.Config, want string) {
			t.Helper()
			_, _, err := shake(t, server, client.Config(host))
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("host %q, %+v: the error is %v, want %q", host, o, err, want)
			}
		}
		expect(old, "")
		expect(renewed, "unknown authority")
		writeFile(t, caFile, second.pem)
		checkNow(client.files)
		expect(renewed, "")
		expect(old, "unknown authority")
		expect(other, refusal)
	}
	f("server.example.net", Options{}, names("server.example.net"), names("other.example.net"), "not server.example.net")
	f("127.0.0.1", Options{}, address("127.0.0.1"), address("10.1.2.3"), "not 127.0.0.1")
	f("::1", Options{}, address("::1"), names("server.example.net"), "cannot validate certificate for ::1")
	f("127.0.0.1", Options{ServerName: "server.example.net"}, names("server.example.net"), address("127.0.0.1"), "not valid for any names")
	f("127.0.0.1", Options{PermittedPeers: []string{"server.example.net"}}, names("server.example.net"), address("127.0.0.1"), "permitted_peers")
}

func TestNamesMatchWithALeftMostWildcard(t *testing.T) {
	f := func(pattern, name string, want bool) {
		t.Helper()
		if got := matchName(pattern, name); got != want {
			t.Errorf("%s matches %s: %v", pattern, name, got)
		}
	}
	f("a.example.net", "a.example.net", true)
	f("a.example.net", "b.example.net", false)
	f("*.example.net", "a.example.net", true)
	f("*.example.net", "a.b.example.net", false)
	f("*.example.net", "example.net", false)
	f("*.example.net", ".example.net", false)
	f("*.example.net", "*.example.net", true)
	f("*", "a", false)
}
