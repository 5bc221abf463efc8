package pipeline

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/spool"
)

// memoryLog keeps what was appended, and fails when and as often as it is told to. Like
// the log it takes no more at once than spool.MaxBatch and spool.MaxNote, and tells the
// streams of a note once the batch is durable.
type memoryLog struct {
	mu      sync.Mutex
	streams *Streams
	pass    int // appends that go well before others fail
	fail    int
	err     error
	records []byte
	batches []spool.Batch
}

func (l *memoryLog) Append(_ context.Context, b spool.Batch) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pass > 0 {
		l.pass--
	} else if l.fail > 0 {
		l.fail--
		return 0, l.err
	}
	if len(b.Records) > spool.MaxBatch || len(b.Note) > spool.MaxNote {
		return 0, fmt.Errorf("%d octets and a note of %d: %w", len(b.Records), len(b.Note), spool.ErrTooLarge)
	}
	l.records = append(l.records, b.Records...)
	l.batches = append(l.batches, b)
	if len(b.Note) > 0 {
		if err := l.streams.Note(b.Note); err != nil {
			return 0, err
		}
	}
	return uint64(len(l.batches)), nil
}

func (l *memoryLog) Enqueue(ctx context.Context, b spool.Batch) (func(context.Context) (uint64, error), error) {
	first, err := l.Append(ctx, b)
	return func(context.Context) (uint64, error) { return first, err }, nil
}

