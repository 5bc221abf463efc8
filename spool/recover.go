package spool

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/syslane/syslane/internal/vfs"
)

// orderSegments sorts the segments and fills what follows from their order.
func (l *Log) orderSegments() {
	slices.SortFunc(l.segments, func(a, b *segment) int { return cmp.Compare(a.first, b.first) })
	var total int64
	for i, s := range l.segments {
		total += s.end + s.index
		if i+1 < len(l.segments) {
			s.next = l.segments[i+1].first
		}
	}
	l.bytes.Store(total)
	l.setSegments(l.segments)
}

// recoverTail verifies the last segment, cuts its torn tail off, and finds the
// head. Then it loads the cursors, which may know of a later one.
func (l *Log) recoverTail() error {
	l.head = 1
	for len(l.segments) > 0 {
		last := l.segments[len(l.segments)-1]
		whole, err := l.recoverLast(last)
		if err != nil {
			return err
		}
		if whole {
			break
		}
		l.setSegments(l.segments[:len(l.segments)-1])
		l.bytes.Add(-last.end)
		l.head = max(l.head, last.first)
	}
	if n := len(l.segments); n > 0 {
		l.head = max(l.head, l.segments[n-1].next)
	}
	if err := l.findCheckpoint(); err != nil {
		return err
	}
	past, err := l.loadCursors()
	if err != nil {
		return err
	}
	if past > l.head {
		// A cursor has passed records that are no longer there. Their positions
		// are not given out again: who received them goes by positions.
		l.cfg.Logger.Warn().Uint64("head", l.head).Uint64("cursor", past).Uint64("records", past-l.head).
			Msg("records that had been delivered are gone from the end of the log")
		l.head = past
		if n := len(l.segments); n > 0 {
			l.segments[n-1].sealed = true
		}
	}
	return nil
}

// recoverLast verifies every block of the last segment. false: there was nothing
// in it, and it is gone.
func (l *Log) recoverLast(s *segment) (bool, error) {
	f, err := l.cfg.FS.OpenWrite(s.path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	size := s.end
	sc := &scanner{r: f, salt: l.salt, salvage: true}
	l.ageing.clock = s.created
	visit := func(off int64, h *blockHeader, _ []byte) error {
		l.ageing.clock = max(l.ageing.clock, h.appended)
		s.addMarks([]mark{{h.first, off}})
		return nil
	}
	end, next, bad, err := sc.walk(s.headerLen, size, s.first, visit)
	if err != nil {
		return false, err
	}
	if s.headerLen == 0 && end == 0 {
		return false, l.discard(s, sc)
	}
	for _, b := range bad {
		l.damage(s, f, b)
	}
	s.next = next
	// A segment whose own header is damaged is readable, but takes no more, and so one
	// that the disk did not give whole.
	s.sealed = s.headerLen == 0 || sc.unread
	if end == size {
		return true, nil
	}
	if sc.unread {
		l.leaveUnread(s, f, stretch{from: end, to: size})
		return true, nil
	}
	l.stats.tornOctets.Add(uint64(size - end))
	l.cfg.Logger.Info().Str("segment", s.path).Int64("offset", end).Int64("octets", size-end).
		Msg("torn tail cut off")
	s.end = end
	l.bytes.Add(end - size)
	err = f.Truncate(end)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		// Readers stop at end, and after a restart at the first position of
		// the next segment.
		l.cfg.Logger.Error().Err(err).Str("segment", s.path).Msg("cutting off a torn tail failed")
		// Without a record it is written over.
		s.sealed = s.sealed || next > s.first
	}
	return true, nil
}

// leaveUnread ends a last segment at a tail of which the disk did not give all: what
// is there may have been acknowledged, and nothing tells that it is torn. The file
// stays as it is for whoever can read it.
func (l *Log) leaveUnread(s *segment, f vfs.File, tail stretch) {
	l.damage(s, f, tail)
	s.end = tail.from
	s.done = true // rewriting would drop the tail
	l.bytes.Add(tail.from - tail.to)
	l.cfg.Logger.Error().Str("segment", s.path).Int64("offset", tail.from).Int64("octets", tail.to-tail.from).
		Msg("the end of the log cannot be read: it is left as it is, and the log goes on in another file")
}

// discard removes a last segment that has neither a header nor a block: power was
// lost while it was started, and nothing in it had been acknowledged. Should there
// be anything that looks like a block, it is set aside for whoever wants to
// look.
func (l *Log) discard(s *segment, sc *scanner) error {
	const search = 1 << 20
	b, err := sc.bytes(0, int(min(s.end, search)), s.end)
	if err == nil && !sc.unread && !bytes.Contains(b, []byte(blockMagic)) {
		return l.cfg.FS.Remove(s.path)
	}
	l.stats.quarantined.Add(1)
	return l.setAside(s.path)
}
