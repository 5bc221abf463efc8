package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/syslane/syslane/internal/vfs"
)

const (
	// idleRest and busyRest are how much longer than it works the rewriter rests.
	idleRest = 3
	busyRest = 39
	// busyRate is the octets of records a second from which on the log is busy.
	busyRate = 2 << 20
	// busyNotice is over what time that must have come at least.
	busyNotice = 100 * time.Millisecond
	// rewriteRetry is how long after an error of the disk rewriting is tried again.
	rewriteRetry = 5 * time.Minute
)

// recompresses reports whether full segments are rewritten.
func (l *Log) recompresses() bool {
	return l.cfg.Recompress == RecompressAlways || l.cfg.Recompress == RecompressArchive && l.cfg.KeepDelivered
}

// rewriteFull rewrites full segments and gives them an index, in the background,
// until the log is closed.
func (l *Log) rewriteFull() {
	defer l.maintenance.Done()
	var failing bool
	for {
		err := l.rewriteAll(l.pace())
		if errors.Is(err, ErrClosed) {
			return
		}
		var retry <-chan time.Time
		if err != nil {
			retry = time.After(rewriteRetry)
			if !failing {
				l.cfg.Logger.Warn().Err(err).Msg("full segments cannot be rewritten; tried again later")
			}
		} else if failing {
			l.cfg.Logger.Info().Msg("full segments can be rewritten again")
		}
		failing = err != nil
		select {
		case <-l.full:
		case <-retry:
		case <-l.stop:
			return
		}
	}
}

// pace returns what makes the rewriter rest: long while much is appended. It gives way
// to a burst as soon as that is noticed, and comes back when a second was quiet.
func (l *Log) pace() func(time.Duration) error {
	before, at := l.stats.rawOctets.Load(), time.Now()
	busy := true
	return func(worked time.Duration) error {
		now, passed := l.stats.rawOctets.Load(), time.Since(at)
		much := float64(now-before) > busyRate*max(passed, busyNotice).Seconds()
		if much || passed > time.Second {
			busy, before, at = much, now, time.Now()
		}
		rest := worked * idleRest
		if busy {
			rest = worked * busyRest
		}
		select {
		case <-time.After(rest):
			return nil
		case <-l.stop:
			return ErrClosed
		}
	}
}

// rewriteAll does what there is to do for all full segments, oldest first. An
// error with one does not keep it from the others.
func (l *Log) rewriteAll(rest func(time.Duration) error) error {
	var r *rewriter
	var errs []error
	for after := uint64(0); ; {
		s, bound := l.unfinished(after)
		if s == nil {
			return errors.Join(errs...)
		}
		after = s.first
		if l.indexed(s) {
			continue
		}
		if r == nil {
			var err error
			if r, err = l.newRewriter(rest); err != nil {
				return err
			}
			defer r.close()
		}
		err := r.improve(s, bound)
		switch {
		case errors.Is(err, ErrClosed):
			return err
		case errors.Is(err, fs.ErrNotExist): // deleted by hand: readers report it
		case err != nil:
			errs = append(errs, err)
		}
	}
}

// unfinished returns the first segment after a position for which there is
// something to do, and where the one after it starts.
func (l *Log) unfinished(after uint64) (*segment, uint64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for i := range max(len(l.segments)-1, 0) {
		s, bound := l.segments[i], l.segments[i+1].first
		if s.first > after && !s.done && bound > s.first {
			return s, bound
		}
	}
	return nil, 0
}

// indexed reports whether a segment, of an earlier run, has an index that will do.
func (l *Log) indexed(s *segment) bool {
	l.mu.RLock()
	size, key := s.index, l.keyOf(s)
	l.mu.RUnlock()
	if size == 0 || s.headerLen == 0 {
		return false
	}
	_, h, err := readIndex(nil, l.cfg.FS, s.path, key)
	if err != nil || h.flags&flagSkip == 0 && l.cfg.Summarize != nil {
		return false
	}
	l.finished(s, nil, size)
	return true
}

// keyOf returns what an index of a segment must say. l.mu is held.
func (l *Log) keyOf(s *segment) indexKey { return indexKey{l.id, s.first, s.rewritten, s.end} }

// reindex has the index of a segment made again.
func (l *Log) reindex(first uint64, rewritten int64) {
	l.mu.Lock()
	s := l.locate(first)
	again := s != nil && s.first == first && s.rewritten == rewritten && s.done && s.index > 0
	if again {
		l.bytes.Add(-s.index)
		s.index, s.done = 0, false
	}
	l.mu.Unlock()
	if again {
		select {
		case l.full <- struct{}{}:
		default:
		}
	}
}

// markFromIndex fills the marks of a segment of an earlier run from its index.
func (l *Log) markFromIndex(s *segment) bool {
	l.mu.RLock()
	usable, key := s.sealed && s.index > 0 && len(s.marks) == 0, l.keyOf(s)
	l.mu.RUnlock()
	if !usable {
		return false
	}
	infos, _, err := readIndex(nil, l.cfg.FS, s.path, key)
	if err != nil {
		return false
	}
	marks := make([]mark, len(infos))
	for i := range infos {
		marks[i] = mark{infos[i].First, infos[i].offset}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.marks = thin(marks)
	return true
}

// openSegment opens the file of a segment. nil and no error: it has been rewritten
// or deleted since it was looked up.
func (l *Log) openSegment(s *segment) (vfs.File, error) {
	l.swap.RLock()
	defer l.swap.RUnlock()
	if !l.holds(s) {
		return nil, nil
	}
	return l.cfg.FS.Open(s.path)
}

// matchIndexes notes the sizes of the indexes that were found at start, and
// removes those without a segment.
func (l *Log) matchIndexes(paths []string) error {
	for _, path := range paths {
		if _, ok := parseSegmentName(trimIndexSuffix(filepath.Base(path))); !ok {
			continue // not ours
		}
		var owner *segment
		for _, s := range l.segments {
			if indexPath(s.path) == path {
				owner = s
			}
		}
		if owner == nil {
			if err := l.cfg.FS.Remove(path); err != nil {
				return err
			}
			continue
		}
		info, err := l.cfg.FS.Stat(path)
		if err != nil {
			return fmt.Errorf("size of %s: %w", path, err)
		}
		owner.index = info.Size
	}
	return nil
}
