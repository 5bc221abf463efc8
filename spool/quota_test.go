package spool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/vfs"
)

// smallLog returns a log in memory that is full after some dozens of appends.
func smallLog(t *testing.T, change func(*Config)) (*Log, *vfs.Mem) {
	t.Helper()
	disk := vfs.NewMem()
	cfg := Config{
		Dir: "/log", FS: disk, Codec: CodecNone, MinFree: -1, MaxSize: 32 << 10, SegmentSize: 4 << 10,
		BlockSize: 1 << 10, CursorInterval: time.Millisecond,
	}
	if change != nil {
		change(&cfg)
	}
	return mustOpen(t, cfg), disk
}

// fill appends until the log takes no more, and returns how many records it took.
func fill(t *testing.T, l *Log) uint64 {
	t.Helper()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		_, err := l.Append(ctx, Batch{Records: run(strings.Repeat("x", 500)), Count: 1})
		cancel()
		switch {
		case errors.Is(err, ErrDropped), errors.Is(err, context.DeadlineExceeded) && l.Stats().Full:
			return l.Head() - 1
		case errors.Is(err, context.DeadlineExceeded): // the machine was busy
		case err != nil:
			t.Fatal(err)
		}
		if l.Head() > 10000 {
			t.Fatal("the log is never full")
		}
	}
}

