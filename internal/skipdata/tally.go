package skipdata

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/syslane/syslane/internal/syslog"
)

// Limits of the tally of a block. What has more is not counted there, and a search
// that wants to know has to read the block.
const (
	maxNames      = 1024
	maxNameOctets = 12 << 10
	maxMinutes    = 1024
)

// Minute is the length of the time spans that a tally counts in, in nanoseconds.
const Minute = 60_000_000_000

// Tally is how many events a block has of each kind. In the data it is, with all
// numbers as uvarints but for the first minute, a varint:
//
//	severities  for each bit set in the header: count
//	facilities  the same
//	hosts       1 + number of names, then for each: length, octets, count
//	apps        the same
//	minutes     1 + number of minutes, then for each in order: minutes since the one
//	            before (the first: since 1970), set of severities (one octet),
//	            count for each bit set
//
// Instead of hosts, apps or minutes a 0 stands where there are too many.
type Tally struct {
	Severities [8]uint64
	Facilities [24]uint64
	// Hosts are the names that documents show, Apps the app names, "" for those
	// without; nil where they are not known.
	Hosts, Apps []Named
	// Minutes are in order of time; nil where they are not known.
	Minutes []MinuteTally
}

// Named is how many events have a name.
type Named struct {
	Name  []byte // borrowed from the data
	Count uint64
}

// MinuteTally is how many events are of one minute.
type MinuteTally struct {
	// Minute counts from 1970.
	Minute     int64
	Severities [8]uint64
}

// Total returns the number of events.
func (t *Tally) Total() (n uint64) {
	for _, c := range t.Severities {
		n += c
	}
	return n
}

// Tally reads the counts into t, whose memory is used again. false: there are none.
func (b *Block) Tally(t *Tally) bool {
	if len(b.tally) == 0 {
		return false
	}
	d := tallyReader{b: b.tally}
	t.Severities, t.Facilities = [8]uint64{}, [24]uint64{}
	for set := b.Severities; set != 0; set &= set - 1 {
		t.Severities[bits.TrailingZeros32(set)&7] = d.uvarint()
	}
	for set := b.Facilities; set != 0; set &= set - 1 {
		t.Facilities[bits.TrailingZeros32(set)%24] = d.uvarint()
	}
	t.Hosts = d.names(t.Hosts)
	t.Apps = d.names(t.Apps)
	t.Minutes = d.minutes(t.Minutes)
	return !d.failed && len(d.b) == 0
}

// TallyOf returns a copy of the data of a block without the filter of its words, nil
// where they have no tally.
func TallyOf(data []byte) []byte {
	b, ok := Parse(data)
	if !ok || len(b.tally) == 0 {
		return nil
	}
	return slices.Clone(data[:headerSize+len(b.tally)])
}

// tallyReader takes numbers off the front of b; after a failure all are 0.
type tallyReader struct {
	b      []byte
	failed bool
}

func (d *tallyReader) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	return v * d.advance(n)
}

func (d *tallyReader) varint() int64 {
	v, n := binary.Varint(d.b)
	return v * int64(d.advance(n))
}

