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
//	app[12] text   app [12]: text   %SYS-5-CONFIG_I: text   %PKT_INFRA-LINK-3-UPDOWN : text
func tagAt(b []byte, p int) (name, msgID, pid syslog.Span, end int) {
	limit := min(len(b), p+maxTag)
	j := p
	for j < limit && classes[b[j]]&classTag != 0 {
		j++
	}
	if j == p || j >= limit || j == p+1 && !isAlnum(b[p]) && b[p] < 0x80 {
		return name, msgID, pid, 0
	}
	name = span(p, j)
	if string(b[p:j]) == "Severity" {
		return name, msgID, pid, 0 // of Dell's iDRAC: the text begins here
	}
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
		if c := at(b, j); c == ':' || c == '/' || c == '\\' || isDigit(c) || isDigit(b[p]) && !hasLetter(b[p:j-1]) {
			return name, msgID, pid, 0
		}
	case ' ':
		switch {
		case at(b, j+1) == '[' && b[p] != '%':
			// "app [12]: text"
			k := j + 2
			for k < limit && isDigit(b[k]) {
				k++
			}
			if k == j+2 || !hasPrefix(b, k, "]:") {
				return name, msgID, pid, 0
			}
			pid = span(j+2, k)
			j = k + 2
		case at(b, j+1) == '-' && at(b, j+2) == ':':
			// Vectra: "vectra_cef -: text"
			j += 3
		case b[p] != '%':
			return name, msgID, pid, 0
		case at(b, j+1) == ':':
			j += 2
		case !isMnemonic(b[p:j]):
			return name, msgID, pid, 0
		}
	default:
		return name, msgID, pid, 0
	}
	if b[p] == '%' || isMnemonic(b[p:name.End]) {
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
	if at(b, p) == '*' && at(b, p+1) == '%' {
		p++ // Cisco: a clock that is not synchronised
	}
	p = d.skipTagPrefix(p)
	name, msgID, pid, end := tagAt(b, p)
	if end == 0 {
		name, msgID, end = d.bareTag(p)
	}
	if end == 0 && d.netApp(p) {
		return
	}
	if end == 0 {
		d.m.Text = textWithoutEnd(b, p)
		return
	}
	if msgID.Empty() {
		msgID = d.event
	}
	if msgID.Empty() {
		msgID = eventName(b, end)
	}
	d.m.AppName, d.m.MsgID, d.m.ProcID = name, msgID, pid
	d.solaris(&end)
	d.aruba(end)
	d.m.Text = textWithoutEnd(b, end)
}

// skipTagPrefix skips words between host and tag that belong to neither.
//
//	bigip1 notice mcpd[5281]: text            F5: the severity
//	aix1 auth|security:info sshd[12]: text    AIX: facility and severity
//	cucm1 local7 5 : 12: text                 CUCM: facility and severity
//	10.1.1.1 00077 ports: text                ProCurve: the id of the event
//	host 123: %SYS-5-CONFIG_I: text           Cisco: a sequence number
//	ap1 802aa8c1d2e3,U7PG2-4.3.20: app: text  Ubiquiti: hardware address and firmware
//	OpenWrt daemon.info dnsmasq[1]: text      BusyBox: facility and severity
//	fb1 80BE05C2B00C0 firewall: text          WatchGuard: the serial number
//	fb1 (2022-10-11T22:14:15) firewall: text  WatchGuard: the time again, in UTC
//	sw1 (Stack) %%10WEB/5/LOGIN: text         H3C: the role
//	s1 %STKUNIT0-M:CP %SEC-5-LOGIN: text      Dell Force10: the unit
//	host 10.1.2.3 sched[0]: text              a second name of the host (RFC 3164 §5.4)
func (d *dialect) skipTagPrefix(p int) int {
	b := d.b
	end := wordEnd(b, p)
	next := skipSpace(b, end)
	word := b[p:end]
	switch c := at(b, p); {
	case c == '(':
		var s stamp
		if e := s.parse(b, p+1); e > 0 && at(b, e) == ')' && e+1 == end && startsWord(b, next) {
			return next
		}
		if b[end-1] == ')' && at(b, next) == '%' {
			return next
		}
		return p
	case c == '%':
		if !isMnemonic(word) && at(b, next) == '%' && startsWord(b, next) {
			return next
		}
		return p
	case !isAlnum(c):
		return p
	}
	if len(word) > 80 || next >= len(b) {
		return p
	}
	if isDigit(word[0]) && !isMAC(word[:min(len(word), 12)]) {
		n := len(word)
		if word[n-1] == ':' && allDigits(word[:n-1]) && at(b, next) == '%' {
			return next
		}
		if isAddress(word) && startsWord(b, next) {
			return next
		}
		if n == 5 && allDigits(word) && startsWord(b, next) {
			d.event = span(p, end)
			return next
		}
		return p
	}
	if isHardware(word) {
		return next
	}
	if isUpper13(word) && startsWord(b, next) {
		return next
	}
	if facility, severity, ok := selector(word); ok && startsWord(b, next) {
		if !d.hasPriority {
			d.m.Facility = facility
		}
		d.severity(severity)
		return next
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

// isHardware tells whether w is what Ubiquiti's devices put before the tag.
func isHardware(w []byte) bool {
	n := len(w) - 1
	return n > 13 && w[n] == ':' && w[12] == ',' && isMAC(w[:12])
}

// isUpper13 tells whether w is a serial number of WatchGuard.
func isUpper13(w []byte) bool {
	for _, c := range w {
		if !isDigit(c) && c-'A' >= 26 {
			return false
		}
	}
	return len(w) == 13
}

// aixFacility reads one facility or several joined by "|".
func aixFacility(w []byte) (syslog.Facility, bool) {
	if i := indexByte(w, '|'); i > 0 {
		w = w[:i]
	}
	return facilityWord(w)
}

// bareTag reads a tag that is known without a colon: the categories of Cisco ISE
// and ACS, the topics of MikroTik, the mark of Snare, a word before a body of
// CEF, LEEF or JSON, and a program that gives its version.
//
//	Oct 11 22:14:15 sensor1 darktrace {"hostname":"web1"}
//	Oct 11 22:14:15 web1 syslogd 1.5.0: restart.
func (d *dialect) bareTag(p int) (name, msgID syslog.Span, end int) {
	b := d.b
	word := wordEnd(b, p)
	if word-p > maxTag || word >= len(b) {
		return name, msgID, 0
	}
	if hasPrefix(b, p, "CISE_") || hasPrefix(b, p, "CSCOacs_") {
		return span(p, word), msgID, skipSpace(b, word)
	}
	const snare = "MSWinEventLog"
	if hasPrefix(b, p, snare) && b[word] == '\t' {
		return span(p, word), msgID, word + 1
	}
	if next := skipSpace(b, word); startsBody(b, next) && b[next] != '@' && isTagWord(b[p:word]) {
		return span(p, word), msgID, next
	}
	if d.topics(p, word) {
		return span(p, word), msgID, skipSpace(b, word)
	}
	if next := word + 1; isWord(b[p:word]) && isDigit(at(b, next)) {
		end := wordEnd(b, next)
		if b[end-1] == ':' && indexByte(b[next:end], '.') > 0 && !isAddress(b[next:end-1]) && isTagWord(b[next:end-1]) {
			return span(p, word), msgID, skipSpace(b, end)
		}
	}
	return name, d.event, 0
}

// isTagWord tells whether w consists of octets of tags only.
func isTagWord(w []byte) bool {
	for _, c := range w {
		if classes[c]&classTag == 0 {
			return false
		}
	}
	return len(w) > 0
}
