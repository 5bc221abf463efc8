package spool

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"time"

	"github.com/syslane/syslane/internal/vfs"
)

// errNotSmaller: a segment is left as it is, for rewriting it would save nothing.
var errNotSmaller = errors.New("would not become smaller")

// rewriter rewrites full segments, one after the other. What it holds in memory
// is given back when nothing is left to do.
type rewriter struct {
	l     *Log
	sc    scanner
	dec   decompressor
	comp  *compressor
	index indexBuilder
	// rest is called after each piece of work with the time that it took; its
	// error ends the work.
	rest func(worked time.Duration) error

	// The block that is being put together.
	hdr   blockHeader
	raw   []byte
	notes []byte
	enc   []byte
	check decompressor

	// The file that is being written.
	file   vfs.File
	end    int64
	synced int64
}

func (l *Log) newRewriter(rest func(time.Duration) error) (*rewriter, error) {
	comp, err := newRecompressor()
	if err != nil {
		return nil, err
	}
	return &rewriter{
		l: l, comp: comp, rest: rest, sc: scanner{salt: l.salt},
		index: indexBuilder{salt: l.salt, summarize: l.cfg.Summarize},
	}, nil
}

func (r *rewriter) close() {
	r.comp.close()
	r.dec.close()
	r.check.close()
}

// improve rewrites a segment, where that is worth it and the segment is whole,
// and gives it an index.
func (r *rewriter) improve(s *segment, bound uint64) error {
	l := r.l
	f, err := l.openSegment(s)
	if err != nil || f == nil {
		return err
	}
	defer f.Close()
	if s.headerLen == 0 {
		// Without a header nothing says which state of the segment this is.
		l.finished(s, nil, 0)
		return nil
	}
	if s.rewritten == 0 {
		to, err := r.rewrite(f, s, bound)
		switch {
		case err == nil:
			if swapped, err := l.replace(s, to); err != nil || !swapped {
				return err
			}
			s = to
		case errors.Is(err, ErrCorrupt):
			l.cfg.Logger.Warn().Err(err).Str("segment", s.path).Msg("segment with damage is not rewritten")
			fallthrough
		case errors.Is(err, errNotSmaller):
			if err := r.survey(f, s, bound); err != nil {
				return err
			}
		default:
			return err
		}
	} else if err := r.survey(f, s, bound); err != nil {
		return err
	}
	return r.writeIndex(s)
}

// writeIndex writes the index that was collected.
func (r *rewriter) writeIndex(s *segment) error {
	l := r.l
	data := r.index.encode(indexKey{l.id, s.first, s.rewritten, s.end})
	tmp, err := vfs.WriteTemp(l.cfg.FS, indexPath(s.path), data, filePerm)
	if err != nil {
		return fmt.Errorf("write index of %s: %w", s, err)
	}
	l.swap.Lock()
	defer l.swap.Unlock()
	if !l.holds(s) {
		return l.cfg.FS.Remove(tmp)
	}
	// The index need not survive a crash: it can be made again.
	if err := l.cfg.FS.Rename(tmp, indexPath(s.path)); err != nil {
		return fmt.Errorf("write index of %s: %w", s, err)
	}
	l.stats.indexed.Add(1)
	l.finished(s, r.index.marks, int64(len(data)))
	return nil
}

// finished notes that nothing is left to do for a segment. size is that of its
// index.
func (l *Log) finished(s *segment, marks []mark, size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes.Add(size - s.index)
	s.index, s.done = size, true
	l.countUnrewritten()
	if len(s.marks) == 0 {
		s.marks = thin(marks)
	}
}

