package elasticsearch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/deadletter"
	"github.com/syslane/syslane/internal/delivery"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/vfs"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/spool"
)

// choking fails on documents that hold "bad", as one whose pipeline has a processor
// with a fault.
func choking(doc string) itemReply {
	if strings.Contains(doc, "bad") {
		return itemReply{500, "null_pointer_exception", `Cannot invoke "String.length()" because "x" is null`}
	}
	return itemReply{}
}

func failingOnAll(string) itemReply {
	return itemReply{500, "null_pointer_exception", `Cannot invoke "Shard.get()" because "shard" is null`}
}

// scene is an output with its delivery and its server. Its clock runs with the requests.
type scene struct {
	*bulkServer
	log    *spool.Log
	cursor *spool.Cursor
	clock  atomic.Int64 // nanoseconds
	// reply answers for each document.
	reply  atomic.Pointer[func(doc string) itemReply]
	events int
	end    func()

	guard sync.Mutex // guards dead
	dead  []string
}

// perRequest is how far the clock goes with each request: ten of them take a minute.
const perRequest = 7 * time.Second

// perBulk is how many documents a request has at most.
const perBulk = 100

// requestsForLong are many more than a document is rejected after.
const requestsForLong = 30

func newScene(t *testing.T, change func(*delivery.Config)) *scene {
	t.Helper()
	s := &scene{bulkServer: newBulkServer(t)}
	s.answers(choking)
	s.item = func(doc string) itemReply { return (*s.reply.Load())(doc) }
	s.request = func(n int, r *bulkRequest, _ http.ResponseWriter, _ *http.Request) bool {
		s.clock.Add(int64(perRequest))
		return false
	}
	var err error
	if s.log, err = spool.Open(spool.Config{Dir: "/log", FS: vfs.NewMem(), MinFree: -1}); err != nil {
		t.Fatal(err)
	}
	if s.cursor, err = s.log.Cursor("es", spool.FromTail); err != nil {
		t.Fatal(err)
	}
	s.start(t, change)
	t.Cleanup(func() {
		s.end()
		if err := s.log.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// start begins to deliver, as after a start of the process.
func (s *scene) start(t *testing.T, change func(*delivery.Config)) {
	t.Helper()
	c := testConfig(s.url)
	c.BulkMaxDocs = perBulk
	o := newOutput(t, c)
	o.now = func() time.Time { return batchTime.Add(time.Duration(s.clock.Load())) }
	cfg := delivery.Config{
		Name: "es", Stream: "log/es", Cursor: s.cursor, NewReader: func(at uint64) delivery.Reader { return s.log.NewReader(at) },
		Head: s.log.Head, Output: o, DeadLetters: s, RetryMin: time.Millisecond, RetryMax: 5 * time.Millisecond,
		BatchOctets: 2 << 20, Logger: zerolog.Nop(),
	}
	if change != nil {
		change(&cfg)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- delivery.New(cfg).Run(ctx) }()
	s.end = sync.OnceFunc(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
}

func (s *scene) answers(f func(doc string) itemReply) { s.reply.Store(&f) }

// Append is that of the dead letter.
func (s *scene) Append(entries []deadletter.Entry) error {
	s.guard.Lock()
	defer s.guard.Unlock()
	for _, e := range entries {
		var event syslog.Event
		if err := event.Decode(e.Event, nil); err != nil {
			return err
		}
		s.dead = append(s.dead, string(event.Text.Of(event.Raw)))
	}
	return nil
}

// add appends messages to the log, at once.
func (s *scene) add(t *testing.T, texts ...string) {
	t.Helper()
	var b spool.Batch
	for _, text := range texts {
		b.Records = syslog.AppendRecord(b.Records, newEvent(s.events, text))
		b.Count++
		s.events++
	}
	if _, err := s.log.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func (s *scene) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

func (s *scene) wait(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: the cursor is at %d of %d, %d documents are there, %q in the dead letter, after %d requests",
				what, s.cursor.Position(), s.log.Head(), s.count(), s.rejected(), s.asked())
		}
	}
}

// long waits until more was asked than a document is rejected after.
func (s *scene) long(t *testing.T) {
	t.Helper()
	until := s.asked() + requestsForLong
	s.wait(t, "no more requests", func() bool { return s.asked() >= until })
}

// drained waits until all is delivered, and compares what is where.
func (s *scene) drained(t *testing.T, documents int, dead ...string) {
	t.Helper()
	s.wait(t, "the output stays behind", func() bool { return s.cursor.Position() == s.log.Head() })
	if got := s.rejected(); s.count() != documents || fmt.Sprint(got) != fmt.Sprint(dead) {
		t.Errorf("%d documents and %q in the dead letter, want %d and %q", s.count(), got, documents, dead)
	}
}

func (s *scene) rejected() []string {
	s.guard.Lock()
	defer s.guard.Unlock()
	return append([]string(nil), s.dead...)
}

func TestWhatAPipelineFailsOnPurposeIsRejectedAtOnce(t *testing.T) {
	for _, answer := range []string{
		`{"type":"fail_processor_exception","reason":"not ours"}`,
		`{"type":"exception","reason":"not ours","caused_by":{"type":"fail_processor_exception","reason":"not ours"}}`,
	} {
		s := newBulkServer(t)
		s.answer = func(_ int, _ []byte, w http.ResponseWriter) bool {
			fmt.Fprintf(w, `{"errors":true,"items":[{"create":{"status":500,"error":%s}}]}`, answer)
			return true
		}
		r := deliver(t, newOutput(t, testConfig(s.url)), newBatch(1, nil), 1)
		if len(r) != 1 || r[0].Status != 500 || !strings.Contains(r[0].Reason, "not ours") {
			t.Errorf("rejections %+v", r)
		}
	}
}

func TestDocumentsThatTheServerFailsOnHoldUpNoOther(t *testing.T) {
	many := make([]string, 5*perBulk)
	for i := range many {
		many[i] = "bad"
	}
	for name, first := range map[string][]string{"one": {"bad"}, "two": {"bad", "bad"}, "more than go at once": many} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, nil)
			s.add(t, first...)
			s.long(t)
			if got := s.rejected(); len(got) > 0 {
				t.Fatalf("%d rejected while the server takes none", len(got))
			}
			s.add(t, "good")
			s.drained(t, 1, first...)
		})
	}
}

