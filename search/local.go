package search

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"sync"

	"github.com/syslane/syslane/internal/skipdata"
	"github.com/syslane/syslane/spool"
)

// Searcher is what can be searched: a Local log or a Remote collector.
type Searcher interface {
	// Search calls found for each result, in order, with its ECS document: one
	// line of JSON without its line end, valid during the call. It ends when
	// found or ctx does, with that error. A query that is wrong is a
	// *SyntaxError, before the first result. Where parts of the log could not be
	// read all other results are given out, and then an *IncompleteError.
	Search(ctx context.Context, r Request, found func(doc []byte) error) (Stats, error)
}

// IncompleteError says that a search went to its end, but over a log with damage, or
// without what the log no longer holds.
type IncompleteError struct {
	Text string
	// Whole says that the log holds all that it was ever given, and that all of it was
	// searched: only what is older than the log may be missing.
	Whole bool
}

// Error returns what was not searched.
func (e *IncompleteError) Error() string { return e.Text }

// IsIncomplete tells an IncompleteError.
func IsIncomplete(err error) bool { return errors.As(err, new(*IncompleteError)) }

func (s *Stats) incomplete() error {
	switch {
	case s.DamagedBlocks == 0 && s.UnreadableEvents == 0:
		return nil
	case s.UnreadableEvents == 0:
		return &IncompleteError{Text: fmt.Sprintf("the results are incomplete: %d damaged blocks of the log could not be searched", s.DamagedBlocks)}
	}
	return &IncompleteError{Text: fmt.Sprintf("the results are incomplete: %d damaged blocks and %d unreadable events of the log could not be searched", s.DamagedBlocks, s.UnreadableEvents)}
}

// maxIndexed bounds the blocks whose headers a Local keeps, at 120 octets each.
const maxIndexed = 250_000

// Local searches a log on this machine. It is safe for concurrent use.
type Local struct {
	view   *spool.View
	recent recent
	// maxPast is maxPast, but for tests.
	maxPast int

	mu       sync.Mutex
	segments map[uint64]*segmentIndex // sealed ones, by first position
	indexed  int                      // blocks in them
}

// segmentIndex is what is known of a sealed segment, which does not change but by
// being rewritten and given an index.
type segmentIndex struct {
	size, rewritten  int64
	indexed          bool
	minTime, maxTime int64
	damaged          int
	end              uint64            // position after the last block
	blocks           []spool.BlockInfo // nil where there is no room for them
}

// NewLocal searches what view shows.
func NewLocal(view *spool.View) *Local {
	return &Local{view: view, maxPast: maxPast, segments: make(map[uint64]*segmentIndex)}
}

// Open searches the log in folder dir, also beside a process that writes to it.
func Open(dir string) (*Local, error) {
	view, err := spool.OpenReadOnly(dir)
	if err != nil {
		return nil, err
	}
	return NewLocal(view), nil
}

// Search implements Searcher.
func (l *Local) Search(ctx context.Context, r Request, found func(doc []byte) error) (Stats, error) {
	q, err := Parse(r.Query)
	if err != nil {
		return Stats{}, err
	}
	stats, err := q.run(ctx, l.viewLog(q), r, found)
	if err == nil {
		err = stats.incomplete()
	}
	return stats, err
}

// viewLog is the log as one search sees it.
type viewLog struct {
	local *Local
	// skip tells that the query can make use of skip data.
	skip     bool
	segments []spool.Segment
}

// viewLog returns the log as a search for q sees it.
func (l *Local) viewLog(q *Query) *viewLog {
	return &viewLog{local: l, skip: q.selective || q.pipe.group != nil}
}

func (v *viewLog) blocks(ctx context.Context, since, until int64, f func(blockInfo)) (damaged int, err error) {
	if v.segments, err = v.local.view.Segments(); err != nil {
		return 0, err
	}
	v.local.forget(v.segments)
	var gaps gaps
	var buf, within []spool.BlockInfo
	for i, segment := range v.segments {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		index, err := v.local.index(&buf, segment, since, until)
		if errors.Is(err, fs.ErrNotExist) {
			lost, err := isLost(v.local.view, segment)
			if err != nil {
				return 0, err
			}
			if lost {
				damaged++
			}
			gaps.add(segment, segment.Next)
			continue
		}
		if err != nil {
			return 0, err
		}
		damaged += index.damaged
		gaps.add(segment, index.end)
		within = within[:0]
		for _, b := range index.blocks {
			if b.MaxTime >= since && b.MinTime <= until {
				within = append(within, b)
			}
		}
		// What the index says of many blocks is not to be in memory at once.
		for part := range slices.Chunk(within, skipBlocks) {
			if v.skip {
				if err := v.local.view.FillSkip(segment, part); err != nil {
					return 0, err
				}
			}
			for _, b := range part {
				info := blockInfo{BlockInfo: b, segment: i}
				if v.skip && b.Skip == nil {
					info.Skip = v.local.recent.get(segment.First, &info)
					info.unindexed = info.Skip == nil
				}
				f(info)
			}
		}
	}
	more, err := gaps.count(v.local.view)
	return damaged + more, err
}