// blocks calls visit for each block of a segment in order; records are valid until
// it returns. The error is ErrCorrupt where there is damage, which damaged can
// pass over.
func (r *rewriter) blocks(f vfs.File, s *segment, bound uint64, damaged func(stretch) error,
	visit func(off int64, h *blockHeader, records, notes []byte) error) error {
	r.sc.reset(f)
	next := s.first
	for off := s.headerLen; off < s.end; {
		h, err := r.sc.header(off, s.end)
		if err == nil && (h.first > bound || h.first == bound && h.count > 0) {
			return nil // the rest of a write that failed; a block at the bound may be of notes only
		}
		to := s.end
		if err == nil {
			to = off + h.size()
			var stored, records, notes []byte
			if h.first < next || h.next() > bound {
				err = ErrCorrupt
			} else if stored, notes, err = r.sc.body(off, &h, s.end); err == nil {
				records, err = r.dec.decompress(&h, stored)
			}
			if err == nil {
				if err := visit(off, &h, records, notes); err != nil {
					return err
				}
				off, next = to, h.next()
				continue
			}
		} else if errors.Is(err, ErrCorrupt) {
			var rerr error
			if to, rerr = r.sc.resync(off+1, s.end, next, bound); rerr != nil {
				return rerr
			}
		}
		if !errors.Is(err, ErrCorrupt) {
			return fmt.Errorf("read %s at offset %d: %w", s, off, err)
		}
		if err := damaged(stretch{from: off, to: to}); err != nil {
			return fmt.Errorf("%s at offset %d: %w", s, off, err)
		}
		off = to
	}
	return nil
}

// survey collects the index of a segment that stays as it is.
func (r *rewriter) survey(f vfs.File, s *segment, bound uint64) error {
	r.index.reset()
	start := time.Now()
	passOver := func(stretch) error { return nil }
	return r.blocks(f, s, bound, passOver, func(off int64, h *blockHeader, records, _ []byte) error {
		r.index.add(off, h, records)
		err := r.rest(time.Since(start))
		start = time.Now()
		return err
	})
}

// rewrite writes the blocks of a segment, merged, to a temporary file and makes
// that durable. Every octet of the segment has to verify: ErrCorrupt, and
// nothing is left behind.
func (r *rewriter) rewrite(f vfs.File, s *segment, bound uint64) (to *segment, err error) {
	l := r.l
	header, err := readSegmentHeader(f, true)
	if err != nil {
		return nil, err
	}
	if header.flags != s.flags {
		return nil, fmt.Errorf("checkpoint of %s: %w", s, ErrCorrupt)
	}
	if l.limits.Load().MinFree >= 0 {
		if free, err := l.cfg.FS.DiskFree(l.cfg.Dir); err != nil || free < uint64(l.limits.Load().MinFree+s.end) {
			return nil, errors.Join(err, fmt.Errorf("rewrite %s: too little space is free", s))
		}
	}
	header.rewritten = max(l.cfg.Now().UnixNano(), 1)
	path := s.path + tempSuffix
	if err := l.cfg.FS.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if r.file, err = l.cfg.FS.Create(path, filePerm); err != nil {
		return nil, fmt.Errorf("rewrite %s: %w", s, err)
	}
	defer func() {
		err = errors.Join(err, r.file.Close())
		if err != nil {
			err = errors.Join(err, l.cfg.FS.Remove(path))
		}
	}()
	r.index.reset()
	r.resetBlock(0)
	r.end, r.synced = 0, 0
	if err := r.write(header.encode()); err != nil {
		return nil, err
	}
	refuse := func(stretch) error { return ErrCorrupt }
	err = r.blocks(f, s, bound, refuse, func(_ int64, h *blockHeader, records, notes []byte) error {
		if !r.fits(h) {
			if err := r.flush(); err != nil {
				return err
			}
		}
		r.merge(h, records, notes)
		return nil
	})
	if err == nil {
		err = r.flush()
	}
	if err != nil {
		return nil, err
	}
	if r.end >= s.end-s.end/16 {
		return nil, errNotSmaller
	}
	if err := r.file.Sync(); err != nil {
		return nil, fmt.Errorf("rewrite %s: %w", s, err)
	}
	return &segment{
		first: s.first, path: s.path, headerLen: s.headerLen, created: s.created, flags: s.flags,
		rewritten: header.rewritten, end: r.end, next: s.next, sealed: true,
		marks: thin(r.index.marks), index: s.index,
	}, nil
}

func (r *rewriter) resetBlock(first uint64) {
	r.hdr = blockHeader{first: first, minTime: math.MaxInt64, maxTime: math.MinInt64, appended: math.MinInt64}
	r.raw, r.notes = r.raw[:0], r.notes[:0]
}

func (r *rewriter) empty() bool { return len(r.raw) == 0 && len(r.notes) == 0 }

// fits reports whether a block may join those that are being merged. Across a gap
// in the positions none does.
func (r *rewriter) fits(h *blockHeader) bool {
	return r.empty() || h.first == r.hdr.next() &&
		len(r.raw)+int(h.raw) <= mergedBlock && len(r.notes)+int(h.notes) <= maxBlockNotes
}

