package parser

import (
	"bytes"

	"github.com/syslane/syslane/internal/syslog"
)

// readHost reads the HOSTNAME at p, which is behind the time, if there is one,
// and returns where the tag begins. It is no host where it is a tag or a level:
//
//	Oct 11 22:14:15 sshd[12]: text          no host: a tag
//	Oct 11 22:14:15 router1: %SYS-5-X: text a host, for a tag follows
//	Oct 11 22:14:15 fe80::1 app: text       a host, though there are colons
//	Oct 11 22:14:15 [10.1.1.1] app: text    brackets do not belong to it
//	Oct 11 22:14:15 (none) swlogd: text     NILVALUE, as "-" is
//	Oct 11 22:14:15 <auth.info> h app: text FreeBSD's syslogd -v
//	Oct 11 22:14:15 Message forwarded from h: app: text   AIX and Solaris
//	2022-10-11 22:14:15,933, h, audit.admin, INFO, text   RSA SecurID
func (h *header) readHost(b []byte, p int) int {
	if h.local != "" {
		if end := localHostAt(b, p, h.local); end > 0 {
			h.host = span(p, end)
			return skipSpace(b, end)
		}
		return p
	}
	p = h.skipLevels(b, p)
	const forwarded = "Message forwarded from "
	if hasPrefix(b, p, forwarded) {
		p += len(forwarded)
		if end := wordEnd(b, p); end > p && b[end-1] == ':' {
			h.host = span(p, end-1)
			return skipSpace(b, end)
		}
		return p
	}
	if !h.host.Empty() {
		return p
	}
	end := wordEnd(b, p)
	next := skipSpace(b, end)
	if end == p {
		return p
	}
	if h.comma && b[end-1] == ',' {
		if start, stop := hostIn(b, p, end-1); stop > start {
			h.host = span(start, stop)
			return next
		}
		return p
	}
	word := b[p:end]
	if string(word) == "-" || string(word) == "(none)" {
		return next
	}
	lone := at(b, next) == ':' && (next+1 >= len(b) || isSpace(b[next+1]))
	behind := next
	if lone {
		behind = skipSpace(b, next+1)
	}
	if h.colon && at(b, behind) != '%' {
		return p
	}
	if word[len(word)-1] == ':' && !isAddress(word[:len(word)-1]) && !startsTag(b, behind) {
		if !bytes.HasPrefix(b[behind:], word) || !isSpace(at(b, behind+len(word))) {
			return p
		}
		// ONTAP's audit log names its node twice: "netapp1: netapp1: text".
		behind += len(word) + 1
	}
	start, stop := hostIn(b, p, end)
	if stop <= start {
		return h.readHostList(b, p)
	}
	if len(word) < 6 && allDigits(word) {
		return p // a count, or a code
	}
	if next >= len(b) || h.hasSeverity && !h.hasFacility && !startsWord(b, behind) && !isAddress(b[start:stop]) {
		return p
	}
	h.host = span(start, stop)
	return behind
}

// localHostAt returns where in a message of this host the name of a host at p
// ends, or 0 where another word stands there. It is the name of this host, whole
// or without its domain, or another's that a daemon here forwards: one is known by
// the tag with a pid behind it, without which it may be a word of the text.
//
//	Oct 11 22:14:15 web1 app: text      logger --rfc3164 --socket
//	Oct 11 22:14:15 web7 app[3]: text   unix-dgram() of syslog-ng
//	Oct 11 22:14:15 web7 app[3] text    omuxsock of rsyslog
//	Oct 11 22:14:15 app[3]: text        all else
func localHostAt(b []byte, p int, host string) int {
	end := wordEnd(b, p)
	word := b[p:end]
	n := len(word)
	if n > 0 && n <= len(host) && string(word) == host[:n] && (n == len(host) || host[n] == '.') {
		return end
	}
	start, stop := hostIn(b, p, end)
	if stop <= start || indexByte(word, ':') >= 0 && !isAddress(b[start:stop]) || !tagsPID(b, end+1) {
		return 0
	}
	if _, level := severityWord(word); level {
		return 0
	}
	return end
}

// tagsPID tells whether the word at p is a tag with a pid: "app[3]:", "app[3]".
func tagsPID(b []byte, p int) bool {
	if p >= len(b) {
		return false
	}
	word, closed := bytes.CutSuffix(bytes.TrimSuffix(b[p:wordEnd(b, p)], []byte(":")), []byte("]"))
	open := bytes.LastIndexByte(word, '[')
	return closed && open > 0 && open < len(word)-1 && allDigits(word[open+1:])
}

// readHostList reads a host in front of a comma: Ubiquiti access points name
// model, MAC address and firmware where the host belongs, and F5 iRules write a
// list of values. The first part stands for the host.
//
//	Nov 10 11:49:46 U7PG2,788a2056b181,v4.0.66.10832: logread[5495]: text
//	Nov 10 11:49:46 ("U7PG2,788a2056b181,v4.0.66.10832") hostapd: text
//	2019-12-12T15:54:12-08:00 10.160.21.242,f5_irule=HTTP,src_ip=10.32.30.21
func (h *header) readHostList(b []byte, p int) int {
	start := p
	if hasPrefix(b, p, `("`) {
		start += 2
	}
	end := start
	for end < len(b) && classes[b[end]]&classHost != 0 && b[end] != ':' {
		end++
	}
	if end == start || at(b, end) != ',' || !isAlpha(b[start]) && !isAddress(b[start:end]) && !isMAC(b[start:end]) {
		return p
	}
	rest := end + 1
	word := wordEnd(b, rest)
	next := skipSpace(b, word)
	switch {
	case start > p:
		if word < rest+2 || b[word-1] != ')' {
			return p
		}
	case b[word-1] == ':' || startsWord(b, next):
	case indexByte(b[rest:word], '=') > 0:
		next = rest
	default:
		return p
	}
	h.host = span(start, end)
	return next
}

