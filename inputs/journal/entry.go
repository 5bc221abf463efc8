package journal

import (
	"unicode/utf8"

	"github.com/syslane/syslane/internal/syslog"
)

// role is what a field is for in the message; other fields have none.
type role uint8

const (
	message role = iota
	priority
	facility
	transport
	identifier
	command
	pid
	syslogPID
	hostname
	messageID
	sourceTime
	realTime
	cursor
	roles
	noRole
)

func roleOf(name []byte) role {
	switch string(name) {
	case "MESSAGE":
		return message
	case "PRIORITY":
		return priority
	case "SYSLOG_FACILITY":
		return facility
	case "_TRANSPORT":
		return transport
	case "SYSLOG_IDENTIFIER":
		return identifier
	case "_COMM":
		return command
	case "_PID":
		return pid
	case "SYSLOG_PID":
		return syslogPID
	case "_HOSTNAME":
		return hostname
	case "MESSAGE_ID":
		return messageID
	case "_SOURCE_REALTIME_TIMESTAMP":
		return sourceTime
	case "__REALTIME_TIMESTAMP":
		return realTime
	case "__CURSOR":
		return cursor
	}
	return noRole
}

// entry is one entry of a journal, as far as the limits let it be kept.
type entry struct {
	maxSize, maxField, maxFields int

	// data holds names and values, and, while a message is made, its structured data.
	data   []byte
	fields []field
	// first are the first fields with a role: their index in fields, or -1.
	first [roles]int
	// cut is the number of fields that are not whole, leftOut that of those
	// not kept at all, lost the octets of values that are missing.
	cut, leftOut int
	lost         uint64
	// keep is how many octets more are kept of the value being read; skip is set
	// while a field that is not kept is read.
	keep int
	skip bool
}

// field is one field of an entry; its spans lie within entry.data.
type field struct {
	name, value syslog.Span
	// octets is the length that the value had.
	octets uint64
}

func newEntry(c *Config) *entry {
	return &entry{maxSize: c.MaxMessageSize, maxField: c.MaxFieldSize, maxFields: c.MaxFields}
}

func (e *entry) reset() {
	if cap(e.data) > maxKeptEntry {
		e.data = nil
	}
	e.data, e.fields = e.data[:0], e.fields[:0]
	e.cut, e.leftOut, e.lost, e.skip = 0, 0, 0, false
	for i := range e.first {
		e.first[i] = -1
	}
}

// beginField begins a field, and decides how much is kept of it.
func (e *entry) beginField(name []byte) {
	r := roleOf(name)
	needed := r != noRole && e.first[r] < 0
	// Half of the room is for fields with a role: they may come last.
	room := e.maxSize - len(e.data) - len(name)
	if !needed {
		room -= e.maxSize / 2
	}
	if e.skip = !needed && len(e.fields) >= e.maxFields || room <= 0; e.skip {
		e.leftOut++
		return
	}
	if needed {
		e.first[r] = len(e.fields)
	}
	start := uint32(len(e.data))
	e.data = append(e.data, name...)
	end := uint32(len(e.data))
	e.fields = append(e.fields, field{name: syslog.Span{Start: start, End: end}, value: syslog.Span{Start: end, End: end}})
	e.keep = min(e.maxField, room)
	if needed && r == cursor {
		// What is sent again is known by it, however little of a field is to be kept.
		e.keep = min(max(e.maxField, maxCursor), room)
	}
}

// add adds octets to the value of the field that was begun last, and returns how many of
// them are not kept.
func (e *entry) add(b []byte) (passed int64) {
	if e.skip {
		e.lost += uint64(len(b))
		return int64(len(b))
	}
	e.fields[len(e.fields)-1].octets += uint64(len(b))
	n := min(len(b), e.keep)
	e.data = append(e.data, b[:n]...)
	e.keep -= n
	return int64(len(b) - n)
}

// endField ends the field that was begun last.
func (e *entry) endField() {
	if e.skip {
		return
	}
	f := &e.fields[len(e.fields)-1]
	f.value.End = uint32(len(e.data))
	if kept := uint64(f.value.End - f.value.Start); f.octets > kept {
		// Half a character would make the value look binary.
		e.data = trimHalfCharacter(e.data, int(f.value.Start))
		f.value.End = uint32(len(e.data))
		e.cut++
		e.lost += f.octets - uint64(f.value.End-f.value.Start)
	}
}

// trimHalfCharacter cuts off the beginning of a character in UTF-8 whose end is
// missing.
func trimHalfCharacter(b []byte, from int) []byte {
	for i := len(b) - 1; i >= from && i >= len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if b[i] >= utf8.RuneSelf && !utf8.FullRune(b[i:]) {
				return b[:i]
			}
			break
		}
	}
	return b
}

// value returns the value of the first field with role r, and whether there is one.
func (e *entry) value(r role) ([]byte, bool) {
	i := e.first[r]
	if i < 0 {
		return nil, false
	}
	return e.fields[i].value.Of(e.data), true
}

// truncated tells whether anything is missing.
func (e *entry) truncated() bool { return e.cut > 0 || e.leftOut > 0 }
