package relp_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/pipeline"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/spool"
)

// log keeps what was appended as the real one does, and may be cut off: what
// comes after that was not durable when the process was killed.
type log struct {
	mu       sync.Mutex
	streams  *pipeline.Streams
	messages []string
	notes    [][]byte
	left     int // appends until it is cut off; below 0 never
}

func (l *log) Append(_ context.Context, b spool.Batch) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left == 0 {
		return 0, spool.ErrClosed
	}
	l.left--
	var e syslog.Event
	for run := b.Records; len(run) > 0; {
		var record []byte
		record, run = syslog.NextRecord(run)
		if err := e.Decode(record, nil); err != nil {
			return 0, err
		}
		l.messages = append(l.messages, string(e.Raw))
	}
	l.notes = append(l.notes, b.Note)
	return uint64(len(l.messages)), l.streams.Note(b.Note)
}

// sender is a peer that keeps what was not answered and sends it again first, as
// librelp does.
type sender struct {
	unanswered []string
}

// session opens a session, resends, sends new messages, and reads a number of
// answers, or fewer if the connection ends, before it is cut.
func (s *sender) session(t testing.TB, p *peer, fresh []string, answers int) {
	p.open()
	all := append(s.unanswered, fresh...)
	var b strings.Builder
	for i, m := range all {
		fmt.Fprintf(&b, "%d syslog %d %s\n", i+2, len(m), m)
	}
	io.WriteString(p, b.String())
	n := 0
	for ; n < min(answers, len(all)); n++ {
		want := fmt.Sprintf("%d rsp 6 200 OK\n", n+2)
		if line, err := p.r.ReadString('\n'); err != nil || line != want {
			break
		}
	}
	s.unanswered = append([]string(nil), all[n:]...)
	p.Close()
}

// restart is a new process on the same log: the memory comes back from notes and
// checkpoint.
func (l *log) restart(t testing.TB, left, checkpoint int) *pipeline.Pipeline {
	streams := pipeline.NewStreams()
	for i, note := range l.notes {
		if err := streams.Note(note); err != nil {
			t.Fatal(err)
		}
		if i == checkpoint {
			kept := streams.Checkpoint()
			streams = pipeline.NewStreams()
			if err := streams.Restore(kept); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.streams, l.left = streams, left
	return pipeline.New(pipeline.Config{Log: l, Streams: streams, Registerer: prometheus.NewRegistry()})
}

func stamped(n int) string {
	return fmt.Sprintf("<13>1 2026-01-02T03:04:05.%06dZ host app - - - text", n)
}

// TestWhatPeersSendAgainIsStoredOnce cuts connections and processes at random,
// with several peers behind one address.
func TestWhatPeersSendAgainIsStoredOnce(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		l := &log{}
		senders := make([]sender, rapid.IntRange(1, 3).Draw(r, "senders"))
		next := 0
		life := func(left int) {
			p := l.restart(t, left, rapid.IntRange(0, 20).Draw(r, "checkpoint"))
			ctx, stop := context.WithCancel(context.Background())
			in, done := startUntil(t, ctx, config{quiet: true}, p)
			for range rapid.IntRange(1, 4).Draw(r, "sessions") {
				s := &senders[rapid.IntRange(0, len(senders)-1).Draw(r, "sender")]
				fresh := make([]string, rapid.IntRange(1, 40).Draw(r, "fresh"))
				for i := range fresh {
					fresh[i] = stamped(next)
					next++
				}
				answers := rapid.IntRange(0, 60).Draw(r, "answers")
				s.session(t, dial(t, in), fresh, answers)
			}
			if left < 0 {
				for i := range senders {
					senders[i].session(t, dial(t, in), []string{stamped(next)}, 1<<20)
					next++
				}
			}
			stop()
			<-done
		}
		for range rapid.IntRange(0, 4).Draw(r, "kills") {
			life(rapid.IntRange(0, 6).Draw(r, "left"))
		}
		life(-1)
		times := make(map[string]int)
		for _, m := range l.messages {
			times[m]++
		}
		for n := range next {
			if got := times[stamped(n)]; got != 1 {
				r.Fatalf("message %d of %d is stored %d times", n, next, got)
			}
		}
	})
}

// TestEqualLinesThatPeersSendAgainAreNeverLost is that with lines that repeat:
// each must be there at least as often as it was sent.
func TestEqualLinesThatPeersSendAgainAreNeverLost(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		l := &log{}
		var s sender
		sent, next := make(map[string]int), 0
		lives := rapid.IntRange(1, 5).Draw(r, "lives")
		for life := range lives {
			left := -1
			if life < lives-1 {
				left = rapid.IntRange(0, 4).Draw(r, "left")
			}
			p := l.restart(t, left, -1)
			ctx, stop := context.WithCancel(context.Background())
			in, done := startUntil(t, ctx, config{quiet: true}, p)
			fresh := make([]string, rapid.IntRange(1, 20).Draw(r, "fresh"))
			for i := range fresh {
				switch rapid.IntRange(0, 2).Draw(r, "kind") {
				case 0:
					fresh[i] = "<13>Jan  2 03:04:05 host app: same"
				case 1:
					fresh[i] = fmt.Sprintf("<13>Jan  2 03:04:05 host app: one of %d", rapid.IntRange(0, 2).Draw(r, "text"))
				default:
					fresh[i] = stamped(next)
					next++
				}
				sent[fresh[i]]++
			}
			answers := rapid.IntRange(0, 60).Draw(r, "answers")
			if left < 0 {
				answers = 1 << 20
			}
			s.session(t, dial(t, in), fresh, answers)
			stop()
			<-done
		}
		for _, m := range l.messages {
			sent[m]--
		}
		for m, n := range sent {
			if n > 0 {
				r.Fatalf("%d of %q are lost", n, m)
			}
		}
	})
}

var _ inputs.TailSink = (*pipeline.Pipeline)(nil)
