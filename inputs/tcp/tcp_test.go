package tcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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
}

// sink keeps what it is given. Its gate, if set, is waited for in each Submit.
type sink struct {
	mu       sync.Mutex
	messages []message
	origins  []inputs.Origin
	gate     chan struct{}
	err      error
}

func (s *sink) Submit(ctx context.Context, b *inputs.Batch) error {
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
	for _, f := range b.Frames {
		s.messages = append(s.messages, message{string(f.Of(b.Data)), f.Warnings})
		s.origins = append(s.origins, b.Origins[f.Origin])
	}
	return nil
}

func (s *sink) all() []message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

func (s *sink) has(text string) bool {
	return slices.ContainsFunc(s.all(), func(m message) bool { return m.text == text })
}

// start runs an input and returns the function that stops it and waits.
func start(t testing.TB, cfg Config, s inputs.Sink) (in *Input, stop func()) {
	t.Helper()
	cfg.Name = "tcp-test"
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if _, ok := t.(*testing.T); ok {
		cfg.Logger = zerolog.New(zerolog.NewTestWriter(t))
	}
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

func dial(t testing.TB, in *Input) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", in.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func write(t testing.TB, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// metric returns the value of a counter or gauge with the given label value, or
// the only one where label is "".
func metric(t testing.TB, g prometheus.Gatherer, name, label string) float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			match := label == ""
			for _, l := range m.GetLabel() {
				match = match || l.GetValue() == label
			}
			if match {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

// mixed returns a stream of n messages in all framings, and the messages.
func mixed(n int) (stream []byte, want []message) {
	for i := range n {
		msg := fmt.Sprintf("<13>message %d %s", i, strings.Repeat("x", i*37%2000))
		switch i % 4 {
		case 0:
			stream = fmt.Appendf(stream, "%d %s", len(msg), msg)
		case 1:
			stream = append(stream, msg+"\n"...)
		case 2:
			stream = append(stream, msg+"\r\n"...)
		case 3:
			stream = append(stream, msg+"\x00"...)
		}
		want = append(want, message{msg, 0})
	}
	return stream, want
}

func TestEverySplitOfAMixedStreamGivesTheSameMessages(t *testing.T) {
	stream, want := mixed(300)
	for _, size := range []int{1000, 4 << 10, 64 << 10, len(stream)} {
		s := &sink{}
		in, stop := start(t, Config{}, s)
		c := dial(t, in)
		for part := range slices.Chunk(stream, size) {
			write(t, c, part)
		}
		c.Close()
		eventually(t, "all messages", func() bool { return len(s.all()) == len(want) })
		stop()
		if !slices.Equal(s.all(), want) {
			t.Errorf("pieces of %d: other messages than were sent", size)
		}
	}
	// octet by octet, each in a segment of its own
	s := &sink{}
	in, _ := start(t, Config{}, s)
	c := dial(t, in)
	stream, want = mixed(20)
	for i := range stream {
		write(t, c, stream[i:i+1])
	}
	eventually(t, "all messages", func() bool { return len(s.all()) == len(want) })
	if !slices.Equal(s.all(), want) {
		t.Error("octet by octet: other messages than were sent")
	}
}

func TestCompleteMessagesDoNotWaitForTheRest(t *testing.T) {
	s := &sink{}
	in, _ := start(t, Config{}, s)
	c := dial(t, in)
	write(t, c, []byte("<13>a\n<13>b\n<13>begun"))
	eventually(t, "two messages", func() bool { return len(s.all()) == 2 })
	write(t, c, []byte(" and ended\n"))
	eventually(t, "the third", func() bool { return s.has("<13>begun and ended") })
}

func TestTheSourceOfAConnectionIsOnItsMessages(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		s := &sink{}
		in, stop := start(t, Config{Listen: listen}, s)
		c := dial(t, in)
		write(t, c, []byte("<13>a\n"))
		eventually(t, "the message", func() bool { return len(s.all()) == 1 })
		stop()
		if got, want := s.origins[0].Source.String(), strings.ReplaceAll(c.LocalAddr().String(), "::ffff:", ""); got != want {
			t.Errorf("source is %s, want %s", got, want)
		}
	}
}

func TestALineOfTenMegabytesIsCutAndTheConnectionKept(t *testing.T) {
	s := &sink{}
	reg := prometheus.NewRegistry()
	in, _ := start(t, Config{Registerer: reg}, s)
	c := dial(t, in)
	long := bytes.Repeat([]byte("x"), 10<<20)
	write(t, c, append([]byte("<13>"), long...))
	write(t, c, []byte("\n<13>after\n"))
	write(t, c, fmt.Appendf(nil, "%d <13>", len(long)+4))
	write(t, c, long)
	write(t, c, []byte("9 <13>after"))
	eventually(t, "all messages", func() bool { return len(s.all()) == 4 })
	for i, m := range s.all() {
		if i%2 == 0 && (len(m.text) != syslog.DefaultMaxMessageSize || m.warnings != syslog.WarnTruncated) || i%2 == 1 && m != (message{"<13>after", 0}) {
			t.Errorf("message %d: %d octets, warnings %v", i, len(m.text), m.warnings.Names(nil))
		}
	}
	// Both long messages have 4 + 10 MiB octets, and one a line feed.
	want := float64(2*(10<<20+4-syslog.DefaultMaxMessageSize) + 1)
	eventually(t, "the discarded octets", func() bool {
		return metric(t, reg, "syslane_input_discarded_octets_total", "truncated") == want
	})
	if got := metric(t, reg, "syslane_input_framing_errors_total", "truncated"); got != 2 {
		t.Errorf("truncated = %v, want 2", got)
	}
}

func TestAnImpossibleOctetCountCostsNoOtherMessage(t *testing.T) {
	s := &sink{}
	in, _ := start(t, Config{}, s)
	c := dial(t, in)
	write(t, c, []byte("99999999999 <13>a\n<13>b\n"))
	eventually(t, "both messages", func() bool { return len(s.all()) == 2 })
	if got := s.all(); got[0] != (message{"99999999999 <13>a", syslog.WarnBadCount}) || got[1] != (message{"<13>b", 0}) {
		t.Errorf("got %v", got)
	}
}

func TestABlockedSinkHoldsTheSenderBack(t *testing.T) {
	s := &sink{gate: make(chan struct{})}
	in, stop := start(t, Config{}, s)
	c := dial(t, in)
	line := []byte("<13>" + strings.Repeat("x", 995) + "\n")
	sent := 0
	c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	for sent < 1<<30 {
		n, err := c.Write(line)
		if sent += n; err != nil {
			break
		}
	}
	if sent >= 64<<20 {
		t.Errorf("%d octets were taken while nothing was stored", sent)
	}
	close(s.gate)
	c.Close()
	eventually(t, "all that was sent", func() bool { return len(s.all()) >= sent/1000 })
	stop()
	if got, want := len(s.all()), (sent+999)/1000; got != want {
		t.Errorf("%d messages, want %d", got, want)
	}
}

func TestTheLastLineWithoutALineFeedIsKeptAndFlagged(t *testing.T) {
	s := &sink{}
	in, _ := start(t, Config{}, s)
	c := dial(t, in)
	write(t, c, []byte("<13>a\n<13>b"))
	c.Close()
	eventually(t, "both", func() bool { return len(s.all()) == 2 })
	if got := s.all()[1]; got != (message{"<13>b", syslog.WarnUnterminated}) {
		t.Errorf("got %v", got)
	}
}

func TestWhatWasReceivedIsSubmittedAtTheEnd(t *testing.T) {
	s := &sink{gate: make(chan struct{})}
	reg := prometheus.NewRegistry()
	in, stop := start(t, Config{Registerer: reg}, s)
	stream, want := mixed(1000)
	var all sync.WaitGroup
	for range 10 {
		c := dial(t, in)
		write(t, c, stream)
	}
	// What the system has accepted and the input not yet goes with the listener.
	eventually(t, "all are accepted", func() bool { return metric(t, reg, "syslane_input_connections", "") == 10 })
	all.Go(stop)
	close(s.gate)
	all.Wait()
	if got := len(s.all()); got != 10*len(want) {
		t.Errorf("%d messages, want %d", got, 10*len(want))
	}
}

func TestAPeerSeesTheEndOfTheInputAsAnOrderlyClose(t *testing.T) {
	s := &sink{}
	in, stop := start(t, Config{}, s)
	c := dial(t, in)
	write(t, c, []byte("<13>a\n"))
	eventually(t, "the message", func() bool { return s.has("<13>a") })
	ended := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		write(t, c, []byte("<13>last\n"))
		c.Close()
		ended <- err
	}()
	stop()
	if err := <-ended; err == nil || err.Error() != "EOF" {
		t.Errorf("the peer read %v, want EOF", err)
	}
	if !s.has("<13>last") {
		t.Error("what the peer sent while the input ended is missing")
	}
}

