package elasticsearch

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/syslane/syslane/internal/syslog"
)

// keptDocument is one in the index of the dead letter.
type keptDocument struct {
	Message string
	Error   struct{ Code, Message string }
	Event   struct{ ID string }
	Syslane struct{ Target, Original string }
}

func TestRefusedMessagesAreKeptInAnIndexOfTheirOwn(t *testing.T) {
	const bad = 20 // of 60, every third
	f := func(name string, script func(s *bulkServer), want int) {
		t.Run(name, func(t *testing.T) {
			s := newBulkServer(t)
			s.item = func(doc string) itemReply {
				if strings.Contains(doc, "refuse me") && !strings.Contains(doc, `"target"`) {
					return itemReply{400, "document_parsing_exception", "no \"such\" thing"}
				}
				return itemReply{}
			}
			script(s)
			cfg := testConfig(s.url)
			cfg.DeadLetterIndex, cfg.BulkMaxDocs = "logs-syslane.deadletter-default", 7
			b := newBatch(3*bad, func(i int) string {
				if i%3 == 1 {
					return fmt.Sprintf("refuse me %d", i)
				}
				return fmt.Sprint(i)
			})
			kept := map[int]bool{}
			rejections := deliver(t, newOutput(t, cfg), b, 1)
			if len(rejections) != bad {
				t.Fatalf("%d rejections, want %d", len(rejections), bad)
			}
			for _, r := range rejections {
				kept[r.Index] = r.Kept
			}
			docs := s.docs[cfg.DeadLetterIndex]
			if len(docs) != want {
				t.Errorf("%d messages are kept, want %d", len(docs), want)
			}
			var e syslog.Event
			i := 0
			for run := b.Events; len(run) > 0; i++ {
				var record []byte
				record, run = syslog.NextRecord(run)
				if err := e.Decode(record, nil); err != nil {
					t.Fatal(err)
				}
				text, there := docs[e.ID.String()]
				if there != kept[i] {
					t.Errorf("message %d is kept: %v, reported %v", i, there, kept[i])
				}
				if !there {
					continue
				}
				var doc keptDocument
				if err := json.Unmarshal(text, &doc); err != nil {
					t.Fatal(err)
				}
				if doc.Message != string(e.Raw) || doc.Event.ID != e.ID.String() || doc.Syslane.Target != cfg.DataStream.Name() ||
					doc.Error.Code != "400" || !strings.Contains(doc.Error.Message, `no "such" thing`) {
					t.Errorf("message %d is kept as %s", i, text)
				}
			}
		})
	}
	// of the requests to the dead letter, those with an item
	toIndex := func(r *bulkRequest) bool {
		return len(r.items) > 0 && r.items[0].index == "logs-syslane.deadletter-default"
	}
	f("all", func(*bulkServer) {}, bad)
	f("one is refused there too", func(s *bulkServer) {
		item := s.item
		s.item = func(doc string) itemReply {
			if strings.Contains(doc, "refuse me 31") {
				return itemReply{400, "document_parsing_exception", `no "such" thing`}
			}
			return item(doc)
		}
	}, bad-1)
	f("turned away once", func(s *bulkServer) {
		n := 0
		item := s.item
		s.item = func(doc string) itemReply {
			if strings.Contains(doc, `"target"`) {
				if n++; n%5 == 1 {
					return itemReply{429, "es_rejected_execution_exception", "full"}
				}
			}
			return item(doc)
		}
	}, bad)
	f("down", func(s *bulkServer) {
		s.request = func(_ int, r *bulkRequest, w http.ResponseWriter, _ *http.Request) bool {
			if toIndex(r) {
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			}
			return false
		}
	}, 0)
	f("answer cut once", func(s *bulkServer) {
		var n atomic.Int32 // requests come at once
		s.answer = func(i int, answer []byte, w http.ResponseWriter) bool {
			s.mu.Lock()
			r := s.requests[i]
			s.mu.Unlock()
			if toIndex(&r) && n.Add(1) == 1 {
				cut(w, answer[:len(answer)/2], len(answer))
			}
			return false
		}
	}, bad)
}

func TestKeptMessagesThatAreNotUTF8CanBeHadBack(t *testing.T) {
	s := newBulkServer(t)
	s.item = func(doc string) itemReply {
		if !strings.Contains(doc, `"target"`) {
			return itemReply{400, "document_parsing_exception", "no"}
		}
		return itemReply{}
	}
	cfg := testConfig(s.url)
	cfg.Mode, cfg.Index, cfg.DeadLetterIndex = ModeIndex, "syslog-%Y.%m.%d", "syslog-refused"
	b := newBatch(1, func(int) string { return "\xff\x00" })
	if r := deliver(t, newOutput(t, cfg), b, 1); len(r) != 1 || !r[0].Kept {
		t.Fatalf("rejections %+v", r)
	}
	var e syslog.Event
	record, _ := syslog.NextRecord(b.Events)
	if err := e.Decode(record, nil); err != nil {
		t.Fatal(err)
	}
	for _, text := range s.docs[cfg.DeadLetterIndex] {
		var doc keptDocument
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		original, err := base64.StdEncoding.DecodeString(doc.Syslane.Original)
		if err != nil || string(original) != string(e.Raw) || doc.Syslane.Target != "syslog-2026.08.07" {
			t.Errorf("%q is kept as %s", e.Raw, text)
		}
	}
}

func TestTemplateOfTheDeadLetterGoesBeforeOneWhoseNamesItMatches(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Mode, cfg.Index, cfg.DeadLetterIndex = ModeIndex, "syslog-%Y", "syslog-refused"
	var priorities []int
	for _, r := range Requests(&cfg, Server{Flavor: FlavorElasticsearch}) {
		var template struct {
			Patterns []string `json:"index_patterns"`
			Priority int
			Template struct{ Mappings struct{ Dynamic *bool } }
		}
		if err := json.Unmarshal(r.Body, &template); err != nil {
			t.Fatal(err)
		}
		if d := template.Template.Mappings.Dynamic; d == nil || *d {
			t.Errorf("%s: dynamic is not false", r.Path)
		}
		priorities = append(priorities, template.Priority)
	}
	if len(priorities) != 2 || priorities[1] <= priorities[0] {
		t.Errorf("priorities are %v", priorities)
	}
}
