package cli

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/syslane/syslane/internal/node"
)

func topOf(at time.Time, received, delivered, waiting uint64) node.Status {
	return node.Status{
		Role: "collector", Version: "v1", Started: at.Truncate(time.Hour), Time: at,
		Log:     node.LogStatus{Retained: 1234567, Octets: 5 << 30, Segments: 3},
		Inputs:  []node.InputStatus{{Name: "udp", Counts: map[string]uint64{"received_messages": received, "stored_messages": received, "dropped_messages": 7}}},
		Outputs: []node.OutputStatus{{Name: "es", Up: true, Delivered: delivered, Retained: waiting}},
	}
}

func TestTopShowsRatesAndWhetherAnOutputCatchesUp(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 30, 0, 0, time.UTC)
	before := topOf(at, 1000, 500, 3000)
	f := func(now node.Status, want ...string) {
		t.Helper()
		got := strings.Join((&topLook{status: now}).lines(&before), "\n")
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%q is not in\n%s", w, got)
			}
		}
	}
	f(topOf(at.Add(2*time.Second), 21000, 4500, 1000), "1,234,567 messages  5GiB", "10,000", "2,000", "even in 1s", "21,000")
	f(topOf(at.Add(2*time.Second), 21000, 4500, 9000), "behind, and not catching up")
	down := topOf(at.Add(2*time.Second), 21000, 4500, 9000)
	down.Outputs[0].Up, down.Outputs[0].Error, down.Log.Failing = false, "connection refused", true
	f(down, "DOWN: connection refused", "FAILING")
	gone := topOf(at.Add(2*time.Second), 21000, 4500, 9000)
	gone.Unclaimed = []node.UnclaimedStatus{{Name: "old", Retained: 4321}}
	f(gone, "4,321", "is not in the configuration")
	restarted := topOf(at.Add(2*time.Second), 3, 4500, 9000)
	restarted.Started = at.Add(time.Second)
	if got := strings.Join((&topLook{status: restarted}).lines(&before), "\n"); strings.Contains(got, "18,446") {
		t.Errorf("the counts of another process are compared:\n%s", got)
	}
}

// Names of hosts come from anyone who can send a message, and a server may be
// anyone's.
func TestTopIsHarmlessToATerminalWhateverNamesAre(t *testing.T) {
	hostile := "a\x1b]0;evil\x07b\x1b[2Jc\nINPUT d\r\x00\u202eе\u0085\xff"
	s := topOf(time.Now(), 1, 1, 1)
	s.Role, s.Version, s.Inputs[0].Name, s.Outputs[0].Name, s.Outputs[0].Up, s.Outputs[0].Error = hostile, hostile, hostile, hostile, false, hostile
	s.Unclaimed = []node.UnclaimedStatus{{Name: hostile, Retained: 1}}
	l := &topLook{server: hostile, by: "host", status: s, noisy: []noisy{{hostile, 3}, {"", 1}}, noisyErr: errors.New(hostile)}
	before := topOf(time.Now(), 1, 1, 1)
	lines := l.lines(&before)
	for _, line := range lines {
		for _, r := range line {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u202e' {
				t.Errorf("%q has the character %U", line, r)
			}
		}
	}
	for _, size := range []struct{ width, height int }{{80, 24}, {20, 5}, {1, 1}, {300, 100}} {
		got := screen(lines, size.width, size.height)
		shown := strings.Split(strings.TrimSuffix(strings.TrimPrefix(got, screenHome), screenRest), lineRest)
		if len(shown) > size.height {
			t.Errorf("%d lines on a terminal of %d", len(shown), size.height)
		}
		for _, line := range shown {
			if strings.Contains(line, "\x1b") || utf8.RuneCountInString(line) > size.width {
				t.Errorf("%q on a terminal of %d columns", line, size.width)
			}
		}
	}
}
