package syslog

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

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
	end, last := int64(0), int64(0)
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
		last = max(last, end)
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
	if e.Raw = d.b; last > int64(len(e.Raw)) {
		return ErrEventCorrupt
	}
	return nil
}

// decoder reads varints off the front of b; after a failure all it returns is zero.
type decoder struct {
	b      []byte
	failed bool
}

func (d *decoder) uvarint() uint64 {
	if len(d.b) > 0 && d.b[0] < 0x80 { // as nearly all are
		v := d.b[0]
		d.b = d.b[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.failed, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v := d.uvarint()
	return int64(v>>1) ^ -int64(v&1)
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
