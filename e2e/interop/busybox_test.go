package interop

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
)

// devLog is the only path that libc's syslog(3) knows.
const devLog = "/dev/log"

// busybox: its logger is any program that calls syslog(3), and its syslogd hands
// on what such programs say.
func (l *lab) busybox(t *testing.T) {
	busybox := peers.Find(t, peers.Busybox)
	if _, err := os.Lstat(devLog); err == nil {
		peers.LeaveOut(t, "another service has "+devLog)
	}
	if os.Getuid() != 0 {
		peers.LeaveOut(t, "only root may make "+devLog)
	}
	t.Cleanup(func() { os.Remove(devLog) })
	link := func(to string) {
		t.Helper()
		os.Remove(devLog)
		if err := os.Symlink(to, devLog); err != nil {
			t.Fatal(err)
		}
	}
	levels := []string{"emerg", "alert", "crit", "err", "warning"}
	send := func(r row) {
		t.Helper()
		messages := make([]message, len(levels))
		for n := range messages {
			messages[n] = message{facility: 16 + n, severity: n, app: "box", text: words(n)}
		}
		l.row(t, r, messages, func() {
			for n := range messages {
				pid := feed(t, nil, busybox, "logger", "-t", "box", "-p", fmt.Sprintf("local%d.%s", n, levels[n]), messages[n].text)
				if r.input == "unix" {
					messages[n].sender = pid
				}
			}
		})
	}
	link(l.datagrams)
	send(row{program: "busybox", way: "logger, by syslog(3)", form: local, input: "unix", clock: yearless})

	socket := filepath.Join(filepath.Dir(l.datagrams), "busybox")
	link(socket)
	proc.Start(t, proc.Config{Name: "busybox syslogd", Args: []string{busybox, "syslogd", "-n", "-R", l.udp},
		Log: filepath.Join(t.TempDir(), "syslogd.log")})
	await.Until(t, time.Minute, "the socket of busybox syslogd", func() error {
		conn, err := net.Dial("unixgram", socket)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	send(row{program: "busybox", way: "syslogd -R", form: local, input: "udp", clock: yearless})
	l.table.version(t, busybox)
}
