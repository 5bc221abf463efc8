package parser

import (
	"time"
	"unicode/utf8"

	"github.com/syslane/syslane/internal/syslog"
)

// DefaultMaxSkew is how far an originator's time may be from the receive time
// before the message is flagged with syslog.WarnClockSkew. A day keeps out
// clocks whose zone is wrong by any amount, and queues that were held for hours.
const DefaultMaxSkew = 24 * time.Hour

// Options is what Parse must know beyond the octets. Parse only reads it, so one
// Options may serve many goroutines.
type Options struct {
	// Received is when the message arrived. It decides the year of stamps
	// without one, the fold of a local time that a clock shows twice, and clock
	// skew. The zero Time stands for now.
	Received time.Time
	// Location is the zone of stamps that name none; nil stands for time.Local.
	Location *time.Location
	// MaxSkew is how far a stamp may be from Received without a warning: 0
	// stands for DefaultMaxSkew, a negative duration for no limit.
	MaxSkew time.Duration
}

// localOptions is what a nil *Options stands for.
var localOptions = Options{}

// Parse finds the header fields of m.Raw and fills every other field of m. It
// keeps the bits that the input has set in m.Warnings and adds its own.
//
// Parse never fails: what it does not understand comes out with the Format
// syslog.Unparsed and all of its octets in Text. It allocates nothing, does not
// modify Raw, and takes time linear in the length of Raw. Raw must be shorter
// than 2³² octets.
func Parse(m *syslog.Message, o *Options) {
	if o == nil {
		o = &localOptions
	}
	b := m.Raw
	m.Format, m.Facility, m.Severity = syslog.Unparsed, syslog.DefaultFacility, syslog.DefaultSeverity
	m.Timestamp = syslog.NoTimestamp
	m.Hostname, m.AppName, m.ProcID, m.MsgID, m.StructuredData = syslog.Span{}, syslog.Span{}, syslog.Span{}, syslog.Span{}, syslog.Span{}
	m.Text = syslog.Span{}

	i, ok := priority(m, skipSpace(b, 0))
	if v := version(b, i); v > 0 && (ok || v == i+2) && parse5424(m, b, v, o) {
		finish(m, o)
		return
	}
	if !ok {
		m.Warnings |= syslog.WarnNoPriority
	}
	parse3164(m, b, i, ok, o)
	finish(m, o)
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
	for ; j < len(b) && j < i+4 && isDigit(b[j]); j++ {
		n = n*10 + int(b[j]-'0')
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

// finish sets the warnings that follow from the fields.
func finish(m *syslog.Message, o *Options) {
	if m.Timestamp == syslog.NoTimestamp {
		m.Warnings |= syslog.WarnNoTimestamp
	} else if o.MaxSkew >= 0 {
		limit := o.MaxSkew
		if limit == 0 {
			limit = DefaultMaxSkew
		}
		// The difference of two times can overflow; their order cannot.
		received := o.received()
		if m.Timestamp > received+int64(limit) || m.Timestamp < received-int64(limit) {
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

// received returns the receive time in nanoseconds since the epoch.
func (o *Options) received() int64 {
	if o.Received.IsZero() {
		return time.Now().UnixNano()
	}
	return o.Received.UnixNano()
}

func (o *Options) location() *time.Location {
	if o.Location == nil {
		return time.Local
	}
	return o.Location
}
