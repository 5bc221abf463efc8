package elasticsearch

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/ecs"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
)

var batchTime = time.Date(2026, 8, 7, 6, 5, 4, 0, time.UTC)

// newBatch returns n events; text gives the text of each, nil numbers them.
func newBatch(n int, text func(i int) string) *outputs.Batch {
	b := &outputs.Batch{Stream: "log/es", First: 1000, Next: 1000 + uint64(n), Count: n}
	for i := range n {
		t := fmt.Sprintf("message number %d", i)
		if text != nil {
			t = text(i)
		}
		b.Events = syslog.AppendRecord(b.Events, newEvent(i, t))
	}
	return b
}

func newEvent(i int, text string) *syslog.Event {
	e := &syslog.Event{
		ID:     syslog.MakeID(batchTime.Add(time.Duration(i)*time.Millisecond), [4]byte{1, 2, 3, 4}, uint32(i)),
		Source: netip.MustParseAddrPort("192.0.2.1:514"), Input: "udp",
	}
	e.Format, e.Facility, e.Severity = syslog.RFC5424, 16, syslog.Notice
	e.Timestamp = batchTime.UnixNano() + int64(i)
	e.Raw = fmt.Appendf(nil, "<133>1 %s web1 app 42 - - ", batchTime.Format(time.RFC3339))
	at := bytes.Index(e.Raw, []byte("web1"))
	e.Hostname = syslog.Span{Start: uint32(at), End: uint32(at + 4)}
	e.AppName = syslog.Span{Start: uint32(at + 5), End: uint32(at + 8)}
	e.ProcID = syslog.Span{Start: uint32(at + 9), End: uint32(at + 11)}
	e.Text = syslog.Span{Start: uint32(len(e.Raw)), End: uint32(len(e.Raw) + len(text))}
	e.Raw = append(e.Raw, text...)
	return e
}

func testConfig(urls ...string) Config {
	cfg := DefaultConfig()
	for _, u := range urls {
		cfg.Hosts = append(cfg.Hosts, config.Address(u))
	}
	cfg.Timeout = 30 * time.Second
	cfg.BackoffInit, cfg.BackoffMax = time.Millisecond, 5*time.Millisecond
	return cfg
}

