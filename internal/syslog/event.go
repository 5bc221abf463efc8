package syslog

import (
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// ID identifies an event for all its life. The first Syslane that accepts a
// message makes it, and it travels with the event over every link; it is the
// _id of the document in Elasticsearch.
//
//	octets 0-7    receive time, nanoseconds since the Unix epoch, big-endian
//	octets 8-11   node: the first four octets of the log's identity
//	octets 12-15  a counter of the process, big-endian, started at random
//
// So ids sort by receive time, and no two events share one unless a node counts
// through 2³² messages within a nanosecond of its clock.
type ID [16]byte

// idEncoding keeps the order of the octets in the order of the text.
var idEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

// IDTextLen is the length of an ID's text form in octets.
const IDTextLen = 26

// String returns the text form: 26 characters of base32hex, which sort as the ids do.
func (id ID) String() string { return string(id.AppendText(nil)) }

// AppendText appends the text form to dst.
func (id ID) AppendText(dst []byte) []byte { return idEncoding.AppendEncode(dst, id[:]) }

// ParseID reads the text form of an ID.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != IDTextLen {
		return id, fmt.Errorf("event id %q: want %d characters of base32hex", s, IDTextLen)
	}
	if _, err := idEncoding.Decode(id[:], []byte(s)); err != nil {
		return id, fmt.Errorf("event id %q: want %d characters of base32hex", s, IDTextLen)
	}
	return id, nil
}

// MakeID puts an ID together.
func MakeID(received time.Time, node [4]byte, count uint32) ID {
	var id ID
	binary.BigEndian.PutUint64(id[:8], uint64(received.UnixNano()))
	copy(id[8:12], node[:])
	binary.BigEndian.PutUint32(id[12:], count)
	return id
}

// Plus returns the ID of the event that is n further in the count.
func (id ID) Plus(n uint32) ID {
	binary.BigEndian.PutUint32(id[12:], binary.BigEndian.Uint32(id[12:])+n)
	return id
}

// Received returns when the first Syslane accepted the message.
func (id ID) Received() time.Time { return time.Unix(0, id.ReceivedNano()).UTC() }

// ReceivedNano returns the receive time in nanoseconds since the Unix epoch.
func (id ID) ReceivedNano() int64 { return int64(binary.BigEndian.Uint64(id[:8])) }

// Event is a message with its envelope: what the first Syslane that accepted it
// knew about its arrival.
type Event struct {
	ID ID
	Message
	// Source is the transport address of the peer that sent the message; the
	// zero AddrPort where the input has none (a file, a unix socket).
	Source netip.AddrPort
	// Identity is the peer's name in its TLS client certificate, verified; ""
	// where there was none.
	Identity string
	// Input is the configured name of the input that accepted the message.
	Input string
	// Host is the name of the machine on which the message arose, as the input
	// knows it; "" where it does not, or where the message names its host itself.
	Host string
	// Path is the file in which the message stood; "" where it came another way.
	Path string
	// Credentials are those of the process that sent the message.
	Credentials Credentials
	// Extracted are the fields that were taken out of the text, where its input
	// is told to, in the form of AppendExtracted; nil where there are none.
	Extracted []byte
	// Route names the outputs of this log that the event is for; nil for all. It
	// says nothing to any other Syslane, and does not travel (AppendWithoutRoute).
	Route Route
}

// Credentials say which process sent a message, as the kernel vouches for it
// (SCM_CREDENTIALS of unix(7)). The zero value is unknown.
type Credentials struct {
	// Known tells that the rest is there.
	Known bool
	// PID is 0 where the process lives outside the receiver's PID namespace.
	PID, UID, GID uint32
}

// TimeNano is the time by which an event is found and ordered: the
// originator's, or the receive time where it gave none.
func (e *Event) TimeNano() int64 {
	if e.Timestamp == NoTimestamp {
		return e.ID.ReceivedNano()
	}
	return e.Timestamp
}

