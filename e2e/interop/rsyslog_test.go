package interop

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/syslane/syslane/e2e/peers"
)

// forwarded is a row of a daemon that takes messages and forwards those with the
// row's marker as its action says.
type forwarded struct {
	row
	action   string
	messages []message
}

// forwards are the rows of one daemon.
type forwards struct {
	program string
	rows    []forwarded
}

// add adds a row; action makes what the daemon's configuration says of it.
func (f *forwards) add(way string, form form, clock clock, input, action string) {
	f.rows = append(f.rows, forwarded{
		row:    row{program: f.program, way: way, form: form, input: input, clock: clock},
		action: action, messages: sample(marker(f.program, len(f.rows))),
	})
}

func marker(program string, n int) string { return fmt.Sprintf("%s-%02d", program, n) }

// run sends each row's messages to the daemon at addr.
func (f *forwards) run(l *lab, t *testing.T, addr string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, r := range f.rows {
		l.row(t, r.row, in(r.form, r.messages), func() {
			for _, m := range r.messages {
				if _, err := conn.Write([]byte(m.line())); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// rsyslog: one rsyslogd, which picks a row's action by its marker.
func (l *lab) rsyslog(t *testing.T) {
	f := forwards{program: "rsyslog"}
	const (
		protocol23 = ` template="RSYSLOG_SyslogProtocol23Format"`
		full       = ` template="RSYSLOG_ForwardFormat"`
	)
	// Without a template omfwd and omuxsock write RFC 3164 as it was in 2001, and
	// omrelp with the full time.
	omfwd := func(way, protocol, addr, input, more string) {
		f.add(way, rfc5424, microseconds, input, peers.Forward(protocol, addr, protocol23+more))
		f.add(way, rfc3164Full, microseconds, input, peers.Forward(protocol, addr, full+more))
		f.add(way, rfc3164, yearless, input, peers.Forward(protocol, addr, more))
	}
	const octetCounted = ` TCP_Framing="octet-counted"`
	tls := fmt.Sprintf(` StreamDriverMode="1" StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers=%q`, serverName)
	omfwd("omfwd, UDP", "udp", l.udp, "udp", "")
	omfwd("omfwd, TCP", "tcp", l.tcp, "tcp", "")
	omfwd("omfwd, TCP, octet-counted", "tcp", l.tcp, "tcp", octetCounted)
	omfwd("omfwd, TLS by OpenSSL", "tcp", l.mutualTLS, "tls-mutual", tls+` StreamDriver="ossl"`)
	omfwd("omfwd, TLS by GnuTLS, octet-counted", "tcp", l.mutualTLS, "tls-mutual", tls+octetCounted+` StreamDriver="gtls"`)
	omfwd(`omfwd, TCP, compression.mode="stream:always"`, "tcp", l.zlib, "tcp-zlib", ` compression.mode="stream:always"`)

	omrelp := func(way, addr, input, more string) {
		host, port, _ := net.SplitHostPort(addr)
		action := fmt.Sprintf(`  action(type="omrelp" target=%q port=%q %s`, host, port, more)
		f.add(way, rfc5424, microseconds, input, action+protocol23+")")
		f.add(way, rfc3164Full, microseconds, input, action+")")
	}
	omrelp("omrelp", l.relp, "relp", "")
	omrelp("omrelp, TLS", l.relpTLS, "relp-tls", fmt.Sprintf(
		`tls="on" tls.caCert=%q tls.myCert=%q tls.myPrivKey=%q tls.authMode="name" tls.permittedPeer=%q`,
		l.ca.File, l.clientCert, l.clientKey, serverName))
	f.add("omuxsock", rfc3164, yearless, "unix", "  :omuxsock:")

	var actions strings.Builder
	for n, r := range f.rows {
		fmt.Fprintf(&actions, "if $msg contains %q then {\n%s\n}\n", marker(f.program, n), r.action)
	}
	rsyslogd := peers.StartRsyslog(t, peers.RsyslogConfig{
		Global: fmt.Sprintf("DefaultNetstreamDriverCAFile=%q DefaultNetstreamDriverCertFile=%q DefaultNetstreamDriverKeyFile=%q",
			l.ca.File, l.clientCert, l.clientKey),
		// omuxsock has no action() object.
		Modules: fmt.Sprintf("module(load=\"omrelp\")\nmodule(load=\"omuxsock\")\n$OMUxSockSocket %s", l.datagrams),
		Actions: actions.String(),
	})
	l.table.version(t, peers.Find(t, peers.Rsyslogd), "-v")
	f.run(l, t, rsyslogd.Input)
}
