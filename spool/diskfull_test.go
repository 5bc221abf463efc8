//go:build linux

package spool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/internal/vfs"
)

// mounted mounts a file system of so many MiB on a new folder until the test ends.
// Without the right to do so the test is left out: only the injected errors of other
// tests then show what a full disk does. Root is only stopped by the
// kernel.
func mounted(t *testing.T, mebibytes int) string {
	t.Helper()
	dir := t.TempDir()
	if os.Geteuid() != 0 {
		peers.LeaveOut(t, "mounting a small file system needs root")
	}
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mebibytes))
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENODEV) {
		peers.LeaveOut(t, fmt.Sprintf("the kernel refuses to mount a tmpfs: %v", err))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unmount(t, dir) })
	return dir
}

// unmount tries again while the file system is busy: the kernel lets go of the file
// below a loop device some time after that device was unmounted.
func unmount(t *testing.T, dir string) {
	t.Helper()
	err := syscall.Unmount(dir, 0)
	for deadline := time.Now().Add(time.Minute); errors.Is(err, syscall.EBUSY) && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
		err = syscall.Unmount(dir, 0)
	}
	if err != nil {
		t.Errorf("unmount %s: %v", dir, err)
	}
}

// mountedOnFailing mounts an ext4 in a sparse image that is larger than the file
// system which holds it: what is written beyond fails with EIO when it is synced, as
// on a disk that dies. Without a journal ext4 lives on when blocks come back.
func mountedOnFailing(t *testing.T, mebibytes, image int) (dir, below string) {
	t.Helper()
	below = mounted(t, mebibytes)
	img := filepath.Join(below, "image")
	if err := os.WriteFile(img, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(img, int64(image)<<20); err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	out, err := exec.Command("mkfs.ext4", "-q", "-O", "^has_journal", "-E", "lazy_itable_init=0,nodiscard", img).CombinedOutput()
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("mkfs.ext4: %v: %s; install e2fsprogs", err, out)
	}
	if err != nil {
		peers.LeaveOut(t, fmt.Sprintf("mkfs.ext4: %v: %s", err, out))
	}
	if out, err := exec.Command("mount", "-o", "loop,errors=continue", img, dir).CombinedOutput(); err != nil {
		peers.LeaveOut(t, fmt.Sprintf("the kernel mounts no image: %v: %s", err, strings.TrimSpace(string(out))))
	}
	t.Cleanup(func() { unmount(t, dir) })
	return dir, below
}