func newOutput(t testing.TB, cfg Config) *Output {
	t.Helper()
	o, err := New(cfg, Options{Name: "es", Observer: "collector1", Logger: zerolog.New(zerolog.NewTestWriter(t)), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// deliver writes b as the delivery does: again and again until it is taken.
func deliver(t testing.TB, o *Output, b *outputs.Batch, tries int) []outputs.Rejection {
	t.Helper()
	var err error
	for range tries {
		err = o.Write(t.Context(), b)
		var r *outputs.Rejected
		if err == nil {
			return nil
		}
		if errors.As(err, &r) {
			return r.Items
		}
	}
	t.Fatalf("not taken after %d tries: %v", tries, err)
	return nil
}

// checkDocuments compares what the server holds with the events of b, without
// those that were rejected.
func checkDocuments(t *testing.T, s *bulkServer, b *outputs.Batch, rejections []outputs.Rejection) {
	t.Helper()
	without := map[int]bool{}
	for _, r := range rejections {
		if without[r.Index] {
			t.Errorf("event %d was rejected twice", r.Index)
		}
		without[r.Index] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	docs := map[string]json.RawMessage{}
	for _, inIndex := range s.docs {
		for id, doc := range inIndex {
			if docs[id] != nil {
				t.Errorf("document %s is in two indices", id)
			}
			docs[id] = doc
		}
	}
	var e syslog.Event
	run := b.Events
	for i := range b.Count {
		var record []byte
		record, run = syslog.NextRecord(run)
		if err := e.Decode(record, nil); err != nil {
			if !without[i] {
				t.Errorf("event %d is none and was not rejected", i)
			}
			continue
		}
		id := e.ID.String()
		want := ecs.AppendDocument(nil, &e, ecs.Options{Dataset: "syslog", Observer: "collector1"})
		if got, there := docs[id]; there == without[i] || there && !bytes.Equal(got, want) {
			t.Fatalf("event %d (rejected: %v): document %s, want %s", i, without[i], got, want)
		}
		delete(docs, id)
	}
	if len(docs) > 0 {
		t.Errorf("%d documents too many", len(docs))
	}
}

// textOf matches documents of the event with this number.
func textOf(i int) string { return fmt.Sprintf(`"message number %d"`, i) }

func TestEveryEventIsWrittenOnceWhateverTheServerDoes(t *testing.T) {
	const n = 1200
	const permanent = "document_parsing_exception"
	f := func(name string, script func(s *bulkServer), wantRejected ...int) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newBulkServer(t)
			script(s)
			cfg := testConfig(s.url)
			cfg.BulkMaxDocs = 300
			cfg.Timeout = time.Second
			b := newBatch(n, nil)
			rejections := deliver(t, newOutput(t, cfg), b, 20)
			checkDocuments(t, s, b, rejections)
			if len(rejections) != len(wantRejected) {
				t.Fatalf("%d rejections, want %d", len(rejections), len(wantRejected))
			}
			for i, r := range rejections {
				if r.Index != wantRejected[i] {
					t.Errorf("rejected %d, want %d", r.Index, wantRejected[i])
				}
			}
		})
	}
	// every calls f for each third bulk request.
	third := func(n int) bool { return n%3 == 1 }

	f("nothing unusual", func(s *bulkServer) {})
	f("some items turned away with 429", func(s *bulkServer) {
		var calls atomic.Int64
		s.item = func(string) itemReply {
			if c := calls.Add(1); c < n && c%7 == 0 {
				return itemReply{429, "es_rejected_execution_exception", "rejected execution of coordinating operation"}
			}
			return itemReply{}
		}
	})
	f("all items turned away with 429 for a while", func(s *bulkServer) {
		var calls atomic.Int64
		s.item = func(string) itemReply {
			if calls.Add(1) < 4*n {
				return itemReply{429, "circuit_breaking_exception", "data too large"}
			}
			return itemReply{}
		}
	})
	for _, status := range []int{500, 502, 503, 504} {
		f(fmt.Sprint("some items answered with ", status), func(s *bulkServer) {
			var calls atomic.Int64
			s.item = func(string) itemReply {
				if calls.Add(1)%5 == 0 {
					return itemReply{status, "unavailable_shards_exception", "primary shard is not active"}
				}
				return itemReply{}
			}
		})
	}
	f("poison documents among good ones", func(s *bulkServer) {
		s.item = func(doc string) itemReply {
			for _, poison := range []int{0, 17, 299, 300, 1199} {
				if strings.Contains(doc, textOf(poison)) {
					return itemReply{400, permanent, "failed to parse"}
				}
			}
			return itemReply{}
		}
	}, 0, 17, 299, 300, 1199)
	f("201, 409, 429, 503 and 400 in one answer", func(s *bulkServer) {
		var calls atomic.Int64
		s.item = func(doc string) itemReply {
			if strings.Contains(doc, textOf(5)) || strings.Contains(doc, textOf(1000)) {
				return itemReply{400, "strict_dynamic_mapping_exception", "mapping set to strict"}
			}
			if c := calls.Add(1); c > 2*n {
				return itemReply{}
			} else if c%3 == 0 {
				return itemReply{429, "es_rejected_execution_exception", "queue is full"}
			} else if c%3 == 1 {
				return itemReply{503, "unavailable_shards_exception", "no primary"}
			}
			return itemReply{}
		}
	}, 5, 1000)
	for _, status := range []int{429, 500, 502, 503, 504, 408} {
		f(fmt.Sprint("each third request answered with ", status), func(s *bulkServer) {
			s.request = func(n int, _ *bulkRequest, w http.ResponseWriter, _ *http.Request) bool {
				if third(n) {
					w.WriteHeader(status)
				}
				return third(n)
			}
		})
	}
	for _, status := range []int{401, 403, 404, 400, 405} {
		f(fmt.Sprint("the first two requests denied with ", status), func(s *bulkServer) {
			s.request = func(n int, _ *bulkRequest, w http.ResponseWriter, _ *http.Request) bool {
				if n < 2 {
					writeError(w, status, "security_exception", "not allowed")
				}
				return n < 2
			}
		})
	}
	f("index blocked for a while", func(s *bulkServer) {
		var calls atomic.Int64
		s.item = func(string) itemReply {
			if calls.Add(1) < n {
				return itemReply{403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/8/index write (api)];"}
			}
			return itemReply{}
		}
	})
	f("index missing for a while", func(s *bulkServer) {
		var calls atomic.Int64
		s.item = func(string) itemReply {
			if calls.Add(1) < n {
				return itemReply{404, "index_not_found_exception", "no such index"}
			}
			return itemReply{}
		}
	})
	f("pipeline missing for a while", func(s *bulkServer) {
		var calls atomic.Int64
		s.item = func(string) itemReply {
			if calls.Add(1) < n {
				return itemReply{400, "illegal_argument_exception", "pipeline with id [nope] does not exist"}
			}
			return itemReply{}
		}
	})
	f("each third answer lost after the server took it", func(s *bulkServer) {
		s.answer = func(n int, _ []byte, w http.ResponseWriter) bool {
			if third(n) {
				panic(http.ErrAbortHandler)
			}
			return false
		}
	})
	f("each third answer cut in the middle", func(s *bulkServer) {
		s.answer = func(n int, answer []byte, w http.ResponseWriter) bool {
			if third(n) {
				cut(w, answer[:len(answer)/2], len(answer))
			}
			return false
		}
	})
	f("each third answer cut without a sign of it", func(s *bulkServer) {
		s.answer = func(n int, answer []byte, w http.ResponseWriter) bool {
			if third(n) {
				w.Write(answer[:len(answer)-1-n%40])
			}
			return third(n)
		}
	})
	f("an answer says errors false and is cut", func(s *bulkServer) {
		s.answer = func(n int, answer []byte, w http.ResponseWriter) bool {
			if third(n) {
				w.Write([]byte(`{"took":1,"errors":false,"items":[`))
			}
			return third(n)
		}
	})
	f("answers with items missing or too many", func(s *bulkServer) {
		s.answer = func(n int, answer []byte, w http.ResponseWriter) bool {
			switch n % 4 {
			case 0:
				w.Write([]byte(`{"took":1,"errors":false,"items":[]}`))
			case 1:
				w.Write([]byte(`{"took":1,"errors":false}`))
			case 2:
				w.Write(bytes.Replace(answer, []byte(`"items":[`), []byte(`"items":[{"create":{"status":201}},`), 1))
			}
			return n%4 < 3
		}
	})
	f("answers that are garbage", func(s *bulkServer) {
		garbage := []string{"", "<html>maintenance</html>", "null", "[]", "{}", `{"items":null}`, `{"items":[{}]}`, "\x00\xff", `{"items":[{"create":{}}]}`}
		s.answer = func(n int, answer []byte, w http.ResponseWriter) bool {
			if n%2 == 0 {
				w.Write([]byte(garbage[n/2%len(garbage)]))
			}
			return n%2 == 0
		}
	})
	f("a request hangs after the server took it", func(s *bulkServer) {
		s.request = func(n int, r *bulkRequest, w http.ResponseWriter, hr *http.Request) bool {
			if n == 1 {
				s.store(r)
				hang(hr)
			}
			return n == 1
		}
	})
	f("redirect", func(s *bulkServer) {
		s.request = func(n int, _ *bulkRequest, w http.ResponseWriter, _ *http.Request) bool {
			if n < 2 {
				w.Header().Set("Location", "http://192.0.2.1/")
				w.WriteHeader(http.StatusFound)
			}
			return n < 2
		}
	})
	f("a proxy takes bodies of 20 kB only", func(s *bulkServer) { s.maxBody = 20_000 })
	f("a firewall refuses two documents", func(s *bulkServer) {
		s.request = func(_ int, r *bulkRequest, w http.ResponseWriter, _ *http.Request) bool {
			for _, a := range r.items {
				if strings.Contains(string(a.doc), textOf(0)) || strings.Contains(string(a.doc), textOf(834)) {
					w.WriteHeader(http.StatusForbidden)
					w.Write([]byte("<html>attack blocked</html>"))
					return true
				}
			}
			return false
		}
	}, 0, 834)
}

func TestLoneDocumentThatIsTooLargeIsRejected(t *testing.T) {
	s := newBulkServer(t)
	s.maxBody = 30_000
	b := newBatch(50, func(i int) string {
		if i == 7 || i == 8 {
			return strings.Repeat("x", 40_000)
		}
		return fmt.Sprintf("message number %d", i)
	})
	rejections := deliver(t, newOutput(t, testConfig(s.url)), b, 3)
	checkDocuments(t, s, b, rejections)
	if len(rejections) != 2 || rejections[0].Index != 7 || rejections[1].Index != 8 || rejections[0].Status != 413 || rejections[0].Reason == "" {
		t.Errorf("rejections %+v", rejections)
	}
}

func TestDocumentLargerThanARequestGoesAlone(t *testing.T) {
	s := newBulkServer(t)
	cfg := testConfig(s.url)
	cfg.Timeout = 20 * time.Second
	b := newBatch(9, func(i int) string {
		if i == 4 {
			return strings.Repeat("long line ", 1_200_000) // over expectAbove
		}
		return "short"
	})
	checkDocuments(t, s, b, deliver(t, newOutput(t, cfg), b, 1))
	for _, r := range s.requests {
		if r.octets > 10<<20 && (len(r.items) > 5 || r.header.Get("Expect") != "100-continue") {
			t.Errorf("request of %d octets with %d documents, header %v", r.octets, len(r.items), r.header)
		}
	}
}

// A server that answers 413 and closes, without a word about closing, is heard
// although the request is still being sent.
func TestServerThatClosesOnALargeRequestIsHeard(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer l.Close()
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r, err := http.ReadRequest(bufio.NewReader(c))
			if err == nil && r.Header.Get("Expect") != "100-continue" {
				t.Errorf("request of %d octets without a question", r.ContentLength)
			}
			io.WriteString(c, "HTTP/1.1 413 Request Entity Too Large\r\ncontent-length: 0\r\n\r\n")
			c.Close()
		}
	}()
	o := newOutput(t, testConfig("http://"+l.Addr().String()))
	o.prepared, o.certain = true, []uint64{0}
	rejections := deliver(t, o, newBatch(1, func(int) string { return strings.Repeat("x", expectAbove) }), 1)
	if len(rejections) != 1 || rejections[0].Status != http.StatusRequestEntityTooLarge {
		t.Errorf("rejections %+v", rejections)
	}
}