// skipBlocks is of how many blocks skip data are read at once, up to MaxSkip each.
const skipBlocks = 64

// index lists the blocks of a segment; none where it holds nothing between since
// and until. buf is room for blocks that are not kept.
func (l *Local) index(buf *[]spool.BlockInfo, segment spool.Segment, since, until int64) (*segmentIndex, error) {
	l.mu.Lock()
	known := l.segments[segment.First]
	if known != nil && (known.size != segment.Size || known.rewritten != segment.Rewritten || known.indexed != segment.Indexed) {
		l.drop(segment.First, known)
		known = nil
	}
	l.mu.Unlock()
	if known != nil && (known.blocks != nil || known.maxTime < since || known.minTime > until) {
		return known, nil
	}
	blocks, err := l.view.Blocks((*buf)[:0], segment)
	*buf = blocks
	if err != nil {
		return nil, err
	}
	index := &segmentIndex{size: segment.Size, rewritten: segment.Rewritten, indexed: segment.Indexed, minTime: math.MaxInt64, maxTime: math.MinInt64, blocks: blocks}
	next := segment.First
	for _, b := range blocks {
		index.minTime, index.maxTime = min(index.minTime, b.MinTime), max(index.maxTime, b.MaxTime)
		if b.First > next {
			index.damaged++
		}
		next = b.First + uint64(b.Count)
	}
	index.end = next
	if segment.Sealed && known == nil {
		l.keep(segment.First, *index)
	}
	return index, nil
}

// keep remembers the index of a sealed segment, with its blocks if there is room.
func (l *Local) keep(first uint64, index segmentIndex) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.segments[first] != nil {
		return // another search was faster
	}
	blocks := index.blocks
	index.blocks = nil
	if l.indexed+len(blocks) <= maxIndexed {
		index.blocks = append(make([]spool.BlockInfo, 0, len(blocks)), blocks...)
		l.indexed += len(blocks)
	}
	l.segments[first] = &index
}

// forget drops what is kept of segments that are not there any more, and skip data of
// those that have them on disk by now.
func (l *Local) forget(there []spool.Segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	bare := make(map[uint64]bool, len(there)) // whether there is no index
	for _, s := range there {
		bare[s.First] = !s.Indexed
	}
	for first, index := range l.segments {
		if _, ok := bare[first]; !ok {
			l.drop(first, index)
		}
	}
	l.recent.forget(func(first uint64) bool { return bare[first] })
}

// drop forgets a segment. l.mu is held.
func (l *Local) drop(first uint64, index *segmentIndex) {
	l.indexed -= len(index.blocks)
	delete(l.segments, first)
}

func (v *viewLog) reader() reader { return &viewReader{log: v, blocks: v.local.view.NewBlockReader()} }

// viewReader reads the blocks that its log has listed.
type viewReader struct {
	log        *viewLog
	blocks     *spool.BlockReader
	summarizer *skipdata.Summarizer
	skip       []byte
	gone       uint64 // first position of the segment that was last found to be gone
	lost       bool   // and not by retention
}

func (v *viewReader) close() { v.blocks.Close() }

func (v *viewReader) read(b blockInfo) ([]byte, error) {
	block, err := v.blocks.Read(v.log.segments[b.segment], b.BlockInfo)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, v.removed(v.log.segments[b.segment])
	case errors.Is(err, spool.ErrCorrupt), errors.Is(err, spool.ErrVersion):
		return nil, errDamaged
	case errors.Is(err, io.ErrUnexpectedEOF):
		if v.log.segments[b.segment].Sealed {
			return nil, errDamaged
		}
		return nil, errRemoved // a write that failed, and was cut off
	}
	if err == nil && b.unindexed {
		v.summarize(&b, block.Records)
	}
	return block.Records, err
}

// removed returns what a block of a segment is whose file is gone.
func (v *viewReader) removed(s spool.Segment) error {
	if v.gone != s.First {
		lost, err := isLost(v.log.local.view, s)
		if err != nil {
			return err
		}
		v.gone, v.lost = s.First, lost
	}
	if v.lost {
		return errDamaged
	}
	return errRemoved
}
