package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"

	"github.com/syslane/syslane/internal/vfs"
)

// The index of a full segment is a file beside it: where its blocks are, and the
// skip data that the owner of the log computed for each. All of it can be made
// again from the segment; an index that is missing, damaged, or of another state of
// the segment is as good as none.
const (
	indexHeaderSize = 80
	indexEntrySize  = 64

	// flagSkip, of an index: the owner computed skip data.
	flagSkip = 1
)

// indexKey says which state of which segment an index is of.
type indexKey struct {
	id        [16]byte
	first     uint64
	rewritten int64
	size      int64
}

// indexHeader is what an index starts with.
type indexHeader struct {
	indexKey
	flags  uint16
	blocks uint32
	sum    uint32 // of the entries
}

// skipPlace is where in the index the skip data of a block are.
type skipPlace struct {
	offset int64
	length uint32
	sum    uint32
}

func (h *indexHeader) encode(b []byte) {
	le := binary.LittleEndian
	b = b[:indexHeaderSize]
	copy(b, indexMagic)
	le.PutUint16(b[8:], formatVersion)
	le.PutUint16(b[10:], h.flags)
	le.PutUint32(b[12:], h.blocks)
	copy(b[16:], h.id[:])
	le.PutUint64(b[32:], h.first)
	le.PutUint64(b[40:], uint64(h.rewritten))
	le.PutUint64(b[48:], uint64(h.size))
	le.PutUint32(b[56:], h.sum)
	le.PutUint32(b[76:], crc32.Checksum(b[:76], castagnoli))
}

// decode reads a header. ErrCorrupt also for one of a later version: an index is
// made again, not kept.
func (h *indexHeader) decode(b []byte) error {
	le := binary.LittleEndian
	if len(b) < indexHeaderSize || string(b[:8]) != indexMagic ||
		crc32.Checksum(b[:76], castagnoli) != le.Uint32(b[76:]) || le.Uint16(b[8:]) != formatVersion {
		return ErrCorrupt
	}
	h.flags = le.Uint16(b[10:])
	h.blocks = le.Uint32(b[12:])
	copy(h.id[:], b[16:])
	h.first = le.Uint64(b[32:])
	h.rewritten = int64(le.Uint64(b[40:]))
	h.size = int64(le.Uint64(b[48:]))
	h.sum = le.Uint32(b[56:])
	if h.size < 0 || int64(h.blocks) > h.size/blockHeaderSize {
		return ErrCorrupt
	}
	return nil
}

// appendEntry writes what is known of a block.
func appendEntry(dst []byte, b *BlockInfo) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint64(dst, uint64(b.offset))
	dst = le.AppendUint64(dst, b.First)
	dst = le.AppendUint64(dst, uint64(b.MinTime))
	dst = le.AppendUint64(dst, uint64(b.MaxTime))
	dst = le.AppendUint64(dst, uint64(b.Appended))
	dst = le.AppendUint32(dst, uint32(b.Octets))
	dst = le.AppendUint32(dst, uint32(b.Raw))
	dst = le.AppendUint32(dst, uint32(b.Count))
	dst = le.AppendUint32(dst, b.skip.length)
	dst = le.AppendUint32(dst, b.skip.sum)
	return le.AppendUint32(dst, 0)
}

// decodeEntry reads an entry; the offset of its skip data is not in it.
func decodeEntry(b []byte) BlockInfo {
	le := binary.LittleEndian
	return BlockInfo{
		offset:   int64(le.Uint64(b)),
		First:    le.Uint64(b[8:]),
		MinTime:  int64(le.Uint64(b[16:])),
		MaxTime:  int64(le.Uint64(b[24:])),
		Appended: int64(le.Uint64(b[32:])),
		Octets:   int64(le.Uint32(b[40:])),
		Raw:      int(le.Uint32(b[44:])),
		Count:    int(le.Uint32(b[48:])),
		skip:     skipPlace{length: le.Uint32(b[52:]), sum: le.Uint32(b[56:])},
	}
}

// skipSum is the checksum of skip data: salted with the log and the block, so that
// those of another do not verify.
func skipSum(salt uint32, first uint64, skip []byte) uint32 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], first)
	return crc32.Update(crc32.Update(salt, castagnoli, b[:]), castagnoli, skip)
}

// indexBuilder collects the index of a segment.
type indexBuilder struct {
	salt      uint32
	summarize func(dst, records []byte) []byte
	entries   []byte
	skips     []byte
	marks     []mark
	blocks    uint32
}

func (x *indexBuilder) reset() {
	x.entries, x.skips, x.marks, x.blocks = x.entries[:0], x.skips[:0], nil, 0
}

// add takes a block at an offset.
func (x *indexBuilder) add(off int64, h *blockHeader, records []byte) {
	b := infoOf(off, h)
	if x.summarize != nil {
		n := len(x.skips)
		x.skips = x.summarize(x.skips, records)
		if len(x.skips)-n > MaxSkip {
			x.skips = x.skips[:n]
		}
		b.skip.length = uint32(len(x.skips) - n)
		b.skip.sum = skipSum(x.salt, h.first, x.skips[n:])
	}
	x.entries = appendEntry(x.entries, &b)
	x.marks = append(x.marks, mark{h.first, off})
	x.blocks++
}