func TestOnlyDocumentsThatTheServerFailsOnWaitForOneThatItTakes(t *testing.T) {
	s := newScene(t, nil)
	var all []string
	for i := range 10 {
		s.add(t, fmt.Sprint("bad ", i))
		all = append(all, fmt.Sprint("bad ", i))
		s.long(t)
	}
	if got := s.rejected(); len(got) > 0 {
		t.Fatalf("%q rejected while the server takes none", got)
	}
	s.add(t, "good")
	s.drained(t, 1, all...)
}

func TestADocumentThatTheServerFailsOnIsRejectedBehindAStartToo(t *testing.T) {
	s := newScene(t, nil)
	s.add(t, "bad")
	s.long(t)
	s.end()
	s.start(t, nil)
	s.long(t)
	s.add(t, "good")
	s.wait(t, "what came behind is not there", func() bool { return s.count() == 1 })
	s.end()
	s.start(t, nil)
	s.drained(t, 1, "bad")
}

func TestNothingIsRejectedWhileTheServerFailsOnAll(t *testing.T) {
	s := newScene(t, nil)
	s.add(t, "good", "bad")
	s.add(t, "good")
	s.drained(t, 2, "bad")
	// Then all fail, in ways it has met and in others.
	for i, f := range []func(string) itemReply{
		failingOnAll,
		func(string) itemReply { return choking("bad") },
		func(string) itemReply { return itemReply{status: 500} },
	} {
		s.answers(f)
		s.add(t, "good", "good")
		s.long(t)
		s.add(t, "good")
		s.long(t)
		s.answers(choking)
		s.drained(t, 2+3*(i+1), "bad")
	}
}

func TestAServerThatComesBackBitByBitHasNothingRejected(t *testing.T) {
	s := newScene(t, nil)
	s.answers(failingOnAll)
	s.add(t, "good", "late", "good", "late")
	s.long(t)
	s.add(t, "late")
	s.long(t)
	late := map[string]int{} // guarded by the server's lock
	s.answers(func(doc string) itemReply {
		if strings.Contains(doc, "late") {
			if late[doc]++; late[doc] < failuresMin-1 {
				return failingOnAll(doc)
			}
		}
		return itemReply{}
	})
	s.drained(t, 5)
}

