package relp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/inputs"
	input "github.com/syslane/syslane/inputs/relp"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
	output "github.com/syslane/syslane/outputs/relp"
)

// eventStore is a Sink that takes plain messages and events, and like the real
// one drops what a stream has brought before.
type eventStore struct {
	mu       sync.Mutex
	messages []string
	events   []string
	repeated int
	// stored are the ids by stream and position, end the position after the last.
	stored  map[place]syslog.ID
	end     map[string]uint64
	sources map[string]int
	// refuse, where set, may make a submit fail.
	refuse func() error
}

type place struct {
	stream   string
	position uint64
}

func newEventStore() *eventStore {
	return &eventStore{stored: make(map[place]syslog.ID), end: make(map[string]uint64), sources: make(map[string]int)}
}

func (s *eventStore) Submit(_ context.Context, b *inputs.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		if err := s.refuse(); err != nil {
			return err
		}
	}
	for _, f := range b.Frames {
		s.messages = append(s.messages, string(f.Of(b.Data)))
	}
	return nil
}

func (s *eventStore) SubmitEvents(_ context.Context, b *inputs.EventBatch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		if err := s.refuse(); err != nil {
			return err
		}
	}
	dense, had := uint64(b.Count) == b.Next-b.First, 0
	for at := b.First; at < b.Next; at++ {
		if _, known := s.stored[place{b.Stream, at}]; known {
			had++
		}
	}
	if !dense && had > 0 && had < int(b.Next-b.First) {
		return errors.New("a batch with gaps overlaps what is stored")
	}
	at, run := b.First, b.Events
	var e syslog.Event
	for len(run) > 0 {
		var record []byte
		record, run = syslog.NextRecord(run)
		_, known := s.stored[place{b.Stream, at}]
		at++
		if known {
			s.repeated++
			continue
		}
		if err := e.Decode(record, nil); err != nil {
			return err
		}
		if dense {
			s.stored[place{b.Stream, at - 1}] = e.ID
		}
		s.events = append(s.events, string(e.Raw))
		s.sources[e.Source.String()]++
	}
	for at := b.First; at < b.Next && !dense; at++ {
		s.stored[place{b.Stream, at}] = e.ID
	}
	s.end[b.Stream] = max(s.end[b.Stream], b.Next)
	return nil
}

func (s *eventStore) Resume(stream string, from uint64) inputs.Resume {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := inputs.Resume{End: s.end[stream]}
	for p := from; p < r.End; p++ {
		if s.stored[place{stream, p}] == (syslog.ID{}) {
			continue
		}
		if n := len(r.Have); n > 0 && r.Have[n-1].Next == p {
			r.Have[n-1].Next++
		} else {
			r.Have = append(r.Have, inputs.Range{First: p, Next: p + 1})
		}
	}
	r.Last = s.stored[place{stream, r.End - 1}]
	return r
}

func (s *eventStore) received() (messages, events []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.messages...), append([]string(nil), s.events...)
}

// plainSink hides that the store takes events.
type plainSink struct{ inputs.Sink }

// startServer runs a RELP input until the test ends and returns its address.
func startServer(t *testing.T, sink inputs.Sink, config *tls.Config) string {
	t.Helper()
	in, err := input.New(input.Config{Name: "relp", Listen: "127.0.0.1:0", TLS: config, Logger: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx, sink) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("input ended with %v", err)
		}
	})
	return in.Addr().String()
}

func testLogger(t *testing.T) zerolog.Logger {
	return zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.DebugLevel)
}

