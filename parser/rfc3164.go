package parser

import "github.com/syslane/syslane/internal/syslog"

// parse3164 reads a message that is not of RFC 5424, from i on, which is behind
// the PRI if there was one.
func parse3164(m *syslog.Message, b []byte, i int, hasPriority bool, c *clock) {
	plain := plain3164(m, b, i, c)
	if plain && hasPriority {
		return
	}
	d := dialect{m: m, b: b, c: c, hasPriority: hasPriority}
	if plain {
		d.supply()
		return
	}
	h := header{local: c.local}
	h.read(b, i)
	if !h.stamped {
		d.stampless(i)
		return
	}
	if c.local == "" {
		// Nothing has relayed what comes from this host.
		if d.nested5424(&h) {
			return
		}
		d.takeNested(&h)
	}
	m.Format = syslog.RFC3164
	time, warning := h.stamp.resolve(b, c)
	m.Timestamp = time
	m.Warnings |= warning
	m.Hostname = h.host
	d.tag(h.body)
	d.supply()
}

// plain3164 reads the forms that most of the world's messages have, that of RFC
// 3164 §4.1 and rsyslog's with a time of RFC 3339; all else it leaves alone, to
// be read with more care.
//
//	Oct 11 22:14:15 mymachine su[123]: text
//	2022-10-11T22:14:15.123456+02:00 mymachine su[123]: text
func plain3164(m *syslog.Message, b []byte, i int, c *clock) bool {
	var p plainStamp
	if !p.parse(b, i) {
		return false
	}
	i = p.end + 1
	if f := at(b, i); !isAlpha(f) && !(isDigit(f) && !isYear(b, i)) || f-'A' < 26 && notHost(b, i) {
		return false
	}
	j := i - 1
	if c.local == "" || localHostAt(b, i, c.local) > 0 {
		for j++; j < len(b) && classes[b[j]]&classHost != 0 && b[j] != ':'; {
			j++
		}
	}
	if at(b, j) != ' ' || !isAlpha(at(b, j+1)) {
		return false
	}
	name, msgID, pid, text := tagAt(b, j+1)
	if text == 0 || b[text-1] == ':' {
		return false
	}
	switch at(b, text) {
	case '[', '<', '%':
		// Solaris, Aruba and Cisco put more of the header there.
		return false
	}
	// "info app[12]:" and "daemon.info app:" have no host.
	if j > i && !pid.Empty() {
		if _, level := severityWord(b[i:j]); level {
			return false
		}
	}
	if j > i {
		if _, _, ok := selector(b[i:j]); ok {
			return false
		}
	}
	if !p.resolve(m, c) {
		return false
	}
	m.Format = syslog.RFC3164
	if j > i {
		m.Hostname = span(i, j)
	}
	if msgID.Empty() {
		msgID = eventName(b, text)
	}
	m.AppName, m.MsgID, m.ProcID = name, msgID, pid
	m.Text = textWithoutEnd(b, text)
	return true
}

// plainStamp is one of the two stamps that plain3164 knows.
type plainStamp struct {
	end        int // where the space stands behind it
	month, day int
	sec        int   // of the day
	exact      bool  // it is of RFC 3339,
	time       int64 // and this is its time
}

// parse reads a plain stamp at i that is followed by a space.
func (p *plainStamp) parse(b []byte, i int) bool {
	if len(b)-i < 24 {
		return false
	}
	s := b[i : i+20]
	if s[10] == 'T' {
		p.exact = true
		p.time, p.end = stamp3339(b, i)
		return p.end > 0 && at(b, p.end) == ' '
	}
	if s[3] != ' ' || s[6] != ' ' || s[9] != ':' || s[12] != ':' || s[15] != ' ' {
		return false
	}
	hour, minute, sec := digits2(s, 7), digits2(s, 10), digits2(s, 13)
	if p.day = digits2(s, 4); s[4] == ' ' && isDigit(s[5]) {
		p.day = int(s[5] - '0')
	}
	p.month, _ = monthName(b, i)
	p.end, p.sec = i+15, hour*3600+minute*60+sec
	return p.month > 0 && p.day > 0 && hour|minute|sec >= 0 && hour <= 23 && minute <= 59 && sec <= 59
}

