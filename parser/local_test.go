package parser

import (
	"testing"
	"time"

	"github.com/syslane/syslane/internal/syslog"
)

func TestProgramsOfThisHostNameNoHost(t *testing.T) {
	f := func(raw, host, app, pid, text string) {
		t.Helper()
		m := syslog.Message{Raw: []byte(raw)}
		Parse(&m, &Options{Received: time.Date(2026, 11, 23, 10, 42, 4, 0, time.UTC), Location: time.UTC, LocalHost: "web1.example.com"})
		got := [4]string{string(m.Field(m.Hostname)), string(m.Field(m.AppName)), string(m.Field(m.ProcID)), string(m.Field(m.Text))}
		if want := [4]string{host, app, pid, text}; got != want {
			t.Errorf("%s\n got %q\nwant %q", raw, got, want)
		}
		if m.Format != syslog.RFC3164 && raw[4] != '1' {
			t.Errorf("%s: format %v", raw, m.Format)
		}
	}
	const head = "<13>Nov 23 10:42:03 "
	f(head+"tag[12]: text", "", "tag", "12", "text")
	f(head+"tag: text", "", "tag", "", "text")
	f(head+"su: pam_unix[3]: text", "", "su", "", "pam_unix[3]: text")
	f(head+"(systemd)[1]: text", "", "(systemd)", "1", "text")
	f(head+"two words: text", "", "", "", "two words: text")
	f(head+"root: Nov 23 10:42:03 host other: text", "", "root", "", "Nov 23 10:42:03 host other: text")
	f(head+"web1 tag[12]: text", "web1", "tag", "12", "text")
	f(head+"web1.example.com tag: text", "web1.example.com", "tag", "", "text")
	f(head+"web tag: text", "", "", "", "web tag: text")
	f(head+"web1: text", "", "web1", "", "text")
	// What daemons forward to the socket names the host that it came from.
	f(head+"db2.example.com tag[12]: text", "db2.example.com", "tag", "12", "text")
	f(head+"192.0.2.7 tag[12]: text", "192.0.2.7", "tag", "12", "text")
	f(head+"fe80::1 tag[12]: text", "fe80::1", "tag", "12", "text")
	f(head+"info tag[12]: text", "", "tag", "12", "text")
	f(head+"su: tag[]: text", "", "su", "", "tag[]: text")
	f(head+"db2 tag[x]: text", "", "", "", "db2 tag[x]: text")
	f(head+"db2 tag[12] text", "db2", "tag", "12", "text")
	f(head+"db2 tag[12", "", "", "", "db2 tag[12")
	f(head+"db2", "", "", "", "db2")
	f("<13>tag[12]: text", "", "tag", "12", "text")
	f("<13>1 2026-11-23T10:42:03Z other app 7 - - text", "other", "app", "7", "text")
}
