package syslog_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/e2e/peers"
	wire "github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/tlsconf"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/outputs/outputtest"
	"github.com/syslane/syslane/outputs/syslog"
)

var _ outputs.Output = (*syslog.Output)(nil)

func testLogger(t *testing.T) zerolog.Logger {
	return zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.DebugLevel)
}

// server is a syslog server over streams that counts octets, or ends messages
// with LF.
type server struct {
	t    *testing.T
	addr string
	tls  *tls.Config
	lf   bool
	mu   sync.Mutex
	got  []string
	// conns are those open.
	conns map[net.Conn]bool
	l     net.Listener
	done  sync.WaitGroup
	// handle, where set, takes a connection instead.
	handle func(net.Conn)
}

func startServer(t *testing.T, prepare func(*server)) *server {
	t.Helper()
	s := &server{t: t, addr: "127.0.0.1:0", conns: make(map[net.Conn]bool)}
	if prepare != nil {
		prepare(s)
	}
	s.start()
	t.Cleanup(func() { s.stop(); s.done.Wait() })
	return s
}

func (s *server) start() {
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.l, s.addr = l, l.Addr().String()
	s.mu.Unlock()
	s.done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[c] = true
			s.mu.Unlock()
			s.done.Go(func() {
				defer c.Close()
				if s.handle != nil {
					s.handle(c)
					return
				}
				if s.tls != nil {
					s.serve(tls.Server(c, s.tls))
				} else {
					s.serve(c)
				}
			})
		}
	})
}

// stop closes the listener and every connection.
func (s *server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.l.Close()
	for c := range s.conns {
		c.Close()
		delete(s.conns, c)
	}
}

func (s *server) serve(c net.Conn) {
	r := bufio.NewReader(c)
	for {
		m, err := next(r, s.lf)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.got = append(s.got, m)
		s.mu.Unlock()
	}
}

// next reads a message.
func next(r *bufio.Reader, lf bool) (string, error) {
	if lf {
		line, err := r.ReadString('\n')
		return strings.TrimSuffix(line, "\n"), err
	}
	var n int
	if _, err := fmt.Fscanf(r, "%d ", &n); err != nil {
		return "", err
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return string(b), err
}

func (s *server) received() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.got...)
}

func newOutput(t *testing.T, cfg syslog.Config) *syslog.Output {
	t.Helper()
	cfg.Name, cfg.Logger = "out", testLogger(t)
	o, err := syslog.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// openOutput is newOutput that is closed when the test ends.
func openOutput(t *testing.T, cfg syslog.Config) *syslog.Output {
	o := newOutput(t, cfg)
	t.Cleanup(func() { o.Close() })
	return o
}

func subject(s *server, o *syslog.Output) outputtest.Subject {
	return outputtest.Subject{Output: o, Received: s.received, Break: s.stop, Mend: s.start}
}

func TestConformanceOverTCP(t *testing.T) {
	for _, framing := range []string{syslog.OctetCounting, syslog.LF} {
		t.Run(framing, func(t *testing.T) {
			outputtest.Run(t, func(t *testing.T) outputtest.Subject {
				s := startServer(t, func(s *server) { s.lf = framing == syslog.LF })
				return subject(s, newOutput(t, syslog.Config{Targets: []string{s.addr}, Framing: framing}))
			})
		})
	}
}

func TestConformanceOverTLS(t *testing.T) {
	serverTLS, clientTLS := mutual(t, "collector.example.net")
	outputtest.Run(t, func(t *testing.T) outputtest.Subject {
		s := startServer(t, func(s *server) { s.tls = serverTLS })
		return subject(s, newOutput(t, syslog.Config{Targets: []string{s.addr}, Protocol: syslog.TLS, TLS: clientTLS}))
	})
}

func TestConformanceOverUDP(t *testing.T) {
	outputtest.Run(t, func(t *testing.T) outputtest.Subject {
		c, received := listenUDP(t)
		// Slow enough that the receiver's buffer never overflows.
		o := newOutput(t, syslog.Config{Targets: []string{c.LocalAddr().String()}, Protocol: syslog.UDP, Rate: 20_000})
		return outputtest.Subject{Output: o, Received: received, Break: func() {}, Mend: func() {}, Lossy: true}
	})
}

func listenUDP(t *testing.T) (*net.UDPConn, func() []string) {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	var mu sync.Mutex
	var got []string
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			mu.Lock()
			got = append(got, string(b[:n]))
			mu.Unlock()
		}
	}()
	return c, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), got...)
	}
}

