package relp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/inputs/inputtest"
	"github.com/syslane/syslane/inputs/relp"
	"github.com/syslane/syslane/internal/syslog"
)

var _ inputs.Input = (*relp.Input)(nil)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSessionTranscripts(t *testing.T) {
	f := func(name, send, want string, messages ...string) {
		t.Run(name, func(t *testing.T) {
			store := &store{}
			p := dial(t, start(t, config{maxMessageSize: 10}, store))
			p.send(send)
			if err := p.Conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			p.expect(want)
			if rest, err := io.ReadAll(p.r); err != nil || len(rest) > 0 {
				t.Fatalf("got %q (%v) more", rest, err)
			}
			if got := store.all(); strings.Join(got, "|") != strings.Join(messages, "|") {
				t.Fatalf("stored %q, want %q", got, messages)
			}
		})
	}
	end := "0 serverclose 0\n"
	f("nothing at all", "", "")
	f("open", openFrame, openAnswer)
	f("version 1", "1 open 30 relp_version=1\ncommands=syslog\n", "1 rsp 59 200 OK\nrelp_version=1\nrelp_software=syslane\ncommands=syslog\n")
	f("a version of the future", "1 open 31 relp_version=17\ncommands=syslog\n", "1 rsp 59 200 OK\nrelp_version=1\nrelp_software=syslane\ncommands=syslog\n")
	f("messages are answered in order", openFrame+"2 syslog 3 <1>\n3 syslog 4 <2>a\n", openAnswer+"2 rsp 6 200 OK\n3 rsp 6 200 OK\n", "<1>", "<2>a")
	f("one LF at the end is no part of a message", openFrame+"2 syslog 4 <1>\n\n3 syslog 5 <1>\n\n\n", openAnswer+"2 rsp 6 200 OK\n3 rsp 6 200 OK\n", "<1>", "<1>\n")
	f("LF within a message stays", openFrame+"2 syslog 7 <1>a\nb\x00\n", openAnswer+"2 rsp 6 200 OK\n", "<1>a\nb\x00")
	f("an empty message is acknowledged", openFrame+"2 syslog 0\n3 syslog 1 \n\n4 syslog 1 x\n", openAnswer+"2 rsp 6 200 OK\n3 rsp 6 200 OK\n4 rsp 6 200 OK\n", "x")
	f("a long message is cut, its tail never taken for a frame", openFrame+"2 syslog 31 0123456789\n3 syslog 5 wrong\nabc\n3 syslog 2 ok\n",
		openAnswer+"2 rsp 6 200 OK\n3 rsp 6 200 OK\n", "0123456789", "ok")
	f("one octet too long", openFrame+"2 syslog 11 0123456789a\n", openAnswer+"2 rsp 6 200 OK\n", "0123456789")
	f("as long as allowed and an LF", openFrame+"2 syslog 11 0123456789\n\n", openAnswer+"2 rsp 6 200 OK\n", "0123456789")
	f("open again", openFrame+"2 syslog 1 a\n"+"3"+openFrame[1:]+"4 syslog 1 b\n", openAnswer+"2 rsp 6 200 OK\n"+"3"+openAnswer[1:]+"4 rsp 6 200 OK\n", "a", "b")
	f("close", openFrame+"2 syslog 1 a\n3 close 0\n4 syslog 1 b\n", openAnswer+"2 rsp 6 200 OK\n3 rsp 6 200 OK\n"+end, "a")
	f("close before open", "1 close 0\n", "1 rsp 6 200 OK\n"+end)
	f("a hint is not answered", openFrame+"0 something 0\n2 syslog 1 a\n", openAnswer+"2 rsp 6 200 OK\n", "a")
	f("a message without a number is a bad frame", openFrame+"2 syslog 1 a\n0 syslog 5 hello\n3 syslog 1 b\n", openAnswer+"2 rsp 6 200 OK\n"+end, "a")
	f("a batch without a number is a bad frame", openFrame+"0 batch 3 abc\n2 syslog 1 a\n", openAnswer+end)
	f("an unknown command is refused, the session goes on", openFrame+"2 starttls 0\n3 syslog 1 a\n", openAnswer+"2 rsp 25 500 command not supported\n3 rsp 6 200 OK\n", "a")
	f("syslog before open", "1 syslog 1 a\n", "1 rsp 27 500 the session is not open\n"+end)
	f("open without syslog", "1 open 14 relp_version=0\n", "1 rsp 39 500 required command syslog not offered\n"+end)
	f("open with rubbish", "1 open 3 =x\n\n", "1 rsp 19 500 bad RELP offers\n"+end)
	f("batch that was not negotiated", openFrame+"2 batch 3 abc\n", openAnswer+"2 rsp 28 500 batch was not negotiated\n"+end)
	f("what came before a bad frame is stored and acknowledged", openFrame+"2 syslog 1 a\nGET / HTTP/1.1\r\n", openAnswer+"2 rsp 6 200 OK\n"+end, "a")
	f("a trailer that is no LF", openFrame+"2 syslog 1 ab\n", openAnswer+end)
	f("ten digits of length", openFrame+"2 syslog 9999999999 a", openAnswer+end)
	f("a huge open", "1 open 999999999 ", end)
	f("the end within a frame", openFrame+"2 syslog 1 a\n3 syslog 9 hal", openAnswer+"2 rsp 6 200 OK\n"+end, "a")
}

