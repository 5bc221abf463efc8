package journal

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/inputs/inputtest"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/tlsconf"
	"github.com/syslane/syslane/parser"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink keeps the texts of the messages it was given, with their places.
type sink struct {
	mu       sync.Mutex
	texts    []string
	places   []inputs.Place
	warnings syslog.Warnings
	origin   inputs.Origin
	batches  int
	fail     error
	gate     chan struct{} // where set, each submit waits for it
}

func (s *sink) Submit(context.Context, *inputs.Batch) error {
	return errors.New("journal entries have places")
}

func (s *sink) SubmitSequence(_, turn context.Context, b *inputs.Batch, places []inputs.Place) error {
	if s.gate != nil {
		select {
		case <-s.gate:
		case <-turn.Done():
			return turn.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	if len(places) != len(b.Frames) || len(b.Origins) != 1 || b.Received.IsZero() || b.Input != "journal" {
		return fmt.Errorf("%d places for %d frames, origins %v, received %v by %q", len(places), len(b.Frames), b.Origins, b.Received, b.Input)
	}
	s.batches++
	s.origin = b.Origins[0]
	s.places = append(s.places, places...)
	for _, f := range b.Frames {
		m := syslog.Message{Raw: f.Of(b.Data)}
		parser.Parse(&m, nil)
		s.texts = append(s.texts, string(m.Field(m.Text)))
		s.warnings |= f.Warnings
	}
	return nil
}

func (s *sink) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.texts)
}

// start runs an input until the test ends.
func start(t testing.TB, cfg Config, s inputs.Sink) (in *Input, stop func()) {
	t.Helper()
	cfg.Name, cfg.Listen = "journal", "127.0.0.1:0"
	cfg.Logger = inputtest.Logger(t)
	in, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return in, inputtest.Run(t, in, s)
}

func client(t testing.TB, conf *tls.Config) *http.Client {
	transport := &http.Transport{TLSClientConfig: conf, DisableCompression: true, ExpectContinueTimeout: time.Minute}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// request makes an upload; edit may change it.
func request(t testing.TB, in *Input, body io.Reader, edit func(*http.Request)) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://"+in.Addr().String()+"/upload", body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = -1
	r.Header.Set("Content-Type", contentType)
	if edit != nil {
		edit(r)
	}
	return r
}

// post makes an upload and returns the status and text of the answer.
func post(t testing.TB, c *http.Client, r *http.Request) (status int, text string, header http.Header) {
	t.Helper()
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(b)), resp.Header
}

func zstdOf(t testing.TB, parts ...string) string {
	t.Helper()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	var out []byte
	for _, p := range parts {
		out = enc.EncodeAll([]byte(p), out)
	}
	return string(out)
}

