package relp

import (
	"encoding/binary"
	"errors"
)

// A split run is a run of events (internal/syslog, eventVersion) in another order:
// first what differs from event to event by little, as differences, then the rest.
// Compressed, the envelopes of log text take half of the octets that way: most of
// an event id is the time, and the time in a message repeats it.
//
//	meta     uvarint octets of what follows here; for each event:
//	  head       3 octets: version, priority, format
//	  node       4 octets, those of the id
//	  count      varint, count of the id less that of the event before
//	  present    uvarint
//	  warnings   uvarint
//	  unit       1 octet, index of the unit of the timestamp (bitTimestamp)
//	  timestamp  varint, timestamp less receive time, each in whole units (bitTimestamp)
//	  rest       uvarint, octets of the event that follow
//	times    uvarint octets of what follows here; for each event:
//	             varint, receive time of the id less that of the event before
//	rests    the rests one after the other
const (
	idLen        = 16
	headLen      = 3
	bitTimestamp = 1
)

// units are those in which timestamps are given: nanoseconds to seconds.
var units = [...]int64{1, 1e3, 1e6, 1e9}

// errNotSplit is returned for octets that are no split run.
var errNotSplit = errors.New("not a split run")

// splitter has the memory for splitting runs.
type splitter struct{ meta, times, rests, out []byte }

// split returns run split, valid until the next call; false where it does not hold
// events as this version writes them, for which joining would give other octets.
func (s *splitter) split(run []byte) ([]byte, bool) {
	s.meta, s.times, s.rests = s.meta[:0], s.times[:0], s.rests[:0]
	var last struct {
		time  int64
		count uint32
	}
	for len(run) > 0 {
		n, w := binary.Uvarint(run)
		if w <= 0 || n > uint64(len(run)-w) || w != recordWidth(n) || n < headLen+idLen {
			return nil, false
		}
		e := run[w : w+int(n)]
		run = run[w+int(n):]
		id, b := e[headLen:headLen+idLen], e[headLen+idLen:]
		time, count := int64(binary.BigEndian.Uint64(id)), binary.BigEndian.Uint32(id[12:])
		s.meta = append(append(s.meta, e[:headLen]...), id[8:12]...)
		s.meta = binary.AppendVarint(s.meta, int64(int32(count-last.count)))
		s.times = binary.AppendVarint(s.times, time-last.time)
		last.time, last.count = time, count
		var present uint64
		for i := range 2 { // present, warnings
			v, w := binary.Uvarint(b)
			if w <= 0 || w > 1 && b[w-1] == 0 {
				return nil, false
			}
			if i == 0 {
				present = v
			}
			s.meta, b = append(s.meta, b[:w]...), b[w:]
		}
		if present&bitTimestamp != 0 {
			v, w := binary.Varint(b)
			if w <= 0 || w > 1 && b[w-1] == 0 {
				return nil, false
			}
			unit, less := inUnits(time+v, time)
			s.meta = binary.AppendVarint(append(s.meta, unit), less)
			b = b[w:]
		}
		s.meta = binary.AppendUvarint(s.meta, uint64(len(b)))
		s.rests = append(s.rests, b...)
	}
	s.out = binary.AppendUvarint(s.out[:0], uint64(len(s.meta)))
	s.out = append(s.out, s.meta...)
	s.out = binary.AppendUvarint(s.out, uint64(len(s.times)))
	s.out = append(s.out, s.times...)
	s.out = append(s.out, s.rests...)
	return s.out, true
}

// inUnits returns the largest unit of which t is a multiple, and how many units t is
// after from.
func inUnits(t, from int64) (unit byte, less int64) {
	for unit = byte(len(units) - 1); unit > 0; unit-- {
		u := units[unit]
		if less = t/u - from/u; t%u == 0 && (from/u+less)*u == t {
			return unit, less
		}
	}
	return 0, t - from
}

// recordWidth is the number of octets in which a run gives the length n of a record
// (syslog.AppendRecord).
func recordWidth(n uint64) int {
	w := 2
	for n >>= 14; n > 0; n >>= 7 {
		w++
	}
	return w
}

// join undoes split: it appends the run to dst, which grows by no more than limit.
func join(dst, b []byte, limit int) ([]byte, error) {
	limit += len(dst)
	meta, b, ok := section(b)
	times, rests, ok2 := section(b)
	if !ok || !ok2 {
		return dst, errNotSplit
	}
	var time int64
	var count uint32
	var head [headLen + idLen + 4*binary.MaxVarintLen64]byte
	for len(meta) > 0 {
		if len(meta) < headLen+4 {
			return dst, errNotSplit
		}
		e := append(head[:0], meta[:headLen]...)
		node := meta[headLen : headLen+4]
		d := numbers{b: meta[headLen+4:]}
		t := numbers{b: times}
		time += t.varint()
		count += uint32(d.varint())
		times = t.b
		e = binary.BigEndian.AppendUint64(e, uint64(time))
		e = binary.BigEndian.AppendUint32(append(e, node...), count)
		present := d.uvarint()
		e = binary.AppendUvarint(binary.AppendUvarint(e, present), d.uvarint())
		if present&bitTimestamp != 0 {
			unit := d.octet()
			if int(unit) >= len(units) {
				return dst, errNotSplit
			}
			u := units[unit]
			at := time + d.varint()
			if u > 1 {
				at = (time/u + at - time) * u
			}
			e = binary.AppendVarint(e, at-time)
		}
		n := d.uvarint()
		if d.bad || t.bad || n > uint64(len(rests)) {
			return dst, errNotSplit
		}
		meta = d.b
		octets := uint64(len(e)) + n
		if uint64(len(dst))+octets+uint64(recordWidth(octets)) > uint64(limit) {
			return dst, ErrBatchSize
		}
		dst = appendRecordLen(dst, octets)
		dst = append(append(dst, e...), rests[:n]...)
		rests = rests[n:]
	}
	if len(times) > 0 || len(rests) > 0 {
		return dst, errNotSplit
	}
	return dst, nil
}

// appendRecordLen appends the length of a record as syslog.AppendRecord does: in at
// least two octets.
func appendRecordLen(dst []byte, n uint64) []byte {
	if n < 1<<7 {
		return append(dst, byte(n)|0x80, 0)
	}
	return binary.AppendUvarint(dst, n)
}

// section splits a section with its length off b.
func section(b []byte) (section, rest []byte, ok bool) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return nil, nil, false
	}
	return b[w : w+int(n)], b[w+int(n):], true
}

// numbers reads numbers off the front of b; after a failure all are 0.
type numbers struct {
	b   []byte
	bad bool
}

func (d *numbers) uvarint() uint64 {
	v, w := binary.Uvarint(d.b)
	if w <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[w:]
	return v
}

func (d *numbers) varint() int64 {
	v, w := binary.Varint(d.b)
	if w <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[w:]
	return v
}

func (d *numbers) octet() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}
