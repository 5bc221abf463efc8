package relp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// The data of a "batch" frame is a header and a payload. All numbers are
// little-endian.
//
//	 0       4     5     6        8           16          24      28      32      36
//	+-------+-----+-----+--------+-----------+-----------+-------+-------+-------+---------
//	| magic | ver | cod | 0    0 | first     | next      | count | raw   | crc   | payload
//	+-------+-----+-----+--------+-----------+-----------+-------+-------+-------+---------
//
//	magic    "SLBT"
//	ver      version of this format and of the events within, 1
//	cod      codec of the payload: 0 none, 1 s2 (block format), 2 zstd, 3 zstd of a split run,
//	         4 packed runs; see packed.go
//	first    position in the sender's log of the first event
//	next     position after the last event
//	count    number of records
//	raw      octets of the payload when decompressed
//	crc      CRC-32C of octets 0 to 31 followed by the decompressed payload, but by the
//	         payload as it is under codec 4
//	payload  a run of records (internal/syslog, NextRecord)
const (
	batchMagic     = "SLBT"
	batchVersion   = 1
	batchHeaderLen = 36
	batchChecked   = 32 // octets of the header under the checksum
)

// LinkVersion is the value of the offer syslane_link for this format.
const LinkVersion = "1"

// MaxBatchRaw is the most octets that the payload of a batch may have when
// decompressed; MaxBatchData the most that the data of its frame may have.
const (
	MaxBatchRaw  = 16 << 20
	MaxBatchData = MaxBatchRaw + batchHeaderLen
)

// maxKeptSplit bounds the memory kept for the next split run.
const maxKeptSplit = 4 << 20

// Codec is how the payload of a batch is compressed. The numbers are part of the format.
type Codec uint8

// The codecs.
const (
	CodecNone Codec = iota
	CodecS2
	CodecZstd
	// CodecSplit is Zstandard of a split run; see split.go. An encoder for CodecZstd
	// uses it where it can.
	CodecSplit
	// CodecPacked is runs as the sender's log holds them; see packed.go.
	CodecPacked
)

// ParseCodec reads a codec's name: "none", "s2" or "zstd".
func ParseCodec(name string) (Codec, error) {
	switch name {
	case "none":
		return CodecNone, nil
	case "s2":
		return CodecS2, nil
	case "zstd":
		return CodecZstd, nil
	}
	return 0, fmt.Errorf(`compression %q is none of "zstd", "s2", "none"`, name)
}

// The ways in which a batch can be bad.
var (
	ErrBatchHeader   = errors.New("bad batch: header")
	ErrBatchVersion  = errors.New("bad batch: written by a newer version")
	ErrBatchSize     = errors.New("bad batch: size")
	ErrBatchPayload  = errors.New("bad batch: payload does not decompress")
	ErrBatchChecksum = errors.New("bad batch: checksum")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Batch is a run of events with its place in the sender's stream.
type Batch struct {
	// First is the position of the first event, Next the position after the last.
	First, Next uint64
	// Count is the number of records in Records; at most Next-First.
	Count int
	// Records is a run of records.
	Records []byte
}

// BatchEncoder writes batches. It is not safe for concurrent use.
type BatchEncoder struct {
	codec   Codec
	zstd    *zstd.Encoder
	split   splitter
	payload []byte
}

// NewBatchEncoder returns an encoder that compresses with codec.
func NewBatchEncoder(codec Codec) (*BatchEncoder, error) {
	e := &BatchEncoder{codec: codec}
	if codec == CodecZstd {
		var err error
		// The checksum of the batch covers what that of the zstd frame would.
		e.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
		if err != nil {
			return nil, fmt.Errorf("start zstd encoder: %w", err)
		}
	}
	return e, nil
}

// AppendFrame appends a "batch" frame to dst. b.Records must be at most
// MaxBatchRaw octets long. A payload that does not shrink is sent as it is.
func (e *BatchEncoder) AppendFrame(dst []byte, txnr uint32, b Batch) []byte {
	codec, payload := e.codec, b.Records
	switch codec {
	case CodecS2:
		e.payload = s2.Encode(e.payload[:cap(e.payload)], b.Records)
		payload = e.payload
	case CodecZstd:
		if split, ok := e.split.split(b.Records); ok {
			codec, payload = CodecSplit, split
		}
		e.payload = e.zstd.EncodeAll(payload, e.payload[:0])
		payload = e.payload
	}
	if len(payload) >= len(b.Records) {
		codec, payload = CodecNone, b.Records
	}
	dst = appendHeader(dst, txnr, CmdBatch, batchHeaderLen+len(payload))
	start := len(dst)
	dst = appendBatchHeader(dst, codec, &b, len(b.Records))
	dst = binary.LittleEndian.AppendUint32(dst, checksum(dst[start:], b.Records))
	dst = append(dst, payload...)
	return append(dst, '\n')
}

// appendBatchHeader appends all of the header but the checksum.
func appendBatchHeader(dst []byte, codec Codec, b *Batch, raw int) []byte {
	dst = append(dst, batchMagic...)
	dst = append(dst, batchVersion, byte(codec), 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, b.First)
	dst = binary.LittleEndian.AppendUint64(dst, b.Next)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(b.Count))
	return binary.LittleEndian.AppendUint32(dst, uint32(raw))
}

