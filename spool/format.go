package spool

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// What follows is the format on disk, version 1. Everything is little endian.
// docs/SPOOL_FORMAT.md is its specification; the package comment draws it.
// Nothing here may change without a new version.

const (
	formatVersion = 1

	segmentMagic = "SLSEGMT\x1a"
	blockMagic   = "\xf1SB\x1a"
	cursorMagic  = "SLCURSR\x1a"
	indexMagic   = "SLINDEX\x1a"

	// segmentPrologue and blockHeaderSize and cursorSize are the same in every
	// version, with magic, version and checksum at the same place, so that a
	// later version is told from damage.
	segmentPrologue = 80
	blockHeaderSize = 64
	cursorSize      = 128
)

// Flags of a segment.
const (
	// flagCheckpoint: the header holds a checkpoint, if only an empty one.
	flagCheckpoint = 1 << iota
)

// Flags of a block.
const (
	// flagAsIs: Batch.AsIs was set for all records.
	flagAsIs = 1 << iota
)

// castagnoli is CRC-32C (RFC 3720 §12.1), which processors compute.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// saltOf is what the checksums of blocks and of skip data start from: they verify only
// within the log that wrote them. A record that imitates a block is not found by
// a scan of a damaged stretch, as its sender does not know the id.
func saltOf(id [16]byte) uint32 { return crc32.Checksum(id[:], castagnoli) }

// segmentHeader is what a segment starts with.
type segmentHeader struct {
	flags      uint16
	id         [16]byte
	first      uint64
	created    int64 // unix ns
	rewritten  int64 // unix ns; 0: as it was appended
	checkpoint []byte

	length int64 // of the whole header; set by decodePrologue
}

func (h *segmentHeader) encode() []byte {
	le := binary.LittleEndian
	b := make([]byte, segmentPrologue+len(h.checkpoint))
	copy(b, segmentMagic)
	le.PutUint16(b[8:], formatVersion)
	le.PutUint16(b[10:], h.flags)
	le.PutUint32(b[12:], uint32(len(b)))
	copy(b[16:], h.id[:])
	le.PutUint64(b[32:], h.first)
	le.PutUint64(b[40:], uint64(h.created))
	le.PutUint64(b[48:], uint64(h.rewritten))
	le.PutUint32(b[56:], uint32(len(h.checkpoint)))
	le.PutUint32(b[60:], crc32.Checksum(h.checkpoint, castagnoli))
	le.PutUint32(b[76:], crc32.Checksum(b[:76], castagnoli))
	copy(b[segmentPrologue:], h.checkpoint)
	return b
}

// decodePrologue reads the fixed part. sum is the checksum of the checkpoint.
func (h *segmentHeader) decodePrologue(b []byte) (sum uint32, err error) {
	le := binary.LittleEndian
	if len(b) < segmentPrologue || string(b[:8]) != segmentMagic {
		return 0, fmt.Errorf("segment header: %w", ErrCorrupt)
	}
	if crc32.Checksum(b[:76], castagnoli) != le.Uint32(b[76:]) {
		return 0, fmt.Errorf("segment header: %w", ErrCorrupt)
	}
	if v := le.Uint16(b[8:]); v != formatVersion {
		return 0, fmt.Errorf("segment of version %d: %w", v, ErrVersion)
	}
	h.flags = le.Uint16(b[10:])
	h.length = int64(le.Uint32(b[12:]))
	copy(h.id[:], b[16:])
	h.first = le.Uint64(b[32:])
	h.created = int64(le.Uint64(b[40:]))
	h.rewritten = int64(le.Uint64(b[48:]))
	size := int64(le.Uint32(b[56:]))
	if size > MaxCheckpoint || h.length != segmentPrologue+size || h.first == 0 || h.first > maxPosition {
		return 0, fmt.Errorf("segment header: %w", ErrCorrupt)
	}
	return le.Uint32(b[60:]), nil
}

// blockHeader is what a block starts with. The payload follows, as stored, and
// the notes after it.
type blockHeader struct {
	codec    codecID
	flags    uint16
	notes    uint32 // octets
	stored   uint32 // octets of the payload as it stands on disk
	raw      uint32 // octets of the payload decompressed
	count    uint32 // records
	first    uint64 // position of the first
	minTime  int64  // of the records, unix ns
	maxTime  int64
	appended int64  // when the block was written, unix ns
	body     uint32 // checksum of payload and notes
}