// resolve gives m the time of the stamp; it returns false where there is no such date.
func (p *plainStamp) resolve(m *syslog.Message, c *clock) bool {
	if p.exact {
		m.Timestamp = p.time
		return true
	}
	received := c.received / nanosPerSec
	year := inferYear(p.month, p.day, received)
	if !isDay(year, p.month, p.day) {
		return false
	}
	wall := unixDay(year, p.month, p.day)*secondsPerDay + int64(p.sec)
	m.Timestamp = nanos(inLocation(wall, c.location, received), 0)
	m.Warnings |= syslog.WarnYearInferred
	return true
}

// isYear tells whether a year stands at i where a host could stand.
func isYear(b []byte, i int) bool {
	year, j := number(b, i, 4, 4)
	if j == 0 || year < 1970 || year >= 2100 {
		return false
	}
	if at(b, j) == ':' || at(b, j) == ',' {
		j++
	}
	return j == len(b) || isSpace(b[j])
}

// notHost tells whether a word that begins with a capital is something else that
// may stand behind the time: a zone, AM or PM, DST, a level, or part of a phrase.
func notHost(b []byte, i int) bool {
	if zoneNameEnd(b, i) > 0 {
		return true
	}
	end := wordEnd(b, i)
	switch end - i {
	case 2, 3, 4, 5, 6, 7, 8:
		if _, ok := severityWord(b[i:end]); ok {
			return true
		}
		switch string(b[i:end]) {
		case "AM", "PM", "DST", "Message":
			return true
		}
	}
	return false
}

// header is what has been found of a header near RFC 3164 §4.1.
type header struct {
	stamp       stamp
	host        syslog.Span
	address     syslog.Span // stands for the host where there is none
	severity    syslog.Severity
	facility    syslog.Facility
	body        int    // where the tag, or without one the text, begins
	stamped     bool   // there is a stamp
	colon       bool   // a colon stands behind the stamp, as Cisco writes
	sequenced   bool   // a sequence number stands before it
	comma       bool   // a comma stands behind the stamp, as between all fields
	local       string // Options.LocalHost
	hasSeverity bool   // severity has been read from a word
	hasFacility bool
}

// maxPrefixes bounds how many words may stand before the time: a sequence
// number, a host, a second sequence number, a process, a marker.
const maxPrefixes = 6

// read finds the time of a header that begins at i, and the host before or
// behind it.
func (h *header) read(b []byte, i int) {
	p := skipSpace(b, i)
	last := byte(0)
	for first := true; ; first = false {
		if h.stampAt(b, p) > 0 {
			break
		}
		next, marker := h.prefix(b, p, first)
		if next == 0 || next-i > maxPrefixes*64 {
			return
		}
		last = marker
		p = next
	}
	h.stamp.unsure = last == '*'
	p = skipSpace(b, h.body)
	if last != 0 || h.sequenced {
		p = skipOwnZone(b, p)
	}
	switch c := at(b, p); {
	case c == ':' && at(b, p+1) != ':':
		h.colon = true
		p = skipSpace(b, p+1)
	case c == ',':
		h.comma = true
		p = skipSpace(b, p+1)
	}
	h.body = h.readHost(b, p)
	if h.host.Empty() {
		h.host = h.address
	}
}

// stampAt reads a stamp at p, which may stand in brackets, and notes its end in body.
func (h *header) stampAt(b []byte, p int) int {
	end := 0
	if at(b, p) == '[' {
		if end = h.stamp.parse(b, p+1); end > 0 {
			if at(b, end) != ']' {
				return 0
			}
			end++
		}
	} else {
		end = h.stamp.parse(b, p)
	}
	if end > 0 {
		h.stamped, h.body = true, end
	}
	return end
}

