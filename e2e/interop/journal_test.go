package interop

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/peers"
)

// journalUpload is systemd-journal-upload with a journal that systemd-journal-remote
// has made of an export.
func (l *lab) journalUpload(t *testing.T) {
	const boot = "0123456789abcdef0123456789abcdef"
	send := func(way, input, url string, options ...string) {
		t.Helper()
		messages := sample("journal")
		var entries strings.Builder
		for n := range messages {
			m := &messages[n]
			m.msgID = fmt.Sprintf("8d45620c1a4348dbb17410da57c60c%02x", n)
			fmt.Fprintf(&entries, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\n", m.time.UnixMicro(), 1_000_000*(n+1), boot)
			fmt.Fprintf(&entries, "_HOSTNAME=%s\nSYSLOG_IDENTIFIER=%s\n_PID=%s\nMESSAGE_ID=%s\n", m.host, m.app, m.pid, m.msgID)
			fmt.Fprintf(&entries, "SYSLOG_FACILITY=%d\nPRIORITY=%d\nNUMBER=%s\nMESSAGE=%s\n\n", m.facility, m.severity, m.number, m.text)
		}
		j := peers.NewJournal(t)
		j.Write(t, "system", strings.NewReader(entries.String()))
		l.row(t, row{program: "systemd-journal-upload", way: way, form: export, input: input, clock: microseconds}, messages, func() {
			if err := j.Upload(t, url, options...).Wait(time.Minute); err != nil {
				t.Error(err)
			}
		})
	}
	send("HTTP", "journal", "http://"+l.journal)
	send("HTTPS", "journal-tls", "https://"+l.journalTLS, peers.ClientTLS(l.ca.File, l.clientCert, l.clientKey)...)
	l.table.version(t, peers.Find(t, peers.JournalUpload), "--version")
}