func TestRejectionCarriesStatusAndReason(t *testing.T) {
	s := newBulkServer(t)
	s.item = func(doc string) itemReply {
		if strings.Contains(doc, textOf(3)) {
			return itemReply{400, "document_parsing_exception", `failed to parse field [x] of type [ip] é "quoted"`}
		}
		return itemReply{}
	}
	rejections := deliver(t, newOutput(t, testConfig(s.url)), newBatch(5, nil), 1)
	want := outputs.Rejection{Index: 3, Status: 400, Reason: `document_parsing_exception: failed to parse field [x] of type [ip] é "quoted": root: cause`}
	if len(rejections) != 1 || rejections[0] != want {
		t.Errorf("got %+v, want %+v", rejections, want)
	}
}

func TestEventThatCannotBeDecodedIsRejected(t *testing.T) {
	s := newBulkServer(t)
	b := newBatch(3, nil)
	b.Events = append(b.Events, 3, 'b', 'a', 'd')
	b.Count++
	rejections := deliver(t, newOutput(t, testConfig(s.url)), b, 1)
	checkDocuments(t, s, b, rejections)
	if len(rejections) != 1 || rejections[0].Index != 3 || rejections[0].Status != 0 {
		t.Errorf("rejections %+v", rejections)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	f := func(script func(s *bulkServer), want ...string) {
		t.Helper()
		s := newBulkServer(t)
		script(s)
		err := newOutput(t, testConfig(s.url)).Write(t.Context(), newBatch(3, nil))
		if err == nil {
			t.Error("Write returned nil")
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q does not say %q", err, w)
			}
		}
		var r *outputs.Rejected
		if errors.As(err, &r) || s.count() != 0 {
			t.Errorf("%v, %d documents", err, s.count())
		}
	}
	status := func(status int, body string) func(*bulkServer) {
		return func(s *bulkServer) {
			s.request = func(_ int, _ *bulkRequest, w http.ResponseWriter, _ *http.Request) bool {
				w.WriteHeader(status)
				w.Write([]byte(body))
				return true
			}
		}
	}
	item := func(r itemReply) func(*bulkServer) {
		return func(s *bulkServer) { s.item = func(string) itemReply { return r } }
	}
	f(status(401, `{"error":{"type":"security_exception","reason":"unable to authenticate"}}`), "401", "unable to authenticate", "api_key", "127.0.0.1")
	f(status(403, `{"Message":"anonymous is not authorized"}`), "403", "anonymous", "privileges")
	f(status(404, ""), "404", "path in hosts")
	f(status(503, `{"error":"overloaded"}`), "503", "overloaded")
	f(status(502, "<html>\n<b>bad\n gateway"), "502", "<html> <b>bad gateway")
	f(item(itemReply{403, "cluster_block_exception", "index blocked by: [FORBIDDEN/8/index write (api)]"}), "403", "FORBIDDEN/8", "write-blocked")
	f(item(itemReply{404, "index_not_found_exception", "no such index [x]"}), "404", "no such index")
	f(item(itemReply{429, "es_rejected_execution_exception", "queue full"}), "429", "queue full")
	f(item(itemReply{500, "exception", "processor failed"}), "500", "processor failed")
	f(func(s *bulkServer) {
		s.other = func(w http.ResponseWriter, _ *http.Request) {
			writeError(w, 401, "security_exception", "missing authentication credentials")
		}
	}, "401", "missing authentication")
}

