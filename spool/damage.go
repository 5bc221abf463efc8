package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/syslane/syslane/internal/vfs"
)

// damage counts a damaged stretch, once per run of the process whoever meets it,
// and keeps a copy of it beside the segment.
func (l *Log) damage(s *segment, f vfs.File, b stretch) {
	l.mu.Lock()
	known := s.damaged[b.from]
	if !known {
		if s.damaged == nil {
			s.damaged = make(map[int64]bool)
		}
		s.damaged[b.from] = true
	}
	l.mu.Unlock()
	if known {
		return
	}
	l.stats.damagedStretches.Add(1)
	l.stats.damagedOctets.Add(uint64(b.to - b.from))
	l.stats.damagedRecords.Add(b.missing)
	kept, err := l.quarantine(s, f, b)
	l.cfg.Logger.Error().AnErr("quarantine", err).Str("segment", filepath.Base(s.path)).
		Int64("offset", b.from).Int64("octets", b.to-b.from).Uint64("records", b.missing).
		Str("kept", kept).Msg("damaged block passed over")
}

// quarantine copies a stretch to <segment>.<offset>.bad. The first maxQuarantine
// octets will do: the segment itself stays as long as any other.
func (l *Log) quarantine(s *segment, f vfs.File, b stretch) (name string, err error) {
	if l.stats.quarantined.Load() >= maxQuarantined {
		return "", nil
	}
	path := fmt.Sprintf("%s.%d%s", s.path, b.from, badSuffix)
	if _, err := l.cfg.FS.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return filepath.Base(path), err
	}
	n := min(b.to-b.from, maxQuarantine)
	sc := &scanner{r: f, salvage: true}
	buf, err := sc.bytes(b.from, int(n), b.from+n)
	if err != nil {
		return "", err
	}
	if err := vfs.WriteFileAtomic(l.cfg.FS, path, buf, filePerm); err != nil {
		return "", err
	}
	l.stats.quarantined.Add(1)
	return filepath.Base(path), nil
}

// lost follows the finding that the file of a segment is gone: someone deleted
// it. Its records are missing; the log goes on after it.
func (l *Log) lost(s *segment) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, other := range l.segments {
		if other != s {
			continue
		}
		if i == len(l.segments)-1 {
			return fmt.Errorf("read %s, which is being written: %w", s, fs.ErrNotExist)
		}
		next := l.segments[i+1].first
		l.setSegments(append(l.segments[:i:i], l.segments[i+1:]...))
		l.bytes.Add(-s.end - s.index)
		l.stats.lostSegments.Add(1)
		l.cfg.Logger.Error().Str("segment", s.path).Uint64("first", s.first).Uint64("next", next).
			Msg("segment is gone: its records are missing")
		return nil
	}
	return nil // deleted in order, between finding and opening it
}
