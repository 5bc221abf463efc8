package tcp

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/internal/tlsconf"
)

// startRsyslog runs a real rsyslogd that takes TCP and forwards with an omfwd
// action, and returns the address of its input. Without rsyslogd it skips, but
// not under CI.
func startRsyslog(t *testing.T, globals, action string) (address string, stop func()) {
	t.Helper()
	path := peers.Find(t, peers.Rsyslogd)
	dir := t.TempDir()
	conf := filepath.Join(dir, "rsyslog.conf")
	text := fmt.Sprintf(`
global(workDirectory=%q)
%s
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName=%q)
%s
`, dir, globals, dir+"/port", action)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	cmd := exec.Command(path, "-n", "-f", conf, "-i", dir+"/pid")
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		kill.Stop()
		if t.Failed() {
			t.Logf("rsyslogd: %s", output.Bytes())
		}
	}
	t.Cleanup(stop)
	eventually(t, "rsyslogd listens", func() bool {
		b, err := os.ReadFile(dir + "/port")
		address = "127.0.0.1:" + strings.TrimSpace(string(b))
		if err != nil || len(bytes.TrimSpace(b)) == 0 {
			return false
		}
		// It writes the file when it has bound the port, before it listens.
		c, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
	return address, stop
}

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
				s := &sink{}
				in, stopInput := start(t, c.cfg, s)
				host, port, err := net.SplitHostPort(in.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				globals := ""
				if c.cfg.TLS != nil {
					globals = fmt.Sprintf("global(DefaultNetstreamDriverCAFile=%q DefaultNetstreamDriverCertFile=%q DefaultNetstreamDriverKeyFile=%q)",
						site.path("ca.pem"), site.path("relay.pem"), site.path("relay-key.pem"))
				}
				address, stop := startRsyslog(t, globals, fmt.Sprintf(`action(type="omfwd" target=%q port=%q protocol="tcp" template=%q action.resumeRetryCount="-1" action.resumeInterval="1"%s)`, host, port, form, c.action))
				c1, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				var b []byte
				for i := range n {
					b = fmt.Appendf(b, "<134>1 2026-01-02T03:04:05.678901Z host app 1 - - message number %08d\n", i)
				}
				write(t, c1, b)
				c1.Close()
				eventually(t, "all messages", func() bool { return len(s.all()) >= n })
				stop()
				stopInput()
				for i, m := range s.all() {
					if !strings.HasPrefix(m.text, "<134>") || !strings.HasSuffix(m.text, fmt.Sprintf("message number %08d", i)) || m.warnings != 0 {
						t.Fatalf("message %d is %q, warnings %v", i, m.text, m.warnings.Names(nil))
					}
				}
				if got := len(s.all()); got != n {
					t.Errorf("%d messages, want %d", got, n)
				}
				if got := s.origins[0].Identity; got != c.identity {
					t.Errorf("identity is %q, want %q", got, c.identity)
				}
			})
		}
	}
}