// isMAC tells whether b is a hardware address without separators.
func isMAC(b []byte) bool {
	for _, c := range b {
		if !isDigit(c) && (c|0x20)-'a' >= 6 {
			return false
		}
	}
	return len(b) == 12
}

// startsWord tells whether a tag of letters stands at i.
func startsWord(b []byte, i int) bool {
	_, _, _, end := tagAt(b, i)
	return end > 0
}

// skipLevels skips what tells severity or facility before the host, and notes it.
//
//	<auth.info>  Local7.Notice  daemon.info  <WARN>  [ERROR]  INFO  info app[12]:
func (h *header) skipLevels(b []byte, p int) int {
	end := wordEnd(b, p)
	start, stop := p, end
	if stop-start > 2 && (b[start] == '<' && b[stop-1] == '>' || b[start] == '[' && b[stop-1] == ']') {
		start++
		stop--
	}
	word := b[start:stop]
	if len(word) < 3 || len(word) > 24 {
		return p
	}
	if dot := indexByte(word, '.'); dot > 0 {
		facility, severity, ok := selector(word)
		if !ok {
			return p
		}
		h.facility, h.hasFacility = facility, true
		h.severity, h.hasSeverity = severity, true
		return skipSpace(b, end)
	}
	severity, ok := severityWord(word)
	if !ok {
		return p
	}
	next := skipSpace(b, end)
	if start == p && word[0]-'a' < 26 {
		// A host may be called "info"; but not where a pid follows.
		if _, _, pid, e := tagAt(b, next); e == 0 || pid.Empty() {
			return p
		}
	}
	h.severity, h.hasSeverity = severity, true
	return next
}

// startsTag tells whether what stands at i is certainly a tag: a Cisco or Huawei
// mnemonic or a word with a pid.
func startsTag(b []byte, i int) bool {
	if at(b, i) == '%' && i+1 < len(b) && (isAlpha(b[i+1]) || b[i+1] == '%') {
		return true
	}
	_, _, pid, end := tagAt(b, i)
	return end > 0 && !pid.Empty()
}

// hostIn returns the part of the word b[start:end] that is a host's name, or
// 0, 0: without the colon behind it or brackets around it. Solaris puts the port
// behind an address that it cannot name ("[10.1.1.1.2.2]"); it is left out.
func hostIn(b []byte, start, end int) (int, int) {
	if end-start > 1 && b[end-1] == ':' && !(end-start > 2 && b[end-2] == ':') {
		end--
	}
	if end-start > 2 && (b[start] == '[' && b[end-1] == ']' || b[start] == '(' && b[end-1] == ')') {
		start++
		end--
	}
	if end-start > 255 || end <= start {
		return 0, 0
	}
	if b[end-1] == ')' {
		// Hillstone: the virtual system behind the serial number.
		if i := indexByte(b[start:end], '('); i > 0 {
			end = start + i
		}
	}
	alnum, dots, fourth, digits, colons := false, 0, 0, 0, 0
	for i, c := range b[start:end] {
		k := classes[c]
		switch {
		case k&classHost == 0 || c == '%' && colons == 0:
			return 0, 0
		case k&classDigit != 0:
			alnum = true
			digits++
		case k&classAlpha != 0 || c >= 0x80:
			alnum = true
		case c == ':':
			colons++
		case c == '.':
			if dots++; dots == 4 {
				fourth = i
			}
		}
	}
	if !alnum || colons == 1 || colons > 0 && !isAddress(zoneless(b[start:end])) {
		return 0, 0
	}
	if dots == 5 && digits+dots == end-start {
		end = start + fourth
	}
	return start, end
}

// zoneless cuts the zone off an IPv6 address ("fe80::1%eth0").
func zoneless(b []byte) []byte {
	if i := indexByte(b, '%'); i >= 0 {
		return b[:i]
	}
	return b
}

// isAddress tells whether b looks like an IPv4 or IPv6 address.
func isAddress(b []byte) bool {
	dots, colons, digits := 0, 0, 0
	for _, c := range b {
		switch {
		case c == '.':
			dots++
		case c == ':':
			colons++
		case isDigit(c):
			digits++
		case (c|0x20)-'a' < 6:
			if colons == 0 && dots > 0 {
				return false
			}
		default:
			return false
		}
	}
	return dots == 3 && colons == 0 && digits >= 4 || colons >= 2
}

func indexByte(b []byte, c byte) int {
	for i := range b {
		if b[i] == c {
			return i
		}
	}
	return -1
}

// textWithoutEnd is the text from i on, without the line ends and NULs at its
// end: in RFC 3164 they are left over from framing.
func textWithoutEnd(b []byte, i int) syslog.Span {
	s := textFrom(b, i)
	for s.End > s.Start {
		if c := b[s.End-1]; c != '\n' && c != '\r' && c != 0 {
			break
		}
		s.End--
	}
	return s
}
