package tcp

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/syslane/syslane/inputs/inputtest"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/tlsconf"
)

// site is a CA with a server's and a client's certificate in files.
type site struct {
	dir       string
	authority *tlsconf.Authority
}

func newSite(t testing.TB) *site {
	t.Helper()
	a, err := tlsconf.NewAuthority("test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t.TempDir(), a}
	cert, key, err := a.PEM()
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "ca", cert, key)
	s.issue(t, "server", "server.example.net", "127.0.0.1")
	s.issue(t, "relay", "relay1.example.net")
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) write(t testing.TB, name string, cert, key []byte) {
	t.Helper()
	for suffix, text := range map[string][]byte{".pem": cert, "-key.pem": key} {
		if err := os.WriteFile(s.path(name+suffix+".new"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(s.path(name+suffix+".new"), s.path(name+suffix)); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *site) issue(t testing.TB, name string, names ...string) {
	t.Helper()
	cert, key, err := s.authority.Issue(names, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, name, cert, key)
}

// server returns the TLS configuration of the input.
func (s *site) server(t testing.TB, mutual bool) *tls.Config {
	t.Helper()
	o := tlsconf.Options{Name: "test", CertFile: s.path("server.pem"), KeyFile: s.path("server-key.pem")}
	if mutual {
		o.CAFile, o.PermittedPeers = s.path("ca.pem"), []string{"*.example.net"}
	}
	c, err := tlsconf.Server(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// client returns the TLS configuration of a peer.
func (s *site) client(t testing.TB, name string) *tls.Config {
	t.Helper()
	o := tlsconf.Options{Name: "test", CAFile: s.path("ca.pem")}
	if name != "" {
		o.CertFile, o.KeyFile = s.path(name+".pem"), s.path(name+"-key.pem")
	}
	c, err := tlsconf.ClientConfig(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func dialTLS(t testing.TB, in *Input, c *tls.Config) *tls.Conn {
	t.Helper()
	nc, err := tls.Dial("tcp", in.Addr().String(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

func TestTLSCarriesMixedFramesAndTheIdentityOfThePeer(t *testing.T) {
	site := newSite(t)
	s := &inputtest.Sink{}
	in, stop := start(t, Config{TLS: site.server(t, true)}, s)
	c := dialTLS(t, in, site.client(t, "relay"))
	stream, want := mixed(1000)
	write(t, c, stream)
	c.Close()
	inputtest.Eventually(t, "all messages", func() bool { return s.Count() == len(want) })
	stop()
	if !slices.Equal(s.All(), want) {
		t.Error("other messages than were sent")
	}
	for _, o := range s.Origins() {
		if o.Identity != "relay1.example.net" || o.Source.String() != c.LocalAddr().String() {
			t.Fatalf("origin is %v", o)
		}
	}
}

func TestTLSWithoutClientCertificatesHasNoIdentity(t *testing.T) {
	site := newSite(t)
	s := &inputtest.Sink{}
	in, stop := start(t, Config{TLS: site.server(t, false)}, s)
	write(t, dialTLS(t, in, site.client(t, "")), []byte("<13>a\n"))
	inputtest.Eventually(t, "the message", func() bool { return s.Has("<13>a") })
	stop()
	if s.Origins()[0].Identity != "" {
		t.Errorf("identity is %q", s.Origins()[0].Identity)
	}
}

// One stuck TLS client must not stall all.
func TestAThousandHalfHandshakesAndStoppedClientsHoldNobodyUp(t *testing.T) {
	if testing.Short() {
		t.Skip("opens a thousand connections")
	}
	site := newSite(t)
	s := &inputtest.Sink{}
	reg := prometheus.NewRegistry()
	// A client that one half handshake held up would wait this long.
	const handshake = 6 * time.Second
	in, stop := start(t, Config{TLS: site.server(t, false), HandshakeTimeout: handshake,
		MaxConnectionsPerAddress: -1, Registerer: reg}, s)
	config := site.client(t, "")
	hello := clientHello(t)
	for i := range 1000 {
		c := dial(t, in)
		// nothing at all, half a ClientHello, or a whole one and then silence
		write(t, c, hello[:i%3*len(hello)/2])
	}
	for range 100 { // handshake made, a message begun, then nothing
		write(t, dialTLS(t, in, config), []byte("<13>never ended"))
	}
	var most time.Duration
	for i := range 20 {
		begin := time.Now()
		c := dialTLS(t, in, config)
		text := fmt.Sprintf("<13>message %d", i)
		write(t, c, []byte(text+"\n"))
		inputtest.Eventually(t, "the message of a good client", func() bool { return s.Has(text) })
		took := time.Since(begin)
		if most = max(most, took); took > handshake-time.Second {
			t.Errorf("a good client waited %v", took)
		}
	}
	t.Logf("a good client waited at most %v", most.Round(time.Millisecond))
	inputtest.Eventually(t, "the ends of the half handshakes", func() bool {
		return inputtest.Metric(t, reg, "syslane_input_tls_handshake_failures_total", "timeout") == 1000
	})
	if n := inputtest.Metric(t, reg, "syslane_input_connections", ""); n != 120 {
		t.Errorf("%v connections open, want 120", n)
	}
	stop()
}

// clientHello returns the first octets that a TLS client sends.
func clientHello(t *testing.T) []byte {
	t.Helper()
	near, far := net.Pipe()
	go tls.Client(near, &tls.Config{ServerName: "x"}).Handshake()
	defer near.Close()
	defer far.Close()
	b := make([]byte, 4096)
	n, err := far.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

func TestFailedHandshakesAreCountedByReason(t *testing.T) {
	site, other := newSite(t), newSite(t)
	s := &inputtest.Sink{}
	reg := prometheus.NewRegistry()
	in, _ := start(t, Config{TLS: site.server(t, true), HandshakeTimeout: 2 * time.Second, Registerer: reg}, s)
	count := func(reason string) func() bool {
		return func() bool {
			return inputtest.Metric(t, reg, "syslane_input_tls_handshake_failures_total", reason) == 1
		}
	}
	// attempt makes a handshake, which the server may refuse only after the client is done.
	attempt := func(c *tls.Config) {
		nc, err := tls.Dial("tcp", in.Addr().String(), c)
		if err == nil {
			nc.Read(make([]byte, 1))
			nc.Close()
		}
	}
	write(t, dial(t, in), []byte("<13>plain text\n"))
	inputtest.Eventually(t, "not_tls", count("not_tls"))
	dial(t, in)
	inputtest.Eventually(t, "timeout", count("timeout"))
	dial(t, in).Close()
	inputtest.Eventually(t, "closed", count("closed"))
	attempt(site.client(t, ""))
	inputtest.Eventually(t, "no_certificate", count("no_certificate"))
	foreign := other.client(t, "relay")
	foreign.RootCAs = site.client(t, "").RootCAs
	attempt(foreign)
	inputtest.Eventually(t, "bad_certificate", count("bad_certificate"))
	site.issue(t, "stranger", "stranger.example.com")
	attempt(site.client(t, "stranger"))
	inputtest.Eventually(t, "not_permitted", count("not_permitted"))
	attempt(other.client(t, "relay"))
	inputtest.Eventually(t, "refused_by_peer", count("refused_by_peer"))
	attempt(&tls.Config{RootCAs: foreign.RootCAs, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	inputtest.Eventually(t, "protocol", count("protocol"))
	// and after all of them a good one
	write(t, dialTLS(t, in, site.client(t, "relay")), []byte("<13>good\n"))
	inputtest.Eventually(t, "the good message", func() bool { return s.Has("<13>good") })
}

// A renewal of certificates must need no restart.
func TestCertificatesRotateUnderLoad(t *testing.T) {
	site := newSite(t)
	s := &inputtest.Sink{}
	in, stop := start(t, Config{TLS: site.server(t, false)}, s)
	serial := func(c *tls.Conn) string { return c.ConnectionState().PeerCertificates[0].SerialNumber.String() }
	config := site.client(t, "")
	old := dialTLS(t, in, config)
	done := make(chan struct{})
	var load sync.WaitGroup
	sent := 0
	load.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			c, err := tls.Dial("tcp", in.Addr().String(), config)
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprintf(c, "<13>load %d\n", sent)
			c.Close()
			sent++
		}
	})
	site.issue(t, "server", "server.example.net", "127.0.0.1")
	inputtest.Eventually(t, "a handshake with the new certificate", func() bool {
		c := dialTLS(t, in, config)
		defer c.Close()
		return serial(c) != serial(old)
	})
	if err := os.WriteFile(site.path("server.pem"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); {
		c := dialTLS(t, in, config)
		if serial(c) == serial(old) {
			t.Fatal("the first certificate came back")
		}
		c.Close()
	}
	close(done)
	load.Wait()
	write(t, old, []byte("<13>the old connection lives\n"))
	inputtest.Eventually(t, "all messages", func() bool { return s.Count() == sent+1 })
	stop()
}

func TestManyRecordsBecomeOneBatch(t *testing.T) {
	site := newSite(t)
	s := &inputtest.Sink{Gate: make(chan struct{})}
	in, stop := start(t, Config{TLS: site.server(t, false)}, s)
	c := dialTLS(t, in, site.client(t, ""))
	write(t, c, []byte("<13>first\n"))
	line := append(bytes.Repeat([]byte("x"), 999), '\n')
	for range 1000 {
		write(t, c, line)
	}
	submits := 0
	for s.Count() < 1001 {
		select {
		case s.Gate <- struct{}{}:
			submits++
		case <-time.After(time.Millisecond):
		}
	}
	close(s.Gate)
	stop()
	// A record for each line would be 1,001 submits; the buffer grows from 4 KiB.
	if submits > 60 {
		t.Errorf("%d submits for 1,001 messages", submits)
	}
}

func TestATLSPeerSeesTheEndOfTheInputAsAnOrderlyClose(t *testing.T) {
	site := newSite(t)
	s := &inputtest.Sink{}
	in, stop := start(t, Config{TLS: site.server(t, false)}, s)
	c := dialTLS(t, in, site.client(t, ""))
	write(t, c, []byte("<13>a\n"))
	inputtest.Eventually(t, "the message", func() bool { return s.Has("<13>a") })
	ended := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		c.Write([]byte("<13>last\n"))
		c.Close()
		ended <- err
	}()
	stop()
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("the peer read %v, want EOF", err)
	}
	if !s.Has("<13>last") {
		t.Error("what the peer sent while the input ended is missing")
	}
}

func TestATLSStreamIsCutAtItsEndOnly(t *testing.T) {
	site := newSite(t)
	s := &inputtest.Sink{}
	in, _ := start(t, Config{TLS: site.server(t, false)}, s)
	c := dialTLS(t, in, site.client(t, ""))
	for _, b := range []byte("<13>a\n7 <13>abc<13>cut") {
		write(t, c, []byte{b}) // a record for each octet
	}
	c.Close()
	inputtest.Eventually(t, "three messages", func() bool { return s.Count() == 3 })
	want := []inputtest.Message{{Text: "<13>a"}, {Text: "<13>abc"}, {Text: "<13>cut", Warnings: syslog.WarnUnterminated}}
	if !slices.Equal(s.All(), want) {
		t.Errorf("got %v", s.All())
	}
}
