package parser

import "github.com/syslane/syslane/internal/syslog"

// maxPrefixes bounds how many words may stand before the time: a sequence
// number, a host, a second sequence number, a process, a marker.
const maxPrefixes = 6

// header is what has been found of a header near RFC 3164 §4.1. A relay that
// puts its own header before that of the originator makes two.
type header struct {
	stamp     stamp
	stamped   bool // there is a stamp
	stampEnd  int
	colon     bool // a colon stands behind the stamp, as Cisco writes
	host      syslog.Span
	body      int // where the tag, or without one the text, begins
	sequenced bool
}

// parse3164 reads a message that is not of RFC 5424, from i on, which is behind
// the PRI if there was one.
func parse3164(m *syslog.Message, b []byte, i int, hasPriority bool, o *Options) {
	var h header
	h.read(b, i)
	if !h.stamped {
		parseStampless(m, b, i, hasPriority, o)
		return
	}
	m.Format = syslog.RFC3164
	if inner, at, ok := h.nested(m, b, &hasPriority); ok {
		_ = at
		if !inner.stamp.unsure || h.stamp.unsure {
			h.stamp = inner.stamp
		}
		if !inner.host.Empty() {
			h.host = inner.host
		}
		h.body = inner.body
	}
	time, warning := h.stamp.resolve(b, o)
	m.Timestamp = time
	m.Warnings |= warning
	m.Hostname = h.host
	readTag(m, b, h.body)
}

// read finds the time of a header that begins at i, and the host before or
// behind it.
func (h *header) read(b []byte, i int) {
	p := skipSpace(b, i)
	unsure := false
	for range maxPrefixes {
		if p >= len(b) {
			return
		}
		if end := h.stamp.parse(b, p); end > 0 {
			h.stamp.unsure = unsure
			h.stamped, h.stampEnd = true, end
			break
		}
		switch b[p] {
		case '*', '.', ':', '%':
			unsure = b[p] == '*'
			p = skipSpace(b, p+1)
			continue
		}
		end := wordEnd(b, p)
		word := b[p:end]
		if n := len(word) - 1; n > 0 && word[n] == ':' && allDigits(word[:n]) {
			h.sequenced = true
		} else if start, stop := hostIn(b, p, end); h.host.Empty() && stop > start {
			h.host = span(start, stop)
		} else if h.host.Empty() {
			return
		}
		p = skipSpace(b, end)
	}
	if !h.stamped {
		return
	}
	p = skipSpace(b, h.stampEnd)
	if at(b, p) == ':' {
		h.colon = true
		p = skipSpace(b, p+1)
	}
	if h.host.Empty() && !h.colon {
		p = h.readHost(b, p)
	}
	h.body = p
}

