package syslog

import (
	"net/netip"
	"strconv"
	"time"
)

// The limits of RFC 5424 §6 for header fields, in octets.
const (
	maxHostname = 255
	maxAppName  = 48
	maxProcID   = 128
	maxMsgID    = 32
	// maxTag is for RFC 3164, where tags are in truth longer than its 32.
	maxTag = 128
)

// AppendRFC5424 appends e as a message of RFC 5424 §6, without framing, and
// returns the result. A message that came in this form goes out with equal
// fields; TIMESTAMP is in UTC with as many digits of a fraction as it needs,
// nanoseconds beyond the RFC's six cut off. Any other message is supplied with
// what it lacks, as RFC 3164 §4.3 asks of relays: the receive time, the address
// of the sender and, by the parser, PRI 13. Octets that a header field may not
// have become "_", and what is too long is cut.
//
// Structured data goes out as it came, whether well formed or not (RFC 5424
// §6.3). So does the text, with a byte order mark before it if the message had
// one: only then does RFC 5424 §6.4 promise that it is UTF-8.
func AppendRFC5424(dst []byte, e *Event) []byte {
	dst = appendPriority(dst, e)
	dst = append(dst, '1', ' ')
	if e.Format == RFC5424 && e.Timestamp == NoTimestamp {
		dst = append(dst, '-')
	} else {
		dst = appendTimestamp(dst, e.TimeNano())
	}
	dst = append(dst, ' ')
	if e.Format == RFC5424 {
		dst = appendHeaderField(dst, e.Field(e.Hostname), maxHostname)
	} else {
		dst = appendHost(dst, e)
	}
	dst = append(dst, ' ')
	dst = appendHeaderField(dst, e.Field(e.AppName), maxAppName)
	dst = append(dst, ' ')
	dst = appendHeaderField(dst, e.Field(e.ProcID), maxProcID)
	dst = append(dst, ' ')
	dst = appendHeaderField(dst, e.Field(e.MsgID), maxMsgID)
	text := e.Field(e.Text)
	switch {
	case !e.StructuredData.Empty():
		dst = append(append(dst, ' '), e.Field(e.StructuredData)...)
	case e.Warnings&WarnStructuredData != 0 && len(text) > 0 && text[0] == '[':
		// The malformed structured data is in the text; a "-" would alter it.
	default:
		dst = append(dst, ' ', '-')
	}
	if len(text) == 0 {
		return dst
	}
	dst = append(dst, ' ')
	if s := e.Text.Start; s >= 3 && string(e.Raw[s-3:s]) == byteOrderMark {
		dst = append(dst, byteOrderMark...)
	}
	return append(dst, text...)
}

// appendTimestamp appends a TIMESTAMP in UTC.
func appendTimestamp(dst []byte, nano int64) []byte {
	return time.Unix(0, nano).UTC().AppendFormat(dst, "2006-01-02T15:04:05.999999Z")
}

// AppendRFC3164 appends e as a message of RFC 3164 §4.1, without framing, with
// its time in the zone of this host: the form has no place for a zone, and
// receivers expect their own. Structured data goes before the text, so that
// nothing is lost. What the message lacks is supplied as by AppendRFC5424.
func AppendRFC3164(dst []byte, e *Event) []byte {
	return AppendRFC3164In(dst, e, time.Local)
}

// AppendRFC3164In is AppendRFC3164 with the time in the zone loc.
func AppendRFC3164In(dst []byte, e *Event, loc *time.Location) []byte {
	dst = appendPriority(dst, e)
	dst = time.Unix(0, e.TimeNano()).In(loc).AppendFormat(dst, time.Stamp)
	dst = append(dst, ' ')
	dst = appendHost(dst, e)
	dst = append(dst, ' ')
	if !e.AppName.Empty() {
		dst = appendHeaderField(dst, e.Field(e.AppName), maxTag)
		if !e.ProcID.Empty() {
			dst = append(dst, '[')
			dst = appendHeaderField(dst, e.Field(e.ProcID), maxProcID)
			dst = append(dst, ']')
		}
		dst = append(dst, ':', ' ')
	}
	if !e.StructuredData.Empty() {
		dst = append(dst, e.Field(e.StructuredData)...)
		dst = append(dst, ' ')
	}
	return append(dst, e.Field(e.Text)...)
}

func appendPriority(dst []byte, e *Event) []byte {
	dst = append(dst, '<')
	dst = strconv.AppendUint(dst, uint64(e.Facility)<<3|uint64(e.Severity)&7, 10)
	return append(dst, '>')
}

// appendHost appends the originator's name, or that of the machine on which the
// message arose, or the address that it came from, or "-".
func appendHost(dst []byte, e *Event) []byte {
	if e.Hostname.Empty() && e.Host != "" {
		var b [maxHostname]byte
		return appendHeaderField(dst, append(b[:0], e.Host...), maxHostname)
	}
	if e.Hostname.Empty() && e.Source.Addr().IsValid() {
		return appendAddr(dst, e.Source.Addr())
	}
	return appendHeaderField(dst, e.Field(e.Hostname), maxHostname)
}

func appendAddr(dst []byte, a netip.Addr) []byte {
	return a.Unmap().WithZone("").AppendTo(dst)
}

// appendHeaderField appends v as PRINTUSASCII of at most limit octets, or "-".
func appendHeaderField(dst, v []byte, limit int) []byte {
	if len(v) == 0 {
		return append(dst, '-')
	}
	for _, c := range v[:min(len(v), limit)] {
		if c <= ' ' || c >= 0x7f {
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}
