package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/deadletter"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/spool"
)

// block makes a block of count records from position first; each record is its
// position in words.
func block(first uint64, count int) spool.Block {
	b := spool.Block{First: first, Count: count}
	for i := range count {
		record := fmt.Sprintf("event %d", first+uint64(i))
		b.Records = append(append(b.Records, byte(len(record))), record...)
	}
	return b
}

// fakeLog hands out blocks, to one reader after the other, and keeps a cursor.
type fakeLog struct {
	mu       sync.Mutex
	blocks   []spool.Block
	head     uint64
	position uint64
	totals   spool.Counts
}

func (l *fakeLog) NewReader(uint64) Reader { return l }

func newFakeLog(blocks ...spool.Block) *fakeLog {
	last := blocks[len(blocks)-1]
	return &fakeLog{blocks: blocks, head: last.First + uint64(last.Count), position: 1}
}

func (l *fakeLog) Next(ctx context.Context) (spool.Block, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.blocks) == 0 {
		l.mu.Unlock()
		<-ctx.Done()
		l.mu.Lock()
		return spool.Block{}, ctx.Err()
	}
	b := l.blocks[0]
	l.blocks = l.blocks[1:]
	return b, nil
}

func (l *fakeLog) Pack(bool)   {}
func (l *fakeLog) Seek(uint64) {}
func (l *fakeLog) Unpack(dst []byte, _ spool.Packed) ([]byte, error) {
	return dst, errors.New("nothing was packed")
}
func (l *fakeLog) Close() error { return nil }
func (l *fakeLog) Head() uint64 { return l.head }

func (l *fakeLog) Position() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.position
}

func (l *fakeLog) Ahead() []spool.Span { return nil }

func (l *fakeLog) CommitSpan(from, next uint64, n spool.Counts) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if from != l.position {
		return spool.ErrPosition
	}
	l.position = next
	l.totals.Delivered += n.Delivered
	l.totals.DeadLettered += n.DeadLettered
	l.totals.Dropped += n.Dropped
	l.totals.Skipped += n.Skipped
	return nil
}

// scripted is an output that answers each write as its script says and takes
// everything once the script is over.
type scripted struct {
	mu      sync.Mutex
	answers []error
	writes  int
	taken   []string
	batches []outputs.Batch
}

func (o *scripted) Write(_ context.Context, b *outputs.Batch) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writes++
	o.batches = append(o.batches, *b)
	var answer error
	if len(o.answers) > 0 {
		answer, o.answers = o.answers[0], o.answers[1:]
	}
	var refused *outputs.Rejected
	if answer != nil && !errors.As(answer, &refused) {
		return answer
	}
	i := 0
	for run := b.Events; len(run) > 0; i++ {
		var record []byte
		record, run = syslog.NextRecord(run)
		if refused == nil || !slices.ContainsFunc(refused.Items, func(r outputs.Rejection) bool { return r.Index == i }) {
			o.taken = append(o.taken, string(record))
		}
	}
	return answer
}

func (o *scripted) Close() error { return nil }

// letters collects dead letters, and fails as often as it is told to.
type letters struct {
	fail    int
	entries []deadletter.Entry
}

func (l *letters) Append(entries []deadletter.Entry) error {
	if l.fail > 0 {
		l.fail--
		return errors.New("no space left on device")
	}
	for _, e := range entries {
		e.Event = slices.Clone(e.Event)
		l.entries = append(l.entries, e)
	}
	return nil
}