// encode returns the file.
func (x *indexBuilder) encode(key indexKey) []byte {
	h := indexHeader{indexKey: key, blocks: x.blocks, sum: checksum(x.entries)}
	if x.summarize != nil {
		h.flags |= flagSkip
	}
	b := make([]byte, indexHeaderSize, indexHeaderSize+len(x.entries)+len(x.skips))
	h.encode(b)
	b = append(b, x.entries...)
	return append(b, x.skips...)
}

// openIndex opens the index of a segment and reads its header. ErrCorrupt where
// it is damaged or of another state of the segment.
func openIndex(fsys vfs.FS, segment string, key indexKey) (vfs.File, indexHeader, error) {
	var h indexHeader
	f, err := fsys.Open(indexPath(segment))
	if err != nil {
		return nil, h, err
	}
	var buf [indexHeaderSize]byte
	if err = readFull(f, buf[:], 0); err == nil {
		err = h.decode(buf[:])
	}
	if err == nil && h.indexKey != key {
		err = ErrCorrupt
	}
	if err != nil {
		f.Close()
		return nil, h, fmt.Errorf("index of %s: %w", segment, err)
	}
	return f, h, nil
}

// readIndex appends what the index of a segment says of its blocks to dst.
func readIndex(dst []BlockInfo, fsys vfs.FS, segment string, key indexKey) ([]BlockInfo, indexHeader, error) {
	f, h, err := openIndex(fsys, segment, key)
	if err != nil {
		return dst, h, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return dst, h, err
	}
	entries := int64(h.blocks) * indexEntrySize
	if size-indexHeaderSize < entries {
		return dst, h, fmt.Errorf("index of %s: %w", segment, ErrCorrupt)
	}
	buf := make([]byte, entries)
	if err := readFull(f, buf, indexHeaderSize); err != nil {
		return dst, h, err
	}
	if checksum(buf) != h.sum {
		return dst, h, fmt.Errorf("index of %s: %w", segment, ErrCorrupt)
	}
	at := indexHeaderSize + entries
	mark, end, next := len(dst), int64(segmentPrologue), h.first
	for ; len(buf) > 0; buf = buf[indexEntrySize:] {
		b := decodeEntry(buf)
		// Whoever reads the block goes by this, also for how much memory to take.
		if b.offset < end || b.Octets < blockHeaderSize || b.Octets > maxBlock || b.Octets > h.size-b.offset ||
			b.First < next || b.First > maxPosition || b.Raw > MaxBatch || b.Count > b.Raw {
			return dst[:mark], h, fmt.Errorf("index of %s: %w", segment, ErrCorrupt)
		}
		end, next = b.offset+b.Octets, b.First+uint64(b.Count)
		b.skip.offset = at
		if h.flags&flagSkip == 0 {
			b.skip = skipPlace{}
		}
		at += int64(b.skip.length)
		dst = append(dst, b)
	}
	return dst, h, nil
}

func (s *Segment) key(id [16]byte) indexKey { return indexKey{id, s.First, s.Rewritten, s.Size} }

// blocksFromIndex is Blocks without reading the segment. false: it has no index
// that can be used.
func (v *View) blocksFromIndex(dst []BlockInfo, s Segment) ([]BlockInfo, bool) {
	if !s.Sealed || s.header == 0 {
		return dst, false
	}
	mark := len(dst)
	dst, _, err := readIndex(dst, v.fsys, s.path, s.key(v.id))
	if err != nil {
		v.indexFailed(s, err)
		return dst[:mark], false
	}
	return dst, true
}

// FillSkip sets Skip of blocks that Blocks listed for a segment, as far as there
// are skip data for them; else it is nil. The data are read by it and
// share one buffer. The error is that of the disk; a damaged or missing index is
// none.
func (v *View) FillSkip(s Segment, blocks []BlockInfo) error {
	from, to := int64(math.MaxInt64), int64(0)
	for i := range blocks {
		blocks[i].Skip = nil
		if p := blocks[i].skip; p.length > 0 {
			from, to = min(from, p.offset), max(to, p.offset+int64(p.length))
		}
	}
	if from >= to || to-from > int64(len(blocks))*MaxSkip {
		return nil
	}
	f, _, err := openIndex(v.fsys, s.path, s.key(v.id))
	if err == nil {
		defer f.Close()
		buf := make([]byte, to-from)
		if err = readFull(f, buf, from); err == nil {
			for i := range blocks {
				p := blocks[i].skip
				if p.length == 0 {
					continue
				}
				skip := buf[p.offset-from:][:p.length:p.length]
				if skipSum(v.salt, blocks[i].First, skip) == p.sum {
					blocks[i].Skip = skip
				} else {
					err = ErrCorrupt
				}
			}
		}
	}
	if err != nil {
		if !unusable(err) {
			return fmt.Errorf("read index of %s: %w", s.path, err)
		}
		v.indexFailed(s, err)
	}
	return nil
}

// unusable tells damage, or absence, from an error of the disk.
func unusable(err error) bool {
	return errors.Is(err, ErrCorrupt) || errors.Is(err, fs.ErrNotExist) || isShort(err)
}

// indexFailed has the index made again, where this process writes the log.
func (v *View) indexFailed(s Segment, err error) {
	if v.live != nil && unusable(err) {
		v.live.reindex(s.First, s.Rewritten)
	}
}
