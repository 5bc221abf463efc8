package interop

import (
	"fmt"
	"net"
	"regexp"
	"testing"

	"github.com/syslane/syslane/e2e/peers"
)

// loggen, syslog-ng's generator, makes its messages itself.
func (l *lab) loggen(t *testing.T) {
	const count = 5
	loggen := peers.Find(t, peers.Loggen)
	send := func(way string, form form, input string, target []string, options ...string) {
		t.Helper()
		var messages []message
		for n := range count {
			m := message{facility: 4, severity: 6, host: "localhost", app: "prg00000", pid: "1234",
				pattern: regexp.MustCompile(fmt.Sprintf(`^seq: %010d, thread: 0000, runid: \d+, stamp: [-0-9T:]+ (PADD)+P?A?D?$`, n))}
			if form == rfc5424 {
				m.number = "1"
			}
			messages = append(messages, m)
		}
		if form == rfc5424 {
			options = append(options, "--syslog-proto", "--sdata", `[test@32473 number="1"]`)
		}
		args := append([]string{"--quiet", "--size=256", "--rate=100", fmt.Sprintf("--number=%d", count)}, options...)
		l.row(t, row{program: "loggen", way: way, form: form, input: input, clock: seconds}, messages, func() {
			run(t, loggen, append(args, target...)...)
		})
	}
	at := func(addr string) []string {
		host, port, _ := net.SplitHostPort(addr)
		return []string{host, port}
	}
	send("UDP", rfc3164Full, "udp", at(l.udp), "--inet", "--dgram")
	send("UDP, --no-framing", rfc5424, "udp", at(l.udp), "--inet", "--dgram", "--no-framing")
	send("UDP, octet-counted", rfc5424, "udp", at(l.udp), "--inet", "--dgram")
	send("TCP", rfc3164Full, "tcp", at(l.tcp), "--inet", "--stream")
	send("TCP, --no-framing", rfc5424, "tcp", at(l.tcp), "--inet", "--stream", "--no-framing")
	send("TCP, octet-counted", rfc5424, "tcp", at(l.tcp), "--inet", "--stream")
	send("TLS", rfc3164Full, "tls", at(l.tls), "--use-ssl")
	send("TLS, octet-counted", rfc5424, "tls", at(l.tls), "--use-ssl")
	send("unix datagrams", rfc3164Full, "unix", []string{l.datagrams}, "--unix", "--dgram")
	send("unix stream", rfc3164Full, "unix-stream", []string{l.stream}, "--unix", "--stream")
}
