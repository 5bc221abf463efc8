package vfs

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// crashes returns what may be on the disk after power loss: one disk for each seed.
func crashes(m *Mem, n int) []*Mem {
	var all []*Mem
	for seed := range n {
		all = append(all, m.CrashClone(rand.New(rand.NewPCG(uint64(seed), 0))))
	}
	return all
}

// content returns the text of a file, or the error as text.
func content(m *Mem, name string) string {
	b, err := ReadFile(m, name, 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return "none"
	}
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func mustCreate(t *testing.T, m *Mem, name string) File {
	t.Helper()
	f, err := m.Create(name, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func mustWrite(t *testing.T, f File, text string, off int64) {
	t.Helper()
	if n, err := f.WriteAt([]byte(text), off); err != nil || n != len(text) {
		t.Fatalf("wrote %d of %d: %v", n, len(text), err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// outcomes collects what a file holds on many crashed disks.
func outcomes(m *Mem, name string, n int) map[string]int {
	seen := map[string]int{}
	for _, c := range crashes(m, n) {
		seen[content(c, name)]++
	}
	return seen
}

func TestWhatWasSyncedIsKeptByEveryCrash(t *testing.T) {
	m := NewMem()
	f := mustCreate(t, m, "/a")
	mustWrite(t, f, "durable", 0)
	must(t, f.Datasync())
	must(t, m.SyncDir("/"))
	if seen := outcomes(m, "/a", 200); len(seen) != 1 || seen["durable"] != 200 {
		t.Fatalf("%v", seen)
	}
}

func TestWhatWasNotSyncedIsKeptOrLostOrHalf(t *testing.T) {
	m := NewMem()
	f := mustCreate(t, m, "/a")
	mustWrite(t, f, strings.Repeat("0", 2*sector), 0)
	must(t, f.Sync())
	must(t, m.SyncDir("/"))
	mustWrite(t, f, strings.Repeat("1", 2*sector), 0)
	mustWrite(t, f, "2", 2*sector)
	o, l := strings.Repeat("0", sector), strings.Repeat("1", sector)
	seen := outcomes(m, "/a", 400)
	for _, want := range []string{
		o + o,       // nothing
		l + l + "2", // everything
		l + l,       // the first write
		o + o + "2", // the second before the first
		l + o,       // torn
		o + l,       // torn, in any order
		l + o + "2",
	} {
		if seen[want] == 0 {
			t.Errorf("never seen: %.1q %.1q of %d octets", want[:1], want[sector:sector+1], len(want))
		}
	}
	for got := range seen {
		for i := 0; i+sector <= min(len(got), 2*sector); i += sector {
			if s := got[i : i+sector]; s != o && s != l {
				t.Errorf("a sector is torn")
			}
		}
	}
}

func TestATruncationThatWasNotSyncedMayBeUndone(t *testing.T) {
	m := NewMem()
	f := mustCreate(t, m, "/a")
	mustWrite(t, f, "long text", 0)
	must(t, f.Sync())
	must(t, m.SyncDir("/"))
	must(t, f.Truncate(4))
	if seen := outcomes(m, "/a", 100); seen["long text"] == 0 || seen["long"] == 0 || len(seen) != 2 {
		t.Fatalf("%v", seen)
	}
	must(t, f.Sync())
	if seen := outcomes(m, "/a", 100); seen["long"] != 100 {
		t.Fatalf("%v", seen)
	}
}

func TestANameIsDurableOnlyOnceItsFolderIsSynced(t *testing.T) {
	f := func(name string, change func(m *Mem) error, path string, want ...string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			m := NewMem()
			must(t, m.MkdirAll("/d", 0o750))
			must(t, m.SyncDir("/"))
			must(t, WriteFileAtomic(m, "/d/old", []byte("old"), 0))
			must(t, WriteFileAtomic(m, "/d/new", []byte("new"), 0))
			must(t, change(m))
			seen := outcomes(m, path, 100)
			if len(seen) != len(want) {
				t.Errorf("before the folder is synced: %v, want %q", seen, want)
			}
			for _, w := range want {
				if seen[w] == 0 {
					t.Errorf("never %q: %v", w, seen)
				}
			}
			now := content(m, path)
			must(t, m.SyncDir("/d"))
			if seen := outcomes(m, path, 100); seen[now] != 100 {
				t.Errorf("after the folder is synced: %v, want %q", seen, now)
			}
		})
	}
	f("created", func(m *Mem) error {
		g, err := m.Create("/d/x", 0)
		if err != nil {
			return err
		}
		g.WriteAt([]byte("x"), 0)
		return g.Sync()
	}, "/d/x", "none", "x")
	f("removed", func(m *Mem) error { return m.Remove("/d/old") }, "/d/old", "none", "old")
	f("replaced", func(m *Mem) error { return m.Rename("/d/new", "/d/old") }, "/d/old", "new", "old")
	f("renamed", func(m *Mem) error { return m.Rename("/d/old", "/d/other") }, "/d/other", "none", "old")
}

func TestARenameHappensWholeOrNotAtAll(t *testing.T) {
	m := NewMem()
	must(t, WriteFileAtomic(m, "/a", []byte("a"), 0))
	must(t, m.Rename("/a", "/b"))
	for _, c := range crashes(m, 100) {
		if a, b := content(c, "/a"), content(c, "/b"); a+b != "anone" && a+b != "nonea" {
			t.Fatalf("/a holds %s, /b holds %s", a, b)
		}
	}
}

func TestNamesMayBecomeDurableInAnyOrder(t *testing.T) {
	m := NewMem()
	for _, name := range []string{"/1", "/2"} {
		f := mustCreate(t, m, name)
		mustWrite(t, f, "x", 0)
		must(t, f.Sync())
	}
	seen := map[string]int{}
	for _, c := range crashes(m, 200) {
		names, err := c.List("/")
		must(t, err)
		seen[fmt.Sprint(names)]++
	}
	if len(seen) != 4 {
		t.Fatalf("%v", seen)
	}
}

func TestAfterAFailedSyncWhatWasWrittenIsReadButNeverDurable(t *testing.T) {
	m := NewMem()
	f := mustCreate(t, m, "/a")
	mustWrite(t, f, "first", 0)
	must(t, f.Sync())
	must(t, m.SyncDir("/"))
	mustWrite(t, f, "other", 0)
	m.SetHook(func(op Op) error {
		if op.Kind == OpSync {
			return syscall.EIO
		}
		return nil
	})
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("got %v", err)
	}
	m.SetHook(nil)
	if got := content(m, "/a"); got != "other" {
		t.Fatalf("reads %q", got)
	}
	must(t, f.Sync()) // reports success, as Linux does
	if seen := outcomes(m, "/a", 100); seen["first"] != 100 {
		t.Fatalf("%v", seen)
	}
}

func TestACrashDoesNotChangeTheDiskItIsTakenOf(t *testing.T) {
	m := NewMem()
	f := mustCreate(t, m, "/a")
	mustWrite(t, f, "text", 0)
	for _, c := range crashes(m, 20) {
		if g, err := c.OpenWrite("/a"); err == nil {
			mustWrite(t, g, "changed", 0)
		}
	}
	if got := content(m, "/a"); got != "text" {
		t.Fatalf("holds %q", got)
	}
	must(t, f.Sync())
	must(t, m.SyncDir("/"))
	if seen := outcomes(m, "/a", 20); seen["text"] != 20 {
		t.Fatalf("%v", seen)
	}
}

func TestOneSeedAlwaysLosesTheSame(t *testing.T) {
	m := NewMem()
	for i := range 20 {
		mustWrite(t, mustCreate(t, m, fmt.Sprintf("/%d", i)), strings.Repeat("x", 3*sector), 0)
	}
	show := func() (s string) {
		c := m.CrashClone(rand.New(rand.NewPCG(7, 7)))
		names, _ := c.List("/")
		for _, name := range names {
			s += fmt.Sprintf("%s=%q ", name, content(c, "/"+name))
		}
		return s
	}
	first := show()
	for range 20 {
		if again := show(); again != first {
			t.Fatalf("%.200s, before it was %.200s", again, first)
		}
	}
}

func TestTheDeathOfAProcessLosesNothing(t *testing.T) {
	m := NewMem()
	mustWrite(t, mustCreate(t, m, "/a"), "not synced", 0)
	if got := content(m.Clone(), "/a"); got != "not synced" {
		t.Fatalf("holds %q", got)
	}
	if seen := outcomes(m.Clone(), "/a", 50); seen["not synced"] != 50 {
		t.Fatalf("%v", seen)
	}
}

func TestWriteFileAtomicLeavesTheOldOrTheNewWheneverPowerIsLostOrAnOperationFails(t *testing.T) {
	const before, after = "what it held before", "what it is to hold"
	prepare := func() *Mem {
		m := NewMem()
		must(t, m.MkdirAll("/d", 0))
		must(t, m.SyncDir("/"))
		must(t, WriteFileAtomic(m, "/d/f", []byte(before), 0))
		return m
	}
	m := prepare()
	points := 0
	m.SetHook(func(op Op) error {
		points++
		for seed := range uint64(200) {
			c := m.CrashClone(rand.New(rand.NewPCG(op.N, seed)))
			if got := content(c, "/d/f"); got != before && got != after {
				t.Fatalf("before %s: holds %q", op.Kind, got)
			}
		}
		return nil
	})
	must(t, WriteFileAtomic(m, "/d/f", []byte(after), 0))
	m.SetHook(nil)
	if seen := outcomes(m, "/d/f", 200); seen[after] != 200 {
		t.Fatalf("after it returned: %v", seen)
	}
	if points < 5 {
		t.Fatalf("only %d operations", points)
	}
	for fail := range points {
		m := prepare()
		n := 0
		m.SetHook(func(op Op) error {
			if n++; n == fail+1 {
				return &ShortWrite{N: 3, Err: syscall.ENOSPC}
			}
			return nil
		})
		if err := WriteFileAtomic(m, "/d/f", []byte(after), 0); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("operation %d failed, got %v", fail, err)
		}
		m.SetHook(nil)
		for got := range outcomes(m, "/d/f", 50) {
			if got != before && got != after {
				t.Fatalf("operation %d failed: holds %q", fail, got)
			}
		}
		must(t, WriteFileAtomic(m, "/d/f", []byte("once more"), 0))
		if got := content(m, "/d/f"); got != "once more" {
			t.Fatalf("operation %d failed, then written again: holds %q", fail, got)
		}
	}
}

func TestAFullMemWritesWhatFitsAndSaysHowMuchIsFree(t *testing.T) {
	m := NewMem()
	m.SetCapacity(10)
	f := mustCreate(t, m, "/a")
	mustWrite(t, f, "1234567", 0)
	if n, err := f.WriteAt([]byte("89abc"), 7); n != 3 || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("wrote %d: %v", n, err)
	}
	if free, _ := m.DiskFree("/"); free != 0 {
		t.Fatalf("%d free", free)
	}
	mustWrite(t, f, "xyz", 0) // in place
	must(t, m.Remove("/a"))
	if free, _ := m.DiskFree("/"); free != 10 {
		t.Fatalf("%d free", free)
	}
}

// both runs a test on the system's file system and on Mem, which must not differ.
func both(t *testing.T, f func(t *testing.T, fsys FS, dir string)) {
	t.Run("system", func(t *testing.T) { f(t, OS, t.TempDir()) })
	t.Run("memory", func(t *testing.T) {
		m := NewMem()
		must(t, m.MkdirAll("/dir", 0o750))
		f(t, m, "/dir")
	})
}

func TestTheFileSystemsAgree(t *testing.T) {
	both(t, func(t *testing.T, fsys FS, dir string) {
		must(t, MkdirAllSync(fsys, dir+"/a/b", 0o750))
		must(t, fsys.MkdirAll(dir+"/a/b", 0o750))
		name := dir + "/a/f"
		if _, err := fsys.Open(name); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("open what is not there: %v", err)
		}
		if _, err := fsys.OpenWrite(name); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("open for writing what is not there: %v", err)
		}
		if _, err := fsys.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("stat what is not there: %v", err)
		}
		if err := fsys.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("remove what is not there: %v", err)
		}
		if err := fsys.Rename(name, name+"2"); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("rename what is not there: %v", err)
		}
		if _, err := fsys.List(dir + "/none"); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("list what is not there: %v", err)
		}
		if _, err := fsys.Create(dir+"/none/f", 0o640); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("create in a folder that is not there: %v", err)
		}
		f, err := fsys.Create(name, 0o640)
		must(t, err)
		if _, err := fsys.Create(name, 0o640); !errors.Is(err, fs.ErrExist) {
			t.Fatalf("create what is there: %v", err)
		}
		mustWrite(t, f, "beyond", 4)
		must(t, f.Datasync())
		must(t, f.Sync())
		b := make([]byte, 20)
		if n, err := f.ReadAt(b, 0); n != 10 || err == nil || string(b[:n]) != "\x00\x00\x00\x00beyond" {
			t.Fatalf("read %q: %v", b[:n], err)
		}
		if n, err := f.ReadAt(b, 99); n != 0 || err == nil {
			t.Fatalf("read beyond the end: %d, %v", n, err)
		}
		must(t, f.Truncate(2))
		must(t, f.Truncate(3))
		if n, err := f.Size(); n != 3 || err != nil {
			t.Fatalf("%d octets, %v", n, err)
		}
		r, err := fsys.Open(name)
		must(t, err)
		if _, err := r.WriteAt([]byte("x"), 0); err == nil {
			t.Fatal("a file that was opened for reading is written to")
		}
		must(t, fsys.Remove(name)) // stays readable
		if n, err := r.ReadAt(b[:3], 0); n != 3 || err != nil {
			t.Fatalf("read what was removed: %d, %v", n, err)
		}
		must(t, r.Close())
		must(t, f.Close())
		must(t, WriteFileAtomic(fsys, name, []byte("one"), 0o640))
		must(t, WriteFileAtomic(fsys, name, []byte("two"), 0o640))
		must(t, fsys.Rename(name, dir+"/a/g"))
		names, err := fsys.List(dir + "/a")
		if err != nil || !slices.Equal(names, []string{"b", "g"}) {
			t.Fatalf("%v, %v", names, err)
		}
		if st, err := fsys.Stat(dir + "/a/b"); err != nil || !st.Dir {
			t.Fatalf("%+v, %v", st, err)
		}
		if _, err := ReadFile(fsys, dir+"/a/g", 2); err == nil {
			t.Fatal("a file larger than expected is read")
		}
		if b, err := ReadFile(fsys, dir+"/a/g", 3); string(b) != "two" || err != nil {
			t.Fatalf("%q, %v", b, err)
		}
		if free, err := fsys.DiskFree(dir); free == 0 || err != nil {
			t.Fatalf("%d free, %v", free, err)
		}
		lock, err := fsys.Lock(dir+"/lock", 0o640)
		must(t, err)
		if _, err := fsys.Lock(dir+"/lock", 0o640); !errors.Is(err, ErrLocked) {
			t.Fatalf("locked twice: %v", err)
		}
		must(t, lock.Close())
		lock, err = fsys.Lock(dir+"/lock", 0o640)
		must(t, err)
		must(t, lock.Close())
	})
}