func TestWhatIsLikeARejectedDocumentIsNotTriedAsLong(t *testing.T) {
	s := newBulkServer(t)
	s.item = choking
	o := newOutput(t, testConfig(s.url))
	now := batchTime
	o.now = func() time.Time { return now }
	first := uint64(1)
	// write returns how many documents of a batch are rejected, or -1 where it is to be
	// written again.
	write := func(text string) int {
		t.Helper()
		b := newBatch(2, func(i int) string { return [...]string{"good", text}[i] })
		b.First, b.Next = first, first+2
		var refused *outputs.Rejected
		switch err := o.Write(t.Context(), b); {
		case errors.As(err, &refused):
			first += 2
			return len(refused.Items)
		case err == nil:
			first += 2
			return 0
		case !errors.Is(err, outputs.ErrCompany):
			t.Fatal(err)
		}
		return -1
	}
	trial := func() {
		t.Helper()
		for range 5 {
			if got := write("bad"); got != -1 {
				t.Fatalf("%d rejected at once", got)
			}
		}
		now = now.Add(failuresFor)
		if got := write("bad"); got != 1 {
			t.Fatalf("%d rejected after a minute", got)
		}
	}
	trial()
	for range 3 {
		if now = now.Add(time.Minute); write("bad too") != 1 {
			t.Error("what is like it is tried as long")
		}
	}
	s.item = func(doc string) itemReply {
		if strings.Contains(doc, "worse") {
			return itemReply{500, "class_cast_exception", "class A cannot be cast to class B"}
		}
		return choking(doc)
	}
	if write("worse") != -1 {
		t.Error("what fails otherwise is not tried")
	}
	s.item = choking
	if write("worse") != 0 {
		t.Fatal("it is not taken")
	}
	now = now.Add(kindFor)
	trial()

	// The like is no longer rejected so once one of them was taken.
	failures := 0
	s.item = func(doc string) itemReply {
		if failures++; failures <= 2 {
			return choking(doc)
		}
		return itemReply{}
	}
	if write("bad") != 0 {
		t.Fatal("what fails once only is not taken")
	}
	s.item = choking
	trial()
}

func TestOneLaneTellsOfADocumentInTheOther(t *testing.T) {
	s := newScene(t, nil)
	s.answers(failingOnAll)
	s.end()
	// The backlog is a document that the server fails on; behind it is what was
	// delivered already.
	s.add(t, "bad")
	s.add(t, "there")
	if err := s.cursor.CommitSpan(2, 3, spool.Counts{Delivered: 1}); err != nil {
		t.Fatal(err)
	}
	s.answers(choking)
	s.start(t, func(c *delivery.Config) { c.Interleave = true })
	s.long(t)
	if got := s.rejected(); len(got) > 0 {
		t.Fatalf("%q rejected while the server takes none", got)
	}
	s.add(t, "good")
	s.drained(t, 1, "bad")
}

func TestABatchOfNothingElseWaitsForWhatComes(t *testing.T) {
	s := newScene(t, func(c *delivery.Config) { c.Interleave, c.BatchOctets = true, 1000 })
	var all []string
	for i := range 50 {
		all = append(all, fmt.Sprint("bad ", i))
		s.add(t, all[i])
	}
	s.long(t)
	if got := s.rejected(); len(got) > 0 {
		t.Fatalf("%q rejected while the server takes none", got)
	}
	goes := 0 // as a host that goes on
	s.wait(t, "the batch stays", func() bool {
		if s.count() == goes && len(s.rejected()) < len(all) {
			s.add(t, "good")
			goes++
		}
		return len(s.rejected()) == len(all)
	})
	s.drained(t, goes, all...)
}

func TestKindsAreBounded(t *testing.T) {
	var j judge
	for i := range 3 * kindsMax {
		j.passed(fmt.Sprint(i), batchTime.Add(time.Duration(i)))
	}
	if _, newest := j.kinds[fmt.Sprint(3*kindsMax-1)]; len(j.kinds) != kindsMax || !newest {
		t.Errorf("%d kinds, the newest is one: %v", len(j.kinds), newest)
	}
}