func TestEveryAnswerHasItsStatus(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := &sink{}
	in, _ := start(t, Config{Registerer: registry}, s)
	c := client(t, nil)
	stored := 0
	f := func(status int, want string, entries int, body string, edit func(*http.Request)) {
		t.Helper()
		before := inputtest.Metric(t, registry, "syslane_input_http_requests_total", fmt.Sprint(status))
		got, text, header := post(t, c, request(t, in, strings.NewReader(body), edit))
		if got != status || !strings.Contains(text, want) {
			t.Errorf("answered %d %q, want %d %q", got, text, status, want)
		}
		if header.Get("Accept-Encoding") != "zstd" {
			t.Errorf("%d does not offer zstd", got)
		}
		if status == 405 && header.Get("Allow") != "POST" {
			t.Errorf("405 allows %q", header.Get("Allow"))
		}
		stored += entries
		if n := len(s.all()); n != stored {
			t.Errorf("after %d %q: %d entries are stored, want %d", got, text, n, stored)
		}
		if n := inputtest.Metric(t, registry, "syslane_input_http_requests_total", fmt.Sprint(status)); n != before+1 {
			t.Errorf("%v answers %d are counted, want %v", n, status, before+1)
		}
	}
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	entry := export(kv{"MESSAGE", "x"})
	f(202, "OK.", 1, sample, nil)
	f(202, "OK.", 0, "", nil)
	f(202, "OK.", 1, "\n\n"+entry+"\n", nil)
	f(202, "OK.", 1, entry, set("Content-Type", contentType+"; charset=utf-8"))
	f(202, "OK.", 1, entry, set("Content-Encoding", "identity"))
	f(202, "OK.", 1, entry, func(r *http.Request) { r.ContentLength = int64(len(entry)) })
	f(202, "OK.", 2, zstdOf(t, entry, entry), set("Content-Encoding", "ZSTD"))
	f(404, "not found", 0, entry, func(r *http.Request) { r.URL.Path = "/" })
	f(405, "POST", 0, "", func(r *http.Request) { r.Method = http.MethodGet })
	f(405, "POST", 0, entry, func(r *http.Request) { r.Method = http.MethodPut })
	f(415, contentType, 0, entry, set("Content-Type", "application/json"))
	f(415, contentType, 0, entry, set("Content-Type", ""))
	f(415, "zstd", 0, entry, set("Content-Encoding", "gzip"))
	f(415, "zstd", 0, entry, set("Content-Encoding", "zstd, zstd"))
	f(417, "ends within an entry", 1, entry+"MESSAGE=y\n", nil)
	f(422, "not in the journal export format, at octet 11", 1, entry+"garbage\n\n", nil)
	f(422, "zstd", 0, entry, set("Content-Encoding", "zstd"))
	f(422, "zstd", 1, zstdOf(t, entry, entry)[:len(zstdOf(t, entry))+9], set("Content-Encoding", "zstd"))
	s.mu.Lock()
	s.fail = errors.New("disk full")
	s.mu.Unlock()
	f(503, "disk full", 0, entry, nil)
}

func TestEntriesAreStoredWhileTheUploadRunsAndAcknowledgedAfterTheLast(t *testing.T) {
	s := &sink{}
	in, _ := start(t, Config{}, s)
	body, w := io.Pipe()
	answered := make(chan int, 1)
	go func() {
		status, _, _ := post(t, client(t, nil), request(t, in, body, nil))
		answered <- status
	}()
	for i := range 3 {
		io.WriteString(w, export(kv{"MESSAGE", fmt.Sprint(i)}))
		inputtest.Eventually(t, "an entry", func() bool { return len(s.all()) == i+1 })
	}
	s.mu.Lock()
	s.gate = make(chan struct{})
	s.mu.Unlock()
	io.WriteString(w, export(kv{"MESSAGE", "last"}))
	w.Close()
	select {
	case status := <-answered:
		t.Errorf("answered %d before the last entry was durable", status)
	case <-time.After(50 * time.Millisecond):
	}
	close(s.gate)
	if status := <-answered; status != 202 || len(s.all()) != 4 {
		t.Errorf("answered %d with %q stored", status, s.all())
	}
}

func TestASlowDiskHoldsTheClientBack(t *testing.T) {
	s := &sink{gate: make(chan struct{})}
	in, _ := start(t, Config{}, s)
	body := &counted{src: &pump{pattern: []byte(export(kv{"MESSAGE", strings.Repeat("x", 1000)}))}}
	broken := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		resp, err := client(t, nil).Do(request(t, in, body, nil).WithContext(ctx))
		if err == nil {
			resp.Body.Close()
		}
		broken <- err
	}()
	last := int64(-1)
	inputtest.Eventually(t, "the client to stand still", func() bool {
		n := body.count()
		still := n == last && n > maxBatchOctets
		last = n
		time.Sleep(100 * time.Millisecond)
		return still
	})
	// Two batches, what net/http and the reader hold, and the sockets' buffers.
	if last > 32<<20 {
		t.Errorf("%d octets were taken while nothing was stored", last)
	}
	cancel()
	if err := <-broken; err == nil {
		t.Error("the upload was answered")
	}
	close(s.gate)
	inputtest.Eventually(t, "what was received to be stored", func() bool { return len(s.all()) > 0 })
}

// counted counts what was read.
type counted struct {
	src io.Reader
	mu  sync.Mutex
	n   int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.src.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += int64(n)
	return n, err
}

