package spool

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/vfs"
)

// archive opens a log in memory whose full segments are rewritten.
func archive(t *testing.T, change func(*Config)) *Log {
	t.Helper()
	cfg := testConfig(t, "/log")
	cfg.FS, cfg.SegmentSize, cfg.BlockSize, cfg.MaxSize = vfs.NewMem(), 8<<10, 1<<10, 256<<10
	cfg.KeepDelivered = true
	if change != nil {
		change(&cfg)
	}
	return mustOpen(t, cfg)
}

// growth appends so many blocks and returns the octets on disk for an octet of records.
func growth(t *testing.T, l *Log, blocks int) float64 {
	t.Helper()
	before := l.Stats()
	for i := range blocks {
		rec := fmt.Sprintf("record %d %s", i, strings.Repeat("alike ", 200))
		if _, err := l.Append(context.Background(), Batch{Records: run(rec), Count: 1}); err != nil {
			t.Fatal(err)
		}
	}
	after := l.Stats()
	return float64(after.Octets-before.Octets) / float64(after.RawOctets-before.RawOctets)
}

func TestABurstIsStoredAsItIsUntilMuchWaitsToBeRewritten(t *testing.T) {
	l := archive(t, nil)
	l.swap.Lock() // so that nothing is rewritten
	if r := growth(t, l, 5); r < 1 {
		t.Errorf("the beginning of a burst takes %.2f of its octets", r)
	}
	growth(t, l, 60) // more than an eighth of MaxSize
	if r := growth(t, l, 5); r > 0.5 {
		t.Errorf("while much waits to be rewritten it takes %.2f of its octets", r)
	}
	l.swap.Unlock()
	for deadline := time.Now().Add(time.Minute); l.quota.unrewritten.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("segments are not rewritten")
		}
	}
	if r := growth(t, l, 5); r < 1 {
		t.Errorf("when all is rewritten it takes %.2f of its octets", r)
	}
}

func TestWhatNobodyRewritesIsCompressedAtOnce(t *testing.T) {
	f := func(name string, change func(*Config)) {
		t.Helper()
		if r := growth(t, archive(t, change), 5); r > 0.5 {
			t.Errorf("%s: %.2f of the octets", name, r)
		}
	}
	f("a queue", func(c *Config) { c.KeepDelivered = false })
	f("never", func(c *Config) { c.Recompress = RecompressNever })
	f("as configured", func(c *Config) { c.Codec = CodecS2 })
}

func TestASlowOrSmallDiskGetsCompressedBlocks(t *testing.T) {
	l := archive(t, func(c *Config) { c.MaxSize = 0 })
	f := func(want *compressor, pending int64) {
		t.Helper()
		if got := l.compressorFor(pending); got != want {
			t.Errorf("with %d octets pending the codec is %d", pending, got.codec)
		}
	}
	f(plain, 0)
	f(plain, DefaultMaxPending/2)
	f(l.comp, DefaultMaxPending/2+1)
	l.quota.free.Store(1 << 30)
	l.quota.unrewritten.Store(100 << 20)
	f(plain, 0)
	l.quota.free.Store(800 << 20)
	f(l.comp, 0)
	l.quota.free.Store(1 << 50)
	l.quota.unrewritten.Store(maxUnrewritten)
	f(l.comp, 0)
}
