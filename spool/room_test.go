package spool

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/vfs"
)

// onDisk returns what the segments and their indexes take.
func onDisk(t *testing.T, disk *vfs.Mem) (octets int64) {
	t.Helper()
	names, err := disk.List("/log")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.Contains(name, segmentSuffix) {
			b, err := vfs.ReadFile(disk, "/log/"+name, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			octets += int64(len(b))
		}
	}
	return octets
}

// appending appends 500 octets in the background. The log is full: it shows whether
// the append waits.
func appending(t *testing.T, l *Log) (result chan error) {
	t.Helper()
	result = make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, err := l.Append(ctx, Batch{Records: run(strings.Repeat("x", 500)), Count: 1})
		result <- err
	}()
	select {
	case err := <-result:
		t.Fatalf("an append to a full log returned %v", err)
	case <-time.After(30 * time.Millisecond):
	}
	return result
}

// failing is a hook that lets operations of a kind fail on files of a name.
func failing(name string, kinds ...vfs.Kind) func(vfs.Op) error {
	return func(op vfs.Op) error {
		for _, k := range kinds {
			if op.Kind == k && strings.Contains(op.Name, name) {
				return syscall.EIO
			}
		}
		return nil
	}
}

func TestNothingIsDroppedTwiceWhereCursorsCannotBeWritten(t *testing.T) {
	l, disk := smallLog(t, func(c *Config) { c.Full = FullDropOldest })
	slow := mustCursor(t, l, "slow")
	disk.SetHook(failing("/"+cursorsDir+"/", vfs.OpCreate, vfs.OpWrite, vfs.OpRename))
	n := fill(t, l)
	waiting := appending(t, l)
	if st := l.Stats(); st.Tail != 1 {
		t.Errorf("the tail is %d: segments are gone that nobody could note as dropped", st.Tail)
	}
	disk.SetHook(nil)
	if err := <-waiting; err != nil {
		t.Fatal(err)
	}
	st, at := l.Stats(), slow.Status()
	if st.Tail == 1 || st.Tail > n/2 {
		t.Errorf("the tail is %d of %d", st.Tail, n)
	}
	if at.Position != st.Tail || at.Dropped != st.Tail-1 || st.DroppedOldest != st.Tail-1 {
		t.Errorf("up to %d is gone; the cursor is at %d and lost %d, the log %d", st.Tail-1, at.Position, at.Dropped, st.DroppedOldest)
	}
	eventually(t, "the size is that of the files", func() bool { return l.Stats().Bytes == onDisk(t, disk) })
}

func TestABatchThatWasRefusedCostsAnArchiveNoMoreThanTheRoomItWanted(t *testing.T) {
	l, _ := smallLog(t, func(c *Config) { c.Full, c.KeepDelivered, c.Recompress = FullDropNewest, true, RecompressNever })
	put := func(size int) error {
		_, err := l.Append(context.Background(), Batch{Records: run(strings.Repeat("x", size)), Count: 1})
		return err
	}
	for range 20 {
		mustAppend(t, l, strings.Repeat("x", 500))
	}
	if err := put(40 << 10); !errors.Is(err, ErrDropped) {
		t.Fatalf("a batch larger than the log: %v", err)
	}
	for range 300 {
		for errors.Is(put(500), ErrDropped) {
			time.Sleep(time.Millisecond)
		}
	}
	time.Sleep(20 * time.Millisecond) // some looks at what has to go
	if st := l.Stats(); st.Bytes < 16<<10 {
		t.Errorf("of a log of 32 KiB %d octets are left", st.Bytes)
	}
}

func TestOfALogThatDropsItsOldestALargeBatchTakesOnlyTheRoomItNeeds(t *testing.T) {
	l, _ := smallLog(t, func(c *Config) { c.Full, c.Recompress = FullDropOldest, RecompressNever })
	mustCursor(t, l, "slow")
	for l.Stats().Bytes < 30<<10 {
		mustAppend(t, l, strings.Repeat("x", 500))
	}
	mustAppend(t, l, strings.Repeat("x", 10<<10))
	time.Sleep(50 * time.Millisecond) // some looks at what has to go
	if st := l.Stats(); st.Bytes < 23<<10 {
		t.Errorf("of a log of 32 KiB %d octets are left", st.Bytes)
	}
}

func TestRoomThatComesLateIsNoticed(t *testing.T) {
	t.Run("by a segment that can be removed at last", func(t *testing.T) {
		l, disk := smallLog(t, nil)
		c := mustCursor(t, l, "slow")
		disk.SetHook(failing(segmentSuffix, vfs.OpRemove))
		fill(t, l)
		if err := c.Commit(10, Counts{Delivered: 9}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the oldest is off the log", func() bool { return l.Tail() > 1 })
		waiting := appending(t, l)
		disk.SetHook(nil)
		if err := <-waiting; err != nil {
			t.Error(err)
		}
	})
	t.Run("and no more is dropped then", func(t *testing.T) {
		l, disk := smallLog(t, func(c *Config) { c.Full = FullDropOldest })
		mustCursor(t, l, "slow")
		disk.SetHook(failing(segmentSuffix, vfs.OpRemove))
		fill(t, l)
		waiting := appending(t, l)
		tail := l.Tail()
		disk.SetHook(nil)
		if err := <-waiting; err != nil {
			t.Error(err)
		}
		if got := l.Tail(); tail == 1 || got != tail {
			t.Errorf("the tail was %d and is %d", tail, got)
		}
	})
	t.Run("by segments that someone deletes", func(t *testing.T) {
		l, disk := smallLog(t, nil)
		mustCursor(t, l, "slow")
		fill(t, l)
		waiting := appending(t, l)
		l.mu.RLock()
		sealed := l.segments[:len(l.segments)-1]
		l.mu.RUnlock()
		for _, s := range sealed {
			if err := disk.Remove(s.path); err != nil {
				t.Fatal(err)
			}
		}
		readTo(t, l, 1, l.Head())
		if err := <-waiting; err != nil {
			t.Error(err)
		}
	})
}