// mutual makes the two sides of TLS with certificates on both; the server is
// permitted by its name, whatever address was dialled.
func mutual(t *testing.T, server string) (serverTLS *tls.Config, clientTLS *tlsconf.Client) {
	t.Helper()
	ca := peers.NewCA(t)
	options := func(name, peer string) tlsconf.Options {
		cert, key := ca.Issue(t, name)
		return tlsconf.Options{Name: name, CertFile: cert, KeyFile: key, CAFile: ca.File, PermittedPeers: []string{peer}}
	}
	var err error
	if serverTLS, err = tlsconf.Server(options(server, "relay.example.net")); err != nil {
		t.Fatal(err)
	}
	if clientTLS, err = tlsconf.NewClient(options("relay.example.net", server)); err != nil {
		t.Fatal(err)
	}
	return serverTLS, clientTLS
}

// batchOf makes a batch of events.
func batchOf(events ...*wire.Event) *outputs.Batch {
	b := &outputs.Batch{Stream: "0123abcd/out", First: 1, Next: 1 + uint64(len(events)), Count: len(events)}
	for _, e := range events {
		b.Events = wire.AppendRecord(b.Events, e)
	}
	return b
}

func parsed(raw string) *wire.Event {
	e := &wire.Event{ID: wire.MakeID(time.Unix(1_700_000_000, 0), [4]byte{1}, 1)}
	e.Raw, e.Format, e.Timestamp = []byte(raw), wire.RFC3164, wire.NoTimestamp
	e.Facility, e.Severity = wire.Local0+4, wire.Warning
	e.Text = wire.Span{Start: uint32(strings.LastIndexByte(raw, ':') + 1), End: uint32(len(raw))}
	return e
}

func TestFormats(t *testing.T) {
	valid := parsed("<164>Oct  1 10:00:00 fw01 %ASA-4: Deny\ttcp \xff")
	bare := &wire.Event{ID: wire.MakeID(time.Date(2026, 2, 3, 4, 5, 6, 0, time.Local), [4]byte{1}, 1), Host: "dev7"}
	bare.Raw, bare.Timestamp, bare.Facility, bare.Severity = []byte("no header\nat all"), wire.NoTimestamp, wire.User, wire.Notice
	bare.Text = wire.Span{End: uint32(len(bare.Raw))}
	f := func(format, framing string, want ...string) {
		t.Run(format+" "+framing, func(t *testing.T) {
			s := startServer(t, func(s *server) { s.lf = framing == syslog.LF })
			o := openOutput(t, syslog.Config{Targets: []string{s.addr}, Format: format, Framing: framing})
			if err := o.Write(t.Context(), batchOf(valid, bare)); err != nil {
				t.Fatal(err)
			}
			await(t, func() error {
				if got := s.received(); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
					return fmt.Errorf("got %q, want %q", got, want)
				}
				return nil
			})
		})
	}
	f(syslog.Auto, "", string(valid.Raw), "<13>Feb  3 04:05:06 dev7 no header\nat all")
	f(syslog.Raw, "", string(valid.Raw), string(bare.Raw))
	f(syslog.Raw, syslog.LF, string(valid.Raw), "no header#012at all")
	f(syslog.RFC3164, "", "<164>"+time.Unix(1_700_000_000, 0).Format(time.Stamp)+" -  Deny\ttcp \xff", "<13>Feb  3 04:05:06 dev7 no header\nat all")
	f(syslog.RFC5424, "", "<164>1 2023-11-14T22:13:20Z - - - - -  Deny\ttcp \xff",
		"<13>1 "+bare.ID.Received().UTC().Format("2006-01-02T15:04:05Z")+" dev7 - - - - no header\nat all")
}

