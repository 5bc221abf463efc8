package spool

import (
	"hash/crc32"
	"math"
)

// block collects batches until it is full or the writer is free, is sealed
// (compressed and summed) by whoever closed it, and then written.
type block struct {
	buf   []byte // room for the header, then the records
	enc   []byte // room for the header, then the records compressed
	notes []byte
	out   []byte // once sealed: the block as it is written, less the header
	taken int64  // octets taken from batches
	hdr   blockHeader
	t     *ticket
}

// ticket is what the appends of one block wait for. It is not reused, as they
// read it after the block has been.
type ticket struct {
	sealed chan struct{} // closed when block.out is ready
	done   chan struct{} // closed when the block is durable or has failed
	// Valid after done.
	first uint64
	err   error
}

func newBlock(size int64) *block {
	return &block{buf: make([]byte, blockHeaderSize, blockHeaderSize+size+size/8)}
}

func (b *block) reset() {
	b.buf, b.notes, b.out = b.buf[:blockHeaderSize], b.notes[:0], nil
	b.taken = 0
	b.hdr = blockHeader{minTime: math.MaxInt64, maxTime: math.MinInt64}
	b.t = &ticket{sealed: make(chan struct{}), done: make(chan struct{})}
}

// raw returns the number of octets of records.
func (b *block) raw() int { return len(b.buf) - blockHeaderSize }

// fits reports whether a batch may join those in b.
func (b *block) fits(batch *Batch, size int64) bool {
	return int64(b.raw()+len(batch.Records)) <= size &&
		len(b.notes)+len(batch.Note)+4 <= maxBlockNotes
}

// add copies a batch.
func (b *block) add(batch *Batch) {
	b.buf = append(b.buf, batch.Records...)
	if len(batch.Note) > 0 {
		b.notes = appendNote(b.notes, batch.Note)
	}
	b.taken += batch.octets()
	b.hdr.count += uint32(batch.Count)
	b.hdr.minTime = min(b.hdr.minTime, batch.MinTime)
	b.hdr.maxTime = max(b.hdr.maxTime, batch.MaxTime)
}

// seal makes b.out and all of the header but what only the writer knows.
func (b *block) seal(c *compressor, salt uint32) {
	raw := b.buf[blockHeaderSize:]
	b.hdr.raw = uint32(len(raw))
	b.out = b.buf
	if c.codec != codecNone {
		if cap(b.enc) < blockHeaderSize {
			b.enc = make([]byte, blockHeaderSize, cap(b.buf))
		}
		if b.enc, b.hdr.codec = c.compress(b.enc[:blockHeaderSize], raw); b.hdr.codec != codecNone {
			b.out = b.enc
		}
	}
	b.hdr.stored = uint32(len(b.out) - blockHeaderSize)
	b.hdr.notes = uint32(len(b.notes))
	b.out = append(b.out, b.notes...)
	if b.hdr.codec == codecNone {
		b.buf = b.out // it may have moved
	} else {
		b.enc = b.out
	}
	b.hdr.body = crc32.Update(salt, castagnoli, b.out[blockHeaderSize:])
	close(b.t.sealed)
}

// place gives a sealed block its position and time.
func (b *block) place(first uint64, now int64, salt uint32) {
	b.hdr.first, b.hdr.appended = first, now
	b.hdr.encode(b.out, salt)
}

// finish lets the appends of b return. After it b may be used again.
func (b *block) finish(err error) {
	b.t.first, b.t.err = b.hdr.first, err
	close(b.t.done)
}