// prefix skips one thing that stands before the time, and returns what follows
// it, or 0 where the header ends without a time, and what marker it was.
//
//	29:               a sequence number
//	router1:  HOST    the host
//	* . : % @ #       markers, of the clock's state and others
//	RP/0/RSP0/CPU0:   a node of IOS XR, directly before the time
//	Original Address=10.1.1.5   Kiwi
func (h *header) prefix(b []byte, p int, first bool) (next int, marker byte) {
	if p >= len(b) {
		return 0, 0
	}
	switch c := b[p]; c {
	case '*', '.', ':', '%', '#', '@':
		return skipSpace(b, p+1), c
	case 'O':
		const kiwi = "Original Address="
		if first && hasPrefix(b, p, kiwi) {
			p += len(kiwi)
			end := wordEnd(b, p)
			h.address = span(p, end)
			return skipSpace(b, end), 0
		}
	}
	end := wordEnd(b, p)
	word := b[p:end]
	n := len(word) - 1
	if n > 64 {
		return 0, 0
	}
	if n > 0 && word[n] == ':' && allDigits(word[:n]) || allDigits(word) {
		h.sequenced = true
		return skipSpace(b, end), 0
	}
	if k := indexColon(word); k > 0 && k < n && isAlpha(word[k+1]) && hasPrefix(b, p+k-5, "/CPU") {
		return p + k + 1, 0
	}
	start, stop := hostIn(b, p, end)
	if stop <= start || word[n] != ':' && !first && !h.sequenced {
		return 0, 0
	}
	if h.host.Empty() {
		h.host = span(start, stop)
	}
	return skipSpace(b, end), 0
}

func indexColon(b []byte) int {
	for i, c := range b {
		if c == ':' {
			return i
		}
	}
	return -1
}

// nested5424 looks behind the host for a whole header of RFC 5424, before which
// a relay has put its own, and reads the message by it.
//
//	<13>Oct 11 22:14:15 relay <34>1 2022-10-11T22:14:14Z host app 12 - - text
//	<134>1 Dec 6 08:41:44 192.168.1.1 1 1386337316.207232138 MX84 events text
func (d *dialect) nested5424(h *header) bool {
	probe := syslog.Message{Raw: d.b}
	p, ok := priority(&probe, h.body)
	v := version(d.b, p)
	if v == 0 || !ok && at(d.b, v) == '-' || !parse5424(d.m, d.b, v, d.c) {
		return false
	}
	if ok {
		d.nestedPriority(&probe)
	}
	if d.m.Hostname.Empty() {
		d.m.Hostname = h.host
	}
	return true
}

// nestedPriority takes the originator's priority: a relay that puts its own
// before it did not understand it.
func (d *dialect) nestedPriority(inner *syslog.Message) {
	d.m.Facility, d.m.Severity, d.hasPriority = inner.Facility, inner.Severity, true
	d.m.Warnings &^= syslog.WarnNoPriority
}

// takeNested looks behind the host for the header of the originator, before
// which a relay has put its own, and takes time and host from it. It counts only
// where it is whole: it has a PRI, a colon behind its time, a tag behind it, or a
// host between commas.
// A clock that its device calls unset ("*") does not count against the relay's.
//
//	Oct 11 22:14:15 relay Oct 11 22:14:14 host sshd[12]: text
//	Oct 11 22:14:15 10.1.1.1 29: *Mar  1 18:46:11.123: %SYS-5-CONFIG_I: text
func (d *dialect) takeNested(h *header) {
	if h.hasFacility && !d.hasPriority {
		d.m.Facility = h.facility
	}
	if h.hasSeverity {
		d.severity(h.severity)
	}
	b, p := d.b, h.body
	var inner header
	switch c := at(b, p); {
	case c == '<':
		probe := syslog.Message{Raw: b}
		end, ok := priority(&probe, p)
		if !ok {
			return
		}
		if inner.read(b, end); !inner.stamped {
			return
		}
		d.nestedPriority(&probe)
	case c == '*' || c == '.' || c == ':' || c == '[' || isDigit(c) || isAlpha(c):
		if inner.read(b, p); !inner.stamped {
			return
		}
		if _, _, _, end := tagAt(b, inner.body); end == 0 && !inner.colon && (!inner.comma || inner.host.Empty()) {
			return
		}
	default:
		return
	}
	if !inner.stamp.unsure || h.stamp.unsure {
		h.stamp = inner.stamp
	}
	if !inner.host.Empty() {
		h.host = inner.host
	}
	h.body = inner.body
}
