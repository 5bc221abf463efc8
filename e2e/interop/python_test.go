package interop

import (
	"net"
	"strconv"
	"testing"

	"github.com/syslane/syslane/e2e/peers"
)

// handler logs as the documentation of logging.handlers shows it: to a socket, or
// to a host and port.
const handler = `
import logging, logging.handlers, socket, sys
kind, address, text = sys.argv[1], sys.argv[2], sys.argv[4:]
if sys.argv[3]:
    address = (address, int(sys.argv[3]))
h = logging.handlers.SysLogHandler(address=address, facility="local1",
    socktype=socket.SOCK_STREAM if kind == "stream" else socket.SOCK_DGRAM)
h.setFormatter(logging.Formatter("pyapp[%(process)d]: %(message)s"))
logging.getLogger().addHandler(h)
for t in text:
    logging.getLogger().error(t)
`

// python is SysLogHandler, which writes a priority, the text, and a NUL.
func (l *lab) python(t *testing.T) {
	const count = 5
	python := peers.Find(t, peers.Python)
	send := func(way, kind, addr, port, input string) {
		t.Helper()
		args := []string{"-c", handler, kind, addr, port}
		messages := make([]message, count)
		for n := range messages {
			args = append(args, words(n))
		}
		l.row(t, row{program: "Python SysLogHandler", way: way, form: bare, input: input, clock: receipt}, messages, func() {
			pid := feed(t, nil, python, args...)
			for n := range messages {
				messages[n] = message{facility: 17, severity: 3, app: "pyapp", pid: strconv.Itoa(pid), text: words(n)}
				if port == "" {
					messages[n].sender = pid
				}
			}
		})
	}
	for _, to := range []struct{ way, kind, addr, input string }{
		{"UDP", "datagram", l.udp, "udp"},
		{"TCP", "stream", l.tcp, "tcp"},
	} {
		host, port, _ := net.SplitHostPort(to.addr)
		send(to.way, to.kind, host, port, to.input)
	}
	send("unix datagrams", "datagram", l.datagrams, "", "unix")
	send("unix stream", "stream", l.stream, "", "unix-stream")
	l.table.version(t, python, "--version")
}
