package parser

import "github.com/syslane/syslane/internal/syslog"

// netApp reads what ONTAP's event management system writes where others have
// host and tag: node, event and severity in brackets. The event is the MsgID.
//
//	<13>Oct 11 22:14:15 [netapp1:callhome.management.log:info]: Call home for MANAGEMENT_LOG
func (d *dialect) netApp(p int) bool {
	b := d.b
	if at(b, p) != '[' {
		return false
	}
	end := p + 1
	colons := 0
	var at1, at2 int
	for end < len(b) && end < p+maxTag && b[end] != ']' && !isSpace(b[end]) {
		if b[end] == ':' {
			colons++
			at1, at2 = at2, end
		}
		end++
	}
	if colons != 2 || !hasPrefix(b, end, "]:") {
		return false
	}
	severity, ok := severityWord(b[at2+1 : end])
	if !ok {
		return false
	}
	d.host(p+1, at1)
	d.m.MsgID = syslog.Span{Start: uint32(at1 + 1), End: uint32(at2)}
	d.severity(severity)
	d.m.Text = textWithoutEnd(b, skipSpace(b, end+2))
	return true
}
