package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/syslane/syslane/internal/vfs"
)

// nextPacked reads the next block, packed or not, and unpacks it.
func nextPacked(t *testing.T, r *Reader) (b Block, packed bool) {
	t.Helper()
	b, err := r.Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if packed = len(b.Packed.Octets) > 0; !packed {
		return b, false
	}
	if b.Records != nil {
		t.Error("a block has its records twice")
	}
	if b.Records, err = r.Unpack(nil, b.Packed); err != nil {
		t.Fatal(err)
	}
	return b, true
}

func TestOnlyWholeCompressedBlocksThatMayBePassedOnArePacked(t *testing.T) {
	for _, codec := range []Codec{CodecS2, CodecZstd, CodecNone} {
		t.Run(string(codec), func(t *testing.T) {
			cfg := testConfig(t, "/log")
			cfg.FS, cfg.Codec = vfs.NewMem(), codec
			l := mustOpen(t, cfg)
			text := strings.Repeat("alike ", 50)
			put := func(asIs bool) {
				t.Helper()
				b := Batch{Records: run("one "+text, "two "+text, "three "+text), Count: 3, AsIs: asIs}
				if _, err := l.Append(context.Background(), b); err != nil {
					t.Fatal(err)
				}
			}
			put(true)  // 1-3
			put(false) // 4-6
			put(true)  // 7-9
			r := l.NewReader(1)
			defer r.Close()
			r.Pack(true)
			expect := func(first uint64, want bool, records ...string) {
				t.Helper()
				b, packed := nextPacked(t, r)
				got := split(t, b)
				if b.First != first || packed != (want && codec != CodecNone) || len(got) != len(records) {
					t.Fatalf("block at %d with %d records, packed %v", b.First, len(got), packed)
				}
				for i := range got {
					if got[i] != records[i]+" "+text {
						t.Errorf("record %d is %q", i, got[i])
					}
				}
			}
			expect(1, true, "one", "two", "three")
			expect(4, false, "one", "two", "three")
			r.Seek(8)
			expect(8, false, "two", "three")
			r.Seek(7)
			expect(7, true, "one", "two", "three")
			r.Pack(false)
			r.Seek(1)
			expect(1, false, "one", "two", "three")
		})
	}
}

func TestBlocksThatMayBePassedOnAreMergedIntoSuch(t *testing.T) {
	for _, exception := range []int{-1, 0, 37} {
		cfg := testConfig(t, "/log")
		cfg.FS, cfg.SegmentSize, cfg.BlockSize = vfs.NewMem(), 8<<10, 1<<10
		cfg.KeepDelivered, cfg.Recompress = true, RecompressNever
		l := mustOpen(t, cfg)
		for i := range 200 {
			b := Batch{Records: run(fmt.Sprint(i, strings.Repeat(" alike", 50))), Count: 1, AsIs: i != exception}
			if _, err := l.Append(context.Background(), b); err != nil {
				t.Fatal(err)
			}
		}
		mustRewrite(t, l)
		r := l.NewReader(1)
		r.Pack(true)
		b, packed := nextPacked(t, r)
		if within := exception >= 0 && exception < b.Count; packed == within || b.Count < 2 {
			t.Errorf("with the exception at %d a block of %d is packed: %v", exception, b.Count, packed)
		}
		r.Close()
	}
}

func TestWhatCannotBeUnpackedIsAnError(t *testing.T) {
	l := mustOpen(t, testConfig(t, t.TempDir()))
	r := l.NewReader(1)
	defer r.Close()
	f := func(want error, p Packed) {
		t.Helper()
		if got, err := r.Unpack([]byte("before"), p); err == nil || want != nil && !errors.Is(err, want) || !bytes.Equal(got, []byte("before")) {
			t.Errorf("%q, %v", got, err)
		}
	}
	f(ErrCorrupt, Packed{Codec: CodecS2, Raw: 10, Octets: []byte("no s2")})
	f(ErrCorrupt, Packed{Codec: CodecZstd, Raw: 10, Octets: []byte("no zstd")})
	f(nil, Packed{Codec: "lzma", Raw: 10, Octets: []byte("no")})
}
