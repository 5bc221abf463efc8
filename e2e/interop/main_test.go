package interop

import (
	"flag"
	"testing"

	"github.com/syslane/syslane/e2e/syslane"
)

var update = flag.Bool("update", false, "write docs/INTEROP.md instead of comparing it")

func TestMain(m *testing.M) { syslane.Main(m) }

// One collector takes what all programs send, each transport on one port for all,
// as an operator would have it.
func TestWhatRealProgramsSendIsUnderstood(t *testing.T) {
	l := newLab(t)
	for _, group := range []struct {
		name string
		run  func(*lab, *testing.T)
	}{
		{"rsyslog", (*lab).rsyslog},
		{"syslog-ng", (*lab).syslogNG},
		{"loggen", (*lab).loggen},
		{"logger", (*lab).logger},
		{"busybox", (*lab).busybox},
		{"nginx", (*lab).nginx},
		{"haproxy", (*lab).haproxy},
		{"Go", (*lab).goSyslog},
		{"Python", (*lab).python},
		{"systemd-journal-upload", (*lab).journalUpload},
	} {
		done := false
		t.Run(group.name, func(t *testing.T) {
			group.run(l, t)
			done = true
		})
		l.complete = l.complete && done
	}
	l.node.Balance(t)
	l.table.check(t, l.complete && !t.Failed())
}
