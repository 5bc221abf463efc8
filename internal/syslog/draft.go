package syslog

import "bytes"

// Draft is a message taken apart, so that its parts can be replaced. The parts
// alias the message until they are.
type Draft struct {
	Facility Facility
	Severity Severity
	// Header fields; empty is NILVALUE.
	Hostname, AppName, ProcID, MsgID []byte
	// StructuredData is as in Message: all SD-ELEMENTs, or empty.
	StructuredData []byte
	Text           []byte
	// mark says that the text has a byte order mark before it.
	mark bool
}

const byteOrderMark = "\xEF\xBB\xBF"

// NewDraft takes e apart. What a message in another form than RFC 5424 lacks is
// supplied as by AppendRFC5424.
func NewDraft(e *Event) Draft {
	d := Draft{
		Facility: e.Facility, Severity: e.Severity,
		Hostname: e.Field(e.Hostname), AppName: e.Field(e.AppName), ProcID: e.Field(e.ProcID), MsgID: e.Field(e.MsgID),
		StructuredData: e.Field(e.StructuredData), Text: e.Field(e.Text),
	}
	if len(d.Hostname) == 0 && e.Format != RFC5424 {
		if d.Hostname = appendHost(nil, e); string(d.Hostname) == "-" {
			d.Hostname = nil
		}
	}
	if s := e.Text.Start; s >= 3 && int(s) <= len(e.Raw) && string(e.Raw[s-3:s]) == byteOrderMark {
		d.mark = true
	}
	return d
}

// AppendTo appends the draft as a message of RFC 5424 to dst, and makes it the
// message of e: from then on the octets of e are in the result, and are known not
// to be those received. Octets that a header field may not have become "_", and
// what is too long is cut.
func (d *Draft) AppendTo(dst []byte, e *Event) []byte {
	start := len(dst)
	e.Facility, e.Severity = d.Facility, d.Severity
	dst = appendPriority(dst, e)
	dst = append(dst, '1', ' ')
	if e.Timestamp == NoTimestamp && e.Format == RFC5424 {
		dst = append(dst, '-')
	} else {
		dst = appendTimestamp(dst, e.TimeNano())
	}
	field := func(v []byte, limit int) (s Span) {
		dst = append(dst, ' ')
		s.Start = uint32(len(dst) - start)
		dst = appendHeaderField(dst, v, limit)
		if s.End = uint32(len(dst) - start); len(v) == 0 || string(v) == "-" {
			return Span{}
		}
		return s
	}
	e.Hostname, e.AppName = field(d.Hostname, maxHostname), field(d.AppName, maxAppName)
	e.ProcID, e.MsgID = field(d.ProcID, maxProcID), field(d.MsgID, maxMsgID)
	dst = append(dst, ' ')
	e.StructuredData = Span{}
	if len(d.StructuredData) > 0 {
		from := uint32(len(dst) - start)
		dst = append(dst, d.StructuredData...)
		e.StructuredData = Span{from, uint32(len(dst) - start)}
	} else {
		dst = append(dst, '-')
	}
	e.Text = Span{}
	if len(d.Text) > 0 {
		dst = append(dst, ' ')
		if d.mark {
			dst = append(dst, byteOrderMark...)
		}
		from := uint32(len(dst) - start)
		dst = append(dst, d.Text...)
		e.Text = Span{from, uint32(len(dst) - start)}
	}
	e.Raw, e.Format = dst[start:], RFC5424
	e.Warnings = e.Warnings&^(WarnStructuredData|WarnNoPriority) | WarnTransformed
	if !e.Hostname.Empty() {
		e.Warnings &^= WarnNoHostname
	}
	return dst
}

// WellFormed tells whether sd is a run of SD-ELEMENTs as the parser takes them
// (RFC 5424 §6.3, and unescaped brackets in values), or empty.
func WellFormed(sd []byte) bool {
	for len(sd) > 0 {
		if sd[0] != '[' {
			return false
		}
		i := 1 + bytes.IndexAny(sd[1:], " ]=\"")
		if i < 2 || sd[i] == '=' || sd[i] == '"' {
			return false
		}
		for i < len(sd) && sd[i] == ' ' {
			for i < len(sd) && sd[i] == ' ' {
				i++
			}
			if i < len(sd) && sd[i] == ']' {
				break // as the parser does, blanks are taken there too
			}
			n := bytes.IndexAny(sd[i:], " =]\"")
			if n < 1 || !bytes.HasPrefix(sd[i+n:], []byte(`="`)) {
				return false
			}
			for i += n + 2; i < len(sd) && sd[i] != '"'; i++ {
				if sd[i] == '\\' {
					i++
				}
			}
			i++
		}
		if i >= len(sd) || sd[i] != ']' {
			return false
		}
		sd = sd[i+1:]
	}
	return true
}
