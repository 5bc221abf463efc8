package spool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/vfs"
	"pgregory.net/rapid"
)

// The model check: a random workload on a disk in memory that loses power before
// every single operation that changes it. Each of these disks is opened and
// compared with what had been promised at that moment; then the workload goes on
// from one of them. Thousands of seeds:
//
//	go test ./spool -run TestModel -rapid.checks=5000
//
// A failure prints the -rapid.seed that replays it.

// promises are what the log has promised so far. They only grow, but where a
// cursor is dropped or moved back.
type promises struct {
	acked   map[uint64]string // records acknowledged, by position
	cursors map[string]place
	head    uint64
}

// place is where a cursor may be found after a crash: its position, and what it has
// passed, which holds must and is held by may.
type place struct {
	least, most uint64
	must, may   *big.Int
}

// at is the place of a cursor that is durable.
func at(s *cursorState) place {
	passed := positions(1, s.position)
	for _, sp := range s.ahead.list() {
		passed.Or(passed, positions(sp.From, sp.To))
	}
	return place{s.position, s.position, passed, passed}
}

// positions are those from from up to to, as the bits of a number.
func positions(from, to uint64) *big.Int {
	one := big.NewInt(1)
	ones := new(big.Int).Sub(new(big.Int).Lsh(one, uint(to-from)), one)
	return ones.Lsh(ones, uint(from))
}

// holds tells whether all positions of b are in a.
func holds(a, b *big.Int) bool { return new(big.Int).AndNot(b, a).Sign() == 0 }

func (p *promises) clone() promises {
	return promises{maps.Clone(p.acked), maps.Clone(p.cursors), p.head}
}

// world is a log under test with its model.
type world struct {
	t    *rapid.T
	cfg  Config
	disk *vfs.Mem
	l    *Log
	seed uint64 // of the crashes
	rng  *rand.Rand

	mu        sync.Mutex
	p         promises
	waiting   map[uint64]string // appended, by position, and not yet promised
	submitted map[string]bool   // every record ever given to Append
	seq       int
	crashes   []crash // since the last reopening
	fold      owner
	faults    int // so many operations fail from now on
}

// crash is a disk as it was found when power was lost, and what was promised then.
type crash struct {
	disk *vfs.Mem
	p    promises
	op   vfs.Op
}

// owner keeps the highest sequence number noted; it stands for the owners of
// logs, who keep such marks for each of their streams.
type owner struct {
	mu   sync.Mutex
	high int
}

func (o *owner) noted(_ uint64, note []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, _ := strconv.Atoi(string(note))
	o.high = max(o.high, n)
}

func (o *owner) checkpoint() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strconv.AppendInt(nil, int64(o.high), 10)
}

func (o *owner) restore(l *Log) error {
	return l.Notes(func(n Note) error {
		if n.Checkpoint {
			o.high = 0
		}
		o.noted(n.First, n.Data)
		return nil
	})
}

func (w *world) open() {
	w.fold = owner{}
	cfg := w.cfg
	cfg.FS = w.disk
	cfg.Noted, cfg.Checkpoint = w.fold.noted, w.fold.checkpoint
	l, err := Open(cfg)
	if err != nil {
		w.t.Fatalf("open: %v", err)
	}
	if err := w.fold.restore(l); err != nil {
		w.t.Fatalf("notes: %v", err)
	}
	w.l = l
	w.t.Cleanup(func() { l.Close() })
	w.disk.SetHook(w.beforeOp)
}

// beforeOp loses power before each operation that changes the disk. A sync lasts, so
// that more may be written meanwhile.
func (w *world) beforeOp(op vfs.Op) error {
	err := w.losePower(op)
	if op.Kind == vfs.OpSync && op.N%4 == 0 {
		time.Sleep(100 * time.Microsecond)
	}
	return err
}