func TestConnectionsBeyondTheLimitsAreRefusedAndCounted(t *testing.T) {
	f := func(cfg Config, reason string) {
		t.Helper()
		s := &sink{}
		reg := prometheus.NewRegistry()
		cfg.Registerer = reg
		in, _ := start(t, cfg, s)
		first, second := dial(t, in), dial(t, in)
		write(t, first, []byte("<13>first\n"))
		write(t, second, []byte("<13>second\n"))
		eventually(t, "messages of the permitted ones", func() bool { return s.has("<13>first") && s.has("<13>second") })
		third := dial(t, in)
		if _, err := third.Read(make([]byte, 1)); err == nil {
			t.Error("a third connection stayed open")
		}
		eventually(t, "the refusal in the metric", func() bool {
			return metric(t, reg, "syslane_input_refused_connections_total", reason) == 1
		})
		first.Close()
		eventually(t, "a free place", func() bool {
			c := dial(t, in)
			defer c.Close()
			c.Write([]byte("<13>later\n"))
			c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			_, err := c.Read(make([]byte, 1))
			return s.has("<13>later") && err != nil
		})
	}
	f(Config{MaxConnections: 2}, "connections")
	f(Config{MaxConnectionsPerAddress: 2}, "connections_per_address")
}

func TestAnIdleConnectionIsClosed(t *testing.T) {
	s := &sink{}
	in, _ := start(t, Config{IdleTimeout: 500 * time.Millisecond}, s)
	c := dial(t, in)
	write(t, c, []byte("<13>a\n<13>b"))
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || err.Error() != "EOF" {
		t.Errorf("read %v, want EOF", err)
	}
	eventually(t, "the cut message", func() bool { return s.has("<13>b") })
}

