package parser

import "github.com/syslane/syslane/internal/syslog"

// maxTag is how many octets of a message are searched for the end of its tag.
const maxTag = 128

// tagAt reads a TAG at p: its name, the mnemonic in it, the pid, and where the
// text begins behind it; an end of 0 where there is no tag. RFC 3164 §4.1.3 lets
// a tag end with the first octet that is no letter or digit; here it must end
// with a colon or have a pid, or each message would lose its first word.
//
//	sshd[4123]: text   postfix/smtpd[88]: text   su: text   su:text
//	app[12] text       %SYS-5-CONFIG_I: text     %PKT_INFRA-LINK-3-UPDOWN : text
func tagAt(b []byte, p int) (name, msgID, pid syslog.Span, end int) {
	limit := min(len(b), p+maxTag)
	j := p
	for j < limit && classes[b[j]]&classTag != 0 {
		j++
	}
	if j == p || j >= limit {
		return name, msgID, pid, 0
	}
	name = span(p, j)
	switch b[j] {
	case '[':
		k := j + 1
		for k < limit && b[k] != ']' && !isSpace(b[k]) {
			k++
		}
		if k >= limit || b[k] != ']' || k == j+1 && at(b, k+1) != ':' {
			return name, msgID, pid, 0
		}
		pid = span(j+1, k)
		j = k + 1
		if at(b, j) == ':' {
			j++
		} else if j < len(b) && !isSpace(b[j]) || !allDigits(b[pid.Start:pid.End]) {
			return name, msgID, pid, 0
		}
	case ':':
		j++
		if c := at(b, j); c == ':' || c == '/' || c == '\\' || isDigit(c) {
			return name, msgID, pid, 0
		}
	case ' ':
		if b[p] != '%' {
			return name, msgID, pid, 0
		}
		if at(b, j+1) == ':' {
			j += 2
		} else if !isMnemonic(b[p:j]) {
			return name, msgID, pid, 0
		}
	default:
		return name, msgID, pid, 0
	}
	if b[p] == '%' {
		msgID = mnemonicIn(b, name)
	}
	if j < len(b) && isSpace(b[j]) {
		j++
	}
	return name, msgID, pid, j
}

// tag reads what stands between host and text, with the words that some systems
// put before the tag.
func (d *dialect) tag(p int) {
	b := d.b
	p = d.skipTagPrefix(p)
	name, msgID, pid, end := tagAt(b, p)
	if end == 0 {
		name, msgID, end = d.bareTag(p)
	}
	if end == 0 {
		d.m.Text = textWithoutEnd(b, p)
		return
	}
	d.m.AppName, d.m.MsgID, d.m.ProcID = name, msgID, pid
	d.solaris(&end)
	d.m.Text = textWithoutEnd(b, end)
}

// skipTagPrefix skips words between host and tag that belong to neither.
//
//	bigip1 notice mcpd[5281]: text            F5: the severity
//	aix1 auth|security:info sshd[12]: text    AIX: facility and severity
//	cucm1 local7 5 : 12: text                 CUCM: facility and severity
//	10.1.1.1 00077 ports: text                ProCurve: the id of the event
//	host 123: %SYS-5-CONFIG_I: text           Cisco: a sequence number
func (d *dialect) skipTagPrefix(p int) int {
	b := d.b
	if c := at(b, p); !isAlnum(c) {
		return p
	}
	end := wordEnd(b, p)
	next := skipSpace(b, end)
	word := b[p:end]
	if len(word) > 40 || next >= len(b) {
		return p
	}
	if isDigit(word[0]) {
		n := len(word)
		if word[n-1] == ':' && allDigits(word[:n-1]) && at(b, next) == '%' {
			return next
		}
		if n == 5 && allDigits(word) && startsWord(b, next) {
			d.event = span(p, end)
			return next
		}
		return p
	}
	if severity, ok := severityWord(word); ok && word[0]-'a' < 26 {
		if startsWord(b, next) {
			d.severity(severity)
			return next
		}
		return p
	}
	if colon := indexColon(word); colon > 0 && colon < len(word)-1 {
		if severity, ok := severityWord(word[colon+1:]); ok && startsWord(b, next) {
			if facility, ok := aixFacility(word[:colon]); ok {
				if !d.hasPriority {
					d.m.Facility = facility
				}
				d.severity(severity)
				return next
			}
		}
	}
	if facility, ok := facilityWord(word); ok && isDigit(b[next]) && b[next] < '8' && isSpace(at(b, next+1)) {
		if !d.hasPriority {
			d.m.Facility = facility
		}
		d.severity(syslog.Severity(b[next] - '0'))
		next = skipSpace(b, next+2)
		if at(b, next) == ':' {
			next = skipSpace(b, next+1)
		}
		return next
	}
	return p
}

// aixFacility reads one facility or several joined by "|".
func aixFacility(w []byte) (syslog.Facility, bool) {
	if i := indexByte(w, '|'); i > 0 {
		w = w[:i]
	}
	return facilityWord(w)
}
