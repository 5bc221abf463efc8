package parser

import "github.com/syslane/syslane/internal/syslog"

// parse5424 reads a message of RFC 5424 §6 whose TIMESTAMP should begin at i. It
// returns false, with nothing changed, where there is neither a time with a year
// nor "-".
//
// Let pass are fields longer than the RFC allows and of octets beyond ASCII,
// nine digits of a fraction, more than one space before a field, and any form of
// time that stamp reads as long as it has a year. A message whose header breaks
// off, or whose structured data is malformed, is flagged with
// syslog.WarnStructuredData and read as far as it goes: see loose5424.
func parse5424(m *syslog.Message, b []byte, i int, c *clock) bool {
	n := len(b)
	time, j := int64(syslog.NoTimestamp), i
	if at(b, i) == '-' && (i+1 == n || b[i+1] == ' ') {
		j = i + 1
	} else if t, end := stamp3339(b, i); end > 0 && at(b, end) == ' ' {
		time, j = t, end
	} else {
		var s stamp
		end := s.parse(b, i)
		if end == 0 || end < n && b[end] != ' ' || !s.hasYear {
			return false
		}
		time, _ = s.resolve(b, c)
		if j = end; s.isUnix {
			m.Format, m.Timestamp = syslog.RFC3164, time
			meraki(m, b, j)
			return true
		}
	}
	m.Format, m.Timestamp = syslog.RFC5424, time

	j = skipSpaces(b, j)
	start := j
	j = fieldEnd(b, j)
	m.Hostname = field(b, start, j)
	j = skipSpaces(b, j)
	loose := j
	j = fieldEnd(b, j)
	m.AppName = field(b, loose, j)
	j = skipSpaces(b, j)
	start = j
	j = fieldEnd(b, j)
	m.ProcID = field(b, start, j)
	j = skipSpaces(b, j)
	start = j
	j = fieldEnd(b, j)
	m.MsgID = field(b, start, j)
	if j < n {
		j++
	}
	end := j
	if j < n && b[j] == '-' && (j+1 == n || b[j+1] == ' ') {
		end = j + 1
	} else {
		if end = structuredData(b, j); end == 0 {
			loose5424(m, b, loose, j)
			return true
		}
		m.StructuredData = span(j, end)
	}
	if end < n {
		end++
	}
	m.Text = textFrom(b, end)
	return true
}

func skipSpaces(b []byte, i int) int {
	for i < len(b) && b[i] == ' ' {
		i++
	}
	return i
}

func fieldEnd(b []byte, i int) int {
	for i < len(b) && b[i] != ' ' {
		i++
	}
	return i
}

// loose5424 reads the rest of a message that has the time and host of RFC 5424
// but no valid structured data at sd. What follows the host, at i, may be all
// that there is of a header:
//
//	<5>1 2022-10-11T22:14:15Z VAULT CEF:0|Cyber-Ark|Vault|...     no APP-NAME and on
//	<14>1 2022-10-11T22:14:15Z web1 myapp[12]: text               the tag of RFC 3164
//	<134>1 2022-10-11T22:14:15Z gw1 CheckPoint 18160 - [action:"Accept"; flags:"1"]
//	<13>1 2022-10-11T22:14:15Z web1 app 12 ID1 text               no STRUCTURED-DATA
func loose5424(m *syslog.Message, b []byte, i, sd int) {
	m.Warnings |= syslog.WarnStructuredData
	name, msgID, pid, end := tagAt(b, i)
	switch {
	case startsBody(b, i):
		m.AppName, m.ProcID, m.MsgID = syslog.Span{}, syslog.Span{}, syslog.Span{}
		m.Text = textFrom(b, i)
	case end > 0:
		m.AppName, m.ProcID, m.MsgID = name, pid, msgID
		m.Text = textFrom(b, end)
	case startsBody(b, int(m.AppName.End)+1):
		m.ProcID, m.MsgID = syslog.Span{}, syslog.Span{}
		m.Text = textFrom(b, int(m.AppName.End)+1)
	default:
		m.Text = textFrom(b, sd)
	}
}

// meraki reads what Cisco Meraki sends behind a VERSION and a time in seconds
// since the epoch: the host and the kind of event. It is not of RFC 5424, though
// it begins so.
//
//	<134>1 1374543986.038687615 MX84 urls src=192.168.1.186:63735 dst=69.58.188.40:80
func meraki(m *syslog.Message, b []byte, i int) {
	start := skipSpace(b, i)
	end := wordEnd(b, start)
	m.Hostname = field(b, start, end)
	start = skipSpace(b, end)
	if end = wordEnd(b, start); end < len(b) && indexByte(b[start:end], '=') < 0 {
		m.AppName = span(start, end)
		start = skipSpace(b, end)
	}
	m.Text = textWithoutEnd(b, start)
}

// structuredData returns the end of the SD-ELEMENTs that begin at i, or 0 where
// there are none or they break RFC 5424 §6.3.
func structuredData(b []byte, i int) int {
	if i >= len(b) || b[i] != '[' {
		return 0
	}
	for i < len(b) && b[i] == '[' {
		start := i + 1
		if i = nameEnd(b, start); i == start {
			return 0
		}
		for {
			if i >= len(b) {
				return 0
			}
			if b[i] == ']' {
				i++
				break
			}
			if b[i] != ' ' {
				return 0
			}
			start = skipSpaces(b, i+1)
			if start < len(b) && b[start] == ']' {
				i = start
				continue
			}
			if i = nameEnd(b, start); i == start || i+1 >= len(b) || b[i] != '=' || b[i+1] != '"' {
				return 0
			}
			for i += 2; ; i += 2 {
				for i < len(b) && classes[b[i]]&classText != 0 {
					i++
				}
				if i >= len(b) {
					return 0
				}
				if b[i] == '"' {
					i++
					break
				}
			}
		}
	}
	if i < len(b) && b[i] != ' ' {
		return 0
	}
	return i
}

// nameEnd returns the end of the SD-NAME that begins at i.
func nameEnd(b []byte, i int) int {
	for i < len(b) && classes[b[i]]&className != 0 {
		i++
	}
	return i
}

// textFrom is the rest of b from i on, without a byte order mark.
func textFrom(b []byte, i int) syslog.Span {
	if len(b)-i >= 3 && b[i] == 0xEF && b[i+1] == 0xBB && b[i+2] == 0xBF {
		i += 3
	}
	return span(min(i, len(b)), len(b))
}
