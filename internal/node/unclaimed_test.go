package node

import (
	"bytes"
	"context"
	"crypto/rand"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/inputs/inputtest"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/spool"
)

// said is what a node logs.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

// count returns in how many lines all of these stand.
func (s *said) count(parts ...string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
line:
	for line := range strings.Lines(s.text.String()) {
		for _, p := range parts {
			if !strings.Contains(line, p) {
				continue line
			}
		}
		n++
	}
	return n
}

// aRecord returns a record whose message is of so many octets.
func aRecord(octets int) []byte {
	raw := make([]byte, octets)
	rand.Read(raw)
	var e syslog.Event
	e.Raw, e.Timestamp, e.Text = raw, syslog.NoTimestamp, syslog.Span{End: uint32(octets)}
	return syslog.AppendRecord(nil, &e)
}

// leaveCursor makes a log of three messages in a state folder, of which an output has
// taken one.
func leaveCursor(t *testing.T, state, output string) {
	t.Helper()
	log, err := spool.Open(spool.Config{Dir: LogDir(state), KeepDelivered: true})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := log.Append(t.Context(), spool.Batch{Records: aRecord(10), Count: 1}); err != nil {
			t.Fatal(err)
		}
	}
	c, err := log.Cursor(output, spool.FromTail)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Commit(2, spool.Counts{Delivered: 1}); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAnOutputThatIsGoneIsNamedForAsLongAsTheLogKeepsMessagesForIt(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	leaveCursor(t, state, "old")
	text := func(output string) string {
		return "[log]\nmax_size = \"16MiB\"\n" + table("output", key("type", "file"), key("name", output), key("path", filepath.Join(dir, "out")))
	}
	var lines said
	n := start(t, text("new"), func(p *Plan) {
		p.options.State, p.logger = state, zerolog.New(&lines)
	})
	warned := func() int {
		return lines.count(`"level":"warn"`, `"output":"old"`, `"messages":2`, "syslane spool drop-cursor old --dir "+state)
	}
	inputtest.Eventually(t, "it is warned of the place that the old output has left", func() bool { return warned() == 1 })
	taken := func() bool { return n.status().Outputs[0].Retained == 0 }
	inputtest.Eventually(t, "the new output has taken all", taken)
	if got := n.status().Unclaimed; len(got) != 1 || got[0] != (UnclaimedStatus{"old", 2}) {
		t.Errorf("the status has %+v", got)
	}
	if got := inputtest.Metric(t, n.begun.registry, "syslane_log_unclaimed_messages", "old"); got != 2 {
		t.Errorf("the metric says %v", got)
	}
	if got := n.statusLine(); !strings.Contains(got, "2 kept for output old") {
		t.Errorf("the service manager is told %q", got)
	}

	n.reload(ReloadApplied, text("old"))
	if got := n.status().Unclaimed; len(got) != 1 || got[0].Name != "new" {
		t.Errorf("after a reload by which it is there again, and the other gone, the status has %+v", got)
	}
	inputtest.Eventually(t, "it takes what was kept for it", taken)
	if of := lines.count(`"level":"warn"`, `"output":"new"`, `"messages":0`, "drop-cursor new"); of != 1 || warned() != 1 {
		t.Errorf("the reload brings %d warnings of the output that it removes, and %d of the other in all", of, warned())
	}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	filled := make(chan struct{})
	go func() {
		defer close(filled)
		for ctx.Err() == nil {
			n.log.Append(ctx, spool.Batch{Records: aRecord(256 << 10), Count: 1})
		}
	}()
	inputtest.Eventually(t, "the log is full", func() bool { return n.log.Stats().Full })
	if err := n.probeLog(); err == nil || !strings.Contains(err.Error(), `messages for the output "new", which is not`) || !strings.Contains(err.Error(), "drop-cursor new") {
		t.Errorf("of the full log it is said: %v", err)
	}
	stop()
	<-filled
}
