package node

import (
	"testing"

	"github.com/syslane/syslane/spool"
)

func TestALogIsTakenForDeadOnlyWhileMessagesWaitAndNothingIsWritten(t *testing.T) {
	p := newPulse(spool.Stats{Groups: 7})
	for _, step := range []struct {
		what  string
		stats spool.Stats
		alive bool
	}{
		{"nothing to do", spool.Stats{Groups: 7}, true},
		{"something has come, and was written", spool.Stats{Groups: 8, Pending: 100}, true},
		{"the same group is still being written", spool.Stats{Groups: 8, Pending: 100}, false},
		{"and still", spool.Stats{Groups: 8, Pending: 4 << 20}, false},
		{"the disk answered with an error", spool.Stats{Groups: 8, Failures: 1, Pending: 100}, true},
		{"it went on", spool.Stats{Groups: 9, Failures: 1}, true},
		{"full, and all that was taken is written", spool.Stats{Groups: 9, Failures: 1, Full: true}, true},
	} {
		if alive := p.beats(step.stats); alive != step.alive {
			t.Errorf("%s: alive is %t", step.what, alive)
		}
	}
}
