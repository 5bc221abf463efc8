package parser

import (
	"math"
	"sync/atomic"
	"time"
)

// zoneSpan is a time during which a zone's offset does not change, from its
// start up to its end. The standard library remembers only the one in which the
// process began, and works the rule of the zone out again for each time outside
// of it, which takes longer than to parse a message.
//
// It is read without a lock: sequence is odd while it is written, and has changed
// if it was written meanwhile.
type zoneSpan struct {
	sequence   atomic.Uint32
	location   atomic.Pointer[time.Location]
	start, end atomic.Int64 // seconds since the epoch
	offset     atomic.Int64 // seconds east of UTC
}

// zoneSpans holds spans found lately. Messages are of a few zones and mostly of
// now: one of a zone and half a year has a place, and the later takes it.
var zoneSpans [16]zoneSpan

// zoneSpanAt returns the place of a zone and a time.
func zoneSpanAt(loc *time.Location, wall int64) *zoneSpan {
	name := loc.String()
	h := uint32(wall>>24) * 2654435761 // about half a year
	if n := len(name); n > 0 {
		h += uint32(n)*31 + uint32(name[n-1])*7 + uint32(name[n/2])
	}
	return &zoneSpans[h>>16%uint32(len(zoneSpans))]
}

// lookUp returns the offset of loc if it is the same for a day before and after
// wall, and known.
func (z *zoneSpan) lookUp(loc *time.Location, wall int64) (int64, bool) {
	sequence := z.sequence.Load()
	if sequence&1 != 0 || z.location.Load() != loc {
		return 0, false
	}
	inside := wall-secondsPerDay >= z.start.Load() && wall+secondsPerDay < z.end.Load()
	offset := z.offset.Load()
	return offset, inside && z.sequence.Load() == sequence
}

// remember keeps the span of loc in which the time unix lies.
func (z *zoneSpan) remember(loc *time.Location, unix int64) {
	t := time.Unix(unix, 0).In(loc)
	_, offset := t.Zone()
	start, end := int64(math.MinInt64), int64(math.MaxInt64)
	first, last := t.ZoneBounds()
	if !first.IsZero() {
		start = first.Unix()
	}
	if !last.IsZero() {
		end = last.Unix()
	}
	sequence := z.sequence.Load()
	if sequence&1 != 0 || !z.sequence.CompareAndSwap(sequence, sequence+1) {
		return // another is writing
	}
	z.location.Store(loc)
	z.start.Store(start)
	z.end.Store(end)
	z.offset.Store(int64(offset))
	z.sequence.Store(sequence + 2)
}