// checksum is that of a header and what stands for its payload.
func checksum(header, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(header[:batchChecked], castagnoli), castagnoli, payload)
}

// BatchDecoder reads batches. It is not safe for concurrent use. The zero value
// is ready; Close frees what it holds.
type BatchDecoder struct {
	zstd *zstd.Decoder
	// split is the memory of split runs.
	split []byte
}

// BatchRaw returns how many octets the data of a "batch" frame says that its records have,
// MaxBatchRaw at most.
func BatchRaw(data []byte) int {
	if len(data) < batchHeaderLen {
		return 0
	}
	return int(min(binary.LittleEndian.Uint32(data[28:]), MaxBatchRaw))
}

// Decode reads the data of a "batch" frame. It allocates no more than
// MaxBatchRaw octets whatever data says. Records are decompressed into buf, which
// is grown where it is too short, and alias it; where the payload was not
// compressed they are copied into it.
//
// Decode checks sizes and checksum; that each record holds an event is for the
// caller to see.
func (d *BatchDecoder) Decode(data, buf []byte) (Batch, error) {
	var b Batch
	if len(data) < batchHeaderLen || string(data[:4]) != batchMagic {
		return b, ErrBatchHeader
	}
	if data[4] != batchVersion {
		return b, ErrBatchVersion
	}
	if data[6] != 0 || data[7] != 0 {
		return b, ErrBatchHeader
	}
	b.First = binary.LittleEndian.Uint64(data[8:])
	b.Next = binary.LittleEndian.Uint64(data[16:])
	count := binary.LittleEndian.Uint32(data[24:])
	raw := binary.LittleEndian.Uint32(data[28:])
	crc := binary.LittleEndian.Uint32(data[32:])
	// The shortest record is its length octet.
	if raw > MaxBatchRaw || count == 0 || count > raw || b.Next < b.First || b.Next-b.First < uint64(count) {
		return b, ErrBatchSize
	}
	b.Count = int(count)
	codec, payload := Codec(data[5]), data[batchHeaderLen:]
	if codec == CodecPacked && checksum(data, payload) != crc {
		return b, ErrBatchChecksum
	}
	records, err := d.decompress(codec, payload, buf[:0], int(raw))
	if err != nil {
		return b, err
	}
	if len(records) != int(raw) {
		return b, ErrBatchSize
	}
	if codec != CodecPacked && checksum(data, records) != crc {
		return b, ErrBatchChecksum
	}
	b.Records = records
	return b, nil
}

func (d *BatchDecoder) decompress(codec Codec, payload, buf []byte, raw int) ([]byte, error) {
	switch codec {
	case CodecNone:
		if len(payload) != raw {
			return nil, ErrBatchSize
		}
		return append(buf, payload...), nil
	case CodecS2:
		if n, err := s2.DecodedLen(payload); err != nil || n != raw {
			return nil, ErrBatchSize
		}
		records, err := s2.Decode(buf[:cap(buf)], payload)
		if err != nil {
			return nil, ErrBatchPayload
		}
		return records, nil
	case CodecPacked:
		return d.unpack(payload, buf, raw)
	case CodecZstd, CodecSplit:
		z, err := d.decoder()
		if err != nil {
			return nil, err
		}
		if codec == CodecZstd {
			records, err := z.DecodeAll(payload, buf)
			if err != nil {
				return nil, ErrBatchPayload
			}
			return records, nil
		}
		if d.split, err = z.DecodeAll(payload, d.split[:0]); err != nil {
			return nil, ErrBatchPayload
		}
		records, err := join(buf, d.split, raw)
		if cap(d.split) > maxKeptSplit {
			d.split = nil
		}
		if errors.Is(err, errNotSplit) {
			err = ErrBatchPayload
		}
		return records, err
	}
	return nil, ErrBatchHeader
}

// decoder returns the one of Zstandard, which is made on demand.
func (d *BatchDecoder) decoder() (*zstd.Decoder, error) {
	if d.zstd == nil {
		var err error
		d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(MaxBatchRaw), zstd.WithDecoderMaxWindow(MaxBatchRaw))
		if err != nil {
			return nil, fmt.Errorf("start zstd decoder: %w", err)
		}
	}
	return d.zstd, nil
}

// Close frees what the decoder holds.
func (d *BatchDecoder) Close() {
	if d.zstd != nil {
		d.zstd.Close()
		d.zstd = nil
	}
}
