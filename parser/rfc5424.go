package parser

import "github.com/syslane/syslane/internal/syslog"

// parse5424 reads a message of RFC 5424 §6 whose TIMESTAMP should begin at i. It
// returns false, with the header fields untouched, where there is neither a time nor "-".
func parse5424(m *syslog.Message, b []byte, i int, o *Options) bool {
	warnings := syslog.Warnings(0)
	time, j := int64(syslog.NoTimestamp), i
	if at(b, i) == '-' && (i+1 == len(b) || b[i+1] == ' ') {
		j = i + 1
	} else if t, end := stamp3339(b, i); end > 0 && at(b, end) == ' ' {
		time, j = t, end
	} else {
		var s stamp
		end := s.parse(b, i)
		if end == 0 || end < len(b) && b[end] != ' ' || !s.hasYear {
			return false
		}
		time, _ = s.resolve(b, o)
		j = end
	}
	m.Format, m.Timestamp = syslog.RFC5424, time
	n := len(b)

	fields := [4]*syslog.Span{&m.Hostname, &m.AppName, &m.ProcID, &m.MsgID}
	for k, f := range fields {
		for j < n && b[j] == ' ' {
			j++
		}
		start := j
		if k > 0 && startsBody(b, j) {
			m.Text = textFrom(b, start)
			m.Warnings |= warnings | syslog.WarnStructuredData
			return true
		}
		for j < n && b[j] != ' ' {
			j++
		}
		*f = field(b, start, j)
	}
	if j < n {
		j++
	}
	// STRUCTURED-DATA
	end := j
	switch {
	case j < n && b[j] == '-' && (j+1 == n || b[j+1] == ' '):
		end = j + 1
	default:
		end = structuredData(b, j)
		if end == 0 {
			m.Text = textFrom(b, j)
			m.Warnings |= syslog.WarnStructuredData
			return true
		}
		m.StructuredData = span(j, end)
	}
	if end < n && b[end] == ' ' {
		end++
	}
	m.Text = textFrom(b, end)
	return true
}

// startsBody tells that what stands at i can only be the body of a message whose
// header breaks off: CyberArk and others send
//
//	<5>1 2022-10-11T22:14:15Z VAULT CEF:0|Cyber-Ark|Vault|...
func startsBody(b []byte, i int) bool {
	switch at(b, i) {
	case 'C':
		return hasPrefix(b, i, "CEF:")
	case 'L':
		return hasPrefix(b, i, "LEEF:")
	case '{':
		return true
	}
	return false
}

// structuredData returns the end of the SD-ELEMENTs that begin at i, or 0 where
// there are none or they break RFC 5424 §6.3.
func structuredData(b []byte, i int) int {
	n := len(b)
	if i >= n || b[i] != '[' {
		return 0
	}
	for i < n && b[i] == '[' {
		i++
		start := i
		for i < n && isSDName(b[i]) {
			i++
		}
		if i == start {
			return 0
		}
		for {
			if i >= n {
				return 0
			}
			if b[i] == ']' {
				i++
				break
			}
			if b[i] != ' ' {
				return 0
			}
			for i < n && b[i] == ' ' {
				i++
			}
			if i < n && b[i] == ']' {
				continue
			}
			start = i
			for i < n && isSDName(b[i]) {
				i++
			}
			if i == start || i+1 >= n || b[i] != '=' || b[i+1] != '"' {
				return 0
			}
			i += 2
			for i < n && b[i] != '"' {
				if b[i] == '\\' {
					i++
				}
				i++
			}
			if i >= n {
				return 0
			}
			i++
		}
	}
	if i < n && b[i] != ' ' {
		return 0
	}
	return i
}

// isSDName tells whether c may stand in an SD-NAME. Octets above ASCII are let pass.
func isSDName(c byte) bool {
	return c > ' ' && c != '=' && c != ']' && c != '"' && c != 0x7f
}

// textFrom is the rest of b from i on, without a byte order mark.
func textFrom(b []byte, i int) syslog.Span {
	if len(b)-i >= 3 && b[i] == 0xEF && b[i+1] == 0xBB && b[i+2] == 0xBF {
		i += 3
	}
	return span(min(i, len(b)), len(b))
}