func (w *world) losePower(op vfs.Op) error {
	if op.Kind.Changes() {
		w.mu.Lock()
		defer w.mu.Unlock()
		rng := rand.New(rand.NewPCG(w.seed, op.N))
		w.crashes = append(w.crashes, crash{w.disk.CrashClone(rng), w.p.clone(), op})
		if w.faults > 0 {
			w.faults--
			if op.Kind == vfs.OpWrite {
				return &vfs.ShortWrite{N: rng.IntN(3000), Err: syscall.ENOSPC}
			}
			return syscall.EIO
		}
	}
	return nil
}

func (w *world) append(n, size int) {
	w.mu.Lock()
	var records []string
	for range n {
		w.seq++
		rec := fmt.Sprintf("%d:%s", w.seq, strings.Repeat("x", w.rng.IntN(size+1)))
		records = append(records, rec)
		w.submitted[rec] = true
	}
	b := Batch{Records: run(records...), Count: n, Note: strconv.AppendInt(nil, int64(w.seq), 10)}
	inTwo := w.rng.IntN(2) == 0
	b.Lent = w.rng.IntN(3) > 0
	b.More = inTwo && w.rng.IntN(4) == 0
	w.mu.Unlock()
	first, err := w.put(b, inTwo)
	if err != nil {
		w.tolerate(err)
		return
	}
	w.mu.Lock()
	for i, rec := range records {
		w.waiting[first+uint64(i)] = rec
	}
	w.mu.Unlock()
	w.promise()
}

// put appends a batch, in one step or in two.
func (w *world) put(b Batch, inTwo bool) (first uint64, err error) {
	ctx := context.Background()
	defer func() {
		for i := range b.Records {
			b.Records[i] = '?' // they are the caller's again
		}
	}()
	if !inTwo {
		return w.l.Append(ctx, b)
	}
	wait, err := w.l.Enqueue(ctx, b)
	if err != nil {
		return 0, err
	}
	return wait(ctx)
}

// promise follows what has become durable: under SyncCommit with each append, under
// SyncInterval when readers see it, under SyncOS never.
func (w *world) promise() {
	head := w.l.Head()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cfg.Sync == SyncOS {
		return
	}
	for pos, rec := range w.waiting {
		if pos < head {
			w.p.acked[pos] = rec
			w.p.head = max(w.p.head, pos+1)
			delete(w.waiting, pos)
		}
	}
}

// tolerate accepts the errors that beforeOp made.
func (w *world) tolerate(err error) {
	if !errors.Is(err, syscall.EIO) && !errors.Is(err, syscall.ENOSPC) {
		w.t.Fatalf("%v", err)
	}
}

// rewriteFull does what the background does, at a moment that a seed decides.
func (w *world) rewriteFull() {
	if err := w.l.rewriteAll(withoutRest); err != nil {
		w.tolerate(err)
	}
}

func (w *world) commit(name string, pos uint64) {
	c, err := w.l.Cursor(name, FromTail)
	if err != nil {
		w.t.Fatalf("cursor: %v", err)
	}
	w.promised(c, c.Position(), pos)
	if err := c.Commit(pos, Counts{Delivered: c.state.open(pos)}); err != nil {
		w.t.Fatalf("commit: %v", err)
	}
}

// promised follows what a cursor is about to pass.
func (w *world) promised(c *Cursor, from, to uint64) {
	after := c.state
	after.pass(from, to)
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.p.cursors[c.name]
	p.most, p.may = max(p.most, after.position), new(big.Int).Or(p.may, at(&after).may)
	w.p.cursors[c.name] = p
}

// commitSpan passes some of what lies between cursor and head.
func (w *world) commitSpan(name string, from, to uint64) {
	c, err := w.l.Cursor(name, FromTail)
	if err != nil {
		w.t.Fatalf("cursor: %v", err)
	}
	after := c.state
	if !after.fresh(from, to) || !after.pass(from, to) {
		if err := c.CommitSpan(from, to, Counts{}); !errors.Is(err, ErrPosition) {
			w.t.Fatalf("a span that is not open, or one too many, was committed: %v", err)
		}
		return
	}
	w.promised(c, from, to)
	if err := c.CommitSpan(from, to, Counts{Delivered: to - from}); err != nil {
		w.t.Fatalf("commit a span: %v", err)
	}
}