func (c *counted) count() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// raw opens a connection and sends text.
func raw(t testing.TB, in *Input, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", in.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

const chunkedHeader = "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: application/vnd.fdo.journal\r\nTransfer-Encoding: chunked\r\n\r\n"

func chunk(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }

func TestAnUploadThatBreaksOffKeepsWhatWasReceived(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := &sink{}
	in, _ := start(t, Config{Registerer: registry}, s)
	two := export(kv{"MESSAGE", "1"}) + export(kv{"MESSAGE", "2"})
	c := raw(t, in, chunkedHeader+chunk(two+"MESSAGE=half"))
	inputtest.Eventually(t, "the entries", func() bool { return len(s.all()) == 2 })
	c.Close()
	inputtest.Eventually(t, "the end", func() bool {
		return inputtest.Metric(t, registry, "syslane_input_http_requests_total", "400") == 1
	})
	if got := s.all(); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("stored %q", got)
	}
}

func TestAClientThatStandsStillIsClosed(t *testing.T) {
	s := &sink{}
	in, _ := start(t, Config{IdleTimeout: 500 * time.Millisecond, HeaderTimeout: 500 * time.Millisecond}, s)
	f := func(name, text, want string) {
		t.Helper()
		c := raw(t, in, text)
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		answer, err := io.ReadAll(c)
		if err != nil || !strings.HasPrefix(string(answer), want) {
			t.Errorf("%s: answered %.60q, %v; want %q", name, answer, err, want)
		}
	}
	f("nothing at all", "", "")
	f("half a header", "POST /upload HTTP/1.1\r\nHost:", "")
	f("half an upload", chunkedHeader+chunk(export(kv{"MESSAGE", "1"})), "HTTP/1.1 408")
	f("silence after an upload", chunkedHeader+chunk(export(kv{"MESSAGE", "2"}))+"0\r\n\r\n", "HTTP/1.1 202")
	if got := s.all(); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("stored %q", got)
	}
}

func TestStoppedClientsHinderNoOther(t *testing.T) {
	s := &sink{}
	in, _ := start(t, Config{}, s)
	for range 100 {
		raw(t, in, chunkedHeader+chunk("MESSAGE=unfinished"))
	}
	if status, _, _ := post(t, client(t, nil), request(t, in, strings.NewReader(sample), nil)); status != 202 {
		t.Errorf("answered %d", status)
	}
}

func TestConnectionsBeyondTheLimitAreRefused(t *testing.T) {
	registry := prometheus.NewRegistry()
	in, _ := start(t, Config{MaxConnectionsPerAddress: 2, Registerer: registry}, &sink{})
	for range 2 {
		raw(t, in, chunkedHeader)
	}
	inputtest.Eventually(t, "a refusal", func() bool {
		c := raw(t, in, "")
		c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		_, err := c.Read(make([]byte, 1))
		return err == io.EOF
	})
	if n := inputtest.Metric(t, registry, "syslane_input_refused_connections_total", "connections_per_address"); n < 1 {
		t.Errorf("%v refusals are counted", n)
	}
}

func TestAnOversizeHeaderIsRefused(t *testing.T) {
	in, _ := start(t, Config{}, &sink{})
	status, _, _ := post(t, client(t, nil), request(t, in, strings.NewReader(sample), func(r *http.Request) {
		r.Header.Set("X-Long", strings.Repeat("x", 2*maxHeaderSize))
	}))
	if status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("answered %d", status)
	}
}

func TestAtTheEndWhatWasReceivedIsStoredAndTheClientToldToRepeat(t *testing.T) {
	s := &sink{}
	in, stop := start(t, Config{}, s)
	idle := raw(t, in, "")
	c := raw(t, in, chunkedHeader+chunk(export(kv{"MESSAGE", "1"})+"MESSAGE=ha"))
	inputtest.Eventually(t, "the entry", func() bool { return len(s.all()) == 1 })
	stop()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("answered %v, %v", resp, err)
	}
	if _, err := idle.Read(make([]byte, 1)); err == nil {
		t.Error("the idle connection is still open")
	}
	if got := s.all(); !slices.Equal(got, []string{"1"}) {
		t.Errorf("stored %q", got)
	}
}

