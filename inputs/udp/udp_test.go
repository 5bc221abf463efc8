package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/syslog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// message is a message as a sink sees it.
type message struct {
	text     string
	warnings syslog.Warnings
	source   netip.AddrPort
}

// sink keeps what it is given. Its gate, if set, is waited for in each Submit.
type sink struct {
	mu       sync.Mutex
	messages []message
	batches  int
	delay    time.Duration
	gate     chan struct{}
	err      error
}

func (s *sink) Submit(ctx context.Context, b *inputs.Batch) error {
	if s.delay > 0 {
		time.Sleep(s.delay)
	}
	if s.gate != nil {
		select {
		case <-s.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.batches++
	for _, f := range b.Frames {
		s.messages = append(s.messages, message{string(f.Of(b.Data)), f.Warnings, b.Origins[f.Origin].Source})
	}
	return nil
}

func (s *sink) all() []message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]message(nil), s.messages...)
}

func (s *sink) texts() []string {
	var texts []string
	for _, m := range s.all() {
		texts = append(texts, m.text)
	}
	return texts
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.messages)
}

// start runs an input and returns the function that stops it and waits.
func start(t *testing.T, cfg Config, s inputs.Sink) (in *Input, stop func()) {
	t.Helper()
	cfg.Name = "udp-test"
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	cfg.Logger = zerolog.New(zerolog.NewTestWriter(t))
	in, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx, s) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return in, stop
}

func dial(t *testing.T, in *Input) net.Conn {
	t.Helper()
	c, err := net.Dial("udp", in.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func send(t *testing.T, c net.Conn, datagrams ...string) {
	t.Helper()
	for _, d := range datagrams {
		if _, err := c.Write([]byte(d)); err != nil {
			t.Fatal(err)
		}
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestEachDatagramIsOneMessage(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		s := &sink{}
		in, stop := start(t, Config{Listen: listen}, s)
		c := dial(t, in)
		send(t, c, "<13>one", "<13>two\n", "<13>three\r\n", "<13>four\x00", "", "\n", "<13>a\nb\n\n", "last")
		eventually(t, "5 messages", func() bool { return s.count() >= 6 })
		stop()
		want := []string{"<13>one", "<13>two", "<13>three", "<13>four", "<13>a\nb\n", "last"}
		if got := s.texts(); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("%s: got %q, want %q", listen, got, want)
		}
		source := c.LocalAddr().(*net.UDPAddr).AddrPort()
		source = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
		for _, m := range s.all() {
			if m.source != source || m.warnings != 0 {
				t.Errorf("%s: source %v, warnings %v; want %v and none", listen, m.source, m.warnings, source)
			}
		}
	}
}

func TestLongDatagramsAreCutAndFlagged(t *testing.T) {
	s := &sink{}
	reg := prometheus.NewRegistry()
	in, _ := start(t, Config{MaxMessageSize: 100, Registerer: reg}, s)
	c := dial(t, in)
	x := strings.Repeat("x", 200)
	send(t, c, x[:100], x[:100]+"\r\n", x[:101], x[:102], x[:103], x[:200], "next")
	eventually(t, "7 messages", func() bool { return s.count() == 7 })
	for i, m := range s.all() {
		want := message{x[:100], syslog.WarnTruncated, m.source}
		switch {
		case i < 2:
			want.warnings = 0
		case i == 6:
			want = message{"next", 0, m.source}
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
	s := &sink{}
	in, _ := start(t, Config{}, s)
	send(t, dial(t, in), strings.Repeat("x", 65507))
	eventually(t, "the message", func() bool { return s.count() == 1 })
	if m := s.all()[0]; len(m.text) != 65507 || m.warnings != 0 {
		t.Errorf("%d octets, warnings %v", len(m.text), m.warnings.Names(nil))
	}
}

func TestSeveralSocketsShareThePortAndKeepTheOrderOfEachSender(t *testing.T) {
	s := &sink{delay: time.Millisecond}
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
	eventually(t, "all messages", func() bool { return s.count() == senders*each })
	stop()
	next := map[netip.AddrPort]int{}
	for _, m := range s.all() {
		if m.text != fmt.Sprint(next[m.source]) {
			t.Fatalf("from %v came %s, want %d", m.source, m.text, next[m.source])
		}
		next[m.source]++
	}
	if len(next) != senders {
		t.Errorf("%d senders, want %d", len(next), senders)
	}
}

func TestWhatTheKernelHoldsAtTheEndIsSubmitted(t *testing.T) {
	s := &sink{gate: make(chan struct{})}
	in, stop := start(t, Config{}, s)
	c := dial(t, in)
	const n = 1000
	for i := range n {
		send(t, c, fmt.Sprint(i))
	}
	go func() { close(s.gate) }()
	stop()
	if s.count() != n {
		t.Errorf("%d messages, want %d", s.count(), n)
	}
}

func TestKernelDropsAreCountedExactly(t *testing.T) {
	s := &sink{gate: make(chan struct{})}
	reg := prometheus.NewRegistry()
	in, stop := start(t, Config{ReceiveBuffer: 8 << 10, Registerer: reg}, s)
	c := dial(t, in)
	const n = 60_000
	// more than the batches that may wait can hold
	message := "<13>" + strings.Repeat("x", 996)
	for range n {
		send(t, c, message)
	}
	close(s.gate)
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
	eventually(t, "received + dropped = sent", func() bool { return s.count()+dropped() == n })
	if dropped() == 0 {
		t.Error("nothing was dropped")
	}
	stop()
	if got := s.count() + dropped(); got != n {
		t.Errorf("after the end received + dropped = %d, want %d", got, n)
	}
}

func TestAFailedSubmitLosesItsBatchOnlyAndAClosedSinkEndsTheInput(t *testing.T) {
	s := &sink{err: errors.New("too large")}
	in, stop := start(t, Config{}, s)
	c := dial(t, in)
	send(t, c, "lost")
	setErr := func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err = err
	}
	eventually(t, "the second message", func() bool {
		setErr(nil)
		send(t, c, "kept")
		return s.count() > 0
	})
	setErr(inputs.ErrClosed)
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
