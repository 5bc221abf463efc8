package spool

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/rs/zerolog"
)

// run makes a run of records.
func run(records ...string) []byte {
	var b []byte
	for _, r := range records {
		b = binary.AppendUvarint(b, uint64(len(r)))
		b = append(b, r...)
	}
	return b
}

func split(t *testing.T, b Block) []string {
	t.Helper()
	var out []string
	for rest := b.Records; len(rest) > 0; {
		var rec []byte
		var ok bool
		if rec, rest, ok = nextRecord(rest); !ok {
			t.Fatalf("block at %d is not a run of records", b.First)
		}
		out = append(out, string(rec))
	}
	if len(out) != b.Count {
		t.Fatalf("block at %d has %d records, says %d", b.First, len(out), b.Count)
	}
	return out
}

func testConfig(t *testing.T, dir string) Config {
	return Config{Dir: dir, MinFree: -1, Logger: zerolog.New(zerolog.NewTestWriter(t))}
}

func mustOpen(t *testing.T, cfg Config) *Log {
	t.Helper()
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func mustAppend(t *testing.T, l *Log, records ...string) uint64 {
	t.Helper()
	first, err := l.Append(context.Background(), Batch{Records: run(records...), Count: len(records), MinTime: 1, MaxTime: 2})
	if err != nil {
		t.Fatal(err)
	}
	return first
}

// readTo reads all records from pos up to head.
func readTo(t *testing.T, l *Log, pos, head uint64) map[uint64]string {
	t.Helper()
	r := l.NewReader(pos)
	defer r.Close()
	got := map[uint64]string{}
	for r.Position() < head {
		b, err := r.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for i, rec := range split(t, b) {
			got[b.First+uint64(i)] = rec
		}
	}
	return got
}

func TestWhatIsAppendedIsReadBackInOrderAndAfterReopening(t *testing.T) {
	for _, codec := range []Codec{CodecNone, CodecS2, CodecZstd} {
		for _, mode := range []SyncMode{SyncCommit, SyncInterval, SyncOS} {
			t.Run(fmt.Sprint(codec, "/", mode), func(t *testing.T) {
				cfg := testConfig(t, t.TempDir())
				cfg.Codec, cfg.Sync, cfg.SegmentSize, cfg.BlockSize = codec, mode, 8<<10, 1<<10
				cfg.SyncInterval = 1e6
				l := mustOpen(t, cfg)
				want := map[uint64]string{}
				for i := range 500 {
					a, b := fmt.Sprintf("record %d of many that look alike", 2*i), fmt.Sprintf("record %d", 2*i+1)
					first := mustAppend(t, l, a, b)
					if first != uint64(2*i+1) {
						t.Fatalf("append %d got position %d", i, first)
					}
					want[first], want[first+1] = a, b
				}
				check := func(l *Log) {
					t.Helper()
					for _, from := range []uint64{1, 2, 500, 777, 1000} {
						got := readTo(t, l, from, 1001)
						if len(got) != int(1001-from) {
							t.Fatalf("from %d: %d records", from, len(got))
						}
						for p, rec := range got {
							if want[p] != rec {
								t.Fatalf("position %d: %q, want %q", p, rec, want[p])
							}
						}
					}
				}
				check(l)
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				l = mustOpen(t, cfg)
				if l.Head() != 1001 || l.Tail() != 1 {
					t.Fatalf("head %d, tail %d after reopening", l.Head(), l.Tail())
				}
				check(l)
				if first := mustAppend(t, l, "x"); first != 1001 {
					t.Fatalf("next position is %d", first)
				}
			})
		}
	}
}
