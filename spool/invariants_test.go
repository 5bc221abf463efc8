package spool

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/vfs"
)

// invariants are those of the package comment, word for word, and the test that
// holds each.
var invariants = map[string]func(*testing.T){
	"What Append acknowledged under SyncCommit is neither lost nor changed by the death of the process or by power loss at any point.":             TestModelNothingAcknowledgedIsLostByPowerLossAtAnyOperation,
	"Nothing is read that was not appended. Each record is read once, in the order of positions, by a reader that goes from one end to the other.": TestEachRecordIsReadOnceInTheOrderOfPositionsWhileOthersAppend,
	"Readers see, and cursors pass, only what is durable under the policy.":                                                                        TestReadersSeeAndCursorsPassOnlyWhatIsDurable,
	"A torn tail is cut at the last whole block when the log is opened.":                                                                           TestATruncatedSegmentKeepsItsWholeBlocks,
	"A damaged block is passed over, kept as .bad and counted; never fatal.":                                                                       TestAFlippedBitAnywhereCostsOneBlockAndIsCountedExactly,
	"A position that a cursor has passed is never given to another record, but after power loss under SyncOS, where the end of the log may be lost and no cursor have been written since. Who tells records by their positions then needs a name for each run of the log.": TestAPositionThatACursorHasPassedIsNeverGivenToAnotherRecord,
	"Opening reads the headers of the segments and the last one, not the data.":                                                           TestOpeningReadsTheHeadersAndTheLastSegmentNotTheData,
	"Two processes cannot open one folder for writing.":                                                                                   TestTwoProcessesCannotOpenOneFolder,
	"Errors of the disk stop acknowledgements, not the process, and when they end the log goes on by itself.":                             TestAFullDiskStopsAcknowledgementsUntilThereIsSpace,
	"Nothing is deleted before every cursor has durably passed it, but under FullDropOldest, and then each cursor counts what it lost.":   TestNothingIsDeletedBeforeEveryCursorHasDurablyPassedIt,
	"What a cursor has passed beyond its position need not be delivered again, and what lies between is neither passed over nor deleted.": TestACursorWithSpansSurvivesReopeningAndKeepsWhatIsBetween,
	"A cursor that nobody opens keeps its records until DropCursor.":                                                                      TestACursorThatNobodyOpensKeepsItsRecordsUntilItIsDropped,
	"A configuration that is not valid touches nothing.":                                                                                  TestAConfigurationThatIsNotValidTouchesNothing,
}

func TestEveryInvariantOfThePackageCommentHasATest(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "# Invariants")
	list, _, _ = strings.Cut(list, "// # ")
	n := 0
	for item := range strings.SplitSeq(list, "\n//   - ") {
		words := strings.Join(strings.Fields(strings.ReplaceAll(item, "//", " ")), " ")
		if words == "" {
			continue
		}
		n++
		if invariants[words] == nil {
			t.Errorf("no test for: %s", words)
		}
	}
	if n != len(invariants) {
		t.Errorf("%d invariants in the package comment, %d here", n, len(invariants))
	}
}