func mustCursor(t *testing.T, l *Log, name string) *Cursor {
	t.Helper()
	c, err := l.Cursor(name, FromTail)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// eventually waits for a condition that background work brings about.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestAFullLogBlocksUntilACursorMovesOn(t *testing.T) {
	l, _ := smallLog(t, nil)
	c := mustCursor(t, l, "slow")
	n := fill(t, l)
	if n < 40 {
		t.Fatalf("full after %d records", n)
	}
	if !l.Stats().Full {
		t.Error("Stats does not say that the log is full")
	}
	if l.Tail() != 1 {
		t.Fatalf("tail is %d, the cursor is at %d", l.Tail(), c.Position())
	}
	done := make(chan error)
	go func() {
		_, err := l.Append(context.Background(), Batch{Records: run(strings.Repeat("x", 500)), Count: 1})
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("append to a full log returned %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	if err := c.Commit(n/2, Counts{Delivered: n/2 - 1}); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if l.Tail() > n/2 {
		t.Fatalf("tail is %d, the cursor is at %d", l.Tail(), n/2)
	}
	eventually(t, "not full", func() bool { return !l.Stats().Full })
}

func TestDropNewestCountsWhatItRefuses(t *testing.T) {
	l, _ := smallLog(t, func(c *Config) { c.Full = FullDropNewest })
	mustCursor(t, l, "slow")
	n := fill(t, l)
	for range 9 {
		_, err := l.Append(context.Background(), Batch{Records: run("a", strings.Repeat("x", 800)), Count: 2})
		if !errors.Is(err, ErrDropped) {
			t.Fatalf("got %v", err)
		}
	}
	if st := l.Stats(); st.DroppedNewest != 1+9*2 || st.Head != n+1 {
		t.Fatalf("%d dropped, head %d", st.DroppedNewest, st.Head)
	}
}

func TestDropOldestCountsForEachCursorWhatItLost(t *testing.T) {
	l, _ := smallLog(t, func(c *Config) { c.Full = FullDropOldest })
	slow, fast := mustCursor(t, l, "slow"), mustCursor(t, l, "fast")
	for range 20 {
		mustAppend(t, l, strings.Repeat("x", 500))
	}
	if err := slow.Commit(4, Counts{Delivered: 3}); err != nil {
		t.Fatal(err)
	}
	for range 300 {
		first := mustAppend(t, l, strings.Repeat("x", 500))
		if err := fast.Commit(first+1, Counts{Delivered: first + 1 - fast.Position()}); err != nil {
			t.Fatal(err)
		}
	}
	st, tail := slow.Status(), l.Tail()
	if tail <= 4 {
		t.Fatalf("tail is %d", tail)
	}
	if st.Position != tail || st.Dropped != tail-4 || st.Delivered != 3 || st.Missing != 0 {
		t.Fatalf("tail %d, slow %+v", tail, st)
	}
	if st := fast.Status(); st.Dropped != 0 || st.Delivered != 320 {
		t.Fatalf("fast %+v", st)
	}
	// What was being delivered while it was dropped was delivered after all.
	if err := slow.Commit(tail-1, Counts{Delivered: tail - 1 - 4}); err != nil {
		t.Fatal(err)
	}
	if st := slow.Status(); st.Position != tail || st.Delivered != tail-1-4+3 || st.Dropped != 1 || st.Missing != 0 {
		t.Fatalf("tail %d, slow %+v", tail, st)
	}
}

func TestARelayDeletesWhatAllHavePassed(t *testing.T) {
	l, _ := smallLog(t, func(c *Config) { c.MaxSize = 0 })
	for range 100 {
		mustAppend(t, l, strings.Repeat("x", 500))
	}
	if l.retain(); l.Tail() != 1 {
		t.Fatal("deleted without a cursor")
	}
	a, b := mustCursor(t, l, "a"), mustCursor(t, l, "b")
	if err := a.Commit(101, Counts{Delivered: 100}); err != nil {
		t.Fatal(err)
	}
	if err := a.Sync(); err != nil {
		t.Fatal(err)
	}
	if l.retain(); l.Tail() != 1 {
		t.Fatalf("tail is %d, b is at 1", l.Tail())
	}
	if err := b.Commit(101, Counts{Delivered: 100}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "only the last segment is left", func() bool { return l.Stats().Segments == 1 })
	if l.Tail() <= 1 || l.Tail() > 101 {
		t.Fatalf("tail is %d", l.Tail())
	}
}

func TestACollectorKeepsWhatWasDeliveredForItsRetention(t *testing.T) {
	now := time.Unix(1e9, 0)
	clock := make(chan time.Time, 1)
	clock <- now
	tick := func(d time.Duration) { now = <-clock; now = now.Add(d); clock <- now }
	l, _ := smallLog(t, func(c *Config) {
		c.MaxSize, c.KeepDelivered, c.MaxAge = 0, true, time.Hour
		c.Now = func() time.Time { now := <-clock; clock <- now; return now }
	})
	c := mustCursor(t, l, "a")
	for range 100 {
		mustAppend(t, l, strings.Repeat("x", 500))
	}
	if err := c.Commit(50, Counts{Delivered: 49}); err != nil {
		t.Fatal(err)
	}
	if err := c.Sync(); err != nil {
		t.Fatal(err)
	}
	if l.retain(); l.Tail() != 1 {
		t.Fatalf("tail is %d within the retention", l.Tail())
	}
	tick(2 * time.Hour)
	eventually(t, "old and delivered ones go", func() bool { return l.Tail() > 1 })
	l.retain()
	if l.Tail() > 50 {
		t.Fatalf("tail is %d, the cursor at 50", l.Tail())
	}
}

func TestACollectorUnderSizePressureDropsTheOldestDelivered(t *testing.T) {
	l, _ := smallLog(t, func(c *Config) { c.KeepDelivered = true })
	for range 500 { // nobody reads: an archive without outputs
		mustAppend(t, l, strings.Repeat("x", 500))
	}
	if st := l.Stats(); st.Bytes > 32<<10 || st.Bytes < 16<<10 || st.DroppedOldest != 0 {
		t.Fatalf("%+v", st)
	}
}

func TestAFullDiskStopsAcknowledgementsUntilThereIsSpace(t *testing.T) {
	l, disk := smallLog(t, func(c *Config) { c.MaxSize = 0 })
	acked := map[uint64]string{}
	disk.SetCapacity(20 << 10)
	var err error
	for range 1000 {
		var first uint64
		rec := strings.Repeat("y", 700)
		if first, err = l.Append(context.Background(), Batch{Records: run(rec), Count: 1}); err != nil {
			break
		}
		acked[first] = rec
	}
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "segment") {
		t.Fatalf("got %v", err)
	}
	if !l.Stats().Failing {
		t.Error("Stats does not say that the log fails")
	}
	for range 5 {
		if _, err := l.Append(context.Background(), Batch{Records: run(strings.Repeat("y", 700)), Count: 1}); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("got %v", err)
		}
	}
	disk.SetCapacity(0)
	rec := "space is back"
	acked[mustAppend(t, l, rec)] = rec
	got := readTo(t, l, 1, l.Head())
	if len(got) != len(acked) {
		t.Fatalf("%d records, %d acknowledged", len(got), len(acked))
	}
	for pos, rec := range acked {
		if got[pos] != rec {
			t.Fatalf("position %d holds %q", pos, got[pos])
		}
	}
	if l.Stats().Failing {
		t.Error("Stats says that the log fails")
	}
}