func TestEveryCutOfTheStreamGivesTheSameMessages(t *testing.T) {
	stream := openFrame + "2 syslog 3 <1>\n3 syslog 15 0123456789abcde\n4 syslog 0\n5 syslog 2 ok\n6 close 0\n"
	want := openAnswer + "2 rsp 6 200 OK\n3 rsp 6 200 OK\n4 rsp 6 200 OK\n5 rsp 6 200 OK\n6 rsp 6 200 OK\n0 serverclose 0\n"
	store := &store{}
	in := start(t, config{maxMessageSize: 10}, store)
	for i := 1; i < len(stream); i++ {
		p := dial(t, in)
		p.send(stream[:i])
		p.send(stream[i:])
		p.expect(want)
	}
	if n, m := store.count("0123456789"), store.count("ok"); n != len(stream)-1 || m != n {
		t.Errorf("%d and %d messages stored, want %d of each", n, m, len(stream)-1)
	}
}

func TestNothingIsAcknowledgedBeforeItIsStored(t *testing.T) {
	store := &store{gate: make(chan struct{})}
	p := dial(t, start(t, config{}, store))
	p.open()
	p.send("2 syslog 1 a\n")
	p.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if b, err := p.r.ReadByte(); err == nil {
		t.Fatalf("got %q before the message was stored", b)
	}
	p.SetReadDeadline(time.Now().Add(20 * time.Second))
	store.gate <- struct{}{}
	p.expect("2 rsp 6 200 OK\n")
}

func TestMessagesGatherWhileABatchIsOnItsWayToTheDisk(t *testing.T) {
	store := &store{gate: make(chan struct{})}
	p := dial(t, start(t, config{}, store))
	p.open()
	p.send("2 syslog 1 a\n")
	store.gate <- struct{}{} // the first batch is taken by itself
	p.expect("2 rsp 6 200 OK\n")
	var want strings.Builder
	for i := 3; i < 503; i++ {
		p.send(fmt.Sprintf("%d syslog 1 b\n", i))
		fmt.Fprintf(&want, "%d rsp 6 200 OK\n", i)
	}
	close(store.gate)
	p.expect(want.String())
	store.mu.Lock()
	defer store.mu.Unlock()
	if store.batches > 20 {
		t.Errorf("500 messages went to the disk in %d batches", store.batches)
	}
}

func TestASinkThatFailsEndsTheConnectionWithoutAnAcknowledgement(t *testing.T) {
	failures := 0
	store := &store{fail: func() error {
		if failures++; failures == 2 {
			return errors.New("disk full")
		}
		return nil
	}}
	reg := prometheus.NewRegistry()
	p := dial(t, start(t, config{registerer: reg}, store))
	p.open()
	p.send("2 syslog 1 a\n")
	p.expect("2 rsp 6 200 OK\n")
	p.send("3 syslog 1 b\n")
	p.expectEnd()
	expectMetric(t, reg, "syslane_input_submit_failures_total", 1)
}

func TestStopFinishesSubmitsAndSaysGoodbye(t *testing.T) {
	store := &store{gate: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background())
	in, done := startUntil(t, ctx, config{}, store)
	p := dial(t, in)
	p.open()
	p.send("2 syslog 1 a\n")
	store.gate <- struct{}{}
	p.expect("2 rsp 6 200 OK\n")
	p.send("3 syslog 1 b\n")
	inputtest.Eventually(t, "the message is being submitted", func() bool { return store.waiting() })
	stop()
	store.gate <- struct{}{}
	p.expect("3 rsp 6 200 OK\n")
	p.expectEnd()
	p.Close()
	<-done
	if _, err := net.Dial("tcp", in.Addr().String()); err == nil {
		t.Error("the port is still open")
	}
}

