package spool

import (
	"testing"
)

func TestAViewShowsTheBlocksOfALogNewestSegmentFirst(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.SegmentSize, cfg.BlockSize = 4<<10, 512
	l := mustOpen(t, cfg)
	for range 300 {
		mustAppend(t, l, "one record", "and another")
	}
	beside, err := OpenReadOnly(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]*View{"live": l.View(), "beside": beside} {
		t.Run(name, func(t *testing.T) {
			segs, err := v.Segments()
			if err != nil {
				t.Fatal(err)
			}
			if len(segs) < 3 {
				t.Fatalf("%d segments", len(segs))
			}
			r := v.NewBlockReader()
			defer r.Close()
			next := uint64(601)
			for _, s := range segs {
				blocks, err := v.Blocks(nil, s)
				if err != nil {
					t.Fatal(err)
				}
				for i := len(blocks) - 1; i >= 0; i-- {
					b, err := r.Read(s, blocks[i])
					if err != nil {
						t.Fatal(err)
					}
					split(t, b)
					if b.Next() != next {
						t.Fatalf("block ends at %d, want %d", b.Next(), next)
					}
					next = b.First
				}
				if next != s.First {
					t.Fatalf("segment starts at %d, blocks at %d", s.First, next)
				}
			}
			if next != 1 {
				t.Fatalf("oldest is %d", next)
			}
		})
	}
}