func TestTheEndDoesNotWaitForASinkThatTakesNothing(t *testing.T) {
	s := &sink{gate: make(chan struct{})}
	in, stop := start(t, Config{ShutdownTimeout: 50 * time.Millisecond}, s)
	raw(t, in, chunkedHeader+chunk(sample))
	raw(t, in, chunkedHeader+chunk(sample)+"0\r\n\r\n")
	stop()
	if got := s.all(); len(got) != 0 {
		t.Errorf("stored %q", got)
	}
}

func TestAClientThatIsGoneIsNotKeptWhileTheLogTakesNothing(t *testing.T) {
	registry := prometheus.NewRegistry()
	in, _ := start(t, Config{Registerer: registry}, &sink{gate: make(chan struct{})})
	one := export(kv{"MESSAGE", strings.Repeat("x", 1000)})
	f := func(name, upload string, queued int64) {
		t.Helper()
		c := raw(t, in, chunkedHeader+upload)
		inputtest.Eventually(t, name+": to wait for the log", func() bool { return in.memory.queued.Load() >= queued })
		c.Close()
		inputtest.Eventually(t, name+": to be let go", func() bool {
			return inputtest.Metric(t, registry, "syslane_input_connections", "journal") == 0
		})
		if n := in.memory.queued.Load(); n != 0 {
			t.Errorf("%s: %d octets still count as queued", name, n)
		}
	}
	f("a client that had sent all", chunk(one)+"0\r\n\r\n", 1)
	// Behind more than a new connection's window its end would not show.
	f("a client that had more than is held", chunk(strings.Repeat(one, (maxBatchOctets+16<<10)/len(one))), maxBatchOctets)
}

func TestAFailingSinkEndsTheUploadAtOnce(t *testing.T) {
	registry := prometheus.NewRegistry()
	in, _ := start(t, Config{Registerer: registry}, &sink{fail: inputs.ErrClosed})
	resp, err := client(t, nil).Do(request(t, in, &pump{pattern: []byte(sample)}, nil))
	// A client that is too busy sending does not come to read the answer.
	if err == nil {
		resp.Body.Close()
		if resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("answered %d", resp.StatusCode)
		}
	}
	if n := inputtest.Metric(t, registry, "syslane_input_http_requests_total", "503"); n != 1 {
		t.Errorf("%v answers 503 are counted", n)
	}
}

func TestBatchesHoldNoMoreSequencesThanASinkTakes(t *testing.T) {
	s := &sink{}
	in, _ := start(t, Config{}, s)
	var body bytes.Buffer
	for i := range 3 * inputs.MaxSequences {
		body.WriteString(export(kv{"__CURSOR", cursorOf(fmt.Sprintf("%032x", i), bootA, 1, 1)}, kv{"MESSAGE", "x"}))
	}
	if status, text, _ := post(t, client(t, nil), request(t, in, &body, nil)); status != 202 || len(s.all()) != 3*inputs.MaxSequences {
		t.Errorf("answered %d %s, %d stored", status, text, len(s.all()))
	}
	if s.batches < 3 {
		t.Errorf("%d batches", s.batches)
	}
}

func TestOneUploadAfterTheOtherOnAConnectionGoesOnInItsSequence(t *testing.T) {
	s := &sink{}
	in, _ := start(t, Config{}, s)
	c := client(t, nil)
	for _, n := range []int{1, 5, 9} {
		post(t, c, request(t, in, strings.NewReader(export(kv{"__CURSOR", cursorOf(journalS, bootA, n, n)}, kv{"MESSAGE", "x"})), nil))
	}
	if len(s.places) != 3 || s.places[1].After != 1 || s.places[2].After != 5 {
		t.Errorf("the places are %+v", s.places)
	}
}

func TestEntriesSentAgainAreKnownHoweverLittleIsKeptOfAField(t *testing.T) {
	for _, size := range []int{1, 64, 100} {
		s := &sink{}
		in, _ := start(t, Config{MaxFieldSize: size}, s)
		entry := export(kv{"__CURSOR", cursorOf(journalS, bootA, 0x7fff_ffff_ffff, 0x6_2d0b_fe2a_1b40)}, kv{"MESSAGE", "x"})
		for range 2 {
			post(t, client(t, nil), request(t, in, strings.NewReader(entry), nil))
		}
		if len(s.places) != 2 || s.places[0].Number != 0x7fff_ffff_ffff || s.places[0].Time != 0x6_2d0b_fe2a_1b40 || s.places[1].Sequence != s.places[0].Sequence {
			t.Errorf("max_field_size %d: the places are %+v", size, s.places)
		}
		if s.warnings != 0 {
			t.Errorf("max_field_size %d: warnings %v", size, s.warnings.Names(nil))
		}
	}
}

