package spool

import (
	"sync"
	"sync/atomic"
	"time"
)

// ringIdle is how long after the last reader stood at the head, or read from the
// ring, it is kept.
const ringIdle = 5 * time.Second

// ringBehind is for how long all readers may be behind the ring before it is no longer
// filled: of a burst that outruns them nothing would be left in it when they are there.
const ringBehind = 50 * time.Millisecond

// maxRingBlocks bounds the blocks of the ring, for they can be small.
const maxRingBlocks = 4096

// ring holds the records of the newest blocks, so that readers that keep up need
// neither the disk nor the decompression. It is filled only while there are such
// readers, and freed when there is none.
type ring struct {
	size int64
	used atomic.Int64 // unix ns: when a reader last had use for it
	// missed is when a reader last found nothing in it of what it reads next.
	missed atomic.Int64

	mu sync.RWMutex
	// Guarded by mu:
	buf    []byte // records, one block behind the other, going round
	end    int    // in buf, after the newest
	blocks []ringBlock
}

// ringBlock is a block whose records are buf[at:][:Records].
type ringBlock struct {
	Block
	at, length int
}

// want says that a reader has use for the ring.
func (g *ring) want() { g.used.Store(time.Now().UnixNano()) }

func (g *ring) wanted() bool {
	used := g.used.Load()
	return g.size > 0 && time.Now().UnixNano()-used < int64(ringIdle) && g.missed.Load()-used < int64(ringBehind)
}

// freeIdle gives the memory back when no reader has use for it.
func (g *ring) freeIdle() {
	if g.wanted() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.buf, g.blocks, g.end = nil, nil, 0
}

// add takes the blocks of a group that was written.
func (g *ring) add(group []*block) {
	if !g.wanted() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.buf == nil {
		g.buf = make([]byte, g.size)
	}
	for _, b := range group {
		if n := len(g.blocks); n > 0 && g.blocks[n-1].Next() != b.hdr.first {
			g.blocks, g.end = g.blocks[:0], 0 // there are none between
		}
		if b.hdr.count > 0 {
			g.push(b)
		}
	}
}

// push copies a block in place of the oldest. One that is larger than the ring
// leaves it empty.
func (g *ring) push(b *block) {
	raw := b.records()[:b.hdr.raw]
	if len(raw) > len(g.buf) {
		g.blocks, g.end = g.blocks[:0], 0
		return
	}
	from := g.end
	if from+len(raw) > len(g.buf) {
		g.evict(from, len(g.buf))
		from = 0
	}
	g.evict(from, from+len(raw))
	if len(g.blocks) == maxRingBlocks {
		g.drop(maxRingBlocks / 4)
	}
	g.end = from + copy(g.buf[from:], raw)
	g.blocks = append(g.blocks, ringBlock{Block{
		First: b.hdr.first, Count: int(b.hdr.count),
		MinTime: b.hdr.minTime, MaxTime: b.hdr.maxTime, Appended: b.hdr.appended,
	}, from, len(raw)})
}

// evict drops the blocks, from the oldest on, up to the last that overlaps with
// buf[from:to].
func (g *ring) evict(from, to int) {
	n := 0
	for n < len(g.blocks) && g.blocks[n].at < to && g.blocks[n].at+g.blocks[n].length > from {
		n++
	}
	g.drop(n)
}

func (g *ring) drop(n int) { g.blocks = g.blocks[n:] }

// get returns the block that holds pos with its records copied to buf. false: it is
// not in the ring.
func (g *ring) get(pos uint64, buf []byte) (Block, []byte, bool) {
	if g.size <= 0 {
		return Block{}, buf, false
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	lo, hi := 0, len(g.blocks)
	for lo < hi {
		if mid := (lo + hi) / 2; g.blocks[mid].Next() <= pos {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == len(g.blocks) || g.blocks[lo].First > pos {
		return Block{}, buf, false
	}
	b := &g.blocks[lo]
	buf = append(buf[:0], g.buf[b.at:][:b.length]...)
	block := b.Block
	block.Records = buf
	return block, buf, true
}

// nextInMemory returns the block at r.pos where it is in the ring.
func (r *Reader) nextInMemory() (b Block, ok bool) {
	if r.pack {
		return b, false // the ring has records only
	}
	l := r.l
	l.mu.RLock()
	head, closed := l.head, l.closed
	l.mu.RUnlock()
	if closed || r.pos >= head {
		return b, false
	}
	if b, r.hot, ok = l.ring.get(r.pos, r.hot); !ok || b.Next() > head {
		l.ring.missed.Store(time.Now().UnixNano())
		return b, false
	}
	l.ring.want()
	r.closeSegment() // what follows is in the ring too, as long as r keeps up
	b.trim(r.pos)
	r.pos = b.Next()
	return b, true
}

// trim cuts off the records before pos.
func (b *Block) trim(pos uint64) {
	if b.First < pos {
		b.Records = skipRecords(b.Records, pos-b.First)
		b.Count -= int(pos - b.First)
		b.First = pos
	}
}
