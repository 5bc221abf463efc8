package spool

import (
	"errors"
	"io/fs"
	"sync/atomic"
	"time"
)

// quota is what keeps the log from growing beyond its bounds.
type quota struct {
	diskLow       atomic.Bool // less than Config.MinFree is free
	pressure      atomic.Bool // an Append waits, or was refused, for lack of room
	droppedNewest atomic.Uint64
	sealed        atomic.Int64 // number of segments but the last
	unrewritten   atomic.Int64 // octets of those that wait to be rewritten
	free          atomic.Int64 // octets of the file system; 0: not known
	// second is the first position of the second segment: a cursor that comes there
	// may let go of the oldest. 0: there is none.
	second atomic.Uint64
}

// orphan is a segment that is no longer part of the log but could not be removed.
type orphan struct {
	path string
	size int64
}

// isFull reports whether the log may not grow by so many octets. A log of one
// segment is never full: it has to become two before any can go.
func (l *Log) isFull(more int64) bool {
	if l.quota.diskLow.Load() {
		return true
	}
	most := l.limits.Load().MaxSize
	return most > 0 && l.quota.sealed.Load() > 0 && l.bytes.Load()+more > most
}

func (l *Log) kickMaintenance() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// maintain writes cursors, deletes segments and watches the space, in the
// background.
func (l *Log) maintain() {
	defer l.maintenance.Done()
	ticker := time.NewTicker(l.cfg.CursorInterval)
	defer ticker.Stop()
	var failing bool
	for {
		select {
		case <-ticker.C:
		case <-l.kick:
		case <-l.stop:
			return
		}
		err := l.syncCursors()
		if err != nil && !failing {
			l.cfg.Logger.Error().Err(err).Msg("cursors cannot be written: a crash now delivers again")
		} else if err == nil && failing {
			l.cfg.Logger.Info().Msg("cursors can be written again")
		}
		failing = err != nil
		l.retain()
		l.ring.freeIdle()
		l.in.freeIdle()
	}
}

// retain deletes what retention and space demand, as far as cursors allow. It wakes
// those that wait for room only where there is more: each asks for this again when it
// finds none.
func (l *Log) retain() {
	wasLow, more := l.quota.diskLow.Load(), false
	for {
		l.checkDisk()
		pressed := l.pressed()
		if l.removeOldest(pressed) {
			more = true
			continue
		}
		if !pressed && !l.quota.diskLow.Load() {
			l.relieve()
		}
		break
	}
	if more || wasLow && !l.quota.diskLow.Load() {
		l.wakeAppenders()
	}
}

// relieve ends the pressure, but while an append waits: it may have found the log full
// only now, and nobody else would say so again.
func (l *Log) relieve() {
	l.in.mu.Lock()
	defer l.in.mu.Unlock()
	if l.in.starving == 0 {
		l.quota.pressure.Store(false)
		l.in.wanted = 0
	}
}

// removeOldest deletes the oldest segment if it may go.
func (l *Log) removeOldest(pressed bool) bool {
	l.swap.Lock() // or what is being rewritten would be put back
	defer l.swap.Unlock()
	if !l.removeOrphans() {
		return false
	}
	s, dropped := l.expired(pressed)
	if s == nil {
		return false
	}
	if dropped {
		// First the counts: after a crash between, the segment is merely there
		// once more.
		if err := l.syncCursors(); err != nil {
			l.cfg.Logger.Error().Err(err).Msg("cursors cannot be written: nothing is dropped")
			return false
		}
	}
	l.delete(s, dropped)
	return true
}

// checkDisk looks at the free space of the file system.
func (l *Log) checkDisk() {
	minFree := l.limits.Load().MinFree
	if minFree < 0 {
		l.quota.diskLow.Store(false) // it may have been a bound before
		return
	}
	free, err := l.cfg.FS.DiskFree(l.cfg.Dir)
	if err != nil {
		l.cfg.Logger.Warn().Err(err).Msg("free space cannot be read")
		return
	}
	l.quota.free.Store(int64(min(free, 1<<62)))
	low := free < uint64(minFree)
	if l.quota.diskLow.Swap(low) != low {
		if low {
			l.cfg.Logger.Error().Uint64("free", free).Int64("min_free", minFree).
				Msg("the disk of the log is full: nothing is stored until more than min_free is free")
		} else {
			l.cfg.Logger.Info().Uint64("free", free).Msg("the disk of the log has room again")
		}
	}
}

