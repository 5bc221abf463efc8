package relp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// packedData returns the data of a frame of packed runs.
func packedData(tb testing.TB, b Batch, runs ...Packed) []byte {
	tb.Helper()
	return frameData(tb, AppendPackedFrame(nil, 7, b, runs))
}

// packedRuns are runs of records under each codec, and the records.
func packedRuns(tb testing.TB) (runs []Packed, records []byte, count int) {
	tb.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer z.Close()
	run, n := logText(300)
	for _, p := range []Packed{
		{CodecS2, len(run), s2.Encode(nil, run)}, {CodecNone, len(run), run}, {CodecZstd, len(run), z.EncodeAll(run, nil)},
	} {
		runs, records, count = append(runs, p), append(records, run...), count+n
	}
	return runs, records, count
}

func TestPackedRunsComeOutAsTheyWentIn(t *testing.T) {
	runs, records, count := packedRuns(t)
	var d BatchDecoder
	defer d.Close()
	var buf []byte
	for range 2 { // the second time with the memory of the first
		got, err := d.Decode(packedData(t, Batch{First: 1 << 40, Next: 1<<40 + uint64(count), Count: count}, runs...), buf)
		if err != nil || got.First != 1<<40 || got.Next != 1<<40+uint64(count) || got.Count != count || !bytes.Equal(got.Records, records) {
			t.Fatalf("%d octets of %d: %v", len(got.Records), len(records), err)
		}
		buf = got.Records
	}
}

func TestEveryFlippedBitOfPackedRunsIsNoticed(t *testing.T) {
	runs, _, count := packedRuns(t)
	good := packedData(t, Batch{First: 1, Next: uint64(count) + 1, Count: count}, runs...)
	var d BatchDecoder
	defer d.Close()
	for i := range len(good) * 8 {
		bad := bytes.Clone(good)
		if bad[i/8] ^= 1 << (i % 8); i/8 == 5 {
			continue // another codec is noticed by what it makes of the payload
		}
		if _, err := d.Decode(bad, nil); err == nil {
			t.Fatalf("bit %d was flipped and not noticed", i)
		}
	}
	for i := range good {
		if _, err := d.Decode(good[:i], nil); err == nil {
			t.Fatalf("cut at %d and not noticed", i)
		}
	}
}

func TestPackedRunsThatLieAreRefused(t *testing.T) {
	run, n := logText(300)
	packed := s2.Encode(nil, run)
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	bomb := make([]byte, MaxBatchRaw+1)
	frame := z.EncodeAll(bomb, nil)
	// seal makes a batch of a payload that says it has raw octets.
	seal := func(raw int, payload []byte) []byte {
		data := packedData(t, Batch{First: 1, Next: uint64(n) + 1, Count: n})
		binary.LittleEndian.PutUint32(data[28:], uint32(raw))
		data = append(data, payload...)
		binary.LittleEndian.PutUint32(data[batchChecked:], checksum(data, payload))
		return data
	}
	part := func(codec Codec, raw, length int, octets []byte) []byte {
		b := binary.AppendUvarint([]byte{byte(codec)}, uint64(raw))
		return append(binary.AppendUvarint(b, uint64(length)), octets...)
	}
	f := func(name string, want error, raw int, payload []byte) {
		t.Helper()
		var d BatchDecoder
		defer d.Close()
		if _, err := d.Decode(seal(raw, payload), nil); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	good := part(CodecS2, len(run), len(packed), packed)
	f("a good one", nil, len(run), good)
	f("no run", ErrBatchSize, len(run), nil)
	f("more raw octets than the runs have", ErrBatchSize, len(run)+1, good)
	f("fewer", ErrBatchSize, len(run)-1, good)
	f("half a number", ErrBatchPayload, len(run), []byte{1, 0x80})
	f("no length", ErrBatchPayload, len(run), []byte{1, 5})
	f("a length beyond the end", ErrBatchSize, len(run), part(CodecS2, len(run), len(packed)+1, packed))
	f("a length of 2⁶³", ErrBatchSize, len(run), append([]byte{0, 5}, binary.AppendUvarint(nil, 1<<63)...))
	f("an unknown codec", ErrBatchPayload, len(run), part(CodecSplit, len(run), len(packed), packed))
	f("runs within runs", ErrBatchPayload, len(run), part(CodecPacked, len(run), len(packed), packed))
	f("a run that is not what it says", ErrBatchSize, len(run), part(CodecNone, len(run), len(run)-1, run[:len(run)-1]))
	f("a damaged run", ErrBatchPayload, len(run), part(CodecS2, len(run), 5, append(binary.AppendUvarint(nil, uint64(len(run))), 0xfe, 0xff, 0xff)))
	f("a run that decompresses to more", ErrBatchSize, len(run), part(CodecS2, len(run)-1, len(packed), packed))
	f("a bomb of zstd", ErrBatchPayload, MaxBatchRaw, part(CodecZstd, MaxBatchRaw, len(frame), frame))
	f("a bomb of s2", ErrBatchSize, MaxBatchRaw, part(CodecS2, MaxBatchRaw, 100, s2.Encode(nil, bomb)[:100]))
}

func FuzzPacked(f *testing.F) {
	runs, records, count := packedRuns(f)
	data := packedData(f, Batch{First: 1, Next: uint64(count) + 1, Count: count}, runs...)
	f.Add(data[batchHeaderLen:])
	for _, p := range runs {
		f.Add(packedData(f, Batch{First: 1, Next: 2, Count: 1}, p)[batchHeaderLen:])
	}
	var d BatchDecoder
	f.Fuzz(func(t *testing.T, payload []byte) {
		buf := []byte("before")
		got, err := d.unpack(payload, buf[:0], len(records))
		if err == nil && len(got) > len(records) {
			t.Fatalf("%d octets came out, %d had room", len(got), len(records))
		}
	})
}
