package spool

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/syslane/syslane/internal/vfs"
)

// Open opens the log in a folder, or makes one. It locks the folder (ErrLocked),
// finds out what the last run left, cuts off a torn tail, and is then ready for
// Append. It reads the headers of all segments and the blocks of the last one
// only. Damage is counted, logged and kept as .bad; it never makes Open fail.
// What does is an error of the file system, or a segment of a later version.
func Open(cfg Config) (*Log, error) {
	full, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	l, err := open(full, cfg)
	if err != nil {
		return nil, fmt.Errorf("open log %s: %w", cfg.Dir, vfs.Denied(err))
	}
	return l, nil
}

func open(cfg, given Config) (_ *Log, err error) {
	l := &Log{
		cfg:        cfg,
		given:      given,
		grown:      make(chan struct{}),
		cursors:    make(map[string]*Cursor),
		kick:       make(chan struct{}, 1),
		full:       make(chan struct{}, 1),
		stop:       make(chan struct{}),
		writerDone: make(chan struct{}),
	}
	l.setLimits(&cfg)
	l.ring.size = cfg.HotSize
	l.in.space = make(chan struct{})
	l.in.wake = make(chan struct{}, 1)
	l.in.uncork = time.AfterFunc(time.Hour, l.in.signal)
	l.in.uncork.Stop()
	if err := vfs.MkdirAllSync(cfg.FS, filepath.Join(cfg.Dir, cursorsDir), dirPerm); err != nil {
		return nil, err
	}
	l.lock, err = lockFolder(cfg.FS, filepath.Join(cfg.Dir, lockName))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			l.lock.Close()
		}
	}()
	codec, err := cfg.Codec.id()
	if err != nil {
		return nil, err
	}
	if l.comp, err = newCompressor(codec); err != nil {
		return nil, err
	}
	if err := l.recover(); err != nil {
		return nil, err
	}
	w, err := l.resume()
	if err != nil {
		return nil, err
	}
	go w.run()
	l.maintenance.Add(1)
	go l.maintain()
	if l.recompresses() {
		l.maintenance.Add(1)
		go l.rewriteFull()
	}
	return l, nil
}

// recover brings the folder into order and fills l.segments, l.head and
// l.cursors.
func (l *Log) recover() error {
	names, err := l.cfg.FS.List(l.cfg.Dir)
	if err != nil {
		return err
	}
	byID := map[[16]byte][]*segment{}
	var unknown []*segment // whose header is damaged
	var indexes []string
	for _, name := range names {
		path := filepath.Join(l.cfg.Dir, name)
		switch {
		case strings.HasSuffix(name, tempSuffix):
			if err := l.cfg.FS.Remove(path); err != nil {
				return err
			}
		case strings.HasSuffix(name, badSuffix):
			l.stats.quarantined.Add(1)
		case strings.HasSuffix(name, indexSuffix):
			indexes = append(indexes, path)
		}
		first, ok := parseSegmentName(name)
		if !ok {
			continue
		}
		s, id, err := l.readSegment(path, first)
		switch {
		case err != nil:
			return err
		case s == nil:
		case s.headerLen == 0:
			unknown = append(unknown, s)
		default:
			byID[id] = append(byID[id], s)
		}
	}
	if err := l.identify(byID); err != nil {
		return err
	}
	l.salt = saltOf(l.id)
	for id, segs := range byID {
		if id == l.id {
			l.segments = append(l.segments, segs...)
			continue
		}
		for _, s := range segs {
			l.cfg.Logger.Warn().Str("segment", s.path).Hex("log", id[:]).
				Msg("segment of another log left alone")
		}
	}
	l.segments = append(l.segments, unknown...)
	if err := l.matchIndexes(indexes); err != nil {
		return err
	}
	l.orderSegments()
	return l.recoverTail()
}

// readSegment reads the header of a segment at start. nil: there was nothing in
// it, and it is gone.
func (l *Log) readSegment(path string, first uint64) (*segment, [16]byte, error) {
	var none [16]byte
	f, err := l.cfg.FS.Open(path)
	if err != nil {
		return nil, none, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, none, err
	}
	if size == 0 {
		return nil, none, l.cfg.FS.Remove(path)
	}
	s := &segment{first: first, path: path, end: size, next: first, sealed: true}
	h, err := readSegmentHeader(f, false)
	switch {
	case errors.Is(err, ErrVersion):
		return nil, none, fmt.Errorf("%s: %w", path, err)
	case errors.Is(err, ErrCorrupt), err == nil && h.first != first:
		return s, none, nil
	case err != nil:
		return nil, none, fmt.Errorf("read header of %s: %w", path, err)
	}
	if h.length > size {
		return s, none, nil // torn while it was started: no block can follow
	}
	s.headerLen, s.created, s.flags, s.rewritten = h.length, h.created, h.flags, h.rewritten
	return s, h.id, nil
}

// identify reads the id of the log, mends it from its segments where it is
// missing, or makes one. Where no segment has the id of the file, that of most of them
// wins: someone may have copied the file.
func (l *Log) identify(ids map[[16]byte][]*segment) error {
	path := filepath.Join(l.cfg.Dir, idName)
	text, err := vfs.ReadFile(l.cfg.FS, path, 1<<10)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, vfs.ErrTooLarge) {
		return err
	}
	n, derr := hex.Decode(l.id[:], []byte(strings.TrimSpace(string(text)[:min(len(text), 33)])))
	known := err == nil && derr == nil && n == len(l.id)
	if known && (len(ids[l.id]) > 0 || len(ids) == 0) {
		return nil
	}
	most := 0
	for id, segs := range ids {
		n := len(segs)
		if n > most || n == most && string(id[:]) < string(l.id[:]) {
			most, l.id = n, id
		}
	}
	if most == 0 {
		rand.Read(l.id[:])
	} else {
		l.cfg.Logger.Warn().Hex("log", l.id[:]).Msg("identity of the log restored from its segments")
	}
	return vfs.WriteFileAtomic(l.cfg.FS, path, []byte(hex.EncodeToString(l.id[:])+"\n"), filePerm)
}

// resume returns the writer, ready to go on in the last segment or to start one.
func (l *Log) resume() (*writer, error) {
	w := newWriter(l)
	n := len(l.segments)
	if n == 0 {
		return w, nil
	}
	last := l.segments[n-1]
	if last.sealed {
		return w, nil
	}
	f, err := l.cfg.FS.OpenWrite(last.path)
	if err != nil {
		return nil, err
	}
	w.file, w.seg, w.end = f, last, last.end
	return w, nil
}