// readHost reads the HOSTNAME at p, if there is one, and returns where the tag begins.
func (h *header) readHost(b []byte, p int) int {
	end := wordEnd(b, p)
	next := skipSpace(b, end)
	if end == p || next >= len(b) && b[end-1] != ':' {
		return p
	}
	word := b[p:end]
	if len(word) == 1 && word[0] == '-' || string(word) == "(none)" {
		return next
	}
	last := word[len(word)-1]
	if last == ':' {
		if !isAddress(word[:len(word)-1]) && !startsTag(b, next) {
			return p
		}
	}
	start, stop := hostIn(b, p, end)
	if stop <= start {
		return p
	}
	h.host = span(start, stop)
	if at(b, next) == ':' && isSpace(at(b, next+1)) {
		next = skipSpace(b, next+1)
	}
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
// 0, 0: without the colon behind it or brackets around it.
func hostIn(b []byte, start, end int) (int, int) {
	if end-start > 1 && b[end-1] == ':' && !(end-start > 2 && b[end-2] == ':') {
		end--
	}
	if end-start > 2 && (b[start] == '[' && b[end-1] == ']' || b[start] == '(' && b[end-1] == ')') {
		start++
		end--
	}
	if end-start > 255 {
		return 0, 0
	}
	alnum := false
	colons := 0
	for _, c := range b[start:end] {
		k := classes[c]
		if k&classHost == 0 {
			return 0, 0
		}
		if k&(classAlpha|classDigit) != 0 || c >= 0x80 {
			alnum = true
		} else if c == ':' {
			colons++
		} else if c == '%' && colons == 0 {
			return 0, 0
		}
	}
	if !alnum || colons == 1 {
		return 0, 0
	}
	return start, end
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

// nested looks behind the host for the header of the originator, before which a
// relay has put its own. It counts only where it is whole: it has a PRI, a colon
// behind its time, or a tag behind it.
func (h *header) nested(m *syslog.Message, b []byte, hasPriority *bool) (inner header, body int, ok bool) {
	p := h.body
	c := at(b, p)
	if c != '<' && c != '*' && c != '.' && c != ':' && !isDigit(c) && !isAlpha(c) {
		return inner, 0, false
	}
	if c == '<' {
		if !isDigit(at(b, p+1)) {
			return inner, 0, false
		}
		var probe syslog.Message
		probe.Raw = b
		end, valid := priority(&probe, p)
		if !valid {
			return inner, 0, false
		}
		inner.read(b, end)
		if !inner.stamped {
			return inner, 0, false
		}
		if !*hasPriority || m.Facility == syslog.DefaultFacility && m.Severity == syslog.DefaultSeverity {
			m.Facility, m.Severity = probe.Facility, probe.Severity
			*hasPriority = true
			m.Warnings &^= syslog.WarnNoPriority
		}
		return inner, inner.body, true
	}
	inner.read(b, p)
	if !inner.stamped {
		return inner, 0, false
	}
	if _, _, _, end := tagAt(b, inner.body); end == 0 && !inner.colon && !inner.sequenced {
		return inner, 0, false
	}
	return inner, inner.body, true
}

// parseStampless reads a message without a time that we can read.
func parseStampless(m *syslog.Message, b []byte, i int, hasPriority bool, o *Options) {
	p := skipSpace(b, i)
	if !hasPriority {
		m.Text = textFrom(b, i)
		return
	}
	if _, _, _, end := tagAt(b, p); end > 0 {
		m.Format = syslog.RFC3164
		readTag(m, b, p)
		return
	}
	m.Text = textFrom(b, i)
}

// readTag reads the TAG at p, if there is one, and makes the rest the text.
func readTag(m *syslog.Message, b []byte, p int) {
	name, msgID, pid, end := tagAt(b, p)
	if end == 0 {
		end = p
	} else {
		m.AppName, m.MsgID, m.ProcID = name, msgID, pid
	}
	m.Text = textFrom(b, end)
	for m.Text.End > m.Text.Start {
		if c := b[m.Text.End-1]; c != '\n' && c != '\r' && c != 0 {
			break
		}
		m.Text.End--
	}
}

// maxTag is how many octets of a message are searched for the end of its tag.
const maxTag = 128

// tagAt reads a TAG at p: its name, the mnemonic in it, the pid, and where the
// text begins behind it; an end of 0 where there is no tag.
//
//	sshd[4123]: text    postfix/smtpd[88]: text   su: text   %SYS-5-CONFIG_I: text
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
		if k >= limit || b[k] != ']' {
			return name, msgID, pid, 0
		}
		pid = span(j+1, k)
		j = k + 1
		if at(b, j) == ':' {
			j++
		} else if !isSpace(at(b, j)) || !allDigits(pid.Of(b)) {
			return name, msgID, pid, 0
		}
	case ':':
		j++
		if c := at(b, j); c == ':' || c == '/' || isDigit(c) {
			return name, msgID, pid, 0
		}
	case ' ':
		if b[p] != '%' || at(b, j+1) != ':' {
			return name, msgID, pid, 0
		}
		j += 2
	default:
		return name, msgID, pid, 0
	}
	if b[p] == '%' {
		msgID = mnemonic(b, name)
	}
	if at(b, j) == ' ' {
		j++
	}
	return name, msgID, pid, j
}

// mnemonic returns the last part of a tag such as %SYS-5-CONFIG_I.
func mnemonic(b []byte, tag syslog.Span) syslog.Span {
	for k := int(tag.End) - 1; k > int(tag.Start); k-- {
		if b[k] == '-' || b[k] == '/' {
			return span(k+1, int(tag.End))
		}
	}
	return syslog.Span{}
}
