package pipeline

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"sync"

	"github.com/syslane/syslane/inputs"
)

// The bounds of the memory for tails, and of their part of a checkpoint (4 MiB
// and what names them). Where there are too many hashes long tails are shortened first,
// but not below keptTail, the window that RELP peers have by default. Then, and where
// there are too many tails, those that moved longest ago are forgotten. What is forgotten
// would be stored twice if it were sent again.
const (
	maxTails      = 4 << 10
	maxTailHashes = 512 << 10
	keptTail      = 128
)

// tails remembers the end of what each connection of a peer without numbers has
// brought (inputs.TailSink). As with streams its truth is the log: every batch
// carries the hashes of its messages as a note.
type tails struct {
	mu      sync.Mutex
	durable map[inputs.TailID]*tail
	// hashes counts those of all tails, clock the changes.
	hashes int
	clock  uint64
}

type tail struct {
	hashes []uint64
	// moved is when the tail was prolonged, by tails.clock.
	moved uint64
}

func newTails() tails { return tails{durable: make(map[inputs.TailID]*tail)} }

// SubmitTail implements inputs.TailSink.
func (p *Pipeline) SubmitTail(ctx context.Context, b *inputs.Batch, part inputs.TailPart) error {
	counters := p.metrics.of(b.Input)
	counters.receive(len(b.Frames)+part.Resent, len(b.Data)+part.ResentOctets)
	counters.redelivered.Add(float64(part.Resent))
	if len(part.Hashes) != len(b.Frames) {
		counters.drop(errPlaces, len(b.Frames))
		return errPlaces
	}
	note := p.buffers.get(0)
	*note = appendTail((*note)[:0], part.ID, part.Hashes)
	err := p.take(ctx, b, counters, *note)
	if err == nil {
		p.buffers.put(note) // after a failure it may still be the log's
	}
	return err
}

// Tails implements inputs.TailSink.
func (p *Pipeline) Tails(sender [16]byte) []inputs.Tail { return p.cfg.Streams.tails.of(sender) }

// ForgetTail implements inputs.TailSink. A restart may remember it until the next
// segment of the log begins.
func (p *Pipeline) ForgetTail(id inputs.TailID) { p.cfg.Streams.tails.forget(id) }

// TailSeed implements inputs.TailSink.
func (p *Pipeline) TailSeed() uint64 { return p.cfg.TailSeed }

func (t *tails) of(sender [16]byte) (found []inputs.Tail) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, known := range t.durable {
		if id.Sender == sender {
			// What stands in a slice of hashes never changes: it is added to or
			// copied.
			found = append(found, inputs.Tail{ID: id, Hashes: slices.Clip(known.hashes), Moved: known.moved})
		}
	}
	return found
}

func (t *tails) forget(id inputs.TailID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known := t.durable[id]; known != nil {
		t.hashes -= len(known.hashes)
		delete(t.durable, id)
	}
}

// prolong adds what has become durable. hashes are octets of the note.
func (t *tails) prolong(id inputs.TailID, hashes []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.durable[id]
	if known == nil {
		known = &tail{}
		t.durable[id] = known
	}
	t.clock++
	known.moved = t.clock
	known.hashes = slices.Grow(known.hashes, len(hashes)/8)
	for ; len(hashes) > 0; hashes = hashes[8:] {
		known.hashes = append(known.hashes, binary.LittleEndian.Uint64(hashes))
		t.hashes++
	}
	if len(known.hashes) >= 2*inputs.MaxTail {
		t.shorten(known, inputs.MaxTail, 2*inputs.MaxTail)
	}
	for len(t.durable) > maxTails || t.hashes > maxTailHashes {
		t.makeRoom()
	}
}

// shorten keeps the last n hashes, with room for room hashes in all.
func (t *tails) shorten(known *tail, n, room int) {
	if drop := len(known.hashes) - n; drop > 0 {
		known.hashes = append(make([]uint64, 0, room), known.hashes[drop:]...)
		t.hashes -= drop
	}
}

func (t *tails) makeRoom() {
	before := t.hashes
	if len(t.durable) <= maxTails {
		for _, known := range t.durable {
			n := max(len(known.hashes)/2, keptTail)
			t.shorten(known, n, n)
		}
		if t.hashes < before {
			return
		}
	}
	ids := t.inOrder()
	for _, id := range ids[:(len(ids)+7)/8] {
		t.hashes -= len(t.durable[id].hashes)
		delete(t.durable, id)
	}
}

// inOrder returns the tails, the one that moved last at the end.
func (t *tails) inOrder() []inputs.TailID {
	ids := make([]inputs.TailID, 0, len(t.durable))
	for id := range t.durable {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b inputs.TailID) int { return cmp.Compare(t.durable[a].moved, t.durable[b].moved) })
	return ids
}

// checkpoint appends all tails.
func (t *tails) checkpoint(dst []byte) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range t.inOrder() {
		dst = appendTail(dst, id, t.durable[id].hashes)
	}
	return dst
}

// tailTag begins the entry of a tail in a note or checkpoint: that of a mark whose
// key is longer than any may be (maxMarkKey). Behind it stand
//
//	sender   16 octets
//	number   uvarint
//	count    uvarint
//	hashes   8 octets each, little-endian
const tailTag = markTag + "\xc9\x01"

func appendTail(dst []byte, id inputs.TailID, hashes []uint64) []byte {
	if len(hashes) == 0 {
		return dst
	}
	dst = append(append(dst, tailTag...), id.Sender[:]...)
	dst = binary.AppendUvarint(dst, id.Number)
	dst = binary.AppendUvarint(dst, uint64(len(hashes)))
	dst = slices.Grow(dst, 8*len(hashes))
	for _, h := range hashes {
		dst = binary.LittleEndian.AppendUint64(dst, h)
	}
	return dst
}

func isTail(note []byte) bool {
	return strings.HasPrefix(string(note[:min(len(note), len(tailTag))]), tailTag)
}

func readTail(b []byte) (id inputs.TailID, hashes, rest []byte, err error) {
	b = bytes.TrimPrefix(b, []byte(tailTag))
	if len(b) < len(id.Sender) {
		return id, nil, nil, errBadNote
	}
	b = b[copy(id.Sender[:], b):]
	number, w := binary.Uvarint(b)
	if w <= 0 {
		return id, nil, nil, errBadNote
	}
	id.Number, b = number, b[w:]
	n, w := binary.Uvarint(b)
	if w <= 0 || n == 0 || n > uint64(len(b)-w)/8 {
		return id, nil, nil, errBadNote
	}
	b = b[w:]
	return id, b[:8*n], b[8*n:], nil
}