func TestTheLogLeavesSomeOfTheDiskFree(t *testing.T) {
	l, disk := smallLog(t, func(c *Config) { c.MaxSize, c.MinFree = 0, 64<<10 })
	mustCursor(t, l, "a")
	disk.SetCapacity(96 << 10)
	eventually(t, "full", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		_, err := l.Append(ctx, Batch{Records: run(strings.Repeat("x", 500)), Count: 1})
		return errors.Is(err, context.DeadlineExceeded)
	})
	if free, _ := disk.DiskFree("/log"); free < 48<<10 {
		t.Fatalf("%d octets left free", free)
	}
	disk.SetCapacity(200 << 10)
	mustAppend(t, l, "there is space again")
}

func TestADiskThatOthersFillCostsAnArchiveNothing(t *testing.T) {
	for full, forgets := range map[FullPolicy]bool{FullBlock: false, FullDropNewest: false, FullDropOldest: true} {
		t.Run(string(full), func(t *testing.T) {
			l, disk := smallLog(t, func(c *Config) {
				c.MaxSize, c.MinFree, c.KeepDelivered, c.Full = 0, 64<<10, true, full
			})
			for range 100 {
				mustAppend(t, l, strings.Repeat("x", 500))
			}
			disk.SetCapacity(80 << 10)
			if l.retain(); l.Tail() > 1 != forgets {
				t.Errorf("the tail is %d", l.Tail())
			}
			disk.SetCapacity(0)
			l.retain()
			mustAppend(t, l, "there is space again")
		})
	}
}