// size is that of the whole block.
func (h *blockHeader) size() int64 {
	return blockHeaderSize + int64(h.stored) + int64(h.notes)
}

func (h *blockHeader) next() uint64 { return h.first + uint64(h.count) }

// join sees to the flags when so many records are about to be counted.
func (h *blockHeader) join(count int, asIs bool) {
	switch {
	case count == 0:
	case !asIs:
		h.flags &^= flagAsIs
	case h.count == 0:
		h.flags |= flagAsIs
	}
}

// encode writes the header to b, of blockHeaderSize octets.
func (h *blockHeader) encode(b []byte, salt uint32) {
	le := binary.LittleEndian
	b = b[:blockHeaderSize]
	copy(b, blockMagic)
	b[4] = formatVersion
	b[5] = byte(h.codec)
	le.PutUint16(b[6:], h.flags)
	le.PutUint32(b[8:], h.notes)
	le.PutUint32(b[12:], h.stored)
	le.PutUint32(b[16:], h.raw)
	le.PutUint32(b[20:], h.count)
	le.PutUint64(b[24:], h.first)
	le.PutUint64(b[32:], uint64(h.minTime))
	le.PutUint64(b[40:], uint64(h.maxTime))
	le.PutUint64(b[48:], uint64(h.appended))
	le.PutUint32(b[56:], h.body)
	le.PutUint32(b[60:], crc32.Update(salt, castagnoli, b[:60]))
}

// decode reads a header from the start of b. ErrCorrupt where there is none,
// ErrVersion where there is a whole one that this version cannot read.
func (h *blockHeader) decode(b []byte, salt uint32) error {
	le := binary.LittleEndian
	if len(b) < blockHeaderSize || string(b[:4]) != blockMagic {
		return ErrCorrupt
	}
	b = b[:blockHeaderSize]
	if crc32.Update(salt, castagnoli, b[:60]) != le.Uint32(b[60:]) {
		return ErrCorrupt
	}
	if b[4] != formatVersion || b[5] >= codecCount {
		return fmt.Errorf("block of version %d, codec %d: %w", b[4], b[5], ErrVersion)
	}
	h.codec = codecID(b[5])
	h.flags = le.Uint16(b[6:])
	h.notes = le.Uint32(b[8:])
	h.stored = le.Uint32(b[12:])
	h.raw = le.Uint32(b[16:])
	h.count = le.Uint32(b[20:])
	h.first = le.Uint64(b[24:])
	h.minTime = int64(le.Uint64(b[32:]))
	h.maxTime = int64(le.Uint64(b[40:]))
	h.appended = int64(le.Uint64(b[48:]))
	h.body = le.Uint32(b[56:])
	if h.raw > MaxBatch || h.stored > h.raw || h.notes > maxBlockNotes ||
		h.count > h.raw || h.first == 0 || h.first > maxPosition ||
		h.codec == codecNone && h.stored != h.raw {
		return ErrCorrupt
	}
	return nil
}

// appendNote adds one note to those of a block.
func appendNote(dst, note []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(note)))
	return append(dst, note...)
}

// nextRecord splits the first record, or the first note, off a run. ok is false
// where the run is damaged.
func nextRecord(run []byte) (record, rest []byte, ok bool) {
	if len(run) > 0 && run[0] < 0x80 { // most runs of short records
		end := 1 + int(run[0])
		if end > len(run) {
			return nil, nil, false
		}
		return run[1:end:end], run[end:], true
	}
	n, w := binary.Uvarint(run)
	if w <= 0 || n > uint64(len(run)-w) {
		return nil, nil, false
	}
	end := w + int(n)
	return run[w:end:end], run[end:], true
}

// countRecords returns the number of records in run, and whether it consists of
// whole records only.
func countRecords(run []byte) (n int, ok bool) {
	for len(run) > 0 {
		if _, run, ok = nextRecord(run); !ok {
			return n, false
		}
		n++
	}
	return n, true
}

// skipRecords returns run without its first n records, nil where it has fewer.
func skipRecords(run []byte, n uint64) []byte {
	for ; n > 0; n-- {
		var ok bool
		if _, run, ok = nextRecord(run); !ok {
			return nil
		}
	}
	return run
}
