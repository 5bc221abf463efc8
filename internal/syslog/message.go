// Package syslog holds the nouns that all of Syslane shares: the message and
// its header fields (RFC 5424 §6), the event (a message with its envelope), the
// octets in which an event is kept and sent on, and the transport framing of
// RFC 6587.
package syslog

import "time"

// Span is a half-open range of octets [Start, End) within Message.Raw. An empty
// span means that the field is absent or NILVALUE ("-").
type Span struct{ Start, End uint32 }

// Empty tells whether the field is absent or NILVALUE.
func (s Span) Empty() bool { return s.Start >= s.End }

// Of returns the octets of the span within raw. The result aliases raw.
func (s Span) Of(raw []byte) []byte { return raw[s.Start:s.End] }

// Format tells by which grammar a message was understood.
type Format uint8

const (
	// Unparsed: no header was recognised; the whole of the raw octets (after a
	// PRI, if there was one) is the message text.
	Unparsed Format = iota
	// RFC5424: the header of RFC 5424 §6.
	RFC5424
	// RFC3164: the BSD header of RFC 3164 §4.1, or one of the many forms near
	// it that devices send.
	RFC3164
)

// String returns "unparsed", "rfc5424" or "rfc3164".
func (f Format) String() string {
	switch f {
	case RFC5424:
		return "rfc5424"
	case RFC3164:
		return "rfc3164"
	}
	return "unparsed"
}

// Warnings is a set of things that were not as they should be with a message
// which was kept all the same.
type Warnings uint32

// The warnings that a message can carry. Their bits are part of the event
// format and never change their meaning.
const (
	// WarnTruncated: the message was longer than max_message_size and was cut.
	WarnTruncated Warnings = 1 << iota
	// WarnNoPriority: there was no valid PRI; user.notice is assumed (RFC 3164 §4.3.3).
	WarnNoPriority
	// WarnNoTimestamp: there was none, or NILVALUE, or it could not be read;
	// the receive time stands in.
	WarnNoTimestamp
	// WarnNoHostname: the header names no host.
	WarnNoHostname
	// WarnStructuredData: the structured data breaks RFC 5424 §6.3; its octets
	// were left in the message text.
	WarnStructuredData
	// WarnNotUTF8: the message text is not valid UTF-8.
	WarnNotUTF8
	// WarnBadCount: an octet count (RFC 6587 §3.4.1) was impossible and was
	// taken as text.
	WarnBadCount
	// WarnClockSkew: the originator's time is far from the receive time.
	WarnClockSkew
	// WarnYearInferred: the timestamp has no year; it was chosen by the receive time.
	WarnYearInferred
	// WarnUnterminated: the connection ended within the message.
	WarnUnterminated
	// WarnConverted: the octets are not those received, but their conversion to
	// UTF-8 from the charset configured for the input, which can be undone.
	WarnConverted
	// WarnTransformed: the octets are not those received, but what a rule made of them.
	WarnTransformed
	warnEnd
)

var warningNames = []string{
	"truncated", "no-priority", "no-timestamp", "no-hostname", "bad-structured-data",
	"not-utf8", "bad-octet-count", "clock-skew", "year-inferred", "unterminated", "charset-converted",
	"transformed",
}

// Names appends the names of the warnings in w to dst, in the order of their bits.
func (w Warnings) Names(dst []string) []string {
	for i, name := range warningNames {
		if w&(1<<i) != 0 {
			dst = append(dst, name)
		}
	}
	return dst
}

// Message is a syslog message: its octets as they were received, without
// transport framing, and where in them the header fields lie. The zero Message
// is an empty unparsed one.
//
// No field is a copy. Raw is owned by whoever made the message, and the fields
// are valid as long as Raw is not modified.
type Message struct {
	Raw      []byte
	Format   Format
	Facility Facility
	Severity Severity
	Warnings Warnings
	// Timestamp is the originator's time in nanoseconds since the Unix epoch,
	// with year and zone resolved; math.MinInt64 (NoTimestamp) where there is none.
	Timestamp int64
	// Header fields of RFC 5424 §6.2. AppName is the TAG of RFC 3164 without
	// its pid, ProcID that pid.
	Hostname, AppName, ProcID, MsgID Span
	// StructuredData spans all SD-ELEMENTs with their brackets, unescaped; see
	// EachElement.
	StructuredData Span
	// Text is the MSG part without a byte order mark.
	Text Span
}

// NoTimestamp is Message.Timestamp where the originator gave no usable time.
const NoTimestamp = -1 << 63

// Time returns the originator's time, or the zero time where it gave none.
func (m *Message) Time() time.Time {
	if m.Timestamp == NoTimestamp {
		return time.Time{}
	}
	return time.Unix(0, m.Timestamp).UTC()
}

// Field returns the octets of s within the message; it aliases Raw.
func (m *Message) Field(s Span) []byte { return m.Raw[s.Start:s.End] }