func ballast(t *testing.T, path string, octets int64) {
	t.Helper()
	b := make([]byte, octets)
	rand.NewChaCha8([32]byte{1}).Read(b)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// ledger is what several goroutines were told is kept.
type ledger struct {
	mu    sync.Mutex
	acked map[uint64]string
	seq   int
}

// appendTo appends one record with octets that no codec shrinks.
func (g *ledger) appendTo(ctx context.Context, l *Log, octets int) error {
	g.mu.Lock()
	g.seq++
	rng := rand.New(rand.NewPCG(uint64(g.seq), 1))
	rec := fmt.Sprintf("%d:", g.seq)
	g.mu.Unlock()
	b := make([]byte, 0, octets)
	for len(b) < octets {
		b = fmt.Appendf(b, "%x", rng.Uint64())
	}
	first, err := l.Append(ctx, Batch{Records: run(rec + string(b)), Count: 1})
	if err == nil {
		g.mu.Lock()
		g.acked[first] = rec
		g.mu.Unlock()
	}
	return err
}

// floodUntil appends from four goroutines until each had an error that stop
// accepts.
func (g *ledger) floodUntil(t *testing.T, ctx context.Context, l *Log, stop func(error) bool) {
	t.Helper()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				if err := g.appendTo(ctx, l, 100<<10); stop(err) {
					return
				} else if err != nil {
					t.Errorf("append: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func (g *ledger) check(t *testing.T, l *Log, from uint64) {
	t.Helper()
	got := readTo(t, l, from, l.Head())
	for pos, rec := range g.acked {
		if pos >= from && !strings.HasPrefix(got[pos], rec) {
			t.Fatalf("position %d holds %.20q, acknowledged was %s", pos, got[pos], rec)
		}
	}
}

func TestAFullFileSystemStopsAcknowledgementsUntilThereIsSpace(t *testing.T) {
	dir := mounted(t, 64)
	ballast(t, filepath.Join(dir, "ballast"), 24<<20)
	cfg := testConfig(t, filepath.Join(dir, "log"))
	cfg.Codec, cfg.SegmentSize, cfg.CursorInterval = CodecNone, 4<<20, 5*time.Millisecond
	l := mustOpen(t, cfg)
	c := mustCursor(t, l, "out")
	g := &ledger{acked: map[uint64]string{}}
	full := func(err error) bool { return errors.Is(err, syscall.ENOSPC) }
	g.floodUntil(t, t.Context(), l, full)
	if len(g.acked) < 200 || !l.Stats().Failing {
		t.Fatalf("%d acknowledged, %+v", len(g.acked), l.Stats())
	}
	for range 5 {
		if err := g.appendTo(t.Context(), l, 1<<20); !full(err) {
			t.Fatalf("append to a full file system: %v", err)
		}
	}
	g.check(t, l, 1)
	// The cursor cannot be written either, perhaps; that is no reason to stop.
	if err := c.Commit(l.Head()/2, Counts{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
		t.Fatal(err)
	}
	if err := g.appendTo(t.Context(), l, 100<<10); err != nil {
		t.Fatalf("append after space came back: %v", err)
	}
	if l.Stats().Failing {
		t.Error("Stats says that the log fails")
	}
	g.floodUntil(t, t.Context(), l, full)
	// Space comes back also because an output goes on.
	if err := c.Commit(l.Head()-5, Counts{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what was delivered is deleted", func() bool { return l.Stats().Segments <= 2 })
	if err := g.appendTo(t.Context(), l, 100<<10); err != nil {
		t.Fatalf("append after segments were deleted: %v", err)
	}
	tail := c.Position() // what is before it may be deleted at any moment
	g.check(t, l, tail)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, cfg)
	g.check(t, l, tail)
	if st := l.Stats(); st.DamagedStretches > 0 {
		t.Errorf("%d damaged stretches", st.DamagedStretches)
	}
	t.Logf("%d acknowledged, %d in the log", len(g.acked), l.Head()-1)
}

func TestALogThatLeavesSpaceBlocksOnARealFileSystemUntilAnOutputGoesOn(t *testing.T) {
	dir := mounted(t, 64)
	cfg := testConfig(t, filepath.Join(dir, "log"))
	cfg.Codec, cfg.SegmentSize, cfg.CursorInterval, cfg.MinFree = CodecNone, 4<<20, 5*time.Millisecond, 16<<20
	l := mustOpen(t, cfg)
	c := mustCursor(t, l, "out")
	g := &ledger{acked: map[uint64]string{}}
	ctx, cancel := context.WithCancel(t.Context())
	blocked := make(chan struct{})
	go func() {
		defer close(blocked)
		g.floodUntil(t, ctx, l, func(err error) bool { return errors.Is(err, context.Canceled) })
	}()
	eventually(t, "full", func() bool { return l.Stats().Full })
	if free, err := vfs.OS.DiskFree(dir); err != nil || free < 4<<20 {
		t.Fatalf("%d octets left free, %v", free, err)
	}
	head := l.Head()
	if err := c.Commit(head, Counts{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "appends go on", func() bool { return l.Head() > head+5 })
	cancel()
	<-blocked
	g.check(t, l, c.Position()) // what is before it may be deleted at any moment
}

func TestADiskThatFailsIsWaitedForAndNothingAcknowledgedIsLost(t *testing.T) {
	dir, below := mountedOnFailing(t, 40, 96)
	ballast(t, filepath.Join(below, "ballast"), 16<<20)
	cfg := testConfig(t, filepath.Join(dir, "log"))
	cfg.Codec, cfg.SegmentSize = CodecNone, 4<<20
	l := mustOpen(t, cfg)
	g := &ledger{acked: map[uint64]string{}}
	failed := func(err error) bool { return errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENOSPC) }
	g.floodUntil(t, t.Context(), l, failed)
	acked := len(g.acked)
	if acked < 50 || !l.Stats().Failing {
		t.Fatalf("%d acknowledged, %+v", acked, l.Stats())
	}
	if err := os.Remove(filepath.Join(below, "ballast")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log goes on by itself", func() bool { return g.appendTo(t.Context(), l, 100<<10) == nil })
	g.check(t, l, 1)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, cfg)
	g.check(t, l, 1)
	t.Logf("%d acknowledged before the disk failed, %d in all", acked, len(g.acked))
}
