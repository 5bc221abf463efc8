package elasticsearch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/outputs"
)

// stream makes a data stream of a bulkServer, whose backing indices are asked for.
type stream struct {
	*bulkServer
	// The mutex guards these too.

	// made is when each backing index was, the newest last.
	made []time.Time
	// fault is what the older ones answer of a document; "" for whether it is there.
	fault string
	// faulty is the one that answers so; "" for all.
	faulty string
}

func newStream(t *testing.T) *stream {
	s := &stream{bulkServer: newBulkServer(t), made: []time.Time{batchTime.Add(-time.Hour)}}
	s.other = s.ask
	return s
}

// rollover begins a new backing index.
func (s *stream) rollover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.docs[fmt.Sprint("backing-", len(s.made))] = s.docs["logs-syslog-default"]
	delete(s.docs, "logs-syslog-default")
	s.made = append(s.made, batchTime.Add(time.Duration(len(s.made))*time.Hour))
}

func (s *stream) setFault(fault string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// sends counts the documents of all bulk requests.
func (s *stream) sends() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		n += len(r.items)
	}
	return n
}

func (s *stream) ask(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := map[string]any{}
	if index, found := strings.CutSuffix(strings.Trim(r.URL.Path, "/"), "/_mget"); found {
		var want struct{ IDs []string }
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &want); err != nil {
			s.t.Error(err)
		}
		var docs []any
		for _, id := range want.IDs {
			_, found := s.docs[index][id]
			doc := map[string]any{"found": found}
			if s.fault != "" && (s.faulty == "" || s.faulty == index) {
				doc = map[string]any{"error": map[string]any{"type": s.fault, "reason": "no reason"}}
			}
			docs = append(docs, doc)
		}
		answer["docs"] = docs
	} else if strings.HasSuffix(r.URL.Path, "/_settings/index.creation_date") {
		for i, at := range s.made {
			answer[fmt.Sprint("backing-", i+1)] = map[string]any{"settings": map[string]any{"index.creation_date": fmt.Sprint(at.UnixMilli())}}
		}
	}
	json.NewEncoder(w).Encode(answer)
}

// newStreamOutput is an output that has found its server.
func newStreamOutput(t *testing.T, s *stream) *Output {
	cfg := testConfig(s.url)
	cfg.ManageTemplate = false
	return newOutput(t, cfg)
}

func TestAnOlderIndexThatCannotSayHoldsItsDocuments(t *testing.T) {
	for _, fault := range []string{"no_shard_available_action_exception", "illegal_state_exception"} {
		s := newStream(t)
		b := newBatch(5, nil)
		deliver(t, newStreamOutput(t, s), b, 1)
		s.rollover()
		s.setFault(fault)
		o := newStreamOutput(t, s) // after a kill -9
		var rejected *outputs.Rejected
		if err := o.Write(t.Context(), b); err == nil || errors.As(err, &rejected) || !strings.Contains(err.Error(), fault) || !strings.Contains(err.Error(), "backing-1") {
			t.Errorf("%s: Write returned %v", fault, err)
		}
		if n := s.sends(); n != 5 {
			t.Errorf("%s: %d documents were sent again", fault, n-5)
		}
		s.setFault("")
		checkDocuments(t, s.bulkServer, b, deliver(t, o, b, 1))
	}
}

// An older index that was deleted holds nothing, and of one that must not be read, or
// that was closed, it is not known.
func TestAnOlderIndexThatNeverAnswersHoldsNothingUp(t *testing.T) {
	for _, fault := range []string{"index_not_found_exception", "security_exception", "index_closed_exception"} {
		s := newStream(t)
		s.rollover()
		s.setFault(fault)
		b := newBatch(5, nil)
		o := newStreamOutput(t, s)
		checkDocuments(t, s.bulkServer, b, deliver(t, o, b, 1))
		if told := o.toldUnreadable.Load(); told != (fault != "index_not_found_exception") {
			t.Errorf("%s: that it cannot be read is told: %v", fault, told)
		}
	}
}

func TestWhatAnIndexHoldsIsNotMadeAgainThoughAnotherMustNotBeRead(t *testing.T) {
	s := newStream(t)
	s.rollover()
	b := newBatch(3*minShare, nil) // several requests, one after the other
	deliver(t, newStreamOutput(t, s), b, 1)
	s.rollover() // backing-2 has them
	s.faulty = "backing-1"
	s.setFault("security_exception")
	cfg := testConfig(s.url)
	cfg.ManageTemplate, cfg.Workers, cfg.BulkMaxDocs = false, 1, minShare
	checkDocuments(t, s.bulkServer, b, deliver(t, newOutput(t, cfg), b, 1)) // after a kill -9

	// Where it holds some of them itself, those that it does not speak of are made.
	b = newBatch(2, nil)
	s = newStream(t)
	deliver(t, newStreamOutput(t, s), newBatch(1, nil), 1)
	s.rollover()
	deliver(t, newStreamOutput(t, s), b, 1)
	s.rollover()
	s.faulty = "backing-2"
	s.setFault("security_exception")
	deliver(t, newStreamOutput(t, s), b, 1)
	if n := s.count(); n != 3 {
		t.Errorf("there are %d documents, want two and one that backing-2 is not asked for", n)
	}
}

func TestDocumentsOfAnUnknownOutcomeAreAskedForUntilTheyAreKnown(t *testing.T) {
	f := func(name string, crash bool) {
		t.Run(name, func(t *testing.T) {
			s := newStream(t)
			b := newBatch(5, nil)
			o := newStreamOutput(t, s)
			o.prepared, o.certain = true, []uint64{b.After}
			first := 0 // the request whose answer is lost
			if crash {
				// The answer is the process that was killed.
				deliver(t, o, b, 1)
				first = -1
				s.requests = nil
				o = newStreamOutput(t, s)
			}
			s.answer = func(n int, answer []byte, w http.ResponseWriter) bool {
				if n == first {
					cut(w, answer[:len(answer)/2], len(answer))
				}
				return false
			}
			s.request = func(n int, _ *bulkRequest, w http.ResponseWriter, _ *http.Request) bool {
				if n != first+1 {
					return false
				}
				writeError(w, http.StatusTooManyRequests, "es_rejected_execution_exception", "queue is full")
				s.rollover()
				return true
			}
			checkDocuments(t, s.bulkServer, b, deliver(t, o, b, 1))
			if len(s.made) != 2 {
				t.Errorf("the stream has %d indices", len(s.made))
			}
		})
	}
	f("the answer is cut", false)
	f("the process is killed", true)
}
