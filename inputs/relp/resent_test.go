package relp_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/inputs/relp"
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
	// full is held while the disk takes nothing; slow is what an append takes.
	full sync.Mutex
	slow time.Duration
}

func (l *log) Append(_ context.Context, b spool.Batch) (uint64, error) {
	l.full.Lock()
	defer l.full.Unlock()
	time.Sleep(l.slow)
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
	l.notes = append(l.notes, bytes.Clone(b.Note))
	return uint64(len(l.messages)), l.streams.Note(b.Note)
}

func (l *log) Enqueue(ctx context.Context, b spool.Batch) (func(context.Context) (uint64, error), error) {
	first, err := l.Append(ctx, b)
	return func(context.Context) (uint64, error) { return first, err }, nil
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
	return fmt.Sprintf("<13>1 2026-01-02T03:04:05.%06dZ host app - - - text", 10*n+1)
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
			in, done := startUntil(t, ctx, config{quiet: true, hold: 20 * time.Millisecond}, p)
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

// deliver sends messages and reads their answers.
func (p *peer) deliver(txnr int, messages ...string) {
	p.t.Helper()
	for i, m := range messages {
		p.send(fmt.Sprintf("%d syslog %d %s\n", txnr+i, len(m), m))
	}
	for i := range messages {
		p.expect(fmt.Sprintf("%d rsp 6 200 OK\n", txnr+i))
	}
}

// stored returns the numbers of the messages in the log.
func (l *log) stored() (numbers []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.messages {
		n := 0
		for stamped(n) != m {
			n++
		}
		numbers = append(numbers, n)
	}
	return numbers
}

func TestWhatASecondSessionBringsIsStored(t *testing.T) {
	f := func(name string, c config, play func(t *testing.T, in *relp.Input), want ...int) {
		t.Run(name, func(t *testing.T) {
			l := &log{}
			play(t, start(t, c, l.restart(t, -1, -1)))
			if got := l.stored(); !slices.Equal(got, want) {
				t.Errorf("the log has %v, want %v", got, want)
			}
		})
	}
	session := func(t *testing.T, in *relp.Input, numbers ...int) *peer {
		p := dial(t, in)
		p.open()
		for i, n := range numbers {
			p.deliver(2+i, stamped(n))
		}
		return p
	}
	f("once, where the first is cut", config{}, func(t *testing.T, in *relp.Input) {
		session(t, in, 1, 2, 3).Close()
		session(t, in, 3, 4).Close()
		session(t, in, 4, 5)
	}, 1, 2, 3, 4, 5)
	f("once, though the end of the first comes late", config{settle: time.Minute}, func(t *testing.T, in *relp.Input) {
		former := session(t, in, 1, 2)
		time.AfterFunc(100*time.Millisecond, func() { former.Close() })
		session(t, in, 2, 3)
	}, 1, 2, 3)
	f("at once, where it has nothing of the first, which lives", config{settle: time.Hour}, func(t *testing.T, in *relp.Input) {
		former := session(t, in, 1)
		session(t, in, 2)
		former.deliver(3, stamped(3))
	}, 1, 2, 3)
	f("in doubt, where the first lives on", config{settle: 300 * time.Millisecond}, func(t *testing.T, in *relp.Input) {
		former := session(t, in, 1, 2)
		session(t, in, 2, 3)
		former.deliver(4, stamped(4))
	}, 1, 2, 2, 3, 4)
	f("in doubt, where the run leaves the tail of the first", config{}, func(t *testing.T, in *relp.Input) {
		session(t, in, 1, 2, 3).Close()
		p := dial(t, in)
		p.open()
		p.deliver(2, stamped(2), stamped(4))
	}, 1, 2, 3, 2, 4)
	f("in doubt, where the run does not go on", config{hold: 20 * time.Millisecond}, func(t *testing.T, in *relp.Input) {
		session(t, in, 1, 2, 3).Close()
		session(t, in, 2)
	}, 1, 2, 3, 2)
	f("once, where what is sent again comes in slowly", config{hold: time.Second}, func(t *testing.T, in *relp.Input) {
		session(t, in, 1, 2, 3).Close()
		p := dial(t, in)
		p.open()
		m := stamped(2)
		p.send(fmt.Sprintf("2 syslog %d %s\n3 syslog %d ", len(stamped(1)), stamped(1), len(m)))
		for ; len(m) > 8; m = m[8:] {
			time.Sleep(300 * time.Millisecond)
			p.send(m[:8])
		}
		p.send(m + "\n")
		p.expect("2 rsp 6 200 OK\n3 rsp 6 200 OK\n")
		p.deliver(4, stamped(3), stamped(4))
	}, 1, 2, 3, 4)
	f("in doubt, where it comes in without end", config{hold: 100 * time.Millisecond}, func(t *testing.T, in *relp.Input) {
		session(t, in, 1, 2, 3).Close()
		p := dial(t, in)
		p.open()
		p.send(framesOf(1, 2) + "3 syslog 60000 ")
		ended := make(chan struct{})
		var sending sync.WaitGroup
		sending.Go(func() {
			for {
				select {
				case <-ended:
					return
				case <-time.After(10 * time.Millisecond):
					if _, err := io.WriteString(p, "x"); err != nil {
						return
					}
				}
			}
		})
		p.expect("2 rsp 6 200 OK\n")
		close(ended)
		sending.Wait()
	}, 1, 2, 3, 1)
	f("in doubt, where it goes on very late after a part of it", config{hold: 100 * time.Millisecond}, func(t *testing.T, in *relp.Input) {
		session(t, in, 1, 2, 3, 4).Close()
		p := dial(t, in)
		p.open()
		p.deliver(2, stamped(1), stamped(2))
		time.Sleep(4 * time.Second)
		p.deliver(4, stamped(3), stamped(4))
	}, 1, 2, 3, 4, 3, 4)
	f("once, where the peer waits for answers within what it sends again", config{hold: 100 * time.Millisecond}, func(t *testing.T, in *relp.Input) {
		session(t, in, 1, 2, 3, 4, 5).Close()
		p := dial(t, in)
		p.open()
		p.deliver(2, stamped(2), stamped(3))
		p.deliver(4, stamped(4), stamped(5), stamped(6))
	}, 1, 2, 3, 4, 5, 6)
	f("once, where the peer does not go on after them", config{hold: 100 * time.Millisecond}, func(t *testing.T, in *relp.Input) {
		session(t, in, 1, 2, 3, 4).Close()
		p := dial(t, in)
		p.open()
		p.deliver(2, stamped(1), stamped(2))
		p.deliver(4, stamped(7), stamped(8))
	}, 1, 2, 3, 4, 7, 8)
	f("once, where the peer closes its session behind a part of them", config{hold: time.Minute}, func(t *testing.T, in *relp.Input) {
		session(t, in, 1, 2, 3).Close()
		p := dial(t, in)
		p.open()
		p.send(framesOf(1, 3) + "4 close 0\n")
		p.expectAnswers(2)
		p.expect("4 rsp 6 200 OK\n")
	}, 1, 2, 3)
	f("in doubt, where the first was closed in order", config{}, func(t *testing.T, in *relp.Input) {
		p := session(t, in, 1)
		p.send("3 close 0\n")
		p.expect("3 rsp 6 200 OK\n")
		p.expectEnd()
		session(t, in, 1)
	}, 1, 1)
	f("though a former one went on with the tail", config{}, func(t *testing.T, in *relp.Input) {
		session(t, in, 1, 2).Close()
		live := session(t, in, 2, 3)
		session(t, in, 4)
		live.deliver(4, stamped(5))
	}, 1, 2, 3, 4, 5)
	f("once, in the order of its answers, with empty messages between", config{}, func(t *testing.T, in *relp.Input) {
		session(t, in, 1, 2).Close()
		p := dial(t, in)
		p.open()
		p.send("2 syslog 0\n")
		p.expect("2 rsp 6 200 OK\n")
		m1, m2 := stamped(1), stamped(2)
		p.send(fmt.Sprintf("3 syslog %d %s\n4 syslog 0\n5 syslog %d %s\n6 syslog 0\n", len(m1), m1, len(m2), m2))
		p.expect("3 rsp 6 200 OK\n4 rsp 6 200 OK\n5 rsp 6 200 OK\n6 rsp 6 200 OK\n")
	}, 1, 2)
	f("nothing of what was held when it was cut", config{settle: time.Minute}, func(t *testing.T, in *relp.Input) {
		session(t, in, 1, 2, 3).Close()
		p := dial(t, in)
		p.open()
		p.send(fmt.Sprintf("2 syslog %d %s\n", len(stamped(2)), stamped(2)))
		p.Close()
		p = dial(t, in)
		p.open()
		p.deliver(2, stamped(2), stamped(3), stamped(4))
	}, 1, 2, 3, 4)
}

// Where the log takes nothing, a session that begins with what a former one has brought
// holds what follows. Empty messages count among it.
func TestASessionHoldsNoEndOfEmptyMessages(t *testing.T) {
	l := &log{}
	in := start(t, config{settle: time.Second, quiet: true}, l.restart(t, -1, -1))
	l.full.Lock()
	var both []*peer
	for range 2 {
		p := dial(t, in)
		p.open()
		p.send(framesOf(1, 2))
		both = append(both, p)
		time.Sleep(100 * time.Millisecond) // it is in the queue
	}
	// More than the kernel's buffers take.
	const many = 5_000_000
	frames := bytes.Repeat([]byte("3 syslog 0\n"), 10_000)
	sent := 0
	for p := both[1]; sent < many; sent += 10_000 {
		p.SetWriteDeadline(time.Now().Add(2 * time.Second))
		if _, err := p.Write(frames); err != nil {
			break
		}
	}
	if sent >= many {
		t.Errorf("%d empty messages were taken", sent)
	}
	l.full.Unlock()
	for _, p := range both {
		p.expectAnswers(1)
	}
}

var _ inputs.TailSink = (*pipeline.Pipeline)(nil)
