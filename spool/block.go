package spool

import (
	"hash/crc32"
	"math"
)

// block collects batches until it is full or the writer is free, is sealed
// (compressed and summed) by whoever closed it, and then written.
type block struct {
	buf   []byte // room for the header, then the records; nil until it is needed
	lent  []byte // the records where they are the caller's
	enc   []byte // room for the header, then the records compressed
	notes []byte
	out   []byte // once sealed: the block as it is written, less the header
	taken int64  // octets taken from batches
	hdr   blockHeader
	comp  *compressor
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

func (b *block) reset(comp *compressor) {
	b.comp = comp
	b.buf, b.notes, b.out, b.lent = b.buf[:0], b.notes[:0], nil, nil
	b.taken = 0
	b.hdr = blockHeader{minTime: math.MaxInt64, maxTime: math.MinInt64}
	b.t = &ticket{sealed: make(chan struct{}), done: make(chan struct{})}
}

// records returns what was added.
func (b *block) records() []byte {
	switch {
	case b.lent != nil:
		return b.lent
	case len(b.buf) == 0:
		return nil
	}
	return b.buf[blockHeaderSize:]
}

// raw returns the number of octets of records.
func (b *block) raw() int { return len(b.records()) }

// fits reports whether a batch may join those in b.
func (b *block) fits(batch *Batch, size int64) bool {
	return int64(b.raw()+len(batch.Records)) <= size &&
		len(b.notes)+len(batch.Note)+4 <= maxBlockNotes
}

// add copies a batch. size is that of blocks.
func (b *block) add(batch *Batch, size int64) {
	if len(b.buf) == 0 {
		if b.buf == nil {
			b.buf = make([]byte, 0, blockHeaderSize+size+size/8)
		}
		b.buf = b.buf[:blockHeaderSize]
	}
	b.buf = append(b.buf, batch.Records...)
	b.joined(batch)
}

// borrow makes the records of a batch those of b, until the batch's wait is over.
func (b *block) borrow(batch *Batch) {
	b.lent = batch.Records
	b.joined(batch)
}

// joined counts a batch whose records b has.
func (b *block) joined(batch *Batch) {
	if len(batch.Note) > 0 {
		b.notes = appendNote(b.notes, batch.Note)
	}
	b.taken += batch.octets()
	b.hdr.join(batch.Count, batch.AsIs)
	b.hdr.count += uint32(batch.Count)
	b.hdr.minTime = min(b.hdr.minTime, batch.MinTime)
	b.hdr.maxTime = max(b.hdr.maxTime, batch.MaxTime)
}

// seal makes b.out and all of the header but what only the writer knows.
func (b *block) seal(salt uint32) {
	raw := b.records()
	b.hdr.raw = uint32(len(raw))
	b.out = b.buf
	if c := b.comp; c.codec != codecNone {
		b.enc = grow(b.enc[:0], blockHeaderSize)
		if b.enc, b.hdr.codec = c.compress(b.enc[:blockHeaderSize], raw); b.hdr.codec != codecNone {
			b.out = b.enc
		}
	}
	inEnc := b.hdr.codec != codecNone
	if !inEnc && b.lent != nil {
		b.enc, inEnc = append(b.enc, raw...), true
		b.out = b.enc
	}
	b.hdr.stored = uint32(len(b.out) - blockHeaderSize)
	b.hdr.notes = uint32(len(b.notes))
	b.out = append(b.out, b.notes...)
	if inEnc {
		b.enc = b.out // it may have moved
	} else {
		b.buf = b.out
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