// eventVersion is the first octet of an encoded event.
//
//	version      1 octet, 1
//	priority     1 octet, facility*8+severity
//	format       1 octet
//	id           16 octets
//	present      uvarint, bits below
//	route        uvarint length, octets                            (bitRoute)
//	warnings     uvarint
//	timestamp    varint, nanoseconds relative to the receive time  (bitTimestamp)
//	source       1 octet length (4 or 16), address, uint16 LE port (bitSource)
//	identity     uvarint length, octets                            (bitIdentity)
//	input        uvarint length, octets                            (bitInput)
//	spans        for each set bit bitHostname… bitText, in that order:
//	             varint start relative to the end of the span before, uvarint length
//	credentials  uvarint pid, uvarint uid, uvarint gid             (bitCredentials)
//	host         uvarint length, octets                            (bitHost)
//	path         uvarint length, octets                            (bitPath)
//	extracted    uvarint length, octets                            (bitExtracted)
//	raw          the rest
//
// New parts take the next bit and their place is before raw, so that all that was
// written before can be read. The route stands in front: whoever delivers looks
// at it without decoding the rest.
const eventVersion = 1

const (
	bitTimestamp = 1 << iota
	bitSource
	bitIdentity
	bitInput
	bitHostname
	bitAppName
	bitProcID
	bitMsgID
	bitStructuredData
	bitText
	bitCredentials
	bitHost
	bitPath
	bitExtracted
	bitRoute
	bitsKnown
)

// ErrEventVersion is returned for an event written by a newer Syslane.
var ErrEventVersion = errors.New("event was written by a newer version")

// ErrEventCorrupt is returned for octets that are no event.
var ErrEventCorrupt = errors.New("not an encoded event")

// spans lists the span fields in the order of their bits.
func (m *Message) spans() [6]*Span {
	return [6]*Span{&m.Hostname, &m.AppName, &m.ProcID, &m.MsgID, &m.StructuredData, &m.Text}
}

// AppendTo appends the encoded event to dst. Spans must lie within Raw.
func (e *Event) AppendTo(dst []byte) []byte {
	present := uint64(0)
	if e.Timestamp != NoTimestamp {
		present |= bitTimestamp
	}
	if e.Source.IsValid() {
		present |= bitSource
	}
	if e.Identity != "" {
		present |= bitIdentity
	}
	if e.Input != "" {
		present |= bitInput
	}
	spans := e.spans()
	for i, s := range spans {
		if !s.Empty() {
			present |= bitHostname << i
		}
	}
	if e.Credentials.Known {
		present |= bitCredentials
	}
	if e.Host != "" {
		present |= bitHost
	}
	if e.Path != "" {
		present |= bitPath
	}
	if len(e.Extracted) > 0 {
		present |= bitExtracted
	}
	if e.Route != nil {
		present |= bitRoute
	}
	dst = append(dst, eventVersion, byte(e.Facility)<<3|byte(e.Severity)&7, byte(e.Format))
	dst = append(dst, e.ID[:]...)
	dst = binary.AppendUvarint(dst, present)
	if present&bitRoute != 0 {
		dst = binary.AppendUvarint(dst, uint64(len(e.Route)))
		dst = append(dst, e.Route...)
	}
	dst = binary.AppendUvarint(dst, uint64(e.Warnings))
	if present&bitTimestamp != 0 {
		dst = binary.AppendVarint(dst, e.Timestamp-e.ID.ReceivedNano())
	}
	if present&bitSource != 0 {
		if a := e.Source.Addr().Unmap(); a.Is4() {
			b := a.As4()
			dst = append(append(dst, 4), b[:]...)
		} else {
			b := a.As16()
			dst = append(append(dst, 16), b[:]...)
		}
		dst = binary.LittleEndian.AppendUint16(dst, e.Source.Port())
	}
	if present&bitIdentity != 0 {
		dst = binary.AppendUvarint(dst, uint64(len(e.Identity)))
		dst = append(dst, e.Identity...)
	}
	if present&bitInput != 0 {
		dst = binary.AppendUvarint(dst, uint64(len(e.Input)))
		dst = append(dst, e.Input...)
	}
	end := uint32(0)
	for _, s := range spans {
		if s.Empty() {
			continue
		}
		dst = binary.AppendVarint(dst, int64(s.Start)-int64(end))
		dst = binary.AppendUvarint(dst, uint64(s.End-s.Start))
		end = s.End
	}
	if c := e.Credentials; c.Known {
		dst = binary.AppendUvarint(dst, uint64(c.PID))
		dst = binary.AppendUvarint(dst, uint64(c.UID))
		dst = binary.AppendUvarint(dst, uint64(c.GID))
	}
	if e.Host != "" {
		dst = binary.AppendUvarint(dst, uint64(len(e.Host)))
		dst = append(dst, e.Host...)
	}
	if e.Path != "" {
		dst = binary.AppendUvarint(dst, uint64(len(e.Path)))
		dst = append(dst, e.Path...)
	}
	if len(e.Extracted) > 0 {
		dst = binary.AppendUvarint(dst, uint64(len(e.Extracted)))
		dst = append(dst, e.Extracted...)
	}
	return append(dst, e.Raw...)
}

