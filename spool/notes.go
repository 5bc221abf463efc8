package spool

import (
	"errors"
	"fmt"
	"io/fs"
)

// Note is what Log.Notes gives back.
type Note struct {
	// Checkpoint says that Data is what Config.Checkpoint returned: the fold of
	// all notes before. Otherwise it is the note of one batch.
	Checkpoint bool
	// First is the position of the first record of the block that holds the note,
	// or of the segment that holds the checkpoint. The blocks of a full segment are
	// merged, and First is then that of the merged one.
	First uint64
	// Data is valid until the function returns.
	Data []byte
}

// Notes gives back, in the order of the log, what the owner needs to be in the
// state in which the log was left: the newest checkpoint that can be read, where
// there is one, and the notes of all batches after it. It is called before the
// first Append, so that Config.Checkpoint knows them. Notes in damaged blocks are
// lost.
func (l *Log) Notes(f func(Note) error) error {
	l.mu.RLock()
	from, head := l.notesFrom, l.head
	segments := make([]*segment, 0, len(l.segments))
	for _, s := range l.segments {
		if s.first >= from {
			segments = append(segments, s)
		}
	}
	l.mu.RUnlock()
	sc := &scanner{salt: l.salt}
	for i, s := range segments {
		bound := head
		if i+1 < len(segments) {
			bound = segments[i+1].first
		}
		if err := l.segmentNotes(sc, s, bound, s.first == from, f); err != nil {
			return fmt.Errorf("read notes of %s: %w", s, err)
		}
	}
	return nil
}

func (l *Log) segmentNotes(sc *scanner, s *segment, bound uint64, checkpoint bool, visit func(Note) error) error {
	f, err := l.openSegment(s)
	for err == nil && f == nil { // rewritten since it was listed
		l.mu.RLock()
		now := l.locate(s.first)
		l.mu.RUnlock()
		if now == nil || now.first != s.first {
			return nil // deleted
		}
		s = now
		f, err = l.openSegment(s)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted by hand: readers report it
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if checkpoint {
		h, err := readSegmentHeader(f, true)
		if err != nil && !errors.Is(err, ErrCorrupt) {
			return err
		}
		if h.flags&flagCheckpoint != 0 {
			if err := visit(Note{Checkpoint: true, First: s.first, Data: h.checkpoint}); err != nil {
				return err
			}
		}
	}
	l.mu.RLock()
	end := s.end
	l.mu.RUnlock()
	sc.reset(f)
	for off := s.headerLen; off < end; {
		h, err := sc.header(off, end)
		if errors.Is(err, ErrCorrupt) {
			if off, err = sc.resync(off+1, end, s.first, bound); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if h.first > bound || h.first == bound && h.count > 0 {
			break // but one without records at the bound has notes all the same
		}
		if h.notes > 0 {
			_, notes, err := sc.body(off, &h, end)
			if err != nil && !errors.Is(err, ErrCorrupt) {
				return err
			}
			for ok := true; len(notes) > 0 && ok; {
				var note []byte
				if note, notes, ok = nextRecord(notes); ok {
					if err := visit(Note{First: h.first, Data: note}); err != nil {
						return err
					}
				}
			}
		}
		off += h.size()
	}
	return nil
}

// findCheckpoint finds the newest segment whose checkpoint can be read.
func (l *Log) findCheckpoint() error {
	for i := len(l.segments) - 1; i >= 0; i-- {
		s := l.segments[i]
		if s.flags&flagCheckpoint == 0 {
			continue
		}
		f, err := l.cfg.FS.Open(s.path)
		if err != nil {
			return err
		}
		h, err := readSegmentHeader(f, true)
		f.Close()
		if err == nil && h.flags&flagCheckpoint != 0 {
			l.notesFrom = s.first
			return nil
		}
		if err != nil && !errors.Is(err, ErrCorrupt) {
			return err
		}
		l.cfg.Logger.Warn().Str("segment", s.path).Msg("checkpoint is damaged: an older one serves")
		// The next segment gets a good one. It cannot start where this one does.
		s.sealed = s.sealed || s.next > s.first
	}
	return nil
}