func TestASegmentThatCannotBeRemovedIsTriedAgain(t *testing.T) {
	l, disk := smallLog(t, func(c *Config) { c.MaxSize = 0 })
	c := mustCursor(t, l, "a")
	disk.SetHook(func(op vfs.Op) error {
		if op.Kind == vfs.OpRemove {
			return syscall.EIO
		}
		return nil
	})
	for range 30 {
		mustAppend(t, l, strings.Repeat("x", 500))
	}
	if err := c.Commit(31, Counts{Delivered: 30}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one is off the log", func() bool { return l.Tail() > 1 })
	if l.Stats().DeletedSegments != 0 {
		t.Fatal("deleted, says Stats")
	}
	disk.SetHook(nil)
	eventually(t, "deleted", func() bool {
		names, _ := disk.List("/log")
		n := 0
		for _, name := range names {
			if _, ok := parseSegmentName(name); ok {
				n++
			}
		}
		return n == 1
	})
}

func TestADroppedCursorFreesWhatOnlyItKept(t *testing.T) {
	l, disk := smallLog(t, func(c *Config) { c.MaxSize = 0 })
	a := mustCursor(t, l, "a")
	mustCursor(t, l, "removed output")
	for range 100 {
		mustAppend(t, l, strings.Repeat("x", 500))
	}
	if err := a.Commit(101, Counts{Delivered: 100}); err != nil {
		t.Fatal(err)
	}
	if err := a.Sync(); err != nil {
		t.Fatal(err)
	}
	if l.retain(); l.Tail() != 1 {
		t.Fatalf("tail is %d", l.Tail())
	}
	if err := l.DropCursor("no such output"); err == nil {
		t.Error("a cursor that is not there was dropped")
	}
	if err := l.DropCursor("removed output"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its records go", func() bool { return l.Stats().Segments == 1 })
	if names, _ := disk.List("/log/cursors"); len(names) > 2 {
		t.Errorf("%v", names)
	}
}

// looks counts how often the log looks at the free space, which it does each time that it
// looks whether it can shrink.
type looks struct {
	*vfs.Mem
	n atomic.Int64
}

func (d *looks) DiskFree(dir string) (uint64, error) {
	d.n.Add(1)
	return d.Mem.DiskFree(dir)
}

func TestAFullLogCostsNothingWhileNothingCanGo(t *testing.T) {
	for name, change := range map[string]func(*Config, *vfs.Mem){
		"at its largest": func(c *Config, _ *vfs.Mem) { c.MinFree = 1 },
		"with a disk that is low": func(c *Config, disk *vfs.Mem) {
			c.MinFree, c.MaxSize = 4<<20, 0
			disk.SetCapacity(4<<20 + 64<<10)
		},
	} {
		t.Run(name, func(t *testing.T) {
			disk := &looks{Mem: vfs.NewMem()}
			l, _ := smallLog(t, func(c *Config) {
				c.FS, c.CursorInterval = disk, 100*time.Millisecond
				change(c, disk.Mem)
			})
			c := mustCursor(t, l, "slow")
			n := fill(t, l)
			ctx, cancel := context.WithCancel(context.Background())
			var waiting sync.WaitGroup
			for range 3 {
				waiting.Go(func() { l.Append(ctx, Batch{Records: run(strings.Repeat("x", 500)), Count: 1}) })
			}
			before, began := disk.n.Load(), time.Now()
			// An output that goes on within a segment makes no room either.
			for range 300 {
				if err := c.Commit(2, Counts{Delivered: 1}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Millisecond)
			}
			// Once in each interval, and when an append begins to wait.
			if got, most := disk.n.Load()-before, int64(time.Since(began)/(100*time.Millisecond))+10; got > most {
				t.Errorf("looked %d times within %v while nothing could go; %d would do", got, time.Since(began), most)
			}
			if l.Head()-1 != n {
				t.Errorf("the log was not full: from %d records to %d", n, l.Head()-1)
			}
			cancel()
			waiting.Wait()
		})
	}
}

func TestABatchLargerThanWhatIsKeptFreeFindsRoom(t *testing.T) {
	for _, full := range []FullPolicy{FullDropOldest, FullBlock} {
		t.Run(string(full), func(t *testing.T) {
			l, _ := smallLog(t, func(c *Config) { c.Full, c.KeepDelivered, c.Recompress = full, true, RecompressNever })
			for i := range 200 {
				size := 500
				if i%11 == 10 {
					size = 6 << 10
				}
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				_, err := l.Append(ctx, Batch{Records: run(strings.Repeat("x", size)), Count: 1})
				cancel()
				if err != nil {
					t.Fatalf("append %d: %v; %+v", i, err, l.Stats())
				}
			}
		})
	}
}

func TestWhatIsWrittenIsCountedOnce(t *testing.T) {
	for _, mode := range []SyncMode{SyncCommit, SyncOS} {
		l, _ := smallLog(t, func(c *Config) { c.MaxSize, c.SegmentSize, c.Sync = 0, 1<<30, mode })
		const size = 64 << 10
		var most atomic.Int64 // what is stored and pending together
		done := make(chan struct{})
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			for {
				select {
				case <-done:
					return
				default:
				}
				l.in.mu.Lock()
				most.Store(max(most.Load(), l.bytes.Load()+l.in.pending))
				l.in.mu.Unlock()
			}
		}()
		for n := int64(1); n <= 200 && !t.Failed(); n++ {
			mustAppend(t, l, strings.Repeat("x", size))
			if m := most.Load(); m > n*(size+1024) {
				t.Errorf("%v: %d octets are counted for %d batches of %d", mode, m, n, size)
			}
		}
		close(done)
		<-watched
	}
}

// A clock that was wrong while segments were started: they go by age when they are due
// by the others, or at most as late as the clock was ahead, and no other before its time.
func TestAClockThatWasWrongHoldsNoSegmentBackAndCostsNone(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	const age = 30 * day
	for _, row := range []struct {
		name  string
		wrong map[int]time.Duration // by how much the clock was ahead when a segment was started
		late  time.Duration         // how much longer than its age a segment may stay
	}{
		{"right", nil, 0},
		{"a year ahead", map[int]time.Duration{3: 365 * day}, 0},
		{"a year ahead from the start", map[int]time.Duration{0: 365 * day, 1: 365 * day, 2: 365 * day}, 2 * day},
		{"two days ahead", map[int]time.Duration{3: 2 * day, 4: 2 * day}, 2 * day},
		{"of 1970", map[int]time.Duration{3: time.Unix(60, 0).Sub(start), 5: time.Unix(60, 0).Sub(start)}, 0},
		{"of 1970, then ahead", map[int]time.Duration{3: time.Unix(60, 0).Sub(start), 4: 365 * day}, day},
	} {
		t.Run(row.name, func(t *testing.T) {
			now := start
			l := &Log{cfg: Config{Now: func() time.Time { return now }}}
			const segments = 60
			for i := range segments {
				l.segments = append(l.segments, &segment{created: start.Add(time.Duration(i)*day + row.wrong[i]).UnixNano()})
			}
			l.segments[10].created = 0 // a damaged header
			gone := 0
			for ; now.Before(start.Add((segments + 40) * day)); now = now.Add(day / 4) {
				for len(l.segments) > 1 && l.outlived(age) {
					l.segments = l.segments[1:]
					gone++
				}
				// A segment a day: so many ended so long ago.
				due := func(at time.Time) int { return min(max(int(at.Sub(start.Add(age))/day), 0), segments-1) }
				if most := due(now.Add(day / 4)); gone > most {
					t.Fatalf("day %d: %d are gone, %d were due", now.Sub(start)/day, gone, most)
				}
				// One of which the time is not known goes with the next.
				if least := due(now.Add(-row.late - 2*day)); gone < least {
					t.Fatalf("day %d: %d are gone, %d were due", now.Sub(start)/day, gone, least)
				}
			}
			if gone != segments-1 {
				t.Fatalf("%d are gone of %d", gone, segments)
			}
		})
	}
}

// ageingLog is an archive whose clock and time the test moves, and whose segments go
// when the test says so.
func ageingLog(t *testing.T, disk *vfs.Mem, clock *time.Time, uptime *time.Duration) *Log {
	return mustOpen(t, Config{
		Dir: "/log", FS: disk, Codec: CodecNone, MinFree: -1, SegmentSize: 4 << 10, BlockSize: 1 << 10,
		CursorInterval: time.Hour, KeepDelivered: true, MaxAge: 30 * 24 * time.Hour, Recompress: RecompressNever,
		Now: func() time.Time { return *clock }, uptime: func() time.Duration { return *uptime },
	})
}

func TestAClockThatLeapsAheadDoesNotEmptyAnArchive(t *testing.T) {
	const day = 24 * time.Hour
	for _, closed := range []bool{false, true} {
		t.Run(fmt.Sprint("closed meanwhile: ", closed), func(t *testing.T) {
			disk := vfs.NewMem()
			clock, uptime := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Duration(0)
			pass := func(d time.Duration) { clock, uptime = clock.Add(d), uptime+d }
			l := ageingLog(t, disk, &clock, &uptime)
			for range 200 {
				mustAppend(t, l, strings.Repeat("x", 500))
				pass(time.Hour)
			}
			l.retain()
			all := l.Stats().Segments
			check := func(want int) {
				t.Helper()
				if l.retain(); l.Stats().Segments != want {
					t.Fatalf("%d segments of %d are left, want %d", l.Stats().Segments, all, want)
				}
			}
			check(all)
			leap := func(d time.Duration) {
				if closed {
					l.Close()
					uptime = 0
				}
				clock = clock.Add(d)
				if closed {
					l = ageingLog(t, disk, &clock, &uptime)
				}
			}
			leap(365 * day)
			check(all - 1)
			check(all - 1)
			pass(59 * time.Second)
			check(all - 1)
			pass(time.Second)
			check(all - 2)
			pass(time.Minute)
			check(all - 3)
			leap(-365 * day)
			pass(day)
			check(all - 3)
			leap(365 * day)
			check(all - 4)
			pass(59 * time.Minute)
			check(all - 5)
			pass(time.Minute)
			check(1)
		})
	}
}

func TestSegmentsGoByAgeAsFastAsTheyCame(t *testing.T) {
	const day = 24 * time.Hour
	clock, uptime := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Duration(0)
	pass := func(d time.Duration) { clock, uptime = clock.Add(d), uptime+d }
	l := ageingLog(t, vfs.NewMem(), &clock, &uptime)
	for range 1000 { // many in a minute
		mustAppend(t, l, strings.Repeat("x", 500))
		pass(10 * time.Millisecond)
	}
	l.retain()
	if n := l.Stats().Segments; n < 100 {
		t.Fatalf("%d segments", n)
	}
	for range 60 {
		pass(day / 2)
		l.retain()
	}
	pass(time.Minute)
	if l.retain(); l.Stats().Segments != 1 {
		t.Fatalf("%d segments are left", l.Stats().Segments)
	}
}
