package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/inputs/inputtest"
	"github.com/syslane/syslane/internal/syslog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs an input and returns the function that stops it and waits.
func start(t *testing.T, cfg Config, s inputs.Sink) (in *Input, stop func()) {
	t.Helper()
	cfg.Name = "udp-test"
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	cfg.Logger = inputtest.Logger(t)
	in, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return in, inputtest.Run(t, in, s)
}

func dial(t *testing.T, in *Input) net.Conn {
	t.Helper()
	return inputtest.Dial(t, "udp", in.Addr().String())
}

func send(t *testing.T, c net.Conn, datagrams ...string) {
	t.Helper()
	for _, d := range datagrams {
		if _, err := c.Write([]byte(d)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEachDatagramIsOneMessage(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		s := &inputtest.Sink{}
		in, stop := start(t, Config{Listen: listen}, s)
		c := dial(t, in)
		send(t, c, "<13>one", "<13>two\n", "<13>three\r\n", "<13>four\x00", "", "\n", "<13>a\nb\n\n", "last")
		inputtest.Eventually(t, "5 messages", func() bool { return s.Count() >= 6 })
		stop()
		want := []string{"<13>one", "<13>two", "<13>three", "<13>four", "<13>a\nb\n", "last"}
		if got := s.Texts(); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("%s: got %q, want %q", listen, got, want)
		}
		source := c.LocalAddr().(*net.UDPAddr).AddrPort()
		source = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
		for i, m := range s.All() {
			if got := s.Origins()[i].Source; got != source || m.Warnings != 0 {
				t.Errorf("%s: source %v, warnings %v; want %v and none", listen, got, m.Warnings, source)
			}
		}
	}
}

func TestLongDatagramsAreCutAndFlagged(t *testing.T) {
	s := &inputtest.Sink{}
	reg := prometheus.NewRegistry()
	in, _ := start(t, Config{MaxMessageSize: 100, Registerer: reg}, s)
	c := dial(t, in)
	x := strings.Repeat("x", 200)
	send(t, c, x[:100], x[:100]+"\r\n", x[:101], x[:102], x[:103], x[:200], "next")
	inputtest.Eventually(t, "7 messages", func() bool { return s.Count() == 7 })
	for i, m := range s.All() {
		want := inputtest.Message{Text: x[:100], Warnings: syslog.WarnTruncated}
		switch {
		case i < 2:
			want.Warnings = 0
		case i == 6:
			want = inputtest.Message{Text: "next"}
		}
		if m != want {
			t.Errorf("message %d: %v, want %v", i, m, want)
		}
	}
	expected := `
# HELP syslane_input_discarded_octets_total Octets received that are in no message: beyond max_message_size, or of a frame that never ended.
# TYPE syslane_input_discarded_octets_total counter
syslane_input_discarded_octets_total{input="udp-test",reason="truncated"} 106
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(expected), "syslane_input_discarded_octets_total"); err != nil {
		t.Error(err)
	}
}

func TestTheLargestDatagramArrivesWhole(t *testing.T) {
	s := &inputtest.Sink{}
	in, _ := start(t, Config{}, s)
	send(t, dial(t, in), strings.Repeat("x", 65507))
	inputtest.Eventually(t, "the message", func() bool { return s.Count() == 1 })
	if m := s.All()[0]; len(m.Text) != 65507 || m.Warnings != 0 {
		t.Errorf("%d octets, warnings %v", len(m.Text), m.Warnings.Names(nil))
	}
}

func TestSeveralSocketsShareThePortAndKeepTheOrderOfEachSender(t *testing.T) {
	s := &inputtest.Sink{Delay: time.Millisecond}
	in, stop := start(t, Config{Sockets: 3}, s)
	const senders, each = 8, 200
	var conns [senders]net.Conn
	for i := range conns {
		conns[i] = dial(t, in)
	}
	for n := range each {
		for _, c := range conns {
			send(t, c, fmt.Sprint(n))
		}
	}
	inputtest.Eventually(t, "all messages", func() bool { return s.Count() == senders*each })
	stop()
	next := map[netip.AddrPort]int{}
	origins := s.Origins()
	for i, m := range s.All() {
		source := origins[i].Source
		if m.Text != fmt.Sprint(next[source]) {
			t.Fatalf("from %v came %s, want %d", source, m.Text, next[source])
		}
		next[source]++
	}
	if len(next) != senders {
		t.Errorf("%d senders, want %d", len(next), senders)
	}
}

func TestWhatTheKernelHoldsAtTheEndIsSubmitted(t *testing.T) {
	s := &inputtest.Sink{Gate: make(chan struct{})}
	in, stop := start(t, Config{}, s)
	c := dial(t, in)
	const n = 1000
	for i := range n {
		send(t, c, fmt.Sprint(i))
	}
	go func() { close(s.Gate) }()
	stop()
	if s.Count() != n {
		t.Errorf("%d messages, want %d", s.Count(), n)
	}
}

// listening returns an input that listens and does not run.
func listening(t *testing.T) *Input {
	t.Helper()
	in, err := New(Config{Name: "udp-test", Listen: "127.0.0.1:0", Logger: inputtest.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.close() })
	return in
}

func TestWhatOneCallTookIsSubmittedWhereNothingMoreComes(t *testing.T) {
	in := listening(t)
	c, sock, s := dial(t, in), in.sockets[0], &inputtest.Sink{}
	n := sock.receiver.Most()
	for i := range n {
		send(t, c, fmt.Sprint(i))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var parts sync.WaitGroup
	parts.Go(func() { sock.gather.Submit(ctx, s, "udp-test", nil) })
	time.Sleep(10 * time.Millisecond) // it sleeps, and has to be woken
	parts.Go(func() { sock.receive(ctx) })
	defer func() {
		cancel()
		sock.conn.Wake()
		sock.gather.End()
		parts.Wait()
	}()
	inputtest.Eventually(t, "what one call took", func() bool { return s.Count() == n })
}

func TestDatagramsThatWereTakenWhenTheSinkHadClosedAreCountedByIt(t *testing.T) {
	in := listening(t)
	sock, s := in.sockets[0], &inputtest.Sink{}
	s.Fail(inputs.ErrClosed)
	sock.gather.Begin().AddDatagram([]byte("first"), 5, 5, &syslog.FramingStats{})
	sock.gather.Done(false)
	if err := sock.gather.Submit(t.Context(), s, "udp-test", nil); !errors.Is(err, inputs.ErrClosed) {
		t.Fatalf("Submit returned %v", err)
	}
	s.Fail(nil)
	send(t, dial(t, in), "late")
	if err := sock.run(t.Context(), t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if !s.Has("late") {
		t.Error("the sink was not given what was taken")
	}
}

// patient is a sink that takes its time, and notes whether the input gives it up meanwhile.
type patient struct {
	inputtest.Sink
	gaveUp atomic.Bool
}

func (p *patient) Submit(ctx context.Context, b *inputs.Batch) error {
	select {
	case <-ctx.Done():
		p.gaveUp.Store(true)
	case <-time.After(100 * time.Millisecond):
	}
	return p.Sink.Submit(ctx, b)
}

func TestAnInputThatLeavesItsSocketsWaitsForTheLogAsLongAsBefore(t *testing.T) {
	s := &patient{}
	in, stop := start(t, Config{ShutdownTimeout: time.Nanosecond}, s)
	send(t, dial(t, in), "<13>one")
	in.Retire()
	inputtest.Eventually(t, "the message", func() bool { return s.Count() == 1 })
	stop()
	if s.gaveUp.Load() {
		t.Error("the input gave the log up")
	}
}

func TestKernelDropsAreCountedExactly(t *testing.T) {
	s := &inputtest.Sink{Gate: make(chan struct{})}
	reg := prometheus.NewRegistry()
	in, stop := start(t, Config{ReceiveBuffer: 8 << 10, SocketMetrics: reg}, s)
	c := dial(t, in)
	const n = 60_000
	// more than the batches that may wait can hold
	message := "<13>" + strings.Repeat("x", 996)
	for range n {
		send(t, c, message)
	}
	close(s.Gate)
	dropped := func() int {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "syslane_input_kernel_dropped_messages_total" {
				return int(f.GetMetric()[0].GetCounter().GetValue())
			}
		}
		return -1
	}
	inputtest.Eventually(t, "received + dropped = sent", func() bool { return s.Count()+dropped() == n })
	if dropped() == 0 {
		t.Error("nothing was dropped")
	}
	stop()
	if got := s.Count() + dropped(); got != n {
		t.Errorf("after the end received + dropped = %d, want %d", got, n)
	}
}

func TestAFailedSubmitLosesItsBatchOnlyAndAClosedSinkEndsTheInput(t *testing.T) {
	s := &inputtest.Sink{}
	s.Fail(errors.New("too large"))
	in, stop := start(t, Config{}, s)
	c := dial(t, in)
	send(t, c, "lost")
	inputtest.Eventually(t, "the second message", func() bool {
		s.Fail(nil)
		send(t, c, "kept")
		return s.Count() > 0
	})
	s.Fail(inputs.ErrClosed)
	send(t, c, "never")
	stop()
}

func TestConfigurationMistakesAreToldBeforeAPortIsBound(t *testing.T) {
	f := func(cfg Config, want string) {
		t.Helper()
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one with %q", err, want)
		}
	}
	f(Config{Listen: ":0"}, "name")
	f(Config{Name: "a", Listen: "514"}, "host:port")
	f(Config{Name: "a", Listen: ":0", Sockets: 65}, "sockets")
	f(Config{Name: "a", Listen: ":0", ReceiveBuffer: -1}, "receive_buffer")
}

func TestReceivingDoesNotAllocatePerMessage(t *testing.T) {
	in, err := New(Config{Name: "a", Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Listen(); err != nil {
		t.Fatal(err)
	}
	defer in.close()
	c := dial(t, in)
	sock := in.sockets[0]
	datagram := []byte("<13>hello")
	if n := testing.AllocsPerRun(1000, func() {
		c.Write(datagram)
		n, err := sock.receiver.Wait()
		if err != nil || !sock.add(n, false) {
			t.Error(n, err)
		}
		sock.gather.Begin().Reset()
		sock.gather.Done(false)
	}); n > 0 {
		t.Errorf("%v allocations for a datagram", n)
	}
}
