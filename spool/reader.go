package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"

	"github.com/syslane/syslane/internal/vfs"
)

// Block is a run of records as Reader.Next and View.Read return them.
type Block struct {
	// First is the position of the first record.
	First uint64
	// Count is the number of records. From a Reader it is 0 only where all that
	// is left up to the head is damaged: Missing says how much, First is the head.
	Count int
	// Records is the run: each record a uvarint length and that many octets.
	Records []byte
	// Packed is the run as it is stored, in place of Records, from a Reader that was
	// told to Pack; the zero Packed otherwise.
	Packed Packed
	// MinTime and MaxTime bound the times of the records as they were appended,
	// also where the block is trimmed. Nanoseconds since 1970.
	MinTime, MaxTime int64
	// Appended is when the block was written, in nanoseconds since 1970.
	Appended int64
	// Missing is the number of positions between the block before, or the
	// position the reader was given, and First: records that are damaged, or were
	// deleted before they were read.
	Missing uint64
}

// Next returns the position after the last record.
func (b *Block) Next() uint64 { return b.First + uint64(b.Count) }

// Reader reads the log in order from a position on. It is for one goroutine.
// It holds no lock while it reads the disk: one that is far behind slows neither
// the writer nor other readers. A segment that is rewritten while it reads it goes
// on as the file it opened.
type Reader struct {
	l    *Log
	pos  uint64 // next position to return
	seg  *segment
	file vfs.File
	off  int64 // in seg; where the next block starts
	sc   scanner
	dec  decompressor
	hot  []byte // records taken from the ring
	pack bool

	failures int   // read errors in a row at the same place
	failedAt int64 // that place
}

// NewReader returns a reader whose first record is that at pos, or the oldest
// kept if pos is before it. It is closed by its user.
func (l *Log) NewReader(pos uint64) *Reader {
	return &Reader{l: l, pos: max(pos, 1), sc: scanner{salt: l.salt}}
}

// Position returns the position that Next goes on at.
func (r *Reader) Position() uint64 { return r.pos }

// Seek makes Next go on at pos.
func (r *Reader) Seek(pos uint64) {
	r.closeSegment()
	r.pos = max(pos, 1)
}

// Close frees what the reader holds.
func (r *Reader) Close() error {
	r.closeSegment()
	r.dec.close()
	return nil
}

func (r *Reader) closeSegment() {
	if r.file != nil {
		r.file.Close()
	}
	r.file, r.seg = nil, nil
}

// Next returns the records of the next block, waiting for them to be appended.
// They are valid until the next call. A block that the reader's position lies
// within is returned from there on.
//
// Damage is passed over: it is counted in Stats, kept as a .bad file, and seen
// here as Block.Missing. An error of the disk is returned; a later call tries
// again, and after several takes what it cannot read as damage. Other errors are
// those of ctx, ErrClosed, and ErrVersion.
func (r *Reader) Next(ctx context.Context) (Block, error) {
	want := r.pos
	for {
		if err := ctx.Err(); err != nil {
			return Block{}, err
		}
		if b, ok := r.nextInMemory(); ok {
			b.Missing = b.First - want
			return b, nil
		}
		limit, bound, err := r.await(ctx, want)
		if errors.Is(err, errGrown) {
			continue
		}
		if err != nil {
			return Block{}, err
		}
		if limit == 0 {
			r.pos = bound
			return Block{First: bound, Missing: bound - want}, nil
		}
		b, ok, err := r.read(limit, bound)
		if err != nil {
			err = r.readFailed(err)
			if err != nil {
				return Block{}, err
			}
			continue
		}
		if ok {
			r.failures = 0
			b.Missing = b.First - want
			return b, nil
		}
	}
}

// errGrown: the log has grown while await waited, and the ring may have what is new.
var errGrown = errors.New("log has grown")

// await blocks until there is something to read for r.pos and opens its segment;
// errGrown where it had to wait.
// want is where r stood when Next was called.
// limit is how far the file may be read, bound the position at which the segment
// after it starts. limit 0: nothing up to bound, which is the head, can be read.
func (r *Reader) await(ctx context.Context, want uint64) (limit int64, bound uint64, err error) {
	l := r.l
	for {
		v := l.look(r.seg, r.pos)
		if v.closed {
			return 0, 0, ErrClosed
		}
		if r.seg == nil && v.seg != nil && r.pos < v.head {
			if err := r.open(v.seg, v.offset); err != nil {
				return 0, 0, err
			}
			continue
		}
		if r.seg != nil && r.off < v.end && r.pos < v.bound {
			return v.end, v.bound, nil
		}
		if r.seg != nil && v.more {
			// What the segment did not have is missing.
			r.pos = max(r.pos, v.bound)
			r.closeSegment()
			continue
		}
		if want < v.head {
			return 0, v.head, nil
		}
		if !r.pack {
			l.ring.want()
		}
		select {
		case <-v.grown:
			return 0, 0, errGrown
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case <-l.stop:
			return 0, 0, ErrClosed
		}
	}
}

// outlook is what the log looks like from a position.
type outlook struct {
	seg    *segment // that holds it
	offset int64    // in seg: where to start looking
	end    int64    // of seg, for readers
	bound  uint64   // first position after seg
	more   bool     // there is a segment after seg
	head   uint64
	grown  <-chan struct{} // closed when any of this has changed
	closed bool
}

