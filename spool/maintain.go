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
		l.relieve(pressed || l.quota.diskLow.Load())
		break
	}
	if more || wasLow && !l.quota.diskLow.Load() {
		l.wakeAppenders()
	}
}

// relieve follows an attempt to make room after which the log is still short of it, or
// not. Where it is not, an append that waits has found it full only now, or room has
// come in another way: nobody else would tell.
func (l *Log) relieve(short bool) {
	l.in.mu.Lock()
	defer l.in.mu.Unlock()
	l.in.refused = 0
	switch {
	case short:
	case len(l.in.starving) > 0:
		l.in.broadcast()
	default:
		l.quota.pressure.Store(false)
	}
}

// removeOldest deletes the oldest segment if it may go.
func (l *Log) removeOldest(pressed bool) bool {
	l.swap.Lock() // or what is being rewritten would be put back
	defer l.swap.Unlock()
	if n := len(l.orphans); n > 0 {
		l.removeOrphans()
		return len(l.orphans) < n // then less may have to go
	}
	s := l.expired(pressed)
	if s == nil && pressed && l.passOldest() {
		s = l.expired(pressed)
	}
	if s == nil {
		return false
	}
	l.delete(s)
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
	taken, wanted := l.bytes.Load()+l.in.pending, l.in.wanted() // together: see stored
	l.in.mu.Unlock()
	slack := min(bounds.SegmentSize/2, DefaultMaxPending)
	if bounds.Full == FullDropOldest {
		slack = 0 // not before an append has found the log full
		if l.quota.pressure.Load() {
			slack = bounds.SegmentSize / 2
		}
	}
	return taken+max(slack, wanted) > bounds.MaxSize
}

// mayLose reports whether the oldest segment is neither the only one nor has notes that
// no checkpoint repeats. l.mu is held.
func (l *Log) mayLose() bool {
	return len(l.segments) > 1 && (l.cfg.Checkpoint == nil || l.segments[0].first < l.notesFrom)
}

// expired takes the oldest segment off the log if it may go: all cursors have passed it.
func (l *Log) expired(pressed bool) *segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cursorsMu.Lock()
	defer l.cursorsMu.Unlock()
	bounds := l.limits.Load()
	l.ageing.look(l.cfg.Now().UnixNano(), l.cfg.uptime(), bounds.MaxAge)
	if !l.mayLose() {
		return nil
	}
	s, next := l.segments[0], l.segments[1]
	passed := true
	for _, c := range l.cursors {
		passed = passed && c.durable >= next.first
	}
	switch {
	case passed && l.cfg.KeepDelivered:
		if !pressed && !(bounds.MaxAge > 0 && l.outlived(bounds.MaxAge) && l.mayAge()) {
			return nil
		}
	case passed && (len(l.cursors) > 0 || pressed && bounds.Full == FullDropOldest):
	default:
		return nil
	}
	l.setSegments(l.segments[1:])
	return s
}

// outlived tells whether all of the oldest segment was appended more than age ago. That
// is told by when the next one was started, and where its time cannot be true, since it
// is yet to come or before that of the oldest, by the first one behind it whose time
// can: the clock may have been wrong for a while. l.mu is held.
func (l *Log) outlived(age time.Duration) bool {
	now, least := l.cfg.Now().UnixNano(), int64(1) // 0 is a damaged header
	for i, s := range l.segments {
		switch {
		case s.created < least || s.created > now:
		case i == 0:
			least = s.created
		default:
			return now-s.created > int64(age)
		}
	}
	return false
}

// mayAge tells whether the oldest segment, which has outlived MaxAge, may go for it. That
// the disk is full is reason enough. l.mu is held.
func (l *Log) mayAge() bool {
	if l.quota.diskLow.Load() || l.ageing.take() {
		return true
	}
	if !l.ageing.told {
		l.ageing.told = true
		l.cfg.Logger.Warn().Time("clock", time.Unix(0, l.ageing.clock)).Dur("for", l.ageing.doubt-l.ageing.uptime).
			Msg("the clock has leapt ahead: of what has outlived max_age only a segment a minute is deleted at first")
	}
	return false
}

// passOldest makes all cursors pass the oldest segment, under FullDropOldest where an
// append wants its room, and counts what they lose. It returns whether they are durable
// there: the segment stays until then, and what is counted is not counted again.
func (l *Log) passOldest() bool {
	if l.limits.Load().Full != FullDropOldest || !l.quota.pressure.Load() || !l.moveBehindOldest() {
		return false
	}
	if err := l.syncCursors(); err != nil {
		l.cfg.Logger.Error().Err(err).Msg("cursors cannot be written: nothing is dropped")
		return false
	}
	return true
}

// moveBehindOldest moves cursors from the oldest segment to the one after it. It
// returns false where the oldest has to stay.
func (l *Log) moveBehindOldest() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	l.cursorsMu.Lock()
	defer l.cursorsMu.Unlock()
	if !l.mayLose() {
		return false
	}
	s, next, dropped := l.segments[0], l.segments[1].first, false
	for _, c := range l.cursors {
		if c.state.position < next {
			c.state.counts.Dropped += c.state.open(next)
			c.state.pass(c.state.position, next)
			c.touch()
			dropped = true
		}
	}
	if dropped {
		l.stats.droppedOldest.Add(next - s.first)
		l.cfg.Logger.Warn().Str("segment", s.path).Msg("oldest segment dropped before all of it was delivered")
	}
	return true
}

// delete removes the file of a segment that is no longer part of the log. Readers
// that have it open go on with it.
func (l *Log) delete(s *segment) {
	l.cfg.Logger.Debug().Str("segment", s.path).Msg("segment deleted")
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

// removeOrphans tries again to remove what could not be, oldest first.
func (l *Log) removeOrphans() {
	for len(l.orphans) > 0 {
		o := l.orphans[0]
		if err := l.cfg.FS.Remove(o.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return
		}
		l.orphans = l.orphans[1:]
		l.removeIndex(o.path)
		l.removed(o.size)
	}
}
