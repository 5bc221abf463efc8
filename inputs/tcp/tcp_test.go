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
	"go.uber.org/goleak"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/inputs/inputtest"
	"github.com/syslane/syslane/internal/syslog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs an input and returns the function that stops it and waits.
func start(t testing.TB, cfg Config, s inputs.Sink) (in *Input, stop func()) {
	t.Helper()
	cfg.Name = "tcp-test"
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

func dial(t testing.TB, in *Input) net.Conn {
	t.Helper()
	return inputtest.Dial(t, "tcp", in.Addr().String())
}

func write(t testing.TB, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

// mixed returns a stream of n messages in all framings, and the messages.
func mixed(n int) (stream []byte, want []inputtest.Message) {
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
		want = append(want, inputtest.Message{Text: msg})
	}
	return stream, want
}

func TestEverySplitOfAMixedStreamGivesTheSameMessages(t *testing.T) {
	stream, want := mixed(300)
	for _, size := range []int{1000, 4 << 10, 64 << 10, len(stream)} {
		s := &inputtest.Sink{}
		in, stop := start(t, Config{}, s)
		c := dial(t, in)
		for part := range slices.Chunk(stream, size) {
			write(t, c, part)
		}
		c.Close()
		inputtest.Eventually(t, "all messages", func() bool { return s.Count() == len(want) })
		stop()
		if !slices.Equal(s.All(), want) {
			t.Errorf("pieces of %d: other messages than were sent", size)
		}
	}
	// octet by octet, each in a segment of its own
	s := &inputtest.Sink{}
	in, _ := start(t, Config{}, s)
	c := dial(t, in)
	stream, want = mixed(20)
	for i := range stream {
		write(t, c, stream[i:i+1])
	}
	inputtest.Eventually(t, "all messages", func() bool { return s.Count() == len(want) })
	if !slices.Equal(s.All(), want) {
		t.Error("octet by octet: other messages than were sent")
	}
}

func TestCompleteMessagesDoNotWaitForTheRest(t *testing.T) {
	s := &inputtest.Sink{}
	in, _ := start(t, Config{}, s)
	c := dial(t, in)
	write(t, c, []byte("<13>a\n<13>b\n<13>begun"))
	inputtest.Eventually(t, "two messages", func() bool { return s.Count() == 2 })
	write(t, c, []byte(" and ended\n"))
	inputtest.Eventually(t, "the third", func() bool { return s.Has("<13>begun and ended") })
}

func TestTheSourceOfAConnectionIsOnItsMessages(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		s := &inputtest.Sink{}
		in, stop := start(t, Config{Listen: listen}, s)
		c := dial(t, in)
		write(t, c, []byte("<13>a\n"))
		inputtest.Eventually(t, "the message", func() bool { return s.Count() == 1 })
		stop()
		if got, want := s.Origins()[0].Source.String(), strings.ReplaceAll(c.LocalAddr().String(), "::ffff:", ""); got != want {
			t.Errorf("source is %s, want %s", got, want)
		}
	}
}

func TestALineOfTenMegabytesIsCutAndTheConnectionKept(t *testing.T) {
	s := &inputtest.Sink{}
	reg := prometheus.NewRegistry()
	in, _ := start(t, Config{Registerer: reg}, s)
	c := dial(t, in)
	long := bytes.Repeat([]byte("x"), 10<<20)
	write(t, c, append([]byte("<13>"), long...))
	write(t, c, []byte("\n<13>after\n"))
	write(t, c, fmt.Appendf(nil, "%d <13>", len(long)+4))
	write(t, c, long)
	write(t, c, []byte("9 <13>after"))
	inputtest.Eventually(t, "all messages", func() bool { return s.Count() == 4 })
	for i, m := range s.All() {
		if i%2 == 0 && (len(m.Text) != syslog.DefaultMaxMessageSize || m.Warnings != syslog.WarnTruncated) || i%2 == 1 && m != (inputtest.Message{Text: "<13>after"}) {
			t.Errorf("message %d: %d octets, warnings %v", i, len(m.Text), m.Warnings.Names(nil))
		}
	}
	// Both long messages have 4 + 10 MiB octets, and one a line feed.
	want := float64(2*(10<<20+4-syslog.DefaultMaxMessageSize) + 1)
	inputtest.Eventually(t, "the discarded octets", func() bool {
		return inputtest.Metric(t, reg, "syslane_input_discarded_octets_total", "truncated") == want
	})
	if got := inputtest.Metric(t, reg, "syslane_input_framing_errors_total", "truncated"); got != 2 {
		t.Errorf("truncated = %v, want 2", got)
	}
}

func TestAnImpossibleOctetCountCostsNoOtherMessage(t *testing.T) {
	s := &inputtest.Sink{}
	in, _ := start(t, Config{}, s)
	c := dial(t, in)
	write(t, c, []byte("99999999999 <13>a\n<13>b\n"))
	inputtest.Eventually(t, "both messages", func() bool { return s.Count() == 2 })
	if got := s.All(); got[0] != (inputtest.Message{Text: "99999999999 <13>a", Warnings: syslog.WarnBadCount}) || got[1] != (inputtest.Message{Text: "<13>b"}) {
		t.Errorf("got %v", got)
	}
}