func TestStopDoesNotWaitForEverForASinkThatBlocks(t *testing.T) {
	store := &store{gate: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background())
	in, done := startUntil(t, ctx, config{shutdown: 50 * time.Millisecond}, store)
	p := dial(t, in)
	p.open()
	p.send("2 syslog 1 a\n")
	inputtest.Eventually(t, "the message is being submitted", func() bool { return store.waiting() })
	stop()
	p.expectEnd()
	p.Close()
	<-done
}

func TestAnIdleConnectionIsClosedButNotOneThatWaitsForUs(t *testing.T) {
	store := &store{gate: make(chan struct{})}
	p := dial(t, start(t, config{idle: 500 * time.Millisecond}, store))
	p.open()
	p.send("2 syslog 1 a\n")
	inputtest.Eventually(t, "the message is being submitted", func() bool { return store.waiting() })
	time.Sleep(1200 * time.Millisecond) // well beyond the idle time-out
	store.gate <- struct{}{}
	p.expect("2 rsp 6 200 OK\n")
	p.expectEnd()
}

func TestAPeerThatNeverOpensASessionIsLetGo(t *testing.T) {
	reg := prometheus.NewRegistry()
	p := dial(t, start(t, config{handshake: 300 * time.Millisecond, registerer: reg}, &store{}))
	p.send("1 open ")
	p.expectEnd()
	expectMetric(t, reg, "syslane_input_unopened_sessions_total", 1)
}

func TestCountersTellWhatWasWrong(t *testing.T) {
	reg := prometheus.NewRegistry()
	in := start(t, config{maxMessageSize: 10, registerer: reg}, &store{})
	p := dial(t, in)
	p.open()
	p.send("2 syslog 15 0123456789abcde\n3 syslog 0\n4 syslog x")
	p.expect("2 rsp 6 200 OK\n3 rsp 6 200 OK\n")
	p.expectEnd()
	inputtest.Eventually(t, "the bad frame is counted", func() bool {
		return metric(reg, "syslane_input_bad_frames_total") == 1
	})
	expectMetric(t, reg, "syslane_input_discarded_octets_total", 5)
	expectMetric(t, reg, "syslane_input_empty_frames_total", 1)
}

func TestAMessageWithoutANumberIsCounted(t *testing.T) {
	reg := prometheus.NewRegistry()
	p := dial(t, start(t, config{registerer: reg}, &store{}))
	p.open()
	p.send("0 syslog 5 hello\n")
	p.expectEnd()
	expectMetric(t, reg, "syslane_input_bad_frames_total", 1)
}

func TestTruncatedMessagesCarryTheWarning(t *testing.T) {
	store := &store{}
	p := dial(t, start(t, config{maxMessageSize: 10}, store))
	p.open()
	p.send("2 syslog 15 0123456789abcde\n3 syslog 2 ok\n")
	p.expect("2 rsp 6 200 OK\n3 rsp 6 200 OK\n")
	if store.warnings[0] != syslog.WarnTruncated || store.warnings[1] != 0 {
		t.Errorf("warnings are %v", store.warnings)
	}
	if got, want := store.origins[0].Source.String(), p.LocalAddr().String(); got != want {
		t.Errorf("source is %s, want %s", got, want)
	}
}

func TestAMessageOfAGigabyteTakesNoMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("sends a gigabyte")
	}
	store := &store{}
	p := dial(t, start(t, config{}, store))
	p.open()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	go func() {
		io.WriteString(p, "2 syslog 999999999 ")
		piece := []byte(strings.Repeat("x", 1<<20))
		for left := 999_999_999; left > 0; left -= len(piece) {
			p.Write(piece[:min(left, len(piece))])
		}
		io.WriteString(p, "\n3 syslog 5 small\n")
	}()
	p.expect("2 rsp 6 200 OK\n3 rsp 6 200 OK\n")
	runtime.ReadMemStats(&after)
	grown := int64(after.TotalAlloc) - int64(before.TotalAlloc)
	t.Logf("%d KiB were allocated", grown>>10)
	if grown > 8<<20 {
		t.Errorf("%d octets were allocated", grown)
	}
	if got := store.all(); len(got) != 2 || len(got[0]) != syslog.DefaultMaxMessageSize || got[1] != "small" {
		t.Errorf("%d messages stored", len(got))
	}
}

// metric returns the sum of a counter over its labels.
func metric(reg *prometheus.Registry, name string) float64 {
	families, err := reg.Gather()
	if err != nil {
		return -1
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func expectMetric(t *testing.T, reg *prometheus.Registry, name string, want float64) {
	t.Helper()
	if got := metric(reg, name); got != want {
		t.Errorf("%s is %v, want %v", name, got, want)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v %v", problems, err)
	}
}
