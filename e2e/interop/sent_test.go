package interop

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	gosyslog "gopkg.in/mcuadros/go-syslog.v2"
	"gopkg.in/mcuadros/go-syslog.v2/format"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// receiver is a server of mcuadros/go-syslog, and what it has understood.
type receiver struct {
	form  form
	clock clock

	mu   sync.Mutex
	docs []*document
	bad  error
}

// Handle takes a message of go-syslog.
func (r *receiver) Handle(parts format.LogParts, _ int64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && err.Error() != "End of log line" {
		r.bad = fmt.Errorf("%w in %v", err, parts)
	}
	r.docs = append(r.docs, r.document(parts))
}

// document is what go-syslog says of a message, as a document would.
func (r *receiver) document(parts format.LogParts) *document {
	text := func(keys ...string) string {
		for _, key := range keys {
			if s, ok := parts[key].(string); ok {
				return s
			}
		}
		return ""
	}
	d := &document{Message: text("message", "content")}
	d.Host.Name, d.Labels.Format = text("hostname"), r.form.label
	d.Timestamp, _ = parts["timestamp"].(time.Time)
	if r.clock.tag != "" {
		d.Tags = []string{r.clock.tag}
		// It takes a time without a zone for one of UTC.
		at := d.Timestamp
		d.Timestamp = time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, time.Local)
	}
	s := &d.Log.Syslog
	s.Hostname, s.AppName, s.ProcID, s.MsgID = d.Host.Name, text("app_name", "tag"), text("proc_id"), text("msg_id")
	facility, _ := parts["facility"].(int)
	severity, _ := parts["severity"].(int)
	s.Facility.Code, s.Severity.Code = &facility, &severity
	if element, ok := strings.CutPrefix(text("structured_data"), "["+r.form.element+" "+r.form.param+`="`); ok {
		s.StructuredData = map[string]map[string]any{r.form.element: {r.form.param: strings.TrimSuffix(element, `"]`)}}
	}
	return d
}

// listen starts the server, and returns its address.
func (r *receiver) listen(t *testing.T, protocol string, config *tls.Config) string {
	t.Helper()
	addr := proc.FreeAddr(t)
	server := gosyslog.NewServer()
	server.SetFormat(gosyslog.Automatic)
	server.SetHandler(r)
	var err error
	switch protocol {
	case "udp":
		err = server.ListenUDP(addr)
	case "tcp":
		err = server.ListenTCP(addr)
	case "tls":
		err = server.ListenTCPTLS(addr, config)
	}
	if err == nil {
		err = server.Boot()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Kill() })
	return addr
}

// mcuadros/go-syslog is a receiver that shares no code with Syslane. It tells the
// forms and framings apart by itself.
func TestWhatSyslaneSendsIsUnderstood(t *testing.T) {
	ca := peers.NewCA(t)
	certFile, keyFile := ca.Issue(t, serverName)
	clientCert, clientKey := ca.Issue(t, "relay.example.org")
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(ca.File)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	serverTLS := &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}

	input := proc.FreeAddr(t)
	config := fmt.Sprintf("[[input]]\ntype = \"tcp\"\nlisten = %q\n", input)
	tb := table{name: "sent", head: sentHead}
	var receivers []*receiver
	for _, way := range []struct{ name, protocol, more string }{
		{"UDP", "udp", ""},
		{"TCP", "tcp", ""},
		{`TCP, framing = "lf"`, "tcp", `framing = "lf"`},
		{"TLS", "tls", fmt.Sprintf("tls = { cert_file = %q, key_file = %q, ca_file = %q, permitted_peers = [%q] }", clientCert, clientKey, ca.File, serverName)},
	} {
		for _, r := range []*receiver{{form: rfc5424, clock: microseconds}, {form: rfc3164, clock: yearless}} {
			addr := r.listen(t, way.protocol, serverTLS)
			config += fmt.Sprintf("[[output]]\ntype = \"syslog\"\nname = \"o%d\"\ntargets = [%q]\nprotocol = %q\nformat = %q\n%s\n",
				len(receivers), addr, way.protocol, r.form.label, way.more)
			receivers = append(receivers, r)
			tb.rows = append(tb.rows, row{program: "mcuadros/go-syslog.v2", way: way.name, form: r.form, clock: r.clock})
		}
	}
	syslane.Start(t, "relay", config)
	messages := sample("sent")
	conn, err := net.Dial("tcp", input)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, m := range messages {
		if _, err := conn.Write([]byte(m.line())); err != nil {
			t.Fatal(err)
		}
	}
	for i, r := range receivers {
		want := in(r.form, messages)
		if r.form == rfc3164 {
			for n := range want {
				want[n].pid = "" // go-syslog leaves it out
				// Structured data, which has no place of its own, goes before the text.
				want[n].text = fmt.Sprintf("[test@32473 number=%q] %s", messages[n].number, messages[n].text)
			}
		}
		await.Until(t, arrival, tb.rows[i].String(), func() error {
			r.mu.Lock()
			defer r.mu.Unlock()
			if len(r.docs) < len(want) {
				return fmt.Errorf("%d of %d messages are there", len(r.docs), len(want))
			}
			return nil
		})
		r.mu.Lock()
		if r.bad != nil {
			t.Errorf("%s: %v", tb.rows[i], r.bad)
		}
		j := judge{form: r.form, clock: r.clock}
		tb.rows[i].found = j.compare(want, r.docs)
		for _, fault := range j.faults {
			t.Errorf("%s: %s", tb.rows[i], fault)
		}
		r.mu.Unlock()
	}
	tb.check(t, !t.Failed())
}