func (w *world) rewind(name string, pos uint64) {
	c, err := w.l.Cursor(name, FromTail)
	if err != nil {
		w.t.Fatalf("cursor: %v", err)
	}
	w.mu.Lock()
	p := w.p.cursors[name]
	p.least, p.must = min(p.least, pos), new(big.Int).And(p.must, positions(1, pos))
	w.p.cursors[name] = p
	w.mu.Unlock()
	// Under SyncOS the records at the cursor may be lost, and retention may come
	// between: what is no longer there cannot be gone back to.
	if err := c.Rewind(pos); err != nil && (!errors.Is(err, ErrPosition) || pos >= w.l.Tail()) {
		w.t.Fatalf("rewind: %v", err)
	}
}

// dropCursor promises nothing of the cursor from its start on: after a crash it may
// be there still.
func (w *world) dropCursor(name string) {
	w.mu.Lock()
	w.faults = 0
	_, there := w.p.cursors[name]
	delete(w.p.cursors, name)
	w.mu.Unlock()
	if err := w.l.DropCursor(name); there && err != nil {
		w.t.Fatalf("drop: %v", err)
	}
}

func (w *world) syncCursor(name string) {
	c, err := w.l.Cursor(name, FromTail)
	if err != nil {
		w.t.Fatalf("cursor: %v", err)
	}
	if err := c.Sync(); err != nil {
		w.tolerate(err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.p.cursors[name] = at(&c.state)
}

func (w *world) addCursor(name string) {
	w.mu.Lock()
	w.faults = 0
	w.mu.Unlock()
	c, err := w.l.Cursor(name, FromTail)
	if err != nil {
		w.t.Fatalf("cursor: %v", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.p.cursors[name]; !ok {
		w.p.cursors[name] = at(&c.state)
	}
}

// check opens the disk of a crash and compares. It returns what is there now.
func (w *world) check(c crash) promises {
	t := w.t
	fold := owner{}
	cfg := w.cfg
	cfg.FS = c.disk
	cfg.Noted, cfg.Checkpoint = fold.noted, fold.checkpoint
	l, err := Open(cfg)
	if err != nil {
		t.Fatalf("open after losing power before %s %s: %v", c.op.Kind, c.op.Name, err)
	}
	defer l.Close()
	fail := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("after losing power before %s %s: %s", c.op.Kind, c.op.Name, fmt.Sprintf(format, args...))
	}
	head, tail := l.Head(), l.Tail()
	if head < c.p.head && w.cfg.Sync != SyncOS { // there it may rest on a cursor alone
		fail("head is %d, %d was reached", head, c.p.head)
	}
	got := map[uint64]string{}
	seen := map[string]bool{}
	high, last := 0, uint64(0)
	r := l.NewReader(1)
	defer r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for r.Position() < head {
		b, err := r.Next(ctx)
		if err != nil {
			fail("read at %d of %d: %v", r.Position(), head, err)
		}
		pos := b.First
		for rest := b.Records; len(rest) > 0; pos++ {
			var rec []byte
			rec, rest, _ = nextRecord(rest)
			if !w.submitted[string(rec)] {
				fail("position %d holds %.40q, which was never appended", pos, rec)
			}
			if seen[string(rec)] {
				fail("record %.40q is there twice", rec)
			}
			if pos <= last {
				fail("position %d after %d", pos, last)
			}
			last = pos
			seen[string(rec)] = true
			got[pos] = string(rec)
			n, _, _ := strings.Cut(string(rec), ":")
			v, _ := strconv.Atoi(n)
			high = max(high, v)
		}
	}
	for pos, rec := range c.p.acked {
		// Under SyncOS the segment after those that were delivered and deleted may be
		// lost, and with it where the log began.
		deleted := pos < tail || w.cfg.Sync == SyncOS && pos >= head
		if !deleted && got[pos] != rec {
			fail("position %d holds %.40q, acknowledged was %.40q (head %d, tail %d)", pos, got[pos], rec, head, tail)
		}
		if deleted {
			for name, p := range c.p.cursors {
				if p.most <= pos {
					fail("position %d is deleted, cursor %s had not passed it", pos, name)
				}
			}
		}
	}
	if err := fold.restore(l); err != nil {
		fail("notes: %v", err)
	}
	if len(got) > 0 && fold.high != high && w.cfg.Sync != SyncOS {
		fail("notes say %d, the records %d", fold.high, high)
	}
	// A head that rests on nothing but remains of what was never acknowledged may go
	// back when they are cut off.
	now := promises{acked: got, cursors: map[string]place{}, head: max(1, last+1)}
	for _, cs := range l.Cursors() {
		if end := l.cursors[cs.Name].state.end(); end > head {
			fail("cursor %s has passed %d, beyond the head %d", cs.Name, end, head)
		}
		if _, promised := c.p.cursors[cs.Name]; promised && cs.Position < tail && w.cfg.Sync != SyncOS {
			fail("cursor %s at %d is before the tail %d", cs.Name, cs.Position, tail)
		}
		if p, ok := c.p.cursors[cs.Name]; ok && (cs.Position < p.least || cs.Position > p.most) {
			fail("cursor %s is at %d, not in [%d,%d]", cs.Name, cs.Position, p.least, p.most)
		}
		state := &l.cursors[cs.Name].state
		now.cursors[cs.Name] = at(state)
		now.head = max(now.head, state.end())
		if p, ok := c.p.cursors[cs.Name]; ok && (!holds(at(state).may, p.must) || !holds(p.may, at(state).must)) {
			fail("cursor %s has passed %v, not all of %b, or more than %b", cs.Name, state, p.must, p.may)
		}
		if cs.Missing > 0 || cs.Routed()-cs.Lag != cs.Counts.sum() {
			fail("cursor %s does not add up: %+v", cs.Name, cs)
		}
	}
	for name := range c.p.cursors {
		if _, ok := now.cursors[name]; !ok {
			fail("cursor %s is gone", name)
		}
	}
	if n := l.Stats().DamagedCursors; n > 0 {
		fail("%d cursors are damaged", n)
	}
	if _, err := l.Append(ctx, Batch{Records: run("onwards"), Count: 1}); err != nil {
		fail("append: %v", err)
	}
	return now
}

func TestModelNothingAcknowledgedIsLostByPowerLossAtAnyOperation(t *testing.T) {
	points := 0
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "disk")
		w := &world{
			t:         t,
			disk:      vfs.NewMem(),
			seed:      seed,
			rng:       rand.New(rand.NewPCG(seed, 0)),
			submitted: map[string]bool{},
			waiting:   map[uint64]string{},
			p:         promises{acked: map[uint64]string{}, cursors: map[string]place{}, head: 1},
		}
		w.cfg = Config{
			Dir: "/log", MinFree: -1, CursorInterval: time.Hour,
			Sync:         rapid.SampledFrom([]SyncMode{SyncCommit, SyncCommit, SyncInterval, SyncOS}).Draw(t, "sync"),
			SyncInterval: time.Duration(rapid.IntRange(1, 3000).Draw(t, "interval")) * time.Microsecond,
			Codec:        rapid.SampledFrom([]Codec{CodecNone, CodecS2, CodecZstd}).Draw(t, "codec"),
			SegmentSize:  rapid.Int64Range(4<<10, 16<<10).Draw(t, "segment"),
			BlockSize:    rapid.Int64Range(100, 4<<10).Draw(t, "block"),
			writeAhead:   rapid.SampledFrom([]int64{1, 2 << 10}).Draw(t, "ahead"),
		}
		rounds := rapid.IntRange(1, 3).Draw(t, "rounds")
		for range rounds {
			w.open()
			for range rapid.IntRange(5, 25).Draw(t, "actions") {
				w.act()
				w.promise()
			}
			if rapid.Bool().Draw(t, "close") {
				if err := w.l.Close(); err != nil {
					w.tolerate(err)
				}
			}
			w.disk.SetHook(nil)
			w.mu.Lock()
			crashes := append(w.crashes, crash{w.disk.CrashClone(w.rng), w.p.clone(), vfs.Op{Name: "the end"}},
				crash{w.disk.Clone(), w.p.clone(), vfs.Op{Name: "the death of the process"}})
			w.crashes = nil
			clear(w.waiting)
			w.mu.Unlock()
			w.l.Close()
			points += len(crashes)
			next := rapid.IntRange(0, len(crashes)-1).Draw(t, "crash")
			for i, c := range crashes {
				kept := c.disk.Clone()
				now := w.check(c)
				if i == next {
					w.disk, w.p = kept, now
				}
			}
		}
	})
	t.Logf("%d disks checked", points)
}

