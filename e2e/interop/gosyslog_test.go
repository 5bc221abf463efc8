package interop

import (
	"log/syslog"
	"os"
	"runtime"
	"strconv"
	"testing"
)

// goSyslog is the package log/syslog, in this process.
func (l *lab) goSyslog(t *testing.T) {
	const count = 5
	send := func(network, addr string, form form, clock clock, input string) {
		t.Helper()
		var messages []message
		for n := range count {
			m := message{facility: 16, severity: 3, app: "goapp", pid: strconv.Itoa(os.Getpid()), text: words(n)}
			switch {
			case form == local:
				m.sender = os.Getpid()
			default:
				// It names the host by the address that it sends from.
				m.host = l.hostname
			}
			messages = append(messages, m)
		}
		l.row(t, row{program: "Go log/syslog", way: network, form: form, input: input, clock: clock}, messages, func() {
			w, err := syslog.Dial(network, addr, syslog.LOG_LOCAL0|syslog.LOG_INFO, "goapp")
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			for _, m := range messages {
				if err := w.Err(m.text); err != nil {
					t.Error(err)
				}
			}
		})
	}
	send("udp", l.udp, rfc3164Full, seconds, "udp")
	send("tcp", l.tcp, rfc3164Full, seconds, "tcp")
	send("unixgram", l.datagrams, local, yearless, "unix")
	send("unix", l.stream, local, yearless, "unix-stream")
	l.table.versions = append(l.table.versions, runtime.Version())
}
