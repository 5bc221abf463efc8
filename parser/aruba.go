package parser

// aruba reads what Aruba's controllers and access points write before the text:
// the id of the message, with some the pid again, and a level, each in angle
// brackets. The id becomes the MsgID; the level counts where there is no PRI.
//
//	Oct 11 22:14:15 2022 [10.1.1.1] authmgr[130]: <522008> <NOTI> |authmgr| User Authentication Successful
//	Oct 11 22:14:15 2022 aruba1 stm[4133]: <399803> <4133> <ERRS> <aruba1 10.10.10.10> An internal error
func (d *dialect) aruba(p int) {
	b := d.b
	id := span(0, 0)
	for range 3 {
		if at(b, p) != '<' {
			return
		}
		stop := p + 1
		for stop < len(b) && stop < p+12 && b[stop] != '>' {
			stop++
		}
		if at(b, stop) != '>' {
			return
		}
		word := b[p+1 : stop]
		switch {
		case !allDigits(word):
			if severity, ok := severityWord(word); ok && !id.Empty() {
				d.m.MsgID = id
				d.severity(severity)
			}
			return
		case id.Empty():
			id = span(p+1, stop)
		}
		p = skipSpace(b, stop+1)
	}
}