func TestServerThatIsDownHoldsAndLosesNothing(t *testing.T) {
	s := newBulkServer(t)
	cfg := testConfig("http://127.0.0.1:1")
	o := newOutput(t, cfg)
	b := newBatch(10, nil)
	if err := o.Write(t.Context(), b); err == nil || !strings.Contains(err.Error(), "reach elasticsearch") {
		t.Fatalf("Write returned %v", err)
	}
	cfg.Hosts = []config.Address{"127.0.0.1:1", config.Address(s.url)}
	checkDocuments(t, s, b, deliver(t, newOutput(t, cfg), b, 5))
}

func TestOnlyWhatIsOpenIsSentAgain(t *testing.T) {
	s := newBulkServer(t)
	var mended atomic.Bool
	s.item = func(doc string) itemReply {
		if strings.Contains(doc, textOf(2)) {
			return itemReply{400, "document_parsing_exception", "bad"}
		}
		if !mended.Load() && strings.Contains(doc, textOf(6)) {
			return itemReply{403, "cluster_block_exception", "blocked"}
		}
		return itemReply{}
	}
	o := newOutput(t, testConfig(s.url))
	b := newBatch(10, nil)
	if err := o.Write(t.Context(), b); err == nil {
		t.Fatal("Write returned nil")
	}
	mended.Store(true)
	longer := newBatch(12, nil)
	rejections := deliver(t, o, longer, 1)
	checkDocuments(t, s, longer, rejections)
	if len(rejections) != 1 || rejections[0].Index != 2 {
		t.Errorf("rejections %+v", rejections)
	}
	if last := s.requests[len(s.requests)-1]; len(last.items) != 3 {
		t.Errorf("the last request has %d documents, want those of events 6, 10 and 11", len(last.items))
	}
	// Another batch starts from nothing, even at the same place.
	other := newBatch(10, func(i int) string { return "other" })
	other.Events = nil
	for i := range 10 {
		other.Events = syslog.AppendRecord(other.Events, newEvent(100+i, "other"))
	}
	deliver(t, o, other, 1)
	if s.count() != 11+10 {
		t.Errorf("%d documents", s.count())
	}
}