func TestWhatIsLongerThanTheLimitIsCutBetweenCharactersAndCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := startServer(t, nil)
	o := openOutput(t, syslog.Config{Targets: []string{s.addr}, MaxMessageSize: 10, Registerer: registry})
	if err := o.Write(t.Context(), batchOf(parsed("<164>abcdéfgh"), parsed("<164>abc"))); err != nil {
		t.Fatal(err)
	}
	await(t, func() error {
		if got := s.received(); len(got) != 2 || got[0] != "<164>abcd" || got[1] != "<164>abc" {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
	if err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP syslane_output_truncated_messages_total Messages cut to max_message_size.
# TYPE syslane_output_truncated_messages_total counter
syslane_output_truncated_messages_total{output="out"} 1
`), "syslane_output_truncated_messages_total"); err != nil {
		t.Error(err)
	}
}

// A peer that closes an idle connection, as rsyslog does when it restarts, costs
// no message: the first one after that is not written into the void.
func TestAConnectionThatThePeerClosedIsNoticedBeforeWriting(t *testing.T) {
	s := startServer(t, nil)
	o := openOutput(t, syslog.Config{Targets: []string{s.addr}})
	const rounds = 20
	for i := range uint64(rounds) {
		if r := outputtest.WriteAll(t, o, outputtest.Batch(1+i, 1)); r != nil {
			t.Fatal(r)
		}
		await(t, func() error {
			if n := len(s.received()); n != int(i)+1 {
				return fmt.Errorf("%d messages arrived, want %d", n, i+1)
			}
			return nil
		})
		s.stop()
		s.start()
	}
}

// A peer that shuts down its sending side only goes on taking octets, and may
// never look at them.
func TestAPeerThatClosesHalfwayIsLeft(t *testing.T) {
	first := make(chan struct{})
	var once sync.Once
	s := startServer(t, func(s *server) {
		s.handle = func(c net.Conn) {
			half := false
			once.Do(func() { half = true })
			if half {
				c.(*net.TCPConn).CloseWrite()
				close(first)
				io.Copy(io.Discard, c)
				return
			}
			s.serve(c)
		}
	})
	o := openOutput(t, syslog.Config{Targets: []string{s.addr}})
	_ = o.Write(t.Context(), outputtest.Batch(1, 1)) // either way
	<-first
	time.Sleep(500 * time.Millisecond) // let the FIN be read: it is what "noticed" is about
	if r := outputtest.WriteAll(t, o, outputtest.Batch(2, 10)); r != nil {
		t.Fatal(r)
	}
	await(t, func() error {
		if n := len(s.received()); n < 10 {
			return fmt.Errorf("%d messages arrived on the second connection", n)
		}
		return nil
	})
}

// The receiver's kernel buffers are filled, and the connection cut: what its TCP
// has acknowledged is not sent again, the rest is.
func TestWhatThePeersTCPHasNotAcknowledgedIsSentAgain(t *testing.T) {
	parts := make(chan []byte, 2)
	gaveUp := make(chan struct{}) // closed by the second connection
	var connections atomic.Int32
	s := startServer(t, func(s *server) {
		s.handle = func(c net.Conn) {
			switch connections.Add(1) {
			case 1:
				// Takes nothing until the sender gives up, then reads what the kernel has.
				c.(*net.TCPConn).SetReadBuffer(32 << 10)
				<-gaveUp
			case 2:
				close(gaveUp)
			}
			b, _ := io.ReadAll(c)
			parts <- b
		}
	})
	o := newOutput(t, syslog.Config{Targets: []string{s.addr}, SendTimeout: 500 * time.Millisecond})
	const count = 200_000
	if r := outputtest.WriteAll(t, o, outputtest.Batch(1, count)); r != nil {
		t.Fatal(r)
	}
	o.Close()
	seen := make([]int, count+1)
	for range 2 {
		r := bufio.NewReader(bytes.NewReader(<-parts))
		for {
			m, err := next(r, false)
			if err != nil {
				break
			}
			var i int
			fmt.Sscanf(m[strings.LastIndexByte(m, ' ')+1:], "%d", &i)
			seen[i]++
		}
	}
	lost, twice := 0, 0
	for _, times := range seen[1:] {
		if times == 0 {
			lost++
		} else if times > 1 {
			twice++
		}
	}
	if lost != 0 {
		t.Errorf("%d of %d messages are lost", lost, count)
	}
	// One or two segments of loopback (64 KiB each) may lie with the peer and not
	// be acknowledged: its window is closed.
	if most := 3 * 64 << 10 / 40; twice > most {
		t.Errorf("%d messages came twice though their octets were acknowledged", twice)
	}
}

func TestAPeerThatTakesNothingIsGivenUp(t *testing.T) {
	stop := make(chan struct{})
	s := startServer(t, func(s *server) { s.handle = func(net.Conn) { <-stop } })
	defer close(stop)
	o := openOutput(t, syslog.Config{Targets: []string{s.addr}, SendTimeout: 200 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := o.Write(ctx, outputtest.Batch(1, 400_000))
	if err == nil || !strings.Contains(err.Error(), "takes nothing for 200ms") || !strings.Contains(err.Error(), s.addr) {
		t.Fatalf("got %v", err)
	}
}

func TestNobodyListeningForDatagramsIsNoticed(t *testing.T) {
	c, _ := listenUDP(t)
	o := openOutput(t, syslog.Config{Targets: []string{c.LocalAddr().String()}, Protocol: syslog.UDP})
	c.Close()
	await(t, func() error {
		if o.Write(t.Context(), outputtest.Batch(1, 1)) == nil {
			return errors.New("every write succeeds")
		}
		return nil
	})
}

func TestATargetIsLeftForTheNextAndUsedAgainWhenItReturns(t *testing.T) {
	first, second := startServer(t, nil), startServer(t, nil)
	o := openOutput(t, syslog.Config{Targets: []string{first.addr, second.addr}})
	position := uint64(1)
	send := func(to *server) {
		t.Helper()
		before := len(to.received())
		await(t, func() error {
			outputtest.WriteAll(t, o, outputtest.Batch(position, 10))
			position += 10
			if len(to.received()) == before {
				return errors.New("the messages go elsewhere")
			}
			return nil
		})
	}
	send(first)
	first.stop()
	send(second)
	first.start()
	send(first)
}

func TestMistakesInTheConfigurationAreErrors(t *testing.T) {
	f := func(want string, cfg syslog.Config) {
		t.Helper()
		cfg.Name = "out"
		if cfg.Targets == nil {
			cfg.Targets = []string{"127.0.0.1:514"}
		}
		if _, err := syslog.New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(`target "collector": want host:port`, syslog.Config{Targets: []string{"collector"}})
	f(`is named twice`, syslog.Config{Targets: []string{"a:1", "a:1"}})
	f(`mode "both": want "failover" or "balance"`, syslog.Config{Mode: "both"})
	f(`protocol "sctp"`, syslog.Config{Protocol: "sctp"})
	f(`format "json"`, syslog.Config{Format: "json"})
	f(`framing "nul"`, syslog.Config{Framing: "nul"})
	f(`framing is for streams`, syslog.Config{Protocol: syslog.UDP, Framing: syslog.LF})
	f(`not for TLS`, syslog.Config{Protocol: syslog.TLS, Framing: syslog.LF})
	f(`needs a tls table`, syslog.Config{Protocol: syslog.TLS})
	f(`needs protocol = "tls"`, syslog.Config{TLS: &tlsconf.Client{}})
	f(`rate is for UDP`, syslog.Config{Rate: 5})
	f(`want 1 to 65507`, syslog.Config{Protocol: syslog.UDP, MaxMessageSize: 70000})
}

// await waits until check returns nil.
func await(t *testing.T, check func() error) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