func TestTruncatedEntriesAreFlaggedAndCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := &sink{}
	in, _ := start(t, Config{MaxFieldSize: 100, Registerer: registry}, s)
	post(t, client(t, nil), request(t, in, strings.NewReader(export(kv{"MESSAGE", strings.Repeat("x", 150)})), nil))
	if s.warnings != syslog.WarnTruncated || inputtest.Metric(t, registry, "syslane_input_discarded_octets_total", "truncated") != 50 ||
		inputtest.Metric(t, registry, "syslane_input_framing_errors_total", "truncated") != 1 {
		t.Errorf("warnings %v", s.warnings.Names(nil))
	}
}

func TestAClientIsKnownByItsCertificate(t *testing.T) {
	authority, err := tlsconf.NewAuthority("test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, cert, key []byte, err error) {
		if err == nil {
			err = errors.Join(os.WriteFile(filepath.Join(dir, name+".pem"), cert, 0o600), os.WriteFile(filepath.Join(dir, name+".key"), key, 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cert, key, err := authority.PEM()
	write("ca", cert, key, err)
	cert, key, err = authority.Issue([]string{"server.example.net", "127.0.0.1"}, time.Hour)
	write("server", cert, key, err)
	cert, key, err = authority.Issue([]string{"web1.example.net"}, time.Hour)
	write("web1", cert, key, err)
	conf, err := tlsconf.Server(tlsconf.Options{Name: "test", CertFile: filepath.Join(dir, "server.pem"), KeyFile: filepath.Join(dir, "server.key"), CAFile: filepath.Join(dir, "ca.pem")})
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{}
	in, _ := start(t, Config{TLS: conf}, s)
	https := func(r *http.Request) { r.URL.Scheme = "https" }
	f := func(options tlsconf.Options) error {
		options.Name, options.CAFile = "client", filepath.Join(dir, "ca.pem")
		conf, err := tlsconf.ClientConfig(options)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client(t, conf).Do(request(t, in, strings.NewReader(sample), https))
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode != 202 || resp.ProtoMajor != 1 {
				t.Errorf("answered %s %s", resp.Proto, resp.Status)
			}
		}
		return err
	}
	if err := f(tlsconf.Options{CertFile: filepath.Join(dir, "web1.pem"), KeyFile: filepath.Join(dir, "web1.key")}); err != nil {
		t.Error(err)
	}
	if s.origin.Identity != "web1.example.net" || !s.origin.Source.IsValid() {
		t.Errorf("the origin is %+v", s.origin)
	}
	if err := f(tlsconf.Options{}); err == nil {
		t.Error("a client without a certificate was let in")
	}
	if n := len(s.all()); n != 1 {
		t.Errorf("%d entries are stored", n)
	}
}

func TestASinkThatKnowsNoSequencesIsRefused(t *testing.T) {
	in, err := New(Config{Name: "journal", Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Run(t.Context(), plainSink{}); err == nil {
		t.Error("Run returned nil")
	}
}

type plainSink struct{}

func (plainSink) Submit(context.Context, *inputs.Batch) error { return nil }

func TestConfigurationMistakesAreToldBeforeAPortIsBound(t *testing.T) {
	f := func(want string, cfg Config) {
		t.Helper()
		cfg.Name = "journal"
		if cfg.Listen == "" {
			cfg.Listen = "127.0.0.1:0"
		}
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	f("host:port", Config{Listen: "19532"})
	f("max_message_size", Config{MaxMessageSize: 100})
	f("max_message_size", Config{MaxMessageSize: 1 << 30})
	f("max_field_size", Config{MaxMessageSize: 8192, MaxFieldSize: 8192})
	f("max_fields", Config{MaxFields: -1})
	f("negative", Config{HeaderTimeout: -1})
}
