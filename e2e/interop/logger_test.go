package interop

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"testing"

	"github.com/syslane/syslane/e2e/peers"
)

// words are what programs send that make the header of a message themselves.
func words(n int) string { return fmt.Sprintf("message %d \"quoted\" \\ back ] bracket ümlaut", n) }

// run runs a program to its end.
func run(t *testing.T, program string, args ...string) {
	t.Helper()
	feed(t, nil, program, args...)
}

// feed runs a program to its end, and returns the process that it was.
func feed(t *testing.T, stdin []byte, program string, args ...string) (pid int) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s %q: %v\n%s", program, args, err, out)
	}
	return cmd.Process.Pid
}

// logger is util-linux's; it reads the messages, with their priorities, from its
// standard input.
func (l *lab) logger(t *testing.T) {
	const count = 5
	logger := peers.Find(t, peers.Logger)
	send := func(way string, form form, clock clock, input string, options ...string) {
		t.Helper()
		var messages []message
		var stdin bytes.Buffer
		for n := range count {
			m := message{facility: 16 + n, severity: 7 - n, host: l.hostname, app: "backup", pid: "4711", text: words(n)}
			if form == rfc5424 {
				m.msgID, m.number = "ID7", "1"
			}
			if form == local {
				m.host = ""
			}
			messages = append(messages, m)
			fmt.Fprintf(&stdin, "<%d>%s\n", m.facility*8+m.severity, m.text)
		}
		args := append([]string{"--tag", "backup", "--id=4711", "--prio-prefix"}, options...)
		switch form {
		case rfc5424:
			args = append(args, "--rfc5424", "--msgid", "ID7", "--sd-id", "test@32473", "--sd-param", `number="1"`)
		case rfc3164:
			args = append(args, "--rfc3164")
		}
		l.row(t, row{program: "logger", way: way, form: form, input: input, clock: clock}, messages, func() {
			pid := feed(t, stdin.Bytes(), logger, args...)
			if input == "unix" || input == "unix-stream" {
				for i := range messages {
					messages[i].sender = pid
				}
			}
		})
	}
	to := func(addr string, more ...string) []string {
		host, port, _ := net.SplitHostPort(addr)
		return append([]string{"--server", host, "--port", port}, more...)
	}
	send("--udp", rfc5424, microseconds, "udp", to(l.udp, "--udp")...)
	send("--udp", rfc3164, yearless, "udp", to(l.udp, "--udp")...)
	send("--tcp", rfc5424, microseconds, "tcp", to(l.tcp, "--tcp")...)
	send("--tcp", rfc3164, yearless, "tcp", to(l.tcp, "--tcp")...)
	send("--tcp --octet-count", rfc5424, microseconds, "tcp", to(l.tcp, "--tcp", "--octet-count")...)
	send("--tcp --octet-count", rfc3164, yearless, "tcp", to(l.tcp, "--tcp", "--octet-count")...)
	for _, socket := range []struct{ way, path, input string }{
		{"--socket, datagrams", l.datagrams, "unix"},
		{"--socket, stream", l.stream, "unix-stream"},
	} {
		send(socket.way, local, yearless, socket.input, "--socket", socket.path)
		send(socket.way, rfc5424, microseconds, socket.input, "--socket", socket.path)
	}
	l.table.version(t, logger, "--version")
}
