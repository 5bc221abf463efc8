package deadletter

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/syslane/syslane/internal/vfs"
)

// script appends entries 0 to n-1 to a store that rotates often, and tells after
// each Append how many of them are acknowledged.
func script(fsys vfs.FS, n int, acknowledged func(int)) error {
	s, err := Open(Config{Dir: "state/deadletter", Output: "es", FS: fsys, FileSize: 1500})
	if err != nil {
		return err
	}
	defer s.Close()
	for i := 0; i < n; {
		var some []Entry
		for range min(1+i%3, n-i) {
			some = append(some, entry(i, fmt.Sprint("text ", i)))
			i++
		}
		if err := s.Append(some); err != nil {
			return err
		}
		acknowledged(i)
	}
	return nil
}

// held returns which entries are in the store, and fails if one is there that
// never was.
func held(t *testing.T, fsys vfs.FS, n int) map[uint64]bool {
	t.Helper()
	there := map[uint64]bool{}
	if _, err := Each(fsys, "state/deadletter", "es", func(e Entry) error {
		if e.Position >= uint64(n) || string(e.Event) != string(entry(int(e.Position), fmt.Sprint("text ", e.Position)).Event) {
			t.Fatalf("entry %+v was never appended", e)
		}
		there[e.Position] = true
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return there
}

func newDisk(t *testing.T) *vfs.Mem {
	t.Helper()
	disk := vfs.NewMem()
	if err := disk.MkdirAll("state", 0o750); err != nil {
		t.Fatal(err)
	}
	if err := disk.SyncDir("."); err != nil {
		t.Fatal(err)
	}
	return disk
}

func TestAcknowledgedEntriesSurvivePowerLossAtEveryOperation(t *testing.T) {
	const n = 40
	rng := rand.New(rand.NewPCG(1, 2))
	disk := newDisk(t)
	type crash struct {
		disk         *vfs.Mem
		acknowledged int
		op           vfs.Op
	}
	var crashes []crash
	acknowledged := 0
	disk.SetHook(func(op vfs.Op) error {
		if op.Kind.Changes() {
			for range 3 {
				crashes = append(crashes, crash{disk.CrashClone(rng), acknowledged, op})
			}
		}
		return nil
	})
	if err := script(disk, n, func(i int) { acknowledged = i }); err != nil {
		t.Fatal(err)
	}
	if len(crashes) < 100 {
		t.Fatalf("only %d crashes", len(crashes))
	}
	for _, c := range crashes {
		there := held(t, c.disk, n)
		for i := range c.acknowledged {
			if !there[uint64(i)] {
				t.Fatalf("power lost before %v: entry %d of %d acknowledged ones is gone", c.op, i, c.acknowledged)
			}
		}
		// The next process goes on behind it.
		if err := script(c.disk, n, func(int) {}); err != nil {
			t.Fatalf("power lost before %v: %v", c.op, err)
		}
		if there := held(t, c.disk, n); len(there) != n {
			t.Fatalf("power lost before %v: %d of %d entries afterwards", c.op, len(there), n)
		}
	}
}

func TestFailingDiskRefusesEntriesAndRecovers(t *testing.T) {
	const n = 30
	for fail := 0; ; fail++ {
		disk := newDisk(t)
		ops, failed := 0, false
		disk.SetHook(func(op vfs.Op) error {
			if !op.Kind.Changes() {
				return nil
			}
			if ops++; ops == fail+1 {
				failed = true
				return syscall.ENOSPC
			}
			return nil
		})
		s, err := Open(Config{Dir: "state/deadletter", Output: "es", FS: disk, FileSize: 1500})
		for errors.Is(err, syscall.ENOSPC) {
			s, err = Open(Config{Dir: "state/deadletter", Output: "es", FS: disk, FileSize: 1500})
		}
		if err != nil {
			t.Fatal(err)
		}
		refused := 0
		for i := 0; i < n; i++ {
			if err := s.Append([]Entry{entry(i, fmt.Sprint("text ", i))}); errors.Is(err, syscall.ENOSPC) {
				refused++
				i--
			} else if err != nil {
				t.Fatalf("operation %d failed, then: %v", fail, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if there := held(t, disk, n); len(there) != n || refused > 1 {
			t.Fatalf("operation %d failed: %d of %d entries, %d refused", fail, len(there), n, refused)
		}
		if !failed {
			return // there are no more operations to fail
		}
	}
}
