package parser

import "github.com/syslane/syslane/internal/syslog"

// dialect reads what devices write in their own ways. A header that names host
// and time and a PRI stand above all that a body says; the body supplies only
// what they lack.
type dialect struct {
	m           *syslog.Message
	b           []byte
	c           *clock
	event       syslog.Span // an id of the event, for MsgID
	hasPriority bool        // there was a PRI, or a severity has been found
}

// severity takes a severity that the body states, if there was no PRI.
func (d *dialect) severity(s syslog.Severity) {
	if !d.hasPriority {
		d.m.Severity, d.hasPriority = s, true
	}
}

// host takes a host that the body states, if the header names none.
func (d *dialect) host(start, end int) {
	if d.m.Hostname.Empty() && end > start {
		d.m.Hostname = field(d.b, start, end)
	}
}

// time takes the time that stands in b[start:end], if the header has none.
func (d *dialect) time(start, end int) {
	if d.m.Timestamp != syslog.NoTimestamp {
		return
	}
	var s stamp
	if s.parse(d.b[:end], start) == 0 {
		return
	}
	time, warning := s.resolve(d.b, d.c)
	d.m.Timestamp = time
	d.m.Warnings |= warning
}

// lacks tells whether there is anything that a body could supply.
func (d *dialect) lacks() bool {
	return !d.hasPriority || d.m.Hostname.Empty() || d.m.Timestamp == syslog.NoTimestamp
}

// stampless reads a message whose header has no time that we can read; it begins
// at i, behind the PRI if there was one.
func (d *dialect) stampless(i int) {
	b, m := d.b, d.m
	p := skipSpace(b, i)
	switch {
	case d.ciscoStampless(p):
	case d.snare(p):
	case d.hostBeforeTag(p):
	case d.topicsOnly(p):
	case d.hasPriority && startsWord(b, p) && !startsBody(b, p):
		m.Format = syslog.RFC3164
		d.tag(p)
	default:
		m.Text = textFrom(b, i)
	}
	d.supply()
	if m.Format == syslog.Unparsed && (m.Timestamp != syslog.NoTimestamp || !m.Hostname.Empty()) {
		m.Format = syslog.RFC3164
		m.Text = textWithoutEnd(b, int(m.Text.Start))
	}
}

// hostBeforeTag reads a host that stands before a tag, without a time. Before a
// tag without a pid it must not look like an ordinary word.
//
//	<30>web sshd[4123]: text
//	<30>web-1 su: text
//	<14>MiniSwitch 7483c04f9d75,USW_FLEX_MINI-1.8.6.694: NETDEV: text
func (d *dialect) hostBeforeTag(p int) bool {
	b := d.b
	end := wordEnd(b, p)
	next := skipSpace(b, end)
	if !d.hasPriority || end == p || b[end-1] == ':' || d.c.local != "" {
		return false
	}
	start, stop := hostIn(b, p, end)
	if stop <= start {
		return false
	}
	if _, _, pid, e := tagAt(b, next); !isHardware(b[next:wordEnd(b, next)]) && (e == 0 || pid.Empty() && isWord(b[start:stop])) {
		return false
	}
	d.m.Format = syslog.RFC3164
	d.m.Hostname = span(start, stop)
	d.tag(next)
	return true
}

// isWord tells whether w consists of letters only.
func isWord(w []byte) bool {
	for _, c := range w {
		if !isAlpha(c) {
			return false
		}
	}
	return true
}

// supply looks in the body for what the header lacks. The rules are tried from
// the most certain to the least.
func (d *dialect) supply() {
	m := d.m
	if severity, ok := mnemonicSeverity(m.AppName.Of(d.b)); ok {
		d.severity(severity)
	}
	if !d.lacks() {
		return
	}
	end := int(m.Text.End)
	p := skipSpace(d.b[:end], int(m.Text.Start))
	_ = d.cef(p, end) || d.leef(p, end) || d.paloAlto(p, end) || d.audit(p, end) ||
		d.cisco(p, end) || d.json(p, end) || d.keyValue(p, end) ||
		d.printer(p, end) || d.radware(p, end) || d.accessLog(p, end) || d.stampInText(p, end)
	d.levelInText(p, end)
	if m.MsgID.Empty() {
		m.MsgID = d.event
	}
}

// stampInText takes the time with which the text begins, where the header had none:
//
//	<134>ProxySG: 2022-10-11 22:14:15 text
func (d *dialect) stampInText(p, end int) bool {
	if p == end || d.m.Timestamp != syslog.NoTimestamp {
		return false
	}
	if c := d.b[p]; c == '[' || c == '(' || c == '"' {
		p++
	}
	d.time(p, end)
	return true
}

// levelInText takes the level with which the text begins, where there was no PRI:
// in brackets, before a colon or a bracket, or in capitals. A plain word may be
// just a word.
//
//	[error] text   <warn> text   <Info:AAA.authPass> text   Error: text   NOTICE[912]: text   WARN text
//	Severity: Informational, Category: Audit, text
func (d *dialect) levelInText(p, end int) {
	b := d.b[:end]
	if d.hasPriority || p >= end {
		return
	}
	opened := b[p] == '[' || b[p] == '<'
	const label = "Severity: "
	named := hasPrefix(b, p, label)
	if opened {
		p++
	} else if named {
		p += len(label)
	}
	stop, capitals := p, true
	for stop < end && isAlpha(b[stop]) {
		capitals = capitals && b[stop]-'A' < 26
		stop++
	}
	severity, ok := severityWord(b[p:stop])
	if !ok {
		return
	}
	switch c := at(b, stop); {
	case named, opened && (c == ']' || c == '>' || c == ':'), !opened && (c == ':' || c == '['), !opened && capitals && isSpace(c):
		d.severity(severity)
	}
}

// cisco takes the severity from a mnemonic that stands behind a process.
func (d *dialect) cisco(p, end int) bool {
	if p >= end || d.b[p] != '%' {
		return false
	}
	severity, ok := mnemonicSeverity(d.b[p:min(wordEnd(d.b, p), end)])
	if ok {
		d.severity(severity)
	}
	return ok
}
