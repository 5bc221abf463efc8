package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/syslane/syslane/internal/vfs"
)

// writer is the one goroutine that writes segments. All fields are its own, but that
// the syncer reads file, seg and fresh, which nobody changes while it syncs.
type writer struct {
	l *Log

	file  vfs.File
	seg   *segment // nil: the next block starts one
	fresh bool     // seg is not yet known to readers, nor its name durable
	end   int64    // offset after the last block that was written
	head  uint64   // position after the last record that was written

	next     *group // what was written since the sync under way began
	underWay *group // what that makes durable
	syncing  bool
	begin    chan struct{} // to the syncer
	synced   chan error    // from it

	unsynced bool // under SyncInterval: written, not synced
	lastSync time.Time
	failing  int   // groups in a row that failed
	unseen   int64 // octets that succeeded since maintenance was last told to look

	taken []*block
}

func newWriter(l *Log) *writer {
	return &writer{l: l, head: l.head, next: &group{}, underWay: &group{}, begin: make(chan struct{}), synced: make(chan error, 1)}
}

// run writes groups until the log is closed and all is written.
func (w *writer) run() {
	l := w.l
	defer close(l.writerDone)
	go w.syncGroups()
	defer close(w.begin)
	timer := time.NewTimer(l.cfg.SyncInterval)
	defer timer.Stop()
	for {
		blocks, mine, closed := l.in.take(w.taken, w.syncing)
		w.taken = blocks
		if mine != nil {
			mine.seal(l.salt)
		}
		if len(blocks) > 0 {
			w.commit(blocks)
		}
		switch {
		case w.syncing:
			select {
			case <-l.in.wake:
			case err := <-w.synced:
				w.endSync(err)
			}
		case len(w.next.blocks) > 0:
			w.beginSync()
		case w.unsynced && time.Since(w.lastSync) >= l.cfg.SyncInterval:
			w.syncInterval()
		case len(blocks) > 0:
		case closed:
			w.closeErr(w.finish())
			return
		case w.unsynced:
			timer.Reset(l.cfg.SyncInterval - time.Since(w.lastSync))
			select {
			case <-l.in.wake:
			case <-timer.C:
			}
		default:
			<-l.in.wake
		}
	}
}

// commit writes blocks. Their appends return when they are as durable as the policy wants.
func (w *writer) commit(blocks []*block) {
	err := w.write(blocks)
	switch {
	case err != nil:
		w.settle()
		w.fail(err)
		w.release(blocks, err)
	case w.l.cfg.Sync == SyncCommit:
		w.next.blocks = append(w.next.blocks, blocks...)
	default:
		w.succeed(blocks)
		if w.l.cfg.Sync == SyncOS {
			w.publish(w.nextGroup(), blocks)
		} else if !w.unsynced {
			w.unsynced, w.lastSync = true, time.Now()
		}
		w.release(blocks, nil)
	}
	clear(blocks) // the next may be fewer, and these would stay for ever
}

// release lets the appends of blocks return. Where much was written since it last did,
// maintenance looks what is left.
func (w *writer) release(blocks []*block, err error) {
	if w.unseen >= max(w.l.limits.Load().MinFree/8, 1<<20) {
		w.unseen = 0
		w.l.kickMaintenance()
	}
	for _, b := range blocks {
		b.finish(err)
	}
	w.l.in.release(blocks, w.l.cfg.BlockSize)
}

// write appends blocks to the segment, of which it starts a new one where there is
// none or the last is full. All that was written before is durable then, so that the
// checkpoint of a segment is the fold of exactly the notes before it.
func (w *writer) write(blocks []*block) error {
	l := w.l
	if w.isFull() {
		w.settle()
		if w.isFull() { // still: what fails to settle is cut off
			w.seal()
		}
	}
	if w.seg == nil {
		if err := w.start(); err != nil {
			return err
		}
	}
	now := l.cfg.Now().UnixNano()
	end, head, marks := w.end, w.head, w.next.marks
	for _, b := range blocks {
		b.place(head, now, l.salt)
		if err := b.writeTo(w.file, end); err != nil {
			return fmt.Errorf("append to %s: %w", w.seg, err)
		}
		marks = append(marks, mark{head, end})
		end += b.size()
		head += uint64(b.hdr.count)
	}
	w.end, w.head, w.next.marks = end, head, marks
	return nil
}