func (w *world) position(name string) uint64 {
	c, err := w.l.Cursor(name, FromTail)
	if err != nil {
		w.t.Fatalf("cursor: %v", err)
	}
	return c.Position()
}

func (w *world) act() {
	t := w.t
	names := []string{"a", "b"}
	switch rapid.IntRange(0, 17).Draw(t, "action") {
	case 0, 1, 2, 3:
		w.append(rapid.IntRange(1, 5).Draw(t, "records"), rapid.SampledFrom([]int{10, 300, 3000}).Draw(t, "size"))
	case 4:
		var wg sync.WaitGroup
		for range rapid.IntRange(2, 6).Draw(t, "appenders") {
			wg.Go(func() {
				w.append(2, 400)
				w.append(2, 400)
			})
		}
		wg.Wait()
	case 5:
		w.addCursor(rapid.SampledFrom(names).Draw(t, "cursor"))
	case 6, 7:
		name := rapid.SampledFrom(names).Draw(t, "cursor")
		w.addCursor(name)
		w.commit(name, rapid.Uint64Range(w.position(name), w.l.Head()).Draw(t, "position"))
	case 8:
		name := rapid.SampledFrom(names).Draw(t, "cursor")
		w.addCursor(name)
		w.syncCursor(name)
	case 9:
		w.l.retain()
	case 12, 13:
		w.rewriteFull()
	case 14:
		name := rapid.SampledFrom(names).Draw(t, "cursor")
		w.addCursor(name)
		pos := w.position(name)
		w.rewind(name, rapid.Uint64Range(min(w.l.Tail(), pos), pos).Draw(t, "position"))
	case 16, 17:
		name := rapid.SampledFrom(names).Draw(t, "cursor")
		w.addCursor(name)
		from := rapid.Uint64Range(w.position(name), w.l.Head()).Draw(t, "from")
		w.commitSpan(name, from, rapid.Uint64Range(from, w.l.Head()).Draw(t, "to"))
	case 15:
		w.dropCursor(rapid.SampledFrom(names).Draw(t, "cursor"))
	case 10, 11:
		if w.cfg.Sync != SyncCommit {
			return // what an error costs there is not promised
		}
		w.mu.Lock()
		w.faults = rapid.IntRange(1, 6).Draw(t, "faults")
		w.mu.Unlock()
		for range rapid.IntRange(1, 3).Draw(t, "appends") {
			w.append(2, 1000)
		}
	}
}

func TestAClosedLogSaysSo(t *testing.T) {
	l := mustOpen(t, testConfig(t, t.TempDir()))
	r := l.NewReader(1)
	waiting := make(chan error)
	go func() {
		_, err := r.Next(context.Background())
		waiting <- err
	}()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; !errors.Is(err, ErrClosed) {
		t.Fatalf("reader got %v", err)
	}
	if _, err := l.Append(context.Background(), Batch{}); !errors.Is(err, ErrClosed) {
		t.Fatalf("append got %v", err)
	}
	if err := l.Close(); !errors.Is(err, ErrClosed) {
		t.Fatalf("close got %v", err)
	}
}
