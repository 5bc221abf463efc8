package spool

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/vfs"
	"pgregory.net/rapid"
)

func TestReadersThatKeepUpDoNotTouchTheDisk(t *testing.T) {
	disk := vfs.NewMem()
	cfg := testConfig(t, "/log")
	cfg.FS, cfg.SegmentSize = disk, 64<<10
	l := mustOpen(t, cfg)
	r := l.NewReader(1)
	defer r.Close()
	next := func() Block {
		t.Helper()
		b, err := r.Next(context.Background())
		if err != nil || b.Missing > 0 {
			t.Fatal(b.Missing, err)
		}
		return b
	}
	l.ring.want() // as a reader does that waits at the head
	var reads atomic.Int64
	disk.SetHook(func(op vfs.Op) error {
		if op.Kind == vfs.OpRead {
			reads.Add(1)
		}
		return nil
	})
	for i := range 300 {
		a, b := fmt.Sprint(i, strings.Repeat(" many", 200)), fmt.Sprint(i, " more")
		first := mustAppend(t, l, a, b)
		got := next()
		if recs := split(t, got); got.First != first || len(recs) != 2 || recs[0] != a || recs[1] != b || got.MinTime != 1 || got.MaxTime != 2 {
			t.Fatalf("%+v", got)
		}
	}
	if n := reads.Load(); n > 0 {
		t.Errorf("%d reads of the disk", n)
	}
	r.Seek(500)
	if got := next(); got.First != 500 || got.Count != 1 {
		t.Errorf("%+v", got)
	}
	l.ring.used.Store(0)
	l.ring.freeIdle()
	if l.ring.buf != nil {
		t.Error("an idle ring is kept")
	}
	r.Seek(500)
	if got := next(); got.First != 500 || got.Count != 1 || reads.Load() == 0 {
		t.Errorf("from the disk: %+v", got)
	}
}

func TestTheRingIsNotFilledWhileAllReadersAreBehindIt(t *testing.T) {
	cfg := testConfig(t, "/log")
	cfg.FS = vfs.NewMem()
	l := mustOpen(t, cfg)
	for range 3 {
		mustAppend(t, l, "before the ring")
	}
	r := l.NewReader(1)
	defer r.Close()
	next := func() {
		t.Helper()
		if _, err := r.Next(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	l.ring.want()
	mustAppend(t, l, "in the ring")
	next() // is not there
	l.ring.used.Add(-int64(ringBehind))
	if next(); l.ring.wanted() {
		t.Error("the ring is filled for readers that are behind it")
	}
	next()
	next()
	arrived := make(chan error, 1)
	go func() { _, err := r.Next(context.Background()); arrived <- err }()
	for deadline := time.Now().Add(time.Minute); !l.ring.wanted(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the ring is not filled for a reader that waits at the head")
		}
	}
	mustAppend(t, l, "waited for")
	if err := <-arrived; err != nil {
		t.Fatal(err)
	}
}

func TestTheRingHoldsTheNewestBlocksOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &ring{size: rapid.Int64Range(1, 100).Draw(t, "size")}
		g.want()
		want := map[uint64]string{}
		pos := uint64(1)
		for range rapid.IntRange(1, 60).Draw(t, "blocks") {
			if rapid.IntRange(0, 20).Draw(t, "gap") == 0 {
				pos += 3
				clear(want)
			}
			b := &block{}
			b.reset(plain)
			text := strings.Repeat(fmt.Sprint(pos%10), rapid.IntRange(0, 40).Draw(t, "length"))
			b.add(&Batch{Records: run(text), Count: 1}, 10)
			b.hdr.first, b.hdr.raw = pos, uint32(b.raw())
			g.add([]*block{b})
			want[pos] = text
			pos++
			total := 0
			for p := pos - 1; p > 0 && want[p] != "" || p == pos-1; p-- {
				got, _, ok := g.get(p, nil)
				if !ok {
					break
				}
				if string(got.Records) != string(run(want[p])) || got.First != p || got.Count != 1 {
					t.Fatalf("position %d holds %q", p, got.Records)
				}
				total += len(got.Records)
			}
			if total > int(g.size) {
				t.Fatalf("%d octets in a ring of %d", total, g.size)
			}
			if _, _, ok := g.get(pos, nil); ok {
				t.Fatal("a block that was not appended is there")
			}
			if b.raw() <= int(g.size) {
				if _, _, ok := g.get(pos-1, nil); !ok {
					t.Fatal("the newest block is not there")
				}
			}
		}
	})
}

func TestReadersOfEverySpeedReadTheSame(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.SegmentSize, cfg.BlockSize, cfg.HotSize, cfg.Sync = 64<<10, 2<<10, 16<<10, SyncOS
	cfg.KeepDelivered = true // and rewritten meanwhile
	l := mustOpen(t, cfg)
	const records = 20000
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			r := l.NewReader(1)
			defer r.Close()
			for pos := uint64(1); pos <= records; {
				b, err := r.Next(context.Background())
				if err != nil || b.First != pos || b.Missing > 0 {
					t.Errorf("reader %d at %d: %+v %v", i, pos, b.First, err)
					return
				}
				for _, rec := range split(t, b) {
					if rec != fmt.Sprintf("record %d with a text", pos) {
						t.Errorf("reader %d: position %d holds %q", i, pos, rec)
						return
					}
					pos++
				}
				if i > 0 && pos%uint64(100*i) == 0 {
					r.Seek(pos) // loses its place on the disk
				}
			}
		})
	}
	for i := 0; i < records; i += 4 {
		recs := make([]string, 4)
		for j := range recs {
			recs[j] = fmt.Sprintf("record %d with a text", i+j+1)
		}
		mustAppend(t, l, recs...)
	}
	wg.Wait()
	if got := readTo(t, l, 1, records+1); len(got) != records {
		t.Errorf("%d records", len(got))
	}
}