// deliver runs a delivery until the cursor has reached the head.
func deliver(t *testing.T, log *fakeLog, out outputs.Output, dead *letters) *Delivery {
	t.Helper()
	d := New(Config{
		Name: "out", Stream: "log/out", Cursor: log, NewReader: log.NewReader, Head: log.Head, Output: out, DeadLetters: dead,
		RetryMin: time.Millisecond, RetryMax: 2 * time.Millisecond, BatchOctets: 100,
		Logger: zerolog.New(zerolog.NewTestWriter(t)),
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	for log.Position() < log.Head() {
		select {
		case err := <-done:
			t.Fatalf("Run returned early: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Fatalf("Run returned %v", err)
	}
	return d
}

func TestEveryEventIsDeliveredInOrder(t *testing.T) {
	log, out := newFakeLog(block(1, 3), block(4, 20), block(24, 1)), new(scripted)
	deliver(t, log, out, new(letters))
	if len(out.taken) != 24 {
		t.Fatalf("%d events arrived, want 24", len(out.taken))
	}
	for i, e := range out.taken {
		if e != fmt.Sprintf("event %d", i+1) {
			t.Errorf("event %d is %q", i+1, e)
		}
	}
	if log.totals != (spool.Counts{Delivered: 24}) {
		t.Errorf("totals are %+v", log.totals)
	}
}

func TestFailedWritesAreRepeatedUntilTheyAreTaken(t *testing.T) {
	down := errors.New("connection refused")
	log, out := newFakeLog(block(1, 3), block(4, 2)), &scripted{answers: []error{down, down, down}}
	d := deliver(t, log, out, new(letters))
	if len(out.taken) != 5 || out.writes != 4 || d.Retries() != 3 || d.Failing() != nil {
		t.Errorf("%d events in %d writes with %d retries, failing %v", len(out.taken), out.writes, d.Retries(), d.Failing())
	}
}

func TestRefusedEventsGoToTheDeadLetterWithTheirReason(t *testing.T) {
	refused := &outputs.Rejected{Items: []outputs.Rejection{{Index: 0, Status: 400, Reason: "first"}, {Index: 3, Status: 400, Reason: "fourth"}}}
	log, out, dead := newFakeLog(block(1, 5)), &scripted{answers: []error{refused}}, new(letters)
	deliver(t, log, out, dead)
	if !slices.Equal(out.taken, []string{"event 2", "event 3", "event 5"}) {
		t.Errorf("the output took %q", out.taken)
	}
	if len(dead.entries) != 2 || string(dead.entries[0].Event) != "event 1" || string(dead.entries[1].Event) != "event 4" ||
		dead.entries[1].Reason != "fourth" || dead.entries[1].Position != 4 || dead.entries[1].Output != "out" {
		t.Errorf("the dead letter holds %+v", dead.entries)
	}
	if log.totals != (spool.Counts{Delivered: 3, DeadLettered: 2}) {
		t.Errorf("totals are %+v", log.totals)
	}
}

func TestRefusedEventsThatTheDestinationKeepsAreCountedAndNotWritten(t *testing.T) {
	refused := &outputs.Rejected{Items: []outputs.Rejection{{Index: 0, Reason: "first", Kept: true}, {Index: 3, Reason: "fourth"}}}
	log, out, dead := newFakeLog(block(1, 5)), &scripted{answers: []error{refused}}, new(letters)
	deliver(t, log, out, dead)
	if len(dead.entries) != 1 || string(dead.entries[0].Event) != "event 4" {
		t.Errorf("the dead letter holds %+v", dead.entries)
	}
	if log.totals != (spool.Counts{Delivered: 3, DeadLettered: 2}) {
		t.Errorf("totals are %+v", log.totals)
	}
}

func TestCursorWaitsForTheDeadLetterToBeDurable(t *testing.T) {
	refused := &outputs.Rejected{Items: []outputs.Rejection{{Index: 1, Reason: "no"}}}
	log, out, dead := newFakeLog(block(1, 2)), &scripted{answers: []error{refused, refused}}, &letters{fail: 1}
	deliver(t, log, out, dead)
	if len(dead.entries) != 1 || log.totals != (spool.Counts{Delivered: 1, DeadLettered: 1}) {
		t.Errorf("the dead letter holds %d, totals are %+v", len(dead.entries), log.totals)
	}
}

func TestWhatIsTakenIsNotWrittenAgainWhileTheDeadLetterFails(t *testing.T) {
	refused := &outputs.Rejected{Items: []outputs.Rejection{{Index: 1, Reason: "no"}}}
	log, out, dead := newFakeLog(block(1, 5)), &scripted{answers: []error{refused}}, &letters{fail: 3}
	d := deliver(t, log, out, dead)
	if out.writes != 1 || d.Retries() != 0 || d.Failing() != nil {
		t.Errorf("the output took %q in %d writes with %d retries, failing %v", out.taken, out.writes, d.Retries(), d.Failing())
	}
	if len(dead.entries) != 1 || log.totals != (spool.Counts{Delivered: 4, DeadLettered: 1}) {
		t.Errorf("the dead letter holds %d, totals are %+v", len(dead.entries), log.totals)
	}
}

// fullLetters never take anything.
type fullLetters struct{ asked chan struct{} }

func (l fullLetters) Append([]deadletter.Entry) error {
	select {
	case l.asked <- struct{}{}:
	default:
	}
	return errors.New("no space left on device")
}

func TestADeadLetterThatFailsDoesNotHoldUpAStop(t *testing.T) {
	refused := &outputs.Rejected{Items: []outputs.Rejection{{Index: 1, Reason: "no"}}}
	log, dead := newFakeLog(block(1, 2)), fullLetters{make(chan struct{})}
	d := New(Config{
		Name: "out", Cursor: log, NewReader: log.NewReader, Head: log.Head, Output: &scripted{answers: []error{refused}},
		DeadLetters: dead, RetryMin: time.Millisecond, Grace: time.Hour,
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	<-dead.asked
	<-dead.asked
	if d.Failing() == nil {
		t.Error("the output does not say that it is held up")
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("Run returned %v", err)
	}
	if log.Position() != 1 {
		t.Errorf("the cursor moved to %d", log.Position())
	}
}

func TestBatchesHaveNoGapsWhereTheLogHas(t *testing.T) {
	log, out := newFakeLog(block(1, 2), block(8, 1), block(9, 1)), new(scripted)
	deliver(t, log, out, new(letters))
	if !slices.Equal(out.taken, []string{"event 1", "event 2", "event 8", "event 9"}) {
		t.Errorf("the output took %q", out.taken)
	}
	if log.totals != (spool.Counts{Delivered: 4}) || log.Position() != 10 {
		t.Errorf("totals are %+v, the cursor is at %d", log.totals, log.Position())
	}
	for _, b := range out.batches {
		if b.Next-b.First != uint64(b.Count) {
			t.Errorf("a batch of %d events runs from %d to %d", b.Count, b.First, b.Next)
		}
	}
}

func TestCursorPassesADamagedEnd(t *testing.T) {
	damaged := spool.Block{First: 6, Missing: 3}
	for _, log := range []*fakeLog{newFakeLog(block(1, 2), damaged), newFakeLog(damaged)} {
		log.head = 6
		out := new(scripted)
		deliver(t, log, out, new(letters))
		for _, b := range out.batches {
			if b.Count == 0 {
				t.Error("the output was handed an empty batch")
			}
		}
	}
}

// stuck never finishes a write before its context ends.
type stuck struct{ entered chan struct{} }

func (o stuck) Write(ctx context.Context, _ *outputs.Batch) error {
	close(o.entered)
	<-ctx.Done()
	return ctx.Err()
}
func (o stuck) Close() error { return nil }

func TestStuckWriteIsAbandonedAfterItsGrace(t *testing.T) {
	log, out := newFakeLog(block(1, 2)), stuck{make(chan struct{})}
	d := New(Config{Name: "out", Cursor: log, NewReader: log.NewReader, Head: log.Head, Output: out, DeadLetters: new(letters), Grace: time.Millisecond})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	<-out.entered
	stop()
	if err := <-done; err != nil {
		t.Errorf("Run returned %v", err)
	}
	if log.Position() != 1 {
		t.Errorf("the cursor moved to %d", log.Position())
	}
}