// isFull tells whether the next block starts a new segment.
func (w *writer) isFull() bool {
	return w.seg != nil && w.end >= w.l.limits.Load().SegmentSize && w.head > w.seg.first
}

// start makes a new segment.
func (w *writer) start() error {
	l := w.l
	h := segmentHeader{id: l.id, first: w.head, created: l.cfg.Now().UnixNano()}
	if l.cfg.Checkpoint != nil {
		h.flags |= flagCheckpoint
		if h.checkpoint = l.cfg.Checkpoint(); len(h.checkpoint) > MaxCheckpoint {
			return fmt.Errorf("start segment %d: %w: %d octets, at most %d", w.head, ErrCheckpoint, len(h.checkpoint), MaxCheckpoint)
		}
	}
	path := l.segmentPath(w.head)
	f, err := l.cfg.FS.Create(path, filePerm)
	if errors.Is(err, fs.ErrExist) {
		// The remains of an attempt that failed and could not be removed, or a
		// stranger, or a segment without a record whose header is damaged.
		if err = l.setAside(path); err == nil {
			l.stats.quarantined.Add(1)
			l.forget(w.head)
			f, err = l.cfg.FS.Create(path, filePerm)
		}
	}
	if err != nil {
		return fmt.Errorf("start segment %d: %w", w.head, err)
	}
	buf := h.encode()
	w.file, w.fresh, w.end = f, true, int64(len(buf))
	w.seg = &segment{
		first: w.head, path: path, headerLen: w.end, created: h.created, flags: h.flags,
		end: w.end, next: w.head,
	}
	if _, err := f.WriteAt(buf, 0); err != nil {
		return fmt.Errorf("start segment %d: %w", w.head, err)
	}
	return nil
}

// succeed follows blocks that are as durable as the policy wants.
func (w *writer) succeed(blocks []*block) {
	l := w.l
	if w.failing > 0 {
		l.cfg.Logger.Info().Int("failures", w.failing).Uint64("position", w.head).Msg("log is writable again")
		w.failing = 0
		l.failing.Store(false)
	}
	var records, octets, raw uint64
	for _, b := range blocks {
		records += uint64(b.hdr.count)
		octets += uint64(b.size())
		raw += uint64(b.hdr.raw)
		if l.cfg.Noted == nil {
			continue
		}
		for run := b.notes; len(run) > 0; {
			var note []byte
			note, run, _ = nextRecord(run)
			l.cfg.Noted(b.hdr.first, note)
		}
	}
	l.ring.add(blocks)
	l.stats.groups.Add(1)
	l.stats.blocks.Add(uint64(len(blocks)))
	l.stats.records.Add(records)
	l.stats.octets.Add(octets)
	l.stats.rawOctets.Add(raw)
	w.unseen += int64(octets)
}

// publish shows a group to readers. What was pending in blocks of it no longer is.
func (w *writer) publish(g *group, blocks []*block) {
	l := w.l
	before, fresh := w.seg.end, w.fresh
	if fresh {
		before = 0 // the header was not counted yet
	}
	l.stored(blocks, g.end-before)
	l.mu.Lock()
	if fresh {
		if n := len(l.segments); n > 0 {
			l.segments[n-1].seal()
		}
		l.setSegments(append(l.segments, w.seg))
		if w.seg.flags&flagCheckpoint != 0 {
			l.notesFrom = w.seg.first
		}
		w.fresh = false
	}
	w.seg.end, w.seg.next = g.end, g.head
	w.seg.addMarks(g.marks)
	g.marks = g.marks[:0]
	l.head = g.head
	close(l.grown)
	l.grown = make(chan struct{})
	l.mu.Unlock()
	if fresh {
		select {
		case l.full <- struct{}{}:
		default:
		}
	}
}

