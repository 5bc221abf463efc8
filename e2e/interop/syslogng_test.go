package interop

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/syslane/syslane/e2e/peers"
)

// syslog-ng: its network() writes RFC 3164, its syslog() RFC 5424 with counted
// octets; a template and frac-digits() say how much of the time they tell.
func (l *lab) syslogNG(t *testing.T) {
	f := forwards{program: "syslog-ng"}
	destination := func(driver, transport, addr, input, more string, form form, clock clock) {
		host, port, _ := net.SplitHostPort(addr)
		name, _, _ := strings.Cut(driver, "(")
		way := fmt.Sprintf("%s, %s", driver, strings.ToUpper(transport))
		f.add(way, form, clock, input, fmt.Sprintf("%s(%q transport(%q) port(%s) persist-name(%q) %s);",
			name, host, transport, port, marker(f.program, len(f.rows)), more))
	}
	const fraction = " frac-digits(6)"
	const isodate = fraction + ` template("<${PRI}>${ISODATE} ${HOST} ${MSGHDR}${MESSAGE}\n")`
	tls := fmt.Sprintf(" tls(ca-file(%q) cert-file(%q) key-file(%q) peer-verify(required-trusted))", l.ca.File, l.clientCert, l.clientKey)
	for _, to := range []struct{ transport, addr, input, tls string }{
		{"udp", l.udp, "udp", ""},
		{"tcp", l.tcp, "tcp", ""},
		{"tls", l.mutualTLS, "tls-mutual", tls},
	} {
		destination("network()", to.transport, to.addr, to.input, to.tls, rfc3164, yearless)
		destination("network()", to.transport, to.addr, to.input, isodate+to.tls, rfc3164Full, microseconds)
		destination("syslog()", to.transport, to.addr, to.input, to.tls, rfc5424, seconds)
		destination("syslog() frac-digits(6)", to.transport, to.addr, to.input, fraction+to.tls, rfc5424, microseconds)
	}
	f.add("unix-dgram()", rfc3164, yearless, "unix", fmt.Sprintf("unix-dgram(%q);", l.datagrams))
	f.add("unix-stream()", rfc3164, yearless, "unix-stream", fmt.Sprintf("unix-stream(%q);", l.stream))

	var paths strings.Builder
	for n, r := range f.rows {
		fmt.Fprintf(&paths, "log { source(s_input); filter { message(%q type(string) flags(substring)); }; destination { %s }; };\n",
			marker(f.program, n), r.action)
	}
	addr := peers.StartSyslogNG(t, paths.String())
	l.table.version(t, peers.Find(t, peers.SyslogNG), "--version")
	f.run(l, t, addr)
}
