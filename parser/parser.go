package parser

import (
	"time"
	"unicode/utf8"

	"github.com/syslane/syslane/internal/syslog"
)

// DefaultMaxSkew is how far an originator's time may be from the receive time
// before the message is flagged with syslog.WarnClockSkew. A day lets a zone be
// wrong by any amount and a queue be held for hours; what is beyond is a clock
// that was never set, or a file from the past.
const DefaultMaxSkew = 24 * time.Hour

// Options is what Parse must know beyond the octets. Parse only reads it, so one
// Options may serve many goroutines.
type Options struct {
	// Received is when the message arrived. It decides the year of stamps
	// without one, which of two a local time is that a clock shows twice, and
	// clock skew. The zero Time stands for now.
	Received time.Time
	// Location is the zone of stamps that name none; nil stands for time.Local.
	Location *time.Location
	// MaxSkew is how far a stamp may be from Received without a warning: 0
	// stands for DefaultMaxSkew, a negative duration for no limit.
	MaxSkew time.Duration
	// LocalHost is set for messages of programs on this host, as they come by
	// /dev/log: to its name. Their BSD header has no HOSTNAME; the word behind
	// the time is one only if it is this name, or if a tag with a pid follows, as
	// in what a daemon forwards there. Else it belongs to the tag.
	LocalHost string
}

// clock is the Options as the parser uses them.
type clock struct {
	received int64 // nanoseconds since the epoch
	location *time.Location
	local    string // Options.LocalHost
}

// Parse finds the header fields of m.Raw and fills every other field of m. It
// keeps the bits that the input has set in m.Warnings and adds its own. A nil o
// stands for the zero Options.
//
// Parse never fails: what it does not understand comes out with the Format
// syslog.Unparsed and all of its octets, but for a valid PRI, in Text. It
// allocates nothing, does not modify Raw, and takes time linear in the length of
// Raw, which must be shorter than 2³² octets.
func Parse(m *syslog.Message, o *Options) {
	c := clock{location: time.Local}
	maxSkew := time.Duration(0)
	if o != nil {
		if o.Location != nil {
			c.location = o.Location
		}
		maxSkew = o.MaxSkew
		c.local = o.LocalHost
	}
	if o == nil || o.Received.IsZero() {
		c.received = time.Now().UnixNano()
	} else {
		c.received = o.Received.UnixNano()
	}
	m.Format, m.Facility, m.Severity = syslog.Unparsed, syslog.DefaultFacility, syslog.DefaultSeverity
	m.Timestamp = syslog.NoTimestamp
	m.Hostname, m.AppName, m.ProcID, m.MsgID = syslog.Span{}, syslog.Span{}, syslog.Span{}, syslog.Span{}
	m.StructuredData, m.Text = syslog.Span{}, syslog.Span{}
	parse(m, &c)

	if m.Timestamp == syslog.NoTimestamp {
		m.Warnings |= syslog.WarnNoTimestamp
	} else if maxSkew >= 0 {
		if maxSkew == 0 {
			maxSkew = DefaultMaxSkew
		}
		// The difference of two times may need 64 bits without a sign.
		skew := uint64(m.Timestamp) - uint64(c.received)
		if m.Timestamp < c.received {
			skew = -skew
		}
		if skew > uint64(maxSkew) {
			m.Warnings |= syslog.WarnClockSkew
		}
	}
	if m.Hostname.Empty() {
		m.Warnings |= syslog.WarnNoHostname
	}
	if !utf8.Valid(m.Raw[m.Text.Start:m.Text.End]) {
		m.Warnings |= syslog.WarnNotUTF8
	}
}

// parse reads the PRI and tells RFC 5424 from what else there is.
func parse(m *syslog.Message, c *clock) {
	b := m.Raw
	i, hasPriority := priority(m, 0)
	if !hasPriority {
		start := skipJunk(b)
		if i, hasPriority = priority(m, start); !hasPriority {
			m.Warnings |= syslog.WarnNoPriority
			i = badPriority(b, start)
		}
	}
	if v := version(b, i); v > 0 {
		// Without a PRI, "1 - text" is anything.
		if (hasPriority || at(b, v) != '-') && parse5424(m, b, v, c) {
			return
		}
		if (&stamp{}).parse(b, v) > 0 {
			// <134>1 Dec 6 08:41:44 192.168.1.1 ...: a version before a BSD stamp.
			i = v
		}
	}
	parse3164(m, b, i, hasPriority, c)
	if m.Format == syslog.Unparsed && !hasPriority {
		m.Text = textFrom(b, 0)
	}
}

// badPriority skips a number in angle brackets that is no PRI.
//
//	<999>Oct 11 22:14:15 web1 app[3]: text
func badPriority(b []byte, i int) int {
	if at(b, i) != '<' {
		return i
	}
	j := i + 1
	for j < len(b) && j < i+8 && isDigit(b[j]) {
		j++
	}
	if j > i+1 && at(b, j) == '>' {
		return j + 1
	}
	return i
}

// skipJunk returns where a message begins that does not begin with its PRI:
// behind spaces, line ends and NULs, a byte order mark, or an octet count (RFC
// 6587 §3.4.1) that a sender put into a datagram.
//
//	486 <132>1 2022-04-05T19:56:42.387Z host - - - - text
func skipJunk(b []byte) int {
	i := 0
	if hasPrefix(b, 0, "\xEF\xBB\xBF") {
		i = 3
	}
	for i < len(b) && (b[i] <= ' ') {
		i++
	}
	j := i
	for j < len(b) && j < i+6 && isDigit(b[j]) {
		j++
	}
	if j > i && at(b, j) == ' ' && at(b, j+1) == '<' && isDigit(at(b, j+2)) {
		return j + 1
	}
	return i
}

// priority reads a PRI at i and returns the position after it, or i and false
// where there is none that is valid.
//
//	PRI = "<" 1*3DIGIT ">"     0 to 191; leading zeros are let pass
func priority(m *syslog.Message, i int) (int, bool) {
	b := m.Raw
	if i >= len(b) || b[i] != '<' {
		return i, false
	}
	n, j := 0, i+1
	for j < len(b) && j < i+4 && isDigit(b[j]) {
		n = n*10 + int(b[j]-'0')
		j++
	}
	if j == i+1 || j >= len(b) || b[j] != '>' || n > 191 {
		return i, false
	}
	m.Facility, m.Severity = syslog.Facility(n>>3), syslog.Severity(n&7)
	return j + 1, true
}

// version reads a VERSION (RFC 5424 §6.2.2) at i and returns the position after
// the space that follows it, or 0.
func version(b []byte, i int) int {
	if i >= len(b) || b[i] < '1' || b[i] > '9' {
		return 0
	}
	j := i + 1
	for j < len(b) && j < i+3 && isDigit(b[j]) {
		j++
	}
	if j >= len(b) || b[j] != ' ' {
		return 0
	}
	return j + 1
}
