package tcp

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/inputs/inputtest"
	"github.com/syslane/syslane/internal/tlsconf"
)

func TestRsyslogDeliversEachMessageOnceInEveryWayThatItHas(t *testing.T) {
	const n = 5000
	site := newSite(t)
	certPEM, err := os.ReadFile(site.path("relay.pem"))
	if err != nil {
		t.Fatal(err)
	}
	fingerprint, err := tlsconf.FingerprintPEM(certPEM)
	if err != nil {
		t.Fatal(err)
	}
	byFingerprint, err := tlsconf.Server(tlsconf.Options{Name: "test", CertFile: site.path("server.pem"), KeyFile: site.path("server-key.pem"),
		PermittedPeers: []string{fingerprint}})
	if err != nil {
		t.Fatal(err)
	}
	mutual := Config{TLS: site.server(t, true)}
	secure := func(driver string) string {
		return fmt.Sprintf(` StreamDriver=%q StreamDriverMode="1" StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="server.example.net"`, driver)
	}
	for _, c := range []struct {
		name, action string
		cfg          Config
		identity     string
	}{
		{"lines", ``, Config{}, ""},
		{"octet-counted", ` TCP_Framing="octet-counted"`, Config{}, ""},
		{"compressed", ` compression.mode="stream:always" ziplevel="6"`, Config{Compression: CompressionZlib}, ""},
		{"compressed octet-counted", ` compression.mode="stream:always" ziplevel="9" TCP_Framing="octet-counted"`, Config{Compression: CompressionZlib}, ""},
		{"tls gnutls", secure("gtls"), mutual, "relay1.example.net"},
		{"tls gnutls octet-counted", secure("gtls") + ` TCP_Framing="octet-counted"`, mutual, "relay1.example.net"},
		{"tls openssl", secure("ossl"), mutual, "relay1.example.net"},
		{"tls by fingerprint", secure("ossl") + ` TCP_Framing="octet-counted"`, Config{TLS: byFingerprint}, fingerprint},
	} {
		for _, form := range []string{"RSYSLOG_SyslogProtocol23Format", "RSYSLOG_TraditionalForwardFormat"} {
			t.Run(c.name+" "+form, func(t *testing.T) {
				s := &inputtest.Sink{}
				in, stopInput := start(t, c.cfg, s)
				globals := ""
				if c.cfg.TLS != nil {
					globals = fmt.Sprintf("DefaultNetstreamDriverCAFile=%q DefaultNetstreamDriverCertFile=%q DefaultNetstreamDriverKeyFile=%q",
						site.path("ca.pem"), site.path("relay.pem"), site.path("relay-key.pem"))
				}
				rsyslog := peers.StartRsyslog(t, peers.RsyslogConfig{Global: globals,
					Actions: peers.Forward("tcp", in.Addr().String(), fmt.Sprintf("template=%q", form)+c.action)})
				c1, err := net.Dial("tcp", rsyslog.Input)
				if err != nil {
					t.Fatal(err)
				}
				var b []byte
				for i := range n {
					b = fmt.Appendf(b, "<134>1 2026-01-02T03:04:05.678901Z host app 1 - - message number %08d\n", i)
				}
				write(t, c1, b)
				c1.Close()
				inputtest.Eventually(t, "all messages", func() bool { return s.Count() >= n })
				if err := rsyslog.Stop(30 * time.Second); err != nil {
					t.Error(err)
				}
				stopInput()
				for i, m := range s.All() {
					if !strings.HasPrefix(m.Text, "<134>") || !strings.HasSuffix(m.Text, fmt.Sprintf("message number %08d", i)) || m.Warnings != 0 {
						t.Fatalf("message %d is %q, warnings %v", i, m.Text, m.Warnings.Names(nil))
					}
				}
				if got := s.Count(); got != n {
					t.Errorf("%d messages, want %d", got, n)
				}
				if got := s.Origins()[0].Identity; got != c.identity {
					t.Errorf("identity is %q, want %q", got, c.identity)
				}
			})
		}
	}
}
