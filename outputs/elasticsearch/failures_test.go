package elasticsearch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/syslane/syslane/internal/ecs"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
)

// What other writers are known to lose, to write twice or to get stuck at.

func TestOfAMixedAnswerOnlyWhatWasTurnedAwayIsSentAgainForAsLongAsItTakes(t *testing.T) {
	s := newBulkServer(t)
	var mu sync.Mutex
	asked := map[string]int{}
	s.item = func(doc string) itemReply {
		mu.Lock()
		defer mu.Unlock()
		asked[doc]++
		switch n := len(doc) % 3; {
		case strings.Contains(doc, "7 bad"):
			return itemReply{400, "document_parsing_exception", "no"}
		case strings.Contains(doc, "3 there"):
			return itemReply{409, "version_conflict_engine_exception", "document already exists"}
		case strings.Contains(doc, "5 late") && asked[doc] <= 30+n:
			return itemReply{[]int{429, 503, 429}[n], "es_rejected_execution_exception", "queue is full"}
		}
		return itemReply{}
	}
	b := newBatch(500, func(i int) string {
		return fmt.Sprintf("%d %s", i, map[int]string{7: "bad", 3: "there", 5: "late"}[i%10])
	})
	rejections := deliver(t, newOutput(t, testConfig(s.url)), b, 200)
	if len(rejections) != 50 {
		t.Errorf("%d rejections, want 50", len(rejections))
	}
	for doc, n := range asked {
		if late := strings.Contains(doc, "5 late"); !late && n != 1 || late && n < 31 {
			t.Fatalf("a document was sent %d times: %s", n, doc)
		}
	}
	if s.count() != 400 { // without 50 refused, and 50 that another index is said to have
		t.Errorf("%d documents, want 400", s.count())
	}
}

func TestOneBadDocumentHoldsUpNoOther(t *testing.T) {
	s := newBulkServer(t)
	s.item = func(doc string) itemReply {
		if strings.Contains(doc, "poison") {
			return itemReply{400, "document_parsing_exception", "failed to parse field [x]"}
		}
		return itemReply{}
	}
	b := newBatch(1000, func(i int) string {
		if i == 500 {
			return "poison"
		}
		return fmt.Sprint(i)
	})
	r := deliver(t, newOutput(t, testConfig(s.url)), b, 1)
	if len(r) != 1 || r[0].Index != 500 || r[0].Status != 400 || !strings.Contains(r[0].Reason, "failed to parse field [x]") {
		t.Fatalf("rejections %+v", r)
	}
	checkDocuments(t, s, b, r)
}

func TestNothingIsDroppedHoweverLongCredentialsAreBroken(t *testing.T) {
	for _, status := range []int{401, 403, 404} {
		s := newBulkServer(t)
		broken := true
		s.request = func(_ int, _ *bulkRequest, w http.ResponseWriter, _ *http.Request) bool {
			if broken {
				writeError(w, status, "security_exception", "no")
			}
			return broken
		}
		o, b := newOutput(t, testConfig(s.url)), newBatch(100, nil)
		for range 200 {
			var rejected *outputs.Rejected
			if err := o.Write(t.Context(), b); err == nil || errors.As(err, &rejected) {
				t.Fatalf("status %d: Write returned %v", status, err)
			}
		}
		broken = false
		checkDocuments(t, s, b, deliver(t, o, b, 1))
	}
}

func TestWhatAProxyBeforeOneNodeRefusesIsNotTheDocumentsFault(t *testing.T) {
	f := func(name string, refuses func(bulks int, r *http.Request) bool, nodes int) {
		t.Run(name, func(t *testing.T) {
			for _, status := range []int{http.StatusForbidden, http.StatusBadRequest} {
				s := newBulkServer(t)
				var bulks atomic.Int64
				proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					n := 0
					if strings.HasSuffix(r.URL.Path, "_bulk") {
						n = int(bulks.Add(1))
					}
					if refuses(n, r) {
						w.WriteHeader(status)
						io.WriteString(w, "<html>blocked</html>")
						return
					}
					s.ServeHTTP(w, r)
				}))
				t.Cleanup(proxy.Close)
				cfg := testConfig([]string{proxy.URL + "/es", s.url}[:nodes]...)
				cfg.ManageTemplate = false
				o := newOutput(t, cfg)
				for i := range 10 {
					b := newBatch(0, nil)
					b.First, b.Next, b.Count = uint64(i+1), uint64(i+2), 1
					b.Events = syslog.AppendRecord(b.Events, newEvent(i, "text"))
					if rejections := deliver(t, o, b, 5); len(rejections) > 0 {
						t.Fatalf("status %d: event %d was rejected: %+v", status, i, rejections[0])
					}
				}
				if s.count() != 10 {
					t.Errorf("status %d: %d documents, want 10", status, s.count())
				}
			}
		})
	}
	f("one of two nodes always", func(int, *http.Request) bool { return true }, 2)
	f("the only node once", func(bulks int, _ *http.Request) bool { return bulks == 4 }, 1)
}

func TestDocumentsWhoseAnswerWasLostAreThereOnce(t *testing.T) {
	s := newBulkServer(t)
	s.answer = func(n int, answer []byte, w http.ResponseWriter) bool {
		if n%3 != 0 {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(answer)))
		w.Write(answer[:len(answer)/2])
		panic(http.ErrAbortHandler)
	}
	cfg := testConfig(s.url)
	cfg.BulkMaxDocs = 50
	b := newBatch(1000, nil)
	r := deliver(t, newOutput(t, cfg), b, 100)
	if len(r) > 0 {
		t.Errorf("%d rejections: a document that is there is no conflict", len(r))
	}
	checkDocuments(t, s, b, r)
}

// Names that anyone can choose stand below one field that the template maps as a
// whole; there is nothing to add to the mapping, and nothing to conflict with it.
func TestNamesAndTypesOfStructuredDataNeverReachTheMapping(t *testing.T) {
	cfg := DefaultConfig()
	_, body := Template(&cfg, Server{Flavor: FlavorElasticsearch})
	fields := mapped(t, body)
	for i, value := range []string{"1", "text", "1.5", "2026-08-07", "192.0.2.1", "true", "{}"} {
		e := newEvent(i, "text")
		at := uint32(len(e.Raw))
		e.Raw = fmt.Appendf(e.Raw, `[id%d@1 same="%s" a.b="%s" name%d="1"][other a="1"]`, i, value, value, i)
		e.StructuredData = syslog.Span{Start: at, End: uint32(len(e.Raw))}
		var doc any
		if err := json.Unmarshal(ecs.AppendDocument(nil, e, ecs.Options{}), &doc); err != nil {
			t.Fatal(err)
		}
		paths := map[string]bool{}
		documentPaths(paths, "", doc)
		if !paths["log.syslog.structured_data"] {
			t.Fatalf("no structured data in %v", doc)
		}
		for path := range paths {
			if fields[path] == "" {
				t.Errorf("value %q: field %s is not mapped", value, path)
			}
		}
	}
}
