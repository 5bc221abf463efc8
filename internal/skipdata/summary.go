package skipdata

import (
	"encoding/binary"

	"github.com/syslane/syslane/internal/syslog"
)

// maxWords bounds the distinct words that a Summarizer keeps of one block. A block
// with more gets no filter.
const maxWords = 1 << 18

// Summarizer makes the data of blocks. It is for one goroutine, and reuses its
// memory, at most 4 MiB.
type Summarizer struct {
	set   wordSet
	count counter
	names syslog.Interner
	// texts that repeat from event to event, and were taken last.
	input, identity, path, host string
	address                     []byte
}

// Append appends the data of a block with this run of encoded events to dst. Where
// an event cannot be read, nothing: the block has to be searched.
func (s *Summarizer) Append(dst, records []byte) []byte {
	s.set.reset()
	s.count.reset()
	s.input, s.identity, s.path, s.host = "", "", "", ""
	var severities, facilities uint32
	var e syslog.Event
	for len(records) > 0 {
		var record []byte
		if record, records = syslog.NextRecord(records); record == nil {
			return dst
		}
		if err := e.Decode(record, &s.names); err != nil {
			return dst
		}
		severities |= 1 << (e.Severity & 7)
		facilities |= 1 << (e.Facility & 31)
		for _, span := range [...]syslog.Span{e.Text, e.AppName, e.Hostname, e.ProcID, e.MsgID, e.StructuredData} {
			if !span.Empty() {
				s.set.addText(e.Field(span))
			}
		}
		s.addName(&s.input, e.Input)
		s.addName(&s.identity, e.Identity)
		s.addName(&s.path, e.Path)
		host := e.Field(e.Hostname)
		if e.Hostname.Empty() {
			host = s.addHost(&e)
		}
		s.count.add(&e, host)
	}
	if facilities >= 1<<24 {
		return dst // no syslog
	}
	dst = append(dst, version, byte(severities), byte(facilities), byte(facilities>>8), byte(facilities>>16), hashes)
	dst = append(dst, 0, 0, 0, 0)
	mark := len(dst)
	dst = s.count.append(dst)
	binary.LittleEndian.PutUint32(dst[mark-4:], uint32(len(dst)-mark))
	if s.set.full {
		return dst
	}
	return s.set.appendFilter(dst, MaxSize-headerSize-(len(dst)-mark))
}

// addName adds a text unless it was the last one added there.
func (s *Summarizer) addName(last *string, text string) {
	if text != *last {
		*last = text
		s.set.addText([]byte(text))
	}
}

// UnknownHost is the name of the host of an event of which nothing tells it.
const UnknownHost = "unknown"

// addHost adds and returns the name of the host of an event that does not give it
// itself. It is valid until the next call.
func (s *Summarizer) addHost(e *syslog.Event) []byte {
	name := UnknownHost
	switch {
	case e.Host != "":
		name = e.Host
	case e.Source.IsValid():
		s.address = e.Source.Addr().Unmap().WithZone("").AppendTo(s.address[:0])
		s.set.addText(s.address)
		return s.address
	}
	s.addName(&s.host, name)
	s.address = append(s.address[:0], name...)
	return s.address
}

// wordSet is a set of words, with open addressing.
type wordSet struct {
	slots []Word // 0: free
	used  int
	full  bool
}

func (s *wordSet) reset() {
	clear(s.slots)
	s.used, s.full = 0, false
	if s.slots == nil {
		s.slots = make([]Word, 1<<12)
	}
}

func (s *wordSet) addText(text []byte) {
	eachWord(text, func(w Word, _, _ int) { s.add(w) })
}

func (s *wordSet) add(w Word) {
	if s.full {
		return
	}
	mask := uint64(len(s.slots) - 1)
	i := uint64(w) & mask
	for s.slots[i] != 0 {
		if s.slots[i] == w {
			return
		}
		i = (i + 1) & mask
	}
	if s.used == maxWords {
		s.full = true
		return
	}
	s.slots[i] = w
	if s.used++; s.used*2 > len(s.slots) {
		s.grow()
	}
}

func (s *wordSet) grow() {
	old := s.slots
	s.slots, s.used = make([]Word, 2*len(old)), 0
	for _, w := range old {
		if w != 0 {
			s.add(w)
		}
	}
}

// appendFilter appends the Bloom filter of the set, of at most so many octets.
func (s *wordSet) appendFilter(dst []byte, most int) []byte {
	octets := min(max((s.used*bitsPerWord+7)/8, 8), most)
	mark := len(dst)
	dst = append(dst, make([]byte, octets)...)
	filter, m := dst[mark:], uint64(octets)*8
	for _, w := range s.slots {
		if w == 0 {
			continue
		}
		for i := range uint64(hashes) {
			at := w.bit(i, m)
			filter[at/8] |= 1 << (at % 8)
		}
	}
	return dst
}
