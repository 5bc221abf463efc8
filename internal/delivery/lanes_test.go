package delivery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/vfs"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/spool"
)

// sink takes events by their positions while it is up.
type sink struct {
	mu    sync.Mutex
	takes int // so many batches; below 0: all
	taken map[uint64]int
	order []uint64
	// before is called before each batch.
	before func()
	// passed are positions that must not come again.
	passed func(position uint64) bool
	// packed is how many events came as they are stored.
	packed int
	wrong  error
}

// Packs makes it take what comes as it is stored every other time.
func (s *sink) Packs() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.order)%2 == 0
}

func (s *sink) Write(_ context.Context, b *outputs.Batch) error {
	s.mu.Lock()
	before := s.before
	s.mu.Unlock()
	if before != nil {
		before()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.takes == 0 {
		return errors.New("down")
	}
	s.takes--
	i, run := 0, b.Events
	for _, p := range b.Packed {
		part, err := s2.Decode(nil, p.Octets)
		if err != nil {
			s.wrong = err
		}
		run = append(run[:len(run):len(run)], part...)
		s.packed += p.Count
	}
	for ; len(run) > 0; i++ {
		var record []byte
		record, run = syslog.NextRecord(run)
		at := b.Position(i)
		if want := fmt.Sprintf("event %d", at); string(record) != want {
			s.wrong = fmt.Errorf("position %d is handed over as %q", at, record)
		}
		if s.passed != nil && s.passed(at) {
			s.wrong = fmt.Errorf("position %d is handed over, and the cursor had passed it", at)
		}
		s.taken[at]++
		s.order = append(s.order, at)
	}
	if i != b.Count || b.Position(i) != b.Next || b.After > b.First {
		s.wrong = fmt.Errorf("batch of %d from %d to %d after %d has %d events", b.Count, b.First, b.Next, b.After, i)
	}
	return nil
}

func (s *sink) Close() error { return nil }

// up makes the sink take so many batches, or all that come (below 0).
func (s *sink) up(batches int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takes = batches
}

func (s *sink) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.takes
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.taken)
}

// appendEvents appends events whose texts are their positions.
func appendEvents(t fataler, l *spool.Log, count int) {
	t.Helper()
	b := block(l.Head(), count)
	if _, err := l.Append(context.Background(), spool.Batch{Records: b.Records, Count: b.Count, AsIs: l.Head()%3 != 0}); err != nil {
		t.Fatalf("append: %v", err)
	}
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// started is a delivery under way.
type started struct {
	log    *spool.Log
	cursor *spool.Cursor
	stop   context.CancelFunc
	done   chan error
}

func start(t fataler, disk vfs.FS, s *sink, change func(*Config)) *started {
	t.Helper()
	l, err := spool.Open(spool.Config{Dir: "/log", FS: disk, MinFree: -1, SegmentSize: 4 << 10, BlockSize: 200, CursorInterval: 2 * time.Millisecond})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	c, err := l.Cursor("out", spool.FromTail)
	if err != nil {
		t.Fatalf("cursor: %v", err)
	}
	cfg := Config{
		Name: "out", Cursor: c, NewReader: func(at uint64) Reader { return l.NewReader(at) }, Head: l.Head, Output: s,
		DeadLetters: new(letters), RetryMin: time.Millisecond, RetryMax: time.Millisecond, BatchOctets: 100,
		Interleave: true, BacklogMin: 10, BacklogTime: time.Nanosecond, Logger: zerolog.Nop(),
	}
	if change != nil {
		change(&cfg)
	}
	d := &started{log: l, cursor: c, done: make(chan error, 1)}
	ctx, stop := context.WithCancel(context.Background())
	d.stop = stop
	go func() { d.done <- New(cfg).Run(ctx) }()
	return d
}

// end stops the delivery, and closes the log.
func (d *started) end(t fataler) {
	t.Helper()
	d.stop()
	if err := <-d.done; err != nil {
		t.Fatalf("Run returned %v", err)
	}
	if err := d.log.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// drained waits until the cursor has passed everything.
func (d *started) drained(t fataler) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); d.cursor.Position() < d.log.Head(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the cursor stays at %d and %v of %d", d.cursor.Position(), d.cursor.Ahead(), d.log.Head())
		}
	}
}

func TestWhatComesIsNotBehindTheBacklog(t *testing.T) {
	const backlog, fresh = 2000, 3
	for _, interleave := range []bool{true, false} {
		s := &sink{taken: map[uint64]int{}}
		d := start(t, vfs.NewMem(), s, func(c *Config) { c.Interleave = interleave })
		for range backlog / 20 {
			appendEvents(t, d.log, 20)
		}
		var once sync.Once
		since := 0
		s.mu.Lock()
		s.before = func() {
			if s.count() > backlog/10 {
				once.Do(func() { appendEvents(t, d.log, fresh); since = s.count() })
			}
		}
		s.takes = -1
		s.mu.Unlock()
		d.drained(t)
		d.end(t)
		if s.wrong != nil {
			t.Error(s.wrong)
		}
		if len(s.order) != backlog+fresh || s.count() != backlog+fresh {
			t.Errorf("%d of %d events, %d handed over", s.count(), backlog+fresh, len(s.order))
		}
		last, at := uint64(0), 0
		for i, position := range s.order {
			switch {
			case position > backlog:
				at = i
			case position < last:
				t.Errorf("%d comes after %d, both of the backlog", position, last)
			default:
				last = position
			}
		}
		if behind := at - since; interleave && behind > 100 || !interleave && at != backlog+fresh-1 {
			t.Errorf("interleave %v: what came was there %d events later", interleave, behind)
		}
		if st := d.cursor.Status(); st.Delivered != backlog+fresh || st.Lag != 0 || st.Missing != 0 || st.Ahead != 0 {
			t.Errorf("status %+v", st)
		}
	}
}