// syncInterval is the sync of SyncInterval. Should it fail, what was acknowledged
// since the last may be lost with the power; readers see it all the same, as the
// system still has it, and the next group goes to a new file.
func (w *writer) syncInterval() {
	w.unsynced = false
	err := w.sync()
	w.publish(w.nextGroup(), nil)
	if err != nil {
		w.l.cfg.Logger.Error().Err(err).Msg("sync failed: the last interval is not safe from power loss")
		w.abandon()
	}
	w.lastSync = time.Now()
}

// seal ends the segment. Under SyncInterval what is in it is synced before
// anything is written to the next, so that power loss takes a tail, not a hole.
func (w *writer) seal() {
	if w.unsynced {
		w.syncInterval()
	}
	w.closeFile()
}

// abandon ends the segment after a failure. One without a record is kept: the next
// would have its name, and its checkpoint may be the only one. It is
// written over from its last durable block on.
func (w *writer) abandon() {
	if w.seg.next > w.seg.first {
		w.closeFile()
	}
}

func (w *writer) closeFile() {
	if w.file == nil {
		return
	}
	if err := w.file.Close(); err != nil {
		w.l.cfg.Logger.Warn().Err(err).Str("segment", w.seg.path).Msg("closing a segment failed")
	}
	w.file, w.seg = nil, nil
}

// fail follows a group that could not be written or synced. After a failed fsync
// the pages cannot be trusted: they may be gone, and the next fsync of the file
// report success. So whatever failed, the segment ends at its last durable block
// and the next attempt gets a new file, but where there is no record in this one.
func (w *writer) fail(err error) {
	l := w.l
	l.stats.failures.Add(1)
	w.failing++
	if w.failing == 1 {
		l.failing.Store(true)
		l.cfg.Logger.Error().Err(err).Msg("log cannot be written: nothing is acknowledged until it can")
	}
	if w.unsynced {
		// Groups that were acknowledged stand before the failed one.
		w.syncInterval()
	}
	w.next.marks, w.underWay.marks = w.next.marks[:0], w.underWay.marks[:0]
	switch {
	case w.seg == nil:
	case w.fresh:
		path := w.seg.path
		w.closeFile()
		w.fresh = false
		if err := l.cfg.FS.Remove(path); err != nil {
			l.cfg.Logger.Warn().Err(err).Str("segment", path).Msg("removing a failed segment failed")
		}
	default:
		if err := w.file.Truncate(w.seg.end); err != nil {
			l.cfg.Logger.Warn().Err(err).Str("segment", w.seg.path).Msg("cutting off a failed write failed")
		}
		w.end = w.seg.end
		w.abandon()
	}
	l.mu.RLock()
	w.head = l.head
	l.mu.RUnlock()
}

// finish ends the last segment when the log is closed.
func (w *writer) finish() error {
	if w.file == nil {
		return nil
	}
	var err error
	if w.unsynced || w.l.cfg.Sync == SyncOS {
		err = w.sync()
		w.unsynced = false
		w.publish(w.nextGroup(), nil)
	}
	return errors.Join(err, w.file.Close())
}

func (w *writer) closeErr(err error) {
	if err != nil {
		w.l.closeErr = fmt.Errorf("close log: %w", err)
	}
}

// setAside renames a file that is in the way, or damaged beyond use, to .bad.
func (l *Log) setAside(path string) error {
	to := path + badSuffix
	for i := 1; ; i++ {
		if _, err := l.cfg.FS.Stat(to); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return err
		}
		to = fmt.Sprintf("%s.%d%s", path, i, badSuffix)
	}
	if err := l.cfg.FS.Rename(path, to); err != nil {
		return err
	}
	l.cfg.Logger.Warn().Str("file", path).Str("to", filepath.Base(to)).Msg("file set aside")
	return nil
}
