package search

import (
	"slices"
	"sync"

	"github.com/syslane/syslane/internal/skipdata"
)

// maxRecent bounds the octets of skip data that a Local makes itself.
const maxRecent = 32 << 20

// recent holds skip data of blocks that have none on disk yet, for their segment is
// not full, or has just become so. Whoever reads such a block makes them, so that
// the next search need not read it.
type recent struct {
	mu       sync.Mutex
	segments map[uint64]map[recentKey][]byte // by first position
	octets   int
}

// recentKey tells a block from all others: blocks are never changed, only merged.
type recentKey struct {
	first uint64
	count int
}

func keyOf(b *blockInfo) recentKey { return recentKey{b.First, b.Count} }

func (r *recent) get(segment uint64, b *blockInfo) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.segments[segment][keyOf(b)]
}

func (r *recent) put(segment uint64, b *blockInfo, skip []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.segments == nil || r.octets+len(skip) > maxRecent {
		r.segments, r.octets = make(map[uint64]map[recentKey][]byte), 0
	}
	blocks := r.segments[segment]
	if blocks == nil {
		blocks = make(map[recentKey][]byte)
		r.segments[segment] = blocks
	}
	r.octets += len(skip) - len(blocks[keyOf(b)])
	blocks[keyOf(b)] = skip
}

// forget drops what is held of segments that are not needed: they have an index by now,
// or are gone.
func (r *recent) forget(needed func(segment uint64) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for segment, blocks := range r.segments {
		if needed(segment) {
			continue
		}
		for _, skip := range blocks {
			r.octets -= len(skip)
		}
		delete(r.segments, segment)
	}
}

// summarize keeps skip data of a block that has been read.
func (v *viewReader) summarize(b *blockInfo, records []byte) {
	if v.summarizer == nil {
		v.summarizer = new(skipdata.Summarizer)
	}
	v.skip = v.summarizer.Append(v.skip[:0], records)
	v.log.local.recent.put(v.log.segments[b.segment].First, b, slices.Clone(v.skip))
}
