package spool

import (
	"hash/crc32"
	"io"
	"math"
)

// block collects batches until it is full or the writer is free, is sealed
// (compressed and summed) by whoever closed it, and then written.
type block struct {
	buf   []byte                // room for the header, then the records; nil until it is needed
	lent  []byte                // the records where they are the caller's
	enc   []byte                // room for the header, then the records compressed
	head  [blockHeaderSize]byte // the header where the records are written from lent
	notes []byte
	// pieces are, once sealed, what is written, one behind the other. The first begins
	// with room for the header.
	pieces [3][]byte
	taken  int64 // octets taken from batches
	hdr    blockHeader
	comp   *compressor
	t      *ticket
}

// ticket is what the appends of one block wait for. It is not reused, as they
// read it after the block has been.
type ticket struct {
	sealed chan struct{} // closed when block.pieces are ready
	done   chan struct{} // closed when the block is durable or has failed
	// Valid after done.
	first uint64
	err   error
}

func (b *block) reset(comp *compressor) {
	b.comp = comp
	b.buf, b.notes, b.lent, b.pieces = b.buf[:0], b.notes[:0], nil, [3][]byte{}
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

// seal makes b.pieces and all of the header but what only the writer knows.
func (b *block) seal(salt uint32) {
	raw := b.records()
	b.hdr.raw, b.hdr.notes = uint32(len(raw)), uint32(len(b.notes))
	own := &b.buf
	if c := b.comp; c.codec != codecNone {
		b.enc = grow(b.enc[:0], blockHeaderSize)
		if b.enc, b.hdr.codec = c.compress(b.enc[:blockHeaderSize], raw); b.hdr.codec != codecNone {
			own = &b.enc
		}
	}
	if b.lent != nil && b.hdr.codec == codecNone {
		b.pieces = [3][]byte{b.head[:], b.lent, b.notes}
	} else {
		*own = append(*own, b.notes...)
		b.pieces[0] = *own
	}
	b.hdr.stored = uint32(b.size() - blockHeaderSize - int64(len(b.notes)))
	b.hdr.body = crc32.Update(salt, castagnoli, b.pieces[0][blockHeaderSize:])
	for _, p := range b.pieces[1:] {
		b.hdr.body = crc32.Update(b.hdr.body, castagnoli, p)
	}
	close(b.t.sealed)
}

func (b *block) isSealed() bool {
	select {
	case <-b.t.sealed:
		return true
	default:
		return false
	}
}

// size is how many octets a sealed block takes in the file.
func (b *block) size() (octets int64) {
	for _, p := range b.pieces {
		octets += int64(len(p))
	}
	return octets
}

// writeTo writes a placed block at offset at.
func (b *block) writeTo(f io.WriterAt, at int64) error {
	for _, p := range b.pieces {
		if len(p) == 0 {
			continue
		}
		if _, err := f.WriteAt(p, at); err != nil {
			return err
		}
		at += int64(len(p))
	}
	return nil
}

// place gives a sealed block its position and time.
func (b *block) place(first uint64, now int64, salt uint32) {
	b.hdr.first, b.hdr.appended = first, now
	b.hdr.encode(b.pieces[0], salt)
}

// finish lets the appends of b return. After it b may be used again.
func (b *block) finish(err error) {
	b.t.first, b.t.err = b.hdr.first, err
	close(b.t.done)
}