// look returns the outlook from pos; the segment is s where one is given.
func (l *Log) look(s *segment, pos uint64) outlook {
	l.mu.RLock()
	defer l.mu.RUnlock()
	v := outlook{seg: s, head: l.head, bound: l.head, grown: l.grown, closed: l.closed}
	if s == nil {
		if v.seg = l.locate(pos); v.seg == nil {
			return v
		}
	}
	v.offset, v.end = v.seg.seek(pos), v.seg.end
	if next := l.following(v.seg); next != nil {
		v.bound, v.more = next.first, true
	}
	return v
}

// open opens a segment. Where it is gone the log is told, and where it was
// rewritten nothing happens: the caller looks again.
func (r *Reader) open(s *segment, offset int64) error {
	f, err := r.l.openSegment(s)
	if errors.Is(err, fs.ErrNotExist) {
		return r.l.lost(s)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", s, err)
	}
	if f == nil {
		return nil
	}
	if offset == s.headerLen && r.pos > s.first && r.l.markFromIndex(s) {
		r.l.mu.RLock()
		offset = s.seek(r.pos)
		r.l.mu.RUnlock()
	}
	r.seg, r.file, r.off = s, f, offset
	r.pos = max(r.pos, s.first)
	r.sc.reset(f)
	return nil
}

// read reads the block at r.off. false: nothing to return there; r.off or r.pos
// has moved.
func (r *Reader) read(limit int64, bound uint64) (Block, bool, error) {
	h, err := r.sc.header(r.off, limit)
	if err == nil && h.first >= bound {
		// The remains of a group that failed: the next segment has its positions.
		r.off = limit
		return Block{}, false, nil
	}
	if err == nil && h.next() <= r.pos {
		r.off += h.size()
		return Block{}, false, nil
	}
	if errors.Is(err, ErrCorrupt) {
		to, rerr := r.sc.resync(r.off+1, limit, r.seg.first, bound)
		if rerr != nil {
			return Block{}, false, rerr
		}
		return Block{}, false, r.damaged(to, limit, bound)
	}
	if err != nil {
		return Block{}, false, err
	}
	b := Block{
		First: h.first, Count: int(h.count), MinTime: h.minTime, MaxTime: h.maxTime, Appended: h.appended,
	}
	stored, _, err := r.sc.body(r.off, &h, limit)
	if err == nil && r.packs(&h) {
		b.Packed = Packed{Codec: h.codec.name(), Raw: int(h.raw), Octets: stored}
	} else if err == nil {
		b.Records, err = r.dec.decompress(&h, stored)
	}
	if errors.Is(err, ErrCorrupt) {
		r.l.damage(r.seg, r.file, stretch{r.off, r.off + h.size(), uint64(h.count)})
		r.off += h.size()
		return Block{}, false, nil
	}
	if err != nil {
		return Block{}, false, err
	}
	b.trim(r.pos)
	r.off += h.size()
	r.pos = h.next()
	return b, b.Count > 0, nil
}

// damaged passes over a stretch without a readable header.
func (r *Reader) damaged(to, limit int64, bound uint64) error {
	b := stretch{from: r.off, to: to}
	before, err := r.l.positionAt(&r.sc, r.seg, r.off)
	if err != nil {
		return err
	}
	after := bound
	if to < limit {
		h, err := r.sc.header(to, limit)
		if err != nil {
			return err
		}
		after = h.first
	}
	if after > before {
		b.missing = after - before
	}
	r.l.damage(r.seg, r.file, b)
	r.off = to
	return nil
}

// readFailed decides about an error of the disk: returned, until it has come so
// often at one place that what is there is taken as damaged.
func (r *Reader) readFailed(err error) error {
	if errors.Is(err, ErrVersion) {
		return fmt.Errorf("read %s at offset %d: %w", r.seg, r.off, err)
	}
	if r.off != r.failedAt {
		r.failedAt, r.failures = r.off, 0
	}
	r.failures++
	if r.failures < readAttempts {
		return fmt.Errorf("read %s at offset %d: %w", r.seg, r.off, err)
	}
	if r.failures > readAttempts {
		return fmt.Errorf("read %s at offset %d, page by page: %w", r.seg, r.off, err)
	}
	r.sc.reset(r.file)
	r.sc.salvage = true
	return nil
}

// positionAt returns the position after the last readable block before an
// offset of a segment.
func (l *Log) positionAt(sc *scanner, s *segment, at int64) (uint64, error) {
	l.mu.RLock()
	off, pos := s.headerLen, s.first
	for _, m := range s.marks {
		if m.offset < at {
			off, pos = m.offset, m.first
		}
	}
	l.mu.RUnlock()
	for off < at {
		h, err := sc.header(off, at)
		switch {
		case err == nil:
			off += h.size()
			pos = h.next()
		case errors.Is(err, ErrCorrupt):
			if off, err = sc.resync(off+1, at, s.first, math.MaxUint64); err != nil {
				return 0, err
			}
		default:
			return 0, err
		}
	}
	return pos, nil
}