// merge copies a block. The time of the merged one is that of its newest, so that
// nothing in it was written later.
func (r *rewriter) merge(h *blockHeader, records, notes []byte) {
	if r.empty() {
		r.resetBlock(h.first)
	}
	if h.count > 0 || r.hdr.count == 0 {
		if r.hdr.count == 0 { // times of notes alone do not count beside those of records
			r.hdr.minTime, r.hdr.maxTime = h.minTime, h.maxTime
		}
		r.hdr.minTime = min(r.hdr.minTime, h.minTime)
		r.hdr.maxTime = max(r.hdr.maxTime, h.maxTime)
	}
	r.hdr.join(int(h.count), h.flags&flagAsIs != 0)
	r.hdr.appended = max(r.hdr.appended, h.appended)
	r.hdr.count += h.count
	r.raw = append(r.raw, records...)
	r.notes = append(r.notes, notes...)
}

// flush compresses the merged block, reads it back, and writes it.
func (r *rewriter) flush() error {
	if r.empty() {
		return nil
	}
	start := time.Now()
	h := &r.hdr
	h.raw, h.notes = uint32(len(r.raw)), uint32(len(r.notes))
	r.enc = append(r.enc[:0], make([]byte, blockHeaderSize)...)
	if r.enc, h.codec = r.comp.compress(r.enc, r.raw); h.codec == codecNone {
		r.enc = append(r.enc, r.raw...)
	}
	h.stored = uint32(len(r.enc) - blockHeaderSize)
	// The original goes for good: what replaces it must be it.
	back, err := r.check.decompress(h, r.enc[blockHeaderSize:])
	if err != nil || !bytes.Equal(back, r.raw) {
		return errors.Join(err, fmt.Errorf("recompressed block at position %d is not what it was", h.first))
	}
	r.enc = append(r.enc, r.notes...)
	h.body = crc32.Update(r.l.salt, castagnoli, r.enc[blockHeaderSize:])
	h.encode(r.enc, r.l.salt)
	r.index.add(r.end, h, r.raw)
	if err := r.write(r.enc); err != nil {
		return err
	}
	r.resetBlock(h.next())
	return r.rest(time.Since(start))
}

// write appends to the file, and syncs it now and then.
func (r *rewriter) write(b []byte) error {
	if _, err := r.file.WriteAt(b, r.end); err != nil {
		return fmt.Errorf("write rewritten segment: %w", err)
	}
	r.end += int64(len(b))
	if r.end-r.synced >= rewriteSync {
		r.synced = r.end
		if err := r.file.Datasync(); err != nil {
			return fmt.Errorf("sync rewritten segment: %w", err)
		}
	}
	return nil
}

// replace puts the temporary file of a rewritten segment in the place of the
// segment. false: that was deleted meanwhile.
func (l *Log) replace(s, to *segment) (bool, error) {
	tmp := s.path + tempSuffix
	l.swap.Lock()
	if !l.holds(s) {
		l.swap.Unlock()
		return false, l.cfg.FS.Remove(tmp)
	}
	if err := l.cfg.FS.Rename(tmp, s.path); err != nil {
		l.swap.Unlock()
		return false, errors.Join(fmt.Errorf("replace %s: %w", s, err), l.cfg.FS.Remove(tmp))
	}
	l.mu.Lock()
	list := append([]*segment(nil), l.segments...)
	for i := range list {
		if list[i] == s {
			list[i] = to
			to.next = s.next
			l.bytes.Add(to.end - s.end)
		}
	}
	l.setSegments(list)
	l.mu.Unlock()
	l.swap.Unlock()
	l.stats.rewritten.Add(1)
	l.cfg.Logger.Debug().Str("segment", s.path).Int64("octets", to.end).Int64("before", s.end).Msg("segment rewritten")
	l.wakeAppenders()
	// Until this is durable a crash brings the old file back, which is as good.
	if err := l.cfg.FS.SyncDir(l.cfg.Dir); err != nil {
		return true, fmt.Errorf("sync folder of %s: %w", s, err)
	}
	return true, nil
}

// holds reports whether a segment is part of the log.
func (l *Log) holds(s *segment) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.holdsLocked(s)
}

func (l *Log) holdsLocked(s *segment) bool {
	for _, other := range l.segments {
		if other == s {
			return true
		}
	}
	return false
}