func (d *tallyReader) advance(n int) uint64 {
	if n <= 0 || n > len(d.b) {
		d.failed, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return 1
}

// number returns how many entries follow; false where they are not known.
func (d *tallyReader) number() (int, bool) {
	n := d.uvarint()
	if n > uint64(len(d.b))+1 {
		d.failed, d.b = true, nil
		return 0, false
	}
	return int(n) - 1, n > 0
}

func (d *tallyReader) names(dst []Named) []Named {
	n, ok := d.number()
	if !ok {
		return nil
	}
	dst = slices.Grow(dst[:0], max(n, 1))
	for range n {
		length := d.uvarint()
		if length > uint64(len(d.b)) {
			d.failed, d.b = true, nil
			return nil
		}
		name := d.b[:length]
		d.b = d.b[length:]
		dst = append(dst, Named{name, d.uvarint()})
	}
	return dst
}

func (d *tallyReader) minutes(dst []MinuteTally) []MinuteTally {
	n, ok := d.number()
	if !ok {
		return nil
	}
	dst = slices.Grow(dst[:0], max(n, 1))
	var at int64
	for i := range n {
		if i == 0 {
			at = d.varint()
		} else {
			at += int64(d.uvarint())
		}
		m := MinuteTally{Minute: at}
		if len(d.b) == 0 {
			d.failed = true
			return nil
		}
		set := d.b[0]
		for d.b = d.b[1:]; set != 0; set &= set - 1 {
			m.Severities[bits.TrailingZeros8(set)] = d.uvarint()
		}
		dst = append(dst, m)
	}
	return dst
}

// counter counts the events of one block.
type counter struct {
	severities  [8]uint64
	facilities  [32]uint64
	hosts, apps nameCounter
	minutes     map[int64]*[8]uint64
	manyMinutes bool
	lastMinute  int64
	last        *[8]uint64 // that of lastMinute
}

func (c *counter) reset() {
	c.severities, c.facilities = [8]uint64{}, [32]uint64{}
	c.hosts.reset()
	c.apps.reset()
	c.minutes, c.manyMinutes, c.last = map[int64]*[8]uint64{}, false, nil
}

func (c *counter) add(e *syslog.Event, host []byte) {
	c.severities[e.Severity&7]++
	c.facilities[e.Facility&31]++
	c.hosts.add(host)
	c.apps.add(e.Field(e.AppName))
	if c.manyMinutes {
		return
	}
	minute := MinuteOf(e.TimeNano())
	if c.last == nil || minute != c.lastMinute {
		c.lastMinute, c.last = minute, c.minutes[minute]
		if c.last == nil {
			if len(c.minutes) == maxMinutes {
				c.manyMinutes = true
				return
			}
			c.last = new([8]uint64)
			c.minutes[minute] = c.last
		}
	}
	c.last[e.Severity&7]++
}

// MinuteOf returns the minute, counted from 1970, of a time in nanoseconds.
func MinuteOf(nano int64) int64 {
	m := nano / Minute
	if nano%Minute < 0 {
		m--
	}
	return m
}

func (c *counter) append(dst []byte) []byte {
	for _, n := range c.severities {
		if n > 0 {
			dst = binary.AppendUvarint(dst, n)
		}
	}
	for _, n := range c.facilities {
		if n > 0 {
			dst = binary.AppendUvarint(dst, n)
		}
	}
	dst = c.hosts.append(dst)
	dst = c.apps.append(dst)
	if c.manyMinutes {
		return append(dst, 0)
	}
	order := make([]int64, 0, len(c.minutes))
	for minute := range c.minutes {
		order = append(order, minute)
	}
	slices.Sort(order)
	dst = binary.AppendUvarint(dst, uint64(len(order))+1)
	for i, minute := range order {
		if i == 0 {
			dst = binary.AppendVarint(dst, minute)
		} else {
			dst = binary.AppendUvarint(dst, uint64(minute-order[i-1]))
		}
		mark := len(dst)
		dst = append(dst, 0)
		for s, n := range c.minutes[minute] {
			if n > 0 {
				dst[mark] |= 1 << s
				dst = binary.AppendUvarint(dst, n)
			}
		}
	}
	return dst
}

// nameCounter counts names, in the order in which they came.
type nameCounter struct {
	at     map[string]int
	names  []string
	counts []uint64
	octets int
	many   bool
}

func (c *nameCounter) reset() {
	if c.at == nil {
		c.at = make(map[string]int)
	}
	clear(c.at)
	c.names, c.counts, c.octets, c.many = c.names[:0], c.counts[:0], 0, false
}

func (c *nameCounter) add(name []byte) {
	if i, ok := c.at[string(name)]; ok {
		c.counts[i]++
		return
	}
	if c.many {
		return
	}
	if c.octets += len(name) + 4; len(c.names) == maxNames || c.octets > maxNameOctets {
		c.many = true
		return
	}
	s := string(name)
	c.at[s] = len(c.names)
	c.names, c.counts = append(c.names, s), append(c.counts, 1)
}

func (c *nameCounter) append(dst []byte) []byte {
	if c.many {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(len(c.names))+1)
	for i, name := range c.names {
		dst = binary.AppendUvarint(dst, uint64(len(name)))
		dst = append(dst, name...)
		dst = binary.AppendUvarint(dst, c.counts[i])
	}
	return dst
}
