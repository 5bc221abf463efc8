// Package inputtest runs inputs in tests: a sink that keeps what it is given, and what
// every such test needs to wait and to count.
package inputtest

import (
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/syslog"
)

// Message is a message as a sink sees it.
type Message struct {
	Text     string
	Warnings syslog.Warnings
}

// Sink keeps what it is given. Its zero value takes all at once.
type Sink struct {
	// Gate, where set, gives once for each Submit, or is closed.
	Gate chan struct{}
	// Delay is how long each Submit takes, as an fsync does.
	Delay time.Duration

	mu       sync.Mutex
	messages []Message
	origins  []inputs.Origin
	err      error
}

// Submit keeps the messages of b, or returns the error that Fail was given.
func (s *Sink) Submit(ctx context.Context, b *inputs.Batch) error {
	time.Sleep(s.Delay)
	if s.Gate != nil {
		select {
		case <-s.Gate:
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
		s.messages = append(s.messages, Message{string(f.Of(b.Data)), f.Warnings})
		s.origins = append(s.origins, b.Origins[f.Origin])
	}
	return nil
}

// Fail makes each Submit return err; nil lets them succeed again.
func (s *Sink) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// All returns the messages that have come.
func (s *Sink) All() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Origins returns the peers of the messages of All.
func (s *Sink) Origins() []inputs.Origin {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.origins)
}

// Texts returns the texts of the messages of All.
func (s *Sink) Texts() (texts []string) {
	for _, m := range s.All() {
		texts = append(texts, m.Text)
	}
	return texts
}

// Count returns how many messages have come.
func (s *Sink) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.messages)
}

// Has tells whether a message with this text has come.
func (s *Sink) Has(text string) bool {
	return slices.ContainsFunc(s.All(), func(m Message) bool { return m.Text == text })
}

// Counter is a sink that only counts, for benchmarks.
type Counter struct {
	// Delay is how long each Submit takes, as an fsync does.
	Delay             time.Duration
	Messages, Batches atomic.Int64
}

// Submit counts the messages of b.
func (c *Counter) Submit(_ context.Context, b *inputs.Batch) error {
	time.Sleep(c.Delay)
	c.Messages.Add(int64(len(b.Frames)))
	c.Batches.Add(1)
	return nil
}

// Logger returns a logger whose lines are those of the test. A benchmark's go nowhere.
func Logger(t testing.TB) zerolog.Logger {
	if _, ok := t.(*testing.T); ok {
		return zerolog.New(zerolog.NewTestWriter(t))
	}
	return zerolog.Nop()
}

// Run listens and runs an input until the test ends, or until stop, which waits for its
// end. A failure of Run is one of the test.
func Run(t testing.TB, in inputs.Input, s inputs.Sink) (stop func()) {
	t.Helper()
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
	return stop
}

// Dial connects to an input until the test ends.
func Dial(t testing.TB, network, address string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Eventually waits at most 30 seconds until a condition holds.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// Metric returns the value of a counter or gauge that has a label with the given
// value, or of the first of its name where label is "".
func Metric(t testing.TB, g prometheus.Gatherer, name, label string) float64 {
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
