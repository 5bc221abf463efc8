package spool

import (
	"fmt"
	"slices"
	"sort"

	"github.com/syslane/syslane/internal/vfs"
)

// segment is one file of the log, as it is known in memory.
type segment struct {
	first     uint64
	path      string
	headerLen int64 // where the blocks start; 0 where the header is damaged
	created   int64 // unix ns; 0 where the header is damaged
	flags     uint16
	rewritten int64 // unix ns; 0: as it was appended

	// Guarded by Log.mu:
	end     int64  // octets that readers may see
	next    uint64 // position after the last record, as far as it is known
	sealed  bool   // nothing will be added
	marks   []mark // increasing; nil for a segment of an earlier run
	damaged map[int64]bool
	index   int64 // octets of its index file, 0 for none
	done    bool  // background work has nothing left to do for it
}

// mark is an entry of the index in memory: the block with that first position
// starts at that offset.
type mark struct {
	first  uint64
	offset int64
}

// addMarks keeps those of more that are markEvery apart.
func (s *segment) addMarks(more []mark) {
	for _, m := range more {
		if n := len(s.marks); n == 0 || m.offset-s.marks[n-1].offset >= markEvery {
			s.marks = append(s.marks, m)
		}
	}
}

// seal ends s and thins its marks out.
func (s *segment) seal() {
	s.sealed = true
	s.marks = thin(s.marks)
}

// thin returns at most sealedMarks of the marks.
func thin(marks []mark) []mark {
	n := len(marks)
	if n <= sealedMarks {
		return marks
	}
	few := make([]mark, sealedMarks)
	for i := range few {
		few[i] = marks[i*n/sealedMarks]
	}
	return few
}

// seek returns where to start looking for the block that holds pos.
func (s *segment) seek(pos uint64) int64 {
	i := sort.Search(len(s.marks), func(i int) bool { return s.marks[i].first > pos })
	if i == 0 {
		return s.headerLen
	}
	return s.marks[i-1].offset
}

// readSegmentHeader reads the header of a segment. ErrCorrupt and ErrVersion are
// about the fixed part. A damaged checkpoint is no error: h.checkpoint is nil and
// its flag gone.
func readSegmentHeader(f vfs.File, withCheckpoint bool) (h segmentHeader, err error) {
	size, err := f.Size()
	if err != nil {
		return h, err
	}
	buf := make([]byte, min(size, segmentPrologue))
	if err := readFull(f, buf, 0); err != nil {
		return h, err
	}
	sum, err := h.decodePrologue(buf)
	if err != nil || h.flags&flagCheckpoint == 0 || !withCheckpoint {
		return h, err
	}
	if h.length > size {
		h.flags &^= flagCheckpoint
		return h, nil
	}
	h.checkpoint = make([]byte, h.length-segmentPrologue)
	if err := readFull(f, h.checkpoint, segmentPrologue); err != nil {
		return h, err
	}
	if checksum(h.checkpoint) != sum {
		h.checkpoint, h.flags = nil, h.flags&^flagCheckpoint
	}
	return h, nil
}

// locate returns the segment to read for pos: the last that starts at or before
// it, else the oldest; nil where there is none. l.mu is held.
func (l *Log) locate(pos uint64) *segment {
	if len(l.segments) == 0 {
		return nil
	}
	i := sort.Search(len(l.segments), func(i int) bool { return l.segments[i].first > pos })
	return l.segments[max(i-1, 0)]
}

// following returns the first segment after s, nil for none. l.mu is held. s may
// have been deleted meanwhile.
func (l *Log) following(s *segment) *segment {
	i := sort.Search(len(l.segments), func(i int) bool { return l.segments[i].first > s.first })
	if i == len(l.segments) {
		return nil
	}
	return l.segments[i]
}

func (s *segment) String() string { return fmt.Sprintf("segment %d", s.first) }

// forget takes the segment that starts at a position off the list, if it is there.
func (l *Log) forget(first uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.setSegments(slices.DeleteFunc(slices.Clone(l.segments), func(s *segment) bool { return s.first == first }))
}

// setSegments replaces the list. l.mu is held for writing.
func (l *Log) setSegments(s []*segment) {
	l.segments = s
	l.quota.sealed.Store(int64(max(len(s)-1, 0)))
	second := uint64(0)
	if len(s) > 1 {
		second = s[1].first
	}
	l.quota.second.Store(second)
	l.countUnrewritten()
}
