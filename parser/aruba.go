package parser

// aruba takes the severity from the text of an Aruba controller or access point,
// where there is no PRI: the id of the message, with controllers sometimes the
// pid, and a level, each in angle brackets. The id becomes the MsgID.
//
//	Oct 11 22:14:15 2022 [10.1.1.1] authmgr[130]: <522008> <NOTI> |authmgr| User Authentication Successful
//	Oct 11 22:14:15 2022 aruba1 stm[4133]: <399803> <4133> <ERRS> <aruba1 10.10.10.10> An internal error
func (d *dialect) aruba(p, end int) bool {
	b := d.b
	for i := range 3 {
		if p >= end || b[p] != '<' {
			return false
		}
		stop := p + 1
		for stop < end && stop < p+12 && b[stop] != '>' {
			stop++
		}
		if stop >= end || b[stop] != '>' {
			return false
		}
		if !allDigits(b[p+1 : stop]) {
			severity, ok := severityWord(b[p+1 : stop])
			if ok {
				d.severity(severity)
			}
			return ok
		}
		if i == 0 {
			d.event = span(p+1, stop)
		}
		p = skipSpace(b, stop+1)
	}
	return false
}
