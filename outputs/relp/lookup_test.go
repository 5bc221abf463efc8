package relp_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/deadletter"
	"github.com/syslane/syslane/internal/delivery"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/outputs/outputtest"
	output "github.com/syslane/syslane/outputs/relp"
	"github.com/syslane/syslane/spool"
)

// relayed is a log that is delivered to a server.
type relayed struct {
	log    *spool.Log
	cursor *spool.Cursor
	*delivery.Delivery
	// looked is how many blocks were read by readers other than the first, which is the
	// delivery's own.
	looked atomic.Int64
}

// readCounter counts the blocks that a reader returns.
type readCounter struct {
	*spool.Reader
	blocks *atomic.Int64
}

func (r *readCounter) Next(ctx context.Context) (spool.Block, error) {
	r.blocks.Add(1)
	return r.Reader.Next(ctx)
}

// noDeadLetters takes none: nothing is refused.
type noDeadLetters struct{ t *testing.T }

func (d noDeadLetters) Append(entries []deadletter.Entry) error {
	d.t.Errorf("%d dead letters", len(entries))
	return nil
}

func openLog(t *testing.T, cfg spool.Config) *spool.Log {
	t.Helper()
	cfg.Dir, cfg.MinFree = t.TempDir(), -1
	l, err := spool.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// appendBlock appends a block of n messages, numbered by their positions.
func appendBlock(t *testing.T, l *spool.Log, n int, asIs bool) {
	t.Helper()
	b := batchOf(l.Head(), n)
	if _, err := l.Append(t.Context(), spool.Batch{Records: b.Events, Count: n, AsIs: asIs}); err != nil {
		t.Fatal(err)
	}
}

// startRelay delivers a log, a block at a time, until end is called.
func startRelay(t *testing.T, l *spool.Log, cfg output.Config) (r *relayed, end func()) {
	t.Helper()
	r = &relayed{log: l}
	var err error
	if r.cursor, err = l.Cursor("out", spool.FromTail); err != nil {
		t.Fatal(err)
	}
	var own atomic.Int64
	counter := &own
	r.Delivery = delivery.New(delivery.Config{
		Name: "out", Stream: "0123abcd/out", Cursor: r.cursor, Head: l.Head, Output: startOutput(t, cfg), DeadLetters: noDeadLetters{t},
		NewReader: func(at uint64) delivery.Reader {
			c := &readCounter{l.NewReader(at), counter}
			counter = &r.looked
			return c
		},
		BatchOctets: 1, RetryMin: 10 * time.Millisecond, RetryMax: 50 * time.Millisecond, Grace: time.Millisecond, Logger: testLogger(t),
	})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	ended := false
	end = func() {
		if ended {
			return
		}
		ended = true
		stop()
		if err := <-done; err != nil {
			t.Errorf("delivery ended with %v", err)
		}
	}
	t.Cleanup(end)
	return r, end
}

// drained waits until all of the log is delivered.
func (r *relayed) drained(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); r.cursor.Position() < r.log.Head(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the cursor is at %d, the head at %d", r.cursor.Position(), r.log.Head())
		}
	}
}

// failing waits until the delivery knows that the server takes nothing.
func (r *relayed) failing(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); r.Failing() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the output does not fail")
		}
	}
}

// expectOneStream checks that events came under one name, each at most once.
func expectOneStream(t *testing.T, store *eventStore) {
	t.Helper()
	store.mu.Lock()
	defer store.mu.Unlock()
	for name := range store.end {
		if name != "0123abcd/out" {
			t.Errorf("there is a stream %q", name)
		}
	}
	unique := make(map[string]bool)
	for _, e := range store.events {
		if unique[e] {
			t.Fatalf("%q is stored twice", e)
		}
		unique[e] = true
	}
}

