package relp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// frameData returns the data of the frame that an encoder made.
func frameData(tb testing.TB, frame []byte) []byte {
	tb.Helper()
	r := NewReader(func([]byte) (int, bool) { return MaxBatchData, false })
	if _, err := r.Fill(bytes.NewReader(frame)); err != nil {
		tb.Fatal(err)
	}
	for {
		f, ok, err := r.Next()
		if err != nil {
			tb.Fatal(err)
		}
		if ok {
			return bytes.Clone(f.Data)
		}
		if _, err := r.Fill(bytes.NewReader(frame[r.Buffered():])); err != nil {
			tb.Fatal(err)
		}
	}
}

func encode(tb testing.TB, codec Codec, b Batch) []byte {
	tb.Helper()
	e, err := NewBatchEncoder(codec)
	if err != nil {
		tb.Fatal(err)
	}
	return frameData(tb, e.AppendFrame(nil, 7, b))
}

func TestBatchesComeOutAsTheyWentIn(t *testing.T) {
	run, n := logText(100_000)
	noise := make([]byte, 5000)
	for i := range noise {
		noise[i] = byte(rand.IntN(256))
	}
	f := func(records []byte, count int) {
		t.Helper()
		for _, codec := range []Codec{CodecNone, CodecS2, CodecZstd} {
			want := Batch{First: 1 << 40, Next: 1<<40 + 1000, Count: count, Records: records}
			var d BatchDecoder
			defer d.Close()
			var buf []byte
			for range 2 { // the second time with the memory of the first
				got, err := d.Decode(encode(t, codec, want), buf)
				if err != nil || got.First != want.First || got.Next != want.Next || got.Count != count || !bytes.Equal(got.Records, records) {
					t.Fatalf("codec %d: %v", codec, err)
				}
				buf = got.Records
			}
		}
	}
	f(run, min(n, 1000))
	f(noise, 10)
	f([]byte{1}, 1)
}

func TestEveryFlippedBitOfABatchIsNoticed(t *testing.T) {
	run, n := logText(300)
	for _, codec := range []Codec{CodecNone, CodecS2, CodecZstd} {
		good := encode(t, codec, Batch{First: 1, Next: uint64(n) + 1, Count: n, Records: run})
		var d BatchDecoder
		defer d.Close()
		for i := range len(good) * 8 {
			bad := bytes.Clone(good)
			bad[i/8] ^= 1 << (i % 8)
			if got, err := d.Decode(bad, nil); err == nil && !bytes.Equal(got.Records, run) {
				t.Fatalf("codec %d: bit %d was flipped and not noticed", codec, i)
			} else if err == nil && i/8 < batchHeaderLen {
				t.Fatalf("codec %d: bit %d of the header was flipped and not noticed", codec, i)
			}
		}
		for i := range good {
			if _, err := d.Decode(good[:i], nil); err == nil {
				t.Fatalf("codec %d: cut at %d and not noticed", codec, i)
			}
		}
	}
}

func TestBatchesThatLieAreRefused(t *testing.T) {
	run, n := logText(300)
	good := encode(t, CodecNone, Batch{First: 10, Next: 10 + uint64(n), Count: n, Records: run})
	f := func(name string, want error, change func(b []byte) []byte) {
		t.Helper()
		var d BatchDecoder
		defer d.Close()
		if _, err := d.Decode(change(bytes.Clone(good)), nil); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	le := binary.LittleEndian
	set32 := func(at int, v uint32) func([]byte) []byte {
		return func(b []byte) []byte { le.PutUint32(b[at:], v); return b }
	}
	set64 := func(at int, v uint64) func([]byte) []byte {
		return func(b []byte) []byte { le.PutUint64(b[at:], v); return b }
	}
	f("nothing", ErrBatchHeader, func([]byte) []byte { return nil })
	f("other magic", ErrBatchHeader, func(b []byte) []byte { b[0]++; return b })
	f("newer version", ErrBatchVersion, func(b []byte) []byte { b[4]++; return b })
	f("unknown codec", ErrBatchHeader, func(b []byte) []byte { b[5] = 9; return b })
	f("reserved", ErrBatchHeader, func(b []byte) []byte { b[7] = 1; return b })
	f("no event", ErrBatchSize, set32(24, 0))
	f("more events than octets", ErrBatchSize, set32(24, 1<<31))
	f("more events than positions", ErrBatchSize, set64(16, 10))
	f("backwards", ErrBatchSize, set64(16, 9))
	f("raw larger than the payload", ErrBatchSize, set32(28, uint32(len(run)+1)))
	f("raw of 4 GiB", ErrBatchSize, set32(28, 1<<32-1))
	f("other checksum", ErrBatchChecksum, set32(32, 1))
}

func TestACompressedBombIsRefused(t *testing.T) {
	bomb := make([]byte, MaxBatchRaw+1)
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	half := e.EncodeAll(bomb[:MaxBatchRaw-100], nil)
	f := func(name string, codec Codec, payload []byte) {
		t.Helper()
		data := encode(t, CodecNone, Batch{First: 1, Next: 2, Count: 1, Records: []byte{0}})[:batchHeaderLen]
		data[5] = byte(codec)
		binary.LittleEndian.PutUint32(data[28:], MaxBatchRaw)
		var d BatchDecoder
		defer d.Close()
		_, err := d.Decode(append(data, payload...), nil)
		if err == nil {
			t.Errorf("%s was taken", name)
		}
		t.Logf("%s: %d octets that are over %d: %v", name, len(payload), MaxBatchRaw, err)
	}
	f("zstd", CodecZstd, e.EncodeAll(bomb, nil))
	f("zstd in two frames", CodecZstd, append(bytes.Clone(half), half...))
	f("s2", CodecS2, s2.Encode(nil, bomb))
}

func FuzzBatch(f *testing.F) {
	run, n := logText(300)
	for _, codec := range []Codec{CodecNone, CodecS2, CodecZstd} {
		f.Add(encode(f, codec, Batch{First: 1, Next: uint64(n) + 1, Count: n, Records: run}), false)
		f.Add(encode(f, codec, Batch{First: 1, Next: uint64(n) + 1, Count: n, Records: run})[batchHeaderLen:], true)
	}
	var d BatchDecoder
	f.Fuzz(func(t *testing.T, data []byte, payload bool) {
		if payload {
			// The decompressors are to be reached, whatever the checksum.
			for _, codec := range []Codec{CodecS2, CodecZstd} {
				if b, err := d.decompress(codec, data, nil, len(run)); err == nil && len(b) > MaxBatchRaw {
					t.Fatalf("%d octets came out", len(b))
				}
			}
			return
		}
		b, err := d.Decode(data, nil)
		if err == nil && (len(b.Records) > MaxBatchRaw || b.Count < 1 || uint64(b.Count) > b.Next-b.First) {
			t.Fatalf("%+v", b)
		}
	})
}
