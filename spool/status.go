package spool

import "sync/atomic"

// counters are what Stats reads.
type counters struct {
	records, rawOctets, octets, blocks, groups, failures  atomic.Uint64
	damagedStretches, damagedOctets, damagedRecords       atomic.Uint64
	tornOctets, damagedCursors, lostSegments, quarantined atomic.Uint64
	deleted, droppedOldest                                atomic.Uint64
}

// Stats are counts since Open. Reading them costs next to nothing.
type Stats struct {
	// Records were appended; RawOctets is their size, Octets that of their blocks
	// on disk.
	Records, RawOctets, Octets uint64
	// Blocks were written, in Groups writes that shared a sync each.
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
	// Quarantined is the number of .bad files in the folder.
	Quarantined uint64
	// DeletedSegments were deleted by retention or because they were delivered.
	DeletedSegments uint64
	// DroppedNewest and DroppedOldest are the records lost by policy. Of the
	// oldest, what each cursor lost is in CursorStatus.Dropped.
	DroppedNewest, DroppedOldest uint64
	// Bytes is the size of all segments, Segments their number.
	Bytes    int64
	Segments int
	// Head and Tail are as Log.Head and Log.Tail.
	Head, Tail uint64
	// Full says that appends wait or are dropped for lack of room, Failing that
	// the last write failed.
	Full, Failing bool
}

// Stats returns the counts of the log.
func (l *Log) Stats() Stats {
	l.mu.RLock()
	head, tail, segments := l.head, l.tailLocked(), len(l.segments)
	l.mu.RUnlock()
	c := &l.stats
	return Stats{
		Records: c.records.Load(), RawOctets: c.rawOctets.Load(), Octets: c.octets.Load(),
		Blocks: c.blocks.Load(), Groups: c.groups.Load(), Failures: c.failures.Load(),
		DamagedStretches: c.damagedStretches.Load(), DamagedOctets: c.damagedOctets.Load(),
		DamagedRecords: c.damagedRecords.Load(), TornOctets: c.tornOctets.Load(),
		DamagedCursors: c.damagedCursors.Load(), LostSegments: c.lostSegments.Load(),
		Quarantined: c.quarantined.Load(), DeletedSegments: c.deleted.Load(),
		DroppedNewest: l.quota.droppedNewest.Load(), DroppedOldest: c.droppedOldest.Load(),
		Bytes: l.bytes.Load(), Segments: segments, Head: head, Tail: tail,
		Full: l.quota.pressure.Load() || l.quota.diskLow.Load(), Failing: l.failing.Load(),
	}
}
