package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// counters are what Stats reads.
type counters struct {
	records, rawOctets, octets, blocks, groups, failures  atomic.Uint64
	damagedStretches, damagedOctets, damagedRecords       atomic.Uint64
	tornOctets, damagedCursors, lostSegments, quarantined atomic.Uint64
	deleted, droppedOldest, rewritten, indexed            atomic.Uint64
}

// Stats are counts since Open. Reading them costs next to nothing.
type Stats struct {
	// Records were appended; RawOctets is their size, Octets that of their blocks
	// on disk.
	Records, RawOctets, Octets uint64
	// Blocks were written, in Groups. Under SyncCommit those of a group shared a sync.
	Blocks, Groups uint64
	// Failures is the number of groups that could not be written or synced.
	Failures uint64
	// DamagedStretches were passed over, of DamagedOctets, with DamagedRecords
	// records. Each is counted once, when it is first met.
	DamagedStretches, DamagedOctets, DamagedRecords uint64
	// TornOctets were cut off the end of the log at Open.
	TornOctets uint64
	// DamagedCursors had to be read from their copy, or start again.
	DamagedCursors uint64
	// LostSegments were deleted by someone else.
	LostSegments uint64
	// Quarantined is the number of .bad files in the folder, those of cursors left out.
	Quarantined uint64
	// DeletedSegments were deleted by retention or because they were delivered.
	DeletedSegments uint64
	// RewrittenSegments were recompressed, IndexedSegments given an index.
	RewrittenSegments, IndexedSegments uint64
	// DroppedNewest and DroppedOldest are the records lost by policy. Of the
	// oldest, what each cursor lost is in CursorStatus.Dropped.
	DroppedNewest, DroppedOldest uint64
	// Pending is the octets that were appended and are neither written nor given up.
	Pending int64
	// Bytes is the size of all segments and their indexes, Segments the number
	// of segments.
	Bytes    int64
	Segments int
	// DiskFree is the octets free in the file system when it was last looked at; 0
	// where that is not known.
	DiskFree int64
	// Head and Tail are as Log.Head and Log.Tail.
	Head, Tail uint64
	// Full says that appends wait or are dropped for lack of room, DiskLow that this is
	// because less than Config.MinFree is free, Failing that the last write failed.
	Full, DiskLow, Failing bool
}

// Stats returns the counts of the log.
func (l *Log) Stats() Stats {
	l.mu.RLock()
	head, tail, segments := l.head, l.tailLocked(), len(l.segments)
	l.mu.RUnlock()
	l.in.mu.Lock()
	pending := l.in.pending
	l.in.mu.Unlock()
	c := &l.stats
	return Stats{
		Records: c.records.Load(), RawOctets: c.rawOctets.Load(), Octets: c.octets.Load(),
		Blocks: c.blocks.Load(), Groups: c.groups.Load(), Failures: c.failures.Load(),
		DamagedStretches: c.damagedStretches.Load(), DamagedOctets: c.damagedOctets.Load(),
		DamagedRecords: c.damagedRecords.Load(), TornOctets: c.tornOctets.Load(),
		DamagedCursors: c.damagedCursors.Load(), LostSegments: c.lostSegments.Load(),
		Quarantined: c.quarantined.Load(), DeletedSegments: c.deleted.Load(),
		RewrittenSegments: c.rewritten.Load(), IndexedSegments: c.indexed.Load(),
		DroppedNewest: l.quota.droppedNewest.Load(), DroppedOldest: c.droppedOldest.Load(),
		Pending: pending, Bytes: l.bytes.Load(), Segments: segments, DiskFree: l.quota.free.Load(), Head: head, Tail: tail,
		Full: l.quota.pressure.Load() || l.quota.diskLow.Load(), DiskLow: l.quota.diskLow.Load(), Failing: l.failing.Load(),
	}
}

// Status is the state of a log, as a view can tell it also beside the process
// that writes.
type Status struct {
	ID         [16]byte
	Head, Tail uint64
	// Bytes is the size of all segments, Segments their number.
	Bytes    int64
	Segments int
	// Oldest and Newest are when the oldest and the newest segment were started,
	// in nanoseconds since 1970; 0 where that is not known.
	Oldest, Newest int64
	// Quarantined is the number of .bad files in the folder.
	Quarantined int
	Cursors     []CursorStatus
}

// Status returns the state of the log. Beside a running process cursors are as
// they were last written.
func (v *View) Status() (Status, error) {
	st := Status{ID: v.id, Head: 1, Tail: 1}
	segs, err := v.Segments()
	if err != nil {
		return st, err
	}
	for i, s := range segs {
		st.Bytes += s.Size
		if i == 0 {
			st.Newest = s.Created
		}
		st.Oldest, st.Tail = s.Created, s.First
	}
	st.Segments = len(segs)
	names, err := v.fsys.List(v.dir)
	if err != nil {
		return st, fmt.Errorf("list folder: %w", err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, badSuffix) {
			st.Quarantined++
		}
	}
	if v.live != nil {
		st.Head, st.Tail, st.Cursors = v.live.Head(), v.live.Tail(), v.live.Cursors()
		return st, nil
	}
	if len(segs) > 0 {
		if st.Head, err = v.endOf(segs[0]); err != nil {
			return st, err
		}
	}
	dir := filepath.Join(v.dir, cursorsDir)
	cursors, err := listCursors(v.fsys, dir)
	if err != nil {
		return st, fmt.Errorf("list cursors: %w", err)
	}
	var states []cursorState
	for _, name := range cursors {
		s, _, err := readCursor(v.fsys, filepath.Join(dir, cursorFileName(name)), v.id)
		if errors.Is(err, fs.ErrNotExist) {
			continue // dropped meanwhile
		}
		if err != nil && !errors.Is(err, ErrCorrupt) {
			return st, fmt.Errorf("read cursor %s: %w", name, err)
		}
		if err != nil { // what the log will do with it
			s = cursorState{start: st.Tail, position: st.Tail}
		}
		st.Head = max(st.Head, s.end())
		states = append(states, s)
		st.Cursors = append(st.Cursors, CursorStatus{Name: name})
	}
	for i := range states {
		st.Cursors[i] = states[i].status(st.Cursors[i].Name, st.Head)
	}
	return st, nil
}

// endOf returns the position after the last block of the newest segment.
func (v *View) endOf(s Segment) (uint64, error) {
	f, err := v.fsys.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s.First, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	end := s.First
	sc := &headerScanner{r: f, salt: v.salt}
	err = sc.each(s.header, s.Size, s.First, s.Next, func(_ int64, h *blockHeader) error {
		end = h.next()
		return nil
	})
	return end, err
}
