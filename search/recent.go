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
	mu     sync.Mutex
	skips  map[recentKey][]byte
	octets int
}

// recentKey tells a block from all others: blocks are never changed, only merged.
type recentKey struct {
	first uint64
	count int
}

func (r *recent) get(b *blockInfo) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.skips[recentKey{b.First, b.Count}]
}

func (r *recent) put(b *blockInfo, skip []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.skips == nil || r.octets+len(skip) > maxRecent {
		// Most of it is of segments that have their index by now.
		r.skips, r.octets = make(map[recentKey][]byte), 0
	}
	key := recentKey{b.First, b.Count}
	r.octets += len(skip) - len(r.skips[key])
	r.skips[key] = skip
}

// summarize keeps skip data of a block that has been read.
func (v *viewReader) summarize(b *blockInfo, records []byte) {
	if v.summarizer == nil {
		v.summarizer = new(skipdata.Summarizer)
	}
	v.skip = v.summarizer.Append(v.skip[:0], records)
	v.log.local.recent.put(b, slices.Clone(v.skip))
}