func TestABlockedSinkHoldsTheSenderBack(t *testing.T) {
	s := &inputtest.Sink{Gate: make(chan struct{})}
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
	close(s.Gate)
	c.Close()
	inputtest.Eventually(t, "all that was sent", func() bool { return s.Count() >= sent/1000 })
	stop()
	if got, want := s.Count(), (sent+999)/1000; got != want {
		t.Errorf("%d messages, want %d", got, want)
	}
}

func TestTheLastLineWithoutALineFeedIsKeptAndFlagged(t *testing.T) {
	s := &inputtest.Sink{}
	in, _ := start(t, Config{}, s)
	c := dial(t, in)
	write(t, c, []byte("<13>a\n<13>b"))
	c.Close()
	inputtest.Eventually(t, "both", func() bool { return s.Count() == 2 })
	if got := s.All()[1]; got != (inputtest.Message{Text: "<13>b", Warnings: syslog.WarnUnterminated}) {
		t.Errorf("got %v", got)
	}
}

func TestWhatWasReceivedIsSubmittedAtTheEnd(t *testing.T) {
	s := &inputtest.Sink{Gate: make(chan struct{})}
	reg := prometheus.NewRegistry()
	in, stop := start(t, Config{Registerer: reg}, s)
	stream, want := mixed(1000)
	var all sync.WaitGroup
	for range 10 {
		c := dial(t, in)
		write(t, c, stream)
	}
	// What the system has accepted and the input not yet goes with the listener.
	inputtest.Eventually(t, "all are accepted", func() bool { return inputtest.Metric(t, reg, "syslane_input_connections", "") == 10 })
	all.Go(stop)
	close(s.Gate)
	all.Wait()
	if got := s.Count(); got != 10*len(want) {
		t.Errorf("%d messages, want %d", got, 10*len(want))
	}
}

func TestAPeerSeesTheEndOfTheInputAsAnOrderlyClose(t *testing.T) {
	s := &inputtest.Sink{}
	in, stop := start(t, Config{}, s)
	c := dial(t, in)
	write(t, c, []byte("<13>a\n"))
	inputtest.Eventually(t, "the message", func() bool { return s.Has("<13>a") })
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
	if !s.Has("<13>last") {
		t.Error("what the peer sent while the input ended is missing")
	}
}

func TestConnectionsBeyondTheLimitsAreRefusedAndCounted(t *testing.T) {
	f := func(cfg Config, reason string) {
		t.Helper()
		s := &inputtest.Sink{}
		reg := prometheus.NewRegistry()
		cfg.Registerer = reg
		in, _ := start(t, cfg, s)
		first, second := dial(t, in), dial(t, in)
		write(t, first, []byte("<13>first\n"))
		write(t, second, []byte("<13>second\n"))
		inputtest.Eventually(t, "messages of the permitted ones", func() bool { return s.Has("<13>first") && s.Has("<13>second") })
		third := dial(t, in)
		if _, err := third.Read(make([]byte, 1)); err == nil {
			t.Error("a third connection stayed open")
		}
		inputtest.Eventually(t, "the refusal in the metric", func() bool {
			return inputtest.Metric(t, reg, "syslane_input_refused_connections_total", reason) == 1
		})
		first.Close()
		inputtest.Eventually(t, "a free place", func() bool {
			c := dial(t, in)
			defer c.Close()
			c.Write([]byte("<13>later\n"))
			c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			_, err := c.Read(make([]byte, 1))
			return s.Has("<13>later") && err != nil
		})
	}
	f(Config{MaxConnections: 2}, "connections")
	f(Config{MaxConnectionsPerAddress: 2}, "connections_per_address")
}

func TestAnIdleConnectionIsClosed(t *testing.T) {
	s := &inputtest.Sink{}
	in, _ := start(t, Config{IdleTimeout: 500 * time.Millisecond}, s)
	c := dial(t, in)
	write(t, c, []byte("<13>a\n<13>b"))
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || err.Error() != "EOF" {
		t.Errorf("read %v, want EOF", err)
	}
	inputtest.Eventually(t, "the cut message", func() bool { return s.Has("<13>b") })
}

func TestAClosedSinkEndsTheConnectionsAndOthersErrorsDoNot(t *testing.T) {
	s := &inputtest.Sink{}
	s.Fail(errors.New("too large"))
	in, _ := start(t, Config{}, s)
	c := dial(t, in)
	write(t, c, []byte("<13>lost\n"))
	s.Fail(nil)
	inputtest.Eventually(t, "a later message", func() bool {
		write(t, c, []byte("<13>kept\n"))
		return s.Has("<13>kept")
	})
	s.Fail(inputs.ErrClosed)
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	write(t, c, []byte("<13>never\n"))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("read %v, want the end of the connection", err)
	}
}

func TestRandomOctetsHarmNoOtherConnection(t *testing.T) {
	s := &inputtest.Sink{}
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
	inputtest.Eventually(t, "the good message", func() bool { return s.Has("<13>good") })
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