func TestBatchesThatAreNotFullKeepTheirDistance(t *testing.T) {
	s := &sink{taken: map[uint64]int{}, takes: -1}
	d := start(t, vfs.NewMem(), s, func(c *Config) { c.FlushInterval = time.Hour })
	arrived := func(want int) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); s.count() < want; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d events are there, want %d", s.count(), want)
			}
		}
	}
	for range 10 {
		appendEvents(t, d.log, 20) // of 200 octets or more: full
	}
	arrived(200)
	appendEvents(t, d.log, 1)
	arrived(201) // at once, behind a batch that was full
	appendEvents(t, d.log, 1)
	time.Sleep(20 * time.Millisecond)
	if s.count() != 201 {
		t.Errorf("%d events are there: the last did not wait", s.count())
	}
	d.end(t)
}

func TestOldestFirstFinishesWhatWasInterleaved(t *testing.T) {
	disk := vfs.NewMem()
	s := &sink{taken: map[uint64]int{}, takes: -1}
	d := start(t, disk, s, nil)
	d.stop()
	<-d.done
	for range 30 {
		appendEvents(t, d.log, 10)
	}
	for _, sp := range []spool.Span{{From: 41, To: 45}, {From: 101, To: 151}, {From: 201, To: 301}} {
		if err := d.cursor.CommitSpan(sp.From, sp.To, spool.Counts{Delivered: sp.To - sp.From}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.log.Close(); err != nil {
		t.Fatal(err)
	}
	d = start(t, disk, s, func(c *Config) { c.Interleave = false })
	d.drained(t)
	d.end(t)
	if len(s.order) != 300-4-50-100 || s.wrong != nil {
		t.Errorf("%d events handed over, %v", len(s.order), s.wrong)
	}
	if st := d.cursor.Status(); st.Delivered != 300 || st.Missing != 0 {
		t.Errorf("status %+v", st)
	}
}

// Random outages, crashes and stops. What the cursor has passed was taken, and is
// not handed over again; in the end all that was acknowledged is there.
func TestModelNothingIsLostBetweenBacklogAndFront(t *testing.T) {
	leaps, packed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		disk := vfs.NewMem()
		s := &sink{taken: map[uint64]int{}}
		interleave := func(c *Config) { c.Interleave = rapid.IntRange(0, 4).Draw(t, "interleave") > 0 }
		d := start(t, disk, s, interleave)
		defer func() { d.stop() }()
		for range rapid.IntRange(5, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1, 2, 3:
				for range rapid.IntRange(1, 6).Draw(t, "batches") {
					appendEvents(t, d.log, rapid.IntRange(1, 20).Draw(t, "events"))
				}
			case 4:
				s.up(0)
			case 5:
				s.up(-1)
			case 6, 7:
				s.up(rapid.IntRange(1, 8).Draw(t, "takes"))
				for s.left() > 0 && d.cursor.Status().Lag > 0 {
					time.Sleep(100 * time.Microsecond)
				}
			case 8, 9:
				leaps += len(d.cursor.Ahead())
				crash := rapid.Bool().Draw(t, "crash")
				if crash {
					disk = disk.CrashClone(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "disk"), 0)))
				}
				head := d.log.Head()
				d.end(t) // on a crash: of what is no longer the disk
				s.mu.Lock()
				s.passed = nil
				s.mu.Unlock()
				d = restart(t, disk, s, interleave)
				if d.log.Head() < head && !crash {
					t.Fatalf("head is %d after %d", d.log.Head(), head)
				}
			}
		}
		s.up(-1)
		d.drained(t)
		st, head := d.cursor.Status(), d.log.Head()
		d.end(t)
		packed += s.packed
		if s.wrong != nil {
			t.Fatal(s.wrong)
		}
		if st.Delivered != head-1 || st.Lag != 0 || st.Missing != 0 || st.Ahead != 0 {
			t.Fatalf("head %d, %+v", head, st)
		}
		for p := uint64(1); p < head; p++ {
			if s.taken[p] == 0 {
				t.Fatalf("position %d is lost", p)
			}
		}
	})
	t.Logf("%d spans ahead at stops and crashes, %d events as they are stored", leaps, packed)
	if leaps == 0 || packed == 0 {
		t.Error("nothing was ever delivered ahead, or as it is stored")
	}
}

// restart goes on with what is on the disk.
func restart(t *rapid.T, disk vfs.FS, s *sink, change func(*Config)) *started {
	l, err := spool.Open(spool.Config{Dir: "/log", FS: disk, MinFree: -1})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	c, err := l.Cursor("out", spool.FromTail)
	if err != nil {
		t.Fatalf("cursor: %v", err)
	}
	at, ahead := c.Position(), c.Ahead()
	if err := l.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	passed := func(p uint64) bool {
		for _, sp := range ahead {
			if p >= sp.From && p < sp.To {
				return true
			}
		}
		return p < at
	}
	s.mu.Lock()
	s.passed = passed
	for p := uint64(1); p < l.Head(); p++ {
		if passed(p) && s.taken[p] == 0 {
			s.mu.Unlock()
			t.Fatalf("the cursor has passed %d, which was never taken", p)
		}
	}
	s.mu.Unlock()
	return start(t, disk, s, change)
}
