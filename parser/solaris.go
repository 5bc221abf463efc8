package parser

// solaris reads the message id that Solaris and illumos put before the text: a
// number for the message, and facility and severity by name. The number becomes
// the MsgID; the names count where there is no PRI.
//
//	Oct 11 22:14:15 sol1 su: [ID 810491 auth.crit] 'su root' failed for lonvick on /dev/pts/8
func (d *dialect) solaris(p *int) {
	b, i := d.b, *p
	if !hasPrefix(b, i, "[ID ") {
		return
	}
	id := i + 4
	idEnd := wordEnd(b, id)
	if idEnd == id || idEnd-id > 10 || !allDigits(b[id:idEnd]) {
		return
	}
	name := idEnd + 1
	end := name
	for end < len(b) && end < name+24 && b[end] != ']' {
		end++
	}
	if at(b, end) != ']' {
		return
	}
	dot := indexByte(b[name:end], '.')
	if dot < 0 {
		return
	}
	facility, ok := facilityWord(b[name : name+dot])
	severity, ok2 := severityWord(b[name+dot+1 : end])
	if !ok2 {
		return
	}
	if ok && !d.hasPriority {
		d.m.Facility = facility
	}
	d.severity(severity)
	d.m.MsgID = span(id, idEnd)
	if *p = end + 1; at(b, *p) == ' ' {
		*p++
	}
}