// events decodes what the log holds.
func (l *memoryLog) events(t *testing.T) []syslog.Event {
	t.Helper()
	var out []syslog.Event
	for run := l.records; len(run) > 0; {
		var record []byte
		if record, run = syslog.NextRecord(run); record == nil {
			t.Fatal("the log holds a damaged run of records")
		}
		var e syslog.Event
		if err := e.Decode(record, nil); err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func newTestPipeline(t *testing.T) (*Pipeline, *memoryLog, *prometheus.Registry) {
	t.Helper()
	log := &memoryLog{streams: NewStreams(), err: errors.New("no space left on device")}
	registry := prometheus.NewRegistry()
	p := New(Config{Log: log, Node: [4]byte{1, 2, 3, 4}, Streams: log.streams, Registerer: registry, Logger: zerolog.New(zerolog.NewTestWriter(t))})
	t.Cleanup(p.Close)
	return p, log, registry
}

// batchOf makes a batch as an input would.
func batchOf(messages ...string) *inputs.Batch {
	b := &inputs.Batch{
		Input: "edge", Received: time.Date(2026, 3, 4, 5, 6, 7, 890, time.UTC),
		Origins: []inputs.Origin{{Source: netip.MustParseAddrPort("192.0.2.7:514"), Identity: "host7"}},
	}
	for _, m := range messages {
		start := uint32(len(b.Data))
		b.Data = append(b.Data, m...)
		b.Frames = append(b.Frames, inputs.Frame{Span: syslog.Span{Start: start, End: uint32(len(b.Data))}, Warnings: syslog.WarnTruncated})
	}
	return b
}

func TestSubmittedMessagesAreStoredWithTheirEnvelope(t *testing.T) {
	p, log, registry := newTestPipeline(t)
	first := "<165>1 2026-03-04T05:06:00.5Z web1 nginx 77 ID9 [a@1 k=\"v\"] hello"
	if err := p.Submit(t.Context(), batchOf(first, "no header at all")); err != nil {
		t.Fatal(err)
	}
	got := log.events(t)
	if len(got) != 2 {
		t.Fatalf("%d events are stored, want 2", len(got))
	}
	e := got[0]
	if string(e.Raw) != first || string(e.Field(e.Hostname)) != "web1" || string(e.Field(e.Text)) != "hello" || e.Severity != syslog.Notice {
		t.Errorf("the message came out as %+v", e)
	}
	if e.Source.String() != "192.0.2.7:514" || e.Identity != "host7" || e.Input != "edge" || e.Warnings&syslog.WarnTruncated == 0 {
		t.Errorf("the envelope came out as %v %q %q %v", e.Source, e.Identity, e.Input, e.Warnings)
	}
	if !e.ID.Received().Equal(time.Date(2026, 3, 4, 5, 6, 7, 890, time.UTC)) {
		t.Errorf("received at %v", e.ID.Received())
	}
	if got[0].ID == got[1].ID {
		t.Error("two events share an id")
	}
	if lo, hi := log.batches[0].MinTime, log.batches[0].MaxTime; lo != e.Timestamp || hi != got[1].ID.ReceivedNano() {
		t.Errorf("the block's times are %d to %d", lo, hi)
	}
	want := `
# HELP syslane_input_stored_messages_total Messages made durable in the log.
# TYPE syslane_input_stored_messages_total counter
syslane_input_stored_messages_total{input="edge"} 2
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "syslane_input_stored_messages_total"); err != nil {
		t.Error(err)
	}
}

func TestSubmitWaitsWhileTheLogFails(t *testing.T) {
	for _, failure := range []error{errors.New("no space left on device"), spool.ErrCheckpoint} {
		p, log, _ := newTestPipeline(t)
		log.fail, log.err = 2, failure
		if err := p.Submit(t.Context(), batchOf("<13>one")); err != nil {
			t.Fatal(err)
		}
		if n := len(log.events(t)); n != 1 {
			t.Errorf("%d events are stored, want 1", n)
		}
	}
}

func TestWhatAFullLogDropsIsCountedAndDoneWith(t *testing.T) {
	p, log, _ := newTestPipeline(t)
	log.fail, log.err = 1, spool.ErrDropped
	if err := p.Submit(t.Context(), batchOf("<13>one", "<13>two")); err != nil {
		t.Fatalf("the sender is told %v, and sends it again", err)
	}
	log.fail = 1
	if err := p.Enqueue(t.Context(), batchOf("<13>four"))(); err != nil {
		t.Fatal(err)
	}
	if err := p.Submit(t.Context(), batchOf("<13>three")); err != nil {
		t.Fatal(err)
	}
	if got := testutil.ToFloat64(p.metrics.dropped.WithLabelValues("edge", "log-full")); got != 3 {
		t.Errorf("%v messages are counted as dropped, want 3", got)
	}
	if got := testutil.ToFloat64(p.metrics.stored.WithLabelValues("edge")); got != 1 {
		t.Errorf("%v messages are counted as stored, want 1", got)
	}
}

func TestCloseReleasesWaitingSubmitsAndCountsThemAsDropped(t *testing.T) {
	p, log, registry := newTestPipeline(t)
	log.fail = 1 << 30
	result := make(chan error)
	go func() { result <- p.Submit(t.Context(), batchOf("<13>one", "<13>two")) }()
	p.Close()
	if err := <-result; !errors.Is(err, inputs.ErrClosed) {
		t.Errorf("Submit returned %v, want ErrClosed", err)
	}
	want := `
# HELP syslane_input_dropped_messages_total Messages not stored, by reason. A peer that was promised an acknowledgement has got none and sends them again, but for the reason log-full (log.full = drop-newest).
# TYPE syslane_input_dropped_messages_total counter
syslane_input_dropped_messages_total{input="edge",reason="shutdown"} 2
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "syslane_input_dropped_messages_total"); err != nil {
		t.Error(err)
	}
}

// eventBatch makes a batch of a link that holds the positions first to next-1.
func eventBatch(first, next uint64) *inputs.EventBatch {
	b := &inputs.EventBatch{Stream: "log/out", First: first, Next: next, Count: int(next - first), Input: "link"}
	for i := first; i < next; i++ {
		e := syslog.Event{ID: syslog.MakeID(time.Unix(0, int64(i)), [4]byte{9}, uint32(i))}
		e.Timestamp = syslog.NoTimestamp
		b.Events = syslog.AppendRecord(b.Events, &e)
	}
	return b
}

func TestRedeliveredEventsAreStoredOnce(t *testing.T) {
	p, log, _ := newTestPipeline(t)
	for _, b := range []*inputs.EventBatch{eventBatch(1, 5), eventBatch(1, 5), eventBatch(3, 8), eventBatch(8, 9)} {
		if err := p.SubmitEvents(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	got := log.events(t)
	if len(got) != 8 {
		t.Fatalf("%d events are stored, want 8", len(got))
	}
	for i, e := range got {
		if e.ID.ReceivedNano() != int64(i+1) {
			t.Errorf("event %d is the one of position %d", i+1, e.ID.ReceivedNano())
		}
	}
	if r := p.Resume("log/out", 3); len(r.Have) != 1 || r.Have[0] != (inputs.Range{First: 3, Next: 9}) || r.End != 9 || r.Last != got[7].ID {
		t.Errorf("the stream resumes at %+v, want 9 after event %s", r, got[7].ID)
	}
	if r := p.Resume("other", 3); r.Have != nil || r.End != 0 {
		t.Errorf("an unknown stream resumes at %+v, want 3", r)
	}
}

// What the sender is told of the highest position it compares with what its log has there.
func TestTheLastEventIsThatAtTheHighestPositionThoughItWasThereBefore(t *testing.T) {
	p, _, _ := newTestPipeline(t)
	for _, b := range []*inputs.EventBatch{eventBatch(5, 7), eventBatch(1, 7)} {
		if err := p.SubmitEvents(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if r := p.Resume("log/out", 1); r.End != 7 || r.Last.ReceivedNano() != 6 {
		t.Errorf("the stream ends at %d with the event of position %d, want 7 and 6", r.End, r.Last.ReceivedNano())
	}
}

func TestOverlapWithGapsIsRefused(t *testing.T) {
	p, _, _ := newTestPipeline(t)
	if err := p.SubmitEvents(t.Context(), eventBatch(1, 5)); err != nil {
		t.Fatal(err)
	}
	gappy := eventBatch(3, 8)
	gappy.Next = 20
	if err := p.SubmitEvents(t.Context(), gappy); !errors.Is(err, errOverlap) {
		t.Errorf("SubmitEvents returned %v, want %v", err, errOverlap)
	}
}

// A sender that was killed after it sent them begins where what is stored ends.
func TestAStreamGoesOnAtWhatAFullLogHasDropped(t *testing.T) {
	p, log, _ := newTestPipeline(t)
	gappy := func(first, next uint64) *inputs.EventBatch {
		b := eventBatch(first, next-1)
		b.Next = next
		return b
	}
	if err := p.SubmitEvents(t.Context(), eventBatch(1, 5)); err != nil {
		t.Fatal(err)
	}
	log.fail, log.err = 1, spool.ErrDropped
	if err := p.SubmitEvents(t.Context(), gappy(5, 10)); err != nil {
		t.Fatal(err)
	}
	if r := p.Resume("log/out", 1); r.End != 5 {
		t.Fatalf("the stream resumes at %+v, want 5", r)
	}
	if err := p.SubmitEvents(t.Context(), gappy(5, 20)); err != nil {
		t.Errorf("SubmitEvents returned %v", err)
	}
	if n := len(log.events(t)); n != 4+14 {
		t.Errorf("%d events are stored, want 18", n)
	}
	balanced(t, p, "link")
}

// Anyone who may set envelopes can name as many streams as he likes.
func TestStreamsWithoutEndShutOutNone(t *testing.T) {
	p, _, _ := newTestPipeline(t)
	for i := range 70_000 {
		b := eventBatch(1, 2)
		b.Stream = fmt.Sprint("log/", i)
		if err := p.SubmitEvents(t.Context(), b); err != nil {
			t.Fatalf("after %d streams: %v", i, err)
		}
	}
	if n := len(p.cfg.Streams.turns.of); n != 0 {
		t.Errorf("%d turns are kept", n)
	}
}

func TestStreamDoesNotAdvanceBeyondAFailedAppend(t *testing.T) {
	p, log, _ := newTestPipeline(t)
	log.fail, log.err = 1, spool.ErrTooLarge
	if err := p.SubmitEvents(t.Context(), eventBatch(1, 5)); !errors.Is(err, spool.ErrTooLarge) {
		t.Fatalf("SubmitEvents returned %v", err)
	}
	if r := p.Resume("log/out", 1); r.Have != nil || r.End != 0 {
		t.Errorf("the stream resumes at %+v, want 1", r)
	}
	if err := p.SubmitEvents(t.Context(), eventBatch(1, 5)); err != nil {
		t.Fatal(err)
	}
	if n := len(log.events(t)); n != 4 {
		t.Errorf("%d events are stored, want 4", n)
	}
}

// noteOf is the note of a batch.
func noteOf(stream string, first, next uint64) []byte {
	return appendStream(nil, stream, history{have: ranges{{first, next}}, last: syslog.ID{byte(next)}})
}

// A sender shares its stream among several receivers, and fills the gaps later
// when another receiver has failed.
func TestWhatWasLeftOutForAnotherReceiverIsStoredWhenItComesAfterAll(t *testing.T) {
	p, log, _ := newTestPipeline(t)
	submit := func(first, next uint64, stored ...uint64) {
		t.Helper()
		before := len(log.events(t))
		if err := p.SubmitEvents(t.Context(), eventBatch(first, next)); err != nil {
			t.Fatal(err)
		}
		var got []uint64
		for _, e := range log.events(t)[before:] {
			got = append(got, uint64(e.ID.ReceivedNano()))
		}
		if !slices.Equal(got, stored) {
			t.Errorf("of %d to %d there were stored %v, want %v", first, next-1, got, stored)
		}
	}
	resume := func(from uint64, want ...inputs.Range) {
		t.Helper()
		if got := p.Resume("log/out", from).Have; !slices.Equal(got, want) {
			t.Errorf("a sender at %d is told of %v, want %v", from, got, want)
		}
	}
	submit(1, 3, 1, 2)
	submit(5, 7, 5, 6)
	submit(9, 10, 9)
	resume(2, inputs.Range{First: 2, Next: 3}, inputs.Range{First: 5, Next: 7}, inputs.Range{First: 9, Next: 10})
	resume(7, inputs.Range{First: 9, Next: 10})
	submit(5, 7)
	submit(2, 12, 3, 4, 7, 8, 10, 11)
	submit(3, 9)
	resume(1, inputs.Range{First: 1, Next: 12})
}

func TestRangesAgreeWithASetOfPositions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r ranges
		set := make(map[uint64]bool)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			s := span{first: rapid.Uint64Range(1, 100).Draw(t, "first")}
			s.next = s.first + rapid.Uint64Range(0, 12).Draw(t, "length")
			var want []uint64
			for i := s.first; i < s.next; i++ {
				if !set[i] {
					want = append(want, i)
				}
			}
			var got []uint64
			for _, g := range r.missing(s) {
				for i := g.first; i < g.next; i++ {
					got = append(got, i)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%v misses %v of %v, want %v", r, got, s, want)
			}
			r = r.add(s)
			for i := s.first; i < s.next; i++ {
				set[i] = true
			}
			for i := 1; i < len(r); i++ {
				if r[i].first <= r[i-1].next {
					t.Fatalf("%v has no gap at %d", r, i)
				}
			}
		}
	})
}

func TestOnlySoManyGapsOfAStreamAreRemembered(t *testing.T) {
	var r ranges
	for i := range uint64(3 * maxRanges) {
		r = r.add(span{2 * i, 2*i + 1})
	}
	if len(r) != maxRanges || r[0].first != 0 || r.end() != 6*maxRanges-1 {
		t.Errorf("%d ranges from %d to %d", len(r), r[0].first, r.end())
	}
}

func TestStreamsComeBackFromCheckpointAndNotes(t *testing.T) {
	a := NewStreams()
	for _, b := range []struct {
		name string
		next uint64
	}{{"x/collector", 7}, {"y/collector", 3}, {"x/collector", 12}} {
		if err := a.Note(noteOf(b.name, 1, b.next)); err != nil {
			t.Fatal(err)
		}
	}
	b := NewStreams()
	if err := b.Restore(a.Checkpoint()); err != nil {
		t.Fatal(err)
	}
	if err := b.Note(noteOf("y/collector", 3, 4)); err != nil {
		t.Fatal(err)
	}
	if x, y := b.resume("x/collector", 1).End, b.resume("y/collector", 1).End; x != 12 || y != 4 {
		t.Errorf("streams came back at %d and %d, want 12 and 4", x, y)
	}
}
