package spool

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var backlogGiB = flag.Float64("backlog", 0, "GiB on disk of the backlog that is opened and drained; 0 means 1 under CI, else a quarter")

// openChild is the environment variable that makes the test binary a process that
// opens a log, says what that cost, and drains it.
const openChild = "SPOOL_TEST_OPEN"

// backlogRecord is the size of the records of the backlog; each starts with its
// number.
const backlogRecord = 1000

// makeBacklog fills a log with so many octets on disk and forgets it, so that
// opening it reads the disk.
func makeBacklog(t *testing.T, dir string, octets int64) (records uint64) {
	t.Helper()
	l := mustOpen(t, Config{Dir: dir, MinFree: -1, Codec: CodecNone, Sync: SyncOS})
	if _, err := l.Cursor("slow", FromTail); err != nil {
		t.Fatal(err)
	}
	const perBatch = 1000
	filler := strings.Repeat("what an outage leaves behind ", backlogRecord/29)
	for l.Stats().Bytes < octets {
		var b []byte
		for range perBatch {
			records++
			rec := fmt.Sprintf("%d %s", records, filler)
			b = binary.AppendUvarint(b, uint64(len(rec)))
			b = append(b, rec...)
		}
		if _, err := l.Append(context.Background(), Batch{Records: b, Count: perBatch}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range segments {
		if err := uncache(s); err != nil {
			t.Fatal(err)
		}
	}
	return records
}

func uncache(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return err
	}
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}

// residentPeak returns the most octets that this process has had in memory.
func residentPeak() (int64, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	line, _, _ := strings.Cut(rest, "kB")
	kib, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	return kib << 10, err
}

// openAndDrain prints the nanoseconds that Open took, the resident octets after
// it and after all was read, and the nanoseconds of the latter.
func openAndDrain(dir string) error {
	start := time.Now()
	l, err := Open(Config{Dir: dir, MinFree: -1})
	if err != nil {
		return err
	}
	opened := time.Since(start)
	atOpen, err := residentPeak()
	if err != nil {
		return err
	}
	c, err := l.Cursor("slow", FromTail)
	if err != nil {
		return err
	}
	start = time.Now()
	r := l.NewReader(c.Position())
	next := uint64(1)
	for r.Position() < l.Head() {
		b, err := r.Next(context.Background())
		if err != nil {
			return err
		}
		if b.First != next || b.Missing > 0 {
			return fmt.Errorf("block at %d after %d", b.First, next)
		}
		for run := b.Records; len(run) > 0; next++ {
			var rec []byte
			rec, run, _ = nextRecord(run)
			if n, _, _ := strings.Cut(string(rec[:min(20, len(rec))]), " "); n != strconv.FormatUint(next, 10) {
				return fmt.Errorf("position %d holds record %s", next, n)
			}
		}
		if err := c.Commit(b.Next(), Counts{Delivered: uint64(b.Count)}); err != nil {
			return err
		}
	}
	drained := time.Since(start)
	after, err := residentPeak()
	if err != nil {
		return err
	}
	fmt.Println(opened.Nanoseconds(), atOpen, drained.Nanoseconds(), after, next-1)
	return l.Close()
}

func TestABacklogOpensAtOnceInLittleMemoryAndIsDrainedInOrder(t *testing.T) {
	size := *backlogGiB
	switch {
	case size > 0:
	case testing.Short():
		size = 1. / 16
	case os.Getenv("CI") != "":
		size = 1
	default:
		size = 1. / 4
	}
	dir := t.TempDir()
	start := time.Now()
	records := makeBacklog(t, dir, int64(size*(1<<30)))
	made := time.Since(start)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), openChild+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var opened, drained time.Duration
	var atOpen, after int64
	var read uint64
	if _, err := fmt.Sscan(string(out), &opened, &atOpen, &drained, &after, &read); err != nil {
		t.Fatalf("child says %q", out)
	}
	t.Logf("%.2f GiB, %d records, made in %v: opened in %v with %d MiB resident, drained in %v with %d MiB resident at most",
		size, records, made.Round(time.Millisecond), opened, atOpen>>20, drained.Round(time.Millisecond), after>>20)
	if read != records {
		t.Errorf("%d records read, %d were appended", read, records)
	}
	if opened > time.Second && !raceEnabled {
		t.Errorf("opening took %v", opened)
	}
	if most := int64(64 << 20); (atOpen > most || after > most) && !raceEnabled {
		t.Errorf("%d octets resident after opening, %d after reading", atOpen, after)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d segments are left after it was delivered", len(left))
}
