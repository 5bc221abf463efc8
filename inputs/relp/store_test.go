package relp_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/inputs/inputtest"
	"github.com/syslane/syslane/inputs/relp"
	"github.com/syslane/syslane/internal/syslog"
)

// store is a Sink that remembers what it was given.
type store struct {
	mu       sync.Mutex
	messages []string
	warnings []syslog.Warnings
	origins  []inputs.Origin
	batches  int
	// fail, where set, may make a submit fail; gate, where set, holds each until it gives.
	fail func() error
	gate chan struct{}
	held atomic.Int32
}

// waiting tells whether a submit is held at the gate.
func (s *store) waiting() bool { return s.held.Load() > 0 }

func (s *store) Submit(ctx context.Context, b *inputs.Batch) error {
	if s.gate != nil {
		s.held.Add(1)
		defer s.held.Add(-1)
		select {
		case <-s.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(); err != nil {
			return err
		}
	}
	s.batches++
	for _, f := range b.Frames {
		s.messages = append(s.messages, string(f.Of(b.Data)))
		s.warnings = append(s.warnings, f.Warnings)
		s.origins = append(s.origins, b.Origins[f.Origin])
	}
	return nil
}

func (s *store) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.messages...)
}

// count returns how many messages contain part.
func (s *store) count(part string) int {
	n := 0
	for _, m := range s.all() {
		if strings.Contains(m, part) {
			n++
		}
	}
	return n
}

// times returns how often each message that contains part has come.
func (s *store) times(part string) map[string]int {
	times := make(map[string]int)
	for _, m := range s.all() {
		if strings.Contains(m, part) {
			times[m]++
		}
	}
	return times
}

// distinct returns how many different messages contain part.
func (s *store) distinct(part string) int { return len(s.times(part)) }

// find returns the first message that contains part.
func (s *store) find(part string) string {
	for _, m := range s.all() {
		if strings.Contains(m, part) {
			return m
		}
	}
	return ""
}

// expectNumbers checks that each number from 0 to n-1 arrived, and returns how
// many arrived more than once.
func (s *store) expectNumbers(t *testing.T, n int) (repeated int) {
	t.Helper()
	seen := make([]int, n)
	for _, m := range s.all() {
		_, text, ok := strings.Cut(m, "message number ")
		var i int
		if _, err := fmt.Sscanf(text, "%d", &i); !ok || err != nil {
			continue // rsyslogd's own messages
		}
		if seen[i]++; seen[i] > 1 {
			repeated++
		}
	}
	for i, times := range seen {
		if times == 0 {
			t.Errorf("message number %d is lost", i)
		}
	}
	return repeated
}

// config is what tests vary.
type config struct {
	listen         string
	tls            *tls.Config
	maxMessageSize int
	maxConnections int
	linkFrom       []netip.Prefix
	idle           time.Duration
	handshake      time.Duration
	shutdown       time.Duration
	hold, settle   time.Duration
	registerer     prometheus.Registerer
	quiet          bool // no log: fuzzing outlives the test that it would be written to
}

// start runs an input until the test ends.
func start(t testing.TB, c config, sink inputs.Sink) *relp.Input {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	in, done := startUntil(t, ctx, c, sink)
	t.Cleanup(func() { stop(); <-done })
	return in
}

// startUntil runs an input until ctx ends; done is closed when it has ended.
func startUntil(t testing.TB, ctx context.Context, c config, sink inputs.Sink) (in *relp.Input, done chan struct{}) {
	t.Helper()
	in = listen(t, c)
	return in, serve(t, ctx, in, sink)
}

// listen makes an input that connections can be made to, but takes none of them yet.
func listen(t testing.TB, c config) *relp.Input {
	t.Helper()
	if c.listen == "" {
		c.listen = "127.0.0.1:0"
	}
	logger := inputtest.Logger(t)
	if c.quiet {
		logger = zerolog.Nop()
	}
	in, err := relp.New(relp.WithPatience(relp.Config{
		Name: "relp", Listen: c.listen, TLS: c.tls, MaxMessageSize: c.maxMessageSize, MaxConnections: c.maxConnections,
		IdleTimeout: c.idle, HandshakeTimeout: c.handshake, LinkFrom: c.linkFrom, ShutdownTimeout: c.shutdown,
		Logger: logger, Registerer: c.registerer,
	}, c.hold, c.settle))
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Listen(); err != nil {
		t.Fatal(err)
	}
	return in
}

// serve runs an input until ctx ends; done is closed when it has ended.
func serve(t testing.TB, ctx context.Context, in *relp.Input, sink inputs.Sink) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		if err := in.Run(ctx, sink); err != nil {
			t.Errorf("input ended with %v", err)
		}
		if queued, buffers := relp.Memory(in); queued != 0 || buffers != 0 || !relp.InflatesNothing(in) {
			t.Errorf("after the end %d octets of messages and %d of buffers are counted as held", queued, buffers)
		}
	}()
	return done
}

// peer is a client that speaks RELP by hand.
type peer struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func dial(t testing.TB, in *relp.Input) *peer {
	t.Helper()
	return newPeer(t, inputtest.Dial(t, "tcp", in.Addr().String()))
}

func newPeer(t testing.TB, c net.Conn) *peer {
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return &peer{t: t, Conn: c, r: bufio.NewReader(c)}
}

// send writes octets.
func (p *peer) send(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p, s); err != nil {
		p.t.Fatal(err)
	}
}

// expect reads exactly these octets.
func (p *peer) expect(want string) {
	p.t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(p.r, got)
	if string(got[:n]) != want {
		p.t.Fatalf("got %q (%v), want %q", got[:n], err, want)
	}
}

// expectEnd reads the hint and the end of the connection.
func (p *peer) expectEnd() {
	p.t.Helper()
	rest, err := io.ReadAll(p.r)
	if got := string(rest); err != nil || got != "0 serverclose 0\n" {
		p.t.Fatalf("got %q (%v), want the hint serverclose and the end", got, err)
	}
}

const (
	openFrame  = "1 open 49 relp_version=0\nrelp_software=test\ncommands=syslog\n"
	openAnswer = "1 rsp 59 200 OK\nrelp_version=0\nrelp_software=syslane\ncommands=syslog\n"
)

// open opens a session.
func (p *peer) open() {
	p.t.Helper()
	p.send(openFrame)
	p.expect(openAnswer)
}