// Decode reads an event from b, all of which belongs to it. Raw, Extracted and Route
// alias b.
// Identity, Input, Host and Path are taken from interned (which may be nil) so
// that a reader of many events does not allocate for each.
func (e *Event) Decode(b []byte, interned *Interner) error {
	*e = Event{}
	if len(b) < 21 {
		return ErrEventCorrupt
	}
	if b[0] != eventVersion {
		return ErrEventVersion
	}
	e.Facility, e.Severity, e.Format = Facility(b[1]>>3), Severity(b[1]&7), Format(b[2])
	copy(e.ID[:], b[3:19])
	d := decoder{b: b[19:]}
	present := d.uvarint()
	if present >= bitsKnown {
		return ErrEventVersion
	}
	if present&bitRoute != 0 {
		e.Route = d.take(int(min(d.uvarint(), 1<<30)))
	}
	e.Warnings = Warnings(d.uvarint())
	e.Timestamp = NoTimestamp
	if present&bitTimestamp != 0 {
		e.Timestamp = e.ID.ReceivedNano() + d.varint()
	}
	if present&bitSource != 0 {
		n := d.take(1)
		if len(n) == 1 {
			addr, ok := netip.AddrFromSlice(d.take(int(n[0])))
			port := d.take(2)
			if !ok || port == nil {
				return ErrEventCorrupt
			}
			e.Source = netip.AddrPortFrom(addr, binary.LittleEndian.Uint16(port))
		}
	}
	if present&bitIdentity != 0 {
		e.Identity = interned.String(d.take(int(min(d.uvarint(), 1<<30))))
	}
	if present&bitInput != 0 {
		e.Input = interned.String(d.take(int(min(d.uvarint(), 1<<30))))
	}
	end := int64(0)
	for i, s := range e.spans() {
		if present&(bitHostname<<i) == 0 {
			continue
		}
		start := end + d.varint()
		end = start + int64(min(d.uvarint(), 1<<31))
		if start < 0 || end > 1<<31 || end < start {
			return ErrEventCorrupt
		}
		s.Start, s.End = uint32(start), uint32(end)
	}
	if present&bitCredentials != 0 {
		e.Credentials = Credentials{Known: true, PID: uint32(d.uvarint()), UID: uint32(d.uvarint()), GID: uint32(d.uvarint())}
	}
	if present&bitHost != 0 {
		e.Host = interned.String(d.take(int(min(d.uvarint(), 1<<30))))
	}
	if present&bitPath != 0 {
		e.Path = interned.String(d.take(int(min(d.uvarint(), 1<<30))))
	}
	if present&bitExtracted != 0 {
		if e.Extracted = d.take(int(min(d.uvarint(), 1<<30))); len(e.Extracted) == 0 {
			e.Extracted = nil
		}
	}
	if d.failed {
		return ErrEventCorrupt
	}
	e.Raw = d.b
	for _, s := range e.spans() {
		if int(s.End) > len(e.Raw) {
			return ErrEventCorrupt
		}
	}
	return nil
}

// RecordID reads no more of an encoded event than its id; the zero ID where b is
// too short to be one.
func RecordID(b []byte) (id ID) {
	if len(b) >= 3+len(id) {
		copy(id[:], b[3:])
	}
	return id
}

// decoder reads varints off the front of b; after a failure all it returns is zero.
type decoder struct {
	b      []byte
	failed bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.failed, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.failed, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.failed, d.b = true, nil
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

// Interner hands out one string for equal octets. Inputs, hosts, paths and TLS
// identities are few; the table is emptied when it holds more than a thousand, so that hostile
// names cannot make it grow. A nil *Interner copies each time. Not safe for
// concurrent use.
type Interner struct{ m map[string]string }

// String returns b as a string.
func (in *Interner) String(b []byte) string {
	if in == nil || len(b) > 256 {
		return string(b)
	}
	if s, ok := in.m[string(b)]; ok {
		return s
	}
	if in.m == nil || len(in.m) > 1000 {
		in.m = make(map[string]string)
	}
	s := string(b)
	in.m[s] = s
	return s
}