func TestALookUpReadsOneBlockHoweverFarTheServerIsAhead(t *testing.T) {
	store := newEventStore()
	addr := startServer(t, store, nil)
	l := openLog(t, spool.Config{Sync: spool.SyncOS, KeepDelivered: true, SegmentSize: 64 << 10})
	for range 500 {
		appendBlock(t, l, 10, true)
	}
	r, end := startRelay(t, l, output.Config{Targets: []string{addr}})
	r.drained(t)
	end()
	if err := l.DropCursor("out"); err != nil {
		t.Fatal(err)
	}
	appendBlock(t, l, 10, true)
	r, _ = startRelay(t, l, output.Config{Targets: []string{addr}})
	r.drained(t)
	if n := r.looked.Load(); n != 1 {
		t.Errorf("the look-up read %d blocks of 501, want 1", n)
	}
	if _, events := store.received(); len(events) != 5010 {
		t.Errorf("%d events are stored, want 5010", len(events))
	}
	expectOneStream(t, store)
}

// cutting is a Sink that has its answer lost: it cuts the cable when it has stored.
type cutting struct {
	*eventStore
	armed atomic.Bool
	cut   func()
	done  chan struct{}
}

func (c *cutting) SubmitEvents(ctx context.Context, b *inputs.EventBatch) error {
	err := c.eventStore.SubmitEvents(ctx, b)
	if err == nil && c.armed.CompareAndSwap(true, false) {
		c.cut()
		close(c.done)
	}
	return err
}

func TestABatchWhoseAnswerWasLostIsStoredOnceThoughTheLogHasLetGoOfIt(t *testing.T) {
	for name, asIs := range map[string]bool{"packed": true, "unpacked": false} {
		t.Run(name, func(t *testing.T) {
			sink := &cutting{eventStore: newEventStore(), done: make(chan struct{})}
			w := startCable(t, startServer(t, sink, nil))
			sink.cut = w.cut
			l := openLog(t, spool.Config{Sync: spool.SyncOS, SegmentSize: 4 << 10, MaxSize: 16 << 10, Full: spool.FullDropOldest})
			r, _ := startRelay(t, l, output.Config{
				Targets: []string{w.addr}, AckTimeout: time.Second, ConnectTimeout: time.Second,
			})
			appendBlock(t, l, 50, asIs) // the session after it takes packed blocks
			r.drained(t)
			sink.armed.Store(true)
			appendBlock(t, l, 50, asIs)
			<-sink.done
			r.failing(t)
			for l.Tail() <= 101 {
				appendBlock(t, l, 50, asIs)
			}
			w.mend()
			r.drained(t)
			_, events := sink.received()
			expectNumbers(t, events[:100], 1, 100)
			expectOneStream(t, sink.eventStore)
		})
	}
}

func TestALookUpThatFailsGivesTheStreamNoOtherName(t *testing.T) {
	store := newEventStore()
	addr := startServer(t, store, nil)
	writeAll(t, startOutput(t, output.Config{Targets: []string{addr}}), batchOf(1, 1000))
	b, fails := outputtest.WithIDs(batchOf(501, 1000)), true
	has := b.HasEvent
	b.HasEvent = func(ctx context.Context, id syslog.ID, from, before uint64) (bool, error) {
		if fails {
			return false, errors.New("input/output error")
		}
		return has(ctx, id, from, before)
	}
	o := startOutput(t, output.Config{Targets: []string{addr}})
	if err := o.Write(t.Context(), b); err == nil || !strings.Contains(err.Error(), "position 1000: input/output error") {
		t.Errorf("Write returned %v", err)
	}
	fails = false
	writeAll(t, o, b)
	if _, events := store.received(); len(events) != 1500 {
		t.Errorf("%d events are stored, want 1500", len(events))
	}
	expectOneStream(t, store)
}

// A session works also where the look-up took longer than a server may take to answer.
func TestTheTimeOfALookUpIsNotTheServers(t *testing.T) {
	const limit = time.Second
	for name, b := range map[string]*outputs.Batch{"the same log": batchOf(501, 1000), "a restored log": renumbered(501, 1000, 5000)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			store := newEventStore()
			addr := startServer(t, store, nil)
			writeAll(t, startOutput(t, output.Config{Targets: []string{addr}}), batchOf(1, 1000))
			has := outputtest.WithIDs(b).HasEvent
			b.HasEvent = func(ctx context.Context, id syslog.ID, from, before uint64) (bool, error) {
				time.Sleep(limit + limit/10)
				return has(ctx, id, from, before)
			}
			o := startOutput(t, output.Config{Targets: []string{addr}, ConnectTimeout: limit})
			if err := o.Write(t.Context(), b); err != nil {
				t.Error(err)
			}
		})
	}
}