func TestWriteReturnsSoonAfterItsContextEnds(t *testing.T) {
	s := newBulkServer(t)
	here := make(chan struct{}, 10)
	s.request = func(_ int, _ *bulkRequest, _ http.ResponseWriter, r *http.Request) bool {
		here <- struct{}{}
		hang(r)
		return true
	}
	cfg := testConfig(s.url)
	cfg.Timeout = time.Minute
	o := newOutput(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-here; cancel() }()
	start := time.Now()
	if err := o.Write(ctx, newBatch(5000, nil)); err == nil {
		t.Error("Write returned nil")
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
}

func TestWorkersSendSideBySide(t *testing.T) {
	s := newBulkServer(t)
	var arrived atomic.Int64
	both := make(chan struct{})
	s.request = func(_ int, _ *bulkRequest, _ http.ResponseWriter, r *http.Request) bool {
		if arrived.Add(1) == 3 {
			close(both)
		}
		select {
		case <-both:
		case <-time.After(10 * time.Second):
			t.Error("requests come one after the other")
		}
		return false
	}
	cfg := testConfig(s.url)
	cfg.Workers = 3
	cfg.Timeout = 30 * time.Second
	b := newBatch(3000, nil)
	checkDocuments(t, s, b, deliver(t, newOutput(t, cfg), b, 1))
	if s.mostInFlight != 3 {
		t.Errorf("%d requests at once", s.mostInFlight)
	}
}

func TestIndexNameFollowsTheEventsTime(t *testing.T) {
	s := newBulkServer(t)
	cfg := testConfig(s.url)
	cfg.Mode, cfg.Index = ModeIndex, "syslog-%Y.%m.%d"
	b := newBatch(0, nil)
	for i, offset := range []time.Duration{0, -24 * time.Hour, 1000 * 24 * time.Hour} {
		e := newEvent(i, "text")
		e.Timestamp = batchTime.Add(offset).UnixNano()
		b.Events = syslog.AppendRecord(b.Events, e)
		b.Count++
	}
	deliver(t, newOutput(t, cfg), b, 1)
	if len(s.docs) != 2 || len(s.docs["syslog-2026.08.07"]) != 2 || len(s.docs["syslog-2026.08.06"]) != 1 {
		t.Errorf("documents %v", s.docs)
	}
}

func TestServerChoosesTheIDIfItMay(t *testing.T) {
	s := newBulkServer(t)
	cfg := testConfig(s.url)
	cfg.ID = IDAuto
	deliver(t, newOutput(t, cfg), newBatch(5, nil), 1)
	if s.autoID != 5 || s.count() != 5 {
		t.Errorf("%d documents, %d ids chosen", s.count(), s.autoID)
	}
}

func TestRequestsAreCompressedOnDemand(t *testing.T) {
	s := newBulkServer(t)
	cfg := testConfig(s.url)
	cfg.Compression = CompressionGzip
	cfg.Pipeline = "enrich"
	cfg.Headers = map[string]config.Secret{"X-Tenant": config.NewSecret("a")}
	o := newOutput(t, cfg)
	for range 2 { // the second time with used buffers
		b := newBatch(500, nil)
		checkDocuments(t, s, b, deliver(t, o, b, 1))
	}
	h := s.requests[0].header
	if h.Get("Content-Encoding") != "gzip" || h.Get("X-Tenant") != "a" || !strings.Contains(s.requests[0].query, "pipeline=enrich") {
		t.Errorf("header %v, query %s", h, s.requests[0].query)
	}
}

func TestOlderIndicesAreAskedOnlyAboutWhatMayHaveBeenSent(t *testing.T) {
	s := newBulkServer(t)
	asked := 0
	s.other = func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/_settings/index.creation_date") {
			asked++
		}
		writeError(w, http.StatusNotFound, "index_not_found_exception", "no such index")
	}
	cfg := testConfig(s.url)
	cfg.ManageTemplate = false
	o := newOutput(t, cfg)
	f := func(after, first uint64, want int) {
		t.Helper()
		b := newBatch(1, nil)
		b.After, b.First, b.Next = after, first, first+1
		asked = 0
		if err := o.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if asked != want {
			t.Errorf("batch at %d after %d: asked %d times, want %d", first, after, asked, want)
		}
	}
	f(1, 1, 1)     // after a start
	f(2, 7, 0)     // between are events for others
	f(500, 500, 1) // another run, whose document is there already
	f(8, 8, 0)
	f(501, 501, 1) // so the next may be there too
	f(9, 9, 0)
}