// pressed reports whether the log should shrink, if it may: it is full, or near
// its bound, so that an append need not wait for a deletion. That others have filled the
// disk is no reason to forget what an archive holds, unless Full says so: they
// would fill what it gives back too.
func (l *Log) pressed() bool {
	bounds := l.limits.Load()
	if l.quota.diskLow.Load() && bounds.Full == FullDropOldest {
		return true
	}
	if bounds.MaxSize == 0 {
		return false
	}
	l.in.mu.Lock()
	pending, wanted := l.in.pending, l.in.wanted
	l.in.mu.Unlock()
	slack := min(bounds.SegmentSize/2, DefaultMaxPending)
	if bounds.Full == FullDropOldest {
		slack = 0 // not before an append has found the log full
		if l.quota.pressure.Load() {
			slack = bounds.SegmentSize / 2
		}
	}
	return l.bytes.Load()+pending+max(slack, wanted) > bounds.MaxSize
}

// expired takes the oldest segment off the log if it may go. dropped says that
// cursors have lost records by it.
func (l *Log) expired(pressed bool) (s *segment, dropped bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cursorsMu.Lock()
	defer l.cursorsMu.Unlock()
	if len(l.segments) < 2 {
		return nil, false
	}
	s, next := l.segments[0], l.segments[1]
	if l.cfg.Checkpoint != nil && s.first >= l.notesFrom {
		return nil, false
	}
	passed, bounds := true, l.limits.Load()
	for _, c := range l.cursors {
		passed = passed && c.durable >= next.first
	}
	switch {
	case passed && l.cfg.KeepDelivered:
		old := bounds.MaxAge > 0 && next.created > 0 &&
			l.cfg.Now().Sub(time.Unix(0, next.created)) > bounds.MaxAge
		if !old && !pressed {
			return nil, false
		}
	case passed && (len(l.cursors) > 0 || pressed && bounds.Full == FullDropOldest):
	case pressed && bounds.Full == FullDropOldest && l.quota.pressure.Load():
		for _, c := range l.cursors {
			if c.state.position < next.first {
				c.state.counts.Dropped += c.state.open(next.first)
				c.state.pass(c.state.position, next.first)
				c.touch()
			}
		}
		dropped = true
		l.stats.droppedOldest.Add(next.first - s.first)
	default:
		return nil, false
	}
	l.setSegments(l.segments[1:])
	return s, dropped
}

// delete removes the file of a segment that is no longer part of the log. Readers
// that have it open go on with it.
func (l *Log) delete(s *segment, dropped bool) {
	ev := l.cfg.Logger.Debug()
	if dropped {
		ev = l.cfg.Logger.Warn()
	}
	ev.Str("segment", s.path).Bool("dropped", dropped).Msg("segment deleted")
	if err := l.cfg.FS.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.cfg.Logger.Warn().Err(err).Str("segment", s.path).Msg("removing a segment failed; tried again later")
		l.orphans = append(l.orphans, orphan{s.path, s.end + s.index})
		return
	}
	l.removeIndex(s.path)
	l.removed(s.end + s.index)
}

// removeIndex removes the index of a segment that is gone. Should it stay, it
// goes when the log is next opened.
func (l *Log) removeIndex(segment string) {
	if err := l.cfg.FS.Remove(indexPath(segment)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.cfg.Logger.Warn().Err(err).Str("segment", segment).Msg("removing an index failed")
	}
}

// removed counts a segment that was removed, and makes that durable before the
// next one goes: power loss must not bring an old one back without those after it.
func (l *Log) removed(size int64) {
	l.stats.deleted.Add(1)
	l.bytes.Add(-size)
	if err := l.cfg.FS.SyncDir(l.cfg.Dir); err != nil {
		l.cfg.Logger.Warn().Err(err).Msg("removing a segment could not be made durable")
	}
}

// removeOrphans tries again to remove what could not be, oldest first. false: some
// is left.
func (l *Log) removeOrphans() bool {
	for len(l.orphans) > 0 {
		o := l.orphans[0]
		if err := l.cfg.FS.Remove(o.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false
		}
		l.orphans = l.orphans[1:]
		l.removeIndex(o.path)
		l.removed(o.size)
	}
	return true
}