// startOutput returns an output that is closed when the test ends.
func startOutput(t *testing.T, cfg output.Config) *output.Output {
	t.Helper()
	cfg.Name, cfg.Logger = "out", testLogger(t)
	o, err := output.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

// batchOf returns a batch of n numbered messages from position first on.
func batchOf(first uint64, n int) *outputs.Batch {
	b := &outputs.Batch{Stream: "0123abcd/out", First: first, Next: first + uint64(n), Count: n}
	for i := range n {
		b.Events = syslog.AppendRecord(b.Events, event(int(first)+i, syslog.RFC5424))
	}
	return b
}

func event(number int, format syslog.Format) *syslog.Event {
	e := &syslog.Event{ID: syslog.MakeID(time.Unix(1_700_000_000, int64(number)), [4]byte{1}, uint32(number)), Input: "udp"}
	e.Format, e.Facility, e.Severity, e.Timestamp = format, syslog.Local0, syslog.Informational, syslog.NoTimestamp
	e.Source = mustAddrPort("192.0.2.7:514")
	e.Raw = fmt.Appendf(nil, "<134>1 - host app - - - message number %08d", number)
	if format == syslog.Unparsed {
		e.Facility, e.Severity = syslog.DefaultFacility, syslog.DefaultSeverity
		e.Raw = fmt.Appendf(nil, "message number %08d", number)
	}
	e.Text = syslog.Span{Start: uint32(bytes.Index(e.Raw, []byte("message"))), End: uint32(len(e.Raw))}
	return e
}

// writeAll writes the batch again and again, as the delivery does, until the
// output has it.
func writeAll(t *testing.T, o *output.Output, b *outputs.Batch) *outputs.Rejected {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	for {
		err := o.Write(ctx, b)
		var rejected *outputs.Rejected
		if err == nil || errors.As(err, &rejected) {
			return rejected
		}
		if ctx.Err() != nil {
			t.Fatalf("the batch does not get through: %v", err)
		}
		t.Logf("write: %v", err)
		time.Sleep(time.Millisecond) // the pause of the delivery
	}
}

// number returns the number in a message.
func number(t *testing.T, message string) int {
	t.Helper()
	var n int
	i := bytes.LastIndex([]byte(message), []byte("number "))
	if i < 0 {
		t.Fatalf("message without a number: %q", message)
	}
	if _, err := fmt.Sscanf(message[i:], "number %d", &n); err != nil {
		t.Fatalf("message without a number: %q", message)
	}
	return n
}

// expectNumbers checks that the messages hold each number from first on, n of
// them, and returns how many came more than once.
func expectNumbers(t *testing.T, messages []string, first, n int) (repeated int) {
	t.Helper()
	seen := make([]int, n)
	for _, m := range messages {
		i := number(t, m) - first
		if i < 0 || i >= n {
			t.Fatalf("unexpected message %q", m)
		}
		if seen[i]++; seen[i] > 1 {
			repeated++
		}
	}
	for i, times := range seen {
		if times == 0 {
			t.Errorf("message number %d is lost", first+i)
		}
	}
	return repeated
}

// cutter is a TCP proxy that cuts each connection after a number of octets from
// the client or the server, as cut says; a negative number never.
type cutter struct {
	addr   string
	target string
	mu     sync.Mutex
	conns  int
	cut    func(conn int) (fromClient, fromServer int64)
}

func startCutter(t *testing.T, target string, cut func(conn int) (fromClient, fromServer int64)) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{addr: l.Addr().String(), target: target, cut: cut}
	var running sync.WaitGroup
	t.Cleanup(func() { l.Close(); running.Wait() })
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			c.mu.Lock()
			fromClient, fromServer := cut(c.conns)
			c.conns++
			c.mu.Unlock()
			running.Go(func() { c.forward(client, fromClient, fromServer) })
		}
	})
	return c
}

func (c *cutter) forward(client net.Conn, fromClient, fromServer int64) {
	defer client.Close()
	server, err := net.Dial("tcp", c.target)
	if err != nil {
		return
	}
	defer server.Close()
	var copying sync.WaitGroup
	pipe := func(dst, src net.Conn, limit int64) {
		buf := make([]byte, 4096)
		for limit != 0 {
			n, err := src.Read(buf)
			if limit > 0 {
				n = int(min(int64(n), limit))
				limit -= int64(n)
			}
			if _, werr := dst.Write(buf[:n]); err != nil || werr != nil {
				break
			}
		}
		// A cut wire: both ends learn of it at once.
		client.Close()
		server.Close()
	}
	copying.Go(func() { pipe(server, client, fromClient) })
	copying.Go(func() { pipe(client, server, fromServer) })
	copying.Wait()
}

func (c *cutter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conns
}

// startServerUntil runs a RELP input until ctx ends; done is closed when it has ended.
func startServerUntil(t *testing.T, ctx context.Context, sink inputs.Sink) (addr string, done chan struct{}) {
	t.Helper()
	return runServer(t, ctx, "127.0.0.1:0", sink)
}

// startServerAt runs a RELP input at an address until the test ends.
func startServerAt(t *testing.T, addr string, sink inputs.Sink) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	_, done := runServer(t, ctx, addr, sink)
	t.Cleanup(func() { stop(); <-done })
}

func runServer(t *testing.T, ctx context.Context, addr string, sink inputs.Sink) (string, chan struct{}) {
	t.Helper()
	in, err := input.New(input.Config{Name: "relp", Listen: addr, Logger: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Listen(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := in.Run(ctx, sink); err != nil {
			t.Errorf("input ended with %v", err)
		}
	}()
	return in.Addr().String(), done
}