func TestEachRecordIsReadOnceInTheOrderOfPositionsWhileOthersAppend(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.SegmentSize, cfg.BlockSize = 16<<10, 512
	l := mustOpen(t, cfg)
	const appenders, each = 8, 200
	var wg sync.WaitGroup
	var mu sync.Mutex
	at := map[uint64]string{}
	for g := range appenders {
		wg.Go(func() {
			for i := range each {
				rec := strings.Repeat(string(rune('a'+g)), 1+i)
				first, err := l.Append(context.Background(), Batch{Records: run(rec), Count: 1})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				at[first] = rec
				mu.Unlock()
			}
		})
	}
	type seen struct {
		positions []uint64
		records   []string
	}
	readers := make([]seen, 3)
	for i := range readers {
		wg.Go(func() {
			r := l.NewReader(1)
			defer r.Close()
			for r.Position() <= appenders*each {
				b, err := r.Next(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				pos := b.First
				for rest := b.Records; len(rest) > 0; pos++ {
					var rec []byte
					rec, rest, _ = nextRecord(rest)
					readers[i].positions = append(readers[i].positions, pos)
					readers[i].records = append(readers[i].records, string(rec))
				}
			}
		})
	}
	wg.Wait()
	for _, s := range readers {
		if len(s.positions) != appenders*each {
			t.Fatalf("%d records read", len(s.positions))
		}
		for i, pos := range s.positions {
			if pos != uint64(i+1) || s.records[i] != at[pos] {
				t.Fatalf("record %d is at %d and holds %.20q, not %.20q", i, pos, s.records[i], at[pos])
			}
		}
	}
}

func TestReadersSeeAndCursorsPassOnlyWhatIsDurable(t *testing.T) {
	for _, mode := range []SyncMode{SyncCommit, SyncInterval} {
		t.Run(string(mode), func(t *testing.T) {
			disk := vfs.NewMem()
			cfg := Config{Dir: "/log", FS: disk, MinFree: -1, Sync: mode, SyncInterval: time.Millisecond}
			l := mustOpen(t, cfg)
			c := mustCursor(t, l, "c")
			mustAppend(t, l, "first")
			eventually(t, "the first is seen", func() bool { return l.Head() == 2 })
			syncing, goOn := make(chan struct{}), make(chan struct{})
			var once sync.Once
			disk.SetHook(func(op vfs.Op) error {
				if op.Kind == vfs.OpSync && strings.HasSuffix(op.Name, segmentSuffix) {
					once.Do(func() { close(syncing); <-goOn })
				}
				return nil
			})
			done := make(chan error)
			go func() {
				_, err := l.Append(context.Background(), Batch{Records: run("second"), Count: 1})
				done <- err
			}()
			if mode == SyncInterval {
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			<-syncing
			if l.Head() != 2 {
				t.Errorf("head is %d while the second is being synced", l.Head())
			}
			if err := c.Commit(3, Counts{}); !errors.Is(err, ErrPosition) {
				t.Errorf("a cursor passes what is not durable: %v", err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer cancel()
			r := l.NewReader(2)
			defer r.Close()
			if b, err := r.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a reader sees what is not durable: %+v, %v", b, err)
			}
			if mode == SyncCommit {
				select {
				case err := <-done:
					t.Errorf("acknowledged before it is durable: %v", err)
				default:
				}
			}
			close(goOn)
			if mode == SyncCommit {
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			if got := readTo(t, l, 2, 3); got[2] != "second" {
				t.Errorf("read %v", got)
			}
		})
	}
}

func TestAPositionThatACursorHasPassedIsNeverGivenToAnotherRecord(t *testing.T) {
	l, disk := smallLog(t, func(c *Config) { c.MaxSize = 0 })
	c := mustCursor(t, l, "out")
	for range 20 {
		mustAppend(t, l, strings.Repeat("x", 500))
	}
	if err := c.Commit(21, Counts{Delivered: 20}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := disk.List("/log")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, segmentSuffix) { // someone deletes all of them
			if err := disk.Remove(filepath.Join("/log", name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	cfg := l.cfg
	l = mustOpen(t, cfg)
	if first := mustAppend(t, l, "new"); first != 21 {
		t.Fatalf("appended at %d, the cursor had passed 20", first)
	}
	if got := l.Cursors(); len(got) != 1 || got[0].Position != 21 {
		t.Fatalf("%+v", got)
	}
}

// countingFS counts the octets that are read of each file.
type countingFS struct {
	vfs.FS
	mu   sync.Mutex
	read map[string]int64
}

type countingFile struct {
	vfs.File
	fs   *countingFS
	name string
}

func (c *countingFS) Open(name string) (vfs.File, error) { return c.wrap(c.FS.Open(name))(name) }

func (c *countingFS) OpenWrite(name string) (vfs.File, error) {
	return c.wrap(c.FS.OpenWrite(name))(name)
}

func (c *countingFS) wrap(f vfs.File, err error) func(name string) (vfs.File, error) {
	return func(name string) (vfs.File, error) {
		if err != nil {
			return nil, err
		}
		return countingFile{f, c, name}, nil
	}
}

func (f countingFile) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(b, off)
	f.fs.mu.Lock()
	f.fs.read[f.name] += int64(n)
	f.fs.mu.Unlock()
	return n, err
}

func TestOpeningReadsTheHeadersAndTheLastSegmentNotTheData(t *testing.T) {
	disk := vfs.NewMem()
	cfg := Config{Dir: "/log", FS: disk, MinFree: -1, Codec: CodecNone, SegmentSize: 64 << 10, CursorInterval: time.Hour}
	l := mustOpen(t, cfg)
	for range 300 {
		mustAppend(t, l, strings.Repeat("x", 2000))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c := &countingFS{FS: disk, read: map[string]int64{}}
	cfg.FS = c
	l = mustOpen(t, cfg)
	segs, err := l.View().Segments()
	if err != nil {
		t.Fatal(err)
	}
	if len(segs) < 5 {
		t.Fatalf("%d segments", len(segs))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, s := range segs {
		n := c.read[s.path]
		if i == 0 && n < s.Size {
			t.Errorf("%d of the %d octets of the last segment were read", n, s.Size)
		}
		if i > 0 && n > 2*segmentPrologue {
			t.Errorf("%d of the %d octets of %s were read", n, s.Size, s.path)
		}
	}
}

func TestNothingIsDeletedBeforeEveryCursorHasDurablyPassedIt(t *testing.T) {
	l, disk := smallLog(t, func(c *Config) { c.MaxSize, c.CursorInterval = 0, time.Hour })
	a, b := mustCursor(t, l, "a"), mustCursor(t, l, "b")
	for range 60 {
		mustAppend(t, l, strings.Repeat("x", 500))
	}
	for _, c := range []*Cursor{a, b} {
		if err := c.Commit(61, Counts{Delivered: 60}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Sync(); err != nil {
		t.Fatal(err)
	}
	disk.SetHook(func(op vfs.Op) error {
		if strings.Contains(op.Name, cursorsDir) && op.Kind.Changes() {
			return syscall.EIO
		}
		return nil
	})
	if err := b.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("got %v", err)
	}
	l.retain()
	if l.Tail() != 1 {
		t.Fatalf("tail is %d: b has passed it in memory only", l.Tail())
	}
	disk.SetHook(nil)
	if err := b.Sync(); err != nil {
		t.Fatal(err)
	}
	l.retain()
	if l.Tail() == 1 {
		t.Fatal("both have durably passed it, and it is kept")
	}
}

func TestACursorThatNobodyOpensKeepsItsRecordsUntilItIsDropped(t *testing.T) {
	l, disk := smallLog(t, func(c *Config) { c.MaxSize = 0 })
	mustCursor(t, l, "output that was removed from the configuration")
	cfg := l.cfg
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, cfg)
	c := mustCursor(t, l, "kept")
	for range 60 {
		mustAppend(t, l, strings.Repeat("x", 500))
	}
	if err := c.Commit(61, Counts{Delivered: 60}); err != nil {
		t.Fatal(err)
	}
	if err := c.Sync(); err != nil {
		t.Fatal(err)
	}
	if l.retain(); l.Tail() != 1 {
		t.Fatalf("tail is %d", l.Tail())
	}
	for _, st := range l.Cursors() {
		if st.Open != (st.Name == "kept") {
			t.Errorf("%+v", st)
		}
	}
	if err := l.DropCursor("output that was removed from the configuration"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its records go", func() bool { return l.Tail() > 1 })
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.FS = disk
	if n := len(mustOpen(t, cfg).Cursors()); n != 1 {
		t.Fatalf("%d cursors after reopening", n)
	}
}

func TestAConfigurationThatIsNotValidTouchesNothing(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no folder":      func(c *Config) { c.Dir = "" },
		"codec":          func(c *Config) { c.Codec = "lzma" },
		"sync":           func(c *Config) { c.Sync = "sometimes" },
		"full":           func(c *Config) { c.Full = "explode" },
		"negative size":  func(c *Config) { c.MaxSize = -1 },
		"too small":      func(c *Config) { c.MaxSize = 100 },
		"negative time":  func(c *Config) { c.SyncInterval = -1 },
		"negative block": func(c *Config) { c.BlockSize = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "log")
			cfg := Config{Dir: dir, MinFree: -1}
			change(&cfg)
			if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), "spool: ") {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the folder is there: %v", err)
			}
		})
	}
}