func TestAClosedSinkEndsTheConnectionsAndOthersErrorsDoNot(t *testing.T) {
	s := &sink{err: errors.New("too large")}
	in, _ := start(t, Config{}, s)
	c := dial(t, in)
	setErr := func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err = err
	}
	write(t, c, []byte("<13>lost\n"))
	setErr(nil)
	eventually(t, "a later message", func() bool {
		write(t, c, []byte("<13>kept\n"))
		return s.has("<13>kept")
	})
	setErr(inputs.ErrClosed)
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	write(t, c, []byte("<13>never\n"))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("read %v, want the end of the connection", err)
	}
}

func TestRandomOctetsHarmNoOtherConnection(t *testing.T) {
	s := &sink{}
	in, _ := start(t, Config{}, s)
	for seed := range 20 {
		c := dial(t, in)
		junk := make([]byte, 100_000)
		x := uint32(seed + 1)
		for i := range junk {
			x ^= x << 13
			x ^= x >> 17
			x ^= x << 5
			junk[i] = byte(x)
		}
		c.Write(junk)
		c.Close()
	}
	write(t, dial(t, in), []byte("<13>good\n"))
	eventually(t, "the good message", func() bool { return s.has("<13>good") })
}

func TestBuffersForSpeedAreBoundedAndThoseForAMessageAreNot(t *testing.T) {
	for _, size := range []int{100, 10_000, syslog.DefaultMaxMessageSize, 1 << 20, maxMessageSizeLimit} {
		b := newBuffers(size)
		if need := syslog.NewFramer(0, size).MinBuffer(); b.sizes[b.needed] < need {
			t.Errorf("a message of %d octets needs %d, its buffer has %d", size, need, b.sizes[b.needed])
		}
		speedy := len(b.sizes) - 1
		var held []*buffer
		for range 2 * largeBudget / (4 << 10) {
			class := b.affordable(speedy, 0)
			held = append(held, b.get(class))
		}
		if b.large.Load() > largeBudget {
			t.Errorf("budget exceeded: %d", b.large.Load())
		}
		if class := b.affordable(0, b.needed); class != b.needed {
			t.Errorf("max_message_size %d: a buffer that a message needs was refused", size)
		}
		for class := range b.sizes[:b.needed] {
			if got := b.smallest(b.sizes[class]); got <= class || b.sizes[got] <= b.sizes[class] {
				t.Errorf("max_message_size %d: no room behind %d octets in a buffer of %d", size, b.sizes[class], b.sizes[got])
			}
		}
		for _, buf := range held {
			b.put(buf)
		}
		if b.large.Load() != 0 {
			t.Errorf("%d octets counted with no buffer out", b.large.Load())
		}
	}
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
	f(Config{Name: "a", Listen: ":0", MaxMessageSize: 1 << 30}, "max_message_size")
	f(Config{Name: "a", Listen: ":0", IdleTimeout: -1}, "idle_timeout")
}
